"""Langevin dynamics and gradient flow on the sphere, on a finite matrix and tensor.

    dx = - mu x dt - grad H dt + sqrt(2 T) dW,   |x|^2 = N,   mu = - x grad H / N + T (1 - 1/N),

where mu keeps the sphere (Sarao Mannelli et al. 2020); T = 1 samples the posterior, T = 0 descends
its energy. Every step ends on the sphere, by scaling.

T = 0: the method of Bogacki and Shampine (1989), of order three with an embedded one of order two
whose distance sets the step.
T > 0: Heun's method with one noise in both stages and a fixed step h. Noise is additive but for
mu, which averages over N components, so that the method is of weak order two up to errors of
order h / N (Kloeden and Platen 1992). `step_bias` measures what the step costs, on one path of
the noise.

The only heavy operation is `MatrixTensor.force`, once a stage for all columns: three a step at
T = 0, two at T > 0.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import ceil, sqrt
from typing import Any, Final, NamedTuple

import numpy as np
from jaxtyping import Float, PRNGKeyArray
from threadpoolctl import threadpool_limits

from solvable.algorithms.matrix_tensor import Force, MatrixTensor
from solvable.algorithms.tensor_slabs import Columns
from solvable.core.arguments import array, fail, instance, integer, non_negative, positive
from solvable.core.randomness import numpy_generator
from solvable.core.status import Status

Series = Float[np.ndarray, "times *columns"]


@dataclass(frozen=True, eq=False)
class Path:
    """What was seen on the way; of k columns every series has a last axis of length k.

    Attributes:
        times: those of the request that were reached.
        overlap: x x* / N, or None without a signal. Where all powers of Q are even, x and -x
            cannot be told apart: then every path's initial sign is taken out.
        energy: H / N.
        matrix_energy: the share of the matrix.
        tensor_energy: the share of the tensor.
        multiplier: mu.
        waiting: waiting times t_w that were reached.
        correlation: C(t, t_w) = x(t) x(t_w) / N, shape (times, waiting) or (times, waiting, k).
        position: x at the last time.
        status: converged if all times were reached, else why not.
        steps: steps taken, those that were refused included.
    """

    times: np.ndarray
    overlap: Series | None
    energy: Series
    matrix_energy: Series
    tensor_energy: Series
    multiplier: Series
    waiting: np.ndarray
    correlation: np.ndarray
    position: np.ndarray
    status: Status
    steps: int


class StepBias(NamedTuple):
    """What a step costs: observables at step h minus those at h / 2, on one path of the noise.

    Averaged over starts and instances a third of it is the bias that is left at h / 2.

    Attributes:
        overlap: of the overlap, or None without a signal.
        energy: of the energy.
    """

    overlap: Series | None
    energy: Series


def simulate(
    data: MatrixTensor,
    start: Any,
    times: Any,
    *,
    temperature: float = 0.0,
    key: PRNGKeyArray | None = None,
    signal: Any = None,
    waiting: Any = (),
    tolerance: float = 1e-5,
    step: float | None = None,
    max_steps: int = 1_000_000,
) -> Path:
    """Follow the dynamics from one start, or from several on the same data.

    Args:
        data: matrix and tensor.
        start: shape (N,), or (N, k); scaled to the sphere.
        times: when to look, rising and not negative; the start is at 0.
        temperature: T >= 0; 0 is gradient flow.
        key: of the noise, a scalar key; needed for T > 0.
        signal: x*, shape (N,), for overlaps.
        waiting: t_w, rising and not negative, for correlations.
        tolerance: T = 0: the largest root mean square error of a step.
        step: T > 0: the longest step; None for `default_step`.
        max_steps: at most so many steps.

    Returns:
        The path, up to the last time reached.

    Raises:
        ValueError: if an argument is out of its domain.
    """
    request = _Request.of(data, start, times, signal, waiting, temperature)
    integer("max_steps", max_steps, low=1)
    if request.temperature == 0:
        positive("tolerance", tolerance)
        return request.path(lambda: _flow(request, tolerance, max_steps))
    noise = _Noise.of(key, 1)
    longest = _checked_step(data, request.temperature, step)
    return request.path(lambda: _diffusion(request, noise, longest, 1, max_steps))


def step_bias(
    data: MatrixTensor,
    start: Any,
    times: Any,
    *,
    temperature: float,
    key: PRNGKeyArray,
    signal: Any = None,
    step: float | None = None,
) -> tuple[Path, StepBias]:
    """The path at half the step, and how far that of the whole step on the same noise is from it.

    Args:
        data: matrix and tensor.
        start: as in `simulate`.
        times: as in `simulate`.
        temperature: T > 0.
        key: of the noise.
        signal: x*, shape (N,), for overlaps.
        step: the whole step; None for `default_step`.

    Raises:
        ValueError: if an argument is out of its domain.
    """
    positive("temperature", temperature)
    request = _Request.of(data, start, times, signal, (), temperature)
    longest = _checked_step(data, request.temperature, step)

    def follow(halves: int) -> Path:
        """In steps h / halves, on the sums of so many draws that both runs see one path."""
        noise = _Noise.of(key, 2 // halves)
        return request.path(lambda: _diffusion(request, noise, longest, halves, _MANY))

    coarse, fine = follow(1), follow(2)
    overlap = None
    if coarse.overlap is not None and fine.overlap is not None:
        overlap = coarse.overlap - fine.overlap
    return fine, StepBias(overlap, coarse.energy - fine.energy)


def default_step(data: MatrixTensor, temperature: float) -> float:
    """0.25 / (T + Q'(1) + 2 sqrt Q''(1)): a quarter of the shortest time of the dynamics.

    Q'(1) + T is mu beside the signal, and 2 sqrt Q''(1) the edge of the Hessian's bulk.

    Args:
        data: matrix and tensor.
        temperature: T >= 0.
    """
    Q = data.covariance
    fastest = non_negative("temperature", temperature) + Q.slope(1.0) + 2 * sqrt(Q.curvature(1.0))
    return 0.25 / fastest


def _checked_step(data: MatrixTensor, temperature: float, step: float | None) -> float:
    usual = default_step(data, temperature)
    if step is None:
        return usual
    if positive("step", step) > 4 * usual:
        raise fail("step", f"be at most {4 * usual:.3g}, where these data keep it stable", step)
    return float(step)


class _Point(NamedTuple):
    """Where the dynamics stands: x, the force there, and steps taken on the way."""

    x: Columns
    force: Force
    steps: int


class _End(NamedTuple):
    """Why no further time is reached."""

    status: Status
    steps: int


@dataclass(frozen=True, eq=False)
class _Request:
    """What is asked of the dynamics, checked."""

    data: MatrixTensor
    start: Columns
    single: bool
    times: np.ndarray
    waiting: np.ndarray
    signal: np.ndarray | None
    temperature: float

    @classmethod
    def of(
        cls,
        data: MatrixTensor,
        start: Any,
        times: Any,
        signal: Any,
        waiting: Any,
        temperature: float,
    ) -> "_Request":
        instance("data", data, MatrixTensor, "a matrix and a tensor")
        x, size = array("start", start), data.size
        if x.ndim not in (1, 2) or len(x) != size:
            raise fail("start", f"have {size} entries, or rows", x)
        columns = x.reshape(size, -1)
        norms = np.linalg.norm(columns, axis=0)
        if np.any(norms == 0):
            raise fail("start", "not be zero", x)
        if signal is not None:
            signal = array("signal", signal, shape=(size,))
        return cls(
            data,
            columns * (sqrt(size) / norms),
            x.ndim == 1,
            _moments("times", times, allow_empty=False),
            _moments("waiting", waiting, allow_empty=True),
            signal,
            non_negative("temperature", temperature),
        )

    @property
    def stops(self) -> np.ndarray:
        """All times and waiting times."""
        return np.union1d(self.times, self.waiting)

    @property
    def friction(self) -> float:
        """What noise of N - 1 components in the tangent space adds to mu."""
        return self.temperature * (1 - 1 / self.data.size)

    def path(self, points: Callable[[], Iterator[_Point | _End]]) -> Path:
        """The path along points, one for each stop."""
        record = _Record(self)
        quiet = np.errstate(over="ignore", invalid="ignore")  # what is not finite ends the path
        with quiet, threadpool_limits(1):  # threads of BLAS would wait for each other's slabs
            for stop, point in zip([*self.stops, np.inf], points(), strict=False):
                if isinstance(point, _End):
                    return record.path(point)
                record.look(float(stop), point)
        raise AssertionError("Points end with an _End.")


def _moments(name: str, value: Any, allow_empty: bool) -> np.ndarray:
    times = array(name, value, ndim=1, allow_empty=allow_empty)
    if np.any(np.diff(times) <= 0) or np.any(times < 0):
        raise fail(name, "be rising and not negative", times.tolist())
    return times


class _Record:
    """Observables at the stops, as they are reached."""

    def __init__(self, request: _Request):
        self.request = request
        self.rows: list[np.ndarray] = []  # overlap, two energies, multiplier
        self.times: list[float] = []
        self.kept: dict[float, Columns] = {}  # positions that a correlation needs
        self.late: list[np.ndarray] = []  # correlations after the last waiting time
        self.last: Columns = request.start

    def look(self, time: float, point: _Point) -> None:
        """Note a stop."""
        request, (x, force, _) = self.request, point
        size, waiting = len(x), request.waiting
        self.last = x
        if len(waiting) and time <= waiting[-1]:
            self.kept[time] = x
        if time not in request.times:
            return
        signal = np.zeros(size) if request.signal is None else request.signal
        row = [signal @ x / size, force.matrix_energy, force.tensor_energy]
        row.append(np.einsum("ik,ik->k", x, force.total) / size + request.friction)
        self.rows.append(np.array(row))
        self.times.append(time)
        if len(waiting) and time > waiting[-1]:
            self.late.append(self._correlations(x, list(waiting)))

    def _correlations(self, x: Columns, waiting: list[float]) -> np.ndarray:
        """x x(t_w) / N, shape (waiting, k)."""
        found = [np.einsum("ik,ik->k", x, self.kept[t]) / len(x) for t in waiting]
        return np.array(found).reshape(len(waiting), x.shape[1])

    def path(self, end: _End) -> Path:
        """The path, at its end."""
        request, columns = self.request, self.last.shape[1]
        reached = [t for t in request.waiting.tolist() if t in self.kept]
        early = [t for t in self.times if t in self.kept]
        correlation = [self._correlations(self.kept[t], reached) for t in early] + self.late
        shape = (len(self.times), len(reached), columns)
        series = np.array(self.rows).reshape(len(self.times), 4, columns)
        overlap, matrix, tensor, multiplier = np.moveaxis(series, 1, 0)
        if request.signal is not None and all(k % 2 == 0 for k in request.data.covariance.powers):
            overlap = overlap * np.where(request.signal @ request.start < 0, -1.0, 1.0)

        def shown(x: np.ndarray) -> np.ndarray:
            return x[..., 0] if request.single else x

        return Path(
            times=np.array(self.times),
            overlap=None if request.signal is None else shown(overlap),
            energy=shown(matrix + tensor),
            matrix_energy=shown(matrix),
            tensor_energy=shown(tensor),
            multiplier=shown(multiplier),
            waiting=np.array(reached),
            correlation=shown(np.array(correlation).reshape(shape)),
            position=shown(self.last),
            status=end.status,
            steps=end.steps,
        )


def _flow(request: _Request, tolerance: float, max_steps: int) -> Iterator[_Point | _End]:
    """Gradient flow at every stop, in steps that their embedded error sets."""
    data, time, steps = request.data, 0.0, 0
    point = _Point(request.start, data.force(request.start), 0)
    if not _finite(point.force):
        yield _End(Status.non_finite, 0)
        return
    step = 0.4 * default_step(data, 0.0)
    for stop in request.stops.tolist():
        while time < stop:
            if steps == max_steps or step < _SHORTEST * max(time, 1.0):
                enough = steps == max_steps
                yield _End(Status.max_steps if enough else Status.precision_loss, steps)
                return
            length, steps = min(step, stop - time), steps + 1
            y, force, error = _bogacki_shampine(data, point, length)
            if not np.isfinite(error):
                yield _End(Status.non_finite, steps)
                return
            factor = 0.9 * (tolerance / max(error, 1e-3 * tolerance)) ** (1 / 3)
            factor = min(max(factor, 0.2), 5.0)
            if error <= tolerance:
                time = stop if length == stop - time else time + length
                point = _retracted(data, y, force, steps)
                # a step that a stop cut short tells nothing against the longer one
                step = max(step, factor * length) if length < step else factor * step
            else:
                step = factor * length
        yield point
    yield _End(Status.converged, steps)


def _tangent(x: Columns, force: Columns) -> Columns:
    """The force without its part along x."""
    return force - x * (np.sum(x * force, axis=0) / np.sum(x * x, axis=0))


def _bogacki_shampine(data: MatrixTensor, point: _Point, h: float) -> tuple[Columns, Force, float]:
    """One step: where it ends, the force there, and the root mean square of the error."""
    x = point.x
    a = _tangent(x, point.force.total)
    y = x + h / 2 * a
    b = _tangent(y, data.force(y).total)
    y = x + 3 * h / 4 * b
    c = _tangent(y, data.force(y).total)
    y = x + h / 9 * (2 * a + 3 * b + 4 * c)
    force = data.force(y)
    d = _tangent(y, force.total)
    error = h * (-5 / 72 * a + b / 12 + c / 9 - d / 8)
    return y, force, float(np.sqrt(np.max(np.mean(error**2, axis=0))))


def _retracted(data: MatrixTensor, y: Columns, force: Force, steps: int) -> _Point:
    """The point on the sphere along y: channels are homogeneous, so that forces are scaled."""
    scale = sqrt(len(y)) / np.linalg.norm(y, axis=0)
    order = 2 if data.tensor is None else data.tensor.order
    power = scale ** (order - 1)
    force = Force(
        force.matrix * scale,
        force.tensor * power,
        force.matrix_energy * scale**2,
        force.tensor_energy * power * scale,
    )
    return _Point(scale * y, force, steps)


@dataclass(frozen=True, eq=False)
class _Noise:
    """Normal numbers for steps, each the sum of some draws: finer steps see the same path."""

    generator: np.random.Generator
    parts: int

    @classmethod
    def of(cls, key: PRNGKeyArray | None, parts: int) -> "_Noise":
        if key is None:
            raise fail("key", "be given for a temperature above 0", key)
        return cls(numpy_generator(key), parts)

    def draw(self, shape: tuple[int, ...]) -> np.ndarray:
        """Independent N(0, 1)."""
        total = sum(self.generator.standard_normal(shape) for _ in range(self.parts))
        return np.asarray(total) / sqrt(self.parts)


def _diffusion(
    request: _Request, noise: _Noise, longest: float, halves: int, max_steps: int
) -> Iterator[_Point | _End]:
    """Langevin dynamics at every stop, in steps of `longest` / `halves` or a little less."""
    data, x, time, steps = request.data, request.start, 0.0, 0
    force = data.force(x)
    if not _finite(force):
        yield _End(Status.non_finite, 0)
        return
    for stop in request.stops.tolist():
        count = halves * ceil((stop - time) / longest * (1 - 1e-12))
        for _ in range(count):
            if steps == max_steps:
                yield _End(Status.max_steps, steps)
                return
            x = _heun(request, x, force.total, (stop - time) / count, noise)
            force, steps = data.force(x), steps + 1
            if not _finite(force):
                yield _End(Status.non_finite, steps)
                return
        time = stop
        yield _Point(x, force, steps)
    yield _End(Status.converged, steps)


def _finite(force: Force) -> bool:
    return bool(np.all(np.isfinite(force.energy)) and np.all(np.isfinite(force.total)))


def _heun(request: _Request, x: Columns, force: Columns, h: float, noise: _Noise) -> Columns:
    """One step at T > 0."""
    kick = sqrt(2 * request.temperature * h) * noise.draw(x.shape)
    first = _drift(request, x, force)
    y = x + h * first + kick
    second = _drift(request, y, request.data.force(y).total)
    y = x + h / 2 * (first + second) + kick
    return y * (sqrt(len(y)) / np.linalg.norm(y, axis=0))


def _drift(request: _Request, x: Columns, force: Columns) -> Columns:
    """- grad H - mu x, with mu of the sphere, also where x has left it a little."""
    mu = np.sum(x * force, axis=0) / len(x) + request.friction
    return force - mu * x


_SHORTEST: Final = 1e-12
_MANY: Final = 1 << 62

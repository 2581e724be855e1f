"""`dynamics`: Langevin dynamics and gradient flow, in infinite dimension and simulated."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from solvable import io
from solvable.algorithms.langevin import simulate as simulate_path
from solvable.algorithms.matrix_tensor import sphere_start
from solvable.core.arguments import array, boolean, fail, instance, integer, non_negative, positive
from solvable.core.parallel import in_threads
from solvable.core.precision import require_x64
from solvable.core.randomness import fold, key_for
from solvable.core.two_time import Channels, TwoTimeSolution, solve
from solvable.models.base import AbstractDynamicsModel
from solvable.studies.curve import Progress, require_set
from solvable.studies.experiment import standard_error

if TYPE_CHECKING:
    import xarray as xr

_PARTS = 1000  # of a progress bar


def dynamics(
    model: AbstractDynamicsModel,
    times: Any,
    *,
    temperature: float = 1.0,
    initial_overlap: float = 1e-4,
    waiting: Any = (),
    annealing: Any = None,
    tolerance: float = 1e-4,
    simulate: bool = False,
    size: int = 500,
    instances: int = 8,
    seed: int = 0,
    progress: Progress | None = None,
) -> "xr.Dataset":
    """Langevin dynamics at a temperature T, gradient flow at T = 0, of a planted spherical field.

    dx/dt = -mu x - dH/dx + noise of variance 2 T, |x|^2 = N, from a random point of given overlap
    with the signal. For N -> infinity overlap, C and R obey closed equations (`core.two_time`);
    T = 1 samples the posterior, T = 0 descends to maximum likelihood.

    Args:
        model: such as `SpikedMatrixTensor`.
        times: rising, >= 0, up to 1e6 and more.
        temperature: T >= 0.
        initial_overlap: m(0), in [-1, 1]; a small one stands for a random start's fluctuation.
        waiting: times t' for which C, R and F(t, t') = int_t'^t R(t, s) ds are wanted at all t.
        annealing: None, or (C, tau): deltap of the dynamics is 1 + C exp(-t / tau) times too high.
        tolerance: of the theory; the overlap's is relative.
        simulate: also run `instances` at finite size N = `size`, each from a start of its own.
        size, instances, seed: of the simulation.
        progress: called with (parts done, parts in all).

    Returns:
        A data set (time): `overlap`, `mu`, `energy`, `energy_matrix`, `energy_tensor`,
        `error_bound`, of the first three the largest, and one `status`; `correlation`, `response`,
        `integrated_response` (waiting, time); `<observable>_mean`, `_standard_error` simulated.
        Times that a run which lost its accuracy did not reach are left out.

    Raises:
        ValueError: if an argument is out of its range, or a parameter of the model unset.

    Source: mannelli2020marvels.

    Example:
        >>> import solvable as sv
        >>> model = sv.SpikedMatrixTensor(delta2=0.2, deltap=1.0, p=3)
        >>> sv.dynamics(model, times=[1.0, 3.0]).overlap.values.round(5)
        array([0.00121, 0.03305])
    """
    _check(model, simulate, annealing, seed)
    asked = {
        "times": array("times", times, ndim=1),
        "initial_overlap": initial_overlap,
        "waiting": array("waiting", waiting, ndim=1, allow_empty=True),
        "annealing": _annealing(annealing),
        "simulate": simulate,
        **_numbers(temperature, tolerance, size, instances),
    }
    return _answer(model, asked, seed, progress)


def _check(model: Any, simulate: Any, annealing: Any, seed: Any) -> None:
    require_x64()
    instance("model", model, AbstractDynamicsModel, "a model with Langevin dynamics")
    require_set(model, set())
    integer("seed", seed, low=0)
    if boolean("simulate", simulate) and annealing is not None:
        raise fail("annealing", "be None for simulations, which keep the energy", annealing)


def _answer(
    model: AbstractDynamicsModel, asked: dict[str, Any], seed: int, progress: Progress | None
) -> "xr.Dataset":
    """Theory, then the simulation, and how both were made."""
    parts = asked["instances"] + 1 if asked["simulate"] else 1
    found = _theory(model, asked, _part(progress, 0, parts))
    data = _dataset(model, found, asked["waiting"])
    if asked["simulate"]:
        tell = _part(progress, 1, parts)
        data = data.assign(_simulated(model, asked, seed, data["time"].values, tell))
    data.attrs = io.attributes("dynamics", "dynamics", model, asked, seed)
    data.attrs["rigour"] = "replica"  # the equations, whatever is known of the model's statics
    return data.assign_attrs({name: asked[name] for name in ("temperature", "initial_overlap")})


def _numbers(temperature: Any, tolerance: Any, size: Any, instances: Any) -> dict[str, Any]:
    return {
        "temperature": non_negative("temperature", temperature),
        "tolerance": positive("tolerance", tolerance),
        "size": integer("size", size, low=2),
        "instances": integer("instances", instances, low=1),
    }


def _annealing(value: Any) -> tuple[float, float] | None:
    """Amplitude and time of the schedule, checked."""
    if value is None:
        return None
    both = array("annealing", value, shape=(2,))
    return non_negative("annealing", both[0]), positive("annealing", both[1])


def _part(progress: Progress | None, first: int, parts: int) -> Callable[[float], None]:
    """What is told how much of a part, of all that follow the first ones, is done."""

    def tell(done: float) -> None:
        if progress is not None:
            share = done if first == 0 else done * (parts - first)
            progress(int(_PARTS * (first + share) / parts), _PARTS)

    return tell


def _theory(
    model: AbstractDynamicsModel, asked: dict[str, Any], tell: Callable[[float], None]
) -> TwoTimeSolution:
    times, waiting = asked["times"], asked["waiting"]
    if len(waiting) and (waiting.min() < 0 or waiting.max() > times[-1]):
        raise fail("waiting", f"hold times from 0 to {times[-1]:g}", waiting.tolist())
    schedule = None
    if asked["annealing"] is not None:
        schedule = _schedule(model.channels(), *asked["annealing"])
    return solve(
        Channels.of(model.covariance(), schedule),
        asked["temperature"],
        asked["initial_overlap"],
        times,
        pairs=[(t, s) for s in waiting for t in times if t >= s],
        tolerance=asked["tolerance"],
        progress=tell,
    )


def _schedule(
    channels: tuple[str, ...], height: float, time: float
) -> Callable[[np.ndarray], np.ndarray]:
    """1 / T_p(t) of the tensor, T_p = 1 + C exp(-t / tau), and one of the matrix."""

    def amplitudes(times: np.ndarray) -> np.ndarray:
        cool = 1 / (1 + height * np.exp(-times / time))
        return np.array([cool if name == "tensor" else np.ones_like(cool) for name in channels])

    return amplitudes


def _simulated(
    model: AbstractDynamicsModel,
    asked: dict[str, Any],
    seed: int,
    times: np.ndarray,
    tell: Callable[[float], None],
) -> dict[str, Any]:
    """Means and standard errors over instances, each from a start of its own."""
    done: list[int] = []

    def run(number: int) -> np.ndarray:
        key = key_for(seed, "dynamics", repr(model), asked["size"], number)
        problem = model.sample(fold(key, "instance"), asked["size"])
        signal = np.asarray(problem.signal)
        path = simulate_path(
            problem.data.observation,
            sphere_start(fold(key, "start"), signal, asked["initial_overlap"]),
            times,
            temperature=asked["temperature"],
            key=fold(key, "noise"),
            signal=signal,
        )
        done.append(number)
        tell(len(done) / asked["instances"])
        kinds = {"matrix": path.matrix_energy, "tensor": path.tensor_energy}
        energies = [kinds[name] for name in model.channels()]
        found = np.array([path.overlap, path.multiplier, path.energy, *energies])
        missing = len(times) - found.shape[1]
        return np.pad(found, ((0, 0), (0, missing)), constant_values=np.nan)

    runs = np.array(in_threads(run, range(asked["instances"])))
    names = ["overlap", "mu", "energy", *(f"energy_{name}" for name in model.channels())]
    columns: dict[str, Any] = {}
    for k, name in enumerate(names):
        columns[f"{name}_mean"] = ("time", runs[:, k].mean(axis=0))
        columns[f"{name}_standard_error"] = ("time", standard_error(runs[:, k]))
    return columns


def _dataset(
    model: AbstractDynamicsModel, found: TwoTimeSolution, waiting: np.ndarray
) -> "xr.Dataset":
    import xarray as xr

    columns: dict[str, Any] = {
        "overlap": ("time", found.overlap),
        "mu": ("time", found.mu),
        "energy": ("time", found.energy),
    }
    for name, energy in zip(model.channels(), found.channel_energies, strict=True):
        columns[f"energy_{name}"] = ("time", energy)
    columns["error_bound"] = ("time", found.error_bound)
    columns["status"] = ((), np.int8(found.status))
    coords = {"time": found.times}
    if len(waiting):
        coords["waiting"] = waiting
        place = {pair: k for k, pair in enumerate(map(tuple, found.pairs))}
        index = np.array([[place.get((t, s), -1) for t in found.times] for s in waiting])
        for name in ("correlation", "response", "integrated_response"):
            values = np.append(getattr(found, name), np.nan)
            columns[name] = (("waiting", "time"), values[index])
    return xr.Dataset(columns, coords=coords)

"""One entry to the two-time equations: times in, curves with error bounds out."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float
from threadpoolctl import threadpool_limits

from solvable.core.arguments import array, choice, fail, instance, non_negative, number, positive
from solvable.core.parallel import in_threads
from solvable.core.status import Status
from solvable.core.two_time.channels import Channels
from solvable.core.two_time.ratio import SMALL_OVERLAP, fastest_rate, integrate_ratios
from solvable.core.two_time.reading import Reading, extrapolate, read_ratios, read_uniform
from solvable.core.two_time.uniform import UniformRun, integrate_uniform

SHORT = 20.0
"""Horizons, in units of the fastest relaxation, up to which the uniform grid is faster."""

UNIFORM_STEPS = (128, 256, 512, 1024, 2048)

LEVELS = ((8, 1e-5), (9, 1e-6), (10, 1e-7), (11, 1e-8))
"""Nodes a panel and the tolerance of a step; each level has about a fifth of the error."""

Progress = Callable[[float], None]


@dataclass(frozen=True, eq=False)
class TwoTimeSolution:
    """The dynamics at the times asked for, as far as it was reached.

    Args:
        times: shape (n,), those of the requested times that were reached.
        overlap: shape (n,), with the planted state.
        mu: shape (n,), the multiplier of the spherical constraint.
        energy: shape (n,), the sum of the channels'.
        channel_energies: shape (k, n), one for each monomial, with its amplitude.
        overlap_error: shape (n,), a bound of the overlap's error.
        mu_error: shape (n,).
        energy_error: shape (n,).
        pairs: shape (q, 2), those of the requested pairs (t, t') that were reached.
        correlation: shape (q,), C(t, t') at the pairs.
        response: shape (q,), R(t, t').
        integrated_response: shape (q,), F(t, t') = int_t'^t R(t, s) ds.
        pair_error: shape (3, q), bounds for the last three.
        status: of the curves: converged, or precision_loss if a bound exceeds the tolerance or
            the run ended early; max_steps if it took too many steps.
        integrator: "uniform" or "ratio".
    """

    times: Float[np.ndarray, " n"]
    overlap: Float[np.ndarray, " n"]
    mu: Float[np.ndarray, " n"]
    energy: Float[np.ndarray, " n"]
    channel_energies: Float[np.ndarray, "k n"]
    overlap_error: Float[np.ndarray, " n"]
    mu_error: Float[np.ndarray, " n"]
    energy_error: Float[np.ndarray, " n"]
    pairs: Float[np.ndarray, "q 2"]
    correlation: Float[np.ndarray, " q"]
    response: Float[np.ndarray, " q"]
    integrated_response: Float[np.ndarray, " q"]
    pair_error: Float[np.ndarray, "3 q"]
    status: Status
    integrator: str

    @property
    def error_bound(self) -> Float[np.ndarray, " n"]:
        """The largest of the bounds of overlap, mu and energy at each time."""
        return np.max([self.overlap_error, self.mu_error, self.energy_error], axis=0)


@dataclass(frozen=True, eq=False)
class _Problem:
    """What is asked for, checked."""

    covariance: Channels
    temperature: float
    overlap: float
    times: np.ndarray
    pairs: np.ndarray
    tolerance: float
    progress: Progress | None

    @property
    def horizon(self) -> float:
        return float(max(self.times[-1], self.pairs[:, 0].max(initial=0.0)))


@dataclass(frozen=True, eq=False)
class _Run:
    """What one resolution says: up to `end`, and how it ended."""

    reading: Reading
    end: float
    status: Status


def solve(
    covariance: Channels,
    temperature: float,
    overlap: float,
    times: Any,
    pairs: Any = (),
    tolerance: float = 1e-4,
    integrator: str = "auto",
    progress: Progress | None = None,
) -> TwoTimeSolution:
    """Langevin dynamics (T > 0) or gradient flow (T = 0) on a sphere of infinite dimension.

    d/dt m = -mu m + Q'(m) + int_0^t R(t,s) Q''(C(t,s)) m(s) ds, with C(t,t') and R(t,t') of the
    same kind and mu(t) = T + Q'(m) m + int_0^t R(t,s) [Q'(C) + Q''(C) C] ds.

    Every value is that of the finer of two resolutions, and its bound the difference between
    them; resolutions rise until the bounds are within the tolerance.

    Args:
        covariance: Q, with amplitudes in time if the energy changes.
        temperature: T >= 0.
        overlap: m(0), in [-1, 1], with the planted state; 0 if there is none.
        times: shape (n,), rising, >= 0: where curves are wanted.
        pairs: shape (q, 2), of t >= t' >= 0: where C, R and the integrated response are wanted.
        tolerance: for the overlap relative to it, for mu and the energy relative to 1 + |mu|.
        integrator: "uniform" (a uniform grid, cost t^3), "ratio" (fixed ratios of times, cost
            ln t) or "auto".
        progress: is told the fraction done, of each resolution anew.

    Raises:
        ValueError: if times do not rise or are negative, a pair has t < t', or a number is out of
            its domain.

    Source: mannelli2020marvels.

    Example:
        >>> run = solve(Channels([2, 3], [2.5, 1 / 3]), 1.0, 1e-4, [0.5, 1.0])
        >>> run.overlap.round(6)
        array([0.00043 , 0.001207])
    """
    problem = _Problem(
        instance("covariance", covariance, Channels, "`Channels`"),
        non_negative("temperature", temperature),
        _overlap(overlap),
        _times(times),
        _pairs(pairs),
        positive("tolerance", tolerance),
        progress,
    )
    choice("integrator", integrator, ("auto", "uniform", "ratio"))
    if problem.horizon == 0:
        return _at_zero(problem)
    if integrator == "uniform" or (integrator == "auto" and _is_short(problem)):
        answer = _solve_uniform(problem)
        if integrator == "uniform" or answer.status == Status.converged:
            return answer
    with threadpool_limits(1):  # of many small systems, for which threads only wait
        return _solve_ratios(problem)


def _overlap(value: float) -> float:
    x = number("overlap", value)
    if not -1 <= x <= 1:
        raise fail("overlap", "be in [-1, 1]", value)
    return x


def _times(value: Any) -> np.ndarray:
    times = array("times", value, ndim=1)
    if np.any(times < 0) or np.any(np.diff(times) <= 0):
        raise fail("times", "be strictly rising and >= 0", times.tolist())
    return times


def _pairs(value: Any) -> np.ndarray:
    if len(value) == 0:
        return np.zeros((0, 2))
    pairs = array("pairs", value, shape=(None, 2))
    if np.any(pairs[:, 1] < 0) or np.any(pairs[:, 0] < pairs[:, 1]):
        raise fail("pairs", "hold times t >= t' >= 0", value)
    return pairs


def _is_short(problem: _Problem) -> bool:
    """Whether the uniform grid is the faster one."""
    rate = fastest_rate(problem.covariance, problem.temperature, problem.horizon)
    return rate * problem.horizon <= SHORT


def _at_zero(problem: _Problem) -> TwoTimeSolution:
    """The start itself, which needs no integration."""
    c, m = problem.covariance, problem.overlap
    strengths = c.coefficients * c.amplitudes(np.zeros(1))[:, 0]
    energies = -strengths * m ** c.powers.astype(float)
    scalars = np.concatenate([[m, problem.temperature - c.powers @ energies], energies])
    ones = np.ones(len(problem.pairs))
    reading = Reading(scalars[:, None], np.array([ones, ones, 0 * ones]))
    run = _Run(reading, 0.0, Status.converged)
    return _answer(problem, run, run, "uniform")


def _solve_uniform(problem: _Problem) -> TwoTimeSolution:
    """Grids of rising fineness, of which each pair extrapolates, until two pairs agree."""
    rate = fastest_rate(problem.covariance, problem.temperature, problem.horizon)
    sizes = [steps for steps in UNIFORM_STEPS if steps >= 4 * rate * problem.horizon]
    if len(sizes) < 3:
        raise fail("times", "not reach further than a uniform grid resolves", problem.horizon)
    coarse = _run_uniform(problem, sizes[0])
    readings: list[_Run] = []
    for steps in sizes[1:]:
        fine = _run_uniform(problem, steps)
        reading = read_uniform(extrapolate(coarse, fine), problem.times, problem.pairs)
        readings.append(_Run(reading, problem.horizon, Status.converged))
        coarse = fine
        if len(readings) > 1:
            answer = _answer(problem, readings[-2], readings[-1], "uniform")
            if answer.status == Status.converged:
                return answer
    return _answer(problem, readings[-2], readings[-1], "uniform")


def _run_uniform(problem: _Problem, steps: int) -> UniformRun:
    """One grid."""
    p = problem
    arguments = p.covariance, p.temperature, p.overlap, p.horizon, steps, p.progress
    return integrate_uniform(*arguments)


def _solve_ratios(problem: _Problem) -> TwoTimeSolution:
    """Two resolutions side by side; a finer one while their difference exceeds the tolerance."""
    coarse, fine = in_threads(lambda level: _run_ratios(problem, level), [0, 1])
    answer = _answer(problem, coarse, fine, "ratio")
    for level in range(2, len(LEVELS)):
        if answer.status == Status.converged:
            break
        coarse, fine = fine, _run_ratios(problem, level)
        if fine.end < coarse.end:
            break  # a finer run that ends earlier says less
        answer = _answer(problem, coarse, fine, "ratio")
    return answer


def _run_ratios(problem: _Problem, level: int) -> _Run:
    """One resolution, read at what was asked for and reached."""
    order, tolerance = LEVELS[level]
    run = integrate_ratios(
        problem.covariance,
        problem.temperature,
        problem.overlap,
        problem.horizon,
        order,
        tolerance,
        problem.progress if level > 0 else None,
    )
    end = float(run.history.times[-1])
    pairs = problem.pairs[problem.pairs[:, 0] <= end]
    reading = read_ratios(run, problem.times[problem.times <= end], pairs)
    return _Run(reading, end, run.status)


def _answer(problem: _Problem, coarse: _Run, fine: _Run, integrator: str) -> TwoTimeSolution:
    """The finer run, bounded by its distance to the coarser one, as far as both reach."""
    end = min(coarse.end, fine.end)
    times = problem.times[problem.times <= end]
    scalars, before = (run.reading.scalars[:, : len(times)] for run in (fine, coarse))
    values, others = (_pairs_until(problem, run, end) for run in (fine, coarse))
    energy = scalars[2:].sum(axis=0)
    errors = np.abs(np.vstack([(scalars - before)[:2], energy - before[2:].sum(axis=0)]))
    return TwoTimeSolution(
        times=times,
        overlap=scalars[0],
        mu=scalars[1],
        energy=energy,
        channel_energies=scalars[2:],
        overlap_error=errors[0],
        mu_error=errors[1],
        energy_error=errors[2],
        pairs=problem.pairs[problem.pairs[:, 0] <= end],
        correlation=values[0],
        response=values[1],
        integrated_response=values[2],
        pair_error=np.abs(values - others),
        status=_status(problem, coarse, fine, scalars, errors),
        integrator=integrator,
    )


def _pairs_until(problem: _Problem, run: _Run, end: float) -> np.ndarray:
    """What a run says at the pairs that end by `end`, of those that the run reached."""
    later = problem.pairs[:, 0]
    return run.reading.pairs[:, later[later <= run.end] <= end]


def _status(
    problem: _Problem, coarse: _Run, fine: _Run, scalars: np.ndarray, errors: np.ndarray
) -> Status:
    for run in (fine, coarse):
        if run.status != Status.converged:
            return run.status
    planted, energetic = np.abs(scalars[0]) + SMALL_OVERLAP, 1 + np.abs(scalars[1])
    allowed = problem.tolerance * np.array([planted, energetic, energetic])
    return Status.converged if np.all(errors <= allowed) else Status.precision_loss

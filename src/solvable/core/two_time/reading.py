"""What a run of either integrator says at any times and at any pairs of times."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.integrate import cumulative_simpson

from solvable.core.two_time.ratio import RatioRun, lagrange_at
from solvable.core.two_time.ratio_grid import Points, Stencils, lagrange, radau
from solvable.core.two_time.uniform import UniformRun

ROWS = 5
"""Stored times that an interpolation in time uses."""


@dataclass(frozen=True, eq=False)
class Reading:
    """Interpolated values.

    Args:
        scalars: shape (2 + k, n): overlap, mu and the energies of the channels.
        pairs: shape (3, q): C, R and the integrated response at the pairs.
    """

    scalars: Float[np.ndarray, "m n"]
    pairs: Float[np.ndarray, "3 q"]


def read_ratios(run: RatioRun, times: np.ndarray, pairs: np.ndarray) -> Reading:
    """What a run of `integrate_ratios` says at `times` (n,) and `pairs` (q, 2), t >= t'."""
    history = run.history
    table = np.vstack([history.overlap, run.mu, run.energies])
    scalars = np.empty((len(table), len(times)))
    for i, time in enumerate(times):
        rows = _rows_around(history.times, time)
        scalars[:, i] = table[:, rows] @ lagrange_at(history.times[rows], time)
    stencils = run.grid.locate(_ratios(pairs))
    answers = np.empty((3, len(pairs)))
    for q, (time, _) in enumerate(pairs):
        rows = _rows_around(history.times, time)
        mix = lagrange_at(history.times[rows], time)
        c, r = mix @ history.correlation[rows], mix @ history.response[rows]
        answers[:, q] = _read_row(run, stencils, q, c, r, time)
    return Reading(scalars, answers)


def _ratios(pairs: np.ndarray) -> Points:
    """t' / t of all pairs; 1 at t = 0, where all ratios are alike."""
    safe = np.where(pairs[:, 0] > 0, pairs[:, 0], 1.0)
    gap = np.where(pairs[:, 0] > 0, (pairs[:, 0] - pairs[:, 1]) / safe, 0.0)
    return Points(1 - gap, gap)


def _read_row(
    run: RatioRun, stencils: Stencils, q: int, c: np.ndarray, r: np.ndarray, time: float
) -> tuple[float, float, float]:
    """C, R and the integrated response t int_theta^1 R of one row at one ratio."""
    grid, first, weights = run.grid, stencils.first[q], stencils.weights[q]
    here = slice(first, first + grid.order)
    panel = first // (grid.order - 1)
    width = grid.nodes.gap[here.stop - 1] - grid.nodes.gap[first]
    before = 0.0  # what lies nearer to theta = 1 than the panel, from its quadrature
    _, w = radau(grid.order)
    for p in range(panel):
        part = slice(p * (grid.order - 1), p * (grid.order - 1) + grid.order)
        before += (
            0.5 * (grid.nodes.gap[part.stop - 1] - grid.nodes.gap[part.start]) * (w @ r[part])
        )
    inside = 0.5 * width * (weights @ _cumulated(grid.order) @ r[here])
    return float(weights @ c[here]), float(weights @ r[here]), float(time * (before + inside))


def _cumulated(order: int) -> Float[np.ndarray, "m m"]:
    """From values at the nodes of a panel to integrals from -1 to each node."""
    x, _ = radau(order)
    y, w = np.polynomial.legendre.leggauss(order)
    half = 0.5 * (x + 1)
    points = -1 + half[:, None] * (y + 1)
    values = lagrange(x, points.ravel()).reshape(order, order, order)
    return half[:, None] * np.einsum("ipk,p->ik", values, w)


def extrapolate(coarse: UniformRun, fine: UniformRun) -> UniformRun:
    """(4 fine - coarse) / 3 on the coarse grid, whose step is twice that of the fine one."""

    def mix(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return (4 * b - a) / 3

    return UniformRun(
        coarse.times,
        mix(coarse.overlap, fine.overlap[::2]),
        mix(coarse.mu, fine.mu[::2]),
        mix(coarse.energies, fine.energies[:, ::2]),
        np.tril(mix(np.tril(coarse.correlation), np.tril(fine.correlation[::2, ::2]))),
        np.tril(mix(np.tril(coarse.response), np.tril(fine.response[::2, ::2]))),
    )


def read_uniform(run: UniformRun, times: np.ndarray, pairs: np.ndarray) -> Reading:
    """What a run of `integrate_uniform` says at `times` (n,) and `pairs` (q, 2), t >= t'."""
    table = np.vstack([run.overlap, run.mu, run.energies])
    scalars = np.empty((len(table), len(times)))
    for i, time in enumerate(times):
        rows = _rows_around(run.times, time)
        scalars[:, i] = table[:, rows] @ lagrange_at(run.times[rows], time)
    answers = np.empty((3, len(pairs)))
    gaps = _ratios(pairs).gap
    for q, (time, _) in enumerate(pairs):
        rows = _rows_around(run.times, time)
        values = [_read_uniform_row(run, n, gaps[q]) for n in range(rows.start, rows.stop)]
        answers[:, q] = lagrange_at(run.times[rows], time) @ np.array(values)
    return Reading(scalars, answers)


def _read_uniform_row(run: UniformRun, n: int, gap: float) -> tuple[float, float, float]:
    """C, R and the integrated response of row n at t' = (1 - gap) t."""
    if n == 0:
        return 1.0, 1.0, 0.0
    times, c, r = run.times[: n + 1], run.correlation[n, : n + 1], run.response[n, : n + 1]
    time = (1 - gap) * times[-1]
    total = np.concatenate([[0.0], _integral_from_end(r, times[1])])[::-1]
    near = _rows_around(times, time)
    weights = lagrange_at(times[near], time)
    return float(weights @ c[near]), float(weights @ r[near]), float(weights @ total[near])


def _integral_from_end(r: np.ndarray, step: float) -> np.ndarray:
    """int R from each earlier time to the last, nearest first."""
    if len(r) < 3:
        return np.cumsum(0.5 * step * (r[1:] + r[:-1])[::-1])
    return cumulative_simpson(r[::-1], dx=step)


def _rows_around(times: np.ndarray, time: float) -> slice:
    """The `ROWS` stored times that lie around a time."""
    size = min(ROWS, len(times))
    low = int(np.searchsorted(times, time, side="right")) - 1
    first = min(max(low - (size - 1) // 2, 0), len(times) - size)
    return slice(first, first + size)

"""What a run of either integrator says at any times and at any pairs of times."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.integrate import cumulative_simpson

from solvable.core.interpolation import lagrange
from solvable.core.two_time.ratio import RatioRun
from solvable.core.two_time.ratio_grid import Points, RatioGrid, radau
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
    scalars = _scalars(history.times, [history.overlap, run.mu, run.energies], times)
    stencils, cumulate = run.grid.locate(_ratios(pairs)), _cumulated(run.grid)
    answers = np.empty((3, len(pairs)))
    for q, (time, _) in enumerate(pairs):
        rows = _rows_around(history.times, time)
        mix = lagrange(history.times[rows], [time])[0]
        c, r = mix @ history.correlation[rows], mix @ history.response[rows]
        here = slice(stencils.first[q], stencils.first[q] + run.grid.order)
        weights = stencils.weights[q]
        answers[:, q] = weights @ c[here], weights @ r[here], weights @ (time * cumulate @ r)[here]
    return Reading(scalars, answers)


def _scalars(stored: np.ndarray, parts: list[np.ndarray], times: np.ndarray) -> np.ndarray:
    """Overlap, mu and energies, known at the stored times, at `times`."""
    table = np.vstack(parts)
    scalars = np.empty((len(table), len(times)))
    for i, time in enumerate(times):
        rows = _rows_around(stored, time)
        scalars[:, i] = table[:, rows] @ lagrange(stored[rows], [time])[0]
    return scalars


def _ratios(pairs: np.ndarray) -> Points:
    """t' / t of all pairs; 1 at t = 0, where all ratios are alike."""
    safe = np.where(pairs[:, 0] > 0, pairs[:, 0], 1.0)
    gap = np.where(pairs[:, 0] > 0, (pairs[:, 0] - pairs[:, 1]) / safe, 0.0)
    return Points(1 - gap, gap)


def _cumulated(grid: RatioGrid) -> Float[np.ndarray, "n n"]:
    """From values at the nodes to integrals over the ratio from each node to 1."""
    order, size = grid.order, len(grid.weights)
    x, _ = radau(order)
    y, w = np.polynomial.legendre.leggauss(order)
    half = 0.5 * (x + 1)
    points = -1 + half[:, None] * (y + 1)
    values = lagrange(x, points.ravel()).reshape(order, order, order)
    inside = half[:, None] * np.einsum("ipk,p->ik", values, w)
    matrix = np.zeros((size, size))
    for start in range(0, size - 1, order - 1):
        here = slice(start, start + order)
        width = grid.nodes.gap[here.stop - 1] - grid.nodes.gap[start]
        matrix[start + 1 : here.stop] = matrix[start]
        matrix[start + 1 : here.stop, here] += 0.5 * width * inside[1:]
    return matrix


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
    scalars = _scalars(run.times, [run.overlap, run.mu, run.energies], times)
    answers = np.empty((3, len(pairs)))
    gaps = _ratios(pairs).gap
    for q, (time, _) in enumerate(pairs):
        rows = _rows_around(run.times, time)
        values = [_read_uniform_row(run, n, gaps[q]) for n in range(rows.start, rows.stop)]
        answers[:, q] = lagrange(run.times[rows], [time])[0] @ np.array(values)
    return Reading(scalars, answers)


def _read_uniform_row(run: UniformRun, n: int, gap: float) -> tuple[float, float, float]:
    """C, R and the integrated response of row n at t' = (1 - gap) t."""
    if n == 0:
        return 1.0, 1.0, 0.0
    times, c, r = run.times[: n + 1], run.correlation[n, : n + 1], run.response[n, : n + 1]
    time = (1 - gap) * times[-1]
    total = np.concatenate([[0.0], _integral_from_end(r, times[1])])[::-1]
    near = _rows_around(times, time)
    weights = lagrange(times[near], [time])[0]
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

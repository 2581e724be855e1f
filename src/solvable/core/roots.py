"""Fixed points at given scales: roots of the level on every branch of a scan.

Every root begins where the inverse of the table's cubic puts it. On a one-dimensional coordinate
safeguarded secant steps on h end it inside the bracket of its branch; along a traced curve Newton
steps on all equations at once do.
"""

from dataclasses import dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from solvable.core.branches import Scan, Segment, in_chunks, is_dear, level, pointwise
from solvable.core.quadrature import FINE_ORDER, ORDER

_ROOT_TOLERANCE = 1e-13
_MAX_STEPS = 60
_CHORD_STEPS, _COARSE = 30, 8
_SURE, _ROUGH = 0.1, 1e-11
_COARSE_ERROR, _FINEST = 1e-9, 26  # a point worse than this is polished once more
_DEAR_ERROR = 1e-7  # the same where a point takes long to compute


@dataclass(frozen=True)
class Roots:
    """Interior fixed points at many scales, one entry each, in no order.

    Attributes:
        index: position of the scale.
        x: the coordinate.
        point: the fixed point, shape (n,) each.
        stable: stability under state evolution.
        slope: h' there.
        residual: |h - ln scale|.
        error: bound on the error of the point, residual and quadrature, shape (n,) each.
        steps: Newton or bisection steps taken.
    """

    index: np.ndarray
    x: np.ndarray
    point: np.ndarray
    stable: np.ndarray
    slope: np.ndarray
    residual: np.ndarray
    error: np.ndarray
    steps: np.ndarray


def find_roots(table: Scan, scales: Float[np.ndarray, " n"]) -> Roots:
    """Every interior fixed point at every scale, polished by safeguarded secant steps."""
    targets = np.log(np.asarray(scales, dtype=float))
    index, x, low, high, slope, stable = _all_starts(table, targets)
    if table.model.curve is not None:
        point, residual, error, steps = _solve(table.model, targets[index], x)
        return Roots(index, x, point, stable, slope, residual, error, steps)
    x, residual, slope, steps = _polish(table.model, targets[index], x, low, high, slope)
    error = np.zeros(len(x))
    if len(x):
        fine = level(table.model, x, FINE_ORDER) - targets[index]
        error = (residual + np.abs(fine)) / np.maximum(np.abs(slope), 1e-300)
    return Roots(index, x, x[:, None], stable, slope, residual, error[:, None], steps)


def guess_roots(table: Scan, scales: Float[np.ndarray, " n"]) -> Roots:
    """The same, only as well as the table interpolates: no residuals, no errors."""
    index, x, _, _, slope, stable = _all_starts(table, np.log(np.asarray(scales, dtype=float)))
    point = x[:, None]
    if table.model.curve is not None:
        point = in_chunks(lambda part: _guesses(table.model, part), x, rows=table.model.rows)[0]
    unknown = np.full(len(x), np.nan)
    none = np.zeros(len(x), dtype=int)
    return Roots(index, x, point, stable, slope, unknown, np.full_like(point, np.nan), none)


def _all_starts(table: Scan, targets: np.ndarray) -> tuple[np.ndarray, ...]:
    pieces = [_starts(segment, targets) for segment in table.segments]
    return tuple(np.concatenate(column) for column in zip(*pieces, strict=True))


def _starts(segment: Segment, targets: np.ndarray) -> tuple[np.ndarray, ...]:
    """First guesses on one branch, from the inverse of its cubic, with their brackets."""
    sign = 1.0 if segment.stable else -1.0
    height = sign * segment.h
    index = np.flatnonzero((sign * targets >= height[0]) & (sign * targets <= height[-1]))
    goal = sign * targets[index]
    cell = np.clip(np.searchsorted(height, goal, side="right") - 1, 0, max(len(height) - 2, 0))
    if len(height) < 2:
        empty = np.zeros(0)
        return np.zeros(0, dtype=int), empty, empty, empty, empty, np.zeros(0, dtype=bool)
    low, high = segment.x[cell], segment.x[cell + 1]
    width = high - low
    fraction = (goal - height[cell]) / (height[cell + 1] - height[cell])
    left, right = sign * segment.slope[cell] * width, sign * segment.slope[cell + 1] * width
    rise = height[cell + 1] - height[cell]
    segment_rise = sign * rise
    t = fraction.copy()
    for _ in range(6):
        value = _cubic(t, left / rise, right / rise)
        slope = _cubic_slope(t, left / rise, right / rise)
        t = np.clip(t - (value - fraction) / np.where(slope > 1e-3, slope, 1.0), 0.0, 1.0)
    slope = _cubic_slope(t, left / rise, right / rise) * segment_rise / width
    return index, low + t * width, low, high, slope, np.full(len(index), segment.stable)


def _cubic(t: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Hermite cubic from 0 to 1 on [0, 1] with the given end slopes."""
    return t * t * (3 - 2 * t) + left * t * (1 - t) ** 2 - right * t * t * (1 - t)


def _cubic_slope(t: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return 6 * t * (1 - t) + left * (1 - t) * (1 - 3 * t) - right * t * (2 - 3 * t)


def _polish(
    model: Any,
    targets: np.ndarray,
    x: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
    slope: np.ndarray,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Secant steps on h(x) = target inside brackets that shrink; only unfinished points go on.

    The table's slope makes the first step, differences of h the later ones. On a branch the sign
    of h' is known, so that every value of h moves one end of its bracket.
    """
    x, slope, rises = x.copy(), slope.copy(), slope > 0
    # the table came from a coarser quadrature: brackets give a little
    slack = 1e-4 * (high - low)
    low, high = low - slack, high + slack
    residual, steps = np.full(len(x), np.inf), np.zeros(len(x), dtype=int)
    old_x, old_gap = np.full(len(x), np.nan), np.full(len(x), np.nan)
    active = np.arange(len(x))
    for _ in range(_MAX_STEPS):
        if not len(active):
            break
        here = x[active]
        gap = level(model, here) - targets[active]
        residual[active], steps[active] = np.abs(gap), steps[active] + 1
        beyond = (gap > 0) == rises[active]
        high[active] = np.where(beyond, here, high[active])
        low[active] = np.where(beyond, low[active], here)
        run = here - old_x[active]
        secant = (gap - old_gap[active]) / np.where(run == 0, np.nan, run)
        usable = np.isfinite(secant) & ((secant > 0) == rises[active])
        # differences below rounding tell nothing about the slope
        usable &= np.abs(gap - old_gap[active]) > 1e-12
        slope[active] = np.where(usable, secant, slope[active])
        step = gap / np.where(slope[active] == 0, np.nan, slope[active])
        proposal = here - step
        inside = (proposal > low[active]) & (proposal < high[active])
        proposal = np.where(inside, proposal, 0.5 * (low[active] + high[active]))
        tolerance = _ROOT_TOLERANCE * np.maximum(1.0, np.abs(here))
        done = (np.abs(gap) <= tolerance) | (np.abs(proposal - here) <= tolerance)
        old_x[active], old_gap[active] = here, gap
        x[active] = np.where(done, here, proposal)
        active = active[~done]
    return x, residual, slope, steps


@eqx.filter_jit
def _guesses(problem: Any, x: Float[Array, " n"]) -> tuple[Array, Array]:
    """Points on the stored curve, and the inverse Jacobians of the equations there."""

    def one(at: Array) -> tuple[Array, Array]:
        point, _ = problem.curve.guess(at)
        jacobian = jax.jacfwd(lambda X: problem.equations_at(X, _COARSE))(point)
        return point, jnp.linalg.inv(jacobian)

    return pointwise(one, x)


@eqx.filter_jit
def _equations(problem: Any, point: Float[Array, "n m"], nodes: int) -> Float[Array, "n m"]:
    return pointwise(lambda at: problem.equations_at(at, nodes), point)


def equations(problem: Any, point: np.ndarray, nodes: int = ORDER) -> np.ndarray:
    """`equations_at` at many points."""
    return in_chunks(lambda part: _equations(problem, part, nodes), point, rows=problem.rows)[0]


def _solve(
    problem: Any, targets: np.ndarray, x: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Broyden's steps on all equations at once, with Jacobians from the stored curve at first.

    The table ends every guess close to its root; a point that does not settle keeps its residual.
    The last steps use finer quadratures, and the length of the last bounds the error.
    """
    point, inverse = in_chunks(lambda part: _guesses(problem, part), x, rows=problem.rows)
    residual, steps = np.full(len(x), np.inf), np.zeros(len(x), dtype=int)
    goal = np.zeros_like(point)
    goal[:, -1] = targets
    active = np.arange(len(x))
    change, last = np.zeros_like(point), goal
    for _ in range(_CHORD_STEPS):
        if not len(active):
            break
        gap = equations(problem, point[active]) - goal[active]
        inverse[active] = _secant(inverse[active], change[active], gap - last)
        residual[active], steps[active] = np.max(np.abs(gap), axis=1), steps[active] + 1
        step = -np.einsum("kij,kj->ki", inverse[active], gap)
        tolerance = _ROOT_TOLERANCE * np.maximum(1.0, np.abs(point[active]))
        done = np.all(np.abs(step) <= tolerance, axis=1)
        change[active] = np.where(done[:, None], 0.0, step)
        point[active] += change[active]
        active, last = active[~done], gap[~done]
    error = np.full_like(point, np.inf)
    active = np.arange(len(x))
    for nodes in (FINE_ORDER, _FINEST):
        gap = equations(problem, point[active], nodes) - goal[active]
        size = np.abs(gap) + residual[active, None]
        error[active] = np.einsum("kij,kj->ki", np.abs(inverse[active]), size)
        point[active] -= np.einsum("kij,kj->ki", inverse[active], gap)
        enough = _DEAR_ERROR if is_dear(problem) else _COARSE_ERROR
        active = active[np.max(error[active], axis=1, initial=0.0) > enough]
        if not len(active):
            break
    return point, residual, error, steps


def _secant(inverse: np.ndarray, change: np.ndarray, rise: np.ndarray) -> np.ndarray:
    """Inverse Jacobians that map the last rise of the equations to the change that made it.

    Broyden (1965); unchanged where there was none, or a rise that is rounding.
    """
    expected = np.einsum("kij,kj->ki", inverse, rise)
    row = np.einsum("ki,kij->kj", change, inverse)
    scale = np.einsum("ki,ki->k", change, expected)
    sure = np.abs(scale) > _SURE * np.sum(change**2, axis=1)
    usable = sure & (np.max(np.abs(change), axis=1) > _ROUGH)
    factor = np.where(usable, 1.0, 0.0) / np.where(usable, scale, 1.0)
    return inverse + factor[:, None, None] * (change - expected)[:, :, None] * row[:, None, :]

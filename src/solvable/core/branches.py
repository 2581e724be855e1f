"""All fixed points of a scalar state evolution, from one scan of its order parameter.

State evolution in one order parameter is q_hat -> scale S(q_hat), where `scale` (alpha, or
1 / delta) enters only as a factor. In x = ln q_hat its fixed points are the level set
h(x) = ln(scale) of

    h(x) = x - ln S(e^x),

which does not depend on the scale. So one table of h and h' holds every branch at every scale: a
root is certified by the sign change that brackets it, stable where h' > 0 and unstable where
h' < 0, and branches begin and end at the extrema of h. The ends of the axis, q = 0 and q = rho,
are fixed points of their own, known from exact limits (`Limits`) and never found as sign changes.
"""

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Protocol

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.polynomial import Chebyshev
from scipy.interpolate import CubicSpline

from solvable.core.quadrature import FINE_ORDER, ORDER

_CHUNK, _LARGE_CHUNK = 16, 512
_MANY = 192
_SPACING = 0.25
# ln q_hat. Without noise y - omega is known to 1e-16 and varies on sqrt V: beyond V = 3e-14 the
# rounding of h would look like structure.
LOWEST, HIGHEST = -36.0, 31.0
TRIVIAL_LOWEST = -16.0  # an even channel's S is lost to rounding below
_ROOT_TOLERANCE = 1e-13
_MAX_STEPS = 60
_CHORD_STEPS, _COARSE = 30, 8
_COARSE_ERROR, _FINEST = 1e-9, 26  # a point worse than this is polished once more
_CHEBYSHEV = np.cos(np.pi * (np.arange(12) + 0.5) / 12)
_NOISE = 3e-9  # extrema of h less deep than this are rounding


@dataclass(frozen=True)
class Limits:
    """Exact facts about the two ends of the order parameter's axis.

    Attributes:
        trivial: q = 0 is a fixed point at every scale.
        weak_recovery: the scale above which it is unstable (NaN if it is no fixed point).
        weak_recovery_error: bound on the error of that.
        recovered: q = rho is a fixed point.
        recovery: the scale above which it is stable; 0 if it always is (NaN if none).
        perfect: the scale above which it has infinite free entropy, d_prior / d_channel (NaN where
            its free entropy is finite).
        highest_response: S at q = rho, infinite without noise.
    """

    trivial: bool
    weak_recovery: float
    weak_recovery_error: float
    recovered: bool
    recovery: float
    perfect: float
    highest_response: float


class ScalarProblem(Protocol):
    """One coordinate along the fixed points of a model, which are points of n dimensions.

    Where n = 1 the coordinate is the point itself; else `curve` turns it into one.
    """

    curve: Any

    def level_at(self, x: Float[Array, ""], nodes: int) -> Float[Array, ""]:
        """h, the ln of the scale at which x is a fixed point; `nodes` quadrature nodes a panel."""
        ...

    def equations_at(self, point: Float[Array, " n"], nodes: int) -> Float[Array, " n"]:
        """n - 1 numbers that are zero on the curve, and the level."""
        ...


@eqx.filter_jit
def _level(model: Any, x: Float[Array, " n"], nodes: int) -> Float[Array, " n"]:
    return pointwise(lambda at: model.level_at(at, nodes), x)


def pointwise(function: Any, *columns: Float[Array, " n"]) -> Any:
    """A function of scalars at every row, `_CHUNK` at a time: nested quadratures stay small."""
    if len(columns[0]) <= _CHUNK:
        return jax.vmap(function)(*columns)
    return jax.lax.map(lambda row: function(*row), columns, batch_size=_CHUNK)


def level(model: Any, x: Float[np.ndarray, " n"], nodes: int = ORDER) -> Float[np.ndarray, " n"]:
    """h at many x.

    Args:
        model: a `ScalarProblem` whose floats are arrays (`numeric`).
        x: values of ln q_hat.
        nodes: quadrature nodes a panel.
    """
    return in_chunks(lambda part: _level(model, part, nodes), x)[0]


def in_chunks(function: Any, *columns: Float[np.ndarray, " n"]) -> list[np.ndarray]:
    """The leaves of a jitted function of equally long columns, applied in padded chunks.

    Chunks have one of two sizes, so that two programs serve every length.
    """
    count = len(columns[0])
    size = _CHUNK if count <= _MANY else _LARGE_CHUNK

    def chunk(start: int) -> list[np.ndarray]:
        parts = [np.asarray(c[start : start + size], dtype=float) for c in columns]
        padded = [np.concatenate([p, np.repeat(_last(p), size - len(p), axis=0)]) for p in parts]
        return [np.asarray(x) for x in jax.tree.leaves(function(*padded))]

    starts = range(0, max(count, 1), size)
    # the first chunk compiles; then one program runs on every core
    outputs = [chunk(0)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        outputs += pool.map(chunk, starts[1:])
    return [np.concatenate(column)[:count] for column in zip(*outputs, strict=True)]


def _last(part: np.ndarray) -> np.ndarray:
    return part[-1:] if len(part) else np.zeros((1, *part.shape[1:]))


@dataclass(frozen=True)
class Segment:
    """A stretch of the axis on which h is monotone: one branch.

    Attributes:
        x: rising grid of ln q_hat, its ends at extrema of h or at the ends of the scan.
        h: h there.
        slope: h' there.
        stable: True if h rises.
    """

    x: Float[np.ndarray, " m"]
    h: Float[np.ndarray, " m"]
    slope: Float[np.ndarray, " m"]
    stable: bool


@dataclass(frozen=True)
class Fold:
    """An extremum of h, where a stable and an unstable branch meet."""

    x: float
    h: float
    is_maximum: bool


@dataclass(frozen=True)
class Scan:
    """The table of h for one set of the other parameters.

    Attributes:
        segments: the branches, by rising overlap.
        folds: the extrema between them.
        limits: the ends of the axis.
    """

    model: Any
    segments: tuple[Segment, ...]
    folds: tuple[Fold, ...]
    limits: Limits


def uniform_table(
    model: ScalarProblem, low: float, high: float, nodes: int
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """x and h on a uniform grid fine enough for `scan` where x is ln q_hat."""
    x = np.linspace(low, high, max(int(np.ceil((high - low) / _SPACING)), 16) + 1)
    return x, level(model, x, nodes)


def scan(
    model: ScalarProblem,
    limits: Limits,
    x: Float[np.ndarray, " n"],
    h: Float[np.ndarray, " n"],
) -> Scan:
    """Split a table of h into branches.

    Slopes are those of a cubic spline through the table: h varies on a scale of order one in
    ln q_hat, and every root and extremum is polished on h itself.

    Args:
        model: a `ScalarProblem`.
        limits: the two ends of the axis.
        x: rising coordinates, closer than h varies, over all that will be asked for.
        h: their levels; those that are not finite are left out.
    """
    keep = np.isfinite(h)
    x, h = x[keep], h[keep]
    spline = CubicSpline(x, h)
    folds = _find_folds(model, spline)
    return Scan(model, tuple(_split(x, h, spline(x, 1), folds)), tuple(folds), limits)


def _find_folds(model: Any, spline: CubicSpline) -> list[Fold]:
    """Extrema of h: those of the spline, each confirmed and polished on h itself."""
    x = spline.x
    roots = spline.derivative().roots(extrapolate=False)
    candidates = sorted(float(r) for r in roots if np.isfinite(r) and x[0] < r < x[-1])
    folds = [fold for r in candidates if (fold := _polish_fold(model, r, x)) is not None]
    kinds = [fold for k, fold in enumerate(folds) if k == 0 or fold.x > folds[k - 1].x + 1e-6]
    if not kinds:
        return []
    # the ends as exactly as the folds: on a flat end the table's own error would look like a fold
    first, last = level(model, x[[0, -1]])
    return _drop_shallow(kinds, first, last)


def _polish_fold(model: Any, guess: float, x: np.ndarray) -> Fold | None:
    """Extremum of the Chebyshev interpolant of h on two shrinking intervals, if it has one."""
    root = guess
    for reach in (0.3, 0.03):
        domain = [max(x[0], root - reach), min(x[-1], root + reach)]
        at = 0.5 * sum(domain) + 0.5 * (domain[1] - domain[0]) * _CHEBYSHEV
        values = level(model, at)
        if not np.all(np.isfinite(values)):
            return None  # beside levels that are no numbers, which the table leaves out
        fit = Chebyshev.fit(at, values, len(at) - 1, domain=domain)
        roots = fit.deriv().roots()
        inside = (roots.real >= domain[0]) & (roots.real <= domain[1])
        real = roots.real[(np.abs(roots.imag) < 1e-6) & inside]
        if not real.size:
            return None
        root = float(real[np.argmin(np.abs(real - root))])
    return Fold(root, float(level(model, np.array([root]))[0]), bool(fit.deriv(2)(root) < 0))


def _drop_shallow(folds: list[Fold], first: float, last: float) -> list[Fold]:
    """Remove neighbouring extrema closer in h than rounding can tell."""
    changed = True
    while changed and folds:
        changed = False
        levels = [first, *(fold.h for fold in folds), last]
        for k in range(len(levels) - 1):
            if abs(levels[k + 1] - levels[k]) < _NOISE:
                inner = [i for i in (k - 1, k) if 0 <= i < len(folds)]
                folds = [fold for i, fold in enumerate(folds) if i not in inner]
                changed = True
                break
    return folds


def _split(x: np.ndarray, h: np.ndarray, slope: np.ndarray, folds: list[Fold]) -> list[Segment]:
    """Cut the table at the folds; each piece is made strictly monotone."""
    cuts = [-np.inf, *(fold.x for fold in folds), np.inf]
    segments = []
    for k in range(len(cuts) - 1):
        inside = (x > cuts[k]) & (x < cuts[k + 1])
        xs, hs, ss = x[inside], h[inside], slope[inside]
        if k > 0:
            xs, hs, ss = np.r_[folds[k - 1].x, xs], np.r_[folds[k - 1].h, hs], np.r_[0.0, ss]
        if k < len(folds):
            xs, hs, ss = np.r_[xs, folds[k].x], np.r_[hs, folds[k].h], np.r_[ss, 0.0]
        rises = bool(hs[-1] > hs[0])
        order = _strictly_monotone(hs if rises else -hs)
        segments.append(Segment(xs[order], hs[order], ss[order], rises))
    return segments


def _strictly_monotone(h: np.ndarray) -> np.ndarray:
    """Indices of a strictly rising subsequence that keeps both ends (drops rounding ties)."""
    kept = [0]
    for k in range(1, len(h)):
        if h[k] > h[kept[-1]] and (k == len(h) - 1 or h[k] < h[-1]):
            kept.append(k)
    return np.asarray(kept)


# -------------------------------------------------------------------------------------------------
# Roots


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
    pieces = [_starts(segment, targets) for segment in table.segments]
    index, x, low, high, slope, stable = (np.concatenate(c) for c in zip(*pieces, strict=True))
    if table.model.curve is not None:
        point, residual, error, steps = _solve(table.model, targets[index], x)
        return Roots(index, x, point, stable, slope, residual, error, steps)
    x, residual, slope, steps = _polish(table.model, targets[index], x, low, high, slope)
    error = np.zeros(len(x))
    if len(x):
        fine = level(table.model, x, FINE_ORDER) - targets[index]
        error = (residual + np.abs(fine)) / np.maximum(np.abs(slope), 1e-300)
    return Roots(index, x, x[:, None], stable, slope, residual, error[:, None], steps)


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
    return in_chunks(lambda part: _equations(problem, part, nodes), point)[0]


def _solve(
    problem: Any, targets: np.ndarray, x: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Newton steps on all equations at once, with Jacobians from the stored curve.

    The table ends every guess close to its root; a point that does not settle keeps its residual.
    The last steps use finer quadratures, and the length of the last bounds the error.
    """
    point, inverse = in_chunks(lambda part: _guesses(problem, part), x)
    residual, steps = np.full(len(x), np.inf), np.zeros(len(x), dtype=int)
    goal = np.zeros_like(point)
    goal[:, -1] = targets
    active = np.arange(len(x))
    for _ in range(_CHORD_STEPS):
        if not len(active):
            break
        gap = equations(problem, point[active]) - goal[active]
        residual[active], steps[active] = np.max(np.abs(gap), axis=1), steps[active] + 1
        change = np.einsum("kij,kj->ki", inverse[active], gap)
        tolerance = _ROOT_TOLERANCE * np.maximum(1.0, np.abs(point[active]))
        done = np.all(np.abs(change) <= tolerance, axis=1)
        point[active] -= np.where(done[:, None], 0.0, change)
        active = active[~done]
    error = np.full_like(point, np.inf)
    active = np.arange(len(x))
    for nodes in (FINE_ORDER, _FINEST):
        gap = equations(problem, point[active], nodes) - goal[active]
        size = np.abs(gap) + residual[active, None]
        error[active] = np.einsum("kij,kj->ki", np.abs(inverse[active]), size)
        point[active] -= np.einsum("kij,kj->ki", inverse[active], gap)
        active = active[np.max(error[active], axis=1, initial=0.0) > _COARSE_ERROR]
        if not len(active):
            break
    return point, residual, error, steps

"""All fixed points of a scalar state evolution, from one scan of its order parameter.

State evolution in one order parameter is q_hat -> scale S(q_hat), where `scale` (alpha, or 1 / delta)
enters only as a factor. In x = ln q_hat its fixed points are the level set h(x) = ln(scale) of

    h(x) = x - ln S(e^x),

which does not depend on the scale. So one table of h and h' holds every branch at every scale: a
root is certified by the sign change that brackets it, stable where h' > 0 and unstable where
h' < 0, and branches begin and end at the extrema of h. The ends of the axis, q = 0 and q = rho, are
fixed points of their own, known from exact limits (`Limits`) and never found as sign changes.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from numpy.polynomial import Chebyshev

from solvable.core.quadrature import FINE_ORDER, ORDER
from solvable.core.specification import Specification

SCAN_ORDER = 6
_CHUNKS = (8, 32)
_SPACING = 0.25
_LOWEST, _HIGHEST = -36.0, 36.0  # ln q_hat: V is resolved down to 1e-16 of rho
_TRIVIAL_LOWEST = -16.0  # an even channel's S is lost to rounding below
_ROOT_TOLERANCE = 1e-13
_MAX_STEPS = 60
_CHEBYSHEV = np.cos(np.pi * (np.arange(8) + 0.5) / 8)
_NOISE = 1e-9  # extrema of h less deep than this are rounding


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
        lowest_response: S at q = 0.
        highest_response: S at q = rho, infinite without noise.
    """

    trivial: bool
    weak_recovery: float
    weak_recovery_error: float
    recovered: bool
    recovery: float
    perfect: float
    lowest_response: float
    highest_response: float


class ScalarProblem(Protocol):
    """What the engine asks of a model."""

    def log_response(self, log_q_hat: Float[Array, ""], nodes: int) -> Float[Array, ""]:
        """ln S at ln q_hat, with `nodes` quadrature nodes a panel."""
        ...

    def limits(self) -> Limits:
        """The two ends of the axis."""
        ...


@eqx.filter_jit
def _level_and_slope(model: Any, x: Float[Array, " n"], nodes: int) -> tuple[Array, Array]:
    def level(at: Array) -> Array:
        return at - model.log_response(at, nodes)

    return jax.vmap(lambda at: jax.jvp(level, (at,), (jnp.ones_like(at),)))(x)


def level_and_slope(
    model: Any, x: Float[np.ndarray, " n"], nodes: int = ORDER
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """h and h' at many x, in padded chunks of one size so that one program serves all.

    Args:
        model: a `ScalarProblem` whose floats are arrays (`numeric`).
        x: values of ln q_hat.
        nodes: quadrature nodes a panel.
    """
    return tuple(in_chunks(lambda part: _level_and_slope(model, part, nodes), x))  # type: ignore


def in_chunks(function: Any, *columns: Float[np.ndarray, " n"]) -> list[np.ndarray]:
    """The leaves of a jitted function of equally long columns, applied in padded chunks.

    Chunks have one of two sizes, a small one for polishing and a large one for tables: two
    programs serve every length.
    """
    count = len(columns[0])
    size = _CHUNKS[0] if count <= _CHUNKS[0] else _CHUNKS[1]
    outputs = []
    for start in range(0, max(count, 1), size):
        parts = [np.asarray(c[start : start + size], dtype=float) for c in columns]
        padded = [
            np.concatenate([p, np.full(size - len(p), p[-1] if len(p) else 0.0)]) for p in parts
        ]
        outputs.append(jax.tree.leaves(function(*padded)))
    return [
        np.concatenate([np.asarray(x) for x in column])[:count]
        for column in zip(*outputs, strict=True)
    ]


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


def scan(model: Specification, scale_range: tuple[float, float]) -> Scan:
    """Tabulate h where roots for scales in the range can lie, and split it into branches.

    Args:
        model: a `ScalarProblem`; its scale parameter may be unset.
        scale_range: smallest and largest scale that will be asked for.
    """
    limits = model.limits()  # type: ignore[attr-defined]
    low, high = _window(limits, scale_range)
    x = np.linspace(low, high, max(int(np.ceil((high - low) / _SPACING)), 16) + 1)
    h, slope = level_and_slope(model, x, SCAN_ORDER)
    keep = np.isfinite(h) & np.isfinite(slope)
    x, h, slope = x[keep], h[keep], slope[keep]
    folds = _find_folds(model, x, h, slope)
    return Scan(model, tuple(_split(x, h, slope, folds)), tuple(folds), limits)


def _window(limits: Limits, scale_range: tuple[float, float]) -> tuple[float, float]:
    """Since S rises with q, ln q_hat lies between ln(scale S(0)) and ln(scale S(rho))."""
    low, high = _LOWEST, _HIGHEST
    if limits.trivial:
        low = _TRIVIAL_LOWEST
    elif limits.lowest_response > 0:
        low = max(low, float(np.log(scale_range[0] * limits.lowest_response)) - 0.5)
    if np.isfinite(limits.highest_response) and not limits.recovered:
        high = float(np.log(scale_range[1] * limits.highest_response)) + 0.5
    return low, max(high, low + 1.0)


def _find_folds(model: Any, x: np.ndarray, h: np.ndarray, slope: np.ndarray) -> list[Fold]:
    """Extrema of h: sign changes of h' on the grid, and pairs that its cubic hides in one cell."""
    brackets = []
    for k in range(len(x) - 1):
        if slope[k] * slope[k + 1] < 0:
            brackets.append((x[k], x[k + 1], slope[k] > 0))
            continue
        hidden = _hidden_extremum(x[k : k + 2], h[k : k + 2], slope[k : k + 2])
        if hidden is not None:
            value = level_and_slope(model, np.array([hidden]))[1][0]
            if value * slope[k] < 0:
                brackets.append((x[k], hidden, slope[k] > 0))
                brackets.append((hidden, x[k + 1], slope[k] < 0))
    folds = [_polish_fold(model, low, high, is_maximum) for low, high, is_maximum in brackets]
    return _drop_shallow(folds, h[0], h[-1]) if folds else []


def _hidden_extremum(x: np.ndarray, h: np.ndarray, slope: np.ndarray) -> float | None:
    """Where the cubic through two points has its steepest opposite slope, if it has one."""
    width = x[1] - x[0]
    secant = (h[1] - h[0]) / width
    a, b = 3 * (slope[0] + slope[1] - 2 * secant), 2 * (3 * secant - 2 * slope[0] - slope[1])
    if a == 0:
        return None
    t = -b / (2 * a)
    lowest = slope[0] + b * t + a * t * t
    # near-tangency counts: the grid's own error decides only after an exact look
    threatens = lowest * slope[0] < 0.02 * slope[0] ** 2 + 1e-12
    return float(x[0] + t * width) if 0 < t < 1 and threatens else None


def _polish_fold(model: Any, low: float, high: float, is_maximum: bool) -> Fold:
    """Root of h' in a bracket, by its Chebyshev interpolant on two shrinking intervals."""
    root, reach = 0.5 * (low + high), 0.5 * (high - low)
    for _ in range(2):
        domain = [max(low, root - reach), min(high, root + reach)]
        x = 0.5 * sum(domain) + 0.5 * (domain[1] - domain[0]) * _CHEBYSHEV
        fit = Chebyshev.fit(x, level_and_slope(model, x)[1], len(x) - 1, domain=domain)
        roots = fit.roots()
        real = roots.real[(np.abs(roots.imag) < 1e-9) & (roots.real >= low) & (roots.real <= high)]
        if not real.size:
            break
        root = float(real[np.argmin(np.abs(real - root))])
        reach = 0.02 * (high - low)
    return Fold(root, float(level_and_slope(model, np.array([root]))[0][0]), bool(is_maximum))


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
        x: ln q_hat.
        stable: stability under state evolution.
        slope: h' there.
        residual: |h - ln scale|.
        error: bound on the error of x, residual and quadrature.
        steps: Newton or bisection steps taken.
    """

    index: np.ndarray
    x: np.ndarray
    stable: np.ndarray
    slope: np.ndarray
    residual: np.ndarray
    error: np.ndarray
    steps: np.ndarray


def find_roots(table: Scan, scales: Float[np.ndarray, " n"]) -> Roots:
    """Every interior fixed point at every scale, polished by safeguarded Newton steps."""
    targets = np.log(np.asarray(scales, dtype=float))
    pieces = [_starts(segment, targets) for segment in table.segments]
    index, x, low, high, stable = (np.concatenate(column) for column in zip(*pieces, strict=True))
    x, residual, slope, steps = _polish(table.model, targets[index], x, low, high)
    if len(x):
        fine = level_and_slope(table.model, x, FINE_ORDER)[0] - targets[index]
        error = (residual + np.abs(fine)) / np.maximum(np.abs(slope), 1e-300)
    else:
        error = np.zeros(0)
    return Roots(index, x, stable, slope, residual, error, steps)


def _starts(segment: Segment, targets: np.ndarray) -> tuple[np.ndarray, ...]:
    """First guesses on one branch, from the inverse of its cubic, with their brackets."""
    sign = 1.0 if segment.stable else -1.0
    level = sign * segment.h
    index = np.flatnonzero((sign * targets >= level[0]) & (sign * targets <= level[-1]))
    goal = sign * targets[index]
    cell = np.clip(np.searchsorted(level, goal, side="right") - 1, 0, max(len(level) - 2, 0))
    if len(level) < 2:
        empty = np.zeros(0)
        return np.zeros(0, dtype=int), empty, empty, empty, np.zeros(0, dtype=bool)
    low, high = segment.x[cell], segment.x[cell + 1]
    width = high - low
    fraction = (goal - level[cell]) / (level[cell + 1] - level[cell])
    left, right = sign * segment.slope[cell] * width, sign * segment.slope[cell + 1] * width
    rise = level[cell + 1] - level[cell]
    t = fraction.copy()
    for _ in range(6):
        value = _cubic(t, left / rise, right / rise)
        slope = _cubic_slope(t, left / rise, right / rise)
        t = np.clip(t - (value - fraction) / np.where(slope > 1e-3, slope, 1.0), 0.0, 1.0)
    return index, low + t * width, low, high, np.full(len(index), segment.stable)


def _cubic(t: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Hermite cubic from 0 to 1 on [0, 1] with the given end slopes."""
    return t * t * (3 - 2 * t) + left * t * (1 - t) ** 2 - right * t * t * (1 - t)


def _cubic_slope(t: np.ndarray, left: np.ndarray, right: np.ndarray) -> np.ndarray:
    return 6 * t * (1 - t) + left * (1 - t) * (1 - 3 * t) - right * t * (2 - 3 * t)


def _polish(
    model: Any, targets: np.ndarray, x: np.ndarray, low: np.ndarray, high: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Newton on h(x) = target inside brackets that shrink; only unfinished points go on."""
    x, low, high = x.copy(), low.copy(), high.copy()
    residual, slope = np.full(len(x), np.inf), np.zeros(len(x))
    steps = np.zeros(len(x), dtype=int)
    # the table came from a coarse quadrature: brackets give a little
    slack = 1e-4 * (high - low)
    low, high = low - slack, high + slack
    active = np.arange(len(x))
    for _ in range(_MAX_STEPS):
        if not len(active):
            break
        h, derivative = level_and_slope(model, x[active])
        gap = h - targets[active]
        residual[active], slope[active] = np.abs(gap), derivative
        steps[active] += 1
        above = gap * np.sign(derivative) > 0
        high[active] = np.where(above, x[active], high[active])
        low[active] = np.where(above, low[active], x[active])
        newton = x[active] - gap / np.where(derivative == 0, 1.0, derivative)
        inside = (newton > low[active]) & (newton < high[active]) & (derivative != 0)
        proposal = np.where(inside, newton, 0.5 * (low[active] + high[active]))
        scale = _ROOT_TOLERANCE * np.maximum(1.0, np.abs(x[active]))
        done = (np.abs(gap) <= scale) | (np.abs(proposal - x[active]) <= scale)
        x[active] = np.where(np.abs(gap) <= scale, x[active], proposal)
        active = active[~done]
    return x, residual, slope, steps

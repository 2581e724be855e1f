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

from dataclasses import dataclass
from typing import Any, Protocol

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array, Float
from numpy.polynomial import Chebyshev
from scipy.interpolate import CubicSpline

from solvable.core.parallel import in_threads
from solvable.core.quadrature import ORDER

ROWS, _LARGE_CHUNK = 16, 512
_MANY = 192
_SPACING = 0.25
# ln q_hat. Without noise y - omega is known to 1e-16 and varies on sqrt V: beyond V = 3e-14 the
# rounding of h would look like structure.
LOWEST, HIGHEST = -36.0, 31.0
TRIVIAL_LOWEST = -16.0  # an even channel's S is lost to rounding below
_CHEBYSHEV = np.cos(np.pi * (np.arange(12) + 0.5) / 12)
_NOISE = 3e-9  # extrema of h less deep than this are rounding
_ROUGH_NOISE = 1e-4  # and those of a table that may be quadrature
_AWAY = 0.03  # in ln scale: a fold so far from all that is asked for need not be exact


class LostError(ValueError):
    """A model whose fixed points cannot be followed at all."""


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

    Where n = 1 the coordinate is the point itself; else `curve` turns it into one. `coarse` is the
    number of quadrature nodes a panel of its table, and `rows` that of points evaluated at once.
    """

    curve: Any
    coarse: int
    rows: int

    def level_at(self, x: Float[Array, ""], nodes: int) -> Float[Array, ""]:
        """h, the ln of the scale at which x is a fixed point; `nodes` quadrature nodes a panel."""
        ...

    def equations_at(self, point: Float[Array, " n"], nodes: int) -> Float[Array, " n"]:
        """n - 1 numbers that are zero on the curve, and the level."""
        ...


def is_dear(problem: Any) -> bool:
    """Whether its points take so long that fewer than usual are computed at once."""
    return problem.rows < ROWS


@eqx.filter_jit
def _level(model: Any, x: Float[Array, " n"], nodes: int) -> Float[Array, " n"]:
    return pointwise(lambda at: model.level_at(at, nodes), x)


def pointwise(function: Any, *columns: Float[Array, " n"]) -> Any:
    """A function of scalars at every row, `ROWS` at a time: nested quadratures stay small."""
    if len(columns[0]) <= ROWS:
        return jax.vmap(function)(*columns)
    return jax.lax.map(lambda row: function(*row), columns, batch_size=ROWS)


def level(model: Any, x: Float[np.ndarray, " n"], nodes: int = ORDER) -> Float[np.ndarray, " n"]:
    """h at many x.

    Args:
        model: a `ScalarProblem` whose floats are arrays (`numeric`).
        x: values of ln q_hat.
        nodes: quadrature nodes a panel.
    """
    return in_chunks(lambda part: _level(model, part, nodes), x, rows=model.rows)[0]


def in_chunks(
    function: Any, *columns: Float[np.ndarray, " n"], rows: int = ROWS
) -> list[np.ndarray]:
    """The leaves of a jitted function of equally long columns, applied in padded chunks.

    Chunks have one of two sizes, so that two programs serve every length; fewer `rows` than usual
    are for functions so expensive that none should be computed in vain.
    """
    count = len(columns[0])
    size = rows if count <= _MANY or rows < ROWS else _LARGE_CHUNK

    def chunk(start: int) -> list[np.ndarray]:
        parts = [np.asarray(c[start : start + size], dtype=float) for c in columns]
        padded = [np.concatenate([p, np.repeat(_last(p), size - len(p), axis=0)]) for p in parts]
        return [np.asarray(x) for x in jax.tree.leaves(function(*padded))]

    starts = range(0, max(count, 1), size)
    # the first chunk compiles; then one program runs on every core
    outputs = [chunk(0)]
    outputs += in_threads(chunk, starts[1:])
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
    scales: Float[np.ndarray, " m"] | None = None,
) -> Scan:
    """Split a table of h into branches.

    Slopes are those of a cubic spline through the table: h varies on a scale of order one in
    ln q_hat, and every root and extremum that matters is polished on h itself.

    Args:
        model: a `ScalarProblem`.
        limits: the two ends of the axis.
        x: rising coordinates, closer than h varies, over all that will be asked for.
        h: their levels; those that are not finite are left out.
        scales: all that will be asked for; extrema at other levels stay where the spline has them.
            None if the extrema themselves will be.

    Raises:
        LostError: if less than two are finite.
    """
    keep = np.isfinite(h)
    x, h = x[keep], h[keep]
    if len(x) < 2:
        raise LostError("No fixed point of this model can be followed: every level was NaN.")
    spline = CubicSpline(x, h)
    folds = _find_folds(model, spline, scales)
    return Scan(model, tuple(_split(x, h, spline(x, 1), folds)), tuple(folds), limits)


def _find_folds(
    model: Any, spline: CubicSpline, scales: Float[np.ndarray, " m"] | None
) -> list[Fold]:
    """Extrema of h: those of the spline, each that matters confirmed and polished on h itself."""
    x = spline.x

    def matters(h: float) -> bool:
        return scales is None or bool(np.any(np.abs(h - np.log(scales)) < _AWAY))

    extrema = spline.derivative().roots(extrapolate=False)
    found: list[Fold] = []
    noise = _ROUGH_NOISE
    for at in sorted(float(r) for r in extrema if np.isfinite(r) and x[0] < r < x[-1]):
        fold: Fold | None = Fold(at, float(spline(at)), bool(spline(at, 2) < 0))
        if matters(fold.h):
            fold, noise = _polish_fold(model, at, x), _NOISE
        if fold is not None and (not found or fold.x > found[-1].x + 1e-6):
            found.append(fold)
    if not found:
        return []
    first, last = (float(spline(end)) for end in (x[0], x[-1]))
    if matters(first) or matters(last):
        # as exactly as the folds: on a flat end the table's own error would look like a fold
        first, last = (float(h) for h in level(model, x[[0, -1]]))
    return _drop_shallow(found, first, last, noise)


def _polish_fold(model: Any, guess: float, x: np.ndarray) -> Fold | None:
    """Extremum of h on two shrinking intervals, if it has one.

    Where h takes long to compute the first is for the table's coarse quadrature, and the root is
    begun again if it is not in the second.
    """
    for nodes in (model.coarse, ORDER) if is_dear(model) else (ORDER,):
        root, fit = _extremum(model, guess, 0.3, x, nodes)
        if fit is not None:
            root, fit = _extremum(model, root, 0.03, x, ORDER)
        if fit is not None:
            value = float(level(model, np.array([root]))[0])
            return Fold(root, value, bool(fit.deriv(2)(root) < 0))
    return None


def _extremum(
    model: Any, guess: float, reach: float, x: np.ndarray, nodes: int
) -> tuple[float, Chebyshev | None]:
    """Extremum of the Chebyshev interpolant of h around a guess, and the interpolant."""
    domain = [max(x[0], guess - reach), min(x[-1], guess + reach)]
    at = 0.5 * sum(domain) + 0.5 * (domain[1] - domain[0]) * _CHEBYSHEV
    values = level(model, at, nodes)
    if not np.all(np.isfinite(values)):
        return guess, None  # beside levels that are no numbers, which the table leaves out
    fit = Chebyshev.fit(at, values, len(at) - 1, domain=domain)
    roots = fit.deriv().roots()
    inside = (roots.real >= domain[0]) & (roots.real <= domain[1])
    real = roots.real[(np.abs(roots.imag) < 1e-6) & inside]
    if not real.size:
        return guess, None
    return float(real[np.argmin(np.abs(real - guess))]), fit


def _drop_shallow(folds: list[Fold], first: float, last: float, noise: float) -> list[Fold]:
    """Remove neighboring extrema closer in h than noise can tell."""
    changed = True
    while changed and folds:
        changed = False
        levels = [first, *(fold.h for fold in folds), last]
        for k in range(len(levels) - 1):
            if abs(levels[k + 1] - levels[k]) < noise:
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

"""All roots of a function of one parameter on an interval, each with a bound on its error."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import scipy.optimize
from jaxtyping import Float

from solvable.core.arguments import breakpoints, fail
from solvable.core.status import Status

_ULP = float(np.finfo(float).eps)
_ROUNDING = 1e-14  # below which values of a function of order one have no sign
_HALVINGS = 60
_DOUBLINGS = 48


class ParameterRoot(NamedTuple):
    """A root of a function f of one parameter.

    Attributes:
        value: where.
        error_bound: f has opposite signs, beyond rounding, this far to the left and to the right;
            of a double root, how far rounding lets it move.
        status: converged; marginal where f touches zero without a change of sign to be seen;
            precision_loss if no two signs were found close by.
    """

    value: float
    error_bound: float
    status: Status


def parameter_roots(
    function: Callable[[float], float],
    grid: Float[np.ndarray, " n"],
    rounding: float = _ROUNDING,
) -> tuple[ParameterRoot, ...]:
    """Every root of f between the ends of a grid, in rising order.

    Changes of sign between neighbors are bracketed. Where |f| has a least value between
    neighbors of one sign it is minimized, so that two roots between them are found as well. f may
    be undefined (not finite) on a part of the interval; the end of its domain is found by
    bisection and is a point of the grid then. A jump across 0 counts as a root.

    Args:
        function: f, of order one, real.
        grid: shape (n,), rising, n >= 2; two roots closer than a cell may be missed only where
            |f| falls and rises again within it.
        rounding: |f| below which its sign is not believed.

    Raises:
        ValueError: if the grid does not rise or has fewer than two points.
    """
    x = breakpoints("grid", grid)
    if len(x) < 2:
        raise fail("grid", "hold at least two points", x.tolist())
    x, f = _with_edges(function, x)
    x, f = _with_extrema(function, x, f)
    found = []
    solve: Any = scipy.optimize.brentq
    for i in range(len(x) - 1):
        if np.isfinite(f[i]) and np.isfinite(f[i + 1]) and f[i] * f[i + 1] < 0:
            root = solve(function, x[i], x[i + 1], xtol=1e-300, rtol=4 * _ULP)
            found.append(_bounded(function, float(root), x[i], x[i + 1], rounding))
    touching = np.flatnonzero(np.abs(f) < rounding)
    found += [_touching(f, x, int(i), rounding) for i in touching if _is_alone(x[i], found)]
    return tuple(sorted(found))


def _with_edges(
    function: Callable[[float], float], x: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The grid and f on it, with the last defined point beside every end of the domain."""
    f = np.array([function(float(at)) for at in x])
    defined = np.isfinite(f)
    edges = []
    for i in np.flatnonzero(defined[1:] != defined[:-1]):
        inside, outside = (x[i], x[i + 1]) if defined[i] else (x[i + 1], x[i])
        for _ in range(_HALVINGS):
            middle = 0.5 * (inside + outside)
            if np.isfinite(function(float(middle))):
                inside = middle
            else:
                outside = middle
        edges.append(float(inside))
    return _merged(function, x, f, edges)


def _with_extrema(
    function: Callable[[float], float], x: np.ndarray, f: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The grid with the points where |f| is least between neighbors that have one sign."""
    extrema = []
    minimize: Any = scipy.optimize.minimize_scalar
    for i in range(1, len(x) - 1):
        left, here, right = f[i - 1], f[i], f[i + 1]
        sign = np.sign(here)
        alike = sign != 0 and np.sign(left) == sign and np.sign(right) == sign
        if alike and abs(here) <= min(abs(left), abs(right)):
            best = minimize(
                lambda at, sign=sign: sign * function(float(at)),
                bounds=(x[i - 1], x[i + 1]),
                method="bounded",
                options={"xatol": 1e-10 * (x[i + 1] - x[i - 1])},
            )
            extrema.append(float(best.x))
    return _merged(function, x, f, extrema)


def _merged(
    function: Callable[[float], float], x: np.ndarray, f: np.ndarray, more: list[float]
) -> tuple[np.ndarray, np.ndarray]:
    """A grid with more points, sorted."""
    points, first = np.unique(np.r_[x, more], return_index=True)
    values = np.r_[f, [function(at) for at in more]]
    return points, values[first]


def _bounded(
    function: Callable[[float], float], root: float, low: float, high: float, rounding: float
) -> ParameterRoot:
    """A root of a bracket with the least distance at which the two signs are beyond rounding."""
    step = 2 * _ULP * max(abs(root), abs(high - low))
    for _ in range(_DOUBLINGS):
        left, right = function(max(root - step, low)), function(min(root + step, high))
        if left * right < 0 and min(abs(left), abs(right)) > rounding:
            return ParameterRoot(root, step, Status.converged)
        step *= 2
        if step > high - low:
            break
    return ParameterRoot(root, float(high - low), Status.precision_loss)


def _touching(f: np.ndarray, x: np.ndarray, i: int, rounding: float) -> ParameterRoot:
    """A point where |f| is below rounding: how far a parabola moves it if f moves by as much."""
    j = i + 1 if i + 1 < len(x) else i - 1
    rise = abs(f[j]) / (x[j] - x[i]) ** 2 if np.isfinite(f[j]) else 0.0
    bound = abs(x[j] - x[i]) if rise == 0 else float(np.sqrt(rounding / rise))
    return ParameterRoot(float(x[i]), float(bound), Status.marginal)


def _is_alone(x: float, found: list[ParameterRoot]) -> bool:
    return all(abs(x - root.value) > 2 * root.error_bound for root in found)

"""What decides where first-order lines end: the shape of the level h in two places.

Two spinodals, a maximum and a minimum of h with a falling stretch between, merge where the least
slope there rises to zero: a cusp, h' = h'' = 0. At the end of the axis where q = 0, an unstable
branch leaves instead of a stable one where dh / d q_hat changes its sign.
"""

from typing import NamedTuple

import numpy as np
from numpy.polynomial import Chebyshev
from scipy.interpolate import CubicSpline

from solvable.core.branches import Scan, level
from solvable.core.continuation import Curve
from solvable.core.quadrature import FINE_ORDER, ORDER

_NODES = np.cos(np.pi * (np.arange(12) + 0.5) / 12)
_REACHES = (0.3, 0.05)
_DIP = 1e-3  # how far a slope must sink and rise again to be more than rounding
_RISES = 1e-6
_FEWEST = 8  # values of a table that has a shape
_NEAR = 0.01  # up to which change of h the neighborhood of q = 0 goes


class Dip(NamedTuple):
    """The least slope of h between two rising stretches.

    Attributes:
        x: where.
        h: the level there.
        slope: h' there, negative between two spinodals.
        error: bound on the error of `slope`; NaN if it is read off the table.
    """

    x: float
    h: float
    slope: float
    error: float


def deepest_dip(table: Scan, exact: bool, lowest: float = -np.inf) -> Dip | None:
    """The dip of least slope, None if the slope has none.

    Args:
        table: the scan.
        exact: False reads it off the table.
        lowest: levels below it are beyond all scales and do not count.
    """
    x = np.concatenate([segment.x for segment in table.segments])
    h = np.concatenate([segment.h for segment in table.segments])
    x, first = np.unique(x, return_index=True)
    if len(x) < _FEWEST:
        return None
    spline = CubicSpline(x, h[first])
    rate = spline.derivative()
    extrema = rate.derivative().roots(extrapolate=False)
    inner = np.unique(extrema[(extrema > x[0]) & (extrema < x[-1])])
    at = np.r_[x[0], inner, x[-1]]
    slopes = rate(at)
    left, right = np.maximum.accumulate(slopes), np.maximum.accumulate(slopes[::-1])[::-1]
    deep = (np.minimum(left, right) - slopes > _DIP) & (left > _RISES) & (spline(at) > lowest)
    if not deep.any():
        return None
    lowest = int(np.argmin(np.where(deep, slopes, np.inf)))
    place = float(at[lowest])
    if not exact:
        return Dip(place, float(spline(place)), float(slopes[lowest]), np.nan)
    return _polished(table, place)


def _polished(table: Scan, guess: float) -> Dip | None:
    """The dip of the interpolant of h itself; as for folds, on shrinking intervals."""
    low, high = table.segments[0].x[0], table.segments[-1].x[-1]
    slopes, place = [], guess
    for reach, nodes in ((_REACHES[0], ORDER), (_REACHES[1], ORDER), (_REACHES[1], FINE_ORDER)):
        domain = [max(low, place - reach), min(high, place + reach)]
        at = 0.5 * sum(domain) + 0.5 * (domain[1] - domain[0]) * _NODES
        values = level(table.model, at, nodes)
        if not np.all(np.isfinite(values)):
            return None
        fit = Chebyshev.fit(at, values, len(at) - 1, domain=domain)
        turns = fit.deriv(2).roots()
        real = turns.real[np.abs(turns.imag) < 1e-6]
        inside = real[(real >= domain[0]) & (real <= domain[1])]
        if not inside.size:
            return None
        place = float(inside[np.argmin(np.abs(inside - place))])
        slopes.append(float(fit.deriv()(place)))
        if nodes == ORDER:
            found = Dip(place, float(fit(place)), slopes[-1], 0.0)
    # the two reaches differ by the truncation of the wider one, which is the larger error
    return found._replace(error=abs(slopes[2] - slopes[1]) + abs(slopes[1] - slopes[0]))


def departure(table: Scan, exact: bool) -> tuple[float, float]:
    """dh / d q_hat at q = 0, positive where a stable branch leaves it, and a bound on its error.

    h is a power series in q_hat there; NaN where the table does not reach that far down.

    Args:
        table: the scan of a model of which q = 0 is a fixed point that loses its stability.
        exact: False leaves out what only the error needs.
    """
    x, h = table.segments[0].x, table.segments[0].h
    if not abs(h[0] - np.log(table.limits.weak_recovery)) < _NEAR:
        return np.nan, np.nan  # the table begins where h is a series no more
    curve = table.model.curve
    # along a curve of several layers ln q_hat of the lowest rises at a rate of its own
    start, rate = (x[0], 1.0) if curve is None else _start(curve)
    near = int(np.argmin(np.abs(h - h[0]) < _NEAR)) or len(h)
    top = float(np.exp(start + rate * (x[max(near - 1, 1)] - x[0])))

    def slope(reach: float, nodes: int) -> float:
        q_hat = 0.5 * reach * (1 + _NODES)
        at = x[0] + (np.log(q_hat) - start) / rate
        values = level(table.model, at, nodes)
        fit = Chebyshev.fit(q_hat, values, len(q_hat) - 4, domain=[0, reach])
        return float(fit.deriv()(0.0))

    found = slope(0.5 * top, ORDER)
    if not exact:
        return found, np.nan
    # the wider fit has the larger error of truncation, the nearer one of rounding
    fine = slope(0.5 * top, FINE_ORDER)
    return found, abs(slope(top, ORDER) - found) + abs(fine - found)


def _start(curve: Curve) -> tuple[float, float]:
    return float(curve.points[0, 0]), float(curve.tangents[0, 0])

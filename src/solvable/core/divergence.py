"""Power laws with which times diverge, fitted: where, how fast, and how sure that is."""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.optimize import minimize_scalar
from scipy.stats import t as student

from solvable.core.arguments import fail, vector
from solvable.core.interpolation import lagrange
from solvable.core.status import Status

LEAST = 4
"""Points that a fit of three numbers needs, to tell its error."""

_NEAREST, _FURTHEST = 1e-4, 30.0  # of the threshold, in units of the spread of the points
_PLACES = 400
_ONE_SIGMA = 0.8413447460685429  # of a normal variable: the probability to lie below 1


class Divergence(NamedTuple):
    """A fitted power law, time = amplitude |x - threshold|^-exponent.

    Attributes:
        threshold: where the time diverges, NaN if no fit tells.
        threshold_error: one standard error, the change under a narrower fit included.
        exponent: gamma > 0.
        exponent_error: likewise.
        amplitude: in the units of the time.
        status: converged; no_branch where there are fewer than `LEAST` points, or where they show
            no divergence at a finite distance.
    """

    threshold: float
    threshold_error: float
    exponent: float
    exponent_error: float
    amplitude: float
    status: Status


ABSENT = Divergence(np.nan, np.nan, np.nan, np.nan, np.nan, Status.no_branch)


def fit_divergence(x: Float[np.ndarray, " n"], times: Float[np.ndarray, " n"]) -> Divergence:
    """Fit time = A |x - x_c|^-gamma, by least squares of ln time, on the side of x_c it lies on.

    All points count alike: they scatter about a power law because it is one only near x_c. Its
    standard errors follow from that scatter (times Student's factor for one sigma). As the scatter
    is smooth, not random, the change on leaving out the third of the points furthest from x_c is
    added in quadrature where enough are left.

    Args:
        x: shape (n,), a parameter; the threshold lies beyond the end with the longest times.
        times: shape (n,), positive.

    Raises:
        ValueError: if the lengths differ or a time is not positive.

    Source: Sarao Mannelli et al. 2020 (power laws of relaxation times).

    Example:
        >>> x = np.array([2.1, 2.2, 2.4, 2.7, 3.0, 3.5])
        >>> found = fit_divergence(x, 3 * (x - 2) ** -1.5)
        >>> round(found.threshold, 6), round(found.exponent, 6)
        (2.0, 1.5)
    """
    x, times = vector("x", x), vector("times", times)
    if len(x) != len(times):
        raise fail("times", f"have the length of `x`, {len(x)}", times)
    if np.any(times <= 0):
        raise fail("times", "be positive", times)
    whole = _fitted(x, times)
    kept = max(LEAST, len(x) - len(x) // 3)
    if whole.status != Status.converged or kept >= len(x):
        return whole
    near = np.argsort(np.abs(x - whole.threshold))[:kept]
    part = _fitted(x[near], times[near])
    if part.status != Status.converged:
        return whole
    return whole._replace(
        threshold_error=float(np.hypot(whole.threshold_error, whole.threshold - part.threshold)),
        exponent_error=float(np.hypot(whole.exponent_error, whole.exponent - part.exponent)),
    )


def _fitted(x: np.ndarray, times: np.ndarray) -> Divergence:
    """One fit; the exponent and the amplitude follow linearly from the threshold's place."""
    spread = float(np.ptp(x))
    logs = np.log(times)
    if len(x) < LEAST or spread == 0 or np.ptp(logs) == 0:
        return ABSENT
    side = -np.sign(np.polyfit(x, logs, 1)[0])
    line = _Line(side * x - np.min(side * x), logs)  # times fall along it
    places = np.log(spread * np.geomspace(_NEAREST, _FURTHEST, _PLACES))
    best = int(np.argmin(line.misfit(places)))
    if best in (0, _PLACES - 1):
        return ABSENT
    found: Any = minimize_scalar(
        lambda place: float(line.misfit(np.array([place]))[0]),
        bounds=(places[best - 1], places[best + 1]),
        method="bounded",
        options={"xatol": 1e-12},
    )
    slope, shift, squares = line.at(found.x)
    if slope >= 0:
        return ABSENT
    gaps = line.gaps(found.x)
    # how ln time changes with its amplitude, its exponent and the threshold
    changes = np.column_stack([np.ones_like(x), -gaps, -slope * np.exp(-gaps)])
    variance = squares / (len(x) - 3) * student.ppf(_ONE_SIGMA, len(x) - 3) ** 2
    errors = np.sqrt(variance * np.diag(np.linalg.pinv(changes.T @ changes)))
    threshold = side * (np.min(side * x) - np.exp(found.x))
    return Divergence(
        float(threshold),
        float(errors[2]),
        -slope,
        float(errors[1]),
        float(np.exp(shift)),
        Status.converged,
    )


class _Line:
    """ln time as a line in ln(x + distance), x >= 0, for any ln distance."""

    def __init__(self, x: np.ndarray, logs: np.ndarray) -> None:
        self._x, self._logs = x, logs

    def gaps(self, log_distance: Any) -> np.ndarray:
        return np.log(self._x + np.exp(log_distance))

    def at(self, log_distance: float) -> tuple[float, float, float]:
        """Slope, shift, and the sum of squares that is left."""
        gaps = self.gaps(log_distance)
        slope, shift = np.polyfit(gaps, self._logs, 1)
        return float(slope), float(shift), float(self.misfit(np.array([log_distance]))[0])

    def misfit(self, log_distances: np.ndarray) -> np.ndarray:
        """The sum of squares, one for each distance."""
        gaps = self.gaps(log_distances[:, None])
        gaps -= gaps.mean(axis=1, keepdims=True)
        logs = self._logs - self._logs.mean()
        slopes = gaps @ logs / np.sum(gaps**2, axis=1)
        return np.sum((logs - slopes[:, None] * gaps) ** 2, axis=1)


class Limit(NamedTuple):
    """A value extrapolated to 0.

    Attributes:
        value: at 0, NaN with fewer than two points.
        error: one standard error.
        status: converged or no_branch.
    """

    value: float
    error: float
    status: Status


def extrapolate_to_zero(
    x: Float[np.ndarray, " n"], values: Float[np.ndarray, " n"], errors: Float[np.ndarray, " n"]
) -> Limit:
    """The line through the two values at the smallest x > 0, at x = 0.

    The error is what follows from theirs, together with what a parabola through the next value
    changes. With two points alone nothing tells the curvature, and half of the distance that is
    extrapolated over is added.

    Args:
        x: shape (n,), positive, all different.
        values: shape (n,).
        errors: shape (n,), standard errors.

    Example:
        >>> extrapolate_to_zero(np.array([1.0, 2.0, 3.0]), np.array([3.0, 5.0, 7.0]), np.zeros(3))
        Limit(value=1.0, error=0.0, status=<Status.converged: 0>)
    """
    order = np.argsort(x)
    x, values, errors = x[order], values[order], errors[order]
    if len(x) < 2:
        return Limit(np.nan, np.nan, Status.no_branch)
    weights = lagrange(x[:2], [0.0])[0]
    value = float(weights @ values[:2])
    spread = float(np.hypot(*(weights * errors[:2])))
    if len(x) == 2:
        drift = abs(value - values[0]) / 2
    else:
        drift = abs(value - float(lagrange(x[:3], [0.0])[0] @ values[:3]))
    return Limit(value, float(np.hypot(spread, drift)), Status.converged)

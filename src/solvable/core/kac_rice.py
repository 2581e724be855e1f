"""Annealed complexity of the local minima of planted spherical fields, by the Kac-Rice formula.

On the sphere |x|^2 = N the energy is H = sum_c H_c, H_c of mean -N q_c m^(k_c), m = x . x* / N,
and of covariance N q_c (x . y / N)^(k_c); Q(x) = sum_c q_c x^(k_c). At a point of overlap m

    the gradient on the sphere is Gaussian of variance Q'(1) and mean of length
        sqrt(N) |Q'(m)| sqrt(1 - m^2), independent of the energies and of the Hessian;
    the Hessian there is sqrt(Q''(1)) [t - (G + theta v v^T)], G a Gaussian matrix with spectrum on
        [-2, 2], theta = Q''(m) (1 - m^2) / sqrt(Q''(1)), t = -sum_c k_c e_c / sqrt(Q''(1)).

The mean number of minima of overlap m and energies e_c = H_c / N is thus exp(N Sigma) with

    Sigma = 1/2 ln(Q''(1) / Q'(1)) + 1/2 ln(1 - m^2) - Q'(m)^2 (1 - m^2) / (2 Q'(1))
            - sum_c (e_c + q_c m^k_c)^2 / (2 q_c) + Phi(t) - L(theta, t):

Phi - 1/2 is the mean of ln |t - x| over the semicircle, L the cost of a matrix with no eigenvalue
above t (Sarao Mannelli et al. 2019a; Ben Arous et al. 2019; Ros et al. 2019). Sigma is concave in
t once it is maximized over the energies at fixed t, and in t = y + 1 / y stationary at a root of
a quadratic. Annealed: exp(N Sigma) is a mean, so that Sigma < 0 excludes minima, and Sigma > 0
need not mean that typical fields have any.
"""

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from solvable.core.arguments import array, fail
from solvable.core.covariance import Covariance

EDGE = 2.0  # of the semicircle


class Minima(NamedTuple):
    """The most numerous minima under some condition.

    Attributes:
        complexity: Sigma, shape of the overlaps; -inf where the condition leaves no minima.
        shift: their t, >= 2; at 2 the Hessian is marginal.
    """

    complexity: Float[np.ndarray, "..."]
    shift: Float[np.ndarray, "..."]


def log_determinant(shift: Any) -> Float[np.ndarray, "..."]:
    """Phi(t) = 1/2 + mean of ln |t - x| over the semicircle on [-2, 2].

    t^2 / 4, plus ln(s + |t| / 2) - |t| s / 2 with s = sqrt(t^2 / 4 - 1) for |t| > 2.

    Args:
        shift: t, any shape.

    Raises:
        ValueError: if it holds no finite numbers.

    Source: Auffinger et al. 2013.
    """
    t = np.abs(array("shift", shift))
    root = np.sqrt(np.maximum(t**2 / 4 - 1, 0.0))
    outside = np.log(root + np.maximum(t, EDGE) / 2) - t * root / 2
    return t**2 / 4 + np.where(t > EDGE, outside, 0.0)


def outlier_cost(strength: Any, shift: Any) -> Float[np.ndarray, "..."]:
    """L(theta, t): P(no eigenvalue of G + theta v v^T above t) = exp(-N L).

    0 for theta <= 1 or t >= theta + 1 / theta, where the outlier is below t anyhow, and otherwise

        L = [(t - theta)^2 + 1] / 4 + 1/2 ln theta - Phi(t) / 2,

    infinite for t < 2. Its slope in t is sqrt(t^2 - 4) / 4 - theta / 2 + t / 4.

    Args:
        strength: theta, any shape.
        shift: t, of a shape that broadcasts with it.

    Raises:
        ValueError: if they hold no finite numbers.

    Source: Maida 2007; Sarao Mannelli et al. 2019a.
    """
    theta, t = array("strength", strength), array("shift", shift)
    large = np.maximum(theta, 1.0)
    cost = ((t - large) ** 2 + 1) / 4 + 0.5 * np.log(large) - log_determinant(t) / 2
    return np.where(t < EDGE, np.inf, np.where(t < large + 1 / large, cost, 0.0))


def outlier_strength(field: Covariance, overlap: Any) -> Float[np.ndarray, "..."]:
    """theta(m) = Q''(m) (1 - m^2) / sqrt(Q''(1)), how far the plant bends the energy down.

    Args:
        field: Q.
        overlap: m in (-1, 1), any shape.

    Raises:
        ValueError: for an overlap out of its domain.

    Source: Sarao Mannelli et al. 2019a.
    """
    m = _overlaps(overlap)
    return field.curvature(m) * (1 - m**2) / np.sqrt(field.curvature(1.0))


def complexity(
    field: Covariance, overlap: Any, energies: Any, outlier: bool = True
) -> Float[np.ndarray, "..."]:
    """Sigma(m, e_1, ..., e_C) of minima with the energy of every term of the field.

    Args:
        field: Q, of C terms with positive coefficients.
        overlap: m in (-1, 1), any shape.
        energies: shape (..., C), e_c, whose leading shape broadcasts with the overlaps.
        outlier: False counts the points that are minima but for the direction of the plant.

    Returns:
        Sigma, -inf where t < 2: there are no minima.

    Raises:
        ValueError: for arguments out of their domains.

    Source: Sarao Mannelli et al. 2019a.
    """
    m, e = _overlaps(overlap), array("energies", energies)
    size, power = _terms(field)
    if e.ndim < 1 or e.shape[-1] != len(size):
        raise fail("energies", f"have a last axis of {len(size)}, one entry a term", e)
    cost = np.sum((e + size * m[..., None] ** power) ** 2 / (2 * size), axis=-1)
    t = -np.sum(power * e, axis=-1) / np.sqrt(field.curvature(1.0))
    return _total(field, m, t, cost, outlier)


def complexity_at_shift(
    field: Covariance, overlap: Any, shift: Any, outlier: bool = True
) -> Float[np.ndarray, "..."]:
    """Sigma(m, t), the maximum over energies at a fixed shift t of the Hessian.

    Their cost is (t sqrt(Q''(1)) - m Q'(m))^2 / (2 (Q''(1) + Q'(1))).

    Args:
        field: Q.
        overlap: m in (-1, 1), any shape.
        shift: t, of a shape that broadcasts with it; -inf is returned where t < 2.
        outlier: False counts the points that are minima but for the direction of the plant.

    Raises:
        ValueError: for arguments out of their domains.

    Source: Sarao Mannelli et al. 2019a.
    """
    m, t = _overlaps(overlap), array("shift", shift)
    center, variance = _radial(field, m)
    scale = np.sqrt(field.curvature(1.0))
    return _total(field, m, t, (t * scale - center) ** 2 / (2 * variance), outlier)


def complexity_at_overlap(field: Covariance, overlap: Any, outlier: bool = True) -> Minima:
    """Sigma(m), the maximum over all energies.

    At m = 0 without an outlier (theta <= 1) it is 1/2 ln r - (r - 1) / (r + 1) at t = 2, with
    r = Q''(1) / Q'(1).

    Args:
        field: Q.
        overlap: m in (-1, 1), any shape.
        outlier: False counts the points that are minima but for the direction of the plant.

    Raises:
        ValueError: for an overlap out of its domain.

    Source: Sarao Mannelli et al. 2019a.
    """
    m = _overlaps(overlap)
    center, variance = _radial(field, m)
    return _best(field, m, center, variance, np.zeros_like(m), outlier)


def complexity_at_energy(
    field: Covariance, overlap: Any, energy: Any, outlier: bool = True
) -> Minima:
    """Sigma(m, e), the maximum over the energies of the terms at fixed e = sum_c e_c.

    Given e the radial force -sum_c k_c e_c has mean m Q'(m) - (e + Q(m)) Q'(1) / Q(1) and
    variance (Q''(1) + Q'(1) - Q'(1)^2 / Q(1)) / N, which is 0 for a single term.

    Args:
        field: Q.
        overlap: m in (-1, 1), any shape.
        energy: e, of a shape that broadcasts with it.
        outlier: False counts the points that are minima but for the direction of the plant.

    Raises:
        ValueError: for arguments out of their domains.

    Source: Sarao Mannelli et al. 2019a.
    """
    m, e = np.broadcast_arrays(_overlaps(overlap), array("energy", energy))
    size, power = _terms(field)
    excess, whole, slope = e + field(m), field(1.0), field.slope(1.0)
    center = m * field.slope(m) - excess * slope / whole
    cost = excess**2 / (2 * whole)
    if np.all(power == power[0]):
        t = center / np.sqrt(field.curvature(1.0))
        return Minima(_total(field, m, t, cost, outlier), t)
    # = sum_c q_c (k_c - Q'(1) / Q(1))^2, which loses no digits
    variance = float(np.sum(size * (power - slope / whole) ** 2))
    return _best(field, m, center, variance, cost, outlier)


def _best(
    field: Covariance,
    m: np.ndarray,
    center: np.ndarray,
    variance: float,
    cost: np.ndarray,
    outlier: bool,
) -> Minima:
    """The maximum over t if the radial force costs (t sqrt(Q''(1)) - center)^2 / (2 variance)."""
    scale = np.sqrt(field.curvature(1.0))
    y = _stationary(scale**2 / variance, scale * center / variance)
    if outlier:
        # below theta the cost of the outlier joins; both slopes agree at y = theta and fall with y
        theta = np.maximum(outlier_strength(field, m), 1.0)
        a, b = scale**2 / variance, scale * center / variance
        held = np.minimum(_stationary(a + 0.5, b + theta / 2, 1 - a), theta)
        y = np.where(y < theta, held, y)
    t = y + 1 / y
    cost = cost + (t * scale - center) ** 2 / (2 * variance)
    return Minima(_total(field, m, t, cost, outlier), t)


def _stationary(a: float, b: np.ndarray, c: float | None = None) -> np.ndarray:
    """The largest root y of a y^2 - b y - c = 0, 1 if it is less; c = 1 - a without a cost."""
    c = 1 - a if c is None else c
    return np.maximum((b + np.sqrt(np.maximum(b**2 + 4 * a * c, 0.0))) / (2 * a), 1.0)


def _total(
    field: Covariance, m: np.ndarray, t: np.ndarray, cost: np.ndarray, outlier: bool
) -> np.ndarray:
    """Sigma from t and the cost of the energies."""
    slope, bend = field.slope(1.0), field.curvature(1.0)
    volume = 0.5 * np.log(bend / slope) + 0.5 * np.log1p(-(m**2))
    gradient = field.slope(m) ** 2 * (1 - m**2) / (2 * slope)
    theta = outlier_strength(field, m) if outlier else np.zeros_like(m)
    return volume - gradient - cost + log_determinant(t) - outlier_cost(theta, t)


def _radial(field: Covariance, m: np.ndarray) -> tuple[np.ndarray, float]:
    """Mean and N times the variance of -x . grad H / N at an overlap."""
    return m * field.slope(m), float(field.curvature(1.0) + field.slope(1.0))


def _terms(field: Covariance) -> tuple[np.ndarray, np.ndarray]:
    size = np.asarray(field.coefficients, dtype=float)
    if np.any(size <= 0):
        raise fail("field", "have positive coefficients", field)
    return size, np.asarray(field.powers)


def _overlaps(overlap: Any) -> np.ndarray:
    m = array("overlap", overlap)
    if np.any(np.abs(m) >= 1):
        raise fail("overlap", "be in (-1, 1)", overlap)
    return m

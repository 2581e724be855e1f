"""Minima found by descent against the Kac-Rice formula at finite size, and that against Sigma.

In dimension N the formula is an average over a Gaussian matrix of N - 1 rows, here by Monte Carlo;
without a plant it is one over the largest eigenvalue of a matrix of N rows (Auffinger et al.
2013).
"""

import numpy as np
import pytest
from scipy.special import gammaln

from solvable.core.covariance import Covariance
from solvable.core.kac_rice import log_determinant, outlier_cost
from solvable.core.randomness import key_for, numpy_generator

CUBIC = Covariance((3,), (1 / 3,))
MIXED = Covariance((2, 3), (0.5, 1 / 3))
STRONG = Covariance((2, 3), (1.0, 1 / 3))  # an outlier at the equator: theta(0) = 1


def stream(*identity):
    return numpy_generator(key_for(0, "minima", *identity))


def gaussian_matrices(rng, count, rows, size):
    """Symmetric matrices with variances 1 / size, 2 / size on the diagonal."""
    a = rng.standard_normal((count, rows, rows))
    return (a + np.swapaxes(a, 1, 2)) / np.sqrt(2 * size)


def mean_without_plant(field, size, count=20_000):
    """Mean number of minima, 2 r^(N/2) sqrt(2 / (1 + r)) E exp(-c N top^2), and its error."""
    r = field.curvature(1.0) / field.slope(1.0)
    top = np.linalg.eigvalsh(gaussian_matrices(stream("top", size), count, size, size))[:, -1]
    number = 2 * r ** (size / 2) * np.sqrt(2 / (1 + r))
    values = number * np.exp(-size * (r - 1) / (4 * (r + 1)) * top**2)
    return values.mean(), values.std() / np.sqrt(count)


def mean_with_plant(field, size, plant=1.0, count=40_000):
    """The same by overlaps and Hessians drawn, the radial force integrated over."""
    rng = stream("hessian", size)
    slope, bend = field.slope(1.0), field.curvature(1.0)
    x = rng.standard_normal((count, size))
    m = x[:, 0] / np.linalg.norm(x, axis=1)
    hessian = np.sqrt(bend) * gaussian_matrices(rng, count, size - 1, size)
    hessian[:, 0, 0] -= plant * field.curvature(m) * (1 - m**2)
    eigenvalues = np.linalg.eigvalsh(hessian)
    nodes, weights = np.polynomial.legendre.leggauss(40)
    gap, weights = 6 * (nodes + 1), 6 * weights  # least eigenvalue of the shifted Hessian
    spread = eigenvalues - eigenvalues[:, :1]
    determinant = np.prod(spread[:, :, None] + gap, axis=1)
    force = gap - eigenvalues[:, :1] - plant * (m * field.slope(m))[:, None]
    variance = (slope + bend) / size
    density = np.exp(-(force**2) / (2 * variance)) / np.sqrt(2 * np.pi * variance)
    log_volume = np.log(2) + size / 2 * np.log(np.pi) - gammaln(size / 2)
    log_volume += (size - 1) / 2 * np.log(size / (2 * np.pi * slope))
    gradient = plant * size * (1 - m**2) * field.slope(m) ** 2 / (2 * slope)
    values = np.exp(log_volume - gradient) * ((determinant * density) @ weights)
    return values.mean(), values.std() / np.sqrt(count)


def couplings(field, size, plant, rng):
    """A matrix A and a symmetric tensor B with H = x A x + B x x x, the plant sqrt(N) e_1."""
    terms = dict(zip(field.powers, field.coefficients, strict=True))
    a = rng.standard_normal((size, size)) * np.sqrt(terms.get(2, 0.0) / size)
    a[0, 0] -= plant * terms.get(2, 0.0)
    b = rng.standard_normal((size,) * 3) * np.sqrt(terms.get(3, 0.0)) / size
    b[0, 0, 0] -= plant * terms.get(3, 0.0) / np.sqrt(size)
    orders = ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0))
    return (a + a.T) / 2, sum(np.transpose(b, order) for order in orders) / 6


def on_sphere(x):
    return x * np.sqrt(x.shape[-1]) / np.linalg.norm(x, axis=-1, keepdims=True)


def derivatives(a, b, x):
    """Gradient and Hessian in space, and the radial force."""
    n = x.shape[-1]
    bx = (x @ b.reshape(n, n * n)).reshape(-1, n, n)
    gradient = 2 * x @ a + 3 * np.einsum("sij,sj->si", bx, x)
    return gradient, 2 * a + 6 * bx, -np.sum(x * gradient, axis=-1) / n


def newton(a, b, x):
    """A step of Newton's method on the sphere, no longer than 0.3."""
    gradient, hessian, mu = derivatives(a, b, x)
    n = x.shape[-1]
    bordered = np.zeros((len(x), n + 1, n + 1))
    bordered[:, :n, :n] = hessian + mu[:, None, None] * np.eye(n)
    bordered[:, :n, n] = bordered[:, n, :n] = x
    right = np.append(gradient + mu[:, None] * x, np.zeros((len(x), 1)), axis=1)
    step = -np.linalg.solve(bordered, right[..., None])[:, :n, 0]
    length = np.linalg.norm(step, axis=1, keepdims=True)
    return on_sphere(x + step * np.minimum(1, 0.3 / np.maximum(length, 1e-300)))


def count_minima(a, b, rng, starts):
    """Distinct minima that descent finds from random starts."""
    n = len(a)
    x = on_sphere(rng.standard_normal((starts, n)))
    # so much of x is added to -grad that steps do not overshoot
    ease = 2 * np.abs(np.linalg.eigvalsh(a)).max()
    ease += 4 * np.linalg.norm(b.reshape(n, n * n), 2) * np.sqrt(n)
    for _ in range(300):
        x = on_sphere(ease * x - derivatives(a, b, x)[0])
    for _ in range(6):
        x = newton(a, b, x)
    gradient, hessian, mu = derivatives(a, b, x)
    radial = x[:, :, None] * x[:, None, :] / n
    tangent = np.eye(n) - radial
    inner = tangent @ (hessian + mu[:, None, None] * np.eye(n)) @ tangent
    stiff = np.linalg.eigvalsh(inner + 1e3 * radial)[:, 0]
    residual = np.linalg.norm(gradient + mu[:, None] * x, axis=1)
    found: list[np.ndarray] = []
    for point in x[(residual < 1e-9) & (stiff > 1e-9)]:
        if all(np.abs(point - other).max() > 1e-3 for other in found):
            found.append(point)
    return len(found)


def mean_count(field, size, plant, instances, starts):
    rng = stream("descent", size, plant)
    counts = [
        count_minima(*couplings(field, size, plant, rng), rng, starts) for _ in range(instances)
    ]
    return np.mean(counts), np.std(counts) / np.sqrt(instances)


def test_both_finite_formulas_agree():
    for field in (CUBIC, MIXED):
        exact, error = mean_without_plant(field, 6)
        other, deviation = mean_with_plant(field, 6, plant=0.0)
        assert abs(exact - other) < 4 * np.hypot(error, deviation)
        assert deviation < 0.03 * other


def test_quadratic_fields_have_two_minima():
    assert mean_without_plant(Covariance((2,), (0.7,)), 5)[0] == pytest.approx(2, abs=1e-12)
    a, b = couplings(Covariance((2,), (0.7,)), 7, 0.0, stream("quadratic"))
    assert count_minima(a, b, stream("starts"), 40) == 2


@pytest.mark.parametrize("field, plant", [(CUBIC, 0.0), (STRONG, 1.0)], ids=["noise", "planted"])
def test_counts(field, plant):
    expected = mean_with_plant(field, 6) if plant else mean_without_plant(field, 6)
    found = mean_count(field, 6, plant, instances=60, starts=60)
    assert abs(found[0] - expected[0]) < 4 * np.hypot(found[1], expected[1])
    assert found[1] < 0.05 * found[0]


@pytest.mark.slow
@pytest.mark.parametrize("size, starts", [(6, 80), (8, 120), (10, 200)])
def test_growth_without_plant(size, starts):
    expected = mean_without_plant(CUBIC, size)
    found = mean_count(CUBIC, size, 0.0, instances=250, starts=starts)
    assert abs(found[0] - expected[0]) < 4 * np.hypot(found[1], expected[1])
    assert found[1] < 0.02 * found[0]


@pytest.mark.slow
@pytest.mark.parametrize("field", [MIXED, STRONG], ids=["weak", "strong"])
def test_counts_with_plant(field):
    expected = mean_with_plant(field, 8, count=200_000)
    found = mean_count(field, 8, 1.0, instances=250, starts=80)
    assert abs(found[0] - expected[0]) < 4 * np.hypot(found[1], expected[1])


def log_mean_determinant(theta, t, size, count):
    """ln E[det(t - G - theta v v^T), all eigenvalues positive] and its relative error.

    A matrix seen from v is tridiagonal with independent entries; its pivots are all positive if it
    is, and their product is its determinant.
    """
    rng = stream("pivots", theta, t, size)
    total, pivot, positive = np.zeros(count), np.ones(count), np.ones(count, dtype=bool)
    for i in range(size):
        diagonal = rng.standard_normal(count) * np.sqrt(2 / size) + (theta if i == 0 else 0.0)
        coupling = rng.chisquare(size - i, count) / size if i else 0.0
        pivot = t - diagonal - coupling / pivot
        positive &= pivot > 0
        pivot = np.where(positive, pivot, 1.0)
        total += np.log(pivot)
    weight = np.where(positive, np.exp(total - total.max()), 0.0)
    mean = weight.mean()
    return total.max() + np.log(mean), weight.std() / mean / np.sqrt(count)


@pytest.mark.parametrize("theta, t", [(0.0, 2.2), (2.0, 2.2), (2.0, 2.1), (2.0, 2.6)])
def test_determinants_grow_with_the_cost_of_the_outlier(theta, t):
    # c N + a ln N + b + d / N: three sizes leave c and d / 1000
    sizes, factors = (16, 32, 64), np.array([1.0, -2.0, 1.0])
    found = [log_mean_determinant(theta, t, size, 100_000) for size in sizes]
    values, errors = np.array(found).T
    rate = factors @ values / sizes[0]
    error = np.sqrt(np.sum((factors * errors) ** 2)) / sizes[0]
    expected = log_determinant(t) - 0.5 - outlier_cost(theta, t)
    assert abs(rate - expected) < 3 * error + 4e-3
    if outlier_cost(theta, t) > 0:
        # without that cost it is far off
        assert abs(rate - log_determinant(t) + 0.5) > 4 * error

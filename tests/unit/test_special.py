"""Special functions and their derivatives against mpmath, tails included."""

import jax
import jax.numpy as jnp
import mpmath
import numpy as np
import pytest

from solvable.core import special

mpmath.mp.dps = 60

POINTS = [-1e4, -300.0, -37.6, -20.0, -6.1, -5.9, -1.0, 0.0, 0.7, 5.0, 8.0, 37.6, 100.0]


def log_phi(x):
    return mpmath.log(mpmath.erfc(-mpmath.mpf(x) / mpmath.sqrt(2)) / 2)


def mills(x):
    x = mpmath.mpf(x)
    return mpmath.exp(-x * x / 2) / mpmath.sqrt(2 * mpmath.pi) / mpmath.exp(log_phi(x))


@pytest.mark.parametrize("x", POINTS)
def test_log_ndtr_and_its_derivatives(x):
    slope = jax.grad(special.log_ndtr)
    ratio = mills(x)
    assert float(special.log_ndtr(jnp.asarray(x))) == pytest.approx(float(log_phi(x)), rel=4e-15)
    assert float(slope(x)) == pytest.approx(float(ratio), rel=1e-13)
    second = -ratio * (mpmath.mpf(x) + ratio)
    assert float(jax.grad(slope)(x)) == pytest.approx(float(second), rel=2e-12)


@pytest.mark.parametrize("x", [-50.0, 0.5, 38.0, 1e3])
def test_third_derivatives_are_finite(x):
    derivative = jax.grad(jax.grad(jax.grad(special.log_ndtr)))
    assert np.isfinite(float(derivative(x)))


def test_derivative_of_log_phi_in_single_precision():
    assert float(special.mills_ratio(jnp.float32(-20.0))) == pytest.approx(20.0497, rel=1e-5)


@pytest.mark.parametrize(
    ("mean", "wanted"),
    [
        (-1e4, (9.9999998e-5, 9.9999994e-9)),
        (-1e6, (9.99999999998e-7, 9.99999999994e-13)),
    ],
)
def test_gaussian_cut_far_in_its_tail(mean, wanted):
    """N(mean, 1) kept above zero; by subtraction the variance comes out negative."""
    _, first, variance = special.mills(jnp.asarray(mean))
    assert float(first) == pytest.approx(wanted[0], rel=1e-11)
    assert float(variance) == pytest.approx(wanted[1], rel=1e-11)


@pytest.mark.parametrize(
    "x", [-20.0, -1.0, 0.3, 5.0, 20.0, 25.99, 26.5434, 26.6, 27.0, 1e3, 1e100]
)
def test_erfcx(x):
    """JAX's own is zero between 26.543 and 26.642."""
    if x < 50:
        wanted = float(mpmath.exp(mpmath.mpf(x) ** 2) * mpmath.erfc(x))
    else:
        wanted = 1 / (x * np.sqrt(np.pi)) * (1 - 0.5 / x**2)
    assert float(special.erfcx(jnp.asarray(x))) == pytest.approx(wanted, rel=3e-13)


@pytest.mark.parametrize("u", [-50.0, -3.0, -1e-3, 0.0, 2.0, 26.6, 400.0])
def test_log_erfcx_and_its_derivative(u):
    x = mpmath.mpf(u)
    value = x**2 + mpmath.log(mpmath.erfc(x))
    slope = 2 * x - 2 / mpmath.sqrt(mpmath.pi) * mpmath.exp(-(x**2)) / mpmath.erfc(x)
    assert float(special.log_erfcx(jnp.asarray(u))) == pytest.approx(float(value), rel=1e-14)
    found = float(jax.grad(special.log_erfcx)(u))
    assert found == pytest.approx(float(slope), rel=1e-12)


INTERVALS = [
    (-1.0, 1.0),
    (-50.0, -49.0),
    (3.0, 3.001),
    (-1e-4, 1e-4),
    (30.0, 31.0),
    (-0.01, 8.0),
    (37.55, 137.55),
    (-1e3, -900.0),
]


@pytest.mark.parametrize(("low", "high"), INTERVALS)
def test_log_interval_mass_and_its_derivatives(low, high):
    low_m, high_m = mpmath.mpf(low), mpmath.mpf(high)
    root, sign = mpmath.sqrt(2), -1 if high < 0 else 1
    mass = abs(mpmath.erfc(sign * low_m / root) - mpmath.erfc(sign * high_m / root)) / 2
    density = mpmath.exp(-(high_m**2) / 2) / mpmath.sqrt(2 * mpmath.pi)
    value, slopes = jax.value_and_grad(special.log_interval_mass, argnums=(0, 1))(low, high)
    assert float(value) == pytest.approx(float(mpmath.log(mass)), rel=1e-12)
    assert float(slopes[1]) == pytest.approx(float(density / mass), rel=1e-11)
    assert np.isfinite(float(jax.grad(jax.grad(special.log_interval_mass))(low, high)))


CUTS = [
    *INTERVALS,
    (1e4, 2e4),
    (1e4, 1e4 + 1e-4),
    (300.0, 300.005),
    (-2.0, -1e-9),
    (-8.0, 9.0),
    (-0.3, 0.2),
    (-1e-9, 0.7),
    (0.0, 1.0),
    (0.0, 40.0),
    (2.0, 2.5),
    (-10.0, -9.85),
    (100.0, 100.02),
]


def moments_between(low, high):
    """Mean and variance of N(0, 1) on (low, high), whose tails are reflected to the right."""
    low, high = mpmath.mpf(low), mpmath.mpf(high)
    if low + high < 0:
        mean, variance = moments_between(-high, -low)
        return -mean, variance
    root = mpmath.sqrt(2)
    mass = (mpmath.erfc(low / root) - mpmath.erfc(high / root)) / 2
    left, right = (
        mpmath.exp(-(x**2) / 2) / mpmath.sqrt(2 * mpmath.pi) / mass for x in (low, high)
    )
    mean = left - right
    return mean, 1 + low * left - high * right - mean**2


@pytest.mark.parametrize(("low", "high"), CUTS)
def test_interval_moments(low, high):
    """The mean to rounding of the end nearer to zero, the variance to relative rounding."""
    mean, variance = moments_between(low, high)
    found, spread = special.interval_moments(jnp.asarray(low), jnp.asarray(high))
    near = min(abs(low), abs(high))
    assert float(found) == pytest.approx(float(mean), abs=2e-15 * max(near, 1.0), rel=0)
    assert float(spread) == pytest.approx(float(variance), rel=1e-12)


def test_interval_moments_of_many_intervals_are_those_of_each():
    low, high = np.array(CUTS).T
    together = jax.jit(special.interval_moments)(low, high)
    for row, cut in zip(zip(*together, strict=True), CUTS, strict=True):
        alone = special.interval_moments(*map(jnp.asarray, cut))
        assert [float(x) for x in row] == pytest.approx([float(x) for x in alone], rel=1e-12)


@pytest.mark.parametrize("x", POINTS)
def test_log_mills(x):
    """log Phi(x), phi / Phi, then mean and variance of N(x, 1) kept above zero."""
    log_mass, ratio = log_phi(x), mills(x)
    excess = mpmath.mpf(x) + ratio
    found = [float(v) for v in special.log_mills(jnp.asarray(x))]
    assert found[0] == pytest.approx(float(log_mass), rel=4e-16, abs=3e-15)
    assert found[0] == pytest.approx(float(special.log_ndtr(jnp.asarray(x))), rel=1e-15, abs=3e-15)
    wanted = [float(v) for v in (ratio, excess, 1 - ratio * excess)]
    assert found[1:] == pytest.approx(wanted, rel=1e-14)


@pytest.mark.parametrize("x", [-300.0, -3.0, 0.0, 0.7, 5.0])
def test_derivatives_of_log_mills(x):
    """Those of log Phi, of its slope m, of e = x + m and of v = 1 + m'."""
    slope, second, third = (mpmath.diff(log_phi, x, n) for n in (1, 2, 3))
    found = [float(y) for y in jax.jacfwd(special.log_mills)(x)]
    wanted = [float(y) for y in (slope, second, 1 + second, third)]
    assert found == pytest.approx(wanted, rel=1e-9)


def test_empty_interval_has_no_mass():
    assert float(special.log_interval_mass(jnp.asarray(2.0), jnp.asarray(2.0))) == -np.inf


def test_weighted_sum_keeps_the_derivative_of_a_zero_weight():
    def total(w):
        return special.log_weighted_sum(jnp.asarray([0.0, 1.0]), jnp.stack([jnp.asarray(1.0), w]))

    assert float(jax.grad(total)(0.0)) == pytest.approx(np.e)


def test_log_cosh_does_not_overflow():
    assert float(special.log_cosh(jnp.asarray(1e4))) == pytest.approx(1e4 - np.log(2), rel=1e-15)

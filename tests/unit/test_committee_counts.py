"""Committees of any number of units: counts of positive fields by other routes."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import multivariate_normal, norm

import solvable as sv
from solvable.bricks.committee.counts import CountLabels, count_law
from solvable.bricks.committee.nodes import across, directions, line
from solvable.bricks.committee.pairs_of_signs import PairOfSigns
from solvable.bricks.committee.weights import weight_moments
from solvable.bricks.priors.discrete import Discrete
from solvable.bricks.priors.rademacher import Rademacher
from solvable.core.special import complex_normal_cdf

MAJORITY = CountLabels(3, "majority")


def test_normal_distribution_in_the_complex_plane():
    """By its line integral, Phi(x + iy) = Phi(x) + i y int_0^1 phi(x + i t y) dt."""
    t, weight = np.polynomial.legendre.leggauss(60)
    t, weight = 0.5 * (t + 1), 0.5 * weight
    x, y = (a.ravel() for a in np.meshgrid(np.linspace(-5, 5, 11), np.linspace(-3, 3, 7)))
    z = x[:, None] + 1j * y[:, None] * t
    expected = norm.cdf(x) + 1j * y * (np.exp(-0.5 * z**2) @ weight) / np.sqrt(2 * np.pi)
    found = complex_normal_cdf(jnp.asarray(x + 1j * y)) * np.exp(0.5 * y**2)
    np.testing.assert_allclose(found, expected, atol=1e-12)


@pytest.mark.parametrize("V", [(0.1, 0.5), (0.9, 0.3)])
def test_counts_are_sums_of_orthants(V):
    """K = 3 by SciPy's distribution function, slopes by differences; V_+ below and above V_-."""
    V, omega = np.array(V), np.array([[0.4, -0.3, 0.1]])
    plus = np.full((3, 3), 1 / 3)
    law = multivariate_normal(cov=V[0] * plus + V[1] * (np.eye(3) - plus), seed=0)
    signs = np.array([[i, j, k] for i in (1, -1) for j in (1, -1) for k in (1, -1)])
    expected = np.zeros(4)
    for s in signs:
        flipped = multivariate_normal(
            cov=law.cov_object.covariance * np.outer(s, s), seed=0, abseps=1e-10, releps=1e-10
        )
        expected[(s > 0).sum()] += flipped.cdf(s * omega[0])
    steps = 60
    found, slopes = MAJORITY.counts(jnp.asarray(omega), jnp.asarray(V), steps)
    np.testing.assert_allclose(found[0], expected, atol=1e-8)
    small = 1e-5
    for k in range(3):
        move = small * np.eye(3)[k]
        up, down = (
            MAJORITY.counts(jnp.asarray(omega + s * move), jnp.asarray(V), steps)[0]
            for s in (1, -1)
        )
        np.testing.assert_allclose(slopes[0, k], (up - down)[0] / (2 * small), atol=1e-8)


def test_two_units_by_quadrants():
    ties, q = "random", jnp.array([0.8, 0.35])
    other, found = (
        labels.moments(q, 1 - q, 8)
        for labels in (PairOfSigns(ties), CountLabels(2, "majority", ties))
    )
    for a, b in zip(found, other, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-7)
    V = jnp.array([0.4, 1.0])
    other, found = (
        labels.opening(jnp.array(0.6), V, 12)
        for labels in (PairOfSigns(ties), CountLabels(2, "majority", ties))
    )
    assert float(found) == pytest.approx(float(other), rel=1e-9)


@pytest.mark.parametrize(
    "labels", [MAJORITY, CountLabels(3, "sum", delta=0.5), CountLabels(3, "any", "zero")]
)
def test_what_labels_tell_is_the_slope_of_their_potential(labels):
    """snr_+ = 2 dPsi / dq_+, (K - 1) snr_- = 2 dPsi / dq_-."""
    q, step = jnp.array([0.8, 0.5]), 1e-4
    found = labels.moments(q, 1 - q, 6)
    for axis, copies in enumerate((1, labels.units - 1)):
        move = step * jnp.eye(2)[axis]
        potentials = [
            float(labels.moments(q + s * move, 1 - q - s * move, 6).potential) for s in (1, -1)
        ]
        slope = (potentials[0] - potentials[1]) / (2 * step)
        assert 2 * slope / copies == pytest.approx(float(found.snr[axis]), rel=2e-4)


def test_units_that_are_almost_alike():
    q, V, small = 0.8, jnp.array([0.2, 1.0]), 1e-6
    alike = MAJORITY.symmetric_moments(jnp.array(q), V, 12)
    almost = MAJORITY.moments(jnp.array([q, small]), V - jnp.array([0, small]), 8)
    assert float(almost.snr[0]) == pytest.approx(float(alike.snr[0]), rel=1e-5)
    assert float(almost.predicted) == pytest.approx(float(alike.predicted), rel=1e-5)
    slope = MAJORITY.opening(jnp.array(q), V, 12)
    assert float(almost.snr[1]) / small == pytest.approx(float(slope), rel=1e-4)


@pytest.mark.parametrize("units", [2, 3, 5])
def test_directions_average_functions_that_no_exchange_changes(units):
    points, weight = directions(units, 8)
    np.testing.assert_allclose(points.sum(axis=1), 0, atol=1e-12)
    assert weight.sum() == pytest.approx(1, abs=1e-10)
    exact = units <= 3
    square = weight @ (points**2).sum(axis=1)
    assert square == pytest.approx(units - 1, rel=1e-8 if exact else 1e-2)
    # E z^4 = 3 (1 - 1 / K)^2 of every unit
    fourth = weight @ (points**4).sum(axis=1)
    assert fourth == pytest.approx(3 * units * (1 - 1 / units) ** 2, rel=1e-8 if exact else 3e-2)
    basis = across(units)
    np.testing.assert_allclose(basis @ basis.T, np.eye(units - 1), atol=1e-12)
    x, share = line(8, half=True)
    assert share @ x**2 == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("units", [3, 4])
def test_weights_seen_alike_are_independent(units):
    q_hat = 1.7
    found = weight_moments(Rademacher(), units, jnp.array([q_hat, q_hat]), 6)
    one = Rademacher().analytic_moments(jnp.asarray(q_hat), 17)
    accuracy = 1e-8 if units == 3 else 1e-2
    np.testing.assert_allclose(found.overlap, one.overlap, rtol=accuracy)
    np.testing.assert_allclose(found.variance, one.variance, rtol=accuracy)
    psi = units * (0.5 * q_hat * one.variance - one.information)
    assert float(found.potential) == pytest.approx(float(psi), abs=accuracy)
    discrete = Discrete(values=[-1, 1], probabilities=[0.5, 0.5])
    other = weight_moments(discrete, units, jnp.array([1.7, 0.4]), 5)
    for a, b in zip(
        other, weight_moments(Rademacher(), units, jnp.array([1.7, 0.4]), 5), strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=1e-10)


@pytest.mark.slow
def test_three_units_have_a_gap():
    """Between the state of units that differ and where units that are alike are left."""
    model = sv.Committee(k=3, prior=sv.Gaussian(), output=sv.Sign())
    found = sv.thresholds(model, "alpha")
    appears, best, left = (
        found[name].value
        for name in ("spinodal_informed", "information_theoretic", "specialization")
    )
    assert appears < best < left
    assert all(found[name].error_bound < 1e-6 for name in found if found[name].value)
    assert found["spinodal_uninformed"].value == pytest.approx(left, rel=1e-6)
    data = sv.curve(model, over={"alpha": [0.98 * appears, best + 0.1, 15.0]})
    apart = data.sel(branch="specialized")
    assert apart.status[0] == sv.Status.no_branch
    assert np.all(apart.error_bound[1:] < 1e-6)
    free_entropy = data.free_entropy.isel(alpha=1)
    assert free_entropy.sel(branch="specialized") > free_entropy.sel(branch="symmetric")
    # plain state evolution from units that differ ends there
    start = {"overlap_diagonal": 0.8, "overlap_off_diagonal": 0.0}
    start |= {"overlap": 0.8, "mse": 0.2, "generalization_error": np.nan}
    path = sv.Committee(k=3, prior=sv.Gaussian(), output=sv.Sign(), alpha=15.0)
    end = path.state_evolution(start, 40)["overlap_diagonal"][-1]
    there = float(data.overlap_diagonal.sel(branch="specialized", alpha=15.0))
    assert end == pytest.approx(there, abs=1e-4)
    with pytest.raises(ValueError, match="`alpha` must be at most 2"):
        sv.curve(model, over={"alpha": [60.0]})


def test_known_labels():
    """Of known weights nothing is left but the noise of ties."""
    np.testing.assert_allclose(count_law(3), [0.125, 0.375, 0.375, 0.125])
    assert float(MAJORITY.known(1.0).potential) == 0
    four = CountLabels(4, "majority", "random").known(1.0)
    assert float(four.potential) == pytest.approx(-0.375 * np.log(2))
    assert float(four.error) == pytest.approx(0.375)
    noisy = CountLabels(3, "sum", delta=0.01).known(1.0)
    assert float(noisy.potential) == pytest.approx(
        -0.5 * np.log(2 * np.pi * np.e * 0.01), rel=1e-9
    )
    assert float(noisy.error) == pytest.approx(0.01, rel=1e-8)

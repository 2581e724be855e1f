"""Labels of sums of three smooth units and more: their averages by other routes."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import norm

import solvable as sv
from solvable.bricks.committee.smooth import noisy_sum
from solvable.bricks.committee.sums import sum_labels
from solvable.core.branches import level
from solvable.core.specification import inject, numeric
from solvable.models.committee_theory import specialization
from solvable.models.one_number import LogCoordinate

KINDS = {
    "erf": (sv.Erf(), 0.3),
    "relu": (sv.ReLU(), 0.3),
    "sign": (sv.Erf(), None),
}


def labels_of(name, units=3):
    hidden, delta = KINDS[name]
    return numeric(sum_labels(units, hidden, delta, 1.0))


@eqx.filter_jit
def moments(labels, q, V, nodes=5):
    return labels.moments(q, V, nodes)


@eqx.filter_jit
def alike(labels, q, V, nodes=9):
    return labels.symmetric_moments(q, V, nodes), labels.opening(q, V, nodes)


@eqx.filter_jit
def likelihoods(labels, omega, V):
    return labels.likelihoods(omega, V, jnp.array(1.0), 8, False)


@pytest.mark.parametrize("V", [(0.2, 0.6), (0.9, 0.3)], ids=repr)
@pytest.mark.parametrize("name", KINDS)
def test_likelihoods_are_those_of_random_fields(name, V):
    """Z_y of three units by the mean of the noise's, slopes by the score; V_+ on both sides."""
    labels, (hidden, delta) = labels_of(name), KINDS[name]
    rng, omega, size = np.random.default_rng(0), np.array([0.5, -0.3, 0.1]), 200_000
    plus = np.full((3, 3), 1 / 3)
    covariance = V[0] * plus + V[1] * (np.eye(3) - plus)
    z = rng.multivariate_normal(omega, covariance, size)
    found = likelihoods(labels, jnp.asarray(omega)[None], jnp.asarray(V))
    total = np.asarray(hidden.evaluate(z)).sum(axis=1)
    if delta is None:
        some = np.arange(2)
        draws = np.stack([total > 0, total < 0]).astype(float)
        np.testing.assert_array_equal(found.labels, [1, -1])
    else:
        some = np.argmin(np.abs(np.asarray(found.labels)[:, None] - [-0.4, 0.6, 1.5]), axis=0)
        away = np.asarray(found.labels)[some][:, None] - total
        draws = np.exp(-(away**2) / (2 * delta)) / np.sqrt(2 * np.pi * delta)
    error = draws.std(axis=1) / np.sqrt(size)
    assert np.all(np.abs(draws.mean(axis=1) - found.values[0, some]) < 4 * error)
    pushed = draws[..., None] * ((z - omega) @ np.linalg.inv(covariance))
    error = pushed.std(axis=1) / np.sqrt(size)
    assert np.all(np.abs(pushed.mean(axis=1) - found.slopes[0][:, some].T) < 4 * error)


@pytest.mark.parametrize("name", ["erf", pytest.param("relu", marks=pytest.mark.slow)])
def test_two_units_by_other_integrals(name):
    """Two products of matrices, or quadrants, in place of characteristic functions."""
    labels, other = labels_of(name, 2), numeric(noisy_sum(*KINDS[name], 1.0))
    q, V = jnp.array([0.7, 0.3]), jnp.array([0.4, 1.0])
    for a, b in zip(moments(labels, q, 1 - q, 6), moments(other, q, 1 - q, 8), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-6)
    found, expected = (alike(x, jnp.array(0.6), V) for x in (labels, other))
    np.testing.assert_allclose(found[0].snr[0], expected[0].snr[0], rtol=1e-6)
    np.testing.assert_allclose(found[0][1:], expected[0][1:], rtol=1e-6)
    assert float(found[1]) == pytest.approx(float(expected[1]), rel=1e-6)


def test_the_sign_of_two_is_that_of_the_sum_of_fields():
    """Of two error functions: P(y) = Phi(y omega_+ / sqrt(V_+)), and slopes alike."""
    labels, V = labels_of("sign", 2), jnp.array([0.4, 0.5])
    omega = jnp.array([[0.5, -0.3], [0.9, 0.2], [-0.1, 0.0]])
    found = likelihoods(labels, omega, V)
    expected = norm.cdf(omega.sum(axis=1) / np.sqrt(2 * 0.4))
    # two saturated units may cancel: of even numbers the density of the sum is not smooth at 0
    np.testing.assert_allclose(found.values[:, 0], expected, atol=1e-4)
    np.testing.assert_allclose(found.slopes[:, 0], found.slopes[:, 1], atol=3e-3)


@pytest.mark.parametrize("name", ["erf", "relu", pytest.param("sign", marks=pytest.mark.slow)])
def test_what_labels_tell_is_the_slope_of_their_potential(name):
    """snr_+ = 2 dPsi / dq_+, (K - 1) snr_- = 2 dPsi / dq_-; a sign through both its branches."""
    labels, q, step = labels_of(name), jnp.array([0.7, 0.4]), 1e-3
    found = moments(labels, q, 1 - q)
    for axis, copies in enumerate((1, labels.units - 1)):
        move = step * jnp.eye(2)[axis]
        high, low = (moments(labels, q + s * move, 1 - q - s * move).potential for s in (1, -1))
        slope = float(high - low) / step
        assert slope / copies == pytest.approx(float(found.snr[axis]), rel=1e-4)


@pytest.mark.parametrize("units", [3, pytest.param(4, marks=pytest.mark.slow)])
def test_linear_units_are_linear(units):
    """h(z) = z tells of the sum alone: snr_+ = K / (K V_+ + delta)."""
    labels, q = numeric(sum_labels(units, sv.Linear(), 1.0, 1.0)), jnp.array([0.6, 0.2])
    found, total = moments(labels, q, 1 - q), units * 0.4 + 1.0
    np.testing.assert_allclose(found.snr, [units / total, 0.0], atol=1e-6)
    assert float(found.potential) == pytest.approx(
        -0.5 * np.log(2 * np.pi * np.e * total), abs=1e-6
    )
    assert float(found.square - found.predicted) == pytest.approx(total, abs=1e-6)


def test_units_that_are_almost_alike():
    """The average over a line is the limit of that over space, and `opening` its slope."""
    labels, q, V, small = labels_of("erf"), 0.6, jnp.array([0.4, 1.0]), 1e-5
    limit, slope = alike(labels, jnp.array(q), V)
    almost = moments(labels, jnp.array([q, small]), V - jnp.array([0.0, small]))
    assert float(almost.snr[0]) == pytest.approx(float(limit.snr[0]), rel=1e-4)
    assert float(almost.potential) == pytest.approx(float(limit.potential), abs=1e-5)
    assert float(almost.snr[1]) / small == pytest.approx(float(slope), rel=1e-4)


def test_known_weights_leave_the_noise():
    known = labels_of("relu").known(1.0)
    assert float(known.potential) == pytest.approx(-0.5 * np.log(2 * np.pi * np.e * 0.3))
    assert float(known.error) == pytest.approx(0.3)
    assert not known.sharp
    sign = labels_of("sign").known(1.0)
    assert float(sign.potential) == float(sign.error) == 0
    assert sign.sharp


@pytest.mark.slow
@pytest.mark.parametrize(
    "hidden, output, alpha_s",
    [
        (sv.Erf(), sv.Linear(delta=0.1), 5.8539687),
        (sv.ReLU(), sv.Linear(delta=0.1), 2.4650287),
        (sv.Erf(), sv.Sign(), 14.98192),
    ],
    ids=repr,
)
def test_where_three_units_are_told_apart(hidden, output, alpha_s):
    """By two numbers of nodes, and the bound of the error that is told."""
    model = sv.Committee(k=3, prior=sv.Gaussian(), hidden=hidden, output=output)
    symmetric = numeric(inject(model.equivalent(), {"alpha": 1.0})).symmetric()
    x, error = specialization(symmetric)
    values = [level(LogCoordinate(symmetric), np.array([x]), nodes)[0] for nodes in (12, 17)]
    np.testing.assert_allclose(np.exp(values), alpha_s, rtol=1e-5)
    assert error < 1e-5

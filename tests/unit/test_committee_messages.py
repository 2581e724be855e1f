"""Messages of labels of hidden units: probabilities, scores and slopes by other routes."""

from itertools import product

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import multivariate_normal

import solvable as sv
from solvable.bricks.committee import messages
from solvable.bricks.committee.estimates import enumerable, posterior
from solvable.bricks.committee.messages import SignMessages
from solvable.bricks.committee.quadrants import opposite_quadrants
from solvable.core.special import log_ndtr

COVARIANCES = {
    1: [[0.4]],
    2: [[0.5, -0.2], [-0.2, 0.3]],
    3: [[0.5, -0.1, 0.05], [-0.1, 0.4, -0.15], [0.05, -0.15, 0.6]],
    4: 0.6 * np.eye(4) - 0.1 * np.ones((4, 4)),
}


def fields(units, count=5):
    return jnp.array(np.random.default_rng(units).standard_normal((count, units)))


def tail(h, k, r, needed=True):
    one, other = opposite_quadrants(*map(jnp.array, (h, k, r, 1.0, needed)), 16)
    return float(one.log), float(other.log)


@pytest.mark.parametrize(
    "h, k, r, log",
    [  # 20 digits of mpmath, by quadrature over x
        (-7.0, -1.0, 0.5, -27.385855864812534),
        (-7.0, -6.0, -0.8, -219.68564995655223),
        (-3.0, -4.0, -0.9, -130.76201491590317),
        (-8.0, -8.0, 0.95, -36.65578721188543),
        (-2.0, 1.0, -0.99, -33.89021596581748),
        (0.3, -0.2, 0.5, -1.0900537069907104),
    ],
)
def test_rare_quadrants_keep_their_digits(h, k, r, log):
    assert tail(h, k, r)[0] == pytest.approx(log, rel=1e-8, abs=2e-6)
    assert tail(-h, -k, r)[1] == pytest.approx(log, rel=1e-8, abs=2e-6)


def test_quadrants_of_independent_variables():
    for h, k in ((-30.0, -25.0), (-40.0, 2.0), (1.0, 0.5)):
        both = float(log_ndtr(jnp.array(h)) + log_ndtr(jnp.array(k)))
        assert tail(h, k, 0.0)[0] == pytest.approx(both, rel=1e-9)


@pytest.mark.parametrize("units", [1, 2, 3, 4])
def test_predictions_are_those_of_orthants(units):
    """Sums over orthants, by the distribution function of the multivariate normal law."""
    V, omega = np.array(COVARIANCES[units]), np.asarray(fields(units, 3))
    found = SignMessages(units, "zero").predicted(jnp.array(omega), jnp.array(V))
    for mean, predicted in zip(omega, found, strict=True):
        total = 0.0
        for signs in product([1.0, -1.0], repeat=units):
            flip = np.diag(signs)
            law = multivariate_normal(
                np.zeros(units), flip @ V @ flip, seed=0, abseps=1e-7, releps=1e-7
            )
            total += np.sign(sum(signs)) * float(law.cdf(flip @ mean))
        # a sequence of 1024 points resolves three directions to some 1e-3
        assert float(predicted) == pytest.approx(total, abs=1e-5 if units < 4 else 3e-3)


@pytest.mark.parametrize("units", [1, 2, 3, 4])
@pytest.mark.parametrize(
    "ties, kind", [("zero", "majority"), ("random", "majority"), ("zero", "sum")]
)
def test_slopes_are_differences_of_scores(units, ties, kind):
    law, V, omega = (
        SignMessages(units, ties, kind, 0.2),
        jnp.array(COVARIANCES[units]),
        fields(units),
    )
    labels = [0.3, -1.7, 2.2] if kind == "sum" else list(law.labels())
    y = jnp.array((5 * labels)[:5])
    found, step = law.messages(y, omega, V), 1e-5
    for axis in range(units):
        move = step * jnp.eye(units)[axis]
        up, down = (law.messages(y, omega + s * move, V).score for s in (1, -1))
        slope = -jnp.mean(up - down, axis=0) / (2 * step)
        np.testing.assert_allclose(slope, found.slope[axis], atol=2e-8)


@pytest.mark.parametrize("units", [1, 3])
def test_scores_are_slopes_of_predictions(units):
    """An odd number of units has two labels: Z_y = (1 + y E[y]) / 2."""
    law, V, omega = SignMessages(units, "zero"), jnp.array(COVARIANCES[units]), fields(units)
    y, step = jnp.array([1.0, -1.0, 1.0, -1.0, 1.0]), 1e-5
    found = law.messages(y, omega, V).score
    Z = 0.5 * (1 + y * law.predicted(omega, V))
    for axis in range(units):
        move = step * jnp.eye(units)[axis]
        rise = law.predicted(omega + move, V) - law.predicted(omega - move, V)
        slope = y * rise / (4 * step * Z)  # rounding is 1e-16 / step
        np.testing.assert_allclose(slope, found[:, axis], rtol=2e-7, atol=1e-10)


@pytest.mark.parametrize("ties", ["zero", "random"])
def test_quadrants_agree_with_an_average_over_directions(ties):
    """Two units by the way of three: given their common part the signs are independent."""
    law, V, omega = SignMessages(2, ties), jnp.array(COVARIANCES[2]), fields(2, 30)
    y = jnp.array(np.resize(law.labels(), 30))
    other = messages._averaged(law._chances(y), omega, V)
    found = law.messages(y, omega, V)
    np.testing.assert_allclose(found.score, other.score, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(found.slope, other.slope, rtol=1e-5, atol=1e-6)


def test_five_units_against_random_fields():
    """Scores V^-1 (E[z | y] - omega), and frequencies of labels."""
    law, V = SignMessages(5, "zero"), 0.6 * np.eye(5) - 0.08 * np.ones((5, 5))
    rng, omega, count = np.random.default_rng(0), np.asarray(fields(5, 1)), 400_000
    z = omega + rng.standard_normal((count, 5)) @ np.linalg.cholesky(V).T
    y = law.sample(z, rng)
    predicted = float(law.predicted(jnp.array(omega), jnp.array(V))[0])
    assert abs(y.mean() - predicted) < 4 / count**0.5 + 1e-3
    for label in law.labels():
        given = z[y == label]
        score = np.linalg.solve(V, given.mean(axis=0) - omega[0])
        found = law.messages(jnp.array([label]), jnp.array(omega), jnp.array(V)).score[0]
        # 4 standard errors of the mean, and what the sequence leaves
        np.testing.assert_allclose(score, found, atol=4 * 2.5 / len(given) ** 0.5 + 0.01)


def test_labels_and_ties():
    rng = np.random.default_rng(0)
    tied = np.tile([1.0, -1.0], (1000, 1))
    assert set(SignMessages(2, "zero").sample(tied, rng)) == {0.0}
    assert set(SignMessages(2, "zero", "any").sample(tied, rng)) == {1.0}
    assert set(SignMessages(2, "zero", "any").sample(-np.abs(tied), rng)) == {0.0}
    assert set(SignMessages(2, "zero", "sum").sample(np.abs(tied), rng)) == {2.0}
    at_random = SignMessages(2, "random").sample(tied, rng)
    assert set(at_random) == {1.0, -1.0} and abs(at_random.mean()) < 0.15
    assert [len(SignMessages(k, "zero").labels()) for k in (1, 2, 3, 4)] == [2, 3, 2, 3]
    assert [len(SignMessages(k, "random").labels()) for k in (1, 2, 3, 4)] == [2, 2, 2, 2]


def test_weights_of_two_values_are_enumerated():
    """A prior of two values as a discrete one; and one unit: tanh."""
    rng = np.random.default_rng(0)
    field, half = jnp.array(rng.standard_normal((50, 3))), rng.standard_normal((3, 4))
    precision = jnp.array(half @ half.T)
    discrete = sv.Discrete(values=[-1, 1], probabilities=[0.5, 0.5])
    for a, b in zip(
        posterior(sv.Rademacher(), field, precision),
        posterior(discrete, field, precision),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, rtol=1e-12)
    mean, spread = posterior(sv.Rademacher(), field[:, :1], precision[:1, :1])
    np.testing.assert_allclose(mean, jnp.tanh(field[:, :1]), rtol=1e-12)
    assert float(spread[0, 0]) == pytest.approx(float(jnp.mean(1 - jnp.tanh(field[:, 0]) ** 2)))


def test_too_many_values_are_refused():
    with pytest.raises(ValueError, match="`prior` must give the 13 weights of an input at most"):
        enumerable("prior", sv.Rademacher(), 13)

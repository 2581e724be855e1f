"""Committee machines of two units: averages by other routes, ties, what is refused."""

import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import multivariate_normal

import solvable as sv
from solvable.bricks.committee.pairs_of_signs import PairOfSigns
from solvable.bricks.committee.weights import weight_moments
from solvable.core.special import bivariate_normal_cdf


def committee(prior=None, ties="zero", **others):
    return sv.Committee(k=2, prior=prior or sv.Gaussian(), output=sv.Sign(ties=ties), **others)


@pytest.mark.parametrize("r", [-0.95, -0.3, 0.0, 0.8])
def test_bivariate_normal_distribution(r):
    law = multivariate_normal([0, 0], [[1, r], [r, 1]], allow_singular=False)
    for h, k in ((0.3, -0.2), (1.0, 1.0), (-1.0, 2.0), (-2.0, -2.5), (0.0, 0.0)):
        found = float(bivariate_normal_cdf(jnp.array(h), jnp.array(k), jnp.array(r)))
        assert found == pytest.approx(law.cdf([h, k]), abs=1e-13)


@pytest.mark.parametrize("ties", ["zero", "random"])
def test_likelihoods_are_those_of_random_fields(ties):
    """Frequencies of labels, and slopes by differences."""
    law, V = PairOfSigns(ties), jnp.array([[0.4, -0.2], [-0.2, 0.6]])
    rng = np.random.default_rng(0)
    noise = np.linalg.cholesky(np.asarray(V)) @ rng.standard_normal((2, 400_000))
    z = np.array([[0.4], [-0.1]]) + noise
    total = np.sign(z).sum(axis=0)
    y = np.where(
        total == 0, 0 if ties == "zero" else rng.choice([-1, 1], len(total)), np.sign(total)
    )

    def at(first, second):
        return law.likelihoods(jnp.array([first]), jnp.array([second]), V, 24)

    found, step = at(0.4, -0.1), 1e-5
    for k, label in enumerate(law.labels()):
        p = float(found.values[k, 0])
        assert abs(np.mean(y == label) - p) < 4 * np.sqrt(p * (1 - p) / len(y))
        rise = (at(0.4 + step, -0.1).values - at(0.4 - step, -0.1).values)[k, 0] / (2 * step)
        assert float(found.first[k, 0]) == pytest.approx(float(rise), abs=1e-9)
    assert float(found.values.sum()) == pytest.approx(1, abs=1e-14)


def test_what_labels_tell_is_the_slope_of_their_potential():
    """snr = 2 dPsi / dq, each eigenvalue once."""
    law, q, step = PairOfSigns("zero"), jnp.array([0.7, 0.3]), 1e-4
    found = law.moments(q, 1 - q, 10)
    for axis in range(2):
        move = step * jnp.eye(2)[axis]
        potentials = [
            float(law.moments(q + s * move, 1 - q - s * move, 10).potential) for s in (1, -1)
        ]
        slope = (potentials[0] - potentials[1]) / (2 * step)
        assert 2 * slope == pytest.approx(float(found.snr[axis]), rel=1e-6)


def test_units_that_are_almost_alike():
    """The average over a line is the limit of that over the plane, and `opening` its slope."""
    law, q, small = PairOfSigns("zero"), jnp.array(0.6), 1e-6
    alike = law.symmetric_moments(q, jnp.array([0.4, 1.0]), 12)
    almost = law.moments(jnp.array([0.6, small]), jnp.array([0.4, 1 - small]), 12)
    assert float(almost.snr[0]) == pytest.approx(float(alike.snr[0]), rel=1e-5)
    assert float(almost.potential) == pytest.approx(float(alike.potential), abs=1e-6)
    slope = law.opening(q, jnp.array([0.4, 1.0]), 12)
    assert float(almost.snr[1]) / small == pytest.approx(float(slope), rel=1e-4)


def test_weights_seen_alike_are_independent():
    """q_hat_+ = q_hat_-: the scalar channel, twice; and any law of two values."""
    for q_hat in (0.3, 4.0, 15.0):
        both = weight_moments(sv.Rademacher(), 2, jnp.array([q_hat, q_hat]), 11)
        one = sv.Rademacher().analytic_moments(jnp.asarray(q_hat), 17)
        np.testing.assert_allclose(both.overlap, one.overlap, rtol=1e-9)
        np.testing.assert_allclose(both.variance, one.variance, rtol=1e-8)
        # E ln Z = q_hat / 2 - I for each
        psi = 2 * (0.5 * q_hat - one.information) - q_hat * one.overlap
        assert float(both.potential) == pytest.approx(float(psi), abs=1e-9)
    discrete = sv.Discrete(values=[-1, 1], probabilities=[0.5, 0.5])
    q_hat = jnp.array([2.0, 0.7])
    for a, b in zip(
        weight_moments(sv.Rademacher(), 2, q_hat, 8),
        weight_moments(discrete, 2, q_hat, 8),
        strict=True,
    ):
        np.testing.assert_allclose(a, b, rtol=1e-8)


def test_ties_at_random_hide_the_units_for_longer():
    """With random labels where units disagree they are told apart at 7.2 in place of 2.05."""
    found = sv.thresholds(committee(ties="random"), "alpha")
    assert found["specialization"].value == pytest.approx(7.2, abs=0.1)
    assert found["algorithmic"].value is None


def test_branches_on_both_sides_of_specialization():
    alpha = sv.thresholds(committee(), "alpha")["specialization"].value
    data = sv.curve(committee(), over={"alpha": [alpha - 0.1, alpha + 0.1]})
    assert list(data.status.sel(branch="specialized").values) == [
        sv.Status.no_branch,
        sv.Status.converged,
    ]
    alike = data.sel(branch="symmetric")
    np.testing.assert_allclose(alike.overlap_diagonal, alike.overlap_off_diagonal, rtol=1e-12)
    above = data.isel(alpha=1)
    # transcritical: q_0 - q_1 rises in proportion to alpha - alpha_s
    apart = above.overlap_diagonal - above.overlap_off_diagonal
    assert 0.01 < float(apart.sel(branch="specialized")) < 0.1
    assert above.generalization_error.sel(branch="specialized") < above.generalization_error.sel(
        branch="symmetric"
    )


@pytest.mark.parametrize(
    "arguments, match",
    [
        (dict(k=0), "`k` must be an integer of at least 1"),
        (dict(output=sv.Sign()), "`output` must say what a tie of two signs is"),
        (dict(output=sv.Sign(ties="zero", delta=0.1)), "`output` must have no noise"),
        (dict(prior=sv.Gaussian(mean=1.0)), "`prior` must have mean 0"),
        (dict(prior=sv.Laplace(scale=1.0)), "`prior` must be Gaussian"),
        (dict(alpha=-1.0), "`alpha` must be"),
    ],
)
def test_what_is_refused(arguments, match):
    settings = dict(k=2, prior=sv.Gaussian(), output=sv.Sign(ties="zero")) | arguments
    with pytest.raises(ValueError, match=match):
        sv.Committee(**settings)


def test_ties_are_named():
    with pytest.raises(ValueError, match="`ties` must be one of None, 'zero', 'random'"):
        sv.Sign(ties="one")

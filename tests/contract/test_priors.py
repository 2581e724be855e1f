"""What every prior must satisfy."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.contract.samples import PRIORS

from solvable import catalog
from solvable.bricks.priors.base import (
    AbstractAnalyticPrior,
    general_prior_moments,
    posterior,
    prior_moments,
)
from solvable.core.quadrature import FINE_ORDER, ORDER
from solvable.core.specification import numeric, parse

Q_HAT = np.array([1e-6, 1e-3, 0.1, 0.7, 3.0, 12.0, 60.0])
FIELDS = np.array([-40.0, -3.0, -0.2, 0.0, 0.5, 2.0, 25.0])
each_prior = pytest.mark.parametrize("prior", PRIORS.values(), ids=PRIORS.keys())


@eqx.filter_jit
def _moments(prior, q_hat, order):
    return jax.vmap(lambda x: prior_moments(prior, x, order))(q_hat)


def moments(prior, q_hat, order=ORDER):
    """One shape for all tests: one program a prior."""
    padded = np.concatenate([q_hat, np.full(len(Q_HAT) - len(q_hat), q_hat[-1])])
    found = _moments(prior, padded, order)
    return jax.tree.map(lambda x: np.asarray(x)[: len(q_hat)], found)


@eqx.filter_jit
def information_slope(prior, q_hat):
    return jax.vmap(jax.grad(lambda x: prior_moments(prior, x).information))(q_hat)


def test_every_registered_prior_has_a_sample():
    assert {type(p).__name__ for p in PRIORS.values()} == set(catalog.names("prior"))


@each_prior
def test_gradient_of_information_is_half_the_variance(prior):
    """dI / d q_hat = V / 2: the potential and the moments are one function (I-MMSE)."""
    found = moments(numeric(prior), Q_HAT)
    np.testing.assert_allclose(
        information_slope(numeric(prior), Q_HAT), found.variance / 2, rtol=1e-8, atol=1e-10
    )


@each_prior
def test_overlap_is_between_its_limits_and_monotone(prior):
    found = moments(numeric(prior), Q_HAT)
    rho, mean = float(prior.second_moment()), float(prior.first_moment())
    np.testing.assert_allclose(found.overlap + found.variance, rho, rtol=1e-9)
    assert np.all(found.overlap >= mean**2 - 1e-12)
    assert np.all(np.diff(found.overlap) >= 0)
    assert np.all(np.diff(found.information) >= 0)
    assert np.all(found.variance > 0)


@each_prior
def test_a_finer_quadrature_changes_nothing(prior):
    coarse, fine = (moments(numeric(prior), Q_HAT, n) for n in (ORDER, FINE_ORDER))
    np.testing.assert_allclose(coarse.variance, fine.variance, rtol=1e-9)
    np.testing.assert_allclose(coarse.information, fine.information, rtol=1e-9, atol=1e-13)


@each_prior
def test_posterior_is_the_derivative_of_the_log_partition(prior):
    A = jnp.asarray(1.7)

    @jax.jit
    def by_differentiation(B):
        slope = jax.grad(lambda b: prior.log_partition(b, A))
        return jax.vmap(slope)(B), jax.vmap(jax.grad(slope))(B)

    mean, variance = posterior(prior, jnp.asarray(FIELDS), A)
    wanted_mean, wanted_variance = by_differentiation(jnp.asarray(FIELDS))
    np.testing.assert_allclose(mean, wanted_mean, rtol=1e-9, atol=1e-11)
    np.testing.assert_allclose(variance, wanted_variance, rtol=1e-7, atol=1e-11)


@each_prior
def test_no_field_is_the_prior_itself(prior):
    mean, variance = posterior(prior, jnp.zeros(1), jnp.asarray(1e-9))
    rho, first = float(prior.second_moment()), float(prior.first_moment())
    np.testing.assert_allclose(mean, first, atol=1e-7)
    np.testing.assert_allclose(variance, rho - first**2, rtol=1e-6)


@pytest.mark.parametrize(
    "prior", [p for p in PRIORS.values() if isinstance(p, AbstractAnalyticPrior)], ids=repr
)
def test_closed_forms_agree_with_the_general_route(prior):
    # without the largest: there atoms switch within a panel of the general route
    q_hat = Q_HAT[1:-1]
    closed = moments(numeric(prior), q_hat)
    general = eqx.filter_jit(jax.vmap(general_prior_moments, in_axes=(None, 0)))
    found = general(numeric(prior), q_hat)
    np.testing.assert_allclose(found.overlap, closed.overlap, rtol=1e-8, atol=1e-12)
    np.testing.assert_allclose(found.variance, closed.variance, rtol=1e-6, atol=1e-11)
    np.testing.assert_allclose(found.information, closed.information, rtol=1e-8, atol=1e-12)


@each_prior
def test_dimension_is_the_limit_of_q_hat_times_mmse(prior):
    q_hat = np.array([1e5, 1e7])
    found = q_hat * moments(numeric(prior), q_hat).variance
    error = np.abs(found - float(prior.dimension()))
    assert error[1] <= max(0.3 * error[0], 2e-3)


@each_prior
def test_entropy_is_the_information_at_no_noise(prior):
    entropy = float(prior.entropy())
    if np.isinf(entropy):
        assert float(prior.dimension()) > 0
    else:
        found = float(moments(numeric(prior), np.array([1e6])).information[0])
        assert found == pytest.approx(entropy, rel=1e-10)


@each_prior
def test_samples_have_the_moments(prior):
    x = np.asarray(prior.sample(jax.random.key(3), (40_000,)))
    for power, wanted in ((1, prior.first_moment()), (2, prior.second_moment())):
        deviation = np.std(x**power) / np.sqrt(len(x))
        assert abs(np.mean(x**power) - float(wanted)) <= 4.5 * deviation + 1e-12


@each_prior
def test_with_and_without_compilation(prior):
    compiled = moments(numeric(prior), Q_HAT[2:3])
    plain = prior_moments(prior, jnp.asarray(Q_HAT[2]))
    np.testing.assert_allclose(compiled.variance[0], plain.variance, rtol=1e-12)


@each_prior
def test_specification_reads_back(prior):
    if "<function" in repr(prior):
        with pytest.raises(ValueError, match="registered"):
            parse(repr(prior))
    else:
        assert parse(repr(prior)) == prior


def test_far_slab_is_finite():
    """A slab forty deviations away overflows exp(B h) but not a log-sum-exp."""
    prior = PRIORS["GaussBernoulli"].__class__(rho=0.3, mean=40.0)
    found = moments(numeric(prior), np.array([0.5, 5.0]))
    entropy = -0.3 * np.log(0.3) - 0.7 * np.log(0.7)
    wanted = entropy + 0.15 * np.log1p([0.5, 5.0])
    np.testing.assert_allclose(found.information, wanted, rtol=1e-12)

"""The one-hot prior: exact averages against brute force, and its model against the binary one."""

import itertools

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import solvable as sv
from solvable import catalog
from solvable.bricks.priors.base import PriorMoments, prior_moments
from solvable.core.quadrature import FINE_ORDER, ORDER
from solvable.core.status import Status

Q_HAT = np.array([1e-7, 1e-4, 0.02, 0.5, 0.99, 1.01, 3.0, 8.0, 40.0, 300.0, 2000.0])


@eqx.filter_jit
def _moments(prior, q_hat, order):
    return jax.lax.map(lambda x: prior_moments(prior, x, order), q_hat, batch_size=16)


def moments(prior, q_hat, order=ORDER):
    """Those of one direction, from norms; one shape for all tests: one program for k and order."""
    padded = np.concatenate([q_hat, np.full(len(Q_HAT) - len(q_hat), q_hat[-1])])
    count = prior.k - 1 if isinstance(prior, sv.OneHot) else 1
    found = _moments(prior, jnp.asarray(count**0.5 * padded), order)
    overlap, variance, information = (np.asarray(x)[: len(q_hat)] for x in found)
    return PriorMoments(overlap / count**0.5, variance / count**0.5, information / count)


def by_products(k, q_hat, nodes=44):
    """E softmax_a and E log softmax_a of the true group by a Gauss-Hermite rule, k-dimensional."""
    z, weight = np.polynomial.hermite_e.hermegauss(nodes)
    weight = weight / weight.sum()
    field = np.stack([x.ravel() for x in np.meshgrid(*[z] * k, indexing="ij")])
    weights = np.prod(list(itertools.product(weight, repeat=k)), axis=1)
    field = np.sqrt(q_hat) * field
    field[0] += q_hat
    log_p = field[0] - np.logaddexp.reduce(field, axis=0)
    return weights @ np.exp(log_p), weights @ log_p


def test_every_vector_prior_is_known_here():
    assert catalog.names("vector prior") == ["OneHot", "VectorGaussianMixture"]


@pytest.mark.parametrize("k", [2, 3])
def test_averages_against_products_of_gaussian_rules(k):
    q_hat = np.array([0.05, 0.4, 1.2, 2.5])
    found = moments(sv.OneHot(k=k), q_hat)
    for i, x in enumerate(q_hat):
        p, log_p = by_products(k, x)
        assert found.variance[i] == pytest.approx((1 - p) / (k - 1), rel=1e-10)
        assert found.overlap[i] == pytest.approx((p - 1 / k) / (k - 1), rel=1e-9)
        assert found.information[i] == pytest.approx((np.log(k) + log_p) / (k - 1), rel=1e-9)


def test_averages_of_five_groups_against_monte_carlo():
    k, q_hat, count = 5, np.array([0.3, 4.0, 15.0]), 400_000
    found = moments(sv.OneHot(k=k), q_hat)
    noise = np.random.default_rng(3).standard_normal((count, k))
    for i, x in enumerate(q_hat):
        field = np.sqrt(x) * noise
        field[:, 0] += x
        log_p = field[:, 0] - np.logaddexp.reduce(field, axis=1)
        V = (1 - np.exp(log_p)) / (k - 1)
        information = (np.log(k) + log_p) / (k - 1)
        for sample, value in ((V, found.variance[i]), (information, found.information[i])):
            z = (np.mean(sample) - value) * np.sqrt(count) / np.std(sample)
            assert abs(z) < 3.9  # 1e-4 two-sided


def test_two_groups_are_a_binary_prior():
    """x = s (1, -1) / 2: s / sqrt 2 along the one direction, q(q_hat) = q_s(q_hat / 2) / 2."""
    found = moments(sv.OneHot(k=2), Q_HAT, 20)
    binary = moments(sv.Rademacher(), Q_HAT / 2, 20)
    np.testing.assert_allclose(2 * found.overlap, binary.overlap, rtol=1e-12)
    np.testing.assert_allclose(2 * found.variance, binary.variance, rtol=1e-10)
    np.testing.assert_allclose(found.information, binary.information, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("k", [3, 6, 20])
def test_the_two_ends(k):
    """q = q_hat / k^2 (1 + (k - 4) q_hat / (2 k)) near zero; pairs of groups far from it."""
    small = np.array([1e-12, 1e-9, 1e-7, 1e-4])
    found = moments(sv.OneHot(k=k), small)
    wanted = small / k**2 * (1 + (k - 4) / (2 * k) * small)
    np.testing.assert_allclose(found.overlap, wanted, rtol=1e-7)
    np.testing.assert_allclose(found.overlap[:2], wanted[:2], rtol=1e-12)
    large = np.array([400.0, 2500.0])
    pair = moments(sv.OneHot(k=2), large)
    np.testing.assert_allclose(moments(sv.OneHot(k=k), large).variance, pair.variance, rtol=1e-9)
    outside = moments(sv.OneHot(k=k), np.array([1e-30, 1e4, 1e13]))
    assert all(np.all(np.isfinite(x)) for x in outside)
    np.testing.assert_allclose(outside.overlap[1:], 1 / k)
    np.testing.assert_allclose(outside.information[1:], np.log(k) / (k - 1))


@pytest.mark.parametrize("k", [3, 7])
def test_identities_of_the_averages(k):
    """dI / dq_hat = V / 2, q + V = 1 / k, and a finer quadrature changes nothing."""
    prior = sv.OneHot(k=k)
    found, fine = moments(prior, Q_HAT), moments(prior, Q_HAT, FINE_ORDER)
    np.testing.assert_allclose(found.overlap + found.variance, 1 / k, rtol=1e-13)
    np.testing.assert_allclose(found.overlap, fine.overlap, rtol=1e-13)
    np.testing.assert_allclose(found.variance, fine.variance, rtol=1e-12)

    @jax.jit
    def slope(x):
        return jax.jvp(lambda y: prior_moments(prior, y).information, (x,), (jnp.ones(()),))[1]

    root = (k - 1) ** 0.5
    for x, V in zip(root * Q_HAT[:-1], root * found.variance, strict=False):
        assert float(slope(x)) == pytest.approx(V / 2, rel=1e-8, abs=1e-13)


def test_the_posterior_of_vectors_is_a_softmax():
    """Weights B . x - x . A x / 2 of the points, enumerated."""
    rng = np.random.default_rng(0)
    prior = sv.OneHot(k=3)
    B, root = rng.standard_normal((7, 3)), rng.standard_normal((3, 3))
    found = prior.unit_posterior(jnp.asarray(B), jnp.asarray(root @ root.T))
    covariance = np.zeros((3, 3))
    for i, field in enumerate(B):
        energy = [field @ x - 0.5 * x @ root @ root.T @ x for x in prior.points()]
        weight = np.exp(energy) / np.sum(np.exp(energy))
        mean = weight @ prior.points()
        np.testing.assert_allclose(found.mean[i], mean, rtol=1e-12)
        np.testing.assert_allclose(found.variance[i], weight @ (prior.points() - mean) ** 2)
        covariance += np.cov(prior.points().T, aweights=weight, bias=True) / len(B)
    np.testing.assert_allclose(found.covariance, covariance, atol=1e-14)


def test_two_groups_are_a_binary_spike():
    """Y = s s^T / (2 sqrt p) + noise: that of s with four times the variance."""
    deltas = np.array([0.1, 0.25, 0.5, 0.8, 1.5])
    groups = sv.curve(sv.SpikedWigner(prior=sv.OneHot(k=2)), over={"delta": deltas / 4})
    binary = sv.curve(sv.SpikedWigner(prior=sv.Rademacher()), over={"delta": deltas})
    factors = {"overlap": 2, "mse": 2, "matrix_mse": 4, "mutual_information": 1, "free_entropy": 1}
    for branch in ("bayes", "amp"):
        for name, factor in factors.items():
            one, other = (data[name].sel(branch=branch) for data in (groups, binary))
            np.testing.assert_allclose(factor * one, other, rtol=1e-10, atol=1e-13)


def test_information_and_error_are_related_by_the_noise():
    """d i / d (1 / delta) = matrix_mse / 4, which is Tr (rho^2 - q^2); i = ln k at delta = 0."""
    snr = 4**2 * 1.4 * (1 + 1e-4 * np.array([-1.0, 0.0, 1.0]))
    model = sv.SpikedWigner(prior=sv.OneHot(k=4))
    data = sv.curve(model, over={"delta": 1 / np.r_[snr, 1e5]}).sel(branch="bayes")
    low, _, high, known = data.mutual_information.values
    slope = (high - low) / (snr[2] - snr[0])
    assert slope == pytest.approx(0.25 * float(data.matrix_mse[1]), rel=1e-6)
    assert known == pytest.approx(np.log(4), abs=1e-12)
    q = data.overlap.values / 3
    np.testing.assert_allclose(data.matrix_mse, 3 * (1 / 16 - q**2), atol=1e-12)


@pytest.mark.parametrize("k", [2, 4, 5])
def test_thresholds(k):
    """Weak recovery at 1 / k^2; a hard phase from five groups on, where the best branch is worth
    as much as nothing at the first-order line."""
    model = sv.SpikedWigner(prior=sv.OneHot(k=k))
    found = sv.thresholds(model, "delta")
    assert found["weak_recovery"].value == pytest.approx(1 / k**2, rel=1e-12)
    assert found["algorithmic"].value == pytest.approx(1 / k**2, rel=1e-12)
    first = found["information_theoretic"]
    if k < 5:
        assert first.status is Status.no_branch
        return
    spinodal = found["spinodal_informed"].value
    assert 1 / k**2 < first.value < spinodal < 1.03 / k**2
    assert first.error_bound < 1e-12
    data = sv.curve(model, over={"delta": [first.value, spinodal + 1e-6]})
    assert float(data.free_entropy.sel(branch="informed")[0]) == pytest.approx(0, abs=1e-12)
    assert float(data.overlap.sel(branch="informed")[0]) > 0.1
    assert int(data.status.sel(branch="bayes")[1]) == Status.converged
    assert float(data.overlap.sel(branch="bayes")[1]) == 0


def test_what_takes_no_vectors_says_so():
    for spec in (
        "SpikedWishart(prior_u=OneHot(k=2), prior_v=Rademacher(), beta=1, delta=1)",
        "Generative(prior=OneHot(k=3), layers=[Layer(ratio=1, channel=ReLU())])",
        "GLM(prior=OneHot(k=2), channel=Sign())",
    ):
        with pytest.raises(ValueError, match=r"must be a prior.*but was OneHot"):
            sv.parse(spec)
    with pytest.raises(ValueError, match=r"`prior_u` must be a Gaussian of mean 0 .*Rademacher"):
        sv.SpikedWishart(prior_u=sv.Rademacher(), prior_v=sv.OneHot(k=2))
    for k in (1, 2.5, True):
        with pytest.raises(ValueError, match="Argument `k` must be"):
            sv.OneHot(k=k)
    assert sv.parse("SpikedWigner(prior=OneHot(k=3), delta=0.1)").prior == sv.OneHot(k=3)

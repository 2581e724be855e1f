"""Mixtures of Gaussian vectors: averages by other integrals, and models that must agree."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import solvable as sv
from solvable.bricks.priors.base import prior_moments
from solvable.bricks.priors.vector_gaussian_mixture import symmetries
from solvable.core.quadrature import FINE_ORDER, ORDER
from solvable.core.randomness import key_for
from solvable.core.specification import numeric
from solvable.core.status import Status

CLUSTERS = sv.VectorGaussianMixture(
    weights=[0.2, 0.3, 0.5],
    means=[[2, 0], [0, 1], [-0.8, -0.6]],
    covariances=[[[0.1, 0], [0, 0.1]], [[0.2, 0.1], [0.1, 0.2]], [[0.3, 0], [0, 0.05]]],
)
SNR = np.array([[1.5, 0.4], [0.4, 0.7]])
SMALL = 0.6  # of the second of two independent signs
SIGNS = sv.VectorGaussianMixture(
    weights=[0.25] * 4, means=[[1, SMALL], [1, -SMALL], [-1, SMALL], [-1, -SMALL]]
)


def by_a_sum_over_observations(prior, q_hat, half=14.0, count=701):
    """q, V and I from the density of B = q_hat x + q_hat^(1/2) xi on a plain grid."""
    line = np.linspace(-half, half, count)
    y = np.stack([x.ravel() for x in np.meshgrid(line, line, indexing="ij")], axis=1)
    values, vectors = np.linalg.eigh(q_hat)
    root = (vectors * np.sqrt(values)) @ vectors.T
    densities, means, covariances = [], [], []
    for w, m, S in zip(prior.weights, prior.means, prior.covariances, strict=True):
        seen = np.eye(2) + root @ S @ root
        away = y - root @ m
        exponent = -0.5 * np.sum(away @ np.linalg.inv(seen) * away, axis=1)
        densities.append(w * np.exp(exponent) / (2 * np.pi * np.linalg.det(seen) ** 0.5))
        gain = S @ root @ np.linalg.inv(seen)
        means.append(m + away @ gain.T)
        covariances.append(S - gain @ root @ S)
    total, area = np.sum(densities, axis=0), (line[1] - line[0]) ** 2
    share = np.array(densities) / total
    mean = np.einsum("an,ani->ni", share, means)
    second = np.einsum("an,aij->nij", share, covariances)
    second += np.einsum("an,ani,anj->nij", share, means, means)
    spread = second - mean[:, :, None] * mean[:, None]
    entropy = -area * np.sum(total * np.log(total))
    return (
        area * np.einsum("n,ni,nj->ij", total, mean, mean),
        area * np.einsum("n,nij->ij", total, spread),
        entropy - np.log(2 * np.pi * np.e),
        area * np.einsum("n,nik,njl->ijkl", total, spread, spread),
    )


def test_averages_against_a_sum_over_observations():
    q, V, information, response = by_a_sum_over_observations(CLUSTERS, SNR)
    found, T = jax.jit(lambda x: CLUSTERS.averages(x, ORDER))(jnp.asarray(SNR))
    np.testing.assert_allclose(found.overlap, q, atol=1e-10)
    np.testing.assert_allclose(found.variance, V, atol=1e-10)
    np.testing.assert_allclose(T, response, atol=1e-10)
    assert float(found.information) == pytest.approx(information, abs=1e-10)
    np.testing.assert_allclose(q + V, CLUSTERS.second_moments(), atol=1e-10)


def test_derivatives_are_those_of_the_averages():
    """dq = E C dq_hat C and dI = Tr (V dq_hat) / 2, by differences."""
    change = np.array([[0.3, -0.2], [-0.2, 0.5]])

    @jax.jit
    def along(x):
        return CLUSTERS.matrix_moments(jnp.asarray(SNR) + x * change, ORDER)

    found, slope = jax.jvp(along, (0.0,), (1.0,))
    high, low = along(1e-4), along(-1e-4)
    for name in ("overlap", "variance", "information"):
        difference = (getattr(high, name) - getattr(low, name)) / 2e-4
        np.testing.assert_allclose(getattr(slope, name), difference, atol=1e-8)
    assert float(slope.information) == pytest.approx(0.5 * np.sum(found.variance * change))


@pytest.mark.parametrize("prior", [CLUSTERS, SIGNS], ids=["clusters", "signs"])
def test_norms_obey_the_scalar_identities(prior):
    """S = q / |q|, dI / dt = V / 2 and V = rho - |q| along the shape."""
    order = FINE_ORDER

    @jax.jit
    def at(t):
        return prior_moments(prior, t, order), prior.shaped(t, order)

    for t in (0.05, 0.7, 4.0):
        (found, shape), (slope, turned) = jax.jvp(at, (t,), (1.0,))
        q = prior.matrix_moments(shape, order).overlap
        np.testing.assert_allclose(shape / t, q / np.linalg.norm(q), atol=1e-9)
        assert float(found.overlap) == pytest.approx(np.linalg.norm(q), rel=1e-12)
        rho = float(prior.second_moment())
        assert float(found.overlap + found.variance) == pytest.approx(rho, rel=1e-9)
        assert float(slope.information) == pytest.approx(0.5 * float(found.variance), rel=1e-7)
        later, earlier = at(t * (1 + 1e-4))[1], at(t * (1 - 1e-4))[1]
        np.testing.assert_allclose(turned, (later - earlier) / (2e-4 * t), atol=1e-6)


def bayes(model, deltas):
    return sv.curve(model, over={"delta": deltas}).sel(branch="bayes")


def test_three_groups_in_a_plane_are_one_hot():
    deltas = [0.03, 0.06, 0.1, 0.12]
    angle = 2 * np.pi / 3 * np.arange(3)
    points = sv.VectorGaussianMixture(
        weights=[1 / 3] * 3,
        means=np.stack([np.cos(angle), np.sin(angle)], axis=1) * (2 / 3) ** 0.5,
        covariances=np.zeros((3, 2, 2)),
    )
    one, other = (bayes(sv.SpikedWigner(prior=p), deltas) for p in (points, sv.OneHot(k=3)))
    for name in ("overlap", "mse", "matrix_mse", "mutual_information", "overlap_pca"):
        np.testing.assert_allclose(one[name], other[name], atol=1e-8)


def test_independent_signs_are_two_models():
    """A direction is found at delta = its own threshold, SMALL^4 = 0.1296, and not before."""
    deltas = np.array([0.05, 0.12, 0.14, 0.3, 0.8, 1.1])
    both = bayes(sv.SpikedWigner(prior=SIGNS), deltas)
    large = bayes(sv.SpikedWigner(prior=sv.Rademacher()), deltas)
    small = sv.Discrete(values=[-SMALL, SMALL], probabilities=[0.5, 0.5])
    small = bayes(sv.SpikedWigner(prior=small), deltas)
    for name in ("overlap", "mse", "matrix_mse", "mutual_information", "free_entropy"):
        # to 1e-7 beside the second threshold, where the overlap rises like a square root
        np.testing.assert_allclose(both[name], large[name] + small[name], atol=1e-7)
    found = sv.thresholds(sv.SpikedWigner(prior=SIGNS), "delta")
    assert found["weak_recovery"].value == pytest.approx(1, rel=1e-12)
    assert found["information_theoretic"].status is Status.no_branch


def test_a_gaussian_has_closed_forms():
    """q_i = rho_i - delta / rho_i in every direction that is found (Lesieur et al. 2017)."""
    covariance = np.array([[1.0, 0.3], [0.3, 0.5]])
    prior = sv.VectorGaussianMixture(weights=[1], means=[[0, 0]], covariances=[covariance])
    deltas = np.array([0.05, 0.1, 0.5, 1.0, 1.4])
    found = bayes(sv.SpikedWigner(prior=prior), deltas)
    rho = np.linalg.eigvalsh(covariance)[:, None]
    q = np.maximum(0, rho - deltas / rho)
    np.testing.assert_allclose(found.overlap, q.sum(axis=0), atol=1e-12)
    np.testing.assert_allclose(found.matrix_mse, np.sum(rho**2 - q**2, axis=0), atol=1e-12)
    information = (rho - q) ** 2 / (4 * deltas) + 0.5 * np.log1p(rho * q / deltas)
    np.testing.assert_allclose(found.mutual_information, information.sum(axis=0), atol=1e-12)
    threshold = sv.thresholds(sv.SpikedWigner(prior=prior), "delta")["weak_recovery"].value
    assert threshold == pytest.approx(float(rho[-1, 0]) ** 2, rel=1e-12)


def test_the_branch_is_a_fixed_point_of_matrices_and_its_potential():
    """q = q(q / delta) matrix by matrix, and i = Tr (rho - q)^2 / (4 delta) + I."""
    delta = 0.4
    found = bayes(sv.SpikedWigner(prior=CLUSTERS), [delta])
    q = CLUSTERS.second_moments()
    step = jax.jit(lambda q: CLUSTERS.matrix_moments(q / delta, ORDER))
    for _ in range(400):
        q = step(q).overlap
    assert float(found.overlap[0]) == pytest.approx(float(jnp.trace(q)), abs=1e-10)
    lost = jnp.sum((CLUSTERS.second_moments() - q) ** 2) / (4 * delta)
    wanted = float(lost + step(q).information)
    assert float(found.mutual_information[0]) == pytest.approx(wanted, abs=1e-10)


def test_a_posterior_is_that_of_enumerated_components():
    rng = np.random.default_rng(1)
    B = rng.standard_normal((5, 2)) * 3
    found = CLUSTERS.unit_posterior(jnp.asarray(B), jnp.asarray(SNR))
    draws = np.asarray(CLUSTERS.sample(key_for(0, "draws"), (400_000,)))
    np.testing.assert_allclose(np.cov(draws.T), CLUSTERS.unit_moments()[1], atol=0.02)
    log_w = draws @ B.T - 0.5 * np.sum(draws @ SNR * draws, axis=1)[:, None]
    w = np.exp(log_w - log_w.max(axis=0))
    mean = w.T @ draws / w.sum(axis=0)[:, None]
    np.testing.assert_allclose(found.mean, mean, atol=0.05)
    evidence = np.mean(np.log(np.mean(w, axis=0)) + log_w.max(axis=0))
    assert float(found.evidence) == pytest.approx(evidence, abs=0.02)


def test_symmetries_of_a_mixture():
    """The square of signs has eight; unequal clusters only the identity."""
    square = sv.VectorGaussianMixture(
        weights=[0.25] * 4, means=[[1, 1], [1, -1], [-1, 1], [-1, -1]]
    )
    zero = np.zeros((1, 2))
    assert len(symmetries(square, zero, zero)) - 1 == 8
    assert len(symmetries(SIGNS, zero, zero)) - 1 == 4
    assert len(symmetries(CLUSTERS, zero, zero)) - 1 == 1
    truth = np.asarray(square.sample(key_for(1, "truth"), (50,)))
    turned = truth @ np.array([[0.0, 1.0], [-1.0, 0.0]])
    np.testing.assert_allclose(turned @ square.alignment(turned, truth), truth, atol=1e-12)
    gaussian = sv.VectorGaussianMixture(weights=[1], means=[[0, 0]], covariances=[np.eye(2)])
    angle = np.array([[np.cos(0.3), -np.sin(0.3)], [np.sin(0.3), np.cos(0.3)]])
    back = gaussian.alignment(truth @ angle, truth)
    np.testing.assert_allclose(truth @ angle @ back, truth, atol=1e-12)


def test_it_reads_back_and_explains_what_is_wrong():
    assert sv.parse(repr(CLUSTERS)) == CLUSTERS
    numeric(CLUSTERS)
    good = dict(weights=[0.5, 0.5], means=[[1, 0], [-1, 0]])
    for change, match in (
        (dict(weights=[0.5, 0.4]), "`weights` must sum to 1"),
        (dict(weights=[1.0, 0.0]), "`weights` must be above 0"),
        (dict(means=[[1, 0]]), r"`means` must have one row a weight \(2\), but had 1"),
        (dict(means=[1, 0]), "`means` must have 2 dimensions"),
        (dict(covariances=np.eye(2)), "`covariances` must have 3 dimensions"),
        (dict(covariances=np.zeros((2, 3, 3))), r"`covariances` must have shape \(2, 2, 2\)"),
        (
            dict(covariances=[[[1, 0.5], [0, 1]], np.eye(2)]),
            r"`covariances\[0\]` must be symmetric and positive semidefinite",
        ),
        (dict(covariances=[np.eye(2), -np.eye(2)]), r"`covariances\[1\]` must be symmetric and"),
    ):
        with pytest.raises(ValueError, match=match):
            sv.VectorGaussianMixture(**(good | change))
    wide = sv.VectorGaussianMixture(
        weights=[0.5, 0.5], means=np.zeros((2, 5)), covariances=[np.eye(5)] * 2
    )
    with pytest.raises(ValueError, match="must span at most 4 dimensions for theory"):
        sv.curve(sv.SpikedWigner(prior=wide, delta=0.5))

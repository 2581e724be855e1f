"""Both sides of a rectangular matrix whose columns have vectors as units, against other routes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import solvable as sv
from solvable.bricks.priors.pairs import Pairs
from solvable.core.quadrature import FINE_ORDER, ORDER
from solvable.core.status import Status

ROWS = sv.Gaussian(variance=1.3)
BETA = 1.5
CLUSTERS = sv.VectorGaussianMixture(
    weights=[0.2, 0.3, 0.5],
    means=[[2, 0], [0, 1], [-0.8, -0.6]],
    covariances=[[[0.1, 0], [0, 0.1]], [[0.2, 0.1], [0.1, 0.2]], [[0.3, 0], [0, 0.05]]],
)
ANGLE = 2 * np.pi / 3 * np.arange(3)
TRIANGLE = sv.VectorGaussianMixture(
    weights=[1 / 3] * 3,
    means=np.stack([np.cos(ANGLE), np.sin(ANGLE)], axis=1) * (2 / 3) ** 0.5,
)
NAMES = ("overlap_v", "mse_v", "overlap_u", "mse_u", "matrix_mse", "mutual_information")


def model(prior, **changes):
    return sv.SpikedWishart(**(dict(prior_u=ROWS, prior_v=prior, beta=BETA) | changes))


def bayes(spiked, deltas):
    return sv.curve(spiked, over={"delta": deltas}).sel(branch="bayes")


def test_the_branch_is_a_fixed_point_of_both_matrices_and_their_potential():
    """i = beta Tr(V_u V_v) / (2 delta) + beta I_u + I_v (Miolane 2017, Lesieur et al. 2017)."""
    delta, rho = 0.5, float(ROWS.second_moment())
    found = bayes(model(CLUSTERS), [delta])
    q = np.asarray(CLUSTERS.second_moments())
    of_v = jax.jit(lambda q_hat: CLUSTERS.matrix_moments(q_hat, ORDER))
    for _ in range(300):
        q_u = rho**2 * np.linalg.solve(delta * np.eye(2) + rho * q, q)
        v = of_v(jnp.asarray(BETA * q_u / delta))
        q = np.asarray(v.overlap)
    V_u = rho * np.eye(2) - q_u
    information = 0.5 * np.linalg.slogdet(np.eye(2) + rho * q / delta)[1]
    information = BETA * information + float(v.information)
    information += BETA * np.sum(V_u * np.asarray(v.variance)) / (2 * delta)
    whole = rho * float(jnp.trace(CLUSTERS.second_moments()))
    wanted = (np.trace(q), np.trace(v.variance), np.trace(q_u), np.trace(V_u))
    for name, value in zip(NAMES, (*wanted, whole - np.sum(q * q_u), information), strict=True):
        assert float(found[name][0]) == pytest.approx(value, abs=1e-9), name


def test_the_scalar_law_is_that_of_a_potential():
    """dI / dt = V / 2, V = rho - Q, and Q^2 = 2 beta Tr(q_u q_v) at Delta = Q / t."""
    law = Pairs(CLUSTERS, ROWS, BETA)
    at = jax.jit(lambda t: (law.analytic_moments(t, FINE_ORDER), law._sides(t, FINE_ORDER)))
    for t in (1e-20, 1e-6, 0.05, 0.7, 40.0, 1e6):
        (found, (v, u, delta)), (slope, _) = jax.jvp(at, (jnp.asarray(t),), (jnp.ones(()),))
        whole = float(law.second_moment())
        assert float(found.overlap + found.variance) == pytest.approx(whole, rel=1e-9)
        assert float(slope.information) == pytest.approx(0.5 * float(found.variance), rel=1e-8)
        product = 2 * BETA * float(jnp.sum(u.overlap * v.overlap))
        assert float(t * delta) ** 2 == pytest.approx(product, rel=1e-6 if t < 1e-12 else 1e-9)


def test_three_groups_in_a_plane_are_one_hot():
    """The groups of `OneHot`, whose theory takes the directions one by one."""
    deltas = [0.05, 0.2, 0.4, 0.52, 0.6]
    curves = [
        sv.curve(model(prior), over={"delta": deltas}) for prior in (TRIANGLE, sv.OneHot(k=3))
    ]
    unseen = float(ROWS.second_moment())  # the third component of u, which no group shows
    for branch in ("bayes", "amp", "unstable"):
        one, other = (found.sel(branch=branch) for found in curves)
        np.testing.assert_array_equal(one.status, other.status)
        for name in (*NAMES, "overlap_pca"):
            moved = unseen if name == "mse_u" else 0.0
            np.testing.assert_allclose(one[name] + moved, other[name], atol=1e-8, err_msg=name)
    found, wanted = (sv.thresholds(model(x), "delta") for x in (TRIANGLE, sv.OneHot(k=3)))
    assert found["weak_recovery"].value == pytest.approx(wanted["weak_recovery"].value, rel=1e-12)


def test_independent_components_are_two_models():
    """A Gaussian of unequal variances, each of whose directions has a threshold of its own."""
    prior = sv.VectorGaussianMixture(
        weights=[1], means=[[0, 0]], covariances=[np.diag([1.0, 0.4])]
    )
    deltas = np.array([0.1, 0.5, 0.7, 1.2, 1.7])
    both = bayes(model(prior), deltas)
    alone = [bayes(model(sv.Gaussian(variance=v)), deltas) for v in (1.0, 0.4)]
    for name in NAMES:
        np.testing.assert_allclose(both[name], alone[0][name] + alone[1][name], atol=1e-9)


@pytest.mark.parametrize("shift", [0.0, 0.2])
def test_one_component_is_the_model_of_numbers(shift):
    """With a mean nothing is unknown at any noise, and no threshold of weak recovery is left."""
    places = np.array([1.1, -1.1]) + shift
    prior = sv.VectorGaussianMixture(
        weights=[0.5, 0.5], means=places[:, None], covariances=[[[0.05]], [[0.05]]]
    )
    scalar = sv.GaussianMixture(weights=[0.5, 0.5], means=places, variances=[0.05, 0.05])
    deltas = [0.01, 0.4, 1.5, 30.0, 1e4]
    one, other = (bayes(model(x), deltas) for x in (prior, scalar))
    np.testing.assert_array_equal(one.status, other.status)
    for name in (*NAMES, "overlap_pca"):
        np.testing.assert_allclose(one[name], other[name], rtol=1e-7, atol=1e-11, err_msg=name)
    for name, found in sv.thresholds(model(prior), "delta").items():
        wanted = sv.thresholds(model(scalar), "delta")[name]
        assert found.status == wanted.status
        if wanted.status is Status.converged:
            assert found.value == pytest.approx(wanted.value, rel=1e-9)

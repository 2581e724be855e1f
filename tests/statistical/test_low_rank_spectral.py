"""PCA and LAMP on finite matrices against random-matrix theory.

The squared cosine with the signal has a bias of order 1 / p and a spread of order 1 / sqrt(p).
Both are tested at two sizes: the mean difference from theory, extrapolated to p = infinity, must
vanish within its standard error, and p times the variance must be the same at both. One
family-wise level of 1e-3 holds for all comparisons of a case. Seeds are fixed.
"""

import numpy as np
import pytest
import scipy.stats

from solvable.algorithms.low_rank_spectral import (
    Covariance,
    lamp_wigner,
    lamp_wishart,
    pca_wigner,
    pca_wishart,
)
from solvable.core.random_matrix import (
    WignerLinearized,
    WignerPCA,
    WishartLinearized,
    WishartPCA,
)
from solvable.core.randomness import key_for, numpy_generator
from solvable.core.spectral_laws import feature_covariance_law
from solvable.core.status import Status

LEVEL = 1e-3
FUNCTIONS = {
    "linear": (lambda x: x, 1.0, 0.0),
    "sign": (np.sign, (2 / np.pi) ** 0.5, (1 - 2 / np.pi) ** 0.5),
    # rho = 4: a signal that is not of unit variance
    "twice": (lambda x: 2 * x, 2.0, 0.0),
}
# function, alpha = p / k, delta, beta = n / p (None: Wigner)
CASES = {
    "Wigner, linear": ("linear", 1.0, 0.4, None),
    "Wigner, sign": ("sign", 2.0, 0.4, None),
    "Wigner, rho = 4": ("twice", 2.0, 6.4, None),
    "Wishart, linear": ("linear", 1.0, 0.5, 1.0),
    "Wishart, sign": ("sign", 2.0, 0.5, 1.5),
    "Wishart, rho = 4": ("twice", 1.0, 1.5, 0.8),
}


def squared_cosine(found, wanted):
    return (found @ wanted) ** 2 / (found @ found) / (wanted @ wanted)


def one_instance(case, p, seed):
    """Squared cosines of LAMP and of PCA, with v and for rectangles with u too."""
    name, alpha, delta, beta = CASES[case]
    function, kappa_1, kappa_star = FUNCTIONS[name]
    rng = numpy_generator(key_for(0, "spectral", case, p, seed))
    k = round(p / alpha)
    W = rng.standard_normal((p, k))
    v = function(W @ rng.standard_normal(k) / k**0.5)
    covariance = Covariance(W, scale=kappa_1**2 / k, ridge=kappa_star**2)
    if beta is None:
        noise = rng.standard_normal((p, p))
        Y = np.outer(v, v) / p**0.5 + (delta / 2) ** 0.5 * (noise + noise.T)
        found = lamp_wigner(Y, covariance, delta), pca_wigner(Y)
        cosines = [squared_cosine(one.vector, v) for one in found]
    else:
        n = round(beta * p)
        u = rng.standard_normal(n)
        Y = np.outer(u, v) / p**0.5 + delta**0.5 * rng.standard_normal((n, p))
        found = lamp_wishart(Y, covariance, delta), pca_wishart(Y)
        cosines = [squared_cosine(one.vector, v) for one in found]
        cosines += [squared_cosine(one.vector_u, u) for one in found]
    assert all(one.status is Status.converged for one in found)
    return cosines


def predicted(case):
    name, alpha, delta, beta = CASES[case]
    _, kappa_1, kappa_star = FUNCTIONS[name]
    law = feature_covariance_law(alpha, kappa_1, kappa_star)
    if beta is None:
        lamp, pca = WignerLinearized(law, delta), WignerPCA(delta, rho=law.moment(1))
        return np.array([lamp.squared_cosine, pca.squared_cosine])
    lamp = WishartLinearized(law, delta, beta)
    pca = WishartPCA(delta, beta, rho_v=law.moment(1))
    return np.array(
        [lamp.squared_cosine, pca.squared_cosine, lamp.squared_cosine_u, pca.squared_cosine_u]
    )


def check(case, sizes, instances):
    wanted = predicted(case)
    assert np.all(wanted > 0.2)
    small, large = (
        np.array([one_instance(case, p, seed) for seed in range(instances)]) - wanted
        for p in sizes
    )
    weights = np.array([-sizes[0], sizes[1]]) / (sizes[1] - sizes[0])
    mean = weights[0] * small.mean(0) + weights[1] * large.mean(0)
    variance = sum(
        w**2 * d.var(0, ddof=1) / len(d) for w, d in zip(weights, (small, large), strict=True)
    )
    z = mean / np.sqrt(variance)
    comparisons = 2 * len(wanted)
    # few instances: Student's law with the freedom of the larger size, which dominates
    bound = scipy.stats.t.isf(LEVEL / comparisons / 2, instances - 1)
    assert np.abs(z).max() < bound, f"z = {np.round(z, 2)}"
    ratio = sizes[0] * small.var(0, ddof=1) / (sizes[1] * large.var(0, ddof=1))
    tail = scipy.stats.f.sf(np.maximum(ratio, 1 / ratio), instances - 1, instances - 1)
    assert tail.min() > LEVEL / comparisons / 2, f"ratios = {np.round(ratio, 2)}"


@pytest.mark.parametrize("case", CASES)
def test_squared_cosines_follow_theory(case):
    check(case, sizes=(200, 600), instances=16)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_squared_cosines_at_larger_sizes(case):
    check(case, sizes=(500, 2000), instances=16)


def test_beyond_the_threshold_nothing_is_learned():
    """Where theory says 0 the squared cosine falls faster than p^(-1/3)."""
    law = feature_covariance_law(1.0, 1.0, 0.0)
    delta = 4 * WignerLinearized(law, 1.0).threshold
    assert WignerLinearized(law, delta).squared_cosine == 0.0
    means = []
    for p in (100, 800):
        cosines = []
        for seed in range(48):
            rng = numpy_generator(key_for(0, "beyond", p, seed))
            W = rng.standard_normal((p, p))
            v, noise = W @ rng.standard_normal(p) / p**0.5, rng.standard_normal((p, p))
            Y = np.outer(v, v) / p**0.5 + (delta / 2) ** 0.5 * (noise + noise.T)
            found = lamp_wigner(Y, Covariance(W, scale=1 / p), delta)
            cosines.append(squared_cosine(found.vector, v))
        means.append(np.mean(cosines))
    assert means[1] < means[0] / 2

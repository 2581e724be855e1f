"""Laws of eigenvalues, and the spectra and outliers of Gamma, against independent routes."""

import jax.numpy as jnp
import numpy as np
import pytest
import scipy.optimize

from solvable.bricks.spectra import MarchenkoPastur
from solvable.core.random_matrix import (
    WignerLinearized,
    WignerPCA,
    WishartLinearized,
    WishartPCA,
)
from solvable.core.spectral_laws import (
    SpectralLaw,
    eigenvalue_law,
    feature_covariance_law,
    marchenko_pastur_law,
)
from solvable.core.status import Status

IDENTITY = SpectralLaw(np.ones(1), np.ones(1))
SIGN = feature_covariance_law(2.0, (2 / np.pi) ** 0.5, (1 - 2 / np.pi) ** 0.5)
WIDE = SpectralLaw(np.array([0.0, 0.5, 4.0]), np.array([0.3, 0.5, 0.2]))  # rho = 1.05
THEORIES = {
    "Wigner, linear, 1/2": WignerLinearized(marchenko_pastur_law(0.5), 0.7),
    "Wigner, linear, 2": WignerLinearized(marchenko_pastur_law(2.0), 1.0),
    "Wigner, sign, 2": WignerLinearized(SIGN, 1.3),
    "Wigner, three eigenvalues": WignerLinearized(WIDE, 0.9),
    "Wishart, linear, 1/2": WishartLinearized(marchenko_pastur_law(0.5), 0.7, 1.5),
    "Wishart, linear, 2": WishartLinearized(marchenko_pastur_law(2.0), 1.0, 0.5),
    "Wishart, sign, 2": WishartLinearized(SIGN, 0.5, 0.8),
    "Wishart, heavy eigenvalue": WishartLinearized(SIGN, 0.5, 0.3),
    "Wishart, three eigenvalues": WishartLinearized(WIDE, 0.9, 0.7),
}


def integrals(theory, count=4000):
    """Mass, mean and second moment of the density, by the midpoint rule between the edges."""
    left, right = theory.edges
    t = (np.arange(count) + 0.5) / count * np.pi
    x = (left + right) / 2 - (right - left) / 2 * np.cos(t)
    found = theory.density(x)
    assert np.mean(found.status == Status.converged) > 0.995
    weight = np.sin(t) * (right - left) / 2 * np.pi / count * found.density
    return np.array([np.sum(weight * x**k) for k in range(3)])


def moments(theory):
    """Mean and second moment of Gamma without spike, from Wick's theorem."""
    m1, m2 = theory.law.moment(1), theory.law.moment(2)
    delta = theory.delta
    if isinstance(theory, WignerLinearized):
        return np.array([-(m1**2) / delta, m1**2 / delta + m1**2 * m2 / delta**2])
    beta, D = theory.beta, theory.delta + m1
    mean = beta * m1 * (1 / D - 1 / delta)
    square = (beta * m1**2 + beta**2 * m2) / D**2 - 2 * beta**2 * m2 / (D * delta)
    return np.array([mean, square + beta**2 * m2 / delta**2])


@pytest.mark.parametrize("ratio", [0.3, 0.99, 1.0, 1.001, 2.5])
def test_moments_and_resolvent_of_the_marchenko_pastur_law(ratio):
    law = marchenko_pastur_law(ratio)
    assert law.weights.sum() == pytest.approx(1, abs=1e-13)
    wanted = [1, 1 + ratio, 1 + 3 * ratio + ratio**2]
    np.testing.assert_allclose([law.moment(k) for k in (1, 2, 3)], wanted, rtol=1e-12)
    assert law.mass_at_zero == pytest.approx(max(0, 1 - 1 / ratio), abs=1e-13)
    # W^T W of the spectrum with outputs / inputs = 1 / ratio has entries of variance 1 / inputs
    for w in (0.1, 1.0, 30.0, 1e4):
        kept = MarchenkoPastur().stieltjes(jnp.asarray(1 / w), jnp.asarray(1 / ratio))
        # eigenvalues of W W^T / k, times k / p: those of the spectrum
        found = law.average(1 / (1 + w * law.nodes / ratio))
        assert found == pytest.approx(float(kept), rel=1e-10)


def test_feature_covariance():
    assert SIGN.moment(1) == pytest.approx(1, abs=1e-12)
    assert SIGN.moment(2) == pytest.approx(1 + 8 / np.pi**2, abs=1e-12)
    only_rest = feature_covariance_law(3.0, 0.0, 2.0)
    np.testing.assert_allclose(only_rest.nodes, 4.0)


def test_laws_refuse_what_is_none():
    for arguments, message in [
        (([1.0, -1.0], [0.5, 0.5]), "`nodes` must hold non-negative"),
        (([1.0], [0.5]), "`weights` must sum to 1"),
        (([1.0, 2.0], [1.0]), "`weights` must have the length of `nodes`"),
        (([0.0, 1.0], [1.0, 0.0]), "`nodes` must hold a positive eigenvalue"),
    ]:
        with pytest.raises(ValueError, match=message):
            SpectralLaw(*arguments)
    with pytest.raises(ValueError, match="`ratio` must be positive"):
        marchenko_pastur_law(0)
    with pytest.raises(ValueError, match="`kappa_1` must be positive"):
        feature_covariance_law(1.0, 0.0, 0.0)
    with pytest.raises(ValueError, match="`delta` must be positive"):
        WignerLinearized(IDENTITY, 0.0)
    with pytest.raises(ValueError, match="`beta` must be positive"):
        WishartLinearized(IDENTITY, 1.0, -1.0)
    with pytest.raises(ValueError, match="`rho_u` must be positive"):
        WishartPCA(delta=1.0, beta=1.0, rho_u=0.0)


@pytest.mark.parametrize("delta", [0.1, 0.5, 0.99, 1.0, 3.0])
def test_an_isotropic_signal_is_pca(delta):
    theory, pca = WignerLinearized(IDENTITY, delta), WignerPCA(delta)
    assert theory.squared_cosine == pytest.approx(pca.squared_cosine, abs=1e-12)
    np.testing.assert_allclose(theory.edges, (np.array(pca.edges) - 1) / delta, rtol=1e-12)
    if pca.outlier is None:
        assert theory.outlier is None
        assert theory.squared_cosine == pca.squared_cosine == 0.0
    else:
        assert theory.outlier == pytest.approx((pca.outlier - 1) / delta, abs=1e-12)
    z = np.linspace(*theory.edges, 12)[1:-1]
    semicircle = delta * pca.density(delta * z + 1)
    np.testing.assert_allclose(theory.density(z).density, semicircle, rtol=1e-9)


@pytest.mark.parametrize(("delta", "beta"), [(0.5, 2.0), (0.2, 0.5), (1.2, 2.0), (2.0, 0.5)])
def test_an_isotropic_signal_is_pca_of_rectangles(delta, beta):
    theory, pca = WishartLinearized(IDENTITY, delta, beta), WishartPCA(delta, beta)
    assert theory.squared_cosine == pytest.approx(pca.squared_cosine, abs=1e-12)
    assert theory.squared_cosine_u == pytest.approx(pca.squared_cosine_u, abs=1e-12)

    def gamma(eigenvalue):
        return (eigenvalue / (1 + delta) - beta) / delta

    left, right = (gamma(np.array(pca.edges))).tolist()
    assert theory.edges[1] == pytest.approx(right, rel=1e-10)
    if beta < 1:
        assert theory.atoms == [(-beta / delta, 1 - beta)]
        assert theory.edges[0] == -beta / delta
    else:
        assert theory.edges[0] == pytest.approx(left, rel=1e-10)
    if pca.outlier is not None:
        assert gamma(pca.outlier) == pytest.approx(1.0, abs=1e-12)
    y = np.linspace(*pca.edges, 12)[1:-1]
    found = theory.density(gamma(y)).density
    np.testing.assert_allclose(found / (delta * (1 + delta)), pca.density(y), rtol=1e-9)


@pytest.mark.parametrize("pca", [WignerPCA(0.7), WishartPCA(0.7, 2.0), WishartPCA(0.7, 0.5)])
def test_densities_of_pca_integrate_to_one(pca):
    left, right = pca.edges
    t = (np.arange(2000) + 0.5) / 2000 * np.pi
    z = (left + right) / 2 - (right - left) / 2 * np.cos(t)
    mass = np.sum(pca.density(z) * np.sin(t)) * (right - left) / 2 * np.pi / 2000
    assert mass == pytest.approx(min(1.0, getattr(pca, "beta", 1.0)), abs=1e-9)
    np.testing.assert_array_equal(pca.density([left - 0.1, right + 0.1, left, right]), 0.0)


@pytest.mark.parametrize("law", [marchenko_pastur_law(2.0), marchenko_pastur_law(0.5), SIGN, WIDE])
def test_extreme_noise(law):
    for delta in (1e-8, 1e-3, 1e3, 1e8):
        for theory in (WignerLinearized(law, delta), WishartLinearized(law, delta, 3.0)):
            left, right = theory.edges
            assert left < right < 1
            assert 0 <= theory.squared_cosine <= 1
            found = theory.density([0.0, left / 2, right - 1e-3 * (right - left)])
            assert np.all(found.status == Status.converged)
            assert np.all(np.isfinite(found.density))


@pytest.mark.parametrize("scale", [0.3, 5.0])
@pytest.mark.parametrize("name", THEORIES)
def test_a_scale_of_the_signal_is_one_of_the_noise(name, scale):
    theory = THEORIES[name]
    law = SpectralLaw(scale * theory.law.nodes, theory.law.weights)
    if isinstance(theory, WignerLinearized):
        scaled = WignerLinearized(law, theory.delta * scale**2)
    else:
        scaled = WishartLinearized(law, theory.delta * scale, theory.beta)
    assert scaled.squared_cosine == pytest.approx(theory.squared_cosine, rel=1e-10)
    np.testing.assert_allclose(scaled.edges, theory.edges, rtol=1e-8)
    z = np.linspace(*theory.edges, 7)[1:-1]
    found = scaled.density(z).density
    np.testing.assert_allclose(found, theory.density(z).density, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("name", THEORIES)
def test_density_integrates_to_the_moments_of_gamma(name):
    theory = THEORIES[name]
    mass, mean, square = integrals(theory)
    positions, masses = np.array(theory.atoms or [(0.0, 0.0)]).T
    # the midpoint rule of 4000 points does not know of edges inside, where the density is a root
    tolerance = 1e-3 if "eigenvalue" in name or "Wishart, sign" in name else 1e-7
    assert mass + masses.sum() == pytest.approx(1, abs=tolerance)
    wanted, scale = moments(theory), moments(theory)[1]
    assert mean + masses @ positions == pytest.approx(wanted[0], abs=tolerance * scale**0.5)
    assert square + masses @ positions**2 == pytest.approx(wanted[1], abs=tolerance * scale)


@pytest.mark.parametrize("name", THEORIES)
def test_nothing_lies_outside_of_the_edges(name):
    theory = THEORIES[name]
    left, right = theory.edges
    outside = theory.density([left - 1, left - 1e-3, right + 1e-3, 50.0])
    np.testing.assert_array_equal(outside.density, 0.0)
    inside, between = theory.density([right - 1e-4, right - 4e-4]).density
    assert between / inside == pytest.approx(2, rel=0.1)  # a square root


@pytest.mark.parametrize("law", [marchenko_pastur_law(1.0), SIGN, WIDE, IDENTITY])
def test_the_outlier_leaves_the_bulk_at_the_threshold(law):
    for make in (WignerLinearized, lambda law, delta: WishartLinearized(law, delta, 0.8)):
        threshold = make(law, 1.0).threshold
        assert make(law, threshold).edges[1] == pytest.approx(1, abs=1e-9)
        assert make(law, 0.9 * threshold).edges[1] < 1
        assert make(law, 1.1 * threshold).edges[1] < 1
        at, above = make(law, threshold), make(law, 1.1 * threshold)
        assert at.overlap == above.overlap == 0.0
        assert at.outlier is None
        just_below = make(law, threshold * (1 - 1e-10))
        assert 0 < just_below.overlap < 1e-9


@pytest.mark.parametrize("name", THEORIES)
def test_overlap_is_the_fixed_point_of_state_evolution(name):
    theory = THEORIES[name]
    q, x, rho = theory.overlap, theory.law.nodes, theory.rho
    # 1 - s of the linearization: s = tau(K (1 + c K)^{-1}), c of the resolvent at z = 1
    s = rho - q
    c = theory.response(s)
    assert theory.law.average(x / (1 + c * x)) == pytest.approx(s, abs=1e-12)
    if q > 0:
        field = q * theory.snr(q)
        assert theory.law.average(x * x * field / (1 + field * x)) == pytest.approx(q, rel=1e-12)


def test_both_ends_of_a_law_of_two_eigenvalues_by_the_discriminant():
    """With two eigenvalues c solves a cubic in c at real z; the edges are its double roots."""
    law = SpectralLaw(np.array([0.5, 2.0]), np.array([0.6, 0.4]))
    theory = WignerLinearized(law, 0.8)
    (x, y), (v, w), rho, delta = law.nodes, law.weights, theory.rho, theory.delta

    def discriminant(z):
        # (rho - delta c)(z + x c)(z + y c) = v x (z + y c) + w y (z + x c), for c
        left = np.polymul(np.polymul([-delta, rho], [x, z]), [y, z])
        a, b, c, d = np.polysub(left, [(v + w) * x * y, (v * x + w * y) * z])
        return 18 * a * b * c * d - 4 * b**3 * d + b**2 * c**2 - 4 * a * c**3 - 27 * a**2 * d**2

    for edge, width in zip(theory.edges, (0.05, 0.05), strict=True):
        root = scipy.optimize.brentq(discriminant, edge - width, edge + width, xtol=1e-14)
        assert edge == pytest.approx(root, abs=1e-9)


@pytest.mark.parametrize("kind", ["wigner", "wishart"])
def test_eigenvalues_of_a_finite_matrix_follow_the_density(kind):
    """Distribution functions differ by ln(p) / p; for independent numbers it were p^-1/2."""
    for p in (200, 800):
        rng = np.random.default_rng(p)
        F = rng.normal(size=(p, 2 * p)) / (2 * p) ** 0.5
        left_vectors, singular_values, _ = np.linalg.svd(F, full_matrices=False)
        law, root = eigenvalue_law(singular_values**2), left_vectors * singular_values
        if kind == "wigner":
            noise = rng.normal(size=(p, p))
            A = 0.8**0.5 * (noise + noise.T) / (2 * p) ** 0.5 - law.moment(1) * np.eye(p)
            theory = WignerLinearized(law, 0.8)
        else:
            X = 0.8**0.5 * rng.normal(size=(3 * p // 2, p))
            A = X.T @ X / (p * (0.8 + law.moment(1))) - 1.5 * np.eye(p)
            theory = WishartLinearized(law, 0.8, 1.5)
        eigenvalues = np.linalg.eigvalsh(root.T @ A @ root / 0.8)
        left, right = theory.edges
        t = np.linspace(0, np.pi, 401)
        middle = (t[1:] + t[:-1]) / 2
        x = (left + right) / 2 - (right - left) / 2 * np.cos(t)
        center = (left + right) / 2 - (right - left) / 2 * np.cos(middle)
        steps = theory.density(center).density * np.diff(x)
        cdf = np.interp(eigenvalues, x, np.append(0, np.cumsum(steps)))
        ranks = (np.arange(p) + 0.5) / p
        assert np.abs(cdf - ranks).max() < np.log(p) / p

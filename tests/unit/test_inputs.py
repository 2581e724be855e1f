"""Laws of inputs: densities against finite matrices, estimates against what they estimate."""

import numpy as np
import pytest
import scipy.integrate
from scipy.stats import norm

import solvable as sv
from solvable.bricks.inputs.bank import bank
from solvable.core.randomness import key_for, numpy_generator

RNG = np.random.default_rng


def average(f):
    """E f(z), z ~ N(0, 1), by adaptive quadrature."""
    return scipy.integrate.quad(lambda z: f(z) * norm.pdf(z), -12, 12, epsabs=1e-14, limit=200)[0]


def features(N, D, seed):
    """F with rows of norm D."""
    F = RNG(seed).standard_normal((N, D))
    return F * (D**0.5 / np.linalg.norm(F, axis=1))[:, None]


@pytest.mark.parametrize(
    "name, slope, rest",
    [
        ("sign", (2 / np.pi) ** 0.5, 1 - 2 / np.pi),
        ("erf", np.pi**-0.5, 1 / 3 - 1 / np.pi),
        ("linear", 1.0, 0.0),
        ("relu", 0.5, 0.25 - 1 / (2 * np.pi)),
        ("tanh", average(lambda z: z * np.tanh(z)), None),
    ],
)
def test_strengths_of_functions(name, slope, rest):
    found = sv.HiddenManifold(function=name, ratio=1.0).strengths()
    if rest is None:
        assert slope == pytest.approx(0.605706, abs=5e-7)
        rest = average(lambda z: np.tanh(z) ** 2) - slope**2
        assert rest**0.5 == pytest.approx(0.165576, abs=5e-7)
    np.testing.assert_allclose(found, (slope, rest), rtol=1e-11, atol=1e-14)


@pytest.mark.parametrize("ratio", [0.25, 2.0])
def test_the_density_is_that_of_a_finite_manifold(ratio):
    """Eigenvalues of mu_1^2 F F^T / D + mu_*^2 and (u . phi)^2 of a random teacher, N = 600."""
    law, N = sv.HiddenManifold(function="sign", ratio=ratio), 600
    slope, rest = law.strengths()
    F = features(N, int(ratio * N), 0)
    D = F.shape[1]
    s, u = np.linalg.eigh(slope**2 * F @ F.T / D + rest * np.eye(N))
    share, variance, signal = (np.asarray(x) for x in law.modes("latent"))
    order = np.argsort(variance)
    below = np.interp(s, variance[order], np.cumsum(share[order]), left=0.0)
    bulk = s > rest + 1e-6  # the zero modes of F F^T are one step
    np.testing.assert_allclose(below[bulk], (np.arange(N) + 0.5)[bulk] / N, atol=0.03)
    assert np.sum(~bulk) == max(N - D, 0)
    # phi of one unit of the teacher, averaged over its directions: all columns of F
    phi = u.T @ (slope * F * N**0.5 / D)
    found = np.sum(phi**2, axis=1)
    for power in (0, 1, 2):
        np.testing.assert_allclose(
            np.mean(found * s**power), share @ (signal * variance**power), rtol=0.02
        )


def test_one_manifold_by_its_eigenvalues_and_by_its_features():
    """The route of given eigenvalues, and that of a covariance and a signal, are the same."""
    ratio, N = 0.5, 60
    F = features(N, 30, 1)
    x, u = np.linalg.eigh(F @ F.T / 30)
    x = np.maximum(x, 0.0)
    law = sv.HiddenManifold(function="sign", ratio=ratio, features=x)
    slope, rest = law.strengths()
    signal = np.sum((u.T @ (slope * F * N**0.5 / 30)) ** 2, axis=1)
    other = sv.GaussianInputs(eigenvalues=slope**2 * x + rest, signal=signal)
    for one, two in zip(law.modes("latent"), other.modes("latent"), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("ratio", [0.5, 2.0])
def test_manifolds_of_given_eigenvalues_are_drawn(ratio):
    """Rows of length sqrt(D), singular values that were asked for up to this rescaling."""
    asked = np.array([0.0, 0.0, 1.0, 3.0])
    law = sv.HiddenManifold(function="relu", ratio=ratio, features=asked)
    source = law.source(key_for(0, "F"), 400, "latent")
    F = source.features.astype(float)
    D = F.shape[1]
    assert 400 * ratio == D
    np.testing.assert_allclose(np.linalg.norm(F, axis=1), D**0.5, rtol=1e-6)
    found = np.linalg.eigvalsh(F @ F.T / D)
    assert np.all(np.abs(found[:200]) < 1e-6)
    np.testing.assert_allclose(found[200:], np.repeat([1.0, 3.0], 100), rtol=0.25)
    np.testing.assert_allclose(found[200:300].mean(), 1.0, rtol=0.05)
    x, _ = source.draw(numpy_generator(key_for(1)), 4000)
    assert abs(float(x.mean())) < 5e-3  # ReLU less its mean


@pytest.mark.parametrize("latent", [True, False])
def test_inputs_and_teacher_of_a_manifold_are_correlated_as_said(latent):
    """E x nu of true inputs: exact on the latent vector; inputs correlate by equivalence."""
    on = "latent" if latent else "input"
    source = sv.HiddenManifold(function="sign", ratio=4.0).source(key_for(0, "F"), 40, on)
    rng = numpy_generator(key_for(1, "x"))
    teacher = rng.standard_normal((1, source.seen))
    x, seen = source.draw(rng, 60_000)
    nu = seen @ teacher[0] / source.seen**0.5
    products = source.size**0.5 * x * nu[:, None]
    error = products.std(axis=0) / len(x) ** 0.5
    z = (products.mean(axis=0) - source.signal(teacher)[0]) / error
    assert np.sum(z**2) < (75 if latent else 95)  # 40 numbers


@pytest.mark.parametrize("name", ["variances", "manifold", "samples"])
def test_gaussian_vectors_match_the_covariance(name):
    sources = {
        "variances": sv.GaussianInputs(eigenvalues=[0.5, 2.0]).source(key_for(0), 8, "input"),
        "manifold": sv.HiddenManifold(function="erf", ratio=0.5).source(key_for(0), 8, "latent"),
        "samples": bank(RNG(4).standard_normal((30, 8)), np.zeros(30), key_for(0)),
    }
    x = sources[name].matched(numpy_generator(key_for(2, name)), 40_000).astype(float)
    products = x[:, :, None] * x[:, None, :]
    wanted = sources[name].covariance(np.eye(8))
    z = (products.mean(axis=0) - wanted) / (products.std(axis=0) / len(x) ** 0.5)
    assert np.max(np.abs(z)) < 4  # 36 numbers


def test_data_tell_eigenvalues_and_the_signal_of_weights():
    """Exactly, for the data's own covariance: phi = Omega w."""
    x = RNG(2).standard_normal((500, 12)) * np.linspace(0.3, 2, 12)
    centered = x - x.mean(axis=0)
    omega = centered.T @ centered / len(x)
    s, u = np.linalg.eigh(omega)
    alike = u @ np.ones(12)  # as strong in every direction
    law = sv.GaussianInputs.of(x, weights=alike)
    plain = sv.GaussianInputs.of(x)
    np.testing.assert_allclose(plain.eigenvalues, s, rtol=1e-12)
    for one, two in zip(law.modes("input"), plain.modes("input"), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-10)
    nu = x @ alike / 12**0.5
    same = sv.GaussianInputs.of(x, fields=np.stack([nu, nu], axis=1))
    np.testing.assert_allclose(same.signal, law.signal, rtol=1e-10)
    # noise beside nu, uncorrelated with x, leaves a part that no student finds
    noise = RNG(3).standard_normal(500)
    noise -= noise.mean() + centered @ np.linalg.solve(omega, centered.T @ noise) / len(x)
    noisy = sv.GaussianInputs.of(x, fields=nu + noise)
    explained = np.mean(np.asarray(noisy.signal) / s)
    assert explained == pytest.approx(nu.var() / (nu.var() + noise.var()), rel=1e-10)


def test_a_signal_of_data_is_learned_as_its_closed_form_says():
    """A linear student: error (1 - explained) of T at a small rate, whatever the spectrum."""
    law = sv.GaussianInputs(eigenvalues=[0.5, 1.0, 1.5], signal=[0.1, 0.5, 0.9])
    explained = np.mean([0.2, 0.5, 0.6])
    model = sv.OnlineSGD(
        activation=sv.Linear(), q0=[[0.3]], r0=[[0.1]], learning_rate=1e-3, inputs=law
    )
    found = sv.dynamics(model, [2e4])
    assert float(found.generalization_error[0]) == pytest.approx((1 - explained) / 2, rel=2e-3)


@pytest.mark.parametrize(
    "call, match",
    [
        (lambda: sv.GaussianInputs([1.0], signal=[2.0]), "mean of signal / eigenvalue in"),
        (lambda: sv.GaussianInputs([1.0, 0.0], signal=[0.5, 0.1]), "be 0 where that is"),
        (lambda: sv.GaussianInputs([1.0], signal=[0.5, 0.1]), "the length of `eigenvalues`, 1"),
        (lambda: sv.GaussianInputs.of(np.zeros((1, 3))), "hold at least two rows"),
        (lambda: sv.GaussianInputs.of(np.eye(3), weights=[1.0]), "rows of length 3"),
        (lambda: sv.GaussianInputs.of(np.eye(3), fields=[1.0]), "have 3 rows"),
        (lambda: sv.GaussianInputs.of(np.eye(3), fields=[1, 1, 1]), "not be constant"),
        (
            lambda: sv.GaussianInputs([1.0], signal=[0.5]).source(key_for(0), 10, "input"),
            "be None for simulations",
        ),
    ],
)
def test_what_is_refused(call, match):
    with pytest.raises(ValueError, match=match):
        call()

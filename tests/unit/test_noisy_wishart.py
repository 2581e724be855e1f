"""The law of a Wishart matrix in Gaussian noise against closed forms, identities and matrices."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from solvable.core.noisy_wishart import (
    noisy_wishart,
    resolvent,
    shrunk,
    splitting_noise,
    unexplained,
)
from solvable.core.randomness import key_for, normal_matrix, symmetric_noise

KAPPAS = (0.01, 0.25, 0.5, 0.9, 0.999, 1.0, 1.001, 2.0, 30.0)


def noises(kappa):
    edge = float(splitting_noise(kappa)) or 0.1
    return [1e-14, 1e-8, 1e-3, 0.3, 0.99 * edge, 1.01 * edge, 4.0 * edge, 20.0 * edge, 3.0, 1e4]


@jax.jit
def numbers(kappa, t):
    law = noisy_wishart(kappa, t, 12)
    explained = law.average(kappa**2 / (kappa**2 - 2 * kappa * law.real + law.modulus))
    return {
        "mass": law.average(jnp.ones_like(law.y)),
        "mean": law.average(law.y),
        "square": law.average(law.y**2),
        "explained": explained,
        "error": law.error(),
        "by Fisher information": t * (1 - t * law.fisher_information()),
        "overlap": law.overlap(),
        "information": law.information(),
    }


@pytest.mark.parametrize("kappa", KAPPAS)
def test_moments_and_three_forms_of_the_error(kappa):
    for t in noises(kappa):
        found = {name: float(value) for name, value in numbers(kappa, t).items()}
        # beside kappa = 1 the density has a peak of width t^(2/3) and height t^(-1/3)
        assert found["mass"] == pytest.approx(1, abs=2e-9)
        assert found["mean"] == pytest.approx(1, rel=1e-11)
        assert found["explained"] == pytest.approx(1, rel=1e-11)
        assert found["square"] == pytest.approx(1 + 1 / kappa + t, rel=1e-11)
        error = found["error"]
        other = found["by Fisher information"]
        assert error == pytest.approx(other, rel=2e-12, abs=1e-13 * t * max(1, t))
        assert error + found["overlap"] == pytest.approx(1 / kappa, abs=5e-9 / kappa)


def test_few_hidden_units_cost_no_digits():
    """mm / (2 kappa t) is 1 less a relative correction of order kappa (1 + kappa t)."""
    for kappa, rtol in ((1e-3, 1e-12), (1e-6, 1e-10)):
        for t in (1e-3, 1.0, 1 / kappa):
            share = float(unexplained(kappa, t)) / (2 * kappa**2 * t)
            exact = 1 - kappa / 2 - kappa**2 * t / 2
            assert share == pytest.approx(exact, abs=rtol + 2 * kappa**2)


@pytest.mark.parametrize("kappa", [0.3, 1.0, 2.5])
def test_information_is_the_integral_of_the_error(kappa):
    """dI / d(1 / t) = mm / 4, by Gauss-Legendre in ln(1 / t) on either side of the split."""
    x, w = np.polynomial.legendre.leggauss(24)
    split = float(splitting_noise(kappa))
    middle = -np.log(split) if split else 0.0
    change = 0.0
    for low, high in ((middle - 2, middle), (middle, middle + 2)):
        at = (low + high) / 2 + (high - low) / 2 * x
        rates = [np.exp(u) * float(unexplained(kappa, np.exp(-u))) / kappa / 4 for u in at]
        change += (high - low) / 2 * np.dot(w, rates)
    ends = [float(numbers(kappa, np.exp(-u))["information"]) for u in (middle - 2, middle + 2)]
    assert ends[1] - ends[0] == pytest.approx(change, rel=1e-9)


def test_limits():
    for kappa in (0.2, 0.7):  # the zero eigenvalues tell the rank, the noise among them is kept
        slope = float(unexplained(kappa, 1e-10)) / kappa / 1e-10
        assert slope == pytest.approx(2 * kappa - kappa**2, rel=1e-9)
    assert float(unexplained(3.0, 1e-10)) / 3.0 / 1e-10 == pytest.approx(1, rel=1e-9)
    assert float(unexplained(0.5, 1e9)) == pytest.approx(1, abs=1e-8)
    # at kappa = 1 a peak of height t^(-1/3) and width t^(2/3) makes the correction
    first, second = (1 - float(unexplained(1.0, t)) / t for t in (1e-9, 1e-12))
    assert np.log(first / second) / np.log(1e3) == pytest.approx(2 / 3, abs=1e-3)


def test_the_resolvent_solves_its_equation():
    kappa, t = 0.4, 0.02
    law = noisy_wishart(kappa, t, 6)
    a, b, s = (np.asarray(x) for x in resolvent(kappa, t, law.y))
    inside = b > 1e-4
    g = (a - 1j * b)[inside]
    assert inside.sum() > 100 and np.allclose(s, a**2 + b**2)
    y = 1 / g + kappa / (kappa - g) + t * g
    np.testing.assert_allclose(y, np.asarray(law.y)[inside], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("kappa", "t"), [(0.5, 0.02), (0.5, 1.0), (1.0, 0.1), (2.0, 0.5)])
def test_shrinkage_is_best_on_a_matrix(kappa, t):
    """Nearly as good as the best eigenvalues given its eigenvectors, and as good as it says."""
    d = 300
    key = key_for(0, "noisy Wishart", kappa, t)
    W = normal_matrix(key, (d, round(kappa * d)))
    S = W @ W.T / W.shape[1]
    y, U = np.linalg.eigh(S + symmetric_noise(key_for(1, "noise"), d, np.sqrt(t / d)))
    f = np.asarray(shrunk(kappa, t, y))
    oracle = np.einsum("ji,jk,ki->i", U, S, U)
    assert np.all(np.diff(f) > -1e-9) and np.all(f >= 0)
    square = np.sum(S**2)
    error = (square - 2 * f @ oracle + f @ f) / d
    assert error == pytest.approx(float(unexplained(kappa, t)) / kappa, rel=0.05)
    assert 0 <= error - (square - oracle @ oracle) / d < 0.01 * error + 2e-3


def test_shrinkage_beside_the_support_goes_on_with_slope_one():
    kappa, t = 0.3, 0.1
    y = np.array([-3.0, -2.0, 40.0, 41.0])
    f = np.asarray(shrunk(kappa, t, y))
    assert np.all(f[:2] == 0) and f[3] - f[2] == pytest.approx(1)
    gap = np.linspace(-2.0, 15.0, 4001)  # the support has two parts
    assert np.max(np.abs(np.diff(np.asarray(shrunk(kappa, t, gap))))) < 0.05

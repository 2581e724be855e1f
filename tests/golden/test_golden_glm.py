"""Published and independently computed numbers of generalized linear models."""

import tomllib
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import solvable as sv
from solvable.bricks.priors.base import prior_moments
from solvable.core.specification import numeric
from solvable.core.status import Status

GOLDEN = tomllib.loads((Path(__file__).parent / "glm.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", GOLDEN["thresholds"], ids=lambda case: case["model"])
def test_thresholds(case):
    found = sv.thresholds(sv.parse(case["model"]), "alpha")
    for name, value in case["values"].items():
        assert found[name].status is Status.converged
        assert found[name].value == pytest.approx(value, abs=case["tolerance"]), name
        assert found[name].error_bound <= 1e-6
    for name in case["absent"]:
        assert found[name].value is None
        assert found[name].status is Status.no_branch


@pytest.mark.parametrize("case", GOLDEN["points"], ids=lambda case: case["model"])
def test_points(case):
    data = sv.curve(sv.parse(case["model"]), over={"alpha": case["alpha"]})
    for branch in ("amp", "bayes", "informed"):
        for name, values in case.get(branch, {}).items():
            here = data.sel(branch=branch)
            np.testing.assert_array_equal(here.status, Status.converged)
            np.testing.assert_allclose(here[name], values, rtol=0, atol=case["tolerance"])


def test_no_threshold_without_its_spinodals_agreeing():
    found = sv.thresholds(sv.parse("GLM(prior=Rademacher(), channel=Sign())"), "alpha")
    assert found["spinodal_uninformed"].value == pytest.approx(
        found["algorithmic"].value, abs=1e-6
    )


def test_closed_errors_of_prediction():
    """Square-loss and 0-1 errors as functions of the overlap alone."""
    cases = {
        "Sign()": lambda q: 2 / np.pi * np.arccos(q),
        "ReLU()": lambda q: 0.5 - (np.sqrt(1 - q**2) + q * (np.pi - np.arccos(q))) / (2 * np.pi),
        "Abs()": lambda q: 1 - 2 / np.pi * (np.sqrt(1 - q**2) + q * np.arcsin(q)),
        "Linear()": lambda q: 1 - q,
    }
    for channel, error in cases.items():
        data = sv.curve(
            sv.parse(f"GLM(prior=Gaussian(), channel={channel})"), over={"alpha": [0.7, 0.95]}
        ).sel(branch="amp")
        q = data.overlap.values
        np.testing.assert_allclose(data.generalization_error, error(q), rtol=1e-9)
        if channel == "Sign()":
            np.testing.assert_allclose(data.bayes_error, np.arccos(np.sqrt(q)) / np.pi, rtol=1e-9)
            np.testing.assert_allclose(data.gibbs_error, np.arccos(q) / np.pi, rtol=1e-9)


def test_gaussian_perceptron_at_large_alpha():
    """1 - q -> (pi / 2) / (alpha I)^2, error -> 0.44170 / alpha, I = int phi^2 / Phi."""
    alpha = np.array([1e3, 1e5])
    data = sv.curve(sv.parse("GLM(prior=Gaussian(), channel=Sign())"), over={"alpha": alpha})
    amp = data.sel(branch="amp")
    for values, limit in (
        (amp.mse * alpha**2, np.pi / 2 / 0.903197**2),
        (amp.bayes_error * alpha, 0.44170),
        (amp.gibbs_error * alpha, 0.62466),
    ):
        # the limits are given to six digits
        assert np.all(np.abs(values / limit - 1) <= [2e-3, 2e-5])


def test_weak_recovery_closed_form():
    """Door: 1 / [4 (2 k phi(k))^2] at the k that makes both labels equally likely."""
    k = 0.6744897501960817
    model = sv.GLM(prior=sv.Rademacher(), channel=sv.SymmetricDoor(k=k))
    phi = np.exp(-(k**2) / 2) / np.sqrt(2 * np.pi)
    found = sv.thresholds(model, "alpha")
    assert found["weak_recovery"].value == pytest.approx(1 / (4 * (2 * k * phi) ** 2), rel=1e-10)
    assert found["information_theoretic"].value == pytest.approx(1, rel=1e-10)


def test_sparse_prior_far_above_its_width():
    """A spike seen at q_hat = 4594: 201 Gauss-Hermite nodes are 16 % off."""
    prior = numeric(sv.GaussBernoulli(rho=0.25))
    found = eqx.filter_jit(lambda p, x: prior_moments(p, x).variance)(prior, jnp.asarray(4594.0))
    assert float(found) == pytest.approx(6.213589e-5, rel=1e-7)


def test_binary_perceptron_far_above_recovery_has_one_branch():
    data = sv.curve(sv.parse("GLM(prior=Rademacher(), channel=Sign())"), over={"alpha": [1e3]})
    for branch in ("bayes", "amp", "informed"):
        here = data.sel(branch=branch).isel(alpha=0)
        assert float(here.overlap) == 1
        assert float(here.free_entropy) == -float(jax.numpy.log(2.0))
    assert int(data.status.sel(branch="unstable")[0]) == Status.no_branch

"""Fixed points at the edges of their parameters: finite and right where a limit is known."""

import numpy as np
import pytest

import solvable as sv
from solvable.core.status import Status
from solvable.models import scalar

ALPHAS = [1e-6, 1e-3, 0.5, 2.0, 1e3, 1e6]


@pytest.mark.parametrize("delta", [1e-12, 1e-6, 1.0, 1e6])
def test_gaussian_prior_with_linear_output(delta):
    """mse V solves V = 1 / (1 + alpha / (delta + V)), a quadratic."""
    model = sv.GLM(prior=sv.Gaussian(), channel=sv.Linear(delta=delta))
    data = sv.curve(model, over={"alpha": ALPHAS}).sel(branch="amp")
    np.testing.assert_array_equal(data.status, Status.converged)
    alpha = np.array(ALPHAS)
    half = 0.5 * (delta + alpha - 1)
    root = np.sqrt(half**2 + delta)
    wanted = np.where(half > 0, delta / (half + root), root - half)
    np.testing.assert_allclose(data.mse, wanted, rtol=1e-9)


def test_noiseless_linear_output_on_both_sides_of_recovery():
    model = sv.GLM(prior=sv.Gaussian(), channel=sv.Linear(delta=0))
    data = sv.curve(model, over={"alpha": [1e-6, 0.5, 1.0, 1.5, 1e6]}).sel(branch="amp")
    np.testing.assert_allclose(data.mse[:2], [1 - 1e-6, 0.5], rtol=1e-12)
    np.testing.assert_array_equal(data.overlap[3:], 1.0)
    assert int(data.status[2]) == Status.marginal
    assert np.all(np.isposinf(data.free_entropy[3:]))


def test_overlap_within_1e_12_of_one():
    model = sv.GLM(prior=sv.Gaussian(), channel=sv.Sign())
    data = sv.curve(model, over={"alpha": [1e6]}).sel(branch="amp")
    assert float(data.mse[0]) == pytest.approx(np.pi / 2 / (0.903197e6) ** 2, rel=1e-5)
    assert int(data.status[0]) == Status.converged


@pytest.mark.parametrize("rho", [1e-6, 0.3, 1.0])
def test_sparsity_from_almost_none_to_all(rho):
    model = sv.GLM(prior=sv.GaussBernoulli(rho=rho), channel=sv.Linear(delta=1e-3 * rho))
    data = sv.curve(model, over={"alpha": [1e-6, 1.0, 1e6]})
    for branch in ("bayes", "amp", "informed"):
        here = data.sel(branch=branch)
        np.testing.assert_array_equal(here.status, Status.converged)
        assert np.all((here.mse > 0) & (here.mse <= rho * (1 + 1e-12)))
        assert np.all(np.isfinite(here.mutual_information))
    if rho == 1.0:
        full = sv.GLM(prior=sv.Gaussian(), channel=sv.Linear(delta=1e-3))
        wanted = sv.curve(full, over={"alpha": [1e-6, 1.0, 1e6]})
        np.testing.assert_allclose(
            data.mse.sel(branch="amp"), wanted.mse.sel(branch="amp"), rtol=1e-10
        )


@pytest.mark.parametrize("delta", [0.0, 1e-6, 1e6])
def test_binary_perceptron_under_any_noise(delta):
    model = sv.GLM(prior=sv.Rademacher(), channel=sv.Sign(delta=delta))
    data = sv.curve(model, over={"alpha": ALPHAS})
    for branch in ("bayes", "amp", "informed"):
        here = data.sel(branch=branch)
        np.testing.assert_array_equal(here.status, Status.converged)
        assert np.all(np.isfinite(here.free_entropy))
        assert np.all((here.overlap >= 0) & (here.overlap <= 1))
    weak = float(data.overlap.sel(branch="amp")[0])
    assert weak == pytest.approx(1e-6 * 2 / np.pi / (1 + delta), rel=1e-5)


@pytest.mark.parametrize(
    ("spec", "overlap"),
    [
        ("GLM(prior=Rademacher(), channel=Sign())", 0.8937),
        ("GLM(prior=Gaussian(), channel=Abs())", 0.847),
        ("GLM(prior=Rademacher(), channel=SymmetricDoor(k=0.67449))", 0.348),
    ],
)
def test_overlap_at_the_algorithmic_fold(spec, overlap):
    table = scalar.tabulate(sv.parse(spec), scalar.WIDEST)
    fold = max((f for f in table.folds if f.is_maximum), key=lambda f: f.h)
    found = float(table.model.order_at(np.array([fold.x])).overlap[0])
    assert found == pytest.approx(overlap, abs=5e-4)

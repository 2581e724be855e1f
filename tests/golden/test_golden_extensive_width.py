"""The learning curve of the quadratic network of extensive width, against published values."""

import tomllib
from pathlib import Path

import numpy as np
import pytest

import solvable as sv
from solvable.core.status import Status

GOLDEN = tomllib.loads(
    (Path(__file__).parent / "extensive_width.toml").read_text(encoding="utf-8")
)


def model_of(kappa, noise):
    return sv.QuadraticNetwork(kappa=kappa, delta=2 * noise**2 * (2 + noise**2) / kappa)


@pytest.mark.parametrize("row", GOLDEN["mse"], ids=lambda row: f"{row['kappa']}-{row['noise']}")
def test_errors(row):
    data = sv.curve(model_of(row["kappa"], row["noise"]), over={"alpha": row["alpha"]})
    for branch in ("bayes", "amp", "informed" if row["noise"] else "amp"):
        found = data.sel(branch=branch)
        np.testing.assert_allclose(found.mse, row["value"], rtol=0, atol=row["tolerance"])
        assert np.all(found.status == Status.converged) and np.all(found.error_bound < 1e-10)


@pytest.mark.parametrize("row", GOLDEN["fixed_point"], ids=lambda row: str(row["kappa"]))
def test_fixed_points(row):
    model, rtol = model_of(row["kappa"], 0.0), row["tolerance"]
    for alpha, q_hat, error in zip(row["alpha"], row["q_hat"], row["error"], strict=True):
        order = model.order_of(np.asarray(q_hat), 12)
        assert float(order.variance / model.kappa) == pytest.approx(error, rel=rtol)
        assert 4 * alpha / (2 * error) == pytest.approx(q_hat, rel=rtol)


def test_perfect_recovery():
    golden = GOLDEN["recovery"]
    for kappa, alpha in zip(golden["kappa"], golden["alpha"], strict=True):
        found = sv.thresholds(model_of(kappa, 0.0), "alpha")
        for name in ("information_theoretic", "algorithmic"):
            assert found[name].value == alpha and found[name].status is Status.converged
        data = sv.curve(model_of(kappa, 0.0), over={"alpha": [0.99 * alpha, 1.01 * alpha]})
        below, above = data.mse.sel(branch="amp").values
        assert 0 < below < 0.05 and above == 0
    noisy = sv.thresholds(sv.QuadraticNetwork(kappa=0.5, delta=0.1), "alpha")
    assert all(one.value is None for one in noisy.values())

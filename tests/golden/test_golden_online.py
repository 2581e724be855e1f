"""Learning curves of online SGD against published codes and independent integrations."""

import tomllib
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

import solvable as sv
from solvable.bricks.activations import averages_of
from solvable.bricks.inputs.base import Modes
from solvable.bricks.online import Learning, OnlineOrder
from solvable.core.ode import integrate
from solvable.core.status import Status

GOLDEN = tomllib.loads((Path(__file__).parent / "online.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", GOLDEN["euler"], ids=lambda x: f"{x['config']} {x['noise']}")
def test_published_curves(case):
    """To the error of Euler steps of .001, which those of .01 show."""
    names = ("q0", "r0", "noise")
    model = sv.OnlineSGD(
        activation=sv.Erf(), learning_rate=0.5, **{name: case[name] for name in names}
    )
    found = sv.dynamics(model, case["times"])
    assert int(found.status) == Status.converged
    error, coarse = (np.array(case[name]) for name in ("generalization_error", "coarse"))
    allowed = 0.6 * np.abs(coarse - error) + 1e-5 * error
    assert np.all(np.abs(found.generalization_error - error) < allowed)
    np.testing.assert_allclose(found.q[:, 0, 0], case["q11"], atol=5e-5)
    np.testing.assert_allclose(found.r[:, 0, 0], case["r11"], atol=5e-5)


@pytest.mark.parametrize("case", GOLDEN["curve"], ids=["first layer", "both layers"])
def test_curves(case):
    names = ("learning_rate", "learning_rate_second", "noise")
    model = sv.OnlineSGD(
        activation=sv.Erf(),
        q0=[[0.2, 0], [0, 0.25]],
        r0=[[0.001, 0], [0, 0.001]],
        **{name: case[name] for name in names},
    )
    found = sv.dynamics(model, case["times"])
    off = np.abs(found.generalization_error / case["generalization_error"] - 1)
    assert np.all(off < case["tolerance"])
    assert np.all(found.error_bound < 1e-5)


def quantiles(ratio, count=200):
    """Mid-quantiles of the law of F^T F / N for F of N x D Gaussian numbers, D = ratio N."""
    low, high = (1 - ratio**0.5) ** 2, (1 + ratio**0.5) ** 2
    x = 0.5 * (low + high) - 0.5 * (high - low) * np.cos(np.linspace(0, np.pi, 200_001))
    density = np.sqrt(np.maximum((x - low) * (high - x), 0)) / x
    below = np.concatenate([[0], np.cumsum(0.5 * (density[1:] + density[:-1]) * np.diff(x))])
    return np.interp((np.arange(count) + 0.5) / count, below / below[-1], x)


@pytest.mark.parametrize("case", GOLDEN["manifold"], ids=lambda x: f"D = {x['ratio']} N")
def test_published_curves_of_the_hidden_manifold(case):
    """sigma = rho (w . u)^2 and r = (w . u)(u . phi) D / N / mu_1 of a direction of F^T F."""
    ratio, rho = case["ratio"], quantiles(case["ratio"])
    slope, rest = sv.HiddenManifold(function="sign", ratio=ratio).strengths()
    assert slope == pytest.approx((2 / np.pi) ** 0.5, rel=1e-12)
    x = np.append(rho / ratio, 0.0)
    share = np.append(np.full(len(rho), ratio / len(rho)), 1 - ratio)
    modes = Modes(*map(jnp.asarray, (share, rest + slope**2 * x, slope**2 * x / ratio)))
    size, overlap = np.diag([0.5, 0.4]), np.diag([0.02, 0.01])
    dark = size * (1 - ratio * np.mean(1 / rho)) / (1 - ratio)
    q = np.concatenate([size / rho[:, None, None], dark[None]])
    r = np.concatenate([np.tile(slope / ratio * overlap, (len(rho), 1, 1)), np.zeros((1, 2, 2))])
    rates = (0.2, 0.0, 0.0, 0.0)
    averages = averages_of(sv.Erf(), sv.Erf())
    learning = Learning(averages, modes, jnp.eye(2), jnp.ones(2), *(jnp.asarray(x) for x in rates))
    start = OnlineOrder(jnp.asarray(q), jnp.asarray(r), jnp.ones(2))
    path = integrate(learning.drift, start, np.array(case["times"]))
    assert path.status == Status.converged
    for k, time in enumerate(case["times"]):
        order = OnlineOrder(*(jnp.asarray(x[k]) for x in path.values))
        error = float(learning.generalization_error(order))
        assert error == pytest.approx(case["generalization_error"][k], rel=8e-3), time
        totals = learning.totals(order)
        assert float(totals[0][0, 0]) == pytest.approx(case["q11"][k], abs=1e-3)
        assert float(totals[1][0, 1]) == pytest.approx(case["r12"][k], abs=1e-3)

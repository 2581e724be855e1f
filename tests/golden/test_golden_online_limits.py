"""Stationary errors of online learning against roots found elsewhere, and closed forms."""

import tomllib
from pathlib import Path

import numpy as np
import pytest

import solvable as sv
from solvable.core.status import Status
from solvable.models import online_limits as limits

CASES = tomllib.loads((Path(__file__).parent / "online_limits.toml").read_text(encoding="utf-8"))[
    "stationary"
]


def network(K, M, rates, noise, activation=None, **others):
    """From a start of which every unit is another one."""
    overlaps = 0.02 * np.random.default_rng(0).standard_normal((K, M))
    return sv.OnlineSGD(
        activation=activation or sv.Erf(),
        q0=np.diag(0.2 + 0.1 * np.arange(K) / K),
        r0=overlaps,
        learning_rate=rates[0],
        learning_rate_second=rates[1],
        noise=noise,
        **others,
    )


@pytest.mark.parametrize("case", CASES, ids=lambda x: f"{x['K']} {x['M']} {x['rates']}")
def test_stationary_errors(case):
    model = network(case["K"], case["M"], case["rates"], case["noise"])
    learning = model.learning()
    state = limits.stationary(learning, model.initial())
    assert state.found.status == Status.converged and state.found.is_stable
    assert state.error == pytest.approx(case["error"], rel=1e-3)
    assert state.bound < 1e-6 * state.error
    small = limits.small_rate_error(learning, state)
    assert state.error / small == pytest.approx(case["formula"], abs=1e-4)
    # as many idle units and shared teachers as arXiv 1906.08632 counts
    eta, K, M = case["rates"][0], case["K"], case["M"]
    idle = eta * case["noise"] ** 2 / (2 * np.pi) * (K - M + M / 3**0.5)
    shared = eta * case["noise"] ** 2 / (2 * 3**0.5 * np.pi) * M**2 / K
    assert small == pytest.approx(shared if case["rates"][1] else idle, rel=1e-9)

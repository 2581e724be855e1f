"""Curves of the two-time equations against published code and converged grids."""

import tomllib
from pathlib import Path

import numpy as np
import pytest

from solvable.core.status import Status
from solvable.core.two_time import Channels, solve

GOLDEN = tomllib.loads((Path(__file__).parent / "two_time.toml").read_text(encoding="utf-8"))


def covariance(case):
    p = case.get("p", 3)
    return Channels([2, p], [1 / (2 * case["delta2"]), 1 / (p * case["deltap"])])


def label(case):
    return f"p={case.get('p', 3)} delta2={case['delta2']} T={case['temperature']}"


@pytest.mark.parametrize("case", GOLDEN["curve"], ids=label)
def test_curves(case):
    run = solve(covariance(case), case["temperature"], case["start"], case["times"])
    assert run.status == Status.converged
    assert run.overlap == pytest.approx(case["overlap"], rel=1e-4)
    assert run.mu == pytest.approx(case["mu"], rel=1e-4)


@pytest.mark.parametrize("case", GOLDEN["limit"], ids=label)
def test_limits(case):
    run = solve(covariance(case), case["temperature"], 1e-2, [2.0, 5.0, 100.0])
    values = dict(overlap=run.overlap, mu=run.mu, energy=run.energy)
    for name in {"overlap", "mu", "energy"} & set(case):
        assert float(values[name][-1]) == pytest.approx(case[name], abs=5e-5), name


@pytest.mark.slow
def test_aging_to_a_million():
    """Without a signal the glass ages: energy and mu creep to those of threshold states."""
    times = [1e4, 1e5, 1e6]
    case = Channels([2, 3], [1 / 1.5, 1 / 3])
    run = solve(case, 1.0, 0.0, times, [(t, t / 2) for t in times])
    assert run.status == Status.converged
    assert float(run.energy[-1]) == pytest.approx(-0.970244, abs=2e-4)
    assert float(run.mu[-1]) == pytest.approx(3.270295, abs=2e-4)
    assert run.pair_error[0].max() < 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("delta2", [0.2, 0.4, 0.71])
def test_escapes_end_at_the_bayes_overlap(delta2):
    """From 1e-4; at delta2 = 0.71, near the threshold 1 / sqrt(2), only after t = 2000.

    The end solves m = Q' / (1 + Q'): m^2 + (1 / delta2 - 1) (m - 1) = 0.
    """
    case = Channels([2, 3], [1 / (2 * delta2), 1 / 3])
    run = solve(case, 1.0, 1e-4, [1e4, 1e6])
    b = 1 / delta2 - 1
    assert run.status == Status.converged
    assert run.overlap == pytest.approx((np.sqrt(b**2 + 4 * b) - b) / 2, abs=1e-6)

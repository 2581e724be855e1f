"""Bounds on the information in the layers of small networks, against exact values."""

import numpy as np
import pytest

import solvable as sv
from solvable.gallery.direct_information import bounds, log_det


def weights(size, scale=1.0):
    rng = np.random.default_rng(3)
    return [scale * rng.normal(size=(size, size)) / size**0.5 for _ in range(3)]


def test_determinants_are_those_of_the_replica_formula():
    """The first layer exactly, the others up to the finite width."""
    matrices = weights(200)
    found = sv.entropy(matrices, ["linear"] * 3, delta=0.1).mutual_information.values
    exact = log_det(matrices, 0.1)
    assert exact[0] == pytest.approx(found[0], abs=1e-9)
    np.testing.assert_allclose(exact, found, atol=0.01)


def test_bounds_hold_the_exact_values_of_a_linear_network():
    """With shared samples the two bounds have one sampling error, so the test is of both sides."""
    matrices = weights(3)
    runs = np.array(
        [
            bounds(matrices, lambda z: z, 0.1, np.random.default_rng(k), outer=200, inner=10_000)
            for k in range(12)
        ]
    )
    lower, upper = runs.mean(axis=0)
    error = runs.std(axis=0, ddof=1).max(axis=0) / len(runs) ** 0.5
    exact = log_det(matrices, 0.1)
    assert np.all(lower - 4 * error < exact) and np.all(exact < upper + 4 * error)
    assert np.all(upper - lower < 0.02) and np.all(upper > lower)


def test_too_few_samples_open_the_bracket_and_do_not_mislead():
    matrices = weights(6, scale=4.0)
    exact = log_det(matrices, 0.1)
    lower, upper = bounds(
        matrices, lambda z: z, 0.1, np.random.default_rng(0), outer=200, inner=300
    )
    assert np.all(lower < exact) and np.all(exact < upper)
    assert np.all(upper - lower > 0.2)

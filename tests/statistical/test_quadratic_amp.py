"""Message passing for the quadratic network against state evolution.

From a start that knows nothing of the examples state evolution holds step by step without damping;
corrections are of order 1 / d, and large, so that only the first steps are followed. Deviations at
two sizes, averaged over instances and extrapolated to infinite size, lie within their standard
errors at a family-wise level of 1e-3. Seeds are fixed.
"""

import numpy as np
import pytest
from tests.statistical.extrapolation import assert_vanishes

import solvable as sv
from solvable.core.randomness import fold, key_for
from solvable.core.status import Status

LEVEL = 1e-3
MODELS = {
    "noisy": sv.QuadraticNetwork(kappa=0.5, delta=0.25, alpha=0.4),
    "noiseless": sv.QuadraticNetwork(kappa=1.0, delta=0.0, alpha=0.25),
}


def drawn(model, size, seed):
    key = key_for(seed, "quadratic message passing", repr(model), size)
    return key, model.sample(fold(key, "instance"), size)


def first_steps(model, size, seed, iterations=2):
    """Errors of the first iterations, and those that they expect of themselves, minus theory."""
    key, instance = drawn(model, size, seed)
    path = model.state_evolution({"mse": 1.0, "overlap": 0.0, "generalization_error": 0.0}, 2)
    state = model.init(instance.data, key)
    found = []
    for k in range(iterations):
        state, _ = model.step(instance.data, state)
        theory = path["mse"][k + 1]
        measured = model.measure(state, instance)["mse"]
        found.append([measured - theory, state.expected_error()[0] - theory])
    return np.array(found)


@pytest.mark.parametrize("name", MODELS)
def test_first_steps_follow_state_evolution(name):
    sizes, counts = (60, 120), (48, 16)
    runs = [
        np.array([first_steps(MODELS[name], size, seed) for seed in range(count)])
        for size, count in zip(sizes, counts, strict=True)
    ]
    assert_vanishes(runs, sizes, LEVEL)


@pytest.mark.slow
@pytest.mark.parametrize("name", MODELS)
def test_fixed_points_are_those_of_theory(name):
    model = MODELS[name]
    theory = float(sv.curve(model).mse.sel(branch="amp"))

    def deviation(size, seed):
        key, instance = drawn(model, size, seed)
        outcome = model.solve(instance.data, key, damping="adaptive", tolerance=1e-4)
        assert Status(int(outcome.status)) is Status.converged
        return [model.measure(outcome, instance)["mse"] - theory]

    sizes, counts = (50, 100), (40, 16)
    runs = [
        np.array([deviation(size, seed) for seed in range(count)])
        for size, count in zip(sizes, counts, strict=True)
    ]
    assert_vanishes(runs, sizes, LEVEL)

"""Message passing on finite matrices and tensors against state evolution, step by step.

Starts are of a given overlap and independent of the data, so that state evolution holds from the
first iteration on. Deviations at two sizes, averaged over instances and extrapolated to infinite
size, lie within their standard errors at a family-wise level of 1e-3. Seeds are fixed.
"""

import numpy as np
import pytest
from tests.statistical.extrapolation import assert_vanishes

from solvable.algorithms.langevin import simulate
from solvable.algorithms.matrix_tensor import sampled_matrix_tensor, sampled_sphere, sphere_start
from solvable.algorithms.tensor_amp import (
    Problem,
    Start,
    informed_start,
    init,
    next_overlap,
    run,
    step,
)
from solvable.core.covariance import Covariance
from solvable.core.randomness import fold, key_for
from solvable.core.status import Status

LEVEL = 1e-3
ITERATIONS = 5


def instance(name, size, seed, **law):
    key = key_for(seed, "tensor message passing", name, size)
    signal = sampled_sphere(fold(key, "signal"), size)
    return key, signal, sampled_matrix_tensor(fold(key, "data"), size, signal=signal, **law)


def deviations(name, size, seed):
    """Overlaps of five iterations minus state evolution, and mean responses minus theirs."""
    estimator, overlap, law = CASES[name][:3]
    key, signal, data = instance(name, size, seed, **law)
    problem = Problem(data, estimator)
    state = init(problem, informed_start(fold(key, "start"), signal, overlap, estimator))
    found, m, Q = [], overlap, data.covariance
    for _ in range(ITERATIONS):
        state, _ = step(problem, state)
        signal_strength, noise = Q.slope(m), Q.slope(m if estimator == "bayes" else 1.0)
        m = next_overlap(Q, m, estimator)
        ml = 1 / (signal_strength**2 + noise) ** 0.5  # 1 / |B| in the limit
        response = 1 - m if estimator == "bayes" else ml
        found.append([state.mean[0] @ signal / size - m, state.variance[0, 0] - response])
    return np.array(found)


CASES = {
    "Bayes": ("bayes", 0.3, dict(delta2=0.7, order=3, deltap=1.0), (200, 400), (48, 16)),
    "maximum likelihood": (
        "maximum_likelihood",
        0.5,
        dict(delta2=0.5, order=3, deltap=1.0),
        (150, 300),
        (48, 16),
    ),
    "no matrix": ("bayes", 0.8, dict(order=3, deltap=0.15), (100, 200), (96, 32)),
    "no tensor": ("maximum_likelihood", 0.3, dict(delta2=0.5), (200, 400), (96, 32)),
    "four indices": ("bayes", 0.5, dict(delta2=0.7, order=4, deltap=0.5), (40, 80), (96, 32)),
}


@pytest.mark.parametrize("name", CASES)
def test_overlaps_follow_state_evolution(name):
    *_, sizes, counts = CASES[name]
    runs = [
        np.array([deviations(name, size, seed) for seed in range(count)])
        for size, count in zip(sizes, counts, strict=True)
    ]
    assert_vanishes(runs, sizes, LEVEL)


@pytest.mark.parametrize("estimator", ["bayes", "maximum_likelihood"])
def test_a_run_converges_to_the_fixed_point_from_every_start(estimator):
    key, signal, data = instance("run", 300, 0, delta2=0.3, order=3, deltap=1.0)
    starts = sphere_start(fold(key, "start"), signal, 0.2, 3)
    found = run(Problem(data, estimator, 3), Start(starts), tolerance=1e-5)
    assert np.all(found.status == Status.converged)
    m = 0.2
    for _ in range(200):
        m = next_overlap(data.covariance, m, estimator)
    overlaps = signal @ found.mean / 300
    np.testing.assert_allclose(overlaps, overlaps[0], rtol=0, atol=1e-4)
    assert abs(overlaps[0] - m) < 4 * (1 - m) / 300**0.5
    alone = run(Problem(data, estimator), Start(starts[:, 1]), tolerance=1e-5)
    np.testing.assert_allclose(alone.mean, found.mean[:, 1], rtol=0, atol=1e-3)
    assert int(alone.steps) == int(found.steps[1])


def test_a_fixed_point_is_the_same_under_damping():
    key, signal, data = instance("run", 200, 1, delta2=0.4, order=3, deltap=1.0)
    start = informed_start(fold(key, "start"), signal, 0.5)
    plain, damped = (
        run(Problem(data), start, damping=damping, tolerance=2e-6) for damping in (0.0, 0.4)
    )
    assert plain.status == damped.status == Status.converged
    assert damped.steps > plain.steps
    np.testing.assert_allclose(damped.mean, plain.mean, rtol=0, atol=1e-4)


def test_maximum_likelihood_ends_where_gradient_flow_does():
    """At a fixed point B and with it the force is along x: a critical point of H at any size."""
    key, signal, data = instance("run", 100, 2, delta2=0.3, order=3, deltap=1.0, dtype="float64")
    start = informed_start(fold(key, "start"), signal, 0.5, "maximum_likelihood")
    found = run(Problem(data, "maximum_likelihood"), start, tolerance=1e-10)
    assert found.status == Status.converged
    path = simulate(data, start.mean, [0.0, 60.0], signal=signal)
    assert path.status == Status.converged and path.overlap is not None
    assert signal @ found.mean / 100 == pytest.approx(path.overlap[-1], abs=1e-6)
    assert data.energy(found.mean) == pytest.approx(path.energy[-1], abs=1e-9)
    force = data.force(found.mean[:, None]).total[:, 0]
    np.testing.assert_allclose(force, found.mean * (force @ found.mean / 100), atol=1e-7)


def test_weak_recovery_of_state_evolution():
    """Where m = 0 loses its stability: 1 and (1 + sqrt(1 + 4 / Delta_p)) / 2."""
    for deltap in (0.5, 1.0, 4.0):
        thresholds = {"bayes": 1.0, "maximum_likelihood": (1 + (1 + 4 / deltap) ** 0.5) / 2}
        for estimator, inverse in thresholds.items():
            for factor in (0.99, 1.01):
                covariance = Covariance((2, 3), (factor * inverse / 2, 1 / (3 * deltap)))
                gain = next_overlap(covariance, 1e-9, estimator) / 1e-9
                assert (gain > 1) == (factor > 1)


def test_bad_arguments_are_refused():
    _, signal, data = instance("run", 20, 0, delta2=1.0)
    with pytest.raises(ValueError, match="Argument `estimator` must be one of"):
        Problem(data, "map")
    with pytest.raises(ValueError, match=r"Argument `start.mean` must have shape \(20\)"):
        run(Problem(data), Start(np.ones(19)))
    with pytest.raises(ValueError, match="Argument `overlap` must be in"):
        informed_start(key_for(0), signal, 1.5)

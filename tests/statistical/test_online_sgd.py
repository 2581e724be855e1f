"""Finite networks trained on single examples against the differential equations."""

import numpy as np
import pytest
from tests.statistical.extrapolation import assert_vanishes

import solvable as sv
from solvable import io
from solvable.algorithms import sgd
from solvable.cli import tables
from solvable.core.randomness import key_for

LEVEL = 1e-3
TIMES = np.array([0.5, 2.0, 6.0])
START = dict(q0=[[0.2, 0], [0, 0.25]], r0=[[0.02, 0], [0, 0.05]])
MODELS = {
    "both layers": sv.OnlineSGD(
        activation=sv.Erf(), **START, learning_rate=0.5, learning_rate_second=0.3, noise=0.2
    ),
    "rectifiers": sv.OnlineSGD(activation=sv.ReLU(), **START, learning_rate=0.3, noise=0.1),
    "batches with decay": sv.OnlineSGD(
        activation=sv.Erf(), **START, learning_rate=1.0, weight_decay=0.1, batch_size=4
    ),
    "anisotropic": sv.OnlineSGD(
        activation=sv.Erf(),
        **START,
        learning_rate=0.5,
        inputs=sv.GaussianInputs(eigenvalues=[0.2, 1.0, 1.8]),
    ),
    "manifold": sv.OnlineSGD(
        activation=sv.Erf(),
        **START,
        learning_rate=0.3,
        inputs=sv.HiddenManifold(function="sign", ratio=0.5),
    ),
    "rectified manifold": sv.OnlineSGD(
        activation=sv.Erf(),
        **START,
        learning_rate=0.5,
        inputs=sv.HiddenManifold(function="relu", ratio=0.5, features=[0.0, 0.0, 1.0, 3.0]),
    ),
}


def deviations(model, theory, size, count):
    """Measured minus predicted, (instances, numbers)."""
    runs = []
    for seed in range(count):
        found = model.simulate(key_for(seed, "online test", size), size, TIMES).columns
        pairs = [found[x] - theory[x].values for x in ("generalization_error", "r", "v")]
        runs.append(np.concatenate([x.reshape(len(TIMES), -1) for x in pairs], axis=1)[:, :-1])
    return np.array(runs).reshape(count, -1)


def check(name, sizes, counts):
    model = MODELS[name]
    theory = sv.dynamics(model, TIMES)
    runs = [deviations(model, theory, *pair) for pair in zip(sizes, counts, strict=True)]
    moves = np.all([x.std(axis=0) > 0 for x in runs], axis=0)  # a fixed second layer does not
    assert_vanishes([x[:, moves] for x in runs], sizes, LEVEL)


@pytest.mark.parametrize("name", MODELS)
def test_simulations_follow_the_equations(name):
    check(name, (150, 600), (48, 24))


@pytest.mark.slow
def test_deviations_shrink_with_the_root_of_the_size():
    """N = 500 and 4000: the spread of a network around the theory falls like N^(-1/2)."""
    model = MODELS["both layers"]
    theory = sv.dynamics(model, TIMES)
    small, large = (
        np.sqrt(np.mean(deviations(model, theory, size, 12) ** 2, axis=0)) for size in (500, 4000)
    )
    ratio = np.median(small / large)
    assert 0.7 * 8**0.5 < ratio < 1.4 * 8**0.5
    check("both layers", (500, 4000), (24, 12))


@pytest.mark.slow
def test_an_overparametrized_network_of_the_size_of_the_papers():
    """K = 3, M = 2, both layers: theory and N = 400 agree within the noise of their means."""
    model = sv.OnlineSGD(
        activation=sv.Erf(),
        q0=np.diag([0.2, 0.25, 0.3]),
        r0=[[0.02, 0], [0, 0.01], [0.01, 0.02]],
        learning_rate=0.5,
        learning_rate_second=0.5,
        noise=0.1,
    )
    found = sv.dynamics(model, [5.0, 20.0, 50.0], simulate=True, size=400, instances=24)
    off = np.abs(found.generalization_error_mean / found.generalization_error - 1)
    assert np.all(off < 0.05)


def test_a_seed_gives_the_same_network_again():
    model = MODELS["both layers"]
    one, other = (
        sv.dynamics(model, [1.0], simulate=True, size=60, instances=2, seed=seed)
        for seed in (3, 3)
    )
    np.testing.assert_array_equal(one.r_mean, other.r_mean)
    third = sv.dynamics(model, [1.0], simulate=True, size=60, instances=2, seed=4)
    assert np.all(third.r_mean != one.r_mean)


def test_weights_start_exactly_where_they_are_asked_to():
    found = MODELS["anisotropic"].simulate(key_for(0, "start"), 90, np.array([0.0])).columns
    np.testing.assert_allclose(found["q"][0], START["q0"], atol=1e-6)
    np.testing.assert_allclose(found["r"][0], START["r0"], atol=1e-6)


def test_a_latent_vector_as_long_as_the_inputs():
    """The teacher's fields have exactly the covariance asked for, whatever the lengths."""
    inputs = sv.HiddenManifold(function="sign", ratio=1.0)
    model = sv.OnlineSGD(activation=sv.Erf(), **START, learning_rate=0.3, inputs=inputs)
    source = inputs.source(key_for(2, "source"), 80, "latent")
    teacher = sgd.drawn_teacher(np.random.default_rng(0), source, np.eye(2))
    np.testing.assert_allclose(teacher @ teacher.T / 80, np.eye(2), atol=1e-12)
    check_near(model)


def check_near(model):
    found = sv.dynamics(model, TIMES, simulate=True, size=400, instances=8)
    off = found.generalization_error_mean - found.generalization_error
    assert np.all(np.abs(off) < 6 * found.generalization_error_standard_error + 2e-3)


def test_networks_that_never_reach_a_time_leave_no_number():
    model = sv.OnlineSGD(activation=sv.ReLU(), **START, learning_rate=4.0)
    found = sv.dynamics(model, [0.01, 0.02], simulate=True, size=50, instances=2)
    assert found.sizes["time"] == 2
    away = sv.dynamics(
        sv.OnlineSGD(activation=sv.Linear(), **START, learning_rate=9.0),
        [60.0],
        simulate=True,
        size=50,
        instances=2,
    )
    assert int(away.status) == sv.Status.left_domain
    assert away.sizes["time"] == 0
    with pytest.raises(ValueError, match="`size` must be at least 6"):
        sv.dynamics(model, [0.01], simulate=True, size=5, instances=2)


def test_networks_that_run_away_stop_with_what_they_reached():
    model = sv.OnlineSGD(activation=sv.ReLU(), **START, learning_rate=30.0)
    found = model.simulate(key_for(1, "away"), 100, np.array([0.1, 1.0, 100.0]))
    assert found.status == sv.Status.left_domain
    for values in found.columns.values():
        assert np.all(np.isfinite(values))


def test_networks_that_run_away_beside_a_theory_that_does_not():
    """Linear, K = 1: stable for eta < 2 in infinite dimension, for 2 N / (N + 2) at N."""
    model = sv.OnlineSGD(
        activation=sv.Linear(), q0=[[0.3]], r0=[[0.1]], learning_rate=1.8, noise=0.3
    )
    found = sv.dynamics(model, [1.0, 10.0, 2000.0], simulate=True, size=3, instances=4)
    assert int(found.status) == sv.Status.converged
    assert np.any(found.experiment_status == sv.Status.left_domain)
    assert "learning rate" in found.attrs["advice"]
    assert not np.any(np.isinf(found.generalization_error_mean))
    assert io.failed(found)
    assert "left_domain" in io.document(found)["experiment_status"]
    notes = [str(part) for part in tables.dynamics(found)[2:]]
    assert any("runs left_domain: The weights ran away" in note for note in notes)

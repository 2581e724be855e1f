"""The study of dynamics: what it returns, writes and refuses."""

import json

import numpy as np
import pytest

import solvable as sv
from solvable import io
from solvable.core.status import Status
from solvable.plotting import figure

MODEL = sv.SpikedMatrixTensor(delta2=0.2, deltap=1.0, p=3)


@pytest.fixture(scope="module")
def data():
    return sv.dynamics(
        MODEL,
        [0.0, 0.5, 1.0, 2.0],
        initial_overlap=0.3,
        waiting=[0.5, 1.0],
        simulate=True,
        size=60,
        instances=3,
        seed=1,
    )


def test_energy_and_multiplier_are_tied_by_the_powers(data):
    """mu = T - 2 e_matrix - p e_tensor."""
    tied = 1.0 - 2 * data.energy_matrix - 3 * data.energy_tensor
    np.testing.assert_allclose(data.mu, tied, atol=1e-4)
    np.testing.assert_allclose(data.energy, data.energy_matrix + data.energy_tensor, atol=1e-12)
    assert int(data.status) == Status.converged
    assert np.all(data.error_bound < 1e-3)


def test_the_start_is_known_exactly(data):
    """At t = 0: C = 1, mu = T + Q'(m) m, and the energy is that of the signal alone."""
    Q, m = MODEL.covariance(), 0.3
    first = data.isel(time=0)
    assert float(first.overlap) == m
    assert float(first.energy) == pytest.approx(-Q(m))
    assert float(first.mu) == pytest.approx(1 + m * Q.slope(m))


def test_two_time_functions_are_given_after_the_waiting_time(data):
    late = data.sel(waiting=1.0)
    assert np.isnan(late.correlation.sel(time=0.5))
    assert float(late.correlation.sel(time=1.0)) == pytest.approx(1.0)
    assert float(late.integrated_response.sel(time=1.0)) == pytest.approx(0.0, abs=1e-12)
    assert 0 < float(late.correlation.sel(time=2.0)) < 1


def test_a_simulation_stands_beside_the_theory(data):
    assert float(data.overlap_mean.sel(time=0.0)) == pytest.approx(0.3)
    assert np.all(data.overlap_standard_error[1:] > 0)
    assert abs(float(data.overlap_mean[-1]) - float(data.overlap[-1])) < 0.25


def test_results_become_documents_files_and_pictures(data, tmp_path):
    document = io.document(data)
    assert json.loads(io.dumps(document))["status"] == "converged"
    assert document["times"] == [0.0, 0.5, 1.0, 2.0]
    assert len(document["correlation"]) == 2
    assert set(document["simulation"]["overlap"]) == {"mean", "standard_error"}
    again = io.read(io.write(data, tmp_path / "dynamics.nc"))
    np.testing.assert_array_equal(again.overlap, data.overlap)
    assert len(figure(data).axes) == 6


def test_a_hot_tensor_cools_down():
    """Annealing starts with the tensor off, and ends as without it."""
    times = [0.2, 6.0]
    plain = sv.dynamics(MODEL, times, initial_overlap=0.1)
    hot = sv.dynamics(MODEL, times, initial_overlap=0.1, annealing=(100.0, 0.5))
    alone = sv.dynamics(
        sv.SpikedMatrixTensor(delta2=0.2, deltap=None, p=3), times, initial_overlap=0.1
    )
    assert float(hot.mu[0]) == pytest.approx(float(alone.mu[0]), rel=0.02)
    assert abs(float(hot.mu[0] - plain.mu[0])) > 0.1
    assert float(hot.overlap[1]) == pytest.approx(float(plain.overlap[1]), abs=5e-3)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"times": [1.0, 1.0]}, "Argument `times` must be strictly rising"),
        ({"times": [-1.0, 1.0]}, "Argument `times` must"),
        ({"times": [1.0], "temperature": -1.0}, "Argument `temperature` must be non-negative"),
        ({"times": [1.0], "initial_overlap": 1.5}, "Argument `.*overlap` must be in"),
        ({"times": [1.0], "waiting": [2.0]}, "Argument `waiting` must hold times from 0 to 1"),
        ({"times": [1.0], "annealing": [1.0]}, "Argument `annealing` must have shape"),
        ({"times": [1.0], "instances": 0}, "Argument `instances` must be an integer"),
    ],
)
def test_bad_arguments_are_one_sentence(arguments, words):
    with pytest.raises(ValueError, match=words):
        sv.dynamics(MODEL, **arguments)


def test_models_without_dynamics_are_refused():
    with pytest.raises(ValueError, match="Argument `model` must be one with dynamics"):
        sv.dynamics(sv.SpikedWigner(prior=sv.Rademacher(), delta=0.5), [1.0])
    with pytest.raises(ValueError, match="Argument `delta2` must be given"):
        sv.dynamics(sv.SpikedMatrixTensor(deltap=1.0, p=3), [1.0])

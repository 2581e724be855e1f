"""Relaxation times of dynamics against exact ones, planted states, and measured thresholds."""

import json

import numpy as np
import pytest
from tests.unit.test_divergence import exact_time

import solvable as sv
from solvable import io
from solvable.core.covariance import Covariance
from solvable.core.planted_state import planted_state
from solvable.core.status import Status
from solvable.core.two_time import Channels, solve
from solvable.models.sphere import ml_amp_overlap
from solvable.plotting import figure

MODEL = sv.SpikedMatrixTensor(deltap=1.0, p=3)


@pytest.mark.parametrize("delta", [0.2, 0.6, 0.9])
def test_planted_state_at_the_temperatures_that_are_known(delta):
    field = Covariance((2, 3), (1 / (2 * delta), 1 / 3))
    bayes = planted_state(field, 1.0)
    curve = sv.curve(MODEL, {"delta2": [delta]})
    assert bayes is not None
    assert abs(bayes.overlap - float(curve.overlap.sel(branch="bayes")[0])) < 1e-10
    assert abs(bayes.self_overlap - bayes.overlap) < 1e-10
    assert bayes.stability > 0
    likely = planted_state(Covariance((2, 3), (1 / (2 * delta), 1 / 3)), 0.0)
    if delta < 0.5:
        assert likely is not None
        assert abs(likely.overlap - ml_amp_overlap(field)) < 1e-10


def test_planted_state_is_where_dynamics_ends():
    for temperature in (0.0, 0.5):
        state = planted_state(Covariance((2, 4), (2.5, 0.25)), temperature)
        field = Channels(np.array([2, 4]), np.array([2.5, 0.25]))
        run = solve(field, temperature, 0.5, [3.0])
        assert state is not None
        assert abs(run.overlap[0] - state.overlap) < 1e-3


def test_no_planted_state():
    assert planted_state(Covariance((2, 3), (1 / 2.4, 1 / 3)), 1.0) is None


def test_gradient_flow_in_a_matrix_takes_the_time_that_its_spectrum_says():
    model = sv.SpikedMatrixTensor(deltap=None, p=3)
    data = sv.relaxation(
        model, {"delta2": [0.2, 0.3, 0.4]}, temperature=0, initial_overlaps=[0.05], longest=50
    )
    exact = np.array([exact_time(delta, 0.05) for delta in (0.2, 0.3, 0.4)])
    assert np.all(data.status == Status.converged)
    np.testing.assert_allclose(data.plateau, np.sqrt([0.8, 0.7, 0.6]), rtol=1e-9)
    error = np.abs(data.relaxation_time.values[0] - exact)
    assert np.all(error < data.error_bound.values[0] + 1e-6 * exact), (error, data.error_bound)
    assert np.all(data.error_bound.values[0] < 1e-2 * exact)
    assert data.fit_status[0] == Status.no_branch  # of three points


@pytest.fixture(scope="module")
def measured():
    noises = [0.1, 0.12, 0.14, 0.16, 0.9]
    return sv.relaxation(MODEL, {"delta2": noises}, initial_overlaps=[0.01], longest=2.0)


def test_langevin_end_to_end(measured):
    assert measured.status.values.tolist() == [[0, 0, 0, 0, Status.no_branch]]
    assert np.isnan(measured.relaxation_time.values[0, -1])
    assert abs(float(measured.conjectured_threshold) - 0.5**0.5) < 1e-12
    assert measured.attrs["rigour"] == "numerical"
    for k in (0, 3):  # the dynamics of its own grid of times says the same
        time = float(measured.relaxation_time[0, k])
        model = sv.SpikedMatrixTensor(deltap=1.0, p=3, delta2=float(measured.delta2[k]))
        path = sv.dynamics(model, [time], initial_overlap=0.01)
        assert abs(float(path.overlap[0]) / (0.5 * float(measured.plateau[k])) - 1) < 2e-3
    fit = measured.isel(initial_overlap=0)
    assert fit.fit_status == Status.converged
    assert fit.threshold > 0.16
    assert measured.extrapolated_status == Status.no_branch  # of one initial overlap


def test_document_and_picture(measured, tmp_path):
    document = json.loads(io.dumps(io.document(measured)))
    row = document["relaxations"][0]
    assert row["relaxation_time"][-1] is None
    assert row["status"][-1] == "no_branch"
    assert row["fit"]["status"] == "converged"
    assert document["extrapolated"]["threshold"] is None
    assert not io.failed(measured)
    io.write(measured, tmp_path / "relaxation.nc")
    assert io.read(tmp_path / "relaxation.nc").equals(measured)
    points, lines = figure(measured).axes[:2]
    assert points.get_yscale() == "log"
    labels = [line.get_label() for line in points.lines]
    assert "conjecture" in labels
    assert len(lines.lines) == 2


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"over": {"p": [3, 4]}}, "Argument `over` must name one noise variance, but"),
        ({"over": {}}, "Argument `over` must name one noise variance, but"),
        ({"over": {"delta2": [0.5, -1]}}, "Argument `delta2` must be positive and finite, but"),
        ({"over": {"delta2": [0.5, 0.5]}}, "Argument `delta2` must not repeat a value, but"),
        (
            {"initial_overlaps": [0.0]},
            r"Argument `initial_overlaps` must hold numbers in \(0, 1\)",
        ),
        ({"fraction": 1}, r"Argument `fraction` must be in \(0, 1\), but was 1"),
        ({"temperature": -1}, "Argument `temperature` must be non-negative and finite, but"),
        ({"longest": 0}, "Argument `longest` must be positive and finite, but was 0"),
        ({"model": sv.SpikedMatrixTensor(p=3)}, "Argument `deltap` must be given or swept"),
        ({"model": sv.Sign()}, "Argument `model` must be a model with Langevin dynamics, but"),
    ],
)
def test_bad_input(change, sentence):
    asked = {"model": MODEL, "over": {"delta2": [0.5]}, **change}
    with pytest.raises(ValueError, match=sentence):
        sv.relaxation(**asked)


@pytest.mark.slow
def test_gradient_flow_measures_its_threshold():
    """Conjectured at 0.5 (Sarao Mannelli et al. 2019b): 0.496 +- 0.012 from these times."""
    data = sv.relaxation(
        MODEL,
        {"delta2": [0.45, 0.46, 0.47, 0.48, 0.49, 0.5]},
        temperature=0,
        initial_overlaps=[1e-2, 1e-3, 1e-4],
    )
    assert np.all(data.status == Status.converged)
    error = float(data.extrapolated_error)
    assert error < 0.02
    assert abs(float(data.extrapolated_threshold) - 0.5) < error

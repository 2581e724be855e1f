"""Files are whole or untouched, JSON is strict, documents nest in the order of the sweep."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import xarray as xr

from solvable import io
from solvable.core.status import Status

BRANCHES = ["bayes", "amp"]


def curve(**over):
    shape = (*(len(grid) for grid in over.values()), 2)
    overlap = np.arange(np.prod(shape), dtype=float).reshape(shape)
    overlap[..., 1] = np.nan
    free = np.full(shape, np.inf)
    status = np.zeros(shape, dtype=np.int8)
    status[..., 1] = Status.no_branch
    dims = (*over, "branch")
    return xr.Dataset(
        {
            "overlap": (dims, overlap),
            "free_entropy": (dims, free),
            "status": (dims, status),
            "error_bound": (dims, np.zeros(shape)),
            "residual": (dims, np.zeros(shape)),
        },
        coords={**over, "branch": BRANCHES},
        attrs={
            "model": "GLM()",
            "kind": "curve",
            "provenance": io.provenance("curve", "GLM()", {"over": over}),
        },
    )


def test_document_of_one_point():
    assert io.document(curve()) == {
        "model": "GLM()",
        "over": {},
        "branches": {
            "bayes": {
                "status": ["converged"],
                "error_bound": [0.0],
                "overlap": [0.0],
                "free_entropy": ["inf"],
            },
            "amp": {
                "status": ["no_branch"],
                "error_bound": [0.0],
                "overlap": [None],
                "free_entropy": ["inf"],
            },
        },
    }


def test_lists_nest_in_the_order_of_the_sweep():
    dataset = curve(alpha=[1.0, 2.0, 3.0], delta=[0.1, 0.2])
    document = io.document(dataset)
    assert list(document["over"]) == ["alpha", "delta"]
    assert document["branches"]["bayes"]["overlap"] == [[0, 2], [4, 6], [8, 10]]
    assert np.shape(document["branches"]["amp"]["status"]) == (3, 2)
    json.loads(io.dumps(document), parse_constant=pytest.fail)


def test_document_of_an_experiment():
    dataset = curve(alpha=[1.0, 2.0])
    shape = (2, 1, 3)
    status = np.zeros(shape, dtype=np.int8)
    status[0, 0] = [Status.converged, Status.max_steps, Status.marginal]
    dims = ("alpha", "algorithm")
    dataset = dataset.assign_coords(algorithm=["amp"]).assign(
        overlap_instances=((*dims, "instance"), np.ones(shape)),
        overlap_mean=(dims, np.ones((2, 1))),
        overlap_standard_error=(dims, np.zeros((2, 1))),
        experiment_status=((*dims, "instance"), status),
        overlap_trajectory_mean=(("alpha", "iteration"), np.ones((2, 4))),
        overlap_trajectory_standard_error=(("alpha", "iteration"), np.zeros((2, 4))),
        overlap_state_evolution=(("alpha", "iteration"), np.ones((2, 4))),
    )
    dataset.attrs["kind"] = "experiment"
    document = io.document(dataset)
    assert document["experiment"] == {
        "amp": {
            "overlap": {"mean": [1, 1], "standard_error": [0, 0]},
            "status": ["max_steps", "converged"],
        }
    }
    assert np.shape(document["trajectory"]["overlap"]["state_evolution"]) == (2, 4)
    assert set(document["branches"]["bayes"]) == set(io.document(curve())["branches"]["bayes"])
    assert io.failed(dataset)
    assert not io.failed(curve())


def test_document_of_a_phase_diagram():
    dataset = xr.Dataset(
        {
            "phase": (("delta", "alpha"), np.array([[0, 1, 2], [0, 0, 1]], dtype=np.int8)),
            "boundary_algorithmic": ("delta", [1.5, np.nan], {"rigour": "theorem"}),
            "boundary_algorithmic_error": ("delta", [1e-9, np.nan]),
            "boundary_algorithmic_status": ("delta", np.array([0, 5], dtype=np.int8)),
            "point_x": ("point", [1.25, np.nan]),
            "point_x_error": ("point", [1e-9, np.nan]),
            "point_y": ("point", [0.5, np.nan]),
            "point_y_error": ("point", [1e-8, np.nan]),
            "point_status": ("point", np.array([0, 5], dtype=np.int8)),
        },
        coords={
            "alpha": [1.0, 2.0, 3.0],
            "delta": [0.0, 1.0],
            "point": ["critical_point", "tricritical_point"],
        },
        attrs={"kind": "phase", "model": "GLM()"},
    )
    document = io.document(dataset)
    assert (document["x"], document["y"]) == ("alpha", "delta")
    assert document["map"]["phase"][0] == ["easy", "hard", "impossible"]
    line = document["boundaries"]["algorithmic"]
    assert line["x"] == [1.5, None]
    assert line["rigour"] == "theorem"
    assert line["status"] == ["converged", "no_branch"]
    bounds = {"x": 1e-9, "y": 1e-8}
    there = {"x": 1.25, "y": 0.5, "error_bound": bounds, "status": "converged"}
    assert document["points"]["critical_point"] == there
    assert document["points"]["tricritical_point"]["x"] is None
    assert document["points"]["tricritical_point"]["status"] == "no_branch"


def test_files_come_back_as_they_were(tmp_path):
    dataset = curve(alpha=[1.0, 2.0])
    path = io.write(dataset, tmp_path / "new" / "curve.nc")
    again = io.read(path)
    xr.testing.assert_identical(again, dataset)
    assert os.listdir(path.parent) == ["curve.nc"]
    assert io.read_provenance(path)["arguments"] == {"over": {"alpha": [1.0, 2.0]}}
    assert io.read_provenance(path)["versions"]["numpy"] == np.__version__
    assert path.stat().st_mode & 0o444 == 0o444


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "result.json"
    io.write_json({"x": 1.0}, path)
    with pytest.raises(TypeError), io.replacing(path) as temporary:
        temporary.write_text("half")
        raise TypeError
    assert json.loads(path.read_text()) == {"x": 1.0}
    assert os.listdir(tmp_path) == ["result.json"]


WRITER = """
import signal, sys, numpy as np, xarray as xr
from solvable import io
signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it
for value in range(1_000_000):
    dataset = xr.Dataset({"x": ("n", np.full(200_000, float(value)))})
    io.write(dataset, sys.argv[1])
    if value == 0:
        print("started", flush=True)
"""


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_a_process_that_is_stopped_while_writing(tmp_path, end):
    path = tmp_path / "result.nc"
    command = [sys.executable, "-c", WRITER, str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        for _ in range(3):
            time.sleep(0.05)
            assert np.ptp(io.read(path)["x"].values) == 0
        for _ in range(40):  # an interrupt that lands in a destructor is lost
            if writer.poll() is not None:
                break
            writer.send_signal(end)
            time.sleep(0.5)
        assert writer.poll() is not None
    assert np.ptp(io.read(path)["x"].values) == 0
    if end == signal.SIGINT:
        assert os.listdir(tmp_path) == ["result.nc"]


@pytest.mark.parametrize("name", ["missing.nc", "text.nc", "plain.json", "bare.json"])
def test_files_that_are_no_results(tmp_path, name):
    (tmp_path / "text.nc").write_text("hello")
    (tmp_path / "plain.json").write_text("[1, 2")
    (tmp_path / "bare.json").write_text("{}")
    with pytest.raises(ValueError, match="Argument `result` must be ") as error:
        io.read_provenance(tmp_path / name)
    assert "\n" not in str(error.value)


def test_folders_are_checked_without_a_trace(tmp_path):
    io.check_writable(tmp_path / "a" / "b")
    assert os.listdir(tmp_path) == []
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "below", "/proc/nowhere"):
        with pytest.raises(
            ValueError, match="Argument `out` must be a folder that can be written"
        ):
            io.check_writable(folder)


def test_strict_values():
    value = {"a": np.float64("nan"), 1: (np.int8(3), -np.inf), "s": Status.marginal, "b": [True]}
    assert io.strict(value) == {"a": None, "1": [3, "-inf"], "s": "marginal", "b": [True]}

"""`solvable relaxation`, in this process."""

import numpy as np
import pytest

SPEC = "SpikedMatrixTensor(deltap=None, p=3)"
OPTIONS = ["--over", "delta2=0.05,0.06,0.07,0.08", "--temperature", "0"]


def test_relaxation(answer, solvable, folder):
    found = answer("relaxation", SPEC, *OPTIONS, "--initial-overlap", "0.1,0.05", "--out", "out")
    assert found["over"] == {"delta2": [0.05, 0.06, 0.07, 0.08]}
    assert [row["initial_overlap"] for row in found["relaxations"]] == [0.1, 0.05]
    times = np.array([row["relaxation_time"] for row in found["relaxations"]])
    assert np.all(np.diff(times) > 0)
    assert np.all(times[1] > times[0])
    assert all(row["fit"]["status"] == "converged" for row in found["relaxations"])
    assert found["conjectured_threshold"] == pytest.approx(1, rel=1e-9)
    assert found["extrapolated"]["status"] == "converged"
    names = {path.name for path in (folder / "out").iterdir()}
    assert names == {"relaxation.nc", "relaxation.svg", "relaxation.png"}

    code, out, err = solvable("rerun", "out/relaxation.nc", "--quiet")
    assert (code, err) == (0, "")
    assert "conjectured threshold: 1" in out
    assert "time from 0.05" in out
    assert "threshold in delta2" in out


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (["--over", "p=3,4"], "Argument `over` must name one noise variance"),
        (["--over", "delta2=-1,1"], "Argument `delta2`"),
        (["--initial-overlap", "0,0.1"], "Argument `initial_overlaps`"),
        (["--temperature", "cold"], "Argument `temperature` must be a number"),
        (["--fraction", "2"], "Argument `fraction`"),
        (["--longest", "-1"], "Argument `longest`"),
    ],
)
def test_bad_input(change, named, solvable):
    code, out, err = solvable("relaxation", SPEC, *OPTIONS, *change)
    assert (code, out) == (2, "")
    assert named in err
    assert err.count("\n") == 1

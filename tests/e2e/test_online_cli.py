"""`solvable dynamics` of a network that learns, in this process."""

import numpy as np
import pytest

SPEC = (
    "OnlineSGD(activation=Erf(), q0=[[0.2, 0], [0, 0.25]], r0=[[0.001, 0], [0, 0.001]], "
    "learning_rate=1.0, noise=0.0)"
)


def test_dynamics_of_a_network(answer):
    found = answer("dynamics", SPEC, "--times", "1,5,10,50")
    wanted = [0.1838454, 0.025581362, 0.021146105, 0.020725851]
    assert found["times"] == [1.0, 5.0, 10.0, 50.0]
    assert found["generalization_error"] == pytest.approx(wanted, rel=1e-6)
    assert np.shape(found["q"]) == np.shape(found["r"]) == (4, 2, 2)
    assert np.shape(found["v"]) == (4, 2)
    assert found["status"] == "converged"
    assert max(found["error_bound"]) < 1e-7


def test_simulations_stand_beside_it_and_are_made_again(answer, solvable, folder):
    options = ["--times", "0.5,2", "--simulate", "--size", "80", "--instances", "2"]
    found = answer("dynamics", SPEC, *options, "--out", "out")
    simulated = found["simulation"]
    assert set(simulated) == {"generalization_error", "q", "r", "v"}
    assert np.shape(simulated["q"]["standard_error"]) == (2, 2, 2)
    error = simulated["generalization_error"]
    off = np.abs(np.array(error["mean"]) / found["generalization_error"] - 1)
    assert np.all(off < 0.3)
    names = {path.name for path in (folder / "out").iterdir()}
    assert names == {"dynamics.nc", "dynamics.svg", "dynamics.png"}
    code, out, err = solvable("rerun", "out/dynamics.nc", "--quiet")
    assert (code, err) == (0, "")
    assert "generalization_error (simulated)" in out


def test_random_starts_stand_beside_it(answer, solvable):
    options = ["--times", "0.5,2", "--starts", "5", "--size", "80"]
    found = answer("dynamics", SPEC, *options)["starts"]
    assert np.shape(found["generalization_error"]) == (5, 2)
    assert np.shape(found["q"]) == (5, 2, 2, 2)
    assert found["status"] == ["converged"] * 5
    code, out, err = solvable("dynamics", SPEC, *options, "--quiet")
    assert (code, err) == (0, "")
    assert "5 random starts" in out


@pytest.mark.parametrize(
    ("spec", "options", "named"),
    [
        (SPEC, ["--times", "2,1"], "Argument `times` must be strictly rising"),
        (SPEC, ["--times", "1", "--temperature", "1"], "Argument `temperature` must be left out"),
        (SPEC.replace("noise=0.0", "noise=-1"), ["--times", "1"], "Argument `noise` must be"),
        (SPEC.replace("0.001, 0]", "0.9, 0]"), ["--times", "1"], "positive semidefinite"),
        (SPEC.replace("[[0.2, 0], [0, 0.25]]", "[[0.2]]"), ["--times", "1"], "Argument `q0` must"),
    ],
)
def test_bad_input_is_one_line(solvable, spec, options, named):
    code, out, err = solvable("dynamics", spec, *options)
    assert (code, out) == (2, "")
    assert named in err and err.count("\n") == 1


def test_a_network_that_runs_away_says_so(solvable):
    spec = "OnlineSGD(activation=Linear(), q0=[[0.2]], r0=[[0.01]], learning_rate=2.5)"
    code, out, _ = solvable("dynamics", spec, "--times", "1,1000", "--quiet")
    assert code == 1
    assert "left_domain" in out and "inf" not in out and "lower it" in out

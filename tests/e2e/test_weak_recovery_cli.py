"""`solvable weak-recovery`, in this process."""

import json

import numpy as np
import pytest


def test_a_link_and_its_document(answer, folder):
    found = answer("weak-recovery", "sign(z1*z2)", "--out", "out")
    assert found["alpha"] == pytest.approx(np.pi**2 / 4, abs=1e-7)
    assert [one["kind"] for one in found["directions"]] == ["easy", "easy"]
    assert (found["link"], found["k"], found["noise"]) == ("sign(z1*z2)", 2, 0.0)
    assert (found["information_exponent"], found["leap"], found["generative_exponent"]) == (
        2,
        2,
        2,
    )
    assert (found["online_sgd_exponent"], found["query_exponent"]) == (1.0, 1.0)
    assert found["status"] == "converged"
    written = json.loads((folder / "out" / "weak_recovery.json").read_text())
    assert written.pop("provenance")["verb"] == "weak_recovery"
    assert written == found


def test_hard_directions_are_infinite_and_channels_have_their_names(answer, solvable):
    found = answer("weak-recovery", "sign(z1*z2*z3)")
    assert found["alpha"] == "inf" and found["directions"][0]["kind"] == "hard"
    assert answer("weak-recovery", "Abs(delta=0.1)")["alpha"] == pytest.approx(0.6042877, abs=1e-6)
    code, out, _ = solvable("weak-recovery", "z1**2", "--k", "2", "--quiet")
    assert code == 0
    assert "irrelevant" in out and "generative exponent" in out and "0.50000" in out


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["z1*zz"], "Argument `link`"),
        (["Abss()"], "the nearest is `Abs`"),
        (["Gaussian()"], "Argument `link` must be a text"),
        (["z1", "--noise", "x"], "Argument `noise`"),
        (["z1", "--noise", "-1"], "Argument `noise`"),
        (["z1*z2", "--k", "1"], "Argument `k`"),
        (["z1", "--k", "0"], "Argument `k`"),
        (["1/z1"], "Argument `link` must be finite"),
    ],
    ids=str,
)
def test_bad_input_is_one_line(solvable, arguments, named):
    code, out, err = solvable("weak-recovery", *arguments)
    assert (code, out) == (2, "")
    assert named in err and err.count("\n") == 1

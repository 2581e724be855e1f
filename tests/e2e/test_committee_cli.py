"""`solvable` on committee machines, in this process."""

import pytest

SPEC = 'Committee(k=2, prior=Gaussian(), output=Sign(ties="zero"))'


def test_thresholds_of_a_committee(answer):
    found = answer("thresholds", SPEC, "alpha")["thresholds"]
    assert found["specialization"]["value"] == pytest.approx(2.053, abs=1e-3)
    assert found["algorithmic"] == {"value": None, "error_bound": None, "status": "no_branch"}


def test_a_curve_has_branches_of_its_own(answer):
    branches = answer("curve", SPEC, "--over", "alpha=1,3")["branches"]
    assert branches["specialized"]["status"] == ["no_branch", "converged"]
    assert branches["specialized"]["overlap_diagonal"][1] == pytest.approx(0.6529, abs=1e-4)
    assert branches["symmetric"]["overlap_off_diagonal"][0] == pytest.approx(0.23995, abs=1e-5)


def test_message_passing_beside_theory(answer):
    run = ["experiment", SPEC, "--over", "alpha=1,5", "--size", "300", "--instances", "2"]
    amp = answer(*run)["experiment"]["amp"]
    assert amp["status"] == ["converged", "converged"]
    assert amp["overlap_diagonal"]["mean"] == pytest.approx([0.24, 0.896], abs=0.06)


@pytest.mark.slow
def test_message_passing_of_smooth_units(answer):
    spec = "Committee(k=2, prior=Gaussian(), hidden=Erf(), output=Linear(delta=0.1))"
    run = ["experiment", spec, "--over", "alpha=1,2", "--size", "300", "--instances", "2"]
    found = answer(*run)
    amp = found["experiment"]["amp"]
    assert amp["status"] == ["converged", "converged"]
    theory = found["branches"]["amp"]
    for name in ("overlap_diagonal", "generalization_error"):
        assert amp[name]["mean"] == pytest.approx(theory[name], abs=0.06)


@pytest.mark.parametrize(
    ("spec", "named"),
    [
        (SPEC.replace("k=2", "k=0"), "Argument `k` must be an integer of at least 1"),
        (SPEC.replace('ties="zero"', ""), "Argument `output` must say what a tie of two signs is"),
    ],
)
def test_bad_input_is_one_line(solvable, spec, named):
    code, out, err = solvable("curve", spec, "--over", "alpha=1,2")
    assert (code, out) == (2, "")
    assert named in err and err.count("\n") == 1

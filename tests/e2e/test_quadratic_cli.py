"""The command line on the quadratic network of extensive width."""

import pytest

SPEC = "QuadraticNetwork(kappa=0.5, delta={})"


def test_curve_thresholds_and_experiment(answer):
    found = answer("curve", SPEC.format(0.1), "--over", "alpha=0.05:0.5:4")
    bayes = found["branches"]["bayes"]
    assert bayes["status"] == ["converged"] * 4 and bayes == found["branches"]["amp"]
    assert bayes["mse"] == sorted(bayes["mse"], reverse=True)
    places = answer("thresholds", SPEC.format(0), "alpha")["thresholds"]
    assert places["information_theoretic"]["value"] == places["algorithmic"]["value"] == 0.375
    places = answer("thresholds", SPEC.format(0.1), "alpha")["thresholds"]
    assert {place["status"] for place in places.values()} == {"no_branch"}
    options = ["--over", "alpha=0.2", "--size", "40", "--instances", "2"]
    runs = answer("experiment", SPEC.format(0.1), *options)
    assert set(runs["experiment"]) >= {"amp", "gradient_descent", "averaged_descent"}


def test_perfect_recovery_is_infinite_not_missing(answer):
    found = answer("curve", SPEC.format(0), "--over", "alpha=0.2,0.4")["branches"]["bayes"]
    assert found["free_entropy"][1] == "inf" and found["mse"][1] == 0
    assert found["mutual_information"] == ["inf", "inf"]  # labels of reals without noise


@pytest.mark.parametrize(
    ("spec", "named"),
    [
        ("QuadraticNetwork(kappa=0, delta=0.1)", "Argument `kappa` must be positive"),
        ("QuadraticNetwork(kappa=0.5, delta=-1)", "Argument `delta` must be non-negative"),
        ("QuadraticNetwork(kappa=0.5, delta=0, alpha=-1)", "Argument `alpha` must be positive"),
        ("QuadraticNetwork(kappa=nan, delta=0)", "`nan`"),
        ("QuadraticNetwork(kappa=0.5)", "Argument `delta`"),
    ],
)
def test_bad_input_is_one_line(solvable, spec, named):
    code, out, err = solvable("curve", spec, "--quiet")
    assert code == 2 and out == ""
    assert named in err and err.count("\n") == 1

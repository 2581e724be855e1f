"""The spiked matrix-tensor model against published values, closed forms and each other."""

import tomllib
from pathlib import Path

import numpy as np
import pytest

import solvable as sv
from solvable.core.status import Status

GOLDEN = tomllib.loads((Path(__file__).parent / "tensor.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", GOLDEN["thresholds"], ids=lambda case: case["model"])
def test_thresholds(case):
    found = sv.thresholds(sv.parse(case["model"]), case["parameter"])
    for name, value in case["values"].items():
        assert found[name].status is Status.converged
        assert found[name].value == pytest.approx(value, abs=case["tolerance"]), name
        assert found[name].error_bound <= 1e-9
    for name in case.get("absent", []):
        assert found[name].status is Status.no_branch, name


@pytest.mark.parametrize("p", [3, 4, 5])
def test_folds_lie_on_the_parametric_line(p):
    """deltap = (p - 2) m^(p-3) (1 - m)^2, 1 / delta2 = 1 / (1 - m) - m^(p-2) / deltap."""
    for m in (0.62, 0.8):
        deltap = (p - 2) * m ** (p - 3) * (1 - m) ** 2
        delta2 = 1 / (1 / (1 - m) - m ** (p - 2) / deltap)
        model = sv.SpikedMatrixTensor(deltap=deltap, p=p)
        if delta2 > 0:
            found = sv.thresholds(model, "delta2")["spinodal_informed"]
            assert found.value == pytest.approx(delta2, rel=1e-11)


@pytest.mark.parametrize(("p", "m"), [(3, 0.4), (4, 0.65)])
def test_first_order_line_is_where_both_branches_are_equally_good(p, m):
    """Phi(m) = 0 = Phi(0), with 1 / delta2 eliminated by stationarity."""
    lost = 0.5 * np.log1p(-m) + m / 2
    deltap = m**p * (1 / 4 - 1 / (2 * p)) / (lost + m**2 / (4 * (1 - m)))
    delta2 = 1 / (1 / (1 - m) - m ** (p - 2) / deltap)
    assert delta2 > 1
    found = sv.thresholds(sv.SpikedMatrixTensor(deltap=deltap, p=p), "delta2")
    assert found["information_theoretic"].value == pytest.approx(delta2, rel=1e-11)


def test_thresholds_in_the_tensor_noise_invert_those_in_the_matrix_noise():
    names = ("information_theoretic", "spinodal_informed")
    there = sv.thresholds(sv.SpikedMatrixTensor(deltap=0.5, p=3), "delta2")
    for name in names:
        model = sv.SpikedMatrixTensor(delta2=there[name].value, p=3)
        found = sv.thresholds(model, "deltap")[name]
        assert found.value == pytest.approx(0.5, abs=1e-9)


def test_a_tensor_that_suffices_alone_is_possible_at_any_matrix_noise():
    """Below the pure tensor's thresholds those in delta2 are infinite."""
    found = sv.thresholds(sv.SpikedMatrixTensor(deltap=0.24, p=3), "delta2")
    assert found["spinodal_informed"].value == np.inf
    assert found["information_theoretic"].value < np.inf
    found = sv.thresholds(sv.SpikedMatrixTensor(deltap=0.2, p=3), "delta2")
    assert found["information_theoretic"].value == np.inf
    assert found["algorithmic"].value == 1.0


def test_a_matrix_alone_is_the_gaussian_spiked_wigner_model():
    deltas = [0.2, 0.7, 0.95]
    sphere = sv.curve(sv.SpikedMatrixTensor(deltap=None, p=3), over={"delta2": deltas})
    wigner = sv.curve(sv.SpikedWigner(prior=sv.Gaussian()), over={"delta": deltas})
    for name in ("overlap", "mutual_information"):
        np.testing.assert_allclose(sphere[name][:, 0], wigner[name][:, 0], atol=1e-12)


def test_information_and_error_are_related_by_the_noises():
    """d i / d (1 / delta2) = (1 - m^2) / 4, d i / d (1 / deltap) = (1 - m^p) / (2 p)."""
    for name, at, power in (("delta2", 0.6, 2), ("deltap", 0.8, 4)):
        given = {"delta2": 0.6, "deltap": 0.8, "p": 4}
        given.pop(name)
        snr = 1 / at + 1e-4 * np.array([-1.0, 0.0, 1.0])
        data = sv.curve(sv.SpikedMatrixTensor(**given), over={name: 1 / snr}).sel(branch="bayes")
        low, _, high = data.mutual_information.values
        m = float(data.overlap[1])
        assert (high - low) / 2e-4 == pytest.approx((1 - m**power) / (2 * power), rel=1e-6)


def test_at_and_beyond_the_transition():
    data = sv.curve(sv.SpikedMatrixTensor(deltap=1.0, p=3), over={"delta2": [0.9, 1.0, 2.0]})
    amp = data.sel(branch="amp")
    assert [Status(int(code)) for code in amp.status] == [
        Status.converged,
        Status.marginal,
        Status.converged,
    ]
    np.testing.assert_array_equal(amp.overlap[1:], 0.0)
    assert np.all(np.isfinite(amp.mutual_information))


@pytest.mark.parametrize(("deltap", "delta2"), [(1.0, 0.61803399), (0.5, 0.5), (2.0, 0.73205081)])
def test_maximum_likelihood_message_passing_begins_where_it_must(deltap, delta2):
    """1 / delta2 = (1 + sqrt(1 + 4 / deltap)) / 2, whatever p (arXiv 1902.00139)."""
    for p in (3, 4):
        model = sv.SpikedMatrixTensor(deltap=deltap, p=p)
        data = sv.curve(model, over={"delta2": [0.998 * delta2, 1.002 * delta2]})
        below, above = data.overlap_ml_amp.sel(branch="bayes").values
        assert below > 1e-3 and above == 0.0


@pytest.mark.parametrize(("deltap", "p"), [(1.0, 3), (1.9, 3), (0.3, 4), (0.1, 5), (3.0, 3)])
def test_lines_of_the_dynamics_have_closed_forms(deltap, p):
    """(p - 1) d^2 (1 - d)^(p - 3) = deltap (T = 1); d = 2 / (1 + sqrt(1 + 4 (p - 1) / deltap))."""
    found = sv.thresholds(sv.SpikedMatrixTensor(deltap=deltap, p=p), "delta2")
    flow = 2 / (1 + np.sqrt(1 + 4 * (p - 1) / deltap))
    assert found["gradient_flow"].value == pytest.approx(flow, rel=1e-10)
    assert found["gradient_flow"].rigour == "conjecture"
    d = found["langevin"].value
    if p == 3 and deltap >= 2:
        assert d == found["algorithmic"].value
    else:
        assert (p - 1) * d**2 * (1 - d) ** (p - 3) == pytest.approx(deltap, rel=1e-10)
        if p > 3:
            assert found["langevin_lower"].value == d < found["langevin_upper"].value


def test_lines_in_the_tensor_noise_invert_those_in_the_matrix_noise():
    there = sv.thresholds(sv.SpikedMatrixTensor(deltap=0.8, p=3), "delta2")
    for name in ("langevin", "gradient_flow", "ml_amp", "trivialization", "trivialization_all_m"):
        model = sv.SpikedMatrixTensor(delta2=there[name].value, p=3)
        found = sv.thresholds(model, "deltap")[name]
        assert found.value == pytest.approx(0.8, abs=1e-8), name


def test_minima_are_counted_at_any_energies():
    """Marginal minima, t = 2, are most numerous, at e_c = -q_c k_c 2 sqrt(Q'') / (Q'' + Q')."""
    model = sv.SpikedMatrixTensor(delta2=1.0, deltap=1.0, p=3)
    best = np.array([-1.0, -1.0]) * 2 * np.sqrt(3.0) / 5 * (1 + 1e-12)
    top = float(model.complexity(0.0))
    assert float(model.complexity(0.0, best)) == pytest.approx(top, abs=1e-10)
    around = best + np.random.default_rng(0).uniform(-0.3, 0.3, (2000, 2))
    assert np.max(model.complexity(0.0, around)) < top


def test_bad_input_is_one_sentence():
    for arguments, words in (
        ({"delta2": 0.0, "deltap": 1.0, "p": 3}, "Argument `delta2` must be positive"),
        ({"delta2": 0.5, "deltap": 1.0, "p": 2}, "Argument `p` must be an integer of at least 3"),
        ({"delta2": 0.5, "deltap": 1.0, "p": 3.5}, "Argument `p` must be an integer"),
        ({"delta2": None, "deltap": None, "p": 3}, "Argument `deltap` must"),
    ):
        with pytest.raises(ValueError, match=words):
            sv.SpikedMatrixTensor(**arguments)

"""Spiked matrix models against published values, closed forms and each other."""

import tomllib
from pathlib import Path

import numpy as np
import pytest
from tests.golden.points import check_point

import solvable as sv
from solvable.core.status import Status

GOLDEN = tomllib.loads((Path(__file__).parent / "low_rank.toml").read_text(encoding="utf-8"))


@pytest.mark.parametrize("case", GOLDEN["points"], ids=lambda case: case["model"])
def test_points(case):
    check_point(case)


@pytest.mark.parametrize("case", GOLDEN["thresholds"], ids=lambda case: case["model"])
def test_thresholds(case):
    found = sv.thresholds(sv.parse(case["model"]), "delta")
    for name, value in case["values"].items():
        assert found[name].status is Status.converged
        assert found[name].value == pytest.approx(value, abs=case["tolerance"]), name
        assert found[name].error_bound <= 1e-9


@pytest.mark.parametrize(
    ("prior", "first_order", "coexistence"),
    [("SparseRademacher", 0.086, 0.087), ("GaussBernoulli", 0.239, 0.243)],
)
def test_up_to_which_sparsity_more_can_be_known_than_pca_finds(prior, first_order, coexistence):
    """Where Delta_IT, and the end of the informed branch, sink below Delta_c = rho^2."""

    def beyond(rho: float, name: str) -> bool:
        found = sv.thresholds(sv.parse(f"SpikedWigner(prior={prior}(rho={rho}))"), "delta")
        return found[name].value > rho**2

    for name, closes in (
        ("information_theoretic", first_order),
        ("spinodal_informed", coexistence),
    ):
        assert beyond(closes - 0.002, name)
        assert not beyond(closes + 0.002, name)


@pytest.mark.parametrize("delta", [0.2, 0.6, 0.95])
def test_a_gaussian_spike_is_found_by_its_leading_eigenvector(delta):
    """Wigner 1 - delta; Wishart q_v = (beta - delta^2) / (beta + delta) and its mirror image."""
    wigner = sv.curve(sv.SpikedWigner(prior=sv.Gaussian(), delta=delta)).sel(branch="bayes")
    assert float(wigner.overlap) == pytest.approx(1 - delta, abs=1e-12)
    beta = 1.7
    model = sv.SpikedWishart(prior_u=sv.Gaussian(), prior_v=sv.Gaussian(), beta=beta, delta=delta)
    wishart = sv.curve(model).sel(branch="bayes")
    assert float(wishart.overlap_v) == pytest.approx((beta - delta**2) / (beta + delta), abs=1e-12)
    right = (beta - delta**2) / (beta * (1 + delta))
    assert float(wishart.overlap_u) == pytest.approx(right, abs=1e-12)


def test_a_transposed_wishart_matrix_is_the_same_problem():
    """Y^T / sqrt(beta) has u and v exchanged, ratio 1 / beta and noise delta / beta."""
    u, v, beta, delta = sv.GaussBernoulli(rho=0.3), sv.Rademacher(), 1.6, 0.3
    one = sv.curve(sv.SpikedWishart(prior_u=u, prior_v=v, beta=beta, delta=delta))
    other = sv.SpikedWishart(prior_u=v, prior_v=u, beta=1 / beta, delta=delta / beta)
    two = sv.curve(other).sel(branch="bayes")
    one = one.sel(branch="bayes")
    assert float(one.overlap_u) == pytest.approx(float(two.overlap_v), abs=1e-11)
    assert float(one.overlap_v) == pytest.approx(float(two.overlap_u), abs=1e-11)
    information = float(two.mutual_information) * beta
    assert float(one.mutual_information) == pytest.approx(information, abs=1e-11)


def test_information_and_error_are_related_by_the_noise():
    """d i / d (1 / delta) = matrix_mse / 4 (Wigner), / 2 beta (Wishart): I-MMSE."""
    network = "Generative(prior=Gaussian(), layers=[Layer(ratio=2, channel=Sign())])"
    for spec, factor in (
        ("SpikedWigner(prior=SparseRademacher(rho=0.3))", 0.25),
        (f"SpikedWigner(prior={network})", 0.25),
        ("SpikedWishart(prior_u=Rademacher(), prior_v=Laplace(scale=0.8), beta=1.4)", 0.7),
    ):
        snr = 1 / 0.05 if "Sparse" in spec else 1 / 0.7
        step = 1e-4 * snr
        deltas = 1 / (snr + step * np.array([-1.0, 0.0, 1.0]))
        data = sv.curve(sv.parse(spec), over={"delta": deltas}).sel(branch="bayes")
        low, _, high = data.mutual_information.values
        slope = (high - low) / (2 * step)
        assert slope == pytest.approx(factor * float(data.matrix_mse[1]), rel=1e-6)


def test_at_and_beyond_the_transition():
    """Exactly at delta_c q = 0 is marginal; beyond it nothing is found, and all stays finite."""
    data = sv.curve(sv.SpikedWigner(prior=sv.Rademacher()), over={"delta": [0.999, 1.0, 1.5, 1e4]})
    amp = data.sel(branch="amp")
    assert [Status(int(code)) for code in amp.status] == [
        Status.converged,
        Status.marginal,
        Status.converged,
        Status.converged,
    ]
    assert float(amp.overlap[0]) > 0
    np.testing.assert_array_equal(amp.overlap[1:], 0.0)
    assert np.all(np.isfinite(amp.mutual_information))
    np.testing.assert_allclose(amp.mutual_information[1:], 1 / (4 * data.delta[1:]))


def test_a_rectified_network_always_shows_its_mean():
    """E phi = 1 / sqrt(2 pi): no weak recovery, and q >= 1 / (2 pi) under any noise."""
    prior = sv.Generative(prior=sv.Gaussian(), layers=[sv.Layer(ratio=1, channel=sv.ReLU())])
    found = sv.thresholds(sv.SpikedWigner(prior=prior), "delta")
    assert found["weak_recovery"].status is Status.no_branch
    data = sv.curve(sv.SpikedWigner(prior=prior, delta=100.0)).sel(branch="bayes")
    assert float(data.overlap) > 1 / (2 * np.pi)


def test_a_centered_rectifier_has_a_weak_recovery_threshold():
    """(1 / 2 - 1 / (2 pi))^2 + alpha / 16."""
    shift = float(-1 / np.sqrt(2 * np.pi))
    channel = sv.PiecewiseLinear(breakpoints=[0], slopes=[0, 1], offsets=[shift, shift])
    prior = sv.Generative(prior=sv.Gaussian(), layers=[sv.Layer(ratio=2, channel=channel)])
    weak = sv.thresholds(sv.SpikedWigner(prior=prior), "delta")["weak_recovery"]
    assert weak.value == pytest.approx((0.5 - 0.5 / np.pi) ** 2 + 2 / 16, abs=1e-9)

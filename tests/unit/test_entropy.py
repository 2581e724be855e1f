"""Entropies of given networks, against determinants, direct estimates and bad input."""

import itertools

import numpy as np
import pytest

import solvable as sv
from solvable.core.status import Status


def weights(*sizes, seed=0):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=(b, a)) / np.sqrt(a) for a, b in itertools.pairwise(sizes)]


def log_det(matrix):
    return np.linalg.slogdet(matrix)[1]


def test_linear_layers_follow_their_determinants():
    """The first layer exactly, the second up to the finite size of its independent matrices."""
    first, second = weights(400, 300, 200)
    delta = 0.1
    found = sv.entropy([first, second], ["linear", "linear"], delta=delta)
    one = first @ first.T + delta * np.eye(300)
    two = second @ one @ second.T + delta * np.eye(200)
    noise = delta * (second @ second.T + np.eye(200))
    information = np.array([log_det(one) - 300 * np.log(delta), log_det(two) - log_det(noise)]) / (
        2 * 400
    )
    units = np.array([300, 200]) * np.log(2 * np.pi * np.e)
    entropies = (np.array([log_det(one), log_det(two)]) + units) / (2 * 400)
    np.testing.assert_allclose(found.mutual_information[0], information[0], atol=1e-9)
    np.testing.assert_allclose(found.entropy[0], entropies[0], atol=1e-9)
    np.testing.assert_allclose(found.mutual_information, information, atol=2e-4)
    np.testing.assert_allclose(found.entropy, entropies, atol=2e-4)
    np.testing.assert_array_equal(found.status, Status.converged)


@pytest.mark.slow
def test_the_curve_of_a_chain_gives_the_same():
    """Layer by layer, from the two ends, what the scan of all branches finds."""
    matrices = weights(120, 150, 90)
    found = sv.entropy(matrices, ["relu", "hardtanh"], delta=0.02, pre_delta=0.01)
    laws = [
        sv.Empirical(singular_values=np.linalg.svd(w, compute_uv=False), normalize=False)
        for w in matrices
    ]
    hardtanh = sv.PiecewiseLinear(
        breakpoints=[-1, 1], slopes=[0, 1, 0], offsets=[-1, 0, 1], delta=0.02, pre_delta=0.01
    )
    layers = [
        sv.Layer(ratio=150 / 120, channel=sv.ReLU(delta=0.02, pre_delta=0.01), weights=laws[0]),
        sv.Layer(ratio=90 / 150, channel=hardtanh, weights=laws[1]),
    ]
    data = sv.curve(sv.MultiLayer(prior=sv.Gaussian(), layers=layers)).sel(branch="bayes")
    assert float(found.entropy[1]) == pytest.approx(-float(data.free_entropy), abs=1e-7)
    assert float(found.mutual_information[1]) == pytest.approx(
        float(data.mutual_information), abs=1e-7
    )


def test_one_wide_layer_of_signs_by_enumeration():
    """H(sign(W x)) of few units, counted: (2, 3)-dimensional inputs make equal cones of angles."""
    rng = np.random.default_rng(1)
    samples, size, units = 200_000, 40, 10
    estimates = []
    for _ in range(4):
        matrix = rng.normal(size=(units, size)) / np.sqrt(size)
        x = rng.normal(size=(samples, size))
        codes = (x @ matrix.T > 0) @ (1 << np.arange(units))
        share = np.bincount(codes, minlength=1 << units) / samples
        share = share[share > 0]
        estimates.append(-np.sum(share * np.log(share)) / size)
        found = sv.entropy([matrix], ["sign"], delta=0.0)
        assert float(found.mutual_information[0]) == pytest.approx(estimates[-1], rel=0.02)
        assert float(found.entropy[0]) == float(found.mutual_information[0])


def test_information_falls_through_layers_and_with_noise():
    matrices = weights(100, 100, 100, 100)
    quiet, loud = (
        sv.entropy(matrices, ["relu", "relu", "linear"], delta=delta).mutual_information.values
        for delta in (1e-3, 1e-1)
    )
    assert np.all(np.diff(quiet) < 0)
    assert np.all(loud < quiet)


def test_without_noise_the_answer_is_infinite_and_says_why():
    found = sv.entropy(weights(30, 30), ["relu"], delta=0.0)
    assert np.isinf(found.mutual_information[0])
    assert np.isnan(found.entropy[0])
    assert "noise" in found.attrs["note"]


@pytest.mark.parametrize(
    ("matrices", "activations", "delta", "message"),
    [
        ([], [], 1e-5, "`weights` must be a list of at least one matrix"),
        (weights(9, 8) + weights(7, 6), ["relu", "relu"], 1e-5, r"`weights\[1\]` must have 8 col"),
        ([np.full((3, 3), np.nan)], ["relu"], 1e-5, r"`weights\[0\]` must hold finite numbers"),
        (weights(9, 8), ["relu", "relu"], 1e-5, "`activations` must name one for each of 1"),
        (weights(9, 8), ["rlu"], 1e-5, r"`activations\[0\]` must be one of"),
        (weights(9, 8), ["relu"], -1.0, "`delta` must be non-negative"),
        (weights(9, 8), ["tanh"], 0.0, "`delta` must be positive for the function tanh"),
    ],
)
def test_bad_input_is_one_sentence(matrices, activations, delta, message):
    with pytest.raises(ValueError, match=message):
        sv.entropy(matrices, activations, delta=delta)


def test_information_between_two_layers():
    """Linear layers: log det of Gaussian vectors; and less is known of what lies further below."""
    n, delta = 400, 0.3
    matrices = weights(n, n, n)
    options = {"activations": ["linear", "linear"], "delta": delta}
    between = sv.entropy(matrices, **options, source=1)
    assert between.layer.values.tolist() == [2]
    first, second = matrices
    covariance = second @ (first @ first.T + delta * np.eye(n)) @ second.T
    exact = 0.5 * np.linalg.slogdet(np.eye(n) + covariance / delta)[1] / n
    found = float(between.mutual_information[0])
    assert found == pytest.approx(exact, abs=2 / n)
    whole = sv.entropy(matrices, **options)
    assert found > float(whole.mutual_information[1])
    assert float(between.entropy[0]) == pytest.approx(float(whole.entropy[1]), abs=1e-10)
    with pytest.raises(
        ValueError, match="Argument `source` must be below the number of layers, 2"
    ):
        sv.entropy(matrices, **options, source=2)

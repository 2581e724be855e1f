"""Matrices of two generated spikes against closed forms, a plain iteration and each other."""

import numpy as np
import pytest
from scipy.special import log_ndtr

import solvable as sv
from solvable.core.status import Status


def generated(channel, ratio):
    return sv.Generative(prior=sv.Gaussian(), layers=[sv.Layer(ratio=ratio, channel=channel)])


LINEAR, SIGN = generated(sv.Linear(), 1.5), generated(sv.Sign(), 2.0)


@pytest.fixture(scope="module")
def mixed():
    """u linear, v signs: at three noises, and beside one of them for a derivative."""
    snr = 1 / 0.8 + 1e-3 * np.array([-1.0, 1.0])
    model = sv.SpikedWishart(prior_u=LINEAR, prior_v=SIGN, beta=1.4)
    return sv.curve(model, over={"delta": [0.3, 0.8, 1.6, *(1 / snr)]}).sel(branch="bayes")


def covariance_law(ratio, count=400):
    """Nodes and weights of the law of W W^T / k, W of ratio k rows (Marchenko & Pastur)."""
    theta = np.pi * np.arange(1, count + 1) / (count + 1)
    x = 1 + ratio + 2 * np.sqrt(ratio) * np.cos(theta)
    return x, 2 * np.sin(theta) ** 2 / x / (count + 1)


def gaussian_spike(law, snr):
    """Overlap and information of a Gaussian vector of that covariance in white noise."""
    x, weight = law
    return weight @ (snr * x**2 / (1 + snr * x)), 0.5 * weight @ np.log1p(snr * x)


def test_two_linear_networks_are_gaussian_vectors_of_known_covariances():
    """q = int x^2 snr / (1 + x snr) and I = int ln(1 + x snr) / 2 over the eigenvalues."""
    ratio_u, ratio_v, beta, delta = 0.6, 2.0, 1.5, 0.9
    law_u, law_v = covariance_law(ratio_u), covariance_law(ratio_v)
    q_v = 1.0
    for _ in range(4000):
        q_u, information_u = gaussian_spike(law_u, q_v / delta)
        q_v, information_v = gaussian_spike(law_v, beta * q_u / delta)
    model = sv.SpikedWishart(
        prior_u=generated(sv.Linear(), ratio_u),
        prior_v=generated(sv.Linear(), ratio_v),
        beta=beta,
        delta=delta,
    )
    found = sv.curve(model).sel(branch="bayes")
    assert int(found.status) == Status.converged
    assert float(found.overlap_u) == pytest.approx(q_u, abs=1e-10)
    assert float(found.overlap_v) == pytest.approx(q_v, abs=1e-10)
    information = beta * (1 - q_u) * (1 - q_v) / (2 * delta) + beta * information_u + information_v
    assert float(found.mutual_information) == pytest.approx(information, abs=1e-10)
    assert float(found.matrix_mse) == pytest.approx(1 - q_u * q_v, abs=1e-10)
    weak = sv.thresholds(model, "delta")["weak_recovery"]
    assert weak.value == pytest.approx(np.sqrt(beta * (1 + ratio_u) * (1 + ratio_v)), abs=1e-10)


def linear_layer(q_z, snr):
    """Overlap of v and the snr that its z sees, for v = z."""
    V = 1 - q_z
    return q_z + V**2 * snr / (1 + V * snr), snr / (1 + V * snr)


def sign_layer(q_z, snr, count=120):
    """The same for v = sign(z), by Gauss-Hermite sums over omega and the noise of v."""
    x, weight = np.polynomial.hermite_e.hermegauss(count)
    weight = weight / weight.sum()
    V = 1 - q_z
    a = (np.sqrt(q_z / V) * x)[:, None]
    plus, minus = log_ndtr(a), log_ndtr(-a)
    density = np.exp(-0.5 * a**2) / np.sqrt(2 * np.pi * V)
    overlap = shown = 0.0
    for sign, chance in ((1.0, plus), (-1.0, minus)):
        field = sign * snr + np.sqrt(snr) * x[None, :]
        g = 2 * density * np.sinh(field) / (np.exp(plus + field) + np.exp(minus - field))
        mean = np.tanh(field + 0.5 * (plus - minus))
        joint = weight[:, None] * weight[None, :] * np.exp(chance)
        overlap, shown = overlap + np.sum(joint * mean**2), shown + np.sum(joint * g**2)
    return overlap, shown


def test_a_plain_iteration_finds_the_same_overlaps(mixed):
    """State evolution of z_u -> u - Y - v <- z_v, Gaussian latent vectors, in plain numpy."""
    beta, ratio_u, ratio_v = 1.4, 1.5, 2.0
    for k, delta in enumerate((0.3, 0.8, 1.6)):
        q_z = q_w = q_v = 0.5
        for _ in range(400):
            q_u, shown_u = linear_layer(q_w, q_v / delta)
            q_v, shown_v = sign_layer(q_z, beta * q_u / delta)
            q_w = ratio_u * shown_u / (1 + ratio_u * shown_u)
            q_z = ratio_v * shown_v / (1 + ratio_v * shown_v)
        at = mixed.isel(delta=k)
        for name, value in (("u", q_u), ("v", q_v), ("0", q_z), ("u_0", q_w)):
            assert float(at[f"overlap_{name}"]) == pytest.approx(value, abs=1e-7), (delta, name)


def test_information_and_error_are_related_by_the_noise(mixed):
    """d i / d (1 / delta) = beta matrix_mse / 2: I-MMSE."""
    low, high = mixed.mutual_information.values[3:]
    slope = (high - low) / 2e-3
    assert slope == pytest.approx(0.7 * float(mixed.matrix_mse[1]), rel=1e-6)


def test_the_transposed_matrix_is_the_same_problem(mixed):
    """Y^T / sqrt(beta) has u and v exchanged, ratio 1 / beta and noise delta / beta."""
    beta, delta = 1.4, mixed.delta.values[:3]
    model = sv.SpikedWishart(prior_u=SIGN, prior_v=LINEAR, beta=1 / beta)
    other = sv.curve(model, over={"delta": delta / beta}).sel(branch="bayes")
    pairs = {"_u": "_v", "_v": "_u", "_0": "_u_0", "_u_0": "_0"}
    for name in ("overlap", "mse"):
        for here, there in pairs.items():
            np.testing.assert_allclose(
                mixed[f"{name}{here}"][:3], other[f"{name}{there}"], rtol=0, atol=1e-9
            )
    for name in ("mutual_information", "free_entropy"):
        np.testing.assert_allclose(mixed[name][:3], beta * other[name], rtol=0, atol=1e-9)


def test_transposed_thresholds_are_divided_by_beta():
    """A sparse spike beside a generated one: an uninformed fold, a hard phase, all five."""
    beta, sparse = 1.4, sv.GaussBernoulli(rho=0.05)
    one = sv.thresholds(sv.SpikedWishart(prior_u=LINEAR, prior_v=sparse, beta=beta), "delta")
    model = sv.SpikedWishart(prior_u=sparse, prior_v=LINEAR, beta=1 / beta)
    two = sv.thresholds(model, "delta")
    assert one["weak_recovery"].value == pytest.approx(np.sqrt(beta * 2.5) * 0.05, abs=1e-10)
    for name, found in one.items():
        assert found.status is Status.converged
        assert found.value == pytest.approx(beta * two[name].value, abs=1e-9), name
    assert one["information_theoretic"].value > one["algorithmic"].value


def test_weak_recovery_of_two_networks_of_signs():
    """sqrt(beta R_u R_v), R = 1 + 4 ratio / pi^2."""
    other = generated(sv.Sign(), 0.5)
    model = sv.SpikedWishart(prior_u=other, prior_v=SIGN, beta=1.4, delta=1.0)
    reach = [1 + 4 * ratio / np.pi**2 for ratio in (0.5, 2.0)]
    weak = 1 / model.limits().weak_recovery
    assert weak == pytest.approx(np.sqrt(1.4 * np.prod(reach)), abs=1e-8)


def test_a_latent_vector_of_signs_is_known_and_the_other_spike_is_not():
    """i = H(z) / ratio + beta ln(1 + 1 / delta) / 2 where v = sign(W z) is known."""
    labels = sv.Generative(prior=sv.Rademacher(), layers=SIGN.layers)
    beta, delta = 1.5, 0.2
    model = sv.SpikedWishart(prior_u=sv.Gaussian(), prior_v=labels, beta=beta, delta=delta)
    found = sv.curve(model).sel(branch="informed")
    assert float(found.overlap_v) == float(found.overlap_0) == 1.0
    assert float(found.overlap_u) == pytest.approx(1 / (1 + delta), abs=1e-10)
    assert float(found.matrix_mse) == pytest.approx(delta / (1 + delta), abs=1e-10)
    information = 0.5 * np.log(2) + 0.5 * beta * np.log(1 + 1 / delta)
    assert float(found.mutual_information) == pytest.approx(information, abs=1e-10)


@pytest.mark.parametrize(
    ("prior", "kind"),
    [
        (generated(sv.Abs(), 2.0), "are even"),
        (sv.Generative(prior=sv.Rademacher(), layers=SIGN.layers), "are noiseless with labels"),
    ],
    ids=["even", "labels"],
)
def test_networks_of_u_with_ends_of_their_own_are_refused(prior, kind):
    model = sv.SpikedWishart(prior_u=prior, prior_v=sv.Gaussian(), beta=1.0, delta=0.5)
    with pytest.raises(ValueError, match=f"Argument `prior_u` must be a network.*{kind}"):
        sv.curve(model)

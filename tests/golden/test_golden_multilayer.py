"""Chains of layers against closed forms, sampled matrices and independently computed numbers."""

import tomllib
from pathlib import Path

import numpy as np
import pytest
import scipy.integrate
import scipy.optimize
from tests.golden.points import check_point

import solvable as sv
from solvable.core.status import Status

GOLDEN = tomllib.loads((Path(__file__).parent / "multilayer.toml").read_text(encoding="utf-8"))


def linear_chain(ratios, delta, hidden_noise=0.0):
    channels = [sv.Linear(delta=hidden_noise)] * (len(ratios) - 1) + [sv.Linear(delta=delta)]
    layers = [sv.Layer(ratio=r, channel=c) for r, c in zip(ratios, channels, strict=True)]
    return sv.MultiLayer(prior=sv.Gaussian(), layers=layers)


@pytest.mark.parametrize("case", GOLDEN["points"], ids=lambda case: case["model"])
def test_points(case):
    check_point(case)


def product_of_wisharts(ratios, u):
    """s = E u / (u + eigenvalue of W^T W), W = W_L ... W_1, from its S-transform.

    S(psi) = prod_l 1 / (a_l + psi / w_{l-1}), w the relative widths, psi = s - 1.
    """
    widths = np.cumprod([1.0, *ratios[:-1]])
    lowest = max(0.0, 1 - float(np.min(widths * ratios)))

    def excess(s):
        return u * (1 - s) / s - np.prod(ratios - (1 - s) / widths)

    return scipy.optimize.brentq(excess, lowest + 1e-15, 1.0, xtol=1e-15)


@pytest.mark.parametrize(
    ("ratios", "delta"),
    [
        ([0.7], 0.05),
        ([3.0], 2.0),
        ([1.3, 0.6], 1e-3),
        ([0.05, 20.0], 0.1),
        ([20.0, 0.05], 0.1),
        ([0.8, 1.5, 1.1], 0.02),
        ([1.0, 1.0, 1.0, 1.0, 1.0], 0.1),
        ([2.0, 0.5, 3.0, 0.4, 1.2], 1e-4),
    ],
)
def test_linear_chains_follow_the_product_of_wisharts(ratios, delta):
    data = sv.curve(linear_chain(ratios, delta)).sel(branch="bayes")
    ratios = np.array(ratios)
    assert int(data.status) == Status.converged
    assert float(data.mse) == pytest.approx(product_of_wisharts(ratios, delta), abs=1e-9)

    def slope(log_snr):
        return 0.5 * (1 - product_of_wisharts(ratios, np.exp(-log_snr)))

    tail = 0.5 * np.prod(ratios) * 1e-9  # I = snr E lambda / 2 where the snr is tiny
    wanted = scipy.integrate.quad(
        slope, np.log(1e-9), -np.log(delta), epsabs=1e-10, limit=200, points=[-5, 0, 3]
    )[0]
    assert float(data.mutual_information) == pytest.approx(wanted + tail, abs=1e-7)


def sampled(ratios, delta, hidden_noise, size, seed):
    """I(x; y) / n and mmse of one linear chain of Gaussian matrices, from determinants."""
    rng = np.random.default_rng(seed)
    product, noise = np.eye(size), 0.0
    for k, ratio in enumerate(ratios):
        n = len(product)
        weights = rng.normal(size=(round(ratio * n), n)) / np.sqrt(n)
        product, noise = weights @ product, weights @ np.atleast_2d(noise * np.eye(n)) @ weights.T
        noise = noise + (hidden_noise if k < len(ratios) - 1 else delta) * np.eye(len(product))
        if k < len(ratios) - 1:
            assert hidden_noise == 0 or len(ratios) == 2
    total = product @ product.T + noise
    information = 0.5 * (np.linalg.slogdet(total)[1] - np.linalg.slogdet(noise)[1]) / size
    return information, 1 - np.trace(product.T @ np.linalg.solve(total, product)) / size


@pytest.mark.parametrize(
    ("ratios", "delta", "hidden_noise"), [([1.5, 0.8], 0.1, 0.0), ([1.0, 1.0], 0.1, 0.2)]
)
def test_sampled_determinants_approach_the_prediction_as_one_over_n(ratios, delta, hidden_noise):
    data = sv.curve(linear_chain(ratios, delta, hidden_noise)).sel(branch="bayes")
    wanted = np.array([float(data.mutual_information), float(data.mse)])
    errors = []
    for size, instances in ((100, 24), (400, 6)):
        runs = [sampled(ratios, delta, hidden_noise, size, seed) for seed in range(instances)]
        errors.append(np.abs(np.mean(runs, axis=0) - wanted))
    assert np.all(errors[0] < 1.0 / 100)
    assert np.all(errors[1] < 1.0 / 400)
    assert np.all(errors[1] < 0.6 * errors[0] + 2e-4)


@pytest.mark.parametrize("weights", [sv.MarchenkoPastur(), "gaussian"])
def test_gaussian_weights_are_rotationally_invariant(weights):
    """The general route through F_W gives what the one for iid entries does."""
    layers = [
        sv.Layer(ratio=2, channel=sv.ReLU(), weights=weights),
        sv.Layer(ratio=0.75, channel=sv.Linear(delta=0.01), weights=weights),
    ]
    data = sv.curve(sv.MultiLayer(prior=sv.Gaussian(), layers=layers)).sel(branch="bayes")
    assert float(data.mse) == pytest.approx(0.143473614364, abs=1e-9)
    assert float(data.mutual_information) == pytest.approx(1.6010947328, abs=1e-8)


def test_row_orthogonal_weights():
    ratio, delta = 0.5, 0.3
    layer = sv.Layer(ratio=ratio, channel=sv.Linear(delta=delta), weights="orthogonal")
    data = sv.curve(sv.MultiLayer(prior=sv.Gaussian(), layers=[layer])).sel(branch="bayes")
    mse = 1 - ratio + ratio * delta / (1 + delta)
    assert float(data.mse) == pytest.approx(mse, abs=1e-12)
    information = 0.5 * ratio * np.log(1 + 1 / delta)
    assert float(data.mutual_information) == pytest.approx(information, abs=1e-12)


def test_transitions_of_chains():
    """Weak recovery and perfect recovery through layers: gains multiply, dimensions divide."""
    layers = [sv.Layer(ratio=2, channel=sv.Linear()), sv.Layer(channel=sv.Abs())]
    found = sv.thresholds(sv.MultiLayer(prior=sv.Gaussian(), layers=layers), "layers[1].ratio")
    # R_1 = 1 + 2 = 3 in place of rho^2 = 1 in 1 / (2 R)
    assert found["weak_recovery"].value == pytest.approx(1 / 6, abs=1e-12)
    assert found["information_theoretic"].value == 0.5
    assert found["spinodal_uninformed"].value > 0.5


def test_a_fold_in_the_ratio_of_a_layer_inside_is_one_in_the_last_ratio():
    def chain(inside: float) -> sv.MultiLayer:
        layers = [sv.Layer(ratio=inside, channel=sv.Linear())]
        layers += [sv.Layer(ratio=0.3, channel=sv.Linear(delta=1e-6))]
        return sv.MultiLayer(prior=sv.GaussBernoulli(rho=0.1), layers=layers)

    fold = sv.thresholds(chain(1.0), "layers[0].ratio")["spinodal_uninformed"]
    assert fold.status is Status.converged
    assert fold.error_bound < 1e-6
    there = sv.thresholds(chain(fold.value), "layers[1].ratio")["spinodal_uninformed"]
    assert there.value == pytest.approx(0.3, abs=1e-8)


@pytest.mark.slow
def test_transitions_in_the_ratio_of_a_layer_inside():
    """Those of the last ratio, inverted: 1 / (2 (1 + r)) = 1 / 6, 1 / r = 1 / 6, and the fold."""

    def chain(inside: float, last: float) -> sv.MultiLayer:
        layers = [
            sv.Layer(ratio=inside, channel=sv.Linear()),
            sv.Layer(ratio=last, channel=sv.Abs()),
        ]
        return sv.MultiLayer(prior=sv.Gaussian(), layers=layers)

    found = sv.thresholds(chain(1.0, 1 / 6), "layers[0].ratio")
    assert found["weak_recovery"].value == pytest.approx(2.0, abs=1e-9)
    assert found["information_theoretic"].value == pytest.approx(6.0, abs=1e-9)
    fold = found["spinodal_uninformed"]
    assert fold.status is Status.converged
    assert fold.error_bound < 1e-6
    there = sv.thresholds(chain(fold.value, 1 / 6), "layers[1].ratio")["spinodal_uninformed"]
    assert there.value == pytest.approx(1 / 6, abs=1e-8)


def test_an_even_hidden_layer_hides_its_input_below_weak_recovery():
    layers = [sv.Layer(ratio=2, channel=sv.Abs()), sv.Layer(channel=sv.Linear(delta=0.01))]
    model = sv.MultiLayer(prior=sv.Gaussian(), layers=layers)
    weak = sv.thresholds(model, "layers[1].ratio")["weak_recovery"]
    assert weak.status is Status.converged
    scales = weak.value * np.array([0.9, 1.1])
    data = sv.curve(model, over={"layers[1].ratio": scales})
    np.testing.assert_allclose(data.mse.sel(branch="amp")[0], 1.0)
    assert float(data.mse.sel(branch="amp")[1]) < 0.999
    assert float(data.mse.sel(branch="unstable")[1]) == 1.0
    # the hidden layer is learned even while its input is not
    assert float(data.mse_1.sel(branch="amp")[0]) < 1 - 2 / np.pi


@pytest.mark.parametrize("delta", [1e-4, 1e-2])
def test_no_threshold_where_levels_end_in_rounding(delta):
    """A rectifier layer of ratio 2: the end of the table holds no numbers, and no folds."""
    layers = [sv.Layer(ratio=2.0, channel=sv.ReLU()), sv.Layer(channel=sv.Linear(delta=delta))]
    model = sv.MultiLayer(prior=sv.Gaussian(), layers=layers)
    found = sv.thresholds(model, "layers[1].ratio")
    assert all(one.status is Status.no_branch for one in found.values())
    data = sv.curve(model, over={"layers[1].ratio": np.linspace(0.1, 1.5, 8)})
    np.testing.assert_allclose(data.mse.sel(branch="bayes"), data.mse.sel(branch="amp"))


def test_labels_inside_are_known_where_the_layers_above_determine_them():
    """The hidden labels known and the input not: the perceptron that they observe."""
    below = sv.curve(sv.GLM(prior=sv.Rademacher(), channel=sv.Sign(), alpha=1.0)).sel(
        branch="bayes"
    )
    layers = [sv.Layer(ratio=1.0, channel=sv.Sign()), sv.Layer(channel=sv.Sign())]
    model = sv.MultiLayer(prior=sv.Rademacher(), layers=layers)
    best = sv.curve(model, over={"layers[1].ratio": [1.2]}).sel(branch="bayes")
    for name in ("mutual_information", "mse", "overlap"):
        assert float(best[name][0]) == pytest.approx(float(below[name]), abs=1e-9)
    assert float(best.mse_1[0]) == float(best.bayes_error[0]) == 0.0


def test_a_known_input_under_a_noisy_observation():
    """Information is that of the prior, however noisy what follows the hidden labels is."""
    layers = [sv.Layer(ratio=2.0, channel=sv.Sign()), sv.Layer(channel=sv.Linear(delta=0.01))]
    model = sv.MultiLayer(prior=sv.Rademacher(), layers=layers)
    found = sv.curve(model, over={"layers[1].ratio": [0.1, 0.3, 1.0]}).sel(branch="bayes")
    assert np.all(found.mutual_information <= np.log(2) + 1e-12)
    np.testing.assert_allclose(found.mutual_information[1:], np.log(2))
    np.testing.assert_allclose(found.generalization_error[1:], 0.01)
    noise = -0.5 * np.log(2 * np.pi * np.e * 0.01)  # E log P(y | z) of an observation
    np.testing.assert_allclose(found.free_entropy[1:], 2 * noise * np.array([0.3, 1]) - np.log(2))

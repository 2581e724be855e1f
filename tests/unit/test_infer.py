"""`infer` on the user's own arrays."""

import numpy as np
import pytest
import scipy.sparse

import solvable as sv
from solvable.bricks.channels.abs import Abs
from solvable.bricks.channels.linear import Linear
from solvable.bricks.channels.sign import Sign
from solvable.bricks.priors.gauss_bernoulli import GaussBernoulli
from solvable.bricks.priors.gaussian import Gaussian
from solvable.bricks.priors.rademacher import Rademacher
from solvable.core.randomness import key_for
from solvable.core.status import Status
from solvable.models.glm import GLM
from solvable.studies.infer import infer

MODEL = GLM(prior=GaussBernoulli(rho=0.25), channel=Linear(delta=1e-3))


@pytest.fixture(scope="module")
def problem():
    model = GLM(prior=MODEL.prior, channel=MODEL.channel, alpha=0.8)
    return model.sample(key_for(0, "infer"), 600)


def test_posterior_and_its_own_error(problem):
    answer = infer(MODEL, design=problem.data.design, observation=problem.data.observation)
    assert answer.status == Status.converged
    error = np.mean((answer.mean - problem.signal) ** 2)
    assert error == pytest.approx(answer.estimated_mse, rel=0.3)
    assert answer.variance.mean() == pytest.approx(answer.estimated_mse)
    document = answer.document()
    names = ["model", "mean", "variance", "estimated_mse", "status", "iterations"]
    assert list(document) == names
    assert document["model"] == repr(MODEL) and document["status"] == "converged"
    assert len(document["mean"]) == 600 and document["iterations"] == answer.iterations
    assert "600 components" in repr(answer) and "converged" in repr(answer)


def test_gaussian_posterior_is_exact():
    """Vector or scalar, the fixed point for a Gaussian model is the ridge estimate."""
    model = GLM(prior=Gaussian(), channel=Linear(delta=0.1), alpha=1.5)
    one = model.sample(key_for(1, "infer"), 300)
    X, y = one.data.design, one.data.observation
    ridge = np.linalg.solve(X.T @ X + 0.1 * np.eye(300), X.T @ y)
    answer = infer(GLM(prior=Gaussian(), channel=Linear(delta=0.1)), X, y, tolerance=1e-10)
    np.testing.assert_allclose(answer.mean, ridge, atol=1e-6)
    exact = np.trace(np.linalg.inv(np.eye(300) + X.T @ X / 0.1)) / 300
    assert answer.estimated_mse == pytest.approx(exact, rel=0.02)


def test_storages_and_several_observations(problem):
    X, y = problem.data.design, problem.data.observation
    expected = infer(MODEL, X, y)
    for design in (scipy.sparse.csr_array(X), X.tolist()):
        np.testing.assert_allclose(infer(MODEL, design, y).mean, expected.mean, atol=1e-8)
    both = infer(MODEL, X, np.stack([y, -y], axis=1))
    np.testing.assert_allclose(both.mean[:, 1], -both.mean[:, 0], atol=1e-8)
    assert np.shape(both.document()["estimated_mse"]) == (2,)


def test_design_with_a_mean(problem):
    X = problem.data.design + 3 / 600
    y = problem.data.observation + 3 * problem.signal.mean()
    answer = infer(MODEL, X, y)
    assert answer.status == Status.left_domain and "the design has a mean" in answer.message
    centered = infer(MODEL, X, y, center=True)
    plain = infer(MODEL, problem.data.design, problem.data.observation)
    assert centered.status == Status.converged
    errors = [np.mean((one.mean - problem.signal) ** 2) for one in (centered, plain)]
    assert errors[0] == pytest.approx(errors[1], rel=0.1)


def test_scale_of_the_design_is_taken_as_it_is(problem):
    X, w = 10 * problem.data.design, problem.signal
    answer = infer(MODEL, X, X @ w + 0.03 * np.random.default_rng(0).normal(size=len(X)))
    assert answer.status == Status.converged and "row norm" in answer.message
    error = np.mean((answer.mean - w) ** 2)
    assert error == pytest.approx(answer.estimated_mse, rel=0.5) and error < 1e-4


def test_even_channel_takes_a_spectral_start():
    model = GLM(prior=Gaussian(), channel=Abs(), alpha=2.0)
    one = model.sample(key_for(0, "infer abs"), 500)
    answer = infer(model, one.data.design, one.data.observation, seed=3)
    assert answer.status == Status.converged
    assert model.measure(answer, one)["mse"] < 1e-8


def bad_inputs(problem):
    X, y = problem.data.design, problem.data.observation
    binary = GLM(prior=Rademacher(), channel=Sign())
    hole = X.copy()
    hole[3, 5] = np.nan
    return {
        "observation` must have one entry for each of the 480 rows": (MODEL, X, y[:-1]),
        "design` must hold finite numbers, but held nan": (MODEL, hole, y),
        "design` must hold finite numbers, but held inf": (
            MODEL,
            scipy.sparse.csr_array(np.where(np.isnan(hole), np.inf, X)),
            y,
        ),
        "observation` must hold finite numbers": (MODEL, X, np.where(y > 1, np.inf, y)),
        "observation` must hold the outputs of": (binary, X, y),
        "design` must have 2 dimensions": (MODEL, X[None], y),
        "design` must have shape": (MODEL, X[0], y),
        "design` must hold real numbers": (MODEL, X + 0j, y),
        "model` must be a GLM": (Gaussian(), X, y),
    }


def test_bad_input_is_one_sentence(problem):
    for words, (model, X, y) in bad_inputs(problem).items():
        with pytest.raises(ValueError) as caught:
            infer(model, X, y)
        message = str(caught.value)
        assert words in message and message.startswith("Argument `") and "\n" not in message


CHAIN = sv.MultiLayer(
    prior=sv.Gaussian(),
    layers=[sv.Layer(channel=sv.ReLU()), sv.Layer(channel=sv.Linear(delta=0.01))],
)


def network(seed=0):
    rng = np.random.default_rng(seed)
    weights = [
        rng.normal(size=(600, 300)) / np.sqrt(300),
        rng.normal(size=(400, 600)) / np.sqrt(600),
    ]
    x = rng.normal(size=300)
    return weights, weights[1] @ np.maximum(weights[0] @ x, 0) + 0.1 * rng.normal(size=400), x


def test_a_chain_is_inferred_from_its_weights():
    weights, y, x = network()
    answer = sv.infer(CHAIN, design=weights, observation=y)
    assert answer.status is Status.converged
    error = float(np.mean((answer.mean - x) ** 2))
    assert error == pytest.approx(answer.estimated_mse, rel=0.25)


def test_weights_that_do_not_fit_a_chain_are_refused():
    weights, y, _ = network()
    with pytest.raises(ValueError, match="`design` must be a list of 2 weight matrices"):
        sv.infer(CHAIN, design=weights[0], observation=y)
    with pytest.raises(ValueError, match="one matrix for each of 2 layers, but held 1"):
        sv.infer(CHAIN, design=weights[:1], observation=y)
    with pytest.raises(ValueError, match="must have 600 columns"):
        sv.infer(CHAIN, design=[weights[0], weights[0]], observation=y)
    weights[1][0, 0] = np.nan
    with pytest.raises(ValueError, match="must hold finite numbers"):
        sv.infer(CHAIN, design=weights, observation=y)


def test_biases_of_a_chain_are_used_and_must_fit():
    weights, _, x = network()
    rng = np.random.default_rng(5)
    bias = rng.normal(size=600)
    h = np.maximum(weights[0] @ x + bias, 0)
    y = weights[1] @ h + 0.3 + 0.1 * rng.normal(size=400)

    def chain(*biases):
        channels = (sv.ReLU(), sv.Linear(delta=0.01))
        layers = [sv.Layer(channel=c, bias=b) for c, b in zip(channels, biases, strict=True)]
        return sv.MultiLayer(prior=sv.Gaussian(), layers=layers)

    answer = sv.infer(chain(bias, np.full(400, 0.3)), design=weights, observation=y)
    assert answer.status is Status.converged
    error = float(np.mean((answer.mean - x) ** 2))
    assert error == pytest.approx(answer.estimated_mse, rel=0.25)
    with pytest.raises(
        ValueError, match=r"`layers\[0\].bias` must have one entry for each of the 6"
    ):
        sv.infer(chain(bias[:-1], None), design=weights, observation=y)

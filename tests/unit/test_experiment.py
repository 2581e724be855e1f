"""`experiment`: its data set, its seeds and its baselines (small sizes; statistics elsewhere)."""

from types import SimpleNamespace

import numpy as np
import pytest

import solvable as sv
from solvable import io
from solvable.bricks.channels.abs import Abs
from solvable.bricks.channels.base import channel_errors, predict_mean
from solvable.bricks.channels.biased import Biased
from solvable.bricks.channels.linear import Linear
from solvable.bricks.channels.sign import Sign
from solvable.bricks.channels.symmetric_door import SymmetricDoor
from solvable.bricks.priors.gauss_bernoulli import GaussBernoulli
from solvable.bricks.priors.gaussian import Gaussian
from solvable.bricks.priors.rademacher import Rademacher
from solvable.core.gauss_rules import recurrence
from solvable.core.instance import Data, Instance
from solvable.core.randomness import key_for
from solvable.core.status import Status
from solvable.models.chain_measures import Overlaps, prediction_errors
from solvable.models.glm import GLM
from solvable.studies import baselines
from solvable.studies.experiment import experiment

BINARY = GLM(prior=Rademacher(), channel=Sign())


@pytest.fixture(scope="module")
def measured():
    return experiment(
        BINARY, {"alpha": [1.0, 2.0]}, size=150, instances=3, trajectory=True, iterations=12
    )


def test_the_data_set(measured):
    assert measured.attrs["kind"] == "experiment"
    assert list(measured["algorithm"].values) == ["amp", "logistic"]
    assert measured["overlap_instances"].dims == ("alpha", "algorithm", "instance")
    assert measured["experiment_status"].dtype == np.int8
    each = measured["bayes_error_instances"].values
    np.testing.assert_allclose(measured["bayes_error_mean"], each.mean(-1))
    np.testing.assert_allclose(
        measured["bayes_error_standard_error"], each.std(-1, ddof=1) / np.sqrt(3)
    )
    assert measured["overlap_trajectory_mean"].dims == ("alpha", "iteration")
    assert measured.sizes["iteration"] == 13
    assert float(measured["overlap_state_evolution"].sel(iteration=0)[0]) == 0
    final = measured["overlap_state_evolution"].sel(alpha=2.0, iteration=12)
    assert float(final) == pytest.approx(1, abs=1e-6)  # stays there: no number past V = 0
    document = io.document(measured)
    assert set(document["experiment"]) == {"amp", "logistic"}
    assert '"verb": "experiment"' in measured.attrs["provenance"]


def test_instances_do_not_depend_on_the_grid(measured):
    alone = experiment(BINARY, {"alpha": [2.0]}, size=150, instances=2, baselines=False)
    np.testing.assert_array_equal(
        alone["overlap_instances"].sel(algorithm="amp", alpha=2.0),
        measured["overlap_instances"].sel(algorithm="amp", alpha=2.0)[:2],
    )
    single = experiment(
        GLM(prior=Rademacher(), channel=Sign(), alpha=2.0), size=150, instances=1, baselines=False
    )
    assert "alpha" not in single["overlap_mean"].dims
    assert np.isnan(single["overlap_standard_error"].values).all()
    other = experiment(BINARY, {"alpha": [2.0]}, size=150, instances=2, baselines=False, seed=1)
    assert not np.array_equal(other["overlap_instances"], alone["overlap_instances"])


@pytest.mark.parametrize(
    ("model", "names"),
    [
        (GLM(prior=GaussBernoulli(rho=0.2), channel=Linear(delta=0.01)), ("ridge", "lasso")),
        (GLM(prior=Gaussian(), channel=Sign()), ("logistic",)),
        (GLM(prior=Rademacher(), channel=SymmetricDoor(k=0.67449)), ("mlp",)),
        (GLM(prior=Gaussian(), channel=Abs()), ("mlp",)),
    ],
)
def test_baselines(model, names):
    assert baselines.baseline_names(model) == names
    one = GLM(prior=model.prior, channel=model.channel, alpha=3.0).sample(key_for(0, "b"), 60)
    for name in names:
        with baselines.quiet_solvers():
            found, status = baselines.run_baseline(name, model, one, key_for(0, name))
        assert status in (Status.converged, Status.max_steps)
        assert all(np.isfinite(value) for value in found.values())
        with baselines.quiet_solvers():
            again, _ = baselines.run_baseline(name, model, one, key_for(0, name))
        assert again == found
        if name in ("ridge", "lasso"):
            assert found["mse"] < 0.1 * 0.2 and set(found) >= {"overlap", "mse"}
        if name == "logistic":
            assert found["bayes_error"] < 0.25


def test_errors_of_prediction_agree_with_fresh_data():
    rng = np.random.default_rng(0)
    for channel in (Sign(delta=0.3), SymmetricDoor(k=0.67449), Linear(delta=0.2)):
        model = GLM(prior=Gaussian(), channel=channel, alpha=1.0)
        signal = rng.normal(size=50)
        mean = 0.6 * signal + 0.5 * rng.normal(size=50)
        x = rng.normal(size=(40_000, 50)) / np.sqrt(50)
        y = np.asarray(channel.sample(key_for(0, "fresh"), x @ signal))
        guess = np.asarray(predict_mean(channel, x @ mean, 0.4))
        estimate = SimpleNamespace(means=[mean], variances=[np.full(50, 0.4)])
        found = model.measure(estimate, Instance(Data(x[:1], y[:1]), signal))
        square = (y - guess) ** 2
        error = square.std() / 200
        assert abs(found["generalization_error"] - square.mean()) < 4 * error
        if not channel.emits_reals():
            wrong = np.mean(np.sign(guess) != y)
            assert abs(found["bayes_error"] - wrong) < 4 * 0.5 / 200


def test_errors_of_prediction_with_biases_agree_with_fresh_data():
    """Every fresh row has one of the biases of the last layer, which the predictor knows."""
    rng = np.random.default_rng(0)
    channel, biases = Sign(delta=0.3), np.array([-0.8, 0.2, 0.9])
    signal = rng.normal(size=50)
    mean = 0.6 * signal + 0.5 * rng.normal(size=50)
    x = rng.normal(size=(40_000, 50)) / np.sqrt(50)
    shift = rng.choice(biases, len(x))
    y = np.asarray(channel.sample(key_for(0, "fresh"), x @ signal + shift))
    guess = np.asarray(predict_mean(channel, x @ mean + shift, 0.4))
    layer = sv.Layer(ratio=1.0, channel=channel, bias=biases)
    model = sv.MultiLayer(prior=Gaussian(), layers=[layer])
    estimate = SimpleNamespace(means=[mean], variances=[np.full(50, 0.4)])
    found = model.measure(estimate, Instance(Data(x[:1], y[:1]), signal))
    square, wrong = (y - guess) ** 2, np.mean(np.sign(guess) != y)
    assert abs(found["generalization_error"] - square.mean()) < 4 * square.std() / 200
    assert abs(found["bayes_error"] - wrong) < 4 * 0.5 / 200


def test_optimal_overlaps_give_the_errors_of_the_theory():
    """m = q and believed variance rho - q: what is measured is what the theory computes."""
    q = 0.6
    biased = Biased(Sign(delta=0.2), recurrence(np.array([-0.7, 0.1, 0.4])))
    for channel in (Sign(), SymmetricDoor(k=0.67449), Abs(), biased):
        found = prediction_errors(channel, Overlaps(q, q, 1.0, 1 - q, 1 - q))
        theory = channel_errors(channel, q, 1 - q)._asdict()
        assert set(found) == {name for name, value in theory.items() if np.isfinite(value)}
        for name, value in found.items():
            np.testing.assert_allclose(value, theory[name], rtol=2e-3, err_msg=name)


def test_bad_arguments():
    cases = {
        "size": {"size": 0},
        "instances": {"instances": 2.5},
        "damping": {"damping": 1.0},
        "start": {"start": 1.5, "size": 20},
        "trajectory": {"trajectory": 1},
    }
    for name, options in cases.items():
        with pytest.raises(ValueError, match=f"Argument `{name}` must"):
            experiment(GLM(prior=Rademacher(), channel=Sign(), alpha=1.0), **options)
    with pytest.raises(ValueError, match="alpha"):
        BINARY.sample(key_for(0), 10)

"""`experiment` on networks: instances, starts, and what cannot be run (statistics elsewhere)."""

import jax
import numpy as np
import pytest

import solvable as sv
from solvable import io
from solvable.algorithms import multilayer_vamp
from solvable.algorithms.problem import assemble
from solvable.core.randomness import key_for
from solvable.core.status import Status
from solvable.plotting import figure

NETWORK = sv.MultiLayer(
    prior=sv.Gaussian(),
    layers=[sv.Layer(ratio=1.5, channel=sv.ReLU()), sv.Layer(channel=sv.Linear(delta=0.05))],
)


@pytest.fixture(scope="module")
def measured():
    return sv.experiment(
        NETWORK,
        {"layers[1].ratio": [0.5, 1.0]},
        size=80,
        instances=3,
        trajectory=True,
        iterations=4,
    )


def test_the_data_set(measured):
    names = ["overlap", "mse", "generalization_error", "mse_1", "overlap_1"]
    assert set(io.measured(measured)) == set(names)
    assert list(measured["algorithm"].values) == ["amp"]
    for name in names:
        assert measured[f"{name}_instances"].dims == ("layers[1].ratio", "algorithm", "instance")
        assert np.isfinite(measured[f"{name}_mean"]).all()
        start = measured[f"{name}_trajectory_mean"].sel(iteration=0)
        if name.startswith("overlap"):
            np.testing.assert_allclose(
                measured[f"{name}_state_evolution"].sel(iteration=0), start.mean(), atol=0.05
            )
    document = io.document(measured)
    assert set(document["experiment"]["amp"]) == {*names, "status"}
    assert len(figure(measured).axes) == 4


def test_damping_is_an_option_and_none_for_trajectories():
    over = {"layers[1].ratio": [1.0]}
    options = dict(size=80, instances=2, tolerance=1e-8)
    plain, damped = (
        sv.experiment(NETWORK, over, damping=damping, **options) for damping in (0.3, "adaptive")
    )
    np.testing.assert_allclose(plain.mse_instances, damped.mse_instances, rtol=1e-5)
    with pytest.raises(ValueError, match="`damping` must be 0 for trajectories"):
        sv.experiment(NETWORK, over, damping=0.3, trajectory=True, **options)
    with pytest.raises(ValueError, match=r"`damping` must be in \[0, 1\) or 'adaptive'"):
        sv.experiment(NETWORK, over, damping="adaptiv", **options)


def test_weights_of_every_law_are_drawn_and_solved_by_vector_amp():
    layers = [
        sv.Layer(ratio=1.5, channel=sv.ReLU(), weights="orthogonal"),
        sv.Layer(ratio=0.5, channel=sv.Linear(), weights=sv.LogUniform(condition=10)),
        sv.Layer(ratio=1.0, channel=sv.Linear(delta=0.1)),
    ]
    model = sv.MultiLayer(prior=sv.Gaussian(), layers=layers)
    instance = model.sample(key_for(0, "drawn"), 40)
    first, second, third = instance.data.design
    np.testing.assert_allclose(first.T @ first, 1.5 * np.eye(40), atol=1e-12)
    values = np.linalg.svd(second, compute_uv=False)
    assert values[0] / values[-1] == pytest.approx(10, rel=0.2)
    assert np.sum(second**2) / 60 == pytest.approx(0.5, rel=0.05)
    assert third.std() == pytest.approx(30**-0.5, rel=0.1)
    np.testing.assert_allclose(instance.hidden[0], np.maximum(first @ instance.signal, 0))
    np.testing.assert_allclose(instance.hidden[1], second @ instance.hidden[0])
    found = model.solve(instance.data, jax.random.key(0))
    assert isinstance(model.init(instance.data, jax.random.key(0)), multilayer_vamp.State)
    problem = assemble(
        model.prior,
        [x.channel for x in model.layers],
        instance.data.design,
        instance.data.observation,
    )
    np.testing.assert_allclose(found.mean, multilayer_vamp.run(problem).mean, atol=1e-8)
    with pytest.raises(ValueError, match="Argument `center` must be False for vector AMP"):
        model.solve(instance.data, jax.random.key(0), center=True)


def test_one_layer_is_a_glm():
    prior, channel = sv.Gaussian(), sv.Abs()
    glm = sv.GLM(prior=prior, channel=channel, alpha=2.0)
    network = sv.MultiLayer(prior=prior, layers=[sv.Layer(ratio=2.0, channel=channel)])
    one, other = (model.sample(key_for(0, "same"), 100) for model in (glm, network))
    np.testing.assert_array_equal(one.data.design, other.data.design[0])
    np.testing.assert_array_equal(one.data.observation, other.data.observation)
    found, same = (
        model.measure(model.solve(instance.data, key_for(0, "start")), instance)
        for model, instance in ((glm, one), (network, other))
    )
    assert found == same and found["overlap"] > 0.5


def test_a_network_that_shows_nothing_needs_a_start():
    layers = [
        sv.Layer(ratio=1.5, channel=sv.Linear(delta=0.1)),
        sv.Layer(ratio=3.0, channel=sv.Abs(delta=0.01)),
    ]
    model = sv.MultiLayer(prior=sv.Rademacher(), layers=layers)
    instance = model.sample(key_for(0, "even"), 200)
    stuck = model.solve(instance.data, key_for(0, "start"))
    assert stuck.status == Status.unsupported and "give `start`" in stuck.messages[0]
    assert model.measure(stuck, instance)["mse"] == pytest.approx(1.0)
    start = model.informed_start(instance, 0.3, key_for(0, "start"))
    found = model.solve(instance.data, key_for(0, "start"), start=start)
    assert found.status == Status.converged
    assert model.measure(found, instance)["mse"] < 0.05
    with pytest.raises(ValueError, match="`start` must be an overlap between 0 and 1"):
        model.informed_start(instance, 1.0, key_for(0, "start"))


def test_an_informed_start_has_the_overlap_on_every_layer():
    """Hidden layers are as far between no information and all as the input."""

    model = sv.parse(repr(NETWORK).replace("delta=0.05)", "delta=0.05), ratio=1.0"))
    instance = model.sample(key_for(0, "informed"), 2_500)
    first, hidden = model.informed_start(instance, 0.4, key_for(0, "start"))
    for start, truth, wanted in (
        (first, instance.signal, 0.4),
        (hidden, instance.hidden[0], 0.4 * 0.5 + 0.6 / (2 * np.pi)),
    ):
        overlap, square = np.mean(start.mean * truth), np.mean(start.mean**2)
        spread = np.std(start.mean * truth) / np.sqrt(len(truth))
        assert abs(overlap - wanted) < 4 * spread
        assert abs(square - wanted) < 4 * spread  # on the Nishimori line


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (sv.Gaussian(), "`model` must be a model with instances and message passing"),
        (
            sv.MultiLayer(prior=sv.Gaussian(), layers=[sv.Layer(channel=sv.Sign())]),
            "`ratio` must be given or swept",
        ),
    ],
)
def test_bad_input_is_one_sentence(model, message):
    with pytest.raises(ValueError, match=message):
        sv.experiment(model, size=20, instances=1)

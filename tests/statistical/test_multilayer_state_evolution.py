"""Multi-layer AMP and vector AMP on finite chains against state evolution, step by step.

The difference of measured and predicted overlaps of every layer, averaged over instances, must
shrink with the size: its value extrapolated from two sizes to infinity, with a bias of order 1 / N
removed, lies within its standard error. One family-wise level of 1e-3 holds for all comparisons of
a model. Seeds are fixed.
"""

import numpy as np
import pytest
import scipy.stats
from tests.statistical.extrapolation import assert_vanishes, extrapolated

import solvable as sv
from solvable.bricks.chain_facts import numeric_facts
from solvable.core.randomness import key_for
from solvable.core.specification import numeric
from solvable.core.status import Status

LEVEL = 1e-3
ITERATIONS = 5

MODELS = {
    "relu relu": sv.MultiLayer(
        prior=sv.Gaussian(),
        layers=[
            sv.Layer(ratio=1.5, channel=sv.ReLU()),
            sv.Layer(ratio=1.2, channel=sv.ReLU()),
            sv.Layer(ratio=1.0, channel=sv.Linear(delta=0.05)),
        ],
    ),
    "sign sign": sv.MultiLayer(
        prior=sv.Rademacher(),
        layers=[
            sv.Layer(ratio=2.0, channel=sv.Sign(delta=0.05)),
            sv.Layer(ratio=1.5, channel=sv.Sign(delta=0.05)),
        ],
    ),
    "biased relu": sv.MultiLayer(
        prior=sv.Gaussian(),
        layers=[
            sv.Layer(ratio=2.0, channel=sv.ReLU(), bias=[-0.8, 0.1, 0.7]),
            sv.Layer(ratio=1.0, channel=sv.ReLU(delta=0.05), bias=[-0.4, 0.6]),
        ],
    ),
    "erf": sv.MultiLayer(
        prior=sv.Gaussian(),
        layers=[
            sv.Layer(ratio=2.0, channel=sv.Erf()),
            sv.Layer(ratio=1.0, channel=sv.Linear(delta=0.05)),
        ],
    ),
    "orthogonal relu": sv.MultiLayer(
        prior=sv.Gaussian(),
        layers=[
            sv.Layer(ratio=1.5, channel=sv.ReLU(), weights="orthogonal"),
            sv.Layer(
                ratio=0.8, channel=sv.Linear(delta=0.05), weights=sv.LogUniform(condition=30)
            ),
        ],
    ),
    "ill-conditioned sparse": sv.MultiLayer(
        prior=sv.GaussBernoulli(rho=0.2),
        layers=[
            sv.Layer(
                ratio=0.8, channel=sv.Linear(delta=1e-5), weights=sv.LogUniform(condition=1e4)
            ),
        ],
    ),
    "ill-conditioned signs": sv.MultiLayer(
        prior=sv.Gaussian(),
        layers=[
            sv.Layer(ratio=2.0, channel=sv.Sign(delta=0.01), weights=sv.LogUniform(condition=100)),
        ],
    ),
}


def ends(model):
    return ["", *(f"_{k}" for k in range(1, len(model.layers)))]


def predicted(model):
    """Overlaps of all layers along state evolution, shape (ITERATIONS, L)."""
    dark = numeric_facts(*numeric(model.chain())).dark
    start = {f"overlap{end}": q for end, q in zip(ends(model), dark, strict=True)}
    path = model.state_evolution(start, ITERATIONS)
    return np.stack([path[name][1:] for name in start], axis=1)


def measured(model, size, seed):
    """Overlaps of all layers of one instance with its means, shape (ITERATIONS, L)."""
    instance = model.sample(key_for(seed, "chain", size), size)
    truths = (instance.signal, *instance.hidden)
    state = model.init(instance.data, key_for(seed, "start"))
    path = []
    for _ in range(ITERATIONS):
        state, _ = model.step(instance.data, state)
        path.append([np.mean(h * m) for h, m in zip(truths, state.means, strict=True)])
    return np.array(path)


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS.keys())
def test_overlaps_of_all_layers_follow_state_evolution(model):
    wanted = predicted(model)
    sizes, counts = (150, 600), (64, 24)
    runs = [
        np.array([measured(model, size, seed) - wanted for seed in range(count)])
        for size, count in zip(sizes, counts, strict=True)
    ]
    assert_vanishes(runs, sizes, LEVEL)


def test_converged_runs_lie_on_the_curve():
    """`experiment` against the same data set's theory: errors of both layers and of prediction."""
    model = sv.MultiLayer(
        prior=sv.Gaussian(),
        layers=[
            sv.Layer(ratio=1.5, channel=sv.ReLU()),
            sv.Layer(channel=sv.Linear(delta=0.05)),
        ],
    )
    names = ("overlap", "mse", "overlap_1", "mse_1", "generalization_error")
    sizes, counts = (150, 600), (48, 24)
    means, errors = [], []
    for size, count in zip(sizes, counts, strict=True):
        over = {"layers[1].ratio": [0.5, 1.0]}
        options = dict(damping="adaptive", tolerance=1e-4)
        data = sv.experiment(model, over, size=size, instances=count, **options)
        assert np.all(data.experiment_status == Status.converged)
        runs = np.array(
            [
                data[f"{name}_instances"].sel(algorithm="amp") - data[name].sel(branch="amp")
                for name in names
            ]
        )
        means.append(runs.mean(axis=-1))
        errors.append(runs.std(axis=-1, ddof=1) / np.sqrt(count))
    limit, error = extrapolated(means, errors, sizes)
    bound = scipy.stats.t.ppf(1 - LEVEL / (2 * limit.size), counts[1] - 1)
    np.testing.assert_array_less(np.abs(limit) / error, bound)

"""Multi-layer AMP on finite chains against state evolution, iteration by iteration.

The difference of measured and predicted overlaps of every layer, averaged over instances, must
shrink with the size: its value extrapolated from two sizes to infinity, with a bias of order 1 / N
removed, lies within its standard error. One family-wise level of 1e-3 holds for all comparisons of
a model. Seeds are fixed.
"""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats

import solvable as sv
from solvable.algorithms import multilayer_amp
from solvable.algorithms.problem import assemble
from solvable.bricks import chain
from solvable.bricks.chain_facts import numeric_facts
from solvable.core.randomness import fold, key_for, normal_matrix
from solvable.core.specification import numeric

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
}


def predicted(model):
    """Overlaps of all layers along state evolution, shape (ITERATIONS, L)."""
    bare = numeric(model)
    prior, layers = bare.chain()
    facts = numeric_facts(prior, layers)
    order = chain.start(
        layers, jnp.asarray(facts.dark), jnp.asarray(facts.rho) - jnp.asarray(facts.dark)
    )
    step = eqx.filter_jit(lambda m, o: m.update(o))
    path = []
    for _ in range(ITERATIONS):
        order = step(bare, order)
        path.append(np.asarray(order.overlap))
    return np.array(path)


def measured(model, size, seed):
    """Overlaps of all layers of one instance with its means, shape (ITERATIONS, L)."""
    key = key_for(seed, "chain", size)
    bare = numeric(model)
    signals, weights = [np.asarray(bare.prior.sample(fold(key, "signal"), (size,)))], []
    biases = []
    for k, layer in enumerate(bare.layers):
        n, p = round(float(layer.ratio) * len(signals[-1])), len(signals[-1])
        weights.append(normal_matrix(fold(key, "weights", k), (n, p), p**-0.5))
        biases.append(None if layer.bias is None else np.resize(layer.bias, n))
        z = jnp.asarray(weights[-1] @ signals[-1])
        z = z if layer.bias is None else z + biases[-1]
        signals.append(np.asarray(layer.channel.sample(fold(key, "noise", k), z)))
    channels = [layer.channel for layer in bare.layers]
    problem = assemble(bare.prior, channels, weights, signals[-1], biases)
    state = multilayer_amp.init(problem)
    path = []
    for _ in range(ITERATIONS):
        state, _ = multilayer_amp.step(problem, state)
        path.append([np.mean(h * m) for h, m in zip(signals, state.means, strict=False)])
    return np.array(path)


@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS.keys())
def test_overlaps_of_all_layers_follow_state_evolution(model):
    wanted = predicted(model)
    sizes, counts = (150, 600), (64, 24)
    means, errors = [], []
    for size, count in zip(sizes, counts, strict=True):
        runs = np.array([measured(model, size, seed) - wanted for seed in range(count)])
        means.append(runs.mean(axis=0))
        errors.append(runs.std(axis=0, ddof=1) / np.sqrt(count))
    small, large = sizes
    weight = large / (large - small)
    limit = weight * means[1] - (weight - 1) * means[0]
    error = np.hypot(weight * errors[1], (weight - 1) * errors[0])
    comparisons = limit.size
    degrees = counts[1] - 1
    bound = scipy.stats.t.ppf(1 - LEVEL / (2 * comparisons), degrees)
    np.testing.assert_array_less(np.abs(limit) / error, bound)
    # the spread is that of a self-averaging quantity
    ratio = errors[0] ** 2 * counts[0] * small / (errors[1] ** 2 * counts[1] * large)
    assert 0.2 < np.median(ratio) < 5

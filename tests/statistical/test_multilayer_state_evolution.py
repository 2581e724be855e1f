"""Multi-layer AMP and vector AMP on finite chains against state evolution, step by step.

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
from solvable.algorithms import multilayer_amp, multilayer_vamp
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


def drawn_weights(layer, key, n, p):
    spectrum = layer.spectrum()
    return normal_matrix(key, (n, p), p**-0.5) if spectrum is None else spectrum.sample(key, n, p)


def measured(model, size, seed):
    """Overlaps of all layers of one instance with its means, shape (ITERATIONS, L)."""
    key = key_for(seed, "chain", size)
    bare = numeric(model)
    signals, weights = [np.asarray(bare.prior.sample(fold(key, "signal"), (size,)))], []
    for k, layer in enumerate(bare.layers):
        n, p = round(float(layer.ratio) * len(signals[-1])), len(signals[-1])
        weights.append(drawn_weights(layer, fold(key, "weights", k), n, p))
        z = jnp.asarray(weights[-1] @ signals[-1])
        signals.append(np.asarray(layer.channel.sample(fold(key, "noise", k), z)))
    channels = [layer.channel for layer in bare.layers]
    problem = assemble(bare.prior, channels, weights, signals[-1])
    gaussian = all(layer.spectrum() is None for layer in bare.layers)
    algorithm = multilayer_amp if gaussian else multilayer_vamp
    state = algorithm.init(problem)
    path = []
    for _ in range(ITERATIONS):
        state, _ = algorithm.step(problem, state)
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

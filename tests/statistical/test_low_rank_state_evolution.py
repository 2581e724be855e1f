"""Low-rank AMP on finite matrices against state evolution, step by step, at two sizes.

The start is the posterior of v under noise, so that state evolution holds from the first iteration
on. Deviations of all overlaps from it, averaged over instances and extrapolated to infinite size,
lie within their standard errors at a family-wise level of 1e-3. Seeds are fixed.
"""

import numpy as np
import pytest
from tests.statistical.extrapolation import assert_vanishes

import solvable as sv
from solvable.algorithms import low_rank_amp
from solvable.core.randomness import fold, key_for

LEVEL = 1e-3
ITERATIONS = 5


def generated(channel, ratio):
    return sv.Generative(prior=sv.Gaussian(), layers=[sv.Layer(ratio=ratio, channel=channel)])


MODELS = {
    "signs": (sv.SpikedWigner(prior=sv.Rademacher(), delta=0.5), 0.3),
    "sparse": (sv.SpikedWigner(prior=sv.GaussBernoulli(rho=0.3), delta=0.03), 0.1),
    "rectangular": (
        sv.SpikedWishart(
            prior_u=sv.Gaussian(), prior_v=sv.SparseRademacher(rho=0.5), beta=1.5, delta=0.3
        ),
        0.2,
    ),
    "generated signs": (sv.SpikedWigner(prior=generated(sv.Sign(), 2.0), delta=0.7), 0.3),
    "rectified": (sv.SpikedWigner(prior=generated(sv.ReLU(), 2.0), delta=0.2), 0.25),
    "two layers": (
        sv.SpikedWigner(
            prior=sv.Generative(
                prior=sv.Gaussian(),
                layers=[
                    sv.Layer(ratio=1.5, channel=sv.ReLU()),
                    sv.Layer(ratio=1.2, channel=sv.Sign(delta=0.1)),
                ],
            ),
            delta=0.5,
        ),
        0.3,
    ),
    "generated columns": (
        sv.SpikedWishart(
            prior_u=sv.Gaussian(), prior_v=generated(sv.Linear(), 1.5), beta=1.2, delta=0.4
        ),
        0.4,
    ),
    "two networks": (
        sv.SpikedWishart(
            prior_u=generated(sv.Linear(), 1.5),
            prior_v=generated(sv.Sign(), 2.0),
            beta=1.4,
            delta=0.8,
        ),
        0.3,
    ),
    "clusters": (
        sv.SpikedWigner(
            prior=sv.VectorGaussianMixture(
                weights=[0.4, 0.6],
                means=[[0.9, 0.3], [-0.6, -0.2]],
                covariances=[[[0.5, 0.1], [0.1, 0.3]], [[0.2, 0.0], [0.0, 0.6]]],
            ),
            delta=0.1,
        ),
        0.6,
    ),
    "clusters of columns": (
        sv.SpikedWishart(
            prior_u=sv.Gaussian(variance=1.3),
            prior_v=sv.VectorGaussianMixture(
                weights=[0.4, 0.6],
                means=[[0.9, 0.5], [-0.6, -0.2]],
                covariances=[[[0.5, 0.1], [0.1, 0.3]], [[0.2, 0.0], [0.0, 0.6]]],
            ),
            beta=1.5,
            delta=0.5,
        ),
        0.6,
    ),
    "groups of columns": (
        sv.SpikedWishart(prior_u=sv.Gaussian(), prior_v=sv.OneHot(k=3), beta=1.5, delta=0.2),
        0.2,
    ),
}


def deviations(model, overlap, size, seed):
    """Overlaps of v, u and the layers below them minus state evolution, (ITERATIONS, parts)."""
    key = key_for(seed, "low rank", size)
    instance = model.sample(key, size)
    truths = (instance.signal, *instance.hidden)
    if overlap is None:
        state = model.init(instance.data, fold(key, "start"))
    else:
        start = model.informed_start(instance, overlap, fold(key, "start"))
        state = low_rank_amp.init(model.problem(instance.data), start)
    path = []
    for _ in range(ITERATIONS):
        state, _ = model.step(instance.data, state)
        pairs = zip(truths, state.means, strict=True)
        path.append([np.sum(h * m) / len(h) for h, m in pairs])
    return np.abs(path) if overlap is None else np.array(path)


def predicted(model, overlap):
    top = model.subject().layer
    dark = model._facts().dark
    names = [f"overlap{label}" for label, _ in model.parts()]
    start = {f"overlap{model.label(k)}": float(dark[k]) for k in range(top)}
    path = model.state_evolution(start | {names[0]: overlap}, ITERATIONS)
    return np.stack([path[name][1:] for name in names], axis=1)


def check(model, overlap, sizes, counts):
    rho = float(model._facts().rho_z)
    wanted = predicted(
        model, rho * float(model.cosines(float(model.delta))[0]) if overlap is None else overlap
    )
    runs = [
        np.array([deviations(model, overlap, size, seed) - wanted for seed in range(count)])
        for size, count in zip(sizes, counts, strict=True)
    ]
    assert_vanishes(runs, sizes, LEVEL)


SLOW = ("two networks", "groups of columns", "clusters of columns")


@pytest.mark.parametrize(
    "name", [pytest.param(x, marks=pytest.mark.slow) if x in SLOW else x for x in MODELS]
)
def test_overlaps_follow_state_evolution(name):
    check(*MODELS[name], (300, 1200), (64, 24))


@pytest.mark.parametrize("name", ["signs", "rectangular"])
def test_a_spectral_start_remembers_the_matrix_it_came_from(name):
    """State evolution holds from the first iteration on although the start depends on Y."""
    check(MODELS[name][0], None, (300, 1200), (64, 24))


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["signs", "generated signs", "rectangular", "two networks", "clusters"]
)
def test_overlaps_follow_state_evolution_at_large_sizes(name):
    check(*MODELS[name], (2000, 8000), (16, 8))

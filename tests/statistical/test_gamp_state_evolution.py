"""Message passing on finite instances against state evolution, iteration by iteration.

State evolution starts from the overlap measured at the start of each instance. The difference
measured - theory, averaged over instances, has a bias of order 1 / p and a spread of order
1 / sqrt(p); both orders are tested on two sizes: the difference extrapolated to p = infinity must
vanish within its standard error, and p times the variance must be the same. One family-wise level
of 1e-3 holds for all comparisons of a model. Seeds are fixed.
"""

import numpy as np
import pytest
import scipy.stats

from solvable.algorithms import gamp
from solvable.bricks.channels.abs import Abs
from solvable.bricks.channels.linear import Linear
from solvable.bricks.channels.relu import ReLU
from solvable.bricks.channels.sign import Sign
from solvable.bricks.channels.symmetric_door import SymmetricDoor
from solvable.bricks.priors.gauss_bernoulli import GaussBernoulli
from solvable.bricks.priors.gaussian import Gaussian
from solvable.bricks.priors.rademacher import Rademacher
from solvable.core.instance import Data
from solvable.core.randomness import fold, key_for
from solvable.models.glm import GLM

LEVEL = 1e-3
ITERATIONS = 6

MODELS = {
    "gaussian perceptron": (GLM(prior=Gaussian(), channel=Sign(), alpha=2.0), None),
    "binary perceptron": (GLM(prior=Rademacher(), channel=Sign(), alpha=1.1), None),
    "compressed sensing": (
        GLM(prior=GaussBernoulli(rho=0.25), channel=Linear(delta=0.01), alpha=0.7),
        None,
    ),
    "phase retrieval": (GLM(prior=Gaussian(), channel=Abs(), alpha=1.3), 0.4),
}
MORE = {
    "relu": (GLM(prior=Gaussian(), channel=ReLU(), alpha=1.0), None),
    "probit": (GLM(prior=Rademacher(), channel=Sign(delta=0.5), alpha=3.0), None),
    "door": (GLM(prior=Rademacher(), channel=SymmetricDoor(k=0.67449), alpha=1.7), 0.3),
    "biased prior": (GLM(prior=Gaussian(mean=0.5), channel=Abs(), alpha=1.0), None),
}


def one_instance(model, start, p, seed, break_memory):
    """Measured overlap minus state evolution after each iteration, shape (ITERATIONS,)."""
    key = key_for(0, "state evolution", repr(model), p, seed)
    problem = model.sample(key, p)
    first = None
    if start is not None:
        (first,) = model.informed_start(problem, start, fold(key, "start"))
    data = Data(problem.data.design, problem.data.observation)
    state = gamp.init(model.prior, model.channel, data, first)
    overlaps = [np.mean(problem.signal * state.mean)]
    for _ in range(ITERATIONS):
        if break_memory:
            memory = np.zeros_like(state.g)
            state = gamp.init(
                model.prior, model.channel, data, gamp.Start(state.mean, state.variance, memory)
            )
        state, _ = gamp.step(model.prior, model.channel, data, state)
        overlaps.append(np.mean(problem.signal * state.mean))
    theory = model.state_evolution({"overlap": overlaps[0]}, ITERATIONS)["overlap"]
    return (np.array(overlaps) - theory)[1:]


def differences(model, start, p, instances, break_memory=False):
    return np.array(
        [one_instance(model, start, p, seed, break_memory) for seed in range(instances)]
    )


def extrapolated_z(small, large, sizes):
    """z-score of the mean difference at p = infinity, from a bias of order 1 / p."""
    weights = np.array([-sizes[0], sizes[1]]) / (sizes[1] - sizes[0])
    mean = weights[0] * small.mean(0) + weights[1] * large.mean(0)
    variance = sum(
        w**2 * d.var(0, ddof=1) / len(d) for w, d in zip(weights, (small, large), strict=True)
    )
    return mean / np.sqrt(variance)


def check(model, start, sizes, instances):
    small, large = (
        differences(model, start, p, count) for p, count in zip(sizes, instances, strict=True)
    )
    comparisons = 2 * ITERATIONS
    z = extrapolated_z(small, large, sizes)
    bound = scipy.stats.norm.isf(LEVEL / comparisons / 2)
    assert np.abs(z).max() < bound, f"z = {np.round(z, 2)}"
    # the spread shrinks like 1 / sqrt(p): an F test on p times the variance
    ratio = sizes[0] * small.var(0, ddof=1) / (sizes[1] * large.var(0, ddof=1))
    freedom = (len(small) - 1, len(large) - 1)
    tail = scipy.stats.f.sf(np.maximum(ratio, 1 / ratio), *freedom)
    assert tail.min() > LEVEL / comparisons / 2, f"ratios = {np.round(ratio, 2)}"


@pytest.mark.parametrize("name", MODELS)
def test_trajectories_follow_state_evolution(name):
    check(*MODELS[name], sizes=(150, 600), instances=(60, 30))


def test_the_test_sees_a_missing_memory_term():
    model, start = MODELS["gaussian perceptron"]
    broken = differences(model, start, 600, 10, break_memory=True)[:, 1:]
    z = broken.mean(0) / (broken.std(0, ddof=1) / np.sqrt(len(broken)))
    assert np.abs(z).max() > 6


@pytest.mark.slow
@pytest.mark.parametrize("name", [*MODELS, *MORE])
def test_trajectories_of_more_models_at_larger_sizes(name):
    check(*{**MODELS, **MORE}[name], sizes=(300, 1200), instances=(300, 120))

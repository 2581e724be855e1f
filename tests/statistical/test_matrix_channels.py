"""Message passing on graphs, counts and heavy-tailed noise against the theory of their scores.

The difference measured - theory has a bias of order 1 / p: extrapolated to p = infinity from two
sizes it vanishes within its standard error, at a family-wise level of 1e-3. Seeds are fixed.
"""

import numpy as np
import pytest
from tests.statistical.extrapolation import assert_vanishes

import solvable as sv
from solvable.algorithms.low_rank_spectral import pca_wigner
from solvable.core.randomness import fold, key_for
from solvable.core.status import Status

LEVEL = 1e-3
INSTANCES = 16
GRAPH = sv.SpikedWigner(
    prior=sv.Rademacher(), channel=sv.BernoulliEdges(probability=0.4, contrast=0.8)
)
OTHERS = {
    "counts": sv.SpikedWigner(
        prior=sv.Rademacher(), channel=sv.PoissonCounts(rate=0.5, contrast=2.1)
    ),
    "Student": sv.SpikedWigner(
        prior=sv.Rademacher(), channel=sv.StudentNoise(degrees=2.2, scale=0.5)
    ),
    "outliers": sv.SpikedWigner(
        prior=sv.Rademacher(),
        channel=sv.ContaminatedNoise(fraction=0.1, variance=0.3, outlier_variance=30.0),
    ),
    "bipartite graph": sv.SpikedWishart(
        prior_u=sv.Gaussian(),
        prior_v=sv.Rademacher(),
        beta=1.5,
        channel=sv.BernoulliEdges(probability=0.5, contrast=0.75),
    ),
}


def measured(model, size, index):
    key = key_for(0, "matrix channel", repr(model), size, index)
    problem = model.sample(fold(key, "instance"), size)
    outcome = model.solve(problem.data, fold(key, "start"), tolerance=1e-6, damping="adaptive")
    assert int(outcome.status) == Status.converged
    return model.measure(outcome, problem)


def assert_theory(model, sizes, instances=INSTANCES):
    label = model.subject().label
    theory = sv.curve(model).sel(branch="amp")
    names = [f"overlap{label}", f"mse{label}", "matrix_mse"]
    runs = []
    for size in sizes:
        found = [measured(model, size, index) for index in range(instances)]
        runs.append(np.array([[one[n] - float(theory[n]) for n in names] for one in found]))
    assert_vanishes(runs, sizes, LEVEL)
    return runs


def test_a_graph_of_two_groups_reaches_the_theory():
    assert_theory(GRAPH, (250, 750), instances=8)


@pytest.mark.slow
@pytest.mark.parametrize("model", [GRAPH, *OTHERS.values()], ids=["graph", *OTHERS])
def test_message_passing_on_scores_reaches_the_theory(model):
    """And is nearer to it at the larger size."""
    small, large = assert_theory(model, (1000, 2000))
    assert np.all(np.abs(large.mean(axis=0)) < 0.03)
    assert np.all(large.std(axis=0) < small.std(axis=0) * 1.5)


@pytest.mark.parametrize("degrees", [1.0, 2.2])
def test_outliers_hide_the_spike_from_spectral_methods_that_do_not_know_them(degrees):
    """PCA of scores reaches its theory, PCA of the matrix sees outliers; AMP finds most."""
    model = sv.SpikedWigner(
        prior=sv.Rademacher(), channel=sv.StudentNoise(degrees=degrees, scale=0.5)
    )
    theory = sv.curve(model).sel(branch="amp")
    size, rows = 700, []
    for index in range(6):
        key = key_for(0, "outliers", degrees, index)
        problem = model.sample(fold(key, "instance"), size)
        v = problem.signal
        scored, _ = model.spectral("pca", problem, fold(key, "pca"))
        raw = pca_wigner(problem.data.observation, max_steps=2000, key=fold(key, "raw")).vector
        outcome = model.solve(problem.data, fold(key, "start"), damping="adaptive")
        amp = np.corrcoef(outcome.mean, v)[0, 1] ** 2
        rows.append([amp, scored, float(raw @ v) ** 2 / (size * float(v @ v))])
    amp, scored, raw = np.mean(rows, axis=0)
    assert amp == pytest.approx(float(theory.overlap), abs=0.04)
    assert scored == pytest.approx(float(theory.overlap_pca), abs=0.06)
    assert raw < 0.3 * scored
    assert scored < amp

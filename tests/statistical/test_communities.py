"""Message passing on groups against theory at two sizes; block models as spiked matrices.

The difference measured - theory has a bias of order 1 / p: extrapolated to p = infinity from two
sizes it must vanish within its standard error, at a family-wise level of 1e-3.
"""

import jax
import numpy as np
import pytest
import scipy.stats

import solvable as sv
from solvable.core.instance import Data, Instance
from solvable.core.randomness import fold, key_for
from solvable.core.status import Status
from solvable.models.communities import (
    agreement,
    expected_agreement,
    spectral_communities,
)

LEVEL = 1e-3
SIZES = (300, 1200)
INSTANCES = 12


def extrapolated(samples, theory):
    """z-score of the difference at p = infinity; `samples` one array a size."""
    small, large = (np.asarray(x) - theory for x in samples)
    ratio = SIZES[1] / SIZES[0]
    mean = (ratio * large.mean() - small.mean()) / (ratio - 1)
    spread = [x.var(ddof=1) / len(x) for x in (small, large)]
    return mean / np.sqrt(ratio**2 * spread[1] + spread[0]) * (ratio - 1)


def assert_agree(columns, theory):
    bound = scipy.stats.norm.isf(LEVEL / (2 * len(columns)))
    scores = {name: extrapolated(x, theory[name]) for name, x in columns.items()}
    assert max(abs(z) for z in scores.values()) < bound, scores


def theory_of(model):
    data = sv.curve(model).sel(branch="amp")
    return {name: float(data[name]) for name in ("overlap", "mse", "matrix_mse")}


def solved(model, problem, key):
    outcome = model.solve(problem.data, key, tolerance=1e-5, max_steps=500, damping="adaptive")
    assert int(outcome.status) == Status.converged
    return outcome


@pytest.mark.parametrize("k", [2, pytest.param(3, marks=pytest.mark.slow)])
def test_message_passing_reaches_the_theory(k):
    model = sv.SpikedWigner(prior=sv.OneHot(k=k), delta=0.5 / k**2)
    rows = {name: [] for name in ("overlap", "mse", "matrix_mse")}
    for size in SIZES:
        found = []
        for index in range(INSTANCES):
            key = key_for(0, "groups", k, size, index)
            problem = model.sample(fold(key, "instance"), size)
            found.append(model.measure(solved(model, problem, fold(key, "start")), problem))
        for name, row in rows.items():
            row.append([one[name] for one in found])
    assert_agree(rows, theory_of(model))


@pytest.mark.parametrize("k", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_a_dense_block_model_is_a_spiked_matrix(k):
    """Also of the likeliest groups, which are right as often as theory says; above the spectral
    estimate."""
    edges = sv.BernoulliEdges.with_noise(probability=0.5, delta=0.5 / k**2)
    graphs = sv.SpikedWigner(prior=sv.OneHot(k=k), channel=edges)
    theory = theory_of(graphs)
    q_hat = theory["overlap"] / ((k - 1) * float(graphs.noise()))
    theory["agreement"] = float(expected_agreement(k, np.array(q_hat)))
    rows, spectral = {"overlap": [], "agreement": []}, []
    for size in SIZES:
        found = []
        for index in range(INSTANCES):
            key = key_for(0, "blocks", k, size, index)
            graph = graphs.sample(fold(key, "graph"), size)
            outcome = solved(graphs, graph, fold(key, "start"))
            one = graphs.measure(outcome, graph)
            found.append(one | {"agreement": agreement(outcome.mean, graph.signal)})
            if size == SIZES[1]:
                matrix = graphs.problem(graph.data).matrix
                labels = spectral_communities(matrix, k, fold(key, "spectral"))
                spectral.append(agreement(labels, graph.signal))
        for name, row in rows.items():
            row.append([one[name] for one in found])
    assert_agree(rows, theory)
    assert 0.3 < np.mean(spectral) < np.mean(rows["agreement"][1]) + 0.01


def test_the_names_of_the_groups_do_not_matter():
    model = sv.SpikedWigner(prior=sv.OneHot(k=3), delta=0.05)
    problem = model.sample(jax.random.key(1), 90)
    state = model.init(problem.data, jax.random.key(2))
    for _ in range(8):
        state, _ = model.step(problem.data, state)
    found = model.measure(state, problem)
    path = model.state_evolution(found, 3)
    assert set(found) <= set(path)
    assert path["overlap"][0] == pytest.approx(found["overlap"], rel=1e-12)
    for order in ([1, 2, 0], [1, 0, 2]):
        renamed = Instance(problem.data, np.asarray(problem.signal)[:, order])
        again = model.measure(state, renamed)
        assert again == pytest.approx(found, rel=1e-12)
    truth = np.asarray(problem.signal)
    exact = model.measure(truth[:, [2, 0, 1]], problem)
    assert exact["overlap"] == pytest.approx(2 / 3)
    assert exact["mse"] == pytest.approx(0, abs=1e-15)
    assert exact["matrix_mse"] == pytest.approx(0, abs=1e-15)


def test_rank_two_message_passing_is_rank_one_in_disguise():
    """Two groups: the iteration of x = s (1, -1) / 2 is that of s on 2 Y, from the same start."""
    groups = sv.SpikedWigner(prior=sv.OneHot(k=2), delta=0.1)
    binary = sv.SpikedWigner(prior=sv.Rademacher(), delta=0.4)
    problem = groups.sample(jax.random.key(0), 120)
    doubled = Data(None, 2 * problem.data.observation)
    first = groups.informed_start(problem, 0.1, jax.random.key(3))
    one = groups.solve(problem.data, jax.random.key(0), start=first, tolerance=0.0, max_steps=5)
    start = type(first)(2 * first.mean[:, 0], 1.0)
    two = binary.solve(doubled, jax.random.key(0), start=start, tolerance=0.0, max_steps=5)
    np.testing.assert_allclose(2 * one.mean[:, 0], two.mean, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(4 * one.variance[:, 0], two.variance, rtol=1e-9, atol=1e-12)


def test_an_informed_start_has_the_overlap_that_was_asked_for():
    model = sv.SpikedWigner(prior=sv.OneHot(k=4), delta=0.05)
    problem = model.sample(jax.random.key(0), 4000)
    start = model.informed_start(problem, 0.3, jax.random.key(1))
    measured = np.sum(np.asarray(problem.signal) * start.mean, axis=1)
    z = (measured.mean() - 0.3) / (measured.std() / np.sqrt(len(measured)))
    assert abs(z) < 4
    with pytest.raises(ValueError, match=r"overlap between 0 and 0\.75"):
        model.informed_start(problem, 0.8, jax.random.key(1))


def test_a_graph_is_symmetric_without_loops():
    groups = sv.OneHot(k=3)
    edges = sv.BernoulliEdges(probability=0.4, contrast=2.0)
    graph = sv.SpikedWigner(prior=groups, channel=edges).sample(jax.random.key(0), 600)
    adjacency = graph.data.observation
    assert adjacency.dtype == np.int8
    assert not np.any(np.diag(adjacency))
    np.testing.assert_array_equal(adjacency, adjacency.T)
    same = np.asarray(graph.signal) @ np.asarray(graph.signal).T > 0
    below = np.tril(np.ones_like(same), -1)
    for pairs, change in ((same & below, 2 / 3), (~same & below, -1 / 3)):
        expected = 0.4 + 2 * change / 600**0.5
        error = (expected * (1 - expected) / pairs.sum()) ** 0.5
        assert abs(adjacency[pairs].mean() - expected) < 4 * error
    with pytest.raises(ValueError, match="Argument `contrast` must leave probabilities"):
        sv.SpikedWigner(
            prior=groups, channel=sv.BernoulliEdges(probability=0.1, contrast=10.0)
        ).sample(jax.random.key(0), 100)

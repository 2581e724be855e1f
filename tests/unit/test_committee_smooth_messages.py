"""Messages of noisy sums of smooth hidden units: averages by other routes."""

from dataclasses import replace

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import pytest

import solvable as sv
from solvable.bricks.committee.smooth_messages import (
    SignOfSumMessages,
    SmoothSumMessages,
    split,
    sum_messages,
)

DELTA = 0.2
PAIR = np.array([[0.5, -0.2], [-0.2, 0.3]])
THREE = np.array([[0.5, -0.1, 0.05], [-0.1, 0.4, -0.15], [0.05, -0.15, 0.6]])
CASES = [(sv.Erf(), PAIR), (sv.ReLU(), PAIR), (sv.Erf(), THREE), (sv.ReLU(), THREE)]
NAMES = ["two erf", "two relu", "three erf", "three relu"]


@eqx.filter_jit
def compiled(law, y, omega, V):
    return law.messages(y, omega, V)


def messages(law, y, omega, V):
    """Five examples: one is taken five times, so that one program serves all tests of a law."""
    if len(y) == 1:
        y, omega = np.repeat(y, 5), np.repeat(omega, 5, axis=0)
    return compiled(law, jnp.asarray(y), jnp.asarray(omega), jnp.asarray(V))


def law_of(hidden, V):
    return sum_messages(len(V), hidden, DELTA, 1.0).resolved(V)


def log_partition(hidden, y, omega, V, nodes):
    """ln Z by a product of Gauss-Hermite rules, whose axes are those of a Cholesky factor."""
    x, weight = np.polynomial.hermite_e.hermegauss(nodes)
    axes = np.meshgrid(*[x] * len(V), indexing="ij")
    share = np.prod(np.meshgrid(*[weight / weight.sum()] * len(V), indexing="ij"), axis=0)
    z = omega + np.stack(axes, axis=-1) @ np.linalg.cholesky(V).T
    away = y - np.sum(np.asarray(hidden.evaluate(jnp.asarray(z))), axis=-1)
    return float(np.log(np.sum(share * np.exp(-0.5 * away**2 / DELTA))))


@pytest.mark.parametrize("hidden, V", [CASES[0], CASES[2]], ids=[NAMES[0], NAMES[2]])
def test_scores_are_slopes_of_the_partition_function(hidden, V):
    """And the mean slope is the curvature of its logarithm."""
    K, step, nodes = len(V), 1e-3, 64 if len(V) == 2 else 40
    y, omega = 0.7, np.linspace(-0.5, 0.4, K)
    found = messages(law_of(hidden, V), [y], [omega], V)
    moves = step * np.eye(K)

    def at(shift):
        return log_partition(hidden, y, omega + shift, V, nodes)

    rise = [(at(m) - at(-m)) / (2 * step) for m in moves]
    np.testing.assert_allclose(found.score[0], rise, atol=2e-6)
    bend = [
        [(at(a + b) - at(a - b) - at(b - a) + at(-a - b)) / (4 * step**2) for b in moves]
        for a in moves
    ]
    np.testing.assert_allclose(found.slope, -np.array(bend), atol=1e-5)


@pytest.mark.parametrize("hidden, V", CASES, ids=NAMES)
def test_slopes_are_differences_of_scores(hidden, V):
    K, step, law, rng = len(V), 1e-4, law_of(hidden, V), np.random.default_rng(len(V))
    omega = rng.standard_normal((5, K))
    y = law.sample(omega + rng.standard_normal((5, K)) @ np.linalg.cholesky(V).T, rng)
    found = messages(law, y, omega, V)
    # kinks leave grids of `ReLU` an error of 1e-4
    tolerance = 1e-5 if isinstance(law, SmoothSumMessages) else 1e-3
    for axis, move in enumerate(step * np.eye(K)):
        up, down = (messages(law, y, omega + s * move, V).score for s in (1, -1))
        slope = -jnp.mean(up - down, axis=0) / (2 * step)
        np.testing.assert_allclose(slope, found.slope[axis], atol=tolerance)


@pytest.mark.parametrize("hidden, V", CASES, ids=NAMES)
def test_scores_are_those_of_random_fields(hidden, V):
    """g = V^-1 (E[z | y] - omega), each field weighed by the density of y."""
    rng, y, count = np.random.default_rng(1), 0.9, 400_000
    omega = np.linspace(0.3, -0.4, len(V))
    noise = rng.standard_normal((count, len(V))) @ np.linalg.cholesky(V).T
    total = np.sum(np.asarray(hidden.evaluate(jnp.asarray(omega + noise))), axis=1)
    weight = np.exp(-0.5 * (y - total) ** 2 / DELTA)
    scores = np.linalg.solve(V, noise.T)
    mean = scores @ weight / weight.sum()
    found = messages(law_of(hidden, V), [y], [omega], V)
    error = np.sqrt(np.sum((weight * (scores - mean[:, None])) ** 2, axis=1)) / weight.sum()
    assert np.all(np.abs(found.score[0] - mean) < 4 * error)
    apart = (scores - mean[:, None]) * weight
    spread = apart @ (scores - mean[:, None]).T / weight.sum()
    atol = 4 * 10 / count**0.5  # the kurtosis of scores of order one
    np.testing.assert_allclose(found.slope, np.linalg.inv(V) - spread, atol=atol)


@pytest.mark.parametrize(
    "hidden, V",
    [*CASES[:2], *(pytest.param(*x, marks=pytest.mark.slow) for x in CASES[2:])],
    ids=NAMES,
)
def test_labels_of_the_law_leave_nothing_to_be_learned(hidden, V):
    """E_y g = 0, E_y g g^T = E_y[-dg / domega], and E y as predicted: over many labels."""
    law, rng, count = law_of(hidden, V), np.random.default_rng(2), 4_000 if len(V) == 2 else 2_000
    omega = rng.standard_normal((count, len(V)))
    noise = rng.standard_normal((count, len(V))) @ np.linalg.cholesky(V).T
    y = law.sample(omega + noise, rng)
    found = messages(law, y, omega, V)
    g = np.asarray(found.score)
    assert int(found.impossible) == 0
    assert np.all(np.abs(g.mean(axis=0)) < 4 * g.std(axis=0) / count**0.5)
    square = g[:, :, None] * g[:, None]
    bound = 5 * square.std(axis=0) / count**0.5
    assert np.all(np.abs(square.mean(axis=0) - found.slope) < bound)
    away = y - np.asarray(law.predicted(jnp.asarray(omega), jnp.asarray(V)))
    assert abs(away.mean()) < 4 * away.std() / count**0.5


@pytest.mark.parametrize("V", [PAIR, THREE], ids=["two", "three"])
def test_linear_units_are_a_gaussian_channel(V):
    """g = 1 (y - sum omega) / (delta + 1^T V 1), whose slope is constant."""
    law, one = law_of(sv.Linear(), V), np.ones(len(V))
    omega, total = np.random.default_rng(0).standard_normal((5, len(V))), DELTA + one @ V @ one
    away = total**0.5 * np.array([-2.5, -1.0, 0.0, 0.7, 3.0])
    found = messages(law, omega @ one + away, omega, V)
    expected = np.outer(away / total, one)
    np.testing.assert_allclose(found.score, expected, atol=1e-6)
    np.testing.assert_allclose(found.slope, np.outer(one, one) / total, atol=1e-6)
    predicted = law.predicted(jnp.asarray(omega), jnp.asarray(V))
    np.testing.assert_allclose(predicted, omega @ one, atol=1e-10)


@pytest.mark.parametrize("hidden", [sv.Erf(), sv.ReLU()], ids=repr)
def test_fields_that_are_all_but_known(hidden):
    """V -> 0: g = h'(omega) (y - sum h) / delta, and the slope keeps its digits."""
    omega, V, y = np.array([[0.4, 0.9]]), 1e-7 * PAIR, [0.8]
    found = messages(law_of(hidden, V), y, omega, V)
    rise = np.sqrt(2 / np.pi) * np.exp(-0.5 * omega[0] ** 2)
    bend = -omega[0] * rise
    if isinstance(hidden, sv.ReLU):
        rise, bend = np.ones(2), np.zeros(2)
    away = y[0] - float(jnp.sum(hidden.evaluate(jnp.asarray(omega))))
    np.testing.assert_allclose(found.score[0], rise * away / DELTA, rtol=1e-6)
    slope = (np.outer(rise, rise) - np.diag(bend) * away) / DELTA
    np.testing.assert_allclose(found.slope, slope, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("hidden", [sv.Erf(), sv.ReLU()], ids=repr)
@pytest.mark.parametrize("V", [[[0.01, 0.0], [0.0, 0.99]], [[0.5, -0.47], [-0.47, 0.5]]])
def test_finer_grids_change_nothing(hidden, V):
    """Where the sum is all but known, and where one unit is."""
    V, rng = np.array(V), np.random.default_rng(3)
    law, omega = law_of(hidden, V), rng.standard_normal((50, 2))
    y = law.sample(omega + rng.standard_normal((50, 2)) @ np.linalg.cholesky(V).T, rng)
    changed = {"across": 2 * law.across + 1}
    if isinstance(law, SmoothSumMessages):
        changed |= {"along": 2 * law.along + 1}
    fine = replace(law, **changed)
    found, finer = (messages(x, y, omega, V) for x in (law, fine))
    atol = 1e-5 if isinstance(law, SmoothSumMessages) else 1e-3
    np.testing.assert_allclose(found.score, finer.score, atol=atol)
    np.testing.assert_allclose(found.slope, finer.slope, atol=atol)


@pytest.mark.parametrize("hidden, V", CASES, ids=NAMES)
def test_labels_far_off_do_not_underflow(hidden, V):
    """At a hundred deviations of the noise: finite, and on the side of the label."""
    found = messages(law_of(hidden, V), [-50.0, -20.0, 0.0, 20.0, 50.0], np.zeros((5, len(V))), V)
    assert int(found.impossible) == 0
    assert np.all(np.isfinite(found.score)) and np.all(np.isfinite(found.slope))
    side = np.asarray(found.score) @ V @ np.ones(len(V))
    assert np.all(np.diff(side) >= 0) and side[0] < 0 < side[-1]


@pytest.mark.parametrize("V", [PAIR, THREE], ids=["two", "three"])
def test_the_sign_of_a_sum(V):
    """Scores and E y of random fields; slopes are differences of scores; a finer grid agrees."""
    K, rng, count, step = len(V), np.random.default_rng(1), 400_000, 1e-4
    law = SignOfSumMessages(K, sv.Erf()).resolved(V)
    omega, y = np.linspace(0.6, -0.3, K), np.ones(1)
    noise = rng.standard_normal((count, K)) @ np.linalg.cholesky(V).T
    seen = law.sample(omega + noise, rng)
    scores = np.linalg.solve(V, noise[seen > 0].T)
    found = messages(law, y, [omega], V)
    error = scores.std(axis=1) / scores.shape[1] ** 0.5
    assert np.all(np.abs(found.score[0] - scores.mean(axis=1)) < 4 * error)
    predicted = law.predicted(jnp.asarray(omega)[None], jnp.asarray(V))
    assert float(predicted[0]) == pytest.approx(seen.mean(), abs=4 / count**0.5)
    for axis, move in enumerate(step * np.eye(K)):
        up, down = (messages(law, y, [omega + s * move], V).score[0] for s in (1, -1))
        np.testing.assert_allclose((down - up) / (2 * step), found.slope[axis], atol=1e-5)
    fine = messages(replace(law, across=2 * law.across + 1), y, [omega], V)
    np.testing.assert_allclose(found.score, fine.score, atol=1e-5)
    np.testing.assert_allclose(found.slope, fine.slope, atol=1e-5)


def test_four_units_against_random_fields():
    """On a sequence: its error is some 1e-2."""
    V = 0.6 * np.eye(4) - 0.1
    rng, y, count, omega = np.random.default_rng(1), 0.9, 400_000, np.array([0.3, 0.1, 0.0, -0.4])
    noise = rng.standard_normal((count, 4)) @ np.linalg.cholesky(V).T
    total = np.sum(np.asarray(sv.Erf().evaluate(jnp.asarray(omega + noise))), axis=1)
    weight = np.exp(-0.5 * (y - total) ** 2 / DELTA)
    mean = np.linalg.solve(V, noise.T @ weight / weight.sum())
    found = messages(law_of(sv.Erf(), V), [y], [omega], V)
    np.testing.assert_allclose(found.score[0], mean, atol=0.02)


def test_fields_rise_together():
    rise, A = split(jnp.asarray(THREE))
    np.testing.assert_allclose(rise**2 + A @ A.T, THREE, atol=1e-14)
    assert A.shape == (3, 2)

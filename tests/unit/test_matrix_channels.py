"""Spiked matrices seen through a channel: theory, instances, and what is refused."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import solvable as sv
from solvable.bricks.matrix_channels.base import AbstractAdditiveNoise, AbstractMatrixChannel
from solvable.bricks.matrix_channels.matrices import (
    draw_rectangular,
    draw_symmetric,
    spiked_matrix,
)
from solvable.core.arguments import parameter, positive
from solvable.core.instance import Data
from solvable.core.status import Status

EDGES = sv.BernoulliEdges(probability=0.4, contrast=0.75)
GRAPH = sv.SpikedWigner(prior=sv.Rademacher(), channel=EDGES)
COUNTS = sv.SpikedWishart(
    prior_u=sv.Gaussian(),
    prior_v=sv.Rademacher(),
    beta=1.5,
    channel=sv.PoissonCounts(rate=0.5, contrast=2.0),
)


class ExponentialNoise(AbstractAdditiveNoise):
    """Double exponential noise, |score| = 1 / scale."""

    scale: float = parameter("scale", positive)

    def log_density(self, noise):
        return -jnp.abs(noise) / self.scale - jnp.log(2 * self.scale)

    def width(self):
        return jnp.asarray(self.scale)

    def draw(self, generator, shape):
        return generator.laplace(0.0, self.scale, shape)


class Even(AbstractMatrixChannel):
    """N(w^2, 1), which shows nothing of w to first order."""

    def log_likelihood(self, y, w):
        return -0.5 * (y - w**2) ** 2

    def outputs(self):
        return jnp.linspace(-9, 9, 99), jnp.full(99, 18 / 98 / (2 * np.pi) ** 0.5)

    def emits(self, y):
        return np.isfinite(y)

    def sample(self, key, w):
        return w**2


# ---- theory


@pytest.mark.parametrize(
    ("model", "delta"),
    [(GRAPH, 0.4 * 0.6 / 0.75**2), (COUNTS, 1 / (0.5 * 2.0**2))],
    ids=["graph", "counts"],
)
def test_theory_is_that_of_gaussian_noise(model, delta):
    assert float(model.noise()) == pytest.approx(delta, rel=1e-14)
    fields = {
        name: getattr(model, name)
        for name in ("prior", "prior_u", "prior_v", "beta")
        if hasattr(model, name)
    }
    gaussian = type(model)(**fields, delta=delta)
    here, there = sv.curve(model), sv.curve(gaussian)
    assert set(here.data_vars) == set(there.data_vars)
    for name in here.data_vars:
        np.testing.assert_allclose(here[name].values, there[name].values, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(
        model.update(model.starts()["informed"]).overlap,
        gaussian.update(gaussian.starts()["informed"]).overlap,
        rtol=1e-12,
    )


def test_two_groups_are_found_from_the_kesten_stigum_threshold_on():
    model = sv.SpikedWigner(prior=sv.Rademacher(), channel=sv.BernoulliEdges(probability=0.3))
    for name in ("channel.contrast", "contrast"):
        found = sv.thresholds(model, name)
        for threshold in ("weak_recovery", "algorithmic"):
            assert found[threshold].value == pytest.approx(0.21**0.5, rel=1e-12)
        assert found["information_theoretic"].status is Status.no_branch


def test_transitions_of_first_order_in_the_contrast_and_on_both_sides_of_a_probability():
    prior = sv.SparseRademacher(rho=0.05)
    noise = sv.thresholds(sv.SpikedWigner(prior=prior), "delta")
    model = sv.SpikedWigner(prior=prior, channel=sv.PoissonCounts(rate=2.0))
    found = sv.thresholds(model, "contrast")
    assert set(found) == set(noise)
    for name, one in noise.items():
        assert found[name].value == pytest.approx((1 / (2.0 * one.value)) ** 0.5, rel=1e-10)
    edges = sv.BernoulliEdges(probability=0.5, contrast=0.4)
    model = sv.SpikedWigner(prior=sv.Rademacher(), channel=edges)
    sides = sv.thresholds(model, "probability")
    assert sides["weak_recovery"].value == pytest.approx(0.2, rel=1e-10)
    assert sides["weak_recovery_2"].value == pytest.approx(0.8, rel=1e-10)


def test_sweeps_and_phases():
    model = sv.SpikedWigner(prior=sv.Rademacher(), channel=sv.StudentNoise(degrees=3))
    scales = np.array([0.4, 0.6])
    data = sv.curve(model, over={"scale": scales})
    gaussian = sv.SpikedWigner(prior=sv.Rademacher())
    there = sv.curve(gaussian, over={"delta": scales**2 * 1.5})
    np.testing.assert_allclose(data.overlap.values, there.overlap.values, rtol=1e-9)
    x, y = ("scale", [0.5, 0.75, 1.2]), ("degrees", [1.0, 1e6])
    phases = sv.phase_diagram(model, x=x, y=y)
    edge = ((1 + np.array([1.0, 1e6])) / (3 + np.array([1.0, 1e6]))) ** 0.5
    np.testing.assert_allclose(phases.boundary_weak_recovery, edge, rtol=1e-9)
    np.testing.assert_array_equal(phases.phase, [[0, 2, 2], [0, 0, 2]])


def test_a_channel_of_ones_own():
    model = sv.SpikedWigner(prior=sv.Rademacher(), channel=ExponentialNoise(scale=0.6))
    assert float(model.noise()) == pytest.approx(0.36, rel=1e-10)
    problem = model.sample(jax.random.key(0), 300)
    np.testing.assert_allclose(
        np.abs(model.problem(problem.data).matrix) + 0.6 * np.eye(300), 0.6, rtol=1e-9
    )
    with pytest.raises(ValueError, match="finite Fisher information above 0"):
        sv.curve(sv.SpikedWigner(prior=sv.Rademacher(), channel=Even()))


# ---- specifications


def test_specifications():
    assert repr(sv.SpikedWigner(prior=sv.Rademacher(), delta=0.5, channel=None)) == (
        "SpikedWigner(prior=Rademacher(), delta=0.5)"
    )
    for model in (GRAPH, COUNTS):
        assert sv.parse(repr(model)) == model
        assert "delta" not in repr(model)
    assert repr(GRAPH) == (
        "SpikedWigner(prior=Rademacher(), channel=BernoulliEdges(probability=0.4, contrast=0.75))"
    )


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (
            lambda: sv.SpikedWigner(prior=sv.Rademacher(), delta=0.1, channel=EDGES),
            "Argument `delta` must be left out beside `channel`, which it follows from, but was",
        ),
        (
            lambda: sv.SpikedWishart(
                prior_u=sv.Gaussian(), prior_v=sv.Rademacher(), delta=0.1, channel=EDGES
            ),
            "Argument `delta` must be left out beside `channel`",
        ),
        (
            lambda: sv.SpikedWigner(prior=sv.Rademacher(), channel=sv.Sign()),
            "Argument `channel` must be a matrix channel",
        ),
        (lambda: sv.thresholds(GRAPH, "delta"), "has no parameter `delta`"),
        (lambda: sv.curve(GRAPH, over={"delta": [0.1]}), "has no parameter `delta`"),
        (
            lambda: sv.curve(
                sv.SpikedWigner(prior=sv.Rademacher(), channel=sv.PoissonCounts(rate=1.0))
            ),
            "Argument `channel.contrast` must be given or swept",
        ),
        (lambda: sv.BernoulliEdges(probability=1.0, contrast=1.0), "`probability` must be in"),
        (lambda: sv.BernoulliEdges(probability=0.5, contrast=0.0), "`contrast` must be finite"),
        (lambda: sv.BernoulliEdges.with_noise(0.5, 0.0), "`delta` must be positive"),
        (lambda: sv.PoissonCounts(rate=0.0), "`rate` must be positive"),
        (lambda: sv.StudentNoise(degrees=0.0), "`degrees` must be positive"),
        (
            lambda: sv.ContaminatedNoise(fraction=1.1, variance=1.0, outlier_variance=2.0),
            r"`fraction` must be in \[0, 1\]",
        ),
    ],
)
def test_what_is_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()


# ---- instances


def test_blocks_of_rows_are_the_matrix():
    """More rows than a block holds; the scores are elementwise, twice the same key the same."""
    key, v = jax.random.key(0), np.random.default_rng(0).normal(size=600)
    matrix = draw_symmetric(EDGES, key, 0.1 * v)
    np.testing.assert_array_equal(matrix, matrix.T)
    assert not np.any(np.diag(matrix))
    np.testing.assert_array_equal(matrix, draw_symmetric(EDGES, key, 0.1 * v))
    np.testing.assert_allclose(spiked_matrix(EDGES, matrix), (matrix - 0.4) / 0.75, rtol=1e-13)
    wide = draw_rectangular(EDGES, key, 0.1 * v, np.ones(7))
    assert wide.shape == (600, 7)
    assert 0.3 < wide[300:].mean() < 0.5
    counts = sv.PoissonCounts(rate=2.0, contrast=0.5)
    drawn = draw_rectangular(counts, key, v, v[:50])
    np.testing.assert_allclose(spiked_matrix(counts, drawn), (drawn - 2) / (0.5 * 2), rtol=1e-13)


def test_the_diagonal_is_not_observed():
    problem = GRAPH.sample(jax.random.key(0), 80)
    looped = problem.data.observation.copy()
    np.fill_diagonal(looped, 1)
    found = [GRAPH.problem(Data(None, x)).matrix for x in (problem.data.observation, looped)]
    np.testing.assert_array_equal(found[0], found[1])
    assert not np.any(np.diag(found[0]))


@pytest.mark.parametrize(
    ("channel", "size", "message"),
    [
        (sv.BernoulliEdges(probability=0.5, contrast=30.0), 100, "probabilities of edges between"),
        (sv.PoissonCounts(rate=1.0, contrast=1e4), 100, "means of counts below"),
    ],
)
def test_a_signal_that_the_channel_cannot_carry(channel, size, message):
    model = sv.SpikedWigner(prior=sv.Rademacher(), channel=channel)
    with pytest.raises(ValueError, match=f"Argument `contrast` must leave {message}"):
        model.sample(jax.random.key(0), size)


@pytest.mark.parametrize("model", [GRAPH, COUNTS], ids=["graph", "counts"])
def test_steps_trajectories_and_starts(model):
    data = sv.experiment(model, size=120, instances=3, trajectory=True, iterations=4, start=0.3)
    label = model.subject().label
    mean = data[f"overlap{label}_trajectory_mean"].values
    assert np.max(np.abs(mean - data[f"overlap{label}_state_evolution"].values)) < 0.2
    problem = model.sample(jax.random.key(0), 100)
    state, _ = model.step(problem.data, model.init(problem.data, jax.random.key(1)))
    assert np.all(np.isfinite(state.means[0]))


@pytest.mark.parametrize(("model", "size"), [(GRAPH, 400), (COUNTS, 300)], ids=["graph", "counts"])
def test_denoise_reads_what_the_channel_emits(model, size):
    problem = model.sample(jax.random.key(2), size)
    matrix = problem.data.observation
    found = sv.denoise(model, matrix)
    assert found.detectable
    assert found.status is Status.converged
    assert found.document()["delta"] == pytest.approx(float(model.noise()))
    assert "is that of" in found.noise
    label = model.subject().label
    cosine = model.measure(found.mean, problem)[f"overlap{label}"]
    assert abs(cosine - (1 - found.expected_mse)) < 0.15
    stray = matrix.astype(float)
    stray[3, 4] = stray[4, 3] = 0.5
    with pytest.raises(ValueError, match=r"Argument `matrix` must hold what .* but held 0\.5"):
        sv.denoise(model, stray)


def test_a_table_of_flags_is_a_graph():
    matrix = GRAPH.sample(jax.random.key(2), 200).data.observation
    one, two = (sv.denoise(GRAPH, x).mean for x in (matrix, matrix.astype(bool)))
    np.testing.assert_array_equal(one, two)

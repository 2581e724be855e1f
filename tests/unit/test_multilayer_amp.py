"""Multi-layer message passing: one step, exact answers of linear chains, storages, statuses."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.sparse
import scipy.sparse.linalg
import scipy.stats
from tests.unit.chain_problems import NOISY, draw, relu_problem

from solvable.algorithms import damping, gamp, multilayer_amp, multilayer_vamp
from solvable.algorithms.multilayer_amp import Start
from solvable.algorithms.multilayer_run import run
from solvable.algorithms.problem import assemble
from solvable.bricks.channels.abs import Abs
from solvable.bricks.channels.linear import Linear
from solvable.bricks.channels.relu import ReLU
from solvable.bricks.channels.sign import Sign
from solvable.bricks.priors.gauss_bernoulli import GaussBernoulli
from solvable.bricks.priors.gaussian import Gaussian
from solvable.core.instance import Data
from solvable.core.randomness import key_for, normal_matrix
from solvable.core.status import Status


def relu_run(weights, y, biases=None, **options):
    return run(assemble(Gaussian(), [ReLU(), NOISY], weights, y, biases), **options)


def test_one_step_is_the_algorithm():
    weights, y, _, _ = relu_problem((30, 50, 40))
    rng = np.random.default_rng(0)
    bias = rng.normal(size=50)
    problem = assemble(Gaussian(), [ReLU(), NOISY], weights, y, [bias, None])
    starts = [
        Start(rng.normal(size=p), rng.uniform(0.1, 1, size=p), rng.normal(size=n))
        for p, n in ((30, 50), (50, 40))
    ]
    state, info = multilayer_amp.step(problem, multilayer_amp.init(problem, starts))
    (W, U), (low, high) = weights, starts
    r, s = np.sum(W**2) / 50, np.sum(U**2) / 40
    V, T = r * low.variance.mean(), s * high.variance.mean()
    omega, zeta = W @ low.mean + bias - V * low.g, U @ high.mean - T * high.g
    top = (y - zeta) / (0.01 + T)
    A = np.sum(U**2) / 50 / (0.01 + T)
    middle = ReLU().hidden(U.T @ top + A * high.mean, jnp.asarray(A), omega, jnp.asarray(V))
    precision = np.sum(W**2) / 30 * np.mean(middle.curvature)
    mean = (W.T @ np.asarray(middle.g) + precision * low.mean) / (1 + precision)
    np.testing.assert_allclose(state.means[1], middle.mean, rtol=1e-11)
    np.testing.assert_allclose(state.variances[1], middle.variance, rtol=1e-11)
    np.testing.assert_allclose(state.g, middle.g, rtol=1e-11)
    np.testing.assert_allclose(state.mean, mean, rtol=1e-11)
    np.testing.assert_allclose(state.variance, 1 / (1 + precision), rtol=1e-11)
    np.testing.assert_allclose(info.output_variance, T)
    changes = [
        np.sqrt(np.mean((state.mean - low.mean) ** 2)),
        np.sqrt(np.mean((state.means[1] - high.mean) ** 2) / state.layers[1].second_moment),
        np.mean(np.abs(state.variance - low.variance)),
        np.mean(np.abs(state.variances[1] - high.variance)) / state.layers[1].second_moment,
        np.sqrt(np.mean((V * (state.g - low.g)) ** 2) / r),
        np.sqrt(np.mean((T * (top - high.g)) ** 2) / (s * state.layers[1].second_moment)),
    ]
    np.testing.assert_allclose(info.residual, max(changes))


def test_hidden_units_begin_as_if_nothing_were_known():
    weights, y, _, _ = relu_problem()
    bias = np.linspace(-1, 1, 400)
    state = multilayer_amp.init(assemble(Gaussian(), [ReLU(), NOISY], weights, y, [bias, None]))
    V = np.sum(weights[0] ** 2) / 400
    mass, density = scipy.stats.norm.cdf(bias / V**0.5), scipy.stats.norm.pdf(bias / V**0.5)
    mean = bias * mass + V**0.5 * density
    second = (bias**2 + V) * mass + bias * V**0.5 * density
    np.testing.assert_allclose(state.means[1], mean, rtol=1e-10)
    np.testing.assert_allclose(state.variances[1], second - mean**2, rtol=1e-10)
    assert float(state.layers[1].second_moment) == pytest.approx(np.mean(second))


@pytest.mark.parametrize("sizes", [(300, 300, 300), (600, 900, 400)])
def test_linear_chain_is_the_gaussian_posterior(sizes):
    """Means are exact on any instance, variances to O(1 / n)."""
    weights, x = draw(sizes)
    W, n = weights[1] @ weights[0], sizes[0]
    y = W @ x + np.sqrt(0.1) * np.random.default_rng(1).normal(size=sizes[2])
    problem = assemble(Gaussian(), [Linear(), Linear(delta=0.1)], weights, y)
    found = run(problem, tolerance=1e-10)
    covariance = np.linalg.inv(np.eye(n) + W.T @ W / 0.1)
    mean = covariance @ W.T @ y / 0.1
    assert found.status == Status.converged
    np.testing.assert_allclose(found.mean, mean, atol=1e-8)
    np.testing.assert_allclose(found.hidden_means[0], weights[0] @ mean, atol=1e-8)
    hidden = np.sum((weights[0] @ covariance) * weights[0]) / sizes[1]
    assert found.variance.mean() == pytest.approx(np.trace(covariance) / n, abs=2 / n)
    assert found.hidden_variances[0].mean() == pytest.approx(hidden, abs=2 / n)


@pytest.mark.parametrize(
    "channel, mse, hidden", [(ReLU(), 0.1434733, 0.01369313), (Sign(), 0.2717018, 0.0)]
)
def test_hidden_layers_reach_the_error_that_they_expect(channel, mse, hidden):
    weights, x = draw((500, 1000, 750))
    h = np.asarray(channel.evaluate(weights[0] @ x))
    y = weights[1] @ h + 0.1 * np.random.default_rng(1).normal(size=750)
    found = run(assemble(Gaussian(), [channel, NOISY], weights, y))
    assert found.status == Status.converged
    for mean, variance, truth, theory in (
        (found.mean, found.variance, x, mse),
        (found.hidden_means[0], found.hidden_variances[0], h, hidden),
    ):
        assert np.mean((mean - truth) ** 2) == pytest.approx(theory, rel=0.3, abs=1e-6)
        assert np.mean(variance) == pytest.approx(theory, rel=0.15, abs=1e-6)


def test_three_layers():
    sizes = (300, 450, 600, 600)
    weights, x = draw(sizes)
    h = [x]
    for matrix in weights[:2]:
        h.append(np.maximum(matrix @ h[-1], 0))
    problem = assemble(Gaussian(), [ReLU(), ReLU(), NOISY], weights, weights[2] @ h[2])
    found = run(problem)
    assert found.status == Status.converged
    assert len(found.hidden_means) == len(found.hidden_variances) == 2
    assert np.mean((found.mean - x) ** 2) < 0.5
    for mean, truth in zip(found.hidden_means, h[1:], strict=True):
        assert np.mean((mean - truth) ** 2) < 0.1 * np.mean(truth**2)


def test_one_layer_is_gamp():
    X = normal_matrix(key_for(0, "one layer"), (160, 200), 200**-0.5)
    rng = np.random.default_rng(0)
    y = X @ (rng.normal(size=200) * (rng.random(200) < 0.25)) + 0.1 * rng.normal(size=160)
    prior = GaussBernoulli(rho=0.25)
    for options in ({}, {"variances": "vector"}, {"center": True}, {"damping": 0.3}):
        chain = run(assemble(prior, [NOISY], [X], y), **options)
        alone = gamp.run(prior, NOISY, Data(X, y), **options)
        np.testing.assert_array_equal(chain.mean, alone.mean)
        np.testing.assert_array_equal(chain.variance, alone.variance)
        assert chain.steps == alone.steps and chain.residual == alone.residual
        assert chain.hidden_means == () and chain.hidden_variances == ()


@pytest.mark.parametrize("algorithm, close", [(run, 1e-10), (multilayer_vamp.run, 1e-9)])
def test_right_hand_sides_and_stacks_share_nothing(algorithm, close):
    bias = np.linspace(-1, 1, 400)
    weights, y, x, _ = relu_problem(columns=3, bias=bias)

    def solved(weights, y):
        return algorithm(assemble(Gaussian(), [ReLU(), NOISY], weights, y, [bias, None]))

    together = solved(weights, y)
    assert together.mean.shape == x.shape and together.hidden_means[0].shape == (400, 3)
    stacks = [np.stack([matrix] * 3) for matrix in weights]
    stacked = solved(stacks, y.T)
    for k in range(3):
        alone = solved(weights, y[:, k])
        assert alone.status == together.status[k] == Status.converged
        assert alone.steps == together.steps[k] == stacked.steps[k]
        for many in (together.hidden_means[0][:, k], stacked.hidden_means[0][k]):
            np.testing.assert_allclose(many, alone.hidden_means[0], atol=close)
        np.testing.assert_allclose(together.mean[:, k], alone.mean, atol=close)
        np.testing.assert_allclose(stacked.mean[k], alone.mean, atol=close)


def test_all_storages_give_one_answer():
    weights, y, _, _ = relu_problem()
    expected = relu_run(weights, y)
    forms = {
        "sparse": ([scipy.sparse.csr_array(weights[0]), weights[1]], 1e-9),
        "fortran": ([np.asfortranarray(matrix) for matrix in weights], 1e-9),
        "operator": ([weights[0], scipy.sparse.linalg.aslinearoperator(weights[1])], 0.05),
        "single": ([matrix.astype(np.float32) for matrix in weights], 1e-4),
        "mixed": ([weights[0].astype(np.float32), weights[1]], 1e-4),
    }
    for name, (design, tolerance) in forms.items():
        found = relu_run(design, y)
        assert found.status == Status.converged
        assert found.mean.dtype == np.float64
        np.testing.assert_allclose(found.mean, expected.mean, atol=tolerance, err_msg=name)


def test_options_of_one_layer_hold_for_more():
    weights, y, x, _ = relu_problem()
    plain = relu_run(weights, y, tolerance=1e-9)
    for options in ({"damping": 0.4}, {"damping": "adaptive"}):
        found = relu_run(weights, y, tolerance=1e-9, **options)
        np.testing.assert_allclose(found.mean, plain.mean, atol=1e-6)
    error = np.mean((plain.mean - x) ** 2)
    for options in ({"variances": "vector"}, {"center": True}):
        found = relu_run(weights, y, **options)
        assert found.status == Status.converged
        assert np.mean((found.mean - x) ** 2) == pytest.approx(error, rel=0.2)


def test_damping_mixes_every_layer():
    weights, y, _, _ = relu_problem()
    problem = assemble(Gaussian(), [ReLU(), NOISY], weights, y)
    old, _ = multilayer_amp.step(problem, multilayer_amp.init(problem))
    plain, info = multilayer_amp.step(problem, old)
    damped, same = multilayer_amp.step(problem, old, damping=0.25)
    assert info.residual == same.residual
    for layer, image, before in zip(damped.layers, plain.layers, old.layers, strict=True):
        for name in ("mean", "variance", "g"):
            mixed = 0.75 * getattr(image, name) + 0.25 * getattr(before, name)
            np.testing.assert_allclose(getattr(layer, name), mixed, atol=1e-14)


@pytest.mark.parametrize("variances", ["scalar", "vector"])
def test_step_under_transformations(variances):
    weights, y, _, _ = relu_problem((30, 50, 40), columns=2)

    def two_steps(low, high, y):
        problem = assemble(Gaussian(), [ReLU(), NOISY], [low, high], y)
        state = multilayer_amp.init(problem, variances=variances)
        for _ in range(2):
            state, info = multilayer_amp.step(problem, state)
        return *state.means, info.residual

    expected = two_steps(*weights, y)
    arrays = [jnp.asarray(matrix) for matrix in weights]
    for found, value in zip(jax.jit(two_steps)(*arrays, jnp.asarray(y)), expected, strict=True):
        np.testing.assert_allclose(found, value, rtol=1e-9)
    by_column = jax.jit(jax.vmap(lambda one: two_steps(*weights, one), in_axes=1))
    columns = by_column(jnp.asarray(y))
    np.testing.assert_allclose(columns[0].T, expected[0], rtol=1e-9)


# Hazards 7 and 24: a layer whose weights have a mean, and weights of low rank.
def test_a_layer_with_a_mean_is_named_and_centering_helps():
    weights, y, x, h = relu_problem()
    shifted = [weights[0], weights[1] + 4 / 400]
    y = y + 4 / 400 * h.sum()
    found = relu_run(shifted, y)
    assert found.status == Status.left_domain
    assert "`weights[1]` has a mean" in found.messages[0]
    centered = relu_run(shifted, y, center=True)
    plain = relu_run(weights, y - 4 / 400 * h.sum())
    errors = [np.mean((one.mean - x) ** 2) for one in (centered, plain)]
    assert centered.status == Status.converged
    assert errors[0] == pytest.approx(errors[1], rel=0.1)


def test_divergence_ends_with_the_best_iterate():
    rng = np.random.default_rng(0)
    shapes = ((300, 200), (250, 300))
    weights = [
        rng.normal(size=(n, 3)) @ rng.normal(size=(3, p)) / np.sqrt(3 * p) for n, p in shapes
    ]
    y = weights[1] @ np.maximum(weights[0] @ rng.normal(size=200), 0)
    for rule in (0.0, "adaptive"):
        found = run(
            assemble(Gaussian(), [ReLU(), Linear(delta=1e-3)], weights, y),
            damping=rule,
            max_steps=100,
        )
        assert found.status in (Status.left_domain, Status.max_steps)
        assert np.isfinite(found.residual) and "Converged" not in found.messages[0]
        for array in (found.mean, found.variance, *found.hidden_means, *found.hidden_variances):
            assert np.isfinite(array).all()


def test_adaptive_damping_rule():
    rule = damping.Adaptive.first(3)
    stays = np.zeros(3, bool)
    for k in range(4 * damping.WINDOW):  # falls; rises; falls
        rule = rule.after(np.array([0.9**k, 1.1**k, 0.9**k]), stays)
    assert rule.damping[0, 0] == 0
    assert rule.length[1, 0] == pytest.approx(damping.SHRINK**3)
    for k in range(damping.WINDOW):
        rule = rule.after(np.array([1.0, 0.5**k, 1.0]), stays)
    assert rule.length[1, 0] == pytest.approx(damping.SHRINK**3 * damping.GROW)
    rule = rule.after(np.array([1.0, np.nan, 1.0]), np.array([False, True, False]))
    half = 0.5 * damping.SHRINK**3 * damping.GROW
    assert rule.length[1, 0] == rule.longest[1, 0] == pytest.approx(half)
    for _ in range(20):
        rule = rule.after(np.full(3, np.nan), np.ones(3, bool))
    assert np.all(rule.length == damping.SMALLEST) and not rule.patient.any()


def test_adaptive_damping_settles_what_diverges_without():
    rng = np.random.default_rng(0)
    n, p = 400, 600
    left, _, right = np.linalg.svd(rng.normal(size=(n, p)), full_matrices=False)
    values = np.geomspace(1, 0.1, n)
    X = (left * values * np.sqrt(n / np.sum(values**2))) @ right
    w = rng.normal(size=p) * (rng.random(p) < 0.15)
    data = Data(X, X @ w + 0.01 * rng.normal(size=n))
    prior, channel = GaussBernoulli(rho=0.15), Linear(delta=1e-4)
    assert gamp.run(prior, channel, data).status == Status.left_domain
    found = gamp.run(prior, channel, data, damping="adaptive")
    assert found.status == Status.converged
    assert np.mean((found.mean - w) ** 2) < 1e-3 * np.mean(w**2)


def test_bad_arguments():
    weights, y, _, _ = relu_problem((30, 50, 40))
    channels = [ReLU(), NOISY]

    def make(*changed, biases=None):
        given = {"channels": channels, "weights": weights, "observation": y} | dict(changed)
        return assemble(Gaussian(), **given, biases=biases)

    wide = np.ones((40, 60))
    cases = [
        (lambda: make(("weights", [])), "Argument `weights` must hold at least one"),
        (
            lambda: make(("weights", [weights[0], wide])),
            r"Argument `weights\[1\]` must have 50 columns.*but had shape \(40, 60\)",
        ),
        (
            lambda: make(("weights", [weights[0], "W"])),
            r"Argument `weights\[1\]` must be an array",
        ),
        (
            lambda: make(("weights", [weights[0], weights[1] * 1j])),
            r"Argument `weights\[1\]` must hold real numbers",
        ),
        (
            lambda: make(("weights", [weights[0], np.stack([weights[1]] * 2)])),
            r"Argument `weights\[1\]` must be a stack",
        ),
        (lambda: make(("channels", [ReLU()])), "Argument `channels` must have one entry"),
        (lambda: make(("channels", ["ReLU", NOISY])), r"Argument `channels\[0\]` must be a chan"),
        (lambda: make(("observation", y[:-1])), "Argument `observation` must have one entry"),
        (lambda: make(biases=[None]), "Argument `biases` must have one entry"),
        (
            lambda: make(biases=[np.ones(40), None]),
            r"Argument `biases\[0\]` must have shape \(50,\), but had \(40,\)",
        ),
        (
            lambda: multilayer_amp.init(make(), [None] * 3),
            "Argument `start` must have at most 2 entries",
        ),
        (lambda: run(make(), damping="more"), "Argument `damping` must be in .* or 'adaptive'"),
        (lambda: run(make(), variances="full"), "Argument `variances` must be one of"),
    ]
    for call, words in cases:
        with pytest.raises(ValueError, match=words):
            call()


def test_a_channel_that_is_only_observed_may_end_a_chain():
    weights, x = draw((100, 200, 400))
    y = np.abs(weights[1] @ np.maximum(weights[0] @ x, 0))
    found = run(assemble(Gaussian(), [ReLU(), Abs()], weights, y), max_steps=50)
    assert np.isfinite(found.mean).all() and np.isfinite(found.residual)

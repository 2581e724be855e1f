"""Vector AMP: exact answers of linear chains, its predicted errors, storages, statuses."""

import jax
import numpy as np
import pytest
import scipy.sparse
import scipy.sparse.linalg
from tests.unit.chain_problems import NOISY, relu_problem

from solvable.algorithms import multilayer_run, multilayer_vamp
from solvable.algorithms.multilayer_vamp import run
from solvable.algorithms.problem import assemble
from solvable.bricks.channels.abs import Abs
from solvable.bricks.channels.linear import Linear
from solvable.bricks.channels.relu import ReLU
from solvable.bricks.channels.sign import Sign
from solvable.bricks.priors.gauss_bernoulli import GaussBernoulli
from solvable.bricks.priors.gaussian import Gaussian
from solvable.bricks.spectra.log_uniform import LogUniform
from solvable.core.randomness import key_for
from solvable.core.status import Status


def relu_run(weights, y, biases=None, **options):
    return run(assemble(Gaussian(), [ReLU(), NOISY], weights, y, biases), **options)


@pytest.mark.parametrize("shape", [(300, 200), (150, 250)])
@pytest.mark.parametrize("condition", [3.0, 1e4])
def test_linear_regression_is_exact_in_one_step(shape, condition):
    """On any matrix: means and the mean of the variances."""
    n, p = shape
    X = LogUniform(condition=condition).sample(key_for(0, "matrix"), n, p)
    rng = np.random.default_rng(0)
    w = rng.normal(size=p)
    y = X @ w + 0.1 * rng.normal(size=n)
    found = run(assemble(Gaussian(), [NOISY], [X], y), tolerance=1e-9)
    covariance = np.linalg.inv(np.eye(p) + X.T @ X / 0.01)
    assert found.status == Status.converged and found.steps == 2
    np.testing.assert_allclose(found.mean, covariance @ X.T @ y / 0.01, atol=1e-8)
    assert found.variance.mean() == pytest.approx(np.trace(covariance) / p, rel=1e-9)


def test_linear_chain_is_the_gaussian_posterior():
    sizes = (300, 400, 250)
    weights, _, x, _ = relu_problem(sizes)
    bias = np.linspace(-1, 1, 400)
    W, offset = weights[1] @ weights[0], weights[1] @ bias
    y = W @ x + offset + 0.3 * np.random.default_rng(1).normal(size=250)
    problem = assemble(Gaussian(), [Linear(), Linear(delta=0.09)], weights, y, [bias, None])
    found = run(problem, tolerance=1e-10)
    covariance = np.linalg.inv(np.eye(300) + W.T @ W / 0.09)
    mean = covariance @ W.T @ (y - offset) / 0.09
    assert found.status == Status.converged
    np.testing.assert_allclose(found.mean, mean, atol=1e-7)
    np.testing.assert_allclose(found.hidden_means[0], weights[0] @ mean + bias, atol=1e-7)
    assert found.variance.mean() == pytest.approx(np.trace(covariance) / 300, abs=2 / 300)


def test_ill_conditioned_designs_defeat_amp_which_says_so():
    """Condition number 1e4, 15% of the signals non-zero, hardly any noise."""
    n, p, count = 320, 400, 8
    X = LogUniform(condition=1e4).sample(key_for(0, "matrix"), n, p)
    rng = np.random.default_rng(0)
    w = rng.normal(size=(p, count)) * (rng.random((p, count)) < 0.15)
    y = X @ w + 1e-4 * rng.normal(size=(n, count))
    problem = assemble(GaussBernoulli(rho=0.15), [Linear(delta=1e-8)], [X], y)
    found = run(problem)
    errors = np.mean((found.mean - w) ** 2, axis=0)
    assert np.mean(found.status == Status.converged) >= 0.75  # one wanders, near its answer
    spread = errors.std(ddof=1) / count**0.5
    theory = 1.44821529e-08  # mse of the curve of this model, LogUniform(condition=1e4)
    assert abs(errors.mean() - theory) < 4 * spread
    assert abs(found.variance.mean() - theory) < 4 * spread
    for damping in (0.0, "adaptive"):
        lost = multilayer_run.run(problem, damping=damping, max_steps=300)
        assert np.all(np.isin(lost.status, (Status.left_domain, Status.max_steps)))
        assert not any("Converged" in message for message in lost.messages)
        assert np.isfinite(lost.mean).all()
        assert np.mean((lost.mean - w) ** 2) > 1e3 * theory


def test_gaussian_designs_have_one_answer_for_both_algorithms():
    """Apart by O(1 / n): the singular vectors are given, the variances scalar."""
    weights, y, _, _ = relu_problem((500, 1000, 750))
    problem = assemble(Gaussian(), [ReLU(), NOISY], weights, y)
    found, other = run(problem), multilayer_run.run(problem)
    assert found.status == other.status == Status.converged
    assert np.mean((found.mean - other.mean) ** 2) < 0.01 * np.mean(found.variance)
    apart = found.hidden_means[0] - other.hidden_means[0]
    assert np.mean(apart**2) < 0.01 * np.mean(found.hidden_variances[0])
    assert np.mean(found.variance) == pytest.approx(np.mean(other.variance), rel=0.02)


def test_a_perceptron_of_given_signs():
    weights, _, x, _ = relu_problem((300, 900, 10))
    problem = assemble(Gaussian(), [Sign()], weights[:1], np.sign(weights[0] @ x))
    found, other = run(problem), multilayer_run.run(problem)
    assert found.status == Status.converged and found.negative_precision == 0
    np.testing.assert_allclose(found.mean, other.mean, atol=0.03)


def test_all_storages_give_one_answer():
    weights, y, _, _ = relu_problem()
    expected = relu_run(weights, y)
    forms = {
        "sparse": ([scipy.sparse.csr_array(weights[0]), weights[1]], 1e-9),
        "operator": ([weights[0], scipy.sparse.linalg.aslinearoperator(weights[1])], 1e-9),
        "single": ([matrix.astype(np.float32) for matrix in weights], 1e-4),
    }
    for name, (design, tolerance) in forms.items():
        found = relu_run(design, y)
        np.testing.assert_allclose(found.mean, expected.mean, atol=tolerance, err_msg=name)


def test_damping_changes_the_way_and_not_the_end():
    weights, y, _, _ = relu_problem()
    plain = relu_run(weights, y, tolerance=1e-9)
    for damping in (0.5, "adaptive"):
        found = relu_run(weights, y, tolerance=1e-9, damping=damping)
        assert found.status == Status.converged
        np.testing.assert_allclose(found.mean, plain.mean, atol=1e-6)
    problem = assemble(Gaussian(), [ReLU(), NOISY], weights, y)
    old = multilayer_vamp.init(problem)
    full, info = multilayer_vamp.step(problem, old)
    half, same = multilayer_vamp.step(problem, old, damping=0.25)
    for image, mixed, before in zip(full.layers, half.layers, old.layers, strict=True):
        wanted = 0.75 * image.field + 0.25 * before.field
        np.testing.assert_allclose(mixed.field, wanted, atol=1e-12)
    assert np.isfinite(info.residual) and np.isfinite(same.residual)


def test_exact_recovery_without_noise():
    """Precisions grow without bound, and nothing overflows."""
    weights, _, x, h = relu_problem((200, 500, 400))
    found = run(assemble(Gaussian(), [ReLU(), Linear()], weights, weights[1] @ h))
    assert found.status == Status.converged
    assert np.mean((found.mean - x) ** 2) < 1e-9
    assert np.isfinite(found.variance).all()


def test_divergence_ends_with_the_best_iterate():
    rng = np.random.default_rng(0)
    shapes = ((300, 200), (250, 300))
    weights = [
        rng.normal(size=(n, 3)) @ rng.normal(size=(3, p)) / np.sqrt(3 * p) for n, p in shapes
    ]
    signal = rng.normal(size=200)
    for channel, y in (
        (Linear(delta=1e-3), weights[1] @ np.maximum(weights[0] @ signal, 0) + 5.0),
        (Abs(), np.abs(rng.normal(size=250))),
    ):
        found = run(assemble(Gaussian(), [ReLU(), channel], weights, y), max_steps=60)
        for array in (found.mean, found.variance, *found.hidden_means, *found.hidden_variances):
            assert np.isfinite(array).all()
        assert np.isfinite(found.residual)


def test_bad_arguments():
    weights, y, _, _ = relu_problem((30, 50, 40))
    broken = weights[0].copy()
    broken[3, 4] = np.nan
    with pytest.raises(ValueError, match=r"Argument `weights\[0\]` must hold finite numbers"):
        relu_run([broken, weights[1]], y)
    with pytest.raises(ValueError, match="Argument `damping` must be"):
        relu_run(weights, y, damping=1.5)
    with pytest.raises(ValueError, match=r"`weights\[0\]` must be an array on the host"):
        jax.jit(lambda matrix: relu_run([matrix, weights[1]], y).mean)(weights[0])

"""The quadratic network: instances, products, message passing, descent, arguments."""

import jax
import numpy as np
import pytest

import solvable as sv
from solvable.algorithms import quadratic_amp
from solvable.algorithms.quadratic_amp import Problem
from solvable.algorithms.quadratic_descent import _loss, descend
from solvable.core.randomness import key_for
from solvable.core.status import Status

MODEL = sv.QuadraticNetwork(kappa=0.5, delta=0.1, alpha=0.4)


@pytest.fixture(scope="module")
def instance():
    return MODEL.sample(key_for(0, "quadratic network"), 40)


def test_an_instance_is_what_the_model_says(instance):
    X, y, S = instance.data.design, instance.data.observation, instance.signal
    (W,) = instance.hidden
    assert X.shape == (640, 40) and W.shape == (40, 20)
    np.testing.assert_allclose(S, W @ W.T / 20)
    noise = np.sqrt(40) * (y - np.mean((X @ W) ** 2, axis=1))
    assert np.var(noise) == pytest.approx(0.1, rel=0.2)
    assert np.var(X) == pytest.approx(1 / 40, rel=0.05)
    free = sv.QuadraticNetwork(kappa=0.5, delta=0.0, alpha=0.4).sample(key_for(1, "free"), 12)
    exact = np.mean((free.data.design @ free.hidden[0]) ** 2, axis=1)
    np.testing.assert_allclose(free.data.observation, exact)


def test_products_are_those_of_the_matrices_z(instance):
    problem = Problem(instance.data.design, instance.data.observation, 0.5, 0.1)
    x = instance.data.design * np.sqrt(40)
    Z = (x[:, :, None] * x[:, None, :] - np.eye(40)) / np.sqrt(40)
    S, r = np.asarray(instance.signal), np.linspace(-1, 1, len(x))
    np.testing.assert_allclose(problem.seen(S), np.einsum("mij,ij->m", Z, S), atol=1e-10)
    np.testing.assert_allclose(problem.summed(r), np.einsum("m,mij->ij", r, Z), atol=1e-10)


def test_the_divergence_is_that_of_the_estimate():
    """Against derivatives along random symmetric matrices, E Tr H Df(H) = 2 div f / d."""
    d, t, kappa = 30, 0.7, 0.6
    rng = np.random.default_rng(0)
    W = rng.normal(size=(d, 18))
    noise = rng.normal(size=(d, d)) / np.sqrt(2 * d)
    field = W @ W.T / 18 + np.sqrt(t) * (noise + noise.T)
    _, divergence = quadratic_amp.denoised(field, t, kappa)
    basis = [(i, j) for i in range(d) for j in range(i + 1)]
    total, step = 0.0, 1e-5
    for i, j in basis:
        H = np.zeros((d, d))
        H[i, j] = H[j, i] = 1.0 if i == j else np.sqrt(0.5)
        ends = [quadratic_amp.denoised(field + s * step * H, t, kappa)[0] for s in (1, -1)]
        total += np.sum(H * (ends[0] - ends[1])) / (2 * step)
    assert divergence == pytest.approx(total, rel=0.02)


def test_measures_agree_with_fresh_examples(instance):
    rng = np.random.default_rng(1)
    S = np.asarray(instance.signal)
    noise = rng.normal(size=S.shape) / 8
    found = S + noise + noise.T
    x = rng.normal(size=(200_000, 40))
    apart = np.einsum("mi,mi->m", x @ (S - found), x) / 40
    measured = MODEL.measure(found, instance)
    expected = 40 * np.mean(apart**2) + 0.1
    assert measured["generalization_error"] == pytest.approx(expected, rel=0.03)
    known = MODEL.measure(S, instance)
    assert known["mse"] == 0 and known["generalization_error"] == pytest.approx(0.1)


def test_message_passing_reaches_its_fixed_point_from_both_sides(instance):
    theory = float(sv.curve(MODEL).mse.sel(branch="amp"))
    start = MODEL.informed_start(instance, 0.9, key_for(3, "start"))
    assert MODEL.measure(start, instance)["mse"] == pytest.approx(0.1, rel=0.2)
    ends = []
    for one in (None, start):
        outcome = MODEL.solve(instance.data, key_for(0, "start"), start=one, damping="adaptive")
        assert Status(int(outcome.status)) is Status.converged and outcome.residual < 1e-6
        found = MODEL.measure(outcome, instance)
        assert 0.5 < found["mse"] / theory < 2  # corrections of order 1 / d
        ends.append(outcome.mean)
    np.testing.assert_allclose(ends[0], ends[1], atol=1e-4)
    state, info = MODEL.step(instance.data, MODEL.init(instance.data, jax.random.key(0)))
    assert state.matrix.shape == (40, 40) and np.isfinite(info.residual[0])
    assert set(MODEL.measure(state, instance)) <= set(MODEL.state_evolution(found, 2))


def test_a_run_without_damping_says_how_it_ended(instance):
    """It leaves the fixed point at this size; what it returns is its best iterate, in numbers."""
    outcome = MODEL.solve(instance.data, key_for(0), damping=0.0, max_steps=60)
    assert Status(int(outcome.status)) in (Status.max_steps, Status.left_domain)
    assert outcome.residual > 1e-6 and np.all(np.isfinite(outcome.mean))


def test_descent_goes_down_the_loss_that_it_states(instance):
    problem = Problem(instance.data.design, instance.data.observation, 0.5)
    found = descend(problem, key_for(5, "descent"))
    S = found.matrix
    residual = problem.labels - problem.seen(S)
    assert found.loss == pytest.approx(np.mean(residual**2) / 2, rel=1e-9)
    assert found.loss < 0.05 and found.weights.shape == (40, 20)
    slope = np.asarray(jax.grad(_loss)(found.weights, problem.design, problem.labels))
    G = problem.summed(residual) / (2 * 0.4 * 40)
    np.testing.assert_allclose(slope, -4 * G @ found.weights / (20 * 40), atol=1e-12)
    again = descend(problem, key_for(5, "descent"))
    np.testing.assert_array_equal(again.weights, found.weights)
    short = descend(problem, key_for(5, "descent"), max_steps=2)
    assert short.status is Status.max_steps and short.steps == 2


def test_experiment_has_descent_beside_message_passing():
    model = sv.QuadraticNetwork(kappa=0.5, delta=0.0)
    runs = sv.experiment(model, over={"alpha": [0.15]}, size=30, instances=3, tolerance=1e-4)
    error = runs.mse_mean.isel(alpha=0)
    amp, one, mean = (float(error.sel(algorithm=name)) for name in ("amp", *MODEL.baselines()))
    assert amp < mean < one
    assert np.all(runs.generalization_error_mean > 0)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"kappa": 0.0, "delta": 0.1}, "`kappa` must be positive"),
        ({"kappa": np.nan, "delta": 0.1}, "`kappa` must be positive"),
        ({"kappa": 1e-9, "delta": 0.1}, "`kappa` must be at least 1e-08"),
        ({"kappa": 0.5, "delta": -0.1}, "`delta` must be"),
        ({"kappa": 0.5, "delta": np.inf}, "`delta` must be"),
        ({"kappa": 0.5, "delta": 0.1, "alpha": -1.0}, "`alpha` must be positive"),
        ({"kappa": 0.5, "delta": 0.1, "alpha": np.nan}, "`alpha` must be positive"),
    ],
)
def test_arguments_out_of_their_domain(arguments, words):
    with pytest.raises(ValueError, match=words) as caught:
        sv.QuadraticNetwork(**arguments)
    assert "\n" not in str(caught.value)


def test_problems_that_do_not_fit():
    X = np.ones((4, 3))
    with pytest.raises(ValueError, match="one entry a row"):
        Problem(X, np.ones(3), 0.5)
    with pytest.raises(ValueError, match="`kappa`"):
        Problem(X, np.ones(4), -1.0)
    with pytest.raises(ValueError, match="shape"):
        quadratic_amp.init(Problem(X, np.ones(4), 0.5), np.eye(2))
    with pytest.raises(ValueError, match="`momentum`"):
        descend(Problem(X, np.ones(4), 0.5), key_for(0), momentum=1.0)
    with pytest.raises(ValueError, match="`size`"):
        MODEL.sample(key_for(0), 1)


def test_theory_at_extreme_parameters():
    """Status and number, or a status without: never a number that is none."""
    for kappa, delta in (
        (1e-8, 0.0),
        (1e-3, 0.0),
        (1e3, 0.0),
        (0.5, 1e-8),
        (0.5, 1e6),
        (0.99, 1e-6),
    ):
        data = sv.curve(
            sv.QuadraticNetwork(kappa=kappa, delta=delta),
            over={"alpha": [1e-12, 0.2 * min(kappa, 1), 0.6, 100.0]},
        ).sel(branch="bayes")
        assert np.all(data.status == Status.converged)
        assert np.all((data.mse >= 0) & (data.mse <= 1)) and np.all(np.diff(data.mse) <= 0)
        np.testing.assert_allclose(data.overlap + data.mse, 1, rtol=1e-12)


def test_error_at_one_sample_and_at_many():
    """The first order in alpha, and noise on the free entries only at large alpha."""
    small = sv.curve(sv.QuadraticNetwork(kappa=0.5, delta=0.0), over={"alpha": [1e-6]})
    q_hat = 4e-6 / (2 / 0.5)
    assert float(small.overlap.sel(branch="bayes")[0]) == pytest.approx(q_hat / 0.5, rel=1e-5)
    many = sv.curve(sv.QuadraticNetwork(kappa=0.5, delta=0.1), over={"alpha": [1e5]})
    assert float(many.mse.sel(branch="bayes")[0]) == pytest.approx(
        0.5 * 0.75 * 0.1 / 4e5, rel=1e-4
    )

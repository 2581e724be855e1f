"""Where online learning ends and stalls: closed forms, other routes, what is refused."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from tests.golden.test_golden_online_limits import network

import solvable as sv
from solvable.bricks.online_modes import compressed, gauss_rule
from solvable.core.ode import integrate
from solvable.core.stationary import end_of, newton
from solvable.core.status import Status
from solvable.models import online_limits as limits


@pytest.fixture(scope="module")
def found():
    """Of the start of which Saad & Solla show a plateau, at eta = 1, without noise."""
    model = sv.OnlineSGD(
        activation=sv.Erf(),
        q0=[[0.2, 0], [0, 0.25]],
        r0=[[0.001, 0], [0, 0.001]],
        learning_rate=1.0,
    )
    return model, sv.asymptotics(model)


def test_perfect_learning_has_no_error(found):
    end = found[1].stationary
    assert end.generalization_error == 0 and end.error_bound < 1e-13 and end.rate < 0
    np.testing.assert_allclose(end.q, np.eye(2), atol=1e-12)
    assert found[1].small_rate == 0


def test_a_plateau_is_where_dynamics_stalls_and_is_left_as_found(found):
    model, plateau = found[0], found[1].plateau
    data = sv.dynamics(model, [50.0, 60.0, 70.0, plateau.escape_time])
    error = data.generalization_error.values
    assert plateau.generalization_error == pytest.approx(0.020656533, rel=1e-7)
    assert error[3] == pytest.approx(plateau.generalization_error / 2, rel=1e-4)
    assert plateau.escape_time_error < 1e-3
    # differences of students grow at the escape rate
    apart = np.abs(data.r[:3, 0, 0] - data.r[:3, 0, 1]).values
    assert np.log(apart[2] / apart[1]) / 10 == pytest.approx(plateau.rate, rel=0.05)


@pytest.mark.parametrize("K", [2, 4])
def test_symmetric_plateaus_of_small_rates(K):
    """R = 1 / sqrt(K (2 K - 1)), eps = K / 6 - K^2 / pi arcsin(1 / (2 K)): Saad & Solla 1995."""
    model = network(K, K, (1e-5, 0.0), 0.0)
    learning = model.learning()
    plateau = limits.stationary(learning, model.initial(), symmetric=True)
    assert plateau.found.status == Status.converged
    exact = K / 6 - K**2 / np.pi * np.arcsin(1 / (2 * K))
    assert plateau.error == pytest.approx(exact, rel=1e-4)
    np.testing.assert_allclose(plateau.order.r, 1 / np.sqrt(K * (2 * K - 1)), rtol=1e-4)
    np.testing.assert_allclose(plateau.order.q, 1 / (2 * K - 1), rtol=1e-3)
    assert limits.escape_rate(learning, plateau) > 0


def test_what_is_exact_for_linear_networks():
    """eta K sigma^2 / (2 (2 - eta K)), which ends at eta = 2 / K (Goldt et al. 2019)."""
    found = sv.asymptotics(network(3, 2, (0.2, 0.0), 0.1, sv.Linear()))
    exact = 0.2 * 3 * 0.01 / (2 * (2 - 0.2 * 3))
    assert found.stationary.generalization_error == pytest.approx(exact, rel=1e-9)
    assert found.small_rate == pytest.approx(exact, rel=1e-12)
    end = found.largest_learning_rate
    assert abs(end.value - 2 / 3) <= end.error_bound < 1e-5


def test_the_largest_rate_of_one_unit():
    """sqrt(15) pi / 3, where the line Q - 2 R + 1 of perfect learning loses its stability."""
    model = network(1, 1, (0.5, 0.0), 0.0)
    value, bound = limits.largest_rate(model.learning(), model.initial())
    assert value == pytest.approx(15**0.5 * np.pi / 3, rel=1e-7)
    assert bound < 1e-9


@pytest.mark.parametrize("noise", [0.0, 0.2])
def test_students_that_cannot_be_perfect_run_away(noise):
    """One unit for two teachers, g(lambda) -> sign(lambda): Q and sqrt(2) R = sqrt(Q) diverge.

    Both terms of dQ / dt then come from lambda = O(1), where both teachers cancel, and are equal
    at eta = 2 / [(2 / pi) arcsin(1 / 3) + sigma^2].
    """
    model = network(1, 2, (0.5, 0.0), noise)
    value, bound = limits.largest_rate(model.learning(), model.initial())
    exact = 2 / (2 / np.pi * np.arcsin(1 / 3) + noise**2)
    assert abs(value - exact) < bound < 1e-3


def test_above_the_largest_rate_nothing_is_stationary():
    found = sv.asymptotics(network(1, 1, (2.5, 0.0), 0.1, sv.Linear()))
    assert found.stationary.status == "left_domain"
    assert found.stationary.generalization_error is None and found.small_rate is None
    assert found.largest_learning_rate.value == pytest.approx(2, rel=1e-9)


def test_scales_of_rectifiers_are_fixed_where_learning_brings_them():
    """The error falls for ever, but slowly: beside it stands that of its present scales."""
    model = network(1, 1, (0.1, 0.1), 0.1, sv.ReLU())
    found = sv.asymptotics(model).stationary
    assert found.status == "converged" and "at the scales" in found.note
    error = sv.dynamics(model, [300.0, 600.0, 3000.0]).generalization_error.values
    assert np.all(np.diff(error) < 0)
    assert found.generalization_error == pytest.approx(error[0], rel=0.03)


@pytest.mark.slow
def test_the_end_of_learning_is_the_limit_of_dynamics():
    inputs = sv.HiddenManifold(function="sign", ratio=0.1)
    model = network(2, 2, (0.4, 0.0), 0.1, inputs=inputs)
    learning, start = compressed(model.learning(), model.initial(), 9)
    state = limits.stationary(learning, start)
    path = integrate(learning.drift, start, np.array([3000.0]))
    last = type(start)(*(jnp.asarray(x[0]) for x in path.values))
    error = float(learning.generalization_error(last))
    assert state.found.status == Status.converged
    assert state.error == pytest.approx(error, rel=1e-6)
    # inputs do not tell all of what the teacher sees: no formula
    assert limits.small_rate_error(learning, state) is None


def test_small_rates_on_inputs_that_are_not_isotropic():
    """eta sigma^2 / 4 sum_k v_k^2 E g'_k^2 times the mean eigenvalue."""
    inputs = sv.GaussianInputs(eigenvalues=[0.5, 1.0, 2.0])
    model = network(2, 2, (0.005, 0.0), 0.1, inputs=inputs, teacher_on="input")
    learning = model.learning()
    state = limits.stationary(learning, model.initial())
    small = limits.small_rate_error(learning, state)
    assert small == pytest.approx(0.005 * 0.01 / 4 * 2 * 2 / np.pi / 3**0.5 * 3.5 / 3, rel=1e-9)
    assert state.error == pytest.approx(small, rel=5e-3)


def test_few_groups_learn_as_many():
    """Totals after some Euler steps, which are polynomials in s."""
    inputs = sv.HiddenManifold(function="sign", ratio=0.3)
    model = network(2, 1, (0.5, 0.2), 0.1, inputs=inputs)
    step = eqx.filter_jit(
        lambda x, y: jax.tree.map(lambda a, b: a + 0.5 * b, y, x.drift(y)),
    )
    totals = []
    for learning, order in (
        (model.learning(), model.initial()),
        compressed(model.learning(), model.initial(), 12),
    ):
        for _ in range(8):
            order = step(learning, order)
        totals.append((len(learning.modes.share), *learning.totals(order), order.v))
    many, few = totals
    assert few[0] == 12 < many[0]
    for one, two in zip(many[1:], few[1:], strict=True):
        np.testing.assert_allclose(one, two, atol=1e-12)


def test_gauss_rules_integrate_polynomials():
    rng = np.random.default_rng(1)
    x, share = rng.random(50), rng.random(50) / 25
    nodes, weights = gauss_rule(x, share, 6)
    for degree in range(12):
        assert weights @ nodes**degree == pytest.approx(share @ x**degree, rel=1e-12)
    same, alone = gauss_rule(np.array([1.0, 1.0, 3.0]), np.full(3, 1 / 3), 6)
    np.testing.assert_allclose(same, [1, 3], rtol=1e-12)
    np.testing.assert_allclose(alone, [2 / 3, 1 / 3], rtol=1e-12)


def test_flows_end_at_their_stable_fixed_point():
    """x (1 - x^2), and a direction along which nothing moves."""

    def flow(x):
        value = np.array([x[0] - x[0] ** 3, 0.0])
        return value, np.array([[1 - 3 * x[0] ** 2, 0.0], [0.0, 0.0]])

    end = end_of(flow, np.array([1e-6, 0.7]))
    assert end.status == Status.converged and end.is_stable
    np.testing.assert_allclose(end.point, [1.0, 0.7], rtol=1e-12)
    saddle = newton(flow, np.array([1e-6, 0.7]))
    assert saddle.status == Status.converged and not saddle.is_stable

    def away(x):
        return np.ones(1), np.zeros((1, 1))

    assert end_of(away, np.zeros(1)).status == Status.left_domain


def test_a_network_that_does_not_learn_is_refused():
    with pytest.raises(ValueError, match="`learning_rate` must be positive for one layer"):
        sv.asymptotics(network(1, 1, (0.0, 0.0), 0.1))

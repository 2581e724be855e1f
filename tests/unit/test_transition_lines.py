"""Transition lines against closed forms, threshold states against the replica free energy."""

import numpy as np
import pytest
from numpy.polynomial import Polynomial

from solvable.core.covariance import Covariance
from solvable.core.parameter_roots import parameter_roots
from solvable.core.status import Status
from solvable.core.transition_lines import (
    amp_transitions,
    escape_factor,
    langevin_transitions,
    marginal_overlaps,
    ml_amp_transitions,
    threshold_state,
)


def mixed(p, delta_p):
    """D2 -> Q = x^2 / (2 D2) + x^p / (p Dp)."""
    return lambda delta_2: Covariance((2, p), (0.5 / delta_2, 1 / (p * delta_p)))


def inside(coefficients):
    """Real roots in (0, 1) of a polynomial, highest power first."""
    roots = np.roots(coefficients)
    real = roots.real[np.abs(roots.imag) < 1e-9]
    return np.sort(real[(real > 0) & (real < 1)])


@pytest.mark.parametrize(
    "p, delta_p", [(3, 0.1), (3, 1.0), (3, 1.99), (3, 2.1), (4, 0.2), (4, 0.44)]
)
def test_langevin_at_temperature_one(p, delta_p):
    # (p - 1) D2^2 (1 - D2)^(p - 3) = Dp
    closed = inside([2, 0, -delta_p] if p == 3 else [-3, 3, 0, -delta_p])
    found = langevin_transitions(mixed(p, delta_p), 1.0)
    assert [x.value for x in found] == pytest.approx(list(closed), abs=1e-10)
    for x in found:
        assert x.status == Status.converged
        assert x.error_bound < 1e-12
        assert x.overlap == pytest.approx(1 - x.value, abs=1e-10)


def test_which_langevin_roots_are_of_threshold_states():
    # (1 - q)^2 Q''(q) falls, rises and falls again there: the dynamics meets the largest first
    low, high = langevin_transitions(mixed(4, 0.2), 1.0)
    assert low.outermost
    assert not high.outermost
    assert len(marginal_overlaps(mixed(4, 0.2)(high.value), 1.0)) == 3


def test_two_langevin_roots_merge():
    assert langevin_transitions(mixed(4, 4 / 9 + 1e-6), 1.0) == ()
    (merged,) = langevin_transitions(mixed(4, 4 / 9), 1.0)
    assert merged.status == Status.marginal
    assert abs(merged.value - 2 / 3) <= merged.error_bound < 1e-6
    close = langevin_transitions(mixed(4, 4 / 9 - 1e-9), 1.0)
    assert len(close) == 2
    assert abs(close[1].value - close[0].value) < 1e-3


@pytest.mark.parametrize("p", [3, 4, 5])
@pytest.mark.parametrize("temperature", [0.3, 0.7, 1.4])
def test_langevin_at_any_temperature(p, temperature):
    # 1 / D2^2 = (p - 1) (1 - T D2)^(p - 2) / Dp + 1 / D2, by the roots of a polynomial
    left = Polynomial([1.0, -temperature]) ** (p - 2) * Polynomial([0, 0, (p - 1) / 0.5])
    left = left + Polynomial([-1.0, 1.0])
    closed = [x for x in inside(left.coef[::-1]) if temperature * x < 1]
    found = langevin_transitions(mixed(p, 0.5), temperature)
    assert [x.value for x in found] == pytest.approx(closed, abs=1e-10)


@pytest.mark.parametrize("p, delta_p", [(3, 0.05), (3, 1.0), (4, 0.2), (4, 30.0), (6, 1.0)])
def test_gradient_flow(p, delta_p):
    family = mixed(p, delta_p)
    (found,) = langevin_transitions(family, 0.0)
    assert 1 / found.value == pytest.approx(
        (1 + np.sqrt(1 + 4 * (p - 1) / delta_p)) / 2, abs=1e-10
    )
    field = family(found.value)
    # the outlier of the Hessian of marginal minima leaves the bulk: theta(0) = 1
    assert field.curvature(0.0) / np.sqrt(field.curvature(1.0)) == pytest.approx(1, abs=1e-12)
    (cold,) = langevin_transitions(family, 1e-7)
    assert cold.value == pytest.approx(found.value, rel=1e-6)


@pytest.mark.parametrize("p", [3, 4])
def test_message_passing(p):
    family = mixed(p, 0.7)
    (ml,) = ml_amp_transitions(family)
    assert 1 / ml.value == pytest.approx((1 + np.sqrt(1 + 4 / 0.7)) / 2, abs=1e-10)
    (amp,) = amp_transitions(family)
    assert amp.value == pytest.approx(1, abs=1e-12)
    (flow,) = langevin_transitions(family, 0.0)
    assert flow.value < ml.value < amp.value


def test_any_parameter_and_any_field():
    # three powers, the noise of the third as the parameter
    def family(delta):
        return Covariance((2, 3, 5), (1.0, 0.1, 1 / (5 * delta)))

    (found,) = langevin_transitions(family, 0.0)
    # Q''(0)^2 = 4 = 2 + 0.6 + 4 / delta
    assert found.value == pytest.approx(4 / 1.4, abs=1e-10)
    assert langevin_transitions(lambda d: Covariance((3,), (1 / d,)), 0.0) == ()


@pytest.mark.parametrize("temperature", [0.0, 0.6, 1.0])
def test_escape_is_at_the_transition(temperature):
    family = mixed(3, 1.0)
    (line,) = langevin_transitions(family, temperature)
    assert escape_factor(family(line.value), temperature) == pytest.approx(1, abs=1e-9)
    assert escape_factor(family(0.9 * line.value), temperature) > 1
    assert escape_factor(family(1.1 * line.value), temperature) < 1
    assert escape_factor(family(100.0), 5.0) is None


def replica_free_energy(field, temperature, q, x):
    """beta f of one step of symmetry breaking, overlap q, breakpoint x; energies are H / N."""
    beta = 1 / temperature
    return -0.5 * (
        beta**2 * (field(1.0) - (1 - x) * field(q))
        + np.log(1 - q + x * q) / x
        - (1 - x) / x * np.log(1 - q)
    )


@pytest.mark.parametrize("temperature", [0.2, 0.5, 1.0])
@pytest.mark.parametrize("p", [3, 4])
def test_threshold_states_are_saddles_of_the_replica_free_energy(p, temperature):
    # powers with 4 have one ratio only where little of the matrix is left
    field = mixed(p, 1.0 if p == 3 else 0.1)(0.75)
    state = threshold_state(field, temperature)
    x, q, h = state.inverse_effective_temperature * temperature, state.overlap, 1e-5
    assert 0 < x < 1

    def slope(at):
        up, down = (
            replica_free_energy(field, temperature, at + s * h * (1 - q), x) for s in (1, -1)
        )
        return (up - down) / (2 * h * (1 - q))

    scale = (1 - x) / (1 - q)
    assert slope(q) == pytest.approx(0, abs=1e-6 * scale)
    # e = d (beta f) / d beta at fixed q and x
    parts = [
        replica_free_energy(field, 1 / b, q, x) for b in (1 / temperature + h, 1 / temperature - h)
    ]
    assert (parts[0] - parts[1]) / (2 * h) == pytest.approx(state.energy, abs=1e-8)
    assert temperature**2 / (1 - q) ** 2 == pytest.approx(field.curvature(q), rel=1e-9)


@pytest.mark.parametrize("p", [3, 4, 7])
def test_pure_threshold_energy(p):
    state = threshold_state(Covariance((p,), (0.5,)), 0.0)
    assert state.energy == pytest.approx(-np.sqrt(2 * (p - 1) / p), abs=1e-14)
    curvature = p * (p - 1) / 2
    assert state.inverse_effective_temperature == pytest.approx((p - 2) / np.sqrt(curvature))
    assert state.multiplier == pytest.approx(2 * np.sqrt(curvature), abs=1e-13)


def test_zero_temperature_is_the_limit():
    field = mixed(3, 1.0)(0.8)
    cold, frozen = threshold_state(field, 1e-8), threshold_state(field, 0.0)
    assert cold.energy == pytest.approx(frozen.energy, abs=1e-7)
    assert cold.multiplier == pytest.approx(frozen.multiplier, abs=1e-7)
    assert frozen.multiplier == pytest.approx(2 * np.sqrt(field.curvature(1.0)), abs=1e-13)


def test_no_threshold_states():
    pure = Covariance((3,), (0.5,))
    # marginal states exist up to the maximum of (1 - q)^2 3 q, aging up to the dynamic transition
    dynamic, last = np.sqrt(3 / 8), np.sqrt(4 / 9)
    assert threshold_state(pure, dynamic - 1e-6) is not None
    assert threshold_state(pure, dynamic + 1e-6) is None
    assert len(marginal_overlaps(pure, last - 1e-6)) == 2
    assert marginal_overlaps(pure, last + 1e-6) == ()


def test_bad_arguments():
    with pytest.raises(ValueError, match="Argument `temperature` must be non-negative"):
        langevin_transitions(mixed(3, 1.0), -1.0)
    with pytest.raises(ValueError, match="Argument `high` must be above `low`"):
        amp_transitions(mixed(3, 1.0), 1.0, 0.5)
    with pytest.raises(ValueError, match="Argument `temperature` must be positive"):
        marginal_overlaps(mixed(3, 1.0)(1.0), 0.0)
    with pytest.raises(ValueError, match="Argument `grid` must hold at least two points"):
        parameter_roots(np.sin, np.array([1.0]))


def test_roots_of_a_function_with_a_domain():
    def f(x):
        return np.sqrt(x) * (x - 0.5) * (x - 0.5001) if x >= 0.3 else np.nan

    roots = parameter_roots(f, np.linspace(0, 1, 12))
    assert [x.value for x in roots] == pytest.approx([0.5, 0.5001], abs=1e-9)
    assert all(
        abs(x.value - y) <= x.error_bound for x, y in zip(roots, (0.5, 0.5001), strict=True)
    )
    # a root between the end of the domain and the first point inside it
    (edge,) = parameter_roots(lambda x: x - 0.31 if x >= 0.3 else np.nan, np.linspace(0, 1, 4))
    assert edge.value == pytest.approx(0.31, abs=1e-14)
    (double,) = parameter_roots(lambda x: (x - 0.4) ** 2, np.linspace(0, 1, 12))
    assert double.status == Status.marginal
    assert abs(double.value - 0.4) <= double.error_bound < 1e-6

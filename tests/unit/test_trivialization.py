"""Lines of trivialization against scans of the complexity over all overlaps."""

import numpy as np
import pytest
import scipy.optimize

from solvable.core.covariance import Covariance
from solvable.core.kac_rice import complexity_at_overlap
from solvable.core.status import Status
from solvable.core.transition_lines import langevin_transitions
from solvable.core.trivialization import (
    equatorial_complexity,
    isolated_minima,
    trivialization,
    trivialization_all_m,
    trivialization_everywhere,
)

OVERLAPS = np.linspace(-0.9995, 0.9995, 19_991)


def mixed(p, delta_p):
    return lambda delta_2: Covariance((2, p), (0.5 / delta_2, 1 / (p * delta_p)))


@pytest.mark.parametrize("delta_2", [0.2, 0.37])
def test_isolated_minima(delta_2):
    field = mixed(3, 1.0)(delta_2)
    found = isolated_minima(field)
    assert len(found) == 2
    assert found[0].overlap < 0 < found[1].overlap
    for minimum in found:
        m = minimum.overlap
        pull = field.slope(m)
        assert m == pytest.approx(pull / np.sqrt(pull**2 + field.slope(1.0)), abs=1e-13)
        assert minimum.marginality < 1
        # Sigma = 0 there, its greatest value near by, and the Hessian has a gap
        top = complexity_at_overlap(field, m)
        assert top.complexity == pytest.approx(0, abs=1e-14)
        assert top.shift > 2
        near = complexity_at_overlap(field, m + np.array([-1e-3, 1e-3])).complexity
        assert np.all(near < top.complexity)


def test_a_minimum_shatters_where_its_gap_closes():
    family = mixed(3, 1.0)
    line = trivialization_everywhere(family).value
    for delta_2, shattered in ((line - 1e-3, False), (line + 1e-3, True)):
        lower, _ = isolated_minima(family(delta_2))
        assert (lower.marginality > 1) is shattered
        here = complexity_at_overlap(family(delta_2), OVERLAPS[OVERLAPS < -0.3])
        # the complexity lifts off with the third power of the distance to the line
        assert bool(here.complexity.max() > 1e-11) is shattered
        assert shattered or here.complexity.max() < 1e-14


@pytest.mark.parametrize("delta_p", [0.05, 0.5, 1.0])
def test_shattering_is_where_both_conditions_of_a_polynomial_hold(delta_p):
    # m^2 = 1 - Q'(1) / Q''(1), solved for D2 and put into Q'(m) sqrt(1 - m^2) = m sqrt(Q'(1))
    def second(m):
        a = (1 / m**2 - 2) / delta_p  # 1 / D2: m^2 (a + 2 / Dp) = 1 / Dp
        slope = a * m + m**2 / delta_p
        return slope * np.sqrt(1 - m**2) - m * np.sqrt(a + 1 / delta_p)

    m = scipy.optimize.brentq(second, -0.69, -0.3)
    line = trivialization_everywhere(mixed(3, delta_p))
    assert 1 / line.value == pytest.approx((1 / m**2 - 2) / delta_p, rel=1e-11)


@pytest.mark.parametrize("p, delta_p", [(3, 0.3), (3, 2.0), (4, 0.5), (5, 1.0)])
def test_nothing_is_left_below_the_last_line(p, delta_p):
    family = mixed(p, delta_p)
    last = trivialization_everywhere(family)
    assert last.status == Status.converged
    below = complexity_at_overlap(family(last.value * 0.99), OVERLAPS).complexity
    assert below.max() < 1e-14
    above = complexity_at_overlap(family(last.value * 1.01), OVERLAPS).complexity
    assert above.max() > 1e-8


@pytest.mark.parametrize("delta_p", [0.3, 1.0, 8.0])
def test_lines_with_a_cubic_term(delta_p):
    family = mixed(3, delta_p)
    center, equator, last = (
        line(family) for line in (trivialization, trivialization_all_m, trivialization_everywhere)
    )
    assert last.value <= equator.value < center.value
    assert max(line.error_bound for line in (center, equator, last)) < 1e-10
    assert complexity_at_overlap(family(center.value), 0.0).complexity == pytest.approx(
        0, abs=1e-13
    )
    m, height = equatorial_complexity(family(equator.value))
    assert m < 0
    assert height == pytest.approx(0, abs=1e-13)
    # the hill is a maximum that a scan finds as well
    near = np.abs(OVERLAPS - m) < 0.02
    scan = complexity_at_overlap(family(equator.value), OVERLAPS[near]).complexity
    assert scan.max() == pytest.approx(height, abs=1e-9)
    # descent succeeds among spurious minima
    (flow,) = langevin_transitions(family, 0.0)
    assert center.value < flow.value


@pytest.mark.parametrize("p, delta_p", [(4, 0.3), (5, 1.0), (6, 2.0)])
def test_without_a_cubic_term_the_lines_are_one(p, delta_p):
    center, equator, last = (
        line(mixed(p, delta_p))
        for line in (trivialization, trivialization_all_m, trivialization_everywhere)
    )
    assert equator.value == pytest.approx(center.value, abs=1e-11)
    assert last.value == pytest.approx(center.value, abs=1e-11)


def test_no_line():
    # without a matrix there are minima at the equator at any noise
    line = trivialization(lambda delta: Covariance((3,), (1 / delta,)))
    assert line.status == Status.no_branch
    assert line.value is None
    with pytest.raises(ValueError, match="Argument `low` must be positive"):
        trivialization_everywhere(mixed(3, 1.0), -1.0, 1.0)

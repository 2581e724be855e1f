"""The branch and threshold engine on a state evolution that is solved by hand.

The toy model has h(x) = x^3 / 3 - x: maximum 2/3 at x = -1, minimum -2/3 at x = 1.
"""

import jax.numpy as jnp
import numpy as np
import pytest

from solvable.core.branches import ROWS, Limits, level, scan, uniform_table
from solvable.core.fixed_points import FixedPoint, fixed_points, name_branches
from solvable.core.roots import find_roots
from solvable.core.specification import Specification
from solvable.core.status import Status

NAN = float("nan")


class Cubic(Specification):
    """h = x^3 / 3 - x: rising, falling between -1 and 1, rising."""

    curve: None = None
    rows: int = ROWS

    def level_at(self, x, nodes):
        return x**3 / 3 - x


class Rising(Cubic):
    """h = x: one branch."""

    def level_at(self, x, nodes):
        return x


LIMITS = Limits(False, NAN, 0.0, False, NAN, NAN, float(np.exp(8)))


def scanned(model, limits=LIMITS):
    return scan(model, limits, *uniform_table(model, -13.5, 13.5, 12))


@pytest.fixture(scope="module")
def table():
    return scanned(Cubic())


def test_folds_are_exact(table):
    assert [fold.is_maximum for fold in table.folds] == [True, False]
    np.testing.assert_allclose([fold.x for fold in table.folds], [-1, 1], atol=1e-7)
    np.testing.assert_allclose([fold.h for fold in table.folds], [2 / 3, -2 / 3], atol=1e-14)


def test_roots_are_all_found_and_certified(table):
    levels = np.array([-3.0, -0.6, 0.0, 0.5, 0.6666, 2.0])
    roots = find_roots(table, np.exp(levels))
    for k, value in enumerate(levels):
        wanted = np.roots([1 / 3, 0, -1, -value])
        wanted = np.sort(wanted.real[np.abs(wanted.imag) < 1e-9])
        np.testing.assert_allclose(np.sort(roots.x[roots.index == k]), wanted, atol=1e-9)
    assert np.all(roots.residual <= 1e-12)
    assert np.all(roots.stable == (np.abs(roots.x) > 1))
    np.testing.assert_array_equal(np.sign(roots.slope), np.where(roots.stable, 1, -1))


def test_a_monotone_level_has_one_branch():
    table = scanned(Rising())
    assert not table.folds
    np.testing.assert_allclose(find_roots(table, np.array([0.7, 1.9])).x, np.log([0.7, 1.9]))


def test_values_do_not_depend_on_how_many_are_asked_for():
    x = np.linspace(-2, 2, 700)
    np.testing.assert_allclose(level(Cubic(), x)[:5], level(Cubic(), x[:5]), rtol=1e-14)


def test_fixed_points_are_ordered_by_overlap(table):
    scales = np.exp([0.1])
    points = fixed_points(table, find_roots(table, scales), scales)[0]
    assert [point.stable for point in points] == [True, False, True]


def _point(stable):
    return FixedPoint("interior", stable, 0, Status.converged)


def test_names_of_branches():
    points = [_point(s) for s in (True, False, True, False, True)]
    named = name_branches(points, [0.0, -1.0, 2.0, -1.0, 1.0])
    assert named == {
        "bayes": 2,
        "amp": 0,
        "informed": 4,
        "unstable": 1,
        "unstable_2": 3,
        "stable_2": 2,
    }
    assert name_branches([], []) == {}


def test_a_tie_goes_to_the_reachable_branch():
    assert name_branches([_point(True), _point(True)], [1.0, 1.0])["bayes"] == 0


def test_levels_are_finite_arrays():
    assert np.all(np.isfinite(level(Cubic(), np.asarray(jnp.linspace(-1, 1, 3)))))

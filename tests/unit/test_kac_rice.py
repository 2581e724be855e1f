"""Complexity of minima: parts against integrals, maxima against grids, simple fields."""

import numpy as np
import pytest
import scipy.integrate
import scipy.optimize

from solvable.core.covariance import Covariance
from solvable.core.kac_rice import (
    complexity,
    complexity_at_energy,
    complexity_at_overlap,
    complexity_at_shift,
    log_determinant,
    outlier_cost,
    outlier_strength,
)
from solvable.core.transition_lines import threshold_state


def mixed(p, delta_p, delta_2):
    return Covariance((2, p), (0.5 / delta_2, 1 / (p * delta_p)))


# theta(0) below and above 1, an even and an odd power, three terms
FIELDS = {
    "no outlier": mixed(3, 1.0, 1.0),
    "outlier": mixed(3, 1.0, 0.4),
    "even": mixed(4, 0.5, 0.22),
    "three terms": Covariance((2, 3, 5), (1.2, 0.2, 0.1)),
}
OVERLAPS = np.linspace(-0.97, 0.97, 25)


@pytest.mark.parametrize("shift", [0.0, -1.3, 1.9, 2.0, 2.3, -2.3, 7.0])
def test_log_determinant(shift):
    def integrand(angle):
        # x = 2 cos(angle), density sqrt(4 - x^2) / (2 pi)
        return np.log(abs(shift - 2 * np.cos(angle))) * 2 * np.sin(angle) ** 2 / np.pi

    kink = [np.arccos(shift / 2)] if abs(shift) < 2 else None
    mean, _ = scipy.integrate.quad(integrand, 0, np.pi, points=kink, limit=200)
    assert log_determinant(shift) == pytest.approx(mean + 0.5, abs=1e-9)


@pytest.mark.parametrize("theta", [1.0001, 1.5, 2.0, 6.0])
def test_outlier_cost_is_the_published_integral(theta):
    end = theta + 1 / theta
    for t in np.linspace(2, end, 5):
        integral, _ = scipy.integrate.quad(lambda y: np.sqrt(max(y * y - 4, 0)), end, t)
        published = integral / 4 - theta / 2 * (t - end) + (t**2 - end**2) / 8
        assert outlier_cost(theta, t) == pytest.approx(published, abs=1e-9)
    assert outlier_cost(theta, end + 0.1) == 0
    assert np.isinf(outlier_cost(theta, 1.999))
    assert outlier_cost(0.9, 2.0) == 0


@pytest.mark.parametrize("outlier", [True, False])
@pytest.mark.parametrize("name", FIELDS)
def test_maximum_over_the_shift(name, outlier):
    field = FIELDS[name]
    best = complexity_at_overlap(field, OVERLAPS, outlier)
    at = complexity_at_shift(field, OVERLAPS, best.shift, outlier)
    np.testing.assert_allclose(at, best.complexity, atol=1e-14)
    y = np.linspace(1, 14, 6501)  # Sigma is smooth in y, not in t = y + 1 / y at 2
    grid = y + 1 / y
    everywhere = complexity_at_shift(field, OVERLAPS[:, None], grid, outlier)
    assert np.all(everywhere <= best.complexity[:, None] + 1e-14)
    np.testing.assert_allclose(everywhere.max(axis=1), best.complexity, atol=3e-6)


@pytest.mark.parametrize("name", FIELDS)
def test_maximum_over_energies(name):
    field, m, t = FIELDS[name], 0.3, 2.4
    size, power = np.array(field.coefficients), np.array(field.powers)
    target = -t * np.sqrt(field.curvature(1.0))
    # e_c + q_c m^k_c is proportional to k_c q_c where the cost is least
    base = -size * m**power
    best = base + power * size * (target - power @ base) / np.sum(power**2 * size)
    assert complexity(field, m, best) == pytest.approx(complexity_at_shift(field, m, t), abs=1e-13)
    rng = np.random.default_rng(0)
    moves = rng.standard_normal((200, len(size)))
    moves -= np.outer(moves @ power, power) / (power @ power)
    assert np.all(complexity(field, m, best + 0.1 * moves) < complexity(field, m, best))


@pytest.mark.parametrize("name", FIELDS)
def test_maximum_at_fixed_energy(name):
    field, m = FIELDS[name], np.array([-0.4, 0.0, 0.25])
    size = np.array(field.coefficients)
    rng = np.random.default_rng(1)
    whole = complexity_at_overlap(field, m)
    best = complexity_at_energy(field, m[:, None], np.linspace(-8, 0, 4001)).complexity
    # over all energies it is the maximum over all shifts
    np.testing.assert_allclose(best.max(axis=1), whole.complexity, atol=2e-5)
    energies = np.array([-2.0, 0.0, 0.0])[: len(size)] + rng.normal(0, 0.7, (20_000, len(size)))
    total = energies.sum(axis=-1)
    for i in range(len(m)):
        bound = complexity_at_energy(field, m[i], total).complexity
        assert np.all(complexity(field, m[i], energies) <= bound + 1e-12)


def test_splits_of_the_energy_reach_the_maximum():
    field, m, e = FIELDS["outlier"], -0.2, -1.9
    split = np.linspace(-6, 3, 200_001)
    every = complexity(field, m, np.stack([split, e - split], axis=-1))
    best = complexity_at_energy(field, m, e)
    assert every.max() == pytest.approx(float(best.complexity), abs=1e-4)
    assert every.max() <= best.complexity + 1e-13


def test_equator_without_outlier():
    for field in (
        mixed(3, 1.0, 1.0),
        mixed(3, 0.3, 2.0),
        mixed(5, 1.0, 3.0),
        Covariance((3,), (1.0,)),
    ):
        r = field.curvature(1.0) / field.slope(1.0)
        found = complexity_at_overlap(field, 0.0)
        assert found.complexity == pytest.approx(0.5 * np.log(r) - (r - 1) / (r + 1), abs=1e-14)
        assert found.shift == 2
        assert np.all(found.complexity >= complexity_at_overlap(field, OVERLAPS).complexity)


def test_quadratic_fields_have_two_minima():
    # no complexity at any overlap but at the leading eigenvector's, where it is 0
    field = Covariance((2,), (1.6,))
    sigma = complexity_at_overlap(field, np.linspace(-0.99, 0.99, 199)).complexity
    assert np.max(sigma) < 1e-14
    # square of the overlap 1 - Q''(1) / Q''(0)^2 of the eigenvector of a spiked matrix
    at = np.sqrt(1 - 1 / field.curvature(0.0))
    assert complexity_at_overlap(field, at).complexity == pytest.approx(0, abs=1e-14)
    assert complexity_at_overlap(field, 0.0).complexity < 0


@pytest.mark.parametrize("p", [3, 4, 6])
def test_pure_fields(p):
    field = Covariance((p,), (0.5,))
    threshold = threshold_state(field, 0.0).energy
    # a fixed energy is a fixed shift; minima are marginal at the threshold energy and none above
    at = complexity_at_energy(field, 0.0, threshold - 1e-12)
    assert at.shift == pytest.approx(2, abs=1e-10)
    assert at.complexity == pytest.approx(0.5 * np.log(p - 1) - (p - 2) / p, abs=1e-10)
    assert complexity_at_energy(field, 0.0, threshold + 1e-9).complexity == -np.inf
    assert complexity(field, 0.1, [threshold + 1.0]) == -np.inf


@pytest.mark.parametrize("p", [3, 4])
def test_ground_state_of_pure_fields(p):
    # one step of replica symmetry breaking at zero temperature, z = its breakpoint over stiffness:
    # 2 / p = (1 + z) / z^2 (ln(1 + z) - z / (1 + z)), e = -(1 + z / p) sqrt(p / (2 (1 + z)))
    def saddle(z):
        return (1 + z) / z**2 * (np.log1p(z) - z / (1 + z)) - 1 / p

    z = scipy.optimize.brentq(saddle, 1e-3, 1e4)
    energy = -(1 + z / p) * np.sqrt(p / (2 * (1 + z)))
    lowest = scipy.optimize.brentq(
        lambda e: float(complexity_at_energy(Covariance((p,), (0.5,)), 0.0, e).complexity),
        -2.0,
        threshold_state(Covariance((p,), (0.5,)), 0.0).energy - 1e-9,
    )
    assert lowest == pytest.approx(energy, abs=1e-10)


def test_even_fields_are_symmetric():
    field = FIELDS["even"]
    there, back = complexity_at_overlap(field, OVERLAPS), complexity_at_overlap(field, -OVERLAPS)
    np.testing.assert_allclose(there.complexity, back.complexity, atol=1e-15)
    assert outlier_strength(field, 0.0) == field.curvature(0.0) / np.sqrt(field.curvature(1.0))


def test_bad_arguments():
    field = FIELDS["outlier"]
    with pytest.raises(ValueError, match=r"Argument `overlap` must be in \(-1, 1\)"):
        complexity_at_overlap(field, 1.0)
    with pytest.raises(ValueError, match="Argument `energies` must have a last axis of 2"):
        complexity(field, 0.0, [1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match="Argument `field` must have positive coefficients"):
        complexity(Covariance((2, 3), (0.5, 0.0)), 0.0, [-1.0, -1.0])

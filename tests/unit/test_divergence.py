"""Fitted power laws of diverging times, against laws that are known and times that are exact."""

from typing import Any

import numpy as np
import pytest
from scipy.optimize import brentq

from solvable.core.divergence import extrapolate_to_zero, fit_divergence
from solvable.core.status import Status


def test_an_exact_law_is_found_from_either_side():
    x = np.array([2.05, 2.1, 2.3, 2.6, 3.0])
    for parameter, threshold in ((x, 2.0), (4 - x, 2.0)):
        found = fit_divergence(parameter, 7 * np.abs(parameter - threshold) ** -1.7)
        assert found.status == Status.converged
        assert abs(found.threshold - threshold) < 1e-8
        assert abs(found.exponent - 1.7) < 1e-7
        assert abs(found.amplitude - 7) < 1e-6
        assert found.threshold_error < 1e-8


def test_scattered_laws_are_found_within_the_error_bars():
    random = np.random.default_rng(0)
    x = 2 + np.geomspace(0.05, 1.0, 10)
    deviations = []
    for _ in range(100):
        times = 3 * (x - 2) ** -2 * np.exp(0.03 * random.normal(size=len(x)))
        found = fit_divergence(x, times)
        assert found.status == Status.converged
        deviations.append(
            [
                (found.threshold - 2) / found.threshold_error,
                (found.exponent - 2) / found.exponent_error,
            ]
        )
    inside = np.mean(np.abs(deviations) < 1, axis=0)
    assert np.all(inside > 0.6), inside  # 0.68 for one sigma; the narrower fit adds to that
    assert np.abs(np.median(deviations, axis=0)).max() < 0.3
    assert np.all(np.mean(np.abs(deviations) < 3, axis=0) > 0.95)


def test_no_divergence_is_no_threshold():
    x = np.linspace(1, 2, 8)
    assert fit_divergence(x[:3], 1 / x[:3]).status == Status.no_branch  # too few
    assert fit_divergence(x, np.exp(-x)).status == Status.no_branch  # infinitely far away
    assert fit_divergence(x, np.ones(8)).status == Status.no_branch
    assert np.isnan(fit_divergence(x, np.ones(8)).threshold)


def test_bad_input():
    with pytest.raises(ValueError, match=r"Argument `times` must have the length of `x`, 3, but"):
        fit_divergence(np.arange(3.0), np.ones(2))
    with pytest.raises(ValueError, match=r"Argument `times` must be positive, but"):
        fit_divergence(np.arange(5.0), np.array([1.0, 2.0, 0.0, 1.0, 1.0]))


def exact_time(delta: float, start: float) -> float:
    """When gradient flow in a spiked matrix reaches half of its plateau, by the matrix's spectrum.

    The matrix is h v v^T plus noise of spectrum [-2 s, 2 s], h = 1 / delta, s^2 = h, in which v
    has the density of the noise over 1 - h l / s^2 + h^2 / s^2, and an atom 1 - s^2 / h^2 at
    h + s^2 / h.
    """
    h, s = 1 / delta, delta**-0.5
    angle = np.pi * np.arange(1, 1001) / 1001
    values, weights = 2 * s * np.cos(angle), 2 / 1001 * np.sin(angle) ** 2
    seen = weights / (1 - h * values / s**2 + h**2 / s**2)
    top, atom = h + s**2 / h, 1 - s**2 / h**2

    def excess(log_time: float) -> float:
        t = np.exp(log_time)
        one, two = (np.exp(k * (values - top) * t) for k in (1, 2))
        norm = start**2 * (seen @ two + atom) + (1 - start**2) * (weights @ two)
        return start * (seen @ one + atom) / norm**0.5 - 0.5 * (1 - delta) ** 0.5

    root: Any = brentq(excess, -5, 12)
    return float(np.exp(root))


def test_exact_times_of_a_spiked_matrix_give_its_threshold():
    """Weak recovery of a spiked matrix is at delta = 1 (Baik et al. 2005)."""
    deltas, starts = np.linspace(0.6, 0.9, 7), np.array([1e-4, 1e-6, 1e-8])
    fits = [
        fit_divergence(1 / deltas, np.array([exact_time(delta, start) for delta in deltas]))
        for start in starts
    ]
    thresholds = np.array([fit.threshold for fit in fits])
    errors = np.array([fit.threshold_error for fit in fits])
    limit = extrapolate_to_zero(1 / np.log(1 / starts), thresholds, errors)
    assert np.all(np.diff(thresholds) > 0), thresholds
    assert np.all(np.diff([fit.exponent for fit in fits]) > 0), fits  # towards 2
    assert abs(limit.value - 1) < limit.error < 0.02, (limit, fits)


def test_extrapolation_to_zero():
    x, errors = np.array([0.3, 0.1, 0.2]), np.array([0.03, 0.01, 0.02])
    line = extrapolate_to_zero(x, 2 + 5 * x, errors)
    assert abs(line.value - 2) < 1e-14
    assert abs(line.error - np.hypot(2 * 0.01, 0.02)) < 1e-12  # weights 2 and -1
    curved = extrapolate_to_zero(x, 2 + 5 * x + 3 * x**2, 0 * errors)
    assert abs(abs(curved.value - 2) - curved.error) < 1e-12
    assert extrapolate_to_zero(x[:1], x[:1], errors[:1]).status == Status.no_branch
    two = extrapolate_to_zero(x[1:], 2 + 5 * x[1:], 0 * x[1:])
    assert (two.value, two.error) == (pytest.approx(2), pytest.approx(0.25))

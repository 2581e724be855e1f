"""Where online learning ends and waits: published values, closed forms, and integration."""

import numpy as np
import pytest

import solvable as sv


def model(K, M, **changes):
    places = np.arange(K * M).reshape(K, M)
    start = dict(q0=np.diag(0.2 + 0.05 * np.arange(K)), r0=0.01 * np.cos(places) ** 2)
    return sv.OnlineSGD(**(dict(activation=sv.Erf(), noise=0.1) | start | changes))


@pytest.fixture(scope="module")
def matched():
    return sv.asymptotics(model(2, 2, learning_rate=0.1))


def test_a_matched_student_ends_where_the_equations_do(matched):
    """1.9198e-4 (exact), eta sigma^2 M / (2 sqrt 3 pi) for small eta (Goldt et al. 2019)."""
    found = matched.stationary
    assert found.status == "converged" and found.rate < 0
    assert found.generalization_error == pytest.approx(1.9198e-4, rel=1e-4)
    assert matched.small_rate == pytest.approx(0.1 * 0.01 * 2 / (2 * 3**0.5 * np.pi), rel=2e-2)
    # from either start, as exactly as each integration says that it is
    for start in ({}, dict(r0=0.01 * np.eye(2))):
        late = sv.dynamics(model(2, 2, learning_rate=0.1, **start), [2e4])
        off = float(late.generalization_error[0]) / found.generalization_error - 1
        assert abs(off) < float(late.error_bound[0]) < 1e-6


def test_its_plateau_and_largest_learning_rate(matched):
    """Overlaps of all students alike, from which the drift leads away at the rate given."""
    found = matched.plateau
    assert found.status == "converged" and found.rate > 0
    assert np.ptp(found.r) < 1e-12 and np.ptp(np.diag(found.q)) < 1e-12
    below, above = (
        sv.dynamics(
            model(2, 2, q0=np.eye(2), r0=0.99 * np.eye(2), learning_rate=x, noise=0.0), [500.0]
        )
        for x in (0.98 * matched.largest_learning_rate.value, 2.4)
    )
    assert below.sizes["time"] == 0 or float(below.generalization_error[0]) < 1e-5
    assert float(above.generalization_error[0]) > 1e-2


def test_plateau_of_small_learning_rates():
    """R = 1 / sqrt(K (2K - 1)), error K/6 - K^2 / pi arcsin(1 / 2K) (Saad & Solla 1995)."""
    found = sv.asymptotics(model(2, 2, learning_rate=1e-4, noise=0.0))
    exact = 2 / 6 - 4 / np.pi * np.arcsin(1 / 4)
    assert found.plateau.generalization_error == pytest.approx(exact, rel=1e-4)
    np.testing.assert_allclose(found.plateau.r, 6**-0.5, rtol=1e-4)
    assert found.stationary.generalization_error == 0


@pytest.mark.slow
@pytest.mark.parametrize("rate, error", [(0.1, 3.6943e-4), (0.01, 3.454e-5)])
def test_students_with_more_units_than_their_teacher(rate, error):
    found = sv.asymptotics(model(3, 2, learning_rate=rate)).stationary
    assert found.generalization_error == pytest.approx(error, rel=1e-3)


def test_linear_students_have_closed_forms():
    """eta K sigma^2 / (2 (2 - eta K)) up to eta = 2 / K."""
    eta, sigma = 0.3, 0.2
    found = sv.asymptotics(
        model(2, 1, activation=sv.Linear(), learning_rate=eta, noise=sigma, r0=[[0.1], [0.0]])
    )
    exact = eta * 2 * sigma**2 / (2 * (2 - 2 * eta))
    assert found.stationary.generalization_error == pytest.approx(exact, rel=1e-10)
    assert found.largest_learning_rate.value == pytest.approx(1.0, rel=1e-6)
    assert found.plateau.status == "no_branch"


def test_what_does_not_learn_is_refused():
    with pytest.raises(ValueError, match="`model` must be one that learns online"):
        sv.asymptotics(sv.SpikedWigner(prior=sv.Rademacher(), delta=0.5))
    with pytest.raises(ValueError, match="`learning_rate` must be given"):
        sv.asymptotics(sv.OnlineSGD(activation=sv.Erf(), q0=[[0.2]], r0=[[0.1]]))

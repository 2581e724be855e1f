"""Where online learning ends and waits, against integration, and what is refused."""

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


def test_what_does_not_learn_is_refused():
    with pytest.raises(ValueError, match="`model` must be one that learns online"):
        sv.asymptotics(sv.SpikedWigner(prior=sv.Rademacher(), delta=0.5))
    with pytest.raises(ValueError, match="`learning_rate` must be given"):
        sv.asymptotics(sv.OnlineSGD(activation=sv.Erf(), q0=[[0.2]], r0=[[0.1]]))

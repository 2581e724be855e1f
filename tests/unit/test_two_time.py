"""Two-time equations against closed forms, fixed points and each other."""

import numpy as np
import pytest
from scipy.special import ive

from solvable.core.covariance import Covariance
from solvable.core.status import Status
from solvable.core.two_time import Channels, ratio, solution, solve
from solvable.core.two_time.reading import extrapolate, read_uniform
from solvable.core.two_time.uniform import integrate_uniform

PAIRS = np.array([(t, x * t) for t in (0.3, 1.0, 2.5) for x in (0.0, 0.2, 0.5, 0.9, 0.999, 1.0)])


def matrix_tensor(delta2, deltap=1.0, p=3, schedule=None):
    return Channels([2, p], [1 / (2 * delta2), 1 / (p * deltap)], schedule)


class MatrixFlow:
    """Gradient flow of a quadratic energy, Q = g^2 x^2 / 2, from a random start: x = e^{Jt} x(0).

    With phi(u) = I_1(2 g u) / (g u), the transform of Wigner's semicircle:
    C = phi(t + t') / sqrt(phi(2t) phi(2t')), R = phi(t - t') sqrt(phi(2t') / phi(2t)).
    """

    def __init__(self, g):
        self.g = g

    def scaled(self, u):
        """phi(u) e^{-2 g u}."""
        x = 2 * self.g * np.maximum(u, 1e-12)
        return 2 * ive(1, x) / x

    def correlation(self, t, s):
        return self.scaled(t + s) / np.sqrt(self.scaled(2 * t) * self.scaled(2 * s))

    def response(self, t, s):
        return self.scaled(t - s) * np.sqrt(self.scaled(2 * s) / self.scaled(2 * t))

    def mu(self, t):
        x = 4 * self.g * t
        return 2 * self.g * ive(2, x) / ive(1, x)


@pytest.mark.parametrize("integrator", ["uniform", "ratio"])
def test_without_an_energy_all_is_diffusion(integrator):
    nothing = Channels([2], [0.0])
    run = solve(nothing, 0.7, 0.25, [1.0, 2.5], PAIRS, integrator=integrator)
    lag = PAIRS[:, 0] - PAIRS[:, 1]
    assert run.status == Status.converged
    assert run.overlap == pytest.approx(0.25 * np.exp(-0.7 * run.times), rel=3e-5)
    assert run.mu == pytest.approx(0.7, abs=1e-12)
    assert run.correlation == pytest.approx(np.exp(-0.7 * lag), abs=3e-5)
    assert run.response == pytest.approx(np.exp(-0.7 * lag), abs=3e-5)
    assert run.integrated_response == pytest.approx((1 - np.exp(-0.7 * lag)) / 0.7, abs=3e-5)


@pytest.mark.parametrize("integrator", ["uniform", "ratio"])
def test_a_matrix_flows_as_its_spectrum_says(integrator):
    exact = MatrixFlow(1.25)
    covariance = Channels([2], [exact.g**2 / 2])
    run = solve(covariance, 0.0, 0.0, [0.3, 1.0, 2.5], PAIRS, integrator=integrator)
    t, s = PAIRS.T
    assert run.status == Status.converged
    assert run.mu == pytest.approx(exact.mu(run.times), abs=1e-4)
    assert run.energy == pytest.approx(-exact.mu(run.times) / 2, abs=1e-4)
    assert run.correlation == pytest.approx(exact.correlation(t, s), abs=5e-5)
    assert run.response == pytest.approx(exact.response(t, s), abs=5e-5)
    assert np.all(np.abs(run.mu - exact.mu(run.times)) <= run.mu_error + 1e-5)


def test_a_matrix_ages_for_long_as_its_spectrum_says():
    exact = MatrixFlow(1.0)
    times = np.array([1.0, 10.0, 100.0])
    pairs = np.array([(t, x * t) for t in times for x in (0.1, 0.5, 0.9, 0.999)])
    run = solve(Channels([2], [0.5]), 0.0, 0.0, times, pairs)
    t, s = pairs.T
    assert (run.status, run.integrator) == (Status.converged, "ratio")
    assert run.mu == pytest.approx(exact.mu(times), abs=3e-5)
    assert run.correlation == pytest.approx(exact.correlation(t, s), abs=1e-4)
    # responses span six decades
    assert run.response == pytest.approx(exact.response(t, s), rel=2e-3)


def test_the_uniform_grid_is_of_second_order():
    exact = MatrixFlow(1.0)
    covariance = Channels([2], [0.5])
    runs = [integrate_uniform(covariance, 0.0, 0.0, 4.0, n) for n in (64, 128, 256)]
    for wrong in (
        [run.mu[-1] - exact.mu(4.0) for run in runs],
        [run.correlation[-1, len(run.times) // 2] - exact.correlation(4.0, 2.0) for run in runs],
    ):
        assert np.log2(wrong[0] / wrong[1]) == pytest.approx(2, abs=0.25)
        assert np.log2(wrong[1] / wrong[2]) == pytest.approx(2, abs=0.15)
    better = read_uniform(extrapolate(*runs[1:]), np.array([4.0]), np.zeros((0, 2)))
    assert better.scalars[1, 0] == pytest.approx(exact.mu(4.0), abs=2e-5)


def test_many_rows_are_read_by_two_threads_alike():
    covariance = matrix_tensor(0.5)
    long = integrate_uniform(covariance, 1.0, 0.1, 3.0, 900)
    short = integrate_uniform(covariance, 1.0, 0.1, 2.0, 600)  # the same step, one thread
    assert long.mu[600] == pytest.approx(short.mu[-1], rel=1e-13)
    assert np.all(np.abs(np.diff(long.mu, 2)) < 1e-3)  # no seam at the handover


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_both_integrators_agree(temperature):
    problem = matrix_tensor(0.3, 1.0), temperature, 1e-2, [0.5, 1.5, 3.0], PAIRS
    uniform, other = (solve(*problem, integrator=name) for name in ("uniform", "ratio"))
    assert uniform.status == other.status == Status.converged
    assert uniform.overlap == pytest.approx(other.overlap, rel=1e-4)
    assert uniform.channel_energies == pytest.approx(other.channel_energies, abs=1e-4)
    for name in ("correlation", "response", "integrated_response"):
        assert getattr(uniform, name) == pytest.approx(getattr(other, name), abs=1e-4), name


def test_an_amplitude_squared_scales_noise():
    """Without a signal a constant amplitude a stands for the coefficient a^2 c."""
    halved = matrix_tensor(0.5, schedule=lambda t: np.stack([np.ones_like(t), 0.5 + 0 * t]))
    plain = Channels([2, 3], [1.0, 0.25 / 3])
    for name in ("uniform", "ratio"):
        one, other = (solve(c, 1.0, 0.0, [2.0], integrator=name) for c in (halved, plain))
        assert one.channel_energies == pytest.approx(other.channel_energies, abs=1e-6)


def test_annealing_is_the_same_on_both_grids():
    def schedule(t):
        return np.stack([np.ones_like(t), 1 / (1 + 3 * np.exp(-t))])

    covariance = matrix_tensor(0.4, 0.5, schedule=schedule)
    runs = [solve(covariance, 1.0, 0.1, [1.0, 3.0], integrator=x) for x in ("uniform", "ratio")]
    assert runs[0].overlap == pytest.approx(runs[1].overlap, rel=1e-4)
    assert runs[0].mu == pytest.approx(runs[1].mu, abs=3e-4)
    assert runs[0].overlap[-1] != pytest.approx(
        solve(matrix_tensor(0.4, 0.5), 1.0, 0.1, [3.0]).overlap[0], rel=1e-2
    )


def test_equilibrium_at_bayes_temperature():
    """The overlap ends at m = Q' / (1 + Q'), and response is the correlation's derivative."""
    covariance = matrix_tensor(0.2)
    pairs = np.array([(9.0 + lag, 9.0) for lag in (0.05, 0.2, 1.0, 5.0)])
    run = solve(covariance, 1.0, 1e-2, [14.0], pairs)
    m = run.overlap[0]
    assert m == pytest.approx(0.82842712, abs=1e-5)
    slope = Covariance((2, 3), (2.5, 1 / 3)).slope(m)
    assert m == pytest.approx(slope / (1 + slope), abs=1e-5)
    assert run.integrated_response == pytest.approx(1 - run.correlation, abs=1e-4)
    assert run.correlation[-1] == pytest.approx(m, abs=1e-4)
    assert run.mu == pytest.approx(1.0 - np.array([2, 3]) @ run.channel_energies, abs=1e-10)


def test_gradient_flow_ends_at_the_maximum():
    m = float(solve(matrix_tensor(0.2), 0.0, 1e-2, [12.0]).overlap[0])
    slope = Covariance((2, 3), (2.5, 1 / 3)).slope
    assert m == pytest.approx(slope(m) / np.sqrt(slope(m) ** 2 + slope(1.0)), abs=1e-5)


def test_a_tolerance_out_of_reach_is_said(monkeypatch):
    monkeypatch.setattr(solution, "UNIFORM_STEPS", (128, 256, 512))
    run = solve(matrix_tensor(0.5), 1.0, 0.1, [1.0], integrator="uniform", tolerance=1e-14)
    assert run.status == Status.precision_loss
    assert 0 < run.error_bound[0] < 1e-5
    assert run.mu[0] == pytest.approx(3.12422, abs=1e-5)


def test_a_step_that_no_length_makes_good_ends_a_run():
    """The first step is taken unasked; no later one has an error of a relative 1e-30."""
    run = ratio.integrate_ratios(matrix_tensor(0.5), 1.0, 0.1, 10.0, order=6, tolerance=1e-30)
    assert run.status == Status.precision_loss
    times = run.history.times
    assert 0 < times[-1] < 1e-3
    # what it has is right: C(t, theta t) = 1 - T (1 - theta) t + O(t^2)
    lag = run.grid.nodes.gap * times[-1]
    np.testing.assert_allclose(run.history.correlation[-1], 1 - lag, atol=10 * times[-1] ** 2)


def test_a_run_that_ends_early_gives_what_it_reached(monkeypatch):
    monkeypatch.setattr(ratio, "MOST_STEPS", 40)
    pairs = [(0.01, 0.005), (1e5, 1.0)]
    run = solve(matrix_tensor(0.5), 1.0, 0.1, [0.01, 1e4], pairs)
    assert run.status == Status.max_steps
    assert run.times.tolist() == [0.01]
    slope = 0.21 - (1 + 0.1 * 0.21) * 0.1  # Q'(m) - mu m at t = 0
    assert run.overlap[0] == pytest.approx(0.1 + 0.01 * slope, abs=2e-5)
    assert run.pairs.tolist() == [[0.01, 0.005]]
    assert run.correlation[0] == pytest.approx(1 - 0.005, abs=1e-4)


def test_the_start_needs_no_steps():
    run = solve(matrix_tensor(0.5), 1.0, 0.1, [0.0], [(0.0, 0.0)])
    assert (run.overlap[0], run.correlation[0], run.integrated_response[0]) == (0.1, 1.0, 0.0)
    assert run.mu[0] == pytest.approx(1 + 0.1 * (0.2 + 0.01))
    assert run.energy[0] == pytest.approx(-(0.01 + 0.001 / 3))


def test_progress_rises_to_one():
    for integrator in ("uniform", "ratio"):
        seen: list[float] = []
        solve(matrix_tensor(0.5), 1.0, 0.1, [2.0], integrator=integrator, progress=seen.append)
        rounds = seen.count(1.0)  # each resolution begins anew
        assert rounds >= 1
        assert np.sum(np.diff(seen) <= 0) == rounds - 1
        assert seen[-1] == 1.0


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (dict(temperature=-1.0), "`temperature` must be non-negative"),
        (dict(overlap=1.5), r"`overlap` must be in \[-1, 1\]"),
        (dict(times=[1.0, 1.0]), "`times` must be strictly rising"),
        (dict(times=[-1.0]), "`times` must be strictly rising and >= 0"),
        (dict(pairs=[(1.0, 2.0)]), "`pairs` must hold times"),
        (dict(tolerance=0.0), "`tolerance` must be positive"),
        (dict(integrator="euler"), "`integrator` must be one of"),
        (dict(covariance=3), "`covariance` must be `Channels`"),
        (dict(times=[1e5], integrator="uniform"), "`times` must not reach further"),
    ],
)
def test_wrong_arguments(change, message):
    right = dict(covariance=matrix_tensor(0.5), temperature=1.0, overlap=0.1, times=[1.0])
    with pytest.raises(ValueError, match=message):
        solve(**(right | change))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0, 2], [1.0, 1.0]), "`powers` must hold integers"),
        (([2.5], [1.0]), "`powers` must hold integers"),
        (([2], [-1.0]), "`coefficients` must hold non-negative|`coefficients` must"),
        (([2, 3], [1.0]), "`coefficients` must have the length"),
    ],
)
def test_wrong_covariances(arguments, message):
    with pytest.raises(ValueError, match=message):
        Channels(*arguments)


def test_a_schedule_must_answer_amplitudes():
    wrong = Channels([2, 3], [1.0, 1.0], lambda t: np.ones((3, len(t))))
    with pytest.raises(ValueError, match="`schedule` must answer one amplitude"):
        wrong.amplitudes(np.ones(2))
    with pytest.raises(ValueError, match="`schedule` must answer finite"):
        Channels([2], [1.0], lambda t: -np.ones((1, len(t)))).amplitudes(np.ones(2))


def test_amplitudes_above_one_are_resolved():
    """Twice the amplitude without a signal is four times the coefficient, and relaxes faster."""
    doubled = Channels([3], [1 / 3], lambda t: 2.0 + 0 * t[None])
    plain = Channels([3], [4 / 3])
    for name in ("uniform", "ratio"):
        one, other = (solve(c, 1.0, 0.0, [1.0], integrator=name) for c in (doubled, plain))
        assert one.status == other.status == Status.converged
        assert one.mu == pytest.approx(other.mu, abs=1e-6)

"""Dynamics on finite matrices and tensors against the dynamical equations of infinite ones.

Overlap, energy, multiplier and correlations at two sizes, averaged over instances and extrapolated
to infinite size, lie within their standard errors of the solution of the two-time equations
(Sarao Mannelli et al. 2020), solved here on a uniform grid at two steps. Seeds are fixed.
"""

import numpy as np
import pytest
from scipy.special import iv
from tests.statistical.extrapolation import assert_vanishes

from solvable.algorithms.langevin import simulate
from solvable.algorithms.matrix_tensor import sampled_matrix_tensor, sampled_sphere, sphere_start
from solvable.core.covariance import Covariance
from solvable.core.randomness import fold, key_for
from solvable.core.status import Status

LEVEL = 1e-3


class TwoTime:
    """C, R, overlap, energy and multiplier on a uniform grid, by Heun's method."""

    def __init__(self, Q, temperature, overlap, end, count):
        self.Q, self.T, self.h = Q, temperature, end / count
        self.C, self.R = (np.eye(count + 1) for _ in range(2))
        self.weighted = np.zeros((count + 1, count + 1))  # R(t, s) with weights of the integral
        self.m, self.energy, self.mu = (np.zeros(count + 1) for _ in range(3))
        self.m[0] = overlap
        for i in range(count):
            first = self.slopes(i)
            start = self.C[i, : i + 1].copy(), self.R[i, : i + 1].copy(), self.m[i]
            self.put(i + 1, *(a + self.h * b for a, b in zip(start, first, strict=True)))
            second = [x[: i + 1] if np.ndim(x) else x for x in self.slopes(i + 1)]
            means = [(a + b) / 2 for a, b in zip(first, second, strict=True)]
            self.put(i + 1, *(a + self.h * b for a, b in zip(start, means, strict=True)))
        self.slopes(count)

    def put(self, i, C, R, m):
        self.C[i, :i] = self.C[:i, i] = C
        self.R[i, :i], self.m[i] = R, m

    def slopes(self, i):
        """dC(t_i, .), dR(t_i, .), dm; and notes energy and multiplier at t_i."""
        Q, C, R, m, n = self.Q, self.C[i, : i + 1], self.R[i, : i + 1], self.m[i], i + 1
        w = np.full(n, self.h)
        w[[0, -1]] *= 0.5 if i else 0.0
        self.weighted[i, :n] = w * R
        memory = w * R * Q.curvature(C)
        mu = self.T + Q.slope(m) * m + np.sum(w * R * (Q.slope(C) + Q.curvature(C) * C))
        self.mu[i], self.energy[i] = mu, -Q(m) - np.sum(w * R * Q.slope(C))
        dm = -mu * m + Q.slope(m) + memory @ self.m[:n]
        dC = -mu * C + Q.slope(m) * self.m[:n] + self.C[:n, :n] @ memory
        dC += self.weighted[:n, :n] @ Q.slope(C)
        # from t' to t: half the weights at both ends
        kernel = self.h * R * Q.curvature(C)
        dR = -mu * R + np.tril(self.R[:n, :n]).T @ kernel
        dR -= (kernel + kernel[-1] * R) / 2  # R(t', t') = 1 at one end, R(t, t) = 1 at the other
        return dC, dR, dm

    def at(self, times, waiting):
        """Overlap, energy, multiplier, then correlations with waiting times, (times, 3 + w)."""
        i, j = (np.rint(np.asarray(t) / self.h).astype(int) for t in (times, waiting))
        return np.column_stack([self.m[i], self.energy[i], self.mu[i], self.C[np.ix_(i, j)]])


def predicted(Q, temperature, overlap, times, waiting, count=160):
    """Richardson's extrapolation of second order, and how much it changed."""
    coarse, fine = (
        TwoTime(Q, temperature, overlap, times[-1], n).at(times, waiting)
        for n in (count, 2 * count)
    )
    assert np.abs(fine - coarse).max() < 4e-3
    return fine + (fine - coarse) / 3


def simulated(name, size, seed, case, count=None):
    law, temperature, overlap, times, waiting, options = case
    key = key_for(seed, "dynamics", name, size)
    signal = sampled_sphere(fold(key, "signal"), size)
    planted = signal if overlap else None
    data = sampled_matrix_tensor(fold(key, "data"), size, signal=planted, **law)
    path = simulate(
        data,
        sphere_start(fold(key, "start"), signal, overlap, count),
        times,
        temperature=temperature,
        key=fold(key, "noise") if temperature else None,
        signal=signal,
        waiting=waiting,
        **options,
    )
    assert path.status == Status.converged
    return data.covariance, path


CASES = {
    "Langevin with a signal": (
        dict(delta2=0.5, order=3, deltap=1.0),
        1.0,
        0.4,
        [0.25, 0.5, 1.0, 2.0],
        [0.0, 0.5],
        {},
    ),
    "gradient flow without": (
        dict(delta2=1.0, order=3, deltap=1.0),
        0.0,
        0.0,
        [0.25, 0.5, 1.0, 2.0],
        [0.0, 0.5],
        dict(tolerance=1e-4),
    ),
}


def deviations(name, size, seed, wanted, case):
    """Overlap, energy, multiplier and correlations minus their limits, in one row."""
    _, path = simulated(name, size, seed, case)
    series = [path.overlap, path.energy, path.multiplier, path.correlation]
    return (np.column_stack(series) - wanted).ravel()


def covariance(law):
    return Covariance((2, law["order"]), (0.5 / law["delta2"], 1 / (law["order"] * law["deltap"])))


@pytest.mark.parametrize("name", CASES)
def test_paths_follow_the_two_time_equations(name):
    case, sizes, counts = CASES[name], (60, 180), (48, 16)
    wanted = predicted(covariance(case[0]), *case[1:5])
    runs = [
        np.array([deviations(name, size, seed, wanted, case) for seed in range(count)])
        for size, count in zip(sizes, counts, strict=True)
    ]
    kept = runs[0].std(axis=0) > 1e-9  # not C(t_w, t_w) = 1
    assert_vanishes([values[:, kept] for values in runs], sizes, LEVEL)


def test_the_two_time_equations_of_a_matrix_alone():
    """Gradient flow on Wigner's semicircle: f(s) = I_1(2 s) / s is the mean of exp(s lambda)."""
    times, waiting = np.array([0.5, 1.0, 2.0, 4.0]), np.array([0.5, 2.0])
    solved = predicted(Covariance((2,), (0.5,)), 0.0, 0.0, times, waiting, count=320)

    def f(s):
        return iv(1, 2 * s) / s

    multiplier = 2 * iv(2, 4 * times) / iv(1, 4 * times)
    correlation = f(np.add.outer(times, waiting)) / np.sqrt(np.outer(f(2 * times), f(2 * waiting)))
    wanted = np.column_stack([0 * times, -multiplier / 2, multiplier, correlation])
    np.testing.assert_allclose(solved, wanted, rtol=0, atol=2e-4)


@pytest.mark.slow
def test_gradient_flow_reaches_the_energy_of_infinite_size():
    """e(10) = -1.3271 at p = 3, Delta_2 = Delta_p = 1 without a signal; small sizes lie above."""
    case = (*CASES["gradient flow without"][:3], [5.0, 10.0], [], dict(tolerance=1e-4))
    wanted = predicted(covariance(case[0]), 0.0, 0.0, [5.0, 10.0], [], count=450)[:, 1]
    assert wanted[1] == pytest.approx(-1.3271, abs=2e-4)
    sizes, counts = (100, 300), (32, 12)
    runs = [
        np.array([simulated("e", size, seed, case)[1].energy for seed in range(count)])
        for size, count in zip(sizes, counts, strict=True)
    ]
    assert runs[0].mean(axis=0)[1] > runs[1].mean(axis=0)[1] > wanted[1]
    assert_vanishes([values - wanted for values in runs], sizes, LEVEL)


@pytest.mark.slow
def test_langevin_dynamics_finds_the_signal_that_the_posterior_shows():
    """From m = 0.1 to the fixed point .8284 of m = Q' / (1 + Q'); large sizes miss it less."""
    law = dict(delta2=0.2, order=3, deltap=1.0)
    Q = covariance(law)
    case = (law, 1.0, 0.1, [1.0, 4.0, 6.0], [], dict(step=2 * 0.0203))
    m = 0.8284271
    assert Q.slope(m) / (1 + Q.slope(m)) == pytest.approx(m, abs=1e-7)
    limit = predicted(Q, 1.0, 0.1, [1.0, 4.0, 6.0], [], count=450)[:, 0]
    assert limit[2] == pytest.approx(m, abs=1e-4)
    missed, plateaus = [], []
    for size, count in ((100, 16), (300, 6)):
        paths = [simulated("plateau", size, seed, case, 8)[1] for seed in range(count)]
        overlaps = np.array([path.overlap for path in paths])
        found = overlaps[:, -1] > 0
        missed.append(1 - found.mean())
        late = overlaps[:, 1:].mean(axis=1)
        each = np.array([x[y].mean() for x, y in zip(late, found, strict=True) if y.any()])
        plateaus.append((each.mean(), each.std(ddof=1) / len(each) ** 0.5))
    assert missed[1] < missed[0]
    for mean, error in plateaus:
        assert abs(mean - m) < 4 * error

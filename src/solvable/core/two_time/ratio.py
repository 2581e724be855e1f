"""Two-time equations to very long times: rows at fixed ratios t'/t, implicit steps in t.

A row C(t, theta t), R(t, theta t) changes by O(1) while t doubles, in aging and in equilibrium
alike, so that steps are proportional to t. What relaxes within a step follows from an implicit
formula: backward differentiation of variable step, solved by Newton's method.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.linalg import lu_factor, lu_solve

from solvable.core.interpolation import lagrange
from solvable.core.status import Status
from solvable.core.two_time.channels import Channels
from solvable.core.two_time.ratio_grid import RatioGrid, ratio_grid
from solvable.core.two_time.ratio_row import History, RowEquations

DEGREE = 4
"""Of backward differentiation: of the degrees 2, 3 and 4 the one with the fewest steps."""

GROWTH = 2.5
"""Of the widths of panels."""

LAYER = 2.0
"""Width of the narrowest panel at the horizon, in units of the fastest relaxation."""

STRIDE = 0.1
"""The largest step, relative to the time."""

SHORTEST = 1e-9
"""Relative to the time: below this step a run is given up."""

MOST_STEPS = 20000

NEWTON_STEPS = 8
CLOSE = 1e-9
"""Newton's last correction: of C, of R relative to R + 1 / t, of the overlap relative to it."""

SMALL_OVERLAP = 1e-12
"""Overlaps are resolved relative to themselves, but not below this."""


@dataclass(frozen=True, eq=False)
class RatioRun:
    """Rows C(t_n, theta_j t_n), R(t_n, theta_j t_n), t_0 = 0, and their scalars.

    Args:
        grid: the ratios theta_j.
        history: the rows.
        mu: shape (s,), the multiplier of the spherical constraint.
        energies: shape (k, s), one for each monomial.
        status: converged if the last time is the horizon.
    """

    grid: RatioGrid
    history: History
    mu: Float[np.ndarray, " s"]
    energies: Float[np.ndarray, "k s"]
    status: Status


def fastest_rate(covariance: Channels, temperature: float, horizon: float) -> float:
    """An upper estimate of mu, the rate of the fastest relaxation, until `horizon`.

    1 + T + Q'(1) + Q''(1), where a schedule counts by its largest amplitudes.
    """
    times = np.concatenate([[0.0], horizon * np.geomspace(1e-6, 1.0, 64)])
    peak = covariance.amplitudes(times).max(axis=1)
    strengths = covariance.coefficients * peak * np.maximum(peak, 1.0)
    return float(1 + temperature + strengths @ covariance.powers.astype(float) ** 2)


def integrate_ratios(
    covariance: Channels,
    temperature: float,
    overlap: float,
    horizon: float,
    order: int,
    tolerance: float,
    progress: Callable[[float], None] | None = None,
) -> RatioRun:
    """The two-time equations from 0 to `horizon` > 0.

    d/dt|_theta C = (theta / t) d/dtheta C + right-hand side, and likewise R and the overlap.

    Args:
        covariance: of the energy.
        temperature: T >= 0.
        overlap: with the planted state at time 0.
        horizon: the last time.
        order: nodes a panel of the grid of ratios.
        tolerance: of the error of a step, in the mean over what the dynamics remembers.
        progress: is told the fraction done.

    Source: mannelli2020marvels; ratios of times as coordinates: lang2025.
    """
    rate = fastest_rate(covariance, temperature, horizon)
    grid = ratio_grid(min(LAYER / (rate * horizon), 0.2), GROWTH, order)
    march = _March(RowEquations(covariance, temperature, grid, DEGREE + 1), overlap)
    first = 1e-4 / rate
    step, time, status = min(first, horizon), 0.0, Status.converged
    while time < horizon:
        target = _target(time, step, horizon)
        tried = target - time
        error = march.attempt(target) / tolerance
        if error <= 1:
            march.accept()
            time = target
            if progress is not None:
                progress(math.log1p(time / first) / math.log1p(horizon / first))
        step = min(tried * _factor(error, march.count), max(STRIDE * time, 0.02 / rate))
        if step < SHORTEST * max(time, first):
            status = Status.precision_loss
            break
        if march.count >= MOST_STEPS and time < horizon:
            status = Status.max_steps
            break
    return march.finish(status)


def _target(time: float, step: float, horizon: float) -> float:
    """Where the next step ends: the last two are alike, so that none is a mere remainder."""
    rest = horizon - time
    if rest <= step:
        return horizon
    return time + (step if rest > 2 * step else 0.5 * rest)


def _factor(error: float, count: int) -> float:
    """By what the next step may be longer; sudden growth would destabilize the formula."""
    if not math.isfinite(error):
        return 0.25
    return min(1.3, max(0.25, 0.9 * max(error, 1e-8) ** (-1 / (min(DEGREE, count) + 1))))


class _March:
    """The rows so far, and the attempt at one more."""

    def __init__(self, equations: RowEquations, overlap: float) -> None:
        self.count = 1
        self._equations = equations
        size = len(equations.grid.weights)
        self._size = size
        self._times = np.zeros(256)
        self._rows = np.zeros((256, 2 * size + 1))
        self._rows[0, :-1] = 1.0
        self._rows[0, -1] = overlap
        self._scalars = [equations.scalars(self._rows[0])]

    def attempt(self, time: float) -> float:
        """Solve for the row at `time`; its error, infinite if Newton's method fails."""
        n = self.count
        self._reserve()
        self._times[n] = time
        degree = min(DEGREE, n)
        known = slice(max(n - degree - 1, 0), n)
        guess = lagrange(self._times[known], [time])[0] @ self._rows[known]
        guess[[0, self._size]] = 1.0
        self._equations.enter(self._history(), n + 1)
        row = self._newton(guess, degree, time)
        if row is None:
            return math.inf
        self._rows[n] = row
        if n < 2:
            return 0.0  # the first step is shorter than any that the error would ask for
        span = (time - self._times[n - 1]) / (time - self._times[known.start])
        return span * self._norm(row - guess, row)

    def accept(self) -> None:
        """Keep the row that was solved for."""
        self._scalars.append(self._equations.scalars(self._rows[self.count]))
        self.count += 1

    def finish(self, status: Status) -> RatioRun:
        """What there is."""
        n, size = self.count, self._size
        rows = self._rows[:n].copy()
        return RatioRun(
            self._equations.grid,
            History(self._times[:n].copy(), rows[:, :size], rows[:, size:-1], rows[:, -1]),
            np.array([mu for _, mu in self._scalars]),
            np.array([energies for energies, _ in self._scalars]).T,
            status,
        )

    def _history(self) -> History:
        rows, size = self._rows, self._size
        return History(self._times, rows[:, :size], rows[:, size:-1], rows[:, -1])

    def _reserve(self) -> None:
        if self.count == len(self._times):
            self._times = np.concatenate([self._times, np.zeros_like(self._times)])
            self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])

    def _newton(self, guess: np.ndarray, degree: int, time: float) -> np.ndarray | None:
        """The row that solves the implicit equations; None if the corrections do not shrink."""
        n = self.count
        weights = _slopes_at_last(self._times[n - degree : n + 1])
        past = weights[:-1] @ self._rows[n - degree : n]
        y, factors, last = guess.copy(), None, math.inf
        for _ in range(NEWTON_STEPS):
            slope = past + weights[-1] * y
            value, jacobian = self._equations.residual(y, slope, weights[-1], factors is None)
            if not np.all(np.isfinite(value)):
                return None
            if factors is None:
                factors = lu_factor(jacobian, overwrite_a=True, check_finite=False)
            change = lu_solve(factors, value, check_finite=False)
            y = y - change
            size = self._largest(change, y, time)
            if size < CLOSE:
                return y
            if not size < 2 * last:
                return None
            last = size
        return None

    def _largest(self, change: np.ndarray, y: np.ndarray, time: float) -> float:
        c, r = np.abs(change[: self._size]), np.abs(change[self._size : -1])
        r = r / (np.abs(y[self._size : -1]) + 1 / (1 + time))
        return float(max(c.max(), r.max(), abs(change[-1]) / (abs(y[-1]) + SMALL_OVERLAP)))

    def _norm(self, error: np.ndarray, y: np.ndarray) -> float:
        """The error's mean over what the dynamics remembers.

        After an escape C jumps where t' was its time. The jump is soon narrower than a panel, and
        steps must not become short for it: its response has died out.
        """
        memory = self._equations.memory(y)
        c, r = np.abs(error[: self._size]), np.abs(error[self._size : -1])
        weight = memory * np.abs(y[self._size : -1])
        means = weight @ c, memory @ r
        planted = abs(error[-1]) / (abs(y[-1]) + SMALL_OVERLAP)
        return float(max(max(means) / max(weight.sum(), 1e-300), planted))


def _slopes_at_last(times: np.ndarray) -> np.ndarray:
    """Weights of values at `times` in the derivative of their polynomial at the last of them."""
    gaps = times[:, None] - times[None, :] + np.eye(len(times))
    scale = gaps.prod(axis=1)
    row = scale[-1] / scale / gaps[-1]
    row[-1] = 0.0
    row[-1] = -row.sum()
    return row

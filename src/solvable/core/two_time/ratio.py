"""Two-time equations to very long times: rows at fixed ratios t'/t, implicit steps in t."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.linalg import lu_factor, lu_solve

from solvable.core.status import Status
from solvable.core.two_time.covariance import Covariance
from solvable.core.two_time.ratio_grid import RatioGrid, ratio_grid
from solvable.core.two_time.ratio_row import History, RowEquations


@dataclass(frozen=True, eq=False)
class Resolution:
    """How finely the ratio integrator works.

    Args:
        order: nodes a panel of ratios.
        growth: by which a panel is wider than its neighbor towards theta = 1.
        layer: width of the narrowest panel, in units of time at the horizon.
        degree: of the backward differentiation formula, at most 4.
        tolerance: of one step's error.
        stride: the largest step, as a fraction of the time.
    """

    order: int = 9
    growth: float = 2.5
    layer: float = 0.4
    degree: int = 3
    tolerance: float = 1e-6
    stride: float = 0.05


@dataclass(frozen=True, eq=False)
class RatioRun:
    """Rows C(t_n, theta_j t_n), R(t_n, theta_j t_n), n = 0 ... and their scalars."""

    grid: RatioGrid
    history: History
    mu: Float[np.ndarray, " s"]
    energies: Float[np.ndarray, "k s"]
    status: Status


NEWTON_STEPS = 8
CLOSE = 1e-9
"""Newton's last correction, relative to C = O(1) and to R + 1/t."""

SHORTEST = 1e-10
"""Relative to the time: below this a step is given up."""


class _March:
    """Steps of variable length by backward differentiation, with Newton's method in each."""

    def __init__(self, equations: RowEquations, resolution: Resolution, overlap: float) -> None:
        self._equations = equations
        self._resolution = resolution
        size = len(equations.grid.weights)
        self._size = size
        self.count = 1
        self.times = np.zeros(512)
        self.rows = np.zeros((512, 2 * size + 1))
        self.rows[0] = 1.0
        self.rows[0, -1] = overlap
        self.scalars: list[np.ndarray] = []
        self.newton = 0
        self.rejected = 0

    def _view(self) -> History:
        rows, size = self.rows, self._size
        return History(self.times, rows[:, :size], rows[:, size:-1], rows[:, -1])

    def attempt(self, time: float) -> float:
        """Solve for the row at `time`; the error over the tolerance, inf if Newton fails."""
        n = self.count
        if n + 1 >= len(self.times):
            self.times = np.concatenate([self.times, np.zeros_like(self.times)])
            self.rows = np.concatenate([self.rows, np.zeros_like(self.rows)])
        self.times[n] = time
        k = min(self._resolution.degree, n)
        before = self.times[max(n - k - 1, 0) : n]
        guess = _lagrange_at(before, time) @ self.rows[max(n - k - 1, 0) : n]
        guess[[0, self._size]] = 1.0
        self._equations.enter(self._view(), n + 1)
        y = self._newton(guess, n, k, time)
        if y is None:
            return np.inf
        self.rows[n] = y
        if n < 2:
            return 0.0
        span = (time - self.times[n - 1]) / (time - before[0])
        return self._norm(span * (y - guess), y, time) / self._resolution.tolerance

    def _newton(self, guess: np.ndarray, n: int, k: int, time: float) -> np.ndarray | None:
        weights = _slopes_at(self.times[n - k : n + 1])
        past = weights[:-1] @ self.rows[n - k : n]
        y, factors, last = guess.copy(), None, np.inf
        for _ in range(NEWTON_STEPS):
            slope = past + weights[-1] * y
            value, jacobian = self._equations.residual(y, slope, weights[-1], factors is None)
            self.newton += 1
            if factors is None:
                factors = lu_factor(jacobian, overwrite_a=True, check_finite=False)
            change = lu_solve(factors, value, check_finite=False)
            y = y - change
            size = self._largest(change, y, time)
            if not np.isfinite(size):
                return None
            if size < CLOSE:
                return y
            if size > 2 * last:
                return None
            last = size
        return None

    def _largest(self, change: np.ndarray, y: np.ndarray, time: float) -> float:
        n = self._size
        c, r, m = change[:n], change[n:-1], change[-1]
        scale = np.abs(y[n:-1]) + 1 / (1 + time)
        return float(
            max(np.abs(c).max(), np.abs(r / scale).max(), abs(m) / (abs(y[-1]) + 1e-12))
        )

    def _norm(self, error: np.ndarray, y: np.ndarray, time: float) -> float:
        n = self._size
        c, r, m = error[:n], error[n:-1], error[-1]
        scale = np.abs(y[n:-1]) + 1 / (1 + time)
        return float(
            max(
                np.sqrt(np.mean(c**2)),
                np.sqrt(np.mean((r / scale) ** 2)),
                abs(m) / (abs(y[-1]) + 1e-12),
            )
        )


def _lagrange_at(times: np.ndarray, time: float) -> np.ndarray:
    """Weights of values at `times` in their polynomial's value at `time`."""
    gaps = times[:, None] - times[None, :] + np.eye(len(times))
    ahead = np.tile(time - times, (len(times), 1))
    np.fill_diagonal(ahead, 1.0)
    return ahead.prod(axis=1) / gaps.prod(axis=1)


def _slopes_at(times: np.ndarray) -> np.ndarray:
    """Weights of values at `times` in their polynomial's derivative at the last."""
    gaps = times[:, None] - times[None, :] + np.eye(len(times))
    scale = gaps.prod(axis=1)
    row = scale[-1] / scale / gaps[-1]
    row[-1] = 0.0
    row[-1] = -row.sum()
    return row

"""The equations of one row of the ratio grid, and their derivatives, for an implicit step."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from solvable.core.two_time import ratio_kernels as kernels
from solvable.core.two_time.channels import Channels
from solvable.core.two_time.ratio_grid import RatioGrid
from solvable.core.two_time.ratio_tables import Below, Between, below, between


@dataclass(frozen=True, eq=False)
class History:
    """Stored rows: times, C and R at the nodes, overlaps; there may be room for more."""

    times: Float[np.ndarray, " s"]
    correlation: Float[np.ndarray, "s n"]
    response: Float[np.ndarray, "s n"]
    overlap: Float[np.ndarray, " s"]


@dataclass(frozen=True, eq=False)
class Strengths:
    """Coefficients times amplitudes of both times of each point: at nodes, below and between."""

    now: Float[np.ndarray, " k"]
    nodes: Float[np.ndarray, "k n"]
    below: Float[np.ndarray, "k nn"]
    between: Float[np.ndarray, "k q"]


class RowEquations:
    """Residuals of a row at time t, of the unknowns (C_1..n, R_1..n, overlap).

    d/dt|_theta y = theta / t d/dtheta y + the right-hand sides of the two-time equations.

    Args:
        covariance: of the energy.
        temperature: T >= 0.
        grid: ratios t'/t.
        width: stored rows that an interpolation in time uses.
    """

    def __init__(
        self, covariance: Channels, temperature: float, grid: RatioGrid, width: int
    ) -> None:
        self.grid = grid
        self._covariance = covariance
        self._temperature = temperature
        self._width = width
        self._below: Below = below(grid)
        self._between: Between = between(grid, grid.order)
        size, points = len(grid.weights), len(self._between.weights)
        self._past = (
            np.zeros((size, size)),
            np.zeros((size, size)),
            np.zeros(size),
            np.zeros(size),
            np.zeros(points),
            np.zeros(points),
            np.zeros(points),
        )
        self._jacobian = np.zeros((2 * size, 2 * size))
        self._nothing = np.zeros((0, 2 * size))
        self._time = 0.0
        self._strengths = self._strengths_at(0.0)

    def enter(self, history: History, count: int) -> None:
        """Read the past of row `count` - 1, whose time is set and whose entries are sought."""
        between, grid = self._between, self.grid
        self._time = float(history.times[count - 1])
        kernels.read_past(
            history.times,
            count,
            self._width,
            grid.nodes.gap,
            history.correlation,
            history.response,
            history.overlap,
            between.start,
            between.points.gap,
            between.past.first,
            between.past.weights,
            self._past,
        )
        if self._covariance.schedule is not None:
            self._strengths = self._strengths_at(self._time)

    def _strengths_at(self, time: float) -> Strengths:
        """Amplitudes of all pairs of times that an integral of the row at `time` meets."""
        c, nodes = self._covariance.coefficients, self.grid.nodes.ratio

        def at(times: np.ndarray) -> np.ndarray:
            return self._covariance.amplitudes(times)

        now = at(np.array([time]))[:, 0]
        return Strengths(
            c * now,
            (c * now)[:, None] * at(time * nodes),
            (c * now)[:, None] * at(time * self._below.points.ratio),
            (c * now)[:, None] * at(time * self._between.points.ratio),
        )

    def scalars(self, y: np.ndarray) -> tuple[np.ndarray, float]:
        """The energies of the channels and mu."""
        size, powers = len(self.grid.weights), self._covariance.powers
        c, r, m = y[:size], y[size:-1], y[-1]
        s = self._strengths
        weights = self._time * self.grid.weights * r
        memory = np.array(
            [(s.nodes[k] * p * c ** float(p - 1)) @ weights for k, p in enumerate(powers)]
        )
        energies = -s.now * m ** powers.astype(float) - memory
        return energies, float(self._temperature - powers @ energies)

    def memory(self, y: np.ndarray) -> np.ndarray:
        """Weights of int dtheta Q''(C), by which what the dynamics remembers is measured."""
        _, second, _ = self._own(y[: len(self.grid.weights)])
        return self.grid.weights * np.abs(second)

    def residual(
        self, y: np.ndarray, slope: np.ndarray, lead: float, wanted: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        """d/dt y - (right-hand side), where `slope` is d/dt y and `lead` its share of y itself.

        With `wanted` also the Jacobian in y, else an empty matrix.
        """
        size, t = len(self.grid.weights), self._time
        c, r, m = y[:size], y[size:-1], y[-1]
        sums, inner = self._integrals(c, r, wanted)
        _, mu = self.scalars(y)
        _, second, _ = self._own(c)
        pull, _ = self._pull(m)
        planted = self._past[2] + self._past[3] * m
        gradient = self.grid.derivative / t
        answer = slope - np.concatenate(
            [
                gradient @ c - mu * c + pull * planted + sums[0],
                gradient @ r - mu * r + sums[1],
                [-mu * m + pull + t * (self.grid.weights * r * second) @ planted],
            ]
        )
        answer[[0, size]] = 0.0
        if not wanted:
            return answer, self._nothing
        return answer, self._derivatives(y, mu, lead, inner)

    def _integrals(self, c: np.ndarray, r: np.ndarray, wanted: bool):
        """The integrals over memory of the equations of C and R, and their Jacobian."""
        sums = np.zeros((2, len(c)))
        jacobian = self._jacobian if wanted else self._nothing
        jacobian[:] = 0.0
        t, powers, strengths = self._time, self._covariance.powers, self._strengths
        first, weights = self._below.stencils.first, self._below.stencils.weights
        nodes, w = self.grid.nodes.ratio, self.grid.weights
        rest = (self._past, c, r, sums, jacobian)
        kernels.integrals_below(t, nodes, w, powers, strengths.below, first, weights, *rest)
        b = self._between
        here, there = b.current, b.past
        kernels.integrals_between(
            t,
            b.start,
            b.weights,
            powers,
            strengths.between,
            here.first,
            here.weights,
            there.first,
            there.weights,
            *rest,
        )
        return sums, jacobian

    def _own(self, c: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Q', Q'' and Q''' at the nodes."""
        powers, strengths = self._covariance.powers, self._strengths.nodes
        total = np.zeros((3, len(c)))
        for p, strength in zip(powers, strengths, strict=True):
            factor = 1.0
            for order in range(min(int(p), 3)):
                factor *= p - order
                total[order] += strength * factor * c ** float(p - order - 1)
        return total[0], total[1], total[2]

    def _pull(self, m: float) -> tuple[float, float]:
        """The signal's Q'(m), which its own amplitude alone weighs, and the derivative."""
        pull, slope = 0.0, 0.0
        for p, strength in zip(self._covariance.powers, self._strengths.now, strict=True):
            pull += strength * p * m ** float(p - 1)
            if p > 1:
                slope += strength * p * (p - 1) * m ** float(p - 2)
        return float(pull), float(slope)

    def _derivatives(self, y: np.ndarray, mu: float, lead: float, inner: np.ndarray) -> np.ndarray:
        """The Jacobian of `residual`."""
        size, t, w = len(self.grid.weights), self._time, self.grid.weights
        c, r, m = y[:size], y[size:-1], y[-1]
        first, second, third = self._own(c)
        pull, pull_slope = self._pull(m)
        share = self._past[3]
        planted = self._past[2] + share * m
        by = np.concatenate(  # of mu
            [t * w * r * (2 * second + third * c), t * w * (first + second * c), [0.0]]
        )
        by[-1] = pull_slope * m + pull
        answer = np.empty((2 * size + 1, 2 * size + 1))
        answer[:-1, :-1] = -inner
        answer[:-1, -1] = 0.0
        answer[:size, -1] = -pull_slope * planted - pull * share
        answer[-1, :size] = -t * w * r * third * planted
        answer[-1, size:-1] = -t * w * second * planted
        answer[-1, -1] = -pull_slope - t * (w * r * second) @ share
        answer += y[:, None] * by
        answer[:size, :size] -= self.grid.derivative / t
        answer[size:-1, size:-1] -= self.grid.derivative / t
        answer[np.diag_indices(len(y))] += lead + mu
        for row in (0, size):  # C(t, t) = R(t, t) = 1
            answer[row] = 0.0
            answer[row, row] = 1.0
        return answer

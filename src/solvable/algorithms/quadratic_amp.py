"""Approximate message passing for the matrix of a quadratic network (Maillard et al. 2024).

Labels y_mu = x_mu^T S x_mu / d + noise, x_mu iid N(0, 1) in R^d, are linear in S: less their mean,
Y_mu = sqrt(d) (y_mu - <y>) = Tr Z_mu S + sqrt(delta) zeta with Z = (x x^T - 1) / sqrt(d). From
S^0 = 1 the iteration is

    omega = Tr Z S - V' g,   V = V',
    g = (Y - omega) / (delta + V),   t = (delta + V) / (4 alpha),
    R = S + 2 t / d sum_mu g_mu Z_mu,   S = f_t(R),   V' = 4 t div f_t(R) / d^2,

where R is distributed as S + sqrt(t) Z, Z symmetric with entries N(0, 1 / d), and f is the best
estimate of S in such noise: eigenvectors stay, eigenvalues shrink (`core.noisy_wishart.shrunk`).
Its divergence over symmetric matrices is

    div f = sum_{i<j} (f_i - f_j) / (y_i - y_j) + sum_i f'(y_i).

All sums over examples are products of the n x d design with d x d matrices: 4 n d^2 operations an
iteration, and an eigendecomposition. Corrections of relative size 10 / d make the bare iteration
leave its fixed point after some steps; damping of omega and V, by a half, keeps it there.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import numpy as np
from jaxtyping import Float

from solvable.algorithms.convergence import Info, Outcome, Snapshot, follow
from solvable.algorithms.problem import Layout
from solvable.core.arguments import matrix, non_negative, positive, vector
from solvable.core.noisy_wishart import shrunk


@dataclass(frozen=True, eq=False)
class Problem:
    """Examples, and how wide the network is.

    Args:
        design: x / sqrt(d), shape (n, d).
        observation: y, shape (n,).
        kappa: hidden units over dimension, > 0.
        delta: variance of the noise of sqrt(d) y, >= 0.

    Raises:
        ValueError: if an argument is out of its domain or the shapes do not fit.
    """

    design: Float[np.ndarray, "n d"]
    observation: Float[np.ndarray, " n"]
    kappa: float
    delta: float = 0.0

    def __post_init__(self) -> None:
        non_negative("delta", self.delta)
        positive("kappa", self.kappa)
        count = len(matrix("design", self.design))
        if len(vector("observation", self.observation)) != count:
            raise ValueError(
                f"Argument `observation` must have one entry a row of `design`, {count}, but had "
                f"{len(self.observation)}."
            )

    @property
    def layout(self) -> Layout:
        """One matrix, on the host."""
        return Layout("vector", 1, True)

    @property
    def sizes(self) -> tuple[int, ...]:
        """d^2."""
        return (self.design.shape[1] ** 2,)

    @property
    def ratio(self) -> float:
        """alpha = n / d^2."""
        return len(self.design) / self.design.shape[1] ** 2

    @cached_property
    def labels(self) -> Float[np.ndarray, " n"]:
        """sqrt(d) (y - <y>): the trace of S, which is the mean, says nothing more."""
        y = np.asarray(self.observation)
        return self.design.shape[1] ** 0.5 * (y - y.mean())

    def seen(self, S: Float[np.ndarray, "d d"]) -> Float[np.ndarray, " n"]:
        """Tr Z_mu S."""
        root = self.design.shape[1] ** 0.5
        found = np.concatenate([np.einsum("ij,ij->i", A @ S, A) for A in self._blocks()])
        return root * found - np.trace(S) / root

    def summed(self, r: Float[np.ndarray, " n"]) -> Float[np.ndarray, "d d"]:
        """sum_mu r_mu Z_mu."""
        d = self.design.shape[1]
        total = np.zeros((d, d))
        for A, part in zip(self._blocks(), np.split(r, self._cuts), strict=True):
            total += A.T @ (part[:, None] * A)
        total *= d**0.5
        np.fill_diagonal(total, total.diagonal() - r.sum() / d**0.5)
        return total

    @property
    def _cuts(self) -> range:
        return range(_ROWS, len(self.design), _ROWS)

    def _blocks(self) -> list[np.ndarray]:
        """Rows of the design, so few at a time that their products stay in the cache."""
        return np.split(self.design, self._cuts)


@dataclass(frozen=True)
class State:
    """The matrices and vectors of an iteration.

    Attributes:
        mean: S, shape (1, d^2).
        omega: shape (1, n).
        given: V, shape (1, 1).
        fresh: V', shape (1, 1); 0 for a start independent of the examples.
        scale: kappa / 2, which makes `mse` of V'.
        steps: iterations done.
    """

    mean: np.ndarray
    omega: np.ndarray
    given: np.ndarray
    fresh: np.ndarray
    scale: float
    steps: int = 0

    @property
    def matrix(self) -> Float[np.ndarray, "d d"]:
        """S."""
        size = round(self.mean.shape[1] ** 0.5)
        return self.mean.reshape(size, size)

    def snapshot(self) -> Snapshot:
        """The estimate, what its entries expect of their errors, and what a restart needs."""
        spread = np.broadcast_to(self.scale * self.fresh, self.mean.shape)
        return [(self.mean, spread, self.omega, self.given, self.fresh)]

    def expected_error(self) -> np.ndarray:
        """The error that the estimate expects of itself."""
        return self.scale * self.fresh[:, 0]

    def restarted(self, rows: np.ndarray, snapshot: Snapshot) -> "State":
        """The state at the snapshot, if its one row has left."""
        if np.all(rows):
            return self
        mean, _, omega, given, fresh = snapshot[0]
        return State(mean, omega, given, fresh, self.scale, self.steps)


def init(problem: Problem, start: Float[np.ndarray, "d d"] | None = None) -> State:
    """The state before the first iteration.

    Args:
        problem: the examples.
        start: S^0, independent of them; by default the identity, the prior's mean.
    """
    n, d = problem.design.shape
    mean = np.eye(d) if start is None else matrix("start", start)
    if mean.shape != (d, d):
        raise ValueError(f"Argument `start` must have shape {(d, d)}, but had {mean.shape}.")
    none = np.zeros((1, 1))
    return State(np.array(mean).reshape(1, -1), np.zeros((1, n)), none, none, problem.kappa / 2)


def step(problem: Problem, state: State, *, damping: Any = 0.0) -> tuple[State, Info]:
    """One iteration, omega -> (1 - damping) F(omega) + damping omega and V likewise.

    Args:
        problem: the examples.
        state: from `init` or the step before.
        damping: in [0, 1).

    Returns:
        The next state, and what happened on the way; nothing is checked.
    """
    S, d, delta = state.matrix, problem.design.shape[1], problem.delta
    seen, old, first = problem.seen(S), state.omega[0], state.steps == 0
    fresh, given = float(state.fresh[0, 0]), float(state.given[0, 0])
    if first:
        fresh = given = max(float(np.mean((problem.labels - seen) ** 2)) - delta, _SMALLEST)
    omega = seen if first else seen - fresh * (problem.labels - old) / (delta + given)
    moved = 0.0 if first else float(np.sqrt(np.mean((omega - old) ** 2)))
    keep = 0.0 if first else float(np.ravel(damping)[0])
    omega, given = (1 - keep) * omega + keep * old, (1 - keep) * fresh + keep * given
    t = (delta + given) / (4 * problem.ratio)
    field = S + problem.summed(problem.labels - omega) / (2 * problem.ratio * d)
    estimate, divergence = denoised(field, t, problem.kappa)
    fresh = max(4 * t * divergence / d**2, _SMALLEST)
    apart = np.sqrt(2 * np.sum((estimate - S) ** 2) / d)
    # both relative to the labels' standard deviation
    residual = max(float(apart), moved) * np.sqrt(problem.kappa / 2)
    size = np.sum(estimate**2) / d / (1 + 1 / problem.kappa)
    row = (np.array([x]) for x in (residual, size, fresh, state.scale * fresh))
    none = np.zeros(1, int)
    new = (np.array([[x]]) for x in (given, fresh))
    mean = estimate.reshape(1, -1)
    state = State(mean, omega[None], *new, scale=state.scale, steps=state.steps + 1)
    return state, Info(*row, negative_precision=none, kept_precision=none)


def denoised(
    field: Float[np.ndarray, "d d"], t: float, kappa: float
) -> tuple[Float[np.ndarray, "d d"], float]:
    """The best estimate of S from S + sqrt(t) Z, and its divergence.

    Args:
        field: a symmetric matrix.
        t: variance of its noise, > 0.
        kappa: hidden units over dimension, > 0.
    """
    y, vectors = np.linalg.eigh(field)
    f = np.asarray(shrunk(kappa, t, y))
    apart, higher = y[:, None] - y, f[:, None] - f
    slope = np.gradient(f, y)  # own slopes diverge at an edge, differences do not
    np.fill_diagonal(apart, 1.0)
    np.fill_diagonal(higher, 2 * slope)
    return (vectors * f) @ vectors.T, float(np.sum(higher / apart)) / 2


def run(problem: Problem, start: Any = None, **options: Any) -> Outcome:
    """Iterate until F(S) is within `tolerance` of S, undamped.

    Args:
        problem: the examples.
        start: as in `init`.
        options: `damping` (a half), `tolerance`, `max_steps` and `observe` of
            `convergence.follow`.

    Returns:
        The best iterate, its `mean` of shape (d^2,).

    Raises:
        ValueError: if an option is out of its range, or the start does not fit.
    """
    settings = {"damping": DAMPING, "tolerance": 1e-6, "max_steps": 500} | options
    return follow(problem, init(problem, start), step, **settings)


DAMPING: Final = 0.5
_ROWS: Final = 512
_SMALLEST: Final = 1e-24  # V of a matrix that is known

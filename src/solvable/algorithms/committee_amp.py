"""Approximate message passing for a committee: weights in groups of K (Aubin et al. 2018).

With W^t the posterior means, shape (p, K), C_i their posterior covariances and X iid N(0, 1 / p),

    V = mean_i C_i,   omega = X W - g V,   g_mu = grad ln Z(y_mu; omega_mu, V),
    Lambda = sum_mu (-dg_mu / domega) / p,   B = X^T g + W Lambda,   W_i, C_i = moments of
    P(w) exp(B_i w - w Lambda w / 2),

where g in omega is that of the step before. On average over samples -dg / domega is between 0 and
V^-1; negative eigenvalues of Lambda are replaced by 0. Left alone they would swing: where units
are alike a V too large by some amount makes Lambda too large by alpha / alpha_s times as much, the
next V too small, and above the threshold alpha_s of specialization that grows. At exact recovery
V -> 0, and soon no sample lies within sqrt(V) of a border: Lambda would fall back to 0 and the
solution would be lost. Where n sqrt(tr V / rho) < 10 and weights are discrete, Lambda is kept in
those directions in which it falls by more than half in one step. Both are counted in `Info`. Both
products are those of the design with K columns. At small p damping ("adaptive") keeps units on
their way out of the plateau from estimates that are surer than they are right.
"""

from dataclasses import dataclass
from typing import Any, Final

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from solvable.algorithms.convergence import Info, Outcome, Snapshot, follow
from solvable.algorithms.problem import Layout
from solvable.bricks.committee.estimates import enumerable, posterior
from solvable.bricks.committee.messages import AbstractMessages, Messages
from solvable.bricks.priors.base import AbstractPrior
from solvable.bricks.priors.gaussian import Gaussian
from solvable.core.arguments import array, matrix, vector
from solvable.core.randomness import numpy_generator

_FIRST: Final = 1e-7  # by how much units of a random start differ, relative
_ALIKE: Final = 1e-12  # units that differ by less are the same
_FEW: Final = 10  # samples next to a border
_FLUCTUATION: Final = 5.0  # of an eigenvalue of W^T W / p, in units of sqrt(K / p)
_HALF: Final = 0.5
_LEAST: Final = 1e-7  # eigenvalue of V, relative: its correlations stay below 1


@dataclass(frozen=True, eq=False)
class Problem:
    """Examples of a committee.

    Args:
        design: X, shape (n, p).
        observation: y, shape (n,).
        prior: of the weights.
        labels: the law of y.

    Raises:
        ValueError: if the shapes do not fit, or a label is impossible.
    """

    design: Float[np.ndarray, "n p"]
    observation: Float[np.ndarray, " n"]
    prior: AbstractPrior
    labels: AbstractMessages

    def __post_init__(self) -> None:
        enumerable("prior", self.prior, self.labels.units)
        count = len(matrix("design", self.design))
        y = vector("observation", self.observation)
        labels = self.labels.labels()
        if len(y) != count or not (labels is None or np.all(np.isin(y, labels))):
            known = "a number" if labels is None else "one of the labels "
            known += "" if labels is None else ", ".join(f"{x:g}" for x in sorted(labels))
            raise ValueError(
                f"Argument `observation` must have {known} for each of the "
                f"{count} rows of `design`, but had {len(y)} entries, {np.unique(y)[:5].tolist()}."
            )

    @property
    def layout(self) -> Layout:
        """One vector, of all units' weights, on the host."""
        return Layout("vector", 1, True)

    @property
    def sizes(self) -> tuple[int, ...]:
        """K p."""
        return (self.labels.units * self.design.shape[1],)


@dataclass(frozen=True)
class State:
    """The vectors of an iteration.

    Attributes:
        mean: W, shape (1, K p).
        covariance: mean of C_i, shape (1, K, K).
        score: g, shape (1, n, K).
        precision: Lambda, shape (1, K, K).
        steps: iterations done.
    """

    mean: np.ndarray
    covariance: np.ndarray
    score: np.ndarray
    precision: np.ndarray
    steps: int = 0

    @property
    def weights(self) -> Float[np.ndarray, "p K"]:
        """W."""
        return self.mean.reshape(-1, self.covariance.shape[-1])

    def snapshot(self) -> Snapshot:
        """Means, and the variances that all of them have on average."""
        spread = np.broadcast_to(self.expected_error()[:, None], self.mean.shape)
        return [(self.mean, spread, self.covariance, self.score, self.precision)]

    def expected_error(self) -> np.ndarray:
        """Mean posterior variance."""
        return np.trace(self.covariance, axis1=1, axis2=2) / self.covariance.shape[-1]

    def restarted(self, rows: np.ndarray, snapshot: Snapshot) -> "State":
        """The state at the snapshot, if its one row has left."""
        if np.all(rows):
            return self
        mean, _, covariance, score, precision = snapshot[0]
        return State(mean, covariance, score, precision, self.steps)


def random_start(
    key: PRNGKeyArray, prior: AbstractPrior, size: int, units: int
) -> Float[np.ndarray, "p K"]:
    """Means that know nothing and differ a very little, so that units may come to differ.

    Where units that are alike are left, what tells them apart grows: its part along the signal by
    some factor a step, the rest by the root of it. So small a start leaves time for the first to
    prevail before either is of order one; from a larger one the iteration wanders off.
    """
    scale = _FIRST * float(prior.second_moment()) ** 0.5
    return scale * numpy_generator(key).standard_normal((size, units))


def init(problem: Problem, start: Float[np.ndarray, "p K"]) -> State:
    """The state before the first iteration.

    Args:
        problem: the examples.
        start: W^0, independent of them, W^0T W^0 / p its overlap with itself.

    Raises:
        ValueError: if that overlap leaves no covariance, by more than a finite p explains.
    """
    (n, p), K = problem.design.shape, problem.labels.units
    mean = array("start", start, shape=(p, K))
    rho = float(problem.prior.second_moment())
    left = rho * np.eye(K) - mean.T @ mean / p
    least = float(np.linalg.eigvalsh(left)[0])
    if not least > -_FLUCTUATION * rho * (K / p) ** 0.5:
        must = "leave a positive definite covariance rho - W^T W / p of the weights"
        raise ValueError(
            f"Argument `start` must {must}, but its least eigenvalue was {least:.3g}."
        )
    covariance, _ = positive(left)
    nothing = np.zeros((1, K, K))
    return State(mean.reshape(1, -1), covariance[None], np.zeros((1, n, K)), nothing)


def positive(
    matrix: Float[np.ndarray, "K K"], least: float = 0.0
) -> tuple[Float[np.ndarray, "K K"], int]:
    """A symmetric matrix with its eigenvalues at `least` or above, and how many were below."""
    values, vectors = np.linalg.eigh(0.5 * (matrix + matrix.T))
    return (vectors * np.maximum(values, least)) @ vectors.T, int(np.sum(values < least))


def step(problem: Problem, state: State, *, damping: Any = 0.0) -> tuple[State, Info]:
    """One iteration, W -> (1 - damping) F(W) + damping W, and g likewise.

    Args:
        problem: the examples.
        state: from `init` or the step before.
        damping: in [0, 1).

    Returns:
        The next state, and what happened on the way; nothing is checked.
    """
    W, keep = state.weights, float(np.ravel(damping)[0])
    rho = float(problem.prior.second_moment())
    V = state.covariance[0] + _LEAST * rho * np.eye(W.shape[1])
    omega = problem.design @ W - state.score[0] @ V
    found = _messages(problem.labels.resolved(V), problem.observation, omega, V)
    fresh, slope = np.asarray(found.score), len(omega) / len(W) * np.asarray(found.slope)
    score = fresh if state.steps == 0 else (1 - keep) * fresh + keep * state.score[0]
    precision, negative = positive(slope)
    kept = 0
    recoverable = not isinstance(problem.prior, Gaussian)
    if recoverable and len(omega) * (np.trace(V) / rho) ** 0.5 < _FEW:
        precision, kept = _not_lost(precision, state.precision[0])
    field = (score.T @ problem.design).T + W @ precision  # in the order of memory
    mean, covariance = (np.asarray(x) for x in _posterior(problem.prior, field, precision))
    moved = np.sqrt(np.mean((mean - W) ** 2) / rho)
    spread = float(np.abs(covariance - state.covariance[0]).max() / rho)
    moved = max(moved, spread, _growth(W, mean, rho))
    residual, size = (np.array([x]) for x in (moved, np.mean(mean**2) / rho))
    new = State(
        ((1 - keep) * mean + keep * W).reshape(1, -1),
        ((1 - keep) * covariance + keep * state.covariance[0])[None],
        score[None],
        precision[None],
        state.steps + 1,
    )
    variance, counts = new.expected_error(), (np.array([negative]), np.array([kept]))
    return new, Info(residual, size, variance, variance, *counts)


def _growth(before: np.ndarray, after: np.ndarray, rho: float) -> float:
    """By how much what tells units apart grew, relative to itself.

    Without it units that are all but alike would pass for a fixed point that is being left.
    """
    apart = [np.sqrt(np.mean((W - W.mean(axis=1, keepdims=True)) ** 2)) for W in (before, after)]
    if apart[0] <= _ALIKE * rho**0.5:
        return 0.0
    return float(np.clip(apart[1] / apart[0] - 1, 0.0, 1.0))


def _not_lost(precision: np.ndarray, before: np.ndarray) -> tuple[np.ndarray, int]:
    """A precision kept as before where it falls by more than half, and in how many directions."""
    values, vectors = np.linalg.eigh(before)
    if values[0] <= 0:
        return precision, 0
    root, inverse = vectors * np.sqrt(values), vectors / np.sqrt(values)
    ratio, axes = np.linalg.eigh(inverse.T @ precision @ inverse)
    fallen, axes = ratio < _HALF, root @ axes
    return (axes * np.where(fallen, 1.0, ratio)) @ axes.T, int(fallen.sum())


@eqx.filter_jit
def _messages(labels: AbstractMessages, y: Any, omega: Any, V: Any) -> Messages:
    return labels.messages(jnp.asarray(y), jnp.asarray(omega), jnp.asarray(V))


@eqx.filter_jit
def _posterior(prior: AbstractPrior, field: Any, precision: Any) -> tuple[Array, Array]:
    """Means, and the mean covariance."""
    return posterior(prior, jnp.asarray(field), jnp.asarray(precision))


def run(problem: Problem, start: Float[np.ndarray, "p K"], **options: Any) -> Outcome:
    """Iterate until F(W) is within `tolerance` of W, undamped.

    Args:
        problem: the examples.
        start: as in `init`.
        options: `damping` (0), `tolerance` (1e-6), `max_steps` (500) and `observe` of
            `convergence.follow`.

    Raises:
        ValueError: if an option is out of its range.
    """
    settings: dict[str, Any] = {"damping": 0.0, "tolerance": 1e-6, "max_steps": 500} | options
    return follow(problem, init(problem, start), step, **settings)

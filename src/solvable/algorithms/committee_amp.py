"""Approximate message passing for a committee of two units: weights in pairs (Aubin et al. 2018).

With W^t the posterior means, shape (p, 2), C_i their posterior covariances and X iid N(0, 1 / p),

    V = mean_i C_i,   omega = X W - g V,   g_mu = grad ln Z(y_mu; omega_mu, V),
    Lambda = sum_mu g_mu g_mu^T / p,   B = X^T g + W Lambda,   W_i, C_i = moments of
    P(w) exp(B_i w - w Lambda w / 2),

where g in omega is that of the step before. Lambda is minus the mean slope of g, to which it is
equal for labels of this model; unlike that it has no negative eigenvalue. Where next to exact
recovery hardly a sample is within sqrt(V) of a border, Lambda stays as it was. Both products are
those of the design with two columns.
"""

from dataclasses import dataclass
from typing import Any, Final

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from solvable.algorithms.convergence import Info, Outcome, Snapshot, follow
from solvable.algorithms.problem import Layout
from solvable.bricks.committee.pairs_of_signs import PairOfSigns
from solvable.bricks.committee.weights import posterior
from solvable.bricks.priors.base import AbstractPrior
from solvable.core.arguments import array, matrix, vector
from solvable.core.randomness import numpy_generator

_NODES: Final = 16  # of the quadrature of a quadrant's probability
_FIRST: Final = 0.01  # variance of a start that breaks the symmetry of the units, relative
_STEEPEST: Final = 12.0  # slope of ln Z in widths of the fields: that of a Gaussian so far out
_FEW: Final = 10  # samples next to a border
_LEAST: Final = 1e-7  # eigenvalue of V, relative: r of its correlation stays below 1


@dataclass(frozen=True, eq=False)
class Problem:
    """Examples of a committee of two units.

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
    labels: PairOfSigns

    def __post_init__(self) -> None:
        count = len(matrix("design", self.design))
        y = vector("observation", self.observation)
        if len(y) != count or not np.all(np.isin(y, self.labels.labels())):
            known = ", ".join(f"{x:g}" for x in sorted(self.labels.labels()))
            raise ValueError(
                f"Argument `observation` must have one of the labels {known} for each of the "
                f"{count} rows of `design`, but had {len(y)} entries, {np.unique(y)[:5].tolist()}."
            )

    @property
    def layout(self) -> Layout:
        """One vector, of both units' weights, on the host."""
        return Layout("vector", 1, True)

    @property
    def sizes(self) -> tuple[int, ...]:
        """2 p."""
        return (2 * self.design.shape[1],)


@dataclass(frozen=True)
class State:
    """The vectors of an iteration.

    Attributes:
        mean: W, shape (1, 2 p).
        covariance: mean of C_i, shape (1, 2, 2).
        score: g, shape (1, n, 2).
        precision: Lambda, shape (1, 2, 2).
        steps: iterations done.
    """

    mean: np.ndarray
    covariance: np.ndarray
    score: np.ndarray
    precision: np.ndarray
    steps: int = 0

    @property
    def weights(self) -> Float[np.ndarray, "p 2"]:
        """W."""
        return self.mean.reshape(-1, 2)

    def snapshot(self) -> Snapshot:
        """Means, and the variances that all of them have on average."""
        spread = np.broadcast_to(self.expected_error()[:, None], self.mean.shape)
        return [(self.mean, spread, self.covariance, self.score, self.precision)]

    def expected_error(self) -> np.ndarray:
        """Mean posterior variance."""
        return 0.5 * np.trace(self.covariance, axis1=1, axis2=2)

    def restarted(self, rows: np.ndarray, snapshot: Snapshot) -> "State":
        """The state at the snapshot, if its one row has left."""
        if np.all(rows):
            return self
        mean, _, covariance, score, precision = snapshot[0]
        return State(mean, covariance, score, precision, self.steps)


def random_start(key: PRNGKeyArray, prior: AbstractPrior, size: int) -> Float[np.ndarray, "p 2"]:
    """Means that know nothing and differ a little, so that units may come to differ."""
    scale = (_FIRST * float(prior.second_moment())) ** 0.5
    return scale * numpy_generator(key).standard_normal((size, 2))


def init(problem: Problem, start: Float[np.ndarray, "p 2"]) -> State:
    """The state before the first iteration.

    Args:
        problem: the examples.
        start: W^0, independent of them, |W^0|^2 / p its overlap with itself.
    """
    n, p = problem.design.shape
    mean = array("start", start, shape=(p, 2))
    rho = float(problem.prior.second_moment())
    covariance = rho * np.eye(2) - mean.T @ mean / p
    values, vectors = np.linalg.eigh(covariance)
    covariance = (vectors * np.maximum(values, 0.0)) @ vectors.T
    nothing = np.zeros((1, 2, 2))
    return State(mean.reshape(1, -1), covariance[None], np.zeros((1, n, 2)), nothing)


def step(problem: Problem, state: State, *, damping: Any = 0.0) -> tuple[State, Info]:
    """One iteration, W -> (1 - damping) F(W) + damping W, and g likewise.

    Args:
        problem: the examples.
        state: from `init` or the step before.
        damping: in [0, 1).

    Returns:
        The next state, and what happened on the way; nothing is checked.
    """
    W, p, keep = state.weights, problem.design.shape[1], float(np.ravel(damping)[0])
    rho = float(problem.prior.second_moment())
    V = state.covariance[0] + _LEAST * rho * np.eye(2)
    omega = problem.design @ W - state.score[0] @ V
    fresh = np.asarray(_scores(problem.labels, problem.observation, omega, V))
    score = fresh if state.steps == 0 else (1 - keep) * fresh + keep * state.score[0]
    precision, before = score.T @ score / p, state.precision[0]
    few = len(score) * np.trace(V) ** 0.5 < _FEW * rho**0.5
    kept = bool(few and np.trace(precision) < np.trace(before))
    precision = before if kept else precision
    field = problem.design.T @ score + W @ precision
    mean, covariance = (np.asarray(x) for x in _posterior(problem.prior, field, precision))
    moved = np.sqrt(np.mean((mean - W) ** 2) / rho)
    spread = float(np.abs(covariance - state.covariance[0]).max() / rho)
    residual, size = (np.array([x]) for x in (max(moved, spread), np.mean(mean**2) / rho))
    found = State(
        ((1 - keep) * mean + keep * W).reshape(1, -1),
        ((1 - keep) * covariance + keep * state.covariance[0])[None],
        score[None],
        precision[None],
        state.steps + 1,
    )
    variance, counts = found.expected_error(), np.array([int(kept)])
    return found, Info(residual, size, variance, variance, 0 * counts, counts)


@eqx.filter_jit
def _scores(labels: PairOfSigns, y: Any, omega: Any, V: Any) -> Array:
    """grad ln Z of every example, (n, 2)."""
    found = labels.likelihoods(omega[:, 0], omega[:, 1], V, _NODES)
    seen = jnp.asarray(labels.labels())[:, None] == y
    value, *slopes = (jnp.sum(jnp.where(seen, x, 0.0), axis=0) for x in found)
    slope = jnp.stack(slopes, axis=1)
    # of a label that contradicts its fields by many widths the probability is rounding
    steepest = _STEEPEST / jnp.sqrt(0.5 * jnp.trace(V))
    value = jnp.maximum(value, jnp.linalg.norm(slope, axis=1) / steepest)
    return slope / jnp.maximum(value, 1e-300)[:, None]


@eqx.filter_jit
def _posterior(prior: AbstractPrior, field: Any, precision: Any) -> tuple[Array, Array]:
    """Means, and the mean covariance."""
    return posterior(prior, field, precision)


def run(problem: Problem, start: Float[np.ndarray, "p 2"], **options: Any) -> Outcome:
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

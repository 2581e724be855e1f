"""Low-rank AMP of a symmetric matrix whose spike has vectors as units.

With the means V (p, k) of the units, V- those that V was made with, and C the covariance of a unit
averaged over units (Lesieur et al. 2017),

    A = V^T V / (Delta p),    B = Y V / (Delta sqrt p) - V- C / Delta,

and the new means and covariances are those of the prior at (B, A).
"""

from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from solvable.algorithms.convergence import Info, Snapshot
from solvable.algorithms.problem import chosen_rows
from solvable.algorithms.programs import call
from solvable.bricks.priors.base import AbstractVectorPrior, VectorPosterior, vector_posterior


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class State:
    """What an iteration keeps; it never carries the matrix.

    Attributes:
        mean: posterior means of the units, (p, k).
        variance: posterior variances of their components, (p, k).
        covariance: posterior covariances averaged over units, (k, k).
        before: the means that these were made with.
        steps: iterations done.
    """

    mean: Any
    variance: Any
    covariance: Any
    before: Any
    steps: int = 0

    @property
    def means(self) -> tuple[np.ndarray, ...]:
        """Posterior means, of the one spike."""
        return (np.asarray(self.mean),)

    @property
    def variances(self) -> tuple[np.ndarray, ...]:
        """Posterior variances of the same."""
        return (np.asarray(self.variance),)

    def snapshot(self) -> Snapshot:
        """Means and variances."""
        return [(self.mean, self.variance)]

    def expected_error(self) -> np.ndarray:
        """Mean posterior E |x - <x>|^2 of a unit."""
        return np.atleast_1d(np.trace(self.covariance))

    def restarted(self, rows: np.ndarray, snapshot: Snapshot) -> "State":
        """The state, or one at the snapshot that remembers nothing else."""
        mean, variance = snapshot[0]
        quiet = replace(self, mean=mean, variance=variance, before=0 * np.asarray(mean))
        return chosen_rows(rows, self, quiet)


def init(
    prior: AbstractVectorPrior, size: int, mean: Float[np.ndarray, "p k"] | None = None
) -> State:
    """The state before the first iteration, at the prior's mean or another."""
    points = prior.points()
    zero = np.zeros((size, prior.width))
    variance = np.broadcast_to(np.var(points, axis=0), zero.shape)
    covariance = np.cov(points.T, bias=True)
    start = zero + np.mean(points, axis=0) if mean is None else np.asarray(mean, dtype=float)
    return State(start, variance, covariance, zero)


def step(
    matrix: Float[np.ndarray, "p p"],
    delta: float,
    prior: AbstractVectorPrior,
    state: State,
    damping: Any = 0.0,
) -> tuple[State, Info]:
    """One iteration x -> (1 - damping) F(x) + damping x of all means and covariances.

    Args:
        matrix: Y.
        delta: variance of its noise.
        prior: of the units.
        state: from `init` or the step before.
        damping: in [0, 1).

    Returns:
        The next state, and what happened on the way; nothing is checked.
    """
    p, V = len(matrix), np.asarray(state.mean)
    field = (matrix @ V.astype(matrix.dtype, copy=False)).astype(float) / (delta * p**0.5)
    field -= np.asarray(state.before) @ (np.asarray(state.covariance) / delta)
    A = V.T @ V / (delta * p)
    old = (V, state.variance, state.covariance)
    found, residual, size = call(_denoised, prior, field, A, old, float(np.ravel(damping)[0]))
    mean, variance, covariance = map(np.asarray, found)
    info = Info(
        residual=np.asarray(residual),
        size=np.asarray(size),
        output_variance=np.asarray(np.nan),
        variance=np.trace(covariance),
        negative_precision=0,
        kept_precision=0,
    )
    return State(mean, variance, covariance, V, state.steps + 1), info


def _denoised(
    prior: AbstractVectorPrior, B: Array, A: Array, before: tuple[Array, ...], damping: Array
) -> tuple[VectorPosterior, Array, Array]:
    """The units at their message, damped; how far F(x) is from x, and the size of the means."""
    new, old = vector_posterior(prior, B, A), VectorPosterior(*before)
    rho = jnp.mean(jnp.sum(jnp.asarray(prior.points()) ** 2, axis=1))
    moved = jnp.sqrt(jnp.mean(jnp.sum((new.mean - old.mean) ** 2, axis=1)) / rho)
    shrunk = jnp.abs(jnp.trace(new.covariance - old.covariance)) / rho
    size = jnp.mean(jnp.sum(new.mean**2, axis=1)) / rho
    damped = jax.tree.map(lambda x, y: x + damping * (y - x), new, old)
    return damped, jnp.maximum(moved, shrunk), size

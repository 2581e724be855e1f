"""Low-rank AMP of a matrix whose spikes have vectors as units: Y = v v^T or u v^T, in noise.

With the means W (n, k) of the other spike's units (of its own for a symmetric matrix), C their
covariance averaged over units, and V- the means that W was made with (Lesieur et al. 2017),

    A = W^T W / (Delta p),    B = Y^T W / (Delta sqrt p) - V- C n / (Delta p),

and the new means and covariances are those of the prior at (B, A). An iteration finds u, then v.
"""

from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from solvable.algorithms.convergence import Info, Snapshot
from solvable.algorithms.designs import Dense, symmetric_product
from solvable.algorithms.problem import chosen_rows
from solvable.algorithms.programs import call
from solvable.bricks.priors.vectors import AbstractVectorPrior, VectorPosterior


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Units:
    """What an iteration keeps of one spike.

    Attributes:
        mean: posterior means of the units, (p, k).
        variance: posterior variances of their components, (p, k).
        covariance: posterior covariances averaged over units, (k, k).
        before: the means that those of the other spike were made with.
    """

    mean: Any
    variance: Any
    covariance: Any
    before: Any

    def restarted(self, mean: Any, variance: Any) -> "Units":
        """The spike at other means, which remembers nothing."""
        return replace(self, mean=mean, variance=variance, before=0 * np.asarray(mean))


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class State:
    """What an iteration keeps; it never carries the matrix.

    Attributes:
        spikes: v, then u.
        steps: iterations done.
    """

    spikes: tuple[Units, ...]
    steps: int = 0

    @property
    def means(self) -> tuple[np.ndarray, ...]:
        """Posterior means of v and u."""
        return tuple(np.asarray(spike.mean) for spike in self.spikes)

    @property
    def variances(self) -> tuple[np.ndarray, ...]:
        """Posterior variances of the same."""
        return tuple(np.asarray(spike.variance) for spike in self.spikes)

    def snapshot(self) -> Snapshot:
        """Means and variances."""
        return [(spike.mean, spike.variance) for spike in self.spikes]

    def expected_error(self) -> np.ndarray:
        """Mean posterior E |x - <x>|^2 of a unit of v."""
        return np.atleast_1d(np.trace(self.spikes[0].covariance))

    def restarted(self, rows: np.ndarray, snapshot: Snapshot) -> "State":
        """The state, or one at the snapshot that remembers nothing else."""
        pairs = zip(self.spikes, snapshot, strict=True)
        spikes = [chosen_rows(rows, spike, spike.restarted(*at)) for spike, at in pairs]
        return replace(self, spikes=tuple(spikes))


def init(
    laws: tuple[AbstractVectorPrior, ...],
    sizes: tuple[int, ...],
    mean: Float[np.ndarray, "p k"] | None = None,
    covariance: Float[np.ndarray, "k k"] | None = None,
    before: Any = 0.0,
) -> State:
    """The state before the first iteration, at the means of the priors or another start of v.

    Args:
        laws: of v, and of u where there is one.
        sizes: numbers of units.
        mean: of the units of v.
        covariance: of them.
        before: the means that the first memory term takes out.
    """
    spikes = []
    for k, (law, size) in enumerate(zip(laws, sizes, strict=True)):
        center, spread = (np.asarray(x, dtype=float) for x in law.unit_moments())
        if k == 0:
            center = center if mean is None else np.asarray(mean, dtype=float)
            spread = spread if covariance is None else covariance
        zero = np.zeros((size, law.width))
        past = zero + (before if k == len(laws) - 1 else 0.0)
        variance = np.broadcast_to(np.diag(spread), zero.shape)
        spikes.append(Units(zero + center, variance, spread, past))
    return State(tuple(spikes))


def step(
    matrix: Float[np.ndarray, "n p"],
    delta: float,
    laws: tuple[AbstractVectorPrior, ...],
    state: State,
    damping: Any = 0.0,
) -> tuple[State, Info]:
    """One iteration x -> (1 - damping) F(x) + damping x of all means and covariances.

    Args:
        matrix: Y.
        delta: variance of its noise.
        laws: of the units of v, and of u unless Y is symmetric.
        state: from `init` or the step before.
        damping: in [0, 1).

    Returns:
        The next state, and what happened on the way; nothing is checked.
    """
    damping = float(np.ravel(damping)[0])
    design, (v, *others) = Dense(matrix), state.spikes
    other, before, towards_v = v, v.before, design.rmatvec
    if not others:
        towards_v = symmetric_product(matrix)
    else:
        u, *_ = _updated(design.matvec, design.p, delta, laws[1], others[0], v, damping)
        others = [replace(u, before=u.mean)]
        other, before = u, v.mean
    found, residual, size = _updated(
        towards_v, design.p, delta, laws[0], replace(v, before=before), other, damping
    )
    info = Info(
        residual=residual,
        size=size,
        output_variance=np.asarray(np.nan),
        variance=np.trace(found.covariance),
        negative_precision=0,
        kept_precision=0,
    )
    return State((replace(found, before=v.mean), *others), state.steps + 1), info


def _updated(
    product: Any,
    p: int,
    delta: float,
    law: AbstractVectorPrior,
    own: Units,
    other: Units,
    damping: float,
) -> tuple[Units, np.ndarray, np.ndarray]:
    """A spike at the message from the other one; how far F(x) is from x, and the means' size."""
    W = np.asarray(other.mean)
    field = np.asarray(product(W), dtype=float) / (delta * p**0.5)
    field -= np.asarray(own.before) @ (np.asarray(other.covariance) * (len(W) / (delta * p)))
    A = W.T @ W / (delta * p)
    old = (own.mean, own.variance, own.covariance)
    found, residual, size = call(_denoised, law, field, A, old, damping)
    mean, variance, covariance = map(np.asarray, found)
    return Units(mean, variance, covariance, own.before), np.asarray(residual), np.asarray(size)


def _denoised(
    law: AbstractVectorPrior, B: Array, A: Array, before: tuple[Array, ...], damping: Array
) -> tuple[tuple[Array, ...], Array, Array]:
    """The units at their message, damped; how far F(x) is from x, and the size of the means."""
    found: VectorPosterior = law.unit_posterior(B, A)
    new = (found.mean, found.variance, found.covariance)
    rho = jnp.trace(law.second_moments())
    moved = jnp.sqrt(jnp.mean(jnp.sum((new[0] - before[0]) ** 2, axis=1)) / rho)
    shrunk = jnp.abs(jnp.trace(new[2] - before[2])) / rho
    size = jnp.mean(jnp.sum(new[0] ** 2, axis=1)) / rho
    damped = jax.tree.map(lambda x, y: x + damping * (y - x), new, before)
    return damped, jnp.maximum(moved, shrunk), size

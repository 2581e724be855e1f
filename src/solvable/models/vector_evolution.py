"""State evolution of message passing for spikes whose units are vectors, matrix by matrix."""

from collections.abc import Mapping

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from solvable.bricks.priors.vectors import AbstractVectorPrior, VectorMoments
from solvable.core.quadrature import ORDER
from solvable.models.chain_instances import snr_of


def evolve_vectors(
    laws: tuple[AbstractVectorPrior, ...],
    beta: float,
    delta: float,
    start: Mapping[str, float],
    iterations: int,
) -> dict[str, Float[np.ndarray, " t"]]:
    """Observables along q_v -> q_v(beta q_u(q_v / delta) / delta), or q_v -> q_v(q_v / delta).

    The start is the posterior of v given itself in noise of equal size in all directions, as
    `informed_start` makes it. An iteration finds u from the means of v that it starts with, and
    then v from u.

    Args:
        laws: of v, and of u unless the matrix is symmetric.
        beta: rows over columns.
        delta: variance of the noise.
        start: `overlap`, or `overlap_v`, in it counts.
        iterations: how many steps.
    """
    v, *others = laws
    ends = ("_v", "_u") if others else ("",)
    known = snr_of(v, float(start[f"overlap{ends[0]}"])) * jnp.eye(v.width)
    found = _moments(v, known)
    u = _blind(others[0]) if others else found
    path = [(found, u)]
    for _ in range(iterations):
        if others:
            u = _moments(others[0], found.overlap / delta)
            found = _moments(v, beta * u.overlap / delta)
        else:
            found = u = _moments(v, found.overlap / delta)
        path.append((found, u))
    observed: dict[str, list[float]] = {}
    for pair in path:
        for end, one in zip(ends, pair, strict=False):
            observed.setdefault(f"overlap{end}", []).append(float(jnp.trace(one.overlap)))
            observed.setdefault(f"mse{end}", []).append(float(jnp.trace(one.variance)))
        a, b = pair
        signal = jnp.sum((a.overlap + a.variance) * (b.overlap + b.variance))
        error = float(signal - jnp.sum(a.overlap * b.overlap))
        observed.setdefault("matrix_mse", []).append(error)
    return {name: np.array(column) for name, column in observed.items()}


def _blind(law: AbstractVectorPrior) -> VectorMoments:
    mean, covariance = law.unit_moments()
    return VectorMoments(jnp.outer(mean, mean), covariance, jnp.zeros(()))


@eqx.filter_jit
def _moments(law: AbstractVectorPrior, q_hat: Array) -> VectorMoments:
    return law.matrix_moments(q_hat, ORDER)

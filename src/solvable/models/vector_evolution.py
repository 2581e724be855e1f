"""State evolution of message passing for spikes whose units are vectors, matrix by matrix."""

from collections.abc import Mapping

import equinox as eqx
import jax.numpy as jnp
import numpy as np
import scipy.optimize
from jaxtyping import Array, Float

from solvable.bricks.priors.vectors import AbstractVectorPrior, VectorMoments
from solvable.core.quadrature import ORDER


def evolve_vectors(
    laws: tuple[AbstractVectorPrior, ...],
    beta: float,
    delta: float,
    start: Mapping[str, float],
    iterations: int,
) -> dict[str, Float[np.ndarray, " t"]]:
    """Observables along q_v -> q_v(beta q_u(q_v / delta) / delta), or q_v -> q_v(q_v / delta).

    The start is the posterior of v given itself in noise of equal size in all directions, as
    `informed_start` makes it. Where there is a u it lags one behind v: an iteration finds it from
    the means of v that it starts with.

    Args:
        laws: of v, and of u unless the matrix is symmetric.
        beta: rows over columns.
        delta: variance of the noise.
        start: `overlap`, or `overlap_v`, in it counts.
        iterations: how many steps.
    """
    v, *others = laws
    ends = ("_v", "_u") if others else ("",)
    found = _given(v, float(start[f"overlap{ends[0]}"]))
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
        products = [
            jnp.sum((a.overlap + a.variance) * (b.overlap + b.variance)) for a, b in [pair]
        ]
        matrix = float(products[0] - jnp.sum(pair[0].overlap * pair[1].overlap))
        observed.setdefault("matrix_mse", []).append(matrix)
    return {name: np.array(column) for name, column in observed.items()}


def _given(law: AbstractVectorPrior, overlap: float) -> VectorMoments:
    """The moments at a multiple of the identity with this trace of the overlap."""
    identity = jnp.eye(law.width)

    def excess(log_q_hat: float) -> float:
        q_hat = jnp.exp(log_q_hat) * identity
        return float(jnp.trace(_moments(law, q_hat).overlap)) - overlap

    root = scipy.optimize.brentq(excess, np.log(1e-10), np.log(1e10))
    return _moments(law, jnp.exp(jnp.asarray(root)) * identity)


def _blind(law: AbstractVectorPrior) -> VectorMoments:
    mean, covariance = law.unit_moments()
    return VectorMoments(jnp.outer(mean, mean), covariance, jnp.zeros(()))


@eqx.filter_jit
def _moments(law: AbstractVectorPrior, q_hat: Array) -> VectorMoments:
    return law.matrix_moments(q_hat, ORDER)

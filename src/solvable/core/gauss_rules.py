"""Gauss's rules for laws of many atoms, from the polynomials orthogonal under them."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from solvable.core.specification import Specification

MOST_NODES = 19
_EXHAUSTED = 1e-9  # a recurrence coefficient this small, over the values, ends the recurrence
_ROUNDING = 1e-14  # of the values themselves: equal ones differ by this


class Recurrence(Specification):
    """Of the polynomials orthogonal under a law: p_{j+1} b_{j+1} = (x - a_j) p_j - b_j p_{j-1}.

    Attributes:
        centers: a_0, ..., a_{k-1}; after k of them a law of k values is exhausted.
        couplings: b_1, ..., b_{k-1}.
    """

    centers: Float[Array | np.ndarray, " k"]
    couplings: Float[Array | np.ndarray, " k-1"]

    def nodes(self, count: int) -> tuple[Float[Array, " m"], Float[Array, " m"]]:
        """Gauss nodes and weights, `count` of them or as many as the law has values."""
        kept = min(count, len(self.centers))
        couplings = jnp.asarray(self.couplings)[: kept - 1]
        jacobi = jnp.diag(jnp.asarray(self.centers)[:kept])
        values, vectors = jnp.linalg.eigh(
            jacobi + jnp.diag(couplings, 1) + jnp.diag(couplings, -1)
        )
        return values, vectors[0] ** 2


def recurrence(
    values: Float[np.ndarray, " n"],
    most: int = MOST_NODES,
    weights: Float[np.ndarray, " n"] | None = None,
) -> Recurrence:
    """The first coefficients of the law of some values, by Lanczos' procedure.

    Args:
        values: shape (n,).
        most: at most so many.
        weights: of the values, of any sum; None for equal ones.

    Example:
        >>> found = recurrence(np.array([-1.0, 1.0, 1.0, -1.0]))
        >>> [round(float(x), 12) + 0.0 for x in found.nodes(5)[0]]
        [-1.0, 1.0]
    """
    least = max(_EXHAUSTED * float(np.ptp(values)), _ROUNDING * float(np.max(np.abs(values))))
    weights = np.ones(len(values)) if weights is None else weights
    basis = [np.sqrt(weights / np.sum(weights))]
    centers, couplings = [float(np.sum(values * basis[0] ** 2))], []
    while len(centers) < min(most, len(values)):
        new = values * basis[-1]
        for _ in range(2):  # twice is enough to stay orthogonal to rounding
            for old in basis:
                new = new - (old @ new) * old
        size = float(np.linalg.norm(new))
        if size <= least:
            break
        basis.append(new / size)
        couplings.append(size)
        centers.append(float(np.sum(values * basis[-1] ** 2)))
    return Recurrence(centers=jnp.asarray(centers), couplings=jnp.asarray(couplings))

"""A spectral method for multi-index links: message passing linearized where nothing is known.

With G(y) = E[z z^T - 1 | y] the matrix of p k rows

    sum_mu x_mu x_mu^T (x) T(y_mu),   T = G (1 + G)^-1,

has leading eigenvectors that lie along the k directions from weak recovery on (Troiani et al.
2024; for one direction T = 1 - 1 / m, Mondelli & Montanari 2019).
"""

from collections.abc import Callable
from typing import Final

import numpy as np
from jaxtyping import Float, PRNGKeyArray

from solvable.algorithms.eigenvectors import leading_eigenvectors
from solvable.core.randomness import numpy_generator

_SMALLEST: Final = 0.05  # of E[z z^T | y]: T is bounded below by -19
_TOLERANCE: Final = 1e-2  # looser than the distance of the vectors from the signal


def spectral_subspace(
    design: Float[np.ndarray, "n p"],
    observation: Float[np.ndarray, " n"],
    second_moments: Callable[[np.ndarray], Float[np.ndarray, "n k k"]],
    key: PRNGKeyArray,
) -> Float[np.ndarray, "p k"]:
    """An orthonormal basis of the k directions that the leading eigenvectors tell.

    Args:
        design: rows x_mu ~ N(0, 1 / p).
        observation: y_mu.
        second_moments: y -> E[z z^T | y] of every output.
        key: of the first vector.

    Returns:
        A basis, which means nothing below weak recovery.
    """
    seen = second_moments(observation)
    values, vectors = np.linalg.eigh(seen)
    values = 1 - 1 / np.maximum(values, _SMALLEST)
    T = (vectors * values[:, None, :]) @ np.swapaxes(vectors, -1, -2)
    k, p = seen.shape[-1], design.shape[1]

    def product(v: np.ndarray) -> np.ndarray:
        fields = design @ v.reshape(p, k)
        return (design.T @ np.einsum("nij,nj->ni", T, fields)).ravel()

    first = numpy_generator(key).standard_normal(p * k)
    found = leading_eigenvectors(product, first, k, tolerance=_TOLERANCE).vectors
    # each tells a p x k matrix of directions; what they share is the subspace
    together = found.T.reshape(k, p, k).transpose(1, 0, 2).reshape(p, k * k)
    return np.linalg.svd(together, full_matrices=False)[0][:, :k]


def shared(basis: Float[np.ndarray, "p k"], truth: Float[np.ndarray, "p k"]) -> float:
    """Mean squared cosine of two subspaces: 1 if they are the same, k / p if they have nothing in
    common."""
    known = np.linalg.qr(truth)[0]
    return float(np.sum((basis.T @ known) ** 2) / basis.shape[1])

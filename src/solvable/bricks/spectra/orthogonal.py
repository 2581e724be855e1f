"""Orthogonal weights."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from solvable.bricks.spectra.base import AbstractRotatedSpectrum

CARD = dict(
    kind="spectrum",
    name="Orthogonal",
    summary="orthonormal rows (ratio <= 1), or orthogonal columns of squared length ratio",
    parameters={},
    rigour="replica",
    references=["gabrie2018"],
)


class Orthogonal(AbstractRotatedSpectrum):
    """Weights with all singular values equal, scaled to E lambda = a.

    lambda = max(1, a) with probability min(1, a), else 0.

    Example:
        >>> Orthogonal()
        Orthogonal()
        >>> round(float(Orthogonal().stieltjes(0.3, 0.5)), 6)
        0.615385
    """

    def rank(self, ratio: Float[Array, ""]) -> Float[Array, ""]:
        return jnp.minimum(ratio, 1.0)

    def resolvent(self, w: Float[Array, ""], ratio: Float[Array, ""]) -> Float[Array, ""]:
        return 1 / (1 + w * jnp.maximum(ratio, 1.0))

    def weighted_resolvent(self, w: Float[Array, ""], ratio: Float[Array, ""]) -> Float[Array, ""]:
        eigenvalue = jnp.maximum(ratio, 1.0)
        return eigenvalue / (1 + w * eigenvalue)

    def log_determinant(self, w: Float[Array, ""], ratio: Float[Array, ""]) -> Float[Array, ""]:
        return self.rank(ratio) * jnp.log1p(w * jnp.maximum(ratio, 1.0))

    def mean(self, ratio: Float[Array, ""]) -> Float[Array, ""]:
        return jnp.asarray(ratio)

    def sample_singular_values(self, key: PRNGKeyArray, n: int, p: int) -> Float[np.ndarray, " m"]:
        return np.full(min(n, p), max(1.0, n / p) ** 0.5)

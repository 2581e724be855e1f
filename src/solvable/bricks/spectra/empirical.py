"""Weights with given singular values."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from solvable.bricks.spectra.base import AbstractRotatedSpectrum, quantile_levels
from solvable.core.arguments import (
    boolean,
    fail,
    is_traced,
    non_negative_vector,
    parameter,
)

CARD = dict(
    kind="spectrum",
    name="Empirical",
    summary="given singular values, each with the same weight",
    parameters={
        "singular_values": ">= 0, not all 0, of the min(inputs, outputs) directions",
        "normalize": "True (default): scaled to E lambda = ratio; False: taken as they are",
    },
    rigour="replica",
    references=["gabrie2018"],
)


def _singular_values(name: str, value: Any) -> Any:
    x = non_negative_vector(name, value)
    if not is_traced(x) and not np.any(x > 0):
        raise fail(name, "hold a positive number", x.tolist())
    return x


class Empirical(AbstractRotatedSpectrum):
    """Spectrum of given singular values, such as those of a trained network's weights.

    The k values have equal weight among the min(n, p) singular values; the other eigenvalues of
    W^T W are zero. Finite matrices have their quantiles, which are the values themselves when
    min(n, p) is a multiple of k.

    Args:
        singular_values: shape (k,), >= 0, not all 0.
        normalize: whether to scale them to E lambda = a at any ratio a; False takes them as they
            are, so that z has another variance than h.

    Raises:
        ValueError: if there is no value, one is negative or not finite, or all are zero.

    Example:
        >>> Empirical(singular_values=[0, 1, 2])
        Empirical(singular_values=[0.0, 1.0, 2.0])
    """

    singular_values: Float[np.ndarray, " k"] = parameter("singular_values", _singular_values)
    normalize: bool = parameter("normalize", boolean, default=True, static=True)

    def rank(self, ratio: Float[Array, ""]) -> Float[Array, ""]:
        return jnp.minimum(ratio, 1.0) * jnp.mean(self._is_positive().astype(float))

    def resolvent(self, w: Float[Array, ""], ratio: Float[Array, ""]) -> Float[Array, ""]:
        return self._average(1 / (1 + w * self._eigenvalues(ratio)))

    def weighted_resolvent(self, w: Float[Array, ""], ratio: Float[Array, ""]) -> Float[Array, ""]:
        eigenvalues = self._eigenvalues(ratio)
        return self._average(eigenvalues / (1 + w * eigenvalues))

    def log_determinant(self, w: Float[Array, ""], ratio: Float[Array, ""]) -> Float[Array, ""]:
        return jnp.minimum(ratio, 1.0) * jnp.mean(jnp.log1p(w * self._eigenvalues(ratio)))

    def mean(self, ratio: Float[Array, ""]) -> Float[Array, ""]:
        if self.normalize:
            return jnp.asarray(ratio)
        return jnp.minimum(ratio, 1.0) * jnp.mean(jnp.square(jnp.asarray(self.singular_values)))

    def sample_singular_values(self, key: PRNGKeyArray, n: int, p: int) -> Float[np.ndarray, " m"]:
        values = np.sort(np.sqrt(np.asarray(self._eigenvalues(jnp.asarray(n / p)))))
        return values[np.floor(quantile_levels(min(n, p)) * len(values)).astype(int)]

    def _is_positive(self) -> Bool[Array, " k"]:
        return jnp.asarray(self.singular_values) > 0

    def _eigenvalues(self, ratio: Float[Array, ""]) -> Float[Array, " k"]:
        """The k squares, scaled."""
        values = jnp.asarray(self.singular_values)
        if not self.normalize:
            return jnp.square(values)
        # first to a largest value of one: the squares of what may be given can overflow
        squares = jnp.square(values / jnp.max(values))
        return squares * jnp.maximum(ratio, 1.0) / jnp.mean(squares)

    def _average(self, terms: Float[Array, " k"]) -> Float[Array, ""]:
        """The mean over positive values of a term that each of the k has."""
        is_positive = self._is_positive()
        return jnp.sum(jnp.where(is_positive, terms, 0.0)) / jnp.sum(is_positive)

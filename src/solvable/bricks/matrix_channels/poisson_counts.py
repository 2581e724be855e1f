"""Counts: entries are Poisson numbers."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jax.scipy.special import gammaln
from jaxtyping import Array, Float, PRNGKeyArray

from solvable.bricks.matrix_channels.base import AbstractAnalyticMatrixChannel
from solvable.core.arguments import UNSET, nonzero, parameter, positive
from solvable.core.randomness import numpy_generator

CARD = dict(
    kind="matrix channel",
    name="PoissonCounts",
    summary="Poisson counts of mean rate exp(contrast w)",
    parameters={
        "rate": "> 0, mean count where w = 0",
        "contrast": "not 0, slope of the logarithm of the mean",
    },
    rigour="replica",
    references=["lesieur2017", "mergny2024"],
)

_LARGEST = 1e18  # the largest mean that numpy draws counts of
_COUNTS = 4096  # how many counts around the rate are summed


class PoissonCounts(AbstractAnalyticMatrixChannel):
    """Counts y ~ Poisson(lambda e^(mu w)): S = mu (y - lambda), 1 / Delta = mu^2 lambda.

    The logarithm is the link of Poisson regression: no signal makes a mean negative. A mean
    lambda + nu w, such as that of a graph with multiple edges, is the same to first order, with
    mu = nu / lambda.

    Args:
        rate: lambda > 0.
        contrast: mu, not 0; may be left unset where it is swept.

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> float(PoissonCounts(rate=3.0, contrast=0.5).analytic_fisher_information())
        0.75
    """

    rate: float = parameter("rate", positive)
    contrast: Any = parameter("contrast", nonzero, default=UNSET)

    def analytic_fisher_information(self) -> Float[Array, ""]:
        return jnp.asarray(self.contrast**2 * self.rate)

    def log_likelihood(
        self, y: Float[Array, "..."], w: Float[Array, "..."]
    ) -> Float[Array, "..."]:
        change = self.contrast * w
        log_mean = jnp.log(self.rate) + change
        return y * log_mean - self.rate * jnp.exp(change) - gammaln(y + 1)

    def outputs(self) -> tuple[Float[Array, " k"], Float[Array, " k"]]:
        """Exact to rounding for rates up to 20,000."""
        first = jnp.maximum(jnp.floor(jnp.asarray(self.rate)) - _COUNTS // 2, 0.0)
        return first + jnp.arange(_COUNTS), jnp.ones(_COUNTS)

    def emits(self, y: np.ndarray) -> np.ndarray:
        return (y >= 0) & (y == np.floor(y))

    def sample(self, key: PRNGKeyArray, w: Float[np.ndarray, "..."]) -> np.ndarray:
        """Counts as 64-bit integers; ValueError if a mean is too large to draw."""
        with np.errstate(over="ignore"):
            mean = self.rate * np.exp(self.contrast * w)
        if mean.max() > _LARGEST:
            raise ValueError(
                f"Argument `contrast` must leave means of counts below {_LARGEST:g}, but "
                f"{self.contrast:g} makes one {mean.max():g} at this size."
            )
        return numpy_generator(key).poisson(mean)

"""Gaussian prior: the closed form of everything."""

import jax.numpy as jnp
from jax import random
from jaxtyping import Array, Float, PRNGKeyArray

from solvable.bricks.priors.base import AbstractAnalyticPrior, Feature, PriorMoments
from solvable.core.arguments import finite, parameter, positive

CARD = dict(
    kind="prior",
    name="Gaussian",
    summary="N(mean, variance)",
    parameters={"mean": "finite, default 0", "variance": "> 0, default 1"},
    rigour="theorem",
    references=["barbier2019"],
)


class Gaussian(AbstractAnalyticPrior):
    """Gaussian prior N(mean, variance).

    With mean 0 and variance 1: q = q_hat / (1 + q_hat), psi = (q_hat - ln(1 + q_hat)) / 2
    (Barbier et al. 2019).

    Args:
        mean: mean of a component, default 0.
        variance: variance of a component, > 0, default 1.

    Raises:
        ValueError: if the variance is not positive.

    Example:
        >>> Gaussian(variance=2.0)
        Gaussian(variance=2.0)
    """

    mean: float = parameter("mean", finite, default=0.0)
    variance: float = parameter("variance", positive, default=1.0)

    def log_partition(self, B: Float[Array, "..."], A: Float[Array, "..."]) -> Float[Array, "..."]:
        m, v = self.mean, self.variance
        precision = 1 + A * v
        return (B * m - 0.5 * A * m**2 + 0.5 * v * B**2) / precision - 0.5 * jnp.log(precision)

    def analytic_posterior(
        self, B: Float[Array, "..."], A: Float[Array, "..."]
    ) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        precision = 1 + A * self.variance
        mean = (self.mean + self.variance * B) / precision
        return mean, jnp.broadcast_to(self.variance / precision, mean.shape)

    def analytic_moments(self, q_hat: Float[Array, ""], order: int) -> PriorMoments:
        gain = q_hat * self.variance
        return PriorMoments(
            overlap=self.mean**2 + self.variance * gain / (1 + gain),
            variance=self.variance / (1 + gain),
            information=0.5 * jnp.log1p(gain),
        )

    def features(self) -> list[Feature]:
        return [(jnp.asarray(self.mean), jnp.sqrt(self.variance), "gaussian")]

    def first_moment(self) -> Float[Array, ""]:
        return jnp.asarray(self.mean)

    def second_moment(self) -> Float[Array, ""]:
        return jnp.asarray(self.mean**2 + self.variance)

    def dimension(self) -> Float[Array, ""]:
        return jnp.asarray(1.0)

    def entropy(self) -> Float[Array, ""]:
        return jnp.asarray(jnp.inf)

    def sample(self, key: PRNGKeyArray, shape: tuple[int, ...]) -> Float[Array, "..."]:
        return self.mean + jnp.sqrt(self.variance) * random.normal(key, shape)

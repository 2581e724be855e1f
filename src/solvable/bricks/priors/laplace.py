"""Laplace (double exponential) prior."""

import jax.numpy as jnp
from jax import random
from jaxtyping import Array, Float, PRNGKeyArray

from solvable.bricks.priors.base import AbstractPrior, Feature
from solvable.core.arguments import parameter, positive
from solvable.core.special import SQRT_2, log_erfcx

CARD = dict(
    kind="prior",
    name="Laplace",
    summary="density exp(-|h| / scale) / (2 scale)",
    parameters={"scale": "> 0, default 1"},
    rigour="theorem",
    references=["barbier2019"],
)


class Laplace(AbstractPrior):
    """Laplace prior exp(-|h| / scale) / (2 scale), of variance 2 scale^2.

    Z(B, A) is the sum of two half-line Gaussian integrals,
    sqrt(pi / (8 A)) [erfcx(u_-) + erfcx(u_+)] / scale with u_+- = (1 / scale +- B) / sqrt(2 A).

    Args:
        scale: decay length, > 0, default 1.

    Raises:
        ValueError: if the scale is not positive.

    Example:
        >>> Laplace(scale=0.5)
        Laplace(scale=0.5)
    """

    scale: float = parameter("scale", positive, default=1.0)

    def log_partition(self, B: Float[Array, "..."], A: Float[Array, "..."]) -> Float[Array, "..."]:
        root = SQRT_2 * jnp.sqrt(A)
        sides = jnp.logaddexp(
            log_erfcx((1 / self.scale - B) / root), log_erfcx((1 / self.scale + B) / root)
        )
        return sides + 0.5 * jnp.log(jnp.pi / (8 * A)) - jnp.log(self.scale)

    def features(self) -> list[Feature]:
        return [(jnp.asarray(0.0), jnp.asarray(self.scale), "exponential")]

    def first_moment(self) -> Float[Array, ""]:
        return jnp.asarray(0.0)

    def second_moment(self) -> Float[Array, ""]:
        return jnp.asarray(2 * self.scale**2)

    def dimension(self) -> Float[Array, ""]:
        return jnp.asarray(1.0)

    def entropy(self) -> Float[Array, ""]:
        return jnp.asarray(jnp.inf)

    def sample(self, key: PRNGKeyArray, shape: tuple[int, ...]) -> Float[Array, "..."]:
        return self.scale * random.laplace(key, shape)

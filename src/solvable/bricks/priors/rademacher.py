"""Binary prior +-1 with equal probability."""

import jax.numpy as jnp
from jax import random
from jaxtyping import Array, Float, PRNGKeyArray

from solvable.bricks.priors.base import AbstractAnalyticPrior, Feature, PriorMoments
from solvable.core.quadrature import gaussian_nodes
from solvable.core.special import LOG_2, log_cosh

CARD = dict(
    kind="prior",
    name="Rademacher",
    summary="+-1 with probability 1/2 each (binary weights)",
    parameters={},
    rigour="theorem",
    references=["barbier2019"],
)


class Rademacher(AbstractAnalyticPrior):
    """Uniform prior on {-1, +1}.

    q = E tanh^2(B), V = exp(-q_hat / 2) E sech(sqrt(q_hat) z), which loses no digit as q -> 1, and
    I = ln 2 - E log(1 + exp(-2 B)), B = q_hat + sqrt(q_hat) z (Barbier et al. 2019).

    Example:
        >>> Rademacher()
        Rademacher()
    """

    def log_partition(self, B: Float[Array, "..."], A: Float[Array, "..."]) -> Float[Array, "..."]:
        return log_cosh(B) - 0.5 * A

    def analytic_posterior(
        self, B: Float[Array, "..."], A: Float[Array, "..."]
    ) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        small = jnp.exp(-2 * jnp.abs(B))
        return jnp.tanh(B), 4 * small / (1 + small) ** 2

    def analytic_moments(self, q_hat: Float[Array, ""], order: int) -> PriorMoments:
        root = jnp.sqrt(q_hat)
        zero = jnp.zeros_like(root)
        v, weight = gaussian_nodes([(zero, 4 / root)], order, half=True)
        small = jnp.exp(-root * v)
        # E f(B) with B ~ N(q_hat, q_hat) equals exp(-q_hat / 2) E f cosh at B ~ N(0, q_hat) for
        # even f, and e^{-|B|}-weighted for log1p: both stay exact far in the tail.
        variance = jnp.exp(-0.5 * q_hat) * jnp.sum(weight * 2 * small / (1 + small**2))
        # tanh^2 e^B + even part: sinh * tanh, kept positive, for small q_hat without subtraction
        tilted, tilted_weight = gaussian_nodes([(-root, 2 / root)], order)
        field = q_hat + root * tilted
        overlap = jnp.where(
            q_hat < 1.0, jnp.sum(tilted_weight * jnp.tanh(field) ** 2), 1 - variance
        )
        remaining = jnp.sum(tilted_weight * jnp.logaddexp(0.0, -2 * field))
        return PriorMoments(overlap, variance, LOG_2 - remaining)

    def features(self) -> list[Feature]:
        zero = jnp.asarray(0.0)
        return [(jnp.asarray(-1.0), zero, "gaussian"), (jnp.asarray(1.0), zero, "gaussian")]

    def first_moment(self) -> Float[Array, ""]:
        return jnp.asarray(0.0)

    def second_moment(self) -> Float[Array, ""]:
        return jnp.asarray(1.0)

    def dimension(self) -> Float[Array, ""]:
        return jnp.asarray(0.0)

    def entropy(self) -> Float[Array, ""]:
        return jnp.log(2.0)

    def sample(self, key: PRNGKeyArray, shape: tuple[int, ...]) -> Float[Array, "..."]:
        return random.rademacher(key, shape, float)

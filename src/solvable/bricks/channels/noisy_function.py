"""Functions of z with Gaussian noise before and after: what all such channels share."""

from abc import abstractmethod
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jax import random
from jaxtyping import Array, Float, PRNGKeyArray

from solvable.bricks.channels.base import AbstractHiddenChannel


def is_absent(noise: Any) -> bool:
    """True if a noise is exactly 0.0, known before any computation."""
    return isinstance(noise, int | float) and noise == 0


class AbstractFunctionChannel(AbstractHiddenChannel):
    """y = f(z + sqrt(noise before) xi') + sqrt(noise after) xi."""

    @abstractmethod
    def evaluate(self, z: Float[Array, "..."]) -> Float[Array, "..."]:
        """f(z), without noise."""

    @abstractmethod
    def noise_after(self) -> Any:
        """Variance of the noise after the function, exactly 0.0 where there is none."""

    @abstractmethod
    def noise_before(self) -> Any:
        """Variance of the noise on z, exactly 0.0 where there is none."""

    def noise_variance(self) -> Float[Array, ""]:
        return jnp.asarray(self.noise_before(), dtype=float)

    def is_noiseless(self) -> Float[Array, ""]:
        return jnp.equal(self.noise_after(), 0.0) & jnp.equal(self.noise_before(), 0.0)

    def sample(self, key: PRNGKeyArray, z: Float[Array, "..."]) -> Float[Array, "..."]:
        before, after = random.split(key)
        z = jnp.asarray(z)
        if not is_absent(self.noise_before()):
            z = z + jnp.sqrt(self.noise_before()) * random.normal(before, z.shape)
        y = self.evaluate(z)
        if not is_absent(self.noise_after()):
            y = y + jnp.sqrt(self.noise_after()) * random.normal(after, z.shape)
        return y


class AbstractTwoNoiseChannel(AbstractFunctionChannel):
    """A function channel whose noises are its fields `delta` (after) and `pre_delta` (before)."""

    delta: eqx.AbstractVar[float]
    pre_delta: eqx.AbstractVar[float]

    def noise_after(self) -> Any:
        return self.delta

    def noise_before(self) -> Any:
        return self.pre_delta

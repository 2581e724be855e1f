"""Functions of z with Gaussian noise before and after: what all such channels share."""

from abc import abstractmethod
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jax import random
from jaxtyping import Array, Float, PRNGKeyArray

from solvable.bricks.channels.base import Feature
from solvable.bricks.channels.hidden import AbstractHiddenChannel, HiddenMoments


def is_absent(noise: Any) -> bool:
    """True if a noise is exactly 0.0, known before any computation."""
    return isinstance(noise, int | float) and noise == 0


class Tilted(NamedTuple):
    """Moments under N(z; omega, V) exp(B f(z) - A f(z)^2 / 2), each of the shape of omega.

    Attributes:
        log_partition: log of the integral.
        mean: of f(z).
        variance: of f(z).
        g: d log_partition / d omega.
        curvature: -d^2 log_partition / d omega^2.
    """

    log_partition: Float[Array, "..."]
    mean: Float[Array, "..."]
    variance: Float[Array, "..."]
    g: Float[Array, "..."]
    curvature: Float[Array, "..."]


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

    @abstractmethod
    def tilted(
        self,
        B: Float[Array, "..."],
        A: Float[Array, "..."],
        omega: Float[Array, "..."],
        variance: Float[Array, "..."],
    ) -> Tilted:
        """Moments of f(z) and z under N(z; omega, variance) exp(B f(z) - A f(z)^2 / 2)."""

    @abstractmethod
    def noisy_features(
        self, omega: Float[Array, ""], variance: Float[Array, ""], noise: Any
    ) -> list[Feature]:
        """Where the density of f(z) + sqrt(noise) xi has its weight, z ~ N(omega, variance)."""

    def density_features(self, omega: Float[Array, ""], V: Float[Array, ""]) -> list[Feature]:
        return self.noisy_features(omega, V + self.noise_before(), self.noise_after())

    def message_features(
        self, omega: Float[Array, ""], V: Float[Array, ""], noise: Float[Array, ""]
    ) -> list[Feature]:
        return self.noisy_features(omega, V + self.noise_before(), self.noise_after() + noise)

    def log_joint_partition(
        self,
        B: Float[Array, "..."],
        A: Float[Array, "..."],
        omega: Float[Array, "..."],
        V: Float[Array, "..."],
    ) -> Float[Array, "..."]:
        return self.hidden(B, A, omega, V).log_partition

    def hidden(
        self,
        B: Float[Array, "..."],
        A: Float[Array, "..."],
        omega: Float[Array, "..."],
        V: Float[Array, "..."],
    ) -> HiddenMoments:
        # given f the noise after it makes h a Gaussian, which is integrated out
        delta = self.noise_after()
        scale = 1 + A * delta
        f = self.tilted(B / scale, A / scale, omega, V + self.noise_before())
        return HiddenMoments(
            log_partition=f.log_partition + 0.5 * B**2 * delta / scale - 0.5 * jnp.log(scale),
            mean=(f.mean + delta * B) / scale,
            variance=f.variance / scale**2 + delta / scale,
            g=f.g,
            curvature=f.curvature,
        )

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

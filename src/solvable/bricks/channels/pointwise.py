"""Channels known only pointwise in z: their log-partition by quadrature over z."""

from abc import abstractmethod
from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from solvable.bricks.channels.base import (
    AbstractChannel,
    AbstractOutputChannel,
    Atoms,
    Feature,
)
from solvable.bricks.channels.noisy_function import (
    AbstractFunctionChannel,
    Tilted,
    is_absent,
)
from solvable.core.quadrature import BASE_EDGES, nodes_between
from solvable.core.special import LOG_SQRT_2PI, log_normal, log_weighted_sum

# Steps around a breakpoint, in units of the posterior width sqrt V: a kink needs only its own
# edge, a steep rise the short ones.
_GRADED = np.array([0.0, 1e-3, 1e-2, 0.05, 0.2, 0.6])
_ORDER = 8
_OUTPUT_PANELS = 28
_OUTPUT_REACH = 8.0


def standard_nodes(
    omega: Float[Array, "..."],
    variance: Float[Array, "..."],
    breakpoints: tuple[float, ...],
    graded: bool,
) -> tuple[Float[Array, "... N"], Float[Array, "... N"]]:
    """Nodes u and probabilities for u ~ N(0, 1), z = omega + sqrt(variance) u.

    Panels have edges at the breakpoints in z, and move with them, so that derivatives in omega see
    jumps; `graded` adds short panels around each.
    """
    omega, variance = jnp.broadcast_arrays(omega, variance)
    deviation = jnp.sqrt(variance)[..., None]
    edges = [jnp.broadcast_to(BASE_EDGES, (*omega.shape, BASE_EDGES.size))]
    steps = np.concatenate([-_GRADED[:0:-1], _GRADED]) if graded else np.zeros(1)
    for point in breakpoints:
        at = (point - omega[..., None]) / deviation + steps
        edges.append(jnp.clip(at, BASE_EDGES[0], BASE_EDGES[-1]))
    u, weight = nodes_between(jnp.concatenate(edges, axis=-1), _ORDER)
    return u, weight * jnp.exp(-0.5 * u**2 - LOG_SQRT_2PI)


class AbstractPointwiseChannel(AbstractChannel):
    """A channel given by log P(y | z) alone.

    Moments of u = (z - omega) / sqrt V under N(u; 0, 1) P(y | z) give the estimators,
    g = <u> / sqrt V and dg = (<u^2> - <u>^2 - 1) / V.
    """

    @abstractmethod
    def log_likelihood(
        self, y: Float[Array, "..."], z: Float[Array, "..."]
    ) -> Float[Array, "..."]:
        """log P(y | z), without the noise on z."""

    @abstractmethod
    def kinks(self) -> tuple[float, ...]:
        """Points in z where P(y | z) or its derivative jumps."""

    @abstractmethod
    def is_steep(self) -> bool:
        """True if P(y | z) may rise within much less than a panel next to its kinks."""


def tilted_partition(
    channel: AbstractPointwiseChannel, y: Array, omega: Array, V: Array
) -> tuple[Array, Array, Array]:
    """log Z, and nodes u with their probabilities under N(u; 0, 1) P(y | omega + sqrt V u) / Z."""
    variance = V + channel.noise_variance()
    u, weight = standard_nodes(omega, variance, channel.kinks(), channel.is_steep())
    z = jnp.asarray(omega)[..., None] + jnp.sqrt(jnp.asarray(variance))[..., None] * u
    log_likelihood = channel.log_likelihood(jnp.asarray(y)[..., None], z)
    # weights enter beside the exponent: a panel of zero width still has a derivative
    log_z = log_weighted_sum(log_likelihood, weight)
    return log_z, u, weight * jnp.exp(log_likelihood - log_z[..., None])


def tilted_output(
    channel: AbstractPointwiseChannel, y: Array, omega: Array, V: Array
) -> tuple[Array, Array]:
    """g and -dg from the moments of u."""
    variance = V + channel.noise_variance()
    _, u, probability = tilted_partition(channel, y, omega, V)
    mean = jnp.sum(probability * u, axis=-1)
    spread = jnp.sum(probability * (u - mean[..., None]) ** 2, axis=-1)
    return mean / jnp.sqrt(variance), (1 - spread) / variance


class AbstractQuadratureChannel(AbstractPointwiseChannel, AbstractOutputChannel):
    """A pointwise channel whose partition is always the quadrature."""

    def log_partition(
        self, y: Float[Array, "..."], omega: Float[Array, "..."], V: Float[Array, "..."]
    ) -> Float[Array, "..."]:
        return tilted_partition(self, y, omega, V)[0]

    def output(
        self, y: Float[Array, "..."], omega: Float[Array, "..."], V: Float[Array, "..."]
    ) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        return tilted_output(self, y, omega, V)


class AbstractActivationChannel(AbstractPointwiseChannel, AbstractFunctionChannel):
    """A function channel with noise after it, whose function is known pointwise.

    Resolved while the noise is not much narrower than a panel, variance >~ 1e-3 f'^2 V; the change
    under a finer quadrature, carried in every error bound, says when it is not.
    """

    def log_likelihood(
        self, y: Float[Array, "..."], z: Float[Array, "..."]
    ) -> Float[Array, "..."]:
        return log_normal(y - self.evaluate(z), jnp.asarray(self.noise_after()))

    def is_steep(self) -> bool:
        return False

    def tilted(
        self,
        B: Float[Array, "..."],
        A: Float[Array, "..."],
        omega: Float[Array, "..."],
        variance: Float[Array, "..."],
    ) -> Tilted:
        B, A, omega, variance = jnp.broadcast_arrays(B, A, omega, variance)
        u, weight = standard_nodes(omega, variance, self.kinks(), self.is_steep())
        deviation = jnp.sqrt(variance)
        f = self.evaluate(omega[..., None] + deviation[..., None] * u)
        exponent = B[..., None] * f - 0.5 * A[..., None] * f**2
        log_z = log_weighted_sum(exponent, weight)
        probability = weight * jnp.exp(exponent - log_z[..., None])
        mean = jnp.sum(probability * f, axis=-1)
        variance_f = jnp.sum(probability * (f - mean[..., None]) ** 2, axis=-1)
        shift = jnp.sum(probability * u, axis=-1)
        spread = jnp.sum(probability * (u - shift[..., None]) ** 2, axis=-1)
        return Tilted(log_z, mean, variance_f, shift / deviation, (1 - spread) / variance)

    def atoms(self) -> Atoms:
        return Atoms(jnp.zeros(0), jnp.zeros(0))

    def noisy_features(
        self, omega: Float[Array, ""], variance: Float[Array, ""], noise: Any
    ) -> list[Feature]:
        deviation = jnp.sqrt(variance)
        if is_absent(noise):
            # one to one: panels in z, carried over
            z = omega + deviation * np.linspace(-_OUTPUT_REACH, _OUTPUT_REACH, _OUTPUT_PANELS + 1)
            return [(self.evaluate(z), deviation, "point")]
        f = self.evaluate(omega + deviation * np.linspace(-_OUTPUT_REACH, _OUTPUT_REACH, 129))
        width = _OUTPUT_REACH * jnp.sqrt(jnp.asarray(noise, dtype=float))
        edges = jnp.linspace(jnp.min(f) - width, jnp.max(f) + width, _OUTPUT_PANELS + 1)
        return [(edges, width, "point")]

    def z_breakpoints(self) -> list[tuple[Float[Array, ""], Float[Array, ""]]]:
        zero = jnp.asarray(0.0)
        return [(jnp.asarray(point), zero) for point in self.kinks()]

    def dimension(
        self, rho: Float[Array, ""], mean: Float[Array, ""] | float = 0.0
    ) -> Float[Array, ""]:
        # without noise only one-to-one functions are admitted here
        return jnp.where(self.is_noiseless(), 1.0, 0.0)

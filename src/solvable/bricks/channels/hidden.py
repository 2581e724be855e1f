"""Channels inside a chain: a hidden unit h ~ P(. | z) between a message below and one above.

    log Z(B, A; omega, V) = log int dz N(z; omega, V) int dP(h | z) exp(B h - A h^2 / 2)

joins the message (omega, V) from the layer below with (B, A) from the layer above. Its derivatives
are what message passing sends on: mean and variance of h, and g, -dg of z. In state evolution the
message from above is an observation r = h + xi / sqrt(q_hat), B = q_hat r, A = q_hat, so that its
averages are those of a channel with more noise (Manoel et al. 2017).
"""

from abc import abstractmethod
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.nn import logsumexp, softmax
from jaxtyping import Array, Float

from solvable.bricks.channels.base import (
    AbstractChannel,
    AbstractChannelLaw,
    Feature,
    omega_nodes,
    output_moments,
    outputs,
    without_bias,
)
from solvable.core.quadrature import NESTED, ORDER, feature_nodes
from solvable.core.special import LOG_SQRT_2PI

_UNSEEN = -200.0  # ln of a density that adds nothing to an integral


class HiddenMoments(NamedTuple):
    """What a hidden unit sends up and down, each of the shape of omega.

    Attributes:
        log_partition: log Z(B, A; omega, V).
        mean: d log Z / d B, the posterior mean of h.
        variance: d^2 log Z / d B^2, its posterior variance.
        g: d log Z / d omega.
        curvature: -d^2 log Z / d omega^2.
    """

    log_partition: Float[Array, "..."]
    mean: Float[Array, "..."]
    variance: Float[Array, "..."]
    g: Float[Array, "..."]
    curvature: Float[Array, "..."]


class HiddenAverages(NamedTuple):
    """Averages over omega ~ N(0, q) and the observation r of h through noise 1 / q_hat.

    Attributes:
        snr: E g^2, the signal-to-noise ratio sent to the layer below, for each of its outputs.
        overlap: E <h>^2.
        variance: E (h - <h>)^2, computed without subtracting the overlap.
        information: I(h; r | omega) in nats.
    """

    snr: Float[Array, ""]
    overlap: Float[Array, ""]
    variance: Float[Array, ""]
    information: Float[Array, ""]


class AbstractHiddenChannel(AbstractChannel):
    """A channel that can also sit between two layers."""

    @abstractmethod
    def log_joint_partition(
        self,
        B: Float[Array, "..."],
        A: Float[Array, "..."],
        omega: Float[Array, "..."],
        V: Float[Array, "..."],
    ) -> Float[Array, "..."]:
        """log int N(z; omega, V) int dP(h | z) exp(B h - A h^2 / 2), elementwise."""

    @abstractmethod
    def hidden(
        self,
        B: Float[Array, "..."],
        A: Float[Array, "..."],
        omega: Float[Array, "..."],
        V: Float[Array, "..."],
    ) -> HiddenMoments:
        """The joint partition and its derivatives in B and omega, without differences."""

    @abstractmethod
    def message_features(
        self, omega: Float[Array, ""], V: Float[Array, ""], noise: Float[Array, ""]
    ) -> list[Feature]:
        """Where, in r = h + sqrt(noise) xi, the density at one omega has its weight."""


class AbstractAnalyticHiddenChannel(AbstractHiddenChannel):
    """A hidden channel with closed averages, more accurate than quadrature."""

    @abstractmethod
    def analytic_averages(
        self, q: Float[Array, ""], V: Float[Array, ""], q_hat: Float[Array, ""], order: int
    ) -> HiddenAverages:
        """The averages at one (q, V, q_hat)."""


class AbstractSummedHiddenChannel(AbstractHiddenChannel):
    """A channel whose hidden unit is summed over its labels, or over nodes of its support."""

    def log_joint_partition(
        self,
        B: Float[Array, "..."],
        A: Float[Array, "..."],
        omega: Float[Array, "..."],
        V: Float[Array, "..."],
    ) -> Float[Array, "..."]:
        return logsumexp(_summands(self, B, A, omega, V)[0], axis=0)

    def hidden(
        self,
        B: Float[Array, "..."],
        A: Float[Array, "..."],
        omega: Float[Array, "..."],
        V: Float[Array, "..."],
    ) -> HiddenMoments:
        terms, y, at, V = _summands(self, B, A, omega, V)
        g, curvature = output_moments(self, y, at, V)
        weight = softmax(terms, axis=0)
        mean, slope = jnp.sum(weight * y, axis=0), jnp.sum(weight * g, axis=0)
        return HiddenMoments(
            log_partition=logsumexp(terms, axis=0),
            mean=mean,
            variance=jnp.sum(weight * (y - mean) ** 2, axis=0),
            g=slope,
            curvature=jnp.sum(weight * (curvature - (g - slope) ** 2), axis=0),
        )

    def message_features(
        self, omega: Float[Array, ""], V: Float[Array, ""], noise: Float[Array, ""]
    ) -> list[Feature]:
        width = jnp.sqrt(noise)
        atoms = self.atoms()
        found: list[Feature] = [(value, width, "gaussian") for value in atoms.values]
        for center, _, kind in self.density_features(omega, V):
            ends = jnp.stack([jnp.min(center), jnp.max(center)])
            found += [(center, width, kind), *((end, width, "gaussian") for end in ends)]
        return found


def _summands(
    channel: AbstractChannel, B: Array, A: Array, omega: Array, V: Array
) -> tuple[Array, Array, Array, Array]:
    """log of P(y | omega, V) exp(B y - A y^2 / 2) for every output y on a new first axis.

    Beside it y, omega and V; what does not depend on B is not repeated for every B.
    """
    omega, V = jnp.broadcast_arrays(omega, V)
    one = jnp.asarray(1.0)
    values, weights = outputs(channel, one, one, ORDER)
    count = max(jnp.ndim(B), jnp.ndim(A), omega.ndim)

    def upright(x: Array) -> Array:
        return x.reshape(-1, *(1,) * count)

    y, at, spread = jnp.broadcast_arrays(upright(values), omega, V)
    known = channel.log_partition(y, at, spread) + jnp.log(upright(weights))
    return known + B * y - 0.5 * A * y**2, y, at, spread


def hidden_by_differentiation(
    channel: AbstractHiddenChannel, B: Array, A: Array, omega: Array, V: Array
) -> HiddenMoments:
    """`hidden` by differentiation of the joint partition: the check on closed forms."""

    def slope(argument: int, at: Array) -> Array:
        arguments = [B, A, omega, V]

        def partition(x: Array) -> Array:
            return channel.log_joint_partition(
                *(*arguments[:argument], x, *arguments[argument + 1 :])
            )

        value, pull = jax.vjp(partition, at)
        return pull(jnp.ones_like(value))[0]

    mean, variance = jax.jvp(lambda b: slope(0, b), (B,), (jnp.ones_like(B),))
    g, dg = jax.jvp(lambda w: slope(2, w), (omega,), (jnp.ones_like(omega),))
    return HiddenMoments(channel.log_joint_partition(B, A, omega, V), mean, variance, g, -dg)


def hidden_averages(
    channel: AbstractHiddenChannel | AbstractChannelLaw,
    q: Float[Array, ""],
    V: Float[Array, ""],
    q_hat: Float[Array, ""],
    order: int = ORDER,
) -> HiddenAverages:
    """Averages of a hidden layer at the overlap below and the signal-to-noise ratio above.

    With p(r | omega) the density of r = h + xi / sqrt(q_hat), by two nested quadratures,

        snr = E (d log p / d omega)^2,   variance = E var(h | r, omega),
        information = -E log p(r | omega) - ln(2 pi e / q_hat) / 2.

    Args:
        channel: the hidden channel, or a law of them.
        q: overlap of the layer below, >= 0 (scalar; vmap for more).
        V: rho - q, > 0, given separately so that q -> rho loses no digit.
        q_hat: signal-to-noise ratio that comes from above, > 0.
        order: quadrature nodes a panel.
    """
    if isinstance(channel, AbstractChannelLaw):
        return channel.averages(q, V, q_hat, order)
    if isinstance(channel, AbstractAnalyticHiddenChannel):
        return channel.analytic_averages(q, V, q_hat, order)
    return general_hidden_averages(channel, q, V, q_hat, order)


def general_hidden_averages(
    channel: AbstractHiddenChannel | AbstractChannelLaw,
    q: Float[Array, ""],
    V: Float[Array, ""],
    q_hat: Float[Array, ""],
    order: int = ORDER,
) -> HiddenAverages:
    """`hidden_averages` by quadrature whatever the channel: the check on closed forms."""
    omega, probability = omega_nodes(channel, q, V, order, NESTED)
    bare = without_bias(channel)
    noise = 1 / q_hat
    normalization = 0.5 * jnp.log(q_hat) - LOG_SQRT_2PI

    def at(w: Array) -> tuple[Array, ...]:
        r, weight = feature_nodes(bare.message_features(w, V, noise), order=order, panels=NESTED)
        found = bare.hidden(q_hat * r, q_hat, w[None], V)
        log_density = found.log_partition - 0.5 * q_hat * r**2 + normalization
        seen = log_density > _UNSEEN
        density = jnp.where(seen, weight * jnp.exp(log_density), 0.0)
        terms = (found.g**2, found.mean**2, found.variance, -log_density)
        return tuple(jnp.sum(density * jnp.where(seen, term, 0.0)) for term in terms)

    snr, overlap, variance, entropy = (jnp.sum(probability * x) for x in jax.vmap(at)(omega))
    return HiddenAverages(snr, overlap, variance, entropy + normalization - 0.5)

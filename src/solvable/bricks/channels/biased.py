"""Channels behind known biases: h ~ P(. | z + b), the law of b that of a layer's vector.

With b known every average over omega ~ N(0, q) becomes one over omega ~ N(b, q), and over b. What
is averaged is smooth on the scale sqrt(q + V), so that Gauss nodes of the empirical law of the
biases, `order` + 2 of them from its own orthogonal polynomials (Lanczos' procedure), converge
spectrally; the change under a finer order bounds their error with that of the rest.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from solvable.bricks.channels.base import (
    AbstractChannel,
    AbstractChannelLaw,
    ChannelMoments,
    channel_moments,
    general_channel_moments,
)
from solvable.bricks.channels.hidden import (
    HiddenAverages,
    general_hidden_averages,
    hidden_averages,
)
from solvable.bricks.channels.linear import Linear
from solvable.core.gauss_rules import MOST_NODES, Recurrence

_MORE = 2  # nodes than a panel has


class Biased(AbstractChannelLaw):
    """The channels P(. | z + b) of a layer's units, b from the law of its biases.

    Args:
        channel: the channel without bias.
        law: of the biases.
    """

    channel: AbstractChannel
    law: Recurrence

    def biases(self, order: int) -> tuple[Float[Array, " k"], Float[Array, " k"]]:
        return self.law.nodes(order + _MORE)

    def moments(self, q: Float[Array, ""], V: Float[Array, ""], order: int) -> ChannelMoments:
        if isinstance(self.channel, Linear):  # a known shift of y changes its mean alone
            return channel_moments(self.channel, q, V, order)
        return general_channel_moments(self, q, V, order)

    def averages(
        self, q: Float[Array, ""], V: Float[Array, ""], q_hat: Float[Array, ""], order: int
    ) -> HiddenAverages:
        if not isinstance(self.channel, Linear):
            return general_hidden_averages(self, q, V, q_hat, order)
        found = hidden_averages(self.channel, q, V, q_hat, order)
        bias, weight = self.biases(order)
        return found._replace(overlap=found.overlap + jnp.sum(weight * bias**2))

    def dimension(self, rho: Float[Array, ""]) -> Float[Array, ""]:
        bias, weight = self.biases(MOST_NODES)
        return jnp.sum(weight * jax.vmap(lambda b: self.channel.dimension(rho, b))(bias))

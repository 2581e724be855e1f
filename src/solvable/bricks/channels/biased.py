"""Channels behind known biases: h ~ P(. | z + b), the law of b that of a layer's vector.

With b known every average over omega ~ N(0, q) becomes one over omega ~ N(b, q), and over b. What
is averaged is smooth on the scale sqrt(q + V), so that Gauss nodes of the empirical law of the
biases, `order` + 2 of them from its own orthogonal polynomials (Lanczos' procedure), converge
spectrally; the change under a finer order bounds their error with that of the rest.
"""

import jax
import jax.numpy as jnp
import numpy as np
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
from solvable.core.specification import Specification

MOST_NODES = 19
_MORE = 2  # nodes than a panel has
_EXHAUSTED = 1e-9  # a recurrence coefficient this small, over the values, ends the recurrence
_ROUNDING = 1e-14  # of the biases themselves: equal ones differ by this


class Recurrence(Specification):
    """Of the polynomials orthogonal under a law: p_{j+1} b_{j+1} = (x - a_j) p_j - b_j p_{j-1}.

    Attributes:
        centers: a_0, ..., a_{k-1}; after k of them a law of k values is exhausted.
        couplings: b_1, ..., b_{k-1}.
    """

    centers: Float[Array | np.ndarray, " k"]
    couplings: Float[Array | np.ndarray, " k-1"]

    def nodes(self, count: int) -> tuple[Float[Array, " m"], Float[Array, " m"]]:
        """Gauss nodes and weights, `count` of them or as many as the law has values."""
        kept = min(count, len(self.centers))
        couplings = jnp.asarray(self.couplings)[: kept - 1]
        jacobi = jnp.diag(jnp.asarray(self.centers)[:kept])
        values, vectors = jnp.linalg.eigh(
            jacobi + jnp.diag(couplings, 1) + jnp.diag(couplings, -1)
        )
        return values, vectors[0] ** 2


def recurrence(values: Float[np.ndarray, " n"], most: int = MOST_NODES) -> Recurrence:
    """The first coefficients of the empirical law of some values, by Lanczos' procedure.

    Args:
        values: shape (n,), each of weight 1 / n.
        most: at most so many.

    Example:
        >>> found = recurrence(np.array([-1.0, 1.0, 1.0, -1.0]))
        >>> [round(float(x), 12) + 0.0 for x in found.nodes(5)[0]]
        [-1.0, 1.0]
    """
    least = max(_EXHAUSTED * float(np.ptp(values)), _ROUNDING * float(np.max(np.abs(values))))
    basis = [np.full(len(values), len(values) ** -0.5)]
    centers, couplings = [float(np.mean(values))], []
    while len(centers) < min(most, len(values)):
        new = values * basis[-1]
        for _ in range(2):  # twice is enough to stay orthogonal to rounding
            for old in basis:
                new = new - (old @ new) * old
        size = float(np.linalg.norm(new))
        if size <= least:
            break
        basis.append(new / size)
        couplings.append(size)
        centers.append(float(np.sum(values * basis[-1] ** 2)))
    return Recurrence(centers=jnp.asarray(centers), couplings=jnp.asarray(couplings))


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

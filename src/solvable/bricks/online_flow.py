"""The equations of online learning as a flow of independent numbers, for root finding.

Where both layers learn and g(a x) = a g(x) for a > 0, only v_k w_k matters of a unit, and what

    c_k = Q_kk / eta - v_k^2 / eta_v

is at time 0 stays, but for the noise of steps, which makes it grow by eta v_k^2 E (g'_k Delta)^2
for ever: the scales of the layers drift apart, and nothing is stationary. What is here is the
flow at fixed c_k, the rest being scaled back, (w_k, v_k) -> (a w_k, v_k / a), all the time.
"""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from solvable.bricks.online import Learning, OnlineOrder


class Coordinates(eqx.Module):
    """Independent entries of order parameters: Q once, R, and v, of the layers that learn.

    Args:
        kept: order parameters whose entries stand where nothing moves.
        first, second: whether this layer learns.
        gauged: whether scales are fixed.
        symmetric: units are interchangeable: a diagonal and another entry of Q, one of R and v.
    """

    kept: OnlineOrder
    first: bool = eqx.field(static=True)
    second: bool = eqx.field(static=True)
    gauged: bool = eqx.field(static=True, default=False)
    symmetric: bool = eqx.field(static=True, default=False)

    def entries(self, order: OnlineOrder) -> Float[Array, " n"]:
        """x."""
        parts: list[Array] = []
        K = order.q.shape[1]
        if self.first and self.symmetric:
            diagonal = jnp.mean(jnp.diagonal(order.q, axis1=1, axis2=2), axis=1)
            parts.append(diagonal)
            if K > 1:
                both = jnp.sum(order.q, axis=(1, 2)) - K * diagonal
                parts.append(both / (K * (K - 1)))
            parts.append(jnp.mean(order.r, axis=(1, 2)))
        elif self.first:
            i, k = np.triu_indices(K)
            parts += [(order.q[:, i, k] * _twice(i, k)).ravel(), order.r.ravel()]
        if self.second:
            parts.append(jnp.mean(order.v)[None] if self.symmetric else order.v)
        return jnp.concatenate(parts)

    def order(self, x: Float[Array, " n"]) -> OnlineOrder:
        """The order parameters of x."""
        q, r, v = self.kept
        groups, K, M = r.shape
        if self.second:
            count = 1 if self.symmetric else K
            x, v = x[:-count], jnp.broadcast_to(x[-count:], (K,))
        if self.first and self.symmetric:
            parts = x.reshape(-1, groups)[:, :, None, None]
            off = parts[1] * (1 - jnp.eye(K)) if K > 1 else 0.0
            q = parts[0] * jnp.eye(K) + off
            r = jnp.broadcast_to(parts[-1], (groups, K, M))
        elif self.first:
            i, k = np.triu_indices(K)
            place = np.zeros((K, K), dtype=int)
            place[i, k] = place[k, i] = np.arange(len(i))
            count = groups * len(i)
            q = (x[:count].reshape(groups, -1) / _twice(i, k))[:, place]
            r = x[count:].reshape(groups, K, M)
        return OnlineOrder(q, r, v)

    def ungauged(self) -> "Coordinates":
        """The same with scales that move."""
        return Coordinates(self.kept, self.first, self.second, False, self.symmetric)

    def drift(self, learning: Learning, x: Float[Array, " n"]) -> Float[Array, " n"]:
        """dx / dt."""
        order = self.order(x)
        moved = learning.drift(order)
        return self.entries(_held(learning, order, moved) if self.gauged else moved)


def _twice(i: np.ndarray, k: np.ndarray) -> np.ndarray:
    """Lengths of x are those of matrices: shortest steps in Q keep it positive."""
    return np.where(i == k, 1.0, 2**0.5)


def _held(learning: Learning, order: OnlineOrder, moved: OnlineOrder) -> OnlineOrder:
    """The drift with units scaled back, so that no c_k moves."""
    eta, eta_v = learning.learning_rate, learning.learning_rate_second
    squares, growth = (jnp.diagonal(learning.totals(x)[0]) for x in (order, moved))
    runs = growth / eta - 2 * order.v * moved.v / eta_v
    a = -0.5 * runs / (squares / eta + order.v**2 / eta_v)
    return OnlineOrder(
        q=moved.q + (a[:, None] + a) * order.q,
        r=moved.r + a[:, None] * order.r,
        v=moved.v - a * order.v,
    )


@eqx.filter_jit
def flow(learning: Learning, at: Coordinates, x: Array) -> tuple[Array, Array]:
    """dx / dt and its Jacobian."""

    def drift(x: Array) -> tuple[Array, Array]:
        found = at.drift(learning, x)
        return found, found

    slope, value = jax.jacfwd(drift, has_aux=True)(x)
    return value, slope

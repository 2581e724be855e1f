"""The flow of a network's order parameters as one vector: only what moves, each entry once."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from solvable.bricks.online import Learning, OnlineOrder


class OnlineFlow(eqx.Module):
    """dx/dt of x = (Q on and above the diagonal, R, v), without the layer that is kept.

    Args:
        learning: the equations of motion.
        kept: order parameters, of which those that do not move count.
        first, second: which layers learn.
    """

    learning: Learning
    kept: OnlineOrder
    first: bool = eqx.field(static=True)
    second: bool = eqx.field(static=True)

    def packed(self, order: OnlineOrder) -> Float[Array, " n"]:
        """The vector of order parameters."""
        i, k = np.triu_indices(order.q.shape[-1])
        parts = [order.q[:, i, k].ravel(), order.r.ravel()] if self.first else []
        return jnp.concatenate([*parts, order.v] if self.second else parts)

    def unpacked(self, x: Float[Array, " n"]) -> OnlineOrder:
        """The order parameters of a vector."""
        q, r, v = self.kept
        K = q.shape[-1]
        if self.first:
            i, k = np.triu_indices(K)
            place = np.zeros((K, K), dtype=int)
            place[i, k] = place[k, i] = np.arange(len(i))
            count = len(q) * len(i)
            q = x[:count].reshape(len(q), len(i))[:, place]
            r = x[count : count + r.size].reshape(r.shape)
        if self.second:
            v = x[-K:]
        return OnlineOrder(q, r, v)

    def __call__(self, x: Float[Array, " n"]) -> Float[Array, " n"]:
        return self.packed(self.learning.drift(self.unpacked(x)))


class SymmetricFlow(eqx.Module):
    """The same where all students are alike and all teachers: x = (Q_kk, Q_kl, R, v).

    On a plateau students have not yet chosen whom to follow (Saad & Solla 1995).

    Args:
        whole: the flow of all order parameters.
    """

    whole: OnlineFlow

    def packed(self, order: OnlineOrder) -> Float[Array, " n"]:
        """Means over students, and over teachers."""
        K = order.q.shape[-1]
        diagonal = jnp.trace(order.q, axis1=1, axis2=2) / K
        rest = (jnp.sum(order.q, axis=(1, 2)) - K * diagonal) / max(K * (K - 1), 1)
        parts = [diagonal, rest, jnp.mean(order.r, axis=(1, 2))] if self.whole.first else []
        last = [jnp.mean(order.v)[None]] if self.whole.second else []
        return jnp.concatenate([*parts, *last])

    def unpacked(self, x: Float[Array, " n"]) -> OnlineOrder:
        """All order parameters."""
        q, r, v = self.whole.kept
        groups, K = q.shape[:2]
        if self.whole.first:
            diagonal, rest, along = x[: 3 * groups].reshape(3, groups, 1, 1)
            q = rest + (diagonal - rest) * np.eye(K)
            r = along * np.ones(r.shape[1:])
        if self.whole.second:
            v = x[-1] * np.ones(K)
        return OnlineOrder(q, r, v)

    def __call__(self, x: Float[Array, " n"]) -> Float[Array, " n"]:
        return self.packed(self.whole.learning.drift(self.unpacked(x)))


def is_symmetric(learning: Learning, v: Any) -> bool:
    """Whether students, and teachers, are alike, so that a symmetric start stays symmetric."""
    t, own = np.asarray(learning.t), np.asarray(learning.teacher_v)
    rest = t[~np.eye(len(t), dtype=bool)]
    columns = (np.diagonal(t), rest, own, np.asarray(v))
    return all(np.ptp(x) < 1e-12 for x in columns if len(x))

"""Matrices q_hat that answer the overlaps which they leave, one for every strength t.

A closure of a spiked matrix says how q_hat follows from the overlap q of units, up to a strength
t, q_hat = answer(q, t). With q = q(q_hat) of a law of units this has one solution that is reached
from no knowledge, and along it a matrix theory is a scalar one.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from solvable.bricks.priors.vectors import VectorMoments

DARKEST = 1e-13  # below it posterior means are lost to rounding, and q_hat / t changes no more
_POWER_STEPS, _NEWTON_STEPS = 16, 5
_NEAR = 0.3  # of q_hat: a Newton step longer than this is not taken
_SETTLED = 1e-7
_ROUNDED = 1e-14  # of posterior means of size 1
_KEPT = 0.25  # of ln |q_hat|: the best for an answer that falls like |q_hat|^(-1/3)


class Averages(NamedTuple):
    """Averages over units and noise; `response` T gives dq = T[dq_hat] = E C dq_hat C."""

    moments: VectorMoments
    response: Float[Array, "k k k k"]


class _Settling(NamedTuple):
    """A q_hat on its way, by how much of it it was off before the last step, and its d / dt."""

    q_hat: Float[Array, "k k"]
    gap: Float[Array, ""]
    rate: Float[Array, "k k"]


def settle(
    averages: Callable[[Array, int], Averages],
    answer: Callable[[Array, Array], Array],
    t: Float[Array, ""],
    q: Float[Array, "k k"],
    order: int,
) -> Float[Array, "k k"]:
    """The q_hat that is the answer to what it leaves, with its derivative in t; NaN if unsettled.

    Steps q_hat <- answer(q(q_hat), t), whose norm is damped, then Newton's. As t goes to zero
    q_hat must be proportional to it.

    Args:
        averages: of the units, at q_hat and a number of nodes.
        answer: q_hat to an overlap at t.
        t: strength, > 0.
        q: overlap to answer first.
        order: nodes of the averages.
    """
    now, q = jnp.maximum(jax.lax.stop_gradient(t), DARKEST), jax.lax.stop_gradient(q)
    exact = _ROUNDED * (1 + 1 / jnp.sqrt(now * jnp.linalg.norm(q)))

    def steps(nodes: int, powers: int) -> Callable[[Array, _Settling], _Settling]:
        def step(count: Array, at: _Settling) -> _Settling:
            found = averages(at.q_hat, nodes)
            return _stepped(found, answer, now, at.q_hat, count < powers, exact)

        return step

    first = answer(q, now)
    at = _Settling(first, jnp.zeros(()), jnp.zeros_like(first))
    rough = steps(max(4, order // 2), _POWER_STEPS)
    at = jax.lax.fori_loop(0, _POWER_STEPS + _NEWTON_STEPS, rough, at)
    at = jax.lax.fori_loop(0, 3, steps(order, 0), at)
    found = jnp.where(at.gap < _SETTLED, at.q_hat, jnp.nan) * jax.lax.stop_gradient(t) / now
    return found + at.rate * (t - jax.lax.stop_gradient(t))


def _stepped(
    found: Averages,
    answer: Callable[[Array, Array], Array],
    t: Array,
    q_hat: Array,
    by_power: Bool[Array, ""],
    exact: Float[Array, ""],
) -> _Settling:
    """One step q_hat <- answer(q, t), or Newton's for its fixed point; `exact` is rounding."""
    q, k = found.moments.overlap, len(q_hat)
    mapped = answer(q, t)
    by_q, by_t = jax.jacfwd(answer, (0, 1))(q, t)
    slope = by_q.reshape(k * k, k * k) @ found.response.reshape(k * k, k * k)
    gap, alone = (mapped - q_hat).ravel(), mapped.ravel() / t  # q_hat / t if it kept its shape
    sides = jnp.stack([gap, by_t.ravel() - alone + slope @ alone], axis=1)
    change, turned = jnp.linalg.solve(jnp.eye(k * k) - slope, sides).T.reshape(2, k, k)
    size, wanted = jnp.linalg.norm(q_hat), jnp.linalg.norm(mapped)
    off = jnp.linalg.norm(gap) / wanted
    # where t is tiny and rho has equal eigenvalues every shape stays: no system to solve
    by_power = by_power | (off < exact) | ~(jnp.linalg.norm(change) < _NEAR * size)
    following = jnp.where(by_power, mapped * (size / wanted) ** _KEPT, q_hat + change)
    rate = mapped / t + jnp.where(jnp.all(jnp.isfinite(turned)), turned, 0.0)
    return _Settling(0.5 * (following + following.T), off, rate)

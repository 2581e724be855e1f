"""Gradient descent on the weights of a quadratic network, from a random start.

A student of k = kappa d hidden units, f_W(x) = sum_j (w_j . x)^2 / (k d), descends on the loss

    L(W) = <(Y - F_W)^2> / 2,   Y = sqrt(d) (y - <y>),   F_W = Tr Z S_W,   S_W = W W^T / k,

with Z = (x x^T - 1) / sqrt(d): labels and outputs less their means. Its gradient is -4 G W / (k d)
with G = sum_mu (Y - F_W)_mu Z_mu / (2 alpha d), which is S - S_W on average. A step W -> W + rate
G W changes S_W by rate (G S_W + S_W G), and the eigenvalues of S -> G are at most (1 + 1 / sqrt(2
alpha))^2, those of a Wishart matrix of n examples in d^2 / 2 dimensions; hence the rate

    rate = 1 / [2 (1 + 1 / sqrt(kappa))^2 (1 + 1 / sqrt(2 alpha))^2],

a half of where it would cease to be stable, with the largest eigenvalue of S. Nesterov's momentum
makes the descent some ten times as fast.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from solvable.algorithms.quadratic_amp import Problem
from solvable.core.arguments import in_interval, integer, non_negative
from solvable.core.randomness import normal_matrix
from solvable.core.status import Status


class Descent(NamedTuple):
    """Where a descent ended.

    Attributes:
        weights: W, shape (d, k).
        loss: L there.
        steps: iterations done.
        status: converged where a step no longer moved W, else max_steps, or non_finite.
    """

    weights: Float[np.ndarray, "d k"]
    loss: float
    steps: int
    status: Status

    @property
    def matrix(self) -> Float[np.ndarray, "d d"]:
        """S_W."""
        return self.weights @ self.weights.T / self.weights.shape[1]


def descend(
    problem: Problem,
    key: PRNGKeyArray,
    *,
    momentum: float = 0.9,
    tolerance: float = 1e-5,
    max_steps: int = 500,
) -> Descent:
    """Descend from W with entries N(0, 1).

    Args:
        problem: the examples; its `delta` plays no part.
        key: of the start.
        momentum: in [0, 1).
        tolerance: a step shorter than this times the length of W ends the descent.
        max_steps: at most so many.

    Raises:
        ValueError: if an argument is out of its range.
    """
    in_interval("momentum", momentum, 0, 1, closed="left")
    non_negative("tolerance", tolerance)
    integer("max_steps", max_steps, low=1)
    d = problem.design.shape[1]
    start = normal_matrix(key, (d, max(round(problem.kappa * d), 1)))
    edges = (1 + problem.kappa**-0.5) * (1 + (2 * problem.ratio) ** -0.5)
    data = jnp.asarray(problem.design), jnp.asarray(problem.labels), jnp.asarray(start)
    W, moved, steps = _descended(*data, 0.5 / edges**2, momentum, tolerance, max_steps)
    loss = float(_loss(W, *data[:2]))
    status = Status.converged if float(moved) <= tolerance else Status.max_steps
    if not np.isfinite(loss):
        status = Status.non_finite
    return Descent(np.asarray(W), loss, int(steps), status)


def _loss(W: Array, design: Array, labels: Array) -> Array:
    d, k = W.shape
    seen = jnp.sqrt(d) * jnp.sum((design @ W) ** 2, axis=1) - jnp.sum(W**2) / jnp.sqrt(d)
    return jnp.mean((labels - seen / k) ** 2) / 2


@jax.jit
def _descended(
    design: Array,
    labels: Array,
    start: Array,
    rate: Any,
    momentum: Any,
    tolerance: Any,
    max_steps: Any,
) -> tuple[Array, Array, Array]:
    """Nesterov's iteration: weights, the length of the last step relative to theirs, and steps."""
    d, k = start.shape
    slope = jax.grad(_loss)

    def goes_on(state: tuple[Array, ...]) -> Array:
        return (state[2] > tolerance) & (state[3] < max_steps)

    def once(state: tuple[Array, ...]) -> tuple[Array, ...]:
        W, speed, _, count = state
        ahead = W + momentum * speed
        speed = momentum * speed - rate * d * k / 4 * slope(ahead, design, labels)
        moved = jnp.linalg.norm(speed) / jnp.linalg.norm(W)
        return W + speed, speed, moved, count + 1

    first = (start, jnp.zeros_like(start), jnp.asarray(jnp.inf), jnp.asarray(0))
    W, _, moved, count = jax.lax.while_loop(goes_on, once, first)
    return W, moved, count

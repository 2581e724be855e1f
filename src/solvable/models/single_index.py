"""Exponents and weak recovery of one direction, seen through a channel of the library.

With omega ~ N(0, q) and z ~ N(omega, 1 - q) is He_j(omega / sqrt(q)) q^(j/2) the mean of He_j(z),
so that E[He_j(z) | y] follows from the channel's own log-partition ln Z(y; omega, 1 - q), q = 1/2.
"""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from solvable.bricks.channels.base import AbstractChannel, omega_nodes, outputs
from solvable.core.quadrature import FINE_ORDER, ORDER
from solvable.core.special import hermite
from solvable.core.specification import numeric

_ZERO = 1e-10


class SingleIndex(NamedTuple):
    """What one direction takes.

    Attributes:
        alpha: weak recovery: 0, a number, or inf.
        error: of it, from a finer quadrature.
        information: the first degree of E[y | z], None if higher than looked at.
        generative: the first degree with E_y E[He_k | y]^2 > 0, None likewise.
    """

    alpha: float
    error: float
    information: int | None
    generative: int | None


@eqx.filter_jit
def _moments(channel: Any, degree: int, order: int) -> tuple[Array, Array]:
    """E_y E[He_j | y]^2 and E y He_j(z), orthonormal, j = 0, ..., degree."""
    half = jnp.asarray(0.5)
    y, weight = outputs(channel, jnp.zeros(()), jnp.ones(()), order)
    omega, probability = omega_nodes(channel, half, half, order)

    def partitions(value: Array) -> Array:
        field = jnp.broadcast_to(value, omega.shape)
        return jnp.exp(channel.log_partition(field, omega, half))

    basis = hermite(omega / jnp.sqrt(half), degree)
    growth = 2.0 ** (0.5 * jnp.arange(degree + 1))
    found = growth * (jax.lax.map(partitions, y) @ (probability * basis).T)
    mass = found[:, :1]
    square = jnp.where(mass > 0, found**2 / jnp.where(mass > 0, mass, 1.0), 0.0)
    return weight @ square, (weight * y) @ found


def single_index(channel: AbstractChannel, degree: int) -> SingleIndex:
    """Weak recovery and exponents of z ~ N(0, 1) seen through a channel.

    Source: mondelli2019, damian2024, benarous2021.
    """
    brick = numeric(channel)
    (square, mean), (other, _) = (
        [np.asarray(x) for x in _moments(brick, degree, order)] for order in (FINE_ORDER, ORDER)
    )
    informative = np.flatnonzero(square[1:] > _ZERO) + 1
    seen = np.flatnonzero(np.abs(mean[1:]) > _ZERO * max(float(np.max(np.abs(mean))), _ZERO)) + 1
    alpha, error = np.inf, 0.0
    if square[1] > _ZERO:
        alpha = 0.0
    elif square[2] > _ZERO:  # He_2 = (z^2 - 1) / sqrt(2)
        alpha = 0.5 / float(square[2])
        error = alpha * abs(float(other[2] / square[2]) - 1) + 1e-14
    return SingleIndex(
        alpha,
        error,
        int(seen[0]) if len(seen) else None,
        int(informative[0]) if len(informative) else None,
    )

"""Averages of g(x) = erf(x / sqrt 2), in closed form."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from solvable.bricks.activations.base import AbstractAverages, Averages


class ErfAverages(AbstractAverages):
    """With C = 1 + c on the diagonal, and c elsewhere (Saad & Solla 1995):

        E g g    = (2 / pi) arcsin(c_12 / sqrt(C_11 C_22)),
        E g' g'  = (2 / pi) L^(-1/2),    E g'' g = -c_12 / C_11 (2 / pi) L^(-1/2),
                                         L = C_11 C_22 - c_12^2,
        E g' g' g g = (4 / pi^2) L^(-1/2) arcsin(L_0 / sqrt(L_1 L_2)),

    where L_0 / L is the covariance of fields 3 and 4 given that 1 and 2 vanish, in C, and L_1 / L,
    L_2 / L their variances, each with its 1.
    """

    def products(self, c: Float[Array, "n n"], students: int) -> Float[Array, "n n"]:
        width = jnp.sqrt(1 + jnp.diagonal(c))
        return 2 / np.pi * _arcsin(c / jnp.outer(width, width))

    def at(self, c: Float[Array, "n n"], s: Float[Array, " n"], students: int) -> Averages:
        K, wide = students, 1 + jnp.diagonal(c)
        slopes = 2 / np.pi / jnp.sqrt(jnp.outer(wide[:K], wide) - c[:K] ** 2)
        bends = -(slopes * c[:K]) @ s / wide[:K]
        squares = _squares(c, s, K)
        return Averages(self.products(c, K), slopes, bends, squares)

    def finest(self) -> float:
        return 1e-11

    def coarser(self) -> "ErfAverages":
        return self


def _arcsin(r: Array) -> Array:
    """By arctan, which takes half the time; |r| < 1."""
    return jnp.arctan(r / jnp.sqrt((1 - r) * (1 + r)))


def _squares(c: Array, s: Array, K: int) -> Array:
    """G for pairs i <= k, then both ways."""
    i, k = np.triu_indices(K)
    wide = 1 + jnp.diagonal(c)
    a, b, cross = wide[i, None], wide[k, None], c[i, k][:, None]
    L = a * b - cross**2
    to_i, to_k = c[i], c[k]  # (pairs, n)
    width = jnp.sqrt(L * wide - to_k**2 * a - to_i**2 * b + 2 * cross * to_i * to_k)
    # covariances of j <= m given i and k, over their widths: from here on (pairs, pairs)
    j, m = np.triu_indices(len(c))
    at_i, at_k = to_i / width, to_k / width
    with_i, with_k = cross * at_k - b * at_i, cross * at_i - a * at_k
    direct = L * c[j, m] / (width[:, j] * width[:, m])
    given = direct + at_i[:, j] * with_i[:, m] + at_k[:, j] * with_k[:, m]
    both = np.where(j == m, 1.0, 2.0) * s[j] * s[m]
    found = 4 / np.pi**2 / jnp.sqrt(L[:, 0]) * (_arcsin(given) @ both)
    place = np.zeros((K, K), dtype=int)
    place[i, k] = place[k, i] = np.arange(len(i))
    return found[place]

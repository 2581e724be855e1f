"""Averages of g(x) = x."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from solvable.bricks.activations.base import AbstractAverages, Averages


class LinearAverages(AbstractAverages):
    """E g g = c, E g' g' = 1, E g'' g = 0, E g' g' g g = c."""

    def products(self, c: Float[Array, "n n"], students: int) -> Float[Array, "n n"]:
        return c

    def at(self, c: Float[Array, "n n"], s: Float[Array, " n"], students: int) -> Averages:
        K = students
        slopes = jnp.ones((K, len(s)))
        return Averages(c, slopes, jnp.zeros(K), (s @ c @ s) * jnp.ones((K, K)))

    def finest(self) -> float:
        return 1e-11

    def coarser(self) -> "LinearAverages":
        return self

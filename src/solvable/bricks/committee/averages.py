"""Averages over the means of the fields of K units, whatever labels are made of them.

Where nothing but Z_y(omega) and its slopes in every omega_l is known, omega is averaged over by a
rule along (1, ..., 1) times one across it: `nodes.directions`.
"""

from abc import abstractmethod
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from solvable.bricks.committee.labels import (
    AbstractLabels,
    LabelMoments,
    entropy_density,
    over,
    total,
)
from solvable.bricks.committee.nodes import RARE, directions


class Likelihoods(NamedTuple):
    """Z_y at means omega, and its slopes in every omega_l.

    Attributes:
        labels: values or nodes of y.
        weights: of the integral over y; ones for labels.
        values: Z_y.
        slopes: d Z_y / d omega_l.
    """

    labels: Float[Array, " y"]
    weights: Float[Array, " y"]
    values: Float[Array, "n y"]
    slopes: Float[Array, "n K y"]


class AbstractAveragedLabels(AbstractLabels):
    """Labels of which Z_y(omega) is known at any omega."""

    @abstractmethod
    def likelihoods(
        self,
        omega: Float[Array, "n K"],
        V: Float[Array, " 2"],
        rho: Float[Array, ""],
        nodes: int,
        alike: bool,
    ) -> Likelihoods:
        """Z_y and its slopes.

        Args:
            omega: means of the fields.
            V: eigenvalues of their covariance.
            rho: variance of a field, its mean's included.
            nodes: the more, the finer.
            alike: whether units are not told apart, V_- = rho.
        """

    @abstractmethod
    def along(self, nodes: int) -> tuple[np.ndarray, np.ndarray]:
        """Nodes along (1, ..., 1) and weights of an average over N(0, 1), nested in another."""

    @abstractmethod
    def center(
        self, q: Float[Array, ""], V: Float[Array, " 2"], nodes: int
    ) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
        """Nodes of the one mean of fields that are alike, of variance q / K, and weights."""

    def moments(self, q: Float[Array, " 2"], V: Float[Array, " 2"], nodes: int) -> LabelMoments:
        along, outer = self.along(nodes)
        across, inner = directions(self.units, nodes)
        center = jnp.sqrt(q[0] / self.units) * along
        weight = outer[:, None] * inner
        a, b = np.nonzero(weight > RARE)
        omega = center[a, None] + jnp.sqrt(q[1]) * across[b]
        found = self.likelihoods(omega, V, total(q[0], V[0]), nodes, False)
        return _averaged(found, jnp.asarray(weight[a, b]))

    def symmetric_moments(
        self, q: Float[Array, ""], V: Float[Array, " 2"], nodes: int
    ) -> LabelMoments:
        nodes = _single(nodes)
        center, weight = self.center(q, V, nodes)
        omega = jnp.broadcast_to(center[:, None], (len(center), self.units))
        return _averaged(self.likelihoods(omega, V, total(q, V[0]), nodes, True), weight)

    def opening(self, q: Float[Array, ""], V: Float[Array, " 2"], nodes: int) -> Float[Array, ""]:
        nodes = _single(nodes)
        center, weight = self.center(q, V, nodes)
        apart = np.zeros(self.units)
        apart[:2] = [0.5**0.5, -(0.5**0.5)]

        def slope(shift: Array) -> tuple[Array, Likelihoods]:
            omega = center[:, None] + shift * apart
            found = self.likelihoods(omega, V, total(q, V[0]), nodes, True)
            return jnp.einsum("nky,k->ny", found.slopes, apart), found

        _, bend, found = jax.jvp(slope, (jnp.zeros(()),), (jnp.ones(()),), has_aux=True)
        return weight @ (over(bend**2, found.values) @ found.weights)


def _single(nodes: int) -> int:
    """Nodes where one number is averaged over, in place of two nested ones."""
    return 2 * nodes // 3


def _averaged(found: Likelihoods, weight: Any) -> LabelMoments:
    """Averages over omega and y."""
    y, weights, value, slope = found
    units = slope.shape[1]
    common = jnp.sum(slope, axis=1) ** 2 / units
    rest = jnp.maximum(jnp.sum(slope**2, axis=1) - common, 0.0)

    def averaged(x: Array) -> Array:
        return weight @ (x @ weights)

    snr = [averaged(over(common, value)), averaged(over(rest, value)) / (units - 1)]
    return LabelMoments(
        snr=jnp.stack(snr),
        potential=averaged(entropy_density(value)),
        square=averaged(y**2 * value),
        predicted=weight @ ((value * y) @ weights) ** 2,
    )

"""What labels tell of the fields of interchangeable hidden units.

The K fields z = omega + V^(1/2) xi have means omega ~ N(0, q) and the covariance V = rho - q,
matrices that no exchange of units changes: of eigenvalue m_+ along (1, ..., 1) and m_- across it,
K - 1 times. With Z_y(omega) = P(y | omega, V), a label tells (Aubin et al. 2018) the matrix

    E_omega sum_y (grad Z_y)(grad Z_y)^T / Z_y,   Psi = E_omega sum_y Z_y ln Z_y,

an integral in place of the sum where y is a real number.
"""

from abc import abstractmethod
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from solvable.core.specification import Specification

_IMPOSSIBLE = 1e-14  # probabilities that are rounding


class LabelMoments(NamedTuple):
    """What labels tell, and how well they are predicted.

    Attributes:
        snr: q_hat / alpha along (1, ..., 1) and across it, shape (2,).
        potential: Psi.
        square: E y^2.
        predicted: E (E[y | omega])^2.
    """

    snr: Float[Array, " 2"]
    potential: Float[Array, ""]
    square: Float[Array, ""]
    predicted: Float[Array, ""]


class KnownLabels(NamedTuple):
    """Labels whose weights are all known.

    Attributes:
        potential: Psi.
        error: E (y - E y)^2, of their own noise.
        sharp: whether they jump somewhere, so that ever closer guesses are told apart.
    """

    potential: Any
    error: Any
    sharp: bool = True


class AbstractLabels(Specification):
    """The law of the labels of K interchangeable units; eigenvalues go in pairs, m_+ and m_-."""

    units: eqx.AbstractVar[int]

    @abstractmethod
    def moments(self, q: Float[Array, " 2"], V: Float[Array, " 2"], nodes: int) -> LabelMoments:
        """Averages over omega; q and V positive, `nodes` of a quadrature's panel."""

    @abstractmethod
    def symmetric_moments(
        self, q: Float[Array, ""], V: Float[Array, " 2"], nodes: int
    ) -> LabelMoments:
        """The same where nothing tells the units apart: q_- = 0, all omega_l are equal."""

    @abstractmethod
    def opening(self, q: Float[Array, ""], V: Float[Array, " 2"], nodes: int) -> Float[Array, ""]:
        """d snr_- / d q_- at q_- = 0: E sum_y (d^2 Z_y / d omega_-^2)^2 / Z_y."""

    @abstractmethod
    def panel_nodes(self, nodes: int) -> int:
        """Nodes a panel of nested quadratures, in place of `nodes` of a single one."""

    @abstractmethod
    def rows(self) -> int:
        """How many points are worth computing at once."""

    @abstractmethod
    def finest(self) -> tuple[float, float]:
        """The least V_+ of units alike, and V_- of others, that averages resolve; rho is 1."""

    @abstractmethod
    def known(self, rho: Any) -> KnownLabels:
        """Labels where all weights, of second moment rho, are known."""


def over(square: Array, values: Array) -> Array:
    """square / Z, zero for labels that cannot be."""
    possible = values > _IMPOSSIBLE
    return jnp.where(possible, square / jnp.where(possible, values, 1.0), 0.0)


def entropy_density(values: Array) -> Array:
    """Z ln Z, zero for labels that cannot be."""
    possible = values > _IMPOSSIBLE
    return values * jnp.log(jnp.where(possible, values, 1.0))


def total(q: Array, V: Array) -> Array:
    """rho, a number on which grids depend but nothing else."""
    return jax.lax.stop_gradient(q + V)

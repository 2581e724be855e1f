"""Models whose fixed points are those of one number, q_hat; and what models of n samples share."""

from abc import abstractmethod
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from solvable.core.branches import ROWS
from solvable.core.quadrature import ORDER
from solvable.models.base import AbstractScalarReplicaModel, Shared


class ScalarOrder(NamedTuple):
    """Order parameters of what is learned, per unit of it.

    Attributes:
        q_hat: signal-to-noise ratio of the Gaussian channel that tells as much as the data.
        overlap: 1 - variance.
        variance: the error, 1 for nothing known, which keeps its digits as it vanishes.
        information: of what is learned and that channel.
    """

    q_hat: Float[Array, ""]
    overlap: Float[Array, ""]
    variance: Float[Array, ""]
    information: Float[Array, ""]

    def both(self, name: str) -> Float[Array, " 1"]:
        """An entry as a vector."""
        return getattr(self, name)[None]


class AbstractOneNumberModel(AbstractScalarReplicaModel):
    """A model with all fixed points, but its ends, along x = ln q_hat."""

    @abstractmethod
    def order_of(self, q_hat: Float[Array, ""], nodes: int) -> Any:
        """Order parameters at q_hat, by `nodes` quadrature nodes a panel."""

    @abstractmethod
    def level(self, order: Any, nodes: int) -> Float[Array, ""]:
        """ln of the scale at which these are a fixed point."""


class LogCoordinate(eqx.Module):
    """x = ln q_hat, along which all fixed points of a `model` lie, whatever its scale."""

    model: AbstractOneNumberModel
    curve: None = None
    coarse: int = eqx.field(static=True, default=8)
    rows: int = eqx.field(static=True, default=ROWS)

    def order_at(self, point: Float[Array, " 1"], nodes: int = ORDER) -> Any:
        """Order parameters at ln q_hat."""
        return self.model.order_of(jnp.exp(point[0]), nodes)

    def level_at(self, x: Float[Array, ""], nodes: int = ORDER) -> Float[Array, ""]:
        """ln of the scale at which this point is a fixed point."""
        return self.model.level(self.model.order_of(jnp.exp(x), nodes), nodes)

    def equations_at(self, point: Float[Array, " 1"], nodes: int = ORDER) -> Float[Array, " 1"]:
        """The level."""
        return self.level_at(point[0], nodes)[None]


class AbstractSamplesModel(AbstractScalarReplicaModel):
    """A model of n samples, alpha = n / something, in proportion to which they tell.

    It has no noise but that of the labels, and no observable that all branches share.
    """

    @property
    def scale_parameter(self) -> str:
        return "alpha"

    @property
    def scale_power(self) -> int:
        return 1

    def noise_information(self, scales: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Zero."""
        return np.zeros(len(scales))

    def shared_observables(self, scales: Float[np.ndarray, " n"]) -> dict[str, Shared]:
        """None."""
        return {}

"""Committees that see no more than the sum of their units' weights: linear models of that sum.

Where y depends on z_1 + ... + z_K alone, as of linear hidden units or of one unit, the committee
is the `GLM` of s = sum_l w_l. Posterior means of all units are then <s> / K, so that q_- = 0 and

    q_0 = q_1 = q_s / K^2,   mse = (V_s / K + (K - 1) rho) / K.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float

from solvable.bricks.chain import ChainOrder
from solvable.bricks.channels.base import AbstractChannel
from solvable.bricks.channels.erf import Erf
from solvable.bricks.channels.linear import Linear
from solvable.bricks.channels.named import named_channel
from solvable.bricks.channels.relu import ReLU
from solvable.bricks.channels.sign import Sign
from solvable.bricks.committee.weights import values_of
from solvable.bricks.priors.base import AbstractPrior
from solvable.bricks.priors.discrete import Discrete
from solvable.bricks.priors.gaussian import Gaussian
from solvable.core.arguments import UNSET
from solvable.core.branches import ROWS, Limits
from solvable.core.fixed_points import FixedPoint
from solvable.core.quadrature import ORDER
from solvable.core.specification import numeric
from solvable.models.base import AbstractBranchNamesModel
from solvable.models.chain import ChainCoordinate
from solvable.models.glm import GLM
from solvable.models.one_number import AbstractSamplesModel

_DIGITS = 12  # sums of values that agree to so many are one


class SumCoordinate(eqx.Module):
    """The coordinate of the linear model, whose points the committee's observables are of."""

    model: "SumCommittee"
    inner: ChainCoordinate
    curve: None = None
    coarse: int = eqx.field(static=True, default=ORDER)
    rows: int = eqx.field(static=True, default=ROWS)

    def order_at(self, point: Float[Array, " 1"], nodes: int = ORDER) -> ChainOrder:
        """Order parameters of the sum at ln q_hat."""
        return self.inner.order_at(point, nodes)

    def equations_at(self, point: Float[Array, " 1"], nodes: int = ORDER) -> Float[Array, " 1"]:
        """The level."""
        return self.inner.equations_at(point, nodes)

    def level_at(self, x: Float[Array, ""], nodes: int = ORDER) -> Float[Array, ""]:
        """ln of the alpha at which this point is a fixed point."""
        return self.inner.level_at(x, nodes)


class SumCommittee(AbstractSamplesModel, AbstractBranchNamesModel):
    """A committee of K units whose labels are those of a linear model of s = sum_l w_l.

    Attributes:
        prior: of s.
        channel: of y given s . x.
        units: K.
        scale: labels of the committee over those of the channel.
        alpha: samples over inputs.
    """

    prior: AbstractPrior
    channel: AbstractChannel
    units: int = eqx.field(static=True)
    scale: float = eqx.field(static=True, default=1.0)
    alpha: Any = UNSET

    def linear(self) -> GLM:
        """The model of the sum."""
        return GLM(prior=self.prior, channel=self.channel, alpha=self.alpha)

    def update(self, order: ChainOrder) -> ChainOrder:
        """One step of state evolution of the sum."""
        return self.linear().update(order)

    def free_entropy(
        self, order: ChainOrder, nodes: int = ORDER, copies: Any = 1.0
    ) -> Float[Array, ""]:
        """E ln Z per input."""
        return self.linear().free_entropy(order, nodes, copies)

    def observables(self, order: ChainOrder, copies: Any = 1.0) -> dict[str, Array]:
        """Overlaps, errors, free entropy and information of the committee."""
        return self._translated(self.linear().observables(order, copies))

    def starts(self) -> dict[str, ChainOrder]:
        """Next to no information on the sum, and next to all."""
        return self.linear().starts()

    def coordinate(
        self, limits: Limits, scale_range: tuple[float, float]
    ) -> tuple[SumCoordinate, np.ndarray, np.ndarray]:
        """ln q_hat of the sum."""
        inner, x, levels = self.linear().coordinate(limits, scale_range)
        return SumCoordinate(numeric(self), inner, coarse=inner.coarse), x, levels

    def limits(self) -> Limits:
        """Those of the sum, which may be recovered where its units are not."""
        return self.linear().limits()

    def end_free_entropy(
        self, place: str, scales: Float[np.ndarray, " n"]
    ) -> Float[np.ndarray, " n"]:
        """Of the sum."""
        return self.linear().end_free_entropy(place, scales)

    def end_observables(
        self, place: str, scales: Float[np.ndarray, " n"]
    ) -> dict[str, Float[np.ndarray, " n"]]:
        """Of the committee where nothing, or all, is known of the sum."""
        found = self._translated(self.linear().end_observables(place, scales))
        return {name: np.asarray(column) for name, column in found.items()}

    def branch_names(self, points: list[FixedPoint]) -> dict[str, int]:
        """Units are alike on all branches: the one that message passing reaches."""
        stable = [k for k, point in enumerate(points) if point.stable]
        return {"symmetric": stable[0]} if stable else {}

    def _translated(self, found: Mapping[str, Any]) -> dict[str, Any]:
        """Observables of the committee, of those of the sum."""
        K, q, V = self.units, found["overlap"], found["mse"]
        rho = self.prior.second_moment() / K
        return {
            "overlap": q / K**2,
            "mse": (V / K + (K - 1) * rho) / K,
            "overlap_diagonal": q / K**2,
            "overlap_off_diagonal": 0 * q if K == 1 else q / K**2,
            "free_entropy": found["free_entropy"],
            "mutual_information": found["mutual_information"],
            "generalization_error": self.scale**2 * found["generalization_error"],
        }


def law_of_sum(prior: AbstractPrior, units: int) -> AbstractPrior:
    """The law of the sum of K independent weights.

    Args:
        prior: of each, as `weights.supported` lets pass.
        units: K.
    """
    if units == 1:
        return prior
    if isinstance(prior, Gaussian):
        return replace(prior, mean=units * prior.mean, variance=units * prior.variance)
    values, p = (np.asarray(x) for x in values_of(prior))
    total, chance = np.zeros(1), np.ones(1)
    for _ in range(units):
        sums = np.round(np.add.outer(total, values).ravel(), _DIGITS)
        total, place = np.unique(sums, return_inverse=True)
        chance = np.bincount(place, weights=np.outer(chance, p).ravel())
    return Discrete(values=total, probabilities=chance)


def channel_of_sum(units: int, hidden: AbstractChannel, output: Sign | Linear) -> Any:
    """The channel of y given the sum of all fields, None where y depends on more.

    Of two error functions the sum has the sign of the sum of their arguments.

    Args:
        units: K.
        hidden: activation of the units, without noise.
        output: what is made of the sum of the units.
    """
    if isinstance(hidden, Linear):
        return Sign() if isinstance(output, Sign) else output
    if isinstance(output, Sign) and (units == 1 or (units == 2 and isinstance(hidden, Erf))):
        return Sign()
    if units > 1:
        return None
    name = {Sign: "sign", ReLU: "relu", Erf: "erf"}[type(hidden)]
    return named_channel("hidden", name, delta=output.delta)


def labels_over_channel(hidden: AbstractChannel, output: Sign | Linear) -> float:
    """Labels over those of `channel_of_sum`: 0 and 1 are half as far apart as -1 and 1."""
    return 0.5 if isinstance(hidden, ReLU) and isinstance(output, Sign) else 1.0

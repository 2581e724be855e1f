"""Fixed points of a committee of K units: alike, and different; see `models/committee.py`.

Overlaps of interchangeable units have the eigenvalues q_+ = q_0 + (K - 1) q_1 along (1, ..., 1)
and, K - 1 times, q_- = q_0 - q_1 across it. Points of q_- = 0 lie on a line of their own; those of
q_- > 0 on a curve that leaves it.
"""

from abc import abstractmethod
from functools import lru_cache
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.optimize import brentq

from solvable.bricks.committee.labels import AbstractLabels, LabelMoments
from solvable.bricks.committee.weights import WeightMoments, weight_moments
from solvable.bricks.priors.base import AbstractPrior
from solvable.core.arguments import fail
from solvable.core.branches import (
    HIGHEST,
    Limits,
    LostError,
    Scan,
    level,
    pointwise,
    uniform_table,
)
from solvable.core.continuation import Curve, corrected, trace, with_jacobian
from solvable.core.fixed_points import FixedPoint
from solvable.core.quadrature import FINE_ORDER, ORDER
from solvable.core.roots import equations
from solvable.core.specification import inject, numeric
from solvable.models import scalar
from solvable.models.base import AbstractBranchNamesModel
from solvable.models.one_number import AbstractOneNumberModel, AbstractSamplesModel, LogCoordinate

_DARK = 1e-9  # q_hat_- of units that are all but alike
_LOWEST = -9.0  # ln q_hat_- where the curve of units that differ begins
_MARGIN = 0.5
_PLACES = np.linspace(-9.0, 14.0, 47)  # ln q_hat_+ where specialization may begin


class CommitteeOrder(NamedTuple):
    """Overlaps of interchangeable units, by their eigenvalues along (1, ..., 1) and across it.

    Attributes:
        q_hat: the precision with which weights are seen.
        overlap: q_+ and q_-.
        variance: rho - overlap, without subtraction.
        potential: E ln Z of the weights - sum q q_hat / 2.
    """

    q_hat: Float[Array, " 2"]
    overlap: Float[Array, " 2"]
    variance: Float[Array, " 2"]
    potential: Float[Array, ""]

    def both(self, name: str) -> Float[Array, " 2"]:
        """An entry."""
        return getattr(self, name)


class CommitteeCoordinate(eqx.Module):
    """Arclength along the fixed points whose units differ, from where they are alike."""

    model: "DistinctCommittee"
    curve: Curve
    rows: int = eqx.field(static=True)
    coarse: int = eqx.field(static=True, default=ORDER // 2)

    def order_at(self, point: Float[Array, " 2"], nodes: int = ORDER) -> CommitteeOrder:
        """Order parameters at ln q_hat."""
        return self.model.order_at(point, self.model.labels.panel_nodes(nodes))

    def equations_at(self, point: Float[Array, " 2"], nodes: int = ORDER) -> Float[Array, " 2"]:
        """By how much the ratios q_hat / snr of both eigenvalues differ, and their level."""
        return self.model.closure(point, self.model.labels.panel_nodes(nodes))

    def level_at(self, x: Float[Array, ""], nodes: int = ORDER) -> Float[Array, ""]:
        """ln of the alpha at which this point is a fixed point."""

        def gap(nodes: int) -> Any:
            return lambda point: self.equations_at(point, nodes)[:1]

        point = corrected(gap(nodes), gap(self.coarse), self.curve, x)
        return self.equations_at(point, nodes)[1]


class AbstractCommittee(AbstractSamplesModel):
    """What fixed points of a committee have in common, whether its units are alike or not.

    Attributes:
        prior: of the weights.
        labels: their law.
        alpha: samples over inputs.
    """

    prior: eqx.AbstractVar[AbstractPrior]
    labels: eqx.AbstractVar[AbstractLabels]
    alpha: eqx.AbstractVar[Any]

    @abstractmethod
    def labels_at(self, order: CommitteeOrder, nodes: int) -> LabelMoments:
        """What labels tell at these overlaps."""

    def order_at(self, point: Float[Array, " 2"], nodes: int) -> CommitteeOrder:
        """Order parameters at ln q_hat."""
        q_hat = jnp.exp(point)
        found: WeightMoments = weight_moments(self.prior, self.labels.units, q_hat, nodes)
        return CommitteeOrder(q_hat, *found)

    def update(self, order: CommitteeOrder) -> CommitteeOrder:
        """One step of state evolution, q_hat = alpha snr."""
        nodes = self.labels.panel_nodes(ORDER)
        return self.order_at(jnp.log(self.alpha * self.labels_at(order, nodes).snr), nodes)

    def free_entropy(
        self, order: CommitteeOrder, nodes: int = ORDER, copies: Any = 1.0
    ) -> Float[Array, ""]:
        """E ln Z per input, of the weights of all units."""
        labels = self.labels_at(order, self.labels.panel_nodes(nodes))
        return order.potential + copies * self.alpha * labels.potential

    def observables(self, order: CommitteeOrder, copies: Any = 1.0) -> dict[str, Array]:
        """Overlaps, errors, free entropy and information."""
        labels, alpha = self.labels_at(order, self.labels.panel_nodes(ORDER)), copies * self.alpha
        K, (plus, minus), variance = self.labels.units, order.overlap, order.variance
        diagonal = (plus + (K - 1) * minus) / K
        free_entropy = order.potential + alpha * labels.potential
        known = self.labels.known(self.prior.second_moment()).potential
        return {
            "overlap": diagonal,
            "mse": (variance[0] + (K - 1) * variance[1]) / K,
            "overlap_diagonal": diagonal,
            "overlap_off_diagonal": (plus - minus) / K,
            "free_entropy": free_entropy,
            "mutual_information": alpha * known - free_entropy,
            "generalization_error": labels.square - labels.predicted,
        }

    def starts(self) -> dict[str, CommitteeOrder]:
        """Units that know little and differ a little, and units that are all but known."""
        starts = {"uninformed": [0.1, 0.01], "informed": [1e3, 1e3]}
        nodes = self.labels.panel_nodes(ORDER)
        return {name: self.order_at(jnp.log(jnp.array(q)), nodes) for name, q in starts.items()}


class SymmetricCommittee(AbstractCommittee, AbstractOneNumberModel):
    """A committee whose units are alike: q_0 = q_1, and a field that all see."""

    prior: AbstractPrior
    labels: AbstractLabels
    alpha: Any

    def labels_at(self, order: CommitteeOrder, nodes: int) -> LabelMoments:
        V = jnp.stack([order.variance[0], self.prior.second_moment()])
        return self.labels.symmetric_moments(order.overlap[0], V, nodes)

    def order_of(self, q_hat: Float[Array, ""], nodes: int) -> CommitteeOrder:
        """Order parameters at q_hat_+."""
        return self.order_at(jnp.stack([jnp.log(q_hat), jnp.log(_DARK**2)]), nodes)

    def level(self, order: CommitteeOrder, nodes: int) -> Float[Array, ""]:
        """ln of alpha = q_hat_+ / snr_+."""
        return jnp.log(order.q_hat[0]) - jnp.log(self.labels_at(order, nodes).snr[0])

    def coordinate(
        self, limits: Limits, scale_range: tuple[float, float]
    ) -> tuple[LogCoordinate, np.ndarray, np.ndarray]:
        """ln q_hat_+; q_hat_+ / alpha is of order one at small alpha and rises slowly."""
        problem = LogCoordinate(numeric(self), rows=self.labels.rows())
        low, high = np.log(scale_range[0]) - 3.0, 2 * np.log(scale_range[1]) + 6.0
        return problem, *uniform_table(problem, low, min(high, self.highest()), problem.coarse)

    def highest(self) -> float:
        """ln q_hat_+ up to which averages are resolved."""
        finest = self.labels.finest()[0] * float(self.prior.second_moment())

        def above(x: float) -> float:
            return float(self.order_of(jnp.exp(x), ORDER // 2).variance[0]) - finest

        if above(HIGHEST) > 0:
            return HIGHEST
        solve: Any = brentq
        return float(solve(above, _PLACES[0], HIGHEST, xtol=1e-3))

    def limits(self) -> Limits:
        """Labels always tell something; nothing is ever recovered."""
        return Limits(False, np.nan, 0.0, False, np.nan, np.nan, np.inf)

    def end_free_entropy(
        self, place: str, scales: Float[np.ndarray, " n"]
    ) -> Float[np.ndarray, " n"]:
        """No end is a fixed point."""
        return np.full(len(scales), -np.inf)

    def end_observables(
        self, place: str, scales: Float[np.ndarray, " n"]
    ) -> dict[str, Float[np.ndarray, " n"]]:
        """No end is a fixed point."""
        return {}

    def opening(self, x: Float[Array, ""], nodes: int) -> Float[Array, ""]:
        """ln of alpha at a point, less ln of that above which units that differ grow apart."""
        dark = jnp.log(jnp.asarray(_DARK))
        order = self.order_at(jnp.stack([x, dark]), nodes)
        V = jnp.stack([order.variance[0], self.prior.second_moment()])
        slope = self.labels.opening(order.overlap[0], V, nodes)
        return self.level(order, nodes) + jnp.log(slope * order.overlap[1] / _DARK)


class DistinctCommittee(AbstractCommittee, AbstractBranchNamesModel):
    """A committee whose units may differ."""

    prior: AbstractPrior
    labels: AbstractLabels
    alpha: Any

    def symmetric(self) -> SymmetricCommittee:
        """The committee of units that are alike."""
        return SymmetricCommittee(self.prior, self.labels, 1.0)

    def labels_at(self, order: CommitteeOrder, nodes: int) -> LabelMoments:
        return self.labels.moments(order.overlap, order.variance, nodes)

    def closure(self, point: Float[Array, " 2"], nodes: int) -> Float[Array, " 2"]:
        """By how much ln (q_hat / snr) of both eigenvalues differ, and that of q_-."""
        order = self.order_at(point, nodes)
        levels = point - jnp.log(self.labels_at(order, nodes).snr)
        return jnp.stack([levels[0] - levels[1], levels[1]])

    # ---- the coordinate

    def coordinate(
        self, limits: Limits, scale_range: tuple[float, float]
    ) -> tuple[CommitteeCoordinate, np.ndarray, np.ndarray]:
        """The curve of fixed points whose units differ, from `specialization` on.

        Raises:
            LostError: if units that are alike are never left.
            ValueError: if alpha is beyond what averages resolve.
        """
        bare = numeric(inject(self, {"alpha": 1.0}))
        high = np.log(scale_range[1])

        def linearize(X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
            value, slope = _linearized(bare, jnp.asarray(X))
            return np.asarray(value), np.asarray(slope)

        finest = self.labels.finest()[1] * float(bare.prior.second_moment())
        before = np.inf

        def stop(X: np.ndarray) -> bool:
            nonlocal before
            at, variance = (float(x) for x in _placed(bare, jnp.asarray(X)))
            rises, before = at > before, at
            # a curve that falls in alpha may rise again, and at its beginning it hardly moves
            beyond = X[1] > 0 and rises and at > high + _MARGIN
            lost = not np.isfinite(at) or np.max(X) > HIGHEST or variance < finest
            return bool(lost or beyond)

        x, _ = specialization(bare.symmetric())
        curve, count = trace(linearize, np.array([x, _LOWEST]), np.array([0.0, 1.0]), stop)
        problem = CommitteeCoordinate(bare, curve, self.labels.rows())
        levels = equations(problem, np.asarray(curve.points)[:count], ORDER // 2)[:, -1]
        # discrete weights turn back before: all that is beyond is their recovery
        lost = bool(float(_placed(bare, curve.points[count - 1])[1]) < finest)
        rises = levels[-1] > levels[-2]
        if lost and rises and levels[-1] < high and scale_range != scalar.WIDEST:
            most = np.exp(levels[-1])
            units = f"{self.labels.units} such units"
            must = f"be at most {most:.3g}, up to where averages over {units} are resolved"
            raise fail("alpha", must, scale_range[1])
        return problem, np.asarray(curve.s)[:count], levels

    # ---- the ends

    def limits(self) -> Limits:
        """Units alike at one end; at the other, for discrete weights, all is known."""
        symmetric = numeric(self.symmetric())
        x, error = specialization(symmetric)
        value = float(np.exp(level(LogCoordinate(symmetric), np.array([x]))[0]))
        discrete = self.is_discrete()
        return Limits(
            trivial=True,
            weak_recovery=value,
            weak_recovery_error=error * value,
            recovered=discrete,
            recovery=0.0 if discrete else np.nan,
            perfect=np.nan,
            highest_response=np.inf,
        )

    def is_discrete(self) -> bool:
        """Whether weights have finitely many values, and labels that tell all of them apart."""
        sharp = self.labels.known(self.prior.second_moment()).sharp
        return sharp and bool(np.isfinite(float(numeric(self.prior).entropy())))

    def end_free_entropy(
        self, place: str, scales: Float[np.ndarray, " n"]
    ) -> Float[np.ndarray, " n"]:
        """Of units that are alike; or minus the entropy of all weights, and of ties."""
        return self.end_observables(place, scales)["free_entropy"]

    def end_observables(
        self, place: str, scales: Float[np.ndarray, " n"]
    ) -> dict[str, Float[np.ndarray, " n"]]:
        """Observables where units are alike, or known."""
        alike = numeric(self.symmetric())
        if place == "trivial":
            return scalar.along(alike, scales, lowest=True, table=symmetric_table(alike))
        entropy, rho = float(alike.prior.entropy()), float(alike.prior.second_moment())
        entropy *= alike.labels.units
        known, zero = alike.labels.known(rho), np.zeros(len(scales))
        return {
            "overlap": zero + rho,
            "mse": zero,
            "overlap_diagonal": zero + rho,
            "overlap_off_diagonal": zero,
            "free_entropy": scales * float(known.potential) - entropy,
            "mutual_information": zero + entropy,
            "generalization_error": zero + float(known.error),
        }

    def branch_names(self, points: list[FixedPoint]) -> dict[str, int]:
        """Units that are alike, and the lowest stable point where they differ."""
        other = [k for k, x in enumerate(points) if x.stable and x.place != "trivial"]
        return {"symmetric": 0} | ({"specialized": other[0]} if other else {})


@eqx.filter_jit
def _linearized(model: DistinctCommittee, point: Array) -> tuple[Array, Array]:
    return with_jacobian(
        lambda x: model.closure(x, model.labels.panel_nodes(ORDER // 2))[:1], point
    )


@eqx.filter_jit
def _placed(model: DistinctCommittee, point: Array) -> tuple[Array, Array]:
    """The level, and V_-."""
    nodes = model.labels.panel_nodes(ORDER // 2)
    return model.closure(point, nodes)[1], model.order_at(point, nodes).variance[1]


@eqx.filter_jit
def _openings(model: SymmetricCommittee, x: Array, nodes: int) -> Array:
    return pointwise(lambda at: model.opening(at, nodes), x)


@lru_cache(maxsize=64)
def symmetric_table(model: SymmetricCommittee) -> Scan:
    """All fixed points of units that are alike: a search for thresholds asks many times."""
    return scalar.tabulate(model, scalar.WIDEST)


@lru_cache(maxsize=64)
def specialization(model: SymmetricCommittee) -> tuple[float, float]:
    """ln q_hat_+ where units that are alike are first left, and the relative error of alpha."""

    def opening(x: float, nodes: int = ORDER) -> float:
        return float(_openings(model, jnp.asarray([x]), nodes)[0])

    places = _PLACES[model.highest() >= _PLACES]
    values = np.asarray(_openings(model, jnp.asarray(places), ORDER))
    first = int(np.argmax(values > 0))
    if not values[first] > 0:
        raise LostError(
            "Units of this committee are never told apart: its labels do not show how."
        )
    solve: Any = brentq
    x = float(solve(opening, places[first - 1], places[first], xtol=1e-13))
    return x, abs(opening(x, FINE_ORDER)) + 10 * _DARK

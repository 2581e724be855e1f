"""What every model that is a chain shares: its theory, from one coordinate along its fixed points.

`GLM` is the chain of one layer, `MultiLayer` any. The potential is the sum of its bricks'
potentials weighted by the relative sizes of the layers, and state evolution its stationarity; see
`bricks.chain`.
"""

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from solvable.bricks import chain
from solvable.bricks.chain import ChainOrder, HiddenLaw, Layers
from solvable.bricks.chain_facts import (
    ChainFacts,
    blind_layers,
    known_law,
    numeric_facts,
    recovery_scale,
    unseen_law,
    weak_recovery,
)
from solvable.bricks.chain_facts import facts as chain_facts
from solvable.bricks.channels.base import (
    AbstractAnalyticChannel,
    AbstractChannel,
    ChannelMoments,
    without_bias,
)
from solvable.bricks.channels.linear import Linear
from solvable.bricks.layer import EDGE, AbstractLayer, Across
from solvable.bricks.priors.base import Law
from solvable.bricks.priors.pairs import Pairs
from solvable.bricks.priors.vectors import AbstractUnitLaw, AbstractVectorPrior
from solvable.core.branches import (
    HIGHEST,
    LOWEST,
    ROWS,
    TRIVIAL_LOWEST,
    Limits,
    uniform_table,
)
from solvable.core.continuation import Curve, corrected, trace, with_jacobian
from solvable.core.quadrature import FINE_ORDER, ORDER
from solvable.core.specification import inject, numeric
from solvable.models import scalar
from solvable.models.base import AbstractScalarReplicaModel, Shared
from solvable.models.chain_known import (
    PREDICTION_ERRORS,
    best_known,
    known_layers,
    require_simple_partner,
)

_NESTED_NODES = 6
_TRACE_NODES = 8  # hidden layers then take four a panel, which reach 1e-4
_ACROSS = "_u"  # label of the spike on the other side of a matrix
_MARGIN = 0.5  # by how much a table reaches beyond where fixed points can lie


class ChainCoordinate(eqx.Module):
    """One coordinate along all fixed points of a chain, whatever its last ratio.

    For one layer it is ln q_hat; for more, the arclength of the curve on which all layers but the
    last close.
    """

    model: "AbstractChainModel"
    curve: Curve | None
    coarse: int = eqx.field(static=True)
    rows: int = eqx.field(static=True, default=ROWS)

    def order_at(self, point: Float[Array, " L"], nodes: int = ORDER) -> ChainOrder:
        """Order parameters at ln q_hat of every layer."""
        return chain.closure(*self.model.chain(), point, nodes)[1]

    def equations_at(self, point: Float[Array, " L"], nodes: int = ORDER) -> Float[Array, " L"]:
        """By how much the layers below the last do not close, and the level."""
        return chain.closure(*self.model.chain(), point, nodes)[0]

    def level_at(self, x: Float[Array, ""], nodes: int = ORDER) -> Float[Array, ""]:
        """ln of the scale at which this point is a fixed point."""
        return self.equations_at(self._point(x, nodes), nodes)[-1]

    def _point(self, x: Float[Array, ""], nodes: int) -> Float[Array, " L"]:
        if self.curve is None:
            return x[None]

        def gaps(nodes: int) -> Callable[[Array], Array]:
            return lambda point: self.equations_at(point, nodes)[:-1]

        return corrected(gaps(nodes), gaps(_TRACE_NODES), self.curve, x)


class Subject(NamedTuple):
    """The layer that answers are about.

    Attributes:
        layer: 0 for the input.
        label: what follows `overlap` and `mse` of it.
    """

    layer: int
    label: str


INPUT = Subject(0, "")


class AbstractChainModel(AbstractScalarReplicaModel):
    """A prior, layers of random weights, and an observation."""

    @abstractmethod
    def chain(self) -> tuple[Law, Layers]:
        """The prior of the input, and the layers up to the observation."""

    @abstractmethod
    def subject(self) -> Subject:
        """What the answers are about: free entropy and information are per unit of it."""

    @property
    def scale_power(self) -> int:
        """The power of the scale parameter that the scale is."""
        return self.chain()[1][-1].scale()[1]

    def label(self, k: int) -> str:
        """What follows `overlap` and `mse` of layer k."""
        subject = self.subject()
        return subject.label if k == subject.layer else f"_{k}"

    def labels(self) -> list[str]:
        """Those of every layer, and of the layers on the other side of a matrix."""
        _, layers = self.chain()
        found, partner = [self.label(k) for k in range(len(layers))], layers[-1].partner()
        if partner is None:
            return [*found, _ACROSS] if isinstance(self.chain()[0], Pairs) else found
        return found + [f"{_ACROSS}_{k}" for k in range(len(partner.layers) - 1)] + [_ACROSS]

    def _size(self, widths: list[Any], k: int) -> Any:
        """Units of layer k for each unit of the subject."""
        return widths[k] / widths[self.subject().layer]

    # ---- order parameters

    def update(self, order: ChainOrder) -> ChainOrder:
        """One step of state evolution, also from q = 0 and q = rho."""
        return chain.descend(*self.chain(), order)

    def free_entropy(
        self, order: ChainOrder, nodes: int = ORDER, copies: Any = 1.0
    ) -> Float[Array, ""]:
        """f = sum_l n_l (C_l - I_l) + copies n_L Psi over the units of the subject, in nats."""
        layers = self.chain()[1]
        total = chain.free_entropy(layers, order, nodes, copies)
        return total * self._size(chain.widths(layers), 0)

    def observables(self, order: ChainOrder, copies: Any = 1.0) -> dict[str, Float[Array, ""]]:
        """Overlaps and errors of every layer, free entropy, information, errors of prediction."""
        subject, labels, found = self.subject(), self.labels(), {}
        seen = list(zip(order.both("overlap"), order.both("variance"), strict=True))
        for k, law in self._unit_laws():
            q_hat = order.both("q_hat")[k]
            known = law.traces(chain.shown(q_hat), FINE_ORDER)
            blind = law.first_moment() ** 2
            seen[k : k + 1] = [(jnp.where(q_hat > 0, q, blind), lost) for q, lost in known]
        for k in sorted(range(len(labels)), key=lambda k: k != subject.layer):
            found[f"overlap{labels[k]}"], found[f"mse{labels[k]}"] = seen[k]
        layers = self.chain()[1]
        found |= layers[-1].errors(*order.top(), copies, order.across())
        free_entropy = self.free_entropy(order, copies=copies)
        facts = chain_facts(*self.chain())
        rho_across = None if facts.other is None else facts.other.rho_z
        known = layers[-1].known_potential(facts.rho_z, rho_across)
        size = self._size(chain.widths(layers), -1)
        found |= {
            "free_entropy": free_entropy,
            "mutual_information": copies * size * known - free_entropy,
        }
        return found

    def _unit_laws(self) -> list[tuple[int, AbstractUnitLaw]]:
        """Which layers have units that are vectors, and their laws."""
        prior, layers = self.chain()
        partner = layers[-1].partner()
        laws = [(0, prior)]
        if partner is not None:
            laws.append((len(layers), partner.prior))
        return [(k, law) for k, law in laws if isinstance(law, AbstractUnitLaw)]

    def starts(self) -> dict[str, ChainOrder]:
        """Next to no information, and next to all, on every layer."""
        layers = self.chain()[1]
        facts = chain_facts(*self.chain())
        rho = facts.both("rho")
        ends = {"uninformed": facts.both("dark"), "informed": rho * (1 - EDGE)}
        return {name: chain.start(layers, q, rho - q) for name, q in ends.items()}

    # ---- the coordinate

    def coordinate(
        self, limits: Limits, scale_range: tuple[float, float]
    ) -> tuple[ChainCoordinate, np.ndarray, np.ndarray]:
        """The coordinate with a table of its level where fixed points in the range can lie."""
        bare = self._bare()
        low, high = self._bounds(bare, limits, scale_range)
        if len(low) == 1:
            problem = ChainCoordinate(bare, None, self._table_nodes())
            return problem, *uniform_table(problem, low[0], high[0], problem.coarse)
        curve, count = _traced(bare, low, high)
        levels = np.asarray(_levels(bare, curve.points, _TRACE_NODES))[:count]
        return ChainCoordinate(bare, curve, _TRACE_NODES), np.asarray(curve.s)[:count], levels

    def _table_nodes(self) -> int:
        """Nested quadratures of a density in y need fewer nodes for a table than for a root."""
        if isinstance(self.chain()[0], AbstractVectorPrior | Pairs):
            return _NESTED_NODES
        channel = without_bias(self.chain()[1][-1].law())
        nested = isinstance(channel, AbstractChannel) and channel.emits_reals()
        nested = nested and not isinstance(channel, AbstractAnalyticChannel)
        return _NESTED_NODES if nested else ORDER

    def _bounds(
        self, bare: "AbstractChainModel", limits: Limits, scale_range: tuple[float, float]
    ) -> tuple[np.ndarray, np.ndarray]:
        """ln q_hat below and above every fixed point: state evolution from the two ends.

        The ends of the axis where an end is itself a fixed point.
        """
        facts = self._facts()
        rho, dark = facts.both("rho"), facts.both("dark")
        low, high = np.full(len(rho), LOWEST), np.full(len(rho), HIGHEST)
        if limits.trivial:
            low[:] = TRIVIAL_LOWEST
            # a narrow layer cannot show the input more than its ratio, whatever is above it
            ratios = [float(layer.ratio) for layer in bare.chain()[1][:-1]]
            low[0] += np.min(np.cumsum(np.log([1.0, *ratios])))
        else:
            found = _asked(bare, scale_range[0], dark, rho - dark)
            low = np.maximum(low, found - _MARGIN)
        if not limits.recovered and np.isfinite(limits.highest_response):
            edge = EDGE * rho
            found = _asked(bare, scale_range[1], rho - edge, edge)
            high = found + _MARGIN
        return low, np.maximum(high, low + 1.0)

    # ---- the ends

    def limits(self) -> Limits:
        """What happens at q = 0 and at q = rho."""
        _, layers = self._bare().chain()
        facts = self._facts()
        require_simple_partner(layers, facts)
        blind = blind_layers(layers, facts)
        weak, weak_error = weak_recovery(layers, facts, blind) if blind else (np.nan, 0.0)
        highest = np.inf
        if not facts.noiseless[-1]:
            highest = float(_shown_at(layers[-1], facts, 1 - EDGE).snr)
        recovered, recovery = recovery_scale(layers, facts)
        if known_layers(layers, facts):
            recovered, recovery = True, 0.0
        sharp = facts.dimension[-1] > 0 and facts.noiseless[-1]
        return Limits(
            trivial=blind > 0,
            weak_recovery=weak,
            weak_recovery_error=weak_error,
            recovered=recovered,
            recovery=recovery if recovered else np.nan,
            perfect=recovery if recovered and sharp else np.nan,
            highest_response=highest,
        )

    def _bare(self) -> "AbstractChainModel":
        """The model in numbers, its scale, which plays no part, set to one."""
        name = self.scale_parameter
        return numeric(self if name is None else inject(self, {name: 1.0}))

    def _facts(self) -> ChainFacts:
        prior, layers = self._bare().chain()
        facts = numeric_facts(prior, layers)
        if not facts.rho[0] > 0:
            raise ValueError(
                f"Argument `prior` must have a second moment above 0, but had {facts.rho[0]:g}."
            )
        return facts

    def known_input(self) -> "PartOfChain":
        """The chain above the first layer while the input is known."""
        _, layers = self._bare().chain()
        return PartOfChain(known_law(layers, self._facts()), layers[1:])

    def below(self, k: int) -> "PartOfChain":
        """The chain up to h_k, observed as it is."""
        prior, layers = self._bare().chain()
        return PartOfChain(prior, layers[:k])

    def noise_information(self, scales: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """What the observation tells of the hidden layers' own noise, I(h_{L-1}; y | x).

        Zero where the hidden layers are deterministic; else the least potential of the chain whose
        input is known. `mutual_information` of a curve is that of `observables` minus this.
        """
        if np.all(self._facts().noiseless[self.subject().layer : -1]):
            return np.zeros(len(scales))
        size = float(self.chain()[1][0].ratio)
        return size * scalar.along(self.known_input(), scales, lowest=False)["mutual_information"]

    def end_free_entropy(
        self, place: str, scales: Float[np.ndarray, " n"]
    ) -> Float[np.ndarray, " n"]:
        """f at q = 0, or at q = rho, -H or infinite."""
        bare = self._bare()
        facts = self._facts()
        layers = bare.chain()[1]
        if place == "trivial":
            if blind_layers(layers, facts) < len(layers):
                return self.end_observables(place, scales)["free_entropy"]
            blind = float(_shown_at(layers[-1], facts, 0.0).potential)
            return scales * blind * float(self._size(chain.widths(layers), -1))
        if known_layers(layers, facts):
            return self._known_observables(scales)["free_entropy"]
        return np.where(scales > recovery_scale(layers, facts)[1], np.inf, -np.inf)

    def end_observables(
        self, place: str, scales: Float[np.ndarray, " n"]
    ) -> dict[str, Float[np.ndarray, " n"]]:
        """Observables at the two ends, as limits: q = 0 and q = rho on every layer."""
        bare = self._bare()
        facts = self._facts()
        prior, layers = bare.chain()
        count = blind_layers(layers, facts)
        if place == "trivial" and count < len(facts.rho):
            return _unseen_observables(self, facts, count, scales)
        values = {name: float(x) for name, x in _trivial_values(bare).items()}
        found = {name: np.full(len(scales), x) for name, x in values.items()}
        if place == "trivial":
            linear = ("free_entropy", "mutual_information")
            return found | {name: scales * values[name] for name in linear}
        found = {name: np.zeros(len(scales)) for name in values}
        if known_layers(layers, facts):
            return found | self._known_observables(scales)
        known = {"overlap": facts.rho[0], "mutual_information": float(prior.entropy())}
        known |= {f"overlap_{k}": facts.rho[k] for k in range(1, len(facts.rho))}
        found |= {name: np.full(len(scales), x) for name, x in known.items()}
        return found | {"free_entropy": self.end_free_entropy("recovered", scales)}

    def _known_observables(
        self, scales: Float[np.ndarray, " n"]
    ) -> dict[str, Float[np.ndarray, " n"]]:
        """Observables that do not vanish where some layer and all above it are known."""
        bare, facts = self._bare(), self._facts()
        layers = bare.chain()[1]
        widths, known = chain.widths(layers), best_known(bare)
        base = float(self._size(widths, 0)) * known.free_entropy
        shown = {
            "free_entropy": scales * float(self._size(widths, -1)) * known.shown,
            "mutual_information": np.zeros(len(scales)),
        }
        if layers[-1].partner() is not None:
            # the matrix alone, with its other side
            given = HiddenLaw(Linear(), jnp.asarray(facts.rho_z), jnp.zeros(()))
            top = PartOfChain(given, layers[-1:])
            shown = scalar.along(top, scales, lowest=False)
            shown = {name: x for name, x in shown.items() if name not in ("overlap", "mse")}
        shown["free_entropy"] = shown["free_entropy"] + base
        shown["mutual_information"] = shown["mutual_information"] - base
        named = {}
        for k in range(len(layers)):
            inner = f"_{k}" if k else ""
            for name in ("overlap", "mse"):
                named[f"{name}{self.label(k)}"] = known.observables[f"{name}{inner}"]
        named |= {name: known.observables[name] for name in PREDICTION_ERRORS}
        constant = {name: np.full(len(scales), x) for name, x in named.items()}
        return constant | shown


class PartOfChain(AbstractChainModel):
    """Some layers of a chain in numbers, with the law of their input, as part of its theory."""

    law: Law
    layers: Layers

    @property
    def scale_parameter(self) -> str | None:
        last = len(self.layers) - 1
        if self.layers[last].spectrum() is not None:
            return None
        return f"layers[{last}].{self.layers[last].scale()[0]}"

    def subject(self) -> Subject:
        return INPUT

    def chain(self) -> tuple[Law, Layers]:
        return self.law, self.layers

    def shared_observables(self, scales: Float[np.ndarray, " n"]) -> dict[str, Shared]:
        return {}


def _unseen_observables(
    model: AbstractChainModel, facts: ChainFacts, count: int, scales: Float[np.ndarray, " n"]
) -> dict[str, Float[np.ndarray, " n"]]:
    """Observables while nothing is known of h_0, ..., h_{count - 1}: those of the chain above."""
    _, layers = model._bare().chain()
    upper = scalar.along(
        PartOfChain(unseen_law(layers, facts, count), layers[count:]), scales, lowest=True
    )
    size = float(model._size(chain.widths(layers), count))
    found, moved = {}, {"error_bound"}
    for k, rho in enumerate(facts.rho):  # the other side is the upper chain's too
        inner = f"_{k - count}" if k > count else ""
        for name, blind in (("overlap", 0.0), ("mse", rho)):
            seen = upper[f"{name}{inner}"] if k >= count else np.full(len(scales), blind)
            found[f"{name}{model.label(k)}"] = seen
            moved.add(f"{name}{inner}")
    for name, column in upper.items():
        if name in moved:
            continue
        extensive = name in ("free_entropy", "mutual_information")
        found[name] = size * column if extensive else column
    return found


def _traced(bare: AbstractChainModel, low: np.ndarray, high: np.ndarray) -> tuple[Curve, int]:
    """The curve on which all layers but the last close, from below `low` to above `high`."""

    def linearize(X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        gaps, jacobian = _linearized(bare, jnp.asarray(X))
        return np.asarray(gaps), np.asarray(jacobian)

    def stop(X: np.ndarray) -> bool:
        return bool(np.all(high <= X) or np.max(X) > max(HIGHEST, np.max(high)))

    start = np.asarray(_climbed(bare, jnp.asarray(low[0])))
    return trace(linearize, start, np.eye(len(start))[0], stop)


def _shown_at(layer: AbstractLayer, facts: ChainFacts, share: float) -> ChannelMoments:
    """What an observation shows where overlaps are this share of the second moments."""

    def across(rho: Any) -> Across:
        return Across(jnp.asarray(share * rho), jnp.asarray((1 - share) * rho))

    other = None if facts.other is None else across(facts.other.rho_z)
    return _shown(layer, across(facts.rho_z), other)


@eqx.filter_jit
def _shown(layer: AbstractLayer, at: Across, other: Across | None) -> ChannelMoments:
    return layer.shown(*at, other=other)


@eqx.filter_jit
def _climbed(model: AbstractChainModel, x: Array) -> Array:
    return chain.climb(*model.chain(), x, _TRACE_NODES)


@eqx.filter_jit
def _linearized(model: AbstractChainModel, X: Array) -> tuple[Array, Array]:
    return with_jacobian(lambda X: chain.closure(*model.chain(), X, _TRACE_NODES)[0][:-1], X)


@eqx.filter_jit
def _levels(model: AbstractChainModel, points: Array, nodes: int) -> Array:
    def one(X: Array) -> Array:
        return chain.closure(*model.chain(), X, nodes)[0][-1]

    return jax.lax.map(one, points, batch_size=16)


def _asked(bare: AbstractChainModel, scale: float, q: np.ndarray, V: np.ndarray) -> np.ndarray:
    """ln q_hat of every layer after one step of state evolution from (q, V)."""
    return np.log(np.asarray(_received(bare, *(jnp.asarray(x) for x in (scale, q, V)))))


@eqx.filter_jit
def _received(model: AbstractChainModel, scale: Array, q: Array, V: Array) -> Array:
    prior, layers = model.chain()
    order = chain.descend(prior, layers, chain.start(layers, q, V), _TRACE_NODES, scale)
    return order.both("q_hat")


@eqx.filter_jit
def _trivial_values(model: AbstractChainModel) -> dict[str, Array]:
    rho = chain_facts(*model.chain()).both("rho")
    zero = jnp.zeros_like(rho)
    return model.observables(chain.start(model.chain()[1], zero, rho))

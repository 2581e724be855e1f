"""What decides the two ends of a chain's branches: moments, dimensions, blind layers, gains."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from solvable.bricks import chain
from solvable.bricks.chain import HiddenLaw, Layers, hidden_law
from solvable.bricks.channels.base import AbstractChannelLaw
from solvable.bricks.channels.hidden import AbstractHiddenChannel, hidden_averages
from solvable.bricks.layer import EVEN, AbstractLayer, Across
from solvable.bricks.priors.base import Law
from solvable.core.quadrature import FINE_ORDER, ORDER

_TINY_OVERLAP = 1e-9  # over rho: S there is dS / dq times it


class ChainFacts(NamedTuple):
    """Exact attributes of the bricks of one side; entries for h_0, ..., h_{L-1}.

    Attributes:
        rho: second moments, shape (L,).
        mean: first moments.
        dark: overlaps that nothing seen from above leaves.
        dimension: of the prior, then of every channel, hidden or observed, shape (L + 1,).
        noiseless: of every channel.
        gain: kappa_l = (E h z / rho)^2 of the hidden channels, shape (L - 1,).
        rho_z: second moment of the last z.
        response: R_0 = dq / dq_hat of the prior at q = 0.
        other: the facts of the other side of a matrix, if there is one.
    """

    rho: Any
    mean: Any
    dark: Any
    dimension: Any
    noiseless: Any
    gain: Any
    rho_z: Any
    response: Any
    other: "ChainFacts | None" = None

    def both(self, name: str) -> Any:
        """An entry of every layer, this side's first."""
        own = getattr(self, name)
        if self.other is None:
            return own
        together = np.concatenate if isinstance(own, np.ndarray) else jnp.concatenate
        return together([own, getattr(self.other, name)])

    def unseen_across(self) -> Across | None:
        """What is known of the last units of the other side while nothing is seen."""
        if self.other is None:
            return None
        dark = jnp.asarray(self.other.dark[-1])
        return Across(dark, self.other.rho_z - dark)


def facts(prior: Law, layers: Layers) -> ChainFacts:
    """The facts of a chain, as JAX arrays."""
    partner, found = layers[-1].partner(), _side_facts(prior, layers)
    if partner is None:
        return found
    return found._replace(other=_side_facts(partner.prior, partner.layers))


def _side_facts(prior: Law, layers: Layers) -> ChainFacts:
    rho, mean = [prior.second_moment()], [prior.first_moment()]
    dark = [prior.blind_overlap() if isinstance(prior, HiddenLaw) else mean[0] ** 2]
    dimension, noiseless, gain = [prior.dimension()], [], []
    for layer in layers:
        rho_z, below = layer.gain() * rho[-1], layer.gain() * dark[-1]
        dimension.append(layer.law().dimension(rho_z))
        noiseless.append(layer.law().is_noiseless().astype(float))
        if layer is layers[-1]:
            break
        channel = hidden_law(layer)
        alone = chain.prior_of_hidden(channel, rho_z)
        law = HiddenLaw(channel, below, rho_z - below)
        rho.append(alone.square)
        mean.append(alone.mean)
        dark.append(jnp.where(below > 0, law.blind_overlap(), alone.known))
        gain.append(alone.gain)
    return ChainFacts(
        rho=_stacked(rho),
        mean=_stacked(mean),
        dark=_stacked(dark),
        dimension=_stacked(dimension),
        noiseless=_stacked(noiseless),
        gain=_stacked(gain),
        rho_z=layers[-1].gain() * rho[-1],
        response=prior.response(),
    )


def _stacked(column: list[Any]) -> Array:
    return jnp.stack([jnp.asarray(x) for x in column]) if column else jnp.zeros(0)


@eqx.filter_jit
def _facts(prior: Law, layers: Layers) -> ChainFacts:
    return facts(prior, layers)


def numeric_facts(prior: Law, layers: Layers) -> ChainFacts:
    """The facts of a chain in numbers, as numpy arrays."""
    return jax.tree.map(np.asarray, _facts(prior, layers))


def blind_layers(layers: Layers, found: ChainFacts) -> int:
    """How many layers send nothing down while nothing is known below: then q = 0 stays.

    Layers 1, ..., b with h_0, ..., h_{b-1} of mean zero and layer b even in z; 0 if none is.
    """
    count = _even_below(layers, found)
    if count is not None:
        return count
    rho = jnp.asarray(found.rho_z)
    blind = float(_seen_blind(layers[-1], rho, found.unseen_across()) * rho) < EVEN
    return len(layers) if blind else 0


def blind_across(layers: Layers, found: ChainFacts) -> int:
    """How many layers of the other side of a matrix stay unknown if nothing is known."""
    partner = layers[-1].partner()
    if partner is None or found.other is None:
        return 0
    count = _even_below(partner.layers, found.other)
    if count is not None:
        return count
    return len(partner.layers) if blind_layers(layers, found) == len(layers) else 0


def _even_below(layers: Layers, found: ChainFacts) -> int | None:
    """Layers up to the first even one of one side; 0 if a mean is seen first, None if none is.

    The last layer is left out.
    """
    for k, layer in enumerate(layers):
        if found.dark[k] > EVEN * found.rho[k]:  # a mean of zero may be rounded
            return 0
        if k < len(layers) - 1:
            rho = jnp.asarray(found.rho[k]) * layer.gain()
            if float(_sent(hidden_law(layer), rho) * rho) < EVEN:
                return k + 1
    return None


def recovery_scale(layers: Layers, found: ChainFacts) -> tuple[bool, float]:
    """Whether q = rho on every layer is a fixed point, and the scale above which it is stable.

    Every layer must be noiseless and pass on more dimensions than the input has, d_x / prod ratio
    per unit; the observation then needs d_x / (d_z prod ratio), or nothing where it is discrete.
    """
    fixes_x, fixes_z = found.dimension[0], found.dimension[-1]
    ratios = np.array([float(layer.ratio) for layer in layers[:-1]])
    needed = fixes_x / np.cumprod([1.0, *ratios])
    passes = bool(np.all(needed[:-1] < found.dimension[1:-1] * ratios)) or fixes_x == 0
    recovered = bool(np.all(found.noiseless)) and passes and bool(fixes_z > 0 or fixes_x == 0)
    return recovered, float(needed[-1] / fixes_z) if fixes_z > 0 else 0.0


def unseen_law(layers: Layers, found: ChainFacts, count: int) -> HiddenLaw:
    """Law of h_count while nothing is known of the layers below it."""
    layer = layers[count - 1]
    rho = layer.gain() * jnp.asarray(found.rho[count - 1])
    return HiddenLaw(hidden_law(layer), jnp.zeros(()), rho)


def known_law(layers: Layers, found: ChainFacts, source: int = 0) -> HiddenLaw:
    """Law of the units above h_source while that is known; the input is h_0."""
    rho = layers[source].gain() * jnp.asarray(found.rho[source])
    return HiddenLaw(hidden_law(layers[source]), rho, jnp.zeros(()))


def _reach(layers: Layers, found: ChainFacts, count: int) -> float:
    """R_{count - 1}: what q_{count - 1} becomes for a small q_hat_{count - 1}.

    Near q = 0 the maps are linear: R_0 is the prior's, rho_0^2 where its units are numbers, and
    R_l = rho_l^2 + ratio_l kappa_l^2 R_{l-1}.
    """
    reach = float(found.response)
    for k in range(count - 1):
        reach = found.rho[k + 1] ** 2 + float(layers[k].ratio) * found.gain[k] ** 2 * reach
    return float(reach)


def weak_recovery(layers: Layers, found: ChainFacts, count: int) -> tuple[float, float]:
    """The scale at which q = 0 loses stability, and a bound on its error.

    Where all layers are blind, 1 / (R_{L-1} dS / dq) of the observation. Where the lowest `count`
    are, the scale at which the chain above them shows enough: ratio_b R_{b-1} dS_b / dq = 1 at q =
    0, which S_b's q_hat decides.
    """
    if count < len(layers):
        return _weak_recovery_below(layers, found, count)
    partner, other = layers[-1].partner(), None
    if partner is not None and found.other is not None:
        other = _reach(partner.layers, found.other, len(partner.layers))
    return layers[-1].weak_scale(_reach(layers, found, len(layers)), float(found.rho_z), other)


def _weak_recovery_below(layers: Layers, found: ChainFacts, count: int) -> tuple[float, float]:
    law = unseen_law(layers, found, count)
    needed = _TINY_OVERLAP / (float(layers[count - 1].ratio) * _reach(layers, found, count))
    coarse, fine = (
        float(_level_seen(law, layers[count:], jnp.asarray(needed), nodes))
        for nodes in (ORDER, FINE_ORDER)
    )
    if not np.isfinite(fine):
        return np.inf, 0.0
    return float(np.exp(fine)), float(np.exp(fine)) * (abs(fine - coarse) + _TINY_OVERLAP)


@eqx.filter_jit
def _level_seen(law: HiddenLaw, upper: Layers, needed: Array, nodes: int) -> Array:
    """Level of the upper chain at the q_hat for which S(q) at a tiny overlap q is `needed`."""
    rho = law.V
    q = _TINY_OVERLAP * rho
    q_hat = chain.lift(law.channel, q, rho - q, rho * needed, chain.hidden_order(nodes))
    at = chain.climb(law, upper, jnp.log(q_hat), nodes)
    return chain.closure(law, upper, at, nodes)[0][-1]


@eqx.filter_jit
def _seen_blind(layer: AbstractLayer, rho: Array, other: Across | None) -> Array:
    return layer.seen_blind(rho, other)


@eqx.filter_jit
def _sent(channel: AbstractHiddenChannel | AbstractChannelLaw, rho: Array) -> Array:
    return hidden_averages(channel, 0 * rho, rho, jnp.ones(())).snr

"""The chain: a prior, then layers z_l = W_l h_{l-1}, h_l ~ P_l(. | z_l), and its order parameters.

Layer l has n_l outputs, n_l / n_{l-1} = ratio, and weights of variance 1 / n_{l-1}. With q_l the
overlap of h_l, V_l = rho_l - q_l and q_hat_l the signal-to-noise ratio that h_l sees from above,
state evolution is (Manoel et al. 2017; Gabrie et al. 2018)

    q_0 = q_x(q_hat_0),  q_l = Q_l(q_{l-1}, q_hat_l),  q_hat_{l-1} = ratio_l S_l(q_{l-1}, q_hat_l),

with S = E g^2 of a hidden layer at the message q_hat_l, and of the last layer at its observation.
Every average is one brick's: `prior_moments`, `hidden_averages`, `channel_moments`.

The fixed points lie on one curve. Choose q_hat_0: the prior gives q_0, and since S_l rises with
q_hat_l the equation of layer 1 gives q_hat_1, hence q_1, and so on up to q_hat_{L-1}; the last
layer alone may fail to close, and its ratio is where it does. So a single coordinate, ln q_hat_0,
holds all branches at all values of the last ratio, whatever the depth (`climb`).

A matrix of two spikes stands between two such chains. Its potential, a product of both overlaps,
gives the size of the one side, n_v q_hat_v q_v, and of the other, n_u q_hat_u q_u, the same value:
one equation more, beside those of the layers on both sides, and the curve is one again.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from solvable.bricks.channels.base import AbstractChannelLaw, without_bias
from solvable.bricks.channels.hidden import AbstractHiddenChannel, hidden_averages
from solvable.bricks.layer import AbstractLayer, Across, LayerMixing, Partner
from solvable.bricks.priors.base import (
    AbstractAnalyticLaw,
    Law,
    PriorMoments,
    prior_moments,
)
from solvable.core.quadrature import FINE_ORDER, ORDER

_STEPS = 8  # of the secant iteration that inverts a layer; it converges in four or five
_OFF = 1e-3  # ln S this far from its target: the layer cannot give so much
_DARK = 1e-12  # q_hat that shows nothing
_KNOWN = 1e-24  # V / rho below which a layer is known
_SMALL = 1e-6  # q_hat rho at which S is proportional to q_hat
_FAINTEST, _CLEAREST, _HALVINGS = -90.0, 40.0, 12  # ln q_hat of the other side's input
_NEWTON_STEPS = 6

Layers = tuple[AbstractLayer, ...]  # the last one is the observation


class HiddenLaw(AbstractAnalyticLaw):
    """Law of a hidden unit h ~ P(. | z) whose input is z = omega + sqrt(V) xi, omega ~ N(0, q).

    The chain above a layer whose own input stays as it is: never seen (q = 0), or known (V = 0).

    Args:
        channel: the hidden channel.
        q: variance of what is known of z.
        V: variance of what is not.
    """

    channel: AbstractHiddenChannel
    q: Float[Array, ""]
    V: Float[Array, ""]

    def analytic_moments(self, q_hat: Float[Array, ""], order: int) -> PriorMoments:
        V = visible(self.q, self.V)
        found = hidden_averages(self.channel, self.q, V, q_hat, hidden_order(order))
        return PriorMoments(found.overlap, found.variance, found.information)

    def blind_overlap(self) -> Float[Array, ""]:
        """E E[h | omega]^2, the overlap that nothing seen from above leaves."""
        return self.analytic_moments(jnp.asarray(_DARK), ORDER).overlap

    def first_moment(self) -> Float[Array, ""]:
        return prior_of_hidden(self.channel, self.q + self.V).mean

    def second_moment(self) -> Float[Array, ""]:
        return prior_of_hidden(self.channel, self.q + self.V).square

    def response(self) -> Float[Array, ""]:
        return self.second_moment() ** 2

    def dimension(self) -> Float[Array, ""]:
        noisy = 1.0 - self.channel.is_noiseless()
        free = self.channel.dimension(self.V) * (self.V > 0)
        return jnp.where(self.channel.emits_reals(), jnp.maximum(noisy, free), 0.0)

    def entropy(self) -> Float[Array, ""]:
        return jnp.asarray(jnp.nan)


class ChainOrder(NamedTuple):
    """Order parameters of a chain of L layers, input first.

    Attributes:
        q_hat: signal-to-noise ratio that h_0, ..., h_{L-1} see from above, shape (L,).
        overlap: q_0, ..., q_{L-1}.
        variance: rho_l - q_l, which keeps its digits as q_l -> rho_l.
        information: I(h_0; r_0), then I(h_l; r_l | omega_l), with r_l = h_l + xi / sqrt(q_hat_l).
        z_overlap: overlaps of z_1, ..., z_L.
        z_variance: their variances.
        coupling: conjugate terms of the potential.
        other: order parameters of the chain on the other side of a matrix, if there is one.
    """

    q_hat: Float[Array, " L"]
    overlap: Float[Array, " L"]
    variance: Float[Array, " L"]
    information: Float[Array, " L"]
    z_overlap: Float[Array, " L"]
    z_variance: Float[Array, " L"]
    coupling: Float[Array, " L"]
    other: "ChainOrder | None" = None

    def top(self) -> Across:
        """What is known of the last units."""
        return Across(self.z_overlap[-1], self.z_variance[-1])

    def across(self) -> Across | None:
        """What is known of the units on the other side."""
        return None if self.other is None else self.other.top()

    def both(self, name: str) -> Float[Array, " n"]:
        """An entry of every layer, this side's first."""
        own = getattr(self, name)
        return own if self.other is None else jnp.concatenate([own, getattr(self.other, name)])


def widths(layers: Layers) -> list[Any]:
    """n_l / n_0 of h_0, ..., h_L: products of the ratios."""
    found: list[Any] = [1.0]
    for layer in layers:
        found.append(found[-1] * layer.ratio)
    return found


def hidden_order(nodes: int) -> int:
    """Nodes a panel of the two nested quadratures of a hidden layer: 6 reach 1e-8, 9 1e-11."""
    return (nodes + 1) // 2


def climb(
    prior: Law, layers: Layers, log_q_hat: Float[Array, ""], nodes: int = ORDER
) -> Float[Array, " L"]:
    """ln q_hat of every layer, from that of the input; the scale of the last one plays no part.

    Those of the other side of a matrix follow. NaN above the first layer that cannot send down
    what the coordinate asks for.
    """
    point, top = _climb(prior, layers, log_q_hat, nodes)
    partner = layers[-1].partner()
    if partner is None:
        return point
    target = point[-1] + jnp.log(top) - jnp.log(partner.size)
    return jnp.concatenate([point, _climb_to(partner, target, nodes)])


def _climb_to(partner: Partner, target: Array, nodes: int) -> Float[Array, " L"]:
    """ln q_hat of every layer of the other side, with ln (q_hat q) of its spike at the target."""
    prior, layers, _ = partner

    def halved(_: int, ends: tuple[Array, Array]) -> tuple[Array, Array]:
        middle = 0.5 * (ends[0] + ends[1])
        point, top = _climb(prior, layers, middle, nodes)
        below = point[-1] + jnp.log(top) < target  # False where it cannot be climbed
        return jnp.where(below, middle, ends[0]), jnp.where(below, ends[1], middle)

    ends = (jnp.asarray(_FAINTEST), jnp.asarray(_CLEAREST))
    start = jax.lax.fori_loop(0, _HALVINGS, halved, ends)[0]

    def gaps(point: Array) -> Array:
        inner, order, _ = _ascend(prior, layers, point, nodes)
        return jnp.stack([*inner, point[-1] + jnp.log(order.overlap[-1]) - target])

    def newton(_: int, point: Array) -> Array:
        return point - jnp.linalg.solve(jax.jacfwd(gaps)(point), gaps(point))

    return jax.lax.fori_loop(0, _NEWTON_STEPS, newton, _climb(prior, layers, start, nodes)[0])


def _climb(
    prior: Law, layers: Layers, log_q_hat: Float[Array, ""], nodes: int
) -> tuple[Float[Array, " L"], Float[Array, ""]]:
    """ln q_hat of the layers of one side, and the overlap of the last units."""
    q_hat = jnp.exp(log_q_hat)
    moments = prior_moments(prior, q_hat, nodes)
    found = [q_hat]
    for layer in layers[:-1]:
        mixed = layer.mixing(q_hat, moments.overlap, visible(moments.overlap, moments.variance))
        channel, order = hidden_law(layer), hidden_order(nodes)
        q_hat = lift(channel, mixed.overlap, mixed.variance, mixed.snr, order)
        moments = hidden_averages(channel, mixed.overlap, mixed.variance, q_hat, order)
        found.append(q_hat)
    return jnp.log(jnp.stack(found)), moments.overlap


def lift(
    channel: AbstractHiddenChannel,
    q: Float[Array, ""],
    V: Float[Array, ""],
    snr: Float[Array, ""],
    order: int,
) -> Float[Array, ""]:
    """The q_hat from above at which a hidden layer sends `snr` down: S(q, V, q_hat) = snr.

    Secant steps on 1 / S as a function of 1 / q_hat, which is a straight line for linear layers,
    inside a bracket that shrinks, and one Newton step that carries the derivatives. NaN where the
    layer, even with its outputs known, sends less.
    """
    frozen = jax.lax.stop_gradient

    def log_snr(log_q_hat: Array, q: Array, V: Array) -> Array:
        return jnp.log(hidden_averages(channel, q, V, jnp.exp(log_q_hat), order).snr)

    fixed = [frozen(x) for x in (q, V, snr)]
    start = _invert(lambda y: log_snr(y, *fixed[:2]), jnp.log(fixed[2]), fixed[0] + fixed[1])
    at = frozen(start)
    value, slope = jax.jvp(lambda y: log_snr(y, *fixed[:2]), (at,), (jnp.ones_like(at),))
    reached = jnp.abs(value - jnp.log(fixed[2])) < _OFF
    step = (log_snr(at, q, V) - jnp.log(snr)) / frozen(slope)
    return jnp.exp(jnp.where(reached, at - step, jnp.nan))


def _invert(log_snr: Any, target: Array, rho: Array) -> Array:
    """ln q_hat at which `log_snr` is at the target, about; clipped where there is none."""
    goal = jnp.exp(-target)
    small = jnp.log(_SMALL / rho)
    # S is below its slope at zero times q_hat, so that 1 / q_hat is below this
    highest = jnp.exp(log_snr(small) - small) * goal

    def evaluate(u: Array) -> Array:
        return jnp.exp(-log_snr(-jnp.log(u)))

    def advance(_: int, state: tuple[Array, ...]) -> tuple[Array, ...]:
        u, value, low, high, old_u, old_value = state
        over = value > goal
        high, low = jnp.where(over, u, high), jnp.where(over, low, u)
        slope = (value - old_value) / jnp.where(u == old_u, 1.0, u - old_u)
        proposal = u - (value - goal) / jnp.where(slope > 0, slope, jnp.inf)
        inside = (proposal > low) & (proposal < high) & (slope > 0)
        split = jnp.where(low > 0, jnp.sqrt(low * jnp.minimum(high, 1e300)), 0.1 * high)
        done = jnp.abs(value - goal) <= 1e-9 * goal
        following = jnp.where(done, u, jnp.where(inside, proposal, split))
        return following, evaluate(following), low, high, u, value

    first = evaluate(highest)
    second = highest * goal / first
    state = (second, evaluate(second), 0.0 * highest, 2 * highest, highest, first)
    return -jnp.log(jax.lax.fori_loop(0, _STEPS, advance, state)[0])


def hidden_law(layer: AbstractLayer) -> Any:
    """The law of a layer inside; ValueError if its channel cannot be hidden."""
    law = layer.law()
    if not isinstance(without_bias(law), AbstractHiddenChannel):
        raise ValueError(
            "Argument `layers` must have channels inside that can be hidden, "
            f"but had {without_bias(law)!r}."
        )
    return law


def closure(
    prior: Law,
    layers: Layers,
    log_q_hat: Float[Array, " n"],
    nodes: int = ORDER,
) -> tuple[Float[Array, " n"], ChainOrder]:
    """What the layers ask for over what they get, at any ln q_hat, and the order parameters there.

    With A_l the signal-to-noise ratio that z_l must see for h_{l-1} to see q_hat_{l-1}, for
    Gaussian weights q_hat_{l-1} / ratio_l, entries 1 to L - 1 are ln A_l - ln S_l(q_{l-1},
    q_hat_l), zero on the curve of fixed points; the last is the same with the observation's S_L.
    Before it come those of the other side of a matrix, and the equality of both sides' sizes.
    """
    end, partner, count = layers[-1], layers[-1].partner(), len(layers)
    gaps, order, mixed = _ascend(prior, layers, log_q_hat[:count], nodes)
    if partner is not None:
        inner, other, _ = _ascend(partner.prior, partner.layers, log_q_hat[count:], nodes)
        order = order._replace(other=other)
        sizes = [x.q_hat[-1] * x.z_overlap[-1] for x in (order, other)]
        gaps += [*inner, jnp.log(sizes[0]) - jnp.log(partner.size * sizes[1])]
    gaps.append(end.level(order.q_hat[-1], mixed, nodes, order.across()))
    return jnp.stack(gaps), order


def _ascend(
    prior: Law, layers: Layers, log_q_hat: Float[Array, " L"], nodes: int
) -> tuple[list[Array], ChainOrder, LayerMixing]:
    """By how much one side does not close below its last layer, the order, the last mixing."""
    q_hat = jnp.exp(log_q_hat)
    moments = prior_moments(prior, q_hat[0], nodes)
    found, gaps, mixings = [], [], []
    for k, layer in enumerate(layers):
        q, V = moments.overlap, moments.variance
        mixed = layer.mixing(q_hat[k], q, V)
        mixings.append(mixed)
        at = (mixed.overlap, mixed.variance)
        found.append((q_hat[k], q, V, moments.information, *at, mixed.coupling))
        if k < len(layers) - 1:
            moments = hidden_averages(hidden_law(layer), *at, q_hat[k + 1], hidden_order(nodes))
            gaps.append(jnp.log(mixed.snr) - jnp.log(moments.snr))
    return gaps, _stacked(found), mixings[-1]


class HiddenPrior(NamedTuple):
    """Moments of a hidden unit before anything is seen; with biases, means over them.

    Attributes:
        mean: E h.
        square: E h^2.
        known: (E h)^2, what the bias alone tells.
        gain: (E h z / rho)^2.
    """

    mean: Float[Array, ""]
    square: Float[Array, ""]
    known: Float[Array, ""]
    gain: Float[Array, ""]


def prior_of_hidden(
    channel: AbstractHiddenChannel | AbstractChannelLaw, rho: Float[Array, ""]
) -> HiddenPrior:
    """Moments of a hidden unit whose input is z ~ N(0, rho), beside any bias."""
    zero, inner = jnp.zeros_like(rho), without_bias(channel)

    def moments(omega: Array) -> Array:
        found = inner.hidden(zero, zero, omega, rho)
        return jnp.stack([found.mean, found.mean**2 + found.variance])

    def at(omega: Array) -> Array:
        value, slope = jax.jvp(moments, (omega,), (jnp.ones_like(rho),))
        return jnp.stack([value[0], value[1], value[0] ** 2, slope[0] ** 2])

    if not isinstance(channel, AbstractChannelLaw):
        return HiddenPrior(*at(zero))
    bias, weight = channel.biases(FINE_ORDER)
    return HiddenPrior(*(weight @ jax.vmap(at)(bias)))


def descend(
    prior: Law,
    layers: Layers,
    order: ChainOrder,
    nodes: int = ORDER,
    copies: Any = 1.0,
) -> ChainOrder:
    """One step of state evolution, as one iteration of message passing makes it.

    From the observation at z_L down to the input: what every layer sends below it, and the new
    overlaps; then the messages through the weights, which the next step starts from. The other
    side of a matrix goes first.
    """
    end, partner, other = layers[-1], layers[-1].partner(), order.other
    if partner is not None and other is not None:
        # the potential is the same from both sides
        seen = end.shown(*other.top(), nodes, copies, order.top()).snr / partner.size
        other = _descend(partner.prior, partner.layers, other, seen, nodes)
        order = order._replace(other=other)
    q, V = order.top()
    snr = end.shown(q, visible(q, V), nodes, copies, order.across()).snr
    return _descend(prior, layers, order, snr, nodes)._replace(other=other)


def _descend(
    prior: Law, layers: Layers, order: ChainOrder, snr: Float[Array, ""], nodes: int
) -> ChainOrder:
    """One step of the layers of one side, the last of which sends `snr`."""
    z = list(zip(order.z_overlap, visible(order.z_overlap, order.z_variance), strict=True))
    found = []
    for k in range(len(layers) - 1, -1, -1):
        layer, sent = layers[k], snr
        q_hat = layer.received(sent, order.q_hat[k], order.variance[k], z[k][1])
        if k > 0:
            below, count = hidden_law(layers[k - 1]), hidden_order(nodes)
            moments = hidden_averages(below, *z[k - 1], shown(q_hat), count)
            snr = moments.snr
        else:
            moments = prior_moments(prior, shown(q_hat), nodes)
        q, V = moments.overlap, visible(moments.overlap, moments.variance)
        spread = layer.passed(sent, q_hat, V, z[k][1])
        rho, coupling = layer.gain() * (q + V), layer.mixing(q_hat, q, V).coupling
        found.append((q_hat, q, V, moments.information, rho - spread, spread, coupling))
    return _stacked(found[::-1])


def _stacked(layers: list[tuple[Array, ...]]) -> ChainOrder:
    """The order parameters of one side, from those of every layer."""
    return ChainOrder._make([*(jnp.stack(x) for x in zip(*layers, strict=True)), None])


def visible(q: Array, V: Array) -> Array:
    """V, never so small that 1 / sqrt(V) is infinite."""
    return jnp.maximum(V, _KNOWN * (q + V))


def shown(q_hat: Array) -> Array:
    """A signal-to-noise ratio of zero is one too small to matter."""
    return jnp.maximum(q_hat, 1e-30)


def free_entropy(
    layers: Layers, order: ChainOrder, nodes: int = ORDER, copies: Any = 1.0
) -> Float[Array, ""]:
    """+E log Z per input component: sum_l (n_l / n_0) [C_l - I_l] + (n_L / n_0) Psi(z_L).

    C_l is the conjugate term of the weights above h_l, q_hat_l V_l / 2 where they are Gaussian,
    and Psi = E log Z of the observation, of which there may be several copies. A matrix adds the
    sum over the layers of its other side. Evaluated so that nothing large is subtracted as q ->
    rho.
    """
    partner = layers[-1].partner()
    potential = layers[-1].shown(*order.top(), nodes, copies, order.across()).potential
    if partner is not None and order.other is not None:
        beside = _inner_entropy(partner.layers, order.other) / widths(partner.layers)[-1]
        potential += partner.size * beside
    return _inner_entropy(layers, order) + widths(layers)[-1] * potential


def _inner_entropy(layers: Layers, order: ChainOrder) -> Float[Array, ""]:
    """sum_l (n_l / n_0) [C_l - I_l] of the layers of one side."""
    sizes = jnp.stack([jnp.asarray(x, dtype=float) for x in widths(layers)[:-1]])
    return jnp.sum(sizes * (order.coupling - order.information))


def start(layers: Layers, overlap: Float[Array, " n"], variance: Float[Array, " n"]) -> ChainOrder:
    """Order parameters at given overlaps, with nothing sent down yet.

    Those of the other side of a matrix follow this side's.
    """
    partner, count = layers[-1].partner(), len(layers)
    order = _start(layers, overlap[:count], variance[:count])
    if partner is None:
        return order
    return order._replace(other=_start(partner.layers, overlap[count:], variance[count:]))


def _start(
    layers: Layers, overlap: Float[Array, " L"], variance: Float[Array, " L"]
) -> ChainOrder:
    """The same of one side."""
    zero = jnp.zeros_like(overlap)
    gain = jnp.stack([jnp.asarray(x.gain(), dtype=float) for x in layers])
    return ChainOrder(zero, overlap, variance, zero, gain * overlap, gain * variance, zero)

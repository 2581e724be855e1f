"""The fixed points of one chain that state evolution reaches from its two ends.

Where a scan of all branches is not asked for (entropies of given networks), state evolution from
no information and from full information finds the reachable and the best-informed branch. Every
layer is one compiled program, shared by all layers of its kind and by chains of any depth.
"""

from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from solvable.bricks import chain
from solvable.bricks.chain import hidden_law
from solvable.bricks.channels.base import AbstractChannel, AbstractChannelLaw, channel_moments
from solvable.bricks.channels.hidden import AbstractHiddenChannel, hidden_averages
from solvable.bricks.channels.linear import Linear
from solvable.bricks.layer import Layer
from solvable.bricks.priors.base import Law, prior_moments
from solvable.core.continuation import with_jacobian
from solvable.core.quadrature import FINE_ORDER, ORDER
from solvable.core.status import Status

_COARSE = 5  # nodes of iteration and Jacobians; the last steps take ORDER and FINE_ORDER
_SETTLED = 0.1  # change of every ln q_hat in one step, after which Newton's method takes over
_MAX_STEPS = 2000
_NEWTON_STEPS = 30
_TOLERANCE = 1e-6
_APART = 1e-3
_NO_CHANNEL = Linear()


class EndPoint(NamedTuple):
    """A fixed point of a chain and its potential.

    Attributes:
        free_entropy: E log Z per input component.
        error: bound on its error.
        log_q_hat: of every layer, shape (L,).
        status: converged or max_steps.
        steps: of state evolution.
    """

    free_entropy: float
    error: float
    log_q_hat: np.ndarray
    status: Status
    steps: int


def ends(
    prior: Law, layers: tuple[Layer, ...], dark: np.ndarray, rho: np.ndarray
) -> list[EndPoint]:
    """The fixed points below and above, one entry if they are the same.

    Args:
        prior: of the input, numeric.
        layers: numeric, the last one's channel observed.
        dark: overlaps that nothing seen from above leaves, shape (L,).
        rho: second moments of h_0, ..., h_{L-1}.
    """
    low = _from(prior, layers, dark, rho - dark)
    high = _from(prior, layers, rho * (1 - _APART), _APART * rho)
    same = np.max(np.abs(low.log_q_hat - high.log_q_hat)) < 1e-4
    return [low] if same else [low, high]


def _from(prior: Law, layers: tuple[Layer, ...], q: np.ndarray, V: np.ndarray) -> EndPoint:
    gain = np.array([float(layer.gain()) for layer in layers])
    state = [np.array([0.0, *at]) for at in zip(q, V, gain * q, gain * V, strict=True)]
    x, steps = np.full(len(layers), np.inf), 0
    while steps < _MAX_STEPS:
        steps += 1
        state = _swept(prior, layers, state)
        x, last = np.log(np.array([s[0] for s in state])), x
        if np.max(np.abs(x - last)) < _SETTLED:
            break
    return _polished(prior, layers, x, steps)


def _swept(prior: Law, layers: tuple[Layer, ...], state: list[np.ndarray]) -> list[np.ndarray]:
    """One step of state evolution; entries (q_hat, q, V, q_z, V_z) of every layer."""
    new = []
    snr = _observed(layers[-1].law(), jnp.asarray(state[-1][3:]), _COARSE)[0]
    for k in range(len(layers) - 1, -1, -1):
        weights, sent = _weights_of(layers[k]), snr
        q_hat = _received(weights, sent, jnp.asarray(state[k]))
        if k > 0:
            at = jnp.append(jnp.asarray(state[k - 1][3:]), chain.shown(q_hat))
            snr, q, V, _ = _averaged(hidden_law(layers[k - 1]), at, _COARSE)
        else:
            q, V, _ = _seen(prior, chain.shown(q_hat), _COARSE)
        new.append(np.asarray(_passed(weights, sent, q_hat, q, V, jnp.asarray(state[k]))))
    return new[::-1]


def _weights_of(layer: Layer) -> Layer:
    """The layer with another channel: programs of weights are shared by all channels."""
    return Layer(channel=_NO_CHANNEL, ratio=layer.ratio, weights=layer.weights)


@eqx.filter_jit
def _received(weights: Layer, snr: Array, state: Array) -> Array:
    return weights.received(snr, state[0], state[2], state[4])


@eqx.filter_jit
def _passed(weights: Layer, snr: Array, q_hat: Array, q: Array, V: Array, state: Array) -> Array:
    V = chain.visible(q, V)
    spread = weights.passed(snr, q_hat, V, state[4])
    return jnp.stack([q_hat, q, V, weights.gain() * (q + V) - spread, spread])


@eqx.filter_jit
def _averaged(
    channel: AbstractHiddenChannel | AbstractChannelLaw, at: Array, nodes: int
) -> list[Array]:
    """snr, q, V and information of a hidden layer at (q_z, V_z, q_hat)."""
    return list(hidden_averages(channel, at[0], at[1], at[2], chain.hidden_order(nodes)))


@eqx.filter_jit
def _seen(prior: Law, q_hat: Array, nodes: int) -> list[Array]:
    return list(prior_moments(prior, q_hat, nodes))


@eqx.filter_jit
def _observed(channel: AbstractChannel | AbstractChannelLaw, at: Array, nodes: int) -> list[Array]:
    """snr and potential of the observation at (q_z, V_z)."""
    return list(channel_moments(channel, at[0], at[1], nodes))


def _polished(prior: Law, layers: tuple[Layer, ...], x: np.ndarray, steps: int) -> EndPoint:
    status = Status.max_steps
    for _ in range(_NEWTON_STEPS):
        gaps, jacobian, _ = _linearized(prior, layers, x, _COARSE)
        change = np.clip(np.linalg.solve(jacobian, gaps), -1.0, 1.0)
        x = x - change
        if np.max(np.abs(change)) < _TOLERANCE:
            status = Status.converged
            break
    gaps, _, entropy = _linearized(prior, layers, x, ORDER, slopes=False)
    x = x - np.linalg.solve(jacobian, gaps)
    # f is stationary at the fixed point: the error of x counts only in second order
    fine = _linearized(prior, layers, x, FINE_ORDER, slopes=False)[2]
    return EndPoint(fine, abs(fine - entropy) + 1e-15, x, status, steps)


def _linearized(
    prior: Law, layers: tuple[Layer, ...], x: np.ndarray, nodes: int, slopes: bool = True
) -> tuple[np.ndarray, np.ndarray, float]:
    """Gaps of all layers at ln q_hat, their Jacobian (zero without slopes), the free entropy.

    A layer's gap depends on its own q_hat, the q and V below, and the q_hat above; derivatives of
    q and V with respect to all q_hat below are carried upwards.
    """
    count = len(layers)
    values, rise = (np.asarray(a) for a in _source(prior, jnp.asarray(x[0]), nodes, slopes))
    moments, carried = values[:2], np.zeros((2, count))
    carried[:, 0] = rise[:2]
    gaps, jacobian = np.zeros(count), np.zeros((count, count))
    entropy, size = -values[2], 1.0
    for k, layer in enumerate(layers):
        inputs = jnp.asarray([x[k], *moments])
        mixed, local = (np.asarray(a) for a in _mixed(_weights_of(layer), inputs))
        through = local[:, 1:] @ carried
        through[:, k] += local[:, 0]  # (ln A, q_z, V_z, coupling) by every ln q_hat
        entropy += size * mixed[3]
        size *= float(layer.ratio)
        if k < count - 1:
            at = jnp.asarray([*mixed[1:3], x[k + 1]])
            found, slope = (np.asarray(a) for a in _hidden(hidden_law(layer), at, nodes, slopes))
            above = slope[:, :2] @ through[1:3]
            above[:, k + 1] += slope[:, 2]  # (ln S, q, V, information)
            entropy -= size * found[3]
            moments, carried = found[1:3], above[1:3]
        else:
            at = jnp.asarray(mixed[1:3])
            found, slope = (
                np.asarray(a) for a in _output(layer.law(), at, _output_nodes(nodes), slopes)
            )
            above = slope @ through[1:3]
            entropy += size * found[1]
        gaps[k], jacobian[k] = mixed[0] - found[0], through[0] - above[0]
    return gaps, jacobian, float(entropy)


def _output_nodes(nodes: int) -> int:
    """The observation's panels are finer than those of hidden layers: it needs fewer nodes."""
    return max(_COARSE, (5 * nodes) // 7)


def _sloped(function: Any, inputs: Array, slopes: bool) -> tuple[Array, Array]:
    if not slopes:
        value = function(inputs)
        return value, jnp.zeros((*value.shape, *inputs.shape))

    return with_jacobian(function, inputs)


@eqx.filter_jit
def _source(prior: Law, x: Array, nodes: int, slopes: bool) -> tuple[Array, Array]:
    return _sloped(lambda x: jnp.stack(list(prior_moments(prior, jnp.exp(x), nodes))), x, slopes)


@eqx.filter_jit
def _mixed(weights: Layer, inputs: Array) -> tuple[Array, Array]:
    """ln A, q_z, V_z and the coupling at (ln q_hat, q, V)."""

    def mixing(inputs: Array) -> Array:
        found = weights.mixing(jnp.exp(inputs[0]), inputs[1], inputs[2])
        return jnp.stack([jnp.log(found.snr), *found[1:]])

    return with_jacobian(mixing, inputs)


@eqx.filter_jit
def _hidden(
    channel: AbstractHiddenChannel | AbstractChannelLaw, inputs: Array, nodes: int, slopes: bool
) -> tuple[Array, Array]:
    """ln S, q, V and the information of a hidden layer at (q_z, V_z, ln q_hat)."""

    def averages(inputs: Array) -> Array:
        order = chain.hidden_order(nodes)
        found = hidden_averages(channel, inputs[0], inputs[1], jnp.exp(inputs[2]), order)
        return jnp.stack([jnp.log(found.snr), *found[1:]])

    return _sloped(averages, inputs, slopes)


@eqx.filter_jit
def _output(
    channel: AbstractChannel | AbstractChannelLaw, inputs: Array, nodes: int, slopes: bool
) -> tuple[Array, Array]:
    """ln S and the potential of the observation at (q_z, V_z)."""

    def averages(inputs: Array) -> Array:
        found = channel_moments(channel, inputs[0], inputs[1], nodes)
        return jnp.stack([jnp.log(found.snr), found.potential])

    return _sloped(averages, inputs, slopes)

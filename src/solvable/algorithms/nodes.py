"""The vector work of message passing between two products, one function for each kind of node.

A chain has an input node (its prior), hidden nodes and an output node (its observation). A node
takes what the layers below and above it send, and sends on: upward the posterior means and
variances of its units, downward g and the averages that become a precision. Every array has rows,
one for each right-hand side or stacked problem; entries run along them, and numbers that belong to
a row have length 1. A single row may be padded with copies of its last entry; `count` is then the
number of entries that are none, and None where all are.

Nodes are pure functions of JAX arrays: `programs.call` compiles them for vectors on the host, and
under a transformation they are traced as they are.
"""

from typing import Any, Final, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

from solvable.bricks.channels.base import AbstractChannel, output_moments
from solvable.bricks.channels.hidden import AbstractHiddenChannel
from solvable.bricks.priors.base import AbstractPrior, posterior

# JAX arrays inside; a compiled program takes numpy arrays as well
Rows = Float[Array, "rows n"]
Column = Float[Array, "rows 1"]
Packed = Float[Array, "rows k"]
Number = Float[Array, ""] | Float[Array, "rows 1"]


class Numbers(NamedTuple):
    """What goes down besides g: a message, and a report to which every node adds.

    Attributes:
        precision: c mean(-dg), which becomes A of the node below.
        fallback: c mean(g^2), which is taken where the precision is negative.
        width: n sqrt(V / (r rho)), about how many outputs lie within sqrt(V) of a jump at zero.
        residual: of `Info`, over the nodes above and this one; so are the following.
        size: of `Info`.
        output_variance: V of the output node.
        negative: precisions replaced.
        kept: precisions kept.
    """

    precision: Column
    fallback: Column
    width: Column
    residual: Column
    size: Column
    output_variance: Column
    negative: Column
    kept: Column

    def packed(self) -> Packed:
        """Side by side: a program's every result has its price."""
        return jnp.concatenate(self, axis=-1)


class Below(NamedTuple):
    """What a node takes from the layer below it, l.

    Attributes:
        z: W_l mean_{l-1}.
        variance: mean(variance_{l-1}), or (W * W) variance_{l-1} for vector variances.
        g: output estimates of the step before.
        bias: b_l or None.
        offset: estimated common shift of z, or None if the design is not centered.
        row: mean squared row norm r_l.
        column: mean squared column norm c_l.
        second_moment: rho_{l-1}.
        count: of z_l.
    """

    z: Rows
    variance: Rows
    g: Rows
    bias: Rows | None
    offset: Column | None
    row: Number
    column: Number
    second_moment: Number
    count: Any


class Above(NamedTuple):
    """What a node takes from the layer above it, l + 1.

    Attributes:
        field: W_{l+1}^T g_{l+1}.
        mean: of the node's units at the step before.
        variance: likewise.
        precision: A of the step before.
        second_moment: rho_l.
        count: of h_l.
        numbers: packed `Numbers`.
        sums: for vector variances (W * W)^T (-dg) and (W * W)^T g^2, else None.
    """

    field: Rows
    mean: Rows
    variance: Rows
    precision: Rows
    second_moment: Number
    count: Any
    numbers: Packed
    sums: tuple[Rows, Rows] | None


class Units(NamedTuple):
    """What a node sends up: of its units, the state after the step.

    Attributes:
        mean: posterior means.
        variance: posterior variances.
        average: mean of the variances.
        precision: A.
    """

    mean: Rows
    variance: Rows
    average: Column
    precision: Rows


class Sent(NamedTuple):
    """What a node sends down.

    Attributes:
        g: output estimates, for the product.
        g_state: the same after damping, for the next step; None without damping.
        curvature: -dg, None for scalar variances.
        offset: the new common shift, or None.
        numbers: packed `Numbers`.
    """

    g: Rows
    g_state: Rows | None
    curvature: Rows | None
    offset: Column | None
    numbers: Packed


def output_node(
    vector: bool, channel: AbstractChannel, observation: Rows, below: Below, damping: Any
) -> Sent:
    """g = d log Z(y; omega, V) / d omega of the observation, and what follows from it."""
    V, omega = _incoming(vector, below)
    g, curvature = output_moments(channel, observation, omega, V)
    zero = jnp.zeros((below.z.shape[0], 1))
    report = Numbers(*[zero] * 8)._replace(output_variance=_average(V, below.count) + zero)
    return _sent(vector, below, V, g, curvature, report, damping)


def hidden_node(
    vector: bool, channel: AbstractHiddenChannel, below: Below, above: Above, damping: Any
) -> tuple[Units, Sent]:
    """Moments of hidden units between a message from below and one from above."""
    V, omega = _incoming(vector, below)
    A, B, report = _joined(above)
    _, mean, variance, g, curvature = channel.hidden(B, A, omega, V)
    units, report = _units(above, A, mean, variance, report, damping)
    return units, _sent(vector, below, V, g, curvature, report, damping)


def input_node(prior: AbstractPrior, above: Above, damping: Any) -> tuple[Units, Packed]:
    """Posterior of the input, and the report: residual, size, V, negative, kept, variance."""
    A, B, report = _joined(above)
    mean, variance = posterior(prior, B, A)
    units, report = _units(above, A, mean, variance, report, damping)
    return units, jnp.concatenate([*report[3:], units.average], axis=-1)


def unseen(channel: AbstractHiddenChannel, bias: Rows, V: Rows) -> tuple[Rows, Rows]:
    """Mean and variance of hidden units that nothing is known of, z ~ N(bias, V)."""
    zero = jnp.zeros_like(bias)
    found = channel.hidden(zero, zero, bias, V)
    return found.mean, found.variance


def _incoming(vector: bool, below: Below) -> tuple[Array, Array]:
    """V, never below the rounding of z, where 1 / V has no meaning, and omega."""
    V = below.variance if vector else below.row * below.variance
    V = jnp.maximum(V, _ROUNDING * below.row * below.second_moment)
    memory = below.g
    if below.offset is not None:
        # nothing of a common shift of z returns through centered columns
        memory = memory - _average(memory, below.count)
    omega = below.z - V * memory
    if below.offset is not None:
        omega = omega + below.offset
    return V, omega if below.bias is None else omega + below.bias


def _joined(above: Above) -> tuple[Array, Array, Numbers]:
    """A, protected; B; and how many precisions were negative or kept from the step before."""
    sent = Numbers(*jnp.split(above.numbers, 8, axis=-1))
    precision, fallback = sent[:2] if above.sums is None else above.sums
    negative = precision < 0
    A = jnp.where(negative, fallback, precision)
    kept = (sent.width < _FEW_OUTPUTS) & (0.5 * above.precision > A)
    A = jnp.where(kept, above.precision, A)
    report = sent._replace(
        negative=sent.negative + _total(negative.astype(float), above.count),
        kept=sent.kept + _total(kept.astype(float), above.count),
    )
    return A, above.field + A * above.mean, report


def _units(
    above: Above, A: Array, mean: Array, variance: Array, report: Numbers, damping: Any
) -> tuple[Units, Numbers]:
    """The units after damping, and how far they moved before it."""
    rho = above.second_moment
    moved = jnp.sqrt(_average(jnp.square(mean - above.mean), above.count) / rho)
    spread = _average(jnp.abs(variance - above.variance), above.count) / rho
    mean, variance = (
        damped(mean, above.mean, damping),
        damped(variance, above.variance, damping),
    )
    size = _average(jnp.square(mean), above.count) / rho
    return Units(mean, variance, _average(variance, above.count), A), report._replace(
        residual=jnp.maximum(report.residual, jnp.maximum(moved, spread)),
        size=jnp.maximum(report.size, size),
    )


def _sent(
    vector: bool,
    below: Below,
    V: Array,
    g: Array,
    curvature: Array,
    report: Numbers,
    damping: Any,
) -> Sent:
    """g, what becomes of it on the way down, and how far it moved before damping."""
    count = below.count
    scale = jnp.sqrt(below.row * below.second_moment)
    moved = jnp.sqrt(_average(jnp.square(V * (g - below.g)), count)) / scale
    slope, offset = _average(curvature, count), below.offset
    if offset is not None:
        target = offset + _average(g, count) / jnp.where(slope > 0, slope, jnp.inf)
        moved = jnp.maximum(moved, jnp.abs(target - offset) / scale)
        offset = damped(target, offset, damping)
    entries = g.shape[-1] if count is None else count
    numbers = report._replace(
        precision=below.column * slope,
        fallback=below.column * _average(jnp.square(g), count),
        width=entries * jnp.sqrt(_average(V, count)) / scale + jnp.zeros_like(report.size),
        residual=jnp.maximum(report.residual, moved),
    )
    state = None if damping is None else damped(g, below.g, damping)
    return Sent(g, state, curvature if vector else None, offset, numbers.packed())


def damped(image: Any, old: Any, damping: Any) -> Any:
    """(1 - damping) F(x) + damping x, or F(x) itself without damping."""
    return image if damping is None else (1 - damping) * image + damping * old


def _average(x: Array, count: Any) -> Array:
    """Mean over the entries of every row, without the padding."""
    if x.shape[-1] == 1:
        return x
    return _total(x, count) / (x.shape[-1] if count is None else count)


def _total(x: Array, count: Any) -> Array:
    """Sum over the entries of every row, without the padding."""
    if count is not None and x.shape[-1] > 1:
        # a product, because XLA fuses less with `where`; copies of an entry are never NaN alone
        x = x * (jnp.arange(x.shape[-1]) < count).astype(float)
    return jnp.sum(x, axis=-1, keepdims=True)


_ROUNDING: Final = 1e-24
_FEW_OUTPUTS: Final = 10.0

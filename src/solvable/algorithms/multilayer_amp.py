"""Multi-layer approximate message passing: a prior, layers of known weights, an observation.

    h_0 ~ prior,   z_l = W_l h_{l-1} + b_l,   h_l ~ P_l(. | z_l) for l < L,   y ~ P_L(. | z_L).

One iteration (Manoel et al. 2017), with r_l the mean squared row norm and c_l the mean squared
column norm of W_l (1 and n_l / n_{l-1} for entries N(0, 1 / n_{l-1})), goes up through all layers,

    V_l = r_l mean(variance_{l-1}),     omega_l = W_l mean_{l-1} + b_l - V_l g_l,

g_l being that of the step before, and then down from the observation, l = L, ..., 1:

    g_l = d log Z_l / d omega_l,        A_{l-1} = c_l mean(-dg_l / d omega_l),
    B_{l-1} = W_l^T g_l + A_{l-1} mean_{l-1},

where Z_L = Z(y; omega_L, V_L) is the channel's partition and Z_l = Z(B_l, A_l; omega_l, V_l) that
of a hidden one, whose derivatives in B_l are the new mean_l and variance_l; the prior's posterior
at B_0, A_0 gives those of h_0. With one layer this is generalized AMP (Rangan 2011).

Scalar variances read every design twice an iteration and need no table of squares. The fixed point
is the Bayes-optimal estimate where the designs have independent centered entries; on others, watch
the status. `multilayer_run.run` iterates to convergence.

Two bounds are protected, and every use of them is counted in `Info`:

* A negative precision (A < 0: even channels far from the signal, a mismatched model) is replaced
  by c mean(g^2), which equals it under the Nishimori identity and is positive.
* At exact recovery V -> 0, and soon no output lies within sqrt(V) of a jump of the channel; A
  would fall back to 0 and the solution would be lost. Where n sqrt(V / (r rho)) < 10 a precision
  that falls by more than half in one step is kept instead.

All vector work between two products is one function, and on the host one compiled program: see
`nodes`. Arrays of a state have the rows of `problem.Layout`; its properties show plain vectors.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from solvable.algorithms import nodes, programs
from solvable.algorithms.convergence import Info, Snapshot
from solvable.algorithms.designs import AbstractDesign, Centered, Vector, column_means
from solvable.algorithms.problem import AbstractNetwork, Layout, Problem, chosen_rows
from solvable.core.arguments import choice, fail
from solvable.core.specification import numeric


class Start(eqx.Module):
    """Where message passing begins in one layer.

    Attributes:
        mean: estimate of h_{l-1}, shape (p,), (p, k) for k right-hand sides, (b, p) for a stack.
        variance: its posterior variance, a number or of the shape of `mean`.
        g: output estimate of the step before, which the memory term subtracts: 0 for a start that
            does not depend on the design, of the shape of z_l for a spectral one.
    """

    mean: Vector
    variance: Vector
    g: Vector


def listed_starts(
    problem: AbstractNetwork, start: Start | Sequence[Start | None] | None
) -> list[Start | None]:
    """One start or None for each layer; ValueError if there are more."""
    starts = [start] if start is None or isinstance(start, Start) else list(start)
    count = len(problem.designs)
    if len(starts) > count:
        raise fail("start", f"have at most {count} entries, one for each layer", starts)
    return starts + [None] * (count - len(starts))


class LayerState(NamedTuple):
    """What an iteration keeps of one layer, l = 1, ..., L; vectors in rows.

    Attributes:
        mean: posterior means of h_{l-1}.
        variance: posterior variances of h_{l-1}.
        average: mean of the variances.
        g: output estimates of z_l at the last step.
        precision: A_{l-1} of the last step, 0 before the first.
        offset: estimated common shift of z_l, None unless the design is centered.
        column_means: what centering subtracts from the design's columns, or None.
        row: mean squared row norm r_l of the design.
        column: mean squared column norm c_l.
        second_moment: rho_{l-1} = E h_{l-1}^2 without data.
    """

    mean: nodes.Rows
    variance: nodes.Rows
    average: nodes.Column
    g: nodes.Rows
    precision: nodes.Rows
    offset: nodes.Column | None
    column_means: Vector | None
    row: nodes.Number
    column: nodes.Number
    second_moment: nodes.Number


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class State:
    """The vectors of an iteration; it never carries a design.

    Attributes:
        layers: one entry for each layer, the input's first.
        layout: how vectors are kept.
        sizes: n_0, ..., n_L.
        vector: whether variances are kept for each sample and component.
        steps: iterations done.
    """

    layers: tuple[LayerState, ...]
    layout: Layout = field(metadata={"static": True})
    sizes: tuple[int, ...] = field(metadata={"static": True})
    vector: bool = field(metadata={"static": True})
    steps: Any = 0

    @property
    def means(self) -> tuple[Vector, ...]:
        """Posterior means of h_0, ..., h_{L-1}."""
        return tuple(
            self.layout.vector(layer.mean, size)
            for layer, size in zip(self.layers, self.sizes, strict=False)
        )

    @property
    def variances(self) -> tuple[Vector, ...]:
        """Posterior variances of h_0, ..., h_{L-1}."""
        return tuple(
            self.layout.vector(layer.variance, size)
            for layer, size in zip(self.layers, self.sizes, strict=False)
        )

    @property
    def mean(self) -> Vector:
        """Posterior means of the input h_0."""
        return self.means[0]

    @property
    def variance(self) -> Vector:
        """Posterior variances of the input h_0."""
        return self.variances[0]

    @property
    def g(self) -> Vector:
        """Output estimates of the first layer, the only one of a generalized linear model."""
        return self.layout.vector(self.layers[0].g, self.sizes[1])

    def snapshot(self) -> Snapshot:
        """Means and variances of every layer."""
        return [(layer.mean, layer.variance) for layer in self.layers]

    def expected_error(self) -> np.ndarray:
        """Mean posterior variance of the input, one for each row."""
        return np.ravel(self.layers[0].average)

    def restarted(self, rows: np.ndarray, snapshot: Snapshot) -> "State":
        """The state with all but these rows at the snapshot, remembering nothing else."""
        layers = []
        for layer, (mean, variance) in zip(self.layers, snapshot, strict=True):
            size = self.sizes[len(layers)]
            average = np.mean(variance[:, :size], axis=1, keepdims=True)
            quiet = layer._replace(mean=mean, variance=variance, average=average)
            memory = {
                name: np.zeros(np.shape(value))
                for name in ("g", "precision", "offset")
                if (value := getattr(layer, name)) is not None
            }
            layers.append(chosen_rows(rows, layer, quiet._replace(**memory)))
        return replace(self, layers=tuple(layers))


def init(
    problem: AbstractNetwork,
    start: Start | Sequence[Start | None] | None = None,
    *,
    variances: str = "scalar",
    center: bool = False,
) -> State:
    """The state before the first iteration.

    Args:
        problem: the chain and its data.
        start: where the input begins, or one for each layer. By default (and for None) mean and
            variance of the prior, and of hidden units that no message reaches, z ~ N(b, r rho): a
            fixed point without information where every channel is even.
        variances: "scalar" (independent entries of one variance) or "vector".
        center: subtract the column means of the designs and estimate the shifts that they make.

    Returns:
        A state.

    Raises:
        ValueError: if there are more starts than layers, or a centered or matrix-free design meets
            "vector".
    """
    vector = choice("variances", variances, ("scalar", "vector")) == "vector"
    starts, count = listed_starts(problem, start), len(problem.designs)
    xp = problem.layout.xp
    rho = xp.asarray(problem.prior.second_moment(), dtype=float)
    mean = xp.asarray(problem.prior.first_moment(), dtype=float)
    variance = rho - mean**2
    layers = []
    for k, given in enumerate(starts):
        begin = given or Start(mean, variance, xp.zeros(()))
        layers.append(_first(problem, k, begin, rho, vector, center))
        if k + 1 < count:
            mean, variance, rho = unseen_units(problem, k, layers[k].row * rho)
    return State(tuple(layers), problem.layout, problem.sizes, vector)


def _first(
    problem: AbstractNetwork, k: int, start: Start, rho: Vector, vector: bool, center: bool
) -> LayerState:
    """The first state of layer k + 1."""
    design, layout = problem.designs[k], problem.layout
    means = column_means(design) if center else None
    if means is not None:
        design = Centered(design, means)
    squares = jnp.asarray(design.square_sum())  # numbers that programs take without a copy
    variance = layout.spread(start.variance, design.p)
    zero = layout.xp.zeros((layout.batch, 1))
    return LayerState(
        mean=layout.spread(start.mean, design.p),
        variance=variance,
        average=layout.xp.mean(variance[:, : design.p], axis=1, keepdims=True),
        g=layout.spread(start.g, design.n),
        precision=layout.padded(layout.xp.zeros((layout.batch, design.p))) if vector else zero,
        offset=zero if center else None,
        column_means=means,
        row=squares / design.n,
        column=squares / design.p,
        second_moment=jnp.asarray(rho),
    )


def unseen_units(problem: AbstractNetwork, k: int, V: Vector) -> tuple[Vector, Vector, Vector]:
    """Mean, variance and second moment of the units of layer k + 1 before any message."""
    layout, xp, bias = problem.layout, problem.layout.xp, problem.biases[k]
    bias = xp.zeros((1, 1)) if bias is None else bias[None, :]
    found = run_node(problem, nodes.unseen, problem.channels[k], bias, xp.reshape(V, (-1, 1)))
    mean, variance = (xp.asarray(x) for x in found)
    second = xp.mean(mean**2 + variance, axis=1, keepdims=True)
    if layout.shape == "stack":
        return mean, variance, second
    if layout.shape == "columns":
        return mean.T, variance.T, second[0, 0]
    return mean[0], variance[0], second[0, 0]


def step(problem: Problem, state: State, *, damping: Any = 0.0) -> tuple[State, Info]:
    """One iteration x -> (1 - damping) F(x) + damping x of all means, variances and g.

    Args:
        problem: the chain and its data; a dense design is read twice and not copied.
        state: from `init` or the step before.
        damping: in [0, 1), or one for each right-hand side or stacked problem, shape (b, 1).

    Returns:
        The next state, and what happened on the way. Nothing is checked: a diverging iteration
        returns what it computed; `multilayer_run.run` watches it.
    """
    damping = shown_damping(damping)
    sweep = upward(problem, state)
    observed = _OUTPUT[state.vector]
    sent = run_node(
        problem, observed, problem.channels[-1], problem.observed, sweep.below[-1], damping
    )
    new, report = downward(problem, state, sweep, sent, damping)
    return new, read_report(problem.layout, report)


def shown_damping(damping: Any) -> Any:
    """None without damping: no copies of long vectors in the usual case."""
    return None if isinstance(damping, int | float) and damping == 0 else damping


class Sweep(NamedTuple):
    """The way up.

    Attributes:
        designs: of every layer, centered where the state says so.
        below: what every node takes from the layer below it.
    """

    designs: list[AbstractDesign]
    below: list[nodes.Below]


def upward(problem: AbstractNetwork, state: State) -> Sweep:
    """The products with the means of every layer."""
    designs = [
        design if layer.column_means is None else Centered(design, layer.column_means)
        for design, layer in zip(problem.designs, state.layers, strict=True)
    ]
    return Sweep(designs, [_below(problem, x, state, k) for k, x in enumerate(designs)])


def hidden_units(
    problem: AbstractNetwork, state: State, sweep: Sweep, k: int, above: nodes.Above, damping: Any
) -> tuple[nodes.Units, nodes.Sent]:
    """The hidden node h_k between its messages: its units, and what it sends down."""
    node, channel = _HIDDEN[state.vector], problem.channels[k - 1]
    return run_node(problem, node, channel, sweep.below[k - 1], above, damping)


def downward(
    problem: AbstractNetwork, state: State, sweep: Sweep, sent: nodes.Sent, damping: Any
) -> tuple[State, Any]:
    """The nodes h_{L-1}, ..., h_0 below what layer L is sent; the new state and the report."""
    layers = list(state.layers)
    for k in range(len(layers) - 1, 0, -1):
        above = _above(problem, sweep.designs[k], state, k, sent)
        units, following = hidden_units(problem, state, sweep, k, above, damping)
        layers[k] = _advanced(state.layers[k], units, sent)
        sent = following
    above = _above(problem, sweep.designs[0], state, 0, sent)
    units, report = run_node(problem, nodes.input_node, problem.prior, above, damping)
    layers[0] = _advanced(state.layers[0], units, sent)
    return replace(state, layers=tuple(layers), steps=state.steps + 1), report


def _below(problem: AbstractNetwork, design: AbstractDesign, state: State, k: int) -> nodes.Below:
    """What node k + 1 takes from layer k + 1: the way up."""
    layer, layout = state.layers[k], problem.layout
    variance = layer.average
    if state.vector:
        variance = layout.rows(design.squared_matvec(layout.vector(layer.variance, design.p)))
    return nodes.Below(
        z=layout.rows(design.matvec(layout.vector(layer.mean, design.p))),
        variance=variance,
        g=layout.padded(layer.g),
        bias=problem.shifts[k],
        offset=layer.offset,
        row=layer.row,
        column=layer.column,
        second_moment=layer.second_moment,
        count=problem.counts[k + 1],
    )


def _above(
    problem: AbstractNetwork, design: AbstractDesign, state: State, k: int, sent: nodes.Sent
) -> nodes.Above:
    """What node k takes from layer k + 1: the way down."""
    layer, layout = state.layers[k], problem.layout
    g = layout.vector(sent.g, design.n)
    return nodes.Above(
        field=layout.rows(design.rmatvec(g)),
        mean=layout.padded(layer.mean),
        variance=layout.padded(layer.variance),
        precision=layout.padded(layer.precision) if state.vector else layer.precision,
        second_moment=layer.second_moment,
        count=problem.counts[k],
        numbers=sent.numbers,
        sums=_squared_sums(layout, design, sent) if state.vector else None,
    )


def _squared_sums(layout: Layout, design: AbstractDesign, sent: nodes.Sent) -> tuple[Any, Any]:
    """(W * W)^T (-dg), and (W * W)^T g^2 where that is negative, in place of the averages."""
    precision = design.squared_rmatvec(layout.vector(sent.curvature, design.n))
    fallback = precision
    if not layout.host or (precision < 0).any():  # the usual case costs no second product
        fallback = design.squared_rmatvec(layout.xp.square(layout.vector(sent.g, design.n)))
    return layout.rows(precision), layout.rows(fallback)


def _advanced(layer: LayerState, units: nodes.Units, sent: nodes.Sent) -> LayerState:
    """A layer after a step, from its units and what was sent down to them."""
    return LayerState(
        mean=units.mean,
        variance=units.variance,
        average=units.average,
        g=sent.g if sent.g_state is None else sent.g_state,
        precision=units.precision,
        offset=sent.offset,
        column_means=layer.column_means,
        row=layer.row,
        column=layer.column,
        second_moment=layer.second_moment,
    )


def read_report(layout: Layout, report: Vector) -> Info:
    """The report of the input node, with one entry for each right-hand side."""
    table = layout.xp.asarray(report)
    found = table[0] if layout.shape == "vector" else table.T
    negative, kept = found[3:5].astype(int)
    return Info(found[0], found[1], found[2], found[5], negative, kept)


def run_node(problem: Any, function: Any, brick: Any, *arguments: Any) -> Any:
    """A node: compiled on the host, traced as it is under a transformation."""
    if problem.layout.host:
        return programs.call(function, brick, *arguments)
    return function(numeric(brick), *arguments)


_OUTPUT: Final = {vector: functools.partial(nodes.output_node, vector) for vector in (False, True)}
_HIDDEN: Final = {vector: functools.partial(nodes.hidden_node, vector) for vector in (False, True)}

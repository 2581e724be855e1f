"""Multi-layer vector approximate message passing (ML-VAMP), for weights of any spectrum.

    h_0 ~ prior,   z_l = W_l h_{l-1} + b_l,   h_l ~ P_l(. | z_l) for l < L,   y ~ P_L(. | z_L).

Both sides of every set of weights exchange Gaussian messages of one precision each (Rangan,
Schniter, Fletcher 2019; Gabrie et al. 2018). Upward h_{l-1} is N(C / gamma, 1 / gamma) and z_l is
N(omega, V); downward z_l has the factor exp(T z - tau z^2 / 2) and h_{l-1} exp(B h - A h^2 / 2).

Nodes (the observation, hidden units, the prior) turn messages by the same derivatives as in
`multilayer_amp`, averaged over their units:

    tau = c / (1 - V c),   T = (g + omega c) / (1 - V c),   c = mean(-dg / d omega),
    gamma = 1 / v - A,     C = mean_h / v - B,              v = mean(variance_h).

Weights turn them by linear regression in their singular bases, with lambda the eigenvalues of W^T
W, Q = gamma + tau W^T W and traces over n_{l-1} inputs or n_l outputs:

    A = n_{l-1} / Tr Q^{-1} - gamma,   B = (A + gamma) Q^{-1} (C + W^T (T - tau b)) - C,

and likewise for z_l = W_l h_{l-1} + b_l. One iteration goes down from the observation to the input
and up again, in the order of state evolution (`bricks.chain.descend`), with one decomposition of
every matrix and four products an iteration. On matrices with Haar singular vectors the fixed point
is the Bayes-optimal estimate, whatever their singular values; given ones need no more than that
they are generic. Where signals or non-linearities are far from the model, add damping.

Two precisions can come out negative, and every such use is counted in `Info`: c < 0 is replaced by
mean(g^2) and 1 - A v by A mean((mean_h - B / A)^2), their equals under the Nishimori identity.
Where the signal is known exactly precisions would grow without bound: they end at 1e10 over the
second moment, and variances near 1e-10 of it stand for all that are smaller.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from solvable.algorithms import programs
from solvable.algorithms.convergence import Info, Outcome, Snapshot, follow
from solvable.algorithms.decomposition import Decomposition
from solvable.algorithms.multilayer_amp import Start, listed_starts
from solvable.algorithms.nodes import damped
from solvable.algorithms.problem import Layout, Problem, chosen_rows
from solvable.bricks.channels.base import AbstractChannel, output_moments
from solvable.bricks.channels.hidden import AbstractHiddenChannel
from solvable.bricks.priors.base import AbstractPrior, posterior

Rows = Float[np.ndarray, "rows n"]
Column = Float[np.ndarray, "rows 1"]


class LayerState(NamedTuple):
    """What an iteration keeps of one layer, l = 1, ..., L; vectors in rows.

    Attributes:
        mean: posterior means of h_{l-1}.
        variance: posterior variances of h_{l-1}.
        gamma: precision of h_{l-1} from below.
        field: C = gamma times its mean.
        precision: 1 / V of z_l from below.
        output_field: omega / V.
    """

    mean: Rows
    variance: Rows
    gamma: Column
    field: Rows
    precision: Column
    output_field: Rows


@dataclass(frozen=True)
class State:
    """The messages of an iteration.

    Attributes:
        layers: one entry for each layer, the input's first.
        weights: decompositions of W_1, ..., W_L, which outlive the problem.
        layout: how vectors are kept.
        sizes: n_0, ..., n_L.
        steps: iterations done.
    """

    layers: tuple[LayerState, ...]
    weights: tuple[Decomposition, ...]
    layout: Layout
    sizes: tuple[int, ...]
    steps: int = 0

    @property
    def means(self) -> tuple[Any, ...]:
        """Posterior means of h_0, ..., h_{L-1}."""
        return self._vectors("mean")

    @property
    def variances(self) -> tuple[Any, ...]:
        """Posterior variances of h_0, ..., h_{L-1}."""
        return self._vectors("variance")

    def _vectors(self, name: str) -> tuple[Any, ...]:
        return tuple(
            self.layout.vector(getattr(layer, name), size)
            for layer, size in zip(self.layers, self.sizes, strict=False)
        )

    def snapshot(self) -> Snapshot:
        """All of every layer."""
        return list(self.layers)

    def expected_error(self) -> np.ndarray:
        """Mean posterior variance of the input, one for each row."""
        return self.layers[0].variance.mean(axis=1)

    def restarted(self, rows: np.ndarray, snapshot: Snapshot) -> "State":
        """The state with all but these rows at the snapshot."""
        pairs = zip(self.layers, snapshot, strict=True)
        return replace(self, layers=tuple(chosen_rows(rows, now, then) for now, then in pairs))


def run(
    problem: Problem,
    *,
    start: Start | Sequence[Start | None] | None = None,
    damping: float | str = 0.0,
    tolerance: float = 1e-6,
    max_steps: int = 1000,
    observe: Callable[[State], Any] | None = None,
) -> Outcome:
    """Iterate until F(x) is within `tolerance` of x, undamped, for every right-hand side.

    Args:
        problem: a chain and its data, on the host.
        start: where to begin, as in `init`.
        damping: in [0, 1) or "adaptive"; networks with trained weights want 0.5 or more.
        tolerance: on the residual of `Info`. 0 runs all steps.
        max_steps: at most so many iterations.
        observe: called on the start and on every state; its results are kept.

    Returns:
        The best iterate, always finite, with its status.

    Raises:
        ValueError: if an option is out of its range, or weights are traced or not finite.

    Example:
        >>> import numpy as np, solvable as sv
        >>> from solvable.algorithms.problem import assemble
        >>> from solvable.core.status import Status
        >>> rng = np.random.default_rng(0)
        >>> U, V = (np.linalg.qr(rng.normal(size=(300, 300)))[0] for _ in range(2))
        >>> X = (U * np.geomspace(1, 1e-4, 300)) @ V  # of condition number 1e4
        >>> w = rng.normal(size=300)
        >>> y = X @ w + 1e-3 * rng.normal(size=300)
        >>> outcome = run(assemble(sv.Gaussian(), [sv.Linear(delta=1e-6)], [X], y))
        >>> Status(int(outcome.status)).name, round(float(np.mean((outcome.mean - w) ** 2)), 1)
        ('converged', 0.2)
    """
    return follow(
        problem,
        init(problem, start),
        step,
        damping=damping,
        tolerance=tolerance,
        max_steps=max_steps,
        observe=observe,
    )


def init(problem: Problem, start: Start | Sequence[Start | None] | None = None) -> State:
    """The state before the first iteration: nothing is known from above.

    Args:
        problem: the chain and its data.
        start: mean and variance of the input, or one for each layer (g plays no part); by default,
            and for None, those that the layers below leave.

    Raises:
        ValueError: if there are more starts than layers, or weights are traced or not finite.
    """
    decompositions, batch = problem.decompositions, problem.layout.batch
    starts = listed_starts(problem, start)
    nothing, layers = np.zeros((batch, 1)), []
    mean, variance = _node(problem, _input, problem.prior, problem.sizes[0], nothing, nothing)
    for k, weights in enumerate(decompositions):
        size, given = problem.sizes[k], starts[k]
        if given is not None:
            spread = problem.layout.spread
            mean, variance = (spread(x, size)[:, :size] for x in (given.mean, given.variance))
        mean, variance = (np.array(np.broadcast_to(x, (batch, size))) for x in (mean, variance))
        gamma = 1 / variance.mean(axis=1, keepdims=True)
        downward = _Downward(nothing, np.zeros((batch, problem.sizes[k + 1])))
        first = LayerState(mean, variance, gamma, gamma * mean, gamma, mean)
        precision, field = _upward(problem, k, weights, first, downward)
        layers.append(first._replace(precision=precision, output_field=field))
        if k + 1 < len(problem.sizes) - 1:
            found = _hidden_units(problem, k + 1, layers[k], nothing, nothing)
            mean, variance = found[:2]
    return State(tuple(layers), decompositions, problem.layout, problem.sizes)


def step(problem: Problem, state: State, *, damping: Any = 0.0) -> tuple[State, Info]:
    """One iteration x -> (1 - damping) F(x) + damping x of the messages that go up.

    Args:
        problem: the chain and its data.
        state: from `init` or the step before.
        damping: in [0, 1), or one for each row, shape (b, 1).

    Returns:
        The next state, and what happened on the way. Nothing is checked: a diverging iteration
        returns what it computed; `run` watches it.
    """
    count, report = len(state.layers), _Report(problem.layout.batch)
    omega, V = _cavity(state.layers[-1])
    at = (problem.observed, omega, V)
    g, curvature = _node(problem, _output, problem.channels[-1], problem.sizes[-1], *at)
    downward = _turned_down(omega, V, g, curvature, report)
    sent: list[_Downward] = [downward] * count
    layers = list(state.layers)
    for k in range(count - 1, -1, -1):
        layer, weights = state.layers[k], state.weights[k]
        sent[k] = downward
        A, B = _regressed_down(problem, k, weights, layer, downward)
        if k > 0:
            below = state.layers[k - 1]
            mean, variance, g, curvature = _hidden_units(problem, k, below, A, B)
            downward = _turned_down(*_cavity(below), g, curvature, report)
        else:
            mean, variance = _node(problem, _input, problem.prior, problem.sizes[0], A, B)
        gamma, field = _turned_up(A, B, mean, variance, report)
        report.units(layer, mean, variance, field)
        layers[k] = layer._replace(
            mean=mean,
            variance=variance,
            gamma=damped(gamma, layer.gamma, damping),
            field=damped(field, layer.field, damping),
        )
    for k in range(count):
        layer = layers[k]
        precision, field = _upward(problem, k, state.weights[k], layer, sent[k])
        report.outputs(layer, precision, field)
        layers[k] = layer._replace(
            precision=damped(precision, layer.precision, damping),
            output_field=damped(field, layer.output_field, damping),
        )
    new = replace(state, layers=tuple(layers), steps=state.steps + 1)
    return new, report.info(problem.layout, V, layers[0].variance)


class _Downward(NamedTuple):
    """What z_l receives from above: the factor exp(T z - tau z^2 / 2)."""

    tau: Column
    field: Rows


def _cavity(layer: LayerState) -> tuple[Rows, Column]:
    """omega and V of z_l."""
    return layer.output_field / layer.precision, 1 / layer.precision


def _turned_down(omega: Rows, V: Column, g: Rows, curvature: Rows, report: "_Report") -> _Downward:
    """tau and T from the derivatives of a node."""
    c = curvature.mean(axis=1, keepdims=True)
    negative = c < 0
    c = np.where(negative, np.mean(g**2, axis=1, keepdims=True), c)
    report.negative += negative[:, 0]
    left = np.maximum(1 - V * c, _ROUNDING)
    tau = c / left
    kept = _blunted(tau, np.mean(omega**2, axis=1, keepdims=True) + V)
    return _Downward(kept * tau, kept * (g + omega * c) / left)


def _turned_up(
    A: Column, B: Rows, mean: Rows, variance: Rows, report: "_Report"
) -> tuple[Column, Rows]:
    """gamma and C from the moments of units."""
    v = variance.mean(axis=1, keepdims=True)
    left = 1 - A * v
    negative = left < _ROUNDING
    distance = np.where(A > 0, mean - B / np.where(A > 0, A, 1.0), 0.0)
    left = np.where(negative, A * np.mean(distance**2, axis=1, keepdims=True), left)
    report.negative += negative[:, 0]
    gamma = np.maximum(left, _ROUNDING) / np.maximum(v, _SMALLEST)
    kept = _blunted(gamma, np.mean(mean**2, axis=1, keepdims=True) + v)
    field = np.where(negative, (gamma + A) * mean, mean / np.maximum(v, _SMALLEST)) - B
    return kept * gamma, kept * field


def _blunted(precision: Column, second_moment: Column) -> Column:
    """The factor that takes a precision down to the sharpest allowed."""
    return np.minimum(1.0, _SHARPEST / (precision * second_moment + _SMALLEST))


def _absorbed(weights: Decomposition, layer: LayerState, tau: Column) -> tuple[Rows, Rows]:
    """1 / (1 + w lambda), w = tau / gamma, and w lambda."""
    load = tau / layer.gamma * weights.eigenvalues
    return 1 / (1 + load), load


def _regressed_down(
    problem: Problem, k: int, weights: Decomposition, layer: LayerState, downward: _Downward
) -> tuple[Column, Rows]:
    """A and B of the inputs of the weights.

    Written so that neither is a difference of numbers that grow with gamma.
    """
    p = problem.sizes[k]
    kept, load = _absorbed(weights, layer, downward.tau)
    removed = np.sum(load * kept, axis=1, keepdims=True) / p  # 1 - gamma Tr Q^{-1} / p
    left = (p - kept.shape[1] + kept.sum(axis=1, keepdims=True)) / p
    field = _without_bias(problem, k, downward)
    c = weights.of_input(layer.field)
    change = weights.values * weights.of_output(field) - load * c
    B = (weights.to_input(change * kept) + removed * layer.field) / left
    return layer.gamma * removed / left, B


def _upward(
    problem: Problem, k: int, weights: Decomposition, layer: LayerState, downward: _Downward
) -> tuple[Column, Rows]:
    """1 / V and omega / V of the outputs of the weights."""
    n = problem.sizes[k + 1]
    kept, _ = _absorbed(weights, layer, downward.tau)
    flow = np.sum(weights.eigenvalues * kept, axis=1, keepdims=True)
    variance = flow / (n * layer.gamma)
    left = (n - kept.shape[1] + kept.sum(axis=1, keepdims=True)) / n  # 1 - tau variance
    field = _without_bias(problem, k, downward)
    joint = weights.of_input(layer.field) + weights.values * weights.of_output(field)
    z = weights.to_output(weights.values * joint * kept / layer.gamma)
    omega = (z - variance * field) / left
    if problem.biases[k] is not None:
        omega = omega + problem.biases[k]
    precision = left / np.maximum(variance, _SMALLEST)
    return precision, omega * precision


def _without_bias(problem: Problem, k: int, downward: _Downward) -> Rows:
    """The field that W h sees, T - tau b."""
    bias = problem.biases[k]
    return downward.field if bias is None else downward.field - downward.tau * bias


def _hidden_units(
    problem: Problem, k: int, below: LayerState, A: Column, B: Rows
) -> tuple[Rows, ...]:
    """Mean, variance, g and -dg of the units of h_k."""
    omega, V = _cavity(below)
    return _node(problem, _hidden, problem.channels[k - 1], problem.sizes[k], A, B, omega, V)


def _node(problem: Problem, function: Any, brick: Any, size: int, *arguments: Any) -> Any:
    """A compiled function of a brick at arguments in rows, padded and cut again."""
    length = problem.layout.length(size)
    padded = [
        x if x.shape[-1] in (1, length) else problem.layout.padded(np.ascontiguousarray(x))
        for x in arguments
    ]
    return tuple(np.asarray(x)[:, :size] for x in programs.call(function, brick, *padded))


def _output(channel: AbstractChannel, y: Array, omega: Array, V: Array) -> tuple[Array, ...]:
    g, curvature = output_moments(channel, y, omega, V)
    return g, curvature + jnp.zeros_like(g)


def _hidden(
    channel: AbstractHiddenChannel, A: Array, B: Array, omega: Array, V: Array
) -> tuple[Array, ...]:
    found = channel.hidden(B + jnp.zeros_like(omega), A, omega, V)
    return found.mean, found.variance, found.g, found.curvature


def _input(prior: AbstractPrior, A: Array, B: Array) -> tuple[Array, ...]:
    mean, variance = posterior(prior, B, A + jnp.zeros_like(B))
    return mean, variance + jnp.zeros_like(mean)


class _Report:
    """What a step did, gathered from its layers."""

    def __init__(self, batch: int):
        self.residual, self.size = np.zeros(batch), np.zeros(batch)
        self.negative = np.zeros(batch, int)

    def units(self, layer: LayerState, mean: Rows, variance: Rows, field: Rows) -> None:
        """How far the messages of units moved, on the scale of their estimates."""
        scale = np.mean(mean**2 + variance, axis=1)
        shift = variance.mean(axis=1, keepdims=True) * (field - layer.field)
        self._note(np.sqrt(np.mean(shift**2, axis=1) / scale))
        self._note(np.mean(np.abs(variance - layer.variance), axis=1) / scale)
        self.size = np.fmax(self.size, np.mean(mean**2, axis=1))

    def outputs(self, layer: LayerState, precision: Column, field: Rows) -> None:
        """Likewise for their pre-activations."""
        omega, V = field / precision, 1 / precision
        scale = np.mean(omega**2, axis=1) + V[:, 0]
        shift = V * (field - layer.output_field)
        self._note(np.sqrt(np.mean(shift**2, axis=1) / scale))

    def _note(self, moved: np.ndarray) -> None:
        self.residual = np.maximum(self.residual, moved)

    def info(self, layout: Layout, V: Column, variance: Rows) -> Info:
        """For `convergence.follow`."""
        found = (self.residual, self.size, V[:, 0], variance.mean(axis=1), self.negative)
        if layout.shape == "vector":
            found = tuple(x[0] for x in found)
        return Info(*found, kept_precision=np.zeros_like(found[-1]))


_SHARPEST: Final = 1e10  # precision times second moment: beyond, differences of messages are noise
_ROUNDING: Final = 1e-13  # what a precision may lose of itself before it means nothing
_SMALLEST: Final = 1e-300

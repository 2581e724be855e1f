"""Generalized approximate message passing (GAMP) for y ~ P(. | X w), w_i ~ prior.

One iteration (Rangan 2011; Barbier et al. 2019, Algorithm 1), with the mean squared row norm r and
column norm c of the design (1 and alpha for entries N(0, 1 / p)):

    V = r mean(variance),         omega = X mean - V g_previous,
    g = d log Z / d omega,        A = c mean(-dg / d omega),
    B = X^T g + A mean,           mean, variance = posterior(prior, B, A).

Scalar variances read the design twice an iteration and need no table of X^2. The fixed point is
the Bayes-optimal estimate where the design has independent centered entries; on others, watch the
status. `gamp_run.run` iterates to convergence.

Two bounds are protected, and every use of them is counted in `Info`:

* A negative precision (A < 0: even channels far from the signal, a mismatched model) is replaced
  by c mean(g^2), which equals it under the Nishimori identity and is positive.
* At exact recovery V -> 0, and soon no sample lies within sqrt(V) of a jump of the channel; A
  would fall back to 0 and the solution would be lost. Where n sqrt(V / (r rho)) < 10 a precision
  that falls by more than half in one step is kept instead.
"""

import functools
from dataclasses import dataclass, field
from typing import Any, Final

import equinox as eqx
import jax
import numpy as np
from jaxtyping import Array

from solvable.algorithms.designs import (
    AbstractDesign,
    Centered,
    Vector,
    as_design,
    column_means,
)
from solvable.bricks.channels.base import AbstractChannel, output_moments
from solvable.bricks.priors.base import AbstractPrior, posterior
from solvable.core.arguments import choice
from solvable.core.instance import Data
from solvable.core.specification import numeric


class Start(eqx.Module):
    """Where message passing begins.

    Attributes:
        mean: estimate, shape (p,), (p, k) for k right-hand sides, (b, p) for a stack.
        variance: its posterior variance, a number or of the shape of `mean`.
        g: output estimate of the step before, which the memory term subtracts: 0 for a start that
            does not depend on the design, of the shape of the observation for a spectral one.
    """

    mean: Vector
    variance: Vector
    g: Vector


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class State:
    """The vectors of an iteration; it never carries the design.

    Attributes:
        mean: posterior means.
        variance: posterior variances.
        g: output estimates of the last step.
        precision: A of the last step, 0 before the first.
        offset: estimated common shift of z, 0 unless the design was centered.
        column_means: what centering subtracts from the design's columns, or None.
        row: mean squared row norm r of the design.
        second_moment: rho, the prior's second moment.
        vector: whether variances are kept for each sample and component.
        steps: iterations done.
    """

    mean: Vector
    variance: Vector
    g: Vector
    precision: Vector
    offset: Vector
    column_means: Vector | None
    row: Vector
    second_moment: Vector
    vector: bool = field(metadata={"static": True})
    steps: Any = 0


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Info:
    """What a step reports; one entry for each right-hand side or stacked problem.

    Attributes:
        residual: distance of F(x) from x without damping, relative to sqrt(rho): the largest of
            the root mean squares of the means, of sqrt(V) scaled g, and the mean of the variances.
        output_variance: V, the variance of z given the other samples (its mean, if vector).
        variance: mean posterior variance, the error that the estimate expects of itself.
        negative_precision: how many precisions were negative and replaced.
        kept_precision: how many precisions were kept from the step before at exact recovery.
    """

    residual: Vector
    output_variance: Vector
    variance: Vector
    negative_precision: Any
    kept_precision: Any


def init(
    prior: AbstractPrior,
    channel: AbstractChannel,
    data: Data,
    start: Start | None = None,
    *,
    variances: str = "scalar",
    center: bool = False,
) -> State:
    """The state before the first iteration.

    Args:
        prior: law of the signal's components.
        channel: law of y given z.
        data: design (n, p) and observation (n,) or (n, k); or (b, n, p) and (b, n).
        start: where to begin; by default mean and variance of the prior, which is a fixed point
            without information where the channel is even (then use a spectral start).
        variances: "scalar" (independent entries of one variance) or "vector".
        center: subtract the column means of the design and estimate the shift they make.

    Returns:
        A state; its arrays are numpy on the host, JAX under a transformation.

    Raises:
        ValueError: if shapes do not fit, or a centered or matrix-free design meets "vector".
    """
    vector = choice("variances", variances, ("scalar", "vector")) == "vector"
    design = as_design(data.design)
    means = column_means(design) if center else None
    if means is not None:
        design = Centered(design, means)
    xp = design.xp
    shape = check_shapes(design, data.observation)
    rho = xp.asarray(prior.second_moment(), dtype=float)
    if start is None:
        first = xp.asarray(prior.first_moment(), dtype=float)
        start = Start(first, rho - first**2, xp.zeros(()))
    mean = _spread(xp, start.mean, shape)
    return State(
        mean=mean,
        variance=_spread(xp, start.variance, shape),
        g=_spread(xp, start.g, np.shape(data.observation)),
        precision=xp.zeros(shape) if vector else _average(design, xp.zeros(shape)),
        offset=_average(design, xp.zeros(shape)),
        column_means=means,
        row=xp.asarray(design.square_sum()) / design.n,
        second_moment=rho,
        vector=vector,
    )


def step(
    prior: AbstractPrior,
    channel: AbstractChannel,
    data: Data,
    state: State,
    *,
    damping: float = 0.0,
) -> tuple[State, Info]:
    """One iteration x -> (1 - damping) F(x) + damping x of x = (mean, variance, g).

    Args:
        prior: law of the signal's components.
        channel: law of y given z.
        data: design and observation; a dense design is read twice and not copied.
        state: from `init` or the step before.
        damping: in [0, 1).

    Returns:
        The next state, and what happened on the way. Nothing is checked: a diverging iteration
        returns what it computed; `run` watches it.
    """
    design = as_design(data.design)
    if state.column_means is not None:
        design = Centered(design, state.column_means)
    xp = design.xp
    V = _output_variance(design, state)
    memory = state.g
    if state.column_means is not None:
        # nothing of a common shift of z returns through centered columns
        memory = memory - _average(design, memory)
    omega = design.matvec(state.mean) - V * memory
    if state.column_means is not None:
        omega = omega + state.offset
    g, curvature = _elementwise(output_moments, channel, xp, data.observation, omega, V)
    A, negative, kept = _precision(design, state, V, g, curvature)
    B = design.rmatvec(g) + A * state.mean
    mean, variance = _elementwise(posterior, prior, xp, B, A)
    offset = state.offset
    if state.column_means is not None:
        slope = _average(design, curvature)
        offset = offset + _average(design, g) / xp.where(slope > 0, slope, xp.inf)
    new = State(
        mean=_damped(mean, state.mean, damping),
        variance=_damped(variance, state.variance, damping),
        g=_damped(g, state.g, damping),
        precision=A,
        offset=_damped(offset, state.offset, damping),
        column_means=state.column_means,
        row=state.row,
        second_moment=state.second_moment,
        vector=state.vector,
        steps=state.steps + 1,
    )
    return new, Info(
        residual=_residual(design, state, V, (mean, variance, g, offset)),
        output_variance=_average(design, V).squeeze(design.axis),
        variance=_average(design, new.variance).squeeze(design.axis),
        negative_precision=negative,
        kept_precision=kept,
    )


def _damped(image: Vector, old: Vector, damping: float) -> Vector:
    if isinstance(damping, int | float) and damping == 0:
        return image  # no copies of long vectors in the usual case
    return (1 - damping) * image + damping * old


def curvature_at_zero(channel: AbstractChannel, y: np.ndarray, V: float) -> np.ndarray:
    """-d^2 log Z / d omega^2 of every output at omega = 0, which spectral methods start from."""
    omega = np.zeros_like(y)
    return np.asarray(_elementwise(output_moments, channel, np, y, omega, np.full(1, V))[1])


def check_shapes(design: AbstractDesign, observation: Any) -> tuple[int, ...]:
    """The shape of the estimate, once design and observation agree."""
    shape = np.shape(observation)
    if design.count:
        fits, estimate = shape == (design.count, design.n), (design.count, design.p)
    else:
        fits = len(shape) in (1, 2) and shape[0] == design.n
        estimate = (design.p, *shape[1:])
    if not fits:
        raise ValueError(
            f"Argument `observation` must have one entry for each of the {design.n} rows of the "
            f"design, but had shape {shape}."
        )
    return estimate


def _spread(xp: Any, value: Any, shape: tuple[int, ...]) -> Vector:
    return xp.array(xp.broadcast_to(xp.asarray(value, dtype=float), shape))


def _average(design: AbstractDesign, x: Vector) -> Vector:
    """Mean over samples or components, kept as an axis of length 1."""
    length = x.shape[design.axis]
    if length == 1:
        return x
    # not `mean`, whose checks cost more than the sum after a product has emptied the caches
    return design.xp.add.reduce(x, axis=design.axis, keepdims=True) / length


def _output_variance(design: AbstractDesign, state: State) -> Vector:
    """V, never below the rounding of z, where 1 / V has no meaning."""
    if state.vector:
        V = design.squared_matvec(state.variance)
    else:
        V = state.row * _average(design, state.variance)
    return design.xp.maximum(V, _ROUNDING * state.row * state.second_moment)


def _precision(
    design: AbstractDesign, state: State, V: Vector, g: Vector, curvature: Vector
) -> tuple[Vector, Any, Any]:
    """A, and how many of its entries were negative or kept from the step before."""
    xp = design.xp

    def collect(h: Vector) -> Vector:
        if state.vector:
            return design.squared_rmatvec(h)
        return state.row * (design.n / design.p) * _average(design, h)

    A = collect(curvature)
    negative = A < 0
    if xp is not np or negative.any():  # the usual case costs no second product
        A = xp.where(negative, collect(xp.square(g)), A)
    width = design.n * xp.sqrt(_average(design, V) / (state.row * state.second_moment))
    kept = (width < _FEW_SAMPLES) & (0.5 * state.precision > A)
    A = xp.where(kept, state.precision, A)
    return A, _count(design, negative), _count(design, kept)


def _count(design: AbstractDesign, happened: Vector) -> Vector:
    if happened.shape[design.axis] == 1:
        return happened.squeeze(design.axis).astype(int)
    return design.xp.sum(happened, axis=design.axis)


def _residual(
    design: AbstractDesign, state: State, V: Vector, image: tuple[Vector, ...]
) -> Vector:
    """How far F(x) is from x, relative to the size of signal and z."""
    xp, axis = design.xp, design.axis
    mean, variance, g, offset = image
    rho = xp.sqrt(state.second_moment)
    z = xp.sqrt(state.row) * rho
    change = g - state.g
    if state.vector:
        change = V * change
    scale = 1 / z if state.vector else V / z
    dg = xp.sqrt(_average(design, xp.square(change))) * scale
    largest = xp.maximum(
        xp.sqrt(_average(design, xp.square(mean - state.mean))) / rho,
        _average(design, xp.abs(variance - state.variance)) / rho**2,
    )
    largest = xp.maximum(largest, dg)
    if state.column_means is not None:
        largest = xp.maximum(largest, xp.abs(offset - state.offset) / z)
    return largest.squeeze(axis)


def _elementwise(function: Any, brick: Any, xp: Any, *arrays: Vector) -> list[Vector]:
    """Two elementwise results of a brick, in the memory order of the last long array.

    On the host the arrays are flattened and padded to one of a few lengths, so that problems of
    different sizes share compiled programs; the design's products stay outside them.
    """
    shape = np.shape(arrays[0])
    if xp is not np:
        brick = numeric(brick)
        return list(function(brick, *(xp.broadcast_to(a, shape) for a in arrays)))
    program, varied = _prepared(function, _Identity(brick))
    long = next(a for a in reversed(arrays) if np.shape(a) == shape)
    turned = len(shape) == 2 and np.asarray(long).flags.f_contiguous
    if turned:
        shape, arrays = shape[::-1], tuple(np.transpose(a) for a in arrays)
    size = int(np.prod(shape))
    found = program(varied, *[_padded(a, shape, size) for a in arrays])
    images: list[Any] = [np.asarray(out)[:size].reshape(shape) for out in found]
    return [image.T for image in images] if turned else images


class _Identity:
    """A brick compared by identity: its own hash prints it, which costs more than a step."""

    __slots__ = ("brick",)

    def __init__(self, brick: Any):
        self.brick = brick

    def __hash__(self) -> int:
        return id(self.brick)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and self.brick is other.brick


@functools.lru_cache(maxsize=32)
def _prepared(function: Any, held: _Identity) -> tuple[Any, list[Array]]:
    """The program of a brick, the same for all parameter values, and its array leaves."""
    with jax.ensure_compile_time_eval():  # what is kept must not belong to a transformation
        leaves, structure = jax.tree.flatten(numeric(held.brick))
    varied = [leaf for leaf in leaves if isinstance(leaf, jax.Array)]
    fixed = tuple(
        _VARIED if isinstance(leaf, jax.Array) else (type(leaf), leaf) for leaf in leaves
    )
    return _program(function, structure, fixed), varied


@functools.lru_cache(maxsize=256)
def _program(function: Any, structure: Any, fixed: tuple[Any, ...]) -> Any:
    """A compiled function of a brick's array leaves; its other leaves are part of the program.

    The same as equinox's `filter_jit`, with JAX's own dispatch, which is ten times faster.
    """

    def call(varied: list[Array], *vectors: Array) -> tuple[Array, Array]:
        arrays = iter(varied)
        leaves = [next(arrays) if leaf is _VARIED else leaf[1] for leaf in fixed]
        return function(jax.tree.unflatten(structure, leaves), *vectors)

    return jax.jit(call)


def _padded(array: Vector, shape: tuple[int, ...], size: int) -> np.ndarray:
    array = np.asarray(array, dtype=np.float64)
    if array.size == 1:
        return array.reshape(())
    flat = np.empty(bucket(size))
    flat[:size].reshape(shape)[...] = array
    flat[size:] = flat[size - 1]
    return flat


def bucket(size: int) -> int:
    """The smallest of 2^k (4, 5, 6, 7) / 4 that holds `size`: at most a fifth is padding."""
    if size <= 32:
        return 32
    quarter = 1 << max((size - 1).bit_length() - 3, 0)
    return -(-size // quarter) * quarter


_VARIED: Final = object()
_ROUNDING: Final = 1e-24
_FEW_SAMPLES: Final = 10.0

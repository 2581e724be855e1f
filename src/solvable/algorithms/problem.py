"""What message passing is given: the laws of a chain, its weights and the observation.

    h_0 ~ prior,   z_l = W_l h_{l-1} + b_l,   h_l ~ P_l(. | z_l) for l < L,   y ~ P_L(. | z_L).

`Layout` says how vectors of components or samples are kept between products: in rows, one for each
right-hand side or stacked problem, so that every one of them is contiguous. On the host a single
row is padded to a length that problems of nearby sizes share, with copies of its last entry.
"""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from solvable.algorithms.decomposition import Decomposition, decompose
from solvable.algorithms.designs import AbstractDesign, Traced, Vector, as_design, traced
from solvable.algorithms.programs import bucket
from solvable.bricks.channels.base import AbstractChannel
from solvable.bricks.channels.hidden import AbstractHiddenChannel
from solvable.bricks.priors.base import AbstractPrior
from solvable.core.arguments import instance, is_traced


@dataclass(frozen=True)
class Layout:
    """How vectors become rows and rows vectors.

    Attributes:
        shape: "vector" (n,), "columns" (n, k) or "stack" (b, n): the shape of a vector; or
            "units" (n, k), one vector whose entries are vectors, kept as it is.
        batch: number of rows: 1, k or b; 1 for "units".
        host: whether arrays are numpy's, and rows those of compiled programs; else all is traced.
    """

    shape: str
    batch: int
    host: bool

    @property
    def xp(self) -> Any:
        """The array module of vectors."""
        return np if self.host else jnp

    def length(self, size: int) -> int:
        """Entries of a row. Several rows are not padded: copies of them would cost too much."""
        return bucket(size) if self.host and self.batch == 1 else size

    def rows(self, vector: Vector) -> Any:
        """A vector in rows, padded; a view where nothing is padded."""
        if self.host:
            vector = np.asarray(vector)
        if self.shape == "units":
            return vector
        if self.shape == "vector":
            return self.padded(vector[None, :])
        return self.padded(vector.T if self.shape == "columns" else vector)

    def padded(self, rows: Any) -> Any:
        """Rows as programs take them."""
        size = rows.shape[-1]
        length = self.length(size)
        if length == size:
            return rows
        wide = np.empty((1, length))
        wide[:, :size] = rows
        wide[:, size:] = rows[:, -1:]
        return wide

    def vector(self, rows: Any, size: int) -> Vector:
        """The inverse of `rows`; a view on the host."""
        if self.shape == "units":
            return rows
        rows = (np.asarray(rows) if self.host else rows)[:, :size]
        if self.shape == "vector":
            return rows[0]
        return rows.T if self.shape == "columns" else rows

    def spread(self, value: Any, size: int) -> Any:
        """Rows from a number, or from anything that broadcasts to a vector."""
        shapes = {"vector": (size,), "columns": (size, self.batch), "stack": (self.batch, size)}
        array = self.xp.asarray(value, dtype=float)
        return self.rows(self.xp.array(self.xp.broadcast_to(array, shapes[self.shape])))


@dataclass(frozen=True)
class AbstractNetwork:
    """A prior, and layers of weights with the laws of their outputs.

    Attributes:
        prior: law of the components of h_0.
        channels: laws of h_1, ..., h_L given z; in a `Problem` the last one is observed.
        designs: W_1, ..., W_L.
        biases: b_1, ..., b_L; None is zero.
    """

    prior: AbstractPrior
    channels: tuple[AbstractChannel, ...]
    designs: tuple[AbstractDesign, ...]
    biases: tuple[Vector | None, ...]

    @property
    @abstractmethod
    def layout(self) -> Layout:
        """How vectors are kept."""

    @property
    def sizes(self) -> tuple[int, ...]:
        """n_0, ..., n_L."""
        return (self.designs[0].p, *(design.n for design in self.designs))

    @cached_property
    def shifts(self) -> tuple[Any, ...]:
        """The biases, one row for all."""
        rows = (None if b is None else b[None, :] for b in self.biases)
        return tuple(None if b is None else self.layout.padded(b) for b in rows)

    @cached_property
    def decompositions(self) -> tuple[Decomposition, ...]:
        """Singular value decompositions of the designs, for vector AMP."""
        return tuple(decompose(w, f"weights[{k}]") for k, w in enumerate(self.designs))

    @cached_property
    def counts(self) -> tuple[Any, ...]:
        """Entries of the rows of h_0, ..., h_L that are no padding; None where all are."""
        return tuple(
            None if self.layout.length(size) == size else jnp.asarray(size, dtype=float)
            for size in self.sizes
        )


@dataclass(frozen=True)
class Generator(AbstractNetwork):
    """The network of a generative prior: nothing is observed, all channels are hidden."""

    @property
    def layout(self) -> Layout:
        """One vector at a time, on the host."""
        return Layout("vector", 1, True)


@dataclass(frozen=True)
class Problem(AbstractNetwork):
    """A chain with its data; `assemble` makes and checks one.

    Attributes:
        observation: y, shape (n_L,), (n_L, k) for k right-hand sides, (b, n_L) for a stack.
    """

    observation: Vector

    @cached_property
    def layout(self) -> Layout:
        """How vectors are kept."""
        shape, host = np.shape(self.observation), self.designs[0].xp is np
        if self.designs[0].count:
            return Layout("stack", shape[0], host)
        return Layout("vector", 1, host) if len(shape) == 1 else Layout("columns", shape[1], host)

    @cached_property
    def observed(self) -> Any:
        """The observation in rows, on the host where programs read it without a copy."""
        rows = self.layout.rows(self.layout.xp.asarray(self.observation, dtype=float))
        return jax.device_put(rows) if self.layout.host else rows


def assemble(
    prior: AbstractPrior,
    channels: Sequence[AbstractChannel],
    weights: Sequence[Any],
    observation: Any,
    biases: Sequence[Any] | None = None,
) -> Problem:
    """A chain with its data, once all sizes are known to fit.

    Args:
        prior: law of the input's components.
        channels: one for each layer; all but the last can be hidden.
        weights: W_1, ..., W_L, of shapes (n_l, n_{l-1}), or (b, n_l, n_{l-1}) for stacks: anything
            that `as_design` takes, in float64 or float32; nothing is copied.
        observation: y, shape (n_L,) or (n_L, k); (b, n_L) for a stack.
        biases: b_1, ..., b_L, shapes (n_l,), or None where there is none.

    Raises:
        ValueError: naming the first argument that does not fit.
    """
    designs = tuple(as_design(w, f"weights[{k}]") for k, w in enumerate(weights))
    if not designs:
        raise ValueError("Argument `weights` must hold at least one matrix, but was empty.")
    given = [None] * len(designs) if biases is None else list(biases)
    for name, values in (("channels", channels), ("biases", given)):
        if len(values) != len(designs):
            raise ValueError(
                f"Argument `{name}` must have one entry for each of the {len(designs)} weights, "
                f"but had {len(values)}."
            )
    for k, channel in enumerate(channels[:-1]):
        instance(f"channels[{k}]", channel, AbstractHiddenChannel, "a channel that can be hidden")
    for k in range(1, len(designs)):
        check_link(k, designs[k - 1], designs[k])
    if any(is_traced(x) for x in (observation, *given)) or any(
        isinstance(design, Traced) for design in designs
    ):
        designs = tuple(traced(design) for design in designs)
    shifts = tuple(_bias(k, design, given[k]) for k, design in enumerate(designs))
    check_shapes(designs[-1], observation)
    return Problem(prior, tuple(channels), designs, shifts, observation)


def check_link(k: int, below: AbstractDesign, design: AbstractDesign) -> None:
    """Refuse a layer that does not fit the one below it."""
    if design.p != below.n:
        raise ValueError(
            f"Argument `weights[{k}]` must have {below.n} columns, one for each row of "
            f"`weights[{k - 1}]`, but had shape {(design.n, design.p)}."
        )
    if design.count != below.count:
        raise ValueError(
            f"Argument `weights[{k}]` must be a stack of {below.count} matrices if "
            f"`weights[{k - 1}]` is, and else one matrix, but had {design.count}."
        )


def _bias(k: int, design: AbstractDesign, given: Any) -> Vector | None:
    if given is None:
        return None
    bias = design.xp.asarray(given, dtype=float)
    if bias.shape != (design.n,):
        raise ValueError(
            f"Argument `biases[{k}]` must have shape ({design.n},), but had {bias.shape}."
        )
    return bias


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


def chosen_rows(rows: np.ndarray, first: Any, second: Any) -> Any:
    """Some rows of the arrays of one tree, the others of another; no copies if one has all."""
    if rows.all():
        return first
    return jax.tree.map(
        lambda a, b: np.where(rows[:, None], a, b) if np.ndim(a) == 2 else a, first, second
    )

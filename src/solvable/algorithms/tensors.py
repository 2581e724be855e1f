"""Symmetric tensors off their diagonals, known by one contraction with a vector.

    value  T(x) = sum_{i1 < ... < ip} T_{i1 ... ip} x_i1 ... x_ip,     gradient  dT / dx_i.

Message passing and dynamics on a noisy tensor need nothing else. `tensor_slabs` says how entries
are stored and summed.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from itertools import combinations, permutations
from typing import Any, Final

import numpy as np
from jaxtyping import PRNGKeyArray
from threadpoolctl import threadpool_limits

from solvable.algorithms.tensor_slabs import (
    TYPES,
    Columns,
    Contraction,
    Draw,
    Shape,
    Sums,
    checked_law,
    checked_shape,
)
from solvable.core.arguments import array, choice, fail
from solvable.core.parallel import in_threads


class AbstractTensor(ABC):
    """A symmetric tensor of order p >= 3 whose entries of repeated indices count as zero.

    Attributes:
        order: p.
        size: N, the range of an index.
    """

    order: int
    size: int

    @abstractmethod
    def columns(self, x: Columns) -> Contraction:
        """Value and gradient at every column of float64 x, shape (N, k); nothing is checked."""

    def contraction(self, x: Any) -> Contraction:
        """Value sum_{i1<...<ip} T x ... x and its gradient.

        Args:
            x: shape (N,), or (N, k) for k vectors, which share the reading of the tensor.

        Raises:
            ValueError: if x has another shape, or is not finite.
        """
        x = array("x", x)
        if x.ndim not in (1, 2) or len(x) != self.size:
            raise fail("x", f"have {self.size} entries, or rows", x)
        with threadpool_limits(1):  # threads of BLAS would wait for each other at every slab
            value, gradient = self.columns(x.reshape(self.size, -1))
        return Contraction(value[0] if x.ndim == 1 else value, gradient.reshape(x.shape))

    def value(self, x: Any) -> Any:
        """The value of `contraction`."""
        return self.contraction(x).value

    def gradient(self, x: Any) -> np.ndarray:
        """The gradient of `contraction`."""
        return self.contraction(x).gradient


@dataclass(frozen=True, eq=False)
class PackedTensor(AbstractTensor):
    """A tensor in memory: strictly rising indices only, in float32 or float64.

    A gradient at p = 3, N = 1000 in float32 reads 0.7 GB, once.

    Args:
        order: p >= 3.
        size: N >= p.
        entries: as `sampled_tensor` and `packed` lay them out.

    Raises:
        ValueError: if they do not fit.
    """

    order: int
    size: int
    entries: np.ndarray

    def __post_init__(self) -> None:
        shape = checked_shape(self.order, self.size)
        if self.entries.shape != (shape.length,):
            raise fail("entries", f"have shape ({shape.length},)", self.entries)
        choice("entries.dtype", self.entries.dtype.name, TYPES)

    def columns(self, x: Columns) -> Contraction:
        shape = Shape(self.order, self.size)
        return Sums.of(shape, x, self.entries.dtype).over(shape.slabs(self.entries)).contraction()


@dataclass(frozen=True, eq=False)
class StreamedTensor(AbstractTensor):
    """The tensor that `sampled_tensor` draws, drawn again at every contraction.

    Memory is O(N^2) for every thread, so that N of some thousands fits; time is that of its random
    numbers, shared by all columns of x. Not for tensors that fit into memory.

    Args:
        key: a scalar key.
        order: p >= 3.
        size: N >= p.
        delta: variance of the noise.
        signal: x*, shape (N,), or None for noise alone.
        dtype: "float32" or "float64"; the two are different draws.

    Raises:
        ValueError: if an argument is out of its domain.
    """

    key: PRNGKeyArray
    order: int
    size: int
    delta: float
    signal: Any = None
    dtype: str = "float32"

    def __post_init__(self) -> None:
        checked_shape(self.order, self.size)
        checked_law(self.order, self.size, self.delta, self.signal, self.dtype)

    def columns(self, x: Columns) -> Contraction:
        draw = Draw.of(self.key, self.order, self.size, self.delta, self.signal, self.dtype)

        def share(first: int) -> Sums:
            sums = Sums.of(draw.shape, x, draw.dtype)
            for j in draw.shape.indices[first::_SHARES]:
                sums.over(draw.slabs(j))
            return sums

        # so many shares whatever the number of threads, which must not decide how sums round
        first, *others = in_threads(share, range(_SHARES))
        return first.plus(others).contraction()


@dataclass(frozen=True, eq=False)
class FactoredTensor(AbstractTensor):
    """T_{i1 ... ip} = sum_a w_a u_{i1 a} ... u_{ip a} off the diagonals, exactly.

    With z = u_a x the value of a factor is e_p(z), the elementary symmetric polynomial, and its
    derivative u_i e_{p-1} of z without z_i; both follow from power sums in O(N p).

    Args:
        order: p >= 3.
        factors: u, shape (N, rank).
        weights: w, shape (rank,).

    Raises:
        ValueError: if they do not fit.
    """

    order: int
    factors: np.ndarray
    weights: np.ndarray
    size: int = field(init=False)

    def __post_init__(self) -> None:
        factors = array("factors", self.factors, ndim=2)
        checked_shape(self.order, len(factors))
        object.__setattr__(self, "factors", factors)
        weights = array("weights", self.weights, shape=(factors.shape[1],))
        object.__setattr__(self, "weights", weights)
        object.__setattr__(self, "size", len(factors))

    def columns(self, x: Columns) -> Contraction:
        value, gradient = np.zeros(x.shape[1]), np.zeros(x.shape)
        for u, weight in zip(self.factors.T, self.weights, strict=True):
            z = u[:, None] * x
            e = _elementary(z, self.order)
            without = np.ones_like(z)  # e_k of all but z_i: e_k - z_i e_{k-1} of all but z_i
            for k in range(1, self.order):
                without = e[k] - z * without
            value += weight * e[self.order]
            gradient += weight * u[:, None] * without
        return Contraction(value, gradient)


def _elementary(z: Columns, order: int) -> list[Any]:
    """e_0, ..., e_order of the rows of z, by Newton's identities."""
    powers = [np.sum(z**k, axis=0) for k in range(order + 1)]
    e: list[Any] = [np.ones(z.shape[1])]
    for k in range(1, order + 1):
        e.append(sum((-1) ** (r - 1) * e[k - r] * powers[r] for r in range(1, k + 1)) / k)
    return e


def packed(dense: Any, dtype: str = "float64") -> PackedTensor:
    """A tensor of your own, from the full symmetric array; its diagonals are left out.

    Args:
        dense: shape (N, ..., N), p >= 3 axes.
        dtype: in which it is kept, "float32" or "float64".

    Raises:
        ValueError: if its axes differ or it is not symmetric.
    """
    dense = array("dense", dense)
    if dense.ndim < 3 or len(set(dense.shape)) != 1:
        raise fail("dense", "have three or more axes of one length", dense)
    for axes in permutations(range(dense.ndim)):
        if not np.allclose(dense, dense.transpose(axes), rtol=1e-10, atol=0):
            raise fail("dense", "be symmetric under any permutation of its axes", dense)
    shape = checked_shape(dense.ndim, len(dense))
    entries = np.zeros(shape.length, choice("dtype", dtype, TYPES))
    for j, first, part in shape.slabs(entries):
        k, l = np.triu_indices(shape.size - 1 - j, 1)  # noqa: E741
        kept = np.ones(shape.width(j), bool)
        kept[shape.diagonal(j)] = False
        rows = sorted(combinations(range(j), shape.order - 3), key=lambda row: row[::-1])
        for into, row in zip(part, rows[first : first + len(part)], strict=True):
            into[kept] = dense[(*row, j, j + 1 + k, j + 1 + l)]
    return PackedTensor(shape.order, shape.size, entries)


def sampled_tensor(
    key: PRNGKeyArray,
    order: int,
    size: int,
    delta: float,
    signal: Any = None,
    dtype: str = "float32",
) -> PackedTensor:
    """A spiked tensor: a signal in Gaussian noise (Mannelli et al. 2020).

        T_{i1 ... ip} = sqrt((p-1)!) / N^((p-1)/2) x_i1 ... x_ip + xi,    xi ~ N(0, delta)

    for i1 < ... < ip. Every slab has its own stream; the peak memory is the tensor.

    Args:
        key: a scalar key.
        order: p >= 3.
        size: N >= p.
        delta: variance of the noise.
        signal: x*, shape (N,), or None for noise alone.
        dtype: "float32" or "float64"; the two are different draws.

    Raises:
        ValueError: if an argument is out of its domain.
    """
    draw = Draw.of(key, order, size, delta, signal, dtype)
    shape = draw.shape
    entries = np.empty(shape.length, draw.dtype)
    starts = np.cumsum([0, *(shape.rows(j) * shape.width(j) for j in shape.indices)])

    def fill(j: int) -> None:
        start = starts[j - shape.indices[0]]
        for _ in draw.slabs(j, entries[start : start + shape.rows(j) * shape.width(j)]):
            pass

    in_threads(fill, shape.indices)
    return PackedTensor(order, size, entries)


_SHARES: Final = 8

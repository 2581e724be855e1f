"""Tensors slab by slab: where entries stand, how they are drawn, and sums over them.

Of an index j, the slabs hold the entries whose third largest index is j. With the p - 3 indices
below j as rows r, and the two above it as a packed symmetric matrix of zero diagonal,

    T(x) = sum_j x_j sum_r c_r sum_{k<l} M_j[r, kl] x_k x_l,     c_r = product of x over the row,

so that a packed BLAS product y = (c M_j) x gives the gradient in all above j, s = x y / 2 that in
j and in c, and every entry is read from memory once.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from math import comb
from typing import Any, Final, NamedTuple

import numpy as np
from jaxtyping import Float, PRNGKeyArray
from scipy.linalg import get_blas_funcs, get_lapack_funcs

from solvable.core.arguments import choice, fail, integer, non_negative, vector
from solvable.core.randomness import numpy_streams

Columns = Float[np.ndarray, "size columns"]


class Contraction(NamedTuple):
    """A tensor at a vector, or at every column of a matrix.

    Attributes:
        value: sum over rising indices of T x ... x; a number, or shape (columns,).
        gradient: its derivatives, of the shape of x.
    """

    value: Any
    gradient: np.ndarray


class Slab(NamedTuple):
    """Some rows of M_j.

    Attributes:
        index: j.
        row: number of the first row.
        entries: shape (rows, m), each row a packed triangle of side N - 1 - j, zero on its
            diagonal.
    """

    index: int
    row: int
    entries: np.ndarray


@dataclass(frozen=True)
class Shape:
    """Where the entries of a tensor stand in its slabs."""

    order: int
    size: int

    @property
    def indices(self) -> range:
        """Every j that has a row below it and a pair above it."""
        return range(self.order - 3, self.size - 2)

    def rows(self, j: int) -> int:
        """Rows of M_j: sets of p - 3 indices below j."""
        return comb(j, self.order - 3)

    def width(self, j: int) -> int:
        """Entries of a row of M_j."""
        side = self.size - 1 - j
        return side * (side + 1) // 2

    def diagonal(self, j: int) -> np.ndarray:
        """Where the diagonal stands in a row of M_j."""
        side = self.size - 1 - j
        k = np.arange(side)
        return k * side - k * (k - 1) // 2

    @property
    def length(self) -> int:
        """Numbers stored: one for each rising index set, and the zero diagonals."""
        return sum(self.rows(j) * self.width(j) for j in self.indices)

    def parts(self, j: int) -> Iterator[tuple[int, int]]:
        """First and last row (exclusive) of the slabs of j, each small enough for a cache."""
        step, rows = max(1, _CACHED // self.width(j)), self.rows(j)
        for first in range(0, rows, step):
            yield first, min(first + step, rows)

    def slabs(self, entries: np.ndarray) -> Iterator[Slab]:
        """The slabs of a stored tensor, views of its entries."""
        start = 0
        for j in self.indices:
            width = self.width(j)
            for first, last in self.parts(j):
                stop = start + (last - first) * width
                yield Slab(j, first, entries[start:stop].reshape(-1, width))
                start = stop


def tensor_scale(order: int, size: int) -> float:
    """sqrt((p-1)!) / N^((p-1)/2), the size of the signal in a tensor of noise of order one."""
    factorial = float(np.prod(np.arange(1, order)))
    return factorial**0.5 / size ** ((order - 1) / 2)


@dataclass(frozen=True)
class Draw:
    """A spiked tensor that can be drawn slab by slab."""

    shape: Shape
    dtype: np.dtype
    deviation: float
    streams: Any
    rows: np.ndarray | None  # c_r of the signal, with the scale
    pairs: np.ndarray | None
    signal: np.ndarray | None

    @classmethod
    def of(
        cls, key: PRNGKeyArray, order: int, size: int, delta: float, signal: Any, dtype: str
    ) -> "Draw":
        shape = checked_shape(order, size)
        signal = checked_law(order, size, delta, signal, dtype)
        rows = pairs = None
        if signal is not None:
            column = signal[:, None]
            rows = tensor_scale(order, size) * _products(column, order - 3)[-1][:, 0]
            pairs = _pairs(column)[:, 0].astype(dtype)
        streams = numpy_streams(key)
        return cls(shape, np.dtype(dtype), float(delta) ** 0.5, streams, rows, pairs, signal)

    def slabs(self, j: int, into: np.ndarray | None = None) -> Iterator[Slab]:
        """The slabs of j, written into the memory of all, or into one part after another."""
        generator, width, start = self.streams(j), self.shape.width(j), 0
        diagonal = self.shape.diagonal(j)
        for first, last in self.shape.parts(j):
            length = (last - first) * width
            part = np.empty(length, self.dtype) if into is None else into[start : start + length]
            part = part.reshape(-1, width)
            generator.standard_normal(out=part, dtype=self.dtype.type)
            part *= self.dtype.type(self.deviation)
            if self.signal is not None and self.rows is not None and self.pairs is not None:
                factor = (self.signal[j] * self.rows[first:last]).astype(self.dtype)
                part += factor[:, None] * self.pairs[-width:]
            part[:, diagonal] = 0
            yield Slab(j, first, part)
            start += length


class _Blas(NamedTuple):
    """Products with packed and full symmetric matrices, and from one to the other."""

    spmv: Any
    symm: Any
    unpack: Any

    @classmethod
    def of(cls, dtype: np.dtype) -> "_Blas":
        spmv, symm = get_blas_funcs(("spmv", "symm"), dtype=dtype)
        return cls(spmv, symm, get_lapack_funcs("tpttr", dtype=dtype))


@dataclass(frozen=True)
class Sums:
    """Value and gradient as they are summed over slabs.

    Attributes:
        shape: of the tensor.
        x: the vectors, float64.
        rounded: the same in the type of the tensor.
        products: of x over sets of 0, 1, ..., p - 3 indices.
        pairs: x_k x_l, packed, in the type of the tensor; needed where there are rows.
        value: shape (k,).
        gradient: shape (N, k).
        by_row: dT / dc_r.
        blas: routines of the tensor's type.
    """

    shape: Shape
    x: Columns
    rounded: Columns
    products: list[Columns]
    pairs: Columns | None
    value: np.ndarray
    gradient: Columns
    by_row: Columns
    blas: "_Blas"

    @classmethod
    def of(cls, shape: Shape, x: Columns, dtype: np.dtype) -> "Sums":
        """Nothing summed yet."""
        products = _products(x, shape.order - 3)
        pairs = _pairs(x).astype(dtype) if shape.order > 3 else None
        # whole columns are contiguous, as BLAS takes and returns them
        return cls(
            shape,
            np.asarray(x, order="F"),
            np.asarray(x, dtype, order="F"),
            products,
            pairs,
            np.zeros(x.shape[1]),
            np.zeros(x.shape, order="F"),
            np.zeros(products[-1].shape),
            _Blas.of(dtype),
        )

    def over(self, slabs: Iterable[Slab]) -> "Sums":
        """Itself, with these slabs added."""
        if self.pairs is None and self.x.shape[1] == 1:
            return self._over_lines(slabs)
        for j, first, entries in slabs:
            rows = slice(first, first + len(entries))
            y = self._applied(j, rows, entries)
            s = np.einsum("ik,ik->k", self.x[j + 1 :], y) / 2
            c = self.x[j]
            self.value[...] += c * s
            self.gradient[j] += s
            self.gradient[j + 1 :] += c * y
            if self.pairs is not None:
                self.by_row[rows] += c * (entries @ self.pairs[-entries.shape[1] :])
        return self

    def _over_lines(self, slabs: Iterable[Slab]) -> "Sums":
        """The same for p = 3 and one vector: at small sizes numpy's calls are what takes time."""
        spmv, rounded, size = self.blas.spmv, self.rounded[:, 0], self.shape.size
        gradient, weights = self.gradient[:, 0], self.x[:, 0].tolist()
        value = 0.0
        for j, _, entries in slabs:
            tail = rounded[j + 1 :]
            y = spmv(size - 1 - j, 1.0, entries, tail, lower=1)
            s = 0.5 * float(tail.dot(y))
            value += weights[j] * s
            gradient[j] += s
            y *= weights[j]
            gradient[j + 1 :] += y
        self.value[...] += value
        return self

    def _applied(self, j: int, rows: slice, entries: np.ndarray) -> np.ndarray:
        """(sum_r c_r M_j[r]) x, shape (N - 1 - j, k)."""
        above, count = self.rounded[j + 1 :], self.x.shape[1]
        side, blas = len(above), self.blas
        if self.pairs is None and count > _FEW:  # unpacked in cache, where all columns read it
            full, _ = blas.unpack(side, entries[0], uplo="L")
            return blas.symm(1.0, full, above, lower=1)
        if self.pairs is None:
            sums = [entries[0]] * count
        else:
            sums = self.products[-1][rows].T.astype(entries.dtype) @ entries
        found = [blas.spmv(side, 1.0, sums[k], above[:, k], lower=1) for k in range(count)]
        return np.stack(found).T

    def plus(self, others: list["Sums"]) -> "Sums":
        """Itself, with what others summed."""
        for other in others:
            self.value[...] += other.value
            self.gradient[...] += other.gradient
            self.by_row[...] += other.by_row
        return self

    def contraction(self) -> Contraction:
        """Value and gradient, once all slabs are in; c_r is differentiated now."""
        down = self.by_row
        for q in range(self.shape.order - 3, 0, -1):
            below, next_down = self.products[q - 1], np.zeros(self.products[q - 1].shape)
            for b in range(q - 1, self.shape.size):
                part = down[comb(b, q) : comb(b + 1, q)]
                self.gradient[b] += np.sum(part * below[: len(part)], axis=0)
                next_down[: len(part)] += self.x[b] * part
            down = next_down
        return Contraction(self.value, self.gradient)


def _products(x: Columns, count: int) -> list[Columns]:
    """Products of x over all sets of 0, 1, ..., `count` indices, sorted by the largest first."""
    found = [np.ones((1, x.shape[1]))]
    for q in range(1, count + 1):
        below = found[-1]
        found.append(np.concatenate([x[b] * below[: comb(b, q - 1)] for b in range(len(x))]))
    return found


def _pairs(x: Columns) -> Columns:
    """x_k x_l for k <= l, packed by rows, so that those of x[j:] are its last entries."""
    return np.concatenate([x[k] * x[k:] for k in range(len(x))])


def checked_shape(order: int, size: int) -> Shape:
    """The shape, once order and size are known to be possible."""
    order = integer("order", order, low=3)
    return Shape(order, integer("size", size, low=order))


def checked_law(order: int, size: int, delta: float, signal: Any, dtype: str) -> np.ndarray | None:
    """The signal, once it is known to fit and all else to be in its domain."""
    non_negative("delta", delta)
    choice("dtype", dtype, TYPES)
    if signal is None:
        return None
    if np.shape(vector("signal", signal)) != (size,):
        raise fail("signal", f"have {size} entries", np.asarray(signal))
    return np.asarray(signal, dtype=float)


TYPES: Final = ("float32", "float64")
_CACHED: Final = 2**18  # numbers of a slab: 1 MB in float32
_FEW: Final = 2  # columns, for which unpacking takes longer than reading twice

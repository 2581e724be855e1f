"""What message passing needs of a design: two products and a few sums, whatever its storage.

Dense arrays stay where they are: the products run in BLAS on the caller's memory, also when that
is a memory map, and never on a copy. Inside `jit` the transposed product is written ``g @ X``,
because XLA on a CPU copies the transpose of ``X.T @ g``. On the host, results for several
right-hand sides are Fortran-ordered: every right-hand side is contiguous.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Final, Protocol, runtime_checkable

import jax
import jax.numpy as jnp
import numpy as np
import scipy.sparse
from jaxtyping import Array, Float
from scipy.linalg import get_blas_funcs

from solvable.core.arguments import describe, is_traced

Vector = Float[Array, "..."] | Float[np.ndarray, "..."]


@runtime_checkable
class MatrixFree(Protocol):
    """A design that is only known by its products, such as SciPy's `LinearOperator`."""

    shape: Any

    def matvec(self, x: np.ndarray, /) -> np.ndarray: ...
    def rmatvec(self, x: np.ndarray, /) -> np.ndarray: ...


class AbstractDesign(ABC):
    """A design X as message passing sees it.

    Attributes:
        n: number of samples.
        p: dimension of the signal.
        count: number of stacked designs, 0 if this is one design.
        axis: axis of samples and of components in vectors: 0, or 1 for a stack.
        xp: the array module of the vectors: numpy on the host, `jax.numpy` under a transformation.
    """

    n: int
    p: int
    count: int = 0
    axis: int = 0
    xp: Any = np

    @abstractmethod
    def matvec(self, w: Vector) -> Vector:
        """X w, shape (n,) or (n, k)."""

    @abstractmethod
    def rmatvec(self, g: Vector) -> Vector:
        """X^T g, shape (p,) or (p, k)."""

    @abstractmethod
    def square_sum(self) -> Vector | float:
        """Sum of X^2: a number, or shape (b, 1) for a stack."""

    @abstractmethod
    def squared_matvec(self, v: Vector) -> Vector:
        """(X * X) v, for vector variances."""

    @abstractmethod
    def squared_rmatvec(self, h: Vector) -> Vector:
        """(X * X)^T h, for vector variances."""


class Dense(AbstractDesign):
    """A dense array on the host, C- or Fortran-ordered, in float64 or float32."""

    def __init__(self, array: np.ndarray):
        self.array = array
        self.n, self.p = array.shape

    def matvec(self, w: Vector) -> Vector:
        return self._product(w, transpose=False)

    def rmatvec(self, g: Vector) -> Vector:
        return self._product(g, transpose=True)

    def _product(self, vector: Vector, transpose: bool) -> np.ndarray:
        # float64 vectors are cast at the product: mixed types would copy the whole design
        right = np.asarray(vector).astype(self.array.dtype, copy=False)
        if right.ndim == 2:
            # the design on the right, in the layout where BLAS packs it once: a third faster
            left, design = np.ascontiguousarray(right.T), self.array if transpose else self.array.T
            out = _aligned((len(left), design.shape[1]), design.dtype)
            out = np.matmul(left, design, out=out).T
        else:
            out = (self.array.T if transpose else self.array) @ right
        return out.astype(np.float64, copy=False)

    def square_sum(self) -> float:
        return float(sum(np.vdot(b, b).astype(np.float64) for b in self.blocks()))

    def squared_matvec(self, v: Vector) -> Vector:
        return np.concatenate([(b * b) @ np.asarray(v) for b in self.blocks()])

    def squared_rmatvec(self, h: Vector) -> Vector:
        h = np.asarray(h)
        total = np.zeros((self.p, *h.shape[1:]))
        start = 0
        for b in self.blocks():
            total += (b * b).T @ h[start : start + len(b)]
            start += len(b)
        return total

    def blocks(self) -> list[np.ndarray]:
        """Views of consecutive rows, each small enough for the cache."""
        rows = max(1, _BLOCK_ENTRIES // self.p)
        return [self.array[i : i + rows] for i in range(0, self.n, rows)]


def symmetric_product(Y: np.ndarray) -> Callable[[Vector], Vector]:
    """v -> Y v of a symmetric array, which reads one triangle of it where BLAS can see it.

    Several columns are taken one by one while that reads less than one product with all.
    """
    columns, dense = Y if Y.flags.f_contiguous else Y.T, Dense(Y)
    if not columns.flags.f_contiguous or Y.dtype not in (np.float32, np.float64):
        return dense.matvec
    (symv,) = get_blas_funcs(("symv",), dtype=Y.dtype)

    def times(v: Vector) -> Vector:
        right = np.asarray(v).astype(Y.dtype, copy=False)
        if right.ndim == 1:
            return symv(1.0, columns, right).astype(float, copy=False)
        if right.shape[1] > _FEW:
            return dense.matvec(right)
        return np.stack([times(column) for column in right.T], axis=1)

    return times


class Stack(AbstractDesign):
    """Several designs of one shape, (b, n, p), each with its own observation and signal."""

    axis = 1

    def __init__(self, array: np.ndarray):
        self.array = array
        self.members = [Dense(member) for member in array]
        self.count, self.n, self.p = array.shape

    def matvec(self, w: Vector) -> Vector:
        return np.stack([d.matvec(x) for d, x in zip(self.members, w, strict=True)])

    def rmatvec(self, g: Vector) -> Vector:
        return np.stack([d.rmatvec(x) for d, x in zip(self.members, g, strict=True)])

    def square_sum(self) -> Vector:
        return np.array([[d.square_sum()] for d in self.members])

    def squared_matvec(self, v: Vector) -> Vector:
        return np.stack([d.squared_matvec(x) for d, x in zip(self.members, v, strict=True)])

    def squared_rmatvec(self, h: Vector) -> Vector:
        return np.stack([d.squared_rmatvec(x) for d, x in zip(self.members, h, strict=True)])


class Sparse(AbstractDesign):
    """A SciPy sparse matrix or array."""

    def __init__(self, matrix: Any):
        self.matrix = matrix
        self.n, self.p = matrix.shape

    def matvec(self, w: Vector) -> Vector:
        return self.matrix @ np.asarray(w)

    def rmatvec(self, g: Vector) -> Vector:
        return self.matrix.T @ np.asarray(g)

    def square_sum(self) -> float:
        return float(self.matrix.multiply(self.matrix).sum())

    def squared_matvec(self, v: Vector) -> Vector:
        return self.matrix.multiply(self.matrix) @ np.asarray(v)

    def squared_rmatvec(self, h: Vector) -> Vector:
        return self.matrix.multiply(self.matrix).T @ np.asarray(h)


class Operator(AbstractDesign):
    """A design known only by its products.

    The sum of X^2 is estimated from products with random signs, E |X r|^2, with a fixed seed; its
    relative error is about sqrt(2 / (16 n)).
    """

    def __init__(self, operator: MatrixFree):
        self.operator = operator
        self.n, self.p = operator.shape

    def matvec(self, w: Vector) -> Vector:
        return _by_column(self.operator.matvec, np.asarray(w))

    def rmatvec(self, g: Vector) -> Vector:
        return _by_column(self.operator.rmatvec, np.asarray(g))

    def square_sum(self) -> float:
        signs = np.random.default_rng(_PROBE_SEED).choice([-1.0, 1.0], (self.p, _PROBES))
        return float(np.sum(np.square(self.matvec(signs))) / _PROBES)

    def squared_matvec(self, v: Vector) -> Vector:
        raise ValueError(_NO_SQUARES)

    def squared_rmatvec(self, h: Vector) -> Vector:
        raise ValueError(_NO_SQUARES)


class Traced(AbstractDesign):
    """A JAX array on an accelerator or under `jit`, `vmap` or `grad`."""

    xp = jnp

    def __init__(self, array: jax.Array):
        self.array = array
        self.n, self.p = array.shape

    def matvec(self, w: Vector) -> Vector:
        return (self.array @ jnp.asarray(w, self.array.dtype)).astype(jnp.float64)

    def rmatvec(self, g: Vector) -> Vector:
        right = jnp.asarray(g, self.array.dtype)
        out = right @ self.array if right.ndim == 1 else (right.T @ self.array).T
        return out.astype(jnp.float64)

    def square_sum(self) -> Vector:
        return jnp.sum(jnp.square(self.array), dtype=jnp.float64)

    def squared_matvec(self, v: Vector) -> Vector:
        return jnp.square(self.array) @ v

    def squared_rmatvec(self, h: Vector) -> Vector:
        return (h.T @ jnp.square(self.array)).T


class Centered(AbstractDesign):
    """A design minus its column means: X - 1 c^T, without forming it.

    The part taken out adds the same unknown number c . w to every z; message passing estimates it
    as an offset.
    """

    def __init__(self, design: AbstractDesign, means: Vector):
        self.design, self.means = design, means
        self.n, self.p, self.axis, self.xp = design.n, design.p, design.axis, design.xp
        self.count = design.count

    def matvec(self, w: Vector) -> Vector:
        return self.design.matvec(w) - self._dot(w)

    def rmatvec(self, g: Vector) -> Vector:
        total = self.xp.sum(g, axis=self.axis, keepdims=True)
        return self.design.rmatvec(g) - self._along(g) * total

    def square_sum(self) -> Vector | float:
        squares = self.xp.sum(self.xp.square(self.means), axis=-1, keepdims=self.axis == 1)
        return self.design.square_sum() - self.n * squares

    def squared_matvec(self, v: Vector) -> Vector:
        raise ValueError(_CENTERED_SQUARES)

    def squared_rmatvec(self, h: Vector) -> Vector:
        raise ValueError(_CENTERED_SQUARES)

    def _along(self, like: Vector) -> Vector:
        columns = self.axis == 0 and like.ndim == 2
        return self.means[:, None] if columns else self.means

    def _dot(self, w: Vector) -> Vector:
        return self.xp.sum(self._along(w) * w, axis=self.axis, keepdims=True)


def as_design(design: Any, name: str = "design") -> AbstractDesign:
    """The design behind one interface; nothing is copied unless the entries are not floats.

    Args:
        design: shape (n, p), or (b, n, p) for a stack: a numpy or JAX array, a memory map, a SciPy
            sparse matrix, or an object with `shape`, `matvec` and `rmatvec`.
        name: what an error calls it.

    Raises:
        ValueError: if it is none of these, or holds complex numbers or text.
    """
    if isinstance(design, AbstractDesign):
        return design
    if scipy.sparse.issparse(design):
        return Sparse(design)
    if is_traced(design) or (isinstance(design, jax.Array) and not _on_host(design)):
        return Traced(design)
    if isinstance(design, np.ndarray | jax.Array | list):
        array = np.asarray(design)
        _check_dense(name, array)
        if array.dtype not in (np.float64, np.float32):
            array = array.astype(np.float64)
        return Dense(array) if array.ndim == 2 else Stack(array)
    if isinstance(design, MatrixFree):
        return Operator(design)
    raise ValueError(
        f"Argument `{name}` must be an array, a sparse matrix or an object with `shape`, `matvec` "
        f"and `rmatvec`, but was {describe(design)}."
    )


def traced(design: AbstractDesign) -> AbstractDesign:
    """The same dense design where another array of the problem is traced."""
    if isinstance(design, Dense):
        return Traced(jnp.asarray(design.array))
    if isinstance(design, Traced):
        return design
    raise ValueError(
        "Argument `design` must be a dense matrix under a transformation, but was of the kind "
        f"`{type(design).__name__}`."
    )


def column_means(design: AbstractDesign) -> Vector:
    """Means of the columns, shape (p,), or (b, p) for a stack."""
    ones = design.xp.ones((design.count, design.n) if design.count else (design.n,))
    return design.rmatvec(ones) / design.n


def mean_strength(design: AbstractDesign) -> Vector | float:
    """How far the mean of the entries sticks out of the rest: singular value over bulk edge.

    The column means c make a rank-one part 1 c^T of singular value sqrt(n) |c|; independent
    centered entries of the same size have all singular values below 1 + sqrt(n / p) times the root
    mean square row norm. Above 1, message passing without centering is likely to diverge.
    """
    xp = design.xp
    means = column_means(design)
    singular = xp.sqrt(design.n * xp.sum(xp.square(means), axis=-1))
    row = xp.sqrt(xp.reshape(xp.asarray(design.square_sum()), singular.shape) / design.n)
    return singular / (row * (1 + (design.n / design.p) ** 0.5))


def _check_dense(name: str, array: np.ndarray) -> None:
    if array.dtype.kind not in "fiu":
        held = "complex numbers" if array.dtype.kind == "c" else f"the type {array.dtype}"
        raise ValueError(f"Argument `{name}` must hold real numbers, but held {held}.")
    if array.ndim not in (2, 3) or 0 in array.shape:
        raise ValueError(f"Argument `{name}` must have shape (n, p), but had shape {array.shape}.")


def _aligned(shape: tuple[int, int], dtype: np.dtype) -> np.ndarray:
    """An empty array that compiled programs read without a copy."""
    size = shape[0] * shape[1] * dtype.itemsize
    memory = np.empty(size + _ALIGNMENT, np.uint8)
    first = -memory.ctypes.data % _ALIGNMENT
    return memory[first : first + size].view(dtype).reshape(shape)


def _by_column(product: Any, x: np.ndarray) -> np.ndarray:
    if x.ndim == 1:
        return np.asarray(product(x), dtype=np.float64)
    return np.stack([np.asarray(product(column), dtype=np.float64) for column in x.T], axis=1)


def _on_host(array: jax.Array) -> bool:
    return all(device.platform == "cpu" for device in array.devices())


_ALIGNMENT: Final = 64
_FEW = 3  # columns of a symmetric product, each of which reads half the matrix
_BLOCK_ENTRIES: Final = 1 << 18
_PROBES: Final = 16
_PROBE_SEED: Final = 20190827
_NO_SQUARES: Final = (
    "Argument `variances` must be 'scalar' for a matrix-free design, but was 'vector'."
)
_CENTERED_SQUARES: Final = (
    "Argument `variances` must be 'scalar' with `center=True`, but was 'vector'."
)

"""Spectral estimates of a spike in a noisy matrix, with and without its covariance.

    Wigner:   Y = v v^T / sqrt(p) + xi,  shape (p, p), symmetric,
    Wishart:  Y = u v^T / sqrt(p) + xi,  shape (n, p),

entries of order one, noise of variance delta. PCA takes the leading eigenvector or singular
vectors of Y. Linearized message passing (LAMP, Aubin et al. 2019) knows the covariance K = E v v^T
and takes the leading eigenvector of

    Gamma = K A,    A = [Y / sqrt(p) - rho I] / delta,
                    A = [Y^T Y / (p (delta + rho)) - beta I] / delta,    beta = n / p,

rho = Tr K / p. Gamma is not symmetric, but with K = F F^T its eigenvectors are v = F x for those x
of the symmetric F^T A F, which is never formed: one product reads F twice and Y once (half of it,
where it is symmetric). `solvable.core.random_matrix` predicts the squared cosines with v and u.

These are linear estimates for a signal of mean zero. A prior's non-Gaussian part is used by
approximate message passing only.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, NamedTuple

import numpy as np
from jaxtyping import Float, PRNGKeyArray

from solvable.algorithms.designs import Dense, symmetric_product
from solvable.algorithms.eigenvectors import Leading, leading_eigenvectors
from solvable.core.arguments import array, fail, instance, non_negative, positive
from solvable.core.randomness import key_for, numpy_generator
from solvable.core.status import Status

Matrix = Float[np.ndarray, "rows columns"]
Product = Callable[[np.ndarray], np.ndarray]


class WignerEstimate(NamedTuple):
    """A spectral estimate of v.

    Attributes:
        vector: shape (p,), |vector|^2 = p, with a sign that means nothing; (p, count) where more
            than one was asked for.
        eigenvalue: the leading one, of Y / sqrt(p) for PCA and of Gamma for LAMP.
        status: converged or max_steps.
        products: products with Y that were taken.
    """

    vector: Float[np.ndarray, " p"]
    eigenvalue: float
    status: Status
    products: int


class WishartEstimate(NamedTuple):
    """A spectral estimate of v and of u = Y v / |Y v|, up to one common sign.

    Attributes:
        vector: shape (p,), of v, |vector|^2 = p.
        vector_u: shape (n,), of u, |vector_u|^2 = n.
        eigenvalue: the leading one, of Y^T Y / p for PCA and of Gamma for LAMP.
        status: converged or max_steps.
        products: products with Y^T Y that were taken.
    """

    vector: Float[np.ndarray, " p"]
    vector_u: Float[np.ndarray, " n"]
    eigenvalue: float
    status: Status
    products: int


@dataclass(frozen=True, eq=False)
class Covariance:
    """K = scale F F^T + ridge I, by its factor, without ever forming it.

    For a generative layer v = phi(W z / sqrt k) of zero mean: F = W, scale = kappa_1^2 / k,
    ridge = kappa_star^2.

    Args:
        factor: F, shape (p, k), float32 or float64, kept as it is (memory maps too).
        scale: > 0, default 1.
        ridge: >= 0, default 0.

    Raises:
        ValueError: if an argument is out of its domain, F holds numbers that are not finite, or
            K = 0.

    Example:
        >>> Covariance(np.eye(3), scale=0.5, ridge=0.25).rho
        0.75
    """

    factor: Matrix
    scale: float = 1.0
    ridge: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "factor", finite_matrix("factor", self.factor))
        object.__setattr__(self, "scale", positive("scale", self.scale))
        object.__setattr__(self, "ridge", non_negative("ridge", self.ridge))
        if self.rho == 0:
            raise fail("factor", "not vanish where `ridge` is 0", self.factor)

    @classmethod
    def from_samples(cls, samples: Matrix, ridge: float = 0.0) -> "Covariance":
        """The empirical covariance of training data, centered: K = X^T X / n + ridge I.

        Args:
            samples: shape (n, p), one sample a row; one centered copy is made.
            ridge: >= 0, added to all eigenvalues.

        Raises:
            ValueError: if the samples are not finite or are all the same.
        """
        X = finite_matrix("samples", samples)
        centered = X - X.mean(axis=0, dtype=np.float64).astype(X.dtype)
        if not np.any(centered):
            raise fail("samples", "hold two that differ", samples)
        return cls(centered.T, scale=1 / len(X), ridge=ridge)

    @property
    def dimension(self) -> int:
        """Dimension of the signal."""
        return len(self.factor)

    @cached_property
    def rho(self) -> float:
        """Tr K / p."""
        total = sum(
            float(np.einsum("ij,ij->i", rows, rows).sum(dtype=np.float64))
            for rows in _blocks(self.factor)
        )
        return self.scale * total / self.dimension + self.ridge

    @property
    def columns(self) -> int:
        """m, those of the square root [sqrt(scale) F, sqrt(ridge) I] of K."""
        return self.factor.shape[1] + (self.dimension if self.ridge > 0 else 0)

    def root_product(self, x: Float[np.ndarray, " m"]) -> Float[np.ndarray, " p"]:
        """[sqrt(scale) F, sqrt(ridge) I] x."""
        k = self.factor.shape[1]
        result = self.scale**0.5 * _times(self.factor, x[:k])
        return result + self.ridge**0.5 * x[k:] if self.ridge > 0 else result

    def root_transposed(self, v: Float[np.ndarray, " p"]) -> Float[np.ndarray, " m"]:
        """[sqrt(scale) F, sqrt(ridge) I]^T v."""
        result = self.scale**0.5 * _times(self.factor.T, v)
        return np.concatenate([result, self.ridge**0.5 * v]) if self.ridge > 0 else result

    def product(self, v: Float[np.ndarray, " p"]) -> Float[np.ndarray, " p"]:
        """K v."""
        return self.root_product(self.root_transposed(v))


def pca_wigner(
    Y: Matrix,
    count: int = 1,
    *,
    tolerance: float = 1e-4,
    max_steps: int = 300,
    key: PRNGKeyArray | None = None,
) -> WignerEstimate:
    """Leading eigenvectors of Y / sqrt(p).

    Args:
        Y: shape (p, p), symmetric, float32 or float64; memory maps too.
        count: how many; more than one are the columns of `vector`.
        tolerance: of the residual, relative to the eigenvalue.
        max_steps: restarts of the Lanczos iteration.
        key: random key of its first vector.

    Raises:
        ValueError: if Y is not square, not symmetric, not finite, or zero.
    """
    Y = not_zero("Y", symmetric_matrix("Y", Y))
    times = symmetric_product(Y)
    p = len(Y)
    found = leading_eigenvectors(
        lambda v: times(v) / p**0.5,
        _first(key, p),
        count,
        tolerance=tolerance,
        max_steps=max_steps,
    )
    vector = found.vector if count == 1 else found.vectors
    return WignerEstimate(vector * p**0.5, *_ended(found))


def pca_wishart(
    Y: Matrix,
    count: int = 1,
    *,
    tolerance: float = 1e-4,
    max_steps: int = 300,
    key: PRNGKeyArray | None = None,
) -> WishartEstimate:
    """Leading singular vectors of Y: eigenvector of Y^T Y / p and its image.

    Args:
        Y: shape (n, p), float32 or float64; memory maps too.
        count: how many; more than one are the columns of `vector`.
        tolerance: of the residual, relative to the eigenvalue.
        max_steps: restarts of the Lanczos iteration.
        key: random key of its first vector.

    Raises:
        ValueError: if Y is no matrix, not finite, or zero.
    """
    Y = not_zero("Y", finite_matrix("Y", Y))
    p = Y.shape[1]
    found = leading_eigenvectors(
        lambda v: _gram_product(Y, v) / p,
        _first(key, p),
        count,
        tolerance=tolerance,
        max_steps=max_steps,
    )
    return _pair(Y, found.vector if count == 1 else found.vectors, found)


def lamp_wigner(
    Y: Matrix,
    covariance: Covariance | Matrix,
    delta: float,
    rho: float | None = None,
    *,
    tolerance: float = 1e-4,
    max_steps: int = 300,
    key: PRNGKeyArray | None = None,
) -> WignerEstimate:
    """Leading eigenvector of Gamma = K [Y / sqrt(p) - rho I] / delta.

    Args:
        Y: shape (p, p), symmetric, float32 or float64; memory maps too.
        covariance: K, or its factor F of shape (p, k) in K = F F^T.
        delta: variance of the noise, > 0. It only scales the eigenvalue.
        rho: second moment of v's components, > 0; by default Tr K / p.
        tolerance: of the residual, relative to the eigenvalue.
        max_steps: restarts of the Lanczos iteration.
        key: random key of its first vector.

    Raises:
        ValueError: if Y is not square, not symmetric or not finite, the covariance is of another
            dimension, or a number is not positive.

    Example:
        >>> rng = np.random.default_rng(0)
        >>> F = rng.normal(size=(200, 100)) / 10
        >>> v, noise = F @ rng.normal(size=100), rng.normal(size=(200, 200))
        >>> Y = np.outer(v, v) / 200**0.5 + 0.5 * (noise + noise.T) / 2**0.5
        >>> found = lamp_wigner(Y, F, delta=0.25)
        >>> bool(np.dot(found.vector, v) ** 2 / 200 / np.dot(v, v) > 0.8)
        True
    """
    Y = not_zero("Y", symmetric_matrix("Y", Y))
    K, delta, rho = _known(covariance, delta, rho, len(Y))
    times = symmetric_product(Y)
    p = len(Y)
    found = _leading_of_gamma(
        K, lambda v: (times(v) / p**0.5 - rho * v) / delta, tolerance, max_steps, key
    )
    return WignerEstimate(_scaled(K.root_product(found.vector)), *_ended(found))


def lamp_wishart(
    Y: Matrix,
    covariance: Covariance | Matrix,
    delta: float,
    rho: float | None = None,
    *,
    tolerance: float = 1e-4,
    max_steps: int = 300,
    key: PRNGKeyArray | None = None,
) -> WishartEstimate:
    """Leading eigenvector of Gamma = K [Y^T Y / (p (delta + rho)) - beta I] / delta.

    For standard Gaussian u. Here `delta` matters: it weighs the two terms.

    Args:
        Y: shape (n, p), float32 or float64; memory maps too.
        covariance: K of v, or its factor F of shape (p, k) in K = F F^T.
        delta: variance of the noise, > 0.
        rho: second moment of v's components, > 0; by default Tr K / p.
        tolerance: of the residual, relative to the eigenvalue.
        max_steps: restarts of the Lanczos iteration.
        key: random key of its first vector.

    Raises:
        ValueError: if Y is no matrix or not finite, the covariance is of another dimension, or a
            number is not positive.
    """
    Y = finite_matrix("Y", Y)
    n, p = Y.shape
    K, delta, rho = _known(covariance, delta, rho, p)

    def times(v: np.ndarray) -> np.ndarray:
        return (_gram_product(Y, v) / (p * (delta + rho)) - n / p * v) / delta

    found = _leading_of_gamma(K, times, tolerance, max_steps, key)
    return _pair(Y, K.root_product(found.vector), found)


def _leading_of_gamma(
    K: Covariance, times: Product, tolerance: float, max_steps: int, key: PRNGKeyArray | None
) -> Leading:
    """The leading eigenvector x of F^T A F; `times` is v -> A v."""
    return leading_eigenvectors(
        lambda x: K.root_transposed(times(K.root_product(x))),
        _first(key, K.columns),
        tolerance=tolerance,
        max_steps=max_steps,
    )


def _first(key: PRNGKeyArray | None, size: int) -> np.ndarray:
    stream = key_for(0, "spectral estimate") if key is None else key
    return numpy_generator(stream).standard_normal(size)


def _known(
    covariance: Covariance | Matrix, delta: float, rho: float | None, p: int
) -> tuple[Covariance, float, float]:
    """Covariance, noise and second moment, checked."""
    if not isinstance(covariance, Covariance):
        covariance = Covariance(finite_matrix("covariance", covariance))
    K = instance("covariance", covariance, Covariance, "a Covariance or a factor")
    if K.dimension != p:
        raise ValueError(
            f"Argument `covariance` must be of dimension {p}, the columns of `Y`, but was of "
            f"dimension {K.dimension}."
        )
    return K, positive("delta", delta), K.rho if rho is None else positive("rho", rho)


def _pair(Y: Matrix, v: np.ndarray, found: Leading) -> WishartEstimate:
    return WishartEstimate(_scaled(v), _scaled(_times(Y, v)), *_ended(found))


def _ended(found: Leading) -> tuple[float, Status, int]:
    return found.eigenvalue, found.status, found.products


def _scaled(v: np.ndarray) -> np.ndarray:
    """v with |v|^2 = its length."""
    v = np.asarray(v, dtype=np.float64)
    return v * (len(v) ** 0.5 / np.linalg.norm(v))


def _times(matrix: Matrix, v: np.ndarray) -> Any:
    """A product in the matrix's precision, as designs take it."""
    return Dense(matrix).matvec(v)


def _gram_product(Y: Matrix, v: np.ndarray) -> np.ndarray:
    """Y^T Y v. By blocks of rows that stay in the cache, so that Y is read once."""
    if not Y.flags.c_contiguous:
        return _times(Y.T, _times(Y, v))
    short = v.astype(Y.dtype, copy=False)
    total = np.zeros(len(v))
    for rows in _blocks(Y):
        total += (rows @ short) @ rows
    return total


def _blocks(matrix: Matrix) -> list[Matrix]:
    """Blocks of about `_BLOCK` bytes that are contiguous in memory: of rows, else of columns."""
    if matrix.flags.f_contiguous and not matrix.flags.c_contiguous:
        matrix = matrix.T
    rows = max(1, _BLOCK // (matrix.shape[1] * matrix.itemsize))
    return [matrix[start : start + rows] for start in range(0, len(matrix), rows)]


def finite_matrix(name: str, value: Any) -> Matrix:
    """A finite float32 or float64 matrix without a copy; other numbers become float64."""
    single_or_double = isinstance(value, np.ndarray) and value.dtype in (np.float32, np.float64)
    if not single_or_double or value.ndim != 2 or value.size == 0:
        return array(name, value, ndim=2)
    matrix = np.asarray(value)  # a memory map as a plain array, still on disk
    for rows in _blocks(matrix):
        if not np.isfinite(rows).all():
            bad = rows[~np.isfinite(rows)][0]
            raise ValueError(f"Argument `{name}` must hold finite numbers, but held {bad}.")
    return matrix


def symmetric_matrix(name: str, value: Any) -> Matrix:
    """A square matrix equal to its transpose up to rounding; compared tile by tile."""
    Y = finite_matrix(name, value)
    if Y.shape[0] != Y.shape[1]:
        raise fail(name, "be a square matrix", Y)
    largest = Y.dtype.type(0)
    starts = range(0, len(Y), _TILE)
    worst = largest
    for i in starts:
        for j in starts[: i // _TILE + 1]:
            tile = Y[i : i + _TILE, j : j + _TILE]
            worst = max(worst, np.abs(tile - Y[j : j + _TILE, i : i + _TILE].T).max())
            largest = max(largest, np.abs(tile).max())
    if worst > _ASYMMETRY * largest:
        raise ValueError(
            f"Argument `{name}` must be symmetric, but differed from its transpose by {worst:.3g}."
        )
    return Y


def not_zero(name: str, matrix: Matrix) -> Matrix:
    """The matrix, of which not all entries are 0."""
    if not any(rows.any() for rows in _blocks(matrix)):
        raise fail(name, "not be zero", matrix)
    return matrix


_BLOCK: Final = 2**20
_TILE: Final = 512
_ASYMMETRY: Final = 1e-5  # float32 data that went through a product

"""A spike seen through a noisy matrix and a noisy tensor, and the force that both exert.

    Y_ij = x_i x_j / sqrt(N) + xi_ij,
    T_{i1 ... ip} = sqrt((p-1)!) / N^((p-1)/2) x_i1 ... x_ip + xi,

with xi ~ N(0, Delta_2) for i < j and N(0, Delta_p) for i1 < ... < ip, and |x|^2 = N. Up to a
constant minus ln P(Y, T | x) is, on the sphere,

    H(x) = - sum_{i<j} Y_ij x_i x_j / (Delta_2 sqrt N)
           - sqrt((p-1)!) / (Delta_p N^((p-1)/2)) sum_{i1<...<ip} T x_i1 ... x_ip

(Sarao Mannelli et al. 2020), whose noise has covariance N Q of overlaps, Q(x) = x^2 / (2 Delta_2)
+ x^p / (p Delta_p). The force - dH/dx is the only costly operation of message passing and of
dynamics on such data: `MatrixTensor.force`, one contraction with all columns of x.
"""

from dataclasses import dataclass
from functools import cached_property
from math import inf, sqrt
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, PRNGKeyArray

from solvable.algorithms.low_rank_spectral import symmetric_matrix
from solvable.algorithms.tensor_slabs import Columns, tensor_scale
from solvable.algorithms.tensors import AbstractTensor, sampled_tensor
from solvable.core.arguments import array, fail, in_interval, instance, integer, positive, vector
from solvable.core.covariance import Covariance
from solvable.core.randomness import add_outer, fold, numpy_generator, symmetric_noise


class Force(NamedTuple):
    """- dH/dx of each channel, shape (N, k); zero for a channel that is absent.

    Attributes:
        matrix: from the matrix.
        tensor: from the tensor.
        matrix_energy: H / N of the matrix, shape (k,).
        tensor_energy: H / N of the tensor, shape (k,).
    """

    matrix: Columns
    tensor: Columns
    matrix_energy: np.ndarray
    tensor_energy: np.ndarray

    @property
    def total(self) -> Columns:
        """- dH/dx."""
        return self.matrix + self.tensor

    @property
    def energy(self) -> np.ndarray:
        """H / N, shape (k,)."""
        return self.matrix_energy + self.tensor_energy


@dataclass(frozen=True, eq=False)
class MatrixTensor:
    """A noisy matrix, a noisy tensor, or both.

    Args:
        matrix: Y, shape (N, N) and symmetric, in float64 or float32; its diagonal is not read.
            None if there is none.
        delta2: variance of its noise, positive; infinite without a matrix.
        tensor: T, or None if there is none.
        deltap: variance of its noise, positive; infinite without a tensor.

    Raises:
        ValueError: if both channels are absent or do not fit, the matrix is not square, symmetric
            and finite, or a variance is not positive.
    """

    matrix: Any = None
    delta2: float = inf
    tensor: AbstractTensor | None = None
    deltap: float = inf

    def __post_init__(self) -> None:
        if self.matrix is None and self.tensor is None:
            raise fail("matrix", "be given where there is no tensor", None)
        if self.matrix is not None:
            positive("delta2", self.delta2)
            symmetric_matrix("matrix", self.matrix)
        if self.tensor is not None:
            positive("deltap", self.deltap)
            instance("tensor", self.tensor, AbstractTensor, "a tensor")
            if self.matrix is not None and self.tensor.size != len(self.matrix):
                raise fail("tensor", f"be of size {len(self.matrix)}", self.tensor.size)

    @property
    def size(self) -> int:
        """N."""
        return len(self.matrix) if self.tensor is None else self.tensor.size

    @cached_property
    def covariance(self) -> Covariance:
        """Q(x) = x^2 / (2 Delta_2) + x^p / (p Delta_p), of the channels that there are."""
        terms = []
        if self.matrix is not None:
            terms.append((2, 1 / (2 * self.delta2)))
        if self.tensor is not None:
            terms.append((self.tensor.order, 1 / (self.tensor.order * self.deltap)))
        powers, coefficients = zip(*terms, strict=True)
        return Covariance(powers, coefficients)

    @cached_property
    def _diagonal(self) -> np.ndarray:
        return np.array(np.diagonal(self.matrix), dtype=float)[:, None]

    def force(self, x: Columns) -> Force:
        """- dH/dx and H / N of each channel at every column.

        Args:
            x: shape (N, k), float64; nothing is checked.
        """
        size, nothing = len(x), np.zeros(x.shape)
        matrix, tensor, tensor_energy = nothing, nothing, np.zeros(x.shape[1])
        if self.matrix is not None:
            rounded = np.asarray(x, dtype=self.matrix.dtype)
            matrix = (self.matrix @ rounded - self._diagonal * x) / (self.delta2 * sqrt(size))
        if self.tensor is not None:
            scale = tensor_scale(self.tensor.order, size) / self.deltap
            value, gradient = self.tensor.columns(x)
            tensor, tensor_energy = scale * gradient, -scale * value / size
        matrix_energy = -np.einsum("ik,ik->k", x, matrix) / (2 * size)
        return Force(matrix, tensor, matrix_energy, tensor_energy)

    def energy(self, x: Any) -> Any:
        """H / N at x, shape (N,) or (N, k): a number, or shape (k,).

        Raises:
            ValueError: if x has another shape.
        """
        x = array("x", x)
        if x.ndim not in (1, 2) or len(x) != self.size:
            raise fail("x", f"have {self.size} entries, or rows", x)
        energy = self.force(x.reshape(self.size, -1)).energy
        return float(energy[0]) if x.ndim == 1 else energy


def sampled_matrix_tensor(
    key: PRNGKeyArray,
    size: int,
    *,
    delta2: float | None = None,
    order: int = 3,
    deltap: float | None = None,
    signal: Any = None,
    dtype: str = "float32",
) -> MatrixTensor:
    """Data of the model: a channel for each variance that is given.

    Args:
        key: a scalar key; matrix and tensor have streams of their own.
        size: N.
        delta2: variance of the matrix's noise, or None for no matrix.
        order: p >= 3.
        deltap: variance of the tensor's noise, or None for no tensor.
        signal: x*, shape (N,), of norm sqrt(N) in the model; None for noise alone.
        dtype: of the tensor; the matrix is in float64.

    Raises:
        ValueError: if an argument is out of its domain.
    """
    size = integer("size", size, low=2)
    matrix = tensor = None
    if signal is not None and np.shape(vector("signal", signal)) != (size,):
        raise fail("signal", f"have {size} entries", np.asarray(signal))
    if delta2 is not None:
        matrix = symmetric_noise(fold(key, "matrix"), size, sqrt(positive("delta2", delta2)))
        if signal is not None:
            add_outer(matrix, np.asarray(signal), np.asarray(signal), 1 / sqrt(size))
        np.fill_diagonal(matrix, 0)
    if deltap is not None:
        positive("deltap", deltap)
        tensor = sampled_tensor(fold(key, "tensor"), order, size, deltap, signal, dtype)
    return MatrixTensor(
        matrix, inf if delta2 is None else delta2, tensor, inf if deltap is None else deltap
    )


def sampled_sphere(key: PRNGKeyArray, size: int, count: int | None = None) -> np.ndarray:
    """Uniform points of the sphere |x|^2 = N, shape (N,), or (N, count).

    Args:
        key: a scalar key.
        size: N >= 1.
        count: how many; None for one as a vector.
    """
    shape = (size,) if count is None else (size, count)
    return _on_sphere(numpy_generator(key).standard_normal(shape))


def sphere_start(
    key: PRNGKeyArray, signal: Float[np.ndarray, " size"], overlap: float, count: int | None = None
) -> np.ndarray:
    """Random points of the sphere whose overlap x x* / N with the signal is given, exactly.

    Args:
        key: a scalar key.
        signal: x*, shape (N,); of length sqrt(N), or scaled to it.
        overlap: in [-1, 1].
        count: how many; None for one as a vector.

    Raises:
        ValueError: if an argument is out of its domain.
    """
    overlap = in_interval("overlap", overlap, -1, 1)
    signal = _on_sphere(np.asarray(vector("signal", signal), dtype=float))
    free = sampled_sphere(key, len(signal), 1 if count is None else count)
    free = _on_sphere(free - signal[:, None] * (signal @ free / len(signal)))
    x = overlap * signal[:, None] + sqrt(1 - overlap**2) * free
    return x[:, 0] if count is None else x


def _on_sphere(x: np.ndarray) -> np.ndarray:
    return x * (sqrt(len(x)) / np.linalg.norm(x, axis=0))

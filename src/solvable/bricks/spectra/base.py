"""A spectrum states averages over its non-zero eigenvalues; what layers need follows here.

W is a layer's weight matrix of shape (n, p), ratio a = n / p, and lambda the p eigenvalues of
W^T W, of which a fraction of at least max(0, 1 - a) is zero. Averages are functions of w = 1 / u,
because they stay smooth at w = 0, where the outputs say nothing of the inputs.
"""

from abc import abstractmethod
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from solvable.core.randomness import fold, normal_matrix
from solvable.core.specification import Specification

Scalar = Float[Array, ""]


class Mixing(NamedTuple):
    """What the weights make of the messages at a fixed point.

    Attributes:
        snr: A, the signal-to-noise ratio that z = W h sees from its outputs.
        variance: variance of z given everything but its own output.
        coupling: [q_hat V + a A variance - F_W(A V)] / 2, per input: the conjugate term of the
            potential, q_hat V / 2 for iid Gaussian weights.
    """

    snr: Scalar
    variance: Scalar
    coupling: Scalar


class AbstractSpectrum(Specification):
    """Law of the singular values of a rotationally invariant weight matrix.

    A new law needs the fraction of non-zero eigenvalues, two averages over these, a mean
    logarithm, the mean and finite matrices; the transforms and `mix` follow. Every method takes a
    scalar ratio > 0 and works under `jit`, `vmap` and `grad`, finite matrices apart.
    """

    @abstractmethod
    def rank(self, ratio: Scalar) -> Scalar:
        """P(lambda > 0), at most min(1, ratio)."""

    @abstractmethod
    def resolvent(self, w: Scalar, ratio: Scalar) -> Scalar:
        """E[1 / (1 + w lambda) | lambda > 0] for w >= 0."""

    @abstractmethod
    def weighted_resolvent(self, w: Scalar, ratio: Scalar) -> Scalar:
        """E[lambda / (1 + w lambda) | lambda > 0] for w >= 0, without cancellation."""

    @abstractmethod
    def log_determinant(self, w: Scalar, ratio: Scalar) -> Scalar:
        """E ln(1 + w lambda) = lim ln det(1 + w W^T W) / p for w >= 0."""

    @abstractmethod
    def mean(self, ratio: Scalar) -> Scalar:
        """E lambda; the ratio for laws with the normalization of entries of variance 1 / p."""

    @abstractmethod
    def sample_singular_values(self, key: PRNGKeyArray, n: int, p: int) -> Float[np.ndarray, " m"]:
        """The m = min(n, p) singular values of a finite matrix, falling.

        They are quantiles of the law, so that instances hardly differ in them.
        """

    @abstractmethod
    def sample(self, key: PRNGKeyArray, n: int, p: int) -> Float[np.ndarray, "n p"]:
        """A finite weight matrix."""

    def stieltjes(self, u: Scalar, ratio: Scalar) -> Scalar:
        """s(u) = E u / (u + lambda) for u > 0, zero eigenvalues included."""
        return _diluted(self.rank(ratio), self.resolvent(1 / jnp.asarray(u), ratio))

    def output_stieltjes(self, u: Scalar, ratio: Scalar) -> Scalar:
        """E u / (u + lambda) over the n eigenvalues of W W^T: 1 - (1 - s(u)) / ratio."""
        kept = self.resolvent(1 / jnp.asarray(u), ratio)
        return _diluted(self.rank(ratio) / ratio, kept)

    def absorbed(self, u: Scalar, ratio: Scalar) -> Scalar:
        """1 - s(u) = E lambda / (u + lambda), accurate also where s(u) is near one."""
        w = 1 / jnp.asarray(u)
        return self.rank(ratio) * w * self.weighted_resolvent(w, ratio)

    def log_mean(self, u: Scalar, ratio: Scalar) -> Scalar:
        """E ln(lambda + u) for u > 0; its derivative in u is s(u) / u."""
        return jnp.log(u) + self.log_determinant(1 / jnp.asarray(u), ratio)


class AbstractRotatedSpectrum(AbstractSpectrum):
    """A law whose finite matrices are its singular values between two random rotations."""

    def sample(self, key: PRNGKeyArray, n: int, p: int) -> Float[np.ndarray, "n p"]:
        values = self.sample_singular_values(fold(key, "singular values"), n, p)
        left = haar_frame(fold(key, "left"), n, len(values))
        right = haar_frame(fold(key, "right"), p, len(values))
        return (left * values) @ right.T


class AbstractAnalyticSpectrum(AbstractSpectrum):
    """A law whose fixed-point messages have a closed form."""

    @abstractmethod
    def analytic_mixing(self, ratio: Scalar, q_hat: Scalar, V: Scalar) -> Mixing:
        """The messages at a fixed point, for q_hat V in the domain of `mix`."""


def haar_frame(key: PRNGKeyArray, rows: int, columns: int) -> Float[np.ndarray, "rows columns"]:
    """Orthonormal columns, uniform on the Stiefel manifold, for rows >= columns.

    The Q of a Gaussian matrix is uniform only if R has a positive diagonal, which LAPACK does not
    promise.
    """
    Q, R = np.linalg.qr(normal_matrix(key, (rows, columns)))
    return Q * np.where(np.diagonal(R) < 0, -1.0, 1.0)


def quantile_levels(count: int) -> Float[np.ndarray, " count"]:
    """The middles of `count` equal parts of [0, 1], falling."""
    return (np.arange(count)[::-1] + 0.5) / count


def _diluted(rank: Scalar, kept: Scalar) -> Scalar:
    """The average over all eigenvalues where the zero ones count as one: exact at rank one."""
    return (1 - rank) + rank * kept

"""Gaussian inputs of any covariance, given or estimated from data."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, PRNGKeyArray

from solvable.bricks.inputs.base import AbstractInputs, Modes
from solvable.bricks.inputs.sources import GaussianSource
from solvable.core.arguments import array, fail, non_negative_vector, parameter

CARD = dict(
    kind="inputs",
    name="GaussianInputs",
    summary="Gaussian inputs whose covariance has the given eigenvalues, in equal parts",
    parameters={
        "eigenvalues": ">= 0, not all 0, each of the same fraction of the directions",
        "signal": "None (a teacher alike in all directions), or (u . phi)^2 of each eigenvalue",
    },
    rigour="theorem",
    references=["goldt2020"],
)

_EXPLAINED = 1e-6  # by how much the part of nu that x explains may exceed 1, for rounding


def _signal(name: str, value: Any) -> Any:
    return None if value is None else non_negative_vector(name, value)


class GaussianInputs(AbstractInputs):
    """x ~ N(0, Omega), each of the eigenvalues of Omega for the same fraction of directions.

    If not given, the signal is that of teacher's vectors which are independent of Omega:
    phi = Omega w*, with (w* . u)^2 alike in all directions, so that a direction of eigenvalue s
    has s^2 / (mean s).

    Args:
        eigenvalues: of Omega, >= 0.
        signal: (u . phi)^2 / T of the direction of each eigenvalue, phi = sqrt(N) E x nu,
            T = E nu^2; what x explains of nu, the mean of signal / eigenvalue, is at most 1.

    Raises:
        ValueError: if a number is negative, all eigenvalues are 0, or the signal is that of no
            teacher.

    Example:
        >>> GaussianInputs(eigenvalues=[0.5, 1.5])
        GaussianInputs(eigenvalues=[0.5, 1.5])
    """

    eigenvalues: Float[np.ndarray, " groups"] = parameter("eigenvalues", non_negative_vector)
    signal: Float[np.ndarray, " groups"] | None = parameter("signal", _signal, default=None)

    def __check_init__(self) -> None:
        s, signal = self.eigenvalues, self.signal
        if not np.any(s > 0):
            raise fail("eigenvalues", "not all be 0", s.tolist())
        if signal is None:
            return
        if len(signal) != len(s):
            raise fail("signal", f"have the length of `eigenvalues`, {len(s)}", signal.tolist())
        there = s > 0
        explained = np.sum(signal[there] / s[there]) / len(s)
        if np.any(signal[~there] > 0) or not 0 < explained <= 1 + _EXPLAINED:
            must = "have a mean of signal / eigenvalue in (0, 1], and be 0 where that is"
            raise fail("signal", must, signal.tolist())

    @classmethod
    def of(cls, samples: Any, *, fields: Any = None, weights: Any = None) -> "GaussianInputs":
        """Inputs with the covariance of data, and the signal of a teacher seen on them.

        Signals of n samples are too large by about s N / n in every direction: take n >> N.

        Args:
            samples: shape (n, N), more than one.
            fields: the teacher's nu of the samples, or their labels, shape (n,) or (n, M) for M
                units with uncorrelated fields, of which the signal is the mean.
            weights: instead, a teacher on these inputs, shape (N,) or (M, N).

        Raises:
            ValueError: if shapes do not fit, or both teachers are given.
        """
        x = array("samples", samples, ndim=2)
        if len(x) < 2:
            raise fail("samples", "hold at least two rows", x)
        x = x - x.mean(axis=0)
        values, vectors = np.linalg.eigh(x.T @ x / len(x))
        values = np.maximum(values, 0.0)
        nu = _fields(x, fields, weights)
        if nu is None:
            return cls(eigenvalues=values)
        phi = vectors.T @ (x.T @ nu) * (x.shape[1] ** 0.5 / len(x))
        signal = np.mean(phi**2 / np.mean(nu**2, axis=0), axis=1)
        return cls(eigenvalues=values, signal=np.where(values > 0, signal, 0.0))

    def modes(self, teacher_on: str) -> Modes:
        s = jnp.asarray(self.eigenvalues)
        share = jnp.full(len(s), 1 / len(s))
        signal = s**2 / (share @ s) if self.signal is None else jnp.asarray(self.signal)
        return Modes(share, s, signal)

    def source(self, key: PRNGKeyArray, size: int, teacher_on: str) -> GaussianSource:
        """Components are the directions, each eigenvalue as often as N allows."""
        if self.signal is not None:
            raise fail("signal", "be None for simulations, which draw a teacher", self.signal)
        places = np.arange(size) * len(self.eigenvalues) // size
        return GaussianSource(self.eigenvalues[places])


def _fields(x: np.ndarray, fields: Any, weights: Any) -> np.ndarray | None:
    """The teacher's centered nu of centered samples, shape (n, M)."""
    if fields is None and weights is None:
        return None
    if fields is not None and weights is not None:
        raise fail("weights", "be None where `fields` are given", weights)
    if fields is None:
        w = np.atleast_2d(array("weights", weights))
        if w.shape[1] != x.shape[1]:
            raise fail("weights", f"have rows of length {x.shape[1]}", w)
        return x @ w.T / x.shape[1] ** 0.5
    nu = array("fields", fields)
    if nu.ndim not in (1, 2) or len(nu) != len(x):
        raise fail("fields", f"have {len(x)} rows, one for each sample", nu)
    nu = nu.reshape(len(x), -1)
    nu = nu - nu.mean(axis=0)
    if not np.all(np.any(nu != 0, axis=0)):
        raise fail("fields", "not be constant", fields)
    return nu

"""Gaussian inputs of any covariance."""

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
    parameters={"eigenvalues": ">= 0, not all 0, each of the same fraction of the directions"},
    rigour="theorem",
    references=["goldt2020"],
)


class GaussianInputs(AbstractInputs):
    """x ~ N(0, Omega), each of the eigenvalues of Omega for the same fraction of directions.

    The teacher's vectors are independent of Omega: phi = Omega w*, with (w* . u)^2 alike in all
    directions, so that a direction of eigenvalue s has s^2 / (mean s).

    Args:
        eigenvalues: of Omega, >= 0.

    Raises:
        ValueError: if one is negative, or all are 0.

    Example:
        >>> GaussianInputs(eigenvalues=[0.5, 1.5])
        GaussianInputs(eigenvalues=[0.5, 1.5])
    """

    eigenvalues: Float[np.ndarray, " groups"] = parameter("eigenvalues", non_negative_vector)

    def __check_init__(self) -> None:
        if not np.any(self.eigenvalues > 0):
            raise fail("eigenvalues", "not all be 0", self.eigenvalues.tolist())

    @classmethod
    def of(cls, samples: Any) -> "GaussianInputs":
        """Inputs with the covariance of data.

        Args:
            samples: shape (number, N), more than one.
        """
        x = array("samples", samples, ndim=2)
        if len(x) < 2:
            raise fail("samples", "hold at least two rows", x)
        centered = x - x.mean(axis=0)
        values = np.linalg.eigvalsh(centered.T @ centered / len(x))
        return cls(eigenvalues=np.maximum(values, 0.0))

    def modes(self, teacher_on: str) -> Modes:
        s = jnp.asarray(self.eigenvalues)
        share = jnp.full(len(s), 1 / len(s))
        return Modes(share, s, s**2 / (share @ s))

    def source(self, key: PRNGKeyArray, size: int, teacher_on: str) -> GaussianSource:
        """Components are the directions, each eigenvalue as often as N allows."""
        places = np.arange(size) * len(self.eigenvalues) // size
        return GaussianSource(self.eigenvalues[places])

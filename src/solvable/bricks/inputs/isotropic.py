"""Inputs of independent components."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from solvable.bricks.inputs.base import AbstractInputs, Modes
from solvable.bricks.inputs.sources import GaussianSource

CARD = dict(
    kind="inputs",
    name="Isotropic",
    summary="independent components of variance 1",
    parameters={},
    rigour="theorem",
    references=["saad1995"],
)


class Isotropic(AbstractInputs):
    """x with independent components of mean 0 and variance 1: all directions learn alike.

    Example:
        >>> Isotropic()
        Isotropic()
    """

    def modes(self, teacher_on: str) -> Modes:
        one = jnp.ones(1)
        return Modes(one, one, one)

    def source(self, key: PRNGKeyArray, size: int, teacher_on: str) -> GaussianSource:
        return GaussianSource(np.ones(size))

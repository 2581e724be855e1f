"""Edges of a random graph: entries 0 or 1."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from solvable.bricks.matrix_channels.base import AbstractAnalyticMatrixChannel
from solvable.core.arguments import UNSET, in_interval, nonzero, parameter, positive
from solvable.core.randomness import numpy_generator

CARD = dict(
    kind="matrix channel",
    name="BernoulliEdges",
    summary="edges of a graph, 0 or 1: P(1) = probability + contrast w",
    parameters={
        "probability": "in (0, 1), mean probability of an edge",
        "contrast": "not 0, how much likelier w makes it",
    },
    rigour="theorem",
    references=["deshpande2017", "lesieur2017"],
)


def _inner(name: str, value: Any) -> Any:
    return in_interval(name, value, 0.0, 1.0, closed="neither")


class BernoulliEdges(AbstractAnalyticMatrixChannel):
    """Edges with probability pbar + mu w: 1 / Delta = mu^2 / (pbar (1 - pbar)).

    With v_i = +-1 it is the dense block model of two groups (Deshpande et al. 2017), with
    `OneHot(k)` that of k groups (Lesieur et al. 2017). A negative contrast joins different groups.

    Args:
        probability: pbar, mean probability of an edge, in (0, 1).
        contrast: mu, not 0; may be left unset where it is swept.

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> channel = BernoulliEdges(probability=0.5, contrast=2.0)
        >>> float(channel.analytic_fisher_information())
        16.0
    """

    probability: float = parameter("probability", _inner)
    contrast: Any = parameter("contrast", nonzero, default=UNSET)

    @classmethod
    def with_noise(cls, probability: float, delta: float) -> "BernoulliEdges":
        """The one whose spiked matrix has noise of variance delta."""
        probability = _inner("probability", probability)
        contrast = (probability * (1 - probability) / positive("delta", delta)) ** 0.5
        return cls(probability=probability, contrast=contrast)

    def analytic_fisher_information(self) -> Float[Array, ""]:
        return self.contrast**2 / jnp.asarray(self.probability * (1 - self.probability))

    def log_likelihood(
        self, y: Float[Array, "..."], w: Float[Array, "..."]
    ) -> Float[Array, "..."]:
        edge = self.probability + self.contrast * w
        return jnp.where(y > 0, jnp.log(edge), jnp.log1p(-edge))

    def outputs(self) -> tuple[Float[Array, " k"], Float[Array, " k"]]:
        return jnp.array([0.0, 1.0]), jnp.ones(2)

    def emits(self, y: np.ndarray) -> np.ndarray:
        return (y == 0) | (y == 1)

    def sample(self, key: PRNGKeyArray, w: Float[np.ndarray, "..."]) -> np.ndarray:
        """0 or 1 as 8-bit integers; ValueError if a probability is outside [0, 1]."""
        edge = self.probability + self.contrast * w
        if not (edge.min() >= 0 and edge.max() <= 1):
            raise ValueError(
                f"Argument `contrast` must leave probabilities of edges between 0 and 1, but "
                f"{self.contrast:g} makes them {edge.min():.3g} to {edge.max():.3g} at this size."
            )
        return (numpy_generator(key).random(edge.shape) < edge).astype(np.int8)

"""Discrete prior on any finite set of values."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from solvable.bricks.priors.mixture import AbstractMixturePrior, Components
from solvable.core.arguments import parameter, probability_vector, vector

CARD = dict(
    kind="prior",
    name="Discrete",
    summary="values[k] with probability probabilities[k]",
    parameters={"values": "finite numbers", "probabilities": ">= 0, sum to 1, as many as values"},
    rigour="theorem",
    references=["barbier2019"],
)


class Discrete(AbstractMixturePrior):
    """Discrete prior P(h = values[k]) = probabilities[k].

    <h> is the softmax average of the values with log weights
    ln p_k + B x_k - A x_k^2 / 2 (Barbier et al. 2019).

    Args:
        values: the K values, shape (K,).
        probabilities: their probabilities, shape (K,), >= 0, summing to 1.

    Raises:
        ValueError: if the lengths differ or the probabilities do not sum to 1.

    Example:
        >>> Discrete(values=[0, 1], probabilities=[0.75, 0.25])
        Discrete(values=[0.0, 1.0], probabilities=[0.75, 0.25])
    """

    values: Float[np.ndarray, " K"] = parameter("values", vector)
    probabilities: Float[np.ndarray, " K"] = parameter("probabilities", probability_vector)

    def __check_init__(self) -> None:
        if np.shape(self.values) != np.shape(self.probabilities):
            raise ValueError(
                f"Argument `probabilities` must have one entry a value ({np.size(self.values)}), "
                f"but had {np.size(self.probabilities)}."
            )

    def components(self) -> Components:
        values = jnp.asarray(self.values)
        return Components(jnp.asarray(self.probabilities), values, jnp.zeros_like(values))

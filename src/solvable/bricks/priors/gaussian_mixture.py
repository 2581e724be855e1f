"""Mixture of Gaussians, atoms included."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from solvable.bricks.priors.mixture import AbstractMixturePrior, Components
from solvable.core.arguments import non_negative_vector, parameter, probability_vector, vector

CARD = dict(
    kind="prior",
    name="GaussianMixture",
    summary="sum of weights[k] N(means[k], variances[k]); a variance of 0 is an atom",
    parameters={
        "weights": ">= 0, sum to 1",
        "means": "finite, as many",
        "variances": ">= 0, as many",
    },
    rigour="theorem",
    references=["barbier2019"],
)


class GaussianMixture(AbstractMixturePrior):
    """Mixture sum_k weights[k] N(means[k], variances[k]); a variance of zero is an atom.

    It covers the Gaussian, Rademacher, Gauss-Bernoulli and discrete priors.

    Args:
        weights: shape (K,), >= 0, summing to 1.
        means: shape (K,).
        variances: shape (K,), >= 0.

    Raises:
        ValueError: if the lengths differ, a variance is negative or the weights do not sum to 1.

    Example:
        >>> GaussianMixture(weights=[0.5, 0.5], means=[-1, 1], variances=[0, 0.25])
        GaussianMixture(weights=[0.5, 0.5], means=[-1.0, 1.0], variances=[0.0, 0.25])
    """

    weights: Float[np.ndarray, " K"] = parameter("weights", probability_vector)
    means: Float[np.ndarray, " K"] = parameter("means", vector)
    variances: Float[np.ndarray, " K"] = parameter("variances", non_negative_vector)

    def __check_init__(self) -> None:
        for name in ("means", "variances"):
            if np.shape(getattr(self, name)) != np.shape(self.weights):
                raise ValueError(
                    f"Argument `{name}` must have one entry a weight ({np.size(self.weights)}), "
                    f"but had {np.size(getattr(self, name))}."
                )

    def components(self) -> Components:
        return Components(
            jnp.asarray(self.weights), jnp.asarray(self.means), jnp.asarray(self.variances)
        )

"""Gaussian noise, of which some entries are outliers."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from solvable.bricks.matrix_channels.base import AbstractAdditiveNoise
from solvable.core.arguments import parameter, positive, probability
from solvable.core.special import log_normal

CARD = dict(
    kind="matrix channel",
    name="ContaminatedNoise",
    summary="w plus Gaussian noise, which is far larger in a fraction of the entries",
    parameters={
        "fraction": "in [0, 1], of outliers",
        "variance": "> 0, of the noise of the others",
        "outlier_variance": "> 0, of the noise of outliers",
    },
    rigour="replica",
    references=["lesieur2017", "mergny2024"],
)


class ContaminatedNoise(AbstractAdditiveNoise):
    """y = w + noise of density (1 - eps) N(0, variance) + eps N(0, outlier_variance).

    Its Fisher information is an integral, at least that of Gaussian noise of the same variance, at
    most that of noise whose outliers are marked, (1 - eps) / variance + eps / outlier_variance.
    The score tells outliers by their size.

    Args:
        fraction: eps, of outliers, in [0, 1].
        variance: of the noise of the others, > 0.
        outlier_variance: of the noise of outliers, > 0.

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> from solvable.bricks.matrix_channels.base import fisher_information
        >>> noise = ContaminatedNoise(fraction=0.1, variance=1.0, outlier_variance=100.0)
        >>> round(float(fisher_information(noise)), 4)  # Gaussian of that variance: 0.0917
        0.8274
    """

    fraction: float = parameter("fraction", probability)
    variance: float = parameter("variance", positive)
    outlier_variance: float = parameter("outlier_variance", positive)

    def log_density(self, noise: Float[Array, "..."]) -> Float[Array, "..."]:
        fraction = jnp.asarray(self.fraction, dtype=float)
        clean = log_normal(noise, jnp.asarray(self.variance)) + jnp.log1p(-fraction)
        outlier = log_normal(noise, jnp.asarray(self.outlier_variance)) + jnp.log(fraction)
        return jnp.logaddexp(clean, outlier)

    def width(self) -> Float[Array, ""]:
        return jnp.sqrt(jnp.asarray(self.variance))

    def draw(self, generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        is_outlier = generator.random(shape) < self.fraction
        deviation = np.sqrt(np.where(is_outlier, self.outlier_variance, self.variance))
        return deviation * generator.standard_normal(shape)

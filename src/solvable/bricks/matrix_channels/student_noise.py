"""Noise with heavy tails: Student's t."""

import jax.numpy as jnp
import numpy as np
from jax.scipy.special import gammaln
from jaxtyping import Array, Float

from solvable.bricks.matrix_channels.base import (
    AbstractAdditiveNoise,
    AbstractAnalyticMatrixChannel,
)
from solvable.core.arguments import parameter, positive

CARD = dict(
    kind="matrix channel",
    name="StudentNoise",
    summary="w plus noise with heavy tails: scale times Student's t",
    parameters={"degrees": "> 0, of freedom: 1 is Cauchy noise", "scale": "> 0, default 1"},
    rigour="theorem",
    references=["dia2016", "lesieur2017"],
)


class StudentNoise(AbstractAdditiveNoise, AbstractAnalyticMatrixChannel):
    """y = w + s t_nu: 1 / Delta = (nu + 1) / ((nu + 3) s^2).

    The variance of the noise, s^2 nu / (nu - 2), is larger, and infinite for nu <= 2. The score
    (nu + 1) y / (nu s^2 + y^2) forgets entries far out, which are the leading eigenvectors of Y
    itself: PCA of Delta S(Y) finds spikes that PCA of Y does not.

    Args:
        degrees: nu > 0, degrees of freedom.
        scale: s > 0, default 1.

    Raises:
        ValueError: if an argument is not positive.

    Example:
        >>> float(StudentNoise(degrees=1).analytic_fisher_information())
        0.5
    """

    degrees: float = parameter("degrees", positive)
    scale: float = parameter("scale", positive, default=1.0)

    def analytic_fisher_information(self) -> Float[Array, ""]:
        return jnp.asarray((self.degrees + 1) / ((self.degrees + 3) * self.scale**2))

    def log_density(self, noise: Float[Array, "..."]) -> Float[Array, "..."]:
        nu = jnp.asarray(self.degrees)
        constant = gammaln((nu + 1) / 2) - gammaln(nu / 2) - 0.5 * jnp.log(jnp.pi * nu)
        tail = jnp.log1p((noise / self.scale) ** 2 / nu)
        return constant - jnp.log(self.scale) - 0.5 * (nu + 1) * tail

    def width(self) -> Float[Array, ""]:
        return jnp.asarray(self.scale)

    def draw(self, generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        return self.scale * generator.standard_t(self.degrees, shape)

"""Logistic labels."""

import jax.numpy as jnp
from jax import random
from jax.nn import log_sigmoid, sigmoid
from jaxtyping import Array, Float, PRNGKeyArray

from solvable.bricks.channels.base import Atoms, Feature
from solvable.bricks.channels.hidden import AbstractSummedHiddenChannel
from solvable.bricks.channels.pointwise import AbstractQuadratureChannel

CARD = dict(
    kind="channel",
    name="Logistic",
    summary="P(y = +-1 | z) = 1 / (1 + exp(-y z))",
    parameters={},
    rigour="theorem",
    references=["barbier2019"],
)


# Panel edges in z that follow the logistic function from its bend to its flat ends.
_BEND = (-30.0, -18.0, -11.0, -7.0, -4.5, -2.5, -1.0, 0.0, 1.0, 2.5, 4.5, 7.0, 11.0, 18.0, 30.0)


class Logistic(AbstractQuadratureChannel, AbstractSummedHiddenChannel):
    """Labels y = +-1 with P(y | z) = 1 / (1 + exp(-y z)).

    log Z(y; omega, V) = log int N(z; omega, V) / (1 + exp(-y z)) dz by quadrature over z.

    Example:
        >>> Logistic()
        Logistic()
    """

    def log_likelihood(
        self, y: Float[Array, "..."], z: Float[Array, "..."]
    ) -> Float[Array, "..."]:
        return log_sigmoid(y * z)

    def kinks(self) -> tuple[float, ...]:
        return _BEND

    def is_steep(self) -> bool:
        return False

    def atoms(self) -> Atoms:
        return Atoms(jnp.asarray([-1.0, 1.0]), jnp.ones(2))

    def density_features(self, omega: Float[Array, ""], V: Float[Array, ""]) -> list[Feature]:
        return []

    def z_breakpoints(self) -> list[tuple[Float[Array, ""], Float[Array, ""]]]:
        return [(jnp.asarray(0.0), jnp.asarray(2.0))]

    def noise_variance(self) -> Float[Array, ""]:
        return jnp.asarray(0.0)

    def is_noiseless(self) -> Float[Array, ""]:
        return jnp.asarray(False)

    def dimension(
        self, rho: Float[Array, ""], mean: Float[Array, ""] | float = 0.0
    ) -> Float[Array, ""]:
        return jnp.asarray(0.0)

    def sample(self, key: PRNGKeyArray, z: Float[Array, "..."]) -> Float[Array, "..."]:
        z = jnp.asarray(z)
        return jnp.where(random.uniform(key, z.shape) < sigmoid(z), 1.0, -1.0)

"""A polynomial activation."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from solvable.core.arguments import parameter, vector
from solvable.core.specification import Specification

CARD = dict(
    kind="activation",
    name="Polynomial",
    summary="g(x) = sum_n coefficients[n] x^n",
    parameters={"coefficients": "numbers, of x^0, x^1, ..., at most 12"},
    rigour="theorem",
    references=["goldt2019"],
)


class Polynomial(Specification):
    """g(x) = sum_n coefficients[n] x^n, whose averages over Gaussian fields are finite sums.

    Args:
        coefficients: of x^0, x^1, ...

    Raises:
        ValueError: if they are no finite numbers, or more than 12.

    Example:
        >>> Polynomial(coefficients=[0, 1, 0, -0.1])
        Polynomial(coefficients=[0.0, 1.0, 0.0, -0.1])
    """

    coefficients: Float[np.ndarray, " d"] = parameter("coefficients", vector)

    def __check_init__(self) -> None:
        if len(self.coefficients) > 12:
            raise ValueError(
                "Argument `coefficients` must have at most 12 numbers, "
                f"but had {len(self.coefficients)}."
            )

    def evaluate(self, z: Float[Array, "..."]) -> Float[Array, "..."]:
        return jnp.polyval(jnp.asarray(self.coefficients, jnp.result_type(z))[::-1], z)

"""Functions that a specification can name, with the points where they or their slopes jump."""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from solvable.core.special import SQRT_2


class NamedFunction(NamedTuple):
    """A function of one array and its breakpoints."""

    function: Callable[[Array], Array]
    breakpoints: tuple[float, ...] = ()


FUNCTIONS: dict[str, NamedFunction] = {
    "linear": NamedFunction(lambda z: z),
    "sign": NamedFunction(jnp.sign, (0.0,)),
    "abs": NamedFunction(jnp.abs, (0.0,)),
    "relu": NamedFunction(lambda z: jnp.maximum(z, 0.0), (0.0,)),
    "erf": NamedFunction(lambda z: jax.scipy.special.erf(z / SQRT_2)),
    "tanh": NamedFunction(jnp.tanh),
    "hardtanh": NamedFunction(lambda z: jnp.clip(z, -1.0, 1.0), (-1.0, 1.0)),
    "logistic": NamedFunction(jax.nn.sigmoid),
}

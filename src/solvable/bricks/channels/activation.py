"""Any function of z with Gaussian noise after it."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
from jaxtyping import Array, Float

from solvable.bricks.channels.functions import FUNCTIONS
from solvable.bricks.channels.noisy_function import AbstractTwoNoiseChannel
from solvable.bricks.channels.pointwise import (
    AbstractActivationChannel,
    AbstractQuadratureChannel,
)
from solvable.core import arguments
from solvable.core.arguments import UNSET, non_negative, parameter, positive


def _function(value: Any) -> Any:
    if isinstance(value, str) or not callable(value):
        return arguments.choice("function", value, sorted(FUNCTIONS))
    return value


def _breakpoints(value: Any) -> tuple[float, ...]:
    return tuple(arguments.breakpoints("breakpoints", value).tolist())


CARD = dict(
    kind="channel",
    name="Activation",
    summary="y = function(z) + N(0, delta), delta > 0",
    parameters={
        "function": "a registered name or a Python function",
        "delta": "> 0, variance of the noise",
        "breakpoints": "where the function or its slope jumps",
        "pre_delta": ">= 0, variance of the noise on z, default 0",
    },
    rigour="theorem",
    references=["barbier2019"],
)


class Activation(AbstractTwoNoiseChannel, AbstractActivationChannel, AbstractQuadratureChannel):
    """y = f(z + sqrt(pre_delta) xi') + sqrt(delta) xi for any function f, by quadrature over z.

    Args:
        function: a registered name (linear, sign, abs, relu, erf, tanh, hardtanh, logistic) or a
            function of one array written with jax.numpy.
        delta: variance of the noise after the function, > 0; may be left unset where it is swept.
        breakpoints: where the function or its slope jumps; known for registered names.
        pre_delta: variance of the noise added to z, >= 0, default 0.

    Raises:
        ValueError: if delta is not positive or the name is not registered.

    Example:
        >>> Activation(function="tanh", delta=0.1)
        Activation(function='tanh', delta=0.1)

    Not for noise much narrower than the function's rise over one posterior width: prefer
    `PiecewiseLinear` where it applies.
    """

    function: str | Callable[[Array], Array] = eqx.field(converter=_function, static=True)
    delta: float = parameter("delta", positive, default=UNSET)
    breakpoints: tuple[float, ...] = eqx.field(converter=_breakpoints, static=True, default=())
    pre_delta: float = parameter("pre_delta", non_negative, default=0.0)

    def evaluate(self, z: Float[Array, "..."]) -> Float[Array, "..."]:
        if callable(self.function):
            return self.function(z)
        return FUNCTIONS[self.function].function(z)

    def kinks(self) -> tuple[float, ...]:
        if callable(self.function):
            return self.breakpoints
        return FUNCTIONS[self.function].breakpoints + self.breakpoints

"""Channels by the name of their function, with noise before and after it."""

from typing import Any

from solvable.bricks.channels.abs import Abs
from solvable.bricks.channels.activation import Activation
from solvable.bricks.channels.base import AbstractChannel
from solvable.bricks.channels.erf import Erf
from solvable.bricks.channels.functions import FUNCTIONS
from solvable.bricks.channels.hidden import AbstractHiddenChannel
from solvable.bricks.channels.linear import Linear
from solvable.bricks.channels.piecewise_linear import PiecewiseLinear
from solvable.bricks.channels.relu import ReLU
from solvable.bricks.channels.sign import Sign
from solvable.core.arguments import choice, fail


def named_channel(
    argument: str, value: Any, delta: float = 0.0, pre_delta: float = 0.0
) -> AbstractHiddenChannel:
    """The channel of a named function with these noises; a channel stays what it is.

    Args:
        argument: the argument's name, for errors.
        value: linear, relu, sign, abs, erf, tanh, hardtanh or logistic, or a channel.
        delta: variance of the noise after the function.
        pre_delta: variance of the noise on z.

    Raises:
        ValueError: if the name is unknown, or a smooth function that is known pointwise alone has
            no noise after it.
    """
    if isinstance(value, AbstractHiddenChannel):
        return value
    if isinstance(value, AbstractChannel):
        raise fail(argument, "be a channel that can be hidden", value)
    name = choice(argument, value, sorted(FUNCTIONS))
    noises = {"delta": delta, "pre_delta": pre_delta}
    if name == "linear":
        return Linear(delta=delta + pre_delta)
    if name == "sign" and delta == 0:
        return Sign(delta=pre_delta)
    if name == "sign":
        return PiecewiseLinear(breakpoints=(0,), slopes=(0, 0), offsets=(-1, 1), **noises)
    if name == "hardtanh":
        return PiecewiseLinear(breakpoints=(-1, 1), slopes=(0, 1, 0), offsets=(-1, 0, 1), **noises)
    closed = {"relu": ReLU, "abs": Abs, "erf": Erf}
    if name in closed:
        return closed[name](**noises)
    if delta == 0:
        raise ValueError(
            f"Argument `delta` must be positive for the function {name}, but was {delta}."
        )
    return Activation(function=name, **noises)

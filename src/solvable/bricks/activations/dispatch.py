"""Which averages belong to which activations."""

from typing import Any

import jax.numpy as jnp

from solvable.bricks.activations.base import AbstractAverages
from solvable.bricks.activations.erf import ErfAverages
from solvable.bricks.activations.hermite import Function, HermiteAverages, Resolution
from solvable.bricks.activations.linear import LinearAverages
from solvable.bricks.activations.polynomial import Polynomial
from solvable.bricks.activations.relu import ReLUAverages
from solvable.bricks.channels.erf import Erf
from solvable.bricks.channels.linear import Linear
from solvable.bricks.channels.noisy_function import AbstractFunctionChannel
from solvable.bricks.channels.piecewise import AbstractPiecewiseChannel
from solvable.bricks.channels.pointwise import AbstractActivationChannel
from solvable.bricks.channels.relu import ReLU
from solvable.core.arguments import UNSET, fail

_CLOSED = ((Erf, ErfAverages), (ReLU, ReLUAverages), (Linear, LinearAverages))
_JUMP = 1e-6

Activation = AbstractFunctionChannel | Polynomial


def activation(name: str, value: Any, differentiable: bool = True) -> Any:
    """A function of one number without noise, as a channel or a `Polynomial`.

    Raises:
        ValueError: if it is none, has noise, or jumps where it must have a derivative.
    """
    if isinstance(value, AbstractFunctionChannel):
        noises = value.noise_after(), value.noise_before()
        if any(noise is not UNSET and noise != 0 for noise in noises):
            raise fail(name, "be an activation without noise", value)
    elif not isinstance(value, Polynomial):
        raise fail(name, "be an activation, as `Erf()`, `ReLU()` or `Polynomial(...)`", value)
    if differentiable:
        for kink in kinks_of(value):
            sides = [float(value.evaluate(jnp.asarray(kink + x))) for x in (-1e-9, 1e-9)]
            if abs(sides[1] - sides[0]) > _JUMP:
                raise fail(name, f"have a derivative, and not jump at {kink:g}", value)
    return value


def kinks_of(function: Activation) -> tuple[float, ...]:
    """Where the slope of an activation jumps."""
    if isinstance(function, AbstractPiecewiseChannel):
        return tuple(float(x.upper) for x in function.pieces() if x.upper is not None)
    if isinstance(function, AbstractActivationChannel):
        return function.kinks()
    if isinstance(function, Polynomial):
        return ()
    raise fail("activation", "be known pointwise or in pieces", function)


def averages_of(student: Activation, teacher: Activation) -> AbstractAverages:
    """Averages of both activations: in closed form for erf, ReLU and linear, if they are alike."""
    for kind, averages in _CLOSED:
        if isinstance(student, kind) and isinstance(teacher, kind):
            return averages()
    if isinstance(student, Polynomial) and isinstance(teacher, Polynomial):
        degree = max(len(student.coefficients), len(teacher.coefficients), 2) - 1
        exact = Resolution(degree, degree, 2 * degree, exact=True)
        return HermiteAverages(Function(student), Function(teacher), exact)
    return HermiteAverages(
        Function(student, kinks_of(student)), Function(teacher, kinks_of(teacher))
    )

"""Any piecewise-linear function, jumps allowed."""

from typing import Any

import equinox as eqx

from solvable.bricks.channels.noisy_function import AbstractTwoNoiseChannel
from solvable.bricks.channels.piecewise import AbstractPiecewiseChannel, Piece, make_pieces
from solvable.core import arguments
from solvable.core.arguments import non_negative, parameter


def _breakpoints(value: Any) -> tuple[float, ...]:
    return tuple(arguments.breakpoints("breakpoints", value).tolist())


def _vector(name: str) -> Any:
    return lambda value: tuple(arguments.vector(name, value).tolist())


CARD = dict(
    kind="channel",
    name="PiecewiseLinear",
    summary="y = slopes[i] z + offsets[i] between breakpoints, plus noise",
    parameters={
        "breakpoints": "m rising numbers",
        "slopes": "m + 1 numbers",
        "offsets": "m + 1 numbers",
        "delta": ">= 0, variance of the noise added after the function, default 0",
        "pre_delta": ">= 0, variance of the noise on z, default 0",
    },
    rigour="theorem",
    references=["barbier2019"],
)


class PiecewiseLinear(AbstractTwoNoiseChannel, AbstractPiecewiseChannel):
    """y = f(z + sqrt(pre_delta) xi') + sqrt(delta) xi, f(z) = slopes[i] z + offsets[i] on piece i.

    Pieces may jump; flat ones give atoms when delta = 0. It covers Linear, Sign, Abs, ReLU and
    SymmetricDoor, and is tested against them.

    Args:
        breakpoints: where the pieces meet, m rising numbers (m may be 0).
        slopes: m + 1 numbers.
        offsets: m + 1 numbers.
        delta: variance of the noise added after the function, >= 0, default 0.
        pre_delta: variance of the noise added to z, >= 0, default 0.

    Raises:
        ValueError: if the lengths do not fit or a variance is negative.

    Example:
        >>> PiecewiseLinear(breakpoints=[0], slopes=[-1, 1], offsets=[0, 0])
        PiecewiseLinear(breakpoints=[0.0], slopes=[-1.0, 1.0], offsets=[0.0, 0.0])
    """

    breakpoints: tuple[float, ...] = eqx.field(converter=_breakpoints, static=True)
    slopes: tuple[float, ...] = eqx.field(converter=_vector("slopes"), static=True)
    offsets: tuple[float, ...] = eqx.field(converter=_vector("offsets"), static=True)
    delta: float = parameter("delta", non_negative, default=0.0)
    pre_delta: float = parameter("pre_delta", non_negative, default=0.0)

    def __check_init__(self) -> None:
        for name in ("slopes", "offsets"):
            if len(getattr(self, name)) != len(self.breakpoints) + 1:
                raise ValueError(
                    f"Argument `{name}` must have {len(self.breakpoints) + 1} entries, one a "
                    f"piece, but had {len(getattr(self, name))}."
                )

    def pieces(self) -> list[Piece]:
        return make_pieces(self.breakpoints, self.slopes, self.offsets)

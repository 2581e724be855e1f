"""Output y = max(z, 0), with noise before or after."""

from solvable.bricks.channels.noisy_function import AbstractTwoNoiseChannel
from solvable.bricks.channels.piecewise import AbstractPiecewiseChannel, Piece, make_pieces
from solvable.core.arguments import non_negative, parameter

CARD = dict(
    kind="channel",
    name="ReLU",
    summary="y = max(z, 0) + noise",
    parameters={
        "delta": ">= 0, variance of the noise added after the function, default 0",
        "pre_delta": ">= 0, variance of the noise on z, default 0",
    },
    rigour="theorem",
    references=["barbier2019"],
)


class ReLU(AbstractTwoNoiseChannel, AbstractPiecewiseChannel):
    """y = f(z + sqrt(pre_delta) xi') + sqrt(delta) xi with f(z) = max(z, 0).

    Without noise after it, the output has an atom at 0 of probability 1/2, treated as such.

    Args:
        delta: variance of the noise added after the function, >= 0, default 0.
        pre_delta: variance of the noise added to z, >= 0, default 0.

    Raises:
        ValueError: if a variance is negative.

    Example:
        >>> ReLU(delta=0.1)
        ReLU(delta=0.1)
    """

    delta: float = parameter("delta", non_negative, default=0.0)
    pre_delta: float = parameter("pre_delta", non_negative, default=0.0)

    def pieces(self) -> list[Piece]:
        return make_pieces([0.0], [0.0, 1.0], [0.0, 0.0])

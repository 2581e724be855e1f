"""Output y = |z|, with noise before or after."""

from solvable.bricks.channels.noisy_function import AbstractTwoNoiseChannel
from solvable.bricks.channels.piecewise import AbstractPiecewiseChannel, Piece, make_pieces
from solvable.core.arguments import non_negative, parameter

CARD = dict(
    kind="channel",
    name="Abs",
    summary="y = |z| + noise",
    parameters={
        "delta": ">= 0, variance of the noise added after the function, default 0",
        "pre_delta": ">= 0, variance of the noise on z, default 0",
    },
    rigour="theorem",
    references=["barbier2019"],
)


class Abs(AbstractTwoNoiseChannel, AbstractPiecewiseChannel):
    """y = f(z + sqrt(pre_delta) xi') + sqrt(delta) xi with f(z) = |z|.

    Noiseless phase retrieval with real signals: perfect recovery is possible for alpha > 1.

    Args:
        delta: variance of the noise added after the function, >= 0, default 0.
        pre_delta: variance of the noise added to z, >= 0, default 0.

    Raises:
        ValueError: if a variance is negative.

    Example:
        >>> Abs(delta=0.1)
        Abs(delta=0.1)
    """

    delta: float = parameter("delta", non_negative, default=0.0)
    pre_delta: float = parameter("pre_delta", non_negative, default=0.0)

    def pieces(self) -> list[Piece]:
        return make_pieces([0.0], [-1.0, 1.0], [0.0, 0.0])

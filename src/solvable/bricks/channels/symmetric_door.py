"""Symmetric door y = sign(|z| - k)."""

from typing import Any

from solvable.bricks.channels.piecewise import AbstractPiecewiseChannel, Piece, make_pieces
from solvable.core.arguments import UNSET, parameter, positive

CARD = dict(
    kind="channel",
    name="SymmetricDoor",
    summary="y = sign(|z| - k)",
    parameters={"k": "> 0, half-width of the door; 0.67449 gives both labels probability 1/2"},
    rigour="theorem",
    references=["barbier2019"],
)


class SymmetricDoor(AbstractPiecewiseChannel):
    """y = sign(|z| - k): +1 outside the door, -1 inside (Barbier et al. 2019).

    Args:
        k: half-width of the door, > 0; may be left unset where it is swept.

    Raises:
        ValueError: if k is not positive.

    Example:
        >>> SymmetricDoor(k=0.67449)
        SymmetricDoor(k=0.67449)
    """

    k: float = parameter("k", positive, default=UNSET)

    def pieces(self) -> list[Piece]:
        return make_pieces([-self.k, self.k], [0.0, 0.0, 0.0], [1.0, -1.0, 1.0])

    def noise_after(self) -> Any:
        return 0.0

    def noise_before(self) -> Any:
        return 0.0

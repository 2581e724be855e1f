"""Linear output with Gaussian noise."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from solvable.bricks.channels.base import AbstractAnalyticChannel, ChannelMoments
from solvable.bricks.channels.hidden import AbstractAnalyticHiddenChannel, HiddenAverages
from solvable.bricks.channels.piecewise import AbstractPiecewiseChannel, Piece, make_pieces
from solvable.core.arguments import non_negative, parameter
from solvable.core.special import normal_entropy

CARD = dict(
    kind="channel",
    name="Linear",
    summary="y = z + N(0, delta)",
    parameters={"delta": ">= 0, variance of the noise, default 0"},
    rigour="theorem",
    references=["barbier2019"],
)


class Linear(AbstractPiecewiseChannel, AbstractAnalyticChannel, AbstractAnalyticHiddenChannel):
    """y = z + sqrt(delta) xi: q_hat = alpha / (delta + V), Psi = -ln(2 pi e (delta + V)) / 2.

    At delta = 0 this is noiseless compressed sensing: recovery is perfect for alpha above the
    prior's dimension (Barbier et al. 2019).

    Args:
        delta: variance of the noise, >= 0, default 0.

    Raises:
        ValueError: if delta is negative.

    Example:
        >>> Linear(delta=0.01)
        Linear(delta=0.01)
    """

    delta: float = parameter("delta", non_negative, default=0.0)

    def pieces(self) -> list[Piece]:
        return make_pieces([], [1.0], [0.0])

    def noise_after(self) -> Any:
        return self.delta

    def noise_before(self) -> Any:
        return 0.0

    def output(
        self, y: Float[Array, "..."], omega: Float[Array, "..."], V: Float[Array, "..."]
    ) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        precision = 1 / (V + self.delta)
        return (y - omega) * precision, jnp.broadcast_to(precision, jnp.shape(omega))

    def analytic_moments(
        self, q: Float[Array, ""], V: Float[Array, ""], order: int
    ) -> ChannelMoments:
        total = V + self.delta
        return ChannelMoments(1 / total, -normal_entropy(total))

    def analytic_averages(
        self, q: Float[Array, ""], V: Float[Array, ""], q_hat: Float[Array, ""], order: int
    ) -> HiddenAverages:
        spread = V + self.delta
        total = 1 + q_hat * spread
        variance = spread / total
        return HiddenAverages(
            snr=q_hat / total,
            overlap=q + q_hat * spread * variance,
            variance=variance,
            information=0.5 * jnp.log1p(q_hat * spread),
        )

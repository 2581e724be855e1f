"""Sign output: the perceptron, and probit with noise inside."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import erfc
from jaxtyping import Array, Float

from solvable.bricks.channels.base import AbstractAnalyticChannel, ChannelMoments
from solvable.bricks.channels.piecewise import AbstractPiecewiseChannel, Piece, make_pieces
from solvable.core.arguments import choice, non_negative, parameter
from solvable.core.quadrature import gaussian_nodes
from solvable.core.special import SQRT_2, log_ndtr, mills, mills_ratio

TIES = ("zero", "random")

CARD = dict(
    kind="channel",
    name="Sign",
    summary="y = sign(z + sqrt(delta) xi): perceptron (delta = 0), probit (delta > 0)",
    parameters={
        "delta": ">= 0, variance of the noise inside the sign, default 0",
        "ties": "None, or what sign(0) is, where sums of signs are seen: 'zero' or 'random'",
    },
    rigour="theorem",
    references=["barbier2019"],
)


class Sign(AbstractPiecewiseChannel, AbstractAnalyticChannel):
    """y = sign(z + sqrt(delta) xi).

    q_hat / alpha = (2 / W) E phi(a v)^2 / Phi(a v), Psi = 2 E Phi(a v) ln Phi(a v), with
    W = V + delta and a = sqrt(q / W) (Gyorgyi 1990; Barbier et al. 2019).

    Args:
        delta: variance of the noise inside the sign, >= 0; 0 is the perceptron, > 0 probit.
        ties: "zero" or "random", sign(0), which matters for sums of hidden signs alone.

    Raises:
        ValueError: if delta is negative, or ties are something else.

    Example:
        >>> Sign()
        Sign()
    """

    delta: float = parameter("delta", non_negative, default=0.0)
    ties: str | None = eqx.field(
        converter=lambda x: choice("ties", x, (None, *TIES)), default=None, static=True
    )

    def pieces(self) -> list[Piece]:
        return make_pieces([0.0], [0.0, 0.0], [-1.0, 1.0])

    def noise_after(self) -> Any:
        return 0.0

    def noise_before(self) -> Any:
        return self.delta

    def output(
        self, y: Float[Array, "..."], omega: Float[Array, "..."], V: Float[Array, "..."]
    ) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        width = jnp.sqrt(V + self.delta)
        ratio, mean, _ = mills(y * omega / width)
        return y * ratio / width, ratio * mean / width**2

    def analytic_moments(
        self, q: Float[Array, ""], V: Float[Array, ""], order: int
    ) -> ChannelMoments:
        total = V + self.delta
        slope = jnp.sqrt(q / total)
        feature = (jnp.zeros_like(slope), 1 / jnp.maximum(slope, 1e-3))
        v, weight = gaussian_nodes([feature], order, half=True)
        x = slope * v
        right = 1 - 0.5 * erfc(x / SQRT_2)
        density = jnp.exp(-0.5 * x**2) * float(1 / np.sqrt(2 * np.pi))
        # phi^2 / Phi at x and at -x
        both = density**2 / right + density * mills_ratio(-x)
        left = 1 - right
        entropy = right * jnp.log1p(-left) + 0.5 * erfc(x / SQRT_2) * log_ndtr(-x)
        return ChannelMoments(jnp.sum(weight * both) / total, jnp.sum(weight * entropy))

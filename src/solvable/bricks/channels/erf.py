"""Error-function output, the solvable sigmoid."""

import jax.numpy as jnp
import numpy as np
from jax.scipy.special import erf, erfinv
from jaxtyping import Array, Float

from solvable.bricks.channels.base import (
    AbstractAnalyticChannel,
    ChannelMoments,
    general_channel_moments,
)
from solvable.bricks.channels.noisy_function import AbstractTwoNoiseChannel, is_absent
from solvable.bricks.channels.pointwise import (
    AbstractActivationChannel,
    tilted_output,
    tilted_partition,
)
from solvable.core.arguments import non_negative, parameter
from solvable.core.special import SQRT_2, log_normal, normal_entropy

_LOG_SLOPE = float(0.5 * np.log(2 / np.pi))

CARD = dict(
    kind="channel",
    name="Erf",
    summary="y = erf(z / sqrt 2) + noise",
    parameters={
        "delta": ">= 0, variance of the noise added after the function, default 0",
        "pre_delta": ">= 0, variance of the noise on z, default 0",
    },
    rigour="theorem",
    references=["barbier2019"],
)


class Erf(AbstractTwoNoiseChannel, AbstractActivationChannel, AbstractAnalyticChannel):
    """y = erf((z + sqrt(pre_delta) xi') / sqrt 2) + sqrt(delta) xi.

    Without noise after it the function is one to one: y tells z, and the channel is the linear one
    with a change of measure, Psi = -ln(2 pi e W) / 2 - E ln f'(z) with W = V + pre_delta.

    Args:
        delta: variance of the noise added after the function, >= 0, default 0.
        pre_delta: variance of the noise added to z, >= 0, default 0.

    Raises:
        ValueError: if a variance is negative.

    Example:
        >>> Erf(delta=0.01)
        Erf(delta=0.01)
    """

    delta: float = parameter("delta", non_negative, default=0.0)
    pre_delta: float = parameter("pre_delta", non_negative, default=0.0)

    def evaluate(self, z: Float[Array, "..."]) -> Float[Array, "..."]:
        return erf(z / SQRT_2)

    def kinks(self) -> tuple[float, ...]:
        return ()

    def log_partition(
        self, y: Float[Array, "..."], omega: Float[Array, "..."], V: Float[Array, "..."]
    ) -> Float[Array, "..."]:
        if not is_absent(self.delta):
            return tilted_partition(self, y, omega, V)[0]
        z = SQRT_2 * erfinv(y)
        return log_normal(z - omega, V + self.pre_delta) - (_LOG_SLOPE - 0.5 * z**2)

    def output(
        self, y: Float[Array, "..."], omega: Float[Array, "..."], V: Float[Array, "..."]
    ) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        if not is_absent(self.delta):
            return tilted_output(self, y, omega, V)
        precision = 1 / (V + self.pre_delta)
        g = (SQRT_2 * erfinv(y) - omega) * precision
        return g, jnp.broadcast_to(precision, jnp.shape(omega))

    def analytic_moments(
        self, q: Float[Array, ""], V: Float[Array, ""], order: int
    ) -> ChannelMoments:
        if not is_absent(self.delta):
            return general_channel_moments(self, q, V, order)
        total = V + self.pre_delta
        log_slope = _LOG_SLOPE - 0.5 * (q + total)
        return ChannelMoments(1 / total, -normal_entropy(total) - log_slope)

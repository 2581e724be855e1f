"""Low-rank observations as the last layer of a chain: what a noisy matrix shows of its spike.

A spiked matrix shows each component of v through a scalar Gaussian channel whose signal-to-noise
ratio is an overlap itself (Lelarge & Miolane 2019),

    Wigner   Y = v v^T / sqrt(p) + xi:    q_hat = q / Delta,
    Wishart  Y = u v^T / sqrt(p) + xi:    q_hat_v = beta q_u / Delta,  q_hat_u = q_v / Delta,

so that it ends a chain as any other observation does, with potential q^2 / (4 Delta), or beta q_u
q_v / (2 Delta) between the chains of u and v, and 1 / Delta in place of the number of copies. The
priors below the spikes, separable or generative, need not know.
"""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from solvable.bricks.channels.base import ChannelMoments
from solvable.bricks.layer import AbstractLayer, Across, LayerMixing, Partner
from solvable.bricks.priors.base import Law
from solvable.core.quadrature import ORDER


class AbstractLowRank(AbstractLayer):
    """A matrix with noise of variance delta; the scale is 1 / delta."""

    delta: eqx.AbstractVar[Any]

    @property
    def ratio(self) -> float:
        """The spike is observed as it is."""
        return 1.0

    def spectrum(self) -> None:
        return None

    def law(self) -> "AbstractLowRank":
        return self

    def scale(self) -> tuple[str, int]:
        return "delta", -1

    def dimension(self, rho: Float[Array, ""]) -> Float[Array, ""]:
        """A finite signal-to-noise ratio fixes nothing."""
        return jnp.zeros_like(rho)

    def is_noiseless(self) -> Float[Array, ""]:
        return jnp.asarray(False)

    def emits_reals(self) -> bool:
        return True


class Wigner(AbstractLowRank):
    """A symmetric matrix, seen through v: snr = q / delta, potential q^2 / (4 delta).

    Args:
        delta: variance of the noise.
        beta: rows over columns where q is that of `Pairs`, whose squares count 2 beta times.
    """

    delta: Any
    beta: Any = 0.5

    def partner(self) -> None:
        return None

    def shown(
        self,
        q: Float[Array, ""],
        V: Float[Array, ""],
        nodes: int = ORDER,
        copies: Any = 1.0,
        other: Across | None = None,
    ) -> ChannelMoments:
        scale = copies / self.delta
        return ChannelMoments(scale * q, 0.25 * scale * q**2)

    def level(
        self,
        q_hat: Float[Array, ""],
        mixed: LayerMixing,
        nodes: int,
        other: Across | None = None,
    ) -> Float[Array, ""]:
        return jnp.log(self.delta * q_hat / mixed.overlap)

    def seen_blind(self, rho: Float[Array, ""], other: Across | None = None) -> Float[Array, ""]:
        return jnp.zeros_like(rho)

    def weak_scale(
        self, reach: float, rho: float, other: float | None = None
    ) -> tuple[float, float]:
        """delta = reach: rho^2 for a separable prior."""
        return self.delta / reach, 1e-15 / reach

    def errors(
        self,
        q: Float[Array, ""],
        V: Float[Array, ""],
        copies: Any = 1.0,
        other: Across | None = None,
    ) -> dict[str, Float[Array, ""]]:
        """`matrix_mse` of v v^T, rho^2 - q^2 an entry."""
        return {"matrix_mse": V * (2 * q + V) / (2 * self.beta)}

    def known_potential(
        self, rho: Float[Array, ""], other: Float[Array, ""] | None = None
    ) -> Float[Array, ""]:
        return 0.25 * rho**2 / self.delta


class Wishart(AbstractLowRank):
    """A rectangular matrix between two chains: snr = beta q_u / delta of v, q_v / delta of u.

    Its potential is beta q_u q_v / (2 delta) a component of v.

    Args:
        prior_u: law of the components of u, or of the input of the network that generates it.
        layers_u: layers of that network; none where u is separable.
        beta: rows / columns, n / p.
        delta: variance of the noise.
    """

    prior_u: Law
    layers_u: tuple[AbstractLayer, ...]
    beta: Any
    delta: Any

    def partner(self) -> Partner:
        return Partner(self.prior_u, (*self.layers_u, self), self.beta)

    def shown(
        self,
        q: Float[Array, ""],
        V: Float[Array, ""],
        nodes: int = ORDER,
        copies: Any = 1.0,
        other: Across | None = None,
    ) -> ChannelMoments:
        assert other is not None
        snr = copies * self.beta * other.overlap / self.delta
        return ChannelMoments(snr, 0.5 * snr * q)

    def level(
        self,
        q_hat: Float[Array, ""],
        mixed: LayerMixing,
        nodes: int,
        other: Across | None = None,
    ) -> Float[Array, ""]:
        assert other is not None
        return jnp.log(self.delta * q_hat / (self.beta * other.overlap))

    def seen_blind(self, rho: Float[Array, ""], other: Across | None = None) -> Float[Array, ""]:
        return self.shown(0 * rho, rho, other=other).snr

    def weak_scale(
        self, reach: float, rho: float, other: float | None = None
    ) -> tuple[float, float]:
        """delta^2 = beta times both reaches: rho^2 for a separable prior."""
        assert other is not None
        weak = float(self.delta) / np.sqrt(float(self.beta) * reach * other)
        return weak, 1e-15 * weak

    def errors(
        self,
        q: Float[Array, ""],
        V: Float[Array, ""],
        copies: Any = 1.0,
        other: Across | None = None,
    ) -> dict[str, Float[Array, ""]]:
        """`matrix_mse` of u v^T, rho_u rho_v - q_u q_v an entry."""
        assert other is not None
        return {"matrix_mse": (other.overlap + other.variance) * V + other.variance * q}

    def known_potential(
        self, rho: Float[Array, ""], other: Float[Array, ""] | None = None
    ) -> Float[Array, ""]:
        assert other is not None
        return 0.5 * self.beta * other * rho / self.delta

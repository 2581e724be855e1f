"""Low-rank observations as the last layer of a chain: what a noisy matrix shows of its spike.

A spiked matrix shows each component of v through a scalar Gaussian channel whose signal-to-noise
ratio is the overlap itself (Lelarge & Miolane 2019),

    Wigner   Y = v v^T / sqrt(p) + xi:    q_hat = q / Delta,
    Wishart  Y = u v^T / sqrt(p) + xi:    q_hat = beta q_u(q / Delta) / Delta,

so that it ends a chain as any other observation does, with potential q^2 / (4 Delta), or beta
psi_u(q / Delta), and 1 / Delta in place of the number of copies. The priors below v, separable or
generative, need not know.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from solvable.bricks.channels.base import ChannelMoments
from solvable.bricks.layer import AbstractLayer, LayerMixing
from solvable.bricks.priors.base import Law, PriorMoments, prior_moments
from solvable.bricks.priors.vectors import AbstractUnitLaw
from solvable.core.quadrature import ORDER

_NEWTON_STEPS = 16


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
    """

    delta: Any

    def shown(
        self,
        q: Float[Array, ""],
        V: Float[Array, ""],
        nodes: int = ORDER,
        copies: Any = 1.0,
    ) -> ChannelMoments:
        scale = copies / self.delta
        return ChannelMoments(scale * q, 0.25 * scale * q**2)

    def level(self, q_hat: Float[Array, ""], mixed: LayerMixing, nodes: int) -> Float[Array, ""]:
        return jnp.log(self.delta * q_hat / mixed.overlap)

    def seen_blind(self, rho: Float[Array, ""]) -> Float[Array, ""]:
        return jnp.zeros_like(rho)

    def weak_scale(self, reach: float, rho: float) -> tuple[float, float]:
        """delta = reach: rho^2 for a separable prior."""
        return self.delta / reach, 1e-15 / reach

    def errors(
        self, q: Float[Array, ""], V: Float[Array, ""], copies: Any = 1.0
    ) -> dict[str, Float[Array, ""]]:
        """`matrix_mse` of v v^T, rho^2 - q^2 an entry."""
        return {"matrix_mse": V * (2 * q + V)}

    def known_potential(self, rho: Float[Array, ""]) -> Float[Array, ""]:
        return 0.25 * rho**2 / self.delta


class Wishart(AbstractLowRank):
    """A rectangular matrix, seen through v: snr = beta q_u(q / delta) / delta.

    Its potential is beta psi_u(q / delta), psi_u = E log Z of a component of u.

    Args:
        prior_u: law of the components of u.
        beta: rows / columns, n / p.
        delta: variance of the noise.
    """

    prior_u: Law
    beta: Any
    delta: Any

    def partner(
        self, q: Float[Array, ""], nodes: int = ORDER, copies: Any = 1.0
    ) -> tuple[Float[Array, ""], PriorMoments]:
        """The signal-to-noise ratio that u sees, copies q / delta, and its moments there."""
        q_hat = copies * q / self.delta
        seen = prior_moments(self.prior_u, jnp.where(q_hat > 0, q_hat, 1.0), nodes)
        rho, dark = self.prior_u.second_moment(), self.prior_u.first_moment() ** 2
        blind = PriorMoments(dark, rho - dark, jnp.zeros_like(q_hat))
        return q_hat, PriorMoments(
            *(jnp.where(q_hat > 0, a, b) for a, b in zip(seen, blind, strict=True))
        )

    def shown(
        self,
        q: Float[Array, ""],
        V: Float[Array, ""],
        nodes: int = ORDER,
        copies: Any = 1.0,
    ) -> ChannelMoments:
        q_hat, u = self.partner(q, nodes, copies)
        snr = copies * self.beta * u.overlap / self.delta
        known = 0.5 * self.prior_u.second_moment() * q_hat
        return ChannelMoments(snr, self.beta * (known - u.information))

    def level(self, q_hat: Float[Array, ""], mixed: LayerMixing, nodes: int) -> Float[Array, ""]:
        """ln of 1 / delta, from the root x = ln q_hat_u of q_hat_u q_u = q_hat_v q_v / beta.

        The left side rises with q_hat_u: there is one root. The scale is q_hat_u / q_v.
        """
        target = jnp.log(q_hat * mixed.overlap / self.beta)

        def gap(x: Array) -> Array:
            return x + jnp.log(prior_moments(self.prior_u, jnp.exp(x), nodes).overlap)

        def step(x: Array, goal: Array) -> Array:
            value, slope = jax.jvp(gap, (x,), (jnp.ones_like(x),))
            change = (value - goal) / jax.lax.stop_gradient(slope)
            return x - jnp.clip(change, -4.0, 4.0)

        frozen = jax.lax.stop_gradient(target)
        start = frozen - jnp.log(self.prior_u.second_moment())
        x = jax.lax.fori_loop(0, _NEWTON_STEPS, lambda _, at: step(at, frozen), start)
        # one step more carries the derivatives
        x = step(jax.lax.stop_gradient(x), target)
        return x + jnp.log(self.delta / mixed.overlap)

    def seen_blind(self, rho: Float[Array, ""]) -> Float[Array, ""]:
        return self.beta * self.prior_u.first_moment() ** 2 / self.delta * jnp.ones_like(rho)

    def weak_scale(self, reach: float, rho: float) -> tuple[float, float]:
        """delta = sqrt(beta R_u reach), R_u = rho_u^2 where its units are numbers."""
        reach_u = float(self.prior_u.response())
        weak = float(self.delta) / np.sqrt(float(self.beta) * reach_u * reach)
        return weak, 1e-15 * weak

    def errors(
        self, q: Float[Array, ""], V: Float[Array, ""], copies: Any = 1.0
    ) -> dict[str, Float[Array, ""]]:
        """Overlap and error of u, and `matrix_mse` of u v^T, rho_u rho_v - q_u q_v an entry."""
        q_hat, u = self.partner(q, copies=copies)
        matrix = self.prior_u.second_moment() * V + u.variance * q
        seen = u.overlap, u.variance
        if isinstance(self.prior_u, AbstractUnitLaw):
            seen = self.prior_u.traces(q_hat, ORDER)
        return {"overlap_u": seen[0], "mse_u": seen[1], "matrix_mse": matrix}

    def known_potential(self, rho: Float[Array, ""]) -> Float[Array, ""]:
        return 0.5 * self.beta * self.prior_u.second_moment() * rho / self.delta

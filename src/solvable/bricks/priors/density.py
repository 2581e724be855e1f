"""Any prior given by its log density."""

from collections.abc import Callable

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import random
from jaxtyping import Array, Float, PRNGKeyArray

from solvable.bricks.priors.base import AbstractPrior, Feature
from solvable.core.arguments import breakpoints as breakpoints_check
from solvable.core.arguments import parameter, vector
from solvable.core.quadrature import ladder_points, nodes_between
from solvable.core.special import log_weighted_sum

CARD = dict(
    kind="prior",
    name="Density",
    summary="any density: exp(log_density(h)) on [support[0], support[1]], normalized",
    parameters={
        "log_density": "a Python function of h (jax.numpy)",
        "support": "[low, high], finite",
        "breakpoints": "where the density or its derivative jumps",
    },
    rigour="theorem",
    references=["barbier2019"],
)


_PANELS = 32


class Density(AbstractPrior):
    """Prior with density exp(log_density(h)) on a finite interval, normalized here.

    Z(B, A) = int dh exp(log_density(h) + B h - A h^2 / 2) / int dh exp(log_density(h)), by
    Gauss-Legendre panels on the support and around the message.

    Args:
        log_density: function of one array, elementwise, written with jax.numpy; it need not be
            normalized.
        support: [low, high], finite.
        breakpoints: points where the density or a derivative jumps.

    Raises:
        ValueError: if the support is not a rising pair or the density is not finite on it.

    Example:
        >>> uniform = Density(log_density=lambda h: 0 * h, support=[-1, 1])
        >>> round(float(uniform.second_moment()), 12)
        0.333333333333

    Not for atoms (use `GaussianMixture`) nor for use on the command line: a function has no SPEC.
    """

    log_density: Callable[[Array], Array] = eqx.field(static=True)
    support: Float[np.ndarray, " 2"] = parameter("support", vector)
    breakpoints: Float[np.ndarray, " m"] = parameter("breakpoints", breakpoints_check, default=())

    def __check_init__(self) -> None:
        if not callable(self.log_density):
            raise ValueError("Argument `log_density` must be a function of one array.")
        if np.shape(self.support) != (2,) or not self.support[0] < self.support[1]:
            raise ValueError(
                "Argument `support` must be a rising pair [low, high], "
                f"but was {np.asarray(self.support).tolist()}."
            )
        h, _ = nodes_between(self._edges())
        if not np.all(np.isfinite(self.log_density(h))):
            raise ValueError("Argument `log_density` must be finite on the support.")

    def _edges(self) -> Float[Array, " m"]:
        low, high = jnp.asarray(self.support)
        inner = jnp.clip(jnp.asarray(self.breakpoints, float), low, high)
        return jnp.concatenate([jnp.linspace(low, high, _PANELS + 1), inner])

    def _grid(self) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
        """Nodes and their probabilities."""
        h, weight = nodes_between(self._edges())
        log_density = self.log_density(h)
        return h, weight * jnp.exp(log_density - log_weighted_sum(log_density, weight))

    def log_partition(self, B: Float[Array, "..."], A: Float[Array, "..."]) -> Float[Array, "..."]:
        B, A = jnp.broadcast_arrays(B, A)
        low, high = jnp.asarray(self.support)
        # a sharp message is a bump at B / A of width 1 / sqrt A: panels there as well
        sharp = jnp.where(A > 0, A, 1.0)
        steps = ladder_points(jnp.asarray(0.0), jnp.asarray(1.0))
        bump = (B / sharp)[..., None] + steps / jnp.sqrt(sharp)[..., None]
        fixed = jnp.broadcast_to(self._edges(), (*B.shape, self._edges().shape[0]))
        edges = jnp.concatenate([fixed, jnp.clip(bump, low, high)], axis=-1)
        h, weight = nodes_between(jax.lax.stop_gradient(edges))
        exponent = self.log_density(h) + B[..., None] * h - 0.5 * A[..., None] * h**2
        whole_h, whole_weight = nodes_between(self._edges())
        norm = log_weighted_sum(self.log_density(whole_h), whole_weight)
        return log_weighted_sum(exponent, weight) - norm

    def features(self) -> list[Feature]:
        low, high = jnp.asarray(self.support)
        # ladders of ten half-lengths reach past both ends; the noise adds its own
        points = [(0.5 * (low + high), 0.1 * (high - low), "gaussian")]
        ends = jnp.concatenate([jnp.asarray(self.support), jnp.asarray(self.breakpoints, float)])
        return points + [(ends[k], jnp.asarray(0.0), "gaussian") for k in range(ends.shape[0])]

    def first_moment(self) -> Float[Array, ""]:
        h, probability = self._grid()
        return jnp.sum(h * probability)

    def second_moment(self) -> Float[Array, ""]:
        h, probability = self._grid()
        return jnp.sum(h**2 * probability)

    def dimension(self) -> Float[Array, ""]:
        return jnp.asarray(1.0)

    def entropy(self) -> Float[Array, ""]:
        return jnp.asarray(jnp.inf)

    def sample(self, key: PRNGKeyArray, shape: tuple[int, ...]) -> Float[Array, "..."]:
        """Inverse of the distribution function on 65,536 cells, uniform within a cell."""
        low, high = jnp.asarray(self.support)
        edges = jnp.linspace(low, high, 65_537)
        middle = 0.5 * (edges[1:] + edges[:-1])
        cumulative = jnp.cumsum(jnp.exp(self.log_density(middle)))
        u = random.uniform(key, shape) * cumulative[-1]
        return jnp.interp(u, jnp.concatenate([jnp.zeros(1), cumulative]), edges)

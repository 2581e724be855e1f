"""Any likelihood P(y | z), given by its logarithm."""

from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jax import random
from jaxtyping import Array, Float, PRNGKeyArray

from solvable.bricks.channels.base import Atoms, Feature
from solvable.bricks.channels.hidden import AbstractSummedHiddenChannel
from solvable.bricks.channels.pointwise import AbstractQuadratureChannel
from solvable.core import arguments
from solvable.core.quadrature import nodes_between

CARD = dict(
    kind="channel",
    name="Likelihood",
    summary="any P(y | z), by its logarithm; labels or reals",
    parameters={
        "log_prob": "a Python function (y, z) of two arrays (jax.numpy)",
        "outputs": "the labels, or 'real'",
        "support": "[low, high] of y, needed when outputs = 'real'",
        "breakpoints": "where P(y | z) jumps or is steep in z",
        "noiseless": "True if y is a function of z",
    },
    rigour="theorem",
    references=["barbier2019"],
)

_PANELS = 40
_CELLS = 4096


def _outputs(value: Any) -> tuple[float, ...] | str:
    if isinstance(value, str):
        return arguments.choice("outputs", value, ["real"])
    return tuple(arguments.vector("outputs", value).tolist())


def _numbers(name: str) -> Callable[[Any], tuple[float, ...]]:
    def converter(value: Sequence[float]) -> tuple[float, ...]:
        return tuple(arguments.breakpoints(name, value).tolist())

    return converter


class Likelihood(AbstractQuadratureChannel, AbstractSummedHiddenChannel):
    """Channel with P(y | z) = exp(log_prob(y, z)), by quadrature over z.

    log Z(y; omega, V) = log int N(z; omega, V) exp(log_prob(y, z)) dz.

    Args:
        log_prob: function (y, z) of two arrays that broadcast, written with jax.numpy; it must sum
            (labels) or integrate (reals, over `support`) to one in y.
        outputs: the labels, or "real".
        support: [low, high], where a real y lies; needed when outputs is "real".
        breakpoints: where P(y | z) jumps, bends or is steep in z.
        noiseless: True if y is a function of z, so that q = rho can be a fixed point; `log_prob`
            is then 0 or -inf.

    Raises:
        ValueError: if P(y | z) does not sum to one at z = 0, or the support is missing.

    Example:
        >>> from jax.nn import log_sigmoid
        >>> channel = Likelihood(log_prob=lambda y, z: log_sigmoid(y * z), outputs=[-1, 1])
        >>> one, zero = jnp.asarray(1.0), jnp.asarray(0.0)
        >>> round(float(channel.log_partition(one, zero, one)), 9)
        -0.693147181

    A function has no SPEC: not for the command line.
    """

    log_prob: Callable[[Array, Array], Array] = eqx.field(static=True)
    outputs: tuple[float, ...] | str = eqx.field(converter=_outputs, static=True)
    support: tuple[float, ...] = eqx.field(converter=_numbers("support"), static=True, default=())
    breakpoints: tuple[float, ...] = eqx.field(
        converter=_numbers("breakpoints"), static=True, default=()
    )
    noiseless: bool = eqx.field(static=True, default=False)

    def __check_init__(self) -> None:
        if not callable(self.log_prob):
            raise ValueError("Argument `log_prob` must be a function (y, z) of two arrays.")
        if self.outputs == "real" and len(self.support) != 2:
            raise ValueError(
                "Argument `support` must be [low, high] when `outputs` is 'real', "
                f"but was {list(self.support)}."
            )
        z = jnp.asarray(0.1)
        y, weight = _nodes(self)
        total = float(jnp.sum(weight * jnp.exp(self.log_prob(y, jnp.broadcast_to(z, y.shape)))))
        if not abs(total - 1) < 1e-6:
            raise ValueError(
                f"Argument `log_prob` must be normalized over y, but sums to {total:.6g} "
                "at z = 0.1."
            )

    def log_likelihood(
        self, y: Float[Array, "..."], z: Float[Array, "..."]
    ) -> Float[Array, "..."]:
        return self.log_prob(y, z)

    def kinks(self) -> tuple[float, ...]:
        return self.breakpoints

    def is_steep(self) -> bool:
        return True

    def atoms(self) -> Atoms:
        labels = () if isinstance(self.outputs, str) else self.outputs
        return Atoms(jnp.asarray(labels, dtype=float), jnp.ones(len(labels)))

    def density_features(self, omega: Float[Array, ""], V: Float[Array, ""]) -> list[Feature]:
        if not isinstance(self.outputs, str):
            return []
        points = jnp.linspace(self.support[0], self.support[1], _PANELS + 1)
        return [(points, jnp.asarray(0.0), "point")]

    def z_breakpoints(self) -> list[tuple[Float[Array, ""], Float[Array, ""]]]:
        return [(jnp.asarray(point), jnp.asarray(0.0)) for point in self.breakpoints]

    def noise_variance(self) -> Float[Array, ""]:
        return jnp.asarray(0.0)

    def is_noiseless(self) -> Float[Array, ""]:
        return jnp.asarray(self.noiseless)

    def dimension(
        self, rho: Float[Array, ""], mean: Float[Array, ""] | float = 0.0
    ) -> Float[Array, ""]:
        # a function of z with labels as values fixes no real number
        return jnp.asarray(1.0 if self.noiseless and self.outputs == "real" else 0.0)

    def sample(self, key: PRNGKeyArray, z: Float[Array, "..."]) -> Float[Array, "..."]:
        z = jnp.asarray(z)
        if not isinstance(self.outputs, str):
            labels = jnp.asarray(self.outputs)
            logits = self.log_prob(labels, z[..., None])
            return labels[random.categorical(key, logits)]
        edges = jnp.linspace(self.support[0], self.support[1], _CELLS + 1)
        middle = 0.5 * (edges[1:] + edges[:-1])
        cell = random.categorical(key, self.log_prob(middle, z[..., None]))
        width = edges[1] - edges[0]
        return edges[cell] + width * random.uniform(random.fold_in(key, 1), z.shape)


def _nodes(channel: Likelihood) -> tuple[Array, Array]:
    """Outputs and weights for a sum or integral over y."""
    if not isinstance(channel.outputs, str):
        return jnp.asarray(channel.outputs), jnp.ones(len(channel.outputs))
    return nodes_between(jnp.linspace(channel.support[0], channel.support[1], _PANELS + 1))

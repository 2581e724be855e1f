"""Channels of the entries of a matrix, and what of them matters: their Fisher information.

The entries of a noisy matrix of low rank are seen one by one, Y_ij ~ P(. | w_ij), with w_ij =
(v v^T)_ij / sqrt(p) or (u v^T)_ij / sqrt(p). All w are small, so that the first term of the
log-likelihood's expansion says all that Y tells in the limit (Lesieur et al. 2017, Mergny et al.
2024). With the score

    S(y) = d/dw log P(y | w)   at w = 0,    1 / Delta = E S(y)^2   over y ~ P(. | 0),

Delta S(Y) has the mean w and the variance Delta: theory, message passing and spectral methods are
those of a spiked matrix with Gaussian noise of variance Delta that sees Delta S(Y) in place of Y.
"""

from abc import abstractmethod
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from solvable.core.arguments import UNSET, is_traced
from solvable.core.randomness import numpy_generator
from solvable.core.specification import Specification, get, parameters

_FAR, _STEP = 4.0, 1 / 64  # of the double-exponential rule on the whole line


class AbstractMatrixChannel(Specification):
    """Law of an entry y of a matrix given the small signal w in it.

    A new channel needs `log_likelihood`, `outputs`, `emits` and `sample`; the score, the Fisher
    information and with them theory and message passing follow.
    """

    @abstractmethod
    def log_likelihood(
        self, y: Float[Array, "..."], w: Float[Array, "..."]
    ) -> Float[Array, "..."]:
        """log P(y | w), elementwise: a mass or a density; smooth in w at w = 0."""

    @abstractmethod
    def outputs(self) -> tuple[Float[Array, " k"], Float[Array, " k"]]:
        """y_k and weights with E f(y) = sum_k weight_k P(y_k | 0) f(y_k) at w = 0."""

    @abstractmethod
    def emits(self, y: np.ndarray) -> np.ndarray:
        """Whether an entry may have this value, elementwise."""

    @abstractmethod
    def sample(self, key: PRNGKeyArray, w: Float[np.ndarray, "..."]) -> np.ndarray:
        """One y for each w; ValueError if P(. | w) is no law there."""

    def score(self, y: Float[Array, "..."]) -> Float[Array, "..."]:
        """S(y) = d/dw log P(y | w) at w = 0, elementwise."""
        y = jnp.asarray(y, dtype=float)
        zero, one = jnp.zeros_like(y), jnp.ones_like(y)
        return jax.jvp(lambda w: self.log_likelihood(y, w), (zero,), (one,))[1]


class AbstractAnalyticMatrixChannel(AbstractMatrixChannel):
    """A channel whose Fisher information has a closed form."""

    @abstractmethod
    def analytic_fisher_information(self) -> Float[Array, ""]:
        """E S(y)^2 at w = 0."""


class AbstractAdditiveNoise(AbstractMatrixChannel):
    """y = w + noise of a density: `log_density`, its `width` and `draw` are all it needs.

    Outliers of a heavy-tailed noise are clipped by the score, which no variance knows of.
    """

    @abstractmethod
    def log_density(self, noise: Float[Array, "..."]) -> Float[Array, "..."]:
        """log of the density, smooth or with a kink at 0."""

    @abstractmethod
    def width(self) -> Float[Array, ""]:
        """Where about the density has its weight: some standard deviation or quartile."""

    @abstractmethod
    def draw(self, generator: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
        """Independent noises."""

    def log_likelihood(
        self, y: Float[Array, "..."], w: Float[Array, "..."]
    ) -> Float[Array, "..."]:
        return self.log_density(y - w)

    def outputs(self) -> tuple[Float[Array, " k"], Float[Array, " k"]]:
        """A double-exponential rule on the two half-lines, for tails of any power."""
        t = _STEP * (np.arange(2 * int(_FAR / _STEP)) + 0.5) - _FAR
        inner = 0.5 * np.pi * np.sinh(t)
        half = jnp.asarray(np.exp(inner)) * self.width()
        weight = half * jnp.asarray(_STEP * 0.5 * np.pi * np.cosh(t))
        return jnp.concatenate([-half[::-1], half]), jnp.concatenate([weight[::-1], weight])

    def emits(self, y: np.ndarray) -> np.ndarray:
        return np.isfinite(y)

    def sample(self, key: PRNGKeyArray, w: Float[np.ndarray, "..."]) -> np.ndarray:
        return w + self.draw(numpy_generator(key), np.shape(w))


def fisher_information(channel: AbstractMatrixChannel) -> Float[Array, ""]:
    """1 / Delta = E S(y)^2 over y ~ P(. | 0) (Lesieur et al. 2017)."""
    if isinstance(channel, AbstractAnalyticMatrixChannel):
        return channel.analytic_fisher_information()
    return general_fisher_information(channel)


def general_fisher_information(channel: AbstractMatrixChannel) -> Float[Array, ""]:
    """`fisher_information` by summation whatever the channel: the check on closed forms."""
    y, weight = channel.outputs()
    log_law = channel.log_likelihood(y, jnp.zeros_like(y))
    seen = jnp.isfinite(log_law)
    score = jnp.where(seen, channel.score(y), 0.0)
    return jnp.sum(weight * jnp.where(seen, jnp.exp(log_law), 0.0) * score**2)


@eqx.filter_jit
def _fisher_information(channel: AbstractMatrixChannel) -> Array:
    return fisher_information(channel)


def noise_variance(channel: AbstractMatrixChannel) -> Any:
    """Delta, one over the Fisher information; UNSET where a parameter of the channel is.

    Raises:
        ValueError: if the channel has no finite Fisher information above zero: one that shows
            nothing of w to first order, such as an even function of it.
    """
    if any(get(channel, name) is UNSET for name in parameters(channel)):
        return UNSET
    information = _fisher_information(channel)
    if is_traced(information):
        return 1 / information
    if not (np.isfinite(information) and information > 0):
        raise ValueError(
            f"Argument `channel` must have a finite Fisher information above 0 at w = 0, but that "
            f"of {channel!r} is {float(information):g}."
        )
    return 1 / information

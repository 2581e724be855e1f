"""One layer of a chain: random weights, then a channel; the last layer is what is observed.

`AbstractLayer` is what the chain needs of a layer: how its weights mix messages, and, of the last
one, what the observation shows at a scale (the number of copies of it, or 1 / delta).
"""

from abc import abstractmethod
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from solvable.bricks.channels.base import (
    AbstractChannel,
    AbstractChannelLaw,
    ChannelMoments,
    blind_snr,
    channel_errors,
    channel_moments,
    curvature_moment,
    without_bias,
)
from solvable.bricks.channels.biased import Biased
from solvable.bricks.spectra import AbstractSpectrum, Orthogonal, mix, respond
from solvable.core.arguments import (
    UNSET,
    choice,
    fail,
    instance,
    parameter,
    positive,
    vector,
)
from solvable.core.gauss_rules import Recurrence, recurrence
from solvable.core.quadrature import FINE_ORDER, ORDER
from solvable.core.specification import Specification

CARD = dict(
    kind="layer",
    name="Layer",
    summary="one layer of a chain: z = W h with random W, then h' ~ channel(. | z)",
    parameters={
        "channel": "a channel: the activation, or in the last layer the observation",
        "ratio": "> 0, outputs / inputs",
        "weights": "'gaussian' (default), 'orthogonal', or a spectrum",
        "bias": "numbers added to z, None (default) for none; only their law counts in theory",
    },
    rigour="replica",
    references=["manoel2017", "gabrie2018"],
)

EDGE = 1e-13  # V / rho that stands for V -> 0 where the limit is finite
EVEN = 1e-20  # rho S(0) below it is zero: an even channel's is 1e-30, any other's above 1e-8


def _weights(value: Any) -> Any:
    if isinstance(value, AbstractSpectrum):
        return value
    if not isinstance(value, str):
        raise fail("weights", "be 'gaussian', 'orthogonal' or a spectrum", value)
    return choice("weights", value, ("gaussian", "orthogonal"))


def _bias(value: Any) -> Any:
    return None if value is None else vector("bias", value)


class LayerMixing(NamedTuple):
    """Messages on the other side of the weights.

    Attributes:
        snr: signal-to-noise ratio A that z sees from its outputs.
        overlap: of z, rho_z minus the next.
        variance: of z given everything but its own output.
        coupling: the conjugate term of the potential, q_hat V / 2 for iid Gaussian weights.
    """

    snr: Float[Array, ""]
    overlap: Float[Array, ""]
    variance: Float[Array, ""]
    coupling: Float[Array, ""]


class Across(NamedTuple):
    """What is known of the units on the other side of a matrix.

    Attributes:
        overlap: of them.
        variance: their second moment minus the overlap.
    """

    overlap: Float[Array, ""]
    variance: Float[Array, ""]


class Partner(NamedTuple):
    """The spike on the other side of a matrix, with the chain that makes it.

    Attributes:
        prior: law of the input of that chain.
        layers: its hidden layers, then the matrix.
        size: units of that spike for each unit of this one.
    """

    prior: Any
    layers: tuple["AbstractLayer", ...]
    size: Any


class AbstractLayer(Specification):
    """What a chain needs of a layer."""

    @property
    @abstractmethod
    def ratio(self) -> Any:
        """Outputs / inputs."""

    @abstractmethod
    def spectrum(self) -> AbstractSpectrum | None:
        """The law of singular values; None for iid Gaussian entries, whose mixing is trivial."""

    @abstractmethod
    def law(self) -> Any:
        """What averages see of the outputs: `dimension`, `is_noiseless` and `emits_reals`."""

    # ---- as the last layer: the observation

    @abstractmethod
    def partner(self) -> Partner | None:
        """The spike on the other side of a matrix that has one; `other` is what is known of it."""

    @abstractmethod
    def shown(
        self,
        q: Float[Array, ""],
        V: Float[Array, ""],
        nodes: int = ORDER,
        copies: Any = 1.0,
        other: Across | None = None,
    ) -> ChannelMoments:
        """Signal-to-noise ratio that z sees from the observation at a scale, and its potential.

        With a partner the potential is symmetric: it is the other spike's too.
        """

    @abstractmethod
    def level(
        self,
        q_hat: Float[Array, ""],
        mixed: "LayerMixing",
        nodes: int,
        other: Across | None = None,
    ) -> Float[Array, ""]:
        """ln of the scale at which the observation sends q_hat to the input."""

    @abstractmethod
    def seen_blind(self, rho: Float[Array, ""], other: Across | None = None) -> Float[Array, ""]:
        """Signal-to-noise ratio that z of variance rho sees while nothing is known of it."""

    @abstractmethod
    def weak_scale(
        self, reach: float, rho: float, other: float | None = None
    ) -> tuple[float, float]:
        """The scale at which q = 0 loses stability, where q becomes reach q_hat; its error.

        `other` is the reach of the partner.
        """

    @abstractmethod
    def known_potential(
        self, rho: Float[Array, ""], other: Float[Array, ""] | None = None
    ) -> Float[Array, ""]:
        """The potential at unit scale where z is known; infinite for reals without noise.

        `other` is the second moment of the partner, which is known too.
        """

    @abstractmethod
    def errors(
        self,
        q: Float[Array, ""],
        V: Float[Array, ""],
        copies: Any = 1.0,
        other: Across | None = None,
    ) -> dict[str, Float[Array, ""]]:
        """Observables of the observation: errors of prediction, or of the matrix."""

    @abstractmethod
    def scale(self) -> tuple[str, int]:
        """The field that scales the observation, and the power of it that the scale is."""

    # ---- the weights

    def mixing(
        self, q_hat: Float[Array, ""], q: Float[Array, ""], V: Float[Array, ""]
    ) -> "LayerMixing":
        """What W makes of the messages at a fixed point: q_hat, q and V are those of its input."""
        spectrum = self.spectrum()
        if spectrum is None:
            return LayerMixing(q_hat / self.ratio, q, V, 0.5 * q_hat * V)
        found = mix(spectrum, jnp.asarray(self.ratio), q_hat, V)
        rho = (q + V) * self.gain()
        return LayerMixing(found.snr, rho - found.variance, found.variance, found.coupling)

    def gain(self) -> Any:
        """E z^2 / E h^2."""
        spectrum = self.spectrum()
        return 1.0 if spectrum is None else spectrum.mean(jnp.asarray(self.ratio)) / self.ratio

    def received(
        self,
        snr: Float[Array, ""],
        q_hat: Float[Array, ""],
        V: Float[Array, ""],
        spread: Float[Array, ""],
    ) -> Float[Array, ""]:
        """The new q_hat of the input where z, of variance `spread`, sees `snr`.

        Gaussian weights: ratio snr. Others: the linear step of vector AMP, with precisions 1 / V -
        q_hat of the input and snr / (1 - snr spread) of z (`bricks.spectra.respond`).
        """
        spectrum = self.spectrum()
        if spectrum is None:
            return self.ratio * snr
        return respond(spectrum, *self._precisions(snr, q_hat, V, spread)).q_hat

    def _precisions(self, snr: Array, q_hat: Array, V: Array, spread: Array) -> tuple[Array, ...]:
        return jnp.asarray(self.ratio), 1 / V - q_hat, snr / (1 - snr * spread)

    def passed(
        self,
        snr: Float[Array, ""],
        q_hat: Float[Array, ""],
        V: Float[Array, ""],
        spread: Float[Array, ""],
    ) -> Float[Array, ""]:
        """The new variance of z, given everything but its own output; arguments as above."""
        spectrum = self.spectrum()
        if spectrum is None:
            return V
        return respond(spectrum, *self._precisions(snr, q_hat, V, spread)).variance


class Layer(AbstractLayer):
    """One layer: z = W h + bias with a random W, then outputs h' ~ channel(. | z).

    Args:
        channel: law of an output given z; in the last layer of a model, the observation.
        ratio: outputs / inputs, > 0; may be left unset where it is swept.
        weights: "gaussian", entries iid N(0, 1 / inputs); "orthogonal", rows or columns
            orthogonal; or a spectrum, the law of the singular values of a rotationally invariant
            W. All are scaled to E Tr W^T W / inputs = ratio, so that W h has the variance of h.
        bias: known numbers, one for each output, or None. The theory takes their empirical law,
            whatever their number; the algorithm needs as many as there are outputs.

    Raises:
        ValueError: if the ratio is not positive, the channel is none, the weights are unknown, or
            the bias is no vector of finite numbers.

    Example:
        >>> from solvable.bricks.channels.relu import ReLU
        >>> Layer(ratio=2, channel=ReLU())
        Layer(channel=ReLU(), ratio=2.0)
    """

    channel: AbstractChannel = eqx.field(
        converter=lambda x: instance("channel", x, AbstractChannel, "a channel, as `ReLU()`")
    )
    ratio: float = parameter("ratio", positive, default=UNSET)
    weights: str | AbstractSpectrum = eqx.field(converter=_weights, default="gaussian")
    bias: Float[np.ndarray, " n"] | None = eqx.field(converter=_bias, default=None)
    bias_law: Recurrence | None = eqx.field(init=False, default=None)

    def __check_init__(self) -> None:
        # once, in numbers: programs get the law and no vector
        if self.bias is not None and np.any(self.bias):
            object.__setattr__(self, "bias_law", recurrence(self.bias))

    def law(self) -> AbstractChannel | AbstractChannelLaw:
        """The channel as averages see it: with the law of the biases where there are any."""
        return self.channel if self.bias_law is None else Biased(self.channel, self.bias_law)

    def spectrum(self) -> AbstractSpectrum | None:
        """The law of singular values; None for iid Gaussian entries, whose mixing is trivial."""
        if isinstance(self.weights, AbstractSpectrum):
            return self.weights
        return Orthogonal() if self.weights == "orthogonal" else None

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
        found = channel_moments(self.law(), q, V, nodes)
        return ChannelMoments(copies * found.snr, copies * found.potential)

    def level(
        self,
        q_hat: Float[Array, ""],
        mixed: "LayerMixing",
        nodes: int,
        other: Across | None = None,
    ) -> Float[Array, ""]:
        found = channel_moments(self.law(), mixed.overlap, mixed.variance, nodes)
        return jnp.log(mixed.snr) - jnp.log(found.snr)

    def seen_blind(self, rho: Float[Array, ""], other: Across | None = None) -> Float[Array, ""]:
        channel = self.law()
        if isinstance(channel, AbstractChannelLaw):
            return channel_moments(channel, 0 * rho, rho).snr
        return blind_snr(channel, rho)

    def weak_scale(
        self, reach: float, rho: float, other: float | None = None
    ) -> tuple[float, float]:
        """1 / (reach dS / dq at q = 0), infinite where S is flat."""
        channel = without_bias(self.law())
        at = jnp.asarray(rho)
        curvature, fine = (float(curvature_moment(channel, at, n)) for n in (ORDER, FINE_ORDER))
        if curvature * rho**2 <= EVEN:
            return np.inf, 0.0
        weak = 1 / (reach * curvature)
        return weak, weak * (abs(fine / curvature - 1) + 1e-15)

    def errors(
        self,
        q: Float[Array, ""],
        V: Float[Array, ""],
        copies: Any = 1.0,
        other: Across | None = None,
    ) -> dict[str, Float[Array, ""]]:
        """Of prediction on a fresh input; two of them for labels only."""
        found = channel_errors(self.law(), q, V)._asdict()
        if self.law().emits_reals():
            return {"generalization_error": found["generalization_error"]}
        return found

    def scale(self) -> tuple[str, int]:
        return "ratio", 1

    def known_potential(
        self, rho: Float[Array, ""], other: Float[Array, ""] | None = None
    ) -> Float[Array, ""]:
        channel = self.law()
        noiseless = jnp.inf if channel.emits_reals() else 0.0
        edge = channel_moments(channel, rho, EDGE * rho)
        return jnp.where(channel.is_noiseless(), noiseless, edge.potential)

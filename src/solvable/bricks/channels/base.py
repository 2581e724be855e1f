"""A channel states its local log-partition; estimators and averages over disorder follow here.

    log Z(y; omega, V) = log int dz N(z; omega, V) P(y | z)

is what message passing sees on data and, averaged over omega ~ N(0, q), V = rho - q and y ~ Z,
what the replica free entropy sees. Outputs are labels, reals, or both (ReLU: an atom at zero and a
density above it): an atom has a mass, everything else a density.
"""

from abc import abstractmethod
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from solvable.core.quadrature import (
    FULL,
    ORDER,
    Panels,
    feature_nodes,
    gaussian_nodes,
    mixture_nodes,
)
from solvable.core.specification import Specification

Feature = tuple[Float[Array, ""], Float[Array, ""], str]
_FROZEN = 1e-11  # q / rho below which omega is its bias: nearer, differences lose their digits


class Atoms(NamedTuple):
    """Outputs of positive probability.

    Attributes:
        values: shape (m,).
        active: shape (m,), 1 where the value is an atom at these parameters, else 0.
    """

    values: Float[Array, " m"]
    active: Float[Array, " m"]


class ChannelMoments(NamedTuple):
    """Averages over omega ~ N(0, q) and y ~ Z(. ; omega, V).

    Attributes:
        snr: E (d log Z / d omega)^2 = q_hat / alpha.
        potential: Psi = E log Z.
    """

    snr: Float[Array, ""]
    potential: Float[Array, ""]


class ChannelErrors(NamedTuple):
    """Errors of prediction on a fresh input, averaged over omega ~ N(0, q).

    Attributes:
        generalization_error: E (y - E[y | data])^2, output noise included (Theorem 2).
        bayes_error: 1 - E max_y Z; NaN for outputs that are not labels.
        gibbs_error: E sum_y Z (1 - Z); NaN likewise.
    """

    generalization_error: Float[Array, ""]
    bayes_error: Float[Array, ""]
    gibbs_error: Float[Array, ""]


class AbstractChannel(Specification):
    """Law of an output y given the pre-activation z.

    A new channel needs `log_partition`, `atoms` (labels) or `density_features` (reals) and
    `sample`; estimators, state evolution, free entropy and errors follow.
    """

    @abstractmethod
    def log_partition(
        self, y: Float[Array, "..."], omega: Float[Array, "..."], V: Float[Array, "..."]
    ) -> Float[Array, "..."]:
        """log int N(z; omega, V) P(y | z) dz, elementwise: a mass at atoms, else a density."""

    @abstractmethod
    def atoms(self) -> Atoms:
        """Outputs of positive probability; no entries for a density alone."""

    @abstractmethod
    def density_features(self, omega: Float[Array, ""], V: Float[Array, ""]) -> list[Feature]:
        """Where, in y, the density at one omega has its weight; empty for labels alone."""

    @abstractmethod
    def z_breakpoints(self) -> list[tuple[Float[Array, ""], Float[Array, ""]]]:
        """Pairs (z, width) where P(y | z) changes within `width`, 0 for a jump or kink."""

    @abstractmethod
    def noise_variance(self) -> Float[Array, ""]:
        """Variance of the noise added to z (`pre_delta`); it widens V wherever V enters."""

    @abstractmethod
    def is_noiseless(self) -> Float[Array, ""]:
        """True where y is a function of z: then q_hat / alpha diverges as V -> 0."""

    @abstractmethod
    def dimension(
        self, rho: Float[Array, ""], mean: Float[Array, ""] | float = 0.0
    ) -> Float[Array, ""]:
        """lim V q_hat / alpha as V -> 0: the probability that y fixes z ~ N(mean, rho)."""

    @abstractmethod
    def sample(self, key: PRNGKeyArray, z: Float[Array, "..."]) -> Float[Array, "..."]:
        """One output for each pre-activation."""

    def check_observation(self, y: Float[np.ndarray, " n"]) -> None:
        """Raise ValueError, naming the first offender, if y holds what the channel cannot emit."""
        values, active = (np.asarray(x) for x in self.atoms())
        labels = np.unique(values[active > 0])
        if labels.size == 0 or self.emits_reals():
            return
        stray = np.asarray(y)[~np.isin(y, labels)]
        if stray.size:
            shown = ", ".join(f"{v:g}" for v in labels)
            raise ValueError(
                f"Argument `observation` must hold the outputs of {self!r} ({shown}), "
                f"but held {stray.flat[0]:g}."
            )

    def emits_reals(self) -> bool:
        """True if some outputs are a continuum."""
        one = jnp.asarray(1.0)
        return len(self.density_features(one, one)) > 0


class AbstractOutputChannel(AbstractChannel):
    """A channel whose estimators come cheaper or sharper than by differentiation."""

    @abstractmethod
    def output(
        self, y: Float[Array, "..."], omega: Float[Array, "..."], V: Float[Array, "..."]
    ) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        """g = d log Z / d omega and -dg = -d^2 log Z / d omega^2, elementwise."""


class AbstractAnalyticChannel(AbstractOutputChannel):
    """A channel with closed or one-dimensional averages, more accurate than the general route."""

    @abstractmethod
    def analytic_moments(
        self, q: Float[Array, ""], V: Float[Array, ""], order: int
    ) -> ChannelMoments:
        """The averages at one (q, V)."""


class AbstractChannelLaw(eqx.Module):
    """P(. | z + b) with known biases b of a given law: the channels of a layer's units.

    Its averages over disorder take omega ~ N(b, q) instead of N(0, q), and average over b.
    """

    channel: eqx.AbstractVar[Any]

    @abstractmethod
    def biases(self, order: int) -> tuple[Float[Array, " k"], Float[Array, " k"]]:
        """Nodes and probabilities of the law of b that match a quadrature of that order."""

    @abstractmethod
    def moments(self, q: Float[Array, ""], V: Float[Array, ""], order: int) -> ChannelMoments:
        """`channel_moments` of the law."""

    @abstractmethod
    def averages(
        self, q: Float[Array, ""], V: Float[Array, ""], q_hat: Float[Array, ""], order: int
    ) -> Any:
        """`hidden_averages` of the law."""

    @abstractmethod
    def dimension(self, rho: Float[Array, ""]) -> Float[Array, ""]:
        """The probability, over b and z ~ N(0, rho), that the output fixes z."""

    def emits_reals(self) -> bool:
        """True if some outputs are a continuum."""
        return self.channel.emits_reals()

    def is_noiseless(self) -> Float[Array, ""]:
        """True where the output is a function of z."""
        return self.channel.is_noiseless()


def without_bias(channel: Any) -> Any:
    """The channel of a law, or the channel itself."""
    return channel.channel if isinstance(channel, AbstractChannelLaw) else channel


def output_moments(
    channel: AbstractChannel,
    y: Float[Array, "..."],
    omega: Float[Array, "..."],
    V: Float[Array, "..."],
) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    """The output estimators of AMP, g = d log Z / d omega and -d^2 log Z / d omega^2.

    Args:
        channel: the channel.
        y: outputs.
        omega: means of the pre-activations, of the shape of y.
        V: their variance, a scalar or of the shape of y.

    Returns:
        g and -dg, of the shape of y.
    """
    if isinstance(channel, AbstractOutputChannel):
        return channel.output(y, omega, V)
    return output_by_differentiation(channel, y, omega, V)


def _score(channel: AbstractChannel, y: Array, omega: Array, V: Array) -> Array:
    """g alone, without the second derivative where that costs."""
    if isinstance(channel, AbstractOutputChannel):
        return channel.output(y, omega, V)[0]
    return _gradient(channel, y, omega, V)


def _gradient(channel: AbstractChannel, y: Array, omega: Array, V: Array) -> Array:
    value, pull = jax.vjp(lambda w: channel.log_partition(y, w, V), omega)
    return pull(jnp.ones_like(value))[0]


def output_by_differentiation(
    channel: AbstractChannel, y: Array, omega: Array, V: Array
) -> tuple[Array, Array]:
    """`output_moments` by differentiation whatever the channel: the check on closed forms."""
    y, omega = jnp.broadcast_arrays(y, omega)
    g, dg = jax.jvp(lambda w: _gradient(channel, y, w, V), (omega,), (jnp.ones_like(omega),))
    return g, -dg


# -------------------------------------------------------------------------------------------------
# Averages over disorder


def omega_nodes(
    channel: AbstractChannel | AbstractChannelLaw,
    q: Array,
    V: Array,
    order: int,
    panels: Panels = FULL,
) -> tuple[Array, Array]:
    """Nodes omega and probabilities for omega ~ N(0, q), graded at the channel's breakpoints.

    Under a law of biases omega ~ N(b, q) with its law of b.
    """
    if isinstance(channel, AbstractChannelLaw):
        return _biased_nodes(channel, q, V, order, panels)
    root = jnp.sqrt(q)
    safe = jnp.where(root > 0, root, 1.0)
    posterior_width = jnp.sqrt(V + channel.noise_variance())
    features = [
        (z / safe, jnp.sqrt(posterior_width**2 + width**2) / safe)
        for z, width in channel.z_breakpoints()
    ]
    v, weight = gaussian_nodes(features, order, panels=panels)
    return root * v, weight


def _biased_nodes(
    law: AbstractChannelLaw, q: Array, V: Array, order: int, panels: Panels
) -> tuple[Array, Array]:
    channel = law.channel
    variance = V + channel.noise_variance()
    features = [(z, jnp.sqrt(variance + width**2)) for z, width in channel.z_breakpoints()]
    centers, weights = law.biases(order)
    spread = jnp.maximum(q, _FROZEN * (q + V))
    return mixture_nodes(centers, weights, jnp.sqrt(spread), features, order, panels)


def outputs(channel: AbstractChannel, omega: Array, V: Array, order: int) -> tuple[Array, Array]:
    """Outputs and integration weights at one omega: atoms first, then nodes of the density."""
    atoms = channel.atoms()
    values, weights = [atoms.values], [atoms.active]
    features = channel.density_features(omega, V)
    if features:
        y, weight = feature_nodes(features, order=order)
        values.append(y)
        weights.append(weight)
    return jnp.concatenate(values), jnp.concatenate(weights)


def _masked(log_z: Array) -> tuple[Array, Array]:
    """exp(log_z) and a finite log_z, zero where the output is impossible."""
    possible = log_z > -jnp.inf
    return jnp.where(possible, jnp.exp(log_z), 0.0), jnp.where(possible, log_z, 0.0)


def channel_moments(
    channel: AbstractChannel | AbstractChannelLaw,
    q: Float[Array, ""],
    V: Float[Array, ""],
    order: int = ORDER,
) -> ChannelMoments:
    """Signal-to-noise ratio and potential of the channel at overlap q and variance V = rho - q.

    q_hat / alpha = E_omega int dy (dZ / domega)^2 / Z and Psi = E_omega int dy Z log Z (Barbier et
    al. 2019, Eqs. 4 and 6), by two nested quadratures.

    Args:
        channel: the channel, or a law of channels.
        q: overlap, >= 0 (scalar; vmap for more).
        V: rho - q, > 0, given separately so that q -> rho loses no digit.
        order: quadrature nodes a panel.
    """
    if isinstance(channel, AbstractChannelLaw):
        return channel.moments(q, V, order)
    if isinstance(channel, AbstractAnalyticChannel):
        return channel.analytic_moments(q, V, order)
    return general_channel_moments(channel, q, V, order)


def general_channel_moments(
    channel: AbstractChannel | AbstractChannelLaw,
    q: Float[Array, ""],
    V: Float[Array, ""],
    order: int = ORDER,
) -> ChannelMoments:
    """`channel_moments` by quadrature whatever the channel: the check on closed forms."""
    omega, probability = omega_nodes(channel, q, V, order)
    bare = without_bias(channel)

    def at(w: Array) -> tuple[Array, Array]:
        y, weight = outputs(bare, w, V, order)
        field = jnp.broadcast_to(w, y.shape)
        z, log_z = _masked(bare.log_partition(y, field, V))
        g = jnp.where(z > 0, _score(bare, y, field, V), 0.0)
        return jnp.sum(weight * z * g**2), jnp.sum(weight * z * log_z)

    snr, potential = jax.vmap(at)(omega)
    return ChannelMoments(jnp.sum(probability * snr), jnp.sum(probability * potential))


def channel_errors(
    channel: AbstractChannel | AbstractChannelLaw,
    q: Float[Array, ""],
    V: Float[Array, ""],
    order: int = ORDER,
) -> ChannelErrors:
    """Errors of the Bayes predictor on a fresh input; arguments as in `channel_moments`.

    The squared error sums conditional variances, so it keeps its digits as q -> rho.
    """
    omega, probability = omega_nodes(channel, q, V, order)
    bare = without_bias(channel)
    labels_only = not bare.emits_reals()

    def at(w: Array) -> tuple[Array, Array, Array]:
        y, weight = outputs(bare, w, V, order)
        z = weight * _masked(bare.log_partition(y, jnp.broadcast_to(w, y.shape), V))[0]
        mean = jnp.sum(z * y)
        wrong = jnp.sum(z) - jnp.max(z)
        return jnp.sum(z * (y - mean) ** 2), wrong, jnp.sum(z * (jnp.sum(z) - z))

    square, bayes, gibbs = (jnp.sum(probability * x) for x in jax.vmap(at)(omega))
    none = jnp.asarray(jnp.nan)
    return ChannelErrors(square, bayes if labels_only else none, gibbs if labels_only else none)


def predict_mean(
    channel: AbstractChannel, omega: Float[Array, " n"], V: Float[Array, ""], order: int = ORDER
) -> Float[Array, " n"]:
    """E[y | omega, V] for each omega: the Bayes predictor of the output."""

    def at(w: Array) -> Array:
        y, weight = outputs(channel, w, V, order)
        z = weight * _masked(channel.log_partition(y, jnp.broadcast_to(w, y.shape), V))[0]
        return jnp.sum(z * y) / jnp.sum(z)

    return jax.vmap(at)(omega)


@eqx.filter_jit
def curvature_moment(
    channel: AbstractChannel, rho: Float[Array, ""], order: int = ORDER
) -> Float[Array, ""]:
    """d snr / dq at q = 0 of a channel with g(y, 0) = 0: E_y (d^2 log Z / d omega^2)^2.

    Weak recovery of a zero-mean prior of variance rho sits at alpha = 1 / (rho^2 times this)
    (Mondelli & Montanari 2019).
    """
    zero = jnp.zeros_like(rho)
    y, weight = outputs(channel, zero, rho, order)
    field = jnp.zeros_like(y)
    z, _ = _masked(channel.log_partition(y, field, rho))
    curvature = output_moments(channel, y, field, rho)[1]
    return jnp.sum(weight * z * jnp.where(z > 0, curvature, 0.0) ** 2)


@eqx.filter_jit
def blind_snr(
    channel: AbstractChannel, rho: Float[Array, ""], order: int = ORDER
) -> Float[Array, ""]:
    """snr at q = 0: E_y g(y; 0, rho)^2, zero for channels that are even in z."""
    zero = jnp.zeros_like(rho)
    y, weight = outputs(channel, zero, rho, order)
    field = jnp.zeros_like(y)
    z, _ = _masked(channel.log_partition(y, field, rho))
    g = jnp.where(z > 0, _score(channel, y, field, rho), 0.0)
    return jnp.sum(weight * z * g**2)

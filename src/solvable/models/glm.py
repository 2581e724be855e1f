"""The generalized linear model, teacher and student: y ~ P(. | X w*), w* ~ P_w."""

from typing import Any, ClassVar, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from solvable.algorithms import gamp
from solvable.bricks.channels.base import (
    AbstractAnalyticChannel,
    AbstractChannel,
    ChannelMoments,
    blind_snr,
    channel_errors,
    channel_moments,
    curvature_moment,
)
from solvable.bricks.priors.base import AbstractPrior, prior_moments
from solvable.core.arguments import UNSET, instance, parameter, positive
from solvable.core.branches import Limits
from solvable.core.instance import Data, Instance
from solvable.core.quadrature import FINE_ORDER, ORDER
from solvable.core.specification import inject, numeric
from solvable.models import glm_instances
from solvable.models.base import (
    AbstractInstanceModel,
    AbstractMessagePassingModel,
    AbstractScalarReplicaModel,
)

CARD = dict(
    kind="model",
    name="GLM",
    summary="generalized linear model, teacher and student: y ~ P(. | X w), X iid N(0, 1/p)",
    parameters={
        "prior": "a prior",
        "channel": "a channel",
        "alpha": "> 0, samples / dimension n / p",
    },
    observables=[
        "overlap",
        "mse",
        "free_entropy",
        "mutual_information",
        "generalization_error",
        "bayes_error",
        "gibbs_error",
    ],
    thresholds=[
        "weak_recovery",
        "information_theoretic",
        "algorithmic",
        "spinodal_uninformed",
        "spinodal_informed",
    ],
    rigour="theorem",
    references=["barbier2019", "gyorgyi1990", "mondelli2019"],
)

_EVEN = 1e-20  # rho S(0) below it is zero: an even channel's is 1e-30, any other's above 1e-8
_KNOWN, _NO_SIGNAL = 1e-24, 1e-300  # V / rho and q_hat below which they are zero
_NESTED_NODES = 6
_EDGE = 1e-13  # V / rho that stands for V -> 0 where the limit is finite


class OverlapOrder(NamedTuple):
    """Order parameters of a model with one overlap.

    Attributes:
        q_hat: signal-to-noise ratio that a component sees.
        overlap: q.
        variance: V = rho - q, which keeps its digits as q -> rho.
        information: I(w; w + xi / sqrt(q_hat)) in nats.
    """

    q_hat: Float[Array, ""]
    overlap: Float[Array, ""]
    variance: Float[Array, ""]
    information: Float[Array, ""]


class GLM(AbstractScalarReplicaModel, AbstractInstanceModel, AbstractMessagePassingModel):
    """Generalized linear model y_mu ~ P(. | X_mu . w*), X iid N(0, 1 / p), w*_i ~ P_w.

    Free entropy per parameter (Barbier et al. 2019, Theorem 1):

        f = sup_q inf_q_hat  psi(q_hat) + alpha Psi(q) - q q_hat / 2,

    whose stationarity is state evolution, q_hat = 2 alpha Psi'(q), q = 2 psi'(q_hat). With V = rho
    - q and I = rho q_hat / 2 - psi it is evaluated as f = -I + q_hat V / 2 + alpha Psi, which
    subtracts no large numbers as q -> rho.

    Args:
        prior: law of the components of the signal.
        channel: law of an output given z = X_mu . w.
        alpha: samples over dimension, n / p, > 0; may be left unset where it is swept.

    Raises:
        ValueError: if alpha is not positive, or a brick is none.

    Example:
        >>> from solvable.bricks.channels.sign import Sign
        >>> from solvable.bricks.priors.rademacher import Rademacher
        >>> GLM(prior=Rademacher(), channel=Sign(), alpha=1.0)
        GLM(prior=Rademacher(), channel=Sign(), alpha=1.0)
    """

    scale_parameter: ClassVar[str] = "alpha"

    prior: AbstractPrior = eqx.field(
        converter=lambda x: instance("prior", x, AbstractPrior, "a prior, as `Gaussian()`")
    )
    channel: AbstractChannel = eqx.field(
        converter=lambda x: instance("channel", x, AbstractChannel, "a channel, as `Sign()`")
    )
    alpha: float = parameter("alpha", positive, default=UNSET)

    # ---- theory

    def order_at(self, log_q_hat: Float[Array, ""], nodes: int = ORDER) -> OverlapOrder:
        """Order parameters at ln q_hat: the prior's side of state evolution."""
        q_hat = jnp.exp(log_q_hat)
        return OverlapOrder(q_hat, *prior_moments(self.prior, q_hat, nodes))

    def log_response(self, log_q_hat: Float[Array, ""], nodes: int = ORDER) -> Float[Array, ""]:
        """ln of q_hat / alpha that the channel returns: its side of state evolution."""
        order = self.order_at(log_q_hat, nodes)
        return jnp.log(channel_moments(self.channel, order.overlap, order.variance, nodes).snr)

    def update(self, order: OverlapOrder) -> OverlapOrder:
        """One step of state evolution, also from the ends q = 0 and q = rho."""
        rho = order.overlap + order.variance
        # at V = 0 the signal is known, and 1 / sqrt(V) would be infinite
        variance = jnp.maximum(order.variance, _KNOWN * rho)
        snr = self.alpha * channel_moments(self.channel, order.overlap, variance).snr
        informed = snr > _NO_SIGNAL
        seen = self.order_at(jnp.log(jnp.where(informed, snr, 1.0)))
        mean, zero = self.prior.first_moment(), jnp.zeros_like(snr)
        blind = OverlapOrder(zero, mean**2, self.prior.second_moment() - mean**2, zero)
        return OverlapOrder(*(jnp.where(informed, a, b) for a, b in zip(seen, blind, strict=True)))

    def free_entropy(self, order: OverlapOrder, nodes: int = ORDER) -> Float[Array, ""]:
        """f = -I + q_hat V / 2 + alpha Psi, in nats per component."""
        potential = channel_moments(self.channel, order.overlap, order.variance, nodes).potential
        return -order.information + 0.5 * order.q_hat * order.variance + self.alpha * potential

    def observables(self, order: OverlapOrder) -> dict[str, Float[Array, ""]]:
        """Overlap, mse, free entropy, mutual information and errors of prediction."""
        free_entropy = self.free_entropy(order)
        errors = channel_errors(self.channel, order.overlap, order.variance)
        found = {
            "overlap": order.overlap,
            "mse": order.variance,
            "free_entropy": free_entropy,
            "mutual_information": -free_entropy + self.alpha * self._known_potential(),
            "generalization_error": errors.generalization_error,
        }
        if not self.channel.emits_reals():
            found |= {"bayes_error": errors.bayes_error, "gibbs_error": errors.gibbs_error}
        return found

    def starts(self) -> dict[str, OverlapOrder]:
        """Next to no information, and next to all."""
        ends = {"uninformed": 1e-8, "informed": 1e8}
        return {name: self.order_at(jnp.log(jnp.asarray(x))) for name, x in ends.items()}

    def _known_potential(self) -> Float[Array, ""]:
        """Psi(rho) = -H(y | z), infinite for reals without noise."""
        rho = self.prior.second_moment()
        noiseless = jnp.inf if self.channel.emits_reals() else 0.0
        edge = channel_moments(self.channel, rho, _EDGE * rho)
        return jnp.where(self.channel.is_noiseless(), noiseless, edge.potential)

    def limits(self) -> Limits:
        """What happens at q = 0 and at q = rho, from the bricks' exact attributes."""
        prior, channel = numeric(self.prior), numeric(self.channel)
        rho, mean, fixes_w, fixes_z, noiseless = (float(x) for x in _facts(prior, channel))
        weak, weak_error, even = np.nan, 0.0, False
        if mean == 0:
            lowest = float(blind_snr(channel, jnp.asarray(rho)))
            even = lowest * rho < _EVEN
        else:
            lowest = float(_moments(channel, *_arrays(mean**2, rho - mean**2)).snr)
        if even:
            curvature, fine = (
                float(curvature_moment(channel, jnp.asarray(rho), n)) for n in (ORDER, FINE_ORDER)
            )
            learns = curvature * rho**2 > _EVEN
            weak = 1 / (rho**2 * curvature) if learns else np.inf
            weak_error = weak * (abs(fine / curvature - 1) + 1e-15) if learns else 0.0
        highest = np.inf if noiseless else float(_moments(channel, *_arrays(rho, _EDGE * rho)).snr)
        recovered = bool(noiseless) and (fixes_z > 0 or fixes_w == 0)
        recovery = fixes_w / fixes_z if fixes_z > 0 else 0.0
        return Limits(
            trivial=even,
            weak_recovery=weak,
            weak_recovery_error=weak_error,
            recovered=recovered,
            recovery=recovery if recovered else np.nan,
            perfect=recovery if recovered and fixes_z > 0 else np.nan,
            lowest_response=0.0 if even else lowest,
            highest_response=highest,
        )

    def scan_nodes(self) -> int:
        """Nested quadratures of a density in y need fewer nodes for a table than for a root."""
        is_nested = self.channel.emits_reals() and not isinstance(
            self.channel, AbstractAnalyticChannel
        )
        return _NESTED_NODES if is_nested else ORDER

    def end_free_entropy(
        self, place: str, scales: Float[np.ndarray, " n"]
    ) -> Float[np.ndarray, " n"]:
        """f at q = 0, alpha Psi(0), or at q = rho, -H(w) or infinite."""
        prior, channel = numeric(self.prior), numeric(self.channel)
        rho, _, fixes_w, fixes_z, _ = (float(x) for x in _facts(prior, channel))
        if place == "trivial":
            return scales * float(_moments(channel, *_arrays(0.0, rho)).potential)
        if fixes_z == 0:
            return np.full(len(scales), -float(self.prior.entropy()))
        return np.where(scales > fixes_w / fixes_z, np.inf, -np.inf)

    def end_observables(
        self, place: str, scales: Float[np.ndarray, " n"]
    ) -> dict[str, Float[np.ndarray, " n"]]:
        """Observables at the two ends, as limits: q = 0 and q = rho."""
        one = inject(self, {"alpha": 1.0})
        values = {name: float(x) for name, x in _trivial_values(numeric(one)).items()}
        found = {name: np.full(len(scales), x) for name, x in values.items()}
        if place == "trivial":
            linear = ("free_entropy", "mutual_information")
            return found | {name: scales * values[name] for name in linear}
        known = {
            "overlap": float(self.prior.second_moment()),
            "mutual_information": float(self.prior.entropy()),
        }
        found = {name: np.full(len(scales), known.get(name, 0.0)) for name in values}
        return found | {"free_entropy": self.end_free_entropy("recovered", scales)}

    # ---- instances and the algorithm

    def sample(self, key: PRNGKeyArray, size: int) -> Instance:
        """One instance: X (n, p) iid N(0, 1 / p), w*, and y; n = round(alpha p)."""
        return glm_instances.sample_instance(self, key, size)

    def measure(self, estimate: Any, instance: Instance) -> dict[str, float]:
        """Observables of an estimate, defined as in the theory."""
        return glm_instances.measure_estimate(self, estimate, instance)

    def init(self, data: Data, key: PRNGKeyArray) -> gamp.State:
        """The first state of GAMP; a spectral start where w = 0 is blind."""
        return glm_instances.first_state(self, data, key)

    def step(self, data: Data, state: gamp.State) -> tuple[gamp.State, gamp.Info]:
        """One iteration of GAMP."""
        return gamp.step(self.prior, self.channel, data, state)


def state_evolution(
    model: GLM, q: float, V: float, iterations: int
) -> dict[str, Float[np.ndarray, " t"]]:
    """Observables along state evolution from an overlap, each (iterations + 1,), start first.

    Args:
        model: a GLM with `alpha` set.
        q: overlap at the start.
        V: variance at the start, rho - q on the Nishimori line.
        iterations: how many steps.
    """
    brick = numeric(model)
    path = [OverlapOrder(*_arrays(0.0, q, V, 0.0))]
    for _ in range(iterations):
        path.append(_updated(brick, path[-1]))
    qs = np.array([float(order.overlap) for order in path])
    Vs = np.array([float(order.variance) for order in path])
    errors = _errors_along(brick.channel, jnp.asarray(qs), jnp.asarray(Vs))
    values = (qs, Vs, *(np.asarray(x) for x in errors))
    return dict(zip(glm_instances.OBSERVABLES, values, strict=True))


@eqx.filter_jit
def _updated(model: GLM, order: OverlapOrder) -> OverlapOrder:
    return model.update(order)


@eqx.filter_jit
def _errors_along(channel: AbstractChannel, q: Array, V: Array) -> tuple[Array, ...]:
    return jax.lax.map(lambda one: tuple(channel_errors(channel, *one)), (q, V))


@eqx.filter_jit
def _facts(prior: AbstractPrior, channel: AbstractChannel) -> tuple[Array, ...]:
    rho = prior.second_moment()
    facts = (rho, prior.first_moment(), prior.dimension(), channel.dimension(rho))
    return (*facts, channel.is_noiseless().astype(float))


@eqx.filter_jit
def _moments(channel: AbstractChannel, q: Array, V: Array) -> ChannelMoments:
    return channel_moments(channel, q, V)


def _arrays(*values: float) -> tuple[Array, ...]:
    return tuple(jnp.asarray(value) for value in values)


@eqx.filter_jit
def _trivial_values(model: GLM) -> dict[str, Array]:
    rho = model.prior.second_moment()
    zero = jnp.zeros_like(rho)
    return model.observables(OverlapOrder(zero, zero, rho, zero))

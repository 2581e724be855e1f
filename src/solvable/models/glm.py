"""The generalized linear model, teacher and student: y ~ P(. | X w*), w* ~ P_w."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from solvable.algorithms import gamp
from solvable.bricks import chain
from solvable.bricks.chain import ChainOrder, Layer
from solvable.bricks.channels.base import AbstractChannel, channel_errors
from solvable.bricks.priors.base import AbstractPrior
from solvable.core.arguments import UNSET, instance, parameter, positive
from solvable.core.instance import Data, Instance
from solvable.core.specification import numeric
from solvable.models import glm_instances
from solvable.models.base import AbstractInstanceModel, AbstractMessagePassingModel
from solvable.models.chain import AbstractChainModel

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


class GLM(AbstractChainModel, AbstractInstanceModel, AbstractMessagePassingModel):
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

    prior: AbstractPrior = eqx.field(
        converter=lambda x: instance("prior", x, AbstractPrior, "a prior, as `Gaussian()`")
    )
    channel: AbstractChannel = eqx.field(
        converter=lambda x: instance("channel", x, AbstractChannel, "a channel, as `Sign()`")
    )
    alpha: float = parameter("alpha", positive, default=UNSET)

    @property
    def scale_parameter(self) -> str:
        return "alpha"

    def chain(self) -> tuple[AbstractPrior, tuple[Layer, ...]]:
        """The chain of one layer, whose ratio is alpha."""
        return self.prior, (Layer(channel=self.channel, ratio=self.alpha),)

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
    layers = model.chain()[1]
    path = [chain.start(layers, jnp.full(1, q), jnp.full(1, V))]
    for _ in range(iterations):
        path.append(_updated(brick, path[-1]))
    qs = np.array([float(order.overlap[-1]) for order in path])
    Vs = np.array([float(order.variance[-1]) for order in path])
    errors = _errors_along(brick.channel, jnp.asarray(qs), jnp.asarray(Vs))
    values = (qs, Vs, *(np.asarray(x) for x in errors))
    return dict(zip(glm_instances.OBSERVABLES, values, strict=True))


@eqx.filter_jit
def _updated(model: GLM, order: ChainOrder) -> ChainOrder:
    return model.update(order)


@eqx.filter_jit
def _errors_along(channel: AbstractChannel, q: Array, V: Array) -> tuple[Array, ...]:
    return jax.lax.map(lambda one: tuple(channel_errors(channel, *one)), (q, V))

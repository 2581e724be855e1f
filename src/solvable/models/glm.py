"""The generalized linear model, teacher and student: y ~ P(. | X w*), w* ~ P_w."""

import equinox as eqx
from jaxtyping import PRNGKeyArray

from solvable.bricks.channels.base import AbstractChannel
from solvable.bricks.layer import Layer
from solvable.bricks.priors.base import AbstractPrior
from solvable.core.arguments import UNSET, instance, parameter, positive
from solvable.core.instance import Data, Instance
from solvable.models.chain_instances import AbstractFiniteChain, draw

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


class GLM(AbstractFiniteChain):
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

    def sample(self, key: PRNGKeyArray, size: int) -> Instance:
        """One instance: X (n, p) iid N(0, 1 / p), w*, and y; n = round(alpha p)."""
        (design,), (signal, outputs) = draw(self, *self.chain(), key, size)
        return Instance(Data(design, outputs), signal)

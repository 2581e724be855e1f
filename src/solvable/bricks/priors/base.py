"""A prior states its local log-partition; moments and averages over disorder follow here.

    log Z(B, A) = log E_h exp(B h - A h^2 / 2),   h ~ prior

is what message passing sees on data (B, A are the field and the precision) and, averaged over
B = q_hat h* + sqrt(q_hat) xi, A = q_hat, what the replica free entropy sees.
"""

from abc import abstractmethod
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from solvable.core.quadrature import ORDER, feature_nodes
from solvable.core.special import LOG_SQRT_2PI
from solvable.core.specification import Specification

_UNSEEN = -200.0  # ln of a density that adds nothing to an integral

Feature = tuple[Float[Array, ""], Float[Array, ""], str]


class PriorMoments(NamedTuple):
    """What the scalar channel r = h + xi / sqrt(q_hat) leaves of the prior.

    Attributes:
        overlap: q = E <h>^2, shape of q_hat.
        variance: V = E (h - <h>)^2, computed without subtracting q.
        information: I(h; r) in nats, rho q_hat / 2 - psi(q_hat).
    """

    overlap: Float[Array, "..."]
    variance: Float[Array, "..."]
    information: Float[Array, "..."]


class AbstractLaw(Specification):
    """Law of one component of a layer, as state evolution sees it: by a few numbers."""

    @abstractmethod
    def first_moment(self) -> Float[Array, ""]:
        """E h."""

    @abstractmethod
    def second_moment(self) -> Float[Array, ""]:
        """rho = E h^2."""

    @abstractmethod
    def dimension(self) -> Float[Array, ""]:
        """lim q_hat mmse(q_hat) as q_hat -> infinity: the weight of the continuous part."""

    @abstractmethod
    def entropy(self) -> Float[Array, ""]:
        """Entropy in nats of a discrete law; infinite when there is a continuous part."""

    @abstractmethod
    def response(self) -> Float[Array, ""]:
        """d q / d q_hat at q_hat = 0 for a law of mean zero."""


class AbstractAnalyticLaw(AbstractLaw):
    """A law with averages of its own, more accurate than quadrature over its density."""

    @abstractmethod
    def analytic_moments(self, q_hat: Float[Array, ""], order: int) -> PriorMoments:
        """Overlap, variance and information at one q_hat; `order` quadrature nodes a panel."""


class AbstractPrior(AbstractLaw):
    """Law of one component of the signal, all components independent.

    A new prior needs `log_partition`, `features`, three numbers and `sample`; overlap, mmse,
    free entropy and the AMP denoiser follow by quadrature and differentiation.
    """

    @abstractmethod
    def log_partition(self, B: Float[Array, "..."], A: Float[Array, "..."]) -> Float[Array, "..."]:
        """log E exp(B h - A h^2 / 2), elementwise, for any B and any A >= 0."""

    @abstractmethod
    def features(self) -> list[Feature]:
        """Where the density changes: triples (center, width, "gaussian" or "exponential")."""

    @abstractmethod
    def sample(self, key: PRNGKeyArray, shape: tuple[int, ...]) -> Float[Array, "..."]:
        """Independent draws."""

    def response(self) -> Float[Array, ""]:
        return self.second_moment() ** 2


class AbstractAnalyticPrior(AbstractPrior, AbstractAnalyticLaw):
    """A prior with closed forms that are more accurate than differentiation."""

    @abstractmethod
    def analytic_posterior(
        self, B: Float[Array, "..."], A: Float[Array, "..."]
    ) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        """Mean and variance of h under exp(B h - A h^2 / 2) prior(h), elementwise."""


Law = AbstractPrior | AbstractAnalyticLaw


def posterior(
    prior: AbstractPrior, B: Float[Array, "..."], A: Float[Array, "..."]
) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    """Posterior mean and variance of every component, the denoiser of AMP.

    mean = d log Z / dB, variance = d^2 log Z / dB^2.

    Args:
        prior: the prior.
        B: fields.
        A: precisions, of the shape of B or a scalar.

    Returns:
        Mean and variance, of the shape of B.
    """
    if isinstance(prior, AbstractAnalyticPrior):
        return prior.analytic_posterior(B, A)

    def mean(field: Float[Array, "..."]) -> Float[Array, "..."]:
        value, pull = jax.vjp(lambda b: prior.log_partition(b, A), field)
        return pull(jnp.ones_like(value))[0]

    return jax.jvp(mean, (B,), (jnp.ones_like(B),))


def prior_moments(prior: Law, q_hat: Float[Array, ""], order: int = ORDER) -> PriorMoments:
    """Overlap, variance and information of the prior seen through Gaussian noise 1 / q_hat.

    q = E <h>^2 = 2 psi'(q_hat), V = rho - q, I = rho q_hat / 2 - psi(q_hat), with the expectation
    over the pseudo-observation r = B / q_hat taken against its marginal density (Barbier et al.
    2019, Eq. 5).

    Args:
        prior: the prior.
        q_hat: signal-to-noise ratio, > 0 (scalar; vmap for more).
        order: quadrature nodes a panel.
    """
    if isinstance(prior, AbstractAnalyticLaw):
        return prior.analytic_moments(q_hat, order)
    return general_prior_moments(prior, q_hat, order)


def general_prior_moments(
    prior: AbstractPrior, q_hat: Float[Array, ""], order: int = ORDER
) -> PriorMoments:
    """`prior_moments` by quadrature whatever the prior: the check on closed forms."""
    noise = 1 / jnp.sqrt(q_hat)
    features = []
    for center, width, kind in prior.features():
        features.append((center, noise, "gaussian"))
        features.append((center, jnp.sqrt(width**2 + noise**2), kind))
    r, weight = feature_nodes(features, order=order)
    log_z = prior.log_partition(q_hat * r, q_hat)
    log_density = log_z - 0.5 * q_hat * r**2 + 0.5 * jnp.log(q_hat) - LOG_SQRT_2PI
    # far outside a bounded support nothing is ever seen, and the posterior is not resolved
    seen = log_density > _UNSEEN
    density = jnp.where(seen, weight * jnp.exp(log_density), 0.0)
    mean, variance = posterior(prior, jnp.where(seen, q_hat * r, 0.0), q_hat)
    return PriorMoments(
        overlap=jnp.sum(density * mean**2),
        variance=jnp.sum(density * variance),
        information=0.5 * prior.second_moment() * q_hat
        - jnp.sum(density * jnp.where(seen, log_z, 0.0)),
    )

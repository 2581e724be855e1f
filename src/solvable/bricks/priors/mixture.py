"""Scalar mixture of Gaussians (atoms included): the algebra that most priors share."""

from abc import abstractmethod
from typing import NamedTuple

import jax.numpy as jnp
from jax import random
from jax.nn import logsumexp, softmax
from jax.scipy.special import entr
from jaxtyping import Array, Float, PRNGKeyArray

from solvable.bricks.priors.base import AbstractAnalyticPrior, Feature, PriorMoments
from solvable.core.quadrature import feature_nodes
from solvable.core.special import log_normal

_NEGLIGIBLE = -700.0  # ln of a share of a component that no sum notices


class Components(NamedTuple):
    """Weights, means and variances of K Gaussians; a variance of zero is an atom."""

    weights: Float[Array, " K"]
    means: Float[Array, " K"]
    variances: Float[Array, " K"]


class AbstractMixturePrior(AbstractAnalyticPrior):
    """sum_k w_k N(m_k, v_k) with v_k >= 0; a subclass names its components.

    Everything is a log-sum-exp over components, so no slab is too far and no field too large,
    and the variance is a sum of positive terms.
    """

    @abstractmethod
    def components(self) -> Components:
        """The Gaussians of the mixture."""

    def _log_weights(
        self, B: Float[Array, "..."], A: Float[Array, "..."]
    ) -> tuple[Float[Array, "K ..."], Float[Array, "K ..."], Float[Array, "K ..."]]:
        """Log weight, mean and variance of each component under the tilt, stacked first."""
        w, m, v = (_column(x, jnp.ndim(B)) for x in self.components())
        precision = 1 + A * v
        mean = (m + v * B) / precision
        exponent = (B * m - 0.5 * A * m**2 + 0.5 * v * B**2) / precision
        log_w = jnp.log(w) + exponent - 0.5 * jnp.log(precision)
        return log_w, mean, jnp.broadcast_to(v / precision, mean.shape)

    def log_partition(self, B: Float[Array, "..."], A: Float[Array, "..."]) -> Float[Array, "..."]:
        return logsumexp(self._log_weights(B, A)[0], axis=0)

    def analytic_posterior(
        self, B: Float[Array, "..."], A: Float[Array, "..."]
    ) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
        return _mixture_moments(*self._log_weights(B, A))

    def analytic_moments(self, q_hat: Float[Array, ""], order: int) -> PriorMoments:
        w, m, v = self.components()
        total = v + 1 / q_hat
        r, weight = feature_nodes(self._edges(q_hat), order=order)
        column = r[None, :]
        log_joint = jnp.log(w)[:, None] + log_normal(column - m[:, None], total[:, None])
        log_density = logsumexp(log_joint, axis=0)
        density = weight * jnp.exp(log_density)
        precision = (1 + q_hat * v)[:, None]
        means = (m[:, None] + v[:, None] * q_hat * column) / precision
        mean, variance = _mixture_moments(log_joint, means, v[:, None] / precision)
        # I(h; r) = I(h; r | component) + I(component; r), the second as H(k) - H(k | r).
        log_share = jnp.maximum(log_joint - log_density, _NEGLIGIBLE)
        remaining = -jnp.sum(density * jnp.sum(jnp.exp(log_share) * log_share, axis=0))
        information = 0.5 * jnp.sum(w * jnp.log1p(q_hat * v)) + jnp.sum(entr(w)) - remaining
        return PriorMoments(
            overlap=jnp.sum(density * mean**2),
            variance=jnp.sum(density * variance),
            information=information,
        )

    def _edges(self, q_hat: Float[Array, ""]) -> list[Feature]:
        """Ladders at every component, and where neighbouring atoms become equally likely."""
        w, m, v = self.components()
        total = jnp.sqrt(v + 1 / q_hat)
        count = m.shape[0]
        # A narrow component inside a broad one is seen at its own width by both.
        edges: list[Feature] = [(m[k], total[k], "gaussian") for k in range(count)]
        rank = jnp.argsort(m)
        for k in range(count - 1):
            i, j = rank[k], rank[k + 1]
            gap = m[j] - m[i]
            safe = jnp.where(gap > 0, gap, 1.0)
            shift = (jnp.log(w[i]) - jnp.log(w[j])) / (q_hat * safe)
            switch = jnp.where(gap > 0, 0.5 * (m[i] + m[j]) + shift, m[i])
            width = jnp.minimum(jnp.where(gap > 0, 1 / (q_hat * safe), 0.0), total[i])
            edges.append((jnp.clip(switch, m[i], m[j]), width, "gaussian"))
        return edges

    def features(self) -> list[Feature]:
        _, m, v = self.components()
        return [(m[k], jnp.sqrt(v[k]), "gaussian") for k in range(m.shape[0])]

    def first_moment(self) -> Float[Array, ""]:
        w, m, _ = self.components()
        return jnp.sum(w * m)

    def second_moment(self) -> Float[Array, ""]:
        w, m, v = self.components()
        return jnp.sum(w * (m**2 + v))

    def dimension(self) -> Float[Array, ""]:
        w, _, v = self.components()
        return jnp.sum(jnp.where(v > 0, w, 0.0))

    def entropy(self) -> Float[Array, ""]:
        w, _, _ = self.components()
        return jnp.where(self.dimension() > 0, jnp.inf, jnp.sum(entr(w)))

    def sample(self, key: PRNGKeyArray, shape: tuple[int, ...]) -> Float[Array, "..."]:
        w, m, v = self.components()
        key_component, key_normal = random.split(key)
        k = random.choice(key_component, m.shape[0], shape, p=w)
        return m[k] + jnp.sqrt(v[k]) * random.normal(key_normal, shape)


def _column(x: Float[Array, " K"], ndim: int) -> Float[Array, "K ..."]:
    return jnp.reshape(x, x.shape + (1,) * ndim)


def _mixture_moments(
    log_weights: Float[Array, "K ..."],
    means: Float[Array, "K ..."],
    variances: Float[Array, "K ..."],
) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    """Mean and variance of a mixture, the variance as a sum of positive terms.

    Means are taken relative to the heaviest component, so that a dominant one costs no digits.
    """
    pi = softmax(log_weights, axis=0)
    top = jnp.argmax(log_weights, axis=0, keepdims=True)
    reference = jnp.take_along_axis(means, top, axis=0)
    shift = means - reference
    offset = jnp.sum(pi * shift, axis=0)
    mean = reference[0] + offset
    spread = jnp.sum(pi * (shift - offset) ** 2, axis=0)
    return mean, jnp.sum(pi * variances, axis=0) + spread

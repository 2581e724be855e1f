"""One of k groups with equal probability: a prior of vectors with one order parameter."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import random
from jaxtyping import Array, Float, PRNGKeyArray
from scipy.optimize import linear_sum_assignment

from solvable.bricks.priors.vectors import (
    AbstractVectorPrior,
    VectorMoments,
    VectorPosterior,
    mixture_posterior,
)
from solvable.core.arguments import integer
from solvable.core.quadrature import FULL, gaussian_nodes, nodes_between
from solvable.core.special import log_normal

CARD = dict(
    kind="vector prior",
    name="OneHot",
    summary="one of k groups with probability 1/k each, x = e_a - 1/k",
    parameters={"k": "a whole number >= 2, the number of groups"},
    rigour="replica",
    references=["lesieur2017"],
)

_SMALL = 1.0  # q_hat below which the overlap, above which the variance, is computed first
_LARGE = 4000.0  # exp(-q_hat / 4) is zero in double precision
# of w beside its Gaussian part: double exponential below, exp(-w) above
_TAIL = np.array(
    [-5.0, -3.6, -2.4, -1.2, 0.0, 1.0, 2.0, 3.2, 4.6, 6.5, 9.0, 12.0, 16.0, 22.0, 30.0, 42.0]
)
# of v where exp(v / 2 - e^v) changes, and exp(-e^v)
_KINK = np.array(
    [-70.0, -50.0, -36.0, -26.0, -18.0, -12.0, -8.0, -5.0, -3.0, -1.5, -0.4, 0.6, 1.5, 2.4, 3.3]
)
_FAR = 6.5  # exp(-e^v) is zero beyond
_REACH = 0.9  # of the Gaussian's 10 standard deviations


class OneHot(AbstractVectorPrior):
    """Uniform prior on the k centered unit vectors e_a - 1/k (Lesieur et al. 2017).

    By the symmetry among groups every k x k overlap is a multiple of I - J / k: k - 1 equal
    directions, each with rho = 1 / k; q, V and q_hat are here those of one. B = q_hat e_a +
    sqrt(q_hat) xi has the posterior softmax(B), and softmax(B)_a is the probability that B_a +
    (Gumbel noise) is the largest. With

        F(u) = E exp(-exp(sqrt(q_hat) z - u)),       u = w + q_hat / 2,
        h(w) = E exp(v / 2 - e^v),  v = sqrt(q_hat) z - w,

    F and f = F' = exp(-w / 2 - q_hat / 8) h those of sqrt(q_hat) z + (Gumbel noise), and
    F(u - q_hat) = exp(w / 2 - q_hat / 8) h, a direction has exactly

        V = E softmax_b = exp(-q_hat / 4) int h^2 F^(k-2) dw                 (b another group),
        q = int f F^(k-2) [F(u) - F(u - q_hat)] du,
        I = ln k - int F(u - q_hat) [1 - F(u)^(k-1)] du.

    Args:
        k: number of groups, >= 2.

    Raises:
        ValueError: if k is no whole number >= 2.

    Example:
        >>> OneHot(k=3)
        OneHot(k=3)
    """

    k: int = eqx.field(converter=lambda x: integer("k", x, low=2), static=True)

    @property
    def width(self) -> int:
        return self.k

    def points(self) -> Float[np.ndarray, "m k"]:
        """The equally probable values of a unit."""
        return np.eye(self.k) - 1 / self.k

    def unit_moments(self) -> tuple[Float[Array, " k"], Float[Array, "k k"]]:
        return jnp.zeros(self.k), jnp.asarray(self.points() / self.k)

    def shaped(self, q_hat: Float[Array, ""], order: int) -> Float[Array, "k k"]:
        return q_hat / np.sqrt(self.k - 1) * self.points()

    def matrix_moments(self, q_hat: Float[Array, "k k"], order: int) -> VectorMoments:
        """For q_hat = a I + b J, of which b does not matter."""
        projector = jnp.asarray(self.points())
        overlap, variance, information = self._direction(
            jnp.sum(projector * q_hat) / (self.k - 1), order
        )
        return VectorMoments(overlap * projector, variance * projector, information)

    def _direction(self, q_hat: Float[Array, ""], order: int) -> tuple[Array, Array, Array]:
        """q and V of one direction, I of all."""
        q_hat = jnp.minimum(q_hat, _LARGE)
        w, weight = _outer(q_hat, order)
        h, F = _halves(w, q_hat, order)
        most = F ** (self.k - 2)
        variance = jnp.exp(-0.25 * q_hat) * jnp.sum(weight * h**2 * most)
        density = jnp.exp(-0.5 * w - 0.125 * q_hat) * h
        overlap = jnp.sum(weight * density * most * _gained(w, q_hat, order))
        below = jnp.exp(0.5 * w - 0.125 * q_hat) * h
        remaining = jnp.sum(weight * below * (1 - F * most))
        overlap = jnp.where(q_hat < _SMALL, overlap, 1 / self.k - variance)
        return overlap, variance, np.log(self.k) - remaining

    def unit_posterior(self, B: Float[Array, "p k"], A: Float[Array, "k k"]) -> VectorPosterior:
        weights = jnp.full(self.k, 1 / self.k)
        return mixture_posterior(weights, jnp.asarray(self.points()), None, B, A)

    def dimension(self) -> Float[Array, ""]:
        return jnp.asarray(0.0)

    def entropy(self) -> Float[Array, ""]:
        return jnp.asarray(np.log(self.k))

    def alignment(
        self, mean: Float[np.ndarray, "p k"], truth: Float[np.ndarray, "p k"]
    ) -> Float[np.ndarray, "k k"]:
        """The renaming of groups with the largest overlap."""
        groups, names = linear_sum_assignment(np.asarray(mean).T @ truth, maximize=True)
        G = np.zeros((self.k, self.k))
        G[groups, names] = 1.0
        return G

    def sample(self, key: PRNGKeyArray, shape: tuple[int, ...]) -> Float[Array, "... k"]:
        return jnp.asarray(self.points())[random.randint(key, shape, 0, self.k)]


def _outer(q_hat: Array, order: int) -> tuple[Array, Array]:
    """Nodes and weights for w: sqrt(q_hat) times a Gaussian, with the tails of Gumbel noise."""
    spread = _REACH * jnp.sqrt(q_hat) * FULL.edges()
    return nodes_between(jax.lax.stop_gradient(jnp.concatenate([spread, _TAIL])), order)


def _around(center: Array, root: Array, order: int) -> tuple[Array, Array]:
    """z ~ N(0, 1) and weights for a function of sqrt(q_hat) z - center that ends at zero."""
    reach = FULL.base[-1]
    kinks = jnp.clip((center[:, None] + _KINK) / root, -reach, reach)
    base = jnp.broadcast_to(FULL.edges(), (len(center), len(FULL.edges())))
    edges = jax.lax.stop_gradient(jnp.concatenate([base, kinks], axis=1))
    z, weight = nodes_between(edges, 2 * order // 3)
    return z, weight * jnp.exp(log_normal(z, jnp.ones(())))


def _halves(w: Array, q_hat: Array, order: int) -> tuple[Array, Array]:
    """h(w) and F(w + q_hat / 2)."""
    root, u = jnp.sqrt(q_hat), w + 0.5 * q_hat
    z, weight = _around(w, root, order)
    v = jnp.minimum(root * z - w[:, None], _FAR)
    h = jnp.sum(weight * jnp.exp(0.5 * v - jnp.exp(v)), axis=1)
    z, weight = _around(u, root, order)
    v = jnp.minimum(root * z - u[:, None], _FAR)
    return h, jnp.sum(weight * jnp.exp(-jnp.exp(v)), axis=1)


def _gained(w: Array, q_hat: Array, order: int) -> Array:
    """F(u) - F(u - q_hat) for a small q_hat, a sum of positive terms."""
    small = jnp.minimum(q_hat, _SMALL)
    z, weight = gaussian_nodes(order=order)
    v = jnp.minimum(jnp.sqrt(small) * z - (w + 0.5 * small)[:, None], _FAR)
    decay = jnp.exp(v)
    return (jnp.exp(-decay) * -jnp.expm1(-decay * jnp.expm1(small))) @ weight

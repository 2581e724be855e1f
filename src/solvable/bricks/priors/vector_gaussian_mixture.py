"""Mixture of Gaussians in k dimensions, atoms included: clusters of any shape and size."""

import functools
import itertools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import random
from jaxtyping import Array, Float, PRNGKeyArray

from solvable.bricks.priors.settling import Averages, settle
from solvable.bricks.priors.vectors import (
    AbstractVectorPrior,
    VectorMoments,
    VectorPosterior,
    mixture_posterior,
    nearest_turn,
)
from solvable.core.arguments import (
    array,
    fail,
    is_traced,
    matrix,
    parameter,
    probability_vector,
)
from solvable.core.randomness import fold

CARD = dict(
    kind="vector prior",
    name="VectorGaussianMixture",
    summary="sum of weights[a] N(means[a], covariances[a]) in k dimensions; 0 is an atom",
    parameters={
        "weights": "> 0, sum to 1",
        "means": "a vector of k numbers for each weight",
        "covariances": "a k x k matrix for each weight, positive semidefinite; default 0: atoms",
    },
    rigour="replica",
    references=["lesieur2017", "miolane2017"],
)

_WIDEST = 4
_NODES = {1: 20.0, 2: 6.0, 3: 3.0, 4: 1.6}  # of the rule in a direction, times the order
_REACH = 7.5  # exp(-7.5^2 / 2) = 6e-13
_MOST_PERMUTED = 7  # components: 5040 orders
_SAME = 1e-9
_ZERO = 1e-15  # of the largest mean: rounding


def _matrices(name: str, value: Any) -> Any:
    return None if value is None else array(name, value, ndim=3)


class VectorGaussianMixture(AbstractVectorPrior):
    """Mixture sum_a weights[a] N(means[a], covariances[a]) of vectors in k dimensions.

    Seen through y = q_hat^(1/2) x + xi a component is N(q_hat^(1/2) m_a, 1 + q_hat^(1/2) Sigma_a
    q_hat^(1/2)), with posterior covariance C_a = (Sigma_a^-1 + q_hat)^-1, and the weights of the
    components are those of their densities (Lesieur et al. 2017). Averages over y take the
    trapezoidal rule around every component; for theory k, or m - 1 for atoms, is at most 4.

    Args:
        weights: shape (m,), > 0, summing to 1.
        means: shape (m, k).
        covariances: shape (m, k, k), symmetric and positive semidefinite; default 0: atoms.

    Raises:
        ValueError: if shapes differ, a covariance is not symmetric or has a negative eigenvalue,
            a weight is 0, or the weights do not sum to 1.

    Example:
        >>> VectorGaussianMixture(weights=[0.25, 0.75], means=[[3, 0], [-1, 0]])
        VectorGaussianMixture(weights=[0.25, 0.75], means=[[3.0, 0.0], [-1.0, 0.0]])
    """

    weights: Float[np.ndarray, " m"] = parameter("weights", probability_vector)
    means: Float[np.ndarray, "m k"] = parameter("means", matrix)
    covariances: Float[np.ndarray, "m k k"] | None = parameter(
        "covariances", _matrices, default=None
    )

    def __check_init__(self) -> None:
        if is_traced(self.weights):
            return
        if np.any(self.weights == 0):
            raise fail("weights", "be above 0", self.weights.tolist())
        m, k = len(self.weights), self.width
        if len(self.means) != m:
            raise ValueError(
                f"Argument `means` must have one row a weight ({m}), but had {len(self.means)}."
            )
        if self.covariances is None:
            return
        array("covariances", self.covariances, shape=(m, k, k))
        for a, one in enumerate(self.covariances):
            low = np.linalg.eigvalsh(0.5 * (one + one.T))[0]
            if np.any(one != one.T) or low < -_SAME * np.max(np.abs(one)):
                must = "be symmetric and positive semidefinite"
                raise fail(f"covariances[{a}]", must, one.tolist())

    @property
    def width(self) -> int:
        return np.shape(self.means)[1]

    def _spreads(self) -> Float[Array, "m k k"]:
        if self.covariances is None:
            return jnp.zeros((len(self.weights), self.width, self.width))
        return jnp.asarray(self.covariances)

    def _factors(self) -> Float[Array, "m k k"]:
        """F_a with Sigma_a = F_a F_a^T."""
        values, vectors = jnp.linalg.eigh(self._spreads())
        return vectors * jnp.sqrt(jnp.maximum(values, 0.0))[:, None, :]

    def unit_moments(self) -> tuple[Float[Array, " k"], Float[Array, "k k"]]:
        weights, means = jnp.asarray(self.weights), jnp.asarray(self.means)
        mean = weights @ means
        mean = jnp.where(jnp.abs(mean) < _ZERO * jnp.max(jnp.abs(means)), 0.0, mean)
        away = means - mean
        between = (weights[:, None] * away).T @ away
        return mean, between + jnp.tensordot(weights, self._spreads(), 1)

    def dimension(self) -> Float[Array, ""]:
        """The mean rank of a component's covariance."""
        sizes = jnp.linalg.eigvalsh(self._spreads())
        ranks = jnp.sum(sizes > _SAME * jnp.max(sizes, axis=1, keepdims=True), axis=1)
        return jnp.asarray(self.weights) @ ranks

    def entropy(self) -> Float[Array, ""]:
        weights = jnp.asarray(self.weights)
        discrete = ~jnp.any(self._spreads() != 0)
        return jnp.where(discrete, -weights @ jnp.log(weights), jnp.inf)

    # ---- averages

    def matrix_moments(self, q_hat: Float[Array, "k k"], order: int) -> VectorMoments:
        at = jax.lax.stop_gradient(q_hat)
        (q, V, information), T = self.averages(at, order)
        # first derivatives by the exact response
        moved = jnp.tensordot(T, q_hat - at, 2)
        return VectorMoments(q + moved, V - moved, information + 0.5 * jnp.sum(V * (q_hat - at)))

    def shaped(self, q_hat: Float[Array, ""], order: int) -> Float[Array, "k k"]:
        """Steps S <- q(t S) / |q(t S)|, which raise psi(t S), then Newton's; NaN if unsettled."""
        return settle(self.averages, _aligned, q_hat, self.second_moments(), order)

    def averages(self, q_hat: Float[Array, "k k"], order: int) -> Averages:
        """All averages, component by component."""
        k = self.width
        if len(self.weights) == 1:
            return self._gaussian(q_hat)
        values, vectors = jnp.linalg.eigh(q_hat)
        root = vectors * jnp.sqrt(jnp.maximum(values, 0.0)) @ vectors.T
        z, weight = self._noise(root, order)
        means, factors = jnp.asarray(self.means), self._factors()
        log_weights = jnp.log(jnp.asarray(self.weights))
        # with root F = U s V^T: of y the covariance U (1 + s^2) U^T, C = F V / (1 + s^2) V^T F^T
        U, sizes, V = jnp.linalg.svd(root @ factors)
        widths = jnp.sqrt(1 + sizes**2)[:, None, :]
        narrowed = factors @ jnp.swapaxes(V, 1, 2) / widths
        C = narrowed @ jnp.swapaxes(narrowed, 1, 2)
        spread, whiten, log_det = U * widths, U / widths, 2 * jnp.sum(jnp.log(widths), axis=(1, 2))

        def component(total: Averages, a: tuple[Array, ...]) -> tuple[Averages, None]:
            share, mean, factor, own = a
            away = (mean - means) @ root + (z @ factor.T)[:, None]  # y - root m_b
            energy = log_weights - 0.5 * log_det
            energy -= 0.5 * jnp.sum(jnp.einsum("nbi,bij->nbj", away, whiten) ** 2, axis=2)
            log_w = jax.nn.log_softmax(energy, axis=1)
            w = jnp.exp(log_w)
            centers = means + jnp.einsum("nbi,bij->nbj", away, root @ C)
            found = jnp.sum(w[:, :, None] * centers, axis=1)
            apart = (centers - found[:, None]) * jnp.sqrt(w)[:, :, None]
            cov = jnp.einsum("nbi,nbj->nij", apart, apart) + jnp.tensordot(w, C, 1)
            now = weight * share
            told = jnp.take(log_w, own, axis=1) - jnp.log(share)
            flat = cov.reshape(len(z), k * k)
            moments = VectorMoments(
                (now[:, None] * found).T @ found, (now @ flat).reshape(k, k), now @ told
            )
            pairs = ((now[:, None] * flat).T @ flat).reshape(k, k, k, k)
            change = Averages(moments, jnp.transpose(pairs, (0, 2, 1, 3)))
            return jax.tree.map(jnp.add, total, change), None

        zero = Averages(
            VectorMoments(jnp.zeros((k, k)), jnp.zeros((k, k)), jnp.zeros(())),
            jnp.zeros((k, k, k, k)),
        )
        each = (jnp.asarray(self.weights), means, spread, jnp.arange(len(means)))
        total, _ = jax.lax.scan(component, zero, each)
        inside = 0.5 * jnp.asarray(self.weights) @ log_det
        moments = total.moments._replace(information=total.moments.information + inside)
        return Averages(moments, total.response)

    def _noise(self, root: Array, order: int) -> tuple[Array, Array]:
        """Nodes and weights for z ~ N(0, 1); for atoms only along their differences."""
        count, k = len(self.weights), self.width
        d = k if self.covariances is not None else min(k, count - 1)
        if d > _WIDEST:
            raise ValueError(
                f"Argument `means` must span at most {_WIDEST} dimensions for theory, but {count} "
                f"components of {k} numbers may span {d}."
            )
        z, weight = _ball_rule(d, int(_NODES[d] * order))
        if d == k:
            return jnp.asarray(z), jnp.asarray(weight)
        means = jnp.asarray(self.means)
        basis = jnp.linalg.svd((means - means[0]) @ root)[2][:d]
        return jnp.asarray(z) @ basis, jnp.asarray(weight)

    def _gaussian(self, q_hat: Array) -> Averages:
        """The closed form of a single component."""
        mean, factor = jnp.asarray(self.means)[0], self._factors()[0]
        inner = jnp.eye(self.width) + factor.T @ q_hat @ factor
        C = factor @ jnp.linalg.solve(inner, factor.T)
        known = jnp.outer(mean, mean) + self._spreads()[0] @ q_hat @ C
        information = 0.5 * jnp.linalg.slogdet(inner)[1]
        moments = VectorMoments(0.5 * (known + known.T), C, information)
        return Averages(moments, jnp.einsum("ik,jl->ijkl", C, C))

    # ---- units

    def unit_posterior(self, B: Float[Array, "p k"], A: Float[Array, "k k"]) -> VectorPosterior:
        weights, means = jnp.asarray(self.weights), jnp.asarray(self.means)
        factors = None if self.covariances is None else self._factors()
        return mixture_posterior(weights, means, factors, B, A)

    def sample(self, key: PRNGKeyArray, shape: tuple[int, ...]) -> Float[Array, "... k"]:
        which = random.choice(
            fold(key, "component"), len(self.weights), shape, p=jnp.asarray(self.weights)
        )
        noise = random.normal(fold(key, "place"), (*shape, self.width))
        factors = self._factors()[which]
        return jnp.asarray(self.means)[which] + jnp.einsum("...ij,...j->...i", factors, noise)

    def alignment(
        self, mean: Float[np.ndarray, "p k"], truth: Float[np.ndarray, "p k"]
    ) -> Float[np.ndarray, "k k"]:
        """The best of the rotations and reflections that leave the mixture as it is."""
        mean, truth = np.asarray(mean), np.asarray(truth)
        gram = mean.T @ truth
        return max(symmetries(self, mean, truth), key=lambda G: float(np.sum(gram * G)))


@functools.lru_cache(maxsize=16)
def _ball_rule(d: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The trapezoidal rule for E f(z), z ~ N(0, 1) in d dimensions, where |z| is not too large.

    It converges like exp(-2 pi a / h) for an f without poles within a of the real axis.
    """
    step = 2 * _REACH / count
    line = step * (np.arange(count) - 0.5 * (count - 1))
    grid = np.stack([x.ravel() for x in np.meshgrid(*[line] * d, indexing="ij")], axis=1)
    grid = grid[np.sum(grid**2, axis=1) < _REACH**2]
    weight = np.exp(-0.5 * np.sum(grid**2, axis=1))
    return grid, weight / weight.sum()


def _aligned(q: Array, t: Array) -> Array:
    """The q_hat of norm t along q."""
    return t * q / jnp.linalg.norm(q)


def symmetries(
    law: VectorGaussianMixture, mean: Float[np.ndarray, "p k"], truth: Float[np.ndarray, "p k"]
) -> list[Float[np.ndarray, "k k"]]:
    """Orthogonal G for which x and x G have the same law, the identity first.

    Components with the same weight may change places. Between the means G is what that makes of
    it; across them it turns within directions of equal covariance, as near as it can bring `mean`
    to `truth`.
    """
    weights, means = np.asarray(law.weights), np.asarray(law.means)
    spreads = np.asarray(law._spreads())
    size = max(float(np.max(np.abs(means))), float(np.max(np.abs(spreads))) ** 0.5)
    _, values, rows = np.linalg.svd(means)
    rank = int(np.sum(values > _SAME * size))
    across = rows[rank:].T
    variances, axes = np.linalg.eigh(across.T @ np.tensordot(weights, spreads, 1) @ across)
    axes = across @ axes
    turned = axes @ nearest_turn(variances, (mean @ axes).T @ (truth @ axes)) @ axes.T
    back = np.linalg.pinv(means, rcond=_SAME)
    found = [np.eye(law.width)]
    count = len(weights)
    orders = itertools.permutations(range(count)) if count <= _MOST_PERMUTED else [range(count)]
    for order in map(list, orders):
        if np.max(np.abs(weights[order] - weights)) > _SAME:
            continue
        for outside in (turned, across @ across.T):
            G = back @ means[order] + outside
            same = [G @ G.T - np.eye(len(G)), means @ G - means[order]]
            same.append(G.T @ spreads @ G - spreads[order])
            if all(np.max(np.abs(gap), initial=0.0) < 1e-6 * max(1, size**2) for gap in same):
                found.append(G)
                break
    return found

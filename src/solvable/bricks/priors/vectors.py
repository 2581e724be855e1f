"""Priors of units that are vectors: their order parameters are matrices, followed by their norms.

A spiked matrix shows a unit x in k dimensions through y = q_hat^(1/2) x + xi, q_hat a k x k
matrix in proportion to the overlap q = E <x><x>^T. With q_hat = t S, |S| = 1 in the Frobenius
norm, S settles at

    S(t) = q(t S) / |q(t S)|,    a maximum of psi(t S) over |S| = 1,

since q / 2 is the gradient of psi = E log Z, which is convex. Along S(t), d psi / dt = |q| / 2,
so that the scalar theory of t, |q|, rho = |E x x^T| and psi(t S(t)) is that of the matrices.
Where more than one S is stable at the same t, the one that is reached from S = rho / |rho| counts.
"""

from abc import abstractmethod
from typing import NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from solvable.bricks.priors.base import AbstractAnalyticLaw, PriorMoments
from solvable.bricks.priors.gaussian import Gaussian

_EQUAL = 1e-6  # of the largest variance


class VectorMoments(NamedTuple):
    """What the channel y = q_hat^(1/2) x + xi leaves of units that are vectors.

    Attributes:
        overlap: q = E <x><x>^T, shape (width, width).
        variance: E of the posterior covariance, rho - q without the subtraction.
        information: I(x; y) in nats.
    """

    overlap: Float[Array, "width width"]
    variance: Float[Array, "width width"]
    information: Float[Array, ""]


class VectorPosterior(NamedTuple):
    """What is known of units that are vectors.

    Attributes:
        mean: posterior means, (p, width).
        variance: posterior variances of every component, (p, width).
        covariance: posterior covariances, averaged over the units, (width, width).
        evidence: log E exp(B . x - x . A x / 2), averaged over the units.
    """

    mean: Float[Array, "p width"]
    variance: Float[Array, "p width"]
    covariance: Float[Array, "width width"]
    evidence: Float[Array, ""]


Traces = tuple[tuple[Float[Array, ""], Float[Array, ""]], ...]


class AbstractUnitLaw(AbstractAnalyticLaw):
    """Law whose scalar numbers are Frobenius norms of matrices."""

    @abstractmethod
    def traces(self, q_hat: Float[Array, ""], order: int) -> Traces:
        """E |<x>|^2 and E |x - <x>|^2 of a unit where the norm of its q_hat is this.

        Of v, then u, where a unit is one of both sides of a matrix.
        """


class IsotropicRows(AbstractUnitLaw):
    """Vectors of independent components, seen alike in some directions and not in the others.

    Args:
        prior: of a component, N(0, variance).
        directions: d, those that are seen.
        width: components of a unit.
    """

    prior: Gaussian
    directions: int = eqx.field(static=True)
    width: int = eqx.field(static=True)

    def analytic_moments(self, q_hat: Float[Array, ""], order: int) -> PriorMoments:
        root = self.directions**0.5
        found = self.prior.analytic_moments(q_hat / root, order)
        information = self.directions * found.information
        return PriorMoments(root * found.overlap, root * found.variance, information)

    def traces(self, q_hat: Float[Array, ""], order: int) -> Traces:
        found = self.prior.analytic_moments(q_hat / self.directions**0.5, order)
        unseen = (self.width - self.directions) * self.prior.second_moment()
        return ((self.directions * found.overlap, self.directions * found.variance + unseen),)

    def first_moment(self) -> Float[Array, ""]:
        return jnp.zeros(())

    def second_moment(self) -> Float[Array, ""]:
        return self.directions**0.5 * self.prior.second_moment()

    def response(self) -> Float[Array, ""]:
        return self.prior.response()

    def dimension(self) -> Float[Array, ""]:
        return self.directions * self.prior.dimension()

    def entropy(self) -> Float[Array, ""]:
        return self.directions * self.prior.entropy()


class AbstractVectorPrior(AbstractUnitLaw):
    """Law of units that are vectors."""

    @property
    @abstractmethod
    def width(self) -> int:
        """Components of a unit."""

    @abstractmethod
    def unit_moments(self) -> tuple[Float[Array, " width"], Float[Array, "width width"]]:
        """E x and the covariance of x."""

    @abstractmethod
    def matrix_moments(self, q_hat: Float[Array, "width width"], order: int) -> VectorMoments:
        """Overlap, variance and information at a positive semidefinite q_hat."""

    @abstractmethod
    def shaped(self, q_hat: Float[Array, ""], order: int) -> Float[Array, "width width"]:
        """t S(t) at t = q_hat."""

    @abstractmethod
    def unit_posterior(
        self, B: Float[Array, "p width"], A: Float[Array, "width width"]
    ) -> VectorPosterior:
        """The units under exp(B . x - x . A x / 2)."""

    @abstractmethod
    def alignment(
        self, mean: Float[np.ndarray, "p width"], truth: Float[np.ndarray, "p width"]
    ) -> Float[np.ndarray, "width width"]:
        """The symmetry G of the law, x G ~ x, that brings mean G nearest to the truth."""

    @abstractmethod
    def sample(self, key: PRNGKeyArray, shape: tuple[int, ...]) -> Float[Array, "... width"]:
        """Independent draws of units."""

    def second_moments(self) -> Float[Array, "width width"]:
        """rho = E x x^T."""
        mean, covariance = self.unit_moments()
        return jnp.asarray(covariance) + jnp.outer(mean, mean)

    def first_moment(self) -> Float[Array, ""]:
        return jnp.linalg.norm(self.unit_moments()[0])

    def second_moment(self) -> Float[Array, ""]:
        return _norm(self.second_moments())

    def response(self) -> Float[Array, ""]:
        """The largest eigenvalue of rho, squared: q = rho q_hat rho near zero."""
        return jnp.linalg.eigvalsh(self.second_moments())[-1] ** 2

    def analytic_moments(self, q_hat: Float[Array, ""], order: int) -> PriorMoments:
        found = self.matrix_moments(self.shaped(q_hat, order), order)
        rho, V = self.second_moments(), found.variance
        norm, most = _norm(found.overlap), _norm(rho)
        lost = (2 * jnp.sum(rho * V) - jnp.sum(V**2)) / (most + norm)
        # rho . S - |rho| = (lost^2 - |V|^2) / (2 |q|), at S = q / |q|
        bent = 0.25 * q_hat * (lost**2 - jnp.sum(V**2)) / norm
        return PriorMoments(norm, lost, found.information - bent)

    def traces(self, q_hat: Float[Array, ""], order: int) -> Traces:
        found = self.matrix_moments(self.shaped(q_hat, order), order)
        return ((jnp.trace(found.overlap), jnp.trace(found.variance)),)


def mixture_posterior(
    weights: Float[Array, " m"],
    means: Float[Array, "m width"],
    factors: Float[Array, "m width width"] | None,
    B: Float[Array, "p width"],
    A: Float[Array, "width width"],
) -> VectorPosterior:
    """Units of the law sum_a weights[a] N(means[a], F_a F_a^T) under exp(B . x - x . A x / 2).

    Component a has the covariance C = F (1 + F^T A F)^-1 F^T and the mean m + C (B - A m); without
    factors it is a point.
    """
    energy = jnp.log(weights) + B @ means.T - 0.5 * jnp.sum((means @ A) * means, axis=1)
    centers, spread = means[None], jnp.zeros((len(means), *A.shape))
    if factors is not None:
        inner = jnp.eye(len(A)) + jnp.einsum("aji,jk,akl->ail", factors, A, factors)
        spread = factors @ jnp.linalg.solve(inner, jnp.swapaxes(factors, 1, 2))
        pulled = B[:, None] - means @ A
        moved = jnp.einsum("pai,aij->paj", pulled, spread)
        energy += 0.5 * jnp.sum(pulled * moved, axis=2) - 0.5 * jnp.linalg.slogdet(inner)[1]
        centers = means + moved
    weight = jax.nn.softmax(energy, axis=1)
    mean = jnp.sum(weight[:, :, None] * centers, axis=1)
    away = centers - mean[:, None]
    inside = jnp.diagonal(spread, axis1=1, axis2=2)
    variance = weight @ inside + jnp.sum(weight[:, :, None] * away**2, axis=1)
    between = jnp.einsum("pa,pai,paj->ij", weight, away, away) / len(B)
    covariance = between + jnp.tensordot(jnp.mean(weight, axis=0), spread, 1)
    evidence = jnp.mean(jax.nn.logsumexp(energy, axis=1))
    return VectorPosterior(mean, variance, covariance, evidence)


def _norm(matrix: Array) -> Array:
    return jnp.sqrt(jnp.sum(matrix**2))


def nearest_turn(
    variances: Float[np.ndarray, " d"], gram: Float[np.ndarray, "d d"]
) -> Float[np.ndarray, "d d"]:
    """The orthogonal G that mixes directions of equal variance only and maximizes Tr G^T gram.

    With gram = moved^T target it is the one that minimizes |moved G - target|; a direction whose
    variance no other has keeps its axis and chooses its sign.
    """
    turn = np.zeros_like(gram)
    equal = _EQUAL * np.max(np.abs(variances), initial=0.0)
    for value in variances:
        same = np.flatnonzero(np.abs(variances - value) <= equal)
        block = np.ix_(same, same)
        left, _, right = np.linalg.svd(gram[block])
        turn[block] = left @ right
    return turn

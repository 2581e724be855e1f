"""Laws of the weights of hidden units, seen in noise that treats the units alike.

r = w + q_hat^(-1/2) xi, q_hat with the eigenvalue q_hat_+ along (1, ..., 1) and q_hat_- across it,
K - 1 times; the w_l are independent with the prior. For K = 2 averages are over the density of r,
beyond over xi for every w.
"""

from itertools import combinations_with_replacement, permutations, product
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.nn import logsumexp
from jaxtyping import Array, Float

from solvable.bricks.committee.nodes import across, noise
from solvable.bricks.priors.base import AbstractPrior
from solvable.bricks.priors.discrete import Discrete
from solvable.bricks.priors.gaussian import Gaussian
from solvable.bricks.priors.rademacher import Rademacher
from solvable.core.arguments import fail
from solvable.core.quadrature import nodes_between

_CENTERED = 1e-12
_ROWS = 4096  # points that are averaged over at once
_AROUND, _BEYOND = np.array([1.6, 3.6]), np.array([5.4, 7.8])  # in units of the noise


class WeightMoments(NamedTuple):
    """What is known of the weights.

    Attributes:
        overlap: E <w_a>^2 along (1, ..., 1) and in any direction across it, shape (2,).
        variance: E (w_a - <w_a>)^2, without subtraction.
        potential: E ln Z(B, q_hat) - sum q_a q_hat_a / 2 over all K directions.
    """

    overlap: Float[Array, " 2"]
    variance: Float[Array, " 2"]
    potential: Float[Array, ""]


def supported(name: str, prior: AbstractPrior) -> AbstractPrior:
    """The prior, if it is Gaussian or has finitely many values, of mean zero.

    Raises:
        ValueError: if it is another.
    """
    if not isinstance(prior, Gaussian | Rademacher | Discrete):
        raise fail(name, "be Gaussian(), Rademacher() or Discrete(...)", prior)
    if abs(float(prior.first_moment())) > _CENTERED:
        raise fail(name, "have mean 0", prior)
    return prior


def weight_moments(
    prior: AbstractPrior, units: int, q_hat: Float[Array, " 2"], nodes: int
) -> WeightMoments:
    """Averages over the weights of K units and the noise; `nodes` quadrature nodes a panel."""
    if isinstance(prior, Gaussian):
        rho = prior.second_moment()
        variance = rho / (1 + rho * q_hat)
        overlap = rho * q_hat * variance
        seen = 0.5 * (rho * q_hat - jnp.log1p(rho * q_hat) - overlap * q_hat)
        return WeightMoments(overlap, variance, seen[0] + (units - 1) * seen[1])
    if units > 2:
        return _of_many(prior, units, q_hat, nodes)
    pairs, log_weights = atoms(prior)
    width = 1 / jnp.sqrt(q_hat)
    # units may be exchanged: only r_- > 0
    plus, minus = (
        _nodes(pairs[:, a], width[a], nodes, half)
        for a, half in ((0, isinstance(prior, Rademacher)), (1, True))
    )
    r = jnp.stack(jnp.meshgrid(plus[0], minus[0], indexing="ij"))
    volume = plus[1][:, None] * minus[1]
    away = r[None] - pairs[:, :, None, None]
    square = jnp.tensordot(away**2, q_hat, ((1,), (0,)))
    exponent = log_weights[:, None, None] - 0.5 * square  # ln p(w, r) but for the constant
    total = logsumexp(exponent, axis=0)
    posterior = jnp.exp(exponent - total)
    weight = volume * jnp.exp(total) * jnp.sqrt(q_hat[0] * q_hat[1]) / (2 * np.pi)
    mean = jnp.tensordot(pairs.T, posterior, 1)
    variance = jnp.sum(posterior[:, None] * (pairs[:, :, None, None] - mean) ** 2, axis=0)
    log_z = total + 0.5 * jnp.tensordot(q_hat, r**2, 1)
    overlap, variance, seen = (
        jnp.sum(weight * x, axis=(-1, -2)) for x in (mean**2, variance, log_z)
    )
    return WeightMoments(overlap, variance, seen - 0.5 * jnp.sum(overlap * q_hat))


def _of_many(
    prior: AbstractPrior, units: int, q_hat: Float[Array, " 2"], nodes: int
) -> WeightMoments:
    """Averages over the noise around all weights, or around one of every arrangement.

    That of three units is a rule for what is symmetric in them, as the sum over all weights is.
    """
    values, p = values_of(prior)
    numbers = np.array(list(product(range(len(values)), repeat=units)))
    classes, arrangements = numbers, [1] * len(numbers)
    if units > 3:
        classes = np.array(list(combinations_with_replacement(range(len(values)), units)))
        arrangements = [len(set(permutations(row))) for row in classes.tolist()]
    basis = np.vstack([np.full((1, units), units**-0.5), across(units)])
    root = jnp.sqrt(jnp.concatenate([q_hat[:1], jnp.broadcast_to(q_hat[1], units - 1)]))
    xi, share = noise(units, nodes)
    every, log_p = values[numbers] @ basis.T, jnp.sum(jnp.log(p)[numbers], axis=1)
    truths = values[classes] @ basis.T
    chances = jnp.asarray(arrangements) * jnp.prod(p[classes], axis=1)

    def at(row: tuple[Array, Array]) -> tuple[Array, ...]:
        truth, xi = row
        r = truth + xi / root
        exponent = log_p - 0.5 * jnp.sum((root * (r - every)) ** 2, axis=1)
        total = logsumexp(exponent)
        chance = jnp.exp(exponent - total)
        mean = chance @ every
        return mean**2, chance @ (every - mean) ** 2, total + 0.5 * jnp.sum((root * r) ** 2)

    def around(truth: Array) -> tuple[Array, ...]:
        found = jax.lax.map(lambda xi: at((truth, xi)), jnp.asarray(xi), batch_size=_ROWS)
        return tuple(share @ x for x in found)

    square, variance, log_z = (chances @ x for x in jax.lax.map(around, truths))
    overlap, variance = (
        jnp.stack([x[0], jnp.sum(x[1:]) / (units - 1)]) for x in (square, variance)
    )
    used = overlap[0] * q_hat[0] + (units - 1) * overlap[1] * q_hat[1]
    return WeightMoments(overlap, variance, log_z - 0.5 * used)


def _nodes(
    values: Any, width: Float[Array, ""], nodes: int, half: bool
) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
    """Nodes and weights along one axis of r = w + noise, around all w and the middles between."""
    centers = (0.5 * (values[:, None] + values)).ravel()
    if isinstance(centers, np.ndarray):  # else equal ones make panels of no width
        centers = np.unique(np.round(centers, 12))
        centers = centers[centers >= 0] if half else centers
    steps = np.concatenate([-_AROUND[::-1], [0.0], _AROUND])
    inner = (jnp.asarray(centers)[:, None] + width * steps).ravel()
    ends = [jnp.max(centers) + width * _BEYOND, jnp.min(centers) - width * _BEYOND]
    edges = jnp.concatenate([inner, *(ends[:1] if half else ends)])
    r, weight = nodes_between(jnp.maximum(edges, 0.0) if half else edges, nodes)
    return r, 2 * weight if half else weight


def values_of(prior: AbstractPrior) -> tuple[Any, Any]:
    """Values of a weight, and their probabilities."""
    if isinstance(prior, Rademacher):
        return np.array([-1.0, 1.0]), np.array([0.5, 0.5])
    assert isinstance(prior, Discrete)
    p, values, _ = prior.components()
    return values, p


def atoms(prior: AbstractPrior) -> tuple[Any, Any]:
    """Values of both weights along (1, 1) and (1, -1), and ln of their probabilities."""
    values, p = values_of(prior)
    i, k = (x.ravel() for x in np.indices((len(values), len(values))))
    pairs = [(values[i] + values[k]) / np.sqrt(2), (values[i] - values[k]) / np.sqrt(2)]
    if isinstance(prior, Rademacher):
        return np.stack(pairs, axis=1), np.log(p[i]) + np.log(p[k])
    return jnp.stack(pairs, axis=1), jnp.log(p[i]) + jnp.log(p[k])

"""What a label of K hidden units says of their fields: the output's messages.

y ~ P(. | how many z_l are positive), z = omega + V^(1/2) xi, for any K and any covariance V: the
same labels as those of `counts.py`, one by one. Given the label,

    g = grad_omega ln Z(y; omega, V),   -dg / domega = V^-1 - V^-1 Cov(z | y) V^-1.

Two units have quadrants in closed form, or, where ties are random, Z_y = sum_l Phi(y h_l) / 2 with
h_l = omega_l / sqrt(V_ll). For others V = lambda I + A A^T with lambda its smallest eigenvalue and
A of rank K - 1: given z's part A zeta its signs are independent, the number of positive ones is
Poisson-binomial, and Z with its slopes is an average over zeta, on a grid for up to three units
and on a Sobol sequence for more (Genz and Bretz 2009).
"""

from abc import abstractmethod
from typing import Any, Final, NamedTuple, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr
from jaxtyping import Array, Float

from solvable.bricks.committee.counts import seen_of
from solvable.bricks.committee.nodes import ball, sequence
from solvable.bricks.committee.quadrants import opposite_quadrants
from solvable.core.special import log_ndtr, normal_density

_NODES: Final = 16  # of the quadrature of a quadrant's probability
_REACH, _SIDE = 6.5, 27  # of the grid in each direction of zeta, and its nodes
_GRIDS: Final = 3  # units up to which there is one
_POINTS: Final = 1024  # of the sequence for more directions
_BLOCK: Final = 32  # examples at once
_IMPOSSIBLE: Final = 1e-280


class Messages(NamedTuple):
    """What labels say of their fields.

    Attributes:
        score: g, shape (n, K).
        slope: mean of -dg / domega, shape (K, K).
        impossible: how many labels had a probability that is no number; their g is 0.
    """

    score: Float[Array, "n K"]
    slope: Float[Array, "K K"]
    impossible: Float[Array, ""]


class AbstractMessages(eqx.Module):
    """The law of the labels of K hidden units, as message passing sees it."""

    units: eqx.AbstractVar[int]

    @abstractmethod
    def labels(self) -> Float[np.ndarray, " labels"] | None:
        """The values of y; None where it is a real number."""

    @abstractmethod
    def sample(
        self, fields: Float[np.ndarray, "n K"], rng: np.random.Generator
    ) -> Float[np.ndarray, " n"]:
        """y of fields z."""

    @abstractmethod
    def messages(
        self, y: Float[Array, " n"], omega: Float[Array, "n K"], V: Float[Array, "K K"]
    ) -> Messages:
        """g of every example, and the mean of -dg / domega.

        Args:
            y: labels.
            omega: means of the fields.
            V: their covariance, positive definite.
        """

    @abstractmethod
    def predicted(self, omega: Float[Array, "n K"], V: Float[Array, "K K"]) -> Float[Array, " n"]:
        """E[y | omega, V]."""

    @abstractmethod
    def resolved(self, V: Float[np.ndarray, "K K"]) -> Self:
        """The same labels, with averages as fine as this V asks for."""


class SignMessages(AbstractMessages):
    """y ~ P(. | how many of K fields are positive), with C = 2 count - K the sum of their signs.

    Args:
        units: K >= 1.
        ties: what sign(0) is: "zero", or "random": +-1.
        kind: "majority": y = sign(C); "any": y = sign(count); "sum": y = C + N(0, delta).
        delta: variance of the noise of a sum.
    """

    units: int = eqx.field(static=True)
    ties: str = eqx.field(static=True)
    kind: str = eqx.field(static=True, default="majority")
    delta: float = eqx.field(static=True, default=0.0)

    def labels(self) -> Float[np.ndarray, " labels"] | None:
        if self.kind == "sum" and self.delta > 0:
            return None
        values = np.unique(seen_of(self.kind, self.units))[::-1]
        if self.kind == "sum":
            return values
        return np.array([1.0, -1.0]) if self.ties == "random" else values

    def sample(
        self, fields: Float[np.ndarray, "n K"], rng: np.random.Generator
    ) -> Float[np.ndarray, " n"]:
        seen = seen_of(self.kind, self.units)[np.sum(fields > 0, axis=1)]
        if self.kind == "sum":
            return seen + self.delta**0.5 * rng.standard_normal(len(seen))
        ties = 0.0 if self.ties == "zero" else rng.choice([-1.0, 1.0], len(seen))
        return np.where(seen == 0, ties, seen)

    def messages(
        self, y: Float[Array, " n"], omega: Float[Array, "n K"], V: Float[Array, "K K"]
    ) -> Messages:
        if self.units == 2 and self.kind == "majority":
            return self._pair(y, omega, V)
        return _averaged(self._chances(y), omega, V)

    def predicted(self, omega: Float[Array, "n K"], V: Float[Array, "K K"]) -> Float[Array, " n"]:
        if self.units == 2 and self.kind == "majority":
            # P(+, +) - P(-, -) = P(z_1 > 0) - P(z_2 < 0)
            return jnp.sum(ndtr(omega / jnp.sqrt(jnp.diagonal(V))), axis=1) - 1
        return _expected(jnp.asarray(seen_of(self.kind, self.units)), omega, V)

    def resolved(self, V: Float[np.ndarray, "K K"]) -> Self:
        return self

    def _chances(self, y: Float[Array, " n"]) -> Float[Array, "n counts"]:
        """P(y | m positive signs), m = 0, ..., K, up to a factor."""
        seen = seen_of(self.kind, self.units)
        away = y[:, None] - seen
        if self.labels() is None:
            exponent = -0.5 * away**2 / self.delta
            return jnp.exp(exponent - jnp.max(exponent, axis=1, keepdims=True))
        tied = 0.5 * (seen == 0) * (self.ties == "random" and self.kind != "sum")
        return jnp.where(tied > 0, tied, 1.0 * (away == 0))

    def _pair(self, y: Array, omega: Array, V: Array) -> Messages:
        widths = jnp.sqrt(jnp.diagonal(V))
        if self.ties == "random":
            parts = _halves(y, omega / widths)
        else:
            r = V[0, 1] / (widths[0] * widths[1])
            parts = _quadrants(y, omega / widths, r)
        score, (first, cross, second) = parts
        bend = jnp.stack([first, cross, cross, second], axis=1).reshape(-1, 2, 2)
        slope = score.T @ score / len(y) - jnp.mean(bend, axis=0)
        return Messages(score / widths, slope / jnp.outer(widths, widths), jnp.zeros(()))


def _halves(y: Array, h: Array) -> tuple[Array, Array]:
    """Slopes of ln sum_l Phi(y h_l) / 2, first (n, 2) and second (3, n) over Z."""
    log = log_ndtr(y[:, None] * h)
    log_z = jnp.logaddexp(log[:, 0], log[:, 1])
    rise = jnp.exp(-0.5 * h**2 - 0.5 * np.log(2 * np.pi) - log_z[:, None])
    bend = -y[:, None] * h * rise
    return y[:, None] * rise, jnp.stack([bend[:, 0], jnp.zeros_like(y), bend[:, 1]])


def _quadrants(y: Array, h: Array, r: Array) -> tuple[Array, Array]:
    """The same for Z of one quadrant, or of the two where the signs differ."""
    tie = y == 0
    signs = jnp.stack([jnp.where(tie, 1.0, y), jnp.where(tie, -1.0, y)])
    ends, sign = signs * h.T, jnp.where(tie, -1.0, 1.0)
    one, other = opposite_quadrants(ends[0], ends[1], r, sign, tie, _NODES)
    rest = jnp.where(tie, other.log, -jnp.inf)
    log_z = jnp.logaddexp(one.log, rest)
    share, left = jnp.exp(one.log - log_z), jnp.exp(rest - log_z)
    first = signs * (share * one.first - left * other.first)
    second = share * one.second + left * other.second
    product = signs[0] * signs[1]
    return first.T, second * jnp.stack([jnp.ones_like(y), product, jnp.ones_like(y)])


def directions(units: int) -> tuple[Float[np.ndarray, "m d"], Float[np.ndarray, " m"]]:
    """Nodes and weights for averages over zeta ~ N(0, I) of K - 1 dimensions."""
    if units > _GRIDS:
        return sequence(units - 1, _POINTS)
    return ball(units - 1, _SIDE, _REACH)


def _split(V: Array) -> tuple[Array, Array]:
    """A and sqrt(lambda), V = lambda I + A A^T."""
    values, vectors = jnp.linalg.eigh(V)
    more = jnp.sqrt(jnp.maximum(values[1:] - values[0], 0.0))
    return vectors[:, 1:] * more, jnp.sqrt(values[0])


def _probability(p: Array, chances: Array) -> Array:
    """sum_m chances_m P(m of independent events occur)."""
    counts = [jnp.ones(())]
    for one in (p[k] for k in range(len(p))):
        less = [x * (1 - one) for x in counts]
        more = [x * one for x in counts]
        counts = [less[0], *(a + b for a, b in zip(less[1:], more, strict=False)), more[-1]]
    return sum((x * chances[m] for m, x in enumerate(counts)), jnp.zeros(()))


@eqx.filter_jit
def _averaged(chances: Array, omega: Array, V: Array) -> Messages:
    """Messages by an average over the directions; `chances` of each example's label."""
    K = omega.shape[1]
    zeta, weight = directions(K)
    A, width = _split(V)
    shift = zeta @ A.T

    def one(both: tuple[Array, Array]) -> tuple[Array, Array, Array]:
        chance, mean = both
        c = (mean + shift) / width
        p, density = ndtr(c), normal_density(c)
        value = jax.vmap(_probability, (0, None))(p, chance)
        rise = jax.vmap(jax.grad(_probability), (0, None))(p, chance)
        bend = jax.vmap(jax.hessian(_probability), (0, None))(p, chance)
        Z = weight @ value
        first = weight @ (rise * density)
        second = jnp.einsum("m,mij,mi,mj->ij", weight, bend, density, density)
        second = second - jnp.diag(weight @ (rise * density * c))
        possible = _IMPOSSIBLE < Z
        safe = jnp.where(possible, Z, 1.0)
        g = jnp.where(possible, first / safe, 0.0)
        curve = jnp.outer(g, g) - jnp.where(possible, second / safe, 0.0)
        return g / width, curve / width**2, jnp.logical_not(possible)

    score, curve, impossible = jax.lax.map(one, (chances, omega), batch_size=_BLOCK)
    return Messages(score, jnp.mean(curve, axis=0), jnp.sum(impossible))


@eqx.filter_jit
def _expected(signed: Array, omega: Array, V: Array) -> Array:
    zeta, weight = directions(omega.shape[1])
    A, width = _split(V)

    def one(mean: Any) -> Array:
        p = ndtr((mean + zeta @ A.T) / width)
        return jnp.asarray(weight) @ jax.vmap(_probability, (0, None))(p, signed)

    return jax.lax.map(one, omega, batch_size=_BLOCK)

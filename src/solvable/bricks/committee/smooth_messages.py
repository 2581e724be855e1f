"""What a sum of smooth hidden units says of their fields, seen in noise or as a sign.

With b^-2 = 1^T V^-1 1 and V = b^2 1 1^T + A A^T the fields are z = omega + A eta + b t 1: eta,
of K - 1 entries, and t are iid N(0, 1): all units rise along t. For every eta the law of t given y
has a mass and two moments, on a grid or, for h = max(0, .), a truncated Gaussian on each of the
K + 1 pieces between kinks, or, where only the sign of an increasing sum is seen, one truncated
Gaussian from its root; they are averaged over eta. With M = (b 1, A) and xi = (t, eta)

    g = M^-T E[xi | y],   -dg / domega = M^-T (1 - Cov(xi | y)) M^-1.

Rules have unit second moments, so that where V -> 0 this is small with V as it should. Trapezoidal
rules converge exponentially, once their step resolves the ridge sum_l h(z_l) = y in the noise: its
width is sqrt(delta / (delta + s^2)) along an axis on which the sum rises by s at most. Across t,
where the integral over t has been taken, the ridge is oblique and what is left is wider.
"""

from abc import abstractmethod
from dataclasses import replace
from itertools import product
from typing import Any, Final, NamedTuple, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import logsumexp, ndtr
from jaxtyping import Array, Float

from solvable.bricks.channels.noisy_function import AbstractFunctionChannel
from solvable.bricks.channels.relu import ReLU
from solvable.bricks.committee.messages import AbstractMessages, Messages
from solvable.bricks.committee.nodes import ball, sequence
from solvable.core.special import interval_moments, log_interval_mass, log_ndtr, log_normal

REACH: Final = 6.5  # of grids of xi
_A_WIDTH: Final = 14  # nodes of a grid as wide as xi, as many a width of the narrowest ridge
_A_ROOT: Final = 8  # the same where roots move along a grid
_FINER: Final = {2: 3.0}  # nodes where kinks are left, over those, of two units
_FINE: Final = 1.5  # of more, whose kinks are oblique to a grid of two dimensions
_ALL: Final = 3  # units up to which eta is on a grid
_POINTS: Final = 1024  # of the sequence for more
_FAR: Final = 40.0  # where a piece without end ends
_HALVINGS: Final = 40  # of an interval of up to 80: to 1e-10
_AT_ONCE: Final = 2**17  # nodes of all examples of a block


class Lines(NamedTuple):
    """t given y, for every eta.

    Attributes:
        log_mass: log E_t P(y | eta, t).
        mean: of t.
        variance: of t.
    """

    log_mass: Float[Array, " m"]
    mean: Float[Array, " m"]
    variance: Float[Array, " m"]


class AbstractSumMessages(AbstractMessages):
    """y ~ P(. | sum_l h(z_l)).

    Attributes:
        hidden: a channel whose function is h.
        across: nodes of every entry of eta, for up to three units.
    """

    hidden: eqx.AbstractVar[AbstractFunctionChannel]
    across: eqx.AbstractVar[int]

    @abstractmethod
    def lines(
        self, y: Float[Array, ""], start: Float[Array, "m K"], rise: Float[Array, ""]
    ) -> Lines:
        """What y tells of t, z = start + rise t.

        Args:
            y: one label.
            start: omega + A eta.
            rise: b.
        """

    @abstractmethod
    def nodes_of_a_line(self) -> int:
        """How many values of t, or pieces, are computed for every eta."""

    def messages(
        self, y: Float[Array, " n"], omega: Float[Array, "n K"], V: Float[Array, "K K"]
    ) -> Messages:
        eta, weight = self._directions()
        rise, A = split(V)
        shift, log_weight, K = eta @ A.T, np.log(weight), self.units

        def one(both: tuple[Array, Array]) -> tuple[Array, Array]:
            label, mean = both
            found = self.lines(label, mean + shift, rise)
            share = jax.nn.softmax(found.log_mass + log_weight)
            xi = jnp.concatenate([found.mean[:, None], jnp.asarray(eta)], axis=1)
            first = share @ xi
            apart = xi - first
            second = (share[:, None] * apart).T @ apart
            return first, second.at[0, 0].add(share @ found.variance)

        first, second = _in_blocks(one, (y, omega), len(eta) * self.nodes_of_a_line())
        finite = jnp.all(jnp.isfinite(first), axis=1) & jnp.all(jnp.isfinite(second), axis=(1, 2))
        first = jnp.where(finite[:, None], first, 0.0)
        second = jnp.where(finite[:, None, None], second, jnp.eye(K))
        inverse = jnp.linalg.inv(jnp.concatenate([jnp.full((K, 1), rise), A], axis=1))
        slope = inverse.T @ (jnp.eye(K) - jnp.mean(second, axis=0)) @ inverse
        return Messages(first @ inverse, slope, jnp.sum(jnp.logical_not(finite)))

    def total(self, fields: Float[np.ndarray, "n K"]) -> Float[np.ndarray, " n"]:
        """sum_l h(z_l)."""
        return np.sum(np.asarray(self.hidden.evaluate(jnp.asarray(fields))), axis=1)

    def _directions(self) -> tuple[np.ndarray, np.ndarray]:
        """Nodes and weights of an average over eta."""
        if self.units > _ALL:
            return sequence(self.units - 1, _POINTS)
        return ball(self.units - 1, self.across, REACH)


class AbstractNoisySumMessages(AbstractSumMessages):
    """y = sum_l h(z_l) + N(0, delta), delta > 0.

    Attributes:
        delta: variance of the noise.
    """

    delta: eqx.AbstractVar[float]

    def labels(self) -> None:
        """Any number can be."""

    def sample(
        self, fields: Float[np.ndarray, "n K"], rng: np.random.Generator
    ) -> Float[np.ndarray, " n"]:
        total = self.total(fields)
        return total + self.delta**0.5 * rng.standard_normal(len(total))

    def predicted(self, omega: Float[Array, "n K"], V: Float[Array, "K K"]) -> Float[Array, " n"]:
        none, width = jnp.zeros_like(omega), jnp.diagonal(V)
        means = self.hidden.tilted(none, none, omega, jnp.broadcast_to(width, omega.shape)).mean
        return jnp.sum(means, axis=1)


class SmoothSumMessages(AbstractNoisySumMessages):
    """y = sum_l h(z_l) + N(0, delta) for a smooth h, t on a grid.

    Args:
        units: K >= 1.
        hidden: a channel whose function is h.
        delta: variance of the noise.
        slope: the largest of h.
        along: nodes of t.
        across: nodes of every entry of eta.
    """

    units: int = eqx.field(static=True)
    hidden: AbstractFunctionChannel
    delta: float = eqx.field(static=True)
    slope: float = eqx.field(static=True)
    along: int = eqx.field(static=True)
    across: int = eqx.field(static=True)

    def lines(
        self, y: Float[Array, ""], start: Float[Array, "m K"], rise: Float[Array, ""]
    ) -> Lines:
        t, weight = (x.ravel() for x in ball(1, self.along, REACH))
        z = start.T[..., None] + rise * t
        away = y - jnp.sum(self.hidden.evaluate(z), axis=0)
        exponent = -0.5 / self.delta * away**2
        most = jnp.max(exponent, axis=1)
        density = jnp.exp(exponent - most[:, None])
        mass, first, second = (density @ np.stack([weight, weight * t, weight * t**2], axis=1)).T
        mean = first / mass
        return Lines(most + jnp.log(mass), mean, second / mass - mean**2)

    def nodes_of_a_line(self) -> int:
        return self.along

    def resolved(self, V: Float[np.ndarray, "K K"]) -> Self:
        steep = _steepness(V, self.slope, self.delta)
        along, across = (_count(_A_WIDTH * x, self.units) for x in steep)
        return replace(self, along=along, across=across)


class RectifiedSumMessages(AbstractNoisySumMessages):
    """y = sum_l max(0, z_l) + N(0, delta), t in closed form.

    Args:
        units: K >= 1.
        delta: variance of the noise.
        across: nodes of every entry of eta.
        hidden: ReLU().
    """

    units: int = eqx.field(static=True)
    delta: float = eqx.field(static=True)
    across: int = eqx.field(static=True)
    hidden: ReLU = eqx.field(default_factory=ReLU)

    def lines(
        self, y: Float[Array, ""], start: Float[Array, "m K"], rise: Float[Array, ""]
    ) -> Lines:
        none = jnp.zeros((len(start), 1))
        a = -jnp.sort(-start, axis=1)  # the order in which units become active
        total, count = (
            jnp.concatenate([none, jnp.cumsum(a, axis=1)], axis=1),
            np.arange(a.shape[1] + 1),
        )
        kinks = jnp.clip(-a / rise, -_FAR, _FAR)
        lower, upper = (
            jnp.concatenate(x, axis=1) for x in ((none - _FAR, kinks), (kinks, none + _FAR))
        )
        slope = count * rise
        spread = jnp.asarray(self.delta + slope**2)
        mean, width = slope * (y - total) / spread, jnp.sqrt(self.delta / spread)
        ends = (lower - mean) / width, (upper - mean) / width
        log_mass = log_normal(y - total, spread) + log_interval_mass(*ends)
        inside, variance = interval_moments(*ends)
        share, at = jax.nn.softmax(log_mass, axis=1), mean + width * inside
        first = jnp.sum(share * at, axis=1)
        second = jnp.sum(share * (width**2 * variance + (at - first[:, None]) ** 2), axis=1)
        return Lines(logsumexp(log_mass, axis=1), first, second)

    def nodes_of_a_line(self) -> int:
        return 8 * (self.units + 1)  # tails cost more than a node

    def resolved(self, V: Float[np.ndarray, "K K"]) -> Self:
        nodes = _A_WIDTH * _steepness(V, 1.0, self.delta)[1] * _FINER.get(self.units, _FINE)
        return replace(self, across=_count(nodes, self.units))


class SignOfSumMessages(AbstractSumMessages):
    """y = sign(sum_l h(z_l)) for a smooth, odd and increasing h: +-1, no ties.

    Args:
        units: K >= 1.
        hidden: a channel whose function is h.
        across: nodes of every entry of eta, for up to three units.
    """

    units: int = eqx.field(static=True)
    hidden: AbstractFunctionChannel
    across: int = eqx.field(static=True, default=1)

    def lines(
        self, y: Float[Array, ""], start: Float[Array, "m K"], rise: Float[Array, ""]
    ) -> Lines:
        # y (t - root) > 0, seen from the side of the label
        end = y * self.root(start, rise)
        mean, variance = interval_moments(end, jnp.full_like(end, 2 * _FAR))
        return Lines(log_ndtr(-end), y * mean, variance)

    def root(self, start: Float[Array, "m K"], rise: Float[Array, ""]) -> Float[Array, " m"]:
        """t at which the sum of h(start_l + rise t) is zero, by bisection."""

        def halved(_: int, ends: tuple[Array, Array]) -> tuple[Array, Array]:
            low, high = ends
            middle = 0.5 * (low + high)
            below = jnp.sum(self.hidden.evaluate(start + rise * middle[:, None]), axis=1) < 0
            return jnp.where(below, middle, low), jnp.where(below, high, middle)

        # every unit is zero between the first of them and the last
        low, high = -jnp.max(start, axis=1) / rise, -jnp.min(start, axis=1) / rise
        ends = jnp.clip(low, -_FAR, _FAR), jnp.clip(high, -_FAR, _FAR)
        low, high = jax.lax.fori_loop(0, _HALVINGS, halved, ends)
        return 0.5 * (low + high)

    def nodes_of_a_line(self) -> int:
        return _HALVINGS * self.units

    def labels(self) -> Float[np.ndarray, " labels"]:
        return np.array([1.0, -1.0])

    def sample(
        self, fields: Float[np.ndarray, "n K"], rng: np.random.Generator
    ) -> Float[np.ndarray, " n"]:
        return np.where(self.total(fields) > 0, 1.0, -1.0)

    def predicted(self, omega: Float[Array, "n K"], V: Float[Array, "K K"]) -> Float[Array, " n"]:
        eta, weight = self._directions()
        rise, A = split(V)
        shift = eta @ A.T

        def one(mean: tuple[Array]) -> Array:
            return 1 - 2 * jnp.asarray(weight) @ ndtr(self.root(mean[0] + shift, rise))

        return _in_blocks(one, (omega,), len(eta) * self.nodes_of_a_line())

    def resolved(self, V: Float[np.ndarray, "K K"]) -> Self:
        # the root moves along eta by at most as much as the last unit that is not saturated
        steep = np.max(np.diagonal(V) / _together(V)) ** 0.5
        return replace(self, across=_count(_A_ROOT * steep, self.units))


def _in_blocks(one: Any, columns: tuple[Array, ...], nodes: int) -> Any:
    """A function of every example, so many at once that their `nodes` stay in the cache.

    Blocks are equal, the last one padded: a shorter one would be a second program.
    """
    count = len(columns[0])
    blocks = max(-(-count * nodes // _AT_ONCE), 1)
    size = -(-count // blocks)
    blocks = -(-count // size)

    def cut(x: Array) -> Array:
        padding = [(0, blocks * size - count)] + [(0, 0)] * (x.ndim - 1)
        return jnp.pad(x, padding, mode="edge").reshape(blocks, size, *x.shape[1:])

    found = jax.lax.map(jax.vmap(one), jax.tree.map(cut, columns))
    return jax.tree.map(lambda x: x.reshape(blocks * size, *x.shape[2:])[:count], found)


def split(V: Float[Array, "K K"]) -> tuple[Float[Array, ""], Float[Array, "K rest"]]:
    """b and A, V = b^2 1 1^T + A A^T with A of rank K - 1."""
    one = jnp.ones(len(V))
    square = 1 / (one @ jnp.linalg.solve(V, one))
    values, vectors = jnp.linalg.eigh(V - square)
    return jnp.sqrt(square), vectors[:, 1:] * jnp.sqrt(jnp.maximum(values[1:], 0.0))


def _together(V: np.ndarray) -> float:
    """b^2, the variance with which all units rise together."""
    return 1 / np.linalg.solve(V, np.ones(len(V))).sum()


def _steepness(V: np.ndarray, slope: float, delta: float) -> tuple[float, float]:
    """One over the width of the narrowest ridge along t, and across it.

    The gradients of sum_l h(z_l) in z are in a cube, and the narrowest at a corner: there it rises
    by `up` along t and by `side` across, squared and over delta.
    """
    K, square = len(V), _together(V)
    corners = np.array(list(product([0.0, 1.0], repeat=K)))
    up = slope**2 * square * np.sum(corners, axis=1) ** 2 / delta
    side = slope**2 * np.einsum("ci,ij,cj->c", corners, V - square, corners) / delta
    return np.max(1 + up) ** 0.5, np.max(1 + side / (1 + up)) ** 0.5


def _count(nodes: float, units: int) -> int:
    """So many nodes of a grid or more, of few sizes, so that few programs serve many V."""
    rungs = 1 if units < _ALL else 2
    return int(np.ceil(2 ** (np.ceil(rungs * np.log2(nodes)) / rungs)))


def sum_messages(
    units: int, hidden: AbstractFunctionChannel, delta: float, rho: float
) -> AbstractNoisySumMessages:
    """What message passing needs of a noisy sum, on grids for V = rho.

    Args:
        units: K.
        hidden: ReLU(), or a channel of a smooth function, steepest at 0.
        delta: variance of the noise, > 0.
        rho: variance of the fields.
    """
    V = rho * np.eye(units)
    if isinstance(hidden, ReLU):
        return RectifiedSumMessages(units=units, delta=delta, across=1).resolved(V)
    slope = float(jax.grad(hidden.evaluate)(0.0))
    grid = dict(along=1, across=1)
    return SmoothSumMessages(
        units=units, hidden=hidden, delta=delta, slope=slope, **grid
    ).resolved(V)

"""Labels that depend on how many of K hidden fields are positive.

With V = V_- I - c 1 1^T, c = (V_- - V_+) / K, fields are independent given a common shift of
imaginary size (real where V_+ > V_-): for functions that extend to the complex plane

    E prod_l f_l(z_l) = E_zeta prod_l F_l(omega_l + i sqrt(c) zeta),
    F_l(x) = E f_l(x + sqrt(V_-) xi),

so the law of the count is the average over zeta of that of independent signs. On the scale
eta = zeta sqrt(V_+ / V_-) its weight is Gaussian, and the trapezoidal rule converges exponentially
until it resolves the oscillations exp(-i sum x_l y). The means omega are averaged over by a rule
along (1, ..., 1) times one across it: in polar coordinates, reduced by the exchange of units, for
K = 3; along a line for K = 2; by scrambled Sobol points beyond.
"""

from itertools import pairwise
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float
from scipy.stats import binom

from solvable.bricks.committee.averages import AbstractAveragedLabels, Likelihoods
from solvable.bricks.committee.labels import KnownLabels, entropy_density
from solvable.bricks.committee.nodes import few, line, trapezoid
from solvable.core.quadrature import FINE_ORDER, NESTED, ORDER, gaussian_nodes, nodes_between
from solvable.core.special import complex_normal_cdf

_STEPS, _MANY_STEPS = 5, 50  # values of zeta a node of a panel: V_+ = 0.05 and 2e-3 in reach
_ALMOST = 1e-12


def seen_of(kind: str, units: int) -> Float[np.ndarray, " counts"]:
    """What is seen of every count 0, ..., K, before ties and noise.

    Args:
        kind: "majority": sign(C), C = 2 count - K; "any": sign(count); "sum": C.
        units: K.
    """
    count = np.arange(units + 1)
    total = 2.0 * count - units
    return {"majority": np.sign(total), "any": np.minimum(count, 1.0), "sum": total}[kind]


class Rule(NamedTuple):
    """P(y | count): a column for every count 0, ..., K.

    Attributes:
        labels: the values of y.
        weights: of the integral over y; ones for labels.
        table: P(y | count), shape (labels, K + 1).
    """

    labels: Float[Array, " m"]
    weights: Float[Array, " m"]
    table: Float[Array, "m counts"]


class CountLabels(AbstractAveragedLabels):
    """y ~ P(. | how many fields are positive), with C = 2 count - K the sum of their signs.

    Args:
        units: K >= 2.
        kind: "majority": y = sign(C); "any": y = sign(count); "sum": y = C + N(0, delta).
        ties: what sign(0) is: "zero" or "random".
        delta: variance of the noise of a sum.
    """

    units: int = eqx.field(static=True)
    kind: str = eqx.field(static=True)
    ties: str | None = eqx.field(static=True, default=None)
    delta: Any = 0.0

    def rule(self, nodes: int = ORDER) -> Rule:
        """What a count makes of y, by quadrature where that is a real number."""
        seen = seen_of(self.kind, self.units)
        if self.kind == "sum":
            return _noisy(seen, self.delta, nodes)
        labels = np.array([1.0, -1.0, 0.0])
        table = (labels[:, None] == seen).astype(float)
        if self.ties == "random":
            labels, table = labels[:2], table[:2] + 0.5 * table[2]
        kept = np.any(table > 0, axis=1)
        labels, table = labels[kept], table[kept]
        return Rule(jnp.asarray(labels), jnp.ones(len(labels)), jnp.asarray(table))

    def counts(
        self, omega: Float[Array, "n K"], V: Float[Array, " 2"], steps: int
    ) -> tuple[Float[Array, "n counts"], Float[Array, "n K counts"]]:
        """P(count) at means omega, and its slopes in every omega_l, by `steps` values of zeta."""
        c = (V[0] - V[1]) / self.units
        c = jnp.where(jnp.abs(c) < _ALMOST * V[1], _ALMOST * V[1], c)
        stretch = jnp.where(c < 0, jnp.sqrt(V[1] / V[0]), 1.0)
        # at an imaginary shift the real part is even
        (half, even), (whole, all_of) = (trapezoid(steps, x) for x in (True, False))
        eta, weight = jnp.where(c < 0, half, whole), jnp.where(c < 0, even, all_of)
        width = jnp.sqrt(V[1])
        shift = stretch * eta * jnp.sqrt(c.astype(complex)) / width

        value, slope = _counts(omega.T / width, shift, stretch * weight)
        return value.T, jnp.moveaxis(slope, -1, 0) / width

    def likelihoods(
        self,
        omega: Float[Array, "n K"],
        V: Float[Array, " 2"],
        rho: Float[Array, ""],
        nodes: int,
        alike: bool,
    ) -> Likelihoods:
        count, slopes = self.counts(omega, V, (_MANY_STEPS if alike else _STEPS) * nodes)
        y, weights, table = self.rule(nodes)
        return Likelihoods(y, weights, count @ table.T, slopes @ table.T)

    def along(self, nodes: int) -> tuple[np.ndarray, np.ndarray]:
        # quasi-random points carry more error
        return line(nodes if self.units <= 3 else nodes // 2 + 1, half=self.kind != "any")

    def center(
        self, q: Float[Array, ""], V: Float[Array, " 2"], nodes: int
    ) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
        reach = jnp.sqrt(q / self.units)
        widths = (jnp.sqrt(V[0] / self.units), jnp.sqrt(V[1]))
        features = [(jnp.zeros(()), width / reach) for width in widths]
        t, weight = gaussian_nodes(features, nodes, panels=NESTED)
        return reach * t, weight

    def panel_nodes(self, nodes: int) -> int:
        """8 reach 1e-7 at V_- = 0.2 and 1e-5 at 0.05; cost goes with the fifth power."""
        if self.units > 3:
            return few(nodes)
        return {ORDER: 8, FINE_ORDER: 9}.get(nodes, 5 if nodes < ORDER else 10)

    def rows(self) -> int:
        """One: a point takes a tenth of a second and more."""
        return 1

    def finest(self) -> tuple[float, float]:
        """Until oscillations in zeta, or panels of the fields, are too coarse."""
        return 2e-3, 0.03

    def known(self, rho: Any) -> KnownLabels:
        rule, chance = self.rule(), count_law(self.units)
        potential = rule.weights @ entropy_density(rule.table) @ chance
        mean = (rule.weights * rule.labels) @ rule.table
        square = (rule.weights * rule.labels**2) @ rule.table
        return KnownLabels(potential, (square - mean**2) @ chance)


def _counts(
    x: Float[Array, "K n"], shift: Complex[Array, " z"], weight: Float[Array, " z"]
) -> tuple[Float[Array, "counts n"], Float[Array, "K counts n"]]:
    """The law of the count of positive x_l + shift + xi_l, and its slopes in x.

    Where the shift is imaginary, iy, factors carry exp(-y^2 / 2).
    """
    place = x[..., None] + shift
    up = complex_normal_cdf(place)
    down = jnp.exp(-0.5 * shift.imag**2) - up
    density = jnp.exp(-0.5 * place.real**2 - 1j * place.real * shift.imag) / np.sqrt(2 * np.pi)
    pairs = list(zip(up, down, strict=True))

    def averaged(column: list[Any]) -> Array:
        return jnp.stack([p.real for p in column]) @ weight

    slopes = []
    for k in range(len(pairs)):
        others = [0.0, *_convolved(pairs[:k] + pairs[k + 1 :]), 0.0]
        slopes.append(averaged([density[k] * (a - b) for a, b in pairwise(others)]))
    return averaged(_convolved(pairs)), jnp.stack(slopes)


def _convolved(pairs: list[tuple[Array, Array]]) -> list[Any]:
    """Probabilities of 0, 1, ... events, from those of every event and of its absence."""
    found: list[Any] = [1.0]
    for up, down in pairs:
        found = [
            low * up + high * down for low, high in zip([0.0, *found], [*found, 0.0], strict=True)
        ]
    return found


def count_law(units: int) -> Float[np.ndarray, " counts"]:
    """The law of the count of K independent fair signs."""
    return binom.pmf(np.arange(units + 1), units, 0.5)


def _noisy(values: Float[np.ndarray, " counts"], delta: Any, nodes: int) -> Rule:
    """Values seen in Gaussian noise, or as they are."""
    if isinstance(delta, float) and delta == 0:
        return Rule(jnp.asarray(values), jnp.ones(len(values)), jnp.eye(len(values)))
    width = jnp.sqrt(delta)
    y, weight = nodes_between(
        (jnp.asarray(values)[:, None] + width * NESTED.edges()).ravel(), nodes
    )
    away = (y[:, None] - values) / width
    return Rule(y, weight, jnp.exp(-0.5 * away**2) / (width * np.sqrt(2 * np.pi)))

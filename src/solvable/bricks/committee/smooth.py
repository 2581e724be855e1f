"""Labels of two units without jumps, seen in noise: y = h(z_1) + h(z_2) + N(0, delta).

In z_+ and z_-, along (1, 1) and across it, the fields are independent, so that

    Z_y(omega) = int dz_+ dz_- N(z_+; omega_+, V_+) N(z_-; omega_-, V_-) N(y; h + h, delta)

is two products of matrices on one grid of z, whatever omega is; slopes in omega are those of the
Gaussian factors. Trapezoidal rules in z, omega and y converge exponentially for smooth h. For
h = max(0, .), whose kink is oblique to that grid, the integral over every quadrant of z is closed,
a Gaussian density of y times the bivariate normal distribution of z given y.
"""

from abc import abstractmethod
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from solvable.bricks.channels.noisy_function import AbstractFunctionChannel
from solvable.bricks.channels.relu import ReLU
from solvable.bricks.committee.labels import (
    AbstractLabels,
    KnownLabels,
    LabelMoments,
    entropy_density,
    over,
    total,
)
from solvable.bricks.committee.nodes import REACH, finer, line, trapezoid
from solvable.core.quadrature import FINE_ORDER, ORDER
from solvable.core.special import (
    bivariate_normal_cdf,
    bivariate_normal_slopes,
    log_normal,
    normal_entropy,
)

_NOISE_REACH = 7.0
_FINEST = 0.03  # variance across that grids resolve, where rho is 1
_PER_NOISE, _PER_WIDTH = 1.4, 16.0  # nodes of y in sqrt(delta); of z in a width, times its range
_AROUND, _NARROW = 8, 0.1  # nodes around a mean, for V so small next to the noise's
_ROWS = 8  # values of omega_+ at once
_QUADRANTS = np.array([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]])
_MANY = 3  # times as many nodes along, where those across are one


class Likelihoods(NamedTuple):
    """Z_y at omega_+ and omega_-, and its slopes in both, on a grid of the three."""

    values: Float[Array, "n m y"]
    along: Float[Array, "n m y"]
    across: Float[Array, "n m y"]


class AbstractNoisySum(AbstractLabels):
    """y = h(z_1) + h(z_2) + N(0, delta), delta > 0.

    Attributes:
        delta: variance of the noise.
        outputs: nodes of y.
    """

    delta: eqx.AbstractVar[Any]
    outputs: eqx.AbstractVar[int]

    @abstractmethod
    def likelihoods(
        self,
        along: Float[Array, " n"],
        across: Float[Array, " m"],
        V: Float[Array, " 2"],
        y: Float[Array, " y"],
        rho: Float[Array, ""],
        nodes: int,
    ) -> Likelihoods:
        """Z_y on a grid of omega_+, omega_- and y.

        Args:
            along: omega_+.
            across: omega_-.
            V: variances of z along and across.
            y: labels.
            rho: variance of z, means included.
            nodes: the more, the finer.
        """

    @abstractmethod
    def span(self, rho: Float[Array, ""]) -> tuple[Any, Any]:
        """The least and the largest h(z_1) + h(z_2) of fields of variance rho."""

    @abstractmethod
    def omega(self, nodes: int, half: bool) -> tuple[np.ndarray, np.ndarray]:
        """Nodes and weights of an average over N(0, 1), of an even function over half of it."""

    def moments(self, q: Float[Array, " 2"], V: Float[Array, " 2"], nodes: int) -> LabelMoments:
        (along, outer), (across, inner) = self.omega(nodes, False), self.omega(nodes, True)
        omega = jnp.sqrt(q[0]) * along, jnp.sqrt(q[1]) * across
        return self._averaged(omega, outer[:, None] * inner, V, total(q[0], V[0]), nodes)

    def symmetric_moments(
        self, q: Float[Array, ""], V: Float[Array, " 2"], nodes: int
    ) -> LabelMoments:
        along, outer = self.omega(_MANY * nodes, False)
        omega = jnp.sqrt(q) * along, jnp.zeros(1)
        return self._averaged(omega, outer[:, None], V, total(q, V[0]), nodes)

    def opening(self, q: Float[Array, ""], V: Float[Array, " 2"], nodes: int) -> Float[Array, ""]:
        along, outer = self.omega(_MANY * nodes, False)
        rho = total(q, V[0])
        y, step = self._nodes(rho, nodes)

        def slope(shift: Array) -> tuple[Array, Array]:
            found = self.likelihoods(jnp.sqrt(q) * along, shift[None], V, y, rho, nodes)
            return found.across, found.values

        _, bend, value = jax.jvp(slope, (jnp.zeros(()),), (jnp.ones(()),), has_aux=True)
        return step * jnp.sum(outer @ over(bend**2, value)[:, 0])

    def panel_nodes(self, nodes: int) -> int:
        """8 reach 1e-7 at V_+ = 0.01, V_- = 0.1; 11 more."""
        return {ORDER: 8, FINE_ORDER: 11}.get(nodes, max(nodes // 2, 6))

    def rows(self) -> int:
        """Few: a point takes some hundredths of a second."""
        return 4

    def known(self, rho: Any) -> KnownLabels:
        """The noise alone is left."""
        return KnownLabels(-normal_entropy(jnp.asarray(self.delta)), self.delta, sharp=False)

    def _nodes(self, rho: Array, nodes: int) -> tuple[Array, Array]:
        """Nodes of y, and their distance."""
        low, high = self.span(rho)
        margin = _NOISE_REACH * jnp.sqrt(self.delta)
        return jnp.linspace(low - margin, high + margin, finer(self.outputs, nodes), retstep=True)

    def _averaged(
        self, omega: tuple[Array, Array], weight: Any, V: Array, rho: Array, nodes: int
    ) -> LabelMoments:
        y, step = self._nodes(rho, nodes)
        value, along, across = self.likelihoods(*omega, V, y, rho, nodes)

        def averaged(x: Array) -> Array:
            return step * jnp.sum(weight * jnp.sum(x, axis=-1))

        return LabelMoments(
            snr=jnp.stack([averaged(over(slope**2, value)) for slope in (along, across)]),
            potential=averaged(entropy_density(value)),
            square=averaged(y**2 * value),
            predicted=jnp.sum(weight * (step * (value @ y)) ** 2),
        )


class SmoothLabels(AbstractNoisySum):
    """y = h(z_1) + h(z_2) + N(0, delta) for a smooth h.

    Args:
        hidden: a channel whose function is h.
        delta: variance of the noise.
        outputs: nodes of y.
        fields: nodes of z_+, and of z_-.
    """

    hidden: AbstractFunctionChannel
    delta: Any
    outputs: int = eqx.field(static=True)
    fields: int = eqx.field(static=True)
    units: int = eqx.field(static=True, default=2)

    def likelihoods(
        self,
        along: Float[Array, " n"],
        across: Float[Array, " m"],
        V: Float[Array, " 2"],
        y: Float[Array, " y"],
        rho: Float[Array, ""],
        nodes: int,
    ) -> Likelihoods:
        plus, weight, slope = self._along(along, V[0], rho, nodes)
        half = finer(self.fields, nodes) // 2
        minus = jnp.linspace(-REACH, REACH, 2 * half + 1) * jnp.sqrt(rho)
        right = minus[half:]  # the sum of the units is even in z_-
        first, second = (plus[:, None] + right) / np.sqrt(2), (plus[:, None] - right) / np.sqrt(2)
        both = self.hidden.evaluate(first) + self.hidden.evaluate(second)
        density = jnp.exp(log_normal(y - both[..., None], jnp.asarray(self.delta)))

        def folded(x: Array) -> Array:
            return x[:, half:].at[:, 1:].add(x[:, half - 1 :: -1])

        inner, tilt = (folded(x) for x in _kernel(minus, across, V[1]))
        seen, tilted = (jnp.einsum("mb,aby->amy", x, density) for x in (inner, tilt))
        pairs = ((weight, seen), (slope, seen), (weight, tilted))
        return Likelihoods(*(jnp.einsum("na,amy->nmy", a, b) for a, b in pairs))

    def _along(self, omega: Array, V: Array, rho: Array, nodes: int) -> tuple[Array, Array, Array]:
        """Nodes of z_+, weights for every omega_+ and their slopes.

        A uniform grid, or where V is too small for it a few nodes around every omega_+.
        """
        count, few = len(omega), _AROUND
        size = max(2 * (_MANY * finer(self.fields, nodes) // 2) + 1, few * count)
        grid = jnp.linspace(-REACH, REACH, size) * jnp.sqrt(rho)
        xi, share = np.polynomial.hermite_e.hermegauss(few)
        share = share / share.sum()
        padding = size - few * count
        around = (jnp.asarray(omega)[:, None] + jnp.sqrt(V) * xi).ravel()
        blocks = [np.kron(np.eye(count), x) for x in (share, share * xi)]
        weight, tilt = (np.pad(x, ((0, 0), (0, padding))) for x in blocks)
        near = jnp.pad(around, (0, padding)), weight, tilt / jnp.sqrt(V)
        steep = 2 * jax.grad(self.hidden.evaluate)(0.0) ** 2 / self.delta
        far = (grid, *_kernel(grid, jnp.asarray(omega), V))
        narrow = V * steep < _NARROW
        plus, weight, slope = (jnp.where(narrow, a, b) for a, b in zip(near, far, strict=True))
        return plus, weight, slope

    def span(self, rho: Float[Array, ""]) -> tuple[Any, Any]:
        ends = self.hidden.evaluate(REACH * jnp.sqrt(rho) * np.array([-1.0, 1.0]))
        return 2 * jnp.min(ends), 2 * jnp.max(ends)

    def omega(self, nodes: int, half: bool) -> tuple[np.ndarray, np.ndarray]:
        return trapezoid(finer(self.fields // (6 if half else 3), nodes), half)

    def finest(self) -> tuple[float, float]:
        """Any V_+; V_- until the grid across is too coarse."""
        return 0.0, _FINEST


class RectifiedLabels(AbstractNoisySum):
    """y = max(0, z_1) + max(0, z_2) + N(0, delta).

    Args:
        delta: variance of the noise.
        outputs: nodes of y.
    """

    delta: Any
    outputs: int = eqx.field(static=True)
    units: int = eqx.field(static=True, default=2)

    def likelihoods(
        self,
        along: Float[Array, " n"],
        across: Float[Array, " m"],
        V: Float[Array, " 2"],
        y: Float[Array, " y"],
        rho: Float[Array, ""],
        nodes: int,
    ) -> Likelihoods:
        own, cross = 0.5 * (V[0] + V[1]), 0.5 * (V[0] - V[1])
        matrix = jnp.stack([jnp.stack([own, cross]), jnp.stack([cross, own])])
        few = 2 * nodes + 4 if across.shape[0] == 1 else nodes + 2

        def at(plus: Array) -> Likelihoods:
            omega = jnp.stack([plus + across, plus - across])[..., None] / np.sqrt(2)
            parts = jax.vmap(lambda s: _quadrant(s, omega, matrix, y, self.delta, few))(_QUADRANTS)
            value, first, second = (jnp.sum(x, axis=0) for x in parts)
            return Likelihoods(value, (first + second) / np.sqrt(2), (first - second) / np.sqrt(2))

        return jax.lax.map(at, jnp.asarray(along), batch_size=_ROWS)

    def span(self, rho: Float[Array, ""]) -> tuple[Any, Any]:
        return 0.0, np.sqrt(2) * REACH * jnp.sqrt(rho)

    def omega(self, nodes: int, half: bool) -> tuple[np.ndarray, np.ndarray]:
        return line(nodes, half)

    def finest(self) -> tuple[float, float]:
        """Until panels of omega are too coarse for the kinks, or z given y too correlated."""
        return _FINEST / _MANY**2, _FINEST


def _quadrant(
    signs: Array, omega: Array, V: Array, y: Array, delta: Any, nodes: int
) -> tuple[Array, Array, Array]:
    """The density of y and of fields with these signs, and its slopes in omega_1 and omega_2.

    There y is u . z + noise, u_l = 1 for positive fields; z given y is Gaussian again.
    """
    u = 0.5 * (1 + signs)
    spread = V @ u
    seen = u @ spread + delta
    gain = spread / seen
    away = y - u[0] * omega[0] - u[1] * omega[1]
    rest = V - jnp.outer(spread, gain)
    width = jnp.sqrt(jnp.diagonal(rest))
    r = signs[0] * signs[1] * rest[0, 1] / (width[0] * width[1])
    h, k = (signs[a] * (omega[a] + gain[a] * away) / width[a] for a in range(2))
    density = jnp.exp(log_normal(away, seen))
    both = bivariate_normal_cdf(h, k, r, nodes)
    slopes = bivariate_normal_slopes(h, k, r)
    at_h, at_k = (x * s / w for x, s, w in zip(slopes, signs, width, strict=True))
    slopes = []
    for a in range(2):
        # omega_a moves y's mean by u_a, and with it the mean of z given y
        moved = [float(a == b) - gain[b] * u[a] for b in range(2)]
        shift = at_h * moved[0] + at_k * moved[1]
        slopes.append(density * (u[a] * away / seen * both + shift))
    return density * both, slopes[0], slopes[1]


def _kernel(z: Array, omega: Array, V: Array) -> tuple[Array, Array]:
    """Weights of an average over N(omega, V) on a uniform grid of z, and their slopes in omega."""
    away = z - omega[:, None]
    weight = (z[1] - z[0]) * jnp.exp(log_normal(away, V))
    return weight, away / V * weight


def noisy_sum(hidden: AbstractFunctionChannel, delta: Any, rho: float) -> AbstractNoisySum:
    """The labels of two units, on grids as fine as the noise asks for.

    Args:
        hidden: ReLU(), or a channel of a smooth function.
        delta: variance of the noise; where it is not known yet, grids are for one of 0.1 rho.
        rho: variance of the fields.
    """
    noise = float(delta) if isinstance(delta, float) else 0.1 * rho
    wide = (rho / noise) ** 0.5
    low, high = (float(x) for x in hidden.evaluate(REACH * rho**0.5 * jnp.array([-1.0, 1.0])))
    if isinstance(hidden, ReLU):
        outputs = _rounded(_PER_NOISE * (REACH * 2**0.5 * wide + 14))
        return RectifiedLabels(delta=delta, outputs=outputs)
    outputs = _rounded(_PER_NOISE * (2 * (high - low) / noise**0.5 + 14))
    slope = float(jax.grad(hidden.evaluate)(0.0))
    fields = _rounded(_PER_WIDTH * (1 / _FINEST + 2 * (slope * wide) ** 2) ** 0.5)
    return SmoothLabels(hidden=hidden, delta=delta, outputs=outputs, fields=fields)


def _rounded(count: float) -> int:
    """A multiple of 16, so that few programs serve many noises."""
    return 16 * int(np.ceil(count / 16))

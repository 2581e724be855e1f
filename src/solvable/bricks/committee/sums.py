"""Labels made of a sum of K units, h(z_1) + ... + h(z_K), by its characteristic function.

Across (1, ..., 1) fields vary by V_-, so that with S = sum_l (z_l - omega_l) they are independent
but for a factor exp(-a S^2 / 2), a = (1 / V_+ - 1 / V_-) / K, which is an average of exp(i k S):

    E exp(i t sum_l h(z_l)) = sqrt(V_- / V_+) int dk N(k; 0, a) exp(-i k sum_l omega_l)
                              prod_l phi(t, k, omega_l),
    phi(t, k, m) = int dz N(z; m, V_-) exp(i t h(z) + i k z),

where |phi| <= 1, and phi is one product of matrices for all means. Where V_+ > V_- fields are
independent given a common shift of variance (V_+ - V_-) / K instead. Of a noisy sum the density is
the Fourier integral over t, times exp(-t^2 delta / 2); of the sign of a sum within [-T, T] the law
is its average with the Fourier series of a square wave of period 2T, at odd multiples of pi / T.
Trapezoidal rules in z (for smooth h), k, t and y converge exponentially.
"""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float
from scipy.special import erfc

from solvable.bricks.channels.noisy_function import AbstractFunctionChannel
from solvable.bricks.channels.relu import ReLU
from solvable.bricks.committee.averages import AbstractAveragedLabels, Likelihoods
from solvable.bricks.committee.labels import KnownLabels
from solvable.bricks.committee.nodes import REACH, few, finer, trapezoid
from solvable.core.quadrature import nodes_between
from solvable.core.special import log_normal, normal_entropy

_FINEST = 0.03  # V_- that grids resolve, where rho is 1
_MARGIN = 6.5  # of y, in widths of the noise; exp(-6.5^2 / 2) = 7e-10
_SHARES = 24  # nodes of a common real shift: to 1e-9 where V_+ = 3 V_-, to 1e-4 where 9 V_-
_ROWS = 32  # means at once
_ALMOST = 1e-9  # a and c, relative, where V_+ is V_-
_PER_NOISE = 1.4  # nodes of y in sqrt(delta)
_PER_WIDTH = 4.8  # nodes of a mean in a width, times its range
_BEYOND = 1.3  # half a period of a square wave, over the largest sum, where a density may end
_LAST = 60.0  # t of a series, times the height of h: a density's kinks are as far from its sign
_FLAT = 4.0  # steepness of the end of a series


class Spectrum(NamedTuple):
    """Z_y = base + Re sum_t c_y(t) E exp(i t sum h), with c = real - i imaginary.

    Attributes:
        t: frequencies, >= 0.
        labels: values or nodes of y.
        weights: of the integral over y; ones for labels.
        base: Z_y of no frequencies.
        real: of c, one column for every y.
        imaginary: of -c.
    """

    t: Float[Array, " t"]
    labels: Float[Array, " y"]
    weights: Float[Array, " y"]
    base: Float[Array, " y"]
    real: Float[Array, "t y"]
    imaginary: Float[Array, "t y"]


class SumLabels(AbstractAveragedLabels):
    """y = sum_l h(z_l) + N(0, delta), or y = sign(sum_l h(z_l)) where delta is None.

    Args:
        units: K >= 2.
        hidden: a channel whose function is h; under a sign smooth, increasing, odd and bounded.
        delta: variance of the noise, > 0, or None.
        slope: the largest of h, whose least is >= 0.
        kinked: whether h is max(0, .).
        sizes: how many nodes.
    """

    units: int = eqx.field(static=True)
    hidden: AbstractFunctionChannel
    delta: Any
    slope: float = eqx.field(static=True)
    kinked: bool = eqx.field(static=True)
    sizes: "Sizes" = eqx.field(static=True)

    def likelihoods(
        self,
        omega: Float[Array, "n K"],
        V: Float[Array, " 2"],
        rho: Float[Array, ""],
        nodes: int,
        alike: bool,
    ) -> Likelihoods:
        spectrum = self._spectrum(rho, nodes)

        def narrow(omega: Array, V: Array) -> tuple[Array, Array]:
            k, weight = self._tilts(spectrum.t, V, rho, nodes, alike)
            return self._transform(omega, V[1], spectrum.t, jnp.zeros(1), k, weight, rho, nodes)

        def wide(omega: Array, V: Array) -> tuple[Array, Array]:
            c = jnp.maximum((V[0] - V[1]) / self.units, _ALMOST * V[1])
            xi, share = np.polynomial.hermite_e.hermegauss(_SHARES)
            shift, one = jnp.sqrt(c) * xi, jnp.ones((len(spectrum.t), 1))
            weight = (share / share.sum())[:, None, None] * one
            return self._transform(omega, V[1], spectrum.t, shift, 0 * one, weight, rho, nodes)

        if alike:
            value, slope = narrow(omega, V)
        else:
            value, slope = jax.lax.cond(V[0] > V[1], wide, narrow, omega, V)

        def seen(x: Array) -> Array:
            return x.real @ spectrum.real + x.imag @ spectrum.imaginary

        return Likelihoods(
            spectrum.labels, spectrum.weights, spectrum.base + seen(value), seen(slope)
        )

    def along(self, nodes: int) -> tuple[np.ndarray, np.ndarray]:
        half = not self.kinked
        size = finer(self.sizes.means, nodes)
        return trapezoid(size // 2 + 1 if half else size, half)

    def center(
        self, q: Float[Array, ""], V: Float[Array, " 2"], nodes: int
    ) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
        along, weight = trapezoid(finer(2 * self.sizes.means, nodes))
        return jnp.sqrt(q / self.units) * along, jnp.asarray(weight)

    def panel_nodes(self, nodes: int) -> int:
        return few(nodes)

    def rows(self) -> int:
        """One: a point takes a tenth of a second and more."""
        return 1

    def finest(self) -> tuple[float, float]:
        return (_FINEST / 3 if self.kinked else 0.0), _FINEST

    def known(self, rho: Any) -> KnownLabels:
        if self.delta is None:
            return KnownLabels(jnp.zeros(()), jnp.zeros(()))
        return KnownLabels(-normal_entropy(jnp.asarray(self.delta)), self.delta, sharp=False)

    # ---- nodes

    def _spectrum(self, rho: Array, nodes: int) -> Spectrum:
        low, high = self.span(rho)
        count = finer(self.sizes.times, nodes)
        if self.delta is None:
            place = np.arange(count) + 0.5
            t = 2 * np.pi * place / (_BEYOND * high)
            wave = 0.5 * erfc(_FLAT * (2 * place / count - 1)) / (np.pi * place)
            y = np.array([1.0, -1.0])
            return Spectrum(
                t,
                jnp.asarray(y),
                jnp.ones(2),
                jnp.full(2, 0.5),
                jnp.zeros((count, 2)),
                jnp.asarray(wave[:, None] * y),
            )
        width = jnp.sqrt(self.delta)
        period = high - low + 2 * _MARGIN * width
        t = 2 * np.pi / period * np.arange(count)
        size = finer(self.sizes.outputs, nodes)
        step = period / size
        y = low - _MARGIN * width + step * (np.arange(size) + 0.5)
        share = 2 / period * jnp.exp(-0.5 * t**2 * self.delta)
        share = share.at[0].multiply(0.5)[:, None]
        angle = t[:, None] * y
        return Spectrum(
            t,
            y,
            jnp.full(size, step),
            jnp.zeros(size),
            share * jnp.cos(angle),
            share * jnp.sin(angle),
        )

    def span(self, rho: Array) -> tuple[Any, Any]:
        """The least and the largest sum of fields of variance rho."""
        width = REACH * jnp.sqrt(rho)
        if self.kinked:  # one of K fields, or all of them, a sum of squares away
            return 0.0, np.sqrt(self.units) * width
        ends = self.hidden.evaluate(width * np.array([-1.0, 1.0]))
        return self.units * ends[0], self.units * ends[1]

    def _tilts(
        self, t: Array, V: Array, rho: Array, nodes: int, alike: bool
    ) -> tuple[Array, Array]:
        """k for every t, and weights of its average; none where all phi are negligible."""
        a = jnp.maximum((V[1] / V[0] - 1) / self.units, _ALMOST) / V[1]
        full = REACH * jnp.sqrt(a)
        low, high = -full, full * jnp.ones_like(t)
        if self.kinked:
            low = low * jnp.ones_like(t)
        else:
            own = REACH / jnp.sqrt(self.units * V[1])
            low, high = jnp.maximum(low, -own - self.slope * t), jnp.minimum(high, own)
        size = finer(self.sizes.many if alike else self.sizes.tilts, nodes)
        part = np.arange(size) + 0.5
        step = ((high - low) / size)[:, None]
        k = low[:, None] + step * part
        norm = jnp.sqrt(V[1] / (2 * np.pi * V[0] * a))
        return k, (step * norm * jnp.exp(-0.5 * k**2 / a))[None]

    def _fields(self, rho: Array, nodes: int) -> tuple[Array, Array]:
        """Nodes of z, and weights."""
        size = finer(self.sizes.fields, nodes)
        scale = jnp.sqrt(rho)
        if not self.kinked:
            z = scale * np.linspace(-REACH, REACH, size)
            return z, jnp.full(size, z[1] - z[0])
        edges = np.array([-REACH, 0.0, REACH])
        z, weight = nodes_between(jnp.asarray(edges), size // 2)
        return scale * z, scale * weight

    # ---- transforms

    def _transform(
        self,
        omega: Float[Array, "n K"],
        V: Float[Array, ""],
        t: Float[Array, " t"],
        shift: Float[Array, " d"],
        k: Float[Array, "t k"],
        weight: Float[Array, "d t k"],
        rho: Float[Array, ""],
        nodes: int,
    ) -> tuple[Complex[Array, "n t"], Complex[Array, "n K t"]]:
        """E exp(i t sum_l h(z_l)) and its slopes in omega, averaged over shifts and tilts."""
        z, volume = self._fields(rho, nodes)
        angle = (t * self.hidden.evaluate(z)[:, None])[..., None] + z[:, None, None] * k
        waves = jnp.concatenate([jnp.cos(angle), jnp.sin(angle)], axis=-1).reshape(len(z), -1)
        # half of V first: what is left is smooth, on a grid that h has no part in
        size, V = finer(self.sizes.grid, nodes), 0.5 * V
        grid = jnp.sqrt(rho) * np.linspace(-REACH, REACH, size)
        table = (volume * jnp.exp(log_normal(z - grid[:, None], V))) @ waves
        step = grid[1] - grid[0]

        def at(omega: Array) -> tuple[Array, Array]:
            away = grid - (omega[:, None] + shift)[..., None]
            kernel = step * jnp.exp(log_normal(away, V))

            def phi(x: Array) -> Array:
                parts = (x @ table).reshape(*x.shape[:-1], len(t), 2, -1)
                return jax.lax.complex(parts[..., 0, :], parts[..., 1, :])

            value, slope = phi(kernel), phi(kernel * away / V)
            slope = slope - 1j * k * value
            turn = k * jnp.sum(omega)
            total = weight * jax.lax.complex(jnp.cos(turn), -jnp.sin(turn))
            product, slopes = _products(value, slope, total)
            return jnp.sum(product, axis=(0, -1)), jnp.sum(slopes, axis=(1, -1))

        return jax.lax.map(at, omega, batch_size=_ROWS)


def _products(value: Array, slope: Array, total: Array) -> tuple[Array, Array]:
    """total prod_l value_l, and that with slope_l in place of value_l for every l."""
    before = [total]
    for one in value[:-1]:
        before.append(before[-1] * one)
    after, slopes = jnp.ones_like(total), []
    for a, one, tilt in zip(before[::-1], value[::-1], slope[::-1], strict=True):
        slopes.append(a * after * tilt)
        after = after * one
    return total * after, jnp.stack(slopes[::-1])


class Sizes(NamedTuple):
    """Numbers of nodes, at 8 nodes a panel of other quadratures.

    Attributes:
        times: of t.
        tilts: of k.
        many: the same where units are alike.
        fields: of z.
        grid: of means of z.
        outputs: of y.
        means: along (1, ..., 1).
    """

    times: int
    tilts: int
    many: int
    fields: int
    grid: int
    outputs: int
    means: int


def sum_labels(units: int, hidden: AbstractFunctionChannel, delta: Any, rho: float) -> SumLabels:
    """The labels of K units, on grids as fine as the noise asks for.

    Args:
        units: K.
        hidden: ReLU(), or a channel of an odd, smooth and increasing function.
        delta: variance of the noise, None for the sign of the sum; where it is not known yet,
            grids are for one of 0.1 rho.
        rho: variance of the fields.
    """
    width = rho**0.5
    noise = float(delta) if isinstance(delta, float) else 0.1 * rho
    slope = float(jax.grad(lambda z: hidden.evaluate(z))(1e-9 * width))
    ends = np.asarray(hidden.evaluate(REACH * width * jnp.array([-1.0, 1.0])))
    kinked = isinstance(hidden, ReLU)
    if delta is None:
        end, outputs = _LAST / float(ends[1]), 2
        period = _BEYOND * units * float(ends[1])
    else:
        top = units**0.5 * ends[1] if kinked else units * (ends[1] - ends[0])
        period = float(top) + 2 * _MARGIN * noise**0.5
        end = 6.8 / noise**0.5
        outputs = int(_PER_NOISE * period / noise**0.5)
    times = int(np.ceil(end * period / (2 * np.pi)))
    if kinked:
        tilts, many = 48, 144
    else:
        tilts, many = 36, int(14 + 0.16 * REACH * slope * end * (units * rho) ** 0.5)
    grid = 2 * REACH * width
    wave = 2 * slope * end + 2 * REACH / (_FINEST * rho) ** 0.5
    fields = int(grid * wave / (2 * np.pi) * (np.pi / 2 if kinked else 1)) + 8
    grid = int(grid / (0.6 * (_FINEST * rho) ** 0.5))
    means = 64
    if delta is not None:
        means = int(_PER_WIDTH * (1 / _FINEST + 2 * slope**2 * rho / noise) ** 0.5)
    return SumLabels(
        units=units,
        hidden=hidden,
        delta=delta,
        slope=slope,
        kinked=kinked,
        sizes=Sizes(times, tilts, many, fields, grid, outputs, means),
    )

"""The spectrum of a Wishart matrix in Gaussian noise, and what it tells of the matrix.

S = W W^T / k with W of shape (d, k), iid N(0, 1), k = kappa d, is seen as Y = S + sqrt(t) Z, where
Z is symmetric with entries N(0, 1 / d), N(0, 2 / d) on the diagonal. The law mu of the
eigenvalues of Y has the resolvent g(y) = E 1 / (y - lambda), with

    y = 1 / g + kappa / (kappa - g) + t g,

a cubic in g, whose root on the support is a - i pi mu(y). The best estimate of S has the
eigenvectors of Y and the eigenvalues y - 2 t a, which the cubic turns into

    kappa^2 / |kappa - g|^2,

positive and without a difference of large numbers (Bun et al. 2016). Its error and the information
(Maillard et al. 2022) are

    lim E |S - S_hat|^2 / d = t (1 - t F),  F = 4 pi^2 / 3 int mu^3,
    lim I(S; Y) / d^2 = [E ln |y - y'| - ln(t) / 2 + 1 / 4] / 2.
"""

from typing import Any, Final, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from solvable.core.quadrature import ORDER

Scalar = Float[Array, ""]


class NoisyWishart(NamedTuple):
    """Nodes of a quadrature over the spectrum of Y.

    Attributes:
        kappa: k / d.
        t: variance of the noise.
        y: nodes, shape (n,).
        width: weights of an integral over y.
        real: a, the real part of the resolvent.
        density: mu.
        modulus: |g|^2.
    """

    kappa: Any
    t: Any
    y: Float[Array, " n"]
    width: Float[Array, " n"]
    real: Float[Array, " n"]
    density: Float[Array, " n"]
    modulus: Float[Array, " n"]

    def average(self, values: Float[Array, " n"]) -> Scalar:
        """int f mu dy."""
        return jnp.sum(values * self.density * self.width)

    def fisher_information(self) -> Scalar:
        """F = 4 pi^2 / 3 int mu^3, 1 / t without a signal."""
        return 4 * jnp.pi**2 / 3 * jnp.sum(self.density**3 * self.width)

    def error(self) -> Scalar:
        """lim E |S - S_hat|^2 / d, from 1 / kappa at t = inf to 0.

        It is E S_hat (Y - S_hat), whose digits are not lost where the rank of S is low, or where t
        is so large that little is known, 1 / kappa - overlap.
        """
        far = _distance(self.kappa, self.real, self.modulus)
        known = 2 * self.t * self.average(self.kappa**2 / far * self.real)
        unsure = self.t * self.kappa * jnp.minimum(self.kappa, 1) > _UNSURE
        return jnp.where(unsure, 1 / self.kappa - self.overlap(), known)

    def overlap(self) -> Scalar:
        """lim |S_hat - 1|^2 / d, from 0 at t = inf to 1 / kappa."""
        far = _distance(self.kappa, self.real, self.modulus)
        return self.average(((2 * self.kappa * self.real - self.modulus) / far) ** 2)

    def information(self) -> Scalar:
        """lim I(S; Y) / d^2 in nats."""
        far = _distance(self.kappa, self.real, self.modulus)
        a, s = self.real, self.modulus
        # ln |y - y'| averaged over y' is the real part of the integral of g dy = d(g y) - y dg
        log = a * self.y - 1 - jnp.log(s) / 2 - self.t * (a**2 - s / 2)
        log = log + self.kappa / 2 * jnp.log(far / self.kappa**2)
        return (self.average(log) - jnp.log(self.t) / 2 + 0.25) / 2


def noisy_wishart(kappa: Any, t: Any, nodes: int) -> NoisyWishart:
    """The law of Y by a double exponential quadrature between the exact edges of its support.

    For kappa < 1 the zero eigenvalues of S part from the others at t = (1 - kappa^(1/3))^3 /
    kappa^2; above, the density has a neck there. Pieces meet at the neck and at 0.

    Args:
        kappa: k / d > 0.
        t: variance of the noise, > 0.
        nodes: a fourteenth, about, of the nodes of each of three pieces.
    """
    kappa, t = jnp.asarray(kappa), jnp.asarray(t)
    ends = _pieces(kappa, t)
    left, right = _double_exponential(nodes)
    from_low, from_high, weight = (jnp.asarray(x) for x in (left, right, _weights(nodes)))
    low, high = ends[:, :1], ends[:, 1:]
    length = high - low
    # from the nearer end, so that the distance to an edge keeps its digits
    y = jnp.where(from_low < from_high, low + length * from_low, high - length * from_high)
    y, width = y.ravel(), (length * weight).ravel()
    a, b, s = resolvent(kappa, t, y)
    return NoisyWishart(kappa, t, y, width, a, b / jnp.pi, s)


def resolvent(
    kappa: Any, t: Any, y: Float[Array, " n"]
) -> tuple[Float[Array, " n"], Float[Array, " n"], Float[Array, " n"]]:
    """a, b >= 0 and |g|^2 of g = a - i b at eigenvalues y on the support.

    Args:
        kappa: k / d > 0.
        t: variance of the noise, > 0.
        y: shape (n,).
    """
    kappa, t, y = jnp.asarray(kappa), jnp.asarray(t), jnp.asarray(y)
    root = jax.lax.stop_gradient(_real_root(kappa, t, y))
    s = kappa / (t * root)
    # two sums of the roots; the one whose terms are smaller
    product, total = s / kappa * (1 - kappa + y * kappa - t * s), kappa + y / t - root
    product_size = s / kappa * (1 + jnp.abs(y) * kappa)
    a = jnp.where(product_size < kappa + jnp.abs(y) / t + root, product, total) / 2
    b = jnp.sqrt(jnp.maximum(s - a**2, 0.0))
    g = jax.lax.stop_gradient(a - 1j * b)
    for _ in range(_POLISH):
        slope = -1 / g**2 + kappa / (kappa - g) ** 2 + t
        step = (1 / g + kappa / (kappa - g) + t * g - y) / slope
        settles = (b > 0) & (jnp.abs(step) < 0.3 * jnp.abs(g))
        g = g - jnp.where(settles, jnp.where(settles, step, 0.0), 0.0)
    a, b = g.real, jnp.maximum(-g.imag, 0.0)
    return a, b, a**2 + b**2


@jax.jit
def unexplained(kappa: Any, t: Any) -> Scalar:
    """kappa lim E |S - S_hat|^2 / d: the share of the variance of S that Y does not explain.

    Args:
        kappa: k / d > 0.
        t: variance of the noise, > 0.
    """
    return kappa * noisy_wishart(kappa, t, ORDER).error()


@jax.jit
def shrunk(kappa: Any, t: Any, y: Float[Array, " n"]) -> Float[Array, " n"]:
    """Eigenvalues of the best estimate of S, y - 2 t a = kappa^2 / |kappa - g|^2, at those of Y.

    Eigenvalues of finite matrices may be beside the support. There the estimate goes on with slope
    one, as it does far away, or straight across a gap; the resolvent's own continuation has
    infinite slope at an edge, which would keep an iteration from coming to rest.

    Args:
        kappa: k / d > 0.
        t: variance of the noise, > 0.
        y: shape (n,).
    """
    kappa, t, y = jnp.asarray(kappa), jnp.asarray(t), jnp.asarray(y)
    edges = _edges(kappa, t)
    at = jnp.array(edges[:4])
    low, outer, inner, high = _level(kappa, t, at)
    f_low, f_outer, f_inner, f_high = (kappa / (kappa - at)) ** 2
    a, _, s = resolvent(kappa, t, jnp.clip(y, low, high))
    found = kappa**2 / _distance(kappa, a, s)
    across = f_outer + (f_inner - f_outer) * (y - outer) / (inner - outer)
    found = jnp.where(edges.splits & (y > outer) & (y < inner), across, found)
    found = jnp.where(y < low, jnp.maximum(f_low + y - low, 0.0), found)
    return jnp.where(y > high, f_high + y - high, found)


def splitting_noise(kappa: Any) -> Any:
    """The variance t below which the support of Y has two parts; 0 for kappa >= 1."""
    return jnp.maximum(1 - jnp.cbrt(kappa), 0.0) ** 3 / kappa**2


def _distance(kappa: Any, a: Any, s: Any) -> Any:
    """|kappa - g|^2."""
    return kappa**2 - 2 * kappa * a + s


class _Edges(NamedTuple):
    """Real g at the edges of the support, from its lower to its upper end.

    There dy / dg = 0, -1 / g^2 + kappa / (kappa - g)^2 + t = 0: once in (-inf, 0), once in (0,
    kappa), and where the support has two parts once on either side of `neck`, kappa / (1 -
    kappa^(1/3)), at which dy / dg is least. The inner two mean nothing where it has one part.
    """

    lower: Array
    outer: Array
    inner: Array
    upper: Array
    neck: Array
    splits: Array


def _edges(kappa: Array, t: Array) -> _Edges:
    highest = 1 / jnp.sqrt(t)
    root = jnp.where(kappa < 1, jnp.cbrt(kappa), 0.5)
    neck = kappa / (1 - root)
    found = _Edges(
        lower=-_bisected(lambda r: _edge(kappa, t, -r), jnp.zeros(()), highest),
        outer=_bisected(lambda g: _edge(kappa, t, g), neck, highest),
        inner=_bisected(lambda g: -_edge(kappa, t, g), kappa, neck),
        upper=_bisected(lambda g: _edge(kappa, t, g), jnp.zeros(()), jnp.minimum(highest, kappa)),
        neck=neck,
        splits=(kappa < 1) & (t < splitting_noise(kappa)),
    )
    return jax.lax.stop_gradient(found)


def _pieces(kappa: Array, t: Array) -> Float[Array, "3 2"]:
    """Ends of three pieces of the support, rising."""
    edges = _edges(kappa, t)
    low, outer, inner, high, y_neck = (_level(kappa, t, g) for g in edges[:5])
    # the density may have a peak at 0, as high as t is small
    peak = jnp.where(low < 0, 0.0, (low + high) / 2)
    has_neck = (kappa < 1) & (y_neck > peak) & (y_neck < high)
    y_neck = jnp.where(has_neck, y_neck, (peak + high) / 2)
    below, above = (jnp.where(edges.splits, y, y_neck) for y in (outer, inner))
    peak = jnp.where(edges.splits, (low + below) / 2, peak)
    return jnp.array([[low, peak], [peak, below], [above, high]])


def _edge(kappa: Array, t: Array, g: Array) -> Array:
    """g^2 (kappa - g)^2 dy / dg: positive inside the support for g > 0."""
    return kappa * g**2 - (kappa - g) ** 2 * (1 - jnp.sqrt(t) * g) * (1 + jnp.sqrt(t) * g)


def _level(kappa: Array, t: Array, g: Array) -> Array:
    return 1 / g + kappa / (kappa - g) + t * g


def _bisected(rising: Any, low: Any, high: Any) -> Array:
    """The root of a function that changes sign from below, by bisection to all digits."""

    def halve(_: int, ends: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = ends
        middle = (low + high) / 2
        above = rising(middle) > 0
        return jnp.where(above, low, middle), jnp.where(above, middle, high)

    low, high = jnp.broadcast_arrays(jnp.asarray(low), jnp.asarray(high))
    low, high = jax.lax.fori_loop(0, _HALVINGS, halve, (low, high))
    return (low + high) / 2


def _real_root(kappa: Array, t: Array, y: Array) -> Array:
    """The real root g of the cubic, above kappa, the only one on the support; to ten digits."""

    def halve(_: int, ends: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = ends
        g = jnp.sqrt(low) * jnp.sqrt(high)
        cubic = ((t * g - (t * kappa + y)) * g + (1 - kappa + y * kappa)) * g - kappa
        return jnp.where(cubic > 0, low, g), jnp.where(cubic > 0, g, high)

    # no root is larger than the sum of what its coefficients allow
    size = kappa + jnp.abs(y) / t + jnp.sqrt(jnp.abs(1 - kappa + y * kappa) / t)
    ends = jnp.broadcast_to(kappa, y.shape), 2 * size + jnp.cbrt(kappa / t)
    low, high = jax.lax.fori_loop(0, _ROUGH_HALVINGS, halve, ends)
    return jnp.sqrt(low) * jnp.sqrt(high)


def _double_exponential(nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Distances of the nodes to either end of an interval of length one."""
    s = np.pi * np.sinh(_taus(nodes))
    return 1 / (1 + np.exp(-s)), 1 / (1 + np.exp(s))


def _weights(nodes: int) -> np.ndarray:
    tau = _taus(nodes)
    left, right = _double_exponential(nodes)
    return np.pi * np.cosh(tau) * left * right * (tau[1] - tau[0])


def _taus(nodes: int) -> np.ndarray:
    return np.linspace(-_REACH, _REACH, 14 * nodes + 1)


_REACH: Final = 3.3  # the last node is 1e-18 of the interval from its end
_HALVINGS: Final = 160
_ROUGH_HALVINGS: Final = 45
_POLISH: Final = 4
_UNSURE: Final = 0.3

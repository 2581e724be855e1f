"""Gaussian tails in log space, accurate in every regime (tested against mpmath)."""

from functools import lru_cache
from typing import Any, Final

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import erf, erfc, ndtr
from jax.scipy.special import erfcx as _jax_erfcx
from jaxtyping import Array, Complex, Float

LOG_SQRT_2PI = float(0.5 * np.log(2 * np.pi))
SQRT_2 = float(np.sqrt(2.0))
LOG_2 = float(np.log(2.0))
_SQRT_2_OVER_PI = float(np.sqrt(2 / np.pi))
_SQRT_PI = float(np.sqrt(np.pi))
_ASYMPTOTIC = 26.0
_UNIT_NODES = tuple(
    0.5 * (x + shift) for x, shift in zip(np.polynomial.legendre.leggauss(10), (1, 0), strict=True)
)
_POLE = 3.0  # the half line t >= 0 becomes s = (t - 3) / (t + 3)


def erfcx(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """Scaled complementary error function exp(x^2) erfc(x).

    JAX 0.10 returns 0 on 26.543 < x < 26.642, where its erfc underflows; the asymptotic series is
    exact to 1e-17 from 26 on. Overflows to infinity below -26.6.
    """
    large = jnp.maximum(x, _ASYMPTOTIC)
    t = 1 / (2 * large**2)
    series = jnp.ones_like(t)
    for k in range(7, 0, -1):
        series = 1 - (2 * k - 1) * t * series
    asymptotic = series / (large * _SQRT_PI)
    return jnp.where(x > _ASYMPTOTIC, asymptotic, _jax_erfcx(jnp.minimum(x, _ASYMPTOTIC)))


@jax.custom_jvp
def log_ndtr(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """Log of the Gaussian distribution function, log Phi(x), for any x.

    Uses log Phi(x) = -x^2 / 2 + log(erfcx(-x / sqrt 2) / 2) for x < 0, so that no digit is lost in
    the tail. Its derivatives are those of `mills`, exact in the tails as well.

    Example:
        >>> float(log_ndtr(jnp.asarray(0.0)))
        -0.6931471805599453
    """
    negative = jnp.minimum(x, 0.0)
    positive = jnp.maximum(x, 0.0)
    tail = jnp.log(0.5 * erfcx(-negative / SQRT_2)) - 0.5 * negative**2
    return jnp.where(x < 0, tail, jnp.log1p(-0.5 * erfc(positive / SQRT_2)))


@log_ndtr.defjvp
def _log_ndtr_jvp(primals: tuple, tangents: tuple) -> tuple[Array, Array]:
    (x,), (dx,) = primals, tangents
    return log_ndtr(x), mills_ratio(x) * dx


def mills_ratio(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """phi(x) / Phi(x), the first derivative of log Phi."""
    return mills(x)[0]


def mills_excess(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """x + phi(x) / Phi(x), the mean of N(x, 1) kept above zero."""
    return mills(x)[1]


@jax.custom_jvp
def log_erfcx(u: Float[Array, "..."]) -> Float[Array, "..."]:
    """Log of erfcx(u) for any u, where erfcx itself overflows below -26."""
    low = jnp.minimum(u, 0.0)
    return jnp.where(u < 0, low**2 + jnp.log(erfc(low)), jnp.log(erfcx(jnp.maximum(u, 0.0))))


@log_erfcx.defjvp
def _log_erfcx_jvp(primals: tuple, tangents: tuple) -> tuple[Array, Array]:
    (u,), (du,) = primals, tangents
    return log_erfcx(u), -SQRT_2 * mills_excess(-SQRT_2 * u) * du


def log_normal(x: Float[Array, "..."], variance: Float[Array, "..."]) -> Float[Array, "..."]:
    """Log density of N(0, variance) at x."""
    return -0.5 * x**2 / variance - 0.5 * jnp.log(variance) - LOG_SQRT_2PI


def normal_density(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """Density of N(0, 1) at x."""
    return jnp.exp(-0.5 * x**2) / np.sqrt(2 * np.pi)


@jax.custom_jvp
def log_mills(x: Float[Array, "..."]) -> tuple[Float[Array, "..."], ...]:
    """log Phi(x), then the m, e and v of `mills`, from the same polynomials.

    The logarithm is exact to 1e-16, which for x > 0 is absolute; `log_ndtr` keeps its digits.
    """
    t = jnp.abs(x)
    w = 1 / (t + _POLE)
    s = 1 - 2 * _POLE * w
    excess = _polynomial(_EXCESS, s) * w
    ratio = t + excess
    exponent = -0.5 * t * t - LOG_SQRT_2PI
    density = jnp.exp(exponent)
    tail = density / ratio
    m = jnp.where(x < 0, ratio, density / (1 - tail))
    e = jnp.where(x < 0, excess, x + m)
    v = jnp.where(x < 0, _polynomial(_SPREAD, s) * w * w, 1 - m * e)
    return jnp.where(x < 0, exponent - jnp.log(ratio), jnp.log1p(-tail)), m, e, v


@log_mills.defjvp
def _log_mills_jvp(primals: tuple, tangents: tuple) -> tuple[tuple[Array, ...], tuple[Array, ...]]:
    (x,), (dx,) = primals, tangents
    log_mass, m, e, v = log_mills(x)
    return (log_mass, m, e, v), (m * dx, -m * e * dx, v * dx, m * (e * e - v) * dx)


def mills(x: Float[Array, "..."]) -> tuple[Float[Array, "..."], ...]:
    """Inverse Mills ratio and the moments of a Gaussian cut at zero.

    With m(x) = phi(x) / Phi(x), a variable z ~ N(x, 1) kept where z > 0 has mean e = x + m and
    variance v = 1 - m e. For x = -t < 0 both come from polynomials in (t - 3) / (t + 3), exact to
    rounding as far as t = infinity, which subtract nothing; x > 0 follows by reflection.

    Args:
        x: mean of the Gaussian before the cut, in units of its standard deviation.

    Returns:
        m, e and v, each of the shape of x.

    Example:
        >>> [float(f"{v:.7e}") for v in mills(jnp.asarray(-1e4))[1:]]
        [9.9999998e-05, 9.9999994e-09]
    """
    return log_mills(x)[1:]


def _polynomial(coefficients: tuple[float, ...], s: Float[Array, "..."]) -> Float[Array, "..."]:
    """A polynomial in Estrin's order, whose products do not wait for one another."""
    terms: list[Any] = list(coefficients)
    power = s
    while len(terms) > 1:
        odd = [*terms[1::2], 0.0][: len(terms[::2])]
        terms = [a + b * power for a, b in zip(terms[::2], odd, strict=True)]
        power = power * power
    return terms[0]


@jax.custom_jvp
def log_interval_mass(
    lower: Float[Array, "..."], upper: Float[Array, "..."]
) -> Float[Array, "..."]:
    """Log of Phi(upper) - Phi(lower) for lower < upper, both finite.

    Reflects to the negative half line, where the difference of two tails is taken in log space;
    an interval that holds zero is one minus two tails. Empty intervals give -inf.
    """
    a, b, _ = _reflected(lower, upper)
    outside = log_ndtr(jnp.minimum(b, 0.0)) + jnp.log(-jnp.expm1(_tail_gap(a, b)))
    tails = 0.5 * erfc(-a / SQRT_2) + 0.5 * erfc(b / SQRT_2)
    narrow = 0.5 * (erf(b / SQRT_2) - erf(a / SQRT_2))
    inside = jnp.where(b - a < 0.5, jnp.log(narrow), jnp.log1p(-tails))
    return jnp.where(b > a, jnp.where(b > 0, inside, outside), -jnp.inf)


def _reflected(lower: Array, upper: Array) -> tuple[Array, Array, Array]:
    """The interval moved so that its end nearer to zero is the upper one, and whether it was."""
    flip = lower > 0
    return jnp.where(flip, -upper, lower), jnp.where(flip, -lower, upper), flip


def _tail_gap(a: Array, b: Array) -> Array:
    """log Phi(a) - log Phi(b) for a < b <= 0, whose Gaussian parts are subtracted by hand."""
    a, b = jnp.minimum(a, 0.0), jnp.minimum(b, 0.0)
    return 0.5 * (b - a) * (b + a) + jnp.log(mills_ratio(b) / mills_ratio(a))


@log_interval_mass.defjvp
def _log_interval_mass_jvp(primals: tuple, tangents: tuple) -> tuple[Array, Array]:
    (lower, upper), (d_lower, d_upper) = primals, tangents
    value = log_interval_mass(lower, upper)
    a, b, flip = _reflected(lower, upper)
    da = jnp.where(flip, -d_upper, d_lower)
    db = jnp.where(flip, -d_lower, d_upper)
    possible, inside = value > -jnp.inf, b > 0
    # phi(b) / mass: in a tail from the Mills ratio, which keeps its digits
    mass = jnp.where(possible & inside, value, 0.0)
    gap = jnp.where(possible & ~inside, _tail_gap(a, b), -1.0)
    near_inside = jnp.exp(-0.5 * b**2 - LOG_SQRT_2PI - mass)
    near_outside = mills_ratio(jnp.minimum(b, 0.0)) / -jnp.expm1(gap)
    near = jnp.where(inside, near_inside, near_outside)
    far = jnp.where(
        inside,
        jnp.exp(-0.5 * a**2 - LOG_SQRT_2PI - mass),
        near_outside * jnp.exp(0.5 * jnp.where(inside, 0.0, (b - a) * (b + a))),
    )
    return value, jnp.where(possible, near, 0.0) * db - jnp.where(possible, far, 0.0) * da


def interval_moments(
    lower: Float[Array, "..."], upper: Float[Array, "..."]
) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    """Mean and variance of N(0, 1) kept on lower < u < upper, both finite.

    A short interval is integrated by Gauss-Legendre nodes, one in a tail is the tail from its near
    end minus that from its far end, one that holds zero is what two tails leave of the line.
    """
    a, b, flip = _reflected(lower, upper)
    width = jnp.maximum(b - a, 0.0)
    short = width * (1 + jnp.maximum(jnp.abs(a), jnp.abs(b))) < 1
    shift, spread = _interval_short(b, jnp.where(short, width, 0.0))
    held = ~short & (b > 0)
    mean = jnp.where(held, _interval_inside(a, b)[0], b - shift)
    variance = jnp.where(held, _interval_inside(a, b)[1], spread)
    tail = ~short & (b <= 0)
    far_shift, far_spread = _interval_tail(jnp.minimum(a, 0.0), jnp.minimum(b, 0.0))
    mean = jnp.where(tail, b - far_shift, mean)
    variance = jnp.where(tail, far_spread, variance)
    return jnp.where(flip, -mean, mean), variance


def _interval_short(b: Array, width: Array) -> tuple[Array, Array]:
    """Mean of b - u and variance of u on (b - width, b)."""
    at, weight = _UNIT_NODES
    t = width[..., None] * at
    density = weight * jnp.exp(b[..., None] * t - 0.5 * t**2)
    total = jnp.sum(density, axis=-1)
    mean = jnp.sum(density * t, axis=-1) / total
    return mean, jnp.sum(density * (t - mean[..., None]) ** 2, axis=-1) / total


def _interval_inside(a: Array, b: Array) -> tuple[Array, Array]:
    mass = 1 - 0.5 * erfc(-a / SQRT_2) - 0.5 * erfc(b / SQRT_2)
    mass = jnp.where(mass > 0, mass, 1.0)
    left, right = (jnp.exp(-0.5 * x**2 - LOG_SQRT_2PI) / mass for x in (a, b))
    mean = left - right
    return mean, 1 + a * left - b * right - mean**2


def _interval_tail(a: Array, b: Array) -> tuple[Array, Array]:
    """Mean of b - u and variance of u on a < u < b <= 0."""
    _, near, near_spread = mills(b)
    _, far, far_spread = mills(a)
    beyond = jnp.exp(_tail_gap(a, b))
    kept = jnp.where(beyond < 1, 1 - beyond, 1.0)
    width = b - a
    mean = (near - beyond * (far + width)) / kept
    square = (near_spread + near**2 - beyond * (far_spread + (far + width) ** 2)) / kept
    return mean, square - mean**2


def log_weighted_sum(
    exponent: Float[Array, "... n"], weight: Float[Array, "... n"]
) -> Float[Array, "..."]:
    """log sum_k weight_k exp(exponent_k) over the last axis, weights >= 0.

    Unlike logsumexp(..., b=weight), a weight that is zero keeps its derivative: the edge of a
    panel of zero width may be about to move.
    """
    top = jax.lax.stop_gradient(jnp.max(exponent, axis=-1))
    top = jnp.where(jnp.isfinite(top), top, 0.0)
    return top + jnp.log(jnp.sum(weight * jnp.exp(exponent - top[..., None]), axis=-1))


def log_cosh(x: Float[Array, "..."]) -> Float[Array, "..."]:
    """log cosh x without overflow."""
    a = jnp.abs(x)
    return a + jnp.log1p(jnp.exp(-2 * a)) - LOG_2


def normal_entropy(variance: Float[Array, "..."]) -> Float[Array, "..."]:
    """Differential entropy of N(0, variance) in nats."""
    return 0.5 * jnp.log(variance) + LOG_SQRT_2PI + 0.5


# Chebyshev interpolants, computed with 50 digits: e (t + 3) and v (t + 3)^2 in powers of s
_EXCESS: Final = (
    1.698591929582619,
    -0.8415387946870323,
    0.01716314677430632,
    0.18569957991779437,
    -0.0254347506413659,
    -0.054638605939386374,
    0.007699762312366097,
    0.018431224901082583,
    -0.0009428858500932676,
    -0.006371542699844622,
    -0.000634001799395571,
    0.0020435188249190487,
    0.0006121212185474808,
    -0.0005421214098819362,
    -0.00032286023209979984,
    9.176045306699747e-05,
    0.00012219278905425328,
    5.6370892708904375e-06,
    -3.274403624188381e-05,
    -1.0872383153234914e-05,
    4.900627113728245e-06,
    4.123099564933469e-06,
    3.291346578160098e-07,
    -8.161447791136567e-07,
    -3.7762732304500885e-07,
    6.569481670026715e-08,
    8.647340243223866e-08,
    2.079264046418629e-09,
    -7.521249659117823e-09,
)
_SPREAD: Final = (
    2.5401307242696523,
    -1.7174038829226737,
    -0.5056092994308231,
    0.8445373222363056,
    0.1460192765154661,
    -0.3740302095040192,
    -0.07512023882610303,
    0.1549928860282238,
    0.048857921873679294,
    -0.05737541080666726,
    -0.029452815793147433,
    0.017176794749172927,
    0.015005656375433935,
    -0.0030698156921432898,
    -0.006221243760577349,
    -0.00048624514928995865,
    0.001986670811881517,
    0.0006889692234918216,
    -0.000425613450575175,
    -0.00031181300874060945,
    3.0136861255374914e-05,
    7.861900491217403e-05,
    1.2942307813243377e-05,
    -6.154283447904879e-06,
    -2.149854106587424e-06,
    -3.0922387055032108e-06,
    -1.5936626137069058e-06,
    1.1400514588681637e-06,
    7.572178014850592e-07,
    -1.3203376177245528e-07,
    -1.0710915281668805e-07,
)


def bivariate_normal_cdf(
    h: Float[Array, "..."], k: Float[Array, "..."], r: Float[Array, ""], nodes: int = 24
) -> Float[Array, "..."]:
    """P(x < h, y < k) of standard normal variables of correlation r, |r| < 1."""
    return ndtr(h) * ndtr(k) + bivariate_normal_excess(h, k, r, nodes)


def bivariate_normal_slopes(
    h: Float[Array, "..."], k: Float[Array, "..."], r: Float[Array, ""]
) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    """Slopes of `bivariate_normal_cdf`, phi(h) Phi((k - r h) / sqrt(1 - r^2)) in h, and in k."""
    root = jnp.sqrt((1 - r) * (1 + r))
    return (
        normal_density(h) * ndtr((k - r * h) / root),
        normal_density(k) * ndtr((h - r * k) / root),
    )


def bivariate_normal_excess(
    h: Float[Array, "..."], k: Float[Array, "..."], r: Float[Array, ""], nodes: int = 24
) -> Float[Array, "..."]:
    """P(x < h, y < k) - Phi(h) Phi(k) of standard normal variables of correlation r, |r| < 1.

    The integral over the correlation up to r of the joint density at (h, k) (Plackett 1954), by
    Gauss-Legendre nodes in its arcsine, closer where that ends. It is the same at (-h, -k).
    """
    x, weight = np.polynomial.legendre.leggauss(nodes)
    left = 0.5 * (1 - x)
    angle = jnp.arcsin(r)
    theta, part = angle * (1 - left**2), angle * left * weight
    sine, cosine = jnp.sin(theta), jnp.cos(theta)
    h, k = jnp.broadcast_arrays(h, k)
    a, b = h[..., None], k[..., None]
    density = jnp.exp(-0.5 * ((a - b * sine) / cosine) ** 2 - 0.5 * b**2)
    return density @ part / (2 * np.pi)


def hermite(x: Any, degree: int) -> Any:
    """He_0, ..., He_degree of x, orthonormal under N(0, 1), along a new first axis.

    Args:
        x: an array, of numpy or JAX.
        degree: the highest.
    """
    xp = x.__array_namespace__()
    found = [xp.ones_like(x), x]
    for n in range(1, degree):
        found.append((x * found[n] - n**0.5 * found[n - 1]) / (n + 1) ** 0.5)
    return xp.stack(found[: degree + 1])


def complex_normal_cdf(z: Complex[Array, "..."]) -> Complex[Array, "..."]:
    """Phi(x + iy) exp(-y^2 / 2): the normal distribution function in the complex plane, damped.

    Phi(z) = erfc(-z / sqrt(2)) / 2 and erfc(s) = exp(-s^2) w(is), where w is the Faddeeva
    function by Weideman's rational approximation (1994), whose error is of order 1e-13.
    """
    x, y = -jnp.abs(z.real), jnp.where(z.real > 0, -z.imag, z.imag)
    s = -(x + 1j * y) / SQRT_2
    coefficients, scale = _weideman()
    ratio = (scale - s) / (scale + s)
    total = jnp.full_like(ratio, coefficients[0])
    for coefficient in coefficients[1:]:  # written out, one pass through memory
        total = total * ratio + coefficient
    w = 2 * total / (scale + s) ** 2 + 1 / (np.sqrt(np.pi) * (scale + s))
    left = 0.5 * jnp.exp(-0.5 * x**2 - 1j * x * y) * w
    return jnp.where(z.real > 0, jnp.exp(-0.5 * y**2) - left, left)


@lru_cache
def _weideman(terms: int = 36) -> tuple[np.ndarray, float]:
    """Coefficients, highest first, of Weideman's polynomial, and his scale L."""
    scale = float(np.sqrt(terms / np.sqrt(2)))
    theta = np.arange(-2 * terms + 1, 2 * terms) * np.pi / (2 * terms)
    t = scale * np.tan(theta / 2)
    values = np.concatenate([[0.0], np.exp(-(t**2)) * (scale**2 + t**2)])
    found = np.real(np.fft.fft(np.fft.fftshift(values))) / (4 * terms)
    return found[terms:0:-1], scale

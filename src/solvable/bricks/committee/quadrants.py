"""ln of a quadrant's probability with its two derivatives, in units of that probability.

Q(h, k; r) = P(x < h, y < k) of standard normal variables of correlation r. With s^2 = 1 - r^2 and
b = (k - r h) / s,

    dQ/dh = phi(h) Phi(b),   d2Q/dh dk = phi_2(h, k; r) = phi(h) phi(b) / s,
    d2Q/dh2 = -h dQ/dh - r phi_2(h, k; r).
"""

from typing import Final, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import ndtr
from jaxtyping import Array, Bool, Float

from solvable.core.special import bivariate_normal_excess, log_ndtr

_RARE: Final = 1e-9  # a probability below this is integrated anew, to keep its digits
_TAIL_NODES: Final = 20
_DROP: Final = 37.0  # e^-37 is rounding


class Quadrant(NamedTuple):
    """ln Q, and the slopes of Q over Q.

    Attributes:
        log: ln Q.
        first: dQ/dh and dQ/dk, over Q; shape (2, ...).
        second: d2Q/dh2, d2Q/dh dk and d2Q/dk2, over Q; shape (3, ...).
    """

    log: Float[Array, "..."]
    first: Float[Array, "2 ..."]
    second: Float[Array, "3 ..."]


def opposite_quadrants(
    h: Float[Array, "..."],
    k: Float[Array, "..."],
    r: Float[Array, ""],
    sign: Float[Array, "..."],
    needed: Bool[Array, "..."],
    nodes: int,
) -> tuple[Quadrant, Quadrant]:
    """ln Q and its slopes at (h, k) and at (-h, -k), with relative digits however small Q is.

    Args:
        h: upper end of x.
        k: upper end of y.
        r: |r| < 1.
        sign: 1 or -1, times r the correlation of x and y.
        needed: where the second is; elsewhere it need not be right.
        nodes: of the quadrature of Q where it is not rare.
    """
    excess = sign * bivariate_normal_excess(h, sign * k, r, nodes)  # the same for both
    one = _quadrant(h, k, sign * r, excess, jnp.ones_like(needed))
    return one, _quadrant(-h, -k, sign * r, excess, needed)


def _quadrant(h: Array, k: Array, r: Array, excess: Array, needed: Array) -> Quadrant:
    value = jnp.where(needed, ndtr(h) * ndtr(k) + excess, 1.0)
    rare = value < _RARE
    value = jnp.where(rare, 1.0, value)
    ends = jnp.where(rare, jnp.minimum(h, k), -8.0), jnp.where(rare, jnp.maximum(h, k), 0.0)
    tail = jax.lax.cond(jnp.any(rare), _log_tail, lambda h, *_: jnp.zeros_like(h), *ends, r)
    log, root = jnp.where(rare, tail, jnp.log(value)), jnp.sqrt((1 - r) * (1 + r))
    at_h = jnp.exp(_log_density(h) + log_ndtr((k - r * h) / root) - log)
    at_k = jnp.exp(_log_density(k) + log_ndtr((h - r * k) / root) - log)
    both = jnp.exp(_log_density(h) + _log_density((k - r * h) / root) - log) / root
    bends = [-h * at_h - r * both, both, -k * at_k - r * both]
    return Quadrant(log, jnp.stack([at_h, at_k]), jnp.stack(bends))


def _log_tail(h: Array, k: Array, r: Array) -> Array:
    """ln of phi(h) int_0^inf exp(h x - x^2 / 2) Phi(b + r x / s) dx, h the lower end.

    The integrand is log-concave and falls from x = 0 on, at a known rate or faster.
    """
    root = jnp.sqrt((1 - r) * (1 + r))
    b, tilt = (k - r * h) / root, r / root
    first = log_ndtr(b)
    rate = jnp.maximum(-h - tilt * jnp.exp(_log_density(b) - first), 0.0)
    reach = 2 * _DROP / (rate + jnp.sqrt(rate**2 + 2 * _DROP))
    x, weight = np.polynomial.legendre.leggauss(_TAIL_NODES)
    u = 0.5 * (1 + x)
    at = reach[..., None] * u**2  # nodes crowd where the integrand is largest
    exponent = (h[..., None] - 0.5 * at) * at + log_ndtr(b[..., None] + tilt[..., None] * at)
    inside = jnp.exp(exponent - first[..., None]) @ (u * weight)
    return _log_density(h) + first + jnp.log(reach * inside)


def _log_density(x: Array) -> Array:
    return -0.5 * x**2 - 0.5 * np.log(2 * np.pi)

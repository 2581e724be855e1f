"""Averages of g(x) = max(x, 0): moments of a Gaussian over orthants."""

import itertools
from functools import lru_cache

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from solvable.bricks.activations.base import AbstractAverages, Averages

_TINY = 1e-14  # of a variance: what is left of a field that another one determines
_INSIDE = 1 - 1e-15
_NODES = 20  # of the integral of an orthant of four fields


class ReLUAverages(AbstractAverages):
    """With theta = g', r = c_12 / sqrt(c_11 c_22) and S the distinct ones among fields i, k, j, l,

        E g g      = [sqrt(c_11 c_22 - c_12^2) + c_12 (pi / 2 + arcsin r)] / (2 pi),
        E g' g'    = 1 / 4 + arcsin(r) / (2 pi),
        E g'' g    = sqrt(c_22 - c_12^2 / c_11) / (2 pi sqrt(c_11)),
        E g'_i g'_k g_j g_l = E x_j x_l prod_S theta
           = c_jl P(S) + sum_{a in S} c_ja / sqrt(2 pi c_aa)
                         sum_{b in S - a} c^a_lb / sqrt(2 pi c^a_bb) P(S - a - b | a = b = 0)

    by partial integration, c^a the covariance given x_a = 0, and P the probability that all fields
    of a set are positive: 1, 1 / 2, E g' g', 1 / 8 + sum arcsin(r) / (4 pi), and for four an
    integral.
    """

    def products(self, c: Float[Array, "n n"], students: int) -> Float[Array, "n n"]:
        both = jnp.outer(jnp.diagonal(c), jnp.diagonal(c))
        rest = _root(both - c**2, both)
        return (rest + c * (np.pi / 2 + _angles(c))) / (2 * np.pi)

    def at(self, c: Float[Array, "n n"], s: Float[Array, " n"], students: int) -> Averages:
        K, variance = students, jnp.diagonal(c)
        slopes = 0.25 + _angles(c)[:K] / (2 * np.pi)
        rest = _root(variance - c[:K] ** 2 / variance[:K, None], variance)
        bends = rest @ s / (2 * np.pi * jnp.sqrt(variance[:K]))
        return Averages(self.products(c, K), slopes, bends, _squares(c, s, K))

    def finest(self) -> float:
        return 1e-9

    def coarser(self) -> "ReLUAverages":
        return self


def _root(value: Array, scale: Array) -> Array:
    """sqrt(value), 0 where it is rounding: of a field that others determine nothing is left."""
    there = value > _TINY * scale
    return jnp.where(there, jnp.sqrt(jnp.where(there, value, 1.0)), 0.0)


def _over(value: Array, root: Array) -> Array:
    """value / root, 0 where nothing is left."""
    return jnp.where(root > 0, value / jnp.where(root > 0, root, 1.0), 0.0)


def _arcsin(r: Array) -> Array:
    """arcsin, exact and flat where fields coincide."""
    apart = jnp.abs(r) < _INSIDE
    return jnp.where(apart, jnp.arcsin(jnp.where(apart, r, 0.0)), jnp.sign(r) * np.pi / 2)


def _angles(c: Array) -> Array:
    width = jnp.sqrt(jnp.diagonal(c, axis1=-2, axis2=-1))
    return _arcsin(c / (width[..., :, None] * width[..., None, :]))


@lru_cache(maxsize=32)
def _terms(K: int, n: int) -> list[tuple[np.ndarray, ...]]:
    """Of one to four fields: the sets, places of j and l in them, (j, l), (i, k), multiplicity."""
    found: dict[int, list[tuple]] = {size: [] for size in range(1, 5)}
    for i, k in itertools.combinations_with_replacement(range(K), 2):
        for pair in itertools.combinations_with_replacement(range(n), 2):
            chosen = sorted({i, k, *pair})
            places = [chosen.index(x) for x in pair]
            count = 1 if pair[0] == pair[1] else 2
            found[len(chosen)].append((chosen, places, pair, (i, k), count))
    return [
        tuple(np.array(column) for column in zip(*rows, strict=True)) if rows else ()
        for rows in found.values()
    ]


def _squares(c: Array, s: Array, K: int) -> Array:
    total = jnp.zeros((K, K))
    for terms in _terms(K, len(s)):
        if not terms:
            continue
        sets, places, pair, where, count = terms
        moments = _moments(c[sets[:, :, None], sets[:, None, :]], places)
        total = total.at[where[:, 0], where[:, 1]].add(
            count * s[pair[:, 0]] * s[pair[:, 1]] * moments
        )
    return jnp.triu(total) + jnp.triu(total, 1).T


def _moments(c: Float[Array, "m d d"], places: np.ndarray) -> Float[Array, " m"]:
    """E x_j x_l prod theta over sets of d fields."""
    d, rows = c.shape[-1], np.arange(len(c))
    at_j, at_l = places[:, 0], places[:, 1]
    whole = jnp.diagonal(c, axis1=1, axis2=2)
    total = c[rows, at_j, at_l] * _orthant(c, whole)
    for a in range(d):
        given = _given(c, a, whole)
        weight = _over(c[rows, at_j, a], _root(2 * np.pi * c[:, a, a], whole[:, a]))
        for b in range(d):
            if b == a:
                continue
            left = [x for x in range(d) if x not in (a, b)]
            share = _over(given[rows, at_l, b], _root(2 * np.pi * given[:, b, b], whole[:, b]))
            rest = _given(given, b, whole)[:, left][:, :, left]
            total += weight * share * _orthant(rest, whole[:, left])
    return total


def _given(c: Array, a: int, whole: Array) -> Array:
    """The covariance given x_a = 0; `whole` are variances given nothing."""
    along = _over(c[:, :, a], _root(c[:, a, a], whole[:, a])[:, None])
    return c - along[:, :, None] * along[:, None, :]


def _orthant(c: Float[Array, "m d d"], whole: Float[Array, "m d"]) -> Float[Array, " m"]:
    """The probability that all of up to four fields are positive."""
    d = c.shape[-1]
    if d < 2:
        return jnp.full(len(c), (1.0, 0.5)[d])
    width = _root(jnp.diagonal(c, axis1=1, axis2=2), whole)
    r = _over(c, width[:, :, None] * width[:, None, :])
    if d == 4:
        return _orthant_of_four(r)
    i, k = np.triu_indices(d, 1)
    angles = jnp.sum(_arcsin(r[:, i, k]), axis=1)
    return (0.25 + angles / (2 * np.pi)) if d == 2 else (0.125 + angles / (4 * np.pi))


def _orthant_of_four(r: Float[Array, "m 4 4"]) -> Float[Array, " m"]:
    """P(A) P(B) + int_0^1 ds sum_{i in A, k in B} r_ik / (2 pi sqrt(1 - s^2 r_ik^2)) P(other two).

    A and B are two pairs of fields whose correlations with each other are s r, the largest of
    those as small as can be: near r = 1, where students approach teachers, the integrand has a
    root. The other two fields are positive given i = k = 0, and s = sin(x) / r removes another.
    """
    r = _paired(r)
    x, weight = np.polynomial.legendre.leggauss(_NODES)
    x, weight = 0.5 * (x + 1), 0.5 * weight
    inside = [0.25 + _arcsin(r[:, 2 * k, 2 * k + 1]) / (2 * np.pi) for k in (0, 1)]
    total, one = inside[0] * inside[1], jnp.ones(())
    for i, k in itertools.product((0, 1), (2, 3)):
        a, b = 1 - i, 5 - k
        angle, whole = _arcsin(r[:, i, k])[:, None], r[:, i, k, None]
        cross = jnp.sin(angle * x)  # s r_ik
        s = jnp.where(jnp.abs(whole) > 1e-8, cross / jnp.where(whole == 0, 1.0, whole), x)
        left = jnp.cos(angle * x) ** 2
        ia, kb = r[:, i, a, None], r[:, k, b, None]
        ib, ka = s * r[:, i, b, None], s * r[:, k, a, None]
        var_a = 1 - (ia**2 + ka**2 - 2 * cross * ia * ka) / left
        var_b = 1 - (ib**2 + kb**2 - 2 * cross * ib * kb) / left
        cov = s * r[:, a, b, None] - (ia * ib + ka * kb - cross * (ia * kb + ib * ka)) / left
        both = 0.25 + _arcsin(_over(cov, _root(var_a, one) * _root(var_b, one))) / (2 * np.pi)
        total += (angle[:, 0] / (2 * np.pi)) * (both @ weight)
    return total


def _paired(r: Float[Array, "m 4 4"]) -> Float[Array, "m 4 4"]:
    """The fields in an order whose first two correlate least with the last two."""
    orders = np.array([[0, 1, 2, 3], [0, 2, 1, 3], [0, 3, 1, 2]])
    moved = jnp.stack([r[:, order][:, :, order] for order in orders])
    worst = jnp.max(jnp.abs(moved[:, :, :2, 2:]), axis=(2, 3))
    best = jnp.argmin(worst, axis=0)
    return jnp.take_along_axis(moved, best[None, :, None, None], axis=0)[0]

"""Averages of any activation: Hermite expansions at the width of each field, and quadrature."""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from solvable.bricks.activations.base import AbstractAverages, Averages
from solvable.core.quadrature import NESTED, gaussian_nodes, nodes_between
from solvable.core.special import LOG_SQRT_2PI, hermite

_TINY = 1e-14  # of a variance: what is left of a field that others determine


class Resolution(NamedTuple):
    """How finely averages are taken.

    Attributes:
        pairs: degree of expansions in two fields.
        rest: degree of those given two other fields.
        nodes: of quadrature over a field: 8 panels with so many eighths, where a slope jumps.
        exact: nothing is left out.
    """

    pairs: int = 48
    rest: int = 14
    nodes: int = 24
    exact: bool = False


class Function(eqx.Module):
    """An activation, with `evaluate`, and where its slope jumps."""

    activation: Any
    kinks: tuple[float, ...] = eqx.field(static=True, default=())


class HermiteAverages(AbstractAverages):
    """With g(sqrt(c_jj) z) = sum_n a^j_n he_n(z), he_n of unit norm under z ~ N(0, 1),

        E g_j g_l = sum_n a^j_n a^l_n r_jl^n,

    and a'_n = sqrt(n + 1) a_(n+1) / sqrt(c_jj) of the derivative. E g'_i g'_k Delta^2 is an
    average over fields i and k by quadrature, in which the other fields, Gaussian given these two,
    are expanded likewise. (An expansion of all four at once does not converge for c_jj > 1 / 2,
    since powers of truncated expansions do not.) What is left out is seen by comparing with
    `coarser`; polynomials are exact.

    Args:
        student, teacher: their activations.
        resolution: degrees and nodes.
    """

    student: Function
    teacher: Function
    resolution: Resolution = eqx.field(static=True, default=Resolution())

    def finest(self) -> float:
        return 1e-9

    def coarser(self) -> "HermiteAverages":
        fine = self.resolution
        if fine.exact:
            return self
        fewer = Resolution(32, 10, fine.nodes * 2 // 3)
        return HermiteAverages(self.student, self.teacher, fewer)

    def products(self, c: Float[Array, "n n"], students: int) -> Float[Array, "n n"]:
        a = self._coefficients(c, students)[:, : self.resolution.pairs + 1]
        return _correlated(a, a, _ratios(c))

    def at(self, c: Float[Array, "n n"], s: Float[Array, " n"], students: int) -> Averages:
        a, r, K = self._coefficients(c, students), _ratios(c), students
        width, kept = jnp.sqrt(jnp.diagonal(c))[:, None], self.resolution.pairs + 1
        first = _derived(a) / width
        second = _derived(first) / width
        a, first = a[:, :kept], first[:, :kept]
        bends = _correlated(second[:K], a, r[:K]) @ s
        slopes = _correlated(first[:K], first, r[:K])
        return Averages(_correlated(a, a, r), slopes, bends, self._squares(c, s, K))

    def _coefficients(self, c: Array, students: int) -> Float[Array, "n m"]:
        """a^j_n of every field, two more than are kept."""
        width, count = jnp.sqrt(jnp.diagonal(c)), self.resolution.pairs + 3
        zero = jnp.zeros(())
        of_student, of_teacher = (
            jax.vmap(lambda x, f=f: _projected(f, zero, x, count, *_fine(f, x)))
            for f in self._pair()
        )
        return jnp.concatenate([of_student(width[:students]), of_teacher(width[students:])])

    def _pair(self) -> tuple[Function, Function]:
        return self.student, self.teacher

    def _rule(self, kinks: tuple[float, ...], mean: Array, width: Array) -> tuple[Array, Array]:
        """Nodes and weights of z for a function of mean + width z."""
        nodes = self.resolution.nodes
        if not kinks:
            z, weight = np.polynomial.hermite_e.hermegauss(nodes)
            return jnp.asarray(z), jnp.asarray(weight / weight.sum())
        wide, edges = jnp.where(width > 0, width, 1.0), NESTED.edges()
        places = jnp.clip((jnp.asarray(kinks) - mean) / wide, edges[0], edges[-1])
        z, weight = nodes_between(jnp.concatenate([edges, places]), nodes // 8)
        return z, weight * jnp.exp(-0.5 * z**2 - LOG_SQRT_2PI)

    # ---- four fields

    def _squares(self, c: Array, s: Array, K: int) -> Float[Array, "K K"]:
        i, k = np.triu_indices(K)
        found = jax.lax.map(lambda x: self._square(c, s, K, *x), (jnp.asarray(i), jnp.asarray(k)))
        squares = jnp.zeros((K, K)).at[i, k].set(found)
        return squares.at[k, i].set(found)

    def _square(self, c: Array, s: Array, K: int, i: Array, k: Array) -> Float[Array, ""]:
        """G_ik: z of field i, then z' of what field k has beside."""
        along, left = _given(c, c, i)
        beside, rest = _given(left, c, k)
        width = jnp.sqrt(jnp.maximum(jnp.diagonal(rest), 0.0))
        width = jnp.where(width**2 > _TINY * jnp.diagonal(c), width, 0.0)
        size = jnp.where(width > 0, width, 1.0)
        links = jnp.clip(rest / jnp.outer(size, size), -1.0, 1.0)
        slope = jax.vmap(jax.grad(self.student.activation.evaluate))
        kinks = self.student.kinks

        def inner(z: Array) -> Array:
            x, weight = self._rule(kinks, along[k] * z, beside[k])
            mean = along * z + beside * x[:, None]
            error = jax.vmap(lambda m: self._error(m, width, links, s, K))(mean)
            return jnp.sum(
                weight * slope(mean[:, i] * jnp.ones_like(x)) * slope(mean[:, k]) * error
            )

        z, weight = self._rule(kinks, jnp.zeros(()), along[i])
        return weight @ jax.lax.map(inner, z)

    def _error(self, mean: Array, width: Array, links: Array, s: Array, K: int) -> Array:
        """E Delta^2 where all fields have these means, widths and correlations."""
        count = self.resolution.rest + 1
        students, teachers = (
            jax.vmap(lambda m, x, f=f: _projected(f, m, x, count, *self._rule(f.kinks, m, x)))
            for f in self._pair()
        )
        a = jnp.concatenate([students(mean[:K], width[:K]), teachers(mean[K:], width[K:])])
        return s @ _correlated(a, a, links) @ s


def _fine(function: Function, width: Array) -> tuple[Array, Array]:
    """Nodes and weights for a single field, which may be many."""
    return gaussian_nodes([(kink / width, jnp.zeros(())) for kink in function.kinks])


def _projected(
    function: Function, mean: Array, width: Array, count: int, z: Array, weight: Array
) -> Float[Array, " m"]:
    """E g(mean + width z) he_n(z) for n < count."""
    values = weight * function.activation.evaluate(mean + width * z)
    return hermite(z, count - 1) @ values


def _given(left: Array, c: Array, k: Array) -> tuple[Array, Array]:
    """Covariances with field k over its width, and what is left beside it."""
    there = left[k, k] > _TINY * c[k, k]
    along = jnp.where(there, left[k] / jnp.sqrt(jnp.where(there, left[k, k], 1.0)), 0.0)
    return along, left - jnp.outer(along, along)


def _derived(a: Array) -> Array:
    """The coefficients of the derivative in z."""
    return a[:, 1:] * np.sqrt(np.arange(1, a.shape[1]))


def _ratios(c: Array) -> Array:
    width = jnp.sqrt(jnp.diagonal(c))
    return jnp.clip(c / jnp.outer(width, width), -1.0, 1.0)


def _correlated(a: Array, b: Array, r: Array) -> Array:
    """sum_n a_in b_jn r_ij^n, by Horner's rule."""
    total = jnp.zeros_like(r)
    for n in range(a.shape[1] - 1, -1, -1):
        total = total * r + a[:, n, None] * b[None, :, n]
    return total

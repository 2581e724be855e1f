"""Labels of two hidden units of signs, y = sign(sign z_1 + sign z_2).

All probabilities are those of quadrants, and their slopes are closed (Aubin et al. 2018):

    P(z_1 > 0, z_2 > 0) = Phi_2(h, k; r),  d/dh = phi(h) Phi((k - r h) / sqrt(1 - r^2)),

h, k = omega / sqrt(V_11), r = V_12 / V_11; `likelihoods` takes any V.
"""

from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from solvable.bricks.committee.labels import (
    AbstractLabels,
    KnownLabels,
    LabelMoments,
    entropy_density,
    over,
)
from solvable.core.branches import ROWS
from solvable.core.quadrature import FINE_ORDER, NESTED, ORDER, gaussian_nodes
from solvable.core.special import bivariate_normal_cdf, bivariate_normal_slopes


class Likelihoods(NamedTuple):
    """Probabilities of labels, the first axis, and their slopes in omega_1 and omega_2."""

    values: Float[Array, "labels ..."]
    first: Float[Array, "labels ..."]
    second: Float[Array, "labels ..."]


class PairOfSigns(AbstractLabels):
    """y = sign(sign z_1 + sign z_2), where signs that differ make 0 or, at random, +-1.

    Args:
        ties: "zero" or "random".
    """

    ties: str = eqx.field(static=True)
    units: int = eqx.field(static=True, default=2)

    def labels(self) -> Float[np.ndarray, " labels"]:
        """The values of y."""
        return np.array([1.0, -1.0, 0.0] if self.ties == "zero" else [1.0, -1.0])

    def likelihoods(
        self,
        first: Float[Array, "..."],
        second: Float[Array, "..."],
        V: Float[Array, "2 2"],
        nodes: int,
    ) -> Likelihoods:
        """Z_y at means omega_1, omega_2, for any covariance V; `nodes` of a quadrature."""
        widths = jnp.sqrt(jnp.diagonal(V))
        r = V[0, 1] / (widths[0] * widths[1])

        def quadrant(h: Array, k: Array) -> tuple[Array, Array, Array]:
            value = bivariate_normal_cdf(h, k, r, nodes)
            at_h, at_k = bivariate_normal_slopes(h, k, r)
            return value, at_h / widths[0], at_k / widths[1]

        h, k = first / widths[0], second / widths[1]
        both = jnp.stack([jnp.stack(quadrant(h, k)), jnp.stack(quadrant(-h, -k))])
        both = both * jnp.array([[1.0, 1.0, 1.0], [1.0, -1.0, -1.0]]).reshape(2, 3, *(1,) * h.ndim)
        rest = jnp.stack([1 - both[0, 0] - both[1, 0], *(-both[0, 1:] - both[1, 1:])])
        if self.ties == "zero":
            return Likelihoods(*jnp.moveaxis(jnp.concatenate([both, rest[None]]), 1, 0))
        return Likelihoods(*jnp.moveaxis(both + 0.5 * rest, 1, 0))

    def moments(self, q: Float[Array, " 2"], V: Float[Array, " 2"], nodes: int) -> LabelMoments:
        """Averages over omega, q and V by their eigenvalues, all positive."""
        own, cross = 0.5 * (q[0] + q[1]), 0.5 * (q[0] - q[1])
        width = jnp.sqrt(0.5 * (V[0] + V[1]))
        reach = jnp.sqrt(own)
        t, weight = gaussian_nodes([(jnp.zeros(()), width / reach)], nodes, True, NESTED)
        spread = jnp.sqrt(q[0] * q[1] / own)

        def inner(t: Array) -> tuple[Array, Array]:
            middle = cross / own * reach * t
            u, inside = gaussian_nodes([(-middle / spread, width / spread)], nodes, panels=NESTED)
            return middle + spread * u, inside

        second, inside = jax.vmap(inner)(t)
        first = jnp.broadcast_to((reach * t)[:, None], second.shape)
        return self._averaged(first, second, weight[:, None] * inside, V, nodes)

    def symmetric_moments(
        self, q: Float[Array, ""], V: Float[Array, " 2"], nodes: int
    ) -> LabelMoments:
        """The same where nothing tells the units apart: q_- = 0, omega_1 = omega_2."""
        reach = jnp.sqrt(0.5 * q)
        widths = (jnp.sqrt(V[0] * 0.5), jnp.sqrt(0.5 * (V[0] + V[1])))
        features = [(jnp.zeros(()), width / reach) for width in widths]
        t, weight = gaussian_nodes(features, nodes, True)
        return self._averaged(reach * t, reach * t, weight, V, 2 * nodes)

    def opening(self, q: Float[Array, ""], V: Float[Array, " 2"], nodes: int) -> Float[Array, ""]:
        """d snr_- / d q_- at q_- = 0: E sum_y (d^2 Z_y / d omega_-^2)^2 / Z_y."""
        reach = jnp.sqrt(0.5 * q)
        widths = (jnp.sqrt(V[0] * 0.5), jnp.sqrt(0.5 * (V[0] + V[1])))
        features = [(jnp.zeros(()), width / reach) for width in widths]
        t, weight = gaussian_nodes(features, nodes, True)

        def apart(at: Array) -> Array:
            def slope(omega: Array) -> Array:
                shift = omega / np.sqrt(2)
                found = self.likelihoods(
                    reach * at + shift, reach * at - shift, _matrix(V), 2 * nodes
                )
                return (found.first - found.second) / np.sqrt(2)

            return jax.jvp(slope, (jnp.zeros(()),), (jnp.ones(()),))[1]

        bend = jax.vmap(apart, out_axes=1)(t)
        values = self.likelihoods(reach * t, reach * t, _matrix(V), 2 * nodes).values
        return jnp.sum(weight * over(bend**2, values))

    def panel_nodes(self, nodes: int) -> int:
        """6 reach 1e-8, 8 reach 1e-11."""
        return {ORDER: 8, FINE_ORDER: 11}.get(nodes, max(nodes // 2, 6))

    def rows(self) -> int:
        return ROWS

    def finest(self) -> tuple[float, float]:
        """Quadratures look wherever probabilities change."""
        return 0.0, 0.0

    def known(self, rho: Any) -> KnownLabels:
        """Half of all labels are ties, of square 1 where they are random."""
        zero = self.ties == "zero"
        return KnownLabels(0.0, 0.0) if zero else KnownLabels(-0.5 * float(np.log(2)), 0.5)

    def _averaged(
        self, first: Array, second: Array, weight: Array, V: Array, nodes: int
    ) -> LabelMoments:
        found = self.likelihoods(first, second, _matrix(V), nodes)
        along = ((found.first + sign * found.second) ** 2 / 2 for sign in (1.0, -1.0))
        snr = jnp.stack([jnp.sum(weight * over(square, found.values)) for square in along])
        y = self.labels().reshape(-1, *(1,) * first.ndim)
        return LabelMoments(
            snr=snr,
            potential=jnp.sum(weight * entropy_density(found.values)),
            square=jnp.sum(weight * jnp.sum(y**2 * found.values, axis=0)),
            predicted=jnp.sum(weight * jnp.sum(y * found.values, axis=0) ** 2),
        )


def _matrix(V: Array) -> Array:
    """The matrix with these eigenvalues along (1, 1) and (1, -1)."""
    own, cross = 0.5 * (V[0] + V[1]), 0.5 * (V[0] - V[1])
    return jnp.array([[own, cross], [cross, own]])

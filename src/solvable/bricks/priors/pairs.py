"""Units of both sides of a rectangular matrix taken together, as those of a symmetric one.

In Y = u v^T / sqrt(p) + xi, n = beta p, with units that are vectors, overlaps and q_hat are
matrices that answer each other (Lesieur et al. 2017),

    q_hat_v = beta q_u / Delta,  q_hat_u = q_v / Delta,  q_v = q_v(q_hat_v),  q_u = q_u(q_hat_u),

and the potential of the matrix is beta Tr(q_u q_v) / (2 Delta). That of a symmetric matrix with a
scalar overlap Q is Q^2 / (4 Delta): with Q^2 = 2 beta Tr(q_u q_v) both are the same, and so are
their derivatives in 1 / Delta. Hence the pair is a scalar law whose q_hat is t = Q / Delta,
t^2 = 2 Tr(q_hat_u q_hat_v), and whose potential obeys d psi / dt = Q / 2.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from solvable.bricks.priors.base import PriorMoments
from solvable.bricks.priors.gaussian import Gaussian
from solvable.bricks.priors.settling import DARKEST, settle
from solvable.bricks.priors.vector_gaussian_mixture import VectorGaussianMixture
from solvable.bricks.priors.vectors import AbstractUnitLaw, Traces, VectorMoments

_STEPS = 40  # of Newton's iteration for ln Delta, whose error at least halves


class Pairs(AbstractUnitLaw):
    """A unit v, and beta units u of independent Gaussian components.

    With rho of a component of u, q_u = rho^2 q_v (Delta + rho q_v)^-1, so that Delta follows from
    q_v and t: Delta^2 t^2 = 2 beta Tr(q_u q_v).

    Args:
        prior: of v.
        rows: of a component of u, N(0, rho).
        beta: units u for each v, > 0.
    """

    prior: VectorGaussianMixture
    rows: Gaussian
    beta: Any

    # ---- both sides

    def _across(self, q: Array, delta: Array) -> VectorMoments:
        """u where the overlap of v is q."""
        rho = self.rows.second_moment()
        seen = delta * jnp.eye(len(q)) + rho * q
        known = jnp.linalg.solve(seen, q)
        information = 0.5 * jnp.linalg.slogdet(seen / delta)[1]
        variance = rho * delta * jnp.linalg.inv(seen)
        return VectorMoments(0.5 * rho**2 * (known + known.T), variance, information)

    def _noise(self, q: Array, t: Array) -> Array:
        """Delta at which an overlap q of v and t go together."""

        def excess(log_delta: Array, q: Array, t: Array) -> Array:
            u = self._across(q, jnp.exp(log_delta)).overlap
            return 2 * (log_delta + jnp.log(t)) - jnp.log(2 * self.beta * jnp.sum(u * q))

        def newton(_: int, x: Array) -> Array:
            value, slope = jax.jvp(lambda x: excess(x, *fixed), (x,), (jnp.ones_like(x),))
            return x - value / slope

        fixed = [jax.lax.stop_gradient(x) for x in (q, t)]
        rho = self.rows.second_moment()
        # where Delta is large, and where it is small
        far = jnp.log(2 * self.beta * rho**2 * jnp.sum(fixed[0] ** 2) / fixed[1] ** 2) / 3
        near = jnp.log(2 * self.beta * rho * jnp.trace(fixed[0]) / fixed[1] ** 2) / 2
        root = jax.lax.fori_loop(0, _STEPS, newton, jnp.minimum(far, near))
        root = jax.lax.stop_gradient(root)
        slope = jax.grad(excess)(root, *fixed)
        return jnp.exp(root - excess(root, q, t) / jax.lax.stop_gradient(slope))

    def _answer(self, q: Array, t: Array) -> Array:
        """q_hat of v where the overlap of v is q."""
        delta = self._noise(q, t)
        return self.beta * self._across(q, delta).overlap / delta

    def _sides(self, t: Array, order: int) -> tuple[VectorMoments, VectorMoments, Array]:
        """What is known of v and u, and Delta."""
        t = jnp.maximum(t, DARKEST)
        start = self.prior.second_moments()
        q_hat = settle(self.prior.averages, self._answer, t, start, order)
        v = self.prior.matrix_moments(q_hat, order)
        delta = self._noise(v.overlap, t)
        return v, self._across(v.overlap, delta), delta

    # ---- the scalar law

    def analytic_moments(self, q_hat: Float[Array, ""], order: int) -> PriorMoments:
        v, u, delta = self._sides(q_hat, order)
        Q, most = q_hat * delta, self.second_moment()
        rho = self.rows.second_moment()
        lost = rho * jnp.trace(v.variance) + jnp.sum(u.variance * v.overlap)
        lost = 2 * self.beta * lost / (most + Q)
        # (t V - Tr q_hat_v V_v - beta Tr q_hat_u V_u) / 2 without what cancels
        crossed = jnp.sum(u.overlap * v.variance) + jnp.sum(v.overlap * u.variance)
        bent = 2 * Q * jnp.sum(u.variance * v.variance) - lost * crossed
        bent = 0.5 * self.beta / delta * bent / (most + Q)
        information = v.information + self.beta * u.information + bent
        return PriorMoments(Q, lost, information)

    def traces(self, q_hat: Float[Array, ""], order: int) -> Traces:
        both = self._sides(q_hat, order)[:2]
        return tuple((jnp.trace(x.overlap), jnp.trace(x.variance)) for x in both)

    def first_moment(self) -> Float[Array, ""]:
        """A mean of v shows however little is seen: Q ~ t^(1/3), here where t is least."""
        mean, _ = self.prior.unit_moments()
        seen = jnp.any(mean != 0)
        q = jnp.outer(mean, mean) + jnp.where(seen, 0.0, 1.0) * jnp.eye(len(mean))
        t = jnp.asarray(DARKEST)
        return jnp.where(seen, jnp.sqrt(t * self._noise(q, t)), 0.0)

    def second_moment(self) -> Float[Array, ""]:
        rho = self.rows.second_moment()
        return jnp.sqrt(2 * self.beta * rho * jnp.trace(self.prior.second_moments()))

    def response(self) -> Float[Array, ""]:
        """Q = sqrt(beta) rho_u rho_v t near zero, rho_v the largest eigenvalue, without a mean."""
        return jnp.sqrt(self.beta * self.prior.response()) * self.rows.second_moment()

    def dimension(self) -> Float[Array, ""]:
        return self.prior.dimension() + self.beta * self.prior.width

    def entropy(self) -> Float[Array, ""]:
        return jnp.asarray(jnp.inf)

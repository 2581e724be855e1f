"""One-pass stochastic gradient descent of a two-layer network: how its order parameters drift.

A student sum_k v_k g(lambda_k), lambda_k = w_k . x / sqrt(N), learns from a teacher's sum_m v*_m
g*(nu_m) plus noise of variance sigma^2. Of each fresh example it takes, with the error Delta,

    w_k <- (1 - eta kappa / N) w_k - eta / sqrt(N) v_k g'(lambda_k) Delta x,
    v_k <- v_k - eta_v / N g(lambda_k) Delta.

With the time t = examples / N the products with every direction u of the inputs (of eigenvalue s)

    Q^u_kl = (w_k . u)(w_l . u),    R^u_km = (w_k . u)(u . phi_m),    T^u_mn = signal T_mn,

averaged over the groups of `Modes`, obey a closed set of equations (Saad & Solla 1995 for
isotropic inputs, which are one group; Goldt et al. 2020): each w_k . u drifts by

    -eta v_k [sum_l v_l J_kl s (w_l . u) - sum_m v*_m J_km (u . phi_m) + b_k s (w_k . u)]
    -eta kappa (w_k . u)

with J and b of `bricks.activations`, and Q^u gains eta^2 v_k v_l s (G_kl + sigma^2 J_kl). A step
on the mean gradient of b examples has the same drift, and 1 / b of this; time then counts steps.
"""

from typing import NamedTuple

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from solvable.bricks.activations.base import AbstractAverages
from solvable.bricks.inputs.base import Modes


class OnlineOrder(NamedTuple):
    """Order parameters, in groups of directions.

    Attributes:
        q: Q^u, shape (groups, K, K).
        r: R^u, shape (groups, K, M).
        v: weights of the second layer, shape (K,).
    """

    q: Float[Array, "groups K K"]
    r: Float[Array, "groups K M"]
    v: Float[Array, " K"]


class Learning(eqx.Module):
    """The equations of motion of one network, in numbers.

    Args:
        averages: of the activations.
        modes: of the inputs.
        t: T, covariance of the teacher's fields.
        teacher_v: v*.
        learning_rate: eta, of the first layer.
        learning_rate_second: eta_v, of the second.
        noise: sigma, standard deviation of the label noise.
        weight_decay: kappa.
        batch_size: b, examples whose mean gradient is one step; t = steps / N.
    """

    averages: AbstractAverages
    modes: Modes
    t: Float[Array, "M M"]
    teacher_v: Float[Array, " M"]
    learning_rate: Float[Array, ""]
    learning_rate_second: Float[Array, ""]
    noise: Float[Array, ""]
    weight_decay: Float[Array, ""]
    batch_size: int = eqx.field(static=True, default=1)

    def coarser(self) -> "Learning":
        """With less of an expansion, if there is one."""
        return eqx.tree_at(
            lambda x: x.averages, self, self.averages.coarser(), is_leaf=lambda x: x is None
        )

    def totals(self, order: OnlineOrder) -> tuple[Float[Array, "K K"], Float[Array, "K M"]]:
        """Q = E lambda lambda and R = E lambda nu."""
        share, variance, _ = self.modes
        return jnp.tensordot(share * variance, order.q, 1), jnp.tensordot(share, order.r, 1)

    def fields(self, order: OnlineOrder) -> tuple[Float[Array, "n n"], Float[Array, " n"]]:
        """The covariance of all fields and the signed weights."""
        q, r = self.totals(order)
        c = jnp.block([[q, r], [r.T, self.t]])
        return c, jnp.concatenate([order.v, -self.teacher_v])

    def generalization_error(self, order: OnlineOrder) -> Float[Array, ""]:
        """E (student - teacher)^2 / 2, without label noise."""
        c, s = self.fields(order)
        return 0.5 * s @ self.averages.products(c, len(order.v)) @ s

    def isotropic(self) -> "Learning":
        """The same network where all directions are one group, whose Q and R are the totals."""
        one = jnp.ones(1)
        return eqx.tree_at(lambda x: x.modes, self, Modes(one, one, one))

    def drift(self, order: OnlineOrder) -> OnlineOrder:
        """d / dt of the order parameters."""
        (c, s), K = self.fields(order), len(order.v)
        found, v = self.averages.at(c, s, K), order.v
        variance, signal = (x[:, None, None] for x in self.modes[1:])
        eta = self.learning_rate
        pull = v[:, None] * (found.slopes * s)
        own = pull[:, :K] + jnp.diag(v * found.bends)
        to_teacher = pull[:, K:] @ self.t
        r = variance * (own @ order.r) + signal * to_teacher
        q = variance * (own @ order.q) + pull[:, K:] @ jnp.swapaxes(order.r, 1, 2)
        kicks = found.squares + self.noise**2 * found.slopes[:, :K]
        kicks = eta**2 / self.batch_size * variance * jnp.outer(v, v) * kicks
        decay = eta * self.weight_decay
        return OnlineOrder(
            q=-eta * (q + jnp.swapaxes(q, 1, 2)) + kicks - 2 * decay * order.q,
            r=-eta * r - decay * order.r,
            v=-self.learning_rate_second * (found.products[:K] @ s),
        )

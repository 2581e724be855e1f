"""Marchenko-Pastur law: independent Gaussian weights."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from solvable.bricks.spectra.base import AbstractAnalyticSpectrum, Mixing
from solvable.core.randomness import normal_matrix

CARD = dict(
    kind="spectrum",
    name="MarchenkoPastur",
    summary="weights iid N(0, 1 / inputs)",
    parameters={},
    rigour="replica",
    references=["manoel2017", "gabrie2018"],
)


class MarchenkoPastur(AbstractAnalyticSpectrum):
    """Spectrum of weights with independent entries N(0, 1 / p).

    s(u) is the positive root of s^2 + s (u + a - 1) - u = 0, and with q_hat = a / (u + s)

        E ln(lambda + u) = ln u + ln(1 + q_hat) - q_hat s + a ln(1 + s / u).

    Example:
        >>> MarchenkoPastur()
        MarchenkoPastur()
        >>> round(float(MarchenkoPastur().stieltjes(1.0, 1.0)), 6)
        0.618034
    """

    def rank(self, ratio: Float[Array, ""]) -> Float[Array, ""]:
        return jnp.minimum(ratio, 1.0)

    def resolvent(self, w: Float[Array, ""], ratio: Float[Array, ""]) -> Float[Array, ""]:
        # without its zero eigenvalues the law is the same for a and 1 / a, up to a scale
        linear = 1 + _distance_from_square(ratio) * w
        return 2 / (linear + jnp.sqrt(linear**2 + 4 * self.rank(ratio) * w))

    def weighted_resolvent(self, w: Float[Array, ""], ratio: Float[Array, ""]) -> Float[Array, ""]:
        kept = self.resolvent(w, ratio)
        return kept * (self.rank(ratio) * kept + _distance_from_square(ratio))

    def log_determinant(self, w: Float[Array, ""], ratio: Float[Array, ""]) -> Float[Array, ""]:
        rank = self.rank(ratio)
        s = (1 - rank) + rank * self.resolvent(w, ratio)
        q_hat = ratio * w / (1 + s * w)
        return jnp.log1p(q_hat) - q_hat * s + ratio * jnp.log1p(s * w)

    def mean(self, ratio: Float[Array, ""]) -> Float[Array, ""]:
        return jnp.asarray(ratio)

    def analytic_mixing(
        self, ratio: Float[Array, ""], q_hat: Float[Array, ""], V: Float[Array, ""]
    ) -> Mixing:
        # V + 0 q_hat: nan where q_hat is
        return Mixing(q_hat / ratio, V + 0 * q_hat, 0.5 * q_hat * V)

    def sample_singular_values(self, key: PRNGKeyArray, n: int, p: int) -> Float[np.ndarray, " m"]:
        return np.linalg.svd(self.sample(key, n, p), compute_uv=False)

    def sample(self, key: PRNGKeyArray, n: int, p: int) -> Float[np.ndarray, "n p"]:
        return normal_matrix(key, (n, p), scale=p**-0.5)


def _distance_from_square(ratio: Float[Array, ""]) -> Float[Array, ""]:
    """|1 - a|, whose slope at a = 1 is the mean of both sides: there its kink cancels rank's."""
    return jnp.maximum(ratio, 1.0) - jnp.minimum(ratio, 1.0)

"""Ill-conditioned weights: log-uniform singular values."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from solvable.bricks.spectra.base import AbstractRotatedSpectrum, quantile_levels
from solvable.core.arguments import in_interval, parameter
from solvable.core.quadrature import nodes_between

CARD = dict(
    kind="spectrum",
    name="LogUniform",
    summary="singular values log-uniform over a range of ratio `condition`",
    parameters={"condition": "largest / smallest singular value, in (1, 1e16], default 1e4"},
    rigour="replica",
    references=["gabrie2018"],
)

_PANELS = 32  # of ln lambda, which spans at most 74: ln(1 + w lambda) is smooth on a scale of pi
_X, _W = np.polynomial.legendre.leggauss(12)
_NODES, _WEIGHTS = (_X + 1) / 2, _W / 2


def _condition(name: str, value: Any) -> Any:
    return in_interval(name, value, 1.0, 1e16, closed="right")


class LogUniform(AbstractRotatedSpectrum):
    """Spectrum of singular values uniform in logarithm between s / condition and s.

    With l = 2 ln(condition) and lambda_max = max(1, a) l / (1 - e^-l), so that E lambda = a, and
    u = 1 / w,

        E[1 / (1 + w lambda) | lambda > 0] = ln[(1 + u / lambda_min) / (1 + u / lambda_max)] / l.

    Args:
        condition: condition number of W, > 1 and at most 1e16, default 1e4.

    Raises:
        ValueError: if the condition is not in (1, 1e16].

    Example:
        >>> LogUniform(condition=100)
        LogUniform(condition=100.0)
    """

    condition: float = parameter("condition", _condition, default=1e4)

    def rank(self, ratio: Float[Array, ""]) -> Float[Array, ""]:
        return jnp.minimum(ratio, 1.0)

    def resolvent(self, w: Float[Array, ""], ratio: Float[Array, ""]) -> Float[Array, ""]:
        low, high, spread = self._range(ratio)
        return jnp.log1p(spread / (low * (1 + w * high))) / self._length()

    def weighted_resolvent(self, w: Float[Array, ""], ratio: Float[Array, ""]) -> Float[Array, ""]:
        low, _, spread = self._range(ratio)
        scale = spread / (1 + w * low)
        return scale * _log1p_ratio(w * scale) / self._length()

    def log_determinant(self, w: Float[Array, ""], ratio: Float[Array, ""]) -> Float[Array, ""]:
        low, _, _ = self._range(ratio)
        length = self._length()
        fraction, weight = nodes_between(jnp.linspace(0.0, 1.0, _PANELS + 1))
        return self.rank(ratio) * jnp.sum(weight * jnp.log1p(w * low * jnp.exp(length * fraction)))

    def mean(self, ratio: Float[Array, ""]) -> Float[Array, ""]:
        return jnp.asarray(ratio)

    def sample_singular_values(self, key: PRNGKeyArray, n: int, p: int) -> Float[np.ndarray, " m"]:
        _, high, _ = self._range(jnp.asarray(n / p))
        return float(high) ** 0.5 * self.condition ** (quantile_levels(min(n, p)) - 1)

    def _length(self) -> Float[Array, ""]:
        """Length of the interval of ln lambda."""
        return 2 * jnp.log(jnp.asarray(self.condition))

    def _range(
        self, ratio: Float[Array, ""]
    ) -> tuple[Float[Array, ""], Float[Array, ""], Float[Array, ""]]:
        """Smallest and largest non-zero eigenvalue, and their difference."""
        length = self._length()
        spread = length * jnp.maximum(ratio, 1.0)  # E[lambda | lambda > 0] = spread / length
        high = spread / -jnp.expm1(-length)
        return high * jnp.exp(-length), high, spread


def _log1p_ratio(z: Float[Array, ""]) -> Float[Array, ""]:
    """ln(1 + z) / z for z >= 0, smooth at z = 0 with all its derivatives."""
    small = jnp.minimum(z, 0.5)
    large = jnp.maximum(z, 0.5)
    return jnp.where(z < 0.5, jnp.sum(_WEIGHTS / (1 + small * _NODES)), jnp.log1p(large) / large)

"""Replica theory of a signal on the sphere in a Gaussian field; the order parameter is an overlap.

A field of covariance N Q(x . x' / N) that is tilted by a signal x* shows of it what an additive
Gaussian channel of signal-to-noise ratio q_hat = Q'(m) does (Lesieur et al. 2017; Sarao Mannelli
et al. 2020): m = q_hat / (1 + q_hat), with the replica free entropy

    Phi(m) = 1/2 ln(1 - m) + m / 2 + Q(m) / 2.
"""

from functools import lru_cache
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float
from scipy.optimize import brentq

from solvable.algorithms.tensor_amp import next_overlap
from solvable.core.covariance import Covariance

_POINTS = 2000  # of a scan for the first fixed point of maximum likelihood


class SphereOrder(NamedTuple):
    """Order parameters on the sphere |x|^2 = N.

    Attributes:
        q_hat: signal-to-noise ratio of the equivalent Gaussian channel.
        overlap: m.
        variance: 1 - m, which keeps its digits as m -> 1.
    """

    q_hat: Float[Array, ""]
    overlap: Float[Array, ""]
    variance: Float[Array, ""]

    def both(self, name: str) -> Float[Array, " 1"]:
        """An entry as a vector."""
        return getattr(self, name)[None]


def order_at(q_hat: Float[Array, ""]) -> SphereOrder:
    """m = q_hat / (1 + q_hat), and what is left."""
    return SphereOrder(q_hat, q_hat / (1 + q_hat), 1 / (1 + q_hat))


def free_entropy(order: SphereOrder, Q: Covariance) -> Float[Array, ""]:
    """Phi, by series where both logarithm and overlap are small."""
    m = order.overlap
    small = -(m**2) / 4 - m**3 / 6 - m**4 / 8
    exact = 0.5 * jnp.log(order.variance) + m / 2
    return jnp.where(m < 1e-3, small, exact) + Q(m) / 2


def ml_amp_overlap(Q: Covariance) -> float:
    """Where AMP at zero temperature, of maximum likelihood, ends from a random start.

    Its state evolution is m -> Q'(m) / sqrt(Q'(m)^2 + Q'(1)) (Sarao Mannelli et al. 2019).
    """

    def gain(m: Any) -> Any:
        return next_overlap(Q, m, "maximum_likelihood") - m

    if Q.curvature(0.0) <= np.sqrt(Q.slope(1.0)):
        return 0.0
    m = np.linspace(0.0, 1.0, _POINTS + 1)[1:]
    below = int(np.argmax(gain(m) < 0))
    root: Any = brentq(gain, m[below - 1] if below else 1e-12, m[below], xtol=1e-14)
    return float(root)


@lru_cache
def tensor_thresholds(p: int) -> dict[str, float]:
    """Noises below which a tensor alone has an informed branch, and below which it is the best.

    The branch ends in a fold, at max m^(p-2) (1 - m); it is the best where Phi(m) > 0, and there
    deltap = m^(p-2) (1 - m).
    """
    fold = (p - 2) / (p - 1)

    def gain(m: float) -> float:
        return 0.5 * np.log1p(-m) + m / 2 + m**2 / (2 * p * (1 - m))

    first: Any = brentq(gain, fold, 1 - 1e-9, xtol=1e-15)
    return {
        "spinodal_informed": fold ** (p - 2) * (1 - fold),
        "information_theoretic": float(first ** (p - 2) * (1 - first)),
    }

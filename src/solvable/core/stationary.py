"""Stationary points of a flow, by Newton's method, and whether they are stable."""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from solvable.core.status import Status

_STEPS = 60
_CLOSE = 1e-10  # of the last step, relative to the point
_NEUTRAL = 1e-9  # of the fastest rate: rounding of a rate of zero
_SMALLEST = 1e-4  # of a damped step


class Stationary(NamedTuple):
    """A point where a flow is zero.

    Attributes:
        point: shape (n,).
        error: a bound on its error, the residual through the inverse Jacobian.
        rates: eigenvalues of the Jacobian, the largest real part first.
        status: converged, max_steps, or non_finite.
    """

    point: Float[np.ndarray, " n"]
    error: float
    rates: np.ndarray
    status: Status

    @property
    def is_stable(self) -> bool:
        """Whether no small deviation grows; some may stay."""
        return bool(self.rates[0].real < _NEUTRAL * np.max(np.abs(self.rates)))


def stationary_point(
    flow: Callable[[Float[Array, " n"]], Float[Array, " n"]], start: Float[np.ndarray, " n"]
) -> Stationary:
    """Newton's iteration for flow(x) = 0, with steps halved while the residual does not fall.

    Args:
        flow: the right-hand side of dx/dt; an `equinox` module keeps compiled code.
        start: where to begin.
    """
    x = np.array(start, dtype=float)
    value, slope = (np.asarray(y) for y in _linearized(flow, jnp.asarray(x)))
    status, step = Status.max_steps, np.full_like(x, np.inf)
    for _ in range(_STEPS):
        if not (np.all(np.isfinite(value)) and np.all(np.isfinite(slope))):
            return Stationary(x, np.inf, np.array([np.nan + 0j]), Status.non_finite)
        step = np.linalg.lstsq(slope, -value, rcond=None)[0]
        if np.linalg.norm(step) <= _CLOSE * (1 + np.linalg.norm(x)):
            status = Status.converged
            break
        part = 1.0
        while part > _SMALLEST:
            moved, at = (np.asarray(y) for y in _linearized(flow, jnp.asarray(x + part * step)))
            if np.linalg.norm(moved) < np.linalg.norm(value):
                break
            part *= 0.5
        x, value, slope = x + part * step, moved, at
    rates = np.linalg.eigvals(slope)
    return Stationary(x, float(np.linalg.norm(step)), rates[np.argsort(-rates.real)], status)


@eqx.filter_jit
def _linearized(flow: Any, x: Array) -> tuple[Array, Array]:
    return flow(x), jax.jacfwd(flow)(x)

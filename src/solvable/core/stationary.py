"""Where a flow ends: followed by an implicit method as it slows down, then found by Newton's.

The end of dynamics is reached at rates that differ by many orders, and so slowly that its value
must not be read off a solution in time. But only the flow itself tells which of many fixed points
it is: it is followed to times that grow, and each time Newton's method asks whether a stable
fixed point is near. Directions in which all points are fixed, as of a symmetry, stay as they are:
steps are of least length.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.integrate import solve_ivp

from solvable.core.status import Status

# x -> dx/dt, and its Jacobian
Flow = Callable[[np.ndarray], tuple[np.ndarray, np.ndarray]]

_HORIZONS = (1e3, 1e5, 1e7, 1e9)  # in units of the flow's own time
_FLOW_TOLERANCE = 1e-7
_LARGEST = 1e5  # of a variable: beyond it the flow has run away
_STEPS = 60
_SHORTEST = 1e-6  # of a Newton step that is cut
_SMALL = 1e-13  # of a last step, relative
_CLOSE = 1e-7  # of a last step, relative, where rounding ends the search
_RESIDUAL = 1e-11  # relative to the slope
_FLAT = 1e-11  # of the largest singular value: what counts as zero
_STABLE = 1e-9  # of the largest rate: growth that is rounding
_NEAR = 0.3  # a fixed point further away is not where the flow goes, unless it stays there


class Stationary(NamedTuple):
    """A fixed point.

    Attributes:
        point: x.
        residual: the largest component of dx/dt there.
        step: the last one of Newton's method, the size of its error.
        rates: eigenvalues of the Jacobian, by falling real part.
        status: converged; max_steps if there is none near; left_domain if the flow ran away.
    """

    point: Float[np.ndarray, " n"]
    residual: float
    step: float
    rates: Float[np.ndarray, " n"]
    status: Status

    @property
    def is_stable(self) -> bool:
        """No rate is positive beyond rounding."""
        return self.growth <= _STABLE * float(np.max(np.abs(self.rates)))

    @property
    def growth(self) -> float:
        """The largest real part of a rate."""
        return float(self.rates[0].real)


def end_of(flow: Flow, start: Float[np.ndarray, " n"], time: float = 1.0) -> Stationary:
    """The stable fixed point that a flow reaches.

    Args:
        flow: dx/dt and its Jacobian at x.
        start: x(0).
        time: unit of the flow.
    """
    x, before = np.asarray(start, dtype=float), 0.0
    found = None
    for horizon in _HORIZONS:
        moved = follow(flow, x, (horizon - before) * time)
        if moved is None:
            return _nowhere(x, Status.left_domain)
        x, before = moved, horizon
        found = newton(flow, x)
        near = np.max(np.abs(found.point - x)) < _NEAR * (1 + np.max(np.abs(x)))
        if found.status == Status.converged and found.is_stable and near:
            return found
    assert found is not None
    return found._replace(status=Status.max_steps)


def follow(flow: Flow, start: Float[np.ndarray, " n"], time: float) -> np.ndarray | None:
    """x after a time, by an implicit method where the flow is slow; None if it ran away."""

    def large(t: float, x: np.ndarray) -> float:
        return _LARGEST - float(np.max(np.abs(x)))

    event: Any = large
    event.terminal = True
    found = solve_ivp(
        lambda t, x: flow(x)[0],
        (0.0, time),
        start,
        method="LSODA",
        jac=lambda t, x: flow(x)[1],
        rtol=_FLOW_TOLERANCE,
        atol=1e-3 * _FLOW_TOLERANCE,
        events=event,
    )
    x = found.y[:, -1]
    return x if found.status == 0 and np.all(np.isfinite(x)) else None


def newton(flow: Flow, start: Float[np.ndarray, " n"]) -> Stationary:
    """The fixed point next to a start, whether stable or not."""
    x = np.asarray(start, dtype=float)
    value, slope = flow(x)
    step = np.inf
    for _ in range(_STEPS):
        if not (np.all(np.isfinite(value)) and np.all(np.isfinite(slope))):
            return _nowhere(x, Status.non_finite)
        full = np.linalg.lstsq(slope, -value, rcond=_FLAT)[0]
        step = float(np.max(np.abs(full)))
        if step <= _SMALL * (1 + float(np.max(np.abs(x)))):
            break
        share, size = 1.0, float(np.linalg.norm(value))
        there = flow(x + full)
        while not float(np.linalg.norm(there[0])) <= (1 - 1e-4 * share) * size:
            share *= 0.5
            if share < _SHORTEST:
                break
            there = flow(x + share * full)
        if share < _SHORTEST:
            break  # nothing is gained any more: at the end of digits, or stuck
        x, (value, slope) = x + share * full, there
    residual = float(np.max(np.abs(value)))
    # a step of least length is also small where the slope is flat and the residual is not
    allowed = _RESIDUAL * float(np.max(np.abs(slope))) * (1 + float(np.max(np.abs(x))))
    is_found = residual <= allowed and step <= _CLOSE * (1 + float(np.max(np.abs(x))))
    status = Status.converged if is_found else Status.max_steps
    return Stationary(x, residual, step, _rates(slope), status)


def _rates(slope: np.ndarray) -> np.ndarray:
    found = np.linalg.eigvals(slope)
    return found[np.argsort(-found.real)]


def _nowhere(x: np.ndarray, status: Status) -> Stationary:
    return Stationary(x, np.nan, np.nan, np.full(len(x), np.nan), status)

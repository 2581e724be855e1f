"""Limits of online learning: where it ends, where it stalls, and which rates it bears.

All are roots of the equations in `bricks/online.py`, none is read off a solution in time:

- the stationary state at the end of a flow (`core/stationary.py`);
- for small rates its error eta sigma^2 / 4 sum_k v_k^2 E g'_k^2, since the steps' noise spreads
  w by eta sigma^2 / 2 in all directions that the error resolves (Goldt et al. 2019);
- the plateau, the fixed point at which all students are alike, and the rate at which differences
  between them grow (Saad & Solla 1995);
- the largest learning rate, up to which the stationary state, followed from small rates, is there
  and stable.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array
from scipy.integrate import solve_ivp
from scipy.optimize import brentq

from solvable.bricks.activations.hermite import HermiteAverages
from solvable.bricks.activations.linear import LinearAverages
from solvable.bricks.activations.relu import ReLUAverages
from solvable.bricks.online import Learning, OnlineOrder
from solvable.bricks.online_flow import Coordinates, flow
from solvable.core.stationary import Flow, Stationary, end_of, follow, newton
from solvable.core.status import Status

ROUNDING = 4e-15  # of the sums whose difference is a generalization error
_ALIKE = 1e-9
_SOON, _DOUBLINGS = 5.0, 12  # when drifting scales are looked at, and how often later
_SETTLED = 0.01
_SHARED = 0.9  # cosine of a student and the teacher that it stands for
_IDLE = 0.1  # overlap of a student that stands for none
_SMALLER = 10  # halvings of a rate at which learning does not end
_SMALL_RATE = 0.1  # from which a state is followed, or less where learning does not end
_STRIDE = 0.2  # of a rate that is followed, relative
_NARROW = 1e-7  # what is left between a rate that is borne and one that is not
_FAR = 1e4  # a state further away has run away
_JUMP = 0.3  # a fixed point that moved by more is another one
_MOST = 1e4  # times the first rate: beyond it there is no limit
_LONG = 100.0  # e-folds in which a plateau is left
_TOLERANCES = (1e-10, 1e-8)


class State(NamedTuple):
    """A fixed point of the order parameters.

    Attributes:
        order: there; the last one seen if there is none.
        found: how it was found, and the rates at which it is approached.
        error: generalization error.
        bound: on the error of that.
    """

    order: OnlineOrder
    found: Stationary
    error: float
    bound: float


def is_homogeneous(learning: Learning) -> bool:
    """Whether g(a x) = a g(x) for a > 0, for the student."""
    averages = learning.averages
    if isinstance(averages, HermiteAverages):
        x = jnp.asarray([-3.0, -0.7, 0.0, 0.4, 2.0])
        g = averages.student.activation.evaluate
        return bool(jnp.allclose(g(3 * x), 3 * g(x), rtol=1e-12, atol=1e-12))
    return isinstance(averages, ReLUAverages | LinearAverages)


def coordinates(learning: Learning, order: OnlineOrder, symmetric: bool = False) -> Coordinates:
    """The numbers that move, scales fixed where they run away."""
    first, second = (
        float(rate) > 0 for rate in (learning.learning_rate, learning.learning_rate_second)
    )
    return Coordinates(
        order, first, second, first and second and is_homogeneous(learning), symmetric
    )


def flow_of(learning: Learning, at: Coordinates) -> Flow:
    """The compiled flow, in numpy's terms."""

    def at_point(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        value, slope = flow(learning, at, jnp.asarray(x))
        return np.asarray(value), np.asarray(slope)

    return at_point


def unit_of_time(learning: Learning) -> float:
    """One over the faster rate."""
    return 1 / max(float(learning.learning_rate), float(learning.learning_rate_second))


# ---- stationary states


def stationary(learning: Learning, start: OnlineOrder, symmetric: bool = False) -> State:
    """Where learning ends, or stalls if all units are to stay alike.

    Args:
        learning: the equations.
        start: order parameters at time 0.
        symmetric: units are interchangeable from the start on.
    """
    at = coordinates(learning, start, symmetric)
    x = np.asarray(at.entries(start), dtype=float)
    if at.gauged:
        x = _settled(learning, at, x)
    found = end_of(flow_of(learning, at), x, unit_of_time(learning))
    return _measured(learning, at, found)


def fixed_point(learning: Learning, near: OnlineOrder) -> State:
    """The fixed point next to given order parameters, whether learning ends there or leaves it."""
    at = coordinates(learning, near)
    start = np.asarray(at.entries(near), dtype=float)
    return _measured(learning, at, newton(flow_of(learning, at), start))


def _settled(learning: Learning, at: Coordinates, x: np.ndarray) -> np.ndarray:
    """Where scales that drift for ever are, once the error is that of what they leave fixed."""
    free, held = flow_of(learning, at.ungauged()), flow_of(learning, at)
    stay = unit_of_time(learning) * _SOON

    def error(point: np.ndarray) -> float:
        return float(_error(learning, at.order(jnp.asarray(point)))[0])

    for _ in range(_DOUBLINGS):
        moved = follow(free, x, stay)
        if moved is None:
            break
        x, stay = moved, 2 * stay
        there = newton(held, x)
        if there.status == Status.converged and there.is_stable:
            here, end = error(x), error(there.point)
            if abs(here - end) < _SETTLED * max(end, 0.0) + _SETTLED**6:
                break
    return x


def _measured(learning: Learning, at: Coordinates, found: Stationary) -> State:
    """The state with its error, whose bound is a last correction, rounding, and an expansion's."""
    order = at.order(jnp.asarray(found.point))
    error, size = (float(x) for x in _error(learning, order))
    bound = ROUNDING * size
    coarser = learning.coarser()
    if found.status == Status.converged:
        for other in (learning, coarser)[: 1 if coarser is learning else 2]:
            again = newton(flow_of(other, at), found.point)
            bound += abs(float(_error(other, at.order(jnp.asarray(again.point)))[0]) - error)
    return State(order, found, error, bound)


@eqx.filter_jit
def _error(learning: Learning, order: OnlineOrder) -> tuple[Array, Array]:
    """The generalization error, and the size of what it is a difference of."""
    c, s = learning.fields(order)
    products = learning.averages.products(c, len(order.v))
    return learning.generalization_error(order), jnp.abs(s) @ jnp.abs(products) @ jnp.abs(s)


# ---- small rates


def small_rate_error(learning: Learning, state: State) -> float | None:
    """The stationary error to first order in the learning rate; None without a formula.

    There is one where student and teacher are equal but for the noise of labels: every student
    next to the teacher that it stands for, or idle. For linear networks it holds for any rate.

    Args:
        learning: the equations.
        state: the stationary state, which tells who stands for whom.
    """
    eta, batch = float(learning.learning_rate), learning.batch_size
    if eta == 0 or float(learning.weight_decay) > 0 or is_homogeneous_in_both(learning):
        return None
    if not _is_resolved(learning):
        return None
    half = 0.5 * float(learning.noise) ** 2
    strength = eta * float(learning.modes.share @ learning.modes.variance)
    if isinstance(learning.averages, LinearAverages):
        if len(learning.modes.share) > 1 or not _is_even(learning):
            return None
        strength *= float(state.order.v @ state.order.v)
        return strength * half / (2 * batch - strength) if strength < 2 * batch else None
    perfect = _perfect(learning, state)
    if perfect is None:
        return None
    v, slopes = perfect
    return strength * half / (2 * batch) * float(v**2 @ slopes)


def is_homogeneous_in_both(learning: Learning) -> bool:
    """Whether both layers learn and scales run away."""
    return is_homogeneous(learning) and float(learning.learning_rate_second) > 0


def _is_even(learning: Learning) -> bool:
    modes = learning.modes
    return bool(np.allclose(modes.variance, 1.0) and np.allclose(modes.signal, 1.0))


def _is_resolved(learning: Learning) -> bool:
    """Whether a teacher is a linear map of the inputs: signal = s^2 sum(signal / s) / N."""
    share, variance, signal = (np.asarray(x) for x in learning.modes)
    seen = variance > _ALIKE * variance.max()
    if np.any(signal[~seen] > _ALIKE):
        return False
    inside = share[seen] @ (signal[seen] / variance[seen])  # T is all of E nu^2 if this is 1
    return bool(abs(inside - 1) < 1e-6)


def _perfect(learning: Learning, state: State) -> tuple[np.ndarray, np.ndarray] | None:
    """v and E g'^2 of every student where it equals its teacher."""
    q, r = (np.asarray(x) for x in learning.totals(state.order))
    t, v = np.asarray(learning.t), np.asarray(state.order.v)
    length = np.sqrt(np.maximum(np.diag(q), 0.0))
    reach = r / np.sqrt(np.diag(t))
    best = np.argmax(np.abs(reach), axis=1)
    top = reach[np.arange(len(v)), best]
    stands = top > _SHARED * np.maximum(length, 1e-300)
    idle = np.max(np.abs(reach), axis=1) < _IDLE
    stands &= ~idle
    if not np.all(stands | idle) or state.found.status != Status.converged:
        return None
    second = float(learning.learning_rate_second) > 0
    if np.any(idle) and (second or is_homogeneous(learning)):
        return None
    shares = np.array([np.sum(stands & (best == m)) for m in range(len(t))])
    if np.any(shares == 0):
        return None
    teacher_v = np.asarray(learning.teacher_v)
    if second:
        v = (teacher_v / shares)[best]
    sums = np.array([v[stands & (best == m)].sum() for m in range(len(t))])
    homogeneous = is_homogeneous(learning)
    if not homogeneous and not np.allclose(sums, teacher_v, rtol=1e-9):
        return None
    tiny = 1e-12 * np.diag(t).max()  # of an idle student
    c = np.diag(np.where(idle, tiny, np.diag(t)[best]))
    found = learning.averages.at(
        jnp.block([[jnp.asarray(c), jnp.zeros(r.shape)], [jnp.zeros(r.T.shape), learning.t]]),
        jnp.concatenate([jnp.asarray(v), -learning.teacher_v]),
        len(v),
    )
    return v, np.diag(np.asarray(found.slopes[:, : len(v)]))


# ---- the plateau


def are_interchangeable(learning: Learning, start: OnlineOrder) -> bool:
    """Whether learning keeps units alike that are so: equal teachers, equal second layers."""
    t = np.asarray(learning.t)
    off = t[~np.eye(len(t), dtype=bool)]
    weights = (np.asarray(learning.teacher_v), np.asarray(start.v), np.diag(t), off)
    return all(len(x) == 0 or bool(np.allclose(x, x[0], rtol=_ALIKE)) for x in weights)


def escape_rate(learning: Learning, plateau: State) -> float:
    """The largest rate at which differences between units grow, 0 if they do not."""
    at = coordinates(learning, plateau.order)
    _, slope = flow_of(learning, at)(np.asarray(at.entries(plateau.order)))
    rates = np.linalg.eigvals(slope)
    largest = float(np.max(rates.real))
    return largest if largest > _ALIKE * float(np.max(np.abs(rates))) else 0.0


def escape_time(
    learning: Learning, start: OnlineOrder, error: float, rate: float
) -> tuple[float, float] | None:
    """When the error falls below a given one, and a bound on that; None if it does not.

    Args:
        learning: the equations.
        start: order parameters at time 0.
        error: below that of a plateau.
        rate: at which the plateau is left.
    """
    at = coordinates(learning, start).ungauged()
    value = flow_of(learning, at)

    def below(t: float, x: np.ndarray) -> float:
        return float(_error(learning, at.order(jnp.asarray(x)))[0]) - error

    event: Any = below
    event.terminal, event.direction = True, -1
    x, times = np.asarray(at.entries(start), dtype=float), []
    for tolerance in _TOLERANCES:
        found = solve_ivp(
            lambda t, x: value(x)[0],
            (0.0, _LONG / rate),
            x,
            method="LSODA",
            jac=lambda t, x: value(x)[1],
            rtol=tolerance,
            atol=1e-2 * tolerance,
            events=event,
        )
        if found.t_events is None or len(found.t_events[0]) == 0:
            return None
        times.append(float(found.t_events[0][0]))
    return times[0], abs(times[1] - times[0]) + 1e-12 * times[0]


# ---- the largest rate


def largest_rate(learning: Learning, start: OnlineOrder) -> tuple[float, float] | None:
    """The learning rate of the first layer up to which its stationary state is there, and a bound.

    The state is followed from small rates on, both layers' in proportion, until the flow next to
    it grows, or no fixed point is next to the last one any more. Label noise makes the error grow
    long before, but smoothly: where students are perfect without it, they are followed without.

    Args:
        learning: the equations.
        start: order parameters at time 0.
    """
    rate, at = float(learning.learning_rate), coordinates(learning, start)
    if rate == 0 or at.gauged:
        return None
    silent = eqx.tree_at(lambda x: x.noise, learning, jnp.zeros(()))
    gain = min(1.0, _SMALL_RATE / rate)
    for _ in range(_SMALLER):
        for problem in (silent, learning):
            here = stationary(faster(problem, gain), start)
            is_perfect = abs(here.error) < here.bound or problem is learning
            if here.found.status == Status.converged and is_perfect:
                found = _end_of_branch(problem, at, gain, here.found)
                return None if found is None else (rate * found[0], rate * found[1])
        gain *= 0.5
    return None


def faster(learning: Learning, gain: float) -> Learning:
    """The same with both learning rates times a gain."""
    rates = [gain * x for x in (learning.learning_rate, learning.learning_rate_second)]
    return eqx.tree_at(lambda x: (x.learning_rate, x.learning_rate_second), learning, rates)


def _end_of_branch(
    learning: Learning, at: Coordinates, gain: float, found: Stationary
) -> tuple[float, float] | None:
    """The gain at its end: steps in it, ever shorter where the branch cannot be followed."""
    first, stride, flat = gain, _STRIDE, flat_directions(found)
    left = gain  # to where the slowest rate would vanish, by the last two points
    sizes = [(gain, float(np.max(np.abs(found.point))))]

    def solved(gain: float) -> tuple[Stationary, float]:
        there = newton(flow_of(faster(learning, gain), at), found.point)
        return there, slowest(there, flat)

    while gain < _MOST * first:
        higher = gain * (1 + stride)
        there, rate = solved(higher)
        moved = np.max(np.abs(there.point - found.point))
        near = moved < _JUMP * (1 + np.max(np.abs(found.point)))
        order = at.order(jnp.asarray(there.point))
        if there.status == Status.converged and near and _is_physical(learning, order):
            if rate > 0:
                return _crossing(lambda x: solved(x)[1], gain, higher)
            rise = rate - slowest(found, flat)
            left = -rate * (higher - gain) / rise if rise > 0 else higher
            gain, found, stride = higher, there, min(1.5 * stride, _STRIDE)
            sizes.append((gain, float(np.max(np.abs(found.point)))))
        else:
            stride *= 0.5
        if sizes[-1][1] > _FAR or (stride < _NARROW and sizes[-1][1] > _FAR**0.5):
            return _runaway(sizes)
        if stride < _NARROW:
            return gain, 2 * left + 10 * stride * gain
    return None


def _runaway(sizes: list[tuple[float, float]]) -> tuple[float, float]:
    """The gain at which a state is at infinity: x ~ 1 / u^2 with gains analytic in u."""
    gains, u = np.array(sizes).T
    u = u**-0.5
    places = [int(np.argmin(np.abs(u - part * u[-1]))) for part in (1, 2, 3, 4)]
    fits = [
        np.polynomial.Polynomial.fit(u[some], gains[some], len(some) - 1)(0.0)
        for some in (np.unique(places), np.unique(places[:3]))
    ]
    return float(fits[0]), float(abs(fits[0] - fits[1])) + _NARROW * float(fits[0])


def _crossing(rate: Callable[[float], float], low: float, high: float) -> tuple[float, float]:
    """Where a rate turns positive."""
    solve: Any = brentq
    if rate(low) > 0:
        return low, high - low
    root = float(solve(rate, low, high, xtol=1e-13 * high, rtol=1e-13))
    return root, 1e-11 * root


def flat_directions(found: Stationary) -> int:
    """How many rates are zero, of directions along which all points are fixed."""
    return int(np.sum(np.abs(found.rates) < 1e-9 * np.max(np.abs(found.rates))))


def slowest(found: Stationary, flat: int) -> float:
    """The largest real part of the rates that are not zero by symmetry."""
    by_size = found.rates[np.argsort(np.abs(found.rates))]
    return float(np.max(np.real(by_size[flat:]))) if len(by_size) > flat else -1.0


def _is_physical(learning: Learning, order: OnlineOrder) -> bool:
    """Whether the fields have a covariance."""
    c = np.asarray(learning.fields(order)[0])
    return bool(np.all(np.isfinite(c)) and np.linalg.eigvalsh(c)[0] > -1e-9 * np.trace(c))

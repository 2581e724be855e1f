"""`asymptotics`: where online learning ends, where it waits, and how fast it may be.

The stationary state is found by Newton's method from the end of a moderate integration, since the
approach to it is slow; the plateau likewise, among states in which all students are alike.
"""

from dataclasses import asdict, dataclass
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from scipy.optimize import brentq

from solvable.bricks.channels.linear import Linear
from solvable.bricks.channels.relu import ReLU
from solvable.bricks.online import Learning, OnlineOrder
from solvable.bricks.online_flow import OnlineFlow, SymmetricFlow, is_symmetric
from solvable.core.arguments import instance
from solvable.core.precision import require_x64
from solvable.core.stationary import Stationary, stationary_point
from solvable.core.status import Status
from solvable.models.base import AbstractOnlineModel
from solvable.models.online_sgd import OnlineSGD
from solvable.studies.curve import Progress
from solvable.studies.dynamics import require_learnable

_FIRST, _GROWTH, _LONGEST = 100.0, 4.0, 3e4  # times of integration, in units of 1 / learning rate
_TOLERANCE = 1e-8
_NEAR = 0.1  # of the end of an integration: as far as Newton's method may lead from it
_ALIKE = 0.1  # relative difference of two errors that are the same state's
_NEUTRAL = 1e-8  # of the fastest rate: rates below it are rounding of zero
_GAIN, _MOST = 1.3, 30  # learning rates that are tried for the largest: 1.3^k times the one asked
_PERFECT, _ROUNDING = 1e-14, 1e-15  # errors that are rounding, and their rounding
_TELLS = 3


@dataclass(frozen=True)
class State:
    """A stationary state, or a plateau.

    Attributes:
        generalization_error: E (student - teacher)^2 / 2; None if there is no such state.
        error_bound: of it.
        rate: of the slowest decay (negative), or of the escape from a plateau (positive).
        q, r, v: order parameters there.
        status: converged, no_branch, unsupported, or how the search failed.
        note: what else there is to say.
    """

    generalization_error: float | None
    error_bound: float | None
    rate: float | None
    q: list[list[float]] | None
    r: list[list[float]] | None
    v: list[float] | None
    status: str
    note: str = ""


@dataclass(frozen=True)
class Limit:
    """The largest learning rate, both layers' in proportion, at which perfect students stay so.

    Attributes:
        value: eta; None if none was found.
        error_bound: of it.
        status: converged, no_branch, or how the search failed.
    """

    value: float | None
    error_bound: float | None
    status: str


@dataclass(frozen=True)
class Asymptotics:
    """What `asymptotics` finds.

    Attributes:
        model: its specification.
        stationary: where learning ends.
        small_rate: eta sigma^2 / 4 sum_k v_k^2 E g'_k^2, to which the stationary error tends for
            small learning rates where the student can be perfect; None without label noise.
        plateau: where all students are alike; `no_branch` where that state is stable or absent.
        largest_learning_rate: above it the stationary state without label noise, if the student
            is perfect there, is unstable.
    """

    model: str
    stationary: State
    small_rate: float | None
    plateau: State
    largest_learning_rate: Limit

    def document(self) -> dict[str, Any]:
        """As nested dictionaries."""
        return asdict(self)


def asymptotics(model: OnlineSGD, *, progress: Progress | None = None) -> Asymptotics:
    """Stationary error, plateau and largest stable learning rate of online learning.

    Args:
        model: an `OnlineSGD`, whose order parameters at time 0 choose the stationary state.
        progress: called with (parts done, parts in all).

    Raises:
        ValueError: if the model does not learn online, or a parameter is unset.

    Source: goldt2019, saad1995.

    Example:
        >>> import solvable as sv
        >>> model = sv.OnlineSGD(activation=sv.Linear(), q0=[[0.2]], r0=[[0.1]],
        ...                      learning_rate=0.5, noise=0.1)
        >>> round(asymptotics(model).stationary.generalization_error, 10)
        0.0016666667
    """
    require_x64()
    instance("model", model, AbstractOnlineModel, "one that learns online, as `OnlineSGD`")
    require_learnable(model)
    parts = [0]

    def done() -> None:
        parts[0] += 1
        if progress is not None:
            progress(parts[0], _TELLS)

    learning, start = model.learning(), model.initial()
    layers = (float(model.learning_rate) > 0, float(model.learning_rate_second) > 0)
    flow = OnlineFlow(learning, start, *layers)
    found, stationary, small = None, _drifting(model, layers), None
    if stationary is None:
        found = _attractor(flow, start)
        stationary = _state(flow, found)
        if found is not None and float(model.noise) > 0:
            small = _small_rate(learning, flow.unpacked(jnp.asarray(found.point)))
    done()
    plateau = _plateau(flow, start)
    done()
    limit = Limit(None, None, Status.no_branch.name)
    if found is not None:
        limit = _largest(flow, found)
    done()
    return Asymptotics(repr(model), stationary, small, plateau, limit)


def _drifting(model: OnlineSGD, layers: tuple[bool, bool]) -> State | None:
    """What to say of networks whose scale moves from layer to layer for ever."""
    homogeneous = isinstance(model.activation, ReLU | Linear)
    if not (homogeneous and all(layers) and float(model.noise) > 0):
        return None
    note = (
        "With both layers learned w -> a w, v -> v / a changes nothing, and noise makes w grow: "
        "there is no stationary state."
    )
    return State(None, None, None, None, None, None, Status.unsupported.name, note)


def _attractor(flow: OnlineFlow, start: OnlineOrder) -> Stationary | None:
    """The stable stationary point nearest to the end of longer and longer integrations."""
    from solvable.core.ode import integrate  # its import takes a second

    time, order = _FIRST, start
    rate = max(float(flow.learning.learning_rate), float(flow.learning.learning_rate_second))
    while time <= _LONGEST:
        path = integrate(flow.learning.drift, order, np.array([time / rate]), _TOLERANCE)
        if path.status != Status.converged:
            return None
        order = jax.tree.map(lambda x: jnp.asarray(x[-1]), path.values)
        end = np.asarray(flow.packed(order))
        found = stationary_point(flow, end)
        if found.status == Status.converged and found.is_stable:
            near = np.linalg.norm(found.point - end) < _NEAR * np.linalg.norm(end)
            errors = [float(_error(flow, jnp.asarray(x))) for x in (found.point, end)]
            # a student shared by teachers moves on for long, although its error does not
            if near or abs(errors[0] - errors[1]) < _ALIKE * abs(errors[1]):
                return found
        time *= _GROWTH
    return None


def _state(flow: OnlineFlow | SymmetricFlow, found: Stationary | None) -> State:
    if found is None:
        return State(None, None, None, None, None, None, Status.max_steps.name)
    whole = flow.whole if isinstance(flow, SymmetricFlow) else flow
    x = jnp.asarray(found.point)
    error, slope = _with_slope(whole.learning, flow, x)
    if float(error) < _PERFECT:
        error, slope = jnp.zeros(()), 0 * slope
    bound = float(jnp.linalg.norm(slope)) * found.error + _ROUNDING
    order = flow.unpacked(x)
    q, r = whole.learning.totals(order)
    q, r, v = (np.asarray(y).tolist() for y in (q, r, order.v))
    return State(float(error), bound, float(found.rates[0].real), q, r, v, found.status.name)


def _plateau(flow: OnlineFlow, start: OnlineOrder) -> State:
    """The symmetric state, its rate of escape among all states."""
    from solvable.core.ode import integrate

    none = State(None, None, None, None, None, None, Status.no_branch.name)
    if len(start.v) < 2 or not is_symmetric(flow.learning, start.v):
        return none
    symmetric = SymmetricFlow(flow)
    rate = max(float(flow.learning.learning_rate), float(flow.learning.learning_rate_second))
    x = symmetric.packed(start)
    path = integrate(symmetric, x, np.array([_FIRST / rate]), _TOLERANCE)
    if path.status != Status.converged:
        return none
    found = stationary_point(symmetric, np.asarray(path.values)[-1])
    if found.status != Status.converged:
        return none
    full = np.asarray(flow.packed(symmetric.unpacked(jnp.asarray(found.point))))
    rates = np.linalg.eigvals(np.asarray(_jacobian(flow, jnp.asarray(full))))
    escape = rates[np.argmax(rates.real)]
    if not escape.real > _NEUTRAL * np.max(np.abs(rates)):
        return none
    return _state(symmetric, found._replace(rates=np.array([escape])))


def _largest(flow: OnlineFlow, found: Stationary) -> Limit:
    """Where a rate of the state without label noise, which does not move, becomes positive."""
    silent = eqx.tree_at(lambda x: x.learning.noise, flow, jnp.zeros(()))
    perfect = stationary_point(silent, found.point)
    x = jnp.asarray(perfect.point)
    if perfect.status != Status.converged or float(_error(silent, x)) > _PERFECT:
        return Limit(None, None, Status.no_branch.name)

    def growth(log_gain: float) -> float:
        rates = np.linalg.eigvals(np.asarray(_jacobian(_faster(silent, log_gain), x)))
        moving = np.abs(rates) > _NEUTRAL * np.max(np.abs(rates))
        return float(np.max(rates[moving].real))

    gains = np.log(_GAIN) * np.arange(_MOST)
    values = (growth(float(gain)) for gain in gains)
    above = next((k for k, value in enumerate(values) if value > 0), 0)
    if above == 0:  # unstable already, or never
        return Limit(None, None, Status.no_branch.name)
    root: Any = brentq(growth, gains[above - 1], gains[above], xtol=1e-12)
    value = float(flow.learning.learning_rate) * float(np.exp(root))
    return Limit(value, 10 * _NEUTRAL * value, Status.converged.name)


def _faster(flow: OnlineFlow, log_gain: float) -> OnlineFlow:
    """The flow at both learning rates times a gain."""
    gain = jnp.asarray(np.exp(log_gain))

    def rates(x: OnlineFlow) -> tuple[Any, Any]:
        return x.learning.learning_rate, x.learning.learning_rate_second

    return eqx.tree_at(rates, flow, tuple(gain * x for x in rates(flow)))


def _small_rate(learning: Learning, order: OnlineOrder) -> float:
    """eta sigma^2 / 4 sum_k v_k^2 E g'_k^2 (Goldt et al. 2019)."""
    c, s = learning.fields(order)
    slopes = learning.averages.at(c, s, len(order.v)).slopes
    own = jnp.sum(order.v**2 * jnp.diagonal(slopes))
    return float(0.25 * learning.learning_rate * learning.noise**2 * own)


@eqx.filter_jit
def _error(flow: OnlineFlow, x: Any) -> Any:
    return flow.learning.generalization_error(flow.unpacked(x))


@eqx.filter_jit
def _with_slope(learning: Learning, flow: Any, x: Any) -> tuple[Any, Any]:
    return jax.value_and_grad(lambda x: learning.generalization_error(flow.unpacked(x)))(x)


@eqx.filter_jit
def _jacobian(flow: Any, x: Any) -> Any:
    return jax.jacfwd(flow)(x)

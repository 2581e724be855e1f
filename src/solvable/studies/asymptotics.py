"""`asymptotics`: where online learning ends, where it waits, and how fast it may be."""

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from solvable.bricks.online import Learning, OnlineOrder
from solvable.bricks.online_modes import compressed
from solvable.core.arguments import fail, instance
from solvable.core.precision import require_x64
from solvable.core.status import Status
from solvable.models import online_limits as limits
from solvable.models.base import AbstractOnlineModel
from solvable.studies.curve import Progress
from solvable.studies.dynamics import require_learnable

_GROUPS = (9, 12)  # of directions of the inputs, roughly and finely
_LOWER = 1e-3  # by which learning must end below a plateau to escape from it
_TELLS = 3
_DRIFTING = (
    "With both layers learned w -> a w, v -> v / a changes nothing, and noise makes w grow for "
    "ever: this is the state at the scales that learning reaches first."
)


@dataclass(frozen=True)
class State:
    """A stationary state, or a plateau.

    Attributes:
        generalization_error: E (student - teacher)^2 / 2; None if there is no such state.
        error_bound: of it.
        rate: of the slowest decay (negative), or of the escape from a plateau (positive).
        q, r, v: order parameters there.
        status: converged, no_branch, or how the search failed.
        note: what else there is to say.
        escape_time: when the error, from this start, is halfway from the plateau's to the
            stationary one; None where it is not.
        escape_time_error: a bound on that.
    """

    generalization_error: float | None
    error_bound: float | None
    rate: float | None
    q: list[list[float]] | None
    r: list[list[float]] | None
    v: list[float] | None
    status: str
    note: str = ""
    escape_time: float | None = None
    escape_time_error: float | None = None


@dataclass(frozen=True)
class Limit:
    """The largest learning rate, both layers' in proportion, up to which learning ends.

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
            small learning rates where student and teacher become equal, and which for linear
            networks is corrected to hold for all; None where they do not.
        plateau: where all students are alike; `no_branch` where that state is stable or absent.
        largest_learning_rate: up to which the state of small rates, without label noise if the
            student is perfect then, is there and stable.
    """

    model: str
    stationary: State
    small_rate: float | None
    plateau: State
    largest_learning_rate: Limit

    def document(self) -> dict[str, Any]:
        """As nested dictionaries."""
        return asdict(self)


def asymptotics(model: AbstractOnlineModel, *, progress: Progress | None = None) -> Asymptotics:
    """Stationary error, plateau and largest stable learning rate of online learning.

    Args:
        model: an `OnlineSGD`, whose order parameters at time 0 choose the stationary state.
        progress: called with (parts done, parts in all).

    Raises:
        ValueError: if the model does not learn online, no layer does, or a parameter is unset.

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
    learning, start = model.learning(), model.initial()
    if max(float(learning.learning_rate), float(learning.learning_rate_second)) == 0:
        raise fail("learning_rate", "be positive for one layer at least", 0.0)
    problems = [_with_groups(learning, start, count) for count in _GROUPS]
    rounds = problems[1:] if problems[0][0] is problems[1][0] else problems
    found, done = [], 0
    for few, order in rounds:
        end = limits.stationary(few, order)
        parts: list[Any] = []
        for part in (_stationary, _plateau, _largest):
            parts.append(part(few, order, end))
            done += 1
            if progress is not None:
                progress(done, _TELLS * len(rounds))
        found.append((*parts, limits.small_rate_error(few, end)))
    stationary, plateau, largest, small = found[-1]
    if len(found) > 1:
        stationary, plateau, largest = (
            _compared(fine, rough) for fine, rough in zip(found[1][:3], found[0][:3], strict=True)
        )
    return Asymptotics(repr(model), stationary, small, plateau, largest)


def _with_groups(
    learning: Learning, start: OnlineOrder, count: int
) -> tuple[Learning, OnlineOrder]:
    """The same with fewer groups of directions, if there are more."""
    if len(learning.modes.share) <= count:
        return learning, start
    return compressed(learning, start, count) or (learning, start)


def _compared(fine: Any, rough: Any) -> Any:
    """A result whose bounds hold what fewer groups change."""
    pairs = {"generalization_error": "error_bound", "value": "error_bound"}
    pairs["escape_time"] = "escape_time_error"
    one, other, changes = asdict(fine), asdict(rough), {}
    for name, bound in pairs.items():
        if one.get(name) is not None and other[name] is not None:
            changes[bound] = one[bound] + abs(one[name] - other[name])
    return replace(fine, **changes)


def _absent(status: Status) -> State:
    return State(None, None, None, None, None, None, status.name)


def _state(learning: Learning, found: limits.State, rate: float) -> State:
    """A fixed point as plain numbers; an error that is rounding is none."""
    q, r = learning.totals(found.order)
    q, r, v = (np.asarray(x).tolist() for x in (q, r, found.order.v))
    error = 0.0 if abs(found.error) < found.bound else found.error
    return State(error, found.bound, rate, q, r, v, found.found.status.name)


def _stationary(learning: Learning, start: OnlineOrder, end: limits.State) -> State:
    """Where learning ends; its slowest rate leaves aside directions in which all stay."""
    if end.found.status != Status.converged:
        return _absent(end.found.status)
    rate = limits.slowest(end.found, limits.flat_directions(end.found))
    state = _state(learning, end, rate)
    drifting = limits.coordinates(learning, start).gauged
    return replace(state, note=_DRIFTING) if drifting and learning.noise > 0 else state


def _plateau(learning: Learning, start: OnlineOrder, end: limits.State) -> State:
    """The symmetric state if it is a saddle, and when this start leaves it."""
    several = len(start.v) > 1 and float(learning.learning_rate) > 0
    if not several or not limits.are_interchangeable(learning, start):
        return _absent(Status.no_branch)
    found = limits.stationary(learning, start, symmetric=True)
    if found.found.status != Status.converged:
        return _absent(Status.no_branch)
    rate = limits.escape_rate(learning, found)
    if rate <= 0:
        return _absent(Status.no_branch)
    state = _state(learning, found, rate)
    if end.found.status != Status.converged or end.error > (1 - _LOWER) * found.error:
        return state
    time = limits.escape_time(learning, start, 0.5 * (found.error + end.error), rate)
    return (
        state if time is None else replace(state, escape_time=time[0], escape_time_error=time[1])
    )


def _largest(learning: Learning, start: OnlineOrder, end: limits.State) -> Limit:
    """The end of the branch of small rates."""
    found = limits.largest_rate(learning, start)
    return (
        Limit(None, None, Status.no_branch.name)
        if found is None
        else Limit(*found, Status.converged.name)
    )

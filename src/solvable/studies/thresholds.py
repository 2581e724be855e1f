"""`thresholds`: the phase transitions of a model in one parameter."""

import dataclasses
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import pairwise

import numpy as np
from scipy.optimize import root_scalar

from solvable.core.arguments import UNSET
from solvable.core.branches import LostError, Scan
from solvable.core.parallel import in_threads
from solvable.core.precision import require_x64
from solvable.core.specification import replace, resolve
from solvable.core.status import Status
from solvable.core.thresholds import (
    ALONE,
    NAMES,
    Potentials,
    Threshold,
    Thresholds,
    Transition,
    absent,
    distance,
    scalar_thresholds,
    transitions,
)
from solvable.models import scalar
from solvable.models.base import AbstractScalarReplicaModel, AbstractThresholdModel
from solvable.studies.curve import Progress, checked_grids, require_set

# A number whose sign changes where what the name says sits, at a model, and a bound on its error;
# roughly, with NaN for the bound, or to all digits.
Measure = Callable[[AbstractScalarReplicaModel, str, bool], tuple[float, float]]

# Where to look for transitions in a parameter that is not the scale; its domain cuts this down.
CANDIDATES = np.unique(
    np.concatenate([[0.0], np.logspace(-10, 4, 57), np.linspace(0.05, 0.95, 19)])
)
STRIDE = 4  # the first look takes every fourth of them
_HALVINGS = 3  # between neighbors of which only one has a transition
_NEAR = 2.0  # a transition this many times its change over a gap away lies outside
_ROUGHLY = 1e-5
_CLOSE = 1e-2  # so close to a transition the last digits decide on which side
_ROUNDS = 8
_FOUND = 1e-12


def thresholds(
    model: AbstractScalarReplicaModel, parameter: str, *, progress: Progress | None = None
) -> Thresholds:
    """Phase transitions of a model in one parameter, each with an error bound.

    `weak_recovery`: q = 0 loses stability. `information_theoretic`: the best branch changes.
    `spinodal_uninformed`, `spinodal_informed`: the branch from below, from above ends.
    `algorithmic`: the easy end of the hard phase; without one, `information_theoretic` where that
    exists, else `weak_recovery`. One that does not exist is None with status `no_branch`.

    Args:
        model: a model with a replica free entropy; `parameter` may be unset.
        parameter: in which to look; other parameters must have values.
        progress: called with (steps done, steps in all) where the search is long.

    Returns:
        A mapping from name to `Threshold`; prints itself.

    Raises:
        ValueError: if the name is unknown or ambiguous, or another parameter is unset.

    Example:
        >>> import solvable as sv
        >>> model = sv.GLM(prior=sv.Rademacher(), channel=sv.Sign())
        >>> round(sv.thresholds(model, "alpha")["algorithmic"].value, 5)
        1.49263
    """
    require_x64()
    checked_grids(model, None)
    resolve(model, parameter)
    require_set(model, {parameter})
    found = in_parameter(model, parameter, CANDIDATES, progress, STRIDE)
    return Thresholds(repr(model), parameter, found)


def in_parameter(
    model: AbstractScalarReplicaModel,
    parameter: str,
    candidates: Iterable[float],
    progress: Progress | None = None,
    stride: int = 1,
) -> dict[str, Threshold]:
    """Thresholds in any parameter: exact in the scale, or a noise that divides it, else searched.

    Args:
        model: any.
        parameter: in which to look.
        candidates: where a search looks.
        progress: of a search.
        stride: of its first look.
    """
    if parameter != model.scale_parameter:
        found = search(model, parameter, candidates, progress, stride)
    else:
        found = in_scale(model)
        if model.scale_power == -1:
            found = {name: one.inverted() for name, one in found.items()}
    if isinstance(model, AbstractThresholdModel):
        found = found | model.own_thresholds(parameter, found)
    return found


def in_scale(model: AbstractScalarReplicaModel) -> dict[str, Threshold]:
    """Thresholds in the scale that multiplies the conjugate (alpha, 1 / delta); once a model."""
    return _in_scale(without_scale(model))


def without_scale(model: AbstractScalarReplicaModel) -> AbstractScalarReplicaModel:
    """The model with its scale parameter unset: what has one landscape."""
    model = scalar.canonical(model)
    name = model.scale_parameter
    return model if name is None else replace(model, {name: UNSET})


@lru_cache(maxsize=4096)
def _in_scale(model: AbstractScalarReplicaModel) -> dict[str, Threshold]:
    here = landscape(model, exact=True)
    return scalar_thresholds(here.table, here.potentials)


@dataclasses.dataclass(frozen=True)
class Landscape:
    """All that decides on the thresholds of a model, whatever its scale."""

    table: Scan
    potentials: Potentials
    transitions: dict[str, Transition]
    exact: bool

    def distance(self, name: str, scale: float) -> tuple[float, float]:
        """By how much a scale is below a transition, and a bound on the error."""
        decides = self.transitions[name]
        return distance(self.table, decides, scale, self.potentials, self.exact)


@lru_cache(maxsize=4096)
def landscape(model: AbstractScalarReplicaModel, exact: bool) -> Landscape:
    """The landscape to all digits, or as well as the table's own quadrature gives it."""
    table = scalar.tabulate(model, scalar.WIDEST, None if exact else np.zeros(0))
    low, high = np.log(scalar.WIDEST)
    # a table goes further than the scales that it is for, to where levels are rounding errors
    inside = tuple(fold for fold in table.folds if low <= fold.h <= high)
    table = dataclasses.replace(table, folds=inside)
    potentials = scalar.table_potentials(model, table)
    return Landscape(table, potentials, transitions(table), exact)


def distances(model: AbstractScalarReplicaModel) -> dict[str, float]:
    """By how much the model is below each transition, with a certain sign; NaN without one."""
    found = {name: _below(model, name, exact=False)[0] for name in NAMES}
    close = [name for name in NAMES if abs(found[name]) < _CLOSE]
    return found | {name: _below(model, name, exact=True)[0] for name in close}


def _below(model: AbstractScalarReplicaModel, name: str, exact: bool) -> tuple[float, float]:
    """By how much the model is below a transition, in ln scale; a `Measure`."""
    return landscape(without_scale(model), exact).distance(name, scalar.scale_of(model))


def search(
    model: AbstractScalarReplicaModel,
    parameter: str,
    candidates: Iterable[float],
    progress: Progress | None = None,
    stride: int = 1,
) -> dict[str, Threshold]:
    """Thresholds in any parameter c: roots of the distance between the scale and a transition."""
    return zeros(model, parameter, NAMES, _below, candidates, progress, stride)


def zeros(
    model: AbstractScalarReplicaModel,
    parameter: str,
    names: Sequence[str],
    measure: Measure,
    candidates: Iterable[float],
    progress: Progress | None = None,
    stride: int = 1,
) -> dict[str, Threshold]:
    """Where in a parameter c the measure of each name is zero.

    Sign changes between neighboring values of c certify the roots; the lowest keeps the name,
    further ones are `name_2`, ... A rough look at some candidates decides where to look closer;
    only roots are found to all digits.
    """

    def at(c: float, name: str, exact: bool) -> tuple[float, float]:
        return measure(replace(model, {parameter: c}), name, exact)

    def look(c: float) -> dict[str, float]:
        try:
            return {name: at(c, name, False)[0] for name in names}
        except LostError:
            return dict.fromkeys(names, np.nan)

    seen = _survey(look, _admitted(model, parameter, candidates), stride, progress)
    values = sorted(seen)
    brackets = {
        name: tuple(
            (low, high)
            for low, high in pairwise(values)
            if seen[low][name] * seen[high][name] <= 0  # False for NaN
        )
        for name in names
    }
    # where two names share a transition they share its roots
    tasks = {(_levels(seen, name), bracket): name for name in names for bracket in brackets[name]}
    roots = in_threads(lambda task: _root(at, tasks[task], *task[1]), tasks)
    located = dict(zip(tasks, roots, strict=True))
    found: dict[str, Threshold] = {}
    for name, places in brackets.items():
        here = [located[_levels(seen, name), place] for place in places]
        kept = list({root.value: root for root in here if root.value is not None}.values())
        found[name] = absent(name)
        for rank, root in enumerate(kept, 1):
            label = name if rank == 1 else f"{name}_{rank}"
            found[label] = dataclasses.replace(root, name=label)
    return found


def _levels(seen: dict[float, dict[str, float]], name: str) -> bytes:
    return np.array([seen[value][name] for value in sorted(seen)]).tobytes()


def _survey(
    measured: Callable[[float], dict[str, float]],
    candidates: list[float],
    stride: int,
    progress: Progress | None,
) -> dict[float, dict[str, float]]:
    """Rough measures at every `stride`th candidate, and closer where they may change sign."""
    seen: dict[float, dict[str, float]] = {}

    def look(value: float) -> None:
        seen[value] = measured(value)
        if progress is not None:
            progress(len(seen), max(total, len(seen)))

    asked = sorted({*candidates[::stride], *candidates[-1:]})
    depth: dict[float, int] = {}
    while asked:
        total = len(seen) + len(asked)
        if not seen:
            look(asked.pop(0))  # the first compiles
        in_threads(look, asked)
        asked = _asked(sorted(seen), seen, candidates, depth)
    return seen


def _asked(
    values: list[float],
    seen: dict[float, dict[str, float]],
    candidates: list[float],
    depth: dict[float, int],
) -> list[float]:
    """Where to look next: inside every gap that may hold a transition, if it is still wide."""
    found = []
    for low, high in pairwise(values):
        pairs = [(seen[low][name], seen[high][name]) for name in seen[low]]
        inside = [c for c in candidates if low < c < high]
        if inside and any(_may_cross(*pair) for pair in pairs):
            found.append(inside[len(inside) // 2])
        elif low > 0 and any(np.isnan(a) != np.isnan(b) for a, b in pairs):
            level = max(depth.get(low, 0), depth.get(high, 0)) + 1
            if level <= _HALVINGS:
                found.append(float(np.sqrt(low * high)))
                depth[found[-1]] = level
    return found


def _may_cross(a: float, b: float) -> bool:
    """Whether a function with these values at the ends of a gap may be zero inside."""
    if np.isnan(a) or np.isnan(b):
        return np.isnan(a) != np.isnan(b)
    return a * b <= 0 or min(abs(a), abs(b)) < _NEAR * abs(a - b) < ALONE


def _admitted(
    model: AbstractScalarReplicaModel, parameter: str, candidates: Iterable[float]
) -> list[float]:
    """The candidates that lie in the parameter's domain, which its constructor knows."""
    kept = []
    for value in candidates:
        try:
            replace(model, {parameter: float(value)})
        except ValueError:
            continue
        kept.append(float(value))
    return kept


def _root(
    at: Callable[[float, str, bool], tuple[float, float]], name: str, low: float, high: float
) -> Threshold:
    """The crossing in a bracket: roughly by bisection, then by secant steps to all digits.

    Absent where the measure jumps across zero, as where one branch replaces another, or has no
    value inside.
    """

    def rough(c: float) -> float:
        value = at(c, name, False)[0]
        if np.isnan(value):
            raise LostError(f"There is no {name} at {c}.")
        return value

    def exactly(c: float) -> tuple[float, float]:
        return at(c, name, True)

    try:
        found = root_scalar(rough, bracket=(low, high), xtol=_ROUGHLY * high, rtol=_ROUGHLY)
    except LostError:
        return absent(name)
    here = float(found.root)
    if np.isnan(here):  # infinite at an end
        return absent(name)
    level, own = exactly(here)
    following = here - _ROUGHLY * (high - low) if here > low else high
    for _ in range(_ROUNDS):
        before, below = here, level
        here = following
        level, own = exactly(here)
        if np.isnan(level - below):  # with all digits there is none any more
            return absent(name)
        slope = (level - below) / (here - before)
        following = float(np.clip(here - level / slope, low, high)) if slope else here
        if following == here or abs(level) <= max(_FOUND, 0.01 * own):
            break
    if not abs(level) <= max(_ROUGHLY, own):
        return absent(name)
    error = (abs(level) + own) / abs(slope) if slope else np.inf
    status = Status.converged if np.isfinite(error) else Status.precision_loss
    return Threshold(name, here, error, status)

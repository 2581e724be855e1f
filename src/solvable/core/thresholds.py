"""Thresholds of a scalar state evolution, from the extrema of its level and its potentials.

Weak recovery is where q = 0 loses stability, known exactly. The spinodals are the extrema of
h(x) = x - ln S: the uninformed branch ends at the highest maximum, the informed one at the lowest
minimum. The first-order line is where the potentials of the two continued branches are equal.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import numpy as np
from numpy.polynomial import Chebyshev

from solvable.core.branches import Fold, Scan, is_dear, level
from solvable.core.fixed_points import fixed_points
from solvable.core.quadrature import FINE_ORDER, ORDER
from solvable.core.roots import Roots, find_roots, guess_roots
from solvable.core.status import Status

_ROUNDS = 8
_NODES = np.sort(np.cos(np.pi * (np.arange(8) + 0.5) / 8))
_ROUNDING = 1e-14
_SETTLED = 1e-11  # a last step so small means a fit to all digits
_ROUGH, _ROUGH_STEP = 1e-4, 1e-8  # the same in a table; a step that still tells a slope
_SMALLEST_FRACTION = 1e-4  # of the spinodal: where a search without a lower spinodal begins
_LARGEST_SCALE = 1e4
_BESIDE, _BESIDE_LOW = 1e-4, 1e-6
_Found = TypeVar("_Found")
ALONE = 1e3  # for a difference of potentials where only one of two branches exists


@dataclass(frozen=True)
class Threshold:
    """A transition.

    Attributes:
        name: as on the model's card.
        value: where it sits, or None if it does not exist.
        error_bound: bound on the error of `value`, from residuals and a finer quadrature.
        status: converged, or no_branch where it does not exist.
        rigour: of its formula, where that is not the model's.
    """

    name: str
    value: float | None
    error_bound: float | None
    status: Status
    rigour: str | None = None

    def log_value(self) -> float:
        """ln of the value, -inf at 0; NaN if it does not exist."""
        if self.value is None:
            return np.nan
        return float(np.log(self.value)) if self.value > 0 else -np.inf

    def inverted(self) -> "Threshold":
        """The same transition in one over the parameter."""
        if self.value is None or self.error_bound is None:
            return self
        if self.value == 0:
            return replace(self, value=np.inf)
        return replace(self, value=1 / self.value, error_bound=self.error_bound / self.value**2)

    def __str__(self) -> str:
        if self.value is None:
            return f"{self.name}: none ({self.status.name})"
        basis = f" ({self.rigour})" if self.rigour else ""
        return f"{self.name}: {self.value:.8g} +- {self.error_bound:.1g}{basis}"


class AbstractFound(Mapping[str, _Found]):
    """Results of a search by name."""

    found: dict[str, _Found]

    def __getitem__(self, name: str) -> _Found:
        return self.found[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.found)

    def __len__(self) -> int:
        return len(self.found)


@dataclass(frozen=True)
class Thresholds(AbstractFound[Threshold]):
    """All thresholds of a model in one parameter, by name; prints itself.

    Attributes:
        model: the model's specification.
        parameter: the parameter.
        found: the thresholds.
    """

    model: str
    parameter: str
    found: dict[str, Threshold]

    def __str__(self) -> str:
        lines = [f"Thresholds of {self.model} in {self.parameter}"]
        return "\n".join(lines + [f"  {found}" for found in self.found.values()])

    __repr__ = __str__

    def document(self) -> dict[str, Any]:
        """Plain data, as `solvable thresholds --json` prints it."""
        return {
            "model": self.model,
            "parameter": self.parameter,
            "thresholds": {
                name: {
                    "value": found.value,
                    "error_bound": found.error_bound,
                    "status": found.status.name,
                    **({"rigour": found.rigour} if found.rigour else {}),
                }
                for name, found in self.found.items()
            },
        }


def absent(name: str) -> Threshold:
    """A threshold that does not exist."""
    return Threshold(name, None, None, Status.no_branch)


def _present(name: str, value: float, error: float) -> Threshold:
    return Threshold(name, float(value), float(error), Status.converged)


@dataclass(frozen=True)
class Sharp:
    """A transition whose scale is known without a search, and a bound on its error."""

    value: float
    error: float


@dataclass(frozen=True)
class FirstOrder:
    """The scale at which the best branches on either side of a fold have equal potentials."""

    top: Fold


Transition = Sharp | Fold | FirstOrder | None


@dataclass(frozen=True)
class Potentials:
    """Free entropies: of fixed points of the table, and at the ends of its axis.

    Attributes:
        inner: (fixed point, scale, nodes a panel) -> free entropy, vectorized.
        end: ("trivial" or "recovered", scales) -> free entropy at q = 0 or q = rho.
    """

    inner: Callable[[np.ndarray, np.ndarray, int], np.ndarray]
    end: Callable[[str, np.ndarray], np.ndarray]


def transitions(table: Scan) -> dict[str, Transition]:
    """What decides each of the five thresholds; None for one that does not exist.

    Args:
        table: the scan, wide enough to hold every extremum.
    """
    limits = table.limits
    weak, perfect = None, None
    if limits.trivial and np.isfinite(limits.weak_recovery):
        weak = Sharp(limits.weak_recovery, limits.weak_recovery_error)
    if not np.isnan(limits.perfect):
        perfect = Sharp(limits.perfect, 0.0)
    maxima, minima = _ends(table)
    if not maxima:
        # no two branches ever coexist: every transition is continuous
        always = limits.recovered and limits.recovery == 0
        return _by_name(weak, perfect, perfect or weak, None, Sharp(0.0, 0.0) if always else None)
    top = max(maxima, key=lambda end: end.h)
    uninformed = _end(table, top)
    informed = _end(table, min(minima, key=lambda end: end.h)) if minima else None
    return _by_name(weak, perfect or FirstOrder(top), uninformed, uninformed, informed)


def _end(table: Scan, end: Fold) -> Transition:
    """The end of a branch: a fold, or an end of the axis."""
    if end.h == np.inf:
        return None
    if np.isfinite(end.x):
        return end
    if end.is_maximum:
        return Sharp(table.limits.weak_recovery, table.limits.weak_recovery_error)
    return Sharp(float(np.exp(end.h)), 0.0)


def scalar_thresholds(table: Scan, potentials: Potentials) -> dict[str, Threshold]:
    """The five thresholds in the scale parameter, from a table that holds every extremum."""
    return {
        name: _located(name, table, transition, potentials)
        for name, transition in transitions(table).items()
    }


def _located(name: str, table: Scan, transition: Transition, potentials: Potentials) -> Threshold:
    if transition is None:
        return absent(name)
    if isinstance(transition, Sharp):
        return _present(name, transition.value, transition.error)
    if isinstance(transition, FirstOrder):
        return _first_order(name, table, transition.top, potentials)
    value = float(np.exp(transition.h))
    return _present(name, value, value * _fold_error(table, transition))


def _fold_error(table: Scan, fold: Fold) -> float:
    # h is flat there, so that an error in x counts only in second order
    fine = level(table.model, np.array([fold.x]), FINE_ORDER)[0]
    return abs(float(fine) - fold.h) + _ROUNDING


def distance(
    table: Scan, transition: Transition, scale: float, potentials: Potentials, exact: bool
) -> tuple[float, float]:
    """By how much, in ln scale, a scale is below a transition, and a bound on the error.

    For a first-order transition this is the Newton step to it, and huge where only one of its
    branches exists. NaN where there is no transition.

    Args:
        table: the scan.
        transition: what decides, from `transitions`.
        scale: where.
        potentials: of this table.
        exact: False leaves out what only the last digits and the error need.
    """
    if isinstance(transition, FirstOrder):
        return _first_order_distance(table, transition.top, scale, potentials, exact)
    if isinstance(transition, Fold):
        return transition.h - np.log(scale), _fold_error(table, transition) if exact else np.nan
    if transition is None or transition.value <= 0:
        return np.nan, np.nan
    return float(np.log(transition.value / scale)), transition.error / transition.value


def _first_order_distance(
    table: Scan, top: Fold, scale: float, potentials: Potentials, exact: bool
) -> tuple[float, float]:
    scales = scale * np.array([1.0, 1.0 + _BESIDE])
    roots = (find_roots if exact else guess_roots)(table, scales)

    def gaps(nodes: int) -> np.ndarray:
        return _potential_gap(table, top, roots, scales, potentials, nodes)

    here, beside = gaps(ORDER if exact else table.model.coarse)
    if abs(here) == ALONE:
        return -here, 0.0
    slope = (beside - here) / np.log1p(_BESIDE) if abs(beside) < ALONE else np.nan
    if not slope > 0:
        return -np.copysign(ALONE, here), 0.0
    error = (abs(gaps(FINE_ORDER)[0] - here) / slope + _ROUNDING) if exact else np.nan
    return -here / slope, error


NAMES = (
    "weak_recovery",
    "information_theoretic",
    "algorithmic",
    "spinodal_uninformed",
    "spinodal_informed",
)


def _by_name(*found: Transition) -> dict[str, Transition]:
    return dict(zip(NAMES, found, strict=True))


def _ends(table: Scan) -> tuple[list[Fold], list[Fold]]:
    """Where stable branches end, from below (maxima of h) and from above (minima).

    The ends of the axis count: q = 0 where an unstable branch leaves it downwards in the scale,
    q = rho where one reaches it.
    """
    limits = table.limits
    maxima = [fold for fold in table.folds if fold.is_maximum]
    minima = [fold for fold in table.folds if not fold.is_maximum]
    if limits.trivial and not table.segments[0].stable:
        maxima.append(Fold(-np.inf, _log(limits.weak_recovery), True))
    if limits.recovered and not table.segments[-1].stable:
        minima.append(Fold(np.inf, _log(limits.recovery), False))
    return maxima, minima


def _log(x: float) -> float:
    return float(np.log(x)) if x > 0 else -np.inf


def _first_order(name: str, table: Scan, top: Fold, potentials: Potentials) -> Threshold:
    """The scale at which the best branches on either side of the fold have equal potentials.

    Where a point takes long to compute, the search is one in the table, and ends with a few steps
    to the true crossing.
    """

    def gap(scales: np.ndarray, nodes: int = ORDER, exact: bool = True) -> np.ndarray:
        roots = (find_roots if exact else guess_roots)(table, scales)
        return _potential_gap(table, top, roots, scales, potentials, nodes)

    high = top.h if np.isfinite(top.h) else np.log(_LARGEST_SCALE)
    lowest = [fold.h for fold in _ends(table)[1] if fold.x > top.x]
    low = max(min(lowest, default=-np.inf), high + np.log(_SMALLEST_FRACTION))
    found = None
    if is_dear(table.model):
        rough = _crossing(lambda s: gap(s, table.model.coarse, False), low, high, _ROUGH)
        found = None if rough is None else _polished(gap, *rough)
    found = found or _crossing(gap, low, high, _SETTLED)
    if found is None:
        return absent(name)
    root, slope = found
    scale = np.exp([root])
    coarse, fine = gap(scale)[0], gap(scale, FINE_ORDER)[0]
    value = float(scale[0])
    error = value * ((abs(coarse) + abs(fine - coarse)) / abs(slope) + _ROUNDING)
    return _present(name, value, error)


def _crossing(
    gap: Callable[[np.ndarray], np.ndarray], low: float, high: float, settled: float
) -> tuple[float, float] | None:
    """ln of the first scale from which on `gap` is positive, and its slope; None without one.

    Args:
        gap: a difference of potentials at many scales.
        low: ln of the lowest scale.
        high: ln of the highest.
        settled: a last step so small ends the search.
    """
    # beside the fold at the low end, where the nodes below may all lie beyond the crossing
    first = low + _BESIDE_LOW * (high - low)
    bracket = np.array([first] if abs(gap(np.exp([first]))[0]) < ALONE else [])
    root = np.nan
    for _ in range(_ROUNDS):
        nodes = 0.5 * (low + high) + 0.5 * (high - low) * _NODES
        x = np.sort(np.r_[bracket, nodes])
        values = gap(np.exp(x))
        crossing = np.flatnonzero((values[:-1] < 0) & (values[1:] >= 0))
        if not crossing.size:
            return None
        bracket, last = x[int(crossing[0]) :][:2], root
        inside = np.isin(x, nodes)
        fit = Chebyshev.fit(nodes, values[inside], len(nodes) - 1, domain=[low, high])
        roots = fit.roots()
        near = roots.real[
            (np.abs(roots.imag) < 1e-9) & (roots.real >= bracket[0]) & (roots.real <= bracket[1])
        ]
        root = float(near[0]) if near.size else 0.5 * float(bracket.sum())
        if abs(root - last) < settled:
            break
        # beside a fold the fit is rough, so that the next nodes may miss the root: the bracket not
        reach = min(0.3 * (bracket[1] - bracket[0]), 0.5 * (high - low))
        low, high = max(bracket[0], root - reach), min(bracket[1], root + reach)
    return root, float(fit.deriv()(root))


def _polished(
    gap: Callable[[np.ndarray], np.ndarray], root: float, slope: float
) -> tuple[float, float] | None:
    """A crossing and its slope by secant steps; None if they do not settle."""
    last, before = 0.0, np.nan
    for _ in range(_ROUNDS):
        value = float(gap(np.exp([root]))[0])
        if not abs(value) < ALONE:
            return None
        rise = (value - before) / last if abs(last) > _ROUGH_STEP else np.nan
        slope = rise if rise * slope > 0 else slope
        last, before = -value / slope, value
        root += last
        if abs(last) < _SETTLED:
            return root, slope
    return None


def _places(table: Scan) -> list[str]:
    """The ends of the axis that are fixed points at some scale."""
    limits = table.limits
    ends = (("trivial", limits.trivial), ("recovered", limits.recovered))
    return [place for place, exists in ends if exists]


def _potential_gap(
    table: Scan,
    top: Fold,
    roots: Roots,
    scales: np.ndarray,
    potentials: Potentials,
    nodes: int,
) -> np.ndarray:
    """Best free entropy above the fold minus the best below; huge where one side is empty.

    NaN where both are: at scales beyond those that the table is for.
    """
    inner = potentials.inner(roots.point, scales[roots.index], nodes)
    ends = {place: potentials.end(place, scales) for place in _places(table)}
    above, below = np.full(len(scales), -np.inf), np.full(len(scales), -np.inf)
    for k, points in enumerate(fixed_points(table, roots, scales)):
        for point in points:
            if not point.stable:
                continue
            if point.place == "interior":
                value, is_above = inner[point.root], roots.x[point.root] > top.x
            else:
                value, is_above = ends[point.place][k], point.place == "recovered"
            side = above if is_above else below
            side[k] = max(side[k], value)
    is_above, is_below = ~np.isneginf(above), ~np.isneginf(below)
    gap = np.where(is_above, ALONE, np.where(is_below, -ALONE, np.nan))
    np.subtract(above, below, out=gap, where=is_above & is_below)
    return gap

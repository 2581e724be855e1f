"""`thresholds`: the phase transitions of a model in one parameter."""

import dataclasses
from collections.abc import Callable, Iterable
from functools import lru_cache

import numpy as np
from scipy.optimize import root_scalar

from solvable.core.arguments import UNSET
from solvable.core.precision import require_x64
from solvable.core.specification import replace, resolve
from solvable.core.status import Status
from solvable.core.thresholds import Threshold, Thresholds, absent, scalar_thresholds
from solvable.models import scalar
from solvable.models.base import AbstractScalarReplicaModel
from solvable.studies.curve import Progress, checked_grids, require_set

# Where to look for transitions in a parameter that is not the scale; its domain cuts this down.
_CANDIDATES = np.unique(
    np.concatenate([[0.0], np.logspace(-10, 4, 57), np.linspace(0.05, 0.95, 19)])
)


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
    if parameter == model.scale_parameter:
        found = in_scale(model)
    else:
        found = search(model, parameter, _CANDIDATES, progress)
    return Thresholds(repr(model), parameter, found)


def in_scale(model: AbstractScalarReplicaModel) -> dict[str, Threshold]:
    """Thresholds in the parameter that scales the conjugate (alpha); computed once a model."""
    name = model.scale_parameter
    return _in_scale(model if name is None else replace(model, {name: UNSET}))


@lru_cache(maxsize=4096)
def _in_scale(model: AbstractScalarReplicaModel) -> dict[str, Threshold]:
    table = scalar.tabulate(model, scalar.WIDEST)
    low, high = np.log(scalar.WIDEST)
    # a table goes further than the scales that it is for, to where levels are rounding errors
    inside = tuple(fold for fold in table.folds if low <= fold.h <= high)
    table = dataclasses.replace(table, folds=inside)

    def potential(point: np.ndarray, scale: np.ndarray, nodes: int) -> np.ndarray:
        return scalar.potentials(table.model, point, scale, nodes)

    return scalar_thresholds(table, potential, model.end_free_entropy)


def search(
    model: AbstractScalarReplicaModel,
    parameter: str,
    candidates: Iterable[float],
    progress: Progress | None = None,
) -> dict[str, Threshold]:
    """Thresholds in any parameter c: roots of ln t(c) - ln scale, with t(c) those in the scale.

    Sign changes between neighbouring candidates certify the roots; the lowest keeps the name,
    further ones are `name_2`, ...
    """
    target = np.log(scalar.scale_of(model))
    values = _admitted(model, parameter, candidates)
    tables = []
    for k, value in enumerate(values):
        tables.append(in_scale(replace(model, {parameter: value})))
        if progress is not None:
            progress(k + 1, len(values))
    found: dict[str, Threshold] = {}
    for name in tables[0]:
        level = [_log_value(table[name]) - target for table in tables]

        def distance(c: float, name: str = name) -> float:
            return _log_value(in_scale(replace(model, {parameter: c}))[name]) - target

        roots = [
            _root(distance, model, parameter, name, values[k], values[k + 1])
            for k in range(len(values) - 1)
            if np.isfinite(level[k] + level[k + 1]) and level[k] * level[k + 1] < 0
        ]
        found[name] = roots[0] if roots else absent(name)
        for rank, root in enumerate(roots[1:], 2):
            found[f"{name}_{rank}"] = root
    return found


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


def _log_value(threshold: Threshold) -> float:
    if threshold.value is None or threshold.value <= 0:
        return np.nan
    return float(np.log(threshold.value))


def _root(
    distance: Callable[[float], float],
    model: AbstractScalarReplicaModel,
    parameter: str,
    name: str,
    low: float,
    high: float,
) -> Threshold:
    """The crossing in a bracket; the bound joins the bracket and the threshold's own error."""
    root = float(root_scalar(distance, bracket=(low, high), xtol=1e-13 * high, rtol=1e-13).root)
    step = 1e-5 * abs(root)
    slope = (distance(root + step) - distance(root - step)) / (2 * step)
    there = in_scale(replace(model, {parameter: root}))[name]
    own = (there.error_bound or 0.0) / (there.value or 1.0)
    error = (abs(distance(root)) + own) / abs(slope) if slope else np.inf
    status = Status.converged if np.isfinite(error) else Status.precision_loss
    return Threshold(name, root, error, status)

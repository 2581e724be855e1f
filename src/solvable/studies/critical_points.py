"""`critical_points`: where the first-order lines of a model end, in two of its parameters."""

import dataclasses
from collections.abc import Iterable

import numpy as np

from solvable.core.branches import Fold, Limits, LostError
from solvable.core.critical_points import deepest_dip, departure
from solvable.core.precision import require_x64
from solvable.core.specification import replace, resolve
from solvable.core.status import Status
from solvable.core.thresholds import AbstractFound, FirstOrder, Threshold
from solvable.models import scalar
from solvable.models.base import AbstractScalarReplicaModel
from solvable.studies.curve import Progress, checked_grids, require_set
from solvable.studies.thresholds import CANDIDATES, STRIDE, landscape, without_scale, zeros

CUSP, TRICRITICAL = "critical_point", "tricritical_point"
# which transition meets weak recovery in the other points
_MEETS = {"critical_end_point": "information_theoretic", "spinodal_end_point": "spinodal_informed"}
NAMES = (CUSP, *_MEETS, TRICRITICAL)
_BESIDE = (1e-3, 1e-2)  # relative distances from a cusp at which its first-order line is looked at
_LOWEST = float(np.log(scalar.WIDEST[0]))
_STEP = 1e-6


@dataclasses.dataclass(frozen=True)
class Place:
    """A point in the plane of two parameters.

    Attributes:
        name: as in `NAMES`, with `_2`, `_3`, ... by rising `parameter` for further ones.
        scale: its value in the model's scale parameter, None if it does not exist.
        scale_error: bound on the error of that.
        parameter: its value in the other parameter.
        parameter_error: bound on the error of that.
        status: converged, precision_loss, or no_branch where it does not exist.
    """

    name: str
    scale: float | None
    scale_error: float | None
    parameter: float | None
    parameter_error: float | None
    status: Status


@dataclasses.dataclass(frozen=True)
class CriticalPoints(AbstractFound[Place]):
    """The critical points of a model by name; prints itself.

    Attributes:
        model: the model's specification.
        scale_name: the name of the scale parameter.
        parameter_name: the name of the other one.
        found: the points.
    """

    model: str
    scale_name: str
    parameter_name: str
    found: dict[str, Place]

    def __str__(self) -> str:
        names = f"{self.scale_name}, {self.parameter_name}"
        lines = [f"Critical points of {self.model} in {names}"]
        for name, place in self.found.items():
            if place.parameter is None:
                lines.append(f"  {name}: none ({place.status.name})")
                continue
            lines.append(
                f"  {name}: {place.scale:.8g} +- {place.scale_error:.1g}, "
                f"{place.parameter:.8g} +- {place.parameter_error:.1g}"
            )
        return "\n".join(lines)

    __repr__ = __str__


def critical_points(
    model: AbstractScalarReplicaModel, parameter: str, *, progress: Progress | None = None
) -> CriticalPoints:
    """Where first-order lines end, in the plane of the model's scale parameter and another one.

    `critical_point`: the two spinodals merge in a cusp, h' = h'' = 0 of the level h, and with them
    ends every coexistence of two branches. `critical_end_point`: the first-order line meets that
    of weak recovery; on one side nothing is found before the jump, on the other something is.
    `spinodal_end_point`: the end of the informed branch meets weak recovery; on one side it
    coexists with q = 0. `tricritical_point`: weak recovery itself turns from continuous to first
    order, for a spiked Wigner matrix where kappa_3^2 = 2, kappa_3 the third cumulant of a prior of
    variance 1 (Lesieur et al. 2017). Between the end points and the cusp a jump, and its hard
    phase, remain from one branch with q > 0 to another.

    Args:
        model: a model with a scale parameter, as `delta` of a spiked matrix or `alpha` of a GLM;
            that and `parameter` may be unset.
        parameter: the other one.
        progress: called with (steps done, steps in all).

    Returns:
        A mapping from name to `Place`; prints itself.

    Raises:
        ValueError: if the name is unknown, ambiguous or that of the scale parameter, the model has
            no scale parameter, or another parameter is unset.

    Example:
        >>> import solvable as sv
        >>> model = sv.SpikedWigner(prior=sv.SparseRademacher())
        >>> found = sv.critical_points(model, "rho")
        >>> round(found["critical_end_point"].parameter, 3)
        0.086
    """
    require_x64()
    checked_grids(model, None)
    resolve(model, parameter)
    scale = model.scale_parameter
    if scale is None:
        raise ValueError(
            f"Argument `model` must have a parameter that scales its observation, but {model!r} "
            "has none."
        )
    if resolve(model, parameter) == resolve(model, scale):
        raise ValueError(
            f"Argument `parameter` must name another parameter than `{scale}`, but was "
            f"`{parameter}`."
        )
    require_set(model, {parameter, scale})
    found = locate(model, parameter, CANDIDATES, progress, STRIDE)
    return CriticalPoints(repr(model), scale, parameter, found)


def locate(
    model: AbstractScalarReplicaModel,
    parameter: str,
    candidates: Iterable[float],
    progress: Progress | None = None,
    stride: int = 1,
) -> dict[str, Place]:
    """The critical points between candidate values of a parameter that is not the scale."""
    candidates = [float(value) for value in candidates]
    model = without_scale(model)
    own = (CUSP, TRICRITICAL)
    roots = zeros(model, parameter, own, _measure, candidates, progress, stride)
    # lines may meet that of weak recovery just before they end in a cusp
    cusps = [r.value for n, r in roots.items() if n.startswith(CUSP) and r.value is not None]
    low, high = min(candidates), max(candidates)
    beside = [c * (1 + sign * d) for c in cusps for d in _BESIDE for sign in (-1, 1)]
    closer = sorted({*candidates[::stride], *(c for c in beside if low < c < high)})
    roots |= zeros(model, parameter, tuple(_MEETS), _measure, closer, progress)
    ordered = sorted(roots, key=lambda name: (NAMES.index(name.rstrip("_0123456789")), name))
    return {name: _place(model, parameter, roots[name]) for name in ordered}


def _measure(model: AbstractScalarReplicaModel, name: str, exact: bool) -> tuple[float, float]:
    """A number that changes its sign at a critical point; see `studies.thresholds.Measure`."""
    # a rough table would lose the folds beside the cusp where they merge
    here = dataclasses.replace(landscape(model, exact=True), exact=exact)
    if name == CUSP:
        dip = deepest_dip(here.table, exact, _LOWEST)
        return (np.nan, np.nan) if dip is None else (dip.slope, dip.error)
    limits = here.table.limits
    if not _is_lost(limits):
        return np.nan, np.nan
    if name == TRICRITICAL:
        return departure(here.table, exact)
    decides = here.transitions[_MEETS[name]]
    top = decides.top if isinstance(decides, FirstOrder) else decides
    if not (isinstance(top, Fold) and np.isfinite(top.x)):
        return np.nan, np.nan
    below, error = here.distance(_MEETS[name], limits.weak_recovery)
    return below, error + limits.weak_recovery_error / limits.weak_recovery


def _is_lost(limits: Limits) -> bool:
    """Whether q = 0 loses its stability at a scale of those that tables cover."""
    low, high = scalar.WIDEST
    return limits.trivial and low < limits.weak_recovery < high


def _place(model: AbstractScalarReplicaModel, parameter: str, root: Threshold) -> Place:
    """A critical point from its value in the parameter: the scale follows, and its error."""
    if root.value is None or root.error_bound is None:
        return Place(root.name, None, None, None, None, root.status)
    step = max(_STEP * root.value, 10 * root.error_bound)
    at, error = _log_scale(model, parameter, root.name, root.value)
    beside, _ = _log_scale(model, parameter, root.name, root.value + step)
    if np.isnan(beside):
        beside, _ = _log_scale(model, parameter, root.name, root.value - step)
    error += abs(beside - at) / step * root.error_bound
    value = float(np.exp(model.scale_power * at))
    status = root.status if np.isfinite(error) else Status.precision_loss
    bounds = value * float(error), float(root.error_bound)
    return Place(root.name, value, bounds[0], root.value, bounds[1], status)


def _log_scale(
    model: AbstractScalarReplicaModel, parameter: str, name: str, c: float
) -> tuple[float, float]:
    """ln of the scale where a critical point is near c, and a bound on its error at c."""
    try:
        table = landscape(replace(model, {parameter: c}), exact=True).table
    except (LostError, ValueError):
        return np.nan, np.nan
    if not name.startswith(CUSP):
        limits = table.limits
        return np.log(limits.weak_recovery), limits.weak_recovery_error / limits.weak_recovery
    dip = deepest_dip(table, True, _LOWEST)
    return (np.nan, np.nan) if dip is None else (dip.h, dip.error)

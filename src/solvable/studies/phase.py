"""`phase_diagram`: boundaries by root finding, and a map of easy, hard and impossible."""

from typing import TYPE_CHECKING, Any

import numpy as np

from solvable.core.arguments import boolean
from solvable.core.precision import require_x64
from solvable.core.specification import replace, resolve
from solvable.core.thresholds import NAMES, Threshold, absent
from solvable.io import PHASES, attributes
from solvable.models.base import AbstractScalarReplicaModel
from solvable.studies.critical_points import Place, locate
from solvable.studies.curve import Progress, checked_grids, require_set
from solvable.studies.thresholds import CANDIDATES, distances, in_parameter

if TYPE_CHECKING:
    import xarray as xr

_MANY = 16  # values of an axis between which critical points are looked for without others


def phase_diagram(
    model: AbstractScalarReplicaModel,
    x: tuple[str, Any],
    y: tuple[str, Any],
    *,
    critical: bool = False,
    progress: Progress | None = None,
) -> "xr.Dataset":
    """Phases in two parameters.

    Boundaries are thresholds in x at every y, found as roots, not read off the map. A cell is
    `impossible` below the information-theoretic threshold (below weak recovery where there is no
    first-order or perfect-recovery transition), `hard` from there to the algorithmic one, `easy`
    beyond.

    Args:
        model: a model with a replica free entropy.
        x: (name, values) of the horizontal axis.
        y: (name, values) of the vertical axis.
        critical: also look for where first-order lines end between the ends of the axes, which
            costs more than the map (see `critical_points`); one axis must be the scale parameter.
        progress: called with (rows done, rows in all).

    Returns:
        A data set: `boundary_NAME` (y), `boundary_NAME_error`, `boundary_NAME_status`, and `phase`
        (y, x) with codes 0 easy, 1 hard, 2 impossible. If critical, also `point_x`,
        `point_x_error`, `point_y`, `point_y_error` and `point_status` (point).

    Raises:
        ValueError: if a name is unknown, both are the same, a value is out of its domain, or
            critical points are asked for where no axis is the scale parameter.

    Example:
        >>> import solvable as sv
        >>> model = sv.GLM(prior=sv.GaussBernoulli(rho=0.5), channel=sv.Linear())
        >>> data = sv.phase_diagram(model, x=("alpha", [0.05, 0.5]), y=("rho", [0.1]))
        >>> [int(code) for code in data.phase[0]]
        [2, 0]
    """
    require_x64()
    (x_name, _), (y_name, _) = x, y
    if x_name == y_name:
        raise ValueError(
            f"Argument `y` must name another parameter than `x`, but was `{y_name}` too."
        )
    if boolean("critical", critical):
        _scale_axis(model, (x_name, y_name))
    grids = checked_grids(model, dict([x, y]))
    require_set(model, {x_name, y_name})
    xs, ys = np.sort(grids[x_name]), grids[y_name]
    codes, boundaries = np.zeros((len(ys), len(xs)), dtype=np.int8), []
    for row, value in enumerate(ys):
        here = replace(model, {y_name: float(value)})
        boundaries.append(in_parameter(here, x_name, xs))
        codes[row] = [_phase(_below(here, x_name, float(at), boundaries[-1])) for at in xs]
        if progress is not None:
            progress(row + 1, len(ys))
    data = _dataset(model, (x_name, xs), (y_name, ys), codes, boundaries, critical)
    return _with_points(data, model, (x_name, xs), (y_name, ys)) if critical else data


def _below(
    model: AbstractScalarReplicaModel, name: str, at: float, found: dict[str, Threshold]
) -> dict[str, float]:
    """By how much, in ln scale, a value is below each transition of those found in a parameter."""
    if name != model.scale_parameter:
        return distances(replace(model, {name: at}))
    ahead = {each: found[each].log_value() - np.log(at) for each in NAMES}
    return {each: model.scale_power * value for each, value in ahead.items()}


def _with_points(
    data: "xr.Dataset",
    model: AbstractScalarReplicaModel,
    x: tuple[str, np.ndarray],
    y: tuple[str, np.ndarray],
) -> "xr.Dataset":
    """The data set with its critical points."""
    scale_is_y = _scale_axis(model, (x[0], y[0])) == 1
    found = _critical_points(model, *(x if scale_is_y else y))
    return data.assign(_points(found, scale_is_y)).assign_coords(point=list(found))


def _scale_axis(model: AbstractScalarReplicaModel, names: tuple[str, str]) -> int:
    """Which of the axes is the scale parameter; ValueError if none is."""
    scale = model.scale_parameter
    if scale is not None:
        for axis, name in enumerate(names):
            if resolve(model, name) == resolve(model, scale):
                return axis
    needed = f"`{scale}`" if scale is not None else "a scale parameter, which this model lacks,"
    raise ValueError(
        f"Argument `critical` must be False unless one axis is {needed}, but the axes were "
        f"`{names[0]}` and `{names[1]}`."
    )


def _critical_points(
    model: AbstractScalarReplicaModel, name: str, values: np.ndarray
) -> dict[str, Place]:
    """The critical points between the ends of the axis that is not the scale."""
    inside = CANDIDATES[(values.min() < CANDIDATES) & (values.max() > CANDIDATES)]
    candidates = np.unique(values if len(values) > _MANY else np.r_[values, inside])
    return locate(model, name, candidates, stride=max(1, len(candidates) // _MANY))


def _points(found: dict[str, Place], scale_is_y: bool) -> dict[str, tuple[str, Any]]:
    def column(name: str) -> tuple[str, np.ndarray]:
        values = [getattr(place, name) for place in found.values()]
        return "point", np.array([np.nan if v is None else v for v in values], dtype=float)

    x, y = ("parameter", "scale") if scale_is_y else ("scale", "parameter")
    status = np.array([place.status for place in found.values()], dtype=np.int8)
    return {
        "point_x": column(x),
        "point_x_error": column(f"{x}_error"),
        "point_y": column(y),
        "point_y_error": column(f"{y}_error"),
        "point_status": ("point", status),
    }


def _phase(below: dict[str, float]) -> int:
    """From the distances below each transition, NaN where it does not exist."""
    first, weak = below["information_theoretic"], below["weak_recovery"]
    if np.isnan(first):
        return PHASES.index("impossible" if weak > 0 else "easy")
    if first > 0:
        return PHASES.index("impossible")
    return PHASES.index("easy" if below["algorithmic"] <= 0 else "hard")


def _dataset(
    model: AbstractScalarReplicaModel,
    x: tuple[str, np.ndarray],
    y: tuple[str, np.ndarray],
    codes: np.ndarray,
    boundaries: list[dict[str, Threshold]],
    critical: bool,
) -> "xr.Dataset":
    import xarray as xr

    (x_name, xs), (y_name, ys) = x, y
    variables: dict[str, Any] = {"phase": ((y_name, x_name), codes)}
    names = dict.fromkeys(name for row in boundaries for name in row)
    for name in names:
        column = [row.get(name, absent(name)) for row in boundaries]
        value = [np.nan if t.value is None else t.value for t in column]
        error = [np.nan if t.error_bound is None else t.error_bound for t in column]
        rigour = next((t.rigour for t in column if t.rigour), None)
        basis = {"rigour": rigour} if rigour else {}
        variables[f"boundary_{name}"] = (y_name, value, basis)
        variables[f"boundary_{name}_error"] = (y_name, error)
        status = np.array([t.status for t in column], dtype=np.int8)
        variables[f"boundary_{name}_status"] = (y_name, status)
    data = xr.Dataset(variables, coords={x_name: xs, y_name: ys})
    made_with = {"x": [x_name, xs], "y": [y_name, ys], "critical": critical}
    data.attrs = attributes("phase", "phase_diagram", model, made_with)
    data.attrs |= {"x": x_name, "y": y_name}
    return data

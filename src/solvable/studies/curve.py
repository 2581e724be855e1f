"""`curve`: every branch of a model along one or more parameters."""

from collections.abc import Callable, Mapping
from itertools import product
from typing import TYPE_CHECKING, Any

import numpy as np

from solvable.core.arguments import grid
from solvable.core.fixed_points import MAIN_BRANCHES, name_branches
from solvable.core.precision import require_x64
from solvable.core.specification import Specification, replace, resolve, unset
from solvable.core.status import Status
from solvable.models import scalar
from solvable.models.base import AbstractBranchNamesModel, AbstractScalarReplicaModel, Shared

if TYPE_CHECKING:
    import xarray as xr

Progress = Callable[[int, int], None]
_COPIES = "copies"  # the axis of a scale that no parameter is


def curve(
    model: AbstractScalarReplicaModel,
    over: Mapping[str, Any] | None = None,
    *,
    progress: Progress | None = None,
) -> "xr.Dataset":
    """Observables on every branch, along a grid of parameters.

    Args:
        model: a model with a replica free entropy; swept parameters may be left unset.
        over: parameter name -> values; several make a product. None answers for the model as it
            is.
        progress: called with (points done, points in all).

    Returns:
        A data set with dimensions (*over, branch): the card's observables, `status` (codes of
        `Status`), `error_bound` (of the overlap), `residual` and `steps`. Absent branches are NaN
        with status `no_branch`.

    Raises:
        ValueError: if a name is unknown or ambiguous, a value out of its domain, or a parameter
            unset.

    Example:
        >>> import solvable as sv
        >>> model = sv.GLM(prior=sv.Rademacher(), channel=sv.Sign())
        >>> data = sv.curve(model, over={"alpha": [1.0]})
        >>> round(float(data.overlap.sel(branch="amp")[0]), 6)
        0.560715
    """
    require_x64()
    grids = checked_grids(model, over)
    scale_name = model.scale_parameter or _COPIES
    if scale_name not in grids:
        own = 1.0 if scale_name == _COPIES else scalar.scale_of(model) ** model.scale_power
        grids = {**grids, scale_name: np.array([own])}
    rest = {name: values for name, values in grids.items() if name != scale_name}
    scales = grids[scale_name] ** float(model.scale_power)
    total, done, rows = int(np.prod([len(v) for v in grids.values()])), 0, []
    for values in product(*rest.values()):
        point = replace(model, dict(zip(rest, (float(v) for v in values), strict=True)))
        require_set(point, {scale_name})
        one = scalar.scale_of(point) if scale_name == _COPIES else 1.0
        rows.append(_along_scale(scalar.canonical(point), one * scales))
        done += len(scales)
        if progress is not None:
            progress(done, total)
    return _dataset(model, grids, over or {}, [*rest, scale_name], rows)


def checked_grids(
    model: AbstractScalarReplicaModel, over: Mapping[str, Any] | None
) -> dict[str, np.ndarray]:
    """The grids as arrays, each name resolved and each value accepted by the constructors."""
    if not isinstance(model, AbstractScalarReplicaModel):
        raise ValueError(
            f"Argument `model` must be a model with a replica free entropy, but was {model!r}."
        )
    grids = {}
    for name, values in (over or {}).items():
        resolve(model, name)
        grids[name] = grid(name, values)
        for value in (grids[name].min(), grids[name].max()):
            replace(model, {name: float(value)})
    return grids


def require_set(model: Specification, swept: set[str]) -> None:
    """Raise ValueError if a parameter has no value and is not swept."""
    for path in unset(model, swept - {_COPIES}):
        raise ValueError(f"Argument `{path}` must be given or swept, but was unset.")


class _Row:
    """All branches along the scale parameter at one value of the others.

    Attributes:
        values: observables, error bound, residual and steps of every fixed point, in one list.
        shared: observables that are the same on every branch, along the scale.
        places: branch name -> (positions along the scale, positions in that list, statuses).
    """

    def __init__(
        self, count: int, values: dict[str, np.ndarray], shared: dict[str, Shared]
    ) -> None:
        self.count = count
        self.values = values
        self.shared = shared
        self.places: dict[str, list[tuple[int, int, Status]]] = {n: [] for n in MAIN_BRANCHES}

    def column(self, branch: str, key: str) -> np.ndarray:
        """One variable of one branch along the scale; NaN or no_branch where it is absent."""
        places = self.places.get(branch, [])
        along = [k for k, _, _ in places]
        if key == "status":
            column = np.full(self.count, Status.no_branch, dtype=np.int8)
            column[along] = [status for _, _, status in places]
            return column
        if key.removesuffix("_status") in self.shared:
            one = self.shared[key.removesuffix("_status")]
            if key.endswith("_status"):
                column = np.full(self.count, Status.no_branch, dtype=np.int8)
                column[along] = one.status
                return column
            column = np.full(self.count, np.nan)
            column[along] = one.values[along]
            return column
        steps = key == "steps"
        column = np.full(self.count, 0 if steps else np.nan, dtype=np.int32 if steps else float)
        found = [(k, member) for k, member, _ in places if member >= 0]
        column[[k for k, _ in found]] = self.values[key][[member for _, member in found]]
        return column


def _along_scale(model: AbstractScalarReplicaModel, scales: np.ndarray) -> _Row:
    table, roots, points = scalar.solve(model, scales)
    values = scalar.observe(table.model, roots.point, roots.error, scales[roots.index])
    noise = model.noise_information(scales)
    values["mutual_information"] = values["mutual_information"] - noise[roots.index]
    values["residual"], values["steps"] = roots.residual, roots.steps
    offsets: dict[str, int] = {}
    for place in sorted({p.place for here in points for p in here if p.root < 0}):
        offsets[place] = len(values["residual"])
        ends = model.end_observables(place, scales)
        ends["mutual_information"] = ends["mutual_information"] - noise
        nothing = np.zeros(len(scales))
        values = {key: np.r_[column, ends.get(key, nothing)] for key, column in values.items()}
    finite = ~np.any([np.isnan(column) for column in values.values()], axis=0)
    row = _Row(len(scales), values, model.shared_observables(scales))
    for k, here in enumerate(points):
        members = [p.root if p.root >= 0 else offsets[p.place] + k for p in here]
        if not here:
            for name in MAIN_BRANCHES[:3]:
                row.places[name].append((k, -1, Status.left_domain))
        named = name_branches(here, [float(values["free_entropy"][m]) for m in members])
        if isinstance(model, AbstractBranchNamesModel):
            named |= model.branch_names(here)
        for name, position in named.items():
            member = members[position]
            status = here[position].status if finite[member] else Status.non_finite
            row.places.setdefault(name, []).append((k, member, status))
    return row


def _dataset(
    model: AbstractScalarReplicaModel,
    grids: dict[str, np.ndarray],
    over: Mapping[str, Any],
    order: list[str],
    rows: list[_Row],
) -> "xr.Dataset":
    import xarray as xr

    from solvable.io import attributes

    extra = sorted({name for row in rows for name in row.places} - set(MAIN_BRANCHES))
    branches = [*MAIN_BRANCHES, *extra]
    shared = [key for name in rows[0].shared for key in (name, f"{name}_status")]
    names = [*rows[0].values, *shared, "status"]
    shape = tuple(len(grids[name]) for name in order)
    variables = {}
    for key in names:
        table = np.stack([[row.column(b, key) for b in branches] for row in rows])
        array = np.moveaxis(table.reshape(*shape[:-1], len(branches), shape[-1]), -2, -1)
        variables[key] = ((*order, "branch"), array)
    data = xr.Dataset(variables, coords={**{n: grids[n] for n in order}, "branch": branches})
    for name, one in rows[0].shared.items():
        if one.rigour is not None:
            data[name].attrs["rigour"] = one.rigour
    if order[-1] not in over:
        data = data.isel({order[-1]: 0}, drop=True)
    data = data.transpose(*over, "branch")
    made_with = {"over": {name: np.asarray(values) for name, values in over.items()}}
    data.attrs = attributes("curve", "curve", model, made_with)
    return data

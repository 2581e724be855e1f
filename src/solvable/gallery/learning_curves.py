"""What figures of online learning share: curves of several networks beside their simulations."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

import solvable as sv
from solvable.gallery.base import Progress
from solvable.plotting.series import time_line, time_points

_KEPT = ["generalization_error", "q", "r", "v"]
_READ = 1e-3  # smaller errors are those of single networks: a mean tells little


def curves(
    models: Mapping[str, sv.OnlineSGD],
    dimension: str,
    settings: Mapping[str, Any],
    seed: int,
    progress: Progress,
) -> xr.Dataset:
    """Theory and simulation, (dimension, time, ...); units that a network lacks are NaN.

    Args:
        models: by their label.
        dimension: the name of what sets them apart.
        settings: `times` for `geomspace`, `size` and `instances`.
        seed, progress: as of every figure.
    """
    parts = []
    for number, (label, model) in enumerate(models.items()):
        progress(label.replace("$", ""), number / len(models))
        found = sv.dynamics(
            model,
            np.geomspace(*settings["times"]),
            simulate=True,
            size=settings["size"],
            instances=settings["instances"],
            seed=seed,
        )
        names = [f"{name}{end}" for name in _KEPT for end in ("", "_mean", "_standard_error")]
        part = found[[*names, "error_bound", "status", "experiment_status"]]
        units = ("student", "student_other", "teacher")
        parts.append(part.assign_coords({name: np.arange(part.sizes[name]) for name in units}))
    label = xr.Variable(dimension, list(models))
    data: Any = xr.concat(parts, label, join="outer", combine_attrs="drop")
    data.attrs = {"kind": "online", "size": settings["size"], "instances": settings["instances"]}
    return data


def draw(ax: Axes, data: xr.Dataset, name: str, color: str, label: str) -> None:
    """Theory as a line, the simulation as points of the same color."""
    time_line(ax, data, name, color=color, label=label)
    time_points(ax, data, name, data.sizes["time"], color=color, markersize=3.5)


def draw_overlaps(ax: Axes, data: xr.Dataset, colors: Any) -> None:
    """The first overlaps of students with teachers and of students."""
    places = [("r", 0, 0), ("r", 0, 1), ("r", 1, 1), ("q", 0, 0), ("q", 0, 1)]
    for color, (name, k, m) in zip(colors, places, strict=False):
        other = "teacher" if name == "r" else "student_other"
        label = f"${name.upper()}_{{{k + 1}{m + 1}}}$"
        draw(ax, data.isel({"student": k, other: m}), name, color, label)


def apart(data: xr.Dataset) -> xr.DataArray:
    """Mean of |ln (simulated / predicted error)| in time, where the error is above 1e-3."""
    error = data["generalization_error"]
    found: Any = np.abs(np.log(data["generalization_error_mean"] / error))
    return found.where(error > _READ).mean("time")


def summary(data: xr.Dataset, dimension: str) -> str:
    """Errors at the end of learning, and how far simulations are from theory."""
    width = max(len(str(name).replace("$", "")) for name in data[dimension].values)
    title = f"{dimension:<{width}}   error at last time   simulated"
    lines = [f"    {title:<{width + 46}}   distance in ln"]
    for name, distance in zip(data[dimension].values, apart(data).values, strict=True):
        one = data.sel({dimension: name})
        last = one.dropna("time", subset=["generalization_error"]).isel(time=-1)
        mean, bar = (float(last[f"generalization_error_{x}"]) for x in ("mean", "standard_error"))
        words = str(name).replace("$", "")
        error = float(last["generalization_error"])
        row = f"{words:<{width}}   {error:>18.5g}   {mean:.5g} +- {bar:.2g}"
        lines.append(f"    {row:<{width + 46}}   {distance:.4f}")
    return "\n".join(lines)

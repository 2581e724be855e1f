"""Online learning of inputs on a hidden manifold: theory for its density of modes, simulation.

Inputs are x = sign(F c / sqrt(D)), labels those of a teacher on the latent vector c. The lower
D / N the faster is learning and the smaller the error that is left, since N inputs tell more about
each latent component. The simulation takes the true inputs, theory Gaussian ones (Goldt et al.
2020).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import solvable as sv
from solvable.gallery.base import Comparison, Progress
from solvable.plotting import new_figure
from solvable.plotting.series import COLORS

CARD = dict(
    kind="gallery",
    name="hidden-manifold",
    summary="online learning on a hidden manifold: theory by its modes, simulation on true inputs",
    rigour="replica",
    references=["goldt2020", "saad1995"],
)

_KEPT = ["generalization_error", "q", "r"]


def settings(quick: bool = False) -> dict[str, Any]:
    """Ratios D / N; null stands for isotropic inputs."""
    return {
        "ratios": [0.5] if quick else [None, 1.0, 0.5, 0.25],
        "times": [0.1, 20.0, 9] if quick else [0.1, 250.0, 30],
        "q0": [[0.1, 0.0], [0.0, 0.1]],
        "r0": [[0.02, 0.0], [0.0, 0.01]],
        "learning_rate": 0.5,
        "size": 150 if quick else 500,
        "instances": 4 if quick else 8,
    }


def _model(settings: Mapping[str, Any], ratio: float | None) -> sv.OnlineSGD:
    return sv.OnlineSGD(
        activation=sv.Erf(),
        q0=settings["q0"],
        r0=settings["r0"],
        learning_rate=settings["learning_rate"],
        inputs=None if ratio is None else sv.HiddenManifold(function="sign", ratio=ratio),
    )


def make_data(settings: Mapping[str, Any], seed: int, progress: Progress) -> xr.Dataset:
    """Errors and order parameters (inputs, time), theory and simulation."""
    parts, ratios = [], settings["ratios"]
    for number, ratio in enumerate(ratios):
        progress(f"D / N = {ratio or 'isotropic'}", number / len(ratios))
        found = sv.dynamics(
            _model(settings, ratio),
            np.geomspace(*settings["times"]),
            simulate=True,
            size=settings["size"],
            instances=settings["instances"],
            seed=seed,
        )
        names = [f"{name}{end}" for name in _KEPT for end in ("", "_mean", "_standard_error")]
        parts.append(found[[*names, "error_bound", "status", "experiment_status"]])
    labels = xr.Variable("inputs", [_label(ratio) for ratio in ratios])
    data: Any = xr.concat(parts, labels, combine_attrs="drop")
    data.attrs = {"kind": "online", "size": settings["size"], "instances": settings["instances"]}
    data.attrs["learning_rate"] = settings["learning_rate"]
    return data


def _label(ratio: float | None) -> str:
    return "isotropic" if ratio is None else f"$D / N = {ratio:g}$"


def make_picture(data: xr.Dataset) -> Figure:
    """Errors of all inputs, and overlaps of the last one."""
    figure, axes = new_figure(1, 2, panel=(6.0, 4.4))
    left, right = axes[0]
    for color, name in zip(COLORS, data["inputs"].values, strict=False):
        _drawn(left, data.sel(inputs=name), "generalization_error", color, str(name))
    left.set(yscale="log", ylabel=r"generalization error, $\langle\Delta^2\rangle / 2$")
    last = data.isel(inputs=-1)
    places = [("r", 0, 0), ("r", 0, 1), ("r", 1, 1), ("q", 0, 0), ("q", 0, 1)]
    for color, (name, k, m) in zip(COLORS, places, strict=False):
        other = "teacher" if name == "r" else "student_other"
        label = f"${name.upper()}_{{{k + 1}{m + 1}}}$"
        _drawn(right, last.isel({"student": k, other: m}), name, color, label)
    right.set(ylabel="overlaps of fields")
    right.set_title(f"inputs on a manifold, {last['inputs'].item()}")
    for ax in (left, right):
        ax.set(xscale="log", xlabel="time $t$ = examples / $N$")
        ax.legend(loc="best")
    attrs = data.attrs
    figure.suptitle(
        rf"$x = \mathrm{{sign}}(F c / \sqrt{{D}})$, $K = M = 2$, $\eta = "
        rf"{attrs['learning_rate']:g}$; lines: theory, points: $N = {attrs['size']}$, "
        f"means of {attrs['instances']}, bars: standard error"
    )
    return figure


def _drawn(ax: Axes, data: xr.Dataset, name: str, color: str, label: str) -> None:
    """Theory as a line, the simulation as points of the same color."""
    ax.plot(data["time"], data[name], color=color, label=label)
    mean, error = data[f"{name}_mean"], data[f"{name}_standard_error"]
    ax.errorbar(
        data["time"], mean, error, color=color, marker="o", markersize=3.5, linestyle="none"
    )


def _apart(data: xr.Dataset) -> xr.DataArray:
    """Mean of |ln (simulated / predicted error)| in time, where the error is above 1e-3."""
    error = data["generalization_error"]
    apart: Any = np.abs(np.log(data["generalization_error_mean"] / error))
    return apart.where(error > 1e-3).mean("time")


def compare(data: xr.Dataset) -> Comparison:
    """How far the simulation of a manifold is from theory."""
    apart = _apart(data).where(data["inputs"] != _label(None))
    return Comparison(
        float(apart.mean()),
        f"mean |ln| of the simulated error (N = {data.attrs['size']}) over the predicted one, "
        "inputs on a manifold",
    )


def summarize(data: xr.Dataset) -> str:
    """Errors in the middle and at the end of learning."""
    lines = ["    inputs          error at last time   simulated            distance in ln"]
    for name, apart in zip(data["inputs"].values, _apart(data).values, strict=True):
        last = data.sel(inputs=name).isel(time=-1)
        mean, bar = (float(last[f"generalization_error_{x}"]) for x in ("mean", "standard_error"))
        words = str(name).replace("$", "")
        lines.append(
            f"    {words:<14} {float(last['generalization_error']):>18.5f}   {mean:.5f} "
            f"+- {bar:.5f}   {apart:>12.4f}"
        )
    return "\n".join(lines)

"""What the figures of networks share: several learning curves in one data set and their lines."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes

from solvable import io
from solvable.core.status import answered
from solvable.gallery.base import Comparison, Progress, threshold_table
from solvable.gallery.panels import learning_curves, values_of
from solvable.plotting import experiment_points, theory_lines

_SHARED = ("branch", "algorithm", "instance")


def make_data(settings: Mapping[str, Any], seed: int, progress: Progress) -> xr.Dataset:
    """Theory, experiment and thresholds of all models in `settings["curves"]`: one data set.

    Variables and dimensions of a curve begin with its name; `curve` takes them out again.
    """
    parts = learning_curves(settings["curves"], seed, progress)
    named = [
        part.rename(
            {name: f"{key}_{name}" for name in part.variables if name not in _SHARED}
        ).drop_attrs()
        for key, part in parts.items()
    ]
    data = xr.merge(named, join="outer", compat="no_conflicts")
    attrs = {key: {**part.attrs} for key, part in parts.items()}
    data.attrs = {
        "kind": "chains",
        "curves": json.dumps(io.strict(attrs)),
        "thresholds": json.dumps(
            [json.loads(part.attrs["thresholds"]) for part in parts.values()]
        ),
    }
    return data


def names(data: xr.Dataset) -> list[str]:
    """The names of the curves."""
    return list(json.loads(data.attrs["curves"]))


def curve(data: xr.Dataset, key: str) -> xr.Dataset:
    """The data set of one curve, as `panels.learning_curves` made it."""
    start = f"{key}_"
    own = data[[name for name in data.variables if str(name).startswith(start)]]
    part = own.rename(
        {
            name: str(name).removeprefix(start)
            for name in own.variables
            if str(name).startswith(start)
        }
    )
    return part.assign_attrs(json.loads(data.attrs["curves"])[key])


def thresholds(part: xr.Dataset) -> dict[str, float | None]:
    """Name -> value of a curve's thresholds."""
    return values_of(json.loads(part.attrs["thresholds"]))


def observables(part: xr.Dataset) -> list[str]:
    """What is drawn of a curve."""
    return str(part.attrs["observable"]).split(",")


def draw(ax: Axes, part: xr.Dataset, observable: str, color: str, label: str) -> None:
    """One observable: the best branch solid, AMP's dashed where it is another, and points."""
    lines = theory_lines(ax, part, observable, branches=("bayes", "amp"), color=color)
    for branch, line in lines.items():
        line.set_label(label if branch == "bayes" else "_nolegend_")
        line.set_linewidth(1.8)
        line.set_linestyle("-" if branch == "bayes" else "--")
    kept = set(ax.lines)
    for artist in experiment_points(ax, part, observable, color=color).values():
        artist.set_label("_nolegend_")
    for line in set(ax.lines) - kept:  # those of runs that did not converge
        line.set_label("_nolegend_")


def key_handles(ax: Axes) -> list[Any]:
    """Entries of a legend for the looks that all curves share, without their colors."""
    look: dict[str, Any] = {"color": "#444444"}
    open_look = {**look, "markersize": 4.5, "markerfacecolor": "white"}
    return [
        ax.plot([], [], "-", label="Bayes-optimal (theory)", **look)[0],
        ax.plot([], [], "--", label="message passing (theory)", **look)[0],
        ax.errorbar([], [], yerr=[], fmt="o", markersize=4.5, label="message passing", **look),
        ax.plot([], [], "o", label="some runs not converged", **open_look)[0],
    ]


def named_lines(ax: Axes) -> list[Any]:
    """The lines that have a label."""
    return [line for line in ax.lines if not str(line.get_label()).startswith("_")]


def apart(data: xr.Dataset) -> np.ndarray:
    """|measured - theory| of message passing over E h^2, at all points of all curves."""
    found = []
    for key in names(data):
        part = curve(data, key)
        for observable in observables(part):
            theory = part[f"{observable}_theory"].sel(branch="amp").values
            mean = part[f"{observable}_mean"].sel(algorithm="amp").values
            overlap = part[f"{observable.replace('mse', 'overlap')}_theory"].sel(branch="amp")
            found.append(np.abs(mean - theory) / (theory + overlap.values))
    return np.concatenate(found)


def compare(data: xr.Dataset) -> Comparison:
    """Mean distance of measured errors from state evolution, relative to the second moments."""
    distance = apart(data)
    return Comparison(
        float(np.mean(distance)),
        "mean distance of message passing's errors from its state evolution, relative to E h^2, "
        f"over {len(distance)} points, those beside the transitions included",
    )


def summarize(data: xr.Dataset) -> str:
    """Thresholds of every model, and theory and experiment at the measured points."""
    lines = []
    for key in names(data):
        part = curve(data, key)
        parameter = swept_name(part)
        lines.append(threshold_table([json.loads(part.attrs["thresholds"])]))
        for observable in observables(part):
            lines.append(f"  {observable}")
            lines.append(f"    {parameter:>16}{'bayes':>11}{'amp':>11}{'measured':>26}")
            for index, x in enumerate(part[f"{parameter}_measured"].values):
                point = part.isel({f"{parameter}_measured": index})
                row = f"    {x:>16.4g}"
                for branch in ("bayes", "amp"):
                    row += f"{float(point[f'{observable}_theory'].sel(branch=branch)):>11.3g}"
                mean = float(point[f"{observable}_mean"].sel(algorithm="amp"))
                error = float(point[f"{observable}_standard_error"].sel(algorithm="amp"))
                lines.append(row + f"{f'{mean:.3g} +- {error:.1g}':>26}")
        failed = ~answered(part["experiment_status"].values)
        if failed.any():
            lines.append(
                f"    {failed.sum()} of {failed.size} runs ended without convergence; they count "
                "with their best iterate"
            )
    return "\n".join(lines)


def swept_name(part: xr.Dataset) -> str:
    """The parameter along a curve."""
    (parameter,) = io.swept(part)
    return parameter

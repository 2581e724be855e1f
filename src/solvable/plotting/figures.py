"""The picture of a whole data set, chosen by its kind."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from solvable import io
from solvable.plotting.dynamics import COLORS, dynamics_figure
from solvable.plotting.files import write_figure
from solvable.plotting.lines import (
    cell_edges,
    experiment_points,
    is_geometric,
    theory_lines,
    trajectory,
    unresolved_cells,
)
from solvable.plotting.maps import (
    boundary_lines,
    branch_points,
    critical_marks,
    heat_map,
    phase_cells,
    phase_legend,
)
from solvable.plotting.relaxation import relaxation_figure
from solvable.plotting.style import (
    BLUE,
    axis_label,
    house_style,
    new_figure,
    symbol,
)

# The most telling observables first; a picture shows the first three that there are.
_ORDER = ("bayes_error", "generalization_error", "mse", "overlap", "free_entropy")
_SHOWN = 3
_MOST_PANELS = 12


def save_figure(dataset: xr.Dataset, directory: str | Path, name: str) -> list[Path]:
    """Write the picture of a data set as `name`.png and `name`.svg.

    Args:
        dataset: what a study returned; its attribute `kind` says which.
        directory: folder; made if it is not there.
        name: file name without its ending.

    Returns:
        The two paths, PNG first. Each file is written whole or not at all, and the same data give
        the same bytes.

    Raises:
        ValueError: the data set is of no known kind, or the folder cannot be written.
    """
    return write_figure(figure(dataset), directory, name)


def figure(dataset: xr.Dataset) -> Figure:
    """The picture of a study's data set."""
    makers = {
        "curve": curve_figure,
        "experiment": experiment_figure,
        "phase": phase_figure,
        "entropy": entropy_figure,
        "dynamics": dynamics_figure,
        "relaxation": relaxation_figure,
    }
    kind = dataset.attrs.get("kind")
    if kind not in makers:
        raise ValueError(
            f"Argument `dataset` must be of a kind among {', '.join(makers)}, but was {kind!r}."
        )
    with house_style():
        return makers[kind](dataset)


def curve_figure(dataset: xr.Dataset) -> Figure:
    """Theory: lines for one swept parameter, cells for two, one marker a branch for none.

    With more than two, one panel for each combination of the others, the first twelve at most;
    the title says so.
    """
    over = io.swept(dataset)
    shown = _shown(io.observables(dataset))
    if len(over) >= 2:
        return _maps(dataset, over, shown[0])
    panels, axes = new_figure(1, len(shown))
    for ax, observable in zip(axes[0], shown, strict=True):
        if over:
            theory_lines(ax, dataset, observable)
            unresolved_cells(ax, dataset)
            _dress(ax, dataset, over[0], observable)
        else:
            branch_points(ax, dataset, observable)
            ax.set(xlabel=axis_label("branch"), ylabel=axis_label(observable))
    _finish(panels, dataset)
    return panels


def entropy_figure(dataset: xr.Dataset) -> Figure:
    """Information that each layer keeps of the input, and its entropy, in nats per input unit."""
    panels, axes = new_figure(1, 2)
    below = dataset.attrs["source"]
    source = f"layer {below}" if below else "input"
    shown = (("mutual_information", f"I({source}; layer)"), ("entropy", "entropy of the layer"))
    for ax, (name, label) in zip(axes[0], shown, strict=True):
        values = np.where(np.isfinite(dataset[name]), dataset[name], np.nan)
        ax.plot(dataset.layer, values, marker="o", color=BLUE)
        ax.set(xlabel="layer", ylabel=f"{label} (nats per input unit)")
        ax.set_xticks(dataset.layer)
        if not np.isfinite(values).any():
            ax.text(0.5, 0.5, "infinite without noise", transform=ax.transAxes, ha="center")
    attrs = dataset.attrs
    panels.suptitle(
        f"noise after each activation {attrs['delta']:g}, before it {attrs['pre_delta']:g}; "
        f"input {attrs['prior']}"
    )
    return panels


def experiment_figure(dataset: xr.Dataset) -> Figure:
    """Experiment on theory: points with error bars on lines, and trajectories if there are any.

    With more than one swept parameter, the lines and points run over the first one and the others
    make rows of panels, twelve panels at most; the title says so.
    """
    over = io.swept(dataset)
    shown = [name for name in _shown(io.measured(dataset)) if name in dataset]
    if not over:
        dataset = dataset.expand_dims("point").assign_coords(point=[0])
        dataset["status"] = dataset["status"].transpose("point", "branch")
        over = ["point"]
    slices, left_out = _slices(dataset, over[1:], _MOST_PANELS // len(shown))
    moving = "iteration" in dataset.dims
    panels, axes = new_figure(len(slices), len(shown) + moving)
    for row, (words, part) in zip(axes, slices, strict=True):
        for ax, observable in zip(row, shown, strict=False):
            theory_lines(ax, part, observable)
            unresolved_cells(ax, part)
            experiment_points(ax, part, observable)
            _dress(ax, part, over[0], observable)
            ax.set_title(words)
        if moving:
            _trajectories(row[-1], part, over[0], shown)
    _finish(panels, dataset, left_out)
    return panels


def _trajectories(ax: Axes, data: xr.Dataset, parameter: str, observables: list[str]) -> None:
    """AMP against state evolution by iteration, at up to seven points of the sweep."""
    followed = [name for name in observables if f"{name}_state_evolution" in data]
    observable = "overlap" if "overlap" in followed else followed[0]
    count = data.sizes[parameter]
    chosen = np.unique(np.linspace(0, count - 1, min(count, len(COLORS))).round().astype(int))
    for color, index in zip(COLORS, chosen, strict=False):
        point = data.isel({parameter: int(index)})
        line, _ = trajectory(ax, point, observable, color=color)
        line.set_label(f"{symbol(parameter)} = {float(point[parameter]):.4g}")
    if parameter != "point":
        ax.legend(loc="best")
    ax.set(xlabel="iteration (line: state evolution, points: AMP)", ylabel=axis_label(observable))


def phase_figure(dataset: xr.Dataset) -> Figure:
    """Phase diagram: easy, hard (hatched) and impossible cells under the threshold lines."""
    y, x = (str(name) for name in dataset["phase"].dims)
    panels, axes = new_figure(1, 1, panel=(6.4, 4.6))
    ax = axes[0, 0]
    phase_cells(ax, dataset)
    lines = boundary_lines(ax, dataset) | critical_marks(ax, dataset)
    model = str(dataset.attrs.get("model", ""))
    ax.set(xlabel=axis_label(x, model), ylabel=axis_label(y, model))
    _scales(ax, dataset, x, y)
    for axis, name in ((ax.set_xlim, x), (ax.set_ylim, y)):
        edges = cell_edges(dataset[name].values)
        axis(edges[0], edges[-1])
    handles = phase_legend(ax, dataset) + list(lines.values())
    panels.legend(handles=handles, loc="outside right center")
    _title(panels, dataset)
    return panels


def _maps(dataset: xr.Dataset, over: list[str], observable: str) -> Figure:
    slices, left_out = _slices(dataset, over[2:], _MOST_PANELS)
    columns = min(len(slices), 3)
    rows = -(-len(slices) // columns)
    panels, axes = new_figure(rows, columns, panel=(5.4, 4.0))
    model = str(dataset.attrs.get("model", ""))
    for ax in axes.flat[len(slices) :]:
        ax.set_axis_off()
    for ax, (words, part) in zip(axes.flat, slices, strict=False):
        mesh, _ = heat_map(ax, part, observable, str(part["branch"].values[0]))
        panels.colorbar(mesh, ax=ax, label=axis_label(observable, model))
        ax.set(xlabel=axis_label(over[0], model), ylabel=axis_label(over[1], model), title=words)
        _scales(ax, part, over[0], over[1])
    _title(panels, dataset, left_out, note=f"branch {dataset['branch'].values[0]}")
    return panels


def _slices(
    dataset: xr.Dataset, names: list[str], most: int
) -> tuple[list[tuple[str, xr.Dataset]], int]:
    """One part of the data for each combination of the named parameters, and how many are not
    among the first `most`."""
    values = [dataset[name].values for name in names]
    combinations = list(itertools.product(*values))
    slices = []
    for point in combinations[: max(most, 1)]:
        words = ", ".join(
            f"{symbol(n)} = {float(v):.4g}" for n, v in zip(names, point, strict=True)
        )
        slices.append((words, dataset.sel(dict(zip(names, point, strict=True)))))
    return slices, len(combinations) - len(slices)


def _shown(names: list[str]) -> list[str]:
    ordered = [name for name in _ORDER if name in names]
    if "bayes_error" in ordered and "generalization_error" in ordered:
        ordered.remove("generalization_error")  # for labels both tell the same
    ordered += [name for name in names if name not in _ORDER]
    return ordered[:_SHOWN]


def _dress(ax: Axes, dataset: xr.Dataset, parameter: str, observable: str) -> None:
    model = str(dataset.attrs.get("model", ""))
    ax.set(xlabel=axis_label(parameter, model), ylabel=axis_label(observable, model))
    _scales(ax, dataset, parameter)


def _scales(ax: Axes, dataset: xr.Dataset, x: str, y: str | None = None) -> None:
    """Logarithmic axes for grids that are spaced so."""
    if is_geometric(dataset[x].values):
        ax.set_xscale("log")
    if y is not None and is_geometric(dataset[y].values):
        ax.set_yscale("log")


def _finish(panels: Figure, dataset: xr.Dataset, left_out: int = 0) -> None:
    """One legend for all panels, below them, and the title."""
    entries: dict[str, Any] = {}
    for ax in panels.axes:
        if ax.get_legend() is not None:
            continue
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            entries.setdefault(label, handle)
    if entries:
        panels.legend(
            list(entries.values()),
            list(entries),
            loc="outside lower center",
            ncols=min(len(entries), 5),
        )
    _title(panels, dataset, left_out)


def _title(panels: Figure, dataset: xr.Dataset, left_out: int = 0, note: str = "") -> None:
    parts = [str(dataset.attrs.get("model", ""))]
    if dataset.attrs.get("rigour"):
        parts.append(f"rigour: {dataset.attrs['rigour']}")
    parts += [note] if note else []
    if left_out:
        parts.append(f"{left_out} more combinations are in the data, not in the picture")
    words = "   ".join(part for part in parts if part)
    panels.suptitle(words, fontsize=10, wrap=True)

"""What the talk's panels share: a learning curve with its transitions and finite-size points."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

import solvable as sv
from solvable import io
from solvable.core.status import Status, answered
from solvable.gallery.base import Comparison, Progress, threshold_table
from solvable.gallery.workers import two_workers
from solvable.plotting import (
    axis_label,
    experiment_points,
    hard_phase,
    new_figure,
    theory_lines,
    threshold_lines,
    unresolved_cells,
)

MEASURED = "alpha_measured"
_BESIDE_FOLD, _BESIDE = 1e-6, 1e-3  # how close to a threshold the curve is computed


@dataclass(frozen=True)
class Panel:
    """One panel of the talk: a module of the gallery takes its `settings` and `make_picture`.

    Attributes:
        model: specification.
        title: the model in words.
        theory: start, stop and count of the grid for the lines.
        measured: values of alpha for the points.
        measured_quick: fewer of them, for trying things out.
        top: upper end of the error axis.
        has_hard_phase: whether to hatch from the information-theoretic threshold to AMP's.
        instances: for each point.
        max_steps: of AMP.
        baselines: whether general-purpose methods run on the same data.
        observable: what is drawn.
    """

    model: str
    title: str
    theory: tuple[float, float, int]
    measured: list[float]
    measured_quick: list[float]
    top: float = 0.5
    has_hard_phase: bool = True
    instances: int = 8
    max_steps: int = 200
    baselines: bool = True
    observable: str = "bayes_error"

    def settings(self, quick: bool = False) -> dict[str, Any]:
        """Model, grids and sizes, as plain data."""
        return {
            "model": self.model,
            "theory": list(self.theory),
            "measured": self.measured_quick if quick else self.measured,
            "size": 200 if quick else 1000,
            "instances": 3 if quick else self.instances,
            "max_steps": self.max_steps,
            "baselines": self.baselines,
            "observable": self.observable,
        }

    def make_picture(self, data: xr.Dataset) -> Figure:
        """Lines, points, thresholds, and the hard phase between two of them."""
        observable = data.attrs["observable"]
        figure, axes = new_figure(1, 1, panel=(8.4, 4.6))
        ax = axes[0, 0]
        ax.set_xlim(float(data["alpha"][0]), float(data["alpha"][-1]))
        ax.set_ylim(-0.02 * self.top, self.top)
        places = threshold_values(data)
        impossible, easy = places.get("information_theoretic"), places.get("algorithmic")
        if self.has_hard_phase and easy is not None and impossible is not None:
            hard_phase(ax, impossible, easy)
        theory_lines(ax, data, observable)
        unresolved_cells(ax, data)
        experiment_points(ax, data, observable)
        threshold_lines(ax, places)
        ax.set(xlabel=axis_label("alpha"), ylabel=axis_label(observable))
        counts = f"p = {data.attrs['size']}, {data.attrs['instances']} instances"
        note = f"points: {counts}\nbars: standard error"
        figure.legend(loc="outside right center", title=note, alignment="left")
        figure.suptitle(self.title, fontsize=11)
        return figure


def make_data(settings: Mapping[str, Any], seed: int, progress: Progress) -> xr.Dataset:
    """Theory on a fine grid, experiment on a coarse one, thresholds: one data set.

    The experiment has its own dimension `alpha_measured`, on which the theory is given too, as
    `<observable>_theory`.
    """
    data = learning_curves({"": settings}, seed, progress)[""]
    return data.assign_attrs(kind="panel", thresholds=f"[{data.attrs['thresholds']}]")


def learning_curves(
    curves: Mapping[str, Mapping[str, Any]], seed: int, progress: Progress
) -> dict[str, xr.Dataset]:
    """Theory and experiment of several models along one parameter each, on two threads.

    Args:
        curves: name -> settings: `model`, `theory` (start, stop, count), `measured`, `size`,
            `instances`, `max_steps`, `baselines`, `observable`, and, where it is not alpha, the
            `parameter` that is swept. Other settings are options of the experiment.
        seed: of the experiments.
        progress: told how much is done.

    Returns:
        Name -> data set, all with the same branches. The experiment's dimension is the parameter's
        name with `_measured`; `thresholds` is the document of the model.
    """
    progress("theory", 0.0)
    with two_workers() as pool:
        jobs = {
            name: (
                pool.submit(_theory, settings),
                [pool.submit(_measured, settings, x, seed) for x in settings["measured"]],
            )
            for name, settings in curves.items()
        }
        flat = [job for first, rest in jobs.values() for job in (first, *rest)]
        for count, _ in enumerate(as_completed(flat), start=1):
            progress("theory and experiment", count / len(flat))
        lines = {name: first.result() for name, (first, _) in jobs.items()}
        points = {name: [job.result() for job in rest] for name, (_, rest) in jobs.items()}
    parts = [part for name in curves for part in (lines[name][0], *points[name])]
    filled = iter(same_branches(parts))
    return {
        name: _joined(settings, next(filled), lines[name][1], [next(filled) for _ in points[name]])
        for name, settings in curves.items()
    }


def _joined(
    settings: Mapping[str, Any], theory: xr.Dataset, found: Mapping[str, Any], parts: list[Any]
) -> xr.Dataset:
    """Lines, points and thresholds of one model."""
    parameter = swept_parameter(settings)
    measured = xr.concat(
        parts, parameter, data_vars="minimal", combine_attrs="override", join="exact"
    )
    known = io.observables(theory)
    own = (*known, *io.BOOKKEEPING, *(f"{name}_status" for name in known))
    names = {name: f"{name}_theory" for name in own if name in measured}
    measured = measured.rename({parameter: f"{parameter}_measured", **names})
    data = theory.merge(measured, join="exact")
    data.attrs = {
        "model": settings["model"],
        "rigour": theory.attrs["rigour"],
        "references": theory.attrs["references"],
        "thresholds": json.dumps(io.strict(found)),
        "observable": settings["observable"],
        "size": settings["size"],
        "instances": settings["instances"],
    }
    return data


def swept_parameter(settings: Mapping[str, Any]) -> str:
    """The parameter of the horizontal axis."""
    return settings.get("parameter", "alpha")


def _measured(settings: Mapping[str, Any], value: float, seed: int) -> xr.Dataset:
    """The experiment at one value of the parameter."""
    names = ("size", "instances", "max_steps", "baselines", "damping", "tolerance")
    return sv.experiment(
        sv.parse(settings["model"]),
        over={swept_parameter(settings): [value]},
        seed=seed,
        **{name: settings[name] for name in names if name in settings},
    )


def same_branches(parts: Sequence[xr.Dataset]) -> list[xr.Dataset]:
    """The data sets with all branches that occur in any of them, absent ones as `no_branch`."""
    names: dict[str, None] = {}
    for part in parts:
        names |= dict.fromkeys(str(name) for name in part["branch"].values)
    fill = {"status": Status.no_branch.value, "steps": 0}
    filled = []
    for part in parts:
        values = {name: fill.get(str(name), np.nan) for name in part.data_vars}
        filled.append(part.reindex(branch=list(names), fill_value=values))
    return filled


def _theory(settings: Mapping[str, Any]) -> tuple[xr.Dataset, dict[str, Any]]:
    """The curve on a grid that knows the thresholds, and their document."""
    model, parameter = sv.parse(settings["model"]), swept_parameter(settings)
    found = sv.thresholds(model, parameter).document()
    start, stop, count = settings["theory"]
    return sv.curve(model, over={parameter: _grid(start, stop, count, found)}), found


def _grid(start: float, stop: float, count: int, found: Mapping[str, Any]) -> np.ndarray:
    """An even grid, with both sides of each threshold added so that jumps stand upright.

    Where branches end in a fold the curve goes close to it, since they meet like a square root;
    where the signal becomes recoverable it does not, since errors below 1e-12 have no digits.
    """
    sides = []
    for name, entry in found["thresholds"].items():
        place = entry["value"]
        if place is not None and start < place < stop:
            beside = _BESIDE_FOLD if name in ("algorithmic", "spinodal_uninformed") else _BESIDE
            sides += [place - beside, place + beside]
    grid = np.unique(np.concatenate([np.linspace(start, stop, count), sides]))
    return grid[np.concatenate([[True], np.diff(grid) > _BESIDE_FOLD / 2])]


def threshold_values(data: xr.Dataset) -> dict[str, float | None]:
    """Name -> value of the thresholds of the data's first model."""
    return values_of(json.loads(data.attrs["thresholds"])[0])


def values_of(document: Mapping[str, Any]) -> dict[str, float | None]:
    """Name -> value of the thresholds in a document."""
    return {name: entry["value"] for name, entry in document["thresholds"].items()}


def compare(data: xr.Dataset) -> Comparison:
    """Mean distance of AMP's error from its state evolution over the measured values of alpha."""
    observable = data.attrs["observable"]
    apart = _amp_apart(data)
    return Comparison(
        float(np.nanmean(apart)),
        f"mean distance of AMP's {observable} (p = {data.attrs['size']}, "
        f"{data.attrs['instances']} instances) from state evolution over "
        f"{int(np.isfinite(apart).sum())} values of alpha, those beside the transitions included",
    )


def _amp_apart(data: xr.Dataset) -> np.ndarray:
    observable = data.attrs["observable"]
    theory = data[f"{observable}_theory"].sel(branch="amp").values
    return np.abs(data[f"{observable}_mean"].sel(algorithm="amp").values - theory)


def summarize(data: xr.Dataset) -> str:
    """The threshold table, and the errors at the measured values of alpha."""
    observable = data.attrs["observable"]
    algorithms = io.algorithms(data)
    head = "".join(f"{name + ' (measured)':>28}" for name in algorithms)
    lines = [
        threshold_table(json.loads(data.attrs["thresholds"])),
        f"  {observable}",
        f"    {'alpha':>6}{'bayes':>10}{'amp':>10}{head}",
    ]
    for index, alpha in enumerate(data[MEASURED].values):
        point = data.isel({MEASURED: index})
        row = f"    {alpha:>6.3g}"
        for branch in ("bayes", "amp"):
            row += f"{float(point[f'{observable}_theory'].sel(branch=branch)):>10.4f}"
        for name in algorithms:
            mean = float(point[f"{observable}_mean"].sel(algorithm=name))
            error = float(point[f"{observable}_standard_error"].sel(algorithm=name))
            row += f"{f'{mean:.4f} +- {error:.4f}':>28}"
        lines.append(row)
    failed = ~answered(data["experiment_status"].values)
    if failed.any():
        lines.append(
            f"    {failed.sum()} of {failed.size} runs ended without convergence; they count with "
            "their best iterate"
        )
    return "\n".join(lines)

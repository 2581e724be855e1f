"""What figures of committees of two units share: overlaps and errors, theory and AMP."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import solvable as sv
from solvable.core.status import answered
from solvable.gallery.base import Comparison, Progress, threshold_table, thresholds_of
from solvable.plotting import new_figure, threshold_lines
from solvable.plotting.style import BLUE, GRAY, VERMILION

_KEPT = ("overlap_diagonal", "overlap_off_diagonal", "generalization_error")
_LABELS = {
    "overlap_diagonal": "$q_0$, same unit",
    "overlap_off_diagonal": "$q_1$, other unit",
    "generalization_error": "generalization error",
}


@dataclass(frozen=True)
class Committees:
    """One figure: a module of the gallery takes its `settings` and `make_picture`.

    Attributes:
        model: specification.
        title: the model in words.
        theory: start, stop and count of the grid for the lines.
        measured: values of alpha for the points.
        measured_quick: fewer of them.
        size: p of the instances.
        instances: how many at each point.
        transitions: names of thresholds that are drawn, and what they are called.
    """

    model: str
    title: str
    theory: tuple[float, float, int]
    measured: list[float]
    measured_quick: list[float]
    size: int
    instances: int
    transitions: Mapping[str, str]

    def settings(self, quick: bool = False) -> dict[str, Any]:
        """Grids and sizes."""
        return {
            "model": self.model,
            "theory": [*self.theory[:2], 6 if quick else self.theory[2]],
            "measured": self.measured_quick if quick else self.measured,
            "size": 300 if quick else self.size,
            "instances": 2 if quick else self.instances,
            "max_steps": 80 if quick else 300,
        }

    def make_picture(self, data: xr.Dataset) -> Figure:
        """Overlaps on the left, the error on the right."""
        figure, axes = new_figure(1, 2, panel=(5.8, 4.4))
        left, right = axes[0]
        found = json.loads(data.attrs["thresholds"])[0]["thresholds"]
        lines = {self.transitions[x]: found[x]["value"] for x in self.transitions}
        for color, name in ((BLUE, "overlap_diagonal"), (VERMILION, "overlap_off_diagonal")):
            _drawn(left, data, name, color)
        _drawn(right, data, "generalization_error", BLUE)
        for ax in (left, right):
            threshold_lines(ax, {k: x for k, x in lines.items() if x})
            ax.set(xlabel=r"samples per input $\alpha = n / p$")
            ax.legend(loc="best", fontsize=8)
        left.set(ylabel="overlaps with the teacher", ylim=(-0.03, 1.03))
        right.set(
            ylabel=r"$E_{gen} = \mathbb{E}(y - \mathbb{E}[y|\mathrm{data}])^2$", ylim=(0, None)
        )
        attrs = data.attrs
        figure.suptitle(
            f"{self.title}\nlines: theory (dashed: units alike); points: AMP, $p = "
            f"{attrs['size']}$, {attrs['instances']} instances\n"
            "open: some runs do not converge; just above "
            "specialization units are told apart only at larger $p$",
            fontsize=10,
        )
        return figure


def _drawn(ax: Axes, data: xr.Dataset, name: str, color: str) -> None:
    """The branch that AMP reaches, the one of units alike, and AMP."""
    alike = data[name].sel(branch="symmetric")
    ax.plot(data["alpha"], alike, "--", color=GRAY, linewidth=1.2)
    ax.plot(data["alpha"], data[name].sel(branch="amp"), color=color, label=_LABELS[name])
    ends = answered(data["experiment_status"].values).all(axis=-1)
    for there, face in ((ends, color), (~ends, "white")):
        part = data.isel(alpha_measured=np.flatnonzero(there))
        ax.errorbar(
            part["alpha_measured"],
            part[f"{name}_mean"],
            part[f"{name}_standard_error"],
            color=color,
            marker="o",
            markersize=4.5,
            markerfacecolor=face,
            linestyle="none",
        )


def make_data(settings: Mapping[str, Any], seed: int, progress: Progress) -> xr.Dataset:
    """Branches (alpha, branch), and what AMP found (alpha_measured)."""
    model = sv.parse(settings["model"])
    progress("theory", 0.0)
    theory = sv.curve(model, over={"alpha": np.linspace(*settings["theory"])})
    measured = sv.experiment(
        model,
        over={"alpha": settings["measured"]},
        size=settings["size"],
        instances=settings["instances"],
        max_steps=settings["max_steps"],
        damping=0.0,  # units that begin to differ are no instability to be damped
        tolerance=1e-4,
        seed=seed,
        progress=lambda done, total: progress("AMP", 0.4 + 0.6 * done / total),
    )
    names = [f"{name}{end}" for name in _KEPT for end in ("_mean", "_standard_error")]
    points = measured[[*names, "experiment_status"]].sel(algorithm="amp", drop=True)
    amp = measured[list(_KEPT)].sel(branch="amp", drop=True)
    points = points.assign({f"{name}_theory": amp[name] for name in _KEPT})
    data = theory[[*_KEPT, "status"]].merge(points.rename(alpha="alpha_measured"))
    data.attrs = {
        "kind": "committees",
        "thresholds": thresholds_of(model, "alpha"),
        "size": settings["size"],
        "instances": settings["instances"],
    }
    return data


def compare(data: xr.Dataset) -> Comparison:
    """How far AMP is from its state evolution."""
    name = "overlap_diagonal"
    apart = np.abs(data[f"{name}_mean"] - data[f"{name}_theory"])
    return Comparison(
        float(apart.mean()),
        f"mean distance of AMP's overlap q_0 (p = {data.attrs['size']}) from its state evolution, "
        f"over {len(apart)} values of alpha",
    )


def summarize(data: xr.Dataset) -> str:
    """Thresholds, and the measured points."""
    lines = [threshold_table(json.loads(data.attrs["thresholds"]))]
    lines.append(
        "    alpha   q_0, AMP            theory     q_1, AMP            theory   converged"
    )
    for k, alpha in enumerate(data["alpha_measured"].values):
        here = data.isel(alpha_measured=k)
        cells = []
        for name in _KEPT[:2]:
            mean, bar, theory = (
                float(here[f"{name}{end}"]) for end in ("_mean", "_standard_error", "_theory")
            )
            cells.append(f"{mean:.4f} +- {bar:.4f}   {theory:.4f}")
        ends = answered(here["experiment_status"].values)
        cells.append(f"{int(ends.sum())} of {len(ends)}")
        lines.append(f"    {alpha:5.2f}   " + "     ".join(cells))
    return "\n".join(lines)

"""Overlap against time under Langevin dynamics at T = 1: theory at several noises, and simulation.

On the left infinite dimension, from an overlap of 1e-4: the closer the matrix's noise to the
conjectured line, the later the signal is found, while the plateau is that of the Bayes-optimal
estimate. On the right dynamics of N components beside its own infinite-dimensional limit.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

import solvable as sv
from solvable.gallery.base import Comparison, Progress, threshold_table, thresholds_of
from solvable.plotting import axis_label, new_figure
from solvable.plotting.dynamics import COLORS
from solvable.plotting.style import BLACK

CARD = dict(
    kind="gallery",
    name="langevin-dynamics",
    summary="Langevin dynamics of a matrix and a tensor: overlap in time, theory and simulation",
    rigour="replica",
    references=["mannelli2020marvels"],
)

_DELTAP, _P = 1.0, 3


def settings(quick: bool = False) -> dict[str, Any]:
    """Noises from easy to close to the line, and sizes of the simulation."""
    return {
        "delta2": [0.2, 0.4] if quick else [0.2, 0.3, 0.4, 0.5, 0.6],
        "times": [0.1, 8.0, 20] if quick else [0.1, 400.0, 70],
        "initial_overlap": 1e-4,
        "tolerance": 1e-3,
        "simulated": {
            "delta2": 0.3,
            "initial_overlap": 0.2,
            "times": [0.0, 4.0, 9] if quick else [0.0, 8.0, 33],
            "sizes": [60, 120] if quick else [125, 250, 500],
            "instances": 4 if quick else 24,
        },
    }


def _model(delta2: float) -> sv.SpikedMatrixTensor:
    return sv.SpikedMatrixTensor(delta2=delta2, deltap=_DELTAP, p=_P)


def make_data(settings: Mapping[str, Any], seed: int, progress: Progress) -> xr.Dataset:
    """`overlap` (delta2, time) and its plateau; the simulation's names behind `simulated_`."""
    parts, noises, chosen = [], settings["delta2"], settings["simulated"]
    runs = len(noises) + len(chosen["sizes"])
    for number, delta2 in enumerate(noises):
        progress(f"theory at delta2 = {delta2:g}", number / runs)
        found = sv.dynamics(
            _model(delta2),
            np.geomspace(*settings["times"]),
            initial_overlap=settings["initial_overlap"],
            tolerance=settings["tolerance"],
        )
        plateau = sv.curve(_model(delta2)).overlap.sel(branch="amp")
        parts.append(
            found[["overlap", "error_bound", "status"]].assign(plateau=((), float(plateau)))
        )
    data = xr.concat(parts, xr.Variable("delta2", noises), combine_attrs="drop")
    simulated = []
    for number, size in enumerate(chosen["sizes"]):
        progress(f"simulation of N = {size}", (len(noises) + number) / runs)
        found = sv.dynamics(
            _model(chosen["delta2"]),
            np.linspace(*chosen["times"]),
            initial_overlap=chosen["initial_overlap"],
            simulate=True,
            size=size,
            instances=chosen["instances"],
            seed=seed,
        )
        names = ["overlap", "overlap_mean", "overlap_standard_error"]
        simulated.append(found[names].rename({name: f"simulated_{name}" for name in names}))
    both = xr.concat(simulated, xr.Variable("size", chosen["sizes"]), combine_attrs="drop")
    data = data.merge(both.rename(time="simulated_time"))
    data.attrs = {
        "kind": "langevin",
        "thresholds": thresholds_of(sv.SpikedMatrixTensor(deltap=_DELTAP, p=_P), "delta2"),
        "initial_overlap": settings["initial_overlap"],
        "instances": chosen["instances"],
        "simulated_delta2": chosen["delta2"],
        "simulated_initial_overlap": chosen["initial_overlap"],
    }
    return data


def make_picture(data: xr.Dataset) -> Figure:
    """Theory against the logarithm of time, and simulations with error bars."""
    figure, axes = new_figure(1, 2, panel=(6.0, 4.4))
    left, right = axes[0]
    for color, delta2 in zip(COLORS, data["delta2"].values, strict=False):
        part = data.sel(delta2=delta2)
        label = rf"$\Delta_2 = {delta2:g}$"
        left.plot(part["time"], part["overlap"], color=color, label=label)
        left.axhline(float(part["plateau"]), color=color, linewidth=0.8, linestyle=":")
    start, ylabel = data.attrs["initial_overlap"], r"overlap with the signal $m(t)$"
    left.set(xscale="log", xlabel=axis_label("time"), ylabel=ylabel)
    left.set_title(rf"infinite dimension, $m(0) = {start:g}$; dotted: Bayes-optimal")
    left.legend(loc="upper left", frameon=True, framealpha=1.0, edgecolor="none")
    times = data["simulated_time"]
    theory = data["simulated_overlap"].isel(size=0)
    right.plot(times, theory, color=BLACK, label="infinite dimension", zorder=3)
    for color, size in zip(COLORS, data["size"].values, strict=False):
        part = data.sel(size=size)
        right.errorbar(
            times,
            part["simulated_overlap_mean"],
            part["simulated_overlap_standard_error"],
            fmt="o",
            markersize=3.5,
            color=color,
            label=f"N = {size}",
        )
    attrs = data.attrs
    right.set(xlabel=axis_label("time"), ylabel=ylabel)
    right.set_title(
        rf"$\Delta_2 = {attrs['simulated_delta2']:g}$, "
        rf"$m(0) = {attrs['simulated_initial_overlap']:g}$, {attrs['instances']} instances"
    )
    right.legend(loc="lower right")
    figure.suptitle(
        rf"Langevin dynamics, $T = 1$, $p = {_P}$, $\Delta_p = {_DELTAP:g}$; bars: standard error"
    )
    return figure


def _apart(data: xr.Dataset) -> xr.DataArray:
    """Mean distance of the simulation from theory in time, for every size."""
    apart: Any = np.abs(data["simulated_overlap_mean"] - data["simulated_overlap"])
    return apart.mean("simulated_time")


def compare(data: xr.Dataset) -> Comparison:
    """How far the largest size is from infinite dimension."""
    return Comparison(
        float(_apart(data)[-1]),
        f"mean distance in time of the simulated overlap (N = {int(data['size'][-1])}) from "
        "infinite dimension",
    )


def summarize(data: xr.Dataset) -> str:
    """When half of the plateau is reached, and how simulations approach theory."""
    lines = [threshold_table(json.loads(data.attrs["thresholds"]))]
    for delta2 in data["delta2"].values:
        part = data.sel(delta2=delta2)
        plateau = float(part["plateau"])
        reached = np.flatnonzero(part["overlap"].values > plateau / 2)
        when = f"{float(part['time'][reached[0]]):8.3g}" if reached.size else "       -"
        last = float(part["overlap"][-1])
        lines.append(
            f"    delta2 {delta2:5.2f}   half of the plateau by t = {when}   last overlap "
            f"{last:.4f}   plateau {plateau:.4f}"
        )
    for size, apart in zip(data["size"].values, _apart(data).values, strict=True):
        lines.append(f"    N {int(size):5d}   mean distance from theory {apart:.4f}")
    return "\n".join(lines)

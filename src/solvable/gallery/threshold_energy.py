"""Energy in time: dynamics falls onto threshold states before it finds the signal.

Gradient flow (and Langevin dynamics) from random starts first relaxes as if there were no signal,
towards the energy of marginal, threshold states; only then, where these are unstable towards the
signal, the overlap grows and the energy falls on. The level of the threshold states is that of
one step of replica symmetry breaking with marginality, a conjecture for mixed fields.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

import solvable as sv
from solvable.core.transition_lines import threshold_state
from solvable.gallery.base import Comparison, Progress, threshold_table, thresholds_of
from solvable.plotting import axis_label, new_figure
from solvable.plotting.dynamics import COLORS
from solvable.plotting.style import BLACK

CARD = dict(
    kind="gallery",
    name="threshold-energy",
    summary="Energy in time: it falls onto threshold states first, then the signal is found",
    rigour="conjecture",
    references=["mannelli2019afraid", "mannelli2020marvels", "folena2020"],
)

_P = 3


def settings(quick: bool = False) -> dict[str, Any]:
    """Gradient flow without a signal's help and with it, at noises on both sides of the line."""
    last = 30.0 if quick else 1000.0
    return {
        "deltap": 1.0,
        "unplanted": {"delta2": 1.0, "times": [0.1, last, 25 if quick else 80]},
        "planted": {
            "delta2": [0.3] if quick else [0.3, 0.36, 0.42],
            "initial_overlap": 1e-6,
            "times": [0.1, last, 25 if quick else 80],
        },
        "tolerance": 1e-3,
    }


def make_data(settings: Mapping[str, Any], seed: int, progress: Progress) -> xr.Dataset:
    """`energy`, `overlap` and the level of threshold states (delta2, time); 0 signal first."""
    deltap, chosen = settings["deltap"], settings["planted"]
    jobs = [(settings["unplanted"]["delta2"], 0.0, settings["unplanted"]["times"])]
    jobs += [(d, chosen["initial_overlap"], chosen["times"]) for d in chosen["delta2"]]
    parts = []
    for number, (delta2, overlap, times) in enumerate(jobs):
        progress(f"gradient flow at delta2 = {delta2:g}", number / len(jobs))
        model = sv.SpikedMatrixTensor(delta2=delta2, deltap=deltap, p=_P)
        found = sv.dynamics(
            model,
            np.geomspace(*times),
            temperature=0.0,
            initial_overlap=overlap,
            tolerance=settings["tolerance"],
        )
        state = threshold_state(model.covariance(), 0.0)
        assert state is not None
        kept = found[["energy", "overlap", "mu", "error_bound", "status"]]
        parts.append(kept.assign(level=((), state.energy), multiplier=((), state.multiplier)))
    data = xr.concat(parts, xr.Variable("run", np.arange(len(parts))), combine_attrs="drop")
    data = data.assign_coords(delta2=("run", [job[0] for job in jobs]))
    data.attrs = {
        "kind": "threshold energy",
        "thresholds": thresholds_of(sv.SpikedMatrixTensor(deltap=deltap, p=_P), "delta2"),
        "deltap": deltap,
        "initial_overlap": chosen["initial_overlap"],
    }
    return data


def make_picture(data: xr.Dataset) -> Figure:
    """The distance from the level without a signal; energy and overlap with one."""
    figure, axes = new_figure(1, 3, panel=(4.8, 4.2))
    gap, energy, overlap = axes[0]
    alone = data.isel(run=0)
    level = float(alone["level"])
    gap.plot(alone["time"], alone["energy"] - level, color=BLACK)
    gap.set(xscale="log", yscale="log", xlabel=axis_label("time"))
    gap.set_ylabel(r"energy above threshold states, $e(t) - e_{\mathrm{th}}$")
    gap.set_title(rf"no signal, $\Delta_2 = {float(alone['delta2']):g}$: $e_{{th}} = {level:.6f}$")
    for color, run in zip(COLORS, range(1, data.sizes["run"]), strict=False):
        part = data.isel(run=run)
        label = rf"$\Delta_2 = {float(part['delta2']):g}$"
        energy.plot(part["time"], part["energy"], color=color, label=label)
        energy.axhline(float(part["level"]), color=color, linestyle="--", linewidth=1.0)
        overlap.plot(part["time"], part["overlap"], color=color, label=label)
    energy.set(xscale="log", xlabel=axis_label("time"), ylabel=axis_label("energy"))
    energy.set_title("dashed: threshold states (conjecture)")
    energy.legend(loc="lower left")
    start = data.attrs["initial_overlap"]
    overlap.set(xscale="log", xlabel=axis_label("time"), ylabel=r"overlap with the signal $m(t)$")
    overlap.set_title(f"overlap, from {start:g}")
    figure.suptitle(
        rf"Gradient flow, $p = {_P}$, $\Delta_p = {data.attrs['deltap']:g}$: "
        "the energy waits at threshold states until the overlap has grown"
    )
    return figure


def compare(data: xr.Dataset) -> Comparison:
    """How far above the level of threshold states the energy without a signal is at last."""
    alone = data.isel(run=0)
    return Comparison(
        float(alone["energy"][-1] - alone["level"]),
        f"energy above threshold states at t = {float(alone['time'][-1]):g}, without a signal; it "
        "falls as a power of time",
    )


def summarize(data: xr.Dataset) -> str:
    """Last energies and multipliers beside those of threshold states."""
    lines = [threshold_table(json.loads(data.attrs["thresholds"]))]
    for run in range(data.sizes["run"]):
        part = data.isel(run=run)
        lines.append(
            f"    delta2 {float(part['delta2']):5.2f}   energy {float(part['energy'][-1]):.6f} "
            f"(threshold states {float(part['level']):.6f})   mu {float(part['mu'][-1]):.5f} "
            f"({float(part['multiplier']):.5f})   overlap {float(part['overlap'][-1]):.5f}"
        )
    return "\n".join(lines)

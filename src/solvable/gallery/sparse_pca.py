"""Sparse principal component analysis: error against noise, and phases in sparsity and noise.

Between the fold of the uninformed branch, just below Delta = rho^2 where PCA and message passing
stop, and the information-theoretic threshold the spike could be found, but is not: the hard phase.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import solvable as sv
from solvable import io
from solvable.core.status import has_value
from solvable.gallery import chains
from solvable.gallery.base import Progress
from solvable.plotting import (
    axis_label,
    boundary_lines,
    critical_marks,
    hard_phase,
    new_figure,
    phase_cells,
)
from solvable.plotting.style import BLUE, GREEN

CARD = dict(
    kind="gallery",
    name="sparse-pca",
    summary="Sparse PCA: MMSE with its gap, and the phase diagram in sparsity and noise",
    rigour="theorem",
    references=["lesieur2017", "lelarge2019"],
)

_MODEL = "SpikedWigner(prior=GaussBernoulli(rho={rho:g}))"
_RHOS = {0.05: BLUE, 0.3: GREEN}
_MEASURED = {
    0.05: [0.0004, 0.0008, 0.0012, 0.0016, 0.002, 0.0035, 0.005, 0.007],
    0.3: [0.01, 0.02, 0.035, 0.05, 0.07, 0.11],
}
_MAP = "map_"


def settings(quick: bool = False) -> dict[str, Any]:
    """Error curves of a sparse and of a dense component, and a map of phases."""
    curves = {
        f"rho_{rho:g}": {
            "model": _MODEL.format(rho=rho),
            "parameter": "delta",
            "observable": "mse",
            "theory": [0.02 * rho**2, (3.2 if rho < 0.1 else 1.4) * rho**2, 40 if quick else 160],
            "measured": _MEASURED[rho][::3] if quick else _MEASURED[rho],
            "size": 400 if quick else 2000,
            "instances": 3 if quick else 8,
            "max_steps": 800,
            "damping": "adaptive",
            "tolerance": 1e-5,
            "baselines": False,
        }
        for rho in _RHOS
    }
    count = 12 if quick else 60
    return {
        "curves": curves,
        "map": {
            "model": "SpikedWigner(prior=GaussBernoulli())",
            "delta": [1e-5, 0.2, count],
            "rho": [0.01, 0.4, count],
        },
    }


def make_data(settings: Mapping[str, Any], seed: int, progress: Progress) -> xr.Dataset:
    """The curves of `chains`, and beside them the phase diagram, its names behind `map_`."""
    data = chains.make_data(settings, seed, lambda what, done: progress(what, 0.8 * done))
    chosen = settings["map"]
    grids = {name: np.geomspace(*chosen[name]) for name in ("delta", "rho")}
    phases = sv.phase_diagram(
        sv.parse(chosen["model"]),
        x=("delta", grids["delta"]),
        y=("rho", grids["rho"]),
        critical=True,
        progress=lambda done, total: progress("phases", 0.8 + 0.2 * done / total),
    )
    attrs = {name: value for name, value in phases.attrs.items() if isinstance(value, str)}
    named = phases.rename({name: f"{_MAP}{name}" for name in phases.variables}).drop_attrs()
    both = xr.merge([data, named], join="outer", compat="no_conflicts")
    both.attrs = {**data.attrs, "phases": json.dumps(attrs)}
    return both


def phases_of(data: xr.Dataset) -> xr.Dataset:
    """The phase diagram alone."""
    own = data[[name for name in data.variables if str(name).startswith(_MAP)]]
    names = {name: str(name).removeprefix(_MAP) for name in own.variables}
    return own.rename(names).assign_attrs(json.loads(data.attrs["phases"]))


def make_picture(data: xr.Dataset) -> Figure:
    """Error curves on the left and in the middle, phases on the right."""
    figure, axes = new_figure(1, 3, panel=(4.8, 4.4))
    for ax, rho in zip(axes[0], _RHOS, strict=False):
        _panel(ax, chains.curve(data, f"rho_{rho:g}"), rho)
    ax = axes[0, 2]
    phases = phases_of(data)
    ax.set(xscale="log", yscale="log")
    phase_cells(ax, phases)
    boundary_lines(ax, phases)
    critical_marks(ax, phases)
    ax.set(xlabel=axis_label("delta"), ylabel=axis_label("rho"), title="phases")
    part = chains.curve(data, "rho_0.05")
    figure.legend(
        handles=[
            *chains.key_handles(axes[0, 0]),
            *axes[0, 0].patches[:1],
            *[line for line in ax.lines if not str(line.get_label()).startswith("_")],
        ],
        loc="outside lower center",
        ncols=5,
        title=f"points: p = {part.attrs['size']}, {part.attrs['instances']} instances; bars: "
        "standard error; dotted: PCA finds nothing above Δ = ρ²",
    )
    return figure


def _panel(ax: Axes, part: xr.Dataset, rho: float) -> None:
    places = chains.thresholds(part)
    best, easy = places["information_theoretic"], places["algorithmic"]
    if best is not None and easy is not None and easy < best:
        hard_phase(ax, easy, best)
    chains.draw(ax, part, "mse", _RHOS[rho], "_nolegend_")
    ax.axvline(rho**2, color="#333333", linewidth=0.9, linestyle=(0, (1, 1.5)))
    x = part["delta"].values
    ax.set(xlim=(0, float(x[-1])), ylim=(0, 1.06 * rho), xlabel=axis_label("delta"))
    ax.set(ylabel=axis_label("mse"), title=f"Gauss-Bernoulli, $\\rho = {rho:g}$")


def summarize(data: xr.Dataset) -> str:
    """The numbers of the curves, and where the first-order lines of the map end."""
    phases = phases_of(data)
    lines = [f"  critical points of {phases.attrs['model']} in delta, rho"]
    for name in io.critical_points(phases):
        point = phases.sel(point=name)
        values = [
            f"{float(point[f'point_{axis}']):.8f} +- {float(point[f'point_{axis}_error']):.0e}"
            for axis in ("x", "y")
        ]
        there = bool(has_value(point["point_status"].values))
        lines.append(f"    {name:<22} {', '.join(values) if there else '-  (no branch)'}")
    return "\n".join([chains.summarize(data), *lines])


compare = chains.compare

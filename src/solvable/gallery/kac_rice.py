"""How many minima the energy of a spike in matrix and tensor has, and where none is spurious.

The annealed complexity Sigma(m) of minima at overlap m for several noises of the matrix, that at
m = 0 against their energy, and the noise at which minima disappear: at m = 0, on the hill about
it, everywhere. At m = 0 it is, with r = Q''(1) / Q'(1) and while 1 / Delta_2 <= sqrt(Q''(1)),

    Sigma(0) = ln(r) / 2 - (r - 1) / (r + 1).
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
from solvable.core.covariance import Covariance
from solvable.core.kac_rice import complexity_at_energy, complexity_at_overlap
from solvable.core.status import has_value
from solvable.core.trivialization import (
    trivialization,
    trivialization_all_m,
    trivialization_everywhere,
)
from solvable.gallery.base import Comparison, Progress, threshold_table
from solvable.gallery.tensor_lines_grid import LOOKS, WORDS, Y_LABEL
from solvable.plotting import axis_label, new_figure
from solvable.plotting.style import BLUE, GREEN, ORANGE, PURPLE, VERMILION

CARD = dict(
    kind="gallery",
    name="kac-rice",
    summary="Complexity of minima of a spike in matrix and tensor, and where they disappear",
    rigour="replica",
    references=["mannelli2019passed"],
)

_P = 3
_COLORS = (BLUE, GREEN, ORANGE, VERMILION, PURPLE)
_LINES = {
    "trivialization": trivialization,
    "trivialization_all_m": trivialization_all_m,
    "trivialization_everywhere": trivialization_everywhere,
}


def settings(quick: bool = False) -> dict[str, Any]:
    """Noises of the matrix at deltap = 1, grids of overlap, energy and deltap."""
    return {
        "delta2": [0.3, 0.4, 0.5, 0.7, 1.5],
        "deltap": 1.0,
        "overlap": [-0.99, 0.99, 100 if quick else 397],
        "energy": [-2.4, -0.6, 60 if quick else 361],
        "noises": [0.1, 2.0, 2 if quick else 20],
    }


def make_data(settings: Mapping[str, Any], seed: int, progress: Progress) -> xr.Dataset:
    """Complexities and lines."""
    overlap = np.linspace(*settings["overlap"])
    energy = np.linspace(*settings["energy"])
    noises = np.linspace(*settings["noises"])
    fields = [_field(delta2, settings["deltap"]) for delta2 in settings["delta2"]]
    lines, codes = np.full((2, len(_LINES), len(noises)), np.nan)
    for i, noise in enumerate(noises):
        for k, find in enumerate(_LINES.values()):
            found = find(lambda delta2, noise=noise: _field(delta2, float(noise)))
            lines[k, i] = np.nan if found.value is None else found.value
            codes[k, i] = int(found.status)
        progress("lines", (i + 1) / len(noises))
    model = sv.SpikedMatrixTensor(deltap=settings["deltap"], p=_P)
    document = sv.thresholds(model, "delta2").document()
    return xr.Dataset(
        {
            "complexity": (
                ("delta2", "overlap"),
                np.array([complexity_at_overlap(f, overlap).complexity for f in fields]),
            ),
            "equator": (
                "delta2",
                np.array([float(complexity_at_overlap(f, 0.0).complexity) for f in fields]),
            ),
            "by_energy": (
                ("delta2", "energy"),
                np.array([complexity_at_energy(f, 0.0, energy).complexity for f in fields]),
            ),
            "line": (("name", "deltap"), lines),
            "line_status": (("name", "deltap"), codes.astype(np.int8)),
        },
        coords={
            "delta2": np.array(settings["delta2"]),
            "overlap": overlap,
            "energy": energy,
            "deltap": noises,
            "name": list(_LINES),
        },
        attrs={
            "kind": "complexity",
            "at": settings["deltap"],
            "thresholds": json.dumps(io.strict([document])),
        },
    )


def _field(delta2: float, deltap: float) -> Covariance:
    return sv.SpikedMatrixTensor(delta2=delta2, deltap=deltap, p=_P).covariance()


def make_picture(data: xr.Dataset) -> Figure:
    """Complexity against overlap, against energy, and the lines."""
    figure, axes = new_figure(1, 3, panel=(4.8, 4.6))
    for delta2, color in zip(data["delta2"].values, _COLORS, strict=True):
        part = data.sel(delta2=delta2)
        look: dict[str, Any] = {"color": color, "label": rf"$\Delta_2 = {delta2:g}$"}
        axes[0, 0].plot(part["overlap"], part["complexity"], **look)
        axes[0, 1].plot(part["energy"], part["by_energy"], **look)
    noise = rf"p = {_P}, $\Delta_p = {data.attrs['at']:g}$"
    for ax in axes[0, :2]:
        ax.axhline(0.0, color="#333333", linewidth=0.9)
        ax.set_ylabel(r"complexity $\Sigma$ (nats per dimension)")
    axes[0, 0].set(xlabel="overlap with the truth $m$", ylim=(-0.06, 0.01), title=noise)
    axes[0, 1].legend(loc="center right", fontsize=9)
    title = f"minima at m = 0, {noise}"
    axes[0, 1].set(xlabel=axis_label("energy"), ylim=(-0.06, 0.01), title=title)
    _lines(axes[0, 2], data)
    return figure


def _lines(ax: Axes, data: xr.Dataset) -> None:
    for name in _LINES:
        part = data.sel(name=name)
        values = np.where(has_value(part["line_status"].values), part["line"].values, np.nan)
        ax.plot(data["deltap"], 1 / values, label=WORDS[name], **LOOKS[name])
    ax.set(xlabel=r"noise of the tensor $\Delta_p$", ylabel=Y_LABEL)
    ax.set_title(f"complexity vanishes above, p = {_P}")
    ax.legend(loc="upper right", fontsize=9)


def exact(delta2: float, deltap: float) -> float | None:
    """Sigma(0); None where the plant bends the energy down, 1 / Delta_2 > sqrt(Q''(1))."""
    field = _field(delta2, deltap)
    if field.curvature(0.0) > np.sqrt(field.curvature(1.0)):
        return None
    ratio = float(field.curvature(1.0) / field.slope(1.0))
    return 0.5 * float(np.log(ratio)) - (ratio - 1) / (ratio + 1)


def compare(data: xr.Dataset) -> Comparison:
    """The largest distance of Sigma(0) from its closed form, where that holds."""
    apart = []
    for delta2, found in zip(data["delta2"].values, data["equator"].values, strict=True):
        wanted = exact(float(delta2), data.attrs["at"])
        if wanted is not None:
            apart.append(abs(float(found) - wanted))
    return Comparison(
        max(apart), f"largest distance of Sigma(0) from its closed form, {len(apart)} noises"
    )


def summarize(data: xr.Dataset) -> str:
    """Sigma(0), the top of Sigma, and the lines."""
    text = [threshold_table(json.loads(data.attrs["thresholds"]))]
    for delta2 in data["delta2"].values:
        part = data.sel(delta2=delta2)
        text.append(f"  delta2 {delta2:.3f}: Sigma(0) {float(part['equator']):+.6f}")
    text.append(f"  1 / delta2 of {', '.join(_LINES)}")
    for i, noise in enumerate(data["deltap"].values):
        row = [f"{1 / x:9.6f}" if x > 0 else "        -" for x in data["line"].values[:, i]]
        text.append(f"    deltap {noise:.4f}  " + " ".join(row))
    return "\n".join(text)

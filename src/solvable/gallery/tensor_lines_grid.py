"""Phases and lines of the spiked matrix-tensor model on a grid, as its figures draw them.

Signal to noise 1 / Delta_2 of the matrix upward, noise Delta_p of the tensor across.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

import solvable as sv
from solvable import io
from solvable.core.status import has_value
from solvable.gallery.base import Progress, threshold_table
from solvable.plotting import new_figure, phase_cells, phase_patch
from solvable.plotting.style import BLACK, BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION

INVERSE = "inverse"
Y_LABEL = r"signal to noise of the matrix $1 / \Delta_2$"
LOOKS: dict[str, dict[str, Any]] = {
    "information_theoretic": {"color": BLUE, "linewidth": 2.0},
    "algorithmic": {"color": VERMILION, "linewidth": 2.0},
    "spinodal_informed": {"color": ORANGE, "linewidth": 1.4},
    "spinodal_uninformed": {"color": PURPLE, "linewidth": 1.4, "linestyle": ":"},
    "langevin": {"color": GREEN, "linewidth": 2.0},
    "langevin_upper": {"color": GREEN, "linewidth": 1.4},
    "gradient_flow": {"color": BLACK, "linewidth": 2.0},
    "ml_amp": {"color": SKY, "linewidth": 2.0},
    "trivialization": {"color": PURPLE, "linewidth": 2.0},
    "trivialization_all_m": {"color": PURPLE, "linewidth": 1.4, "linestyle": "-."},
    "trivialization_everywhere": {"color": PURPLE, "linewidth": 1.4, "linestyle": ":"},
}
WORDS = {
    "algorithmic": "AMP",
    "langevin": "Langevin, T = 1",
    "langevin_upper": "Langevin, upper end of threshold states",
    "gradient_flow": "gradient flow",
    "ml_amp": "maximum-likelihood AMP",
    "trivialization": "trivialization, m = 0",
    "trivialization_all_m": "trivialization, hill about m = 0",
    "trivialization_everywhere": "trivialization, all m",
}


def grid(
    orders: list[int],
    inverse: tuple[float, float, int],
    deltap: Mapping[int, np.ndarray],
    critical: bool = False,
) -> dict[str, Any]:
    """Settings: orders p, a grid of 1 / delta2, by order one of deltap; critical points or not."""
    return {
        "orders": orders,
        "inverse": list(inverse),
        "critical": critical,
        "deltap": {str(p): [float(x) for x in deltap[p]] for p in orders},
    }


def make_data(settings: Mapping[str, Any], seed: int, progress: Progress) -> xr.Dataset:
    """A phase diagram for each order p; its variables begin with `p3_`, `p4_`."""
    parts, attrs, documents = [], {}, []
    low, high, count = settings["inverse"]
    orders = settings["orders"]
    for k, p in enumerate(orders):
        phases = sv.phase_diagram(
            sv.SpikedMatrixTensor(p=p),
            x=("delta2", 1 / np.linspace(high, low, count)),
            y=("deltap", np.array(settings["deltap"][str(p)])),
            critical=settings["critical"],
            progress=lambda done, total, k=k: progress("phases", (k + done / total) / len(orders)),
        )
        rigour = {n: io.rigour_of(phases, f"boundary_{n}") for n in io.boundaries(phases)}
        attrs[str(p)] = {"rigour": rigour}
        model = sv.SpikedMatrixTensor(deltap=1.0, p=p)
        documents.append(sv.thresholds(model, "delta2").document())
        parts.append(phases.rename({n: f"p{p}_{n}" for n in phases.variables}).drop_attrs())
    data = xr.Dataset()
    for part in parts:
        data = data.merge(part)
    data.attrs = {
        "kind": "phases of tensors",
        "orders": json.dumps(attrs),
        "thresholds": json.dumps(io.strict(documents)),
    }
    return data


def orders(data: xr.Dataset) -> list[int]:
    """The orders p there are."""
    return [int(p) for p in json.loads(data.attrs["orders"])]


def order(data: xr.Dataset, p: int) -> xr.Dataset:
    """The phase diagram of one order, with the rigour of its boundaries."""
    own = data[[n for n in data.variables if str(n).startswith(f"p{p}_")]]
    own = own.rename({n: str(n).removeprefix(f"p{p}_") for n in own.variables})
    for name, rigour in json.loads(data.attrs["orders"])[str(p)]["rigour"].items():
        own[f"boundary_{name}"].attrs["rigour"] = rigour
    return own


def line(part: xr.Dataset, name: str) -> np.ndarray:
    """Delta_2 on a line against deltap, NaN where there is none; inf where any noise will do."""
    values = np.array(part[f"boundary_{name}"].values, dtype=float)
    values[~has_value(part[f"boundary_{name}_status"].values)] = np.nan
    return values


def cells(ax: Axes, part: xr.Dataset) -> None:
    """Easy, hard (hatched) and impossible, and the axes."""
    turned = part["phase"].transpose("delta2", "deltap").isel(delta2=slice(None, None, -1))
    inverse = 1 / turned["delta2"].values
    across = part["deltap"].values
    coords = {INVERSE: inverse, "deltap": across}
    phase = xr.Dataset({"phase": ((INVERSE, "deltap"), turned.values)}, coords=coords)
    phase_cells(ax, phase)
    axes_of(ax, part)


def panels(
    data: xr.Dataset, panel: tuple[float, float]
) -> tuple[Figure, list[tuple[int, Axes, xr.Dataset]]]:
    """A figure with the cells of one order a panel: p, axes and phase diagram of each."""
    found = orders(data)
    figure, axes = new_figure(1, len(found), panel=panel)
    made = [(p, ax, order(data, p)) for p, ax in zip(found, axes[0], strict=True)]
    for p, ax, part in made:
        cells(ax, part)
        ax.set_title(f"p = {p}")
    return figure, made


def axes_of(ax: Axes, part: xr.Dataset) -> None:
    """Limits and labels."""
    inverse, across = 1 / part["delta2"].values, part["deltap"].values
    ax.set(xlim=(across[0], across[-1]), ylim=(inverse.min(), inverse.max()))
    ax.set(xlabel=r"noise of the tensor $\Delta_p$", ylabel=Y_LABEL)


def draw_lines(ax: Axes, part: xr.Dataset, names: tuple[str, ...]) -> list[Line2D]:
    """The named lines; conjectures dashed, the rigour of each in its label."""
    drawn = []
    for name in names:
        rigour = part[f"boundary_{name}"].attrs["rigour"] or "theorem"
        look = dict(LOOKS[name])
        if rigour == "conjecture":
            look["linestyle"] = "--"
        label = f"{WORDS.get(name, name.replace('_', ' '))} ({rigour})"
        values = 1 / line(part, name)
        drawn += ax.plot(part["deltap"].values, values, label=label, **look)
    return drawn


def phase_patches(extra: tuple[Patch, ...] = ()) -> list[Patch]:
    """Legend entries of the cells."""
    return [phase_patch("easy"), *extra, phase_patch("hard"), phase_patch("impossible")]


def informed_spinodal(p: int, deltap: np.ndarray) -> np.ndarray:
    """Delta_2 of the informed spinodal, by its closed form in the overlap; NaN where none.

    Dp = (p - 2) m^(p-3) (1 - m)^2, 1 / D2 = 1 / (1 - m) - m^(p-2) / Dp, on its branch of larger m.
    """
    found = np.full(len(deltap), np.nan)
    lowest = (p - 3) / (p - 1)  # where Dp is largest
    for i, noise in enumerate(deltap):
        polynomial = np.zeros(p)
        polynomial[:3] = np.array([1.0, -2.0, 1.0]) * (p - 2)
        polynomial[-1] -= noise
        roots = np.roots(polynomial)
        real = roots.real[(np.abs(roots.imag) < 1e-9) & (roots.real < 1) & (roots.real > lowest)]
        if len(real):
            m = float(real.max())
            found[i] = 1 / (1 / (1 - m) - m ** (p - 2) / noise)
    return found


def summarize(data: xr.Dataset, names: tuple[str, ...]) -> str:
    """The named lines as a table of 1 / delta2 against deltap, and the critical points."""
    text = [threshold_table(json.loads(data.attrs["thresholds"]))]
    for p in orders(data):
        part = order(data, p)
        text.append(f"  p = {p}: 1 / delta2 of {', '.join(names)}")
        for i, noise in enumerate(part["deltap"].values):
            row = [1 / line(part, name)[i] for name in names]
            words = ["        -" if np.isnan(x) else f"{x:9.6f}" for x in row]
            text.append(f"    deltap {noise:7.4f}  " + " ".join(words))
        for point in io.critical_points(part):
            there = part.sel(point=point)
            if bool(has_value(there["point_status"].values)):
                at = f"delta2 {float(there['point_x']):.8f}, deltap {float(there['point_y']):.8f}"
                text.append(f"    {point.replace('_', ' ')}: {at}")
    return "\n".join(text)

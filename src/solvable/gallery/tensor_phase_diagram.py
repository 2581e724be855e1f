"""A spike in a matrix and a tensor: where it can be found, and where message passing finds it.

Easy, hard and impossible in the noise of the tensor and the signal to noise of the matrix, for
p = 3 with its tricritical point at Delta_2 = Delta_p = 1, and p = 4 with its cusp at (8/9, 8/27).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from solvable import io
from solvable.core.status import has_value
from solvable.gallery import tensor_lines_grid
from solvable.gallery.base import Comparison

CARD = dict(
    kind="gallery",
    name="tensor-phase-diagram",
    summary="Phases of the spiked matrix-tensor model, p = 3 and 4, with spinodals",
    rigour="theorem",
    references=["lesieur2017tensor", "mannelli2020marvels"],
)

_NAMES = ("information_theoretic", "algorithmic", "spinodal_informed", "spinodal_uninformed")
_MARKS = {"critical_point": "o", "critical_end_point": "D", "spinodal_end_point": "s"}


def settings(quick: bool = False) -> dict[str, Any]:
    """Grids of 1 / delta2 and deltap."""
    deltap = {
        3: np.array([0.5, 1.2]) if quick else np.r_[np.linspace(0.15, 0.95, 11), 1.0, 1.2],
        4: np.r_[np.linspace(0.1, 0.29, 11), 0.2962, 0.2964, 0.33],  # the cusp is at 8 / 27
    }
    count = 12 if quick else 80
    orders = [3] if quick else [3, 4]
    return tensor_lines_grid.grid(orders, (0.4, 1.4, count), deltap, critical=not quick)


def make_picture(data: xr.Dataset) -> Figure:
    """One panel an order: cells, lines, and where the lines end."""
    figure, panels = tensor_lines_grid.panels(data, (5.6, 5.2))
    handles: dict[str, Any] = {}
    for _, ax, part in panels:
        drawn = tensor_lines_grid.draw_lines(ax, part, _NAMES)
        for name in io.critical_points(part):
            point = part.sel(point=name)
            if bool(has_value(point["point_status"].values)):
                at = float(point["point_y"]), 1 / float(point["point_x"])
                look = {"marker": _MARKS.get(name, "^"), "color": "white", "markersize": 6}
                look |= {"markeredgecolor": "black", "linestyle": "none", "zorder": 3.0}
                drawn += ax.plot(*at, label=name.replace("_", " "), **look)
        handles |= {str(x.get_label()): x for x in drawn}
    entries = [*tensor_lines_grid.phase_patches(), *handles.values()]
    figure.legend(handles=entries, loc="outside lower center", ncols=3)
    return figure


def distances(data: xr.Dataset) -> np.ndarray:
    """|found - closed form| of 1 / delta2 on the informed spinodal, where delta2 is finite."""
    apart = []
    for p in tensor_lines_grid.orders(data):
        part = tensor_lines_grid.order(data, p)
        found = 1 / tensor_lines_grid.line(part, "spinodal_informed")
        wanted = 1 / tensor_lines_grid.informed_spinodal(p, part["deltap"].values)
        both = (found > 0) & np.isfinite(wanted)
        apart.append(np.abs(found - wanted)[both])
    return np.concatenate(apart)


def compare(data: xr.Dataset) -> Comparison:
    """The largest distance of the informed spinodal from its parametric form."""
    apart = distances(data)
    return Comparison(
        float(np.max(apart)),
        "largest distance in 1 / delta2 of the informed spinodal from its closed form, "
        f"{len(apart)} places",
    )


def summarize(data: xr.Dataset) -> str:
    """The lines and the critical points."""
    return tensor_lines_grid.summarize(data, _NAMES)


make_data = tensor_lines_grid.make_data

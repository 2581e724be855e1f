"""Where Langevin dynamics finds a spike in matrix and tensor, and where only AMP does.

Between the line of AMP and the conjectured one at which dynamics at T = 1 leaves threshold states,

    (p - 1) Delta_2^2 (1 - Delta_2)^(p - 3) = Delta_p,

message passing finds the spike at once and Langevin dynamics stays in glassy states.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from solvable.gallery import tensor_lines_grid
from solvable.gallery.base import Comparison

CARD = dict(
    kind="gallery",
    name="langevin-phase-diagram",
    summary="Langevin-hard: where AMP finds a spike in matrix and tensor but dynamics does not",
    rigour="conjecture",
    references=["mannelli2020marvels"],
)

_NAMES = ("information_theoretic", "algorithmic", "langevin", "langevin_upper")
_GLASSY: dict[str, Any] = {
    "facecolor": "#CFE8DF",
    "edgecolor": "#5FA58B",
    "hatch": "\\\\\\",
    "linewidth": 0.0,
}


def settings(quick: bool = False) -> dict[str, Any]:
    """Grids of 1 / delta2 and deltap."""
    rows = 3 if quick else 14
    # two transitions jump for p = 4, that of AMP at 8 / 27 and that of dynamics at 4 / 9
    jumps = [0.2962, 0.2964, 0.4444, 0.4446]
    deltap = {
        3: np.geomspace(0.15, 1.8, rows),
        4: np.sort(np.r_[np.linspace(0.06, 0.6, rows - 2), jumps]),
    }
    count = 12 if quick else 100
    return tensor_lines_grid.grid([3] if quick else [3, 4], (0.3, 4.0, count), deltap)


def make_picture(data: xr.Dataset) -> Figure:
    """One panel an order: cells, the Langevin-hard region, lines."""
    figure, panels = tensor_lines_grid.panels(data, (5.6, 5.2))
    handles: dict[str, Any] = {}
    for p, ax, part in panels:
        _glassy(ax, part)
        names = _NAMES if p > 3 else _NAMES[:-1]
        drawn = tensor_lines_grid.draw_lines(ax, part, names)
        handles |= {str(x.get_label()): x for x in drawn}
    hard = Patch(label="easy for AMP, Langevin-hard (conjecture)", **_GLASSY)
    patches = tensor_lines_grid.phase_patches((hard,))
    patches[0].set_label("easy for AMP and Langevin")
    entries = [*patches, *handles.values()]
    figure.legend(handles=entries, loc="outside lower center", ncols=2)
    return figure


def _glassy(ax: Axes, part: xr.Dataset) -> None:
    upper = 1 / tensor_lines_grid.line(part, "langevin_upper")
    amp = 1 / tensor_lines_grid.line(part, "algorithmic")
    low = np.where(np.isfinite(upper), np.fmax(upper, amp), amp)
    high = 1 / tensor_lines_grid.line(part, "langevin")
    ax.fill_between(part["deltap"].values, low, high, where=high > low, zorder=0.8, **_GLASSY)


def distances(data: xr.Dataset) -> np.ndarray:
    """|(p - 1) D2^2 (1 - D2)^(p - 3) - Dp| where there is a line of its own."""
    apart = []
    for p in tensor_lines_grid.orders(data):
        part = tensor_lines_grid.order(data, p)
        delta2 = tensor_lines_grid.line(part, "langevin")
        own = delta2 < tensor_lines_grid.line(part, "algorithmic")
        wanted = (p - 1) * delta2**2 * (1 - delta2) ** (p - 3)
        apart.append(np.abs(wanted - part["deltap"].values)[own])
    return np.concatenate(apart)


def compare(data: xr.Dataset) -> Comparison:
    """The largest distance of the Langevin line from its closed form."""
    apart = distances(data)
    return Comparison(
        float(np.max(apart)),
        "largest distance in deltap of the Langevin line from (p - 1) D2^2 (1 - D2)^(p - 3), "
        f"{len(apart)} places",
    )


def summarize(data: xr.Dataset) -> str:
    """The lines."""
    return tensor_lines_grid.summarize(data, _NAMES)


make_data = tensor_lines_grid.make_data

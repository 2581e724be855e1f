"""All lines of the spiked matrix-tensor model in one diagram, p = 3: what needs how much signal.

The best estimate, AMP, Langevin dynamics at T = 1, AMP for maximum likelihood, gradient flow, and
where the landscape has lost its spurious minima at m = 0. Conjectures are dashed.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from solvable.gallery import tensor_lines_grid
from solvable.gallery.gradient_flow_phase_diagram import compare
from solvable.plotting import new_figure

CARD = dict(
    kind="gallery",
    name="landscape-summary",
    summary="All lines of algorithms and landscape of a spike in matrix and tensor, p = 3",
    rigour="conjecture",
    references=["mannelli2020marvels", "mannelli2019passed", "mannelli2019afraid"],
)

_NAMES = (
    "trivialization",
    "gradient_flow",
    "ml_amp",
    "langevin",
    "algorithmic",
    "information_theoretic",
)


def settings(quick: bool = False) -> dict[str, Any]:
    """Grids of 1 / delta2 and deltap."""
    deltap = {3: np.geomspace(0.1, 1.9, 2 if quick else 25)}
    return tensor_lines_grid.grid([3], (0.3, 6.0, 12 if quick else 100), deltap)


def make_picture(data: xr.Dataset) -> Figure:
    """One panel: cells and lines, the legend in the order of the lines."""
    figure, axes = new_figure(1, 1, panel=(8.4, 5.2))
    part = tensor_lines_grid.order(data, 3)
    tensor_lines_grid.cells(axes[0, 0], part)
    drawn = tensor_lines_grid.draw_lines(axes[0, 0], part, _NAMES)
    axes[0, 0].set_title("spike in matrix and tensor, p = 3")
    patches = tensor_lines_grid.phase_patches()
    patches[0].set_label("easy for AMP")
    figure.legend(handles=[*drawn, *patches], loc="outside right center")
    return figure


def summarize(data: xr.Dataset) -> str:
    """The lines."""
    return tensor_lines_grid.summarize(data, _NAMES)


__all__ = ["CARD", "compare", "make_data", "make_picture", "settings", "summarize"]

make_data = tensor_lines_grid.make_data

"""Where gradient flow finds a spike in matrix and tensor, with spurious minima and without.

Lines in 1 / Delta_2 against Delta_p. That of gradient flow, a conjecture, is below the line at
which spurious minima disappear; message passing for maximum likelihood needs less still:

    1 / Delta_2 = (1 + sqrt(1 + 4 (p - 1) / Delta_p)) / 2   (gradient flow),
    1 / Delta_2 = (1 + sqrt(1 + 4 / Delta_p)) / 2           (maximum-likelihood AMP).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

from solvable.gallery import tensor_lines_grid
from solvable.gallery.base import Comparison

CARD = dict(
    kind="gallery",
    name="gradient-flow-phase-diagram",
    summary="Gradient flow, maximum-likelihood AMP and trivialization of matrix and tensor",
    rigour="conjecture",
    references=["mannelli2019passed", "mannelli2019afraid"],
)

_NAMES = ("algorithmic", "ml_amp", "gradient_flow", "trivialization")


def settings(quick: bool = False) -> dict[str, Any]:
    """Grids of 1 / delta2 and deltap."""
    rows = 2 if quick else 16
    deltap = {p: np.geomspace(0.15, 2.5, rows) for p in (3, 4)}
    count = 12 if quick else 100
    return tensor_lines_grid.grid([3] if quick else [3, 4], (0.4, 6.0, count), deltap)


def make_picture(data: xr.Dataset) -> Figure:
    """One panel an order: cells and lines."""
    figure, panels = tensor_lines_grid.panels(data, (5.6, 5.2))
    drawn = []
    for _, ax, part in panels:
        drawn = tensor_lines_grid.draw_lines(ax, part, _NAMES)
    patches = tensor_lines_grid.phase_patches()
    patches[0].set_label("easy for AMP")
    figure.legend(handles=[*patches, *drawn], loc="outside lower center", ncols=2)
    return figure


def distances(data: xr.Dataset) -> np.ndarray:
    """|found - closed form| of 1 / delta2, gradient flow and maximum-likelihood AMP."""
    apart = []
    for p in tensor_lines_grid.orders(data):
        part = tensor_lines_grid.order(data, p)
        for name, factor in (("gradient_flow", p - 1), ("ml_amp", 1)):
            wanted = (1 + np.sqrt(1 + 4 * factor / part["deltap"].values)) / 2
            apart.append(np.abs(1 / tensor_lines_grid.line(part, name) - wanted))
    return np.concatenate(apart)


def compare(data: xr.Dataset) -> Comparison:
    """The largest distance of two lines from their closed forms."""
    return Comparison(
        float(np.max(distances(data))),
        "largest distance in 1 / delta2 of the lines of gradient flow and maximum-likelihood AMP "
        "from their closed forms",
    )


def summarize(data: xr.Dataset) -> str:
    """The lines."""
    return tensor_lines_grid.summarize(data, _NAMES)


make_data = tensor_lines_grid.make_data

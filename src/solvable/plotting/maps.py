"""Phase diagrams, heat maps of two swept parameters, and images."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.collections import PathCollection, QuadMesh
from matplotlib.colors import ListedColormap
from matplotlib.image import AxesImage
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from solvable import io
from solvable.core.status import answered, has_value
from solvable.plotting.lines import cell_edges
from solvable.plotting.style import (
    BLUE,
    GREEN,
    HARD_PHASE,
    ORANGE,
    PURPLE,
    UNRESOLVED,
    VERMILION,
)

_PHASE_COLORS = {"easy": "#DCEBF5", "hard": HARD_PHASE["facecolor"], "impossible": "#E9E9E9"}
_BOUNDARIES = {
    "information_theoretic": {"color": BLUE, "linewidth": 2.0},
    "algorithmic": {"color": VERMILION, "linewidth": 2.0},
    "weak_recovery": {"color": GREEN, "linewidth": 1.6},
    "spinodal_uninformed": {"color": PURPLE, "linewidth": 1.2},
    "spinodal_informed": {"color": ORANGE, "linewidth": 1.2},
}
_MARKS = {
    "critical_point": "o",
    "critical_end_point": "D",
    "spinodal_end_point": "s",
    "tricritical_point": "^",
}


def phase_cells(ax: Axes, data: xr.Dataset, **style) -> tuple[QuadMesh, list[Patch]]:
    """Color the cells easy, hard and impossible; the hard ones and those without answer hatched.

    Args:
        ax: axes to draw on.
        data: phase diagram with the variable `phase` of dimensions (y, x).
        style: properties of the mesh.

    Returns:
        The mesh, and one patch for each row of hatched cells that touch.
    """
    phase = data["phase"]
    y, x = phase.dims
    codes = np.asarray(phase.values, dtype=int)
    known = (codes >= 0) & (codes < len(io.PHASES))
    horizontal, vertical = cell_edges(data[x].values), cell_edges(data[y].values)
    mesh = ax.pcolormesh(
        horizontal,
        vertical,
        np.ma.masked_array(codes, ~known),
        cmap=ListedColormap([_PHASE_COLORS[name] for name in io.PHASES]),
        vmin=-0.5,
        vmax=len(io.PHASES) - 0.5,
        **{"zorder": 0.3, "rasterized": True, **style},
    )
    hard = hatched_cells(ax, horizontal, vertical, codes == io.PHASES.index("hard"), **HARD_PHASE)
    failed = hatched_cells(ax, horizontal, vertical, ~known, **UNRESOLVED)
    return mesh, hard + failed


def hatched_cells(
    ax: Axes, horizontal: np.ndarray, vertical: np.ndarray, chosen: np.ndarray, **style
) -> list[Patch]:
    """Hatch the chosen cells of a grid given by its edges; `chosen` has shape (y, x)."""
    patches: list[Patch] = []
    for row, flags in enumerate(chosen):
        turns = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(int), [0]])))
        for start, stop in zip(turns[::2], turns[1::2], strict=True):
            left, bottom = float(horizontal[start]), float(vertical[row])
            width, height = float(horizontal[stop]) - left, float(vertical[row + 1]) - bottom
            cell = Rectangle((left, bottom), width, height)
            cell.set(**{"zorder": 0.6, **style})
            patches.append(ax.add_patch(cell))
    return patches


def critical_marks(ax: Axes, data: xr.Dataset, **style) -> dict[str, Line2D]:
    """Where first-order lines end, one mark a point; those outside the cells are left out."""
    y, x = data["phase"].dims
    drawn: dict[str, Line2D] = {}
    edges = [cell_edges(data[name].values) for name in (x, y)]
    for name in io.critical_points(data):
        point = data.sel(point=name)
        at = [float(point["point_x"]), float(point["point_y"])]
        shown = all(e[0] <= value <= e[-1] for e, value in zip(edges, at, strict=True))
        if not (has_value(point["point_status"].values) and shown):
            continue
        kind = name.rstrip("_0123456789")
        look = {"linestyle": "none", "color": "white", "markeredgecolor": "black", "zorder": 3.0}
        look |= {"marker": _MARKS.get(kind, "X"), "markersize": 6.0}
        (drawn[name],) = ax.plot(*at, **{**look, "label": name.replace("_", " "), **style})
    return drawn


def boundary_lines(ax: Axes, data: xr.Dataset, **style) -> dict[str, Line2D]:
    """The thresholds as lines x(y), broken where there is none; a conjecture dashed.

    Boundaries that coincide with one drawn before them, or lie outside the cells, are left out. A
    boundary that exists on one row alone is a dot.
    """
    y = str(data["phase"].dims[0])
    heights = np.asarray(data[y].values, dtype=float)
    left, *_, right = cell_edges(data[data["phase"].dims[1]].values)
    drawn: dict[str, Line2D] = {}
    known = [name for name in _BOUNDARIES if name in io.boundaries(data)]
    for name in known + [name for name in io.boundaries(data) if name not in known]:
        boundary = data[f"boundary_{name}"]
        places = np.array(boundary.values, dtype=float)
        codes = data[f"boundary_{name}_status"].values
        places[~has_value(codes)] = np.nan
        for earlier in drawn.values():
            with np.errstate(invalid="ignore"):
                places[np.abs(places - np.asarray(earlier.get_xdata())) < 1e-6] = np.nan
        places[~((places >= left) & (places <= right))] = np.nan
        if not np.isfinite(places).any():
            continue
        neighbors = np.concatenate([[np.nan], places, [np.nan]])
        alone = np.isfinite(places) & np.isnan(neighbors[:-2]) & np.isnan(neighbors[2:])
        conjecture = io.rigour_of(data, f"boundary_{name}") == "conjecture"
        look = {"linestyle": "--" if conjecture else "-", "zorder": 2.0}
        if alone.any():
            look |= {"marker": "o", "markevery": np.flatnonzero(alone).tolist()}
        look |= {"label": name.replace("_", " "), **_BOUNDARIES.get(name, {}), **style}
        (drawn[name],) = ax.plot(places, heights, **look)
    return drawn


def phase_legend(ax: Axes, data: xr.Dataset) -> list[Patch]:
    """Legend entries for the phases that occur, to be added to those of the lines."""
    codes = np.unique(data["phase"].values).astype(int)
    entries = []
    for code in codes[(codes >= 0) & (codes < len(io.PHASES))]:
        entries.append(phase_patch(io.PHASES[code]))
    if (codes < 0).any() or (codes >= len(io.PHASES)).any():
        entries.append(Patch(label="not converged", **UNRESOLVED))
    return entries


def phase_patch(name: str) -> Patch:
    """The legend entry of "easy", "hard" or "impossible"."""
    look: dict[str, Any] = {"facecolor": _PHASE_COLORS[name]}
    return Patch(label=name, **(HARD_PHASE if name == "hard" else look))


def heat_map(
    ax: Axes, data: xr.Dataset, observable: str, branch: str, **style
) -> tuple[QuadMesh, list[Patch]]:
    """One branch of a curve swept in two parameters, a colored cell a point.

    Cells are flat, never interpolated; those that did not converge are hatched, those where the
    branch does not exist are left white.

    Args:
        ax: axes to draw on.
        data: theory with dimensions (x, y, branch).
        observable: variable to draw.
        branch: branch to draw.
        style: properties of the mesh.
    """
    x, y = io.swept(data)
    chosen = data.sel(branch=branch).transpose(y, x, ...)
    codes = chosen["status"].values
    values = np.ma.masked_invalid(np.asarray(chosen[observable].values, dtype=float))
    values = np.ma.masked_where(~has_value(codes), values)
    horizontal, vertical = cell_edges(data[x].values), cell_edges(data[y].values)
    look = {"cmap": "cividis", "zorder": 0.3, "rasterized": True, **style}
    mesh = ax.pcolormesh(horizontal, vertical, values, **look)
    failed = hatched_cells(ax, horizontal, vertical, ~answered(codes), **UNRESOLVED)
    return mesh, failed


def branch_points(ax: Axes, data: xr.Dataset, observable: str, **style) -> PathCollection:
    """The branches of a single point, one marker a branch."""
    names = [str(name) for name in data["branch"].values]
    values = np.array(data[observable].values, dtype=float)
    values[~has_value(data["status"].values)] = np.nan
    points = ax.scatter(np.arange(len(names)), values, **{"zorder": 3.0, **style})
    ax.set_xticks(np.arange(len(names)), [name.replace("_", " ") for name in names])
    return points


def image(ax: Axes, pixels: np.ndarray, title: str = "", **style) -> AxesImage:
    """A gray image, dark ink on white, without axes; pixels from 0 (white) to 1 (black).

    Pixels are shown as they are: flat squares, no interpolation.
    """
    look = {"cmap": "gray_r", "vmin": 0.0, "vmax": 1.0, "interpolation": "nearest", **style}
    artist = ax.imshow(np.asarray(pixels), **look)
    ax.set(xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    ax.set_title(title, fontsize=10)
    return artist

"""Observables against time: theory as lines, simulations as points."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.lines import Line2D

from solvable import io
from solvable.plotting.lines import is_geometric
from solvable.plotting.style import (
    BLACK,
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    axis_label,
)

COLORS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK)


def time_line(ax: Axes, data: xr.Dataset, observable: str, **style) -> Line2D:
    """The theory of an observable against time."""
    return ax.plot(data["time"], data[observable], **{"linewidth": 1.8, **style})[0]


def time_points(
    ax: Axes, data: xr.Dataset, observable: str, most: int = 25, **style
) -> ErrorbarContainer | None:
    """A simulation's means and standard errors, at `most` of the times; None if there are none."""
    if observable not in io.measured(data):
        return None
    some = np.unique(np.linspace(0, data.sizes["time"] - 1, most).round().astype(int))
    part = data.isel(time=some)
    look = {"fmt": "o", "markersize": 4, "capsize": 0, "elinewidth": 1.0, **style}
    mean, error = part[f"{observable}_mean"], part[f"{observable}_standard_error"]
    return ax.errorbar(part["time"], mean, error, **look)


def dress_time(ax: Axes, data: xr.Dataset) -> None:
    """The time axis, logarithmic for a grid that is spaced so."""
    times = data["time"].values
    if is_geometric(times[times > 0]):
        ax.set_xscale("log")
    ax.set_xlabel(axis_label("time"))

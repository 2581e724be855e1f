"""Dynamics in time: overlap, energy and multiplier, two-time functions, simulations as points."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.figure import Figure
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
    new_figure,
)

COLORS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK)
_SHOWN = ("overlap", "energy", "mu")


def dynamics_figure(dataset: xr.Dataset) -> Figure:
    """Observables against time; with waiting times a row of two-time functions below."""
    rows = 2 if "waiting" in dataset.dims else 1
    panels, axes = new_figure(rows, len(_SHOWN))
    for ax, observable in zip(axes[0], _SHOWN, strict=True):
        time_line(ax, dataset, observable, color=BLUE, label="infinite dimension")
        time_points(ax, dataset, observable, color=VERMILION, label="simulation")
        dress_time(ax, dataset)
        ax.set_ylabel(axis_label(observable))
    if io.measured(dataset):
        axes[0, 0].legend(loc="best")
    if rows == 2:
        correlation_lines(axes[1, 0], dataset)
        response_lines(axes[1, 1], dataset)
        axes[1, 2].set_axis_off()
        handles, labels = axes[1, 0].get_legend_handles_labels()
        axes[1, 2].legend(handles, labels, loc="center left", title="waiting time $t'$")
    attrs = dataset.attrs
    panels.suptitle(
        f"{attrs['model']}   T = {attrs['temperature']:g}, initial overlap "
        f"{attrs['initial_overlap']:g}   rigour: {attrs['rigour']}",
        fontsize=10,
        wrap=True,
    )
    return panels


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


def correlation_lines(ax: Axes, data: xr.Dataset) -> list[Line2D]:
    """C(t, t') against t - t', a line for each waiting time t'."""
    drawn = []
    for color, waiting in zip(COLORS, data["waiting"].values, strict=False):
        part = data.sel(waiting=waiting)
        later = part["time"].values > waiting
        lag = part["time"].values[later] - waiting
        values = part["correlation"].values[later]
        drawn += ax.plot(lag, values, color=color, label=f"{waiting:.4g}", marker=".")
    ax.set(xscale="log", xlabel="$t - t'$", ylabel="correlation $C(t, t')$")
    return drawn


def response_lines(ax: Axes, data: xr.Dataset) -> list[Line2D]:
    """T F(t, t') against C(t, t'), F the integrated response, beside 1 - C of equilibrium."""
    temperature, drawn = float(data.attrs["temperature"]), []
    for color, waiting in zip(COLORS, data["waiting"].values, strict=False):
        part = data.sel(waiting=waiting)
        values = (temperature or 1.0) * part["integrated_response"]
        drawn += ax.plot(part["correlation"], values, color=color, marker=".")
    if temperature > 0:
        ax.plot([0, 1], [1, 0], color=BLACK, linewidth=0.9, linestyle=":", label="equilibrium")
        ax.legend(loc="best")
    name = "T F(t, t')" if temperature else "F(t, t')"
    ax.set(xlabel="correlation $C(t, t')$", ylabel=f"integrated response ${name}$")
    return drawn

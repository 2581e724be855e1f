"""Dynamics in time: overlap, energy and multiplier, two-time functions, simulations as points."""

from __future__ import annotations

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from solvable import io
from solvable.plotting.learning import learning_figure
from solvable.plotting.series import COLORS, dress_time, time_line, time_points
from solvable.plotting.style import BLACK, BLUE, VERMILION, axis_label, new_figure

_SHOWN = ("overlap", "energy", "mu")


def dynamics_figure(dataset: xr.Dataset) -> Figure:
    """Observables against time; with waiting times a row of two-time functions below."""
    if "generalization_error" in dataset:
        return learning_figure(dataset)
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

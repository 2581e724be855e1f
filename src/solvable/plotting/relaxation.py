"""Relaxation times against the noise, with the power laws fitted to them."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from solvable.plotting.dynamics import COLORS
from solvable.plotting.style import BLACK, axis_label, new_figure, symbol

_LINE = 200  # points of a fitted line
_NEAREST = 1e-2  # of its end to the threshold, relative to its length


def relaxation_figure(dataset: xr.Dataset) -> Figure:
    """Times against the noise, semi-logarithmic, and against the distance from each threshold."""
    panels, axes = new_figure(1, 2)
    name = str(dataset["plateau"].dims[0])
    for color, k in zip(COLORS, range(dataset.sizes["initial_overlap"]), strict=False):
        one = dataset.isel(initial_overlap=k)
        relaxation_points(axes[0, 0], one, name, color)
        divergence_points(axes[0, 1], one, name, color)
    conjecture = float(dataset["conjectured_threshold"])
    if np.isfinite(conjecture):
        axes[0, 0].axvline(
            conjecture, color=BLACK, linestyle="--", linewidth=1.2, label="conjecture"
        )
    limit = float(dataset["extrapolated_threshold"])
    if np.isfinite(limit):
        error = float(dataset["extrapolated_error"])
        axes[0, 0].axvspan(limit - error, limit + error, color=BLACK, alpha=0.12, linewidth=0)
        axes[0, 0].axvline(limit, color=BLACK, linewidth=0.9, label="initial overlap to 0")
    axes[0, 0].set(xlabel=axis_label(name), ylabel=r"relaxation time $\tau$", yscale="log")
    axes[0, 0].legend(loc="best")
    letter = symbol(name).strip("$")
    axes[0, 1].set(
        xlabel=rf"$|1 / {letter} - 1 / {letter}^{{(c)}}|$, its own threshold each",
        ylabel=r"relaxation time $\tau$",
    )
    attrs = dataset.attrs
    panels.suptitle(
        f"{attrs['model']}   T = {attrs['temperature']:g}, overlap at {attrs['fraction']:g} of "
        f"its plateau   rigour: {attrs['rigour']}",
        fontsize=10,
        wrap=True,
    )
    return panels


def relaxation_points(ax: Axes, one: xr.Dataset, name: str, color: str) -> None:
    """The times of one initial overlap, and its power law up to close to its threshold."""
    noise, times = one[name].values, one["relaxation_time"].values
    label = f"initial overlap {float(one['initial_overlap']):g}"
    ax.plot(noise, times, linestyle="none", marker="o", markersize=4, color=color, label=label)
    threshold = float(one["threshold"])
    there = np.isfinite(times)
    if np.isfinite(threshold):
        ends = noise[there]
        far = ends[np.argmax(np.abs(ends - threshold))]
        line = threshold + (far - threshold) * np.linspace(_NEAREST, 1.0, _LINE)
        ax.plot(line, _law(one, line), color=color, linewidth=1.2)


def divergence_points(ax: Axes, one: xr.Dataset, name: str, color: str) -> None:
    """The times against the distance from the threshold, where the law is a straight line."""
    threshold, times = float(one["threshold"]), one["relaxation_time"].values
    if not np.isfinite(threshold):
        return
    gaps = np.abs(1 / one[name].values - 1 / threshold)
    order = np.argsort(gaps)
    look = {"color": color, "markersize": 4}
    ax.plot(gaps, times, linestyle="none", marker="o", **look)
    ax.plot(gaps[order], _law(one, one[name].values[order]), color=color, linewidth=1.2)
    ax.set(xscale="log", yscale="log")


def _law(one: xr.Dataset, noise: np.ndarray) -> np.ndarray:
    """The fitted power law."""
    gaps = np.abs(1 / noise - 1 / float(one["threshold"]))
    return float(one["amplitude"]) * gaps ** -float(one["exponent"])

"""Online learning in time: the generalization error and the order parameters of a network."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from solvable import io
from solvable.plotting.series import COLORS, dress_time, time_line, time_points
from solvable.plotting.style import BLUE, SKY, VERMILION, new_figure

_MOST = 6  # lines of a kind in a panel
ERROR_LABEL = r"generalization error, $\langle\Delta^2\rangle / 2$"
TIME_LABEL = "time $t$ = examples / $N$"


def learning_figure(dataset: xr.Dataset) -> Figure:
    """The error against time on logarithmic axes, and the overlaps that make it."""
    has_second = not np.allclose(dataset["v"], dataset["v"][0])
    panels, axes = new_figure(1, 3 + has_second)
    error_lines(axes[0, 0], dataset)
    order_lines(axes[0, 1], dataset, "r", "with the teacher, $R_{km}$")
    order_lines(axes[0, 2], dataset, "q", "of the student, $Q_{kl}$")
    if has_second:
        order_lines(axes[0, 3], dataset, "v", "second layer $v_k$")
    attrs = dataset.attrs
    panels.suptitle(f"{attrs['model']}   rigour: {attrs['rigour']}", fontsize=10, wrap=True)
    return panels


def error_lines(ax: Axes, data: xr.Dataset) -> None:
    """The generalization error: theory, and a simulation's points."""
    name = "generalization_error"
    if f"{name}_starts" in data:
        lines = ax.plot(
            data["time"], data[f"{name}_starts"].T, color=SKY, linewidth=0.6, alpha=0.6
        )
        lines[0].set_label(f"{len(lines)} random starts")
    time_line(ax, data, name, color=BLUE, label="infinite dimension")
    time_points(ax, data, name, color=VERMILION, label="simulation")
    dress_time(ax, data)
    ax.set(yscale="log", xlabel=TIME_LABEL, ylabel=ERROR_LABEL)
    if io.measured(data) or f"{name}_starts" in data:
        ax.legend(loc="best")


def order_lines(ax: Axes, data: xr.Dataset, name: str, label: str) -> None:
    """The first entries of an order parameter, of a symmetric one each once."""
    shape = data[name].shape[1:]
    places = list(np.ndindex(*shape))
    if name == "q":
        places = [place for place in places if place[0] <= place[1]]
    simulated = name in io.measured(data)
    for color, place in zip(COLORS, places[:_MOST], strict=False):
        index = "".join(str(k + 1) for k in place)
        at = data.isel(dict(zip(data[name].dims[1:], place, strict=True)))
        time_line(ax, at, name, color=color, label=index)
        if simulated:
            time_points(ax, at, name, color=color)
    dress_time(ax, data)
    ax.set(xlabel=TIME_LABEL, ylabel=f"overlaps {label}" if name != "v" else label)
    ax.legend(loc="best", title=None if len(places) <= _MOST else f"first {_MOST}")

"""Plateaus of online learning: heights, how they are left, and when.

Students of equal second layers first learn what all teachers have in common, and wait at a saddle
where all are alike (Saad & Solla 1995). Its height and the rate at which differences grow are
roots of the equations; the learning curves show when they have grown.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

import solvable as sv
from solvable.gallery.base import Comparison, Progress
from solvable.gallery.learning_curves import ERROR_LABEL, TIME_LABEL
from solvable.models import online_limits as limits
from solvable.plotting import new_figure
from solvable.plotting.series import COLORS
from solvable.plotting.style import BLACK

CARD = dict(
    kind="gallery",
    name="plateau",
    summary="the plateau of online learning: its height, the rate of escape, and when it is left",
    rigour="theorem",
    references=["saad1995", "goldt2019"],
)


_FIRST, _UNTIL = 0.1, 1.6  # times: the last one in units of that of escape


def settings(quick: bool = False) -> dict[str, Any]:
    """Numbers of units K = M, sizes of the start's overlaps, learning rates."""
    return {
        "units": [2] if quick else [2, 3, 4, 6],
        "overlap": 1e-3,
        "learning_rate": 0.2,
        "times": 40 if quick else 120,
        "overlaps": [1e-1, 1e-6, 3] if quick else [1e-1, 1e-10, 12],
    }


def _model(settings: Mapping[str, Any], K: int, overlap: float) -> sv.OnlineSGD:
    """Each student begins a little closer to one teacher than to the others."""
    return sv.OnlineSGD(
        activation=sv.Erf(),
        q0=0.2 * np.eye(K),
        r0=overlap * np.diag(1 + 0.5 * np.arange(K) / K),
        learning_rate=settings["learning_rate"],
    )


def make_data(settings: Mapping[str, Any], seed: int, progress: Progress) -> xr.Dataset:
    """Curves (units, time), plateaus (units), and escape times of K = 2 (overlap)."""
    units = settings["units"]
    times, curves, rows, codes = [], [], [], []
    for number, K in enumerate(units):
        progress(f"K = M = {K}", number / (len(units) + 1))
        model = _model(settings, K, settings["overlap"])
        rows.append(_left(model))
        times.append(np.geomspace(_FIRST, _UNTIL * rows[-1][2], settings["times"]))
        found = sv.dynamics(model, times[-1])
        curves.append(found["generalization_error"].values)
        codes.append(int(found["status"]))
    progress("starts of K = M = 2", len(units) / (len(units) + 1))
    overlaps = np.geomspace(*settings["overlaps"])
    escapes = [_left(_model(settings, 2, float(x)))[2] for x in overlaps]
    columns = np.array(rows).T
    K = np.array(units)
    return xr.Dataset(
        {
            "time": (("units", "step"), np.array(times)),
            "error": (("units", "step"), np.array(curves)),
            "plateau": ("units", columns[0]),
            "escape_rate": ("units", columns[1]),
            "escape_time": ("units", columns[2]),
            "small_rate_plateau": ("units", K / 6 - K**2 / np.pi * np.arcsin(1 / (2 * K))),
            "escape_of_overlap": ("overlap", np.array(escapes)),
            "status": ("units", np.array(codes, dtype=np.int8)),
        },
        coords={"units": units, "overlap": overlaps},
        attrs={
            "kind": "online plateau",
            "learning_rate": settings["learning_rate"],
            "start": settings["overlap"],
        },
    )


def _left(model: sv.OnlineSGD) -> tuple[float, float, float]:
    """Height of the plateau, rate of escape, and when half of the height is left."""
    learning, start = model.learning(), model.initial()
    plateau = limits.stationary(learning, start, symmetric=True)
    rate = limits.escape_rate(learning, plateau)
    time = limits.escape_time(learning, start, 0.5 * plateau.error, rate)
    return plateau.error, rate, np.nan if time is None else time[0]


def make_picture(data: xr.Dataset) -> Figure:
    """Curves with their plateaus; escape times against the start's overlap."""
    figure, axes = new_figure(1, 3, panel=(4.9, 4.3))
    curves, heights, escapes = axes[0]
    for color, K in zip(COLORS, data["units"].values, strict=False):
        one = data.sel(units=K)
        curves.plot(one["time"], one["error"], color=color, label=f"$K = M = {int(K)}$")
        curves.axhline(float(one["plateau"]), color=color, linestyle="--", linewidth=0.9)
        curves.plot(one["escape_time"], 0.5 * one["plateau"], color=color, marker="o")
    curves.set(xscale="log", yscale="log", xlabel=TIME_LABEL, ylim=(1e-6, 2))
    curves.set_ylabel(ERROR_LABEL)
    curves.set_title("dashed: plateaus; points: halfway from them")
    curves.legend(loc="lower left")
    eta = data.attrs["learning_rate"]
    heights.plot(data["units"], data["small_rate_plateau"], color=BLACK, label=r"$\eta \to 0$")
    heights.plot(
        data["units"],
        data["plateau"],
        color=COLORS[1],
        marker="o",
        linestyle="none",
        label=rf"$\eta = {eta:g}$",
    )
    heights.set(xlabel="units $K = M$", ylabel="height of the plateau")
    heights.set_xticks(data["units"].values)
    heights.legend(loc="best")
    rate = float(data["escape_rate"].sel(units=2))
    last = data.isel(overlap=-1)
    line = last["escape_of_overlap"] - np.log(data["overlap"] / last["overlap"]) / rate
    escapes.plot(data["overlap"], line, color=BLACK, label=r"$-\ln(R_0) / \lambda$ + const")
    escapes.plot(
        data["overlap"],
        data["escape_of_overlap"],
        color=COLORS[1],
        marker="o",
        linestyle="none",
        label="from the learning curve",
    )
    escapes.set(xscale="log", xlabel="overlap of the start $R_0$", ylabel="time of escape")
    escapes.set_title(rf"$K = M = 2$, rate of escape $\lambda = {rate:.4g}$")
    escapes.legend(loc="best")
    figure.suptitle(rf"Online learning, erf, first layer, $\eta = {eta:g}$, no label noise")
    return figure


def compare(data: xr.Dataset) -> Comparison:
    """The slope of the escape time against the rate of escape."""
    two = data.isel(overlap=slice(-2, None))
    slope = float(np.diff(two["escape_of_overlap"])[0] / -np.diff(np.log(two["overlap"]))[0])
    rate = float(data["escape_rate"].sel(units=2))
    return Comparison(
        slope * rate,
        "growth of the escape time with ln(1 / overlap of the start) times the rate of escape, "
        "1 where differences grow from the start to the size of the plateau at that rate",
    )


def summarize(data: xr.Dataset) -> str:
    """Heights, rates and times."""
    lines = ["    K = M   plateau      eta -> 0     rate of escape   time of escape"]
    for K in data["units"].values:
        one = data.sel(units=K)
        names = ("plateau", "small_rate_plateau", "escape_rate", "escape_time")
        height, limit, rate, time = (float(one[name]) for name in names)
        lines.append(
            f"    {int(K):5d}   {height:.6f}     {limit:.6f}     {rate:.6f}         {time:.2f}"
        )
    return "\n".join(lines)

"""One-pass SGD of two-layer networks: ordinary differential equations beside trained networks.

First or both layers, matched and over-parametrized students, erf and ReLU, with label noise. On
the right the distance of single networks from theory falls like 1 / sqrt(N).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import solvable as sv
from solvable.gallery.base import Comparison, Progress
from solvable.gallery.learning_curves import (
    apart,
    curves,
    draw,
    draw_overlaps,
    summary,
)
from solvable.plotting import new_figure
from solvable.plotting.learning import ERROR_LABEL, TIME_LABEL
from solvable.plotting.series import COLORS
from solvable.plotting.style import BLACK

CARD = dict(
    kind="gallery",
    name="online-sgd",
    summary="SGD of two-layer networks: equations in infinite dimension beside trained networks",
    rigour="theorem",
    references=["goldt2019", "saad1995"],
)


def settings(quick: bool = False) -> dict[str, Any]:
    """Networks, times, sizes."""
    return {
        "networks": ["erf first"] if quick else ["erf first", "erf both", "relu both"],
        "times": [0.1, 20.0, 8] if quick else [0.1, 200.0, 30],
        "size": 200 if quick else 1000,
        "instances": 4 if quick else 6,
        "sizes": [64, 256] if quick else [125, 250, 500, 1000, 2000],
        "distance_time": 5.0 if quick else 20.0,
        "distance_instances": 8 if quick else 16,
    }


def _networks() -> dict[str, tuple[str, sv.OnlineSGD]]:
    """Labels and models; students begin close to no teacher."""
    two: dict[str, Any] = {"q0": [[0.2, 0.0], [0.0, 0.25]], "r0": [[0.05, 0.0], [0.0, 0.02]]}
    three: dict[str, Any] = {
        "q0": [[0.2, 0.0, 0.0], [0.0, 0.25, 0.0], [0.0, 0.0, 0.3]],
        "r0": [[0.05, 0.0], [0.0, 0.02], [0.01, 0.03]],
        "v0": [0.5, 0.4, 0.3],
    }
    both: dict[str, Any] = {"learning_rate": 0.3, "learning_rate_second": 0.3, "noise": 0.1}
    return {
        "erf first": (
            "erf, first layer, $K = M = 2$",
            sv.OnlineSGD(activation=sv.Erf(), learning_rate=1.0, **two),
        ),
        "erf both": (
            r"erf, both layers, $K = 3, M = 2$, $\sigma = 0.1$",
            sv.OnlineSGD(activation=sv.Erf(), **three, **both),
        ),
        "relu both": (
            r"ReLU, both layers, $K = M = 2$, $\sigma = 0.1$",
            sv.OnlineSGD(activation=sv.ReLU(), v0=np.array([0.6, 0.5]), **two, **both),
        ),
    }


def make_data(settings: Mapping[str, Any], seed: int, progress: Progress) -> xr.Dataset:
    """Curves (network, time), and distances (size) of the first network."""
    networks = _networks()

    def tell(words: str, done: float) -> None:
        progress(words, 0.6 * done)

    models = dict(networks[name] for name in settings["networks"])
    data = curves(models, "network", settings, seed, tell)
    model, sizes = networks["erf first"][1], settings["sizes"]
    errors = np.zeros((len(sizes), 2))
    for place, size in enumerate(sizes):
        progress(f"N = {size}", 0.6 + 0.4 * place / len(sizes))
        errors[place] = _distance(model, settings, size, seed)
    data["distance"] = ("size", errors[:, 0])
    data["distance_standard_error"] = ("size", errors[:, 1])
    return data.assign_coords(size=sizes).assign_attrs(
        distance_time=settings["distance_time"], distance_instances=settings["distance_instances"]
    )


def _distance(
    model: sv.OnlineSGD, settings: Mapping[str, Any], size: int, seed: int
) -> tuple[float, float]:
    """Root of the mean square of R_simulated - R over networks and entries, and its error."""
    found = sv.dynamics(
        model,
        [settings["distance_time"]],
        simulate=True,
        size=size,
        instances=settings["distance_instances"],
        seed=seed,
    )
    count = settings["distance_instances"]
    away = found["r_mean"] - found["r"]
    square = away**2 + (count - 1) * found["r_standard_error"] ** 2
    distance = float(np.sqrt(square.mean()))
    return distance, distance / np.sqrt(2 * count)


def make_picture(data: xr.Dataset) -> Figure:
    """Errors, the overlaps of the first network, distances against the size."""
    figure, axes = new_figure(1, 3, panel=(5.2, 4.3))
    left, middle, right = axes[0]
    for color, name in zip(COLORS, data["network"].values, strict=False):
        draw(left, data.sel(network=name), "generalization_error", color, str(name))
    left.set(yscale="log", ylabel=ERROR_LABEL)
    left.set_title("errors")
    first = data.isel(network=0, student=slice(0, 2), student_other=slice(0, 2))
    draw_overlaps(middle, first, COLORS)
    middle.set(ylabel="overlaps of weights")
    middle.set_title(str(data["network"].values[0]))
    for ax in (left, middle):
        ax.set(xscale="log", xlabel=TIME_LABEL)
        ax.legend(loc="best", fontsize=8)
    _distances(right, data)
    attrs = data.attrs
    figure.suptitle(
        f"Online learning; lines: infinite dimension, points: $N = {attrs['size']}$, means of "
        f"{attrs['instances']} networks, bars: standard error"
    )
    return figure


def _distances(ax: Axes, data: xr.Dataset) -> None:
    """Distances with a line of slope -1/2."""
    sizes, found = data["size"], data["distance"]
    ax.errorbar(
        sizes,
        found,
        data["distance_standard_error"],
        color=COLORS[0],
        marker="o",
        linestyle="none",
        label=f"{data.attrs['distance_instances']} networks",
    )
    scale = float(np.exp(np.mean(np.log(found * np.sqrt(sizes)))))
    ax.plot(sizes, scale / np.sqrt(sizes), color=BLACK, label=rf"${scale:.2g} / \sqrt{{N}}$")
    ax.set(xscale="log", yscale="log", xlabel="size $N$", ylabel="distance of $R$ from theory")
    ax.set_title(f"one network from theory at $t = {data.attrs['distance_time']:g}$")
    ax.set_xticks(sizes.values, [str(size) for size in sizes.values], minor=False)
    ax.minorticks_off()
    ax.legend(loc="best")


def compare(data: xr.Dataset) -> Comparison:
    """The exponent of the distance in N."""
    slope = np.polyfit(np.log(data["size"]), np.log(data["distance"]), 1)[0]
    return Comparison(
        float(-slope), "exponent of 1 / N in the distance of networks from theory, 1/2 expected"
    )


def summarize(data: xr.Dataset) -> str:
    """Errors at the end of learning, and the mean distance in ln."""
    return f"{summary(data, 'network')}\n    mean distance in ln: {float(apart(data).mean()):.4f}"

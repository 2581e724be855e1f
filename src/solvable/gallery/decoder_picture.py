"""The picture of `decoder_images`: images side by side, and errors against measurements."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import scipy.stats
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import NullLocator

from solvable.core.status import Status
from solvable.plotting import image, new_figure
from solvable.plotting.style import BLACK, GREEN, PURPLE, VERMILION

LABELS = {"lasso": "Lasso, cosines", "descent": "latent descent", "vamp": "ML-VAMP"}
_LOOKS: dict[str, dict[str, Any]] = {
    "lasso": {"color": PURPLE, "marker": "s"},
    "descent": {"color": GREEN, "marker": "v", "markersize": 8.0},
    "vamp": {"color": VERMILION, "marker": "o", "markersize": 5.0, "zorder": 3.2},
}


def make_picture(data: xr.Dataset) -> Figure:
    """Images side by side above, median errors against the number of measurements below."""
    figure, axes = new_figure(1, 1, panel=(9.6, 8.8))
    axes[0, 0].remove()
    blocks = np.atleast_1d(data.attrs["shown_measurements"])
    grid = figure.add_gridspec(2, 1, height_ratios=[1.25, 1])
    widths = [2, *[len(LABELS)] * len(blocks)]
    above = grid[0].subgridspec(1, len(widths), width_ratios=widths, wspace=0.03)
    known = np.stack([data["original"].values, data["floor"].values])
    names = ["original", "decoder's\nbest"]
    tiles(figure.add_subplot(above[0]), known, names, f"{data['original'][0].size} pixels")
    for place, m in enumerate(blocks, start=1):
        part = data.sel(measurements=m)
        ax = figure.add_subplot(above[place])
        names = [LABELS[method].replace(" ", "\n").replace(",", "") for method in LABELS]
        tiles(ax, part["reconstruction"].values, names, f"m = {m} measurements")
        for number in np.flatnonzero(fell_back(part)[part["shown"].values]):
            frame(ax, int(number), len(LABELS) - 1, part["original"].shape[1:])
    _draw_errors(figure.add_subplot(grid[1]), data)
    source = {"digits": "Scikit-learn's digits"}.get(data.attrs["images"], "Fashion-MNIST")
    figure.suptitle(
        f"{source}: {data.sizes['image']} held-out images from Gaussian measurements, through a "
        f"trained decoder {data.attrs['decoder']}",
        fontsize=11,
    )
    return figure


_GAP = 2  # white pixels between tiles


def tiles(
    ax: Axes, images: np.ndarray, names: Sequence[str], title: str, pad: float = 30, **style
) -> None:
    """Images of shape (columns, rows, height, width) as one, the columns named.

    Args:
        ax: axes to draw on.
        images: pixels from 0 (white) to 1 (black), or what `style` says.
        names: of the columns.
        title: of the whole.
        pad: points between it and the images, where the names are.
        style: of `plotting.image`.
    """
    columns, rows, height, width = images.shape
    canvas = np.full(
        (rows * (height + _GAP) - _GAP, columns * (width + _GAP) - _GAP), style.get("vmin", 0.0)
    )
    for j, i in np.ndindex(columns, rows):
        y, x = i * (height + _GAP), j * (width + _GAP)
        canvas[y : y + height, x : x + width] = images[j, i]
    image(ax, canvas, **style)
    ax.set_title(title, fontsize=10, pad=pad)
    for j, name in enumerate(names):
        center = j * (width + _GAP) + width / 2 - 0.5
        ax.text(center, -1.5, name, ha="center", va="bottom", fontsize=8)


def frame(ax: Axes, row: int, column: int, shape: tuple[int, ...]) -> None:
    """A frame around one of the tiles."""
    height, width = shape
    corner = (column * (width + _GAP) - 1.0, row * (height + _GAP) - 1.0)
    look = {"fill": False, "edgecolor": VERMILION, "linewidth": 1.2, "clip_on": False}
    ax.add_patch(Rectangle(corner, width + 1.0, height + 1.0, **look))


def _draw_errors(ax: Axes, data: xr.Dataset) -> None:
    counts = data["measurements"].values
    floor = data["floor_mse"].values
    ax.axhline(
        np.median(floor), color=BLACK, linestyle="--", linewidth=1.2, label="decoder's best"
    )
    ax.axhspan(*median_interval(floor), color=BLACK, alpha=0.12, linewidth=0)
    for method, name in LABELS.items():
        label = f"{name}: {_seconds(data, method)} an image"
        if method == "descent":
            label = label.replace(":", f", {data.attrs['restarts']} starts:")
        look = {"label": label, "linewidth": 0.8, **_LOOKS[method]}
        _medians(ax, counts, data["mse"].sel(algorithm=method).values, **look)
    own = {**_LOOKS["vamp"], "markerfacecolor": "white", "linestyle": "none", "linewidth": 0.8}
    label = "ML-VAMP's best iterates,\nwithout fallback"
    _medians(ax, 1.05 * counts, data["vamp_best_iterate_mse"].values, label=label, **own)
    ax.set(xscale="log", yscale="log")
    bottom, top = ax.get_ylim()
    ax.set_ylim(top=top * (top / bottom) ** 0.1)  # room for the counts
    for m, fallen in zip(counts, fell_back(data).sum(axis=1), strict=True):
        ax.annotate(
            f"{fallen}",
            (m, 0.98),
            xycoords=("data", "axes fraction"),
            ha="center",
            va="top",
            color=VERMILION,
            fontsize=9,
        )
    ax.set_xticks(counts, [f"{m}" for m in counts])
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set(
        xlabel=f"measurements m of {data['original'][0].size} pixels",
        ylabel="median squared error per pixel\n(white = 0, black = 1)",
    )
    ax.set_xlim(counts[0] / 1.15, counts[-1] * 1.2)
    ax.legend(
        loc="center left",
        bbox_to_anchor=(1.01, 0.5),
        title=f"medians of {data.sizes['image']} images,\nbars: 68% interval of the median;\n"
        "numbers on top: images on which\nML-VAMP did not converge and got\nlatent descent's "
        "estimate (framed above);\nLasso: penalty best in hindsight;\ntimes: seconds of one core",
        alignment="left",
    )


def _medians(ax: Axes, places: np.ndarray, errors: np.ndarray, **look) -> None:
    """Median and interval of every row of errors."""
    middle = np.median(errors, axis=1)
    ends = np.array([median_interval(row) for row in errors]).T
    ax.errorbar(places, middle, yerr=np.abs(ends - middle), **look)


def _seconds(data: xr.Dataset, method: str) -> str:
    """The median over m of the time of an image."""
    return f"{float(data['seconds'].sel(algorithm=method).median()):.2g} s"


def fell_back(data: xr.Dataset) -> np.ndarray:
    """Which images have the estimate of latent descent because ML-VAMP did not converge."""
    return data["vamp_status"].values != Status.converged


def median_interval(values: np.ndarray) -> tuple[float, float]:
    """Two order statistics, as close as possible, that hold the median with probability > 0.68.

    For a sample of n the median lies between the r-th smallest and the r-th largest value with
    probability 1 - 2 P(Binomial(n, 1/2) < r), whatever the law.
    """
    ordered = np.sort(values)
    below = scipy.stats.binom.cdf(np.arange(len(ordered)), len(ordered), 0.5)
    r = max(int(np.sum(2 * below < 1 - 0.68)), 1)
    return float(ordered[r - 1]), float(ordered[-r])

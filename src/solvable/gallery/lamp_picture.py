"""The picture of `lamp_images`: estimates side by side, and squared cosines against the noise."""

from __future__ import annotations

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from solvable.core.status import Status
from solvable.gallery.decoder_picture import frame, tiles
from solvable.plotting import new_figure
from solvable.plotting.style import BLUE, GREEN, VERMILION

METHODS = {"pca": "PCA", "lamp": "LAMP", "amp": "AMP,\ndecoder"}
_LOOKS = {"pca": (GREEN, "s"), "lamp": (VERMILION, "^"), "amp": (BLUE, "o")}
_RANGE = {"vmin": -2.0, "vmax": 2.5}  # of v, whose mean square is 1


def make_picture(data: xr.Dataset) -> Figure:
    """Rows are PCA, LAMP and AMP, blocks of columns the noise; squared cosines below."""
    figure, axes = new_figure(1, 1, panel=(12.4, 7.2))
    axes[0, 0].remove()
    grid = figure.add_gridspec(2, 1, height_ratios=[1, 1.25])
    deltas = data["delta"].values
    widths = [1.0, 0.25, *[1.0] * len(deltas)]
    above = grid[0].subgridspec(1, len(widths), width_ratios=widths, wspace=0.06)
    original = data["original"].values
    blank = np.full_like(original, _RANGE["vmin"])
    _block(figure.add_subplot(above[0]), np.stack([blank, original, blank]), "held-out images $v$")
    for place, delta in enumerate(deltas, start=2):
        part = data.sel(delta=delta)
        ax = figure.add_subplot(above[place])
        _block(ax, part["estimate"].values, rf"$\Delta = {delta:g}$")
        if place == 2:
            _name_rows(ax, original.shape[1])
        for number in np.flatnonzero(fell_back(part)[part["shown"].values]):
            frame(ax, len(METHODS) - 1, int(number), original.shape[1:])
    _draw_cosines(figure.add_subplot(grid[1]), data)
    source = {"digits": "scikit-learn's digits"}.get(data.attrs["images"], "Fashion-MNIST")
    figure.suptitle(
        rf"$Y = v v^\top / \sqrt{{p}} + \xi$,  $v$ a held-out image of {source}, "
        f"centered, $|v|^2 = p = {original[0].size}$; estimates with the sign of $v$",
        fontsize=11,
    )
    return figure


def _block(ax: Axes, images: np.ndarray, title: str) -> None:
    """Images of shape (methods, shown, height, width): a row a method."""
    tiles(ax, images.swapaxes(0, 1), [""] * images.shape[1], title, pad=6, **_RANGE)


def _name_rows(ax: Axes, height: int) -> None:
    """The methods' names to the left of their rows."""
    for row, name in enumerate(METHODS.values()):
        center = row * (height + 2) + height / 2 - 0.5
        ax.text(-0.15 * height, center, name, ha="right", va="center", fontsize=10)


def _draw_cosines(ax: Axes, data: xr.Dataset) -> None:
    """Means with standard errors on the lines of theory."""
    noise, count = data["noise"].values, data.sizes["image"]
    label = r"LAMP: $1 - s$ of the spectrum of $K$"
    ax.plot(noise, data["lamp_line"], color=VERMILION, linewidth=1.8, label=label)
    ax.plot(noise, data["pca_line"], color=GREEN, linewidth=1.8, label=r"PCA: $1 - \Delta$")
    for shift, (method, (color, marker)) in zip((1.0, 0.96, 1.04), _LOOKS.items(), strict=True):
        values = data["squared_cosine"].sel(algorithm=method).values
        ax.errorbar(
            shift * data["delta"].values,
            values.mean(axis=-1),
            yerr=values.std(axis=-1, ddof=1) / count**0.5,
            color=color,
            marker=marker,
            linestyle="none",
            markersize=5.5,
            label=METHODS[method].replace("\n", " "),
        )
    for delta, fallen in zip(data["delta"].values, fell_back(data).sum(axis=-1), strict=True):
        ax.annotate(
            f"{fallen}",
            (delta, 1.0),
            xycoords=("data", "axes fraction"),
            ha="center",
            va="bottom",
            color=BLUE,
            fontsize=9,
        )
    ax.set(xscale="log", xlim=(noise[0], noise[-1]), ylim=(-0.02, 1.03))
    ax.set(xlabel=r"noise variance $\Delta$", ylabel=r"squared cosine with $v$")
    ax.legend(
        loc="center left",
        bbox_to_anchor=(1.01, 0.5),
        title=f"lines: theory; points: means of {count} images,\nbars: standard error; "
        f"decoder {data.attrs['decoder']};\nnumbers on top: images on which AMP\nwith the decoder "
        "did not converge and\ngot AMP's estimate with the prior\n$N(0, K)$ (framed above)",
        alignment="left",
    )


def fell_back(data: xr.Dataset) -> np.ndarray:
    """Which images have the estimate with a Gaussian prior."""
    return data["amp_status"].values != Status.converged

"""A quadratic network of extensive width: theory, message passing and gradient descent."""

from __future__ import annotations

from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from solvable.gallery import chains, panels
from solvable.gallery.base import Comparison
from solvable.plotting import experiment_points, new_figure, threshold_lines
from solvable.plotting.style import BLUE, GRAY

CARD = dict(
    kind="gallery",
    name="extensive-width",
    summary="A quadratic network of extensive width: theory, AMP and gradient descent",
    rigour="replica",
    references=["maillard2024"],
)

_MODEL = "QuadraticNetwork(kappa=0.5, delta=0.0)"
_NAMES = ("amp", "descent")
_WORDS = {
    "amp": "AMP",
    "gradient_descent": "gradient descent, one random start",
    "averaged_descent": "mean $S$ of 8 such descents",
}
_POINTS = [0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45]


def settings(quick: bool = False) -> dict[str, Any]:
    """Labels without noise; message passing on larger instances than gradient descent."""
    shared = {
        "model": _MODEL,
        "theory": [0.005, 0.5, 20 if quick else 100],
        "measured": [0.1, 0.3] if quick else _POINTS,
        "instances": 2 if quick else 4,
        "max_steps": 200,
        "tolerance": 1e-4,
        "observable": "mse",
    }
    sizes = (50, 30) if quick else (100, 60)
    large = {"size": sizes[0], "baselines": False}
    # its line is that of the other: two points stand for it
    small = {"size": sizes[1], "baselines": True, "theory": [0.005, 0.5, 2]}
    return {"curves": dict(zip(_NAMES, ({**shared, **large}, {**shared, **small}), strict=True))}


def make_picture(data: xr.Dataset) -> Figure:
    """The Bayes-optimal error and twice that, as one sample of the posterior has, and points."""
    large, small = _parts(data)
    figure, axes = new_figure(1, 1, panel=(8.8, 4.8))
    ax = axes[0, 0]
    ax.set(xlim=(0, float(large["alpha"][-1])), ylim=(-0.02, 1.8))
    _theory(ax, large)
    drawn = {
        **experiment_points(ax, large, "mse", ["amp"]),
        **experiment_points(ax, small, "mse", ["gradient_descent", "averaged_descent"]),
    }
    for line in ax.lines:
        if str(line.get_label()).endswith("some not converged"):
            line.set_label("_nolegend_")
    for name, artist in drawn.items():
        size = (large if name == "amp" else small).attrs["size"]
        artist.set_label(f"{_WORDS[name]}, $d = {size}$")
    look = {"color": "#444444", "markerfacecolor": "white", "markersize": 4.5}
    ax.plot([], [], "o", label="open: some runs not converged", **look)
    recovery = chains.thresholds(large)["information_theoretic"]
    threshold_lines(ax, {"perfect recovery": recovery})
    ax.set(
        xlabel=r"samples per squared dimension $\alpha = n / d^2$",
        ylabel="error of the learned matrix $S = WW^\\top / k$\n"
        r"$\kappa\,\Vert S - \hat S \Vert_F^2 / d$  (1: nothing known)",
    )
    note = f"points: {large.attrs['instances']} instances, bars: standard error"
    figure.legend(
        handles=[*chains.named_lines(ax)[:2], *drawn.values(), chains.named_lines(ax)[-1]],
        loc="outside right center",
        title=note,
        alignment="left",
    )
    figure.suptitle(
        r"Quadratic network of $k = d/2$ hidden units, labels without noise", fontsize=11
    )
    return figure


def _parts(data: xr.Dataset) -> list[xr.Dataset]:
    """The data of the larger and of the smaller instances, each with the methods that ran."""
    ran = {"amp": ["amp"], "descent": list(_WORDS)}
    return [chains.curve(data, key).sel(algorithm=ran[key]) for key in _NAMES]


def _theory(ax: Axes, part: xr.Dataset) -> None:
    alpha, error = part["alpha"].values, part["mse"].sel(branch="bayes").values
    ax.plot(alpha, error, color=BLUE, linewidth=2.2, label="Bayes-optimal, reached by AMP")
    ax.plot(alpha, 2 * error, "--", color=GRAY, label="twice that: a sample of the posterior")


def compare(data: xr.Dataset) -> Comparison:
    """Message passing on the larger instances against its state evolution."""
    part, _ = _parts(data)
    theory = part["mse_theory"].sel(branch="amp").values
    apart = np.abs(part["mse_mean"].sel(algorithm="amp").values - theory)
    return Comparison(
        float(np.mean(apart)),
        f"mean distance of AMP's error (d = {part.attrs['size']}) from state evolution, of 1 "
        f"without data, over {len(apart)} values of alpha",
    )


def summarize(data: xr.Dataset) -> str:
    """The thresholds, and the errors of all methods at the measured points."""
    texts = []
    for part in _parts(data):
        part.attrs["thresholds"] = f"[{part.attrs['thresholds']}]"
        texts.append(f"  d = {part.attrs['size']}\n{panels.summarize(part)}")
    return "\n".join(texts)


make_data = chains.make_data

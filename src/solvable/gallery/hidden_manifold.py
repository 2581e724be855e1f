"""Online learning of inputs on a hidden manifold: theory for its density of modes, simulation.

Inputs are x = sign(F c / sqrt(D)), labels those of a teacher on the latent vector c. The lower
D / N the faster is learning and the smaller the error that is left, since N inputs tell more about
each latent component. The simulation takes the true inputs, theory Gaussian ones (Goldt et al.
2020).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import xarray as xr
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

CARD = dict(
    kind="gallery",
    name="hidden-manifold",
    summary="online learning on a hidden manifold: theory by its modes, simulation on true inputs",
    rigour="replica",
    references=["goldt2020", "saad1995"],
)


def settings(quick: bool = False) -> dict[str, Any]:
    """Ratios D / N; null stands for isotropic inputs."""
    return {
        "ratios": [0.5] if quick else [None, 1.0, 0.5, 0.25],
        "times": [0.1, 20.0, 9] if quick else [0.1, 250.0, 30],
        "q0": [[0.1, 0.0], [0.0, 0.1]],
        "r0": [[0.02, 0.0], [0.0, 0.01]],
        "learning_rate": 0.5,
        "size": 150 if quick else 500,
        "instances": 4 if quick else 8,
    }


def _model(settings: Mapping[str, Any], ratio: float | None) -> sv.OnlineSGD:
    return sv.OnlineSGD(
        activation=sv.Erf(),
        q0=settings["q0"],
        r0=settings["r0"],
        learning_rate=settings["learning_rate"],
        inputs=None if ratio is None else sv.HiddenManifold(function="sign", ratio=ratio),
    )


def make_data(settings: Mapping[str, Any], seed: int, progress: Progress) -> xr.Dataset:
    """Errors and order parameters (inputs, time), theory and simulation."""
    models = {_label(ratio): _model(settings, ratio) for ratio in settings["ratios"]}
    data = curves(models, "inputs", settings, seed, progress)
    return data.assign_attrs(learning_rate=settings["learning_rate"])


def _label(ratio: float | None) -> str:
    return "isotropic" if ratio is None else f"$D / N = {ratio:g}$"


def make_picture(data: xr.Dataset) -> Figure:
    """Errors of all inputs, and overlaps of the last one."""
    figure, axes = new_figure(1, 2, panel=(6.0, 4.4))
    left, right = axes[0]
    for color, name in zip(COLORS, data["inputs"].values, strict=False):
        draw(left, data.sel(inputs=name), "generalization_error", color, str(name))
    left.set(yscale="log", ylabel=ERROR_LABEL)
    last = data.isel(inputs=-1)
    draw_overlaps(right, last, COLORS)
    right.set(ylabel="overlaps of fields")
    right.set_title(f"inputs on a manifold, {last['inputs'].item()}")
    for ax in (left, right):
        ax.set(xscale="log", xlabel=TIME_LABEL)
        ax.legend(loc="best")
    attrs = data.attrs
    figure.suptitle(
        rf"$x = \mathrm{{sign}}(F c / \sqrt{{D}})$, $K = M = 2$, $\eta = "
        rf"{attrs['learning_rate']:g}$; lines: theory, points: $N = {attrs['size']}$, "
        f"means of {attrs['instances']}, bars: standard error"
    )
    return figure


def compare(data: xr.Dataset) -> Comparison:
    """How far the simulation of a manifold is from theory."""
    distance = apart(data).where(data["inputs"] != _label(None))
    return Comparison(
        float(distance.mean()),
        f"mean |ln| of the simulated error (N = {data.attrs['size']}) over the predicted one, "
        "inputs on a manifold",
    )


def summarize(data: xr.Dataset) -> str:
    """Errors at the end of learning."""
    return summary(data, "inputs")

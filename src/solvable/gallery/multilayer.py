"""Inference through a network: errors of the input and of the hidden layer."""

from __future__ import annotations

from typing import Any

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from solvable.gallery import chains
from solvable.plotting import axis_label, hard_phase, new_figure, threshold_lines
from solvable.plotting.style import BLUE, GREEN

CARD = dict(
    kind="gallery",
    name="multilayer",
    summary="Inference through a network: errors of both layers, without and with a hard phase",
    rigour="replica",
    references=["manoel2017", "gabrie2018"],
)

_RATIO = "layers[1].ratio"
_LAYERS = {"mse": (BLUE, "input x"), "mse_1": (GREEN, "hidden layer h")}
_TITLES = {
    "relu": "x ~ N(0, 1),  h = relu(W x),  y = V h + noise",
    "sign": "x = ±1,  h = sign(W x + noise),  y = V h + noise",
}


def settings(quick: bool = False) -> dict[str, Any]:
    """Two networks whose hidden layer is twice as wide as the input; noise 0.01 everywhere."""
    shared = {
        "parameter": _RATIO,
        "size": 200 if quick else 1000,
        "instances": 3 if quick else 8,
        "max_steps": 400,
        "damping": "adaptive",
        "tolerance": 1e-5,
        "observable": "mse,mse_1",
    }
    relu = (
        "MultiLayer(prior=Gaussian(), layers=[Layer(ratio=2, channel=ReLU()), "
        "Layer(channel=Linear(delta=0.01))])"
    )
    sign = (
        "MultiLayer(prior=Rademacher(), layers=[Layer(ratio=2, channel=Sign(delta=0.01)), "
        "Layer(channel=Linear(delta=0.01))])"
    )
    return {
        "curves": {
            "relu": {
                **shared,
                "model": relu,
                "theory": [0.02, 1.5, 25 if quick else 75],
                "measured": [0.5, 1.0] if quick else [0.1, 0.25, 0.4, 0.55, 0.7, 0.9, 1.2, 1.45],
            },
            "sign": {
                **shared,
                "model": sign,
                "theory": [0.01, 0.5, 25 if quick else 99],
                "measured": [0.1, 0.45]
                if quick
                else [0.05, 0.1, 0.15, 0.2, 0.25, 0.29, 0.35, 0.4, 0.47],
            },
        }
    }


def make_picture(data: xr.Dataset) -> Figure:
    """One panel a network: both layers, thresholds, and the hard phase where there is one."""
    figure, axes = new_figure(1, 2, panel=(5.6, 4.6))
    for ax, key in zip(axes[0], _TITLES, strict=True):
        _panel(ax, chains.curve(data, key), _TITLES[key])
    handles = chains.named_lines(axes[0, 0])
    part = chains.curve(data, "relu")
    handles += chains.key_handles(axes[0, 0])
    handles += [patch for patch in axes[0, 1].patches if patch.get_label() == "hard phase"]
    counts = f"points: {part.attrs['size']} inputs, {part.attrs['instances']} instances"
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=4,
        title=f"{counts}; bars: standard error",
    )
    return figure


def _panel(ax: Axes, part: xr.Dataset, title: str) -> None:
    x = part[_RATIO].values
    ax.set_xlim(float(x[0]), float(x[-1]))
    ax.set_ylim(-0.02, 1.05)
    places = chains.thresholds(part)
    best, easy = places["information_theoretic"], places["algorithmic"]
    if best is not None and easy is not None:
        hard_phase(ax, best, easy)
        shown = {"information_theoretic": best, "algorithmic": easy}
        threshold_lines(ax, shown, _RATIO)
    for observable, (color, label) in _LAYERS.items():
        chains.draw(ax, part, observable, color, label)
    ax.set(xlabel=axis_label(_RATIO), ylabel="mean squared error per unit")
    ax.set_title(title, fontsize=10, pad=34 if easy is not None else 6)


make_data, compare, summarize = chains.make_data, chains.compare, chains.summarize

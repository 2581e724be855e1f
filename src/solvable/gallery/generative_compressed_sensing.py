"""Compressed sensing of a signal that a network generates, and of a sparse one as simple as it.

Both signals have k degrees of freedom in p components, so that without noise n = k measurements
determine them. The sparse one is hard to find from there to the algorithmic threshold (0.208,
0.420 and 0.686 at k / p = 0.1, 0.25, 0.5). The generated one has no hard phase at the noise of
this figure; without any noise it has a narrow one of its own, n / p from 0.1 to 0.1005 and from
0.25 to 0.2509 (a linear network has none).
"""

from __future__ import annotations

from typing import Any

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from solvable.gallery import chains
from solvable.plotting import new_figure
from solvable.plotting.style import BLUE, GREEN, VERMILION

CARD = dict(
    kind="gallery",
    name="generative-compressed-sensing",
    summary="Compressed sensing with a generative prior, easy where a sparse prior is hard",
    rigour="replica",
    references=["manoel2017", "barbier2019", "donoho2009"],
)

_COLORS = {0.1: BLUE, 0.25: GREEN, 0.5: VERMILION}
_MEASURED = {
    0.1: ([0.05, 0.08, 0.15, 0.3, 0.7], [0.05, 0.12, 0.185, 0.3, 0.6]),
    0.25: ([0.1, 0.2, 0.32, 0.5, 0.85], [0.125, 0.25, 0.39, 0.5, 0.8]),
    0.5: ([0.2, 0.4, 0.6, 0.75, 0.95], [0.3, 0.5, 0.655, 0.75, 0.95]),
}
_NOISE = 1e-5
_SQUARE = 0.5  # E v^2 of a rectified Gaussian, which the sparse prior is given too


def settings(quick: bool = False) -> dict[str, Any]:
    """Signals of p components and k degrees of freedom, k / p = 0.1, 0.25, 0.5; noise 1e-5."""
    curves: dict[str, Any] = {}
    for share in (0.25,) if quick else _COLORS:
        p = 400 if quick else 1500
        shared = {
            "instances": 3 if quick else 8,
            "max_steps": 1500,
            "damping": "adaptive",
            "tolerance": 1e-6,
            "baselines": False,
        }
        curves[f"generative_{share}"] = {
            **shared,
            "model": f"MultiLayer(prior=Gaussian(), layers=[Layer(ratio={1 / share:g}, "
            f"channel=ReLU()), Layer(channel=Linear(delta={_NOISE:g}))])",
            "parameter": "layers[1].ratio",
            "observable": "mse_1",
            "size": round(share * p),
            "theory": [0.01, 1.0, 34 if quick else 100],
            "measured": [0.2, 0.4] if quick else _MEASURED[share][0],
        }
        curves[f"sparse_{share}"] = {
            **shared,
            "model": f"GLM(prior=GaussBernoulli(rho={share:g}, variance={_SQUARE / share:g}), "
            f"channel=Linear(delta={_NOISE:g}))",
            "observable": "mse",
            "size": p,
            "theory": [0.01, 1.0, 34 if quick else 100],
            "measured": [0.25, 0.85] if quick else _MEASURED[share][1],
        }
    return {"curves": curves}


def make_picture(data: xr.Dataset) -> Figure:
    """The network's signal on the left, the sparse one on the right, on the same axes."""
    figure, axes = new_figure(1, 2, panel=(5.6, 4.8), sharey=True)
    titles = {
        "generative": "generative prior:  v = relu(W z),  z of k components",
        "sparse": "sparse prior:  k of p components of v are not zero",
    }
    for ax, (kind, title) in zip(axes[0], titles.items(), strict=True):
        ax.set(xlim=(0, 1), ylim=(4e-7, 1), yscale="log", title=title)
        ax.set_xlabel("measurements per component of the signal $n / p$")
        for key in chains.names(data):
            if key.startswith(kind):
                _curve(ax, chains.curve(data, key), float(key.partition("_")[2]))
    axes[0, 0].set_ylabel("mean squared error of $v$ per component")
    handles = chains.named_lines(axes[0, 0])
    handles += chains.key_handles(axes[0, 0])
    handles += axes[0, 1].patches[:1]
    part = chains.curve(data, next(key for key in chains.names(data) if key.startswith("sparse")))
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=4,
        title=f"points: p = {part.attrs['size']}, {part.attrs['instances']} instances; bars: "
        f"standard error; E v² = 1/2, noise variance {_NOISE:g}; dotted: n = k",
    )
    return figure


def _curve(ax: Axes, part: xr.Dataset, share: float) -> None:
    """One fraction k / p: line, points, and its hard phase in its own color."""
    (observable,) = chains.observables(part)
    color = _COLORS[share]
    places = chains.thresholds(part)
    best, easy = places["information_theoretic"], places["algorithmic"]
    chains.draw(ax, part, observable, color, f"k / p = {share:g}")
    ax.axvline(share, color=color, linewidth=0.9, linestyle=(0, (1, 1.5)))
    if best is not None and easy is not None and easy > best:
        ax.axvspan(best, easy, color=color, alpha=0.18, linewidth=0, label="hard phase")


make_data, compare, summarize = chains.make_data, chains.compare, chains.summarize

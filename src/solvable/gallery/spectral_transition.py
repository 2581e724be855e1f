"""Up to which noise PCA, LAMP and AMP see a spike v of Y = v v^T / sqrt(p) + xi made by a layer.

The squared cosine with v = phi(W z / sqrt k) against the noise's variance delta. PCA sees v below
delta = 1 whatever generates it (Baik, Ben Arous & Peche 2005); LAMP, which knows the covariance of
v, and AMP, which knows its law, below

    delta_c = 1 + alpha (linear),   1 + 4 alpha / pi^2 (sign),   alpha = p / k.

LAMP is as good as AMP for a linear layer. For AMP the overlap q = v . v_hat / p is drawn, which is
its squared cosine where |v|^2 = p and it is calibrated. The rigour of each line is in the legend:
LAMP's theory is that of random matrices for linear layers, and for others a heuristic that agrees
with finite matrices (`core.random_matrix`).
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from solvable.core.status import answered
from solvable.gallery import chains
from solvable.gallery.base import Comparison, threshold_table
from solvable.plotting import experiment_points, new_figure, theory_lines
from solvable.plotting.style import BLUE, GREEN, VERMILION

CARD = dict(
    kind="gallery",
    name="spectral-transition",
    summary="PCA, LAMP and AMP of a spike with a generative prior: who sees it up to which noise",
    rigour="numerical",
    references=["aubin2019", "baik2005"],
)

_RATIO = 2
_CHANNELS = {"linear": "Linear()", "sign": "Sign()"}
_METHODS = {
    "overlap": ("amp", BLUE, "o"),
    "overlap_lamp": ("lamp", VERMILION, "^"),
    "overlap_pca": ("pca", GREEN, "s"),
}
_LAMP_IS = {"linear": "theorem", "sign": "numerical agreement only"}
_TITLES = {
    "linear": rf"linear layer, $\alpha = {_RATIO}$",
    "sign": rf"sign layer, $\alpha = {_RATIO}$",
}
_CRITICAL = {"linear": r"\Delta_c = 1 + \alpha", "sign": r"\Delta_c = 1 + 4 \alpha / \pi^2"}


def settings(quick: bool = False) -> dict[str, Any]:
    """Layers with two outputs an input; points from weak noise to beyond the transition."""
    measured = {
        "linear": [0.5, 2.0] if quick else [0.3, 0.8, 1.3, 1.8, 2.5, 3.4],
        "sign": [0.5, 1.2] if quick else [0.2, 0.45, 0.75, 1.05, 1.4, 2.1],
    }
    curves = {
        name: {
            "model": "SpikedWigner(prior=Generative(prior=Gaussian(), "
            f"layers=[Layer(ratio={_RATIO}, channel={channel})]))",
            "parameter": "delta",
            "observable": ",".join(_METHODS),
            "theory": [0.05, *((3.85, 77) if name == "linear" else (2.35, 47))],
            "measured": measured[name],
            "size": 400 if quick else 1200,
            "instances": 3 if quick else 12,
            "max_steps": 300,
            "baselines": True,
            "tolerance": 1e-4,
        }
        for name, channel in _CHANNELS.items()
    }
    return {"curves": curves}


def make_picture(data: xr.Dataset) -> Figure:
    """One panel a layer: lines of three methods, points, and the two thresholds."""
    figure, axes = new_figure(1, 2, panel=(5.6, 5.2), sharey=True)
    for ax, name in zip(axes[0], chains.names(data), strict=True):
        part = chains.curve(data, name)
        ax.set(title=_TITLES[name], ylim=(-0.02, 1.02))
        ax.set_xlim(0, float(part["delta"][-1]))
        ax.set_xlabel(r"noise variance $\Delta$")
        _draw(ax, part, name)
        ax.legend(loc="upper right", frameon=True, framealpha=1.0, edgecolor="none")
    axes[0, 0].set_ylabel(r"squared cosine with $v$ (AMP: overlap $q$)")
    part = chains.curve(data, "linear")
    figure.suptitle(
        f"points: p = {part.attrs['size']}, {part.attrs['instances']} instances, bars: standard "
        "error; open: some runs not converged;  dotted: thresholds",
        fontsize=10,
    )
    return figure


def _draw(ax: Axes, part: xr.Dataset, name: str) -> None:
    labels = {
        "overlap": f"Bayes-optimal = AMP ({part.attrs['rigour']})",
        "overlap_lamp": f"LAMP ({_LAMP_IS[name]})",
        "overlap_pca": "PCA (theorem)",
    }
    for observable, (algorithm, color, marker) in _METHODS.items():
        look: dict[str, Any] = {"color": color}
        label = labels[observable]
        if "numerical" in label:
            look["linestyle"] = "--"
        elif observable == "overlap_lamp":  # on top of the best, which it equals
            look |= {"linestyle": (0, (4, 3)), "zorder": 2.6}
        line = theory_lines(ax, part, observable, branches=("bayes",), **look)["bayes"]
        line.set_label(label)
        line.set_linewidth(1.8)
        kept = set(ax.lines)
        drawn = experiment_points(
            ax, part, observable, algorithms=(algorithm,), color=color, marker=marker, markersize=5
        )
        for artist in (*drawn.values(), *(set(ax.lines) - kept)):
            artist.set_label("_nolegend_")
    critical = chains.thresholds(part)["weak_recovery"]
    assert critical is not None
    for place, words in ((1.0, r"\Delta_c^{\mathrm{PCA}} = 1"), (critical, _CRITICAL[name])):
        ax.axvline(place, color="#333333", linewidth=0.9, linestyle=(0, (1, 1.5)), zorder=1.5)
        ax.annotate(
            f"${words}$" + (f" = {place:.4g}" if place != 1 else ""),
            (place, 0.83 if place == 1 else 0.6),
            xytext=(-3, 0),
            textcoords="offset points",
            rotation=90,
            ha="right",
            va="center",
            fontsize=9,
        )


def _apart(part: xr.Dataset) -> dict[str, np.ndarray]:
    """|measured - theory| of every method."""
    return {
        observable: np.abs(
            part[f"{observable}_mean"].sel(algorithm=algorithm).values
            - part[f"{observable}_theory"].sel(branch="bayes").values
        )
        for observable, (algorithm, *_) in _METHODS.items()
    }


def compare(data: xr.Dataset) -> Comparison:
    """Mean distance of the points from their lines."""
    found = [_apart(chains.curve(data, name)) for name in chains.names(data)]
    all_points = np.concatenate([x for each in found for x in each.values()])
    return Comparison(
        float(np.mean(all_points)),
        "mean distance of measured squared cosines (AMP: overlaps) from theory over "
        f"{len(all_points)} points of PCA, LAMP and AMP, those beside the transitions included",
    )


def summarize(data: xr.Dataset) -> str:
    """Thresholds of both models, and theory and experiment of the three methods."""
    lines = []
    for name in chains.names(data):
        part = chains.curve(data, name)
        lines.append(threshold_table([json.loads(part.attrs["thresholds"])]))
        lines.append(f"  {name} layer: theory, measured")
        head = "".join(f"{algorithm:>29}" for algorithm, *_ in _METHODS.values())
        lines.append(f"    {'delta':>6}{head}")
        for index, delta in enumerate(part["delta_measured"].values):
            row = f"    {delta:>6.3g}"
            for observable, (algorithm, *_) in _METHODS.items():
                point = part.isel(delta_measured=index)
                theory = float(point[f"{observable}_theory"].sel(branch="bayes"))
                mean = float(point[f"{observable}_mean"].sel(algorithm=algorithm))
                error = float(point[f"{observable}_standard_error"].sel(algorithm=algorithm))
                row += f"{f'{theory:.4f}  {mean:.4f} +- {error:.4f}':>29}"
            lines.append(row)
        failed = ~answered(part["experiment_status"].values)
        lines.append(f"    {failed.sum()} of {failed.size} runs ended without convergence")
    return "\n".join(lines)


make_data = chains.make_data

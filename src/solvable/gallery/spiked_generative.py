"""A spiked Wigner matrix whose spike is made by a network: error against noise, three networks."""

from __future__ import annotations

from typing import Any

import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from solvable.gallery import chains
from solvable.plotting import axis_label, new_figure
from solvable.plotting.style import BLUE, GREEN, VERMILION

CARD = dict(
    kind="gallery",
    name="spiked-generative",
    summary="A spike made by a network: MMSE against noise for linear, sign and ReLU layers",
    rigour="replica",
    references=["aubin2019"],
)

_COLORS = {1: BLUE, 2: GREEN, 4: VERMILION}
_CHANNELS = {
    "linear": ("Linear()", "linear:  $v = Wz/\\sqrt{k}$"),
    "sign": ("Sign()", "sign:  $v = \\mathrm{sign}(Wz/\\sqrt{k})$"),
    "relu": ("ReLU()", "ReLU:  $v = \\max(0, Wz/\\sqrt{k})$"),
}
_REACH = {"linear": 6.0, "sign": 4.0, "relu": 2.0}


def settings(quick: bool = False) -> dict[str, Any]:
    """Spikes of p components from k latent ones, alpha = p / k."""
    curves: dict[str, Any] = {}
    for name, (channel, _) in _CHANNELS.items():
        for alpha in (2,) if quick else _COLORS:
            reach = _REACH[name]
            curves[f"{name}_{alpha}"] = {
                "model": "SpikedWigner(prior=Generative(prior=Gaussian(), "
                f"layers=[Layer(ratio={alpha}, channel={channel})]))",
                "parameter": "delta",
                "observable": "mse",
                "theory": [reach / 100, reach, 25 if quick else 100],
                "measured": [
                    reach * share
                    for share in ([0.1, 0.3] if quick else [0.03, 0.1, 0.2, 0.35, 0.6])
                ],
                "size": 400 if quick else 1200,
                "instances": 3 if quick else 8,
                "max_steps": 500,
                "damping": "adaptive",
                "tolerance": 1e-5,
                "baselines": False,
            }
    return {"curves": curves}


def make_picture(data: xr.Dataset) -> Figure:
    """One panel a network, one line for each alpha, with its weak-recovery threshold."""
    figure, axes = new_figure(1, 3, panel=(4.6, 4.4))
    for ax, (name, (_, title)) in zip(axes[0], _CHANNELS.items(), strict=True):
        ax.set_title(title, fontsize=11)
        ax.set(xlim=(0, _REACH[name]), xlabel=axis_label("delta"))
        for key in chains.names(data):
            if key.startswith(f"{name}_"):
                _curve(ax, chains.curve(data, key), int(key.partition("_")[2]))
        ax.set_ylim(bottom=0)
    axes[0, 0].set_ylabel("mean squared error of $v$ per component")
    part = chains.curve(data, chains.names(data)[0])
    figure.legend(
        handles=chains.named_lines(axes[0, 0]) + chains.key_handles(axes[0, 0]),
        loc="outside lower center",
        ncols=4,
        title=f"points: p = {part.attrs['size']}, {part.attrs['instances']} instances; bars: "
        "standard error; dotted: weak recovery (none for ReLU, whose mean is seen)",
    )
    return figure


def _curve(ax: Axes, part: xr.Dataset, alpha: int) -> None:
    chains.draw(ax, part, "mse", _COLORS[alpha], f"$\\alpha = p / k = {alpha}$")
    weak = chains.thresholds(part)["weak_recovery"]
    if weak is not None:
        ax.axvline(weak, color=_COLORS[alpha], linewidth=0.9, linestyle=(0, (1, 1.5)))


make_data, compare, summarize = chains.make_data, chains.compare, chains.summarize

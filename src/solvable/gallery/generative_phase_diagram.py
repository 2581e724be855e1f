"""Up to which noise a generated spike is found, against the ratio of its network.

Message passing, and with it the best estimate, finds a spike up to Delta_c = (E phi^2)^2 + alpha
(E u phi(u))^4; PCA, which does not know the network, up to (E phi^2)^2. There is no hard phase,
but for the rectifier at small alpha: its skewness makes the transition one of first order there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

import solvable as sv
from solvable.gallery.base import Comparison, Progress
from solvable.plotting import axis_label, new_figure, phase_cells
from solvable.plotting.style import GREEN, VERMILION

CARD = dict(
    kind="gallery",
    name="generative-phase-diagram",
    summary="Weak recovery of a generated spike: noise against alpha, message passing and PCA",
    rigour="replica",
    references=["aubin2019"],
)

_MEAN = float(1 / np.sqrt(2 * np.pi))
# channel, title, E phi^2, E u phi(u)
_NETWORKS = {
    "linear": ("Linear()", "linear", 1.0, 1.0),
    "sign": ("Sign()", "sign", 1.0, float(np.sqrt(2 / np.pi))),
    "relu": (
        f"PiecewiseLinear(breakpoints=[0], slopes=[0, 1], offsets=[{-_MEAN!r}, {-_MEAN!r}])",
        "ReLU without its mean",
        0.5 - _MEAN**2,
        0.5,
    ),
}
_RATIO = "ratio"


def settings(quick: bool = False) -> dict[str, Any]:
    """Grids of alpha and of the noise over the noise at which PCA stops."""
    return {
        "alpha": [0.1, 4.0, 4 if quick else 14],
        "noise": [0.05, 6.0, 10 if quick else 60],
        "networks": ["linear"] if quick else list(_NETWORKS),
    }


def make_data(settings: Mapping[str, Any], seed: int, progress: Progress) -> xr.Dataset:
    """A phase diagram for each network; its variables begin with the network's name."""
    parts, names = [], settings["networks"]
    for number, name in enumerate(names):
        channel, _, square, _ = _NETWORKS[name]
        model = sv.parse(
            f"SpikedWigner(prior=Generative(prior=Gaussian(), layers=[Layer(channel={channel})]))"
        )
        phases = sv.phase_diagram(
            model,
            x=("delta", square**2 * np.linspace(*settings["noise"])),
            y=(_RATIO, np.linspace(*settings["alpha"])),
            progress=lambda done, total, k=number: progress(
                "phases", (k + done / total) / len(names)
            ),
        )
        named = {key: f"{name}_{key}" for key in phases.variables}
        parts.append(phases.rename(named).drop_attrs())
    data = xr.Dataset().merge(parts[0])
    for part in parts[1:]:
        data = data.merge(part)
    data.attrs = {"kind": "phases of networks", "networks": json.dumps(names), "thresholds": "[]"}
    return data


def network(data: xr.Dataset, name: str) -> xr.Dataset:
    """The phase diagram of one network."""
    own = data[[key for key in data.variables if str(key).startswith(f"{name}_")]]
    return own.rename({key: str(key).removeprefix(f"{name}_") for key in own.variables})


def exact(name: str, alpha: Any) -> Any:
    """Delta_c = (E phi^2)^2 + alpha (E u phi(u))^4."""
    _, _, square, linear = _NETWORKS[name]
    return square**2 + np.asarray(alpha) * linear**4


def make_picture(data: xr.Dataset) -> Figure:
    """One panel a network: cells, the threshold found, its closed form, and PCA's."""
    names = json.loads(data.attrs["networks"])
    figure, axes = new_figure(1, len(names), panel=(4.4, 4.4))
    for ax, name in zip(axes[0], names, strict=True):
        part = network(data, name)
        alpha = part[_RATIO].values
        phase_cells(ax, part)
        ax.plot(part["boundary_weak_recovery"].values, alpha, color=GREEN, linewidth=2.2)
        ax.plot(exact(name, alpha), alpha, "o", color=GREEN, markersize=4)
        ax.axvline(_NETWORKS[name][2] ** 2, color=VERMILION, linewidth=1.8, linestyle="--")
        ax.set(xlabel=axis_label("delta"), title=_NETWORKS[name][1])
    axes[0, 0].set_ylabel("ratio of the network $\\alpha = p / k$")
    look: dict[str, Any] = {"color": GREEN}
    handles = [
        axes[0, 0].plot([], [], label="weak recovery (state evolution)", linewidth=2.2, **look)[0],
        axes[0, 0].plot([], [], "o", label="closed form", markersize=4, **look)[0],
        axes[0, 0].plot([], [], "--", label="PCA stops", color=VERMILION)[0],
    ]
    figure.legend(
        handles=handles,
        loc="outside lower center",
        ncols=3,
        title="blue: message passing finds the spike; hatched: hard; gray: no method does",
    )
    return figure


def distances(data: xr.Dataset) -> np.ndarray:
    """|found - closed form| of the thresholds of all networks and ratios."""
    found = []
    for name in json.loads(data.attrs["networks"]):
        part = network(data, name)
        wanted = exact(name, part[_RATIO].values)
        found.append(np.abs(part["boundary_weak_recovery"].values - wanted))
    return np.concatenate(found)


def compare(data: xr.Dataset) -> Comparison:
    """The largest distance of a threshold from its closed form."""
    return Comparison(
        float(np.max(distances(data))), "largest distance of a weak-recovery threshold from theory"
    )


def summarize(data: xr.Dataset) -> str:
    """Weak-recovery thresholds against alpha, and where PCA stops."""
    lines = []
    for name in json.loads(data.attrs["networks"]):
        part = network(data, name)
        lines.append(f"  {_NETWORKS[name][1]}: PCA stops at {_NETWORKS[name][2] ** 2:.6f}")
        for alpha, place in zip(
            part[_RATIO].values, part["boundary_weak_recovery"].values, strict=True
        ):
            lines.append(f"    alpha {alpha:6.3f}   weak recovery {place:10.6f}")
    return "\n".join(lines)

"""What the layers of a random deep network keep of its input, against independent estimates.

The replica formula is for infinite width and the sampled networks have six units, with the
singular values of the wide ones. What is left between them falls with the size: at scale 2 the
third layer of hard tanh keeps 0.309, 0.273 and 0.266 (+- 0.005, 0.004, 0.01) nats per input unit
in networks of 3, 6 and 10 units, and 0.256 in the formula.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import solvable as sv
from solvable.core.randomness import fold, key_for, normal_matrix, numpy_generator
from solvable.gallery import direct_information
from solvable.gallery.base import Comparison, Progress
from solvable.gallery.workers import two_workers
from solvable.plotting import new_figure
from solvable.plotting.style import BLUE, GREEN, VERMILION

CARD = dict(
    kind="gallery",
    name="deep-entropy",
    summary="Information that the layers of a deep network keep of its input, three activations",
    rigour="replica",
    references=["gabrie2018", "poole2019"],
)

_TICKS = (0.2, 0.5, 1, 2, 5)
_COLORS = (BLUE, GREEN, VERMILION)
FUNCTIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "linear": lambda z: z,
    "hardtanh": lambda z: np.clip(z, -1, 1),
    "relu": lambda z: np.maximum(z, 0),
}
_TITLES = {
    "linear": "linear, points: log det",
    "hardtanh": "hard tanh, points: small networks",
    "relu": "relu, points: small networks",
}


def settings(quick: bool = False) -> dict[str, Any]:
    """Square layers; weights N(0, scale^2 / width), noise of variance delta after each."""
    return {
        "activations": ["linear", "relu"] if quick else list(FUNCTIONS),
        "width": 100 if quick else 500,
        "layers": 2 if quick else 3,
        "scales": [0.3, 3.0] if quick else [0.2, 0.3, 0.45, 0.67, 1.0, 1.5, 2.2, 3.3, 5.0],
        "points": [1.0] if quick else [0.5, 1.0, 1.5, 2.0],
        "delta": 0.1,
        "small": 6,
        "networks": 4 if quick else 12,
        "outer": 64 if quick else 100,
        "inner": 4_000 if quick else 30_000,
    }


def make_data(settings: Mapping[str, Any], seed: int, progress: Progress) -> xr.Dataset:
    """Replica formula on wide weights along the scale; log det or bounds at some scales."""
    key, width = key_for(seed, "deep entropy"), settings["width"]
    weights = [
        normal_matrix(fold(key, k), (width, width), width**-0.5) for k in range(settings["layers"])
    ]
    lines, points = [], []
    with two_workers() as pool:
        jobs = [
            (
                pool.submit(_theory, settings, name, weights),
                pool.submit(_direct, settings, name, weights, fold(key, name)),
            )
            for name in settings["activations"]
        ]
        for done, (line, point) in enumerate(jobs):
            progress(settings["activations"][done], done / len(jobs))
            lines.append(line.result())
            points.append(point.result())
    theory = xr.concat(lines, "activation")
    direct = xr.concat(points, "activation")
    data = xr.merge([theory, direct]).assign_coords(activation=list(settings["activations"]))
    shown = ("width", "delta", "small", "networks")
    data.attrs = {"kind": "deep entropy", **{name: settings[name] for name in shown}}
    return data


def _theory(settings: Mapping[str, Any], name: str, weights: list[np.ndarray]) -> xr.Dataset:
    """`entropy` of the wide weights at every scale, those of the points included."""
    scales = sorted({*settings["scales"], *settings["points"]})
    found = [
        sv.entropy([scale * w for w in weights], [name] * len(weights), settings["delta"])
        for scale in scales
    ]
    kept = ["mutual_information", "status", "error_bound"]
    parts = [one[kept].drop_attrs() for one in found]
    return xr.concat(parts, "scale").assign_coords(scale=scales)


def _direct(
    settings: Mapping[str, Any], name: str, weights: list[np.ndarray], key: Any
) -> xr.Dataset:
    """Without replicas: determinants of the wide weights, or bounds by sampling small networks."""
    scales, delta = settings["points"], settings["delta"]
    if name == "linear":
        exact = np.array(
            [direct_information.log_det([s * w for w in weights], delta) for s in scales]
        )
        return _columns(scales, exact, exact, 0 * exact)
    lower, upper = (np.zeros((settings["networks"], len(scales), len(weights))) for _ in "lu")
    for index in range(settings["networks"]):
        small = [_small(w, settings["small"], fold(key, index, k)) for k, w in enumerate(weights)]
        for column, scale in enumerate(scales):
            lower[index, column], upper[index, column] = direct_information.bounds(
                [scale * w for w in small],
                FUNCTIONS[name],
                delta,
                numpy_generator(fold(key, index, "noise", column)),
                outer=settings["outer"],
                inner=settings["inner"],
            )
    middle = 0.5 * (lower + upper)
    error = middle.std(axis=0, ddof=1) / np.sqrt(len(middle))
    return _columns(scales, lower.mean(axis=0), upper.mean(axis=0), error)


def _small(matrix: np.ndarray, size: int, key: Any) -> np.ndarray:
    """A small matrix with the singular values of a wide one and random singular vectors."""
    values = np.linalg.svd(matrix, compute_uv=False)
    return sv.Empirical(singular_values=values, normalize=False).sample(key, size, size)


def _columns(scales: list[float], lower: Any, upper: Any, error: Any) -> xr.Dataset:
    dims = ("scale_measured", "layer")
    return xr.Dataset(
        {"lower": (dims, lower), "upper": (dims, upper), "standard_error": (dims, error)},
        coords={"scale_measured": scales, "layer": 1 + np.arange(np.shape(lower)[1])},
    )


def make_picture(data: xr.Dataset) -> Figure:
    """One panel an activation: the replica formula as lines, independent values as points."""
    names = [str(name) for name in data["activation"].values]
    figure, axes = new_figure(1, len(names), panel=(4.2, 4.4))
    for ax, name in zip(axes[0], names, strict=True):
        _panel(ax, data.sel(activation=name))
        ax.set_title(_TITLES[name], fontsize=10)
    axes[0, 0].set_ylabel("I(input; layer) (nats per input unit)")
    attrs = data.attrs
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=len(handles),
        title=f"noise of variance {attrs['delta']:g} after each layer; lines: {attrs['width']} "
        f"units a layer; small networks: {attrs['networks']} of {attrs['small']} units,\n"
        "bars: from a lower to an upper bound, and standard errors",
    )
    return figure


def _panel(ax: Axes, data: xr.Dataset) -> None:
    for layer, color in zip(data["layer"].values, _COLORS, strict=False):
        one = data.sel(layer=layer)
        ax.plot(data["scale"], one["mutual_information"], color=color, label=f"layer {layer}")
        middle = 0.5 * (one["lower"] + one["upper"])
        ax.errorbar(
            data["scale_measured"],
            middle,
            yerr=0.5 * (one["upper"] - one["lower"]) + one["standard_error"],
            fmt="o",
            markersize=4.5,
            color=color,
        )
    ax.set(xscale="log", xlabel="standard deviation of the weights × √inputs")
    ax.set_xticks(_TICKS, [f"{x:g}" for x in _TICKS])
    ax.minorticks_off()
    ax.set_ylim(bottom=0)


def _apart(data: xr.Dataset) -> xr.DataArray:
    """Middle of the bounds minus the replica formula, nats per input unit."""
    theory = data["mutual_information"].sel(scale=data["scale_measured"].values)
    theory = theory.rename(scale="scale_measured")
    return 0.5 * (data["lower"] + data["upper"]) - theory


def compare(data: xr.Dataset) -> Comparison:
    """Mean distance of the independent values from the formula."""
    return Comparison(
        float(np.abs(_apart(data)).mean()),
        "mean distance in nats per input unit of determinants and of bounds for networks of "
        f"{data.attrs['small']} units from the replica formula for {data.attrs['width']}",
    )


def summarize(data: xr.Dataset) -> str:
    """Formula, bounds and standard errors at the measured scales."""
    apart = _apart(data)
    lines = []
    for name in data["activation"].values:
        lines.append(f"  I(input; layer) in nats per input unit, {name}")
        lines.append(
            f"    {'scale':>6}{'layer':>7}{'formula':>10}{'lower':>10}{'upper':>10}{'+-':>8}"
        )
        for scale in data["scale_measured"].values:
            for layer in data["layer"].values:
                one = data.sel(activation=name, scale_measured=scale, layer=layer)
                middle = 0.5 * float(one["lower"] + one["upper"])
                off = float(apart.sel(activation=name, scale_measured=scale, layer=layer))
                lines.append(
                    f"    {scale:>6.3g}{layer:>7}{middle - off:>10.4f}{float(one['lower']):>10.4f}"
                    f"{float(one['upper']):>10.4f}{float(one['standard_error']):>8.4f}"
                )
    return "\n".join(lines)

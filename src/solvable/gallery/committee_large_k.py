"""The computational gap of committees: how many samples theory needs, and how many AMP does.

Left, samples per input against the number of units: where a state of units that differ first
exists, where it is the best one, and where message passing finds it from units that are alike;
points are the theory at that K, lines the limit of many units: 7.17 K, 7.68 K and C (K - 1)^2.
Right, three units: message passing from next to nothing and from a state beside the teacher.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import solvable as sv
from solvable.core.randomness import fold, key_for
from solvable.core.specification import replace
from solvable.core.status import answered
from solvable.gallery.base import Comparison, Progress, threshold_table, thresholds_of
from solvable.plotting import new_figure, threshold_lines
from solvable.plotting.style import BLUE, GRAY, GREEN, VERMILION

CARD = dict(
    kind="gallery",
    name="committee-large-k",
    summary="the computational gap of committees: samples for theory, ~ K, and for AMP, ~ K^2",
    rigour="replica",
    references=["aubin2018", "troiani2025"],
)

_STARTS = ("alike", "beside the teacher")
_NAME = "generalization_error"
_COLORS = {"spinodal_informed": GREEN, "information_theoretic": BLUE, "algorithmic": VERMILION}
_WORDS = {
    "spinodal_informed": "units that differ are a state",
    "information_theoretic": "the best state",
    "algorithmic": "AMP finds it",
}


def settings(quick: bool = False) -> dict[str, Any]:
    """Numbers of units: whose plateau is left, and whose whole theory is drawn; sizes of runs."""
    return {
        "left": [3] if quick else [3, 5],
        "whole": [] if quick else [3],
        "theory": [4.0, 22.5, 38],
        "measured": [14.0] if quick else [8.0, 11.5, 14.0, 17.0],
        "start": 0.6,
        "size": 60 if quick else 150,
        "instances": 1 if quick else 2,
        "max_steps": 12 if quick else 90,
    }


def _committee(units: int) -> sv.Committee:
    return sv.Committee(k=units, prior=sv.Gaussian(), output=sv.Sign())


def make_data(settings: Mapping[str, Any], seed: int, progress: Progress) -> xr.Dataset:
    """Thresholds (name, units), branches of three units (alpha, branch), runs (start, alpha)."""
    limit = sv.LargeCommittee(prior=sv.Gaussian())
    documents = json.loads(thresholds_of(limit, "alpha"))
    left = []
    for number, units in enumerate(settings["left"]):
        progress(f"plateau of K = {units}", 0.2 * number / len(settings["left"]))
        left.append(_committee(units).limits().weak_recovery)
    for units in settings["whole"]:
        progress(f"K = {units}", 0.2)
        documents += json.loads(thresholds_of(_committee(units), "alpha"))
    three, variables = _committee(3), {}
    if settings["whole"]:
        progress("branches of K = 3", 0.5)
        theory = sv.curve(three, over={"alpha": np.linspace(*settings["theory"])})
        variables = {_NAME: theory[_NAME], "status": theory["status"]}
    found = np.full((2, len(settings["measured"]), settings["instances"]), np.nan)
    codes = np.zeros(found.shape, dtype=np.int8)
    for row, start in enumerate((None, settings["start"])):
        for column, alpha in enumerate(settings["measured"]):
            done = (row + column / len(settings["measured"])) / 2
            progress(f"AMP from units {_STARTS[row]}", 0.6 + 0.4 * done)
            for k in range(settings["instances"]):
                found[row, column, k], codes[row, column, k] = _run(
                    alpha, start, settings, f"{seed} {alpha} {k}"
                )
    axes = ("start", "alpha_measured", "instance")
    variables |= {
        "left": ("units", np.array(left)),
        "found": (axes, found),
        "run_status": (axes, codes),
    }
    coords = {"units": settings["left"], "start": list(_STARTS)}
    data = xr.Dataset(variables, coords | {"alpha_measured": settings["measured"]})
    data.attrs = {"kind": "committee gap", "thresholds": json.dumps(documents)}
    return data.assign_attrs(size=settings["size"], instances=settings["instances"])


def _run(
    alpha: float, start: float | None, settings: Mapping[str, Any], label: str
) -> tuple[float, int]:
    """The error that message passing reaches, and how it ended."""
    model = replace(_committee(3), {"alpha": alpha})
    key = key_for(0, "committee-large-k", label)
    instance = model.sample(fold(key, "instance"), settings["size"])
    informed = None
    if start is not None:
        informed = model.informed_start(instance, start, fold(key, "beside"))
    # beside the teacher undamped steps overshoot at this size; a plateau is reached sooner
    steps = settings["max_steps"] if start is not None else settings["max_steps"] // 2
    options: dict[str, Any] = dict(damping=0.5, tolerance=1e-3, max_steps=steps)
    outcome = model.solve(instance.data, fold(key, "start"), start=informed, **options)
    return model.measure(outcome, instance)[_NAME], int(np.max(outcome.status))


def make_picture(data: xr.Dataset) -> Figure:
    """The gap against K, and three units."""
    figure, axes = new_figure(1, 2, panel=(5.8, 4.4))
    _gap(axes[0][0], data)
    right = axes[0][1]
    if "alpha" in data.coords:
        for branch, color in (("symmetric", VERMILION), ("specialized", BLUE)):
            right.plot(
                data["alpha"],
                data[_NAME].sel(branch=branch),
                color=color,
                label=f"theory, {branch}",
            )
        known = json.loads(data.attrs["thresholds"])[1]["thresholds"]
        threshold_lines(
            right,
            {
                "appears": known["spinodal_informed"]["value"],
                "best": known["information_theoretic"]["value"],
                "plateau left": known["specialization"]["value"],
            },
        )
    for color, marker, start in zip((VERMILION, BLUE), "os", _STARTS, strict=True):
        part = data["found"].sel(start=start)
        ends = answered(data["run_status"].sel(start=start).values)
        for there, face in ((ends, color), (~ends, "white")):
            x, y = np.broadcast_arrays(data["alpha_measured"].values[:, None], part.values)
            right.plot(x[there], y[there], marker, color=color, markerfacecolor=face, markersize=5)
        right.plot([], [], marker, color=color, label=f"AMP from units {start}")
    right.set(xlabel=r"samples per input $\alpha = n / p$, three units", ylim=(0, None))
    right.set(ylabel=r"$E_{gen} = \mathbb{E}(y - \mathbb{E}[y|\mathrm{data}])^2$")
    right.legend(loc="best", fontsize=8)
    attrs = data.attrs
    figure.suptitle(
        "Committees of $K$ units, Gaussian weights; lines on the left: many units\n"
        f"points on the right: runs at $p = {attrs['size']}$ (open: not converged)"
    )
    return figure


def _gap(ax: Axes, data: xr.Dataset) -> None:
    documents = json.loads(data.attrs["thresholds"])
    limit, units = documents[0]["thresholds"], np.geomspace(2.5, 30, 60)
    lines = {
        "spinodal_informed": limit["spinodal_informed"]["value"] * units,
        "information_theoretic": limit["information_theoretic"]["value"] * units,
        "algorithmic": limit["algorithmic_squared"]["value"] * (units - 1) ** 2,
    }
    for name, line in lines.items():
        ax.plot(units, line, color=_COLORS[name], label=_WORDS[name])
    upper, lower = lines["algorithmic"], lines["information_theoretic"]
    ax.fill_between(units, lower, upper, where=upper > lower, color=GRAY, alpha=0.2, linewidth=0)
    ax.plot(data["units"], data["left"], "o", color=VERMILION)
    for document in documents[1:]:
        found = document["thresholds"]
        for name in ("spinodal_informed", "information_theoretic"):
            ax.plot([3], [found[name]["value"]], "o", color=_COLORS[name])
    ax.set(xscale="log", yscale="log", xlabel="number of units $K$")
    ax.set(ylabel=r"samples per input $n / p$")
    ax.set_xticks([3, 5, 10, 20, 30], ["3", "5", "10", "20", "30"])
    ax.minorticks_off()
    ax.set_title("shaded: possible, not found by AMP", fontsize=11)
    ax.legend(loc="upper left", fontsize=8)


def compare(data: xr.Dataset) -> Comparison:
    """How much worse message passing ends without help."""
    alike, beside = (data["found"].sel(start=x).mean("instance") for x in _STARTS)
    ratio = float((alike / beside).max())
    return Comparison(
        ratio, "the largest ratio of errors that AMP reaches from units alike and from the teacher"
    )


def summarize(data: xr.Dataset) -> str:
    """Thresholds, and errors of runs."""
    lines = [threshold_table(json.loads(data.attrs["thresholds"]))]
    lines.append("    K    plateau left at n / p     over (K - 1)^2")
    for units, value in zip(data["units"].values, data["left"].values, strict=True):
        lines.append(f"    {units:<4d} {value:12.4f}             {value / (units - 1) ** 2:12.4f}")
    lines.append("    three units: alpha, error of AMP from units alike, from the teacher")
    for alpha in data["alpha_measured"].values:
        row = data["found"].sel(alpha_measured=alpha).mean("instance").values
        lines.append(f"    {alpha:5.1f}   " + "   ".join(f"{x:.4f}" for x in row))
    return "\n".join(lines)

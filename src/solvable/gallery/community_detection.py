"""Communities in dense random graphs: two, four and six groups, and who finds them.

On small graphs near the transition message passing may end where it tells unions of groups apart
only; of several random starts the one that expects the least error of itself counts.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import as_completed
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import solvable as sv
from solvable import io
from solvable.core.randomness import fold, key_for
from solvable.core.status import Status, answered
from solvable.gallery.base import Comparison, Progress, threshold_table
from solvable.gallery.workers import two_workers
from solvable.models.communities import (
    agreement,
    expected_agreement,
    spectral_communities,
)
from solvable.plotting import experiment_points, hard_phase, new_figure, theory_lines

CARD = dict(
    kind="gallery",
    name="community-detection",
    summary="Communities in dense graphs, up to six groups, which have a hard phase",
    rigour="replica",
    references=["lesieur2017"],
)

_BRANCHES = ("bayes", "amp")
_ALGORITHMS = ("amp", "spectral clustering")
_BESIDE = 1e-5


def settings(quick: bool = False) -> dict[str, Any]:
    """Numbers of groups, signal-to-noise ratios 1 / (k^2 Delta), and sizes."""
    return {
        "groups": [2, 4, 6],
        "theory": [0.7, 2.0, 27 if quick else 79],
        "measured": [0.85, 1.5] if quick else [0.8, 0.92, 1.05, 1.15, 1.3, 1.5, 1.75, 1.95],
        "probability": 0.5,
        "size": 300 if quick else 1000,
        "instances": 3 if quick else 8,
        "starts": 1 if quick else 3,
        "max_steps": 500,
        "tolerance": 1e-5,
    }


def make_data(settings: Mapping[str, Any], seed: int, progress: Progress) -> xr.Dataset:
    """Theory of every number of groups on one grid; graphs, their theory and who solves them."""
    groups, measured = settings["groups"], np.array(settings["measured"])
    documents = [sv.thresholds(_model(k), "delta").document() for k in groups]
    progress("thresholds", 0.1)
    ratio = _grid(settings["theory"], groups, documents)
    lines = xr.concat([_theory(k, ratio) for k in groups], "groups")
    beside = xr.concat([_theory(k, measured) for k in groups], "groups")
    jobs = [(k, x, index) for k in groups for x in measured for index in range(_count(settings))]
    with two_workers() as pool:
        futures = {pool.submit(_measured, settings, seed, *job): job for job in jobs}
        for done, _ in enumerate(as_completed(futures), start=1):
            progress("graphs", 0.2 + 0.8 * done / len(jobs))
        found = np.array([future.result() for future in futures])
    shape = (len(groups), len(measured), _count(settings), len(_ALGORITHMS))
    values, codes = (np.moveaxis(found[..., i].reshape(shape), 2, 3) for i in (0, 1))
    dims = ("groups", "ratio_measured", "algorithm")
    spread = values.std(axis=3, ddof=1) / np.sqrt(_count(settings))
    data = lines.assign_coords(
        groups=groups, ratio_measured=measured, algorithm=list(_ALGORITHMS)
    ).assign(
        agreement_theory=(("groups", "ratio_measured", "branch"), beside["agreement"].values),
        agreement_instances=((*dims, "instance"), values),
        agreement_mean=(dims, values.mean(axis=3)),
        agreement_standard_error=(dims, spread),
        experiment_status=((*dims, "instance"), codes.astype(np.int8)),
    )
    data.attrs = {
        "kind": "communities",
        "thresholds": json.dumps(io.strict(documents)),
        "size": settings["size"],
        "instances": settings["instances"],
        "starts": settings["starts"],
        "probability": settings["probability"],
    }
    return data


def _model(k: int, channel: Any = None) -> Any:
    return sv.SpikedWigner(prior=sv.OneHot(k=k), channel=channel)


def _count(settings: Mapping[str, Any]) -> int:
    return int(settings["instances"])


def _grid(theory: list[float], groups: list[int], documents: list[Any]) -> np.ndarray:
    """An even grid with both sides of every transition."""
    start, stop, count = theory
    sides = []
    for k, document in zip(groups, documents, strict=True):
        for found in document["thresholds"].values():
            if found["value"] is not None:
                place = 1 / (k**2 * found["value"])
                sides += [place * (1 - _BESIDE), place * (1 + _BESIDE)]
    return np.unique(np.round(np.concatenate([np.linspace(start, stop, int(count)), sides]), 12))


def _theory(k: int, ratio: np.ndarray) -> xr.Dataset:
    """Agreement of the likeliest groups on the two branches."""
    delta = 1 / (k**2 * ratio)
    curve = sv.curve(_model(k), over={"delta": delta[::-1]}).isel(delta=slice(None, None, -1))
    curve = curve.sel(branch=list(_BRANCHES))
    q_hat = curve["overlap"].values / ((k - 1) * delta[:, None])
    dims = ("ratio", "branch")
    return xr.Dataset(
        {
            "agreement": (dims, expected_agreement(k, q_hat)),
            "status": (dims, curve["status"].values),
        },
        {"ratio": ratio, "branch": list(_BRANCHES)},
    )


def _measured(
    settings: Mapping[str, Any], seed: int, k: int, ratio: float, index: int
) -> list[tuple[float, int]]:
    """Agreement and status of each algorithm on one graph."""
    delta = float(1 / (k**2 * ratio))
    graphs = _model(k, sv.BernoulliEdges.with_noise(settings["probability"], delta))
    key = key_for(seed, "communities", k, repr(float(ratio)), settings["size"], index)
    graph = graphs.sample(fold(key, "graph"), settings["size"])
    options = {name: settings[name] for name in ("max_steps", "tolerance")}
    outcomes = [
        graphs.solve(graph.data, fold(key, "start", i), damping="adaptive", **options)
        for i in range(settings["starts"])
    ]
    outcome = min(outcomes, key=lambda one: float(np.sum(one.variance)))
    labels = spectral_communities(graphs.problem(graph.data).matrix, k, fold(key, "spectral"))
    return [
        (agreement(outcome.mean, graph.signal), int(outcome.status)),
        (agreement(labels, graph.signal), int(Status.converged)),
    ]


def make_picture(data: xr.Dataset) -> Figure:
    """One panel a number of groups, on the same axes."""
    groups = data["groups"].values
    figure, axes = new_figure(1, len(groups), panel=(4.2, 4.4), sharey=True)
    for ax, k, document in zip(axes[0], groups, json.loads(data.attrs["thresholds"]), strict=True):
        _panel(ax, data.sel(groups=k), int(k), document["thresholds"])
    axes[0, 0].set_ylabel("fraction of nodes in their group,\nfrom chance (0) to all (1)")
    handles = {}
    for ax in axes[0]:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    figure.legend(
        handles=list(handles.values()),
        labels=list(handles),
        loc="outside lower center",
        ncols=3,
        title=f"points: graphs of {data.attrs['size']} nodes, {data.attrs['instances']} "
        f"instances; bars: standard error; AMP: best of {data.attrs['starts']} starts",
    )
    return figure


def _panel(ax: Axes, part: xr.Dataset, k: int, thresholds: Mapping[str, Any]) -> None:
    """Lines and points of one number of groups, and its hard phase if there is one."""
    ratio = part["ratio"].values
    ax.set(xlim=(ratio[0], ratio[-1]), ylim=(-0.03, 1.0), title=f"{k} groups")
    ax.set_xlabel(r"signal-to-noise ratio $1 / (k^2 \Delta)$")
    first = thresholds["information_theoretic"]["value"]
    if first is not None:
        hard_phase(ax, 1 / (k**2 * first), 1.0)
    ax.axvline(1.0, color="#333333", linewidth=0.9, linestyle=(0, (1, 1.5)), label="Kesten-Stigum")
    lines = theory_lines(ax, part, "agreement", branches=_BRANCHES)
    lines["bayes"].set_label("Bayes-optimal (theory)")
    if "amp" in lines:
        lines["amp"].set_label("AMP (theory), where it is another")
    experiment_points(ax, part, "agreement")


def _apart(data: xr.Dataset) -> np.ndarray:
    measured = data["agreement_mean"].sel(algorithm="amp").values
    return np.abs(measured - data["agreement_theory"].sel(branch="amp").values)


def compare(data: xr.Dataset) -> Comparison:
    """Mean distance of AMP's agreement from its theory over all points."""
    apart = _apart(data)
    return Comparison(
        float(np.mean(apart)),
        f"mean distance of AMP's agreement ({data.attrs['size']} nodes, "
        f"{data.attrs['instances']} graphs) from theory over {apart.size} points, those beside "
        "the transitions included",
    )


def summarize(data: xr.Dataset) -> str:
    """Thresholds, and what was measured beside the theory."""
    lines = [threshold_table(json.loads(data.attrs["thresholds"])), "  agreement"]
    lines.append(
        f"    {'groups':>6}{'ratio':>8}{'bayes':>9}{'amp':>9}" + f"{'AMP':>20}{'spectral':>20}"
    )
    for k in data["groups"].values:
        for x in data["ratio_measured"].values:
            point = data.sel(groups=k, ratio_measured=x)
            row = f"    {k:>6}{x:>8.3g}"
            for branch in _BRANCHES:
                row += f"{float(point['agreement_theory'].sel(branch=branch)):>z9.4f}"
            for name in _ALGORITHMS:
                mean = float(point["agreement_mean"].sel(algorithm=name))
                error = float(point["agreement_standard_error"].sel(algorithm=name))
                row += f"{f'{mean:.4f} +- {error:.4f}':>20}"
            lines.append(row)
    failed = ~answered(data["experiment_status"].values)
    if failed.any():
        lines.append(
            f"    {failed.sum()} of {failed.size} runs ended without convergence; they count with "
            "their best iterate"
        )
    return "\n".join(lines)

"""Where online learning ends: layers, activations, rates, noise, numbers of units, and starts.

States are roots of the equations next to a student that is its teacher, with idle units or units
that share a teacher's; lines are the closed forms of small learning rates (Goldt et al. 2019).
With the first layer learned alone each idle unit adds to the error; with both layers learned units
share a teacher's, and the error falls. From two idle units on these states are left again, at
rates of 1e-5 per example and input: two units cancel each other and grow. Of random starts some
end elsewhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import solvable as sv
from solvable.core.status import Status
from solvable.gallery.base import Comparison, Progress
from solvable.models import online_limits as limits
from solvable.plotting import new_figure
from solvable.plotting.series import COLORS
from solvable.plotting.style import BLACK

CARD = dict(
    kind="gallery",
    name="online-sgd-asymptotics",
    summary="where online learning ends: layers, activations, rates, noise, units, starts",
    rigour="theorem",
    references=["goldt2019", "saad1995"],
)

_ACTIVATIONS = {"erf": sv.Erf(), "relu": sv.ReLU(), "linear": sv.Linear()}
_LABELS = {
    "erf first": "erf, first layer",
    "erf both": "erf, both layers",
    "relu first": "ReLU, first layer",
    "linear first": "linear, first layer",
}
_GROWS = 1e-9  # relative to the learning rate: growth that is no rounding


class Point(NamedTuple):
    """A network whose end is asked for."""

    kind: str
    students: int
    teachers: int
    learning_rate: float
    noise: float


def settings(quick: bool = False) -> dict[str, Any]:
    """Kinds of learning, numbers of units, rates, noises, and random starts."""
    kinds = ["erf first"] if quick else list(_LABELS)
    return {
        "kinds": kinds,
        "learning_rate": 0.05,
        "noise": 0.1,
        "teachers": 2,
        "students": [2, 3] if quick else [2, 3, 4, 5],
        "matched": [2] if quick else [1, 2, 3],
        "largest": [2] if quick else [1, 2, 3],
        "rates": [0.02, 2.2, 6 if quick else 24],
        "noises": [0.01, 1.0, 3 if quick else 9],
        "start_students": 2 if quick else 4,
        "start_size": 500,
        "starts": 4 if quick else 40,
        "start_time": 200.0 if quick else 2e4,
    }


def _model(point: Point) -> sv.OnlineSGD:
    """A student that is its teacher, its other units idle or, if v is learned, sharing."""
    name, layers = point.kind.split()
    K, M = point.students, point.teachers
    v, both = np.ones(K), layers == "both"
    if name == "linear":
        r = np.full((K, M), 1 / K)
    elif both:
        whose = np.arange(K) % M
        r, v = np.eye(M)[whose], 1 / np.bincount(whose)[whose]
    else:
        r = np.eye(K, M)
    idle = np.where(r.any(axis=1), 0.0, point.learning_rate * point.noise**2 / 2)
    return sv.OnlineSGD(
        activation=_ACTIVATIONS[name],
        q0=r @ r.T + np.diag(idle),
        r0=r,
        v0=v,
        learning_rate=point.learning_rate,
        learning_rate_second=point.learning_rate if both else 0.0,
        noise=point.noise,
    )


def _ends(points: list[Point]) -> np.ndarray:
    """Error, closed form, rate of growth and status of each, followed from the one before."""
    rows, order = [], None
    for before, point in zip([None, *points], points, strict=False):
        model = _model(point)
        learning = model.learning()
        alike = before is not None and before[:3] == point[:3]
        state = limits.fixed_point(learning, order if alike and order else model.initial())
        found = state.found.status == Status.converged
        order = state.order if found else None
        small = limits.small_rate_error(learning, state) if found else None
        grows = float(state.found.growth) / point.learning_rate
        row = [state.error, np.nan if small is None else small, grows]
        rows.append([*(row if found else [np.nan] * 3), float(state.found.status)])
    return np.array(rows).T


def make_data(settings: Mapping[str, Any], seed: int, progress: Progress) -> xr.Dataset:
    """Sweeps (kind, x) of `_error`, `_formula`, `_growth`; errors of starts; largest rates."""
    kinds = settings["kinds"]
    sweeps = {name: np.array(settings[name]) for name in ("students", "matched")}
    sweeps |= {name: np.geomspace(*settings[name]) for name in ("rates", "noises")}
    data = xr.Dataset(coords={"kind": kinds, **sweeps, "largest": settings["largest"]})
    for number, (name, values) in enumerate(sweeps.items()):
        tables = []
        for part, kind in enumerate(kinds):
            progress(f"{name}, {_LABELS[kind]}", (number + part / len(kinds)) / 6)
            tables.append(_ends([_point(settings, kind, name, x) for x in values]))
        for row, column in enumerate(("error", "formula", "growth")):
            data[f"{name}_{column}"] = (("kind", name), np.array(tables)[:, row])
        codes = np.array(tables)[:, 3].astype(np.int8)
        data[f"{name}_status"] = (("kind", name), codes)
    firsts = [kind for kind in kinds if kind.endswith("first")]
    limit = np.full((len(kinds), len(settings["largest"])), np.nan)
    for kind in firsts:
        progress(f"largest rates, {_LABELS[kind]}", (4 + firsts.index(kind) / len(firsts)) / 6)
        for place, K in enumerate(settings["largest"]):
            model = _model(Point(kind, K, K, settings["learning_rate"], 0.0))
            found = limits.largest_rate(model.learning(), model.initial())
            limit[kinds.index(kind), place] = np.nan if found is None else found[0]
    data["largest_rate"] = (("kind", "largest"), limit)
    erf = [kind for kind in kinds if kind.startswith("erf")]
    progress("random starts", 5 / 6)
    errors = [_from_starts(settings, kind, seed) for kind in erf]
    data["start_error"] = (("layers", "start"), np.array(errors))
    names = ("learning_rate", "noise", "teachers", "start_students", "start_size", "start_time")
    attrs = {name: settings[name] for name in names}
    return data.assign_coords(layers=erf).assign_attrs(kind="online asymptotics", **attrs)


def _point(settings: Mapping[str, Any], kind: str, sweep: str, value: Any) -> Point:
    """One of a sweep: K at fixed M, K = M, learning rates and noises at K = M."""
    eta, sigma, M = settings["learning_rate"], settings["noise"], settings["teachers"]
    return {
        "students": lambda: Point(kind, int(value), M, eta, sigma),
        "matched": lambda: Point(kind, int(value), int(value), eta, sigma),
        "rates": lambda: Point(kind, M, M, float(value), sigma),
        "noises": lambda: Point(kind, M, M, eta, float(value)),
    }[sweep]()


def _from_starts(settings: Mapping[str, Any], kind: str, seed: int) -> np.ndarray:
    """Errors at a late time from random starts of small weights."""
    K, M = settings["start_students"], settings["teachers"]
    eta = settings["learning_rate"]
    model = sv.OnlineSGD(
        activation=sv.Erf(),
        q0=0.25 * np.eye(K),
        r0=np.zeros((K, M)),
        learning_rate=eta,
        learning_rate_second=eta if kind.endswith("both") else 0.0,
        noise=settings["noise"],
    )
    found = sv.dynamics(
        model,
        [settings["start_time"]],
        starts=settings["starts"],
        size=settings["start_size"],
        tolerance=1e-6,
        seed=seed,
    )
    return found["generalization_error_starts"].values[:, 0]


def make_picture(data: xr.Dataset) -> Figure:
    """One panel for each thing that the end of learning depends on."""
    attrs = data.attrs
    figure, axes = new_figure(2, 3, panel=(5.0, 4.1))
    units, rates, noises, matched, starts, largest = axes.ravel()
    eta, sigma, M = attrs["learning_rate"], attrs["noise"], attrs["teachers"]
    scaled = data["students"] - M
    _sweep(units, data, "students", scaled, 1 / (eta * sigma**2))
    units.set(yscale="log", xlabel=f"units more than the teacher's {M}, $K - M$")
    units.set_xticks(scaled.values)
    units.set_title(rf"number of units: $\eta = {eta:g}$, $\sigma = {sigma:g}$")
    _sweep(rates, data, "rates", data["rates"], 1.0)
    rates.set(xscale="log", yscale="log", xlabel=r"learning rate $\eta$")
    rates.set_title(rf"learning rate: $K = M = {M}$, $\sigma = {sigma:g}$")
    _sweep(noises, data, "noises", data["noises"], 1.0)
    noises.set(xscale="log", yscale="log", xlabel=r"label noise $\sigma$")
    noises.legend(loc="upper left", fontsize=8)
    noises.set_title(rf"label noise: $K = M = {M}$, $\eta = {eta:g}$")
    _sweep(matched, data, "matched", data["matched"], 1 / (eta * sigma**2))
    matched.set(yscale="log", xlabel="units of student and teacher, $K = M$")
    matched.set_xticks(data["matched"].values)
    matched.set_title(rf"size of the teacher: $\eta = {eta:g}$, $\sigma = {sigma:g}$")
    for ax in (units, matched):
        ax.set_ylabel(r"stationary error $\epsilon^* / (\eta\sigma^2)$")
    for ax in (rates, noises):
        ax.set_ylabel(r"stationary error $\epsilon^*$")
    _starts(starts, data)
    _largest(largest, data)
    figure.suptitle(
        "Where online learning ends; points: roots of the equations (open: left again), "
        r"lines: $\frac{\eta\sigma^2}{4}\sum_k v_k^2\,\mathbb{E}\,g_k'^2$ (linear: exact)"
    )
    return figure


def _sweep(ax: Axes, data: xr.Dataset, name: str, x: xr.DataArray, scale: float) -> None:
    """Roots as points, open where the state is unstable, and the closed form as a line."""
    for color, kind in zip(COLORS, data["kind"].values, strict=False):
        part = data.sel(kind=kind)
        error, growth = part[f"{name}_error"] * scale, part[f"{name}_growth"]
        ax.plot(x, part[f"{name}_formula"] * scale, color=color, linewidth=1.2)
        look = {"color": color, "marker": "o", "linestyle": "none", "markersize": 5}
        leaves = growth > _GROWS
        ax.plot(x, error.where(~leaves), **look, label=_LABELS[str(kind)])
        ax.plot(x, error.where(leaves), **look, markerfacecolor="white")


def _starts(ax: Axes, data: xr.Dataset) -> None:
    """Which part of random starts is below an error."""
    attrs = data.attrs
    K, M = attrs["start_students"], attrs["teachers"]
    for color, kind in zip(COLORS, data["layers"].values, strict=False):
        errors = np.sort(data["start_error"].sel(layers=kind).values)
        errors = errors[np.isfinite(errors)]
        share = np.arange(1, len(errors) + 1) / len(errors)
        ax.step(errors, share, color=color, where="post", label=_LABELS[str(kind)])
        if K in data["students"]:
            state = data.sel(kind=kind, students=K)["students_error"]
            ax.axvline(float(state), color=color, linestyle=":")
    ax.set(xscale="log", xlabel="error at the end", ylabel="part of random starts below")
    ax.set_title(
        rf"initialization: $K = {K}$, $M = {M}$, {len(data['start'])} starts of "
        f"$N = {attrs['start_size']}$,\nafter $t = {attrs['start_time']:g}$; "
        "dotted: the states of the first panel",
        fontsize=9,
    )
    ax.legend(loc="best", fontsize=8)


def _largest(ax: Axes, data: xr.Dataset) -> None:
    """Learning rates up to which perfect students stay so."""
    for color, kind in zip(COLORS, data["kind"].values, strict=False):
        values = data["largest_rate"].sel(kind=kind)
        if np.isfinite(values).any():
            ax.plot(data["largest"], values, color=color, marker="o", label=_LABELS[str(kind)])
    K = np.linspace(1, float(data["largest"].max()), 50)
    ax.plot(K, 2 / K, color=BLACK, linewidth=0.8, linestyle="--", label="$2 / K$")
    ax.set(xlabel="units of student and teacher, $K = M$", ylabel=r"largest stable $\eta$")
    ax.set_xticks(data["largest"].values)
    ax.set_title("stability without label noise")
    ax.legend(loc="best", fontsize=8)


def compare(data: xr.Dataset) -> Comparison:
    """The largest ratio of an error and its closed form, at this learning rate."""
    ratio = (data["students_error"] / data["students_formula"]).sel(kind="erf first")
    return Comparison(
        float(ratio.max()),
        f"stationary error over its closed form, erf, first layer, the largest of all widths at "
        f"learning rate {data.attrs['learning_rate']:g}; it tends to 1 with that",
    )


def summarize(data: xr.Dataset) -> str:
    """Errors and closed forms against the width, and largest learning rates."""
    lines = ["    kind             K   stationary error   closed form    growth / eta"]
    for kind in data["kind"].values:
        for K in data["students"].values:
            one = data.sel(kind=kind, students=K)
            error, formula, growth = (
                float(one[f"students_{name}"]) for name in ("error", "formula", "growth")
            )
            row = f"    {kind:<14} {int(K):3d}   {error:.6e}       {formula:.6e}   {growth:9.1e}"
            lines.append(row.replace("nan", "  -"))
    for kind in data["kind"].values:
        values = data["largest_rate"].sel(kind=kind).values
        if np.isfinite(values).any():
            found = ", ".join(f"{x:.8g}" for x in values)
            lines.append(f"    largest rate, {_LABELS[str(kind)]}, K = M = 1, 2, ..: {found}")
    return "\n".join(lines)

"""From how many samples on the directions of links y = f(z_1, ..., z_k) are learned.

Left: each direction of some links, trivial (learned from any n ~ p), easy (from the alpha shown
on, some only once others are known) or hard. Right: what a spectral method, linearized message
passing, finds of the two directions of z1 z2 and sign(z1 z2) at finite size.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import solvable as sv
from solvable.algorithms.multi_index_spectral import shared, spectral_subspace
from solvable.core.links import LARGEST, Link, link_of
from solvable.core.randomness import key_for, numpy_generator
from solvable.core.status import Status
from solvable.gallery.base import Comparison, Progress
from solvable.models.multi_index import SecondMoments, second_moments
from solvable.plotting import axis_label, new_figure
from solvable.plotting.style import BLUE, GRAY, GREEN, VERMILION

CARD = dict(
    kind="gallery",
    name="weak-recovery",
    summary="which directions of multi-index links are trivial, easy or hard, and a spectral test",
    rigour="theorem",
    references=["troiani2025", "mondelli2019", "aubin2018"],
)

_QUICK = [
    "z1**2",
    "sign(abs(z1) - 0.67449)",
    "sign(z1*z2)",
    "z1*z2",
    "sign(sign(z1) + sign(z2))",
    "sign(z1*z2*z3)",
]
_MORE = [
    "z1 + z2**2",
    "relu(z1) + relu(z2)",
    "z1*z2*z3",
    "z1 + z2*z3",
    "z1**2 + sign(z1*z2*z3)",
]
_TESTED = {"z1*z2": BLUE, "sign(z1*z2)": VERMILION}
_KINDS = {
    "trivial": {"color": GREEN, "marker": "<", "label": r"trivial: any $\alpha > 0$"},
    "easy": {"color": BLUE, "marker": "o", "label": r"easy: above $\alpha$"},
    "hard": {"color": VERMILION, "marker": ">", "label": r"hard: no $\alpha$"},
}
_ENDS = (0.3, 6.0)  # of the axis, beyond which trivial and hard directions are drawn
_OFFSET = 0.16  # between directions of a link


def settings(quick: bool = False) -> dict[str, Any]:
    """Links; sizes and alphas of the experiment."""
    alphas = {"z1*z2": [0.4, 1.2, 2.5], "sign(z1*z2)": [1.5, 4.0, 7.0]}
    if not quick:
        alphas = {
            "z1*z2": [0.25, 0.5, 0.75, 1.0, 1.3, 1.7, 2.2, 3.0],
            "sign(z1*z2)": [1.0, 2.0, 3.0, 4.0, 5.0, 6.5, 8.0],
        }
    return {
        "links": _QUICK if quick else [*_QUICK[:5], *_MORE, _QUICK[5]],
        "alphas": alphas,
        "size": 200 if quick else 700,
        "instances": 3 if quick else 4,
    }


def make_data(settings: Mapping[str, Any], seed: int, progress: Progress) -> xr.Dataset:
    """Thresholds of every direction, and overlaps of the spectral method."""
    links = list(settings["links"])
    shape = (len(links), LARGEST)
    alpha, error = np.full(shape, np.nan), np.full(shape, np.nan)
    kinds = np.full(shape, "", dtype="U10")
    status = np.zeros(len(links), dtype=np.int8)
    for i, link in enumerate(links):
        progress(link, 0.6 * i / len(links))
        found = sv.weak_recovery(link)
        status[i] = Status[found.status]
        for j, one in enumerate(found.directions):
            alpha[i, j], error[i, j], kinds[i, j] = one.alpha, one.error_bound, one.kind
    variables: dict[str, Any] = {
        "alpha": (("link", "direction"), alpha),
        "alpha_error": (("link", "direction"), error),
        "kind": (("link", "direction"), kinds),
        "status": ("link", status),
    }
    for number, (link, alphas) in enumerate(settings["alphas"].items()):
        f = link_of(link)
        table = second_moments(f)
        values = np.zeros((len(alphas), settings["instances"]))
        for k, at in enumerate(alphas):
            progress(f"spectral method, {link}", 0.6 + 0.2 * (number + k / len(alphas)))
            for instance in range(settings["instances"]):
                values[k, instance] = _run(f, table, at, settings["size"], seed, instance)
        at = f"tested_{number}"
        variables[f"cosine_{number}"] = ((at, "instance"), values)
        variables[at] = (at, np.array(alphas))
    coords = {"link": links, "direction": np.arange(LARGEST)}
    attrs = {"size": settings["size"], "tested": list(settings["alphas"])}
    return xr.Dataset(variables, coords=coords, attrs=attrs)


def _run(
    f: Link, table: SecondMoments, alpha: float, size: int, seed: int, instance: int
) -> float:
    """The squared cosine of found and true directions of one instance."""
    key = key_for(seed, "weak-recovery", f.text, instance, round(1e6 * alpha))
    random = numpy_generator(key)
    design = random.standard_normal((round(alpha * size), size)) / size**0.5
    truth = random.standard_normal((size, f.k))
    return shared(spectral_subspace(design, f(design @ truth), table, key), truth)


def make_picture(data: xr.Dataset) -> Figure:
    """Links and their directions; overlaps of the spectral method."""
    figure, axes = new_figure(1, 2, panel=(6.6, 5.0))
    _directions(axes[0, 0], data)
    _spectral(axes[0, 1], data)
    return figure


def _directions(ax: Axes, data: xr.Dataset) -> None:
    low, high = _ENDS
    ax.axvspan(low / 3, low / 1.4, color="#E3F2EC", zorder=0)
    ax.axvspan(high * 1.4, high * 3, color="#FBE5D6", zorder=0)
    drawn: set[str] = set()
    for row, link in enumerate(data["link"].values):
        here = data.sel(link=link)
        kinds = [str(kind) for kind in here["kind"].values if kind in _KINDS]
        for j, kind in enumerate(kinds):
            value = float(here["alpha"][j])
            x = {"trivial": low / 2, "hard": high * 2}.get(kind, value)
            error = float(here["alpha_error"][j]) if kind == "easy" else None
            y = row + _OFFSET * (j - 0.5 * (len(kinds) - 1))
            look: dict[str, Any] = dict(_KINDS[kind])
            if kind in drawn:
                look["label"] = "_nolegend_"
            drawn.add(kind)
            ax.errorbar(x, y, xerr=error, linestyle="none", markersize=6, capsize=2, **look)
        easy = [float(a) for a, k in zip(here["alpha"], here["kind"], strict=True) if k == "easy"]
        for value in sorted({float(f"{a:.3g}") for a in easy}):
            ax.annotate(
                f"{value:g}",
                (value, row - 0.3 - _OFFSET * 0.5 * (len(kinds) - 1)),
                ha="center",
                va="bottom",
                fontsize=7.5,
            )
    names = [str(link).replace("**", "^").replace("*", " ") for link in data["link"].values]
    ax.set_yticks(range(len(names)), names)
    ax.set(xscale="log", xlim=(low / 3, high * 3), ylim=(len(names) - 0.4, -1.1))
    ticks = [0.5, 1, 2, 5]
    ax.set_xticks([low / 2, *ticks, high * 2], ["0", *(f"{x:g}" for x in ticks), r"$\infty$"])
    ax.minorticks_off()
    ax.set_xlabel(axis_label("alpha"))
    ax.set_title("when each direction is learned (message passing)")
    ax.legend(loc="lower center", ncols=3, fontsize=8, bbox_to_anchor=(0.5, -0.24))


def _spectral(ax: Axes, data: xr.Dataset) -> None:
    size = int(data.attrs["size"])
    for number, (link, color) in enumerate(_TESTED.items()):
        cosine = data[f"cosine_{number}"]
        count = cosine.sizes["instance"]
        name = link.replace("*", " ")
        ax.errorbar(
            data[f"tested_{number}"],
            cosine.mean("instance"),
            cosine.std("instance", ddof=1) / count**0.5,
            color=color,
            marker="o",
            linestyle="none",
            capsize=2,
            label=f"{name}, p = {size}, {count} instances",
        )
        place = float(data["alpha"].sel(link=link)[0])
        ax.axvline(place, color=color, linestyle="--", linewidth=1.2)
        ax.annotate(
            rf"$\alpha_{{\mathrm{{WR}}}}$ = {place:.4f}",
            (place, 0.97),
            xytext=(-3, 0),
            textcoords="offset points",
            rotation=90,
            ha="right",
            va="top",
            fontsize=9,
            color=color,
        )
    ax.axhline(2 / size, color=GRAY, linewidth=0.9, linestyle=":", label="no information, 2 / p")
    ax.set(ylim=(-0.02, 1.0), xlim=(0, None))
    ax.set_xlabel(axis_label("alpha"))
    ax.set_ylabel("mean squared cosine of the two subspaces")
    ax.set_title("spectral method, linearized message passing")
    ax.legend(loc="lower right", fontsize=8.5, bbox_to_anchor=(1.0, 0.02))


def _sides(data: xr.Dataset) -> tuple[list[float], list[float]]:
    """Mean squared cosines below and above weak recovery."""
    below, above = [], []
    for number, link in enumerate(_TESTED):
        place = float(data["alpha"].sel(link=link)[0])
        mean = data[f"cosine_{number}"].mean("instance").values
        for alpha, value in zip(data[f"tested_{number}"].values, mean, strict=True):
            (below if alpha < place else above).append(float(value))
    return below, above


def compare(data: xr.Dataset) -> Comparison:
    """What is found below weak recovery, in units of what chance finds."""
    below, _ = _sides(data)
    number = float(np.mean(below)) * int(data.attrs["size"]) / 2
    return Comparison(
        number,
        "times the squared cosine of chance is what the spectral method finds below weak "
        f"recovery, on average over {len(below)} points: 1 in the limit of large p",
    )


def summarize(data: xr.Dataset) -> str:
    """All directions, and the overlaps."""
    lines = []
    for link in data["link"].values:
        here = data.sel(link=link)
        words = [
            f"{kind} {float(a):.6g} +- {float(e):.0e}" if kind == "easy" else str(kind)
            for a, e, kind in zip(
                here["alpha"], here["alpha_error"], here["kind"].values, strict=True
            )
            if kind
        ]
        lines.append(f"  {link:<28} {', '.join(words)}")
    for number, link in enumerate(_TESTED):
        lines.append(f"  squared cosine of the spectral method, {link}")
        for alpha, row in zip(
            data[f"tested_{number}"].values, data[f"cosine_{number}"].values, strict=True
        ):
            error = row.std(ddof=1) / len(row) ** 0.5
            lines.append(f"    alpha {alpha:<6g} {row.mean():.4f} +- {error:.4f}")
    return "\n".join(lines)

"""Theory as lines, experiment as points with error bars, failures as hatched cells.

Every function takes the axes and a data set that follows `docs/conventions.md` with one swept
parameter, and returns the artists it drew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.container import ErrorbarContainer
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle
from matplotlib.text import Annotation

from solvable import io
from solvable.core.status import answered, has_value
from solvable.plotting.style import (
    GRAY,
    HARD_PHASE,
    UNRESOLVED,
    algorithm_label,
    algorithm_style,
    branch_label,
    branch_style,
    threshold_label,
)

_SAME = 1e-6  # two branches closer than this are one line in a picture


def theory_lines(
    ax: Axes,
    data: xr.Dataset,
    observable: str,
    branches: Iterable[str] | None = None,
    **style,
) -> dict[str, Line2D]:
    """One line a branch: solid, unstable dotted, conjecture dashed.

    A branch is drawn only where it differs from the branches before it, so that lines never hide
    each other. Nothing is drawn across a point that did not converge, nor across a jump.

    Args:
        ax: axes to draw on.
        data: theory with dimensions (swept parameter, branch).
        observable: name of the variable to draw.
        branches: the branches in order of precedence; all of them if not given.
        style: properties for all lines, over those of the house style.

    Returns:
        Branch -> line, without the branches that have nothing to draw.
    """
    (parameter,) = io.swept(data)
    x = np.asarray(data[parameter].values, dtype=float)
    names = [str(name) for name in (data["branch"].values if branches is None else branches)]
    names.sort(key=lambda name: 0 if name == "bayes" else 2 if "unstable" in name else 1)
    values = {name: _values(data, observable, name) for name in names}
    lines: dict[str, Line2D] = {}
    for index, name in enumerate(names):
        y = values[name].copy()
        for earlier in names[:index]:
            y[_close(y, values[earlier])] = np.nan
        if not np.isfinite(y).any():
            continue
        others = [values[other] for other in names if other != name]
        xs, ys = _cut(x, y, _jumps(values[name], others))
        look = branch_style(name, io.rigour_of(data, observable))
        label = branch_label(name)
        if name == "bayes" and "amp" in names and _same_where_drawn(y, values["amp"]):
            label += ", reached by AMP"
        if label in [line.get_label() for line in lines.values()] or not _has_segment(ys):
            label = "_nolegend_"
        (lines[name],) = ax.plot(xs, ys, **{"label": label, **look, **style})
    return lines


def _same_where_drawn(first: np.ndarray, second: np.ndarray) -> bool:
    return bool(_close(first, second)[np.isfinite(first)].all())


def _has_segment(y: np.ndarray) -> bool:
    """Whether two neighbors are numbers, so that a line shows."""
    return bool((np.isfinite(y[1:]) & np.isfinite(y[:-1])).any()) or len(y) == 1


def _values(data: xr.Dataset, observable: str, branch: str) -> np.ndarray:
    """Values of one branch, NaN where the status says that there is none to draw."""
    chosen = data.sel(branch=branch)
    y = np.array(chosen[observable].values, dtype=float)
    y[~has_value(chosen["status"].values)] = np.nan
    return y


def _close(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    with np.errstate(invalid="ignore"):  # inf - inf
        return (np.abs(first - second) <= _SAME) | (first == second)


def _jumps(y: np.ndarray, others: list[np.ndarray]) -> list[int]:
    """Indices after which `y` jumps while another branch goes on where it was.

    So it is where the best branch changes, and where a name passes from one branch to another.
    """
    finite = y[np.isfinite(y)]
    step = np.abs(np.diff(y))
    with np.errstate(invalid="ignore"):
        left = np.array([np.abs(other[1:] - y[:-1]) < 0.2 * step for other in others])
        large = step > 0.02 * (finite.max() - finite.min())
    if left.size == 0:
        return []
    return [int(index) for index in np.flatnonzero(left.any(axis=0) & large)]


def _cut(x: np.ndarray, y: np.ndarray, after: list[int]) -> tuple[np.ndarray, np.ndarray]:
    places = [index + 1 for index in after]
    return np.insert(x, places, np.nan), np.insert(y, places, np.nan)


def cell_edges(x: np.ndarray) -> np.ndarray:
    """Edges of the cells around sorted points, half way between them; shape (len(x) + 1,).

    Half way is meant on the axis: in the logarithm for a grid that is spaced so.
    """
    x = np.asarray(x, dtype=float)
    if is_geometric(x):
        return np.exp(cell_edges(np.log(x)))
    if len(x) == 1:
        half = 0.05 * abs(x[0]) or 0.5
        return np.array([x[0] - half, x[0] + half])
    middle = (x[1:] + x[:-1]) / 2
    return np.concatenate([[2 * x[0] - middle[0]], middle, [2 * x[-1] - middle[-1]]])


def is_geometric(values: np.ndarray) -> bool:
    """Whether a grid has equal ratios over a decade or more, so that its axis is logarithmic."""
    values = np.asarray(values, dtype=float)
    if len(values) < 3 or (values <= 0).any() or values[-1] < 10 * values[0]:
        return False
    ratios = values[1:] / values[:-1]
    return bool(np.allclose(ratios, ratios[0], rtol=1e-3))


def unresolved_cells(ax: Axes, data: xr.Dataset, **style) -> list[Rectangle]:
    """Hatch the cells of the swept parameter in which some branch failed.

    A failure is a status that is no answer: `max_steps`, `non_finite`, `left_domain`,
    `precision_loss`. A branch that does not exist there is none.
    """
    (parameter,) = io.swept(data)
    failed = ~answered(data["status"].transpose(parameter, ...).values)
    failed = failed.reshape(len(failed), -1).any(1)
    edges = cell_edges(data[parameter].values)
    look = {"zorder": 0.6, **UNRESOLVED, **style}
    patches = []
    for index in np.flatnonzero(failed):
        label = "not converged" if not patches else "_nolegend_"
        patches.append(ax.axvspan(edges[index], edges[index + 1], label=label, **look))
    return patches


def experiment_points(
    ax: Axes,
    data: xr.Dataset,
    observable: str,
    algorithms: Iterable[str] | None = None,
    **style,
) -> dict[str, ErrorbarContainer]:
    """Mean over instances +- standard error, one marker shape an algorithm.

    Points at which some instance ended without convergence have an open marker.

    Args:
        ax: axes to draw on.
        data: experiment with `<observable>_mean` and `<observable>_standard_error` of dimensions
            (swept parameter, algorithm).
        observable: name without the ending.
        algorithms: those to draw; all of them if not given.
        style: properties for all points, over those of the house style.

    Returns:
        Algorithm -> artists, without the algorithms that have no value of this observable.
    """
    mean = data[f"{observable}_mean"]
    (parameter,) = [name for name in mean.dims if name != "algorithm"]
    x = np.asarray(data[parameter].values, dtype=float)
    known = [str(name) for name in data["algorithm"].values]
    drawn: dict[str, ErrorbarContainer] = {}
    general = [name for name in known if name != "amp"]
    for name in known if algorithms is None else algorithms:
        y = np.asarray(mean.sel(algorithm=name).values, dtype=float)
        if not np.isfinite(y).any():
            continue
        error = data[f"{observable}_standard_error"].sel(algorithm=name).values
        index = general.index(name) if name in general else 0
        look = {"linestyle": "none", **algorithm_style(name, index), **style}
        drawn[name] = ax.errorbar(x, y, yerr=error, label=algorithm_label(name), **look)
        _open_markers(ax, data, name, x, y, look)
    return drawn


def _open_markers(ax, data, algorithm, x, y, look) -> list[Line2D]:
    """Paint over the markers of points where some instance failed, leaving their outline."""
    if "experiment_status" not in data:
        return []
    codes = data["experiment_status"].sel(algorithm=algorithm).transpose(..., "instance")
    failed = ~has_value(codes.values).all(-1)
    failed &= np.isfinite(y)
    if not failed.any():
        return []
    marker = {key: look[key] for key in ("color", "marker", "markersize")}
    return ax.plot(
        x[failed],
        y[failed],
        markerfacecolor="white",
        linestyle="none",
        zorder=look["zorder"] + 0.1,
        label=f"{algorithm_label(algorithm)}, some not converged",
        **marker,
    )


def threshold_lines(
    ax: Axes, thresholds: Mapping[str, float | None], parameter: str = "alpha", **style
) -> tuple[list[Line2D], list[Annotation]]:
    """Vertical lines at thresholds, each with its symbol and value above the axes.

    Thresholds at the same place share a line and a label; None, NaN and values outside the axes
    are left out.
    """
    left, right = ax.get_xlim()
    places: dict[float, list[str]] = {}
    for name, value in thresholds.items():
        if value is not None and np.isfinite(value) and left <= value <= right:
            near = [place for place in places if abs(place - value) < 1e-3 * (right - left)]
            places.setdefault(near[0] if near else value, []).append(name)
    look = {"color": "#333333", "linewidth": 0.9, "linestyle": (0, (1, 1.5)), "zorder": 1.5}
    lines, texts = [], []
    for place in sorted(places):
        symbols = ", ".join(threshold_label(name, parameter) for name in places[place])
        lines.append(ax.axvline(place, **{**look, **style}))
        texts.append(_label_above(ax, place, f"{symbols}\n{place:.4g}", texts))
    return lines, texts


def _label_above(ax: Axes, place: float, words: str, earlier: list[Annotation]) -> Annotation:
    """Text above the axes at `place`, raised by a line pair where it would meet the last one."""
    left, right = ax.get_xlim()
    raised = 0
    if earlier and abs(place - earlier[-1].xy[0]) < 0.16 * (right - left):
        raised = 0 if earlier[-1].xyann[1] > 10 else 26
    return ax.annotate(
        words,
        xy=(place, 1.0),
        xycoords=("data", "axes fraction"),
        xytext=(0, 3 + raised),
        textcoords="offset points",
        ha="center",
        va="bottom",
        fontsize=9,
    )


def hard_phase(ax: Axes, left: float, right: float, **style) -> Patch:
    """Hatch the interval in which AMP, from no knowledge, stays above the Bayes-optimal error."""
    look = {"zorder": 0.5, "label": "hard phase", **HARD_PHASE, **style}
    return ax.axvspan(left, right, **look)


def trajectory(
    ax: Axes, data: xr.Dataset, observable: str, **style
) -> tuple[Line2D, ErrorbarContainer]:
    """AMP's measured trajectory with error bars on its state evolution, for one point.

    Args:
        ax: axes to draw on.
        data: one point of an experiment with dimension `iteration`.
        observable: name without its ending.
        style: properties of both artists.
    """
    steps = np.arange(data.sizes["iteration"])
    if "iteration" in data.coords:
        steps = data["iteration"].values
    look = {"color": GRAY, **style}
    (line,) = ax.plot(steps, data[f"{observable}_state_evolution"].values, **look)
    points = ax.errorbar(
        steps,
        data[f"{observable}_trajectory_mean"].values,
        yerr=data[f"{observable}_trajectory_standard_error"].values,
        **{"linestyle": "none", "marker": "o", "zorder": 3.0, **look},
    )
    return line, points

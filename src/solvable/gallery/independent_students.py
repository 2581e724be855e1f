"""Two independent students of one task: do they learn the same function, and where?

They start from random weights of their own and see examples of their own, or the same images in
an order of their own. Their outputs are compared on fresh inputs of the task, on Gaussian vectors
with the covariance of those, and on Gaussian vectors without one: E (f_1 - f_2)^2 over
E f_1^2 + E f_2^2 is 0 for equal functions, 1 for uncorrelated ones. On isotropic inputs both
learn one function everywhere. On a hidden manifold, and on images, they agree on what they have
seen long before they do on isotropic inputs, whose directions outside of the manifold taught them
little (Goldt et al. 2020).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

import solvable as sv
from solvable.algorithms.sgd import Path
from solvable.core.randomness import fold, key_for, numpy_generator
from solvable.core.status import Status
from solvable.gallery.base import Comparison, Progress
from solvable.gallery.students import (
    IMAGES,
    Task,
    differences,
    errors,
    image_names,
    image_task,
    parity_of_images,
    teacher_task,
    trained,
)
from solvable.plotting import new_figure
from solvable.plotting.learning import TIME_LABEL
from solvable.plotting.style import BLUE, GREEN, VERMILION
from solvable.studies.experiment import standard_error

CARD = dict(
    kind="gallery",
    name="independent-students",
    summary="two independent students: do they learn one function, and on which inputs?",
    rigour="numerical",
    references=["goldt2020", "alpaydin1998"],
)

PLACES = {
    "own": ("fresh inputs of the task", BLUE, "o"),
    "matched": ("Gaussian, the same covariance", GREEN, "s"),
    "isotropic": ("Gaussian, isotropic", VERMILION, "^"),
}
_UNITS = 2


def settings(quick: bool = False) -> dict[str, Any]:
    """Images, the last of which tell the size of all other inputs, and times."""
    return {
        "images": image_names(quick),
        "latent": 10,
        "times": [0.1, 30.0, 8] if quick else [0.1, 100.0, 22],
        "passes": 8 if quick else 25,
        "norm": 0.1,
        "learning_rate": 0.2,
        "inputs": 1000 if quick else 3000,
        "pairs": 3 if quick else 6,
    }


def make_data(settings: Mapping[str, Any], seed: int, progress: Progress) -> xr.Dataset:
    """`difference` (task, place, pair, time) and the mean `error` of a pair."""
    images = {IMAGES[name]: parity_of_images(name) for name in settings["images"]}
    shapes = [train[0].shape for train, _ in images.values()]
    size = shapes[-1][1]
    times = _times(settings, min(count / width for count, width in shapes))
    manifold = sv.HiddenManifold(function="sign", ratio=settings["latent"] / size)
    laws = {"isotropic inputs": sv.Isotropic(), _manifold(settings["latent"]): manifold}
    names = [*laws, *images]
    shape = (len(names), len(PLACES), settings["pairs"], len(times))
    found, error = np.full(shape, np.nan), np.full((shape[0], *shape[2:]), np.nan)
    status = Status.converged
    for row, name in enumerate(names):
        for pair in range(settings["pairs"]):
            progress(name, (row + pair / shape[2]) / shape[0])
            key = key_for(seed, "students", name, pair)
            tasks = _tasks(settings, laws.get(name), images.get(name), size, key)
            one, other = (
                _student(settings, task, times, fold(key, "student", k))
                for k, task in enumerate(tasks)
            )
            status = max(status, one.status, other.status)
            rng = numpy_generator(fold(key, "places"))
            for place, x in enumerate(_places(tasks[0], rng, settings["inputs"])):
                values = differences(tasks[0], one, other, x)
                found[row, place, pair, : len(values)] = values
            error[row, pair] = _mean_error(tasks, (one, other), len(times))
    data = xr.Dataset(
        {
            "difference": (("task", "place", "pair", "time"), found),
            "error": (("task", "pair", "time"), error),
            "status": ((), np.int8(status)),
        },
        coords={"task": names, "place": list(PLACES), "time": times},
    )
    data.attrs = {"kind": "online", "size": size, "learning_rate": settings["learning_rate"]}
    return data


def _mean_error(tasks: tuple[Task, Task], paths: tuple[Path, Path], length: int) -> np.ndarray:
    """Of both students; no number where one has run away."""
    found = np.full((2, length), np.nan)
    for row, task, path in zip(found, tasks, paths, strict=True):
        row[: len(path.states)] = errors(task, path)
    return found.mean(axis=0)


def _student(settings: Mapping[str, Any], task: Task, times: np.ndarray, key: Any) -> Path:
    return trained(task, _UNITS, settings["norm"], settings["learning_rate"], times, key)


def _times(settings: Mapping[str, Any], passes: float) -> np.ndarray:
    """0 and the grid, up to the last pass over images, of which one takes `passes`."""
    times = np.concatenate([[0.0], np.geomspace(*settings["times"])])
    return times[times <= settings["passes"] * passes]


def _manifold(latent: int) -> str:
    return f"hidden manifold, $D = {latent}$"


def _tasks(
    settings: Mapping[str, Any], law: Any, images: Any, size: int, key: Any
) -> tuple[Task, Task]:
    """What both students learn: one teacher and map, or images in two orders."""
    if law is not None:
        task = teacher_task(law, size, _UNITS, settings["inputs"], key)
        return task, task
    orders = [fold(key, "order", k) for k in range(2)]
    train, test = images
    one, other = (image_task(train, test, settings["passes"], order) for order in orders)
    return one, other


def _places(task: Task, rng: np.random.Generator, count: int) -> list[np.ndarray]:
    """Inputs of the task, Gaussian ones with their covariance, and isotropic ones."""
    plain = rng.standard_normal((count, task.source.size), dtype=np.float32)
    return [task.own[0], task.source.matched(rng, count), plain]


def make_picture(data: xr.Dataset) -> Figure:
    """A panel for each task."""
    figure, axes = new_figure(1, data.sizes["task"], panel=(4.3, 4.0), sharey=True)
    times = data["time"].values
    for ax, name in zip(axes[0], data["task"].values, strict=True):
        for place, (label, color, marker) in PLACES.items():
            values = (
                data["difference"].sel(task=name, place=place).transpose("pair", "time").values
            )
            ax.errorbar(
                times[1:],
                values.mean(axis=0)[1:],
                standard_error(values)[1:],
                color=color,
                marker=marker,
                markersize=4,
                linewidth=1.0,
                label=label,
            )
        ax.set(xscale="log", yscale="log", xlabel=TIME_LABEL, title=str(name))
    axes[0, 0].set_ylabel(r"$E (f_1 - f_2)^2\, /\, (E f_1^2 + E f_2^2)$")
    axes[0, -1].legend(loc="lower left")
    attrs = data.attrs
    figure.suptitle(
        f"Two independent students of two units, $N = {attrs['size']}$, "
        rf"$\eta = {attrs['learning_rate']:g}$: how much their functions differ; "
        f"means of {data.sizes['pair']} pairs, bars: standard error"
    )
    return figure


def compare(data: xr.Dataset) -> Comparison:
    """How much more students of images differ on isotropic inputs than on images, at the end."""
    last = data["difference"].isel(task=-1, time=-1).mean("pair")
    return Comparison(
        float(last.sel(place="isotropic") / last.sel(place="own")),
        "times as much two students of images differ on isotropic Gaussian inputs as on images",
    )


def summarize(data: xr.Dataset) -> str:
    """Differences at the end of learning."""
    lines = [
        f"    at t = {float(data['time'][-1]):.4g}{'':>20}error"
        + "".join(f"{place:>22}" for place in PLACES)
    ]
    for name in data["task"].values:
        part = data.sel(task=name).isel(time=-1)
        words = str(name).replace("$", "")
        line = f"    {words:<26}{float(part['error'].mean()):>10.4f}"
        for place in PLACES:
            values = part["difference"].sel(place=place).values
            line += f"{values.mean():>12.4f} +- {float(standard_error(values)):.4f}"
        lines.append(line)
    return "\n".join(lines)

"""Plateau or none: students of isotropic inputs, of a hidden manifold, and of real images.

Students of two units learn at the same rate from a teacher's labels, or the parity of digits,
which is one pass after the other over the training images; error is that on held-out ones. On
isotropic inputs they stay long on a plateau, where both units are the same, before each takes a
unit of the teacher. Inputs of low intrinsic dimension have large eigenvalues: their students come
down early and go on learning slowly, and so do those of images (Goldt et al. 2020).

A plateau is measured as the time, in e-folds, in which the error, over the least that is reached,
changes by a tenth, at most, before it falls by half. Theory is drawn where D >> sqrt(N), for which
inputs are as Gaussian as it takes them to be; for images, dashed, it is that of Gaussian inputs
with their covariance, and with their correlation with the labels.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import xarray as xr
from matplotlib.figure import Figure

import solvable as sv
from solvable.core.randomness import key_for
from solvable.core.status import Status
from solvable.gallery.base import Comparison, Progress
from solvable.gallery.students import (
    IMAGES,
    Block,
    errors,
    image_names,
    image_task,
    image_theory,
    parity_of_images,
    trained,
)
from solvable.plotting import new_figure
from solvable.plotting.learning import ERROR_LABEL, TIME_LABEL
from solvable.plotting.style import BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION
from solvable.studies.experiment import standard_error

CARD = dict(
    kind="gallery",
    name="hidden-manifold-versus-images",
    summary="plateau or none: students of isotropic inputs, a hidden manifold and real images",
    rigour="numerical",
    references=["goldt2020", "saad1995", "alpaydin1998"],
)

_COLORS, _OF_IMAGES = (BLUE, GREEN, ORANGE), (VERMILION, PURPLE, SKY)
_FLAT = 0.1  # change of the error on a plateau
_UNITS = 2


def settings(quick: bool = False) -> dict[str, Any]:
    """Images, the last of which tell the size of all other inputs, and latent dimensions."""
    return {
        "images": image_names(quick),
        "latent": [20] if quick else [100, 10],
        "with_theory": [] if quick else [None, 100],
        "times": [0.1, 250.0, 20] if quick else [0.1, 450.0, 36],
        "passes": 10 if quick else 25,
        "norm": 0.1,
        "r0": [[0.02, 0.0], [0.0, 0.01]],
        "learning_rate": 0.5 if quick else 0.2,
        "instances": 3 if quick else 6,
    }


def make_data(settings: Mapping[str, Any], seed: int, progress: Progress) -> xr.Dataset:
    """Errors of every student (task, instance, time), and theory where there is one."""
    images = [parity_of_images(name) for name in settings["images"]]
    size = images[-1][0][0].shape[1]
    times = np.geomspace(*settings["times"])
    tasks: list[int | None] = [None, *settings["latent"]]
    shape = (len(tasks) + len(images), settings["instances"], len(times))
    found = np.full(shape, np.nan)
    theory, status = np.full(found.shape[::2], np.nan), Status.converged
    for row, latent in enumerate(tasks):
        progress(_label(latent), row / len(found))
        model = _model(settings, latent, size)
        if latent in settings["with_theory"]:
            predicted = sv.dynamics(model, times, tolerance=1e-6)
            theory[row, : predicted.sizes["time"]] = predicted["generalization_error"]
            status = max(status, Status(int(predicted["status"])))
        for number in range(settings["instances"]):
            key = key_for(seed, "plateau", str(latent), number)
            run = model.simulate(key, size, times)
            status = max(status, run.status)
            found[row, number, : len(run.columns["q"])] = run.columns["generalization_error"]
    names = [IMAGES[name] for name in settings["images"]]
    for row, (name, (train, test)) in enumerate(zip(names, images, strict=True), len(tasks)):
        progress(name, row / len(found))
        found[row], ended = _on_images(settings, seed, train, test, times)
        seen = np.isfinite(found[row, 0])
        model = image_theory(train, settings["norm"], settings["learning_rate"])
        predicted = sv.dynamics(model, times[seen], tolerance=1e-5)
        theory[row, : predicted.sizes["time"]] = predicted["generalization_error"]
        status = max(status, ended, Status(int(predicted["status"])))
    data = xr.Dataset(
        {
            "error": (("task", "instance", "time"), found),
            "theory": (("task", "time"), theory),
            "status": ((), np.int8(status)),
        },
        coords={"task": [*map(_label, tasks), *names], "time": times},
    )
    data.attrs = {"kind": "online", "size": size, "learning_rate": settings["learning_rate"]}
    counts = [f"{n}: {len(a[0])} and {len(b[0])}" for n, (a, b) in zip(names, images, strict=True)]
    return data.assign_attrs(images=len(images), counts="; ".join(counts))


def _on_images(
    settings: Mapping[str, Any], seed: int, train: Block, test: Block, times: np.ndarray
) -> tuple[np.ndarray, Status]:
    """Errors (instance, time), as long as there are passes, and the worst status."""
    count, size = train[0].shape
    found, status = np.full((settings["instances"], len(times)), np.nan), Status.converged
    seen = times[times * size <= settings["passes"] * count]
    for number in range(len(found)):
        key = key_for(seed, "plateau", "images", number)
        task = image_task(train, test, settings["passes"], key)
        path = trained(task, _UNITS, settings["norm"], settings["learning_rate"], seen, key)
        status = max(status, path.status)
        found[number, : len(path.states)] = errors(task, path)
    return found, status


def _label(latent: int | None) -> str:
    return "isotropic inputs" if latent is None else f"hidden manifold, $D = {latent}$"


def _model(settings: Mapping[str, Any], latent: int | None, size: int) -> sv.OnlineSGD:
    law = None if latent is None else sv.HiddenManifold(function="sign", ratio=latent / size)
    return sv.OnlineSGD(
        activation=sv.Erf(),
        q0=settings["norm"] * np.eye(_UNITS),
        r0=settings["r0"],
        learning_rate=settings["learning_rate"],
        inputs=law,
    )


def _means(data: xr.Dataset) -> tuple[np.ndarray, np.ndarray]:
    """Mean over instances and its standard error, (task, time)."""
    values = np.moveaxis(data["error"].transpose("task", "instance", "time").values, 1, 0)
    return values.mean(axis=0), standard_error(values)


def make_picture(data: xr.Dataset) -> Figure:
    """The errors, and how steeply they fall."""
    figure, axes = new_figure(1, 2, panel=(6.0, 4.4))
    left, right = axes[0]
    times, (mean, bar) = data["time"].values, _means(data)
    first = len(mean) - int(data.attrs["images"])
    colors = [*_COLORS[:first], *_OF_IMAGES]
    for row, (color, task) in enumerate(zip(colors, data["task"].values, strict=False)):
        here = np.isfinite(mean[row])
        theory = data["theory"].sel(task=task).values
        left.errorbar(
            times[here],
            mean[row, here],
            bar[row, here],
            color=color,
            marker="o",
            markersize=3.5,
            linestyle="none",
            label=str(task),
        )
        dashes = "--" if row >= first else "-"
        left.plot(times, theory, color=color, linewidth=1.4, linestyle=dashes)
        right.plot(*_slope(times[here], mean[row, here]), color=color, marker="o", markersize=3.5)
    left.set(xscale="log", yscale="log", ylabel=ERROR_LABEL)
    left.legend(loc="lower left")
    right.axhline(0.0, color="black", linewidth=0.8)
    right.set(xscale="log", ylim=(-0.25, 1.6))
    right.set_ylabel(r"how steeply it falls, $-d \ln \epsilon\, /\, d \ln t$ (mean of runs)")
    for ax in (left, right):
        ax.set_xlabel(TIME_LABEL)
    attrs, count = data.attrs, data.sizes["instance"]
    figure.suptitle(
        rf"Two units, $N = {attrs['size']}$, $\eta = {attrs['learning_rate']:g}$; lines: theory, "
        f"points: means of {count} runs, bars: standard error;\ndashed: theory of Gaussian inputs "
        "with the covariance of the images,\nwhose parity is learned in passes and tested on "
        f"others ({attrs['counts']})"
    )
    return figure


def _slope(times: np.ndarray, error: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """-d ln error / d ln t over two steps of the grid, in their middle."""
    x, y = np.log(times), np.log(error)
    return times[1:-1], -(y[2:] - y[:-2]) / (x[2:] - x[:-2])


def plateau(times: np.ndarray, error: np.ndarray) -> float:
    """The longest time, in e-folds, of a change by a tenth at most which a fall by half follows.

    Of the error over the least one.
    """
    kept = np.isfinite(error)
    times, excess = times[kept], error[kept] - error[kept].min()
    longest = 0.0
    for first in range(len(times)):
        moved = np.abs(excess[first:] - excess[first]) > _FLAT * excess[first]
        last = first + (int(np.argmax(moved)) if moved.any() else len(moved)) - 1
        if excess[last:].min() < excess[last] / 2:
            longest = max(longest, float(np.log(times[last] / times[first])))
    return longest


def _plateaus(data: xr.Dataset) -> np.ndarray:
    return np.array([plateau(data["time"].values, error) for error in _means(data)[0]])


def compare(data: xr.Dataset) -> Comparison:
    """How much longer isotropic inputs keep a student on a plateau than images do."""
    found = _plateaus(data)
    return Comparison(
        float(found[0] - found[-1]),
        "e-folds of time by which the plateau on isotropic inputs is longer than that on images",
    )


def _apart(data: xr.Dataset) -> np.ndarray:
    """Mean of |ln (measured / predicted error)| in time; NaN without theory."""
    theory = data["theory"].transpose("task", "time").values
    return np.array(
        [
            float(np.mean(np.abs(np.log(mean / line))[np.isfinite(mean / line)]))
            if np.isfinite(line).any()
            else np.nan
            for mean, line in zip(_means(data)[0], theory, strict=True)
        ]
    )


def summarize(data: xr.Dataset) -> str:
    """Plateaus, last errors, and how far theory is."""
    lines = ["    task                      plateau (e-folds of time)   last error"]
    rows = zip(data["task"].values, _plateaus(data), *_means(data), _apart(data), strict=True)
    for task, found, mean, bar, apart in rows:
        last = int(np.flatnonzero(np.isfinite(mean))[-1])
        words = str(task).replace("$", "")
        time = float(data["time"][last])
        lines.append(
            f"    {words:<26}{found:>12.2f}{'':>16}{mean[last]:.5f} +- {bar[last]:.5f}"
            f"  at t = {time:<8.4g}"
            + (f" {100 * apart:4.1f} % from theory" if np.isfinite(apart) else "")
        )
    return "\n".join(lines)

"""Mutual information of a network's layers with input and label while it learns."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import as_completed
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import solvable as sv
from solvable import datasets
from solvable.core.randomness import fold, key_for, numpy_generator
from solvable.core.status import Status
from solvable.gallery import usv_training
from solvable.gallery.base import Comparison, Progress
from solvable.gallery.usv_training import Course, Examples
from solvable.gallery.workers import two_workers
from solvable.plotting import new_figure
from solvable.plotting.style import BLUE, GRAY, GREEN, VERMILION

CARD = dict(
    kind="gallery",
    name="information-bottleneck",
    summary="what the layers of a network tell of its input and of the label, while it learns",
    rigour="replica",
    references=["gabrie2018", "saxe2018", "alpaydin1998", "pedregosa2011"],
)

DATA = {
    "synthetic": "Gaussian input, classes of a linear teacher",
    "digits": "scikit-learn's digits; I(input; layer) by approximation:\n"
    "input Gaussian with their covariance",
}
NETWORKS = {"linear": "linear", "hardtanh": "hard tanh"}
_COLORS = (BLUE, VERMILION, GREEN)
_LINES = {"linear": "--", "hardtanh": "-"}


def settings(quick: bool = False) -> dict[str, Any]:
    """Sizes of the hidden layers, noise variance after each activation, epochs to look at."""
    return {
        "inputs": 64,
        "hidden": [50, 30] if quick else [60, 40],
        "classes": 4,
        "delta": 1e-2,
        "epochs": [0, 20] if quick else [0, 1, 3, 10, 30, 100],
        "rate": 0.01,
        "batch": 50,
        "examples": 800 if quick else 2000,
    }


class Task(NamedTuple):
    """A data set: what is learned, what is held out, and a root of the input's covariance."""

    training: Examples
    held_out: Examples
    classes: int
    root: np.ndarray


def synthetic(settings: Mapping[str, Any], seed: int) -> Task:
    """x ~ N(0, 1), label = argmax of a random linear teacher."""
    key = key_for(seed, "information-bottleneck", "synthetic")
    rng, count, size = numpy_generator(key), settings["examples"], settings["inputs"]
    inputs = rng.normal(size=(2 * count, size))
    labels = np.argmax(inputs @ rng.normal(size=(size, settings["classes"])), axis=1)
    return _split(inputs, labels, np.eye(size))


def real_digits(seed: int) -> Task:
    """Digits in random order, centered, scaled to mean variance 1; the root of their covariance.

    The covariance is that of all of them: it is the model of the input, not of the labels.
    """
    images = datasets.digits()
    order = np.asarray(
        jax.random.permutation(key_for(seed, "information-bottleneck"), len(images))
    )
    pixels = images.images[order].reshape(len(images), -1) / images.maximum
    pixels = pixels - pixels.mean(axis=0)
    pixels = pixels / np.sqrt(np.mean(pixels**2))
    values, vectors = np.linalg.eigh(np.cov(pixels.T))
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T  # -1e-17 where a pixel is dark
    return _split(pixels, images.labels[order], root)


def _split(inputs: np.ndarray, labels: np.ndarray, root: np.ndarray) -> Task:
    half = len(labels) // 2
    parts = (slice(half), slice(half, 2 * half))
    training, held_out = (Examples(jnp.asarray(inputs[p]), jnp.asarray(labels[p])) for p in parts)
    return Task(training, held_out, int(labels.max()) + 1, root)


def make_data(settings: Mapping[str, Any], seed: int, progress: Progress) -> xr.Dataset:
    """Training of both networks on both data sets, then information at every epoch."""
    progress("training", 0.0)
    tasks = {"synthetic": synthetic(settings, seed), "digits": real_digits(seed)}
    shape = (len(DATA), len(NETWORKS), len(settings["epochs"]))
    losses = np.empty((*shape, 2))
    layers = np.empty((6, *shape, len(settings["hidden"])))
    with two_workers() as pool:
        courses = {
            (d, n): pool.submit(_learned, task, name, settings, fold(key_for(seed, d), name))
            for d, task in enumerate(tasks.values())
            for n, name in enumerate(NETWORKS)
        }
        waiting = {}
        for (d, n), course in courses.items():
            found, task = course.result(), list(tasks.values())[d]
            losses[d, n] = found.losses
            for e, network in enumerate(found.networks):
                key = key_for(seed, "information-bottleneck", "noise", d, n, e)
                waiting[d, n, e] = (_measured, network, task, settings["delta"], key)
        # one of each kind of network first: their programs are compiled once, not in both threads
        first = [place for place in waiting if place[0] == place[2] == 0]
        count = 0
        for places in (first, [place for place in waiting if place not in first]):
            jobs = {pool.submit(*waiting[place]): place for place in places}
            for job in as_completed(jobs):
                count += 1
                progress("information", count / len(waiting))
                layers[(slice(None), *jobs[job])] = job.result()
    return _assemble(settings, tasks, losses, layers)


def _learned(task: Task, activation: str, settings: Mapping[str, Any], key: Any) -> Course:
    sizes = [task.root.shape[0], *settings["hidden"], task.classes]
    start = usv_training.random_network(sizes, activation, fold(key, "start"))
    return usv_training.train(
        start,
        task.training,
        task.held_out,
        settings["epochs"],
        rate=settings["rate"],
        batch=settings["batch"],
        key=fold(key, "batches"),
    )


def _measured(network: Any, task: Task, delta: float, key: Any) -> np.ndarray:
    """I(x; h_l), its error bound and status, the exact value or NaN, I(h_l; label) and its error.

    Shape (6, layers); in nats, not per unit.
    """
    matrices = [np.asarray(matrix) for matrix in network.weights()[:-1]]
    biases = [np.asarray(bias) for bias in network.biases[:-1]]
    names = [network.activation] * len(matrices)
    seen = [matrices[0] @ task.root, *matrices[1:]]
    found = sv.entropy(seen, names, delta=delta, biases=biases)
    size = matrices[0].shape[1]
    exact = np.full(len(matrices), np.nan)
    if network.activation == "linear":
        exact = usv_training.gaussian_information(matrices, task.root, delta)
    sides = [
        network.noisy_layers(part.inputs, delta, fold(key, name))
        for name, part in (("training", task.training), ("held out", task.held_out))
    ]
    labels = [np.asarray(part.labels) for part in (task.training, task.held_out)]
    bounds = [
        usv_training.label_information(one, labels[0], other, labels[1])
        for one, other in zip(*sides, strict=True)
    ]
    return np.array(
        [
            size * found.mutual_information.values,
            size * found.error_bound.values,
            found.status.values,
            exact,
            *np.transpose(bounds),
        ]
    )


def _assemble(settings, tasks, losses, layers) -> xr.Dataset:
    dims = ("data", "network", "epoch", "layer")
    names = ("input_information", "error_bound", "status", "exact", "label_information")
    columns: dict[str, Any] = {
        name: (dims, values) for name, values in zip(names, layers[:5], strict=True)
    }
    columns["status"] = (dims, layers[2].astype(np.int8))
    columns["label_information_error"] = (dims, layers[5])
    columns["loss"] = (("data", "network", "epoch", "part"), losses)
    entropies = []
    for task in tasks.values():
        share = np.bincount(np.asarray(task.held_out.labels)) / len(task.held_out.labels)
        entropies.append(-np.sum(share[share > 0] * np.log(share[share > 0])))
    columns["label_entropy"] = (("data",), np.array(entropies))
    data = xr.Dataset(columns).assign_coords(
        data=list(DATA),
        network=list(NETWORKS),
        epoch=settings["epochs"],
        layer=np.arange(1, len(settings["hidden"]) + 1),
        part=["training", "validation"],
    )
    data.attrs = {
        "kind": "information bottleneck",
        "rigour": "replica",
        "delta": settings["delta"],
        "thresholds": "[]",
    }
    return data


def make_picture(data: xr.Dataset) -> Figure:
    """A row for each data set: information on the input, on the label, and the losses."""
    figure, axes = new_figure(len(DATA), 3, panel=(4.6, 3.7))
    for row, name in zip(axes, DATA, strict=True):
        part = data.sel(data=name)
        _input_panel(row[0], part)
        _label_panel(row[1], part)
        _loss_panel(row[2], part)
        row[0].set_title(DATA[name], fontsize=9)
        for ax in row:
            ax.set_xscale("symlog", linthresh=1)
            ax.set_xlim(0, float(data["epoch"][-1]) * 1.1)
            ticks = [0, *(10**k for k in range(len(str(int(data["epoch"][-1])))))]
            ax.set_xticks(ticks, [str(tick) for tick in ticks])
            ax.minorticks_off()
            ax.set_xlabel("epoch")
    figure.suptitle(
        "Networks with free singular vectors, noise of variance "
        f"{data.attrs['delta']:g} after every activation",
        fontsize=11,
    )
    return figure


def _drawn(data: xr.Dataset) -> list[tuple[str, xr.Dataset, dict[str, Any]]]:
    """Label, data and looks of every layer of every network."""
    return [
        (
            f"layer {layer}, {words}",
            data.sel(network=name, layer=layer),
            {"color": _COLORS[int(layer) - 1], "linestyle": _LINES[name]},
        )
        for name, words in NETWORKS.items()
        for layer in data["layer"].values
    ]


def _input_panel(ax: Axes, data: xr.Dataset) -> None:
    for label, part, looks in _drawn(data):
        ax.plot(part["epoch"], part["input_information"], label=label, marker="", **looks)
    for layer in data["layer"].values:
        exact = data["exact"].sel(network="linear", layer=layer)
        ax.plot(
            data["epoch"],
            exact,
            linestyle="none",
            marker="o",
            markerfacecolor="none",
            markersize=6,
            color=_COLORS[int(layer) - 1],
            label="linear, exact" if layer == 1 else None,
        )
    ax.set_ylabel("I(input; layer) (nats)")
    low, high = ax.get_ylim()
    ax.set_ylim(low, high + 0.5 * (high - low))
    ax.legend(fontsize=7, ncols=2, loc="upper left")


def _label_panel(ax: Axes, data: xr.Dataset) -> None:
    for _, part, looks in _drawn(data):
        ax.errorbar(
            part["epoch"],
            part["label_information"],
            yerr=part["label_information_error"],
            marker="o",
            markersize=3,
            **looks,
        )
    entropy = float(data["label_entropy"])
    ax.axhline(entropy, color=GRAY, linestyle=":")
    ax.annotate(
        "H(label)",
        (0.98, entropy),
        xycoords=ax.get_yaxis_transform(),
        xytext=(0, -4),
        textcoords="offset points",
        fontsize=8,
        ha="right",
        va="top",
    )
    ax.set_ylabel("lower bound on I(layer; label) (nats),\nfrom a probe; with standard errors")
    ax.set_title("lines as on the left", fontsize=9)


def _loss_panel(ax: Axes, data: xr.Dataset) -> None:
    for name, words in NETWORKS.items():
        for part, color in (("training", BLUE), ("validation", VERMILION)):
            loss = data["loss"].sel(network=name, part=part)
            ax.plot(
                data["epoch"], loss, color=color, linestyle=_LINES[name], label=f"{part}, {words}"
            )
    ax.set_ylim(0, None)
    ax.set_ylabel("cross-entropy (nats)")
    ax.legend(fontsize=7, loc="best")


def compare(data: xr.Dataset) -> Comparison:
    """Largest relative difference of formula and determinants for linear layers.

    The first layer agrees to rounding. The second differs by the finite size of random singular
    vectors, and, once learned, by what the learned scales know of the vectors they were fitted to.
    """
    linear = data.sel(network="linear")
    apart = np.abs(linear["input_information"] / linear["exact"] - 1)
    return Comparison(
        float(apart.max()),
        "largest relative difference between the formula for I(input; layer) and the exact "
        "log-determinants, over all layers and epochs of the linear networks (0 = equal)",
    )


def summarize(data: xr.Dataset) -> str:
    """Information at the first and the last epoch, and the losses."""
    lines = [
        f"  nats; noise {data.attrs['delta']:g} after every activation; I(layer; label) is a "
        "lower bound,\n  from a probe; the digits' input is taken as Gaussian of their covariance",
        f"    {'data':<11}{'network':<10}{'epoch':>6}{'layer':>6}{'I(input; layer)':>17}"
        f"{'exact':>10}{'I(layer; label)':>22}{'validation loss':>17}",
    ]
    for name in DATA:
        for network in NETWORKS:
            for epoch in data["epoch"].values[[0, -1]]:
                for layer in data["layer"].values:
                    at = data.sel(data=name, network=network, epoch=epoch)
                    one = at.sel(layer=layer)
                    exact = float(one["exact"])
                    shown = f"{exact:.3f}" if np.isfinite(exact) else "-"
                    bound = f"{float(one['label_information']):.3f} +- "
                    bound += f"{float(one['label_information_error']):.3f}"
                    lines.append(
                        f"    {name:<11}{network:<10}{epoch:>6}{layer:>6}"
                        f"{float(one['input_information']):>17.3f}{shown:>10}{bound:>22}"
                        f"{float(at['loss'].sel(part='validation')):>17.3f}"
                    )
    failed = int(np.sum(data["status"].values != Status.converged))
    if failed:
        lines.append(f"    {failed} of {data['status'].size} entropies did not converge")
    return "\n".join(lines)

"""Real images from few measurements with a learned prior: message passing through a decoder.

A decoder x = G(z) is trained on other images (`decoder_training`). An image x of D pixels is
measured as y = M x + noise, M_ij ~ N(0, 1 / m), and recovered from y

* by vector AMP through the chain z -> max(W_1 z + b_1, 0) = h -> y = M W_2 h + M b_2 + noise,
  whose noise holds what the decoder cannot describe: (noise_norm^2 + D e) / m with e the decoder's
  error on images of neither set; the estimate is W_2 <h> + b_2;
* by gradient descent on z with the penalty that makes it the most probable z of that same chain;
* by the Lasso in the cosine basis, without a learned prior, its penalty the best in hindsight.

Trained weights are not generic, as vector AMP assumes: images on which it does not converge get
the estimate of latent descent, and are counted. Its variances are not shown and should not be read
as error bars here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import as_completed
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
import xarray as xr
from threadpoolctl import threadpool_limits

import solvable as sv
from solvable import datasets
from solvable.algorithms import multilayer_vamp
from solvable.algorithms.convergence import Outcome
from solvable.algorithms.problem import assemble
from solvable.core.randomness import key_for, normal_matrix
from solvable.core.status import Status
from solvable.gallery import linear_baselines
from solvable.gallery.base import Comparison, Progress
from solvable.gallery.decoder_picture import LABELS, fell_back, make_picture, median_interval
from solvable.gallery.decoder_training import Decoder, train
from solvable.gallery.latent_descent import Descent, descend
from solvable.gallery.workers import two_workers

__all__ = ["CARD", "compare", "make_data", "make_picture", "settings", "summarize"]

CARD = dict(
    kind="gallery",
    name="decoder-images",
    summary="real images from few measurements: vector AMP through a trained decoder, descent",
    rigour="numerical",
    references=[
        "bora2017",
        "fletcher2018",
        "kingma2014",
        "rybkin2021",
        "tibshirani1996",
        "xiao2017",
        "alpaydin1998",
        "optax2020",
        "pedregosa2011",
    ],
)

_SHOWN = 5  # images in the picture


def settings(quick: bool = False) -> dict[str, Any]:
    """Sizes; Fashion-MNIST where it is installed, else, and in quick mode, digits."""
    common = {
        "noise_norm": 0.1,
        "restarts": 8,
        "descent_steps": 300,
        "damping": 0.5,
        "tolerance": 1e-4,
        "max_steps": 300,
        "count": 12 if quick else 60,
    }
    if quick or not datasets.has_fashion_mnist():
        return {
            **common,
            "images": "digits",
            "validation": 197,
            "measurements": [12, 24, 40] if quick else [6, 12, 24, 40, 60],
            "shown": [12, 24, 40],
            "training": {"latent": 12, "hidden": 100, "epochs": 150, "batch": 50},
        }
    return {
        **common,
        "images": "fashion-mnist",
        "validation": 5000,
        "measurements": [30, 60, 120, 300, 600],
        "shown": [60, 120, 300],
        "training": {"latent": 20, "hidden": 400, "epochs": 30, "batch": 200},
    }


@dataclass(frozen=True, eq=False)
class Images:
    """Three sets of images without a common one; pixels from 0 to 1 in rows of length D.

    Args:
        training: for the decoder.
        validation: for the decoder's error.
        held_out: to be measured and recovered.
        labels: classes of `held_out`.
        shape: height and width.
    """

    training: np.ndarray
    validation: np.ndarray
    held_out: np.ndarray
    labels: np.ndarray
    shape: tuple[int, int]


def split_images(settings: Mapping[str, Any], seed: int) -> Images:
    """The images of the settings in an order that the seed decides."""
    if settings["images"] == "digits":
        known = others = datasets.digits()
    else:
        known, others = (datasets.fashion_mnist(split=split) for split in ("train", "test"))
    key = key_for(seed, "decoder-images", "split")
    order = np.asarray(jax.random.permutation(key, len(known)))
    chosen, order = order[: settings["count"]], order[settings["count"] :]
    if others is not known:
        key = key_for(seed, "decoder-images", "held-out")
        chosen = np.asarray(jax.random.permutation(key, len(others)))[: settings["count"]]
    pixels = known.images[order].reshape(len(order), -1) / known.maximum
    held_out = others.images[chosen].reshape(len(chosen), -1) / others.maximum
    return Images(
        training=pixels[settings["validation"] :],
        validation=pixels[: settings["validation"]],
        held_out=held_out,
        labels=others.labels[chosen],
        shape=known.images.shape[1:],
    )


def measure(
    images: np.ndarray, measurements: int, noise_norm: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """M, shape (m, D), and y = M x + noise of every image, shape (count, m); E |noise|^2 given."""
    key = key_for(seed, "decoder-images", "measure", measurements)
    design_key, noise_key = jax.random.split(key)
    design = normal_matrix(design_key, (measurements, images.shape[1]), scale=measurements**-0.5)
    noise = np.asarray(jax.random.normal(noise_key, (len(images), measurements)))
    return design, images @ design.T + noise_norm * measurements**-0.5 * noise


def make_data(settings: Mapping[str, Any], seed: int, progress: Progress) -> xr.Dataset:
    """Errors, times and statuses of all methods, and a few of their images."""
    images = split_images(settings, seed)
    training = train(
        images.training,
        key_for(seed, "decoder-images", "training"),
        **settings["training"],
        progress=lambda done: progress("training the decoder", 0.3 * done),
    )
    decoder, held_out = training.decoder, images.held_out
    error = training.reconstruction_error(images.validation)
    progress("the decoder's best", 0.3)
    floor = decoder(_descent(decoder, held_out, 0.0, settings, seed).latents)
    counts = settings["measurements"]
    measured = [measure(held_out, m, settings["noise_norm"], seed) for m in counts]
    estimates = np.empty((len(counts), len(LABELS), *held_out.shape))
    seconds = np.empty((len(counts), len(LABELS)))
    runs = []
    for row, (design, y) in enumerate(measured):
        progress("latent descent and vector AMP", 0.32 + 0.38 * row / len(counts))
        delta = (settings["noise_norm"] ** 2 + decoder.pixels * error) / counts[row]
        of_measurements = decoder.measured(design)
        found, seconds[row, 1] = _timed(_descent, of_measurements, y, delta, settings, seed)
        estimates[row, 1] = decoder(found.latents)
        vector_amp(of_measurements, y, delta, {**settings, "max_steps": 1})  # compiles
        run, seconds[row, 2] = _timed(vector_amp, of_measurements, y, delta, settings)
        runs.append(run)
        best = runs[-1].hidden_means[-1].T @ decoder.weights[1].T + decoder.biases[1]
        estimates[row, 2] = best
    seconds /= len(held_out)
    estimates[:, 0], seconds[:, 0] = _lassos(measured, images, progress)
    return _assemble(settings, images, training.losses, error, floor, estimates, seconds, runs)


def _timed(function: Callable[..., Any], *given: Any) -> tuple[Any, float]:
    """A result and the processor's seconds that it took, of all cores; other load adds nothing."""
    started = time.process_time()
    return function(*given), time.process_time() - started


def _descent(
    decoder: Decoder, y: np.ndarray, penalty: float, settings: Mapping[str, Any], seed: int
) -> Descent:
    return descend(
        decoder,
        y,
        key_for(seed, "decoder-images", "restarts"),
        penalty=penalty,
        restarts=settings["restarts"],
        steps=settings["descent_steps"],
    )


def vector_amp(
    decoder: Decoder, y: np.ndarray, delta: float, settings: Mapping[str, Any]
) -> Outcome:
    """Through z -> h -> y, all images at once; the last matrix is that of the measurements.

    Args:
        decoder: of measurements, `Decoder.measured`.
        y: shape (count, m).
        delta: variance of y given its decoder's output.
        settings: damping, tolerance and max_steps.
    """
    channels = [sv.ReLU(), sv.Linear(delta=delta)]
    problem = assemble(sv.Gaussian(), channels, decoder.weights, y.T, decoder.biases)
    with threadpool_limits(1):  # at these sizes threads mostly wait for each other
        return multilayer_vamp.run(
            problem,
            damping=settings["damping"],
            tolerance=settings["tolerance"],
            max_steps=settings["max_steps"],
        )


def _lassos(
    measured: Sequence[tuple[np.ndarray, np.ndarray]], images: Images, progress: Progress
) -> tuple[np.ndarray, np.ndarray]:
    """The Lasso's estimates, shape (measurements, count, D), and its median time an image."""
    basis = linear_baselines.cosine_basis(*images.shape)

    def fit(row: int, number: int) -> tuple[np.ndarray, float]:
        started = time.thread_time()
        design, y = measured[row]
        truth = images.held_out[number]
        found = linear_baselines.lasso_of_cosines(design, y[number], truth, basis)
        return found.estimate, time.thread_time() - started

    estimates = np.empty((len(measured), *images.held_out.shape))
    seconds = np.empty(estimates.shape[:2])
    with two_workers() as pool:
        jobs = {pool.submit(fit, *place): place for place in np.ndindex(*seconds.shape)}
        for count, job in enumerate(as_completed(jobs), start=1):
            progress("Lasso", 0.7 + 0.3 * count / len(jobs))
            row, number = jobs[job]
            estimates[row, number], seconds[row, number] = job.result()
    return estimates, np.median(seconds, axis=1)


def _assemble(
    settings: Mapping[str, Any],
    images: Images,
    losses: np.ndarray,
    error: float,
    floor: np.ndarray,
    estimates: np.ndarray,
    seconds: np.ndarray,
    runs: Sequence[Outcome],
) -> xr.Dataset:
    held_out, shape = images.held_out, images.shape
    status = np.stack([run.status for run in runs])
    ended = np.where((status != Status.converged)[..., None], estimates[:, 1], estimates[:, 2])
    shown = _different(images.labels)
    drawn = np.stack([estimates[:, 0], estimates[:, 1], ended], axis=1)
    per_image = ("measurements", "image")
    pixels = ("row", "column")
    data = xr.Dataset(
        {
            "mse": (("measurements", "algorithm", "image"), _errors(drawn, held_out)),
            "vamp_best_iterate_mse": (per_image, _errors(estimates[:, 2], held_out)),
            "vamp_status": (per_image, status),
            "vamp_residual": (per_image, np.stack([run.residual for run in runs])),
            "vamp_steps": (per_image, np.stack([run.steps for run in runs])),
            "vamp_negative_precision": (
                per_image,
                np.stack([run.negative_precision for run in runs]),
            ),
            "floor_mse": (("image",), _errors(floor, held_out)),
            "seconds": (("measurements", "algorithm"), seconds),
            "loss": (("epoch",), losses),
            "reconstruction": (
                ("measurements", "algorithm", "shown", *pixels),
                drawn[:, :, shown].reshape(*drawn.shape[:2], len(shown), *shape),
            ),
            "original": (("shown", *pixels), held_out[shown].reshape(-1, *shape)),
            "floor": (("shown", *pixels), floor[shown].reshape(-1, *shape)),
        },
        coords={
            "measurements": settings["measurements"],
            "algorithm": list(LABELS),
            "shown": shown,
            "label": (("image",), images.labels),
        },
    )
    data.attrs = {
        "kind": "images",
        "rigour": "numerical",
        "images": settings["images"],
        "decoder": "-".join(str(settings["training"][name]) for name in ("latent", "hidden"))
        + f"-{held_out.shape[1]}",
        "restarts": settings["restarts"],
        "shown_measurements": settings["shown"],
        "decoder_error": error,
        "noise_norm": settings["noise_norm"],
    }
    return data


def _errors(estimates: np.ndarray, images: np.ndarray) -> np.ndarray:
    """Mean squared error per pixel."""
    return np.mean((estimates - images) ** 2, axis=-1)


def _different(labels: np.ndarray) -> np.ndarray:
    """The first image of each of the first few classes that occur."""
    _, first = np.unique(labels, return_index=True)
    return np.sort(first)[:_SHOWN]


def ratios(data: xr.Dataset) -> np.ndarray:
    """Median error of ML-VAMP, with its fallbacks, over that of latent descent, for every m."""
    median = data["mse"].median("image")
    return (median.sel(algorithm="vamp") / median.sel(algorithm="descent")).values


def compare(data: xr.Dataset) -> Comparison:
    """The worst of the ratios."""
    found, fallen = ratios(data), fell_back(data)
    own = data["vamp_best_iterate_mse"].median("image")
    own_worst = float((own / data["mse"].sel(algorithm="descent").median("image")).max())
    worst = data["measurements"].values[np.argmax(found)]
    return Comparison(
        float(found.max()),
        "median error of ML-VAMP over that of latent descent with "
        f"{data.attrs['restarts']} starts at m = {worst}, the worst of {found.size} values of m "
        f"({fallen.sum()} of {fallen.size} runs did not converge and count with the estimate of "
        f"latent descent; {own_worst:.4g} if their best iterates count instead)",
    )


def summarize(data: xr.Dataset) -> str:
    """The decoder, and the table of medians, times and fallbacks."""
    floor = data["floor_mse"].values
    lines = [
        f"  decoder {data.attrs['decoder']} of {data.attrs['images']}: mean squared error "
        f"{data.attrs['decoder_error']:.5f} by its encoder, "
        f"median {np.median(floor):.5f} at its best latents",
        "  median squared error per pixel with its 68% interval, and processor seconds an "
        "image (all images at once but for the Lasso);",
        "  ML-VAMP with the fallbacks, and its best iterates without them",
        f"    {'m':>4}"
        + "".join(f"{name:>33}" for name in LABELS.values())
        + f"{'best iterates':>15}{'fallbacks':>11}",
    ]
    for m in data["measurements"].values:
        part = data.sel(measurements=m)
        row = f"    {m:>4}"
        for method in LABELS:
            errors = part["mse"].sel(algorithm=method).values
            low, high = median_interval(errors)
            taken = float(part["seconds"].sel(algorithm=method))
            words = f"{np.median(errors):.5f} [{low:.5f}, {high:.5f}] {taken:.2g} s"
            row += f"{words:>36}"
        best = float(part["vamp_best_iterate_mse"].median())
        lines.append(f"{row}{best:>15.5f}{fell_back(part).sum():>11}")
    return "\n".join(lines)

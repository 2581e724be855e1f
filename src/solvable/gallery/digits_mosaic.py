"""A mosaic of handwritten digits from Gaussian measurements: AMP with the histogram of others."""

from __future__ import annotations

import json
from collections.abc import Mapping
from concurrent.futures import as_completed
from typing import Any

import jax
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import solvable as sv
from solvable import datasets, io
from solvable.core.randomness import key_for, normal_matrix
from solvable.core.status import Status
from solvable.gallery import linear_baselines
from solvable.gallery.base import Comparison, Progress, threshold_table
from solvable.gallery.panels import same_branches
from solvable.gallery.workers import two_workers
from solvable.plotting import image, new_figure, theory_lines, threshold_lines
from solvable.plotting.style import GREEN, ORANGE, PURPLE, SKY, VERMILION

CARD = dict(
    kind="gallery",
    name="digits-mosaic",
    summary="64 handwritten digits from compressed measurements: AMP on theory, ridge, Lasso",
    rigour="theorem",
    references=["barbier2019", "donoho2009", "rangan2011", "alpaydin1998", "pedregosa2011"],
)

OBSERVABLE = "mse"
LABELS = {
    "amp": "AMP, histogram of other digits",
    "positive_lasso": "Lasso, coefficients ≥ 0",
    "lasso": "Lasso",
    "ridge": "ridge regression",
}
_LOOKS: dict[str, dict[str, Any]] = {
    "amp": {"color": VERMILION, "marker": "o"},
    "positive_lasso": {"color": GREEN, "marker": "v"},
    "lasso": {"color": PURPLE, "marker": "s"},
    "ridge": {"color": ORANGE, "marker": "^"},
}


def settings(quick: bool = False) -> dict[str, Any]:
    """Sizes: `side` digits on each side of the mosaic; `designs` measurement matrices for AMP."""
    return {
        "side": 4 if quick else 8,
        "ratios": [0.5, 0.8] if quick else [0.3, 0.5, 0.6, 0.7, 0.8],
        "lasso_ratios": [0.8] if quick else [0.5, 0.6, 0.7],
        "noise_to_signal": 1e-3,
        "designs": 2 if quick else 4,
        "theory": [0.25, 0.85, 13 if quick else 61],
    }


def make_data(settings: Mapping[str, Any], seed: int, progress: Progress) -> xr.Dataset:
    """Reconstructions and errors of all methods, and the theory for two histograms."""
    progress("theory", 0.0)
    mosaic, others = split_digits(settings["side"], seed)
    delta = settings["noise_to_signal"] * float(np.mean(mosaic**2))
    models = {
        "others": histogram_model(others, delta),
        "own": histogram_model(mosaic, delta),
    }
    ratios, designs = settings["ratios"], settings["designs"]
    errors = np.full((len(ratios), len(LABELS), designs), np.nan)
    estimates = np.full((len(ratios), len(LABELS), *mosaic.shape), np.nan)
    statuses = np.full((len(ratios), designs), Status.no_branch, dtype=np.int8)
    with two_workers() as pool:
        theory = pool.submit(_theory, models, settings["theory"], ratios)
        jobs = {
            pool.submit(
                _on_one_design,
                models["others"],
                mosaic,
                ratio,
                delta,
                seed,
                number,
                number == 0 and ratio in settings["lasso_ratios"],
            ): (row, number)
            for row, ratio in enumerate(ratios)
            for number in range(designs)
        }
        for count, job in enumerate(as_completed(jobs), start=1):
            progress("theory and reconstructions", count / (len(jobs) + 1))
            row, number = jobs[job]
            fits, statuses[row, number] = job.result()
            for method, estimate in fits.items():
                column = list(LABELS).index(method)
                errors[row, column, number] = squared_error(estimate, mosaic)
                if number == 0:
                    estimates[row, column] = estimate.reshape(mosaic.shape)
        data, found = theory.result()
    return _assemble(data, settings, found, mosaic, delta, errors, estimates, statuses)


def _on_one_design(
    model: Any, mosaic: np.ndarray, ratio: float, delta: float, seed: int, number: int, lasso: bool
) -> tuple[dict[str, np.ndarray], int]:
    """Estimates of the methods that are run on this design, and AMP's status."""
    design, observation = measure(mosaic, ratio, delta, seed, number)
    answer = sv.infer(model, design=design, observation=observation)
    fits: dict[str, np.ndarray] = {"amp": np.asarray(answer.mean)}
    signal = mosaic.ravel()
    if number == 0:
        fits["ridge"] = linear_baselines.ridge(design, observation, signal).estimate
    if lasso:
        for method, positive in (("positive_lasso", True), ("lasso", False)):
            fit = linear_baselines.lasso(design, observation, signal, positive)
            fits[method] = fit.estimate
    return fits, int(answer.status)


def split_digits(side: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A mosaic of side x side digits, pixels from 0 to 1, and the pixels of all other digits."""
    digits = datasets.digits()
    order = np.asarray(jax.random.permutation(key_for(seed, "digits-mosaic"), len(digits)))
    images = digits.images[order] / digits.maximum
    chosen, others = images[: side * side], images[side * side :]
    height, width = chosen.shape[1:]
    grid = chosen.reshape(side, side, height, width).transpose(0, 2, 1, 3)
    return grid.reshape(side * height, side * width), others


def histogram_model(pixels: np.ndarray, delta: float) -> Any:
    """Linear measurements of pixels whose prior is the histogram of the given ones."""
    values, counts = np.unique(pixels, return_counts=True)
    prior = sv.Discrete(values=values, probabilities=counts / counts.sum())
    return sv.GLM(prior=prior, channel=sv.Linear(delta=delta))


def measure(
    mosaic: np.ndarray, ratio: float, delta: float, seed: int, number: int
) -> tuple[np.ndarray, np.ndarray]:
    """Design with entries N(0, 1/p), in single precision, and noisy measurements of the mosaic."""
    size = mosaic.size
    samples = round(ratio * size)
    key = key_for(seed, "digits-mosaic", float(ratio), number)
    design_key, noise_key = jax.random.split(key)
    design = normal_matrix(design_key, (samples, size), scale=size**-0.5, dtype="float32")
    noise = np.asarray(jax.random.normal(noise_key, (samples,)))
    return design, design @ mosaic.ravel() + np.sqrt(delta) * noise


def squared_error(estimate: np.ndarray, mosaic: np.ndarray) -> float:
    """Mean squared error per pixel; pixels run from 0 (white) to 1 (black)."""
    return float(np.mean((estimate.ravel() - mosaic.ravel()) ** 2))


def _theory(models: Mapping[str, Any], grid, ratios) -> tuple[xr.Dataset, list[dict[str, Any]]]:
    """Curves of the error for each histogram, and the thresholds."""
    start, stop, count = grid
    alpha = np.union1d(np.linspace(start, stop, count), ratios)
    alpha = alpha[np.concatenate([[True], np.diff(alpha) > 1e-9])]
    found = [sv.thresholds(models["others"], "alpha").document()]
    parts = []
    for name, model in models.items():
        curve = sv.curve(model, over={"alpha": alpha})
        parts.append(curve[["status", "error_bound", OBSERVABLE]].assign_coords(histogram=name))
    return xr.concat(same_branches(parts), dim="histogram", join="exact"), found


def _assemble(data, settings, found, mosaic, delta, errors, estimates, statuses) -> xr.Dataset:
    data[f"{OBSERVABLE}_designs"] = (("ratio", "algorithm", "design"), errors)
    data["amp_status"] = (("ratio", "design"), statuses)
    data["reconstruction"] = (("ratio", "algorithm", "row", "column"), estimates)
    data["mosaic"] = (("row", "column"), mosaic)
    data = data.assign_coords(ratio=settings["ratios"], algorithm=list(LABELS))
    data.attrs = {
        "kind": "mosaic",
        "rigour": "theorem",
        "delta": delta,
        "thresholds": json.dumps(io.strict(found)),
    }
    return data


def make_picture(data: xr.Dataset) -> Figure:
    """Images at one ratio side by side above, errors against theory below."""
    figure, axes = new_figure(1, 1, panel=(9.6, 7.4))
    axes[0, 0].remove()
    grid = figure.add_gridspec(2, 5, height_ratios=[1, 1.75])
    ratio = _ratio_for_images(data)
    shown = data.sel(ratio=ratio)
    image(figure.add_subplot(grid[0, 0]), data["mosaic"].values, f"{data['mosaic'].size} pixels")
    for place, method in enumerate(LABELS, start=1):
        error = float(shown[f"{OBSERVABLE}_designs"].sel(algorithm=method)[0])
        ax = figure.add_subplot(grid[0, place])
        name = LABELS[method].replace(", ", "\n")
        pixels = shown["reconstruction"].sel(algorithm=method).values
        image(ax, pixels, f"{name}\nerror {error:.2g}")
    _errors(figure.add_subplot(grid[1, :]), data)
    figure.suptitle(
        f"Scikit-learn's digits from Gaussian measurements, 30 dB signal to noise; "
        f"images at n/p = {ratio:g}",
        fontsize=11,
    )
    return figure


def _ratio_for_images(data: xr.Dataset) -> float:
    """The ratio nearest to 0.6 at which every method was run."""
    first = data[f"{OBSERVABLE}_designs"].isel(design=0)
    ratios = data["ratio"].values[np.isfinite(first.values).all(axis=1)]
    return float(ratios[np.argmin(np.abs(ratios - 0.6))])


def _errors(ax: Axes, data: xr.Dataset) -> None:
    ax.set_xlim(float(data["alpha"][0]), float(data["alpha"][-1]))
    ax.set_yscale("log")
    words = {"others": "theory, histogram of other digits", "own": "theory, the mosaic's own"}
    looks = {"others": {}, "own": {"color": SKY, "linewidth": 1.4}}
    for name, label in words.items():
        part = data.sel(histogram=name)
        theory_lines(ax, part, OBSERVABLE, branches=["bayes"], label=label, **looks[name])
    part = data.sel(histogram="others")
    lines = theory_lines(ax, part, OBSERVABLE, branches=["bayes", "amp"])
    if "bayes" in lines:
        lines["bayes"].remove()
    for method, label in LABELS.items():
        mean, error = _mean_and_error(data, method)
        ax.errorbar(
            data["ratio"].values,
            mean,
            yerr=error,
            label=label,
            linestyle="none",
            zorder=3.0,
            **_LOOKS[method],
        )
    thresholds = json.loads(data.attrs["thresholds"])[0]["thresholds"]
    threshold_lines(ax, {name: entry["value"] for name, entry in thresholds.items()})
    ax.set(
        xlabel=r"measurements per pixel $n / p$",
        ylabel="mean squared error per pixel\n(white = 0, black = 1)",
    )
    designs = data.sizes["design"]
    ax.legend(
        loc="lower left",
        title=f"AMP: mean and standard error of {designs} designs;\n"
        "the others: one design, penalty best in hindsight",
        alignment="left",
    )


def _mean_and_error(data: xr.Dataset, method: str) -> tuple[np.ndarray, np.ndarray | None]:
    """Mean over designs and its standard error, None for methods run on one design only."""
    errors = data[f"{OBSERVABLE}_designs"].sel(algorithm=method).values
    counts = np.isfinite(errors).sum(axis=1)
    if counts.max() < 2:
        return errors[:, 0], None
    return errors.mean(axis=1), errors.std(axis=1, ddof=1) / np.sqrt(counts)


def theory_at(data: xr.Dataset, histogram: str, ratio: float) -> float:
    """Theory for AMP at a measured ratio, which the curve's grid holds."""
    branch = data[OBSERVABLE].sel(histogram=histogram, branch="amp")
    return float(branch.sel(alpha=ratio, method="nearest", tolerance=1e-9))


def compare(data: xr.Dataset) -> Comparison:
    """Mean factor between AMP's error and the theory for the histogram of other digits."""
    mean, _ = _mean_and_error(data, "amp")
    theory = [theory_at(data, "others", float(ratio)) for ratio in data["ratio"]]
    factors = np.exp(np.abs(np.log(mean / np.array(theory))))
    return Comparison(
        float(np.exp(np.mean(np.log(factors)))),
        "factor between AMP's error on the mosaic and the error that theory predicts from the "
        f"histogram of other digits (1 = equal; mean over n/p = {_list(data['ratio'].values)})",
    )


def _list(values) -> str:
    return ", ".join(f"{float(value):g}" for value in values)


def summarize(data: xr.Dataset) -> str:
    """Thresholds and the table of errors."""
    head = "".join(f"{name:>16}" for name in LABELS)
    lines = [
        threshold_table(json.loads(data.attrs["thresholds"])),
        "  mean squared error per pixel; penalties of ridge and Lasso are the best in hindsight",
        f"    {'n/p':>5}{'theory, others':>16}{'theory, own':>14}{head}",
    ]
    for index, ratio in enumerate(data["ratio"].values):
        row = f"    {ratio:>5.2g}{theory_at(data, 'others', ratio):>16.5f}"
        row += f"{theory_at(data, 'own', ratio):>14.5f}"
        for method in LABELS:
            mean, _ = _mean_and_error(data, method)
            row += f"{mean[index]:>16.5f}" if np.isfinite(mean[index]) else f"{'-':>16}"
        lines.append(row)
    return "\n".join(lines)

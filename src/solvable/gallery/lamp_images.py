"""An image that is the spike of a noisy matrix: PCA, LAMP with a covariance, AMP with a decoder.

    Y = v v^T / sqrt(p) + xi,     xi_ij ~ N(0, delta),

where v is a held-out image of p pixels, less the mean of the training images and scaled to
|v|^2 = p, as those are. PCA takes the leading eigenvector of Y; LAMP that of
K [Y / sqrt(p) - I] with the covariance K of the training images (Aubin et al. 2019); AMP knows a
decoder trained on them, v = G(z) + noise of variance e, e the decoder's error on images of neither
set, and is multi-layer AMP through the decoder inside AMP of the matrix. It starts from LAMP's
estimate, with the sign that the decoder's own encoder reconstructs better.

Trained weights are not generic, as AMP assumes: where it does not converge an image gets the
estimate of AMP with the prior N(0, K) instead, and is counted. The decoder's error
counts as white noise, which it is not; at delta = 0.1 LAMP is better.

Theory of LAMP is 1 - s of the spectrum of K (`core.random_matrix`), for v = K^{1/2} w with
independent w; images are no such v. At delta << 1 LAMP fails on a few matrices of this size: its
eigenvalue at 1 moves with v^T xi v, by sqrt(2 / (p delta)) times a Gaussian, and is lost where
that comes close to -1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray as xr

import solvable as sv
from solvable import datasets
from solvable.algorithms import low_rank_amp
from solvable.algorithms.designs import as_design
from solvable.algorithms.low_rank_amp import Problem, Side, Start
from solvable.algorithms.low_rank_spectral import lamp_wigner, pca_wigner
from solvable.algorithms.problem import Generator
from solvable.core.random_matrix import WignerLinearized, WignerPCA
from solvable.core.randomness import add_outer, key_for, symmetric_noise
from solvable.core.spectral_laws import eigenvalue_law
from solvable.core.status import Status
from solvable.gallery.base import Comparison, Progress
from solvable.gallery.decoder_images import split_images
from solvable.gallery.decoder_training import Decoder, Training, train
from solvable.gallery.lamp_picture import METHODS, make_picture
from solvable.gallery.workers import two_workers

__all__ = ["CARD", "compare", "make_data", "make_picture", "settings", "summarize"]

CARD = dict(
    kind="gallery",
    name="lamp-images",
    summary="an image in a noisy matrix: PCA, LAMP with a covariance, AMP with a trained decoder",
    rigour="numerical",
    references=[
        "aubin2019",
        "baik2005",
        "lesieur2017",
        "kingma2014",
        "rybkin2021",
        "xiao2017",
        "alpaydin1998",
        "optax2020",
    ],
)

_SHOWN = 3  # images in the picture


def settings(quick: bool = False) -> dict[str, Any]:
    """Noises; Fashion-MNIST where it is installed, else, and in quick mode, digits."""
    common = {
        "delta": [0.01, 0.1, 1.0, 2.0, 10.0],
        "grid": [0.005, 150.0, 100],
        "damping": 0.75,
        "tolerance": 1e-3,
        "max_steps": 300,
        "count": 6 if quick else 24,
    }
    if quick or not datasets.has_fashion_mnist():
        return {
            **common,
            "images": "digits",
            "validation": 197,
            "training": {"latent": 10, "hidden": 60, "epochs": 40, "batch": 50},
        }
    return {
        **common,
        "images": "fashion-mnist",
        "validation": 5000,
        "training": {"latent": 20, "hidden": 400, "epochs": 10, "batch": 200},
    }


@dataclass(frozen=True, eq=False)
class Knowledge:
    """What the methods know of images: the training set's covariance, and its decoder.

    Args:
        eigenvalues: of K, shape (p,).
        vectors: its eigenvectors in columns, shape (p, p).
        training: the autoencoder.
        error: of the decoder, mean squared per pixel, on images of neither set.
        prior: of v through its decoder.
    """

    eigenvalues: np.ndarray
    vectors: np.ndarray
    training: Training
    error: float
    prior: Side

    @property
    def factor(self) -> np.ndarray:
        """F with K = F F^T."""
        return self.vectors * self.eigenvalues**0.5


def spikes(images: np.ndarray, mean: np.ndarray) -> np.ndarray:
    """Images of shape (count, p) without the mean, scaled to |v|^2 = p."""
    centered = images - mean
    norms = np.linalg.norm(centered, axis=1, keepdims=True)
    return centered * (images.shape[1] ** 0.5 / norms)


def decoder_prior(decoder: Decoder, error: float) -> Side:
    """v = G(z) + noise of variance `error`, z standard Gaussian, as `low_rank_amp` takes it."""
    designs = tuple(as_design(w, f"weights[{k}]") for k, w in enumerate(decoder.weights))
    channels = (sv.ReLU(), sv.Linear(delta=error))
    network = Generator(sv.Gaussian(), channels, designs, decoder.biases)
    return Side(decoder.pixels, network=network)


def gaussian_amp(
    Y: np.ndarray, delta: float, known: Knowledge, start: np.ndarray, settings: Mapping[str, Any]
) -> np.ndarray:
    """AMP for the prior N(0, K), whose denoiser is K (1 + A K)^{-1} B: LAMP's fixed point.

    With B and A as in `low_rank_amp`, v = K [Y / sqrt(p) - (|v|^2 / p + variance) I] v / delta:
    LAMP's equation with a second moment of its own, so that no fluctuation of v^T xi v moves it.

    Returns:
        The last iterate, shape (p,).
    """
    p, v, before, variance = len(Y), start, np.zeros(len(Y)), 0.5
    keep, x, U = settings["damping"], known.eigenvalues, known.vectors
    for _ in range(settings["max_steps"]):
        A = v @ v / (delta * p)
        field = Y @ v / (delta * p**0.5) - variance * before / delta
        rates = x / (1 + A * x)
        new, before = U @ (rates * (U.T @ field)), v
        v = (1 - keep) * new + keep * v
        variance = (1 - keep) * float(np.mean(rates)) + keep * variance
        if np.linalg.norm(new - before) < settings["tolerance"] * p**0.5:
            break
    return v


def decoder_amp(
    Y: np.ndarray, delta: float, known: Knowledge, lamp: np.ndarray, settings: Mapping[str, Any]
) -> tuple[np.ndarray, int]:
    """AMP with the decoder from LAMP's estimate; the means of v and the status.

    The sign of an eigenvector means nothing, a decoder's images have one: of the two, that which
    its encoder and decoder change less.
    """
    both = np.stack([lamp, -lamp])
    changed = np.sum((known.training.reconstruct(both) - both) ** 2, axis=1)
    first = both[int(np.argmin(changed))]
    q = WignerLinearized(eigenvalue_law(known.eigenvalues), delta).squared_cosine
    outcome = low_rank_amp.run(
        Problem(Y, delta, known.prior),
        start=Start(q**0.5 * first, 1 - q),
        **{name: settings[name] for name in ("damping", "tolerance", "max_steps")},
    )
    return np.asarray(outcome.mean), int(np.ravel(outcome.status)[0])


def make_data(settings: Mapping[str, Any], seed: int, progress: Progress) -> xr.Dataset:
    """Squared cosines of all methods on all images, theory, and a few of the estimates."""
    images = split_images(settings, seed)
    mean = images.training.mean(axis=0)
    known = _knowledge(spikes(images.training, mean), images, mean, settings, seed, progress)
    truth = spikes(images.held_out, mean)
    deltas = settings["delta"]
    estimates = np.empty((len(deltas), len(METHODS), *truth.shape))
    own, status = np.empty((len(deltas), *truth.shape)), np.empty((len(deltas), len(truth)))

    def work(place: tuple[int, int]) -> None:
        row, number = place
        delta, v = float(deltas[row]), truth[number]
        Y = symmetric_noise(key_for(seed, "lamp-images", row, number), len(v), delta**0.5)
        add_outer(Y, v, v, len(v) ** -0.5)
        lamp = lamp_wigner(Y, known.factor, delta, rho=1.0).vector
        found, ended = decoder_amp(Y, delta, known, lamp, settings)
        own[row, number], status[row, number] = found, ended
        if ended != Status.converged:
            found = gaussian_amp(Y, delta, known, lamp, settings)
        estimates[row, :, number] = pca_wigner(Y).vector, lamp, found

    places = list(np.ndindex(*status.shape))
    work(places[0])  # compiles
    with two_workers() as pool:
        for count, _ in enumerate(pool.map(work, places[1:]), start=2):
            progress("PCA, LAMP and AMP", 0.5 + 0.5 * count / len(places))
    return _assemble(settings, images, known, truth, estimates, own, status)


def _knowledge(
    training: np.ndarray,
    images: Any,
    mean: np.ndarray,
    settings: Mapping[str, Any],
    seed: int,
    progress: Progress,
) -> Knowledge:
    """The covariance, and the decoder with its error on the validation set."""
    eigenvalues, vectors = np.linalg.eigh(training.T @ training / len(training))
    trained = train(
        training,
        key_for(seed, "lamp-images", "training"),
        **settings["training"],
        progress=lambda done: progress("training the decoder", 0.5 * done),
    )
    error = trained.reconstruction_error(spikes(images.validation, mean))
    side = decoder_prior(trained.decoder, error)
    return Knowledge(np.maximum(eigenvalues, 0.0), vectors, trained, error, side)


def squared_cosines(estimates: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(v . v_hat)^2 / (|v|^2 |v_hat|^2) along the last axis."""
    dots = np.sum(estimates * truth, axis=-1) ** 2
    return dots / (np.sum(estimates**2, axis=-1) * np.sum(truth**2, axis=-1))


def _shown(estimates: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Estimates with the sign of the truth and |v_hat|^2 = p."""
    signs = np.where(np.sum(estimates * truth, axis=-1, keepdims=True) < 0, -1.0, 1.0)
    norms = np.linalg.norm(estimates, axis=-1, keepdims=True)
    return signs * estimates * (truth.shape[-1] ** 0.5 / norms)


def _assemble(
    settings: Mapping[str, Any],
    images: Any,
    known: Knowledge,
    truth: np.ndarray,
    estimates: np.ndarray,
    own: np.ndarray,
    status: np.ndarray,
) -> xr.Dataset:
    law, shape = eigenvalue_law(known.eigenvalues), images.shape
    start, stop, count = settings["grid"]
    grid = np.unique(np.r_[np.geomspace(start, stop, count), 1.0, law.moment(2)])
    shown = _different(images.labels)
    tiles = _shown(estimates[:, :, shown], truth[shown])
    data = xr.Dataset(
        {
            "squared_cosine": (("delta", "algorithm", "image"), squared_cosines(estimates, truth)),
            "amp_own": (("delta", "image"), squared_cosines(own, truth)),
            "amp_status": (("delta", "image"), status.astype(np.int8)),
            "lamp_theory": ("delta", [_theory(law, x) for x in settings["delta"]]),
            "lamp_line": ("noise", [_theory(law, x) for x in grid]),
            "pca_line": ("noise", [WignerPCA(float(x)).squared_cosine for x in grid]),
            "original": (("shown", "row", "column"), truth[shown].reshape(-1, *shape)),
            "estimate": (
                ("delta", "algorithm", "shown", "row", "column"),
                tiles.reshape(*tiles.shape[:3], *shape),
            ),
        },
        coords={
            "delta": settings["delta"],
            "algorithm": list(METHODS),
            "noise": grid,
            "shown": shown,
            "label": ("image", images.labels),
        },
    )
    decoder = known.training.decoder
    data.attrs = {
        "kind": "images",
        "rigour": "numerical",
        "images": settings["images"],
        "decoder": f"{decoder.latent}-{len(decoder.biases[0])}-{decoder.pixels}",
        "decoder_error": known.error,
        "critical": law.moment(2),
    }
    return data


def _theory(law: Any, delta: float) -> float:
    return WignerLinearized(law, float(delta)).squared_cosine


def _different(labels: Sequence[int] | np.ndarray) -> np.ndarray:
    """The first image of each of the first few classes that occur."""
    _, first = np.unique(labels, return_index=True)
    return np.sort(first)[:_SHOWN]


def compare(data: xr.Dataset) -> Comparison:
    """LAMP against theory, and what the decoder adds."""
    means = data["squared_cosine"].mean("image")
    apart = np.abs(means.sel(algorithm="lamp") - data["lamp_theory"])
    gain = (means.sel(algorithm="amp") - means.sel(algorithm="lamp")).values
    fallen = data["amp_status"].values != Status.converged
    return Comparison(
        float(apart.max()),
        "largest distance of LAMP's mean squared cosine from theory over "
        f"{apart.size} noises, {data.sizes['image']} images each; AMP with the decoder is better "
        f"than LAMP by {gain.min():.3f} to {gain.max():.3f} ({fallen.sum()} of {fallen.size} runs "
        "did not converge and count with the prior N(0, K))",
    )


def summarize(data: xr.Dataset) -> str:
    """Means of every method with standard errors, theory, and the fallbacks."""
    lines = [
        f"  decoder {data.attrs['decoder']} of {data.attrs['images']}: mean squared error "
        f"{data.attrs['decoder_error']:.4f} of unit variance; LAMP's delta_c "
        f"{data.attrs['critical']:.4g}",
        "  mean squared cosines over the images",
        f"    {'delta':>6}{'LAMP theory':>13}"
        + "".join(f"{name:>20}" for name in METHODS)
        + f"{'fallbacks':>11}{'without':>10}",
    ]
    count = data.sizes["image"]
    for delta in data["delta"].values:
        part = data.sel(delta=delta)
        row = f"    {delta:>6g}{float(part['lamp_theory']):>13.4f}"
        for method in METHODS:
            values = part["squared_cosine"].sel(algorithm=method).values
            words = f"{values.mean():.4f} +- {values.std(ddof=1) / count**0.5:.4f}"
            row += f"{words:>20}"
        fallen = int(np.sum(part["amp_status"].values != Status.converged))
        lines.append(f"{row}{fallen:>11}{float(part['amp_own'].mean()):>10.4f}")
    return "\n".join(lines)

"""The eigenvalues of LAMP's matrix Gamma, and the one that leaves them below the transition.

For Y = v v^T / sqrt(p) + xi and a layer v = phi(W z / sqrt k) with the covariance K,

    Gamma = K [Y / sqrt(p) - rho I] / delta

has real eigenvalues, those of F^T [Y / sqrt(p) - rho I] F / delta for K = F F^T. Their bulk has
the density of `core.random_matrix`; below delta_c one is outside, at 1, and its eigenvector is the
estimate of v. At delta_c the right edge of the bulk is at 1. With linear layers of p > k outputs K
has the rank k: the p - k eigenvalues that vanish are not drawn. For the sign layer theory is a
heuristic that agrees with these matrices.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import scipy.linalg
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure

import solvable as sv
from solvable.core.random_matrix import AbstractLinearized
from solvable.core.randomness import key_for
from solvable.core.specification import replace
from solvable.core.spectral_laws import feature_covariance_law
from solvable.core.status import Status
from solvable.gallery.base import Comparison, Progress
from solvable.plotting import new_figure
from solvable.plotting.style import BLUE, VERMILION

CARD = dict(
    kind="gallery",
    name="lamp-spectrum",
    summary="eigenvalues of LAMP's matrix: its bulk, and the one that knows the spike",
    rigour="numerical",
    references=["aubin2019", "benaychgeorges2012"],
)

_LAYERS = {"linear": "Linear()", "sign": "Sign()"}
_BINS = 70


def settings(quick: bool = False) -> dict[str, Any]:
    """Layers of p outputs, p / k = 2, at three noises relative to delta_c."""
    return {
        "models": {
            name: "SpikedWigner(prior=Generative(prior=Gaussian(), "
            f"layers=[Layer(ratio=2, channel={channel})]))"
            for name, channel in _LAYERS.items()
        },
        "size": 300 if quick else 2000,
        "relative": [0.4, 1.0, 1.5],
        "grid": 300 if quick else 1200,
    }


def make_data(settings: Mapping[str, Any], seed: int, progress: Progress) -> xr.Dataset:
    """Eigenvalues, density, edges and squared cosines, for both layers and every noise."""
    relative = settings["relative"]
    parts = []
    for row, (name, text) in enumerate(settings["models"].items()):
        model = sv.parse(text)
        kappas = model.covariance()
        law = feature_covariance_law(float(model.prior.layers[0].ratio), *kappas)
        critical = model.linearized(law, 1.0).threshold
        cells = []
        for column, times in enumerate(relative):
            done = (row * len(relative) + column) / (len(relative) * len(settings["models"]))
            progress(f"{name} layer", done)
            delta = times * critical
            at = replace(model, {"delta": delta})
            key = key_for(seed, "lamp-spectrum", name, column)
            eigenvalues, cosine = _spectrum(at, kappas, key, settings["size"])
            theory = at.linearized(law, delta)
            cells.append(_theory(theory, settings["grid"], eigenvalues, cosine, delta))
        parts.append(xr.concat(cells, "relative", data_vars="all"))
    data = xr.concat(parts, "layer", data_vars="all")
    data = data.assign_coords(layer=list(settings["models"]), relative=relative)
    data.attrs = {"kind": "spectra", "rigour": "numerical", "size": settings["size"]}
    return data


def _spectrum(
    model: sv.SpikedWigner, kappas: tuple[float, float], key: Any, size: int
) -> tuple[np.ndarray, float]:
    """All eigenvalues of Gamma, ascending, and the squared cosine of LAMP's estimate with v.

    With K = F F^T they are those of the symmetric F^T [...] F, and zeros if F has fewer columns.
    """
    instance = model.sample(key, size)
    cosine, _ = model.spectral("lamp", instance, key_for(0, "lamp-spectrum"))
    W, p = np.asarray(instance.data.design[0]), len(instance.signal)
    linear, rest = kappas
    shifted = np.asarray(instance.data.observation) / p**0.5
    shifted[np.diag_indices(p)] -= linear**2 + rest**2
    factor = linear * W
    if rest > 0:
        factor = np.linalg.cholesky(factor @ factor.T + rest**2 * np.eye(p))
    gamma = factor.T @ shifted @ factor / float(model.delta)
    found = scipy.linalg.eigvalsh(gamma, overwrite_a=True, check_finite=False)
    return np.sort(np.concatenate([found, np.zeros(p - len(found))])), cosine


def _theory(
    theory: AbstractLinearized, count: int, eigenvalues: np.ndarray, cosine: float, delta: float
) -> xr.Dataset:
    """One panel: what was measured, and the density on a grid that is finer at the edges and 0."""
    left, right = theory.edges
    t = (1 - np.cos(np.linspace(0, np.pi, count + 2)[1:-1])) / 2
    points = (
        np.concatenate([left * (1 - t), right * t])
        if left < 0 < right
        else left + (right - left) * t
    )
    found = theory.density(points)
    atoms = sum(mass for _, mass in theory.atoms)
    return xr.Dataset(
        {
            "delta": delta,
            "eigenvalue": ("index", eigenvalues),
            "point": ("node", points),
            "density": ("node", np.where(found.status == Status.converged, found.density, np.nan)),
            "edge": ("side", [left, right]),
            "outlier": theory.outlier or np.nan,
            "mass_at_zero": atoms,
            "squared_cosine": cosine,
            "squared_cosine_theory": theory.squared_cosine,
        }
    )


def make_picture(data: xr.Dataset) -> Figure:
    """Histograms and densities; a row is a layer, a column a noise relative to delta_c."""
    shape = data.sizes["layer"], data.sizes["relative"]
    figure, axes = new_figure(*shape, panel=(3.7, 3.1))
    words = {0.4: "below", 1.0: "at", 1.5: "above"}
    for (row, column), ax in np.ndenumerate(axes):
        part = data.isel(layer=row, relative=column)
        _draw(ax, part)
        where = words.get(float(part["relative"]), "")
        ax.set_title(
            f"{part['layer'].values!s} layer, {where} $\\Delta_c$: "
            rf"$\Delta = {float(part['delta']):.3g}$",
            fontsize=10,
        )
        if row == shape[0] - 1:
            ax.set_xlabel(r"eigenvalue of $\Gamma$")
        if column == 0:
            ax.set_ylabel("density")
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(
        handles,
        labels,
        loc="outside lower center",
        ncols=len(labels),
        title=f"one matrix of p = {data.attrs['size']} a panel, p / k = 2; "
        "linear: theorem, sign: numerical agreement only",
    )
    return figure


def _draw(ax: Axes, part: xr.Dataset) -> None:
    """One panel."""
    eigenvalues, critical = _nonzero(part), not np.isfinite(float(part["outlier"]))
    left, right = part["edge"].values
    low, high = left - 0.04 * (right - left), max(right, 1.0) + 0.06 * (right - left)
    heights, edges = np.histogram(eigenvalues, bins=_BINS, range=(low, high))
    heights = heights / (part.sizes["index"] * (edges[1] - edges[0]))
    ax.stairs(heights, edges, fill=True, color=BLUE, alpha=0.35, label="eigenvalues")
    ax.plot(part["point"], part["density"], color=BLUE, linewidth=1.6, label="theory")
    beside = np.abs(part["point"].values) > 0.01 * (right - left)
    top = 1.15 * max(np.nanmax(part["density"].values[beside]), np.sort(heights)[-2])
    ax.set(xlim=(low, high), ylim=(0, top))
    ax.axvline(1.0, color=VERMILION, linewidth=0.9, linestyle=(0, (1, 1.5)), label="1")
    (largest,) = eigenvalues[-1:]
    ax.plot(
        [largest],
        [0],
        "v",
        color=VERMILION,
        markersize=7,
        clip_on=False,
        label="largest eigenvalue",
    )
    note = "" if critical else "outlier predicted at 1\n"
    ax.text(
        0.03,
        0.97,
        f"{note}largest: {largest:.3f}, edge: {right:.3f}\n"
        f"squared cosine: {float(part['squared_cosine']):.3f}\n"
        f"predicted: {float(part['squared_cosine_theory']):.3f}",
        transform=ax.transAxes,
        ha="left",
        va="top",
        fontsize=8.5,
    )


def _nonzero(part: xr.Dataset) -> np.ndarray:
    """The eigenvalues outside the kernel of K."""
    found = part["eigenvalue"].values
    return found[found != 0] if float(part["mass_at_zero"]) > 0 else found


def distances(data: xr.Dataset) -> np.ndarray:
    """Largest |F_p - F| of the eigenvalues' distribution functions, shape (layer, relative)."""
    found = np.empty((data.sizes["layer"], data.sizes["relative"]))
    for place in np.ndindex(*found.shape):
        part = data.isel(layer=place[0], relative=place[1])
        x, density = part["point"].values, np.nan_to_num(part["density"].values)
        steps = np.diff(x) * (density[1:] + density[:-1]) / 2
        total = np.concatenate([[0], np.cumsum(steps)])
        zero = float(part["mass_at_zero"])
        eigenvalues = _nonzero(part)
        counted = np.searchsorted(eigenvalues, x) / len(eigenvalues)
        found[place] = np.max(np.abs(counted - total / (1 - zero)))
    return found


def compare(data: xr.Dataset) -> Comparison:
    """The worst panel."""
    apart = np.abs(data["squared_cosine"] - data["squared_cosine_theory"])
    worst = float(distances(data).max())
    return Comparison(
        worst,
        "largest distance of the eigenvalues' distribution function from theory over "
        f"{apart.size} matrices of p = {data.attrs['size']}; measured squared cosines are within "
        f"{float(apart.max()):.3f} of theirs, at delta_c included",
    )


def summarize(data: xr.Dataset) -> str:
    """Edges, largest eigenvalues and squared cosines of every panel."""
    apart = distances(data)
    lines = [
        f"    {'layer':>7}{'delta':>8}{'right edge':>12}{'outlier':>9}{'largest':>9}"
        f"{'cos^2 theory':>14}{'measured':>10}{'distance':>10}"
    ]
    for row, column in np.ndindex(*apart.shape):
        part = data.isel(layer=row, relative=column)
        outlier = float(part["outlier"])
        lines.append(
            f"    {part['layer'].values!s:>7}{float(part['delta']):>8.4f}"
            f"{float(part['edge'][1]):>12.4f}{f'{outlier:g}' if np.isfinite(outlier) else '-':>9}"
            f"{float(part['eigenvalue'][-1]):>9.4f}{float(part['squared_cosine_theory']):>14.4f}"
            f"{float(part['squared_cosine']):>10.4f}{apart[row, column]:>10.4f}"
        )
    return "\n".join(lines)

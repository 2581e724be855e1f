"""The house style: one style file, one vocabulary of lines, markers, hatches and labels."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

STYLE_FILE = Path(__file__).with_name("solvable.mplstyle")

BLUE, VERMILION, GREEN, PURPLE, ORANGE = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00"
SKY, GRAY, BLACK = "#56B4E9", "#6E6E6E", "#000000"

HARD_PHASE: dict[str, Any] = {
    "facecolor": "#F6DCC8",
    "edgecolor": "#C98A5B",
    "hatch": "///",
    "linewidth": 0.0,
}
UNRESOLVED: dict[str, Any] = {
    "facecolor": "none",
    "edgecolor": "#8C8C8C",
    "hatch": "xxx",
    "linewidth": 0.0,
}

_LABELS = {
    "alpha": r"samples per dimension $\alpha = n / p$",
    "delta": r"noise variance $\Delta$",
    "delta2": r"noise of the matrix $\Delta_2$",
    "deltap": r"noise of the tensor $\Delta_p$",
    "pre_delta": r"noise variance before the activation",
    "rho": r"fraction of nonzeros $\rho$",
    "kappa": r"hidden units per dimension $\kappa = k / d$",
    "overlap": r"overlap with the truth $q$",
    "overlap_u": r"overlap of the spike $u$",
    "overlap_v": r"overlap of the spike $v$",
    "mse": "mean squared error per variable",
    "mse_u": r"mean squared error of $u$ per variable",
    "mse_v": r"mean squared error of $v$ per variable",
    "matrix_mse": "mean squared error\nof the matrix per entry",
    "overlap_pca": r"squared cosine of PCA",
    "overlap_lamp": r"squared cosine of LAMP",
    "beta": r"rows per column $\beta = n / p$",
    "free_entropy": "free entropy (nats per variable)",
    "mutual_information": "mutual information (nats per variable)",
    "generalization_error": "generalization error\n"
    r"$\mathbb{E}\,(y - \hat{y})^2$ (square loss)",
    "bayes_error": "classification error\n(fraction of wrong labels)",
    "gibbs_error": "classification error\nof one posterior sample",
    "normalized_mse": r"normalized error $\|\hat{w} - w\|^2 / \|w\|^2$",
    "overlap_ml_amp": r"overlap of maximum-likelihood AMP",
    "time": "time $t$",
    "mu": r"Lagrange multiplier $\mu$",
    "energy": r"energy per component $e$",
    "iteration": "iteration",
    "branch": "branch",
}
_OF_MODELS = {
    ("QuadraticNetwork", "alpha"): r"samples per squared dimension $\alpha = n / d^2$",
    ("QuadraticNetwork", "mse"): "error of the learned matrix\n"
    r"$\kappa\,\Vert S - \hat{S} \Vert_F^2 / d$",
    ("QuadraticNetwork", "generalization_error"): "generalization error\n"
    r"$d\,\mathbb{E}\,(y - \hat{y})^2$",
    ("QuadraticNetwork", "free_entropy"): r"free entropy (nats per $d^2$)",
    ("QuadraticNetwork", "mutual_information"): r"mutual information (nats per $d^2$)",
}
_BRANCHES = {
    "bayes": "Bayes-optimal",
    "amp": "AMP, theory",
    "informed": "informed start",
    "unstable": "unstable",
}
_ALGORITHMS = {
    "amp": "AMP",
    "ridge": "ridge regression",
    "lasso": "Lasso",
    "logistic": "logistic regression",
    "logistic_regression": "logistic regression",
    "mlp": "small neural network",
    "pca": "PCA",
    "lamp": "LAMP",
    "averaged_descent": "mean of 8 descents",
}
_SYMBOLS = {
    "alpha": r"\alpha",
    "beta": r"\beta",
    "delta": r"\Delta",
    "delta2": r"\Delta_2",
    "deltap": r"\Delta_p",
    "rho": r"\rho",
    "kappa": r"\kappa",
}
_SHORT = {"weak_recovery": "WR", "information_theoretic": "IT", "algorithmic": "AMP"}

# A style sheet can only be applied through matplotlib's global parameters; they are put back on
# leaving, and the lock keeps two threads from restoring each other's.
_LOCK = threading.RLock()


@contextlib.contextmanager
def house_style() -> Iterator[None]:
    """Apply the style file inside a `with` block and put matplotlib's parameters back after it."""
    with _LOCK, mpl.rc_context(fname=STYLE_FILE):
        yield


def new_figure(
    rows: int = 1, columns: int = 1, panel: tuple[float, float] = (5.6, 4.0), **subplots
) -> tuple[Figure, np.ndarray]:
    """A figure with an Agg canvas of its own, no pyplot, and its axes, shape (rows, columns).

    Args:
        rows, columns: number of panels.
        panel: width and height of one panel in inches.
        subplots: passed on to `Figure.subplots`.
    """
    figure = Figure(figsize=(panel[0] * columns, panel[1] * rows), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False, **subplots)
    return figure, axes


def axis_label(name: str, model: str = "") -> str:
    """Words and unit for a parameter or an observable; an unknown name in plain words.

    Args:
        name: of the parameter or the observable.
        model: specification of the model, where what a name means depends on it.
    """
    if own := _OF_MODELS.get((model.partition("(")[0], name)):
        return own
    if layer := re.fullmatch(r"layers\[(\d+)\]\.ratio", name):
        k = int(layer[1])
        return rf"outputs / inputs of layer {k + 1}, $n_{{{k + 1}}} / n_{{{k}}}$"
    if hidden := re.fullmatch(r"(mse|overlap)_(\d+)", name):
        words = {"mse": "mean squared error", "overlap": "overlap"}[hidden[1]]
        return f"{words} of hidden layer {hidden[2]}, per unit"
    return _LABELS.get(name, _LABELS.get(name.rpartition(".")[2], name.replace("_", " ")))


def symbol(name: str) -> str:
    """The symbol of a parameter where it has one, else its name in words."""
    known = _SYMBOLS.get(name.rpartition(".")[2])
    return f"${known}$" if known else name.replace("_", " ")


def branch_label(branch: str) -> str:
    """Words for a branch; all unstable ones are called so."""
    if branch.startswith("unstable"):
        return "unstable"
    return _BRANCHES.get(branch, branch.replace("_", " "))


def algorithm_label(algorithm: str) -> str:
    """Words for an algorithm."""
    return _ALGORITHMS.get(algorithm, algorithm.replace("_", " "))


def threshold_label(name: str, parameter: str = "alpha") -> str:
    """Symbol for a threshold of `parameter`, or words where there is no usual symbol."""
    if name in _SHORT and parameter in _SYMBOLS:
        return rf"${_SYMBOLS[parameter]}_{{\mathrm{{{_SHORT[name]}}}}}$"
    if name.startswith("spinodal"):
        return "spinodal"  # which one, the lines that end there show
    return name.replace("_", " ")


def branch_style(branch: str, rigour: str = "") -> dict[str, Any]:
    """Line style of a branch: unstable ones dotted, conjectures dashed, all else solid.

    The branch decides the color and the width, so that the same branch looks the same everywhere.
    """
    style: dict[str, Any]
    if branch.startswith("unstable"):
        style = {"color": GRAY, "linestyle": ":", "linewidth": 1.4, "zorder": 2.0}
    elif branch == "bayes":
        style = {"color": BLUE, "linewidth": 2.2, "zorder": 2.4}
    elif branch == "amp":
        style = {"color": VERMILION, "linewidth": 2.2, "zorder": 2.3}
    elif branch == "informed":
        style = {"color": GREEN, "linewidth": 1.4, "zorder": 2.2}
    else:
        style = {"linewidth": 1.4, "zorder": 2.1}
    if rigour == "conjecture" and not branch.startswith("unstable"):
        style["linestyle"] = "--"
    return style


def algorithm_style(algorithm: str, index: int = 0) -> dict[str, Any]:
    """Color and marker of an algorithm; AMP has the color of its theory line.

    The others have larger markers below AMP's, so that both show where they agree.
    """
    if algorithm == "amp":
        return {"color": VERMILION, "marker": "o", "markersize": 4.5, "zorder": 3.2}
    others = [(PURPLE, "s"), (ORANGE, "^"), (SKY, "D"), (GREEN, "v"), (BLACK, "P")]
    color, marker = others[index % len(others)]
    return {"color": color, "marker": marker, "markersize": 7.0, "zorder": 2.8}

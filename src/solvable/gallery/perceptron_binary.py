"""Perceptron with binary weights: perfect recovery, with a hard phase before it."""

from __future__ import annotations

from typing import Any

import xarray as xr
from matplotlib.figure import Figure

from solvable.gallery import panels
from solvable.gallery.base import Progress

CARD = dict(
    kind="gallery",
    name="perceptron-binary",
    summary="Learning a binary perceptron: two transitions and a hard phase between them",
    rigour="theorem",
    references=["barbier2019", "gyorgyi1990", "sompolinsky1990", "zdeborova2019"],
)

compare = panels.compare
summarize = panels.summarize


def settings(quick: bool = False) -> dict[str, Any]:
    """Model, grids and sizes."""
    return {
        "model": "GLM(prior=Rademacher(), channel=Sign())",
        "theory": [0.02, 2.0, 100],
        "measured": [0.8, 1.8]
        if quick
        else [0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.35, 1.45, 1.55, 1.7, 1.9],
        "size": 200 if quick else 1000,
        "instances": 3 if quick else 8,
        "max_steps": 200,
        "baselines": True,
        "observable": "bayes_error",
    }


def make_data(settings: dict[str, Any], seed: int, progress: Progress) -> xr.Dataset:
    """Theory, experiment and thresholds."""
    return panels.make_data(settings, seed, progress)


def make_picture(data: xr.Dataset) -> Figure:
    """The panel of the talk."""
    return panels.make_picture(
        data,
        "Perceptron, binary weights:  y = sign(x·w),  w = ±1",
        top=0.5,
        hard=("information_theoretic", "algorithmic"),
    )

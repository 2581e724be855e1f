"""Symmetric door with binary weights: what AMP finds and a neural network does not."""

from __future__ import annotations

from typing import Any

import xarray as xr
from matplotlib.figure import Figure

from solvable.gallery import panels
from solvable.gallery.base import Progress

CARD = dict(
    kind="gallery",
    name="perceptron-door",
    summary="Symmetric door, binary weights: determined from alpha = 1, found by AMP from 1.57",
    rigour="theorem",
    references=["barbier2019", "zdeborova2019"],
)

compare = panels.compare
summarize = panels.summarize


def settings(quick: bool = False) -> dict[str, Any]:
    """Model, grids and sizes."""
    return {
        "model": "GLM(prior=Rademacher(), channel=SymmetricDoor(k=0.67449))",
        "theory": [0.02, 2.5, 125],
        "measured": [0.8, 2.2] if quick else [0.5, 0.9, 1.2, 1.4, 1.5, 1.65, 1.8, 2.1, 2.4],
        "size": 200 if quick else 1000,
        "instances": 3 if quick else 6,
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
        "Symmetric door, binary weights:  y = sign(|x·w| − 0.674),  w = ±1",
        top=0.6,
        hard=("information_theoretic", "algorithmic"),
    )

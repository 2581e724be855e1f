"""Perceptron with Gaussian weights: AMP is Bayes-optimal at every sample size."""

from __future__ import annotations

from typing import Any

import xarray as xr
from matplotlib.figure import Figure

from solvable.gallery import panels
from solvable.gallery.base import Progress

CARD = dict(
    kind="gallery",
    name="perceptron-gaussian",
    summary="Learning a Gaussian perceptron: Bayes = AMP, logistic regression close above",
    rigour="theorem",
    references=["barbier2019", "gyorgyi1990", "zdeborova2019"],
)

compare = panels.compare
summarize = panels.summarize


def settings(quick: bool = False) -> dict[str, Any]:
    """Model, grids and sizes."""
    return {
        "model": "GLM(prior=Gaussian(), channel=Sign())",
        "theory": [0.0625, 6.25, 100],
        "measured": [1, 3] if quick else [0.25, 0.5, 1, 1.5, 2, 2.5, 3, 4, 5, 6],
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
        data, "Perceptron, Gaussian weights:  y = sign(x·w),  w ~ N(0, 1)", top=0.5, hard=None
    )

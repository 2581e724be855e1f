"""Phase retrieval of a real Gaussian signal without noise."""

from __future__ import annotations

from typing import Any

import xarray as xr
from matplotlib.figure import Figure

from solvable.gallery import panels
from solvable.gallery.base import Progress

CARD = dict(
    kind="gallery",
    name="phase-retrieval",
    summary="Phase retrieval of a real signal: weak recovery at 1/2, hard from 1 to 1.128",
    rigour="theorem",
    references=["barbier2019", "mondelli2019", "zdeborova2019"],
)

compare = panels.compare
summarize = panels.summarize


def settings(quick: bool = False) -> dict[str, Any]:
    """Model, grids and sizes."""
    return {
        "model": "GLM(prior=Gaussian(), channel=Abs())",
        "theory": [0.0125, 1.5, 120],
        "measured": [0.3, 1.45] if quick else [0.3, 0.6, 0.8, 0.9, 1.0, 1.1, 1.2, 1.3, 1.45],
        "size": 200 if quick else 1000,
        "instances": 3 if quick else 8,
        "max_steps": 500,
        "baselines": False,
        "observable": "mse",
    }


def make_data(settings: dict[str, Any], seed: int, progress: Progress) -> xr.Dataset:
    """Theory, experiment and thresholds."""
    return panels.make_data(settings, seed, progress)


def make_picture(data: xr.Dataset) -> Figure:
    """The panel of the talk."""
    return panels.make_picture(
        data,
        "Phase retrieval:  y = |x·w|,  w ~ N(0, 1)",
        top=1.05,
        hard=("information_theoretic", "algorithmic"),
    )

"""Channels of the entries of a matrix, one a file; `base.py` holds their score and information."""

from solvable.bricks.matrix_channels.base import (
    AbstractAdditiveNoise,
    AbstractAnalyticMatrixChannel,
    AbstractMatrixChannel,
    fisher_information,
    noise_variance,
)

__all__ = [
    "AbstractAdditiveNoise",
    "AbstractAnalyticMatrixChannel",
    "AbstractMatrixChannel",
    "fisher_information",
    "noise_variance",
]

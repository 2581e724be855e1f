"""Gaussian averages that networks of one hidden layer need of their activations."""

from solvable.bricks.activations.base import AbstractAverages, Averages
from solvable.bricks.activations.dispatch import averages_of

__all__ = ["AbstractAverages", "Averages", "averages_of"]

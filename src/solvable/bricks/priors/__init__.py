"""Priors of the signal, one a file; `base.py` holds the two abstract classes and the engine."""

from solvable.bricks.priors.base import (
    AbstractAnalyticPrior,
    AbstractPrior,
    PriorMoments,
    posterior,
    prior_moments,
)

__all__ = ["AbstractAnalyticPrior", "AbstractPrior", "PriorMoments", "posterior", "prior_moments"]

"""What spiked matrix models share: their theory is that of a chain which ends in a matrix."""

from typing import Any

from solvable.bricks.chain import Layers
from solvable.bricks.generative import Generative
from solvable.bricks.low_rank import AbstractLowRank
from solvable.bricks.priors.base import AbstractPrior, Law
from solvable.core.arguments import instance
from solvable.models.chain import AbstractChainModel

Spike = AbstractPrior | Generative


def spike(name: str, value: Any) -> Any:
    """The prior of a spike: of independent components, or generative."""
    what = "a prior, as `Gaussian()` or `Generative(...)`"
    return instance(name, value, (AbstractPrior, Generative), what)


def ended(prior: Spike, end: AbstractLowRank) -> tuple[Law, Layers]:
    """The chain of a spike's prior that ends in a matrix."""
    if isinstance(prior, Generative):
        return prior.prior, (*prior.layers, end)
    return prior, (end,)


class AbstractLowRankModel(AbstractChainModel):
    """A noisy matrix of low rank; the subject of its answers is the spike v."""

    @property
    def scale_parameter(self) -> str:
        return "delta"

"""A signal made by a network: a chain of layers used as a prior."""

from typing import Any

import equinox as eqx

from solvable.bricks.channels.hidden import AbstractHiddenChannel
from solvable.bricks.layer import Layer
from solvable.bricks.priors.base import AbstractPrior
from solvable.core.arguments import fail, instance
from solvable.core.specification import Specification

CARD = dict(
    kind="generative prior",
    name="Generative",
    summary="a signal made by a network: layers of random weights applied to a latent vector",
    parameters={
        "prior": "a prior, of the latent components",
        "layers": "a list of layers whose channels can be hidden; ratio = outputs / inputs",
    },
    rigour="replica",
    references=["aubin2019", "manoel2017"],
)


def _layers(value: Any) -> tuple[Layer, ...]:
    if not isinstance(value, list | tuple) or not value:
        raise fail("layers", "be a list of at least one layer", value)
    for k, layer in enumerate(value):
        instance(f"layers[{k}]", layer, Layer, "a layer, as `Layer(ratio=2, channel=ReLU())`")
        if not isinstance(layer.channel, AbstractHiddenChannel):
            raise fail(f"layers[{k}].channel", "be a channel that can be hidden", layer.channel)
    return tuple(value)


class Generative(Specification):
    """v = h_L of a chain h_0 = z ~ prior, h_l ~ channel_l(. | W_l h_{l-1}), with known weights.

    One layer with ratio alpha = p / k is v = phi(W z / sqrt(k)) of Aubin et al. 2019. The
    components of v are not independent: the prior of a low-rank model, not of a GLM (a network
    below an observation is a `MultiLayer`).

    Args:
        prior: law of the components of the latent vector z.
        layers: the network's layers, the first one reads z; the last one's outputs are v.

    Raises:
        ValueError: if there is no layer, or a channel cannot be hidden.

    Example:
        >>> import solvable as sv
        >>> sv.Generative(prior=sv.Gaussian(), layers=[sv.Layer(ratio=2, channel=sv.Sign())])
        Generative(prior=Gaussian(), layers=[Layer(channel=Sign(), ratio=2.0)])
    """

    prior: AbstractPrior = eqx.field(
        converter=lambda x: instance("prior", x, AbstractPrior, "a prior, as `Gaussian()`")
    )
    layers: tuple[Layer, ...] = eqx.field(converter=_layers)

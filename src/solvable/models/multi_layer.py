"""Inference through a network: a prior, layers of random weights, and an observation."""

from typing import Any

import equinox as eqx
from jaxtyping import PRNGKeyArray

from solvable.bricks.channels.hidden import AbstractHiddenChannel
from solvable.bricks.layer import Layer
from solvable.bricks.priors.base import AbstractPrior
from solvable.core.arguments import fail, instance
from solvable.core.instance import Data, Instance
from solvable.models.chain_instances import AbstractFiniteChain, draw

CARD = dict(
    kind="model",
    name="MultiLayer",
    summary="inference through a network: prior, then layers z = W h, h' ~ channel(. | z)",
    parameters={
        "prior": "a prior, of the input",
        "layers": "a list of layers; the last one's channel is the observation",
    },
    observables=[
        "overlap",
        "mse",
        "free_entropy",
        "mutual_information",
        "generalization_error",
        "bayes_error",
        "gibbs_error",
    ],
    thresholds=[
        "weak_recovery",
        "information_theoretic",
        "algorithmic",
        "spinodal_uninformed",
        "spinodal_informed",
    ],
    rigour="replica",
    references=["manoel2017", "gabrie2018"],
)


def _layers(value: Any) -> tuple[Layer, ...]:
    if not isinstance(value, list | tuple) or not value:
        raise fail("layers", "be a list of at least one layer", value)
    for k, layer in enumerate(value):
        instance(f"layers[{k}]", layer, Layer, "a layer, as `Layer(ratio=2, channel=ReLU())`")
    for k, layer in enumerate(value[:-1]):
        if not isinstance(layer.channel, AbstractHiddenChannel):
            raise fail(f"layers[{k}].channel", "be a channel that can be hidden", layer.channel)
    return tuple(value)


class MultiLayer(AbstractFiniteChain):
    """Chain h_0 = x ~ P_x, z_l = W_l h_{l-1}, h_l ~ P_l(. | z_l); h_L is observed.

    W_l is (n_l, n_{l-1}) with n_l / n_{l-1} the layer's ratio, its entries iid N(0, 1 / n_{l-1})
    or rotationally invariant with a given spectrum. Free entropy per input component (Manoel et
    al. 2017; Gabrie et al. 2018):

        f = extr  sum_{l < L} (n_l / n_0) [C_l - I_l] + (n_L / n_0) Psi(q_{L-1}),

    with C_l = q_hat_l V_l / 2 for Gaussian weights, I_0 = I(x; r_0), I_l = I(h_l; r_l | omega_l)
    for r_l = h_l + xi / sqrt(q_hat_l) and omega_l ~ N(0, q_{l-1}), and Psi = E log Z of the
    observation. Its stationarity is the state evolution of multi-layer AMP. `mse`, `overlap` are
    of the input, `mse_1`, `overlap_1`, ... of the hidden layers; `mutual_information` is I(x; y)
    per input component.

    Args:
        prior: law of the input's components.
        layers: the layers, input first; the last one's channel is the observation.

    Raises:
        ValueError: if there is no layer, or a channel inside cannot be hidden.

    Example:
        >>> import solvable as sv
        >>> layers = [Layer(ratio=2, channel=sv.ReLU()), Layer(channel=sv.Linear(delta=0.1))]
        >>> MultiLayer(prior=sv.Gaussian(), layers=layers).layers[1]
        Layer(channel=Linear(delta=0.1))
    """

    prior: AbstractPrior = eqx.field(
        converter=lambda x: instance("prior", x, AbstractPrior, "a prior, as `Gaussian()`")
    )
    layers: tuple[Layer, ...] = eqx.field(converter=_layers)

    @property
    def scale_parameter(self) -> str | None:
        """The last layer's ratio, which multiplies the rows of a Gaussian matrix."""
        last = len(self.layers) - 1
        if self.layers[last].spectrum() is not None:
            return None
        return "ratio" if last == 0 else f"layers[{last}].ratio"

    def chain(self) -> tuple[AbstractPrior, tuple[Layer, ...]]:
        """Prior and layers."""
        return self.prior, self.layers

    def sample(self, key: PRNGKeyArray, size: int) -> Instance:
        """One instance: W_1, ..., W_L, input, hidden units and y; n_0 = size."""
        weights, (signal, *hidden, outputs) = draw(self, *self.chain(), key, size)
        return Instance(Data(weights, outputs), signal, tuple(hidden))

"""`entropy`: entropies and mutual information of a network's layers, from its weight matrices.

The weights enter by their singular values alone: the formula is that of matrices whose singular
vectors are independent of everything else (Gabrie et al. 2018), a replica result that is exact for
random weights and an approximation for trained ones.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import jax.numpy as jnp
import numpy as np

from solvable.algorithms.designs import as_design
from solvable.algorithms.problem import check_link
from solvable.bricks.chain import widths
from solvable.bricks.chain_facts import (
    ChainFacts,
    known_law,
    numeric_facts,
)
from solvable.bricks.channels.hidden import AbstractHiddenChannel
from solvable.bricks.channels.named import named_channel
from solvable.bricks.layer import Layer
from solvable.bricks.priors.base import AbstractPrior
from solvable.bricks.priors.gaussian import Gaussian
from solvable.bricks.spectra import Empirical
from solvable.core.arguments import array, fail, instance, integer, non_negative
from solvable.core.precision import require_x64
from solvable.core.specification import numeric
from solvable.core.status import Status
from solvable.models.chain_ends import EndPoint, ends
from solvable.models.multi_layer import MultiLayer
from solvable.studies.curve import Progress, require_set

if TYPE_CHECKING:
    import xarray as xr


def entropy(
    weights: Sequence[Any],
    activations: Sequence[Any],
    delta: float = 1e-5,
    *,
    pre_delta: float = 0.0,
    biases: Sequence[Any] | None = None,
    prior: AbstractPrior | None = None,
    source: int = 0,
    progress: Progress | None = None,
) -> "xr.Dataset":
    """Entropy of every layer and its mutual information with the input, or with a layer below.

    For h_l = f_l(W_l h_{l-1} + b_l + sqrt(pre_delta) xi') + sqrt(delta) xi and an input of
    independent components, H(h_l) and I(h_s; h_l) = H(h_l) - H(h_l | h_s) per input unit, s being
    the source, from the chain cut after layer l and from its part above h_s where that is known.

    Args:
        weights: matrices W_l of shape (n_l, n_{l-1}), used as they are.
        activations: one for each: linear, relu, sign, abs, erf, tanh, hardtanh, logistic, or a
            channel whose own noises are then used.
        delta: variance of the noise after every activation, >= 0.
        pre_delta: variance of the noise before it, >= 0.
        biases: b_l of shape (n_l,), or None where there is none; by default there are none. Their
            law counts, not which unit has which.
        prior: of the input's components, by default standard Gaussian.
        source: s, from 0, the input, to L - 1; layers above it are answered for.
        progress: called with (layers done, layers in all).

    Returns:
        A data set with dimension layer (s + 1, ..., L): `entropy` and `mutual_information` in nats
        per input unit, `units`, `status` and `error_bound`. Without any noise, a layer of real
        outputs has infinite mutual information and no entropy; the attribute `note` says so.

    Raises:
        ValueError: if matrices do not chain or hold NaN, an activation is unknown, a bias does
            not fit its matrix, or the source is no layer below the last.

    Example:
        >>> import numpy as np
        >>> W = np.random.default_rng(0).normal(size=(200, 200)) / np.sqrt(200)
        >>> found = entropy([W], ["linear"], delta=0.1)
        >>> exact = 0.5 * np.linalg.slogdet(np.eye(200) + W @ W.T / 0.1)[1] / 200
        >>> bool(abs(float(found.mutual_information[0]) - exact) < 1e-6)
        True
    """
    require_x64()
    matrices = checked_weights(weights)
    noises = non_negative("delta", delta), non_negative("pre_delta", pre_delta)
    prior = instance("prior", prior or Gaussian(), AbstractPrior, "a prior, as `Gaussian()`")
    layers = _layers(matrices, activations, noises, biases)
    _check_source(source, len(layers))
    model = MultiLayer(prior=prior, layers=layers)
    require_set(model, set())
    columns = _layer_by_layer(model, source, progress)
    names = [name if isinstance(name, str) else repr(name) for name in activations]
    made_with = {"activations": names, "delta": noises[0], "pre_delta": noises[1]}
    biased = [layer.bias is not None for layer in layers]
    made_with |= {"prior": repr(prior), "biased": biased, "source": source}
    return _dataset(matrices, columns, made_with)


def _check_source(source: Any, count: int) -> None:
    if integer("source", source, low=0) >= count:
        raise fail("source", f"be below the number of layers, {count}", source)


def _layers(
    matrices: list[np.ndarray], activations: Sequence[Any], noises: tuple[Any, Any], biases: Any
) -> tuple[Layer, ...]:
    """One layer for each matrix, once activations and biases are known to fit."""
    if len(activations) != len(matrices):
        raise fail("activations", f"name one for each of {len(matrices)} matrices", activations)
    shifts = _checked_biases(biases, matrices)
    return tuple(
        _layer(named_channel(f"activations[{k}]", name, *noises), matrix, bias)
        for k, (name, matrix, bias) in enumerate(zip(activations, matrices, shifts, strict=True))
    )


def _checked_biases(biases: Any, matrices: list[np.ndarray]) -> list[np.ndarray | None]:
    if biases is None:
        return [None] * len(matrices)
    if not isinstance(biases, list | tuple) or len(biases) != len(matrices):
        raise fail("biases", f"list a vector or None for each of {len(matrices)} matrices", biases)
    return [
        None if bias is None else array(f"biases[{k}]", bias, shape=(len(matrix),))
        for k, (bias, matrix) in enumerate(zip(biases, matrices, strict=True))
    ]


def _layer(channel: AbstractHiddenChannel, matrix: np.ndarray, bias: np.ndarray | None) -> Layer:
    values = np.linalg.svd(matrix, compute_uv=False)
    return Layer(
        channel=channel,
        ratio=matrix.shape[0] / matrix.shape[1],
        weights=Empirical(singular_values=values, normalize=False),
        bias=bias,
    )


def checked_weights(weights: Sequence[Any]) -> list[np.ndarray]:
    """The matrices as finite float64 arrays whose sizes chain."""
    if not isinstance(weights, list | tuple) or not weights:
        raise fail("weights", "be a list of at least one matrix", weights)
    matrices = [array(f"weights[{k}]", w, ndim=2) for k, w in enumerate(weights)]
    designs = [as_design(matrix) for matrix in matrices]
    for k in range(1, len(designs)):
        check_link(k, designs[k - 1], designs[k])
    return matrices


def _layer_by_layer(
    model: MultiLayer, source: int, progress: Progress | None
) -> list[tuple[float, float, Status, float]]:
    """Entropy, information about the source, status and error bound of every layer above it."""
    bare = numeric(model)
    law, layers = bare.chain()
    facts = numeric_facts(law, layers)
    given_source, upper = known_law(layers, facts, source), layers[source + 1 :]
    upper_facts = numeric_facts(given_source, upper) if upper else facts
    size = float(widths(layers)[source + 1])
    found = []
    for count in range(source + 1, len(layers) + 1):
        if facts.noiseless[count - 1] and layers[count - 1].channel.emits_reals():
            found.append((np.nan, np.inf, Status.converged, 0.0))
            continue
        whole = _best(law, layers[:count], facts)
        if np.all(facts.noiseless[source : count - 1]):
            given, error, status = _output_noise(layers[:count], facts), 0.0, whole.status
        else:
            inner = _best(given_source, upper[: count - source - 1], upper_facts)
            given, error = size * inner.free_entropy, size * inner.error
            status = max(whole.status, inner.status)
        found.append(
            (-whole.free_entropy, given - whole.free_entropy, status, whole.error + error)
        )
        if progress is not None:
            progress(count, len(layers))
    return found


def _best(law: Any, layers: tuple[Layer, ...], facts: ChainFacts) -> EndPoint:
    """The best fixed point of a chain, from the facts of that chain or of a longer one."""
    count = len(layers)
    points = ends(law, layers, facts.dark[:count], facts.rho[:count])
    return max(points, key=lambda point: point.free_entropy)


def _output_noise(layers: tuple[Layer, ...], facts: ChainFacts) -> float:
    """-H(h_l | z_l) per input unit, from the last layer's own noise."""
    rho = layers[-1].gain() * facts.rho[len(layers) - 1]
    size = np.prod([float(layer.ratio) for layer in layers])
    return float(size * layers[-1].known_potential(jnp.asarray(rho)))


def _dataset(
    matrices: list[np.ndarray],
    columns: list[tuple[float, float, Status, float]],
    made_with: dict[str, Any],
) -> "xr.Dataset":
    import xarray as xr

    from solvable.io import attributes

    entropies, information, status, error = zip(*columns, strict=True)
    above = matrices[made_with["source"] :]
    data = xr.Dataset(
        {
            "entropy": ("layer", np.array(entropies)),
            "mutual_information": ("layer", np.array(information)),
            "units": ("layer", np.array([w.shape[0] for w in above])),
            "status": ("layer", np.array(status, dtype=np.int8)),
            "error_bound": ("layer", np.array(error)),
        },
        coords={"layer": made_with["source"] + np.arange(1, len(above) + 1)},
    )
    sizes = [matrices[0].shape[1], *(w.shape[0] for w in matrices)]
    data.attrs = attributes("entropy", "entropy", MultiLayer, {**made_with, "sizes": sizes})
    data.attrs |= {name: made_with[name] for name in ("delta", "pre_delta", "prior", "source")}
    data.attrs["note"] = INFINITE if np.any(np.isinf(information)) else ""
    return data


INFINITE = (
    "Without noise a layer of real outputs tells its input to infinitely many digits: its mutual "
    "information is infinite and it has no entropy. Give `delta` or `pre_delta` a positive value."
)

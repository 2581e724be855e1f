"""What is measured of an estimate on a finite chain, defined as in the theory.

A fresh input of a layer with independent N(0, 1 / n) weights sees the units below it and their
estimate only through three numbers, and every error of prediction is an exact average over the two
correlated Gaussians w . h and w . estimate: no test set, no noise.
"""

from collections.abc import Sequence
from typing import Any, Final, NamedTuple, Protocol

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from solvable.bricks.channels.base import (
    AbstractChannel,
    AbstractChannelLaw,
    channel_errors,
    predict_mean,
    without_bias,
)
from solvable.bricks.priors.vectors import AbstractVectorPrior
from solvable.core.quadrature import ORDER, gaussian_nodes
from solvable.core.specification import numeric

PREDICTIONS: Final = ("generalization_error", "bayes_error", "gibbs_error")


class Estimate(Protocol):
    """What can be measured: posterior means and variances of h_0, h_1, ..., as far as known."""

    @property
    def means(self) -> Sequence[Any]: ...
    @property
    def variances(self) -> Sequence[Any]: ...


class Overlaps(NamedTuple):
    """What a fresh Gaussian input sees of the units of a layer and their estimate, per unit.

    Attributes:
        cross: m = h . estimate / n.
        estimate: q = |estimate|^2 / n.
        truth: |h|^2 / n.
        rest: |h - (m / q) estimate|^2 / n, the part of the truth that is not along the estimate.
        variance: mean posterior variance that the estimate expects; 0 for a point estimate.
    """

    cross: Any
    estimate: Any
    truth: Any
    rest: Any
    variance: Any


def overlaps(truth: Any, mean: Any, variance: Any, is_blind: bool = False) -> Overlaps:
    """The numbers that every observable is a function of.

    Args:
        truth: the units h, shape (n,).
        mean: their estimate.
        variance: what the estimate expects of its own error, a number or of the shape of `mean`.
        is_blind: whether the sign of the estimate is free, as below an even channel.
    """
    truth, mean = np.asarray(truth), np.asarray(mean)
    cross = float(np.mean(truth * mean))
    if is_blind and cross < 0:
        cross, mean = -cross, -mean
    size = float(np.mean(mean**2))
    along = cross / size * mean if size > 0 else 0.0
    rest = float(np.mean((truth - along) ** 2))
    return Overlaps(cross, size, float(np.mean(truth**2)), rest, float(np.mean(variance)))


def measure(
    channel: AbstractChannel | AbstractChannelLaw | None,
    estimate: Any,
    truths: Sequence[Any],
    blind: int,
) -> dict[str, float]:
    """Observables of an estimate.

    `overlap` and `mse` are of the input, `overlap_1`, `mse_1`, ... of the hidden layers.
    `generalization_error` is E (y - E[y | h, data])^2 with the output noise included, for a fresh
    row of the last weights and the predictor that believes z ~ N(w . mean, mean variance);
    `bayes_error` is the probability that the likeliest label of that predictor is wrong,
    `gibbs_error` that a label drawn from it is. For a point estimate z = w . estimate.

    Args:
        channel: of the observation, with the law of its biases if there are any; None where a
            fresh row has no meaning, because the rows of the last weights are not independent.
        estimate: an `Estimate`, or an array, which is a point estimate of the input.
        truths: h_0, ..., h_{L-1}.
        blind: the sign of so many of the lowest layers is free.

    Returns:
        Name -> value, of the layers that the estimate knows; errors of prediction if it knows the
        last one, those of labels if all outputs are labels.
    """
    point = isinstance(estimate, np.ndarray | jax.Array)
    means, variances = ([estimate], [0.0]) if point else (estimate.means, estimate.variances)
    found: dict[str, float] = {}
    for k, (mean, variance) in enumerate(zip(means, variances, strict=True)):
        at = overlaps(truths[k], mean, variance, k < blind)
        end = f"_{k}" if k else ""
        found |= {f"overlap{end}": at.cross, f"mse{end}": mean_square_error(at)}
        if channel is not None and k == len(truths) - 1:
            found |= prediction_errors(channel, at)
    return found


def mean_square_error(found: Overlaps) -> float:
    """A sum of squares, so that exact recovery is not a difference of rounded numbers."""
    slope = found.cross / found.estimate if found.estimate > 0 else 0.0
    return found.rest + (slope - 1) ** 2 * found.estimate


def prediction_errors(
    channel: AbstractChannel | AbstractChannelLaw, found: Overlaps
) -> dict[str, float]:
    """Errors of prediction on a fresh row, see `measure`."""
    values = _prediction_errors(numeric(channel), Overlaps(*(jnp.asarray(x) for x in found)))
    named = zip(PREDICTIONS, values, strict=True)
    return {name: float(x) for name, x in named if not np.isnan(x)}


@eqx.filter_jit
def _prediction_errors(
    law: AbstractChannel | AbstractChannelLaw, found: Overlaps
) -> tuple[Array, ...]:
    """Square, 0-1 and Gibbs error of the predictor N(omega, variance) when z ~ N(s omega, rest).

    Both with the same bias added, if there are any, and averaged over it.
    """
    q = jnp.maximum(found.estimate, _TINY)
    slope = found.cross / q
    rest = jnp.maximum(found.rest, _TINY * found.truth)
    channel = without_bias(law)
    if isinstance(law, AbstractChannelLaw):
        bias, weight = law.biases(ORDER)
        errors = jax.vmap(lambda b: _errors_at(channel, found, b))(bias)
        off, bayes, gibbs = (weight @ x for x in errors)
    else:
        off, bayes, gibbs = _errors_at(channel, found, jnp.zeros(()))
    return channel_errors(law, slope**2 * q, rest).generalization_error + off, bayes, gibbs


def _errors_at(channel: Any, found: Overlaps, bias: Array) -> tuple[Array, Array, Array]:
    """At one bias: how far the guess of y is off, squared; 0-1 and Gibbs error.

    The square error is the variance of y given omega plus the first of these.
    """
    q = jnp.maximum(found.estimate, _TINY)
    slope = found.cross / q
    rest = jnp.maximum(found.rest, _TINY * found.truth)
    believed = jnp.maximum(found.variance, _TINY * found.truth)
    root = jnp.sqrt(q)
    features = []
    for z, width in channel.z_breakpoints():
        for V, scale in ((rest, slope), (believed, jnp.ones_like(slope))):
            blur = jnp.sqrt(V + channel.noise_variance() + width**2)
            safe = jnp.where(scale == 0, 1.0, scale) * root
            features.append(((z - bias) / safe, blur / jnp.abs(safe)))
    v, weight = gaussian_nodes(features)
    omega = root * v
    seen, guessed = slope * omega + bias, omega + bias
    truth = predict_mean(channel, seen, rest)
    guess = predict_mean(channel, guessed, believed)
    square = jnp.sum(weight * (truth - guess) ** 2)
    none = jnp.asarray(jnp.nan)
    if channel.emits_reals():
        return square, none, none
    atoms = channel.atoms()
    y = jnp.broadcast_to(atoms.values[:, None], (atoms.values.shape[0], omega.shape[0]))
    active = atoms.active[:, None]
    true = active * jnp.exp(channel.log_partition(y, jnp.broadcast_to(seen, y.shape), rest))
    model = active * jnp.exp(
        channel.log_partition(y, jnp.broadcast_to(guessed, y.shape), believed)
    )
    chosen = jnp.argmax(model, axis=0)
    hit = jnp.take_along_axis(true, chosen[None, :], axis=0)[0]
    gibbs = jnp.sum(model * (1 - true), axis=0)
    return square, jnp.sum(weight * (1 - hit)), jnp.sum(weight * gibbs)


_TINY: Final = 1e-24


def vector_measure(
    prior: AbstractVectorPrior, truths: Sequence[Any], means: Sequence[Any]
) -> dict[str, float]:
    """Observables of estimates of vectors, up to the symmetries of the law of the first.

    Args:
        prior: of the units of the first spike.
        truths: the units of v, and of u where there is one, (p, k) and (n, k).
        means: their estimates; that of u may be missing.

    Returns:
        `overlap` E x . mean and `mse` E |x - mean|^2 of each, and `matrix_mse`
        E (x_i . y_j - m_i . l_j)^2 of their product, where both are there.
    """
    G = prior.alignment(np.asarray(means[0]), np.asarray(truths[0]))
    ends = ("",) if len(truths) == 1 else ("_v", "_u")
    found, grams = {}, []
    for end, truth, mean in zip(ends, truths, means, strict=False):
        moved = np.asarray(mean) @ G
        pairs = ((truth, truth), (truth, moved), (moved, moved))
        grams.append([np.asarray(a).T @ np.asarray(b) / len(truth) for a, b in pairs])
        found[f"overlap{end}"] = float(np.trace(grams[-1][1]))
        found[f"mse{end}"] = float(np.sum((truth - moved) ** 2)) / len(truth)
    if len(grams) == len(truths):
        both = [float(np.sum(a * b)) for a, b in zip(grams[0], grams[-1], strict=True)]
        found["matrix_mse"] = both[0] - 2 * both[1] + both[2]
    return found

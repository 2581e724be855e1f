"""Finite instances of a generalized linear model: drawing them, solving them, measuring estimates.

The design is X (n, p) with independent N(0, 1 / p) entries, so a fresh input sees signal and
estimate only through three numbers, and every error of prediction is an exact average over the two
correlated Gaussians x . w* and x . estimate: no test set, no noise.
"""

from collections.abc import Callable
from typing import Any, Final, NamedTuple, Protocol

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.optimize
from jaxtyping import Array, PRNGKeyArray

from solvable.algorithms import spectral
from solvable.algorithms.convergence import Outcome
from solvable.algorithms.designs import Vector
from solvable.algorithms.gamp import init, run
from solvable.algorithms.multilayer_amp import Start, State
from solvable.algorithms.programs import bucket
from solvable.bricks.channels.base import (
    AbstractChannel,
    channel_errors,
    predict_mean,
)
from solvable.bricks.priors.base import AbstractPrior, posterior, prior_moments
from solvable.core.arguments import UNSET, choice, integer
from solvable.core.instance import Data, Instance
from solvable.core.quadrature import gaussian_nodes
from solvable.core.randomness import fold, normal_matrix
from solvable.core.specification import numeric

OBSERVABLES = ("overlap", "mse", "generalization_error", "bayes_error", "gibbs_error")


class GeneralizedLinearModel(Protocol):
    """What is needed of a model here: its prior, its channel and its number of samples."""

    prior: Any
    channel: Any
    alpha: Any


class Overlaps(NamedTuple):
    """What a fresh Gaussian input sees of a signal and its estimate, each per component.

    Attributes:
        cross: m = w* . estimate / p.
        estimate: q = |estimate|^2 / p.
        signal: |w*|^2 / p.
        rest: |w* - (m / q) estimate|^2 / p, the part of the signal that is not along the estimate.
        variance: mean posterior variance that the estimate expects; 0 for a point estimate.
    """

    cross: Any
    estimate: Any
    signal: Any
    rest: Any
    variance: Any


def sample_instance(
    model: GeneralizedLinearModel, key: PRNGKeyArray, size: int, dtype: str = "float64"
) -> Instance:
    """A design with independent N(0, 1 / p) entries, a signal from the prior, and its outputs.

    Design, signal and output noise have streams of their own, folded from `key` by name.

    Args:
        model: a GLM with `alpha` set; n = round(alpha p), at least 1.
        key: a scalar key.
        size: dimension p of the signal.
        dtype: of the design, "float64" or "float32"; vectors stay in double precision.

    Returns:
        An instance with numpy arrays: design (n, p), observation (n,), signal (p,).

    Raises:
        ValueError: if alpha is unset, or `size` is not a positive integer.
    """
    p = integer("size", size, low=1)
    if model.alpha is UNSET:
        raise ValueError("Argument `alpha` must be set to draw an instance, but was unset.")
    n = max(1, round(float(model.alpha) * p))
    choice("dtype", dtype, ("float64", "float32"))
    design = normal_matrix(fold(key, "design"), (n, p), p**-0.5, dtype)
    signal = np.array(_draw_signal(numeric(model.prior), fold(key, "signal"), p))
    z = np.zeros(bucket(n))
    z[:n] = design @ signal.astype(design.dtype)
    y = np.array(_draw_outputs(numeric(model.channel), fold(key, "noise"), jnp.asarray(z)))[:n]
    return Instance(Data(design, y), signal)


def informed_start(
    prior: AbstractPrior, signal: Vector, overlap: float, key: PRNGKeyArray
) -> Start:
    """A start of a given overlap: the posterior given the signal in Gaussian noise.

    It is independent of the design and satisfies the Nishimori identities, so that state evolution
    holds from the first iteration on.

    Args:
        prior: law of the signal's components.
        signal: w*, shape (p,).
        overlap: between (E w)^2 and E w^2, both excluded.
        key: of the noise.

    Raises:
        ValueError: if the overlap is out of its range.
    """
    brick = numeric(prior)
    low, high = float(prior.first_moment()) ** 2, float(prior.second_moment())
    if not low < overlap < high:
        raise ValueError(
            f"Argument `start` must be an overlap between {low:g} and {high:g}, but was {overlap}."
        )

    def excess(log_q_hat: float) -> float:
        return float(_prior_moments(brick, jnp.exp(log_q_hat))[0]) - overlap

    root: Any = scipy.optimize.brentq(excess, np.log(1e-10), np.log(1e10))
    q_hat = float(np.exp(root))
    noise = np.asarray(jax.random.normal(key, signal.shape))
    field = jnp.asarray(q_hat * signal + np.sqrt(q_hat) * noise)
    mean, variance = _posterior(brick, field, jnp.asarray(q_hat))
    return Start(np.asarray(mean), np.asarray(variance), np.zeros(()))


def solve(
    model: GeneralizedLinearModel,
    data: Data,
    key: PRNGKeyArray,
    *,
    start: Start | None = None,
    observe: Callable[[Any], Any] | None = None,
    **options: Any,
) -> Outcome:
    """Message passing on data, with a spectral start where w = 0 is blind.

    Args:
        model: a GLM; its alpha is not used.
        data: design and observation.
        key: of the spectral start.
        start: another start.
        observe: called on every state.
        options: of `multilayer_run.run`.
    """
    if start is None:
        start = _default_start(model, data, key)
    return run(model.prior, model.channel, data, start=start, observe=observe, **options)


def first_state(model: GeneralizedLinearModel, data: Data, key: PRNGKeyArray) -> State:
    """The state before the first iteration, from the start that `solve` takes."""
    return init(model.prior, model.channel, data, _default_start(model, data, key))


def _default_start(model: GeneralizedLinearModel, data: Data, key: PRNGKeyArray) -> Start | None:
    if not spectral.is_blind(model.prior, model.channel):
        return None
    return spectral.start(model.prior, model.channel, data, key)


def overlaps(model: GeneralizedLinearModel, estimate: Any, instance: Instance) -> Overlaps:
    """The numbers that every observable is a function of.

    Args:
        model: a GLM; for even channels with a prior of mean zero the sign of the estimate is free.
        estimate: an object with `mean` and `variance`, or an array, which is a point estimate.
        instance: the problem with its signal.
    """
    signal = np.asarray(instance.signal)
    point = isinstance(estimate, np.ndarray | jax.Array)
    mean = np.asarray(estimate if point else estimate.mean)
    variance = 0.0 if point else float(np.mean(estimate.variance))
    cross = float(np.mean(signal * mean))
    if cross < 0 and spectral.is_blind(model.prior, model.channel):
        cross, mean = -cross, -mean
    size = float(np.mean(mean**2))
    along = cross / size * mean if size > 0 else 0.0
    rest = float(np.mean((signal - along) ** 2))
    return Overlaps(cross, size, float(np.mean(signal**2)), rest, variance)


def observables(model: GeneralizedLinearModel, found: Overlaps) -> dict[str, Any]:
    """Observables from overlaps; arrays of overlaps give arrays of observables.

    `generalization_error` is E (y - E[y | x, data])^2 with the output noise included, on fresh
    inputs, for the predictor that believes z ~ N(x . mean, mean variance); `bayes_error` is the
    probability that the likeliest label of that predictor is wrong, `gibbs_error` that a label
    drawn from it is. For a point estimate z = x . estimate. The latter two are NaN unless all
    outputs are labels.
    """
    stacked = Overlaps(*(jnp.atleast_1d(jnp.asarray(x, dtype=float)) for x in found))
    errors = _prediction_errors(numeric(model.channel), stacked)
    slope = stacked.cross / jnp.where(stacked.estimate > 0, stacked.estimate, 1.0)
    values = {
        "overlap": np.asarray(stacked.cross),
        # a sum of squares, so that exact recovery is not a difference of rounded numbers
        "mse": np.asarray(stacked.rest + (slope - 1) ** 2 * stacked.estimate),
        **{name: np.asarray(x) for name, x in zip(OBSERVABLES[2:], errors, strict=True)},
    }
    if np.ndim(found.cross) == 0:
        return {name: float(x[0]) for name, x in values.items()}
    return values


def measure_estimate(
    model: GeneralizedLinearModel, estimate: Any, instance: Instance
) -> dict[str, float]:
    """The model's observables of an estimate; arguments as in `overlaps`.

    Returns:
        overlap, mse, generalization_error, bayes_error and gibbs_error; see `observables`.
    """
    return observables(model, overlaps(model, estimate, instance))


def _errors_at(channel: AbstractChannel, found: Overlaps) -> tuple[Array, Array, Array]:
    """Square, 0-1 and Gibbs error of the predictor N(omega, variance) when z ~ N(s omega, rest).

    The square error is the variance of y given omega plus the square of the predictor's bias.
    """
    q = jnp.maximum(found.estimate, _TINY)
    slope = found.cross / q
    rest = jnp.maximum(found.rest, _TINY * found.signal)
    believed = jnp.maximum(found.variance, _TINY * found.signal)
    root = jnp.sqrt(q)
    features = []
    for z, width in channel.z_breakpoints():
        for V, scale in ((rest, slope), (believed, jnp.ones_like(slope))):
            blur = jnp.sqrt(V + channel.noise_variance() + width**2)
            safe = jnp.where(scale == 0, 1.0, scale) * root
            features.append((z / safe, blur / jnp.abs(safe)))
    v, weight = gaussian_nodes(features)
    omega = root * v
    best = channel_errors(channel, slope**2 * q, rest)
    truth = predict_mean(channel, slope * omega, rest)
    guess = predict_mean(channel, omega, believed)
    square = best.generalization_error + jnp.sum(weight * (truth - guess) ** 2)
    none = jnp.asarray(jnp.nan)
    if channel.emits_reals():
        return square, none, none
    atoms = channel.atoms()
    y = jnp.broadcast_to(atoms.values[:, None], (atoms.values.shape[0], omega.shape[0]))
    field = jnp.broadcast_to(omega[None, :], y.shape)
    active = atoms.active[:, None]
    true = active * jnp.exp(channel.log_partition(y, slope * field, rest))
    model = active * jnp.exp(channel.log_partition(y, field, believed))
    chosen = jnp.argmax(model, axis=0)
    hit = jnp.take_along_axis(true, chosen[None, :], axis=0)[0]
    gibbs = jnp.sum(model * (1 - true), axis=0)
    return square, jnp.sum(weight * (1 - hit)), jnp.sum(weight * gibbs)


@eqx.filter_jit
def _prediction_errors(channel: AbstractChannel, found: Overlaps) -> tuple[Array, Array, Array]:
    return jax.lax.map(lambda one: _errors_at(channel, Overlaps(*one)), tuple(found))


@eqx.filter_jit
def _draw_signal(prior: AbstractPrior, key: PRNGKeyArray, p: int) -> Array:
    return prior.sample(key, (p,))


@eqx.filter_jit
def _draw_outputs(channel: AbstractChannel, key: PRNGKeyArray, z: Array) -> Array:
    return channel.sample(key, z)


@eqx.filter_jit
def _prior_moments(prior: AbstractPrior, q_hat: Array) -> tuple[Array, Array]:
    moments = prior_moments(prior, q_hat)
    return moments.overlap, moments.variance


@eqx.filter_jit
def _posterior(prior: AbstractPrior, B: Array, A: Array) -> tuple[Array, Array]:
    return posterior(prior, B, A)


_TINY: Final = 1e-24

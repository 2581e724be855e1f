"""Instances of a committee, what is measured of an estimate, and state evolution."""

from collections.abc import Mapping
from typing import Any, Final

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray
from scipy.optimize import linear_sum_assignment

from solvable.algorithms.committee_amp import State, positive
from solvable.algorithms.convergence import Outcome
from solvable.bricks.committee.labels import AbstractLabels
from solvable.bricks.committee.messages import AbstractMessages
from solvable.bricks.committee.weights import weight_moments
from solvable.bricks.priors.base import AbstractPrior
from solvable.core.arguments import in_interval, integer
from solvable.core.instance import Data, Instance
from solvable.core.quadrature import FINE_ORDER
from solvable.core.randomness import fold, key_for, normal_matrix, numpy_generator

_FRESH: Final = 40_000  # fields on which predictions are measured: to half a percent
_CLOSED: Final = 2  # units of which predictions are in closed form: more fields are affordable
_LEAST: Final = 1e-9


def sample(
    key: PRNGKeyArray, size: int, prior: AbstractPrior, labels: AbstractMessages, alpha: float
) -> Instance:
    """Examples X (n, p) with their labels, and the weights (p, K); p = size, n = alpha p."""
    p = integer("size", size, low=2)
    n = max(round(alpha * p), 1)
    weights = np.asarray(prior.sample(fold(key, "weights"), (p, labels.units)), dtype=float)
    design = normal_matrix(fold(key, "design"), (n, p), p**-0.5)
    y = labels.sample(design @ weights, numpy_generator(fold(key, "ties")))
    return Instance(Data(design, y), weights)


def measure(
    estimate: Any, instance: Instance, prior: AbstractPrior, labels: AbstractMessages
) -> dict[str, float]:
    """Overlaps and errors, with the units in the order of largest total overlap.

    `generalization_error` is that of the estimate's own prediction E[y | omega, V] on fresh
    fields. V is rho - W^T W / p, scaled to the mean variance that an outcome or state comes with.
    """
    W, true = aligned(estimate, instance), np.asarray(instance.signal)
    (p, K), rho = true.shape, float(prior.second_moment())
    V, _ = positive(rho * np.eye(K) - W.T @ W / p, _LEAST * rho)
    if isinstance(estimate, State | Outcome):
        known = isinstance(estimate, State)
        variance = estimate.expected_error() if known else estimate.variance
        V = V * max(K * float(np.mean(variance)) / np.trace(V), _LEAST)
    overlap = W.T @ true / p
    own = float(np.trace(overlap)) / K
    return {
        "overlap": own,
        "mse": float(np.mean((W - true) ** 2)),
        "overlap_diagonal": own,
        "overlap_off_diagonal": (float(np.sum(overlap)) / K - own) / max(K - 1, 1),
        "generalization_error": _prediction_error(W, true, V, labels),
    }


def aligned(estimate: Any, instance: Instance) -> Float[np.ndarray, "p K"]:
    """W of an estimate, its units in the order of largest total overlap with the signal's."""
    if isinstance(estimate, State):
        estimate = estimate.weights
    found = np.asarray(estimate.mean if isinstance(estimate, Outcome) else estimate)
    true = np.asarray(instance.signal)
    W = found.reshape(true.shape)
    _, order = linear_sum_assignment(true.T @ W, maximize=True)
    return W[:, order]


def _prediction_error(
    W: np.ndarray, true: np.ndarray, V: np.ndarray, labels: AbstractMessages
) -> float:
    """E (y - E[y | omega, V])^2 over fields of the estimate and of the truth.

    Every instance has fields of its own, so that their noise is in the spread of instances.
    """
    p, K = W.shape
    both = np.concatenate([W, true], axis=1)
    values, vectors = np.linalg.eigh(both.T @ both / p)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    rng = numpy_generator(key_for(0, "fresh fields", float(np.sum(true))))
    fields = rng.standard_normal((_FRESH if K <= _CLOSED else _FRESH // 10, 2 * K)) @ root.T
    predicted = np.asarray(_predicted(labels.resolved(V), fields[:, :K], V))
    return float(np.mean((labels.sample(fields[:, K:], rng) - predicted) ** 2))


@eqx.filter_jit
def _predicted(labels: AbstractMessages, omega: Any, V: Any) -> Array:
    return labels.predicted(jnp.asarray(omega), jnp.asarray(V))


def informed_start(
    instance: Instance, overlap: float, prior: AbstractPrior, key: PRNGKeyArray
) -> Float[np.ndarray, "p K"]:
    """m w / rho + noise, of overlap m with w and with itself.

    Raises:
        ValueError: if the overlap is not in [0, rho].
    """
    rho = float(prior.second_moment())
    share = in_interval("start", overlap, 0, rho) / rho
    noise = numpy_generator(key).standard_normal(instance.signal.shape)
    return share * np.asarray(instance.signal) + (share * (1 - share) * rho) ** 0.5 * noise


def state_evolution(
    start: Mapping[str, float],
    iterations: int,
    prior: AbstractPrior,
    labels: AbstractLabels,
    alpha: float,
) -> dict[str, Float[np.ndarray, " t"]]:
    """Observables along q -> q(alpha snr(q)) from measured overlaps, each (iterations + 1,).

    q_+ along (1, ..., 1) and q_- across it, K - 1 times.
    """
    own, cross, K = start["overlap_diagonal"], start["overlap_off_diagonal"], labels.units
    share = np.array([1.0, K - 1]) / K
    rho = float(prior.second_moment())
    low, high = _LEAST * rho, (1 - _LEAST) * rho
    q = np.clip([own + (K - 1) * cross, own - cross], low, high)
    V, rows = rho - q, []
    for _ in range(iterations + 1):
        q_new, V_new, error = (np.asarray(x) for x in _evolved(prior, labels, q, V, alpha))
        mean, mse, apart = share @ q, share @ V, (q[0] - q[1]) / K
        rows.append([mean, mse, mean, apart, float(error)])
        q, V = np.maximum(q_new, low), V_new
    names = ("overlap", "mse", "overlap_diagonal", "overlap_off_diagonal", "generalization_error")
    columns = dict(zip(names, np.array(rows).T, strict=True))
    return {name: np.r_[start[name], column[1:]] for name, column in columns.items()}


@eqx.filter_jit
def _evolved(
    prior: AbstractPrior, labels: AbstractLabels, q: Any, V: Any, alpha: Any
) -> tuple[Array, Array, Array]:
    nodes = labels.panel_nodes(FINE_ORDER)
    seen = labels.moments(q, V, nodes)
    found = weight_moments(prior, labels.units, alpha * seen.snr, nodes)
    return found.overlap, found.variance, seen.square - seen.predicted

"""Instances of a quadratic network, message passing and descent on them, and what is measured."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np
from jaxtyping import Float, PRNGKeyArray
from scipy.optimize import brentq

from solvable.algorithms import quadratic_amp
from solvable.algorithms.convergence import Outcome
from solvable.algorithms.quadratic_amp import Problem, State
from solvable.algorithms.quadratic_descent import Descent, descend
from solvable.core.arguments import in_interval, integer
from solvable.core.instance import Data, Instance
from solvable.core.noisy_wishart import unexplained
from solvable.core.randomness import fold, normal_matrix, numpy_generator, symmetric_noise
from solvable.core.status import Status

BASELINES: Final = ("gradient_descent", "averaged_descent")
_AVERAGED: Final = 8  # descents
_SIGNAL_TO_NOISE: Final = (1e-9, 1e9)


def sample(key: PRNGKeyArray, size: int, kappa: float, delta: float, alpha: float) -> Instance:
    """Examples x / sqrt(d) with their labels, S as the signal; d = size.

    k and n are kappa d and alpha d^2, rounded, at least 1.
    """
    d = integer("size", size, low=2)
    k, n = max(round(kappa * d), 1), max(round(alpha * d**2), 1)
    weights = normal_matrix(fold(key, "weights"), (d, k))
    design = normal_matrix(fold(key, "design"), (n, d), d**-0.5)
    noise = numpy_generator(fold(key, "noise")).standard_normal(n)
    outputs = np.sum((design @ weights) ** 2, axis=1) / k + np.sqrt(delta / d) * noise
    return Instance(Data(design, outputs), weights @ weights.T / k, hidden=(weights,))


def measure(estimate: Any, instance: Instance, kappa: float, delta: float) -> dict[str, float]:
    """Overlap, mean squared error and generalization error of an estimate of S.

    Args:
        estimate: a state or an outcome of message passing, a descent, or a d x d matrix.
        instance: with S.
        kappa: of the model.
        delta: of the model.
    """
    S = np.asarray(instance.signal)
    d = len(S)
    if isinstance(estimate, State | Descent):
        estimate = estimate.matrix
    found = np.asarray(estimate.mean if isinstance(estimate, Outcome) else estimate).reshape(d, d)
    apart, both = S - found, (np.trace(S) / d, np.trace(found) / d)
    error = float(np.sum(apart**2)) / d
    return {
        "overlap": kappa * (float(np.sum(S * found)) / d - float(both[0] * both[1])),
        "mse": kappa * error,
        "generalization_error": delta + 2 * error + d * float(both[0] - both[1]) ** 2,
    }


def informed_start(
    instance: Instance, overlap: float, kappa: float, key: PRNGKeyArray
) -> Float[np.ndarray, "d d"]:
    """The best estimate of S from a noisy matrix that shows so much of it.

    Raises:
        ValueError: if the overlap is not in (0, 1).
    """
    in_interval("start", overlap, 0, 1, closed="neither")
    low, high = (np.log(bound) for bound in _SIGNAL_TO_NOISE)

    def gap(x: float) -> float:
        return 1 - float(unexplained(kappa, np.exp(-x))) - overlap

    root: Any = brentq(gap, low, high, xtol=1e-10)
    t, S = float(np.exp(-root)), np.asarray(instance.signal)
    noise = symmetric_noise(key, len(S), np.sqrt(t / len(S)))
    return quadratic_amp.denoised(S + noise, t, kappa)[0]


def state_evolution(
    start: Mapping[str, float], iterations: int, kappa: float, delta: float, alpha: float
) -> dict[str, Float[np.ndarray, " t"]]:
    """Observables along mse -> kappa mm(t), t = (delta + 2 mse / kappa) / (4 alpha)."""
    errors = [float(start["mse"])]
    for _ in range(iterations):
        errors.append(float(unexplained(kappa, (delta + 2 * errors[-1] / kappa) / (4 * alpha))))
    mse = np.array(errors)
    found = {"overlap": 1 - mse, "mse": mse, "generalization_error": delta + 2 * mse / kappa}
    return {name: np.r_[start[name], column[1:]] for name, column in found.items()}


def run_baseline(name: str, problem: Problem, key: PRNGKeyArray) -> tuple[Any, Status]:
    """The matrix that gradient descent finds, or the mean of those from some random starts."""
    if name == "gradient_descent":
        one = descend(problem, fold(key, "start", 0))
        return one, one.status
    found = [descend(problem, fold(key, "start", k)) for k in range(_AVERAGED)]
    return sum(one.matrix for one in found) / _AVERAGED, max(one.status for one in found)

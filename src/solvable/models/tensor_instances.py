"""Instances of a spike on the sphere, message passing on them, and what is measured of it."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float, PRNGKeyArray

from solvable.algorithms import tensor_amp
from solvable.algorithms.convergence import Outcome
from solvable.algorithms.low_rank_spectral import pca_wigner
from solvable.algorithms.matrix_tensor import MatrixTensor, sampled_sphere
from solvable.algorithms.tensor_amp import Problem, Start, State
from solvable.core.arguments import in_interval
from solvable.core.covariance import Covariance
from solvable.core.instance import Instance
from solvable.core.random_matrix import WignerPCA
from solvable.core.randomness import fold

_SEED = 1e-4  # size of a start that knows nothing
_TOLERANCE = 1e-8
_ML_TOLERANCE, _ML_STEPS = 1e-4, 300


def first_start(data: MatrixTensor, key: PRNGKeyArray) -> Start:
    """The leading eigenvector of the matrix where that finds something, else a small random one.

    It is scaled to its overlap with the signal, 1 - delta2, and is the fixed point of message
    passing on the matrix alone, which made it of itself. Of its two signs that of lower energy
    counts: message passing would end at the other one too.
    """
    if data.matrix is None or (cosine := WignerPCA(data.delta2).squared_cosine) == 0:
        return Start(np.sqrt(_SEED) * sampled_sphere(fold(key, "first"), data.size), 1.0)
    found = pca_wigner(data.matrix, key=fold(key, "first"), tolerance=_TOLERANCE)
    mean = found.vector * cosine**0.5
    if data.force(mean[:, None]).tensor_energy[0] > 0:
        mean = -mean
    return Start(mean, 1 - cosine, mean)


def informed_start(instance: Instance, overlap: float, key: PRNGKeyArray) -> Start:
    """An estimate of a given overlap, as a posterior mean would have it.

    Raises:
        ValueError: if the overlap is out of its range.
    """
    in_interval("start", overlap, 0, 1, closed="neither")
    return tensor_amp.informed_start(key, np.asarray(instance.signal), overlap)


def measure(estimate: Any, instance: Instance, even: bool) -> dict[str, float]:
    """Overlap and mean squared error, up to the sign where all powers are even.

    Args:
        estimate: a state or an outcome of message passing, or a vector.
        instance: with the signal.
        even: whether the data tell nothing of the sign.
    """
    if isinstance(estimate, State):
        estimate = estimate.mean[0]
    x = np.asarray(estimate.mean if isinstance(estimate, Outcome) else estimate)
    overlap = float(x @ instance.signal) / len(x)
    overlap = abs(overlap) if even else overlap
    return {"overlap": overlap, "mse": 1 - 2 * overlap + float(x @ x) / len(x)}


def maximum_likelihood(instance: Instance, key: PRNGKeyArray, even: bool) -> tuple[float, Any]:
    """The overlap that message passing for maximum likelihood ends at, and its status."""
    data = instance.data.observation
    start = first_start(data, key)
    problem = Problem(data, "maximum_likelihood")
    outcome = tensor_amp.run(problem, start, tolerance=_ML_TOLERANCE, max_steps=_ML_STEPS)
    return measure(outcome, instance, even)["overlap"], outcome.status


def state_evolution(
    Q: Covariance, start: Mapping[str, float], iterations: int
) -> dict[str, Float[np.ndarray, " t"]]:
    """Overlaps and errors of Bayes-optimal message passing, the start first."""
    overlaps = [max(float(start["overlap"]), 0.0)]
    for _ in range(iterations):
        overlaps.append(float(tensor_amp.next_overlap(Q, overlaps[-1])))
    errors = [float(start["mse"]), *(1 - m for m in overlaps[1:])]
    return {"overlap": np.array(overlaps), "mse": np.array(errors)}

"""Communities in dense graphs: who is in which group, and how often an estimate is right.

A random graph with k equal groups is a `SpikedWigner` of `OneHot(k)` seen by `BernoulliEdges`:
nodes i and j are joined with probability pbar + mu x_i . x_j / sqrt(p), x = e_a - 1 / k.
"""

from typing import Any

import numpy as np
from jaxtyping import Float, PRNGKeyArray
from scipy.cluster.vq import kmeans2
from scipy.special import ndtr

from solvable.algorithms.eigenvectors import leading_eigenvectors
from solvable.bricks.priors.one_hot import OneHot
from solvable.core.randomness import numpy_generator

_TRIALS = 10  # starts of k-means
_TOLERANCE = 1e-10  # of eigenvectors
_REACH, _NODES = 10.0, 160  # standard deviations and nodes of a Gaussian average


def spectral_communities(
    matrix: Float[np.ndarray, "p p"], k: int, key: PRNGKeyArray
) -> Float[np.ndarray, "p k"]:
    """Groups from the k - 1 leading eigenvectors: by sign for two groups, else by k-means.

    Args:
        matrix: the centered adjacency matrix, up to a factor.
        k: number of groups.
        key: of the eigensolver's first vector and of the starts of k-means.

    Returns:
        A point of `OneHot(k)` for every node.
    """
    rng = numpy_generator(key)
    start = rng.standard_normal(len(matrix))
    vectors = leading_eigenvectors(
        lambda x: matrix @ x, start, k - 1, tolerance=_TOLERANCE
    ).vectors
    if k == 2:
        return OneHot(k=2).points()[(vectors[:, 0] > 0).astype(int)]
    best, least = np.zeros(len(matrix), dtype=int), np.inf
    for _ in range(_TRIALS):
        centers, labels = kmeans2(vectors, k, minit="++", rng=rng, missing="raise")
        spread = float(np.sum((vectors - centers[labels]) ** 2))
        if spread < least:
            best, least = labels, spread
    return OneHot(k=k).points()[best]


def agreement(estimate: Any, truth: Any) -> float:
    """(fraction of nodes in their true group - 1 / k) / (1 - 1 / k), after the best renaming.

    Args:
        estimate: likeliest group of a node: the largest of its k entries.
        truth: points of `OneHot(k)`, (p, k).
    """
    truth = np.asarray(truth)
    k = truth.shape[1]
    prior = OneHot(k=k)
    labels = prior.points()[np.argmax(np.asarray(estimate), axis=1)]
    right = np.argmax(labels @ prior.alignment(labels, truth), axis=1) == np.argmax(truth, axis=1)
    return (k * float(np.mean(right)) - 1) / (k - 1)


def expected_agreement(k: int, q_hat: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """`agreement` of the likeliest groups in theory, int phi(z - sqrt(q_hat)) Phi(z)^(k-1) dz.

    Args:
        k: number of groups.
        q_hat: signal-to-noise ratio of a direction, overlap / ((k - 1) delta).
    """
    z, weight = np.polynomial.legendre.leggauss(_NODES)
    z, weight = _REACH * z, _REACH * weight
    shifted = z + np.sqrt(np.asarray(q_hat))[..., None]
    density = np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
    right = (density * ndtr(shifted) ** (k - 1)) @ weight
    return (k * right - 1) / (k - 1)

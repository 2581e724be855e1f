"""The dense block model: a random graph with k equal groups, which is a spiked matrix in disguise.

Nodes i and j are joined with probability pbar + mu x_i . x_j / sqrt(p), x = e_a - 1 / k. All that
its adjacency matrix A tells of x in the limit of many nodes it tells through the Fisher score S =
mu (A - pbar) / (pbar (1 - pbar)) (Lesieur et al. 2017), so that Y = (A - pbar) / mu is a spiked
matrix whose noise has variance

    Delta = 1 / E S^2 = pbar (1 - pbar) / mu^2.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, PRNGKeyArray
from scipy.cluster.vq import kmeans2
from scipy.sparse.linalg import eigsh
from scipy.special import ndtr

from solvable.bricks.priors.one_hot import OneHot
from solvable.core.arguments import in_interval, integer, positive
from solvable.core.instance import Data, Instance
from solvable.core.randomness import fold, numpy_generator
from solvable.models.spiked_wigner import SpikedWigner

_TRIALS = 10  # starts of k-means
_REACH, _NODES = 10.0, 160  # standard deviations and nodes of a Gaussian average


@dataclass(frozen=True)
class BlockModel:
    """A graph with k groups, each node in one of them with probability 1 / k.

    Args:
        k: number of groups, >= 2.
        probability: pbar, mean probability of an edge, in (0, 1).
        contrast: mu > 0, how much likelier edges inside a group are, times sqrt(p).

    Raises:
        ValueError: if an argument is out of its range.

    Example:
        >>> BlockModel(k=2, probability=0.5, contrast=2.0).delta
        0.0625
    """

    k: int
    probability: float
    contrast: float

    def __post_init__(self) -> None:
        integer("k", self.k, low=2)
        in_interval("probability", self.probability, 0.0, 1.0, closed="neither")
        positive("contrast", self.contrast)

    @classmethod
    def with_noise(cls, k: int, probability: float, delta: float) -> "BlockModel":
        """The one whose spiked matrix has noise of variance delta."""
        contrast = np.sqrt(probability * (1 - probability) / positive("delta", delta))
        return cls(k, probability, float(contrast))

    @property
    def delta(self) -> float:
        """Variance of the noise of the equivalent spiked matrix."""
        return self.probability * (1 - self.probability) / self.contrast**2

    @cached_property
    def spiked(self) -> SpikedWigner:
        """The equivalent model: its theory, message passing and measures are the graph's."""
        return SpikedWigner(prior=OneHot(k=self.k), delta=self.delta)

    def sample(self, key: PRNGKeyArray, size: int) -> Instance:
        """One graph: adjacency matrix (p, p), symmetric with an empty diagonal, and x (p, k).

        Raises:
            ValueError: if a probability of an edge would be outside [0, 1], or `size` is no
                positive integer.
        """
        size = integer("size", size, low=1)
        change = self.contrast / np.sqrt(size)
        outside = self.probability - change / self.k
        inside = outside + change
        if not (outside >= 0 and inside <= 1):
            raise ValueError(
                f"Argument `contrast` must leave probabilities of edges between 0 and 1, but "
                f"{self.contrast:g} makes them {outside:g} and {inside:g} for {size} nodes."
            )
        x = np.asarray(OneHot(k=self.k).sample(fold(key, "signal"), (size,)))
        group, rng = np.argmax(x, axis=1), numpy_generator(fold(key, "edges"))
        edges = np.zeros((size, size), dtype=bool)
        for i in range(1, size):
            level = np.where(group[:i] == group[i], inside, outside)
            edges[i, :i] = rng.random(i) < level
        return Instance(Data(None, edges | edges.T), x)

    def spiked_matrix(self, adjacency: Bool[np.ndarray, "p p"]) -> Float[np.ndarray, "p p"]:
        """Y = (A - pbar) / mu, zero on the diagonal."""
        matrix = (np.asarray(adjacency, dtype=float) - self.probability) / self.contrast
        np.fill_diagonal(matrix, 0.0)
        return matrix

    def spiked_instance(self, graph: Instance) -> Instance:
        """The graph as an instance of `spiked`."""
        return Instance(Data(None, self.spiked_matrix(graph.data.observation)), graph.signal)


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
    _, vectors = eigsh(matrix, k - 1, which="LA", v0=rng.standard_normal(len(matrix)))
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

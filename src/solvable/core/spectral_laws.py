"""Limiting laws of the eigenvalues of large covariance matrices, as nodes and weights."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from jaxtyping import Float

from solvable.core.arguments import fail, non_negative, non_negative_vector, positive
from solvable.core.arguments import probability_vector as probabilities


@dataclass(frozen=True, eq=False)
class SpectralLaw:
    """A law nu of non-negative eigenvalues, given by points x_i with probabilities w_i.

    tau(f(K)) = lim Tr f(K) / p = sum_i w_i f(x_i). A continuous law is given by the nodes of a
    quadrature.

    Args:
        nodes: shape (m,), eigenvalues >= 0, not all 0.
        weights: shape (m,), probabilities; they sum to one.

    Raises:
        ValueError: if there is no positive eigenvalue, the weights are no probabilities or the
            lengths differ.

    Example:
        >>> SpectralLaw([1.0, 3.0], [0.5, 0.5]).moment(2)
        5.0
    """

    nodes: Float[np.ndarray, " m"]
    weights: Float[np.ndarray, " m"]

    def __post_init__(self) -> None:
        nodes = non_negative_vector("nodes", self.nodes)
        weights = probabilities("weights", self.weights)
        if len(weights) != len(nodes):
            raise fail("weights", f"have the length of `nodes`, {len(nodes)}", weights)
        if not np.any(weights[nodes > 0] > 0):
            raise fail("nodes", "hold a positive eigenvalue of positive weight", nodes)
        kept = weights > 0
        object.__setattr__(self, "nodes", nodes[kept])
        object.__setattr__(self, "weights", weights[kept])

    def moment(self, order: int) -> float:
        """tau(K^order)."""
        return float(self.average(self.nodes**order))

    def average(self, values: Any) -> Any:
        """sum_i w_i f_i along the last axis of `values`, which has one entry a node."""
        return values @ self.weights

    @property
    def mass_at_zero(self) -> float:
        """The fraction of eigenvalues that vanish."""
        return float(self.weights[self.nodes == 0].sum())


def eigenvalue_law(eigenvalues: Any) -> SpectralLaw:
    """The law of given eigenvalues, each with the same weight.

    Args:
        eigenvalues: shape (p,), >= 0, as of one finite covariance matrix.

    Raises:
        ValueError: if one is negative or none is positive.
    """
    x = non_negative_vector("eigenvalues", eigenvalues)
    return SpectralLaw(x, np.full(len(x), 1 / len(x)))


def marchenko_pastur_law(ratio: float) -> SpectralLaw:
    """Law of the eigenvalues of W W^T / k, W of shape (p, k) with unit variance, ratio = p / k.

    With x = 1 + a + 2 sqrt(a) cos(t), the continuous part is (2 / pi) sin(t)^2 / x dt on (0, pi);
    for a > 1 a fraction 1 - 1 / a of the eigenvalues is zero. Near t = pi the integrand changes on
    the scale |1 - sqrt(a)|, to which the panels are graded (Marchenko & Pastur 1967).

    Args:
        ratio: a = p / k > 0.

    Raises:
        ValueError: if the ratio is not positive.

    Example:
        >>> round(marchenko_pastur_law(2.0).moment(2), 12)  # 1 + a
        3.0
    """
    a = positive("ratio", ratio)
    # at a = 1 itself the small end is smooth; graded to resolve tau(1 / (1 + w K)) up to w = 1e8
    gap = max(abs(1 - a**0.5), _SMALLEST_GAP) if a != 1 else 1e-4
    fine = gap * 2.0 ** np.arange(0, max(0, int(np.ceil(np.log2(_PANEL / gap)))))
    coarse = np.linspace(0, np.pi, int(np.ceil(np.pi / _PANEL)) + 1)
    edges = np.unique(np.concatenate([coarse, fine]))
    middle, half = (edges[1:] + edges[:-1]) / 2, np.diff(edges) / 2
    s = (middle[:, None] + half[:, None] * _X).ravel()  # s = pi - t
    # (1 - sqrt a)^2 + 4 sqrt(a) sin(s / 2)^2: no cancellation at the small end
    x = (1 - a**0.5) ** 2 + 4 * a**0.5 * np.sin(s / 2) ** 2
    weights = (half[:, None] * _W).ravel() * 2 / np.pi * np.sin(s) ** 2 / x
    weights *= min(1.0, 1 / a) / weights.sum()
    if a > 1:
        x, weights = np.append(x, 0.0), np.append(weights, 1 - 1 / a)
    return SpectralLaw(x, weights / weights.sum())


def feature_covariance_law(ratio: float, kappa_1: float, kappa_star: float) -> SpectralLaw:
    """Law of K = kappa_1^2 W W^T / k + kappa_star^2 I, the covariance of v = phi(W z / sqrt k).

    For z and W of unit Gaussian entries and E phi(u) = 0, kappa_1 = E u phi(u) and
    kappa_star^2 = E phi(u)^2 - kappa_1^2, the limit of E_z v v^T (Aubin et al. 2019). For linear
    phi, (1, 0), it is exact at any size.

    Args:
        ratio: a = p / k > 0.
        kappa_1: the linear part of phi.
        kappa_star: root mean square of the rest, >= 0.

    Raises:
        ValueError: if an argument is out of its domain or both parts vanish.

    Example:
        >>> law = feature_covariance_law(2.0, kappa_1=(2 / np.pi) ** 0.5,
        ...                              kappa_star=(1 - 2 / np.pi) ** 0.5)  # sign
        >>> round(law.moment(2), 6)  # 1 + 4 a / pi^2
        1.810569
    """
    linear, rest = non_negative("kappa_1", abs(kappa_1)), non_negative("kappa_star", kappa_star)
    if linear == rest == 0:
        raise fail("kappa_1", "be positive where `kappa_star` is 0", kappa_1)
    base = marchenko_pastur_law(ratio)
    return SpectralLaw(linear**2 * base.nodes + rest**2, base.weights)


_X, _W = np.polynomial.legendre.leggauss(20)
_PANEL: Final = np.pi / 16
_SMALLEST_GAP: Final = 1e-12

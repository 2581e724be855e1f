"""Hermite polynomials of several Gaussian variables: coefficients of a link, exponents, leaps.

He_beta(z) = prod_i He_beta_i(z_i) / sqrt(beta_i!) is orthonormal for z ~ N(0, 1)^k.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from solvable.core.links import Link
from solvable.core.special import hermite

Index = tuple[int, ...]

# panel edges of one positive coordinate, by the number of variables: fine where it is cheap, and
# with an edge at 0, where links often have their jumps
PANELS: dict[int, np.ndarray] = {
    1: np.r_[0.0, np.geomspace(1e-3, 0.25, 10), np.arange(0.5, 9.1, 0.25)],
    2: np.array([0.0, 0.02, 0.08, 0.25, 0.6, 1.1, 1.7, 2.4, 3.2, 4.2, 5.5, 7.0, 9.0]),
    3: np.array([0.0, 0.12, 0.5, 1.2, 2.1, 3.2, 5.0, 8.0]),
    4: np.array([0.0, 0.5, 1.4, 2.8, 4.6, 7.5]),
}


def nodes(k: int, order: int) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Nodes and probabilities of one standard Gaussian coordinate among k: graded panels."""
    edges = np.r_[-PANELS[k][:0:-1], PANELS[k]]
    x, w = np.polynomial.legendre.leggauss(order)
    half, middle = 0.5 * np.diff(edges)[:, None], 0.5 * (edges[1:] + edges[:-1])[:, None]
    z, weight = (middle + half * x).ravel(), (half * w).ravel()
    return z, weight * np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)


def product_nodes(k: int, order: int, dimension: int) -> tuple[np.ndarray, np.ndarray]:
    """The same for `dimension` coordinates at once: points (n, dimension) and probabilities."""
    z, w = nodes(k, order)
    if dimension == 0:
        return np.zeros((1, 0)), np.ones(1)
    points = np.stack(np.meshgrid(*[z] * dimension, indexing="ij"), -1).reshape(-1, dimension)
    weights = np.prod(np.stack(np.meshgrid(*[w] * dimension, indexing="ij"), -1), -1).ravel()
    keep = weights > (1e-18 if k < 3 else 1e-11)  # all that is left out is 1e-7 at most
    return points[keep], weights[keep]


def indices(k: int, degree: int) -> list[Index]:
    """All multi-indices of k entries with a sum of at most `degree`, by rising sum."""
    every = itertools.product(range(degree + 1), repeat=k)
    return sorted((b for b in every if sum(b) <= degree), key=lambda b: (sum(b), [-x for x in b]))


def tensor(coefficients: dict[Index, float], k: int, degree: int) -> np.ndarray:
    """The symmetric tensor of one degree, whose squared norm is the sum of c_beta^2."""
    found = np.zeros((k,) * degree)
    for place in itertools.product(range(k), repeat=degree):
        beta = tuple(place.count(i) for i in range(k))
        multiplicity = math.factorial(degree) / math.prod(math.factorial(b) for b in beta)
        found[place] = coefficients[beta] / np.sqrt(multiplicity)
    return found


def turn(frame: Float[np.ndarray, "k k"], betas: list[Index]) -> np.ndarray:
    """He_beta(z) of one degree in terms of those of x, z = frame x: solved for at some points."""
    k, degree = len(frame), sum(betas[0])
    count = 4 * len(betas) + 8
    points = 3 * np.cos(np.outer(1 + np.arange(count), np.sqrt([2.0, 3.0, 5.0, 7.0][:k])))

    def values(at: np.ndarray) -> np.ndarray:
        rows = [hermite(column, max(degree, 1)) for column in at.T]
        terms = [[r[b] for r, b in zip(rows, beta, strict=True)] for beta in betas]
        return np.prod(terms, axis=1)

    return np.linalg.lstsq(values(points).T, values(points @ frame.T).T, rcond=None)[0].T


@dataclass(frozen=True)
class Leaps:
    """How a link is learned by its Hermite coefficients, direction by direction.

    Attributes:
        first: the information exponent, the first degree with a coefficient; None if there is
            none up to the highest degree looked at.
        largest: the leap, the largest jump in degree that learning all directions takes.
        error: of the coefficients.
    """

    first: int | None
    largest: int | None
    error: float


def coefficients(link: Link, degree: int, order: int) -> dict[Index, float]:
    """E f(z) He_beta(z) / sqrt(E f^2), by product quadrature."""
    k = link.k
    z, w = nodes(k, order)
    points = np.stack(np.meshgrid(*[z] * k, indexing="ij"), -1).reshape(-1, k)
    values = link(points).reshape((len(z),) * k)
    weights = np.ones((len(z),) * k)
    for axis in range(k):
        weights = weights * w.reshape([-1 if a == axis else 1 for a in range(k)])
    values = values / np.sqrt(np.sum(weights * values**2))
    basis = hermite(z, degree) * w
    for _ in range(k):  # the first axis is summed, and its degree comes last
        values = np.tensordot(values, basis, axes=([0], [1]))
    return {beta: float(values[beta]) for beta in indices(k, degree)}


_LOWEST = 1e-7  # a coefficient below this is zero


def leaps(link: Link, degree: int, relevant: Float[np.ndarray, "k r"]) -> Leaps:
    """Information exponent and leap (Ben Arous et al. 2021; Abbe et al. 2023), in any basis.

    The tensors T_d = E f He_d are taken apart into directions that are known and others: the next
    directions are those of the entries with the fewest indices, `jump` of them, outside what is
    known.

    Args:
        link: f.
        degree: the highest looked at.
        relevant: a basis of the directions that f depends on.
    """
    order = {1: 12, 2: 10, 3: 6, 4: 4}[link.k]
    fine, rough = (coefficients(link, degree, n) for n in (order, max(order // 2, 2)))
    error = max(abs(fine[b] - rough[b]) for b in fine)
    tensors = [tensor(fine, link.k, d) for d in range(degree + 1)]
    lowest = max(_LOWEST, 3 * error)
    found = [d for d in range(1, degree + 1) if np.linalg.norm(tensors[d]) > lowest]
    known, jumps = np.zeros((link.k, 0)), []
    while known.shape[1] < relevant.shape[1]:
        jump, new = _next_jump(tensors, known, lowest)
        if jump is None:
            return Leaps(found[0] if found else None, None, error)
        jumps.append(jump)
        known = np.concatenate([known, new], axis=1)
    return Leaps(found[0] if found else None, max(jumps, default=None), error)


def _next_jump(
    tensors: list[np.ndarray], known: np.ndarray, lowest: float
) -> tuple[int | None, np.ndarray]:
    """The fewest indices outside what is known that an entry has, and their directions."""
    inside = known @ known.T
    outside = np.eye(len(inside)) - inside
    for jump in range(1, len(tensors)):
        rows = []
        for degree in range(jump, len(tensors)):
            part = tensors[degree]
            for axis in range(degree):
                side = outside if axis < jump else inside
                part = np.moveaxis(np.tensordot(side, part, axes=([1], [axis])), 0, axis)
            rows.append(part.reshape(len(inside), -1))
        left, size, _ = np.linalg.svd(np.concatenate(rows, axis=1), full_matrices=False)
        if np.any(size > lowest):
            return jump, left[:, size > lowest]
    return None, known[:, :0]

"""Weak recovery of the directions of a multi-index link (Troiani et al. 2024).

y = f(z) + noise, z = W x with x ~ N(0, 1)^p and k directions W of a Gaussian law: message passing,
the best of first-order methods, starts to learn from n = alpha p samples

- directions of E[z | y] at any alpha > 0 (trivial),
- others where the linear map M -> alpha E_y G M G, G = E[z z^T - 1 | y], has an eigenvalue of
  one (easy), at finite alpha unless it is zero (hard),

and then, given what is known already of other directions, in the same way with conditional laws
given y and the estimate omega of z_U: z_U ~ N(omega, 1 - Q), with the overlap Q(alpha) that state
evolution gives to the directions U.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.linalg import qr
from scipy.optimize import brentq

from solvable.core.hermite import indices, turn
from solvable.core.level_sets import Bins, Grid, bin_moments, cut
from solvable.core.links import Link
from solvable.core.outputs import Covered, best_cover, extrapolated, observed
from solvable.models.multi_index_known import Known, known

_ZERO, _ZERO_ASKEW = 1e-6, 2e-3  # E_y of a square below this is 0: along axes, in other frames
_TOP = 1e-5  # relative: eigenvalues this close are one
_SPREADS = 3.0
_TIDY = 1e-7
_SAME = 2e-2  # relative: eigenvalues beside known directions this close are one
_CURVE = 1 / (1 + np.exp(-np.linspace(-6.0, 6.5, 40)))  # overlaps of one direction
_START, _STEPS, _SETTLED = 1e-3, 400, 1e-8
_WIDER, _FEWEST = 8, 5  # bins of other widths
_LARGEST = 1e4  # alpha


class Stage(NamedTuple):
    """Directions that are learned together.

    Attributes:
        vectors: an orthonormal basis, shape (k, m).
        kind: "trivial", "easy" or "hard".
        alpha: from which samples over dimension on; 0 for trivial ones, inf for hard ones.
        rough: what wider bins say of alpha.
    """

    vectors: Float[np.ndarray, "k m"]
    kind: str
    alpha: float
    rough: float


@dataclass(frozen=True)
class Grids:
    """How finely a link is looked at: with nothing known, and beside known directions."""

    alone: Grid
    beside: Grid
    rough: Grid
    omega: tuple[int, ...] = (32, 9, 6)  # nodes a direction, of one, two, three known ones


FINE = {
    1: Grids(Grid(1, 16000, 48), Grid(1, 2000, 24), Grid(1, 400, 8)),
    2: Grids(Grid(32, 200, 120), Grid(12, 160, 40), Grid(4, 40, 8)),
    3: Grids(Grid(6, 56, 40), Grid(5, 48, 24), Grid(2, 20, 8)),
    4: Grids(Grid(3, 32, 12), Grid(2, 24, 5), Grid(1, 12, 4)),
}
_FEW_OMEGA = (24, 7, 5)
COARSE = {
    1: Grids(Grid(1, 6000, 34, 6.0), Grid(1, 1000, 17, 6.0), Grid(1, 400, 8, 6.0), _FEW_OMEGA),
    2: Grids(Grid(20, 140, 60, 6.0), Grid(8, 100, 20, 6.0), Grid(4, 40, 8, 6.0), _FEW_OMEGA),
    3: Grids(Grid(4, 40, 26, 6.0), Grid(4, 40, 14, 6.0), Grid(2, 20, 8, 6.0), _FEW_OMEGA),
    4: Grids(Grid(2, 24, 8, 6.0), Grid(2, 16, 4, 6.0), Grid(1, 12, 4, 6.0), _FEW_OMEGA),
}


def tidied(projector: Float[np.ndarray, "k k"], spread: float) -> Float[np.ndarray, "k k"]:
    """The projector, or one with entries in twelfths that is as close as numbers can tell.

    Directions of symmetric links are of this kind, and symmetries that are kept exactly keep
    zeros exact.
    """
    near = np.round(12 * projector) / 12
    close = np.max(np.abs(near - projector)) < max(_TIDY, _SPREADS * spread)
    return near if close and np.allclose(near @ near, near, atol=1e-12) else projector


def basis_of(projector: Float[np.ndarray, "k k"]) -> Float[np.ndarray, "k m"]:
    """An orthonormal basis of the range of a projector, along the axes where they lie in it."""
    rank = round(float(np.trace(projector)))
    found: np.ndarray = qr(projector, pivoting=True)[0]  # pyright: ignore[reportAssignmentType]
    found = found[:, :rank]
    found[np.abs(found) < 1e-9] = 0.0
    leading = found[np.argmax(np.abs(found), axis=0), np.arange(rank)]
    return found * np.where(leading < 0, -1.0, 1.0)


def complement(known: Float[np.ndarray, "k m"]) -> Float[np.ndarray, "k r"]:
    """A basis of all other directions."""
    return basis_of(np.eye(len(known)) - known @ known.T)


def above(matrix: np.ndarray, lowest: float) -> np.ndarray:
    """The projector on eigenvectors whose eigenvalue is larger."""
    values, vectors = np.linalg.eigh(0.5 * (matrix + matrix.T))
    kept = vectors[:, values > lowest]
    return kept @ kept.T


def symmetric_map(products: np.ndarray, size: int) -> np.ndarray:
    """M -> E_y G M G as a matrix on vec M, from products of He_beta of degree two."""
    parts = []
    for beta in [b for b in indices(size, 2) if sum(b) == 2]:
        places = [i for i, b in enumerate(beta) for _ in range(b)]
        matrix = np.zeros((size, size))
        matrix[places[0], places[1]] = matrix[places[1], places[0]] = 1.0
        parts.append(matrix * (np.sqrt(2) if places[0] == places[1] else 1.0))
    found = np.zeros((size * size, size * size))
    for a, left in enumerate(parts):
        for b, right in enumerate(parts):
            found += products[a, b] * np.kron(left, right)
    return 0.5 * (found + found.T)


def largest(products: np.ndarray, size: int, spread: float = 0.0) -> tuple[float, np.ndarray]:
    """The largest eigenvalue, and the directions of its positive eigenmatrices.

    Eigenvalues that differ by less than the spread of their entries count as one.
    """
    values, vectors = np.linalg.eigh(symmetric_map(products, size))
    top = vectors[:, values > values[-1] * (1 - _TOP) - _SPREADS * spread]
    matrix = (top @ (top.T @ np.eye(size).ravel())).reshape(size, size)
    return float(values[-1]), above(matrix, 1e-4 * float(np.max(np.abs(matrix))))


class Alone(NamedTuple):
    """What y tells of z with nothing known.

    Attributes:
        products: E_y of products of conditional means, of orthonormal He_beta(z).
        rough: the same by wider bins.
        order: the beta.
    """

    products: np.ndarray
    rough: np.ndarray
    order: list[tuple[int, ...]]

    def of_degree(self, degree: int, rough: bool = False) -> np.ndarray:
        """The block of one degree."""
        keep = [i for i, beta in enumerate(self.order) if sum(beta) == degree]
        return (self.rough if rough else self.products)[np.ix_(keep, keep)]


def alone(link: Link, noise: float, grids: Grids, degree: int) -> Alone:
    """E_y E[He_a | y] E[He_b | y] up to a degree."""
    covered = best_cover(link, grids.alone, grids.rough)
    counts = [grids.alone.bins, max(grids.alone.bins // _WIDER, _FEWEST)]
    tries = [_products(covered, replace(grids.alone, bins=bins), noise, 2) for bins in counts]
    apart = [np.max(np.abs(one.products - one.rough)) for one in tries]
    return _products(
        covered, replace(grids.alone, bins=counts[int(np.argmin(apart))]), noise, degree
    )


def _products(covered: Covered, grid: Grid, noise: float, degree: int) -> Alone:
    """The same with bins of one width: narrow ones resolve more, wide ones take fewer lines."""
    output = observed(covered, grid, noise)
    pieces = cut(covered.cover, output.bins)
    moments = bin_moments(covered.cover, pieces, output.bins, degree)
    order = indices(covered.cover.link.k, degree)
    found = np.empty_like(moments)
    for d in range(degree + 1):
        keep = [i for i, beta in enumerate(order) if sum(beta) == d]
        found[keep] = turn(covered.frame, [order[i] for i in keep]) @ moments[keep]
    products, rough = extrapolated(output.products(found), len(indices(covered.cover.link.k, 2)))
    return Alone(products, rough, order)


class SecondMoments(NamedTuple):
    """E[z z^T | y] as a table over bins of y.

    Attributes:
        bins: of y.
        matrices: one for each bin, shape (bins, k, k).
    """

    bins: Bins
    matrices: Float[np.ndarray, "b k k"]

    def __call__(self, y: Float[np.ndarray, " n"]) -> Float[np.ndarray, "n k k"]:
        """Those of outputs."""
        return self.matrices[self.bins.index(y)]


def second_moments(link: Link) -> SecondMoments:
    """E[z z^T | y] of a link without noise, z ~ N(0, 1)^k."""
    grids, k = COARSE[link.k], link.k
    covered = best_cover(link, grids.alone, grids.rough)
    bins = observed(covered, grids.alone, 0.0).bins
    moments = bin_moments(covered.cover, cut(covered.cover, bins), bins, 2)
    mass = np.maximum(moments[0], 1e-300)
    matrices = np.zeros((len(bins), k, k))
    order = indices(k, 2)
    for beta, column in zip(order, moments, strict=True):
        if sum(beta) == 2:
            places = [i for i, b in enumerate(beta) for _ in range(b)]
            factor = 2**0.5 if places[0] == places[1] else 1.0
            matrices[:, places[0], places[1]] = factor * column / mass
            matrices[:, places[1], places[0]] = factor * column / mass
    turned = covered.frame @ matrices @ covered.frame.T
    return SecondMoments(bins, turned + np.eye(k))


# -------------------------------------------------------------------------------------------------
# Direction by direction


def stages(link: Link, noise: float, grids: Grids, what: Alone, coarse: Alone) -> list[Stage]:
    """All directions, in the order in which message passing learns them as alpha rises.

    Args:
        link: f.
        noise: standard deviation of Gaussian noise on its output.
        grids: how finely to look.
        what: what y tells with nothing known.
        coarse: the same by coarser grids, for what is zero and what is equal.
    """
    k = link.k
    spread = [float(np.max(np.abs(what.of_degree(d) - coarse.of_degree(d)))) for d in (1, 2)]
    first = above(what.of_degree(1), max(_ZERO, _SPREADS * k * spread[0]))
    if np.trace(first) > 0.5:
        found = [Stage(basis_of(tidied(first, spread[0])), "trivial", 0.0, 0.0)]
    else:
        value, directions = largest(what.of_degree(2), k, k * spread[1])
        if value < max(_ZERO, _SPREADS * k * spread[1]):
            return [Stage(np.eye(k), "hard", np.inf, np.inf)]
        rough = 1 / largest(what.of_degree(2, rough=True), k)[0]
        vectors = basis_of(tidied(directions, spread[1]))
        found = [Stage(vectors, "easy", 1 / value, rough)]
    while sum(stage.vectors.shape[1] for stage in found) < k:
        directions = np.concatenate([stage.vectors for stage in found], axis=1)
        found.append(_next(link, directions, found[-1], noise, grids))
    return found


def _next(link: Link, directions: np.ndarray, last: Stage, noise: float, grids: Grids) -> Stage:
    """What is learned after known directions."""
    others = complement(directions)
    table = known(link, directions, others, noise, grids.beside, grids.rough, grids.omega)
    zero = _ZERO if np.all(np.isin(np.abs(directions), (0, 1))) else _ZERO_ASKEW
    coupled = above(table.coupling(), zero)
    if np.trace(coupled) > 0.5:
        return Stage(others @ basis_of(coupled), last.kind, last.alpha, last.rough)
    value, matrix = _largest_beside(table.complete()[0], others.shape[1])
    if value < zero:
        return Stage(others, "hard", np.inf, np.inf)
    overlap = Instability(table, last.alpha)
    alpha, rough, matrix = overlap.threshold(1 / value, matrix)
    return Stage(others @ basis_of(matrix), "easy", alpha, rough)


def _largest_beside(products: np.ndarray, size: int) -> tuple[float, np.ndarray]:
    """`largest`, with the digits that are known beside known directions."""
    value, _ = largest(products, size)
    return value, largest(products, size, _SAME / _SPREADS * value)[1]


@dataclass(frozen=True)
class Instability:
    """Where unknown directions become unstable, as known ones are learned better with alpha."""

    table: Known
    start: float

    def threshold(self, least: float, matrix: np.ndarray) -> tuple[float, float, np.ndarray]:
        """alpha, also by wider bins, and the projector on the directions."""
        if self.table.known == 1:
            return self._along_curve(least, matrix)
        return self._by_iteration(least, matrix)

    def _gain(self, overlap: np.ndarray) -> tuple[np.ndarray, float, float, np.ndarray]:
        """E g g^T, the largest eigenvalue by bins and by wider ones, its directions."""
        score, (fine, rough) = self.table.at(overlap)
        value, matrix = _largest_beside(fine, self.table.new)
        return score, value, largest(rough, self.table.new)[0], matrix

    def _along_curve(self, least: float, matrix: np.ndarray) -> tuple[float, float, np.ndarray]:
        """With one known direction its overlap q is fixed at alpha = q / (1 - q) / E g^2."""

        def at(q: float) -> tuple[float, float, float, np.ndarray]:
            score, value, rough, directions = self._gain(np.array([[q]]))
            level = q / (1 - q) / max(float(score[0, 0]), 1e-300)
            return level, level * value - 1, value - rough, directions

        highest, before = 0.0, None
        for q in _CURVE:
            level, gain, _, directions = at(q)
            if level < highest:  # message passing jumps over this
                continue
            if gain > 0:
                if before is None or before[0] != highest:
                    return max(highest, level), max(highest, level), directions
                root = float(brentq(lambda x: at(x)[1], before[1], q, xtol=1e-10))  # pyright: ignore
                level, _, apart, directions = at(root)
                return level, level * (1 + level * apart), directions
            highest, before = level, (level, q)
        # known to all digits before others are
        return max(least, highest), max(least, highest), matrix

    def _by_iteration(self, least: float, matrix: np.ndarray) -> tuple[float, float, np.ndarray]:
        """With several known directions state evolution is iterated at every alpha."""
        seen: dict[float, tuple[float, float, float, np.ndarray]] = {}
        overlaps = {0.0: _START * np.eye(self.table.known)}

        def gain(alpha: float) -> float:
            if alpha in seen:
                return seen[alpha][0]
            below = max(a for a in overlaps if a <= alpha)  # more samples never hurt
            overlap = overlaps[alpha] = self._overlap(alpha, overlaps[below])
            _, value, rough, directions = self._gain(overlap)
            seen[alpha] = alpha * value - 1, value, rough, directions
            return seen[alpha][0]

        low = max(least, self.start, 1e-2) * (1 + 1e-6)
        if gain(low) > 0:
            return low, low, seen[low][3]
        high = 1.5 * low
        while gain(high) <= 0:
            low, high = high, 1.5 * high
            if high > _LARGEST:
                return high, high, matrix
        alpha = float(brentq(gain, low, high, rtol=1e-7, xtol=1e-7))  # pyright: ignore
        gain(alpha)
        _, value, rough, directions = seen[alpha]
        return alpha, alpha * (1 + alpha * (value - rough)), directions

    def _overlap(self, alpha: float, start: np.ndarray) -> np.ndarray:
        """The fixed point of state evolution that message passing reaches."""
        one = np.eye(self.table.known)
        overlap = start
        for _ in range(_STEPS):
            ratio = alpha * self.table.at(overlap)[0]
            new = ratio @ np.linalg.inv(one + ratio)
            new = 0.5 * (new + new.T)
            done = np.max(np.abs(new - overlap)) < _SETTLED
            overlap = new
            if done:
                break
        return overlap

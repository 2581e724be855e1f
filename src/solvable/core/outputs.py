"""What an output y = f(z) + noise tells of z: products of conditional means, averaged over y.

For functions a, b of z the matrix E_y E[a | y] E[b | y] decides what can be learned from y. With
bins of y it is a lower bound, of second order in their width, so that halving all bins several
times lets it be extrapolated; with Gaussian noise it is a smooth integral over y.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from solvable.core.arguments import fail
from solvable.core.level_sets import (
    LEVELS,
    Bins,
    Cover,
    Grid,
    atoms_of,
    choose_bins,
    cover,
    nearly_constant,
    value_range,
)
from solvable.core.links import Link

_EMPTY = 1e-290
_SLOWEST = 0.7  # ratio of errors of two levels that is trusted to go on
_PER_NOISE_SUM = 5.0  # nodes of the sum over y in one width of noise
_REACH = 8.0
_MOST_BINS = 9000
_SCATTERED = 0.01  # probability of nearly constant stretches that may lie on lines
_NO_NOISE = 40.0  # widths of noise between labels that are told apart with certainty


@dataclass(frozen=True)
class Output:
    """How bins of f become y.

    Attributes:
        bins: of f.
        kernel: probability of the cells of a fine grid of y, for every bin;
            None without noise.
    """

    bins: Bins
    kernel: Float[np.ndarray, "bins y"] | None

    def products(self, moments: Float[np.ndarray, "... h bins"]) -> list[np.ndarray]:
        """The matrix sum_y E[a 1(y)] E[b 1(y)] / P(y), summed over leading axes, of each level.

        Args:
            moments: E[a 1(y in bin)], the probability of the bin first.
        """
        if self.kernel is not None:
            seen = moments @ self.kernel
            return [_products(seen)]
        found = []
        for level in range(LEVELS):
            merged = self.bins.merged(level)
            starts = np.flatnonzero(np.r_[True, np.diff(merged) > 0])
            found.append(_products(np.add.reduceat(moments, starts, axis=-1)))
        return found


def _products(moments: np.ndarray) -> np.ndarray:
    mass = moments[..., :1, :]
    means = np.divide(moments, mass, out=np.zeros_like(moments), where=mass > _EMPTY)
    return np.einsum("...ay,...by->ab", means, moments, optimize=True)


def extrapolated(
    levels: list[np.ndarray], leading: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The limit of narrow bins, and what the level before says of it.

    The error falls by 4 a level; beside singularities it goes on falling by less, geometrically.
    Where bins are narrower than lines resolve it stops to fall: the best two neighbors decide,
    by the first `leading` rows and columns.
    """
    if len(levels) == 1:
        return levels[0], levels[0]
    steps = [b + (b - a) / 3 for a, b in pairwise(levels)]
    apart = [_apart(a, b, leading) for a, b in pairwise(steps)]
    best = int(np.argmin(apart)) + 1
    if best < 2:
        return steps[best], steps[best - 1]
    last, before = steps[best] - steps[best - 1], steps[best - 1] - steps[best - 2]
    ratio = np.divide(last, before, out=np.zeros_like(last), where=np.abs(before) > _EMPTY)
    rest = np.where((ratio > 0) & (ratio < _SLOWEST), ratio / (1 - np.clip(ratio, 0, 0.9)), 0.0)
    return steps[best] + last * rest, steps[best - 1]


def _apart(a: np.ndarray, b: np.ndarray, leading: int | None) -> float:
    return float(np.max(np.abs(b - a)[:leading, :leading]))


class Covered(NamedTuple):
    """A link on lines.

    Attributes:
        cover: of the link of x.
        frame: z = frame x.
        atoms: outputs with a probability of their own.
    """

    cover: Cover
    frame: Float[np.ndarray, "k k"]
    atoms: Float[np.ndarray, " a"]

    def is_along_axes(self) -> bool:
        """Whether the frame only reorders the coordinates."""
        return bool(np.all(np.abs(self.frame).max(axis=0) == 1.0))


def observed(covered: Covered, grid: Grid, noise: float) -> Output:
    """The bins of a link on lines, and its noise.

    Raises:
        ValueError: if the noise is far narrower than the link's range.
    """
    made, atoms = covered.cover, covered.atoms
    if noise == 0:
        return Output(choose_bins(made, atoms, grid.bins), None)
    all_flat = bool(np.all(made.strokes.is_flat())) and len(atoms) > 0
    if all_flat:
        bins = Bins(np.zeros(0), np.zeros(0, dtype=int), atoms)
        if len(atoms) == 1 or np.min(np.diff(atoms)) > _NO_NOISE * noise:
            return Output(bins, None)
        centers, widths = np.r_[atoms[0], atoms], np.zeros(1 + len(atoms))
    else:
        (low, high), width = value_range(made, atoms), noise / grid.per_noise
        if (high - low) / width > _MOST_BINS:
            least = (high - low) * grid.per_noise / _MOST_BINS
            raise fail("noise", f"be 0 or at least {least:.2g} for this link", noise)
        edges = low + width * np.arange(int(np.ceil((high - low) / width)) + 1)
        closer = choose_bins(made, atoms, grid.bins).edges  # where the density is singular
        edges = np.union1d(edges, closer[(closer > low) & (closer < high)])
        bins = Bins(edges, np.zeros(len(edges), dtype=int), atoms)
        ends = np.r_[edges[0] - width, edges, edges[-1] + width]
        centers = np.r_[0.5 * (ends[1:] + ends[:-1]), atoms]
        widths = np.r_[np.diff(ends), np.zeros(len(atoms))]
    # bins of the noise's width widen it: Sheppard's correction
    deviation = np.sqrt(noise**2 - widths**2 / 12)
    step = noise / _PER_NOISE_SUM
    y = np.arange(centers.min() - _REACH * noise, centers.max() + _REACH * noise, step)
    apart = (y - centers[:, None]) / deviation[:, None]
    kernel = np.exp(-0.5 * apart**2) / (deviation[:, None] * np.sqrt(2 * np.pi))
    return Output(bins, kernel * step)


def best_cover(link: Link, grid: Grid, rough: Grid, finer: int = 1) -> Covered:
    """Lines along the coordinate on which f is constant least, or askew.

    A function that is constant on whole lines, at values that change from line to line, would be
    seen at the lines' values alone.

    Args:
        link: f.
        grid: of the lines.
        rough: of the lines that find constant stretches.
        finer: by how much lines are closer where outputs are discrete, which takes few pieces.
    """
    k = link.k
    for axis in reversed(range(k)):
        frame = np.eye(k)[:, [*(a for a in range(k) if a != axis), axis]]
        atoms, scattered, discrete = _atoms(link.turned(frame), rough)
        if scattered < _SCATTERED:
            used = replace(grid, order=grid.order * finer) if discrete else grid
            return Covered(cover(link.turned(frame), used), frame, atoms)
    # no two components of the lines' direction alike
    first = np.array([1.0, 0.62, 0.41, 0.27])[:k]
    turned, _ = np.linalg.qr(np.column_stack([first, np.eye(k)[:, : k - 1]]))
    askew = np.roll(turned, -1, axis=1)
    atoms, _, _ = _atoms(link.turned(askew), rough)
    return Covered(cover(link.turned(askew), grid), askew, atoms)


def _atoms(link: Link, rough: Grid) -> tuple[np.ndarray, float, bool]:
    """Atoms, the probability of other constant stretches, and whether there is nothing else."""
    made = cover(link, rough)
    atoms = atoms_of(made, cover(link, replace(rough, order=rough.order + 1)))
    discrete = bool(np.all(made.strokes.is_flat()))
    return atoms, nearly_constant(made, atoms), discrete

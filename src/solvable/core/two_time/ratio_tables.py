"""Where the integrals over memory read the two-time functions: fixed points of a ratio grid.

At t' = theta_j t all integrals over s run over fixed ratios s / t and t' / s, so that their nodes,
weights and stencils of interpolation are tabulated once for all times.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from numpy.polynomial import legendre

from solvable.core.two_time.ratio_grid import Points, RatioGrid, Stencils


@dataclass(frozen=True, eq=False)
class Below:
    """int_0^t' ds, at s = theta_k t': row t' at its nodes, row t at theta_j theta_k."""

    points: Points
    """n n of them: j runs slowly."""

    stencils: Stencils
    """Of row t."""


@dataclass(frozen=True, eq=False)
class Between:
    """int_t'^t ds / t: for each j the points `start[j]` to `start[j + 1]`."""

    start: Int[np.ndarray, " n"]
    weights: Float[np.ndarray, " q"]
    points: Points
    """s / t."""

    current: Stencils
    """Of row t at s / t."""

    past: Stencils
    """Of row s at t' / s."""


def below(grid: RatioGrid) -> Below:
    """The table of int_0^t' ds."""
    ratio, gap = grid.nodes.ratio, grid.nodes.gap
    products = (ratio[:, None] * ratio).ravel()
    gaps = (gap[:, None] + gap - gap[:, None] * gap).ravel()
    points = Points(products, gaps)
    return Below(points, grid.locate(points))


def between(grid: RatioGrid, points: int) -> Between:
    """The table of int_t'^t ds, with `points` Gauss points a panel.

    R(t, s) has a layer at s = t, and R(s, t') one at s = t'. Panels are graded towards both: the
    grid's own down to s = sqrt(t t'), and their images under s -> t t' / s below.
    """
    x, w = legendre.leggauss(points)
    counts, weights, upper, lower = [0], [], [], []
    for j in range(len(grid.nodes.gap)):
        gaps, own, mirror = _panels(grid, j)
        left, width = gaps[:-1, None], np.diff(gaps)[:, None]
        # a panel's points from its own end, so that the first gap keeps its digits
        nodes = (left + 0.5 * width * (x + 1)).ravel()
        scale = (0.5 * width * w).ravel()
        weights += [scale, mirror(nodes, scale)] if own else [scale]
        upper.append(nodes)
        lower.append(own)
        counts.append(len(nodes) * (2 if own else 1))
    return _assemble(grid, np.cumsum(counts), weights, upper, lower)


def _panels(grid: RatioGrid, j: int):
    """The panels from s = t down to sqrt(t t') by their gaps, and the weights of their images."""
    ratio, gap = grid.nodes.ratio[j], grid.nodes.gap[j]
    middle = gap / (1 + np.sqrt(ratio))  # 1 - sqrt(ratio)
    inside = grid.edges.gap[grid.edges.gap < middle * (1 - 1e-9)]
    gaps = np.append(inside, middle)

    def mirror(nodes: np.ndarray, scale: np.ndarray) -> np.ndarray:
        return scale * ratio / (1 - nodes) ** 2

    return gaps, ratio > 0, mirror


def _assemble(grid: RatioGrid, start, weights, upper, lower) -> Between:
    """Both halves of all intervals, with their stencils."""
    at, other = [], []
    for j, nodes in enumerate(upper):
        ratio, gap = grid.nodes.ratio[j], grid.nodes.gap[j]
        rest = (gap - nodes) / (1 - nodes)  # 1 - ratio / (1 - nodes)
        at += [nodes, rest] if lower[j] else [nodes]
        other += [rest, nodes] if lower[j] else [rest]
    high, low = np.concatenate(at), np.maximum(np.concatenate(other), 0.0)
    points = Points(1 - high, high)
    return Between(
        start.astype(np.int64),
        np.concatenate(weights),
        points,
        grid.locate(points),
        grid.locate(Points(1 - low, low)),
    )

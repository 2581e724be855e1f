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
    counts, weights = [0], []
    high, low = [], []  # the gaps 1 - s / t and 1 - t' / s
    for ratio, gap in zip(grid.nodes.ratio, grid.nodes.gap, strict=True):
        nodes, scale = _upper_half(grid, ratio, gap, points)
        rest = (gap - nodes) / (1 - nodes)
        weights.append(scale)
        high.append(nodes)
        low.append(rest)
        if ratio > 0:
            weights.append(scale * ratio / (1 - nodes) ** 2)
            high.append(rest)
            low.append(nodes)
        counts.append(len(nodes) * (2 if ratio > 0 else 1))
    above, below = np.concatenate(high), np.maximum(np.concatenate(low), 0.0)
    at = Points(1 - above, above)
    return Between(
        np.cumsum(counts).astype(np.int64),
        np.concatenate(weights),
        at,
        grid.locate(at),
        grid.locate(Points(1 - below, below)),
    )


def _upper_half(
    grid: RatioGrid, ratio: float, gap: float, points: int
) -> tuple[np.ndarray, np.ndarray]:
    """Gaps and weights of Gauss points from s = t down to sqrt(t t')."""
    x, w = legendre.leggauss(points)
    middle = gap / (1 + np.sqrt(ratio))  # 1 - sqrt(ratio)
    edges = np.append(grid.edges.gap[grid.edges.gap < middle * (1 - 1e-9)], middle)
    left, width = edges[:-1, None], np.diff(edges)[:, None]
    return (left + 0.5 * width * (x + 1)).ravel(), (0.5 * width * w).ravel()

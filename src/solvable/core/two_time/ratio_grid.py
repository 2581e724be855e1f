"""A grid in the ratio theta = t'/t of two times: panels graded towards theta = 1 and 0.

Relaxation at equal lag t - t' = O(1) lies at 1 - theta = O(1 / t), so that panels shrink
geometrically towards theta = 1. On each panel functions are polynomials through Radau's points and
the end that lies towards theta = 1. As theta does not resolve 1 - theta, every point carries both:
its ratio and its gap.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int
from scipy.special import roots_jacobi

from solvable.core.interpolation import lagrange

MIDDLE = 0.5
"""Where panels graded in the gap meet those graded in the ratio."""


@dataclass(frozen=True, eq=False)
class Points:
    """Ratios and, to full relative precision, their gaps 1 - ratio."""

    ratio: Float[np.ndarray, " n"]
    gap: Float[np.ndarray, " n"]


@dataclass(frozen=True, eq=False)
class Stencils:
    """Interpolation at n points: the first of m adjacent nodes, and the weights of all m."""

    first: Int[np.ndarray, " n"]
    weights: Float[np.ndarray, "n m"]


@dataclass(frozen=True, eq=False)
class RatioGrid:
    """Nodes from theta = 1 down to theta = 0, in panels of `order` nodes that share their ends.

    Args:
        edges: the ends of the panels, from 1 down to 0.
        nodes: n = (panels) (order - 1) + 1 points.
        weights: shape (n,), of the integral over theta in [0, 1].
        derivative: shape (n, n), theta d/dtheta, each row within the panel that lies towards
            theta = 1: where curves of constant t' come from as t rises.
        order: nodes a panel.
    """

    edges: Points
    nodes: Points
    weights: Float[np.ndarray, " n"]
    derivative: Float[np.ndarray, "n n"]
    order: int

    def locate(self, points: Points) -> Stencils:
        """Stencils of interpolation at `points`, which lie in [0, 1]."""
        near = points.gap <= MIDDLE
        by_gap = np.searchsorted(self.edges.gap, points.gap, side="right") - 1
        by_ratio = np.searchsorted(-self.edges.ratio, -points.ratio, side="right") - 1
        panel = np.clip(np.where(near, by_gap, by_ratio), 0, len(self.edges.gap) - 2)
        a, b = self.edges.gap[panel], self.edges.gap[panel + 1]
        c, d = self.edges.ratio[panel], self.edges.ratio[panel + 1]
        at_gap, at_ratio = (points.gap - a) / (b - a), (c - points.ratio) / (c - d)
        x = 2 * np.where(near, at_gap, at_ratio) - 1
        return Stencils(panel * (self.order - 1), lagrange(radau(self.order)[0], x))


def ratio_grid(smallest: float, growth: float, order: int) -> RatioGrid:
    """The grid whose panels begin with a width `smallest` at both ends and grow by `growth`."""
    count = max(int(np.ceil(np.log(MIDDLE / smallest) / np.log(growth))), 1)
    steps = np.concatenate([[0.0], MIDDLE * growth ** -np.arange(count, -1.0, -1)])
    # towards theta = 0 nothing relaxes: panels may grow twice as fast
    slow = max(int(np.ceil(count / 2)), 1)
    tail = np.concatenate([MIDDLE * (smallest / MIDDLE) ** (np.arange(1, slow + 1) / slow), [0.0]])
    gap = np.concatenate([steps, 1 - tail])
    ratio = np.concatenate([1 - steps, tail])
    edges = Points(ratio, gap)
    x, w = radau(order)
    size = (len(gap) - 1) * (order - 1) + 1
    nodes = Points(np.zeros(size), np.zeros(size))
    weights, derivative = np.zeros(size), np.zeros((size, size))
    slopes = differentiate(x)
    for p in range(len(gap) - 1):
        width = gap[p + 1] - gap[p] if p <= count else ratio[p] - ratio[p + 1]
        here = slice(p * (order - 1), p * (order - 1) + order)
        nodes.gap[here] = gap[p] + 0.5 * width * (x + 1)
        nodes.ratio[here] = ratio[p + 1] + 0.5 * width * (1 - x)
        if p <= count:
            nodes.ratio[here] = 1 - nodes.gap[here]
        weights[here] += 0.5 * width * w
        rows = slice(here.start + 1, here.stop)
        derivative[rows, here] = -2 / width * slopes[1:] * nodes.ratio[rows, None]
    return RatioGrid(edges, nodes, weights, derivative, order)


def radau(order: int) -> tuple[Float[np.ndarray, " m"], Float[np.ndarray, " m"]]:
    """Radau's nodes on [-1, 1], which end at 1, and -1 before them; weights, the first of them 0.

    The weights are exact to degree 2 order - 4. Advection from -1, collocated at Radau's nodes,
    has eigenvalues within 72 degrees of the negative axis up to order 11, where backward
    differentiation of degree 4 is stable. Lobatto's nodes reach 89 degrees, where it is not.
    """
    inner, w = roots_jacobi(order - 2, 1, 0)
    x = np.concatenate([[-1.0], inner, [1.0]])
    w = np.concatenate([[0.0], w / (1 - inner), [0.0]])
    w[-1] = 2 - w.sum()
    return x, w


def differentiate(nodes: Float[np.ndarray, " m"]) -> Float[np.ndarray, "m m"]:
    """The matrix of d/dx on polynomials through `nodes`."""
    gaps = nodes[:, None] - nodes[None, :] + np.eye(len(nodes))
    scale = gaps.prod(axis=1)
    matrix = scale[:, None] / scale[None, :] / gaps
    np.fill_diagonal(matrix, 0.0)
    np.fill_diagonal(matrix, -matrix.sum(axis=1))  # constants have slope 0, to rounding
    return matrix

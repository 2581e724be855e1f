"""Nodes of averages over the Gaussian fields of K units, along (1, ..., 1) and across it."""

from functools import lru_cache
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy.special import ndtri
from scipy.stats.qmc import Sobol

from solvable.core.quadrature import FINE_ORDER, ORDER, nodes_between

_PANELS = np.array([0.0, 1.2, 2.6, 4.4, 7.0])
_BOTH = np.concatenate([-_PANELS[:0:-1], _PANELS])
_SECTORS = np.array([2, 4, 6, 6])  # angles a panel of the radius: arcs of equal length
_COARSE = 4  # nodes a panel are more than these
_POINTS = {5: 7, 6: 8, 8: 9}  # nodes a panel -> log2 of the number of Sobol points
_MOST = 10
REACH = 6.6  # exp(-6.6^2 / 2) = 3e-10
_TINY = 1e-16
RARE = 1e-12  # weight of means of fields that are left out


def trapezoid(nodes: int, half: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of an average over N(0, 1), exponentially good for entire functions.

    `half` of them are enough for an even function.
    """
    x = np.linspace(0.0 if half else -REACH, REACH, nodes)
    weight = np.exp(-0.5 * x**2)
    weight[0] *= 0.5 if half else 1.0
    return x, weight / weight.sum()


@lru_cache(maxsize=64)
def ball(
    dimension: int, nodes: int, reach: float
) -> tuple[Float[np.ndarray, "m d"], Float[np.ndarray, " m"]]:
    """Nodes and weights of an average over N(0, I), on a grid inside a ball.

    Args:
        dimension: d.
        nodes: of every axis.
        reach: radius; the last nodes are there. Nodes are scaled to unit second moments.
    """
    side = np.linspace(-reach, reach, nodes)
    points = np.array(list(product(side, repeat=dimension))).reshape(nodes**dimension, dimension)
    square = np.sum(points**2, axis=1)
    kept = square <= reach**2 * (1 + _TINY)
    weight = np.exp(-0.5 * square[kept])
    weight /= weight.sum()
    return points[kept] / np.sqrt(weight @ square[kept] / max(dimension, 1)), weight


@lru_cache(maxsize=16)
def sequence(
    dimension: int, count: int
) -> tuple[Float[np.ndarray, "m d"], Float[np.ndarray, " m"]]:
    """Nodes and weights of an average over N(0, I), on a Sobol sequence."""
    points = Sobol(dimension, scramble=False).random(count) + 0.5 / count
    return ndtri(points), np.full(count, 1 / count)


def _panels(edges: Float[np.ndarray, " m"], nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes of panels, and their weights times a Gaussian density."""
    with jax.ensure_compile_time_eval():
        x, weight = (np.asarray(a) for a in nodes_between(jnp.asarray(edges), nodes))
    return x, weight * np.exp(-0.5 * x**2) / np.sqrt(2 * np.pi)


def line(nodes: int, half: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Nodes and weights of an average over N(0, 1), or of an even function over half of it."""
    x, weight = _panels(_PANELS if half else _BOTH, nodes)
    return x, 2 * weight if half else weight


def few(nodes: int) -> int:
    """Nodes a panel, where a nested average takes long."""
    return {ORDER: 6, FINE_ORDER: 8}.get(nodes, 5 if nodes < ORDER else 9)


def finer(count: int, nodes: int) -> int:
    """Nodes of a trapezoidal rule, `count` at 8 nodes a panel of others."""
    return count * (nodes + 4) // 12


@lru_cache(maxsize=64)
def directions(units: int, nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes (n, K) and weights over N(0, I - 1 1^T / K) of what is symmetric in the units."""
    if units == 2:
        x, weight = line(nodes)
        return x[:, None] * np.array([1.0, -1.0]) / np.sqrt(2), weight
    if units == 3:
        return _disc(nodes)
    points = _sobol(units - 1, nodes) @ across(units)
    return points, np.full(len(points), 1 / len(points))


def _disc(nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """A sixth of the plane across (1, 1, 1), to which the exchange of three units maps all of it.

    Angles are a trapezoidal rule of the periodic function, in number as the radius: what bounds
    the accuracy is the arc on which one of the units changes its sign.
    """
    r, radial = _panels(_PANELS, nodes)
    radial = radial * r * np.sqrt(2 * np.pi)
    one = np.array([1.0, 1.0, -2.0]) / np.sqrt(6)
    other = np.array([1.0, -1.0, 0.0]) / np.sqrt(2)
    points, weights = [], []
    for panel, sectors in enumerate((nodes - _COARSE) * _SECTORS):
        angle = np.pi / (3 * sectors) * np.arange(sectors + 1)
        share = np.full(sectors + 1, 1 / sectors)
        share[[0, -1]] *= 0.5
        circle = np.cos(angle)[:, None] * one + np.sin(angle)[:, None] * other
        here = slice(panel * nodes, (panel + 1) * nodes)
        points.append((r[here, None, None] * circle).reshape(-1, 3))
        weights.append((radial[here, None] * share).ravel())
    return np.concatenate(points), np.concatenate(weights)


def _sobol(dimension: int, nodes: int) -> Float[np.ndarray, "n d"]:
    """Quasi-random points of N(0, I) and their negatives, others for every `nodes`."""
    count = _POINTS.get(nodes, _MOST)
    engine = Sobol(dimension, scramble=True, rng=np.random.default_rng(nodes))
    normal = ndtri(engine.random_base2(count))
    return np.concatenate([normal, -normal])


@lru_cache(maxsize=16)
def noise(units: int, nodes: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes (n, K), along (1, ..., 1) first and then across it, and weights, over N(0, I).

    Those of three units are for functions that are symmetric in them.
    """
    if units > 3:
        points = _sobol(units, nodes)
        return points, np.full(len(points), 1 / len(points))
    x, along = trapezoid(8 * nodes)
    points, inner = directions(3, nodes + 1)
    share = along[:, None] * inner
    a, b = np.nonzero(share > _TINY)
    return np.column_stack([x[a], (points @ across(3).T)[b]]), share[a, b]


@lru_cache(maxsize=16)
def across(units: int) -> Float[np.ndarray, "rest K"]:
    """An orthonormal basis across (1, ..., 1)."""
    return np.linalg.svd(np.ones((1, units)))[2][1:]

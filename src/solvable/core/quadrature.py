"""Composite Gauss-Legendre quadrature whose panels know where the integrand changes.

An integrand of this field is smooth except near a few *features*: a breakpoint of a channel seen
through a posterior of width sqrt V, an atom of a prior seen through noise of width 1 / sqrt A.
Panels are laid around each feature on a ladder in units of its width, so the same number of nodes
serves a width of one and a width of 1e-7. Plain Gauss-Hermite does not: at q = 0.999 a sign
channel needs more than 256 of its nodes, 288 graded ones reach machine precision.
"""

from collections.abc import Sequence
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

ORDER = 12
FINE_ORDER = 17


class Panels(NamedTuple):
    """Panel edges on one side of a feature, in units of its width; the last is the reach.

    Attributes:
        base: for a standard Gaussian.
        gaussian: around a feature that decays like a Gaussian.
        bend: where the integrand goes on smoothly on either side.
        exponential: around a feature that decays exponentially.
    """

    base: np.ndarray
    gaussian: np.ndarray
    bend: np.ndarray
    exponential: np.ndarray

    def edges(self) -> np.ndarray:
        """The base edges on both sides."""
        return np.concatenate([-self.base[:0:-1], self.base])


_EXPONENTIAL = np.array([0.5, 1.2, 2.2, 3.6, 5.5, 8.0, 11.5, 16.0, 22.0, 30.0, 40.0])
FULL = Panels(  # exp(-10^2 / 2) = 2e-22
    base=np.array([0.0, 1.0, 2.0, 3.0, 4.0, 5.2, 6.6, 8.2, 10.0]),
    gaussian=np.array([1.0, 2.0, 3.2, 4.6, 6.5, 10.0]),
    bend=np.array([1.0, 2.5, 5.0]),
    exponential=_EXPONENTIAL,
)
NESTED = Panels(  # exp(-7.8^2 / 2) = 6e-14, in a third of the nodes of two nested rules
    base=np.array([0.0, 1.5, 3.2, 5.2, 7.8]),
    gaussian=np.array([1.5, 3.2, 5.2, 7.8]),
    bend=np.array([1.0, 2.5, 5.0]),
    exponential=_EXPONENTIAL,
)
BASE_EDGES = FULL.edges()
_AROUND_A_CENTER = np.array([-2.6, 0.0, 2.6])


def ladder_points(
    center: Float[Array, ""],
    width: Float[Array, ""],
    kind: str = "gaussian",
    panels: Panels = FULL,
) -> Float[Array, " m"]:
    """Panel edges around one feature: the center and steps of its width to either side.

    `kind` says how the integrand decays away from the feature: "gaussian" reaches 10 widths,
    "exponential" 40, "bend" 5, where the integrand goes on smoothly on either side; "point" is a
    bare edge, for a jump.
    """
    if kind == "point":
        return jnp.atleast_1d(center)
    steps = getattr(panels, kind)
    offsets = np.concatenate([-steps[::-1], [0.0], steps])
    return center + width * offsets


def nodes_between(
    edges: Float[Array, "... m"], order: int = ORDER
) -> tuple[Float[Array, "... n"], Float[Array, "... n"]]:
    """Gauss-Legendre nodes and weights on every panel between consecutive edges of the last axis.

    Edges need not be sorted; equal edges make a panel of zero weight, which costs nothing but
    its evaluations.
    """
    nodes, weights = np.polynomial.legendre.leggauss(order)
    edges = jnp.sort(edges, axis=-1)
    half = 0.5 * (edges[..., 1:] - edges[..., :-1])[..., None]
    middle = 0.5 * (edges[..., 1:] + edges[..., :-1])[..., None]
    shape = (*edges.shape[:-1], -1)
    return (middle + half * nodes).reshape(shape), (half * weights).reshape(shape)


def gaussian_nodes(
    features: Sequence[tuple[Float[Array, ""], Float[Array, ""]]] = (),
    order: int = ORDER,
    half: bool = False,
    panels: Panels = FULL,
) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
    """Nodes v and weights w with E f(v) = sum w f(v) for v ~ N(0, 1).

    Args:
        features: pairs (center, width), in units of v, where f changes.
        order: nodes a panel.
        half: only v > 0, with the weights doubled: for even f.
        panels: how finely to divide.

    Returns:
        Nodes and weights; the weights include the Gaussian density.

    Example:
        >>> v, w = gaussian_nodes()
        >>> round(float((w * v**4).sum()), 12)
        3.0
    """
    reach = panels.base[-1]
    low = 0.0 if half else -reach
    edges = [jnp.asarray(panels.base if half else panels.edges())]
    edges += [jnp.clip(ladder_points(c, w, panels=panels), low, reach) for c, w in features]
    v, weight = nodes_between(jnp.concatenate(edges), order)
    density = jnp.exp(-0.5 * v**2) * float((2 if half else 1) / np.sqrt(2 * np.pi))
    return v, weight * density


def mixture_nodes(
    centers: Float[Array, " k"],
    weights: Float[Array, " k"],
    width: Float[Array, ""],
    features: Sequence[tuple[Float[Array, ""], Float[Array, ""]]] = (),
    order: int = ORDER,
    panels: Panels = FULL,
) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
    """Nodes x and weights w, E f(x) = sum w f(x), for x ~ sum_k weights_k N(centers_k, width^2).

    A few edges around every center: together they are as fine as needed both where the Gaussians
    overlap and where each stands alone.

    Args:
        centers: of the Gaussians.
        weights: their probabilities.
        width: the standard deviation of each, > 0.
        features: pairs (center, width), in units of x, where f changes.
        order: nodes a panel.
        panels: how finely to divide around the features, and how far to reach.

    Example:
        >>> x, w = mixture_nodes(jnp.array([-1.0, 2.0]), jnp.array([0.75, 0.25]), jnp.array(0.5))
        >>> round(float((w * x**2).sum()), 10)
        2.0
    """
    reach = panels.base[-1]
    low, high = jnp.min(centers) - reach * width, jnp.max(centers) + reach * width
    steps = np.array([-reach, *_AROUND_A_CENTER, reach])
    edges = [(centers[:, None] + width * steps).ravel()]
    edges += [jnp.clip(ladder_points(c, w, panels=panels), low, high) for c, w in features]
    x, weight = nodes_between(jnp.concatenate(edges), order)
    v = (x[:, None] - centers) / width
    density = jnp.exp(-0.5 * v**2) @ weights
    probability = weight * density
    return x, probability / jnp.sum(probability)


def feature_nodes(
    features: Sequence[tuple[Float[Array, ""], Float[Array, ""], str]],
    lower: Float[Array, ""] | float = -jnp.inf,
    upper: Float[Array, ""] | float = jnp.inf,
    order: int = ORDER,
    panels: Panels = FULL,
) -> tuple[Float[Array, " n"], Float[Array, " n"]]:
    """Nodes and weights for the plain integral over the union of the features' reach.

    Args:
        features: triples (center, width, kind); kind "point" is a bare breakpoint.
        lower: where the domain ends.
        upper: where the domain ends.
        order: nodes a panel.
        panels: how finely to divide.
    """
    edges = jnp.concatenate([ladder_points(c, w, kind, panels) for c, w, kind in features])
    return nodes_between(jnp.clip(edges, lower, upper), order)

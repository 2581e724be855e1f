"""Polynomials through a few points."""

from typing import Any

import numpy as np
from jaxtyping import Float


def lagrange(nodes: Any, x: Any) -> Float[np.ndarray, "n m"]:
    """The values at x of the polynomials that are 1 at one of the nodes and 0 at the others.

    Args:
        nodes: m different numbers.
        x: n numbers.
    """
    nodes = np.asarray(nodes)
    gaps = nodes[:, None] - nodes[None, :] + np.eye(len(nodes))
    ahead = np.asarray(x)[:, None] - nodes
    one = np.ones((len(ahead), 1))
    before = np.cumprod(np.hstack([one, ahead[:, :-1]]), axis=1)
    after = np.cumprod(np.hstack([one, ahead[:, :0:-1]]), axis=1)[:, ::-1]
    return before * after / gaps.prod(axis=1)

"""Few groups of directions in place of many: Gauss's rule for the law of the eigenvalues.

Totals are averages over the law of eigenvalues s of what is smooth in s; Gauss's rule of n nodes
for that law, atoms included, integrates all polynomials in s of degree 2 n - 1 exactly, and errs
for smooth functions as fast as a power.
"""

import equinox as eqx
import jax.numpy as jnp
import numpy as np

from solvable.bricks.inputs.base import Modes
from solvable.bricks.online import Learning, OnlineOrder
from solvable.core.gauss_rules import recurrence

_DEGREE = 3  # of s, in which starts and signals are polynomials
_EXACT = 1e-9


def compressed(
    learning: Learning, order: OnlineOrder, count: int
) -> tuple[Learning, OnlineOrder] | None:
    """The same network with `count` groups; None where its groups are no polynomials in s.

    Args:
        learning: with more groups than that.
        order: order parameters of those.
        count: of groups.
    """
    share, s, signal = (np.asarray(x) for x in learning.modes)
    nodes, weights = gauss_rule(s, share, count)
    groups = len(s)
    columns = [signal[:, None], *(np.asarray(x).reshape(groups, -1) for x in (order.q, order.r))]
    found = _read(s, np.concatenate(columns, axis=1), nodes)
    if found is None:
        return None
    K, M = order.r.shape[1:]
    few = eqx.tree_at(
        lambda x: x.modes, learning, Modes(*map(jnp.asarray, (weights, nodes, found[:, 0])))
    )
    q = found[:, 1 : 1 + K * K].reshape(-1, K, K)
    r = found[:, 1 + K * K :].reshape(-1, K, M)
    return few, OnlineOrder(jnp.asarray(q), jnp.asarray(r), order.v)


def gauss_rule(x: np.ndarray, share: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes, none negative, and weights of Gauss's rule for eigenvalues of these shares."""
    nodes, weights = recurrence(x, count, share).nodes(count)
    return np.maximum(nodes, 0.0), np.asarray(weights) * share.sum()


def _read(s: np.ndarray, values: np.ndarray, nodes: np.ndarray) -> np.ndarray | None:
    """Polynomials in s, given on many s, at other ones; None if they are none."""
    top = float(np.max(s))
    powers = np.polynomial.chebyshev.chebvander(2 * s / top - 1, _DEGREE)
    fit = np.linalg.lstsq(powers, values, rcond=None)[0]
    if np.any(np.abs(powers @ fit - values) > _EXACT * np.max(np.abs(values), axis=0)):
        return None
    return np.polynomial.chebyshev.chebvander(2 * nodes / top - 1, _DEGREE) @ fit

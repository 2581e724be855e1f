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
    """Nodes and weights of Gauss's rule for a law of many atoms, by the iteration of Lanczos."""
    vector = np.sqrt(share / share.sum())
    basis, diagonal, beside = [vector], [], []
    for _ in range(count):
        moved = x * basis[-1]
        diagonal.append(float(basis[-1] @ moved))
        for _ in range(2):  # once more, for digits that the first time loses
            for other in basis:
                moved = moved - (other @ moved) * other
        size = float(np.linalg.norm(moved))
        if size < _EXACT * float(np.max(np.abs(x))):
            break  # there are no more atoms
        beside.append(size)
        basis.append(moved / size)
    off = beside[: len(diagonal) - 1]
    nodes, vectors = np.linalg.eigh(np.diag(diagonal) + np.diag(off, 1) + np.diag(off, -1))
    return np.maximum(nodes, 0.0), vectors[0] ** 2 * share.sum()


def _read(s: np.ndarray, values: np.ndarray, nodes: np.ndarray) -> np.ndarray | None:
    """Polynomials in s, given on many s, at other ones; None if they are none."""
    top = float(np.max(s))
    powers = np.polynomial.chebyshev.chebvander(2 * s / top - 1, _DEGREE)
    fit = np.linalg.lstsq(powers, values, rcond=None)[0]
    if np.any(np.abs(powers @ fit - values) > _EXACT * np.max(np.abs(values), axis=0)):
        return None
    return np.polynomial.chebyshev.chebvander(2 * nodes / top - 1, _DEGREE) @ fit

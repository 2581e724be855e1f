"""How the studies reach the engine for models with one order parameter."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from solvable.core.branches import Roots, Scan, find_roots, in_chunks, pointwise, scan
from solvable.core.fixed_points import FixedPoint, fixed_points
from solvable.core.quadrature import ORDER
from solvable.core.specification import inject, numeric
from solvable.models.base import AbstractScalarReplicaModel

WIDEST = (1e-6, 1e6)  # scales that a search for thresholds covers


def tabulate(model: AbstractScalarReplicaModel, scale_range: tuple[float, float]) -> Scan:
    """The scan of a model; its scale parameter plays no part."""
    bare = inject(model, {model.scale_parameter: 1.0})
    return scan(numeric(bare), scale_range)


@eqx.filter_jit
def _potentials(model: Any, x: Array, scale: Array, nodes: int) -> Array:
    def at(log_q_hat: Array, value: Array) -> Array:
        placed = inject(model, {model.scale_parameter: value})
        return placed.free_entropy(placed.order_at(log_q_hat, nodes), nodes)

    return pointwise(at, x, scale)


def potentials(
    model: AbstractScalarReplicaModel, x: np.ndarray, scale: np.ndarray, nodes: int = ORDER
) -> np.ndarray:
    """Free entropies at many (ln q_hat, scale)."""
    return in_chunks(lambda a, b: _potentials(model, a, b, nodes), x, scale)[0]


@eqx.filter_jit
def _observe(model: Any, x: Array, scale: Array) -> dict[str, Array]:
    def at(log_q_hat: Array, value: Array) -> dict[str, Array]:
        placed = inject(model, {model.scale_parameter: value})
        order, tangent = jax.jvp(placed.order_at, (log_q_hat,), (jnp.ones_like(log_q_hat),))
        found = placed.observables(order)
        return {**found, "_sensitivity": jnp.abs(tangent.overlap)}

    return pointwise(at, x, scale)


def observe(
    model: AbstractScalarReplicaModel, x: np.ndarray, scale: np.ndarray
) -> dict[str, np.ndarray]:
    """Observables at many (ln q_hat, scale), and |dq / d ln q_hat| as `_sensitivity`."""
    names = jax.tree.structure(_names(model))
    columns = in_chunks(lambda a, b: _observe(model, a, b), x, scale)
    return jax.tree.unflatten(names, columns)


def _names(model: AbstractScalarReplicaModel) -> dict[str, Any]:
    shape = jax.ShapeDtypeStruct((1,), jnp.float64)
    return eqx.filter_eval_shape(_observe, model, shape, shape)


def solve(table: Scan, scales: np.ndarray) -> tuple[Roots, list[list[FixedPoint]]]:
    """Every fixed point of a scanned model at every scale."""
    roots = find_roots(table, scales)
    return roots, fixed_points(table, roots, scales)

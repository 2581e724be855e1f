"""Models whose fixed points lie along one coordinate: their tables, branches, observables."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from solvable.core.arguments import UNSET
from solvable.core.branches import Scan, in_chunks, pointwise, scan
from solvable.core.fixed_points import FixedPoint, fixed_points
from solvable.core.quadrature import ORDER
from solvable.core.roots import Roots, find_roots
from solvable.core.specification import get, inject
from solvable.core.thresholds import Potentials
from solvable.models.base import AbstractEquivalentModel, AbstractScalarReplicaModel

WIDEST = (1e-6, 1e6)  # scales that a search for thresholds covers


def tabulate(
    model: AbstractScalarReplicaModel,
    scale_range: tuple[float, float],
    scales: np.ndarray | None = None,
) -> Scan:
    """The scan of a model, whose scale parameter plays no part; for certain scales, or for all."""
    limits = model.limits()
    problem, x, h = model.coordinate(limits, scale_range)
    return scan(problem, limits, x, h, scales)


def canonical(model: AbstractScalarReplicaModel) -> AbstractScalarReplicaModel:
    """The model that theory is computed with."""
    return model.equivalent() if isinstance(model, AbstractEquivalentModel) else model


def scale_of(model: AbstractScalarReplicaModel) -> float:
    """The scale of the canonical model.

    Raises:
        ValueError: if it is unset.
    """
    model = canonical(model)
    name = model.scale_parameter
    if name is None:
        return 1.0
    value = get(model, name)
    if value is UNSET:
        raise ValueError(f"Argument `{name}` must be given or swept, but was unset.")
    return float(value) ** model.scale_power


def _placed(model: Any, scale: Array) -> tuple[Any, Any]:
    """The model at a scale, and how many copies of the observation it has."""
    name = model.scale_parameter
    if name is None:
        return model, scale
    return inject(model, {name: scale**model.scale_power}), 1.0


@eqx.filter_jit
def _potentials(problem: Any, point: Array, scale: Array, nodes: int) -> Array:
    model = problem.model

    def at(point: Array, value: Array) -> Array:
        placed, copies = _placed(model, value)
        return placed.free_entropy(problem.order_at(point, nodes), nodes, copies)

    return pointwise(at, point, scale)


def potentials(
    problem: Any, point: np.ndarray, scale: np.ndarray, nodes: int = ORDER
) -> np.ndarray:
    """Free entropies at many (fixed point, scale)."""
    return in_chunks(
        lambda a, b: _potentials(problem, a, b, nodes), point, scale, rows=problem.rows
    )[0]


@eqx.filter_jit
def _observe(problem: Any, point: Array, error: Array, scale: Array) -> dict[str, Array]:
    model = problem.model

    def at(point: Array, error: Array, value: Array) -> dict[str, Array]:
        placed, copies = _placed(model, value)
        order, tangent = jax.jvp(problem.order_at, (point,), (error,))
        bound = jnp.max(jnp.abs(tangent.both("overlap")))
        return {**placed.observables(order, copies), "error_bound": bound}

    return pointwise(at, point, error, scale)


def table_potentials(model: AbstractScalarReplicaModel, table: Scan) -> Potentials:
    """Free entropies that a search for thresholds compares."""

    def inner(point: np.ndarray, scale: np.ndarray, nodes: int) -> np.ndarray:
        return potentials(table.model, point, scale, nodes)

    return Potentials(inner, model.end_free_entropy)


def observe(
    problem: Any, point: np.ndarray, error: np.ndarray, scale: np.ndarray
) -> dict[str, np.ndarray]:
    """Observables at many (fixed point, scale), and what the points' errors make of overlaps."""
    names = jax.tree.structure(_names(problem, point.shape[1]))
    columns = in_chunks(
        lambda *part: _observe(problem, *part), point, error, scale, rows=problem.rows
    )
    return jax.tree.unflatten(names, columns)


def _names(problem: Any, dimension: int) -> dict[str, Any]:
    point = jax.ShapeDtypeStruct((1, dimension), jnp.float64)
    return eqx.filter_eval_shape(
        _observe, problem, point, point, jax.ShapeDtypeStruct((1,), jnp.float64)
    )


def solve(
    model: AbstractScalarReplicaModel, scales: np.ndarray, table: Scan | None = None
) -> tuple[Scan, Roots, list[list[FixedPoint]]]:
    """Every fixed point at every scale, and the scan that they come from."""
    if table is None:
        table = tabulate(model, (float(scales.min()), float(scales.max())), scales)
    roots = find_roots(table, scales)
    return table, roots, fixed_points(table, roots, scales)


def along(
    model: AbstractScalarReplicaModel,
    scales: np.ndarray,
    lowest: bool,
    table: Scan | None = None,
) -> dict[str, np.ndarray]:
    """Observables on the lowest, or the best, stable fixed point at every scale; NaN without one.

    Args:
        model: any, its ends included.
        scales: shape (n,).
        lowest: that of least overlap; else that of highest free entropy.
        table: of the model, where it is at hand.
    """
    table, roots, points = solve(model, scales, table)
    inner = observe(table.model, roots.point, roots.error, scales[roots.index])
    limits = table.limits
    places = [("trivial", limits.trivial), ("recovered", limits.recovered)]
    ends = {place: model.end_observables(place, scales) for place, exists in places if exists}
    found = {name: np.full(len(scales), np.nan) for name in inner}
    for k, here in enumerate(points):
        stable = [
            {name: column[point.root] for name, column in inner.items()}
            if point.place == "interior"
            else {name: column[k] for name, column in ends[point.place].items()}
            for point in here
            if point.stable
        ]
        if stable:
            rank = [-i if lowest else x["free_entropy"] for i, x in enumerate(stable)]
            for name, value in stable[int(np.argmax(rank))].items():
                found[name][k] = value
    return found

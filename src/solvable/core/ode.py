"""Ordinary differential equations with error control: what was reached, and how it ended."""

import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import diffrax
import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from solvable.core.parallel import in_threads
from solvable.core.status import Status

LARGEST = 1e8  # of an order parameter: beyond it a solution has run away
MOST_STEPS = 50_000


class Path(NamedTuple):
    """A solution at the times that it reached.

    Attributes:
        values: at every time asked for, along a new first axis; only `reached` of them count.
        reached: how many.
        status: converged; max_steps; left_domain where it ran away.
        steps: taken.
    """

    values: Any
    reached: int
    status: Status
    steps: int


def integrate(
    drift: Callable[[Any], Any],
    start: Any,
    times: Float[np.ndarray, " t"],
    tolerance: float = 1e-8,
    most_steps: int = MOST_STEPS,
) -> Path:
    """Solve dx/dt = drift(x) from x(0) = start, by an explicit method of order 8.

    Args:
        drift: of a pytree of arrays; an `equinox` module keeps compiled code.
        start: x(0).
        times: rising, >= 0.
        tolerance: of a step, relative, and of values below one absolute.
        most_steps: after so many the run ends.
    """
    found = solved(drift, start, jnp.asarray(times), jnp.asarray(tolerance), most_steps)
    return _path(*jax.tree.map(np.asarray, found))


def integrate_many(
    drift: Callable[[Any], Any],
    starts: Sequence[Any],
    times: Float[np.ndarray, " t"],
    tolerance: float = 1e-8,
    most_steps: int = MOST_STEPS,
) -> list[Path]:
    """The solutions from many starts, side by side: `integrate` of each.

    Args:
        drift, times, tolerance, most_steps: as in `integrate`.
        starts: x(0) of each.
    """
    count = len(starts)
    if count == 1:
        return [integrate(drift, starts[0], times, tolerance, most_steps)]
    stacked = jax.tree.map(lambda *x: np.stack(x), *starts)
    lanes = -(-count // min(count, os.cpu_count() or 1))

    def part(first: int) -> Any:
        some = np.minimum(np.arange(first, first + lanes), count - 1)
        these = jax.tree.map(lambda x: jnp.asarray(x[some]), stacked)
        found = solved_many(drift, these, jnp.asarray(times), jnp.asarray(tolerance), most_steps)
        return jax.tree.map(np.asarray, found)

    parts = in_threads(part, range(0, count, lanes))
    found = jax.tree.map(lambda *x: np.concatenate(x)[:count], *parts)
    return [_path(*jax.tree.map(lambda x, k=k: x[k], found)) for k in range(count)]


def _path(values: Any, ended: np.ndarray, steps: np.ndarray) -> Path:
    """What counts of a solution."""
    times = len(jax.tree.leaves(values)[0])
    finite = np.ones(times, dtype=bool)
    for leaf in jax.tree.leaves(values):
        finite &= np.all(np.isfinite(leaf.reshape(times, -1)), axis=1)
    reached = times if finite.all() else int(np.argmin(finite))
    status = Status.converged if reached == times else Status(int(ended))
    return Path(values, reached, status, int(steps))


@eqx.filter_jit
def solved(
    drift: Any, start: Any, times: Array, tolerance: Array, most_steps: int
) -> tuple[Any, Array, Array]:
    """The solution at all times, infinite where it was not reached; the status if it was not."""

    def ran_away(t: Any, y: Any, args: Any, **_: Any) -> Array:
        sizes = jnp.stack([jnp.max(jnp.abs(leaf)) for leaf in jax.tree.leaves(y)])
        return ~(jnp.max(sizes) < LARGEST)

    control = diffrax.PIDController(rtol=tolerance, atol=tolerance)
    solution = diffrax.diffeqsolve(
        diffrax.ODETerm(lambda t, y, args: drift(y)),
        diffrax.Dopri8(),
        t0=0.0,
        t1=jnp.maximum(times[-1], 1e-12),
        dt0=None,
        y0=start,
        saveat=diffrax.SaveAt(ts=jnp.maximum(times, 0.0)),
        # steps end at the times: between them the solution is interpolated to fewer digits
        stepsize_controller=diffrax.ClipStepSizeController(control, step_ts=times),
        max_steps=most_steps,
        throw=False,
        event=diffrax.Event(ran_away),
        adjoint=diffrax.ForwardMode(),
    )
    left = solution.result == diffrax.RESULTS.event_occurred
    status = jnp.where(left, int(Status.left_domain), int(Status.max_steps))
    return solution.ys, status, solution.stats["num_steps"]


@eqx.filter_jit
def solved_many(
    drift: Any, starts: Any, times: Array, tolerance: Array, most_steps: int
) -> tuple[Any, Array, Array]:
    """The same for many starts: each has steps of its own."""
    return jax.vmap(lambda start: solved(drift, start, times, tolerance, most_steps))(starts)

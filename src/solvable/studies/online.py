"""Online learning in time: order parameters of stochastic gradient descent."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from solvable import io
from solvable.bricks.online import Learning, OnlineOrder
from solvable.core.arguments import array, fail, integer, positive
from solvable.core.randomness import key_for
from solvable.core.status import Status
from solvable.models.base import AbstractOnlineModel
from solvable.studies.experiment import standard_error
from solvable.studies.progress import Progress, part_of

if TYPE_CHECKING:
    import xarray as xr

    from solvable.core.ode import Path

RAN_AWAY = "The weights ran away: this learning rate is above the limit of stability; lower it."
LOST = 0.1  # relative error at which a generalization error is no number any more
DIMENSIONS = {
    "generalization_error": (),
    "q": ("student", "student_other"),
    "r": ("student", "teacher"),
    "v": ("student",),
}
_COARSER = 30.0  # by how much looser the second solution is, which bounds the error
_TINY = 1e-300
_ROUNDING = 4e-15  # of the sums whose difference is a generalization error


def follow(
    model: AbstractOnlineModel,
    times: Any,
    *,
    tolerance: Any = None,
    simulate: bool = False,
    size: Any = None,
    instances: Any = None,
    starts: Any = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> "xr.Dataset":
    """The order parameters at times t = examples / N; see `dynamics`.

    `error_bound` is the relative difference of the generalization error from a solution with a
    looser tolerance and less of an expansion.
    """
    finest = model.learning().averages.finest()
    asked: dict[str, Any] = {
        "times": checked_times(times),
        "tolerance": positive("tolerance", finest if tolerance is None else tolerance),
        "simulate": simulate,
        "size": integer("size", 500 if size is None else size, low=2),
        "instances": integer("instances", 8 if instances is None else instances, low=1),
        "starts": integer("starts", 0 if starts is None else starts, low=0),
    }
    first = 1 + (asked["starts"] > 0)
    parts = first + (asked["instances"] if simulate else 0)
    (data,) = _theory(model.learning(), [model.initial()], asked, part_of(progress, 0, parts))
    if asked["starts"]:
        tell = part_of(progress, 1, parts)
        data = data.assign(_from_random_starts(model, asked, seed, data, tell))
    if simulate:
        tells = [part_of(progress, first + k, parts) for k in range(asked["instances"])]
        data = data.assign(_simulated(model, asked, seed, data, tells))
    data.attrs = io.attributes("dynamics", "dynamics", model, asked, seed)
    names = ("status", "start_status", "experiment_status")
    ends = [code for name in names for code in np.ravel(data.get(name, []))]
    if Status.left_domain in ends:
        data.attrs["advice"] = RAN_AWAY
    return data


def checked_times(times: Any) -> np.ndarray:
    """Strictly rising times >= 0."""
    found = array("times", times, ndim=1)
    if np.any(np.diff(found) <= 0) or found[0] < 0:
        raise fail("times", "be strictly rising and >= 0", found.tolist())
    return found


def _theory(
    learning: Learning, starts: list[OnlineOrder], asked: dict[str, Any], tell: Any
) -> "list[xr.Dataset]":
    """One data set for each start."""
    from solvable.core.ode import integrate_many  # its import takes a second

    problems = (learning, learning.coarser())
    both = []
    for k, problem in enumerate(problems):
        tolerance = asked["tolerance"] * (_COARSER if k else 1.0)
        both.append(integrate_many(problem.drift, starts, asked["times"], tolerance))
        tell(0.5 * (k + 1))
    return [_curve(problems, paths, asked) for paths in zip(*both, strict=True)]


def _curve(
    problems: tuple[Learning, Learning], paths: "tuple[Path, ...]", asked: dict[str, Any]
) -> "xr.Dataset":
    """What is known of a solution from a finer and a coarser one."""
    import xarray as xr

    reached = min(path.reached for path in paths)
    times = asked["times"][:reached]
    fine, coarse = (
        _observed(problem, jax.tree.map(lambda x: x[:reached], path.values))
        for problem, path in zip(problems, paths, strict=True)
    )
    error, rough = (np.asarray(x["generalization_error"]) for x in (fine, coarse))
    bound = np.maximum(np.abs(error - rough), _ROUNDING * np.asarray(fine["size"]))
    bound = np.maximum(bound / np.maximum(np.abs(error), _TINY), asked["tolerance"])
    kept = len(bound) if np.all(bound < LOST) else int(np.argmax(bound >= LOST))
    status = _worse(paths) if kept == len(bound) else Status.precision_loss
    columns: dict[str, Any] = {
        name: (("time", *dims), np.asarray(fine[name])) for name, dims in DIMENSIONS.items()
    }
    columns |= {
        "error_bound": ("time", bound),
        "status": ((), np.int8(status)),
    }
    return xr.Dataset(columns, coords={"time": times}).isel(time=slice(0, kept))


def _from_random_starts(
    model: AbstractOnlineModel,
    asked: dict[str, Any],
    seed: int,
    theory: "xr.Dataset",
    tell: Callable[[float], None],
) -> dict[str, Any]:
    """Solutions from the overlaps of random networks of a finite size."""
    keys = [key_for(seed, "start", repr(model), asked["size"], n) for n in range(asked["starts"])]
    models = [model.random_start(key, asked["size"]) for key in keys]
    curves = _theory(model.learning(), [x.initial() for x in models], asked, tell)
    status = np.array([int(x["status"]) for x in curves], np.int8)
    columns: dict[str, Any] = {"start_status": ("start", status)}
    for name, dims in DIMENSIONS.items():
        values = np.array([_filled(x[name].values, theory[name].shape) for x in curves])
        columns[f"{name}_starts"] = (("start", "time", *dims), values)
    return columns


def _simulated(
    model: AbstractOnlineModel,
    asked: dict[str, Any],
    seed: int,
    theory: "xr.Dataset",
    tells: list[Callable[[float], None]],
) -> dict[str, Any]:
    """Means and standard errors over networks, each with a teacher and examples of its own."""
    runs: list[dict[str, np.ndarray]] = []
    ends: list[Status] = []
    times = theory["time"].values
    for number, tell in enumerate(tells):
        key = key_for(seed, "online", repr(model), asked["size"], number)
        found = model.simulate(key, asked["size"], times, tell)
        runs.append(found.columns)
        ends.append(found.status)
    columns: dict[str, Any] = {"experiment_status": ("instance", np.array(ends, np.int8))}
    for name, dims in DIMENSIONS.items():
        values = np.array([_filled(run.get(name), theory[name].shape) for run in runs])
        columns[f"{name}_mean"] = (("time", *dims), values.mean(axis=0))
        columns[f"{name}_standard_error"] = (("time", *dims), standard_error(values))
    return columns


def _filled(values: np.ndarray | None, shape: tuple[int, ...]) -> np.ndarray:
    """A column with NaN, no number, at the times that a network which ran away did not reach."""
    found = np.full(shape, np.nan)
    if values is not None:
        found[: len(values)] = values[: len(found)]
    return found


def _worse(paths: "tuple[Path, ...]") -> Status:
    """How the finer solution ended, or the coarser one if only that ended early."""
    return next((x.status for x in paths if x.status != Status.converged), Status.converged)


@eqx.filter_jit
def _observed(learning: Learning, orders: OnlineOrder) -> dict[str, Float[Array, "t ..."]]:
    """Observables at many times; `size` is the sum of what the error is a difference of."""

    def one(order: OnlineOrder) -> dict[str, Array]:
        q, r = learning.totals(order)
        c, s = learning.fields(order)
        size = jnp.abs(s) @ jnp.abs(learning.averages.products(c, len(order.v))) @ jnp.abs(s)
        error = learning.generalization_error(order)
        return {"generalization_error": error, "q": q, "r": r, "v": order.v, "size": size}

    return jax.lax.map(one, orders)

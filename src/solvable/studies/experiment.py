"""`experiment`: AMP and general-purpose methods on random instances, beside the theory.

Every instance is drawn from streams named by the model's specification, the size and the
instance's number, so that it does not depend on the grid or on the order of execution. All
algorithms get the same data, and the model measures what they find as its theory defines it.
Instances on which an algorithm did not converge count with its best iterate, and keep their
status. The study asks a model for capabilities only: to draw instances, and to solve them.
"""

import contextlib
import itertools
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, NamedTuple

import numpy as np
import xarray as xr
from threadpoolctl import threadpool_limits

from solvable import io
from solvable.algorithms.damping import damping_rule
from solvable.core.arguments import (
    boolean,
    fail,
    instance,
    integer,
    non_negative,
    number,
)
from solvable.core.precision import require_x64
from solvable.core.randomness import fold, key_for
from solvable.core.specification import replace
from solvable.models.base import AbstractInstanceModel, AbstractMessagePassingModel
from solvable.studies.baselines import baseline_names, quiet_solvers, run_baseline
from solvable.studies.curve import Progress, curve


class Run(NamedTuple):
    """One instance: observables of every algorithm, their statuses, AMP's path if kept."""

    measured: list[dict[str, float]]
    status: np.ndarray
    path: list[dict[str, float]]


def experiment(
    model: Any,
    over: Mapping[str, Any] | None = None,
    *,
    size: int = 2000,
    instances: int = 16,
    seed: int = 0,
    trajectory: bool = False,
    baselines: bool = True,
    start: float | None = None,
    iterations: int = 30,
    damping: float | str | None = None,
    tolerance: float = 1e-6,
    max_steps: int = 500,
    progress: Progress | None = None,
) -> xr.Dataset:
    """Theory and finite-size runs side by side: one data set, ready for one picture.

    Args:
        model: a `GLM` or a `MultiLayer`; parameters in `over` may be unset.
        over: name -> grid, as for `curve`; without it the one point that the model names.
        size: dimension of the signal, p or n_0.
        instances: how many instances at each point.
        seed: of all random numbers.
        trajectory: keep AMP's observables at every iteration, beside state evolution.
        baselines: run the general-purpose methods too, of which there are some for a GLM.
        start: overlap of an informed start; by default the prior, or a spectral estimate where the
            channel of a GLM is even. Without it a network that shows nothing is `unsupported`.
        iterations: length of the trajectories.
        damping: of AMP, in [0, 1), or "adaptive", the default; 0 for trajectories.
        tolerance: of AMP.
        max_steps: of AMP.
        progress: called with (instances done, instances in all).

    Returns:
        The data set of `curve` with dims algorithm and instance: `<observable>_instances`,
        `_mean`, `_standard_error`, and `experiment_status`. With `trajectory`, dim iteration from
        the start, 0: `<observable>_trajectory_mean`, `_trajectory_standard_error` and
        `_state_evolution` from the mean measured overlaps.

    Raises:
        ValueError: if an argument is out of its range.
    """
    settings = dict(
        size=size,
        instances=instances,
        trajectory=trajectory,
        baselines=baselines,
        start=start,
        iterations=iterations,
        damping=damping if damping is not None else 0.0 if trajectory is True else "adaptive",
        tolerance=tolerance,
        max_steps=max_steps,
    )
    _check(model, seed, settings)
    dataset = _measure(model, curve(model, over), seed, settings, progress)
    grids = over and {name: np.asarray(grid) for name, grid in over.items()}
    made_by = io.provenance("experiment", model, {"over": grids, **settings}, seed=seed)
    dataset.attrs.update(kind="experiment", provenance=made_by)
    return dataset


def _check(model: Any, seed: int, settings: Mapping[str, Any]) -> None:
    """Raise ValueError, one sentence, for an argument out of its range."""
    require_x64()
    integer("seed", seed, low=0)
    for capability in (AbstractInstanceModel, AbstractMessagePassingModel):
        instance("model", model, capability, "a model with instances and message passing")
    for name in ("size", "instances", "iterations", "max_steps"):
        integer(name, settings[name], low=1)
    for name in ("trajectory", "baselines"):
        boolean(name, settings[name])
    if settings["start"] is not None:
        number("start", settings["start"])
    damping_rule(settings["damping"], 1)
    if settings["trajectory"] and settings["damping"] != 0:
        raise fail(
            "damping", "be 0 for trajectories: state evolution has none", settings["damping"]
        )
    non_negative("tolerance", settings["tolerance"])


def _measure(
    model: Any,
    theory: xr.Dataset,
    seed: int,
    settings: Mapping[str, Any],
    progress: Progress | None,
) -> xr.Dataset:
    """The theory's data set with the experiment on all its points."""
    names = io.swept(theory)
    grids = [np.atleast_1d(theory[name].values) for name in names]
    points = [
        replace(model, dict(zip(names, map(_plain, values), strict=True))) if names else model
        for values in itertools.product(*grids)
    ]
    algorithms = ["amp", *(baseline_names(points[0]) if settings["baselines"] else ())]
    runs = _run_all(points, algorithms, seed, settings, progress)
    shape = tuple(len(grid) for grid in grids)
    dataset = _assemble(theory, names, shape, algorithms, runs)
    if not settings["trajectory"]:
        return dataset
    paths = [
        _trajectory(point, [one.path for one in row], settings)
        for point, row in zip(points, runs, strict=True)
    ]
    return _with_trajectories(dataset, names, shape, paths)


def _run_all(
    points: list[Any],
    algorithms: list[str],
    seed: int,
    settings: Mapping[str, Any],
    progress: Progress | None,
) -> list[list[Run]]:
    """All instances of all points, one a core: their products are too small to share out."""
    count = settings["instances"]
    jobs = [
        (point, algorithms, seed, index, settings) for point in points for index in range(count)
    ]
    with (
        quiet_solvers() if len(algorithms) > 1 else contextlib.nullcontext(),
        threadpool_limits(1),
        ThreadPoolExecutor(max_workers=min(_WORKERS, os.cpu_count() or 1)) as pool,
    ):
        flat = []
        for run in pool.map(lambda job: _run(*job), jobs):
            flat.append(run)
            if progress is not None:
                progress(len(flat), len(jobs))
    return [flat[start : start + count] for start in range(0, len(flat), count)]


_WORKERS: Final = 8  # each holds a design


def _plain(value: Any) -> Any:
    return value.item() if isinstance(value, np.generic) else value


def _run(
    model: Any, algorithms: list[str], seed: int, index: int, settings: Mapping[str, Any]
) -> Run:
    """Draw one instance, and give it to every algorithm."""
    key = key_for(seed, "experiment", repr(model), settings["size"], index)
    problem = model.sample(fold(key, "instance"), settings["size"])
    path: list[dict[str, float]] = []

    def observe(state: Any) -> None:
        if len(path) <= settings["iterations"]:
            path.append(model.measure(state, problem))

    start = settings["start"]
    if start is not None:
        start = model.informed_start(problem, start, fold(key, "start"))
    outcome = model.solve(
        problem.data,
        fold(key, "start"),
        start=start,
        observe=observe if settings["trajectory"] else None,
        damping=settings["damping"],
        tolerance=settings["tolerance"],
        max_steps=settings["max_steps"],
    )
    measured, status = [model.measure(outcome, problem)], [int(outcome.status)]
    for name in algorithms[1:]:
        found, ended = run_baseline(name, model, problem, fold(key, name))
        measured.append(found)
        status.append(int(ended))
    return Run(measured, np.array(status, dtype=np.int8), path)


def _trajectory(
    model: Any, paths: list[list[dict[str, float]]], settings: Mapping[str, Any]
) -> dict[str, np.ndarray]:
    """Mean, standard error and state evolution of every observable, each (iterations + 1,)."""
    length = settings["iterations"] + 1
    padded = [path + [path[-1]] * (length - len(path)) for path in paths]
    columns = {
        name: np.array([[at[name] for at in path] for path in padded]) for name in paths[0][0]
    }
    start = {name: float(values[:, 0].mean()) for name, values in columns.items()}
    theory = model.state_evolution(start, length - 1)
    found: dict[str, np.ndarray] = {}
    for name, values in columns.items():
        found[f"{name}_trajectory_mean"] = values.mean(axis=0)
        found[f"{name}_trajectory_standard_error"] = standard_error(values)
        found[f"{name}_state_evolution"] = theory[name]
    return found


def standard_error(values: np.ndarray) -> np.ndarray:
    """Standard error of the mean over the first axis; NaN for a single instance."""
    count = values.shape[0]
    if count < 2:
        return np.full(values.shape[1:], np.nan)
    return values.std(axis=0, ddof=1) / np.sqrt(count)


def _assemble(
    theory: xr.Dataset,
    names: list[str],
    shape: tuple[int, ...],
    algorithms: list[str],
    runs: list[list[Run]],
) -> xr.Dataset:
    """The theory's data set with what was measured."""
    dims = (*names, "algorithm")
    count = len(runs[0])
    dataset = theory.assign_coords(algorithm=algorithms, instance=np.arange(count))
    for observable in io.observables(theory):
        values = np.array(
            [[[at.get(observable, np.nan) for at in run.measured] for run in row] for row in runs]
        )  # point, instance, algorithm
        if np.isnan(values).all():
            continue
        each = np.moveaxis(values, 1, 2).reshape(*shape, -1, count)
        mean = values.mean(axis=1).reshape(*shape, -1)
        error = np.array([standard_error(point) for point in values]).reshape(*shape, -1)
        dataset[f"{observable}_instances"] = ((*dims, "instance"), each)
        dataset[f"{observable}_mean"] = (dims, mean)
        dataset[f"{observable}_standard_error"] = (dims, error)
    status = np.array([[run.status for run in row] for row in runs])
    status = np.moveaxis(status, 1, 2).reshape(*shape, len(algorithms), -1)
    dataset["experiment_status"] = ((*dims, "instance"), status.astype(np.int8))
    return dataset


def _with_trajectories(
    dataset: xr.Dataset,
    names: list[str],
    shape: tuple[int, ...],
    paths: list[dict[str, np.ndarray]],
) -> xr.Dataset:
    """The data set with dim iteration."""
    length = len(next(iter(paths[0].values())))
    dataset = dataset.assign_coords(iteration=np.arange(length))
    for name in paths[0]:
        values = np.array([path[name] for path in paths]).reshape(*shape, length)
        dataset[name] = ((*names, "iteration"), values)
    return dataset

"""Results as strict JSON documents, and what is in a data set.

Infinities are the texts "inf" and "-inf", and null means that there is no number.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from solvable import catalog
from solvable.core.status import Status, answered, severity

if TYPE_CHECKING:
    import xarray as xr

PHASES = ("easy", "hard", "impossible")
# What a curve's data set holds beside observables; only the first two are in its JSON document.
BOOKKEEPING = ("status", "error_bound", "residual", "steps")


def strict(value: Any) -> Any:
    """Plain data for strict JSON: arrays as nested lists, NaN as None, infinities as texts."""
    if isinstance(value, Mapping):
        return {str(key): strict(item) for key, item in value.items()}
    if isinstance(value, Status):
        return value.name
    if isinstance(value, bool | str | int) or value is None:
        return value
    if isinstance(value, float):
        if math.isnan(value):
            return None
        return value if math.isfinite(value) else ("inf" if value > 0 else "-inf")
    if isinstance(value, list | tuple):
        return [strict(item) for item in value]
    return strict(np.asarray(value).tolist())


def dumps(document: Mapping[str, Any], indent: int | None = None) -> str:
    """A document as strict JSON."""
    return json.dumps(strict(document), allow_nan=False, indent=indent)


def document(dataset: xr.Dataset) -> dict[str, Any]:
    """The JSON document of a data set from a study."""
    makers = {
        "curve": _curve,
        "phase": _phase,
        "experiment": _experiment,
        "entropy": _entropy,
        "dynamics": _dynamics,
        "relaxation": _relaxation,
    }
    kind = dataset.attrs.get("kind")
    if kind not in makers:
        raise ValueError(
            f"Argument `dataset` must be of a kind among {', '.join(makers)}, but was {kind!r}."
        )
    return strict(makers[kind](dataset))


def statuses(codes: Any) -> Any:
    """Status codes as names, in lists nested like the array."""
    if isinstance(codes, np.ndarray):
        codes = codes.tolist()
    return [statuses(code) for code in codes] if isinstance(codes, list) else Status(codes).name


def _nested(values: Any) -> list[Any]:
    """An array as nested lists; the one value of a single point as a list of one."""
    return np.atleast_1d(np.asarray(values)).tolist()


def swept(dataset: xr.Dataset) -> list[str]:
    """The names of a curve's swept parameters, in the order in which its arrays nest."""
    return [str(name) for name in dataset["status"].dims if name != "branch"]


def observables(dataset: xr.Dataset) -> list[str]:
    """The names of a curve's observables on its branches, in the order of the model's card."""
    found = [
        str(name)
        for name, values in dataset.data_vars.items()
        if "branch" in values.dims
        and name not in BOOKKEEPING
        and not str(name).endswith("_status")
    ]
    return _as_on_the_card(dataset, found)


def rigour_of(dataset: xr.Dataset, name: str) -> str:
    """The rigour of a variable's formula: its own, else that of the whole; "" if none is known."""
    return str(dataset[name].attrs.get("rigour", dataset.attrs.get("rigour", "")))


def _as_on_the_card(dataset: xr.Dataset, names: list[str]) -> list[str]:
    """The names sorted as the model's card lists them; what it does not list comes last."""
    card = catalog.entries("model").get(str(dataset.attrs.get("model")).partition("(")[0])
    order = list(card.observables) if card else []
    return sorted(names, key=lambda name: order.index(name) if name in order else len(order))


def _entropy(dataset: xr.Dataset) -> dict[str, Any]:
    return {
        "delta": dataset.attrs["delta"],
        "pre_delta": dataset.attrs["pre_delta"],
        "prior": dataset.attrs["prior"],
        "note": dataset.attrs["note"] or None,
        "layers": {
            "units": dataset.units.values.tolist(),
            "entropy": dataset.entropy.values.tolist(),
            "mutual_information": dataset.mutual_information.values.tolist(),
            "error_bound": dataset.error_bound.values.tolist(),
            "status": statuses(dataset.status.values),
        },
    }


def series(dataset: xr.Dataset) -> list[str]:
    """The names of the observables that a dynamics follows in time."""
    own = ("_mean", "_standard_error")
    return [
        str(name)
        for name, column in dataset.data_vars.items()
        if column.dims == ("time",) and name != "error_bound" and not str(name).endswith(own)
    ]


def tensors(dataset: xr.Dataset) -> list[str]:
    """The names of the vectors and matrices that a dynamics follows in time."""
    own = ("_mean", "_standard_error")
    return [
        str(name)
        for name, column in dataset.data_vars.items()
        if column.ndim > 1 and column.dims[0] == "time" and not str(name).endswith(own)
    ]


TWO_TIMES = ("correlation", "response", "integrated_response")


def _dynamics(dataset: xr.Dataset) -> dict[str, Any]:
    found = {"model": dataset.attrs["model"], "times": dataset["time"].values}
    found |= {name: dataset[name].values for name in (*series(dataset), *tensors(dataset))}
    if "waiting" in dataset.dims:
        found |= {name: dataset[name].values for name in ("waiting", *TWO_TIMES)}
    found["error_bound"] = dataset["error_bound"].values
    found["status"] = statuses(int(dataset["status"]))
    simulated = measured(dataset)
    if simulated:
        found["simulation"] = {
            name: {
                "mean": dataset[f"{name}_mean"].values,
                "standard_error": dataset[f"{name}_standard_error"].values,
            }
            for name in simulated
        }
    if "experiment_status" in dataset:
        found["experiment_status"] = statuses(dataset["experiment_status"].values)
    if "start_status" in dataset:
        end = "_starts"
        names = [str(name) for name in dataset.data_vars if str(name).endswith(end)]
        found["starts"] = {name.removesuffix(end): dataset[name].values for name in names}
        found["starts"]["status"] = statuses(dataset["start_status"].values)
    return found


FIT = ("threshold", "threshold_error", "exponent", "exponent_error", "amplitude")


def _relaxation(dataset: xr.Dataset) -> dict[str, Any]:
    name = str(dataset["plateau"].dims[0])
    rows = []
    for overlap in dataset["initial_overlap"].values:
        one = dataset.sel(initial_overlap=overlap)
        fit = {key: float(one[key]) for key in FIT}
        rows.append(
            {
                "initial_overlap": float(overlap),
                "relaxation_time": one["relaxation_time"].values,
                "error_bound": one["error_bound"].values,
                "status": statuses(one["status"].values),
                "fit": fit | {"status": statuses(int(one["fit_status"]))},
            }
        )
    return {
        "model": dataset.attrs["model"],
        "temperature": dataset.attrs["temperature"],
        "over": {name: dataset[name].values},
        "plateau": dataset["plateau"].values,
        "relaxations": rows,
        "extrapolated": {
            "threshold": float(dataset["extrapolated_threshold"]),
            "threshold_error": float(dataset["extrapolated_error"]),
            "status": statuses(int(dataset["extrapolated_status"])),
        },
        "conjectured_threshold": float(dataset["conjectured_threshold"]),
    }


def _curve(dataset: xr.Dataset) -> dict[str, Any]:
    over = swept(dataset)
    branches = {}
    for branch in dataset["branch"].values:
        one = dataset.sel(branch=branch)
        entry = {"status": statuses(_nested(one["status"].transpose(*over)))}
        for name in ("error_bound", *observables(dataset)):
            values = one[name].transpose(*over, ...)
            entry[name] = _nested(values)
            if f"{name}_status" in one:
                codes = one[f"{name}_status"].transpose(*over)
                entry[f"{name}_status"] = statuses(_nested(codes))
        branches[str(branch)] = entry
    return {
        "model": dataset.attrs["model"],
        "over": {name: dataset[name].values for name in over},
        "branches": branches,
    }


def algorithms(dataset: xr.Dataset) -> list[str]:
    """The names of an experiment's algorithms."""
    return [str(name) for name in dataset["algorithm"].values]


def measured(dataset: xr.Dataset) -> list[str]:
    """The names of the observables that an experiment measured."""
    names = [str(name) for name in dataset.data_vars]
    found = [
        name.removesuffix("_mean")
        for name in names
        if name.endswith("_mean") and not name.endswith("_trajectory_mean")
    ]
    return _as_on_the_card(dataset, found)


def worst_status(codes: np.ndarray) -> np.ndarray:
    """The worst of the statuses along the last axis: failures come before mere answers."""
    worst = np.argmax(severity(codes), axis=-1, keepdims=True)
    return np.take_along_axis(codes, worst, axis=-1)[..., 0]


def _experiment(dataset: xr.Dataset) -> dict[str, Any]:
    over = swept(dataset)
    found: dict[str, Any] = {}
    for algorithm in algorithms(dataset):
        one = dataset.sel(algorithm=algorithm)
        entry: dict[str, Any] = {}
        for name in measured(dataset):
            entry[name] = {
                part: _nested(one[f"{name}_{part}"].transpose(*over))
                for part in ("mean", "standard_error")
            }
        codes = one["experiment_status"].transpose(*over, "instance").values
        entry["status"] = statuses(_nested(worst_status(codes)))
        found[algorithm] = entry
    result = {**_curve(dataset), "experiment": found}
    if "iteration" in dataset.dims:
        result["trajectory"] = _trajectory(dataset, over)
    return result


def _trajectory(dataset: xr.Dataset, over: list[str]) -> dict[str, Any]:
    """AMP's observables and the theory's by iteration; the innermost lists run over iterations."""
    parts = ("trajectory_mean", "trajectory_standard_error", "state_evolution")
    found: dict[str, Any] = {"iteration": dataset["iteration"].values}
    for name in measured(dataset):
        present = [part for part in parts if f"{name}_{part}" in dataset]
        if present:
            found[name] = {
                part.removeprefix("trajectory_"): _nested(
                    dataset[f"{name}_{part}"].transpose(*over, "iteration")
                )
                for part in present
            }
    return found


def boundaries(dataset: xr.Dataset) -> list[str]:
    """The names of the thresholds whose lines a phase diagram holds."""
    names = [str(name) for name in dataset.data_vars if str(name).startswith("boundary_")]
    ends = ("_error", "_status")
    return [name.removeprefix("boundary_") for name in names if not name.endswith(ends)]


def critical_points(dataset: xr.Dataset) -> list[str]:
    """The names of a phase diagram's critical points, those that do not exist included."""
    return [str(name) for name in dataset["point"].values] if "point" in dataset.dims else []


def _phase(dataset: xr.Dataset) -> dict[str, Any]:
    y, x = (str(name) for name in dataset["phase"].dims)
    lines = {}
    for name in boundaries(dataset):
        line = dataset[f"boundary_{name}"]
        lines[name] = {
            "x": line.values,
            "y": dataset[y].values,
            "rigour": rigour_of(dataset, f"boundary_{name}") or None,
            "error_bound": dataset[f"boundary_{name}_error"].values,
            "status": statuses(dataset[f"boundary_{name}_status"].values),
        }
    cells = [
        [PHASES[code] if 0 <= code < len(PHASES) else None for code in row]
        for row in dataset["phase"].values.tolist()
    ]
    points = {}
    for name in critical_points(dataset):
        point = dataset.sel(point=name)
        points[name] = {
            "x": float(point["point_x"]),
            "y": float(point["point_y"]),
            "error_bound": {axis: float(point[f"point_{axis}_error"]) for axis in ("x", "y")},
            "status": statuses(int(point["point_status"])),
        }
    return {
        "model": dataset.attrs["model"],
        "x": x,
        "y": y,
        "boundaries": lines,
        "points": points,
        "map": {"x": dataset[x].values, "y": dataset[y].values, "phase": cells},
    }


def failed(dataset: xr.Dataset) -> bool:
    """Whether some point of a data set ended without an answer (exit code 1)."""
    return any(
        not answered(dataset[name].values).all()
        for name in dataset.data_vars
        if str(name).endswith("status")
    )

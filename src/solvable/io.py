"""Results to files and back: NetCDF, JSON documents, provenance.

Every file is written whole or not at all: into a hidden file of the same folder, flushed to the
disk, and then renamed over the old one. JSON is strict: infinities are the texts "inf" and "-inf",
and null means that there is no number.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import json
import math
import os
import platform
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from solvable import catalog
from solvable.core.specification import class_names
from solvable.core.status import Status, answered, severity

if TYPE_CHECKING:
    import xarray as xr

PHASES = ("easy", "hard", "impossible")
# What a curve's data set holds beside observables; only the first two are in its JSON document.
BOOKKEEPING = ("status", "error_bound", "residual", "steps")
_PACKAGES = ("solvable", "jax", "jaxlib", "equinox", "numpy", "scipy", "xarray", "scikit-learn")


# -------------------------------------------------------------------------------------------------
# Writing whole files


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A hidden file to write to, which takes the place of `path` when the block ends well.

    An interrupted or failed block leaves the old file as it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        _flush(temporary)
        temporary.replace(path)
        _flush(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    """The process's file mode mask, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _flush(path: Path) -> None:
    """Wait until a file, or a folder's list of names, is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def check_writable(directory: str | Path) -> Path:
    """Find out now, and without a trace, whether results can be written to a folder later.

    Raises:
        ValueError: one sentence that says why not.
    """
    directory = Path(directory)
    made = [folder for folder in (directory, *directory.parents) if not folder.exists()]
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise ValueError(
            f"Argument `out` must be a folder that can be written, but was `{directory}` "
            f"({error.strerror})."
        ) from None
    finally:
        for folder in made:
            with contextlib.suppress(OSError):
                folder.rmdir()
    return directory


def write(dataset: xr.Dataset, path: str | Path) -> Path:
    """Write a data set as NetCDF, whole or not at all."""
    path = Path(path)
    with replacing(path) as temporary:
        dataset.to_netcdf(temporary, engine="h5netcdf")
    return path


def read(path: str | Path) -> xr.Dataset:
    """The data set in a NetCDF file that `write` made, loaded into memory.

    Raises:
        ValueError: if the file is missing or is no NetCDF file.
    """
    import xarray as xr

    path = Path(path)
    if not path.is_file():
        raise ValueError(f"Argument `result` must be an existing file, but was `{path}`.")
    try:
        with xr.open_dataset(path, engine="h5netcdf") as dataset:
            return dataset.load()
    except OSError as error:
        reason = " ".join(str(error).split())
        raise ValueError(
            f"Argument `result` must be a NetCDF file, but `{path}` is not: {reason}."
        ) from None


def write_json(document: Mapping[str, Any], path: str | Path) -> Path:
    """Write a strict JSON document, whole or not at all."""
    path = Path(path)
    with replacing(path) as temporary:
        temporary.write_text(dumps(document, indent=1) + "\n", encoding="utf-8")
    return path


def write_arrays(path: str | Path, **arrays: Any) -> Path:
    """Write named arrays as one .npz file, whole or not at all."""
    path = Path(path)
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)
    return path


# -------------------------------------------------------------------------------------------------
# Provenance


def provenance(
    verb: str, model: object, arguments: Mapping[str, Any], seed: int | None = None
) -> str:
    """What it takes to make a result again, as one JSON text (NetCDF attributes hold no more).

    Args:
        verb: the study's name, as ``curve``.
        model: the model; its specification is kept.
        arguments: the study's keyword arguments, as plain data or arrays.
        seed: the seed of its random numbers, if it draws any.
    """
    return dumps(
        {
            "verb": verb,
            "model": _named(model),
            "arguments": dict(arguments),
            "seed": seed,
            "versions": versions(),
        }
    )


def _named(model: object) -> str:
    """A model's specification, or the name of a class."""
    return model.__name__ if isinstance(model, type) else repr(model)


def attributes(
    kind: str, verb: str, model: object, arguments: Mapping[str, Any]
) -> dict[str, str]:
    """What a study says of itself on its data set.

    Args:
        kind: of the data set, which decides on its picture and its JSON document.
        verb: the study's name.
        model: the model, or its class where it has no specification of a printable size.
        arguments: as for `provenance`.

    Returns:
        kind, model (its specification), rigour (the weakest of all that it is made of), references
        and provenance.
    """
    name = _named(model)
    card = catalog.entries("model")[name.partition("(")[0]]
    parts = class_names(model)  # of a class nothing is known but its own card
    return {
        "kind": kind,
        "model": name,
        "rigour": catalog.weakest([card.name, *parts]),
        "references": ",".join(card.references),
        "provenance": provenance(verb, model, arguments),
    }


@functools.cache  # every curve asks, and reading them costs as much as a small curve
def versions() -> dict[str, str]:
    """The versions of Python, the package, and what its numbers rest on."""
    found = {"python": platform.python_version()}
    for package in _PACKAGES:
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            found[package] = importlib.metadata.version(package)
    return found


def read_provenance(path: str | Path) -> dict[str, Any]:
    """The provenance in a NetCDF or JSON result.

    Raises:
        ValueError: if the file is missing, is no result, or does not say how it was made.
    """
    path = Path(path)
    if path.suffix == ".json" and path.is_file():
        try:
            document = json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            document = None
        found = document.get("provenance") if isinstance(document, dict) else None
    else:
        text = read(path).attrs.get("provenance")
        try:
            found = json.loads(text) if isinstance(text, str) else None
        except ValueError:
            found = None
    if not isinstance(found, dict) or not {"verb", "model", "arguments"} <= set(found):
        raise ValueError(
            f"Argument `result` must be a file that says how it was made, but `{path}` does not."
        )
    return found


# -------------------------------------------------------------------------------------------------
# JSON documents


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


TWO_TIMES = ("correlation", "response", "integrated_response")


def _dynamics(dataset: xr.Dataset) -> dict[str, Any]:
    found = {"model": dataset.attrs["model"], "times": dataset["time"].values}
    found |= {name: dataset[name].values for name in series(dataset)}
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
    return found


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

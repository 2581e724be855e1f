"""What a result says of how it was made."""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import json
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from solvable import catalog
from solvable.core.specification import class_names
from solvable.io.documents import dumps
from solvable.io.files import read

_PACKAGES = ("solvable", "jax", "jaxlib", "equinox", "numpy", "scipy", "xarray", "scikit-learn")


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
    kind: str,
    verb: str,
    model: object,
    arguments: Mapping[str, Any],
    seed: int | None = None,
) -> dict[str, str]:
    """What a study says of itself on its data set.

    Args:
        kind: of the data set, which decides on its picture and its JSON document.
        verb: the study's name.
        model: the model, or its class where it has no specification of a printable size.
        arguments, seed: as for `provenance`.

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
        "provenance": provenance(verb, model, arguments, seed),
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

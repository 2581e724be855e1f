"""``solvable cite``: the BibTeX entries of what a model rests on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import typer

from solvable.cli.common import Desk, Json, Load, Out, Quiet, Seed, Spec, prepare, whole


def cite(
    spec: Spec,
    json: Json = False,
    out: Out = None,
    seed: Seed = "0",
    quiet: Quiet = False,
    load: Load = None,
) -> None:
    """BibTeX entries of the papers that a model and its bricks rest on.

    With --out DIR, writes references.bib.

    \b
    Example:
      solvable cite "GLM(prior=Rademacher(), channel=Sign())"
    """
    whole("seed", seed, low=0)  # nothing here is random, but a bad seed is bad input
    desk = Desk(json, out, quiet)
    prepare(load)
    from solvable import io
    from solvable.core.specification import parse

    model = parse(spec)
    known = bibliography()
    references = {key: known[key] for key in reference_keys(model) if key in known}
    text = "\n\n".join(references.values())
    if out is not None:
        path = out / "references.bib"
        with io.replacing(path) as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")
        desk.wrote(path)
    if json:
        desk.answer({"model": repr(model), "references": references})
    else:
        typer.echo(text)


def reference_keys(model: Any) -> list[str]:
    """The keys on the cards of a model and its bricks, each once, the model's first."""
    from solvable import catalog

    entries = catalog.entries()
    keys = [key for name in _names(model) if name in entries for key in entries[name].references]
    return list(dict.fromkeys(keys))


def _names(value: Any) -> Iterator[str]:
    """The class names of a specification and of all specifications inside it."""
    import dataclasses

    from solvable.core.specification import Specification

    if isinstance(value, Specification):
        yield type(value).__name__
        for field in dataclasses.fields(value):
            yield from _names(getattr(value, field.name, None))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _names(item)


def bibliography() -> dict[str, str]:
    """The packaged BibTeX entries by key."""
    from importlib.resources import files

    text = files("solvable").joinpath("references.bib").read_text(encoding="utf-8")
    entries = re.finditer(r"^@\w+\{([^,\s]+),.*?^\}", text, re.M | re.S)
    return {entry.group(1): entry.group() for entry in entries}

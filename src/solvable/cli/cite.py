"""``solvable cite``: the BibTeX entries of what a model rests on."""

from __future__ import annotations

import re
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
    """BibTeX entries of the papers that a model and its bricks rest on, and the rigour of both.

    With --out DIR, writes references.bib.

    \b
    Example:
      solvable cite "GLM(prior=Rademacher(), channel=Sign())"
    """
    whole("seed", seed, low=0)  # nothing here is random, but a bad seed is bad input
    desk = Desk(json, out, quiet)
    prepare(load)
    from solvable import catalog, io
    from solvable.core.specification import class_names, parse

    model = parse(spec)
    known = bibliography()
    references = {key: known[key] for key in reference_keys(model) if key in known}
    rigour = catalog.weakest(class_names(model))
    text = "\n\n".join(references.values())
    if out is not None:
        path = out / "references.bib"
        with io.replacing(path) as temporary:
            temporary.write_text(text + "\n", encoding="utf-8")
        desk.wrote(path)
    if json:
        desk.answer({"model": repr(model), "rigour": rigour, "references": references})
    else:
        typer.echo(f"% {model!r}: {rigour}\n{text}")


def reference_keys(model: Any) -> list[str]:
    """The keys on the cards of a model and its bricks, each once, the model's first."""
    from solvable import catalog
    from solvable.core.specification import class_names

    entries = catalog.entries()
    known = [name for name in class_names(model) if name in entries]
    return list(dict.fromkeys(key for name in known for key in entries[name].references))


def bibliography() -> dict[str, str]:
    """The packaged BibTeX entries by key."""
    from importlib.resources import files

    text = files("solvable").joinpath("references.bib").read_text(encoding="utf-8")
    entries = re.finditer(r"^@\w+\{([^,\s]+),.*?^\}", text, re.M | re.S)
    return {entry.group(1): entry.group() for entry in entries}

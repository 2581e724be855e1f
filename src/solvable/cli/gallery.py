"""``solvable gallery``: the talk's figures, made anew."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from solvable.cli.common import Desk, Json, Load, Out, Quiet, Seed, whole

Name = Annotated[
    str | None, typer.Argument(metavar="[NAME|all]", help="Which figure; none lists them.")
]


def gallery(
    name: Name = None,
    json: Json = False,
    out: Out = None,
    seed: Seed = "0",
    quiet: Quiet = False,
    load: Load = None,
) -> int:
    """Figures of the talk: data, a picture, and a number beside the published one.

    Writes to out/ unless --out says otherwise. Without a name, lists the figures.

    \b
    Examples:
      solvable gallery
      solvable gallery perceptron-binary
      solvable gallery all --out figures
    """
    from solvable.cli.listing import list_

    if name is None:
        list_("gallery", json=json, out=out, quiet=quiet, load=load)
        return 0
    from solvable import catalog

    known = catalog.entries("gallery")
    chosen = list(known.values()) if name == "all" else [catalog.entry(name, "gallery")]
    integer = whole("seed", seed, low=0)
    desk = Desk(json, out or Path("out"), quiet)
    from solvable.cli.common import prepare

    prepare(load)
    made: dict[str, Any] = {}
    for entry in chosen:
        with desk.working(entry.name):
            made[entry.name] = catalog.module_of(entry).make(desk.out, seed=integer)
    return 0

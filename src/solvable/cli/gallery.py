"""``solvable gallery``: the talk's figures, made anew."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from solvable.cli.common import Desk, Json, Load, Out, Quiet, Seed, prepare, whole


def _figures() -> list[str]:
    """What the shell offers as a figure's name."""
    from solvable import catalog

    return [*catalog.names("gallery"), "all", "main"]


Name = Annotated[
    str | None,
    typer.Argument(
        metavar="[NAME|all]", help="Which figure; none lists them.", autocompletion=_figures
    ),
]
Quick = Annotated[bool, typer.Option("--quick", help="Small sizes and coarse grids.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Compute again what is there already.")]


def gallery(
    name: Name = None,
    quick: Quick = False,
    fresh: Fresh = False,
    json: Json = False,
    out: Out = None,
    seed: Seed = "0",
    quiet: Quiet = False,
    load: Load = None,
) -> int:
    """Figures of the talk: data, a picture, and a number that compares theory and experiment.

    Writes NAME.nc, NAME.svg and NAME.png to out/ unless --out says otherwise. Without a name,
    lists the figures; `all` makes them all, `main` those of `make run`.

    \b
    Examples:
      solvable gallery
      solvable gallery perceptron-binary
      solvable gallery all --out figures
    """
    if name is None:
        from solvable.cli.listing import list_

        list_("gallery", json=json, out=out, seed=seed, quiet=quiet, load=load)
        return 0
    from solvable import catalog

    if name not in ("all", "main"):
        catalog.entry(name, "gallery")  # refuse an unknown name before anything is imported
    integer = whole("seed", seed, low=0)
    folder = out or Path("out")
    desk = Desk(json, folder, quiet)
    prepare(load)
    from solvable.gallery import expand, run

    reports = []
    for figure in expand(name):
        with desk.working(figure) as tell:
            report = run(figure, folder, seed=integer, quick=quick, fresh=fresh, progress=tell)
        desk.wrote(*report.files)
        if not json:
            typer.echo(f"{report}\n")
        reports.append(report)
    if json:
        desk.answer({"figures": [report.document() for report in reports]})
    return int(any(report.failed for report in reports))

"""``solvable curve``: learning curves on every branch."""

from __future__ import annotations

from typing import Annotated

import typer

from solvable.cli.common import Desk, Json, Load, Out, Quiet, Seed, Spec, counted, model_of, whole
from solvable.cli.grids import FORMS, read_grids

Over = Annotated[
    list[str] | None,
    typer.Option("--over", metavar="GRID", help=f"What to sweep: {FORMS}; may be repeated."),
]


def curve(
    spec: Spec,
    over: Over = None,
    json: Json = False,
    out: Out = None,
    seed: Seed = "0",
    quiet: Quiet = False,
    load: Load = None,
) -> int:
    """Learning curves: overlap, errors and free entropy on all branches.

    Without --over, the answer is for the one point that SPEC names. With --out DIR, writes
    curve.nc, curve.svg and curve.png.

    \b
    Examples:
      solvable curve "GLM(prior=Rademacher(), channel=Sign())" --over alpha=0.5:2:60
      solvable curve "GLM(prior=Gaussian(), channel=Linear(delta=0.1), alpha=2)" --json
    """
    grids = read_grids("over", over)
    whole("seed", seed, low=0)  # nothing here is random, but a bad seed is bad input
    desk = Desk(json, out, quiet)
    model = model_of(spec, load)
    import solvable as sv
    from solvable import io
    from solvable.cli import tables

    with desk.working("learning curve") as tell:
        dataset = sv.curve(model, over=grids or None, progress=counted(tell))
    desk.save(dataset, "curve")
    desk.answer(io.document(dataset), lambda width: tables.curve(dataset, width))
    return int(io.failed(dataset))

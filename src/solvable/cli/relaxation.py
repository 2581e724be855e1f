"""``solvable relaxation``: how long dynamics needs, and the threshold that this measures."""

from __future__ import annotations

from typing import Annotated

import typer

from solvable.cli.common import Desk, Json, Load, Out, Quiet, Spec, counted, decimal, model_of
from solvable.cli.grids import BARE_FORMS, FORMS, read_grid, read_values

Noise = Annotated[
    str, typer.Option("--over", metavar="GRID", help=f"One noise to sweep: {FORMS}; easy first.")
]
Temperature = Annotated[
    str, typer.Option("--temperature", metavar="NUMBER", help="T >= 0; 0 is gradient flow.")
]
Starts = Annotated[
    str,
    typer.Option(
        "--initial-overlap", metavar="GRID", help=f"Overlaps at time 0, in (0, 1): {BARE_FORMS}."
    ),
]
Fraction = Annotated[
    str,
    typer.Option("--fraction", metavar="NUMBER", help="Of the plateau that is to be reached."),
]
Longest = Annotated[
    str, typer.Option("--longest", metavar="NUMBER", help="Time after which a run is given up.")
]


def relaxation(
    spec: Spec,
    over: Noise,
    temperature: Temperature = "1",
    initial_overlap: Starts = "1e-2,1e-3,1e-4",
    fraction: Fraction = "0.5",
    longest: Longest = "1e4",
    json: Json = False,
    out: Out = None,
    quiet: Quiet = False,
    load: Load = None,
) -> int:
    """Relaxation times of Langevin dynamics (gradient flow, at temperature 0) against the noise.

    A power law is fitted for each initial overlap, and its threshold extrapolated to initial
    overlaps of 0. With --out DIR, writes relaxation.nc, relaxation.svg and relaxation.png.

    \b
    Examples:
      solvable relaxation "SpikedMatrixTensor(deltap=1.0, p=3)" --over delta2=0.3:0.5:9 --temperature 0
      solvable relaxation "SpikedMatrixTensor(deltap=1.0, p=3)" --over delta2=0.5:0.7:9 --initial-overlap 1e-2,1e-4
    """  # noqa: E501
    name, values = read_grid("over", over)
    settings = {
        "temperature": decimal("temperature", temperature),
        "initial_overlaps": read_values("initial_overlap", initial_overlap),
        "fraction": decimal("fraction", fraction),
        "longest": decimal("longest", longest),
    }
    desk = Desk(json, out, quiet)
    model = model_of(spec, load)
    import solvable as sv
    from solvable import io
    from solvable.cli import tables

    with desk.working("relaxation") as tell:
        dataset = sv.relaxation(model, {name: values}, **settings, progress=counted(tell))
    desk.save(dataset, "relaxation")
    desk.answer(io.document(dataset), lambda width: tables.relaxation(dataset))
    return int(io.failed(dataset))

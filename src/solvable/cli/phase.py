"""``solvable phase``: phase diagrams in two parameters."""

from __future__ import annotations

from typing import Annotated

import typer

from solvable.cli.common import Desk, Json, Load, Out, Quiet, Seed, Spec, counted, model_of, whole
from solvable.cli.grids import FORMS, read_grid

X = Annotated[str, typer.Option("--x", metavar="GRID", help=f"Horizontal axis: {FORMS}.")]
Y = Annotated[str, typer.Option("--y", metavar="GRID", help="Vertical axis, in the same forms.")]

Critical = Annotated[
    bool, typer.Option("--critical", help="Also where first-order lines end, as numbers.")
]


def phase(
    spec: Spec,
    x: X,
    y: Y,
    critical: Critical = False,
    json: Json = False,
    out: Out = None,
    seed: Seed = "0",
    quiet: Quiet = False,
    load: Load = None,
) -> int:
    """A phase diagram: boundaries by root finding, and a map of easy, hard and impossible.

    With --out DIR, writes phase.nc, phase.svg and phase.png.

    \b
    Example:
      solvable phase "GLM(prior=GaussBernoulli(rho=0.1), channel=Linear())" --x alpha=0.05:0.5:30 --y delta=log:1e-8:1e-2:12
    """  # noqa: E501
    horizontal, vertical = read_grid("x", x), read_grid("y", y)
    if horizontal[0] == vertical[0]:
        raise ValueError(
            f"Argument `y` must name another parameter than `x`, but was `{vertical[0]}` too."
        )
    whole("seed", seed, low=0)  # nothing here is random, but a bad seed is bad input
    desk = Desk(json, out, quiet)
    model = model_of(spec, load)
    import solvable as sv
    from solvable import io
    from solvable.cli import tables

    with desk.working("phase diagram") as tell:
        dataset = sv.phase_diagram(
            model, x=horizontal, y=vertical, critical=critical, progress=counted(tell)
        )
    desk.save(dataset, "phase")
    desk.answer(io.document(dataset), lambda width: tables.phase(dataset, width))
    return int(io.failed(dataset))

"""``solvable experiment``: finite-size runs beside the theory."""

from __future__ import annotations

from typing import Annotated

import typer

from solvable.cli.common import (
    Desk,
    Json,
    Load,
    Out,
    Quiet,
    Seed,
    Spec,
    counted,
    damping_of,
    decimal,
    model_of,
    whole,
)
from solvable.cli.curve import Over
from solvable.cli.grids import read_grids

Size = Annotated[str, typer.Option("--size", metavar="INTEGER", help="Dimension of the signal.")]
Instances = Annotated[
    str, typer.Option("--instances", metavar="INTEGER", help="Instances at each point.")
]
Trajectory = Annotated[
    bool, typer.Option("--trajectory", help="Keep every iteration, beside state evolution.")
]
NoBaselines = Annotated[
    bool, typer.Option("--no-baselines", help="Leave out the general-purpose methods.")
]
Start = Annotated[
    str | None,
    typer.Option(
        "--start", metavar="NUMBER", help="Overlap of an informed start; without it, none."
    ),
]
Damped = Annotated[
    str | None,
    typer.Option(
        "--damping",
        metavar="NUMBER",
        help="In [0, 1), or adaptive, the default; none for trajectories.",
    ),
]


def experiment(
    spec: Spec,
    over: Over = None,
    size: Size = "2000",
    instances: Instances = "16",
    trajectory: Trajectory = False,
    no_baselines: NoBaselines = False,
    start: Start = None,
    damping: Damped = None,
    json: Json = False,
    out: Out = None,
    seed: Seed = "0",
    quiet: Quiet = False,
    load: Load = None,
) -> int:
    """Run message passing on random instances, beside the theory.

    For a GLM, general-purpose methods get the same data.

    With --out DIR, writes experiment.nc, experiment.svg and experiment.png.

    \b
    Example:
      solvable experiment "GLM(prior=Rademacher(), channel=Sign())" --over alpha=1,1.5,2 --size 1000 --instances 8
    """  # noqa: E501
    grids = read_grids("over", over)
    numbers = {
        "size": whole("size", size, low=1),
        "instances": whole("instances", instances, low=1),
        "seed": whole("seed", seed, low=0),
    }
    desk = Desk(json, out, quiet)
    model = model_of(spec, load)
    import solvable as sv
    from solvable import io
    from solvable.cli import tables

    what = f"experiment of {instances} instances of size {size} at each point"
    with desk.working(what) as tell:
        dataset = sv.experiment(
            model,
            over=grids or None,
            **numbers,
            start=None if start is None else decimal("start", start),
            damping=None if damping is None else damping_of(damping),
            trajectory=trajectory,
            baselines=not no_baselines,
            progress=counted(tell),
        )
    desk.save(dataset, "experiment")
    desk.answer(io.document(dataset), lambda width: tables.experiment(dataset, width))
    return int(io.failed(dataset))

"""``solvable dynamics``: Langevin dynamics, gradient flow, and online learning."""

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
    decimal,
    model_of,
    whole,
)
from solvable.cli.experiment import Instances, Size
from solvable.cli.grids import BARE_FORMS, read_values

Times = Annotated[
    str,
    typer.Option("--times", metavar="GRID", help=f"Where values are wanted: {BARE_FORMS}."),
]
Temperature = Annotated[
    str | None,
    typer.Option("--temperature", metavar="NUMBER", help="T >= 0, default 1; 0: gradient flow."),
]
InitialOverlap = Annotated[
    str | None,
    typer.Option("--initial-overlap", metavar="NUMBER", help="Overlap at time 0, default 1e-4."),
]
Waiting = Annotated[
    str | None,
    typer.Option("--waiting", metavar="GRID", help="Times t' of C(t, t') and R(t, t')."),
]
Annealing = Annotated[
    str | None,
    typer.Option(
        "--annealing", metavar="C,TAU", help="A tensor at temperature 1 + C exp(-t / TAU)."
    ),
]
Simulate = Annotated[
    bool, typer.Option("--simulate", help="Also run the dynamics at finite size.")
]
Starts = Annotated[
    str | None,
    typer.Option(
        "--starts", metavar="COUNT", help="Also from so many random networks of N = size."
    ),
]


def dynamics(
    spec: Spec,
    times: Times,
    temperature: Temperature = None,
    initial_overlap: InitialOverlap = None,
    waiting: Waiting = None,
    annealing: Annealing = None,
    simulate: Simulate = False,
    starts: Starts = None,
    size: Size = "500",
    instances: Instances = "8",
    json: Json = False,
    out: Out = None,
    seed: Seed = "0",
    quiet: Quiet = False,
    load: Load = None,
) -> int:
    """Langevin dynamics of a field (gradient flow, at temperature 0), or online learning.

    With --out DIR, writes dynamics.nc, dynamics.svg and dynamics.png.

    \b
    Examples:
      solvable dynamics "SpikedMatrixTensor(delta2=0.2, deltap=1.0, p=3)" --times 0:10:101
      solvable dynamics "SpikedMatrixTensor(delta2=0.75, deltap=1.0, p=3)" --times log:0.1:1e6:60 --waiting 10,1e3,1e5
      solvable dynamics "OnlineSGD(activation=Erf(), q0=[[0.2, 0], [0, 0.25]], r0=[[0.001, 0], [0, 0.001]], learning_rate=1.0)" --times log:0.1:300:60
    """  # noqa: E501
    grid = read_values("times", times)
    earlier = [] if waiting is None else read_values("waiting", waiting)
    cooling = None if annealing is None else read_values("annealing", annealing)
    settings = {
        "temperature": None if temperature is None else decimal("temperature", temperature),
        "initial_overlap": (
            None if initial_overlap is None else decimal("initial_overlap", initial_overlap)
        ),
        "size": whole("size", size, low=2),
        "instances": whole("instances", instances, low=1),
        "starts": None if starts is None else whole("starts", starts, low=1),
        "seed": whole("seed", seed, low=0),
    }
    desk = Desk(json, out, quiet)
    model = model_of(spec, load)
    import solvable as sv
    from solvable import io
    from solvable.cli import tables

    with desk.working("dynamics") as tell:
        dataset = sv.dynamics(
            model,
            grid,
            **settings,
            waiting=earlier,
            annealing=cooling,
            simulate=simulate,
            progress=counted(tell),
        )
    desk.save(dataset, "dynamics")
    desk.answer(io.document(dataset), lambda width: tables.dynamics(dataset))
    return int(io.failed(dataset))

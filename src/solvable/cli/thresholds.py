"""``solvable thresholds``: phase transitions with error bounds."""

from __future__ import annotations

from json import loads
from typing import Annotated

import typer

from solvable.cli.common import Desk, Json, Load, Out, Quiet, Seed, Spec, counted, model_of, whole

Parameter = Annotated[
    str, typer.Argument(metavar="PARAMETER", help="The parameter whose thresholds are asked for.")
]


def thresholds(
    spec: Spec,
    parameter: Parameter,
    json: Json = False,
    out: Out = None,
    seed: Seed = "0",
    quiet: Quiet = False,
    load: Load = None,
) -> int:
    """Phase transitions of a model in one parameter, with error bounds.

    With --out DIR, writes thresholds.json.

    \b
    Example:
      solvable thresholds "GLM(prior=Rademacher(), channel=Sign())" alpha
    """
    whole("seed", seed, low=0)  # nothing here is random, but a bad seed is bad input
    desk = Desk(json, out, quiet)
    model = model_of(spec, load)
    import solvable as sv
    from solvable import io
    from solvable.cli import tables
    from solvable.core.status import Status

    with desk.working("thresholds") as tell:
        found = sv.thresholds(model, parameter, progress=counted(tell))
    document = io.strict(found.document())
    if out is not None:
        made_by = loads(io.provenance("thresholds", model, {"parameter": parameter}))
        path = io.write_json({**document, "provenance": made_by}, out / "thresholds.json")
        desk.wrote(path)
    desk.answer(document, lambda width: tables.thresholds(document))
    ends = [Status[one["status"]] for one in document["thresholds"].values()]
    return int(any(not end.is_answer for end in ends))

"""``solvable asymptotics``: where online learning ends, where it waits, how fast it may be."""

from __future__ import annotations

from json import loads

from solvable.cli.common import Desk, Json, Load, Out, Quiet, Spec, counted, model_of


def asymptotics(
    spec: Spec,
    json: Json = False,
    out: Out = None,
    quiet: Quiet = False,
    load: Load = None,
) -> int:
    """Stationary error, plateau and largest stable learning rate of online learning.

    With --out DIR, writes asymptotics.json.

    \b
    Example:
      solvable asymptotics "OnlineSGD(activation=Erf(), q0=[[0.2, 0], [0, 0.25]], r0=[[0.01, 0], [0, 0.02]], learning_rate=0.1, noise=0.1)"
    """  # noqa: E501
    desk = Desk(json, out, quiet)
    model = model_of(spec, load)
    import solvable as sv
    from solvable import io
    from solvable.cli import tables
    from solvable.core.status import Status

    with desk.working("asymptotics") as tell:
        found = sv.asymptotics(model, progress=counted(tell))
    document = io.strict(found.document())
    if out is not None:
        made_by = loads(io.provenance("asymptotics", model, {}))
        path = io.write_json({**document, "provenance": made_by}, out / "asymptotics.json")
        desk.wrote(path)
    desk.answer(document, lambda width: tables.asymptotics(document))
    ends = [document[key]["status"] for key in ("stationary", "plateau", "largest_learning_rate")]
    return int(any(not Status[end].is_answer for end in ends))

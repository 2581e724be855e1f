"""``solvable weak-recovery``: from how many samples on the directions of a link are learned."""

from __future__ import annotations

from typing import Annotated

import typer

from solvable.cli.common import Desk, Json, Load, Out, Quiet, counted, decimal, prepare, whole

Link = Annotated[
    str,
    typer.Argument(
        metavar="LINK",
        help='An expression in z1 to z4, as "z1*z2" or "sign(z1) + z2**2", with + - * / **, '
        "numbers, sign, abs, exp, log, sqrt, tanh, relu, sin, cos, erf; or a channel, as "
        '"Abs(delta=0.1)".',
    ),
]
Noise = Annotated[
    str,
    typer.Option(
        "--noise", metavar="SIGMA", help="Standard deviation of Gaussian noise on the output."
    ),
]
Count = Annotated[
    str | None,
    typer.Option("--k", metavar="K", help="Number of arguments, where not all are named."),
]


def weak_recovery(
    link: Link,
    noise: Noise = "0",
    k: Count = None,
    json: Json = False,
    out: Out = None,
    quiet: Quiet = False,
    load: Load = None,
) -> int:
    """Which directions of a link y = f(z1, ..., zk) are trivial, easy or hard, and from which alpha on.

    With --out DIR, writes weak_recovery.json.

    \b
    Example:
      solvable weak-recovery "z1*z2"
    """  # noqa: E501
    desk = Desk(json, out, quiet)
    prepare(load)
    import solvable as sv
    from solvable import io
    from solvable.cli import tables
    from solvable.core.status import Status

    given = sv.parse(link) if link.strip()[:1].isupper() else link
    count = None if k is None else whole("k", k, low=1)
    sigma = decimal("noise", noise)
    with desk.working("weak recovery") as tell:
        found = sv.weak_recovery(given, count, sigma, progress=counted(tell))
    document = io.strict(found.document())
    if out is not None:
        made_by = {
            "verb": "weak_recovery",
            "model": link,
            "arguments": {"noise": sigma, "k": count},
            "versions": io.versions(),
        }
        path = io.write_json({**document, "provenance": made_by}, out / "weak_recovery.json")
        desk.wrote(path)
    desk.answer(document, lambda width: tables.weak_recovery(document))
    return int(not Status[found.status].is_answer)

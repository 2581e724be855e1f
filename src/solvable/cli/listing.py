"""``solvable list``: what there is."""

from __future__ import annotations

import shutil
import textwrap
from typing import Annotated, Any

import typer

from solvable.cli.common import Desk, Json, Load, Out, Quiet, Seed, whole

PLURALS = {
    "model": "models",
    "prior": "priors",
    "vector prior": "vector-priors",
    "channel": "channels",
    "matrix channel": "matrix-channels",
    "spectrum": "spectra",
    "layer": "layers",
    "gallery": "gallery",
}
Kind = Annotated[
    str | None,
    typer.Argument(
        metavar="[KIND]",
        help=", ".join(PLURALS.values()),
        autocompletion=lambda: list(PLURALS.values()),
    ),
]


def list_(
    kind: Kind = None,
    json: Json = False,
    out: Out = None,
    seed: Seed = "0",
    quiet: Quiet = False,
    load: Load = None,
) -> None:
    """Models, priors, channels and figures, with rigour and references.

    With --out DIR, writes list.json.

    \b
    Examples:
      solvable list
      solvable list priors --json
    """
    from solvable import catalog

    if kind is not None and kind not in PLURALS.values():
        near = catalog.suggestion(kind, PLURALS.values())
        raise ValueError(f"Argument `kind` must be a kind of thing, but was `{kind}`{near}.")
    whole("seed", seed, low=0)  # nothing here is random, but a bad seed is bad input
    desk = Desk(json, out, quiet)
    for path in load or []:
        catalog.load_file(path)
    document: dict[str, list[dict[str, Any]]] = {}
    for singular, plural in PLURALS.items():
        found = [entry.document() for entry in catalog.entries(singular).values()]
        if (kind is None and found) or (kind is not None and kind == plural):
            document[plural] = found
    if out is not None:
        from solvable import io

        desk.wrote(io.write_json(document, out / "list.json"))
    if json:
        from json import dumps

        typer.echo(dumps(document, allow_nan=False))
        return
    for plural, entries in document.items():
        typer.echo(_section(plural, entries))


def _section(plural: str, entries: list[dict[str, Any]]) -> str:
    """One kind's entries: what each is, then its parameters, rigour and references."""
    width = max(shutil.get_terminal_size((100, 24)).columns, 60)
    lines = [plural.capitalize()]
    for entry in entries:
        details = [f"{name}: {domain}" for name, domain in entry["parameters"].items()]
        basis = ", ".join([entry["rigour"], *entry["references"]])
        lines += _wrapped(f"{entry['name']}  {entry['summary']}", width, 2)
        lines += _wrapped("; ".join(details), width, 6)
        lines += _wrapped(f"[{basis}]", width, 6)
    return "\n".join([*lines, ""])


def _wrapped(text: str, width: int, indent: int) -> list[str]:
    """The text in lines of the terminal's width."""
    margin = " " * indent
    return textwrap.wrap(
        text,
        width,
        initial_indent=margin,
        subsequent_indent=margin + "  ",
        break_on_hyphens=False,
        break_long_words=False,
    )

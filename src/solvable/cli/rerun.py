"""``solvable rerun``: a result made again from its provenance."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from solvable.cli.common import Desk, Json, Load, Out, Quiet, model_of, prepare, whole

if TYPE_CHECKING:
    import xarray as xr

Result = Annotated[
    Path, typer.Argument(metavar="RESULT", help="A .nc or .json file that --out wrote.")
]
Reseed = Annotated[
    str | None,
    typer.Option("--seed", metavar="INTEGER", help="Another seed than the result's own."),
]
VERBS = {
    "curve": "curve",
    "phase_diagram": "phase",
    "experiment": "experiment",
    "dynamics": "dynamics",
    "relaxation": "relaxation",
}


def rerun(
    result: Result,
    json: Json = False,
    out: Out = None,
    seed: Reseed = None,
    quiet: Quiet = False,
    load: Load = None,
) -> int:
    """Make a result again from what the file says about how it was made.

    Answers as the first command did, and says on stderr whether the numbers are the same. With
    --out DIR, writes the files anew.

    \b
    Example:
      solvable rerun out/curve.nc
    """
    from solvable import io

    made_by = io.read_provenance(result)
    verb, arguments = made_by["verb"], made_by["arguments"]
    if verb == "thresholds":
        from solvable.cli.thresholds import thresholds

        return thresholds(
            made_by["model"], **arguments, json=json, out=out, quiet=quiet, load=load
        )
    if verb not in (*VERBS, "gallery"):
        raise ValueError(
            f"Argument `result` must come from {', '.join(VERBS)}, thresholds or gallery, "
            f"but `{result}` comes from {verb}."
        )
    if seed is not None and made_by.get("seed") is not None:
        made_by["seed"] = whole("seed", seed, low=0)
    desk = Desk(json, out, quiet)
    old = io.read(result)
    if verb == "gallery":
        return _figure(desk, old, made_by, load)
    model = model_of(made_by["model"], load)
    with desk.working(f"{verb} again"):
        new = _again(verb, model, arguments, made_by.get("seed"))
    desk.save(new, VERBS[verb])
    desk.note(_comparison(old, new))
    from solvable.cli import tables

    shown = {
        "curve": tables.curve,
        "phase": tables.phase,
        "experiment": tables.experiment,
        "dynamics": tables.dynamics,
        "relaxation": tables.relaxation,
    }
    desk.answer(io.document(new), lambda width: shown[VERBS[verb]](new, width))
    return int(io.failed(new))


def _again(verb: str, model: Any, arguments: dict[str, Any], seed: int | None) -> xr.Dataset:
    """The study called `verb` with the arguments that a file kept."""
    import solvable as sv

    if seed is not None:
        arguments = {**arguments, "seed": seed}
    return getattr(sv, verb)(model, **arguments)


def _figure(desk: Desk, old: xr.Dataset, made_by: dict[str, Any], load: list[Path] | None) -> int:
    """A figure of the gallery again: its numbers, and its files with --out."""
    from solvable import catalog, io

    name = made_by["model"]
    entry = catalog.entry(name, "gallery")
    prepare(load)
    figure = catalog.module_of(entry)
    with desk.working(f"{name} again") as tell:
        new = figure.make_data(made_by["arguments"], made_by["seed"], tell)
    if desk.out is not None:
        from solvable.plotting import house_style, write_figure

        new.attrs["provenance"] = io.dumps({**made_by, "versions": io.versions()})
        with house_style():
            pictures = write_figure(figure.make_picture(new), desk.out, name)
        desk.wrote(io.write(new, desk.out / f"{name}.nc"), *pictures)
    desk.note(_comparison(old, new))
    compared = figure.compare(new)
    if desk.json:
        comparison = {"number": compared.number, "meaning": compared.meaning}
        desk.answer({"name": name, "comparison": comparison})
    else:
        typer.echo(f"{figure.summarize(new)}\n{compared.number:.4g}: {compared.meaning}")
    return int(io.failed(new))


def _comparison(old: xr.Dataset, new: xr.Dataset) -> str:
    """One sentence on how far the new numbers are from the old ones."""
    import numpy as np

    largest = 0.0
    for name, values in old.data_vars.items():
        if name not in new or new[name].shape != values.shape:
            return f"the new result differs in the shape of `{name}`."
        if values.dtype.kind not in "fiub":
            if not values.equals(new[name]):
                return f"the new result differs in `{name}`."
            continue
        a, b = values.values.astype(float), new[name].values.astype(float)
        if not np.array_equal(np.isnan(a), np.isnan(b)):
            return f"the new result has numbers for `{name}` at other points."
        apart = np.abs(np.where((a == b) | np.isnan(a), 0.0, b - a))
        largest = max(largest, float(apart.max(initial=0.0)))
    if largest == 0:
        return "the new result equals the old one bit for bit."
    return f"the new result differs from the old one by at most {largest:.2g}."

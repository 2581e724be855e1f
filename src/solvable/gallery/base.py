"""How a figure of the gallery is made: data, picture, comparison; again only where needed.

A figure is a module of this folder with a `CARD` and four functions:

    settings(quick) -> dict                        sizes and grids, plain data
    make_data(settings, seed, progress) -> Dataset     the numbers
    make_picture(dataset) -> Figure
    compare(dataset) -> Comparison                 one number and what it means
    summarize(dataset) -> str                      the numbers in the picture as text
"""

from __future__ import annotations

import functools
import hashlib
import json
import textwrap
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import xarray as xr

import solvable as sv
from solvable import catalog, io
from solvable.plotting import house_style, write_figure

MAIN = ("perceptron-gaussian", "perceptron-binary", "perceptron-door", "digits-mosaic")

# Called with what is being computed and how much of the figure is done, from 0 to 1.
Progress = Callable[[str, float], None]


@dataclass(frozen=True)
class Comparison:
    """One number that says how a figure's theory and experiment compare.

    Args:
        number: the number.
        meaning: one sentence without the number.
    """

    number: float
    meaning: str


@dataclass(frozen=True)
class Report:
    """What making a figure gave.

    Args:
        name: the figure.
        summary: its numbers as text, several lines.
        comparison: the one number.
        thresholds: for each model, a document as `solvable thresholds --json` prints it.
        files: the data and the two pictures.
        seconds: how long it took.
        reused: whether the data were there already, from the same code, settings and seed.
        failed: whether the theory ended somewhere without an answer. Runs of an experiment that
            do not converge, as next to a transition, are part of the figure: open markers.
    """

    name: str
    summary: str
    comparison: Comparison
    thresholds: list[dict[str, Any]] = field(default_factory=list)
    files: list[Path] = field(default_factory=list)
    seconds: float = 0.0
    reused: bool = False
    failed: bool = False

    def document(self) -> dict[str, Any]:
        """The report as plain data, for JSON."""
        return {
            "name": self.name,
            "comparison": {
                "number": self.comparison.number,
                "meaning": self.comparison.meaning,
            },
            "thresholds": self.thresholds,
            "files": [str(path) for path in self.files],
            "seconds": self.seconds,
            "reused": self.reused,
        }

    def __str__(self) -> str:
        again = ", data reused" if self.reused else ""
        return (
            f"{self.name} ({self.seconds:.1f} s{again})\n{self.summary}\n"
            f"{self.comparison.number:.4g}: {self.comparison.meaning}"
        )


def expand(name: str) -> list[str]:
    """The figures that a name stands for: `all`, `main` (what `make run` makes), or the one.

    Raises:
        ValueError: if there is none of that name.
    """
    if name == "all":
        return catalog.names("gallery")
    if name == "main":
        return list(MAIN)
    return [catalog.entry(name, "gallery").name]


def run(
    name: str,
    out: str | Path,
    *,
    seed: int = 0,
    quick: bool = False,
    fresh: bool = False,
    progress: Progress | None = None,
) -> Report:
    """Make one figure: `name`.nc, `name`.png and `name`.svg in the folder `out`.

    Every file is written whole or not at all. Data that the same code made from the same settings
    and seed are read instead of computed, so that an interrupted gallery goes on where it stopped.

    Args:
        name: a figure, as `solvable list gallery` shows them.
        out: folder; made if it is not there.
        seed: seed of all random numbers, at least 0.
        quick: small sizes and coarse grids: seconds instead of a minute, for trying things out.
        fresh: compute the data again in any case.
        progress: called with a text and the fraction that is done.

    Raises:
        ValueError: unknown name, or the folder cannot be written.
    """
    started = time.monotonic()
    module = catalog.module_of(catalog.entry(name, "gallery"))
    file = io.check_writable(out) / f"{name}.nc"
    settings = module.settings(quick)
    recipe = io.dumps({"settings": settings, "seed": seed, "code": _code_of_the_package()})
    dataset = None if fresh else _earlier(file, recipe)
    reused = dataset is not None
    if dataset is None:
        dataset = module.make_data(settings, seed, progress or _silent)
        made_by = {"verb": "gallery", "model": name, "arguments": settings, "seed": seed}
        dataset.attrs.update(
            recipe=recipe, provenance=io.dumps({**made_by, "versions": io.versions()})
        )
        io.write(dataset, file)
    with house_style():
        picture = module.make_picture(dataset)
    files = [file, *write_figure(picture, out, name)]
    return Report(
        name=name,
        summary=module.summarize(dataset),
        comparison=module.compare(dataset),
        thresholds=json.loads(dataset.attrs.get("thresholds", "[]")),
        files=files,
        seconds=time.monotonic() - started,
        reused=reused,
        failed=io.failed(
            dataset[[name for name in ("status", "status_theory") if name in dataset]]
        ),
    )


def _silent(text: str, fraction: float) -> None:
    pass


def _earlier(file: Path, recipe: str) -> xr.Dataset | None:
    """The data of an earlier run, if the same recipe made them."""
    if not file.is_file():
        return None
    try:
        dataset = io.read(file)
    except ValueError:  # not NetCDF: something else left it there, and it is to be replaced
        return None
    return dataset if dataset.attrs.get("recipe") == recipe else None


@functools.cache
def _code_of_the_package() -> str:
    """A hash of the package's sources: other code may give other numbers."""
    root = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for part in ("core", "bricks", "algorithms", "models", "studies", "gallery", "datasets.py"):
        place = root / part
        for path in sorted(place.rglob("*.py")) if place.is_dir() else [place]:
            digest.update(str(path.relative_to(root)).encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def thresholds_of(model: Any, parameter: str) -> str:
    """The thresholds of one model, as a data set's attribute holds them."""
    return json.dumps(io.strict([sv.thresholds(model, parameter).document()]))


def threshold_table(documents: list[Mapping[str, Any]]) -> str:
    """Thresholds as aligned lines: name, value, error bound or the reason why there is none."""
    lines = []
    for document in documents:
        model = textwrap.shorten(document["model"], 80, placeholder=" ...")
        lines.append(f"  thresholds of {model} in {document['parameter']}")
        for name, found in document["thresholds"].items():
            value = found["value"]
            if value is None:
                words = f"-  ({found['status'].replace('_', ' ')})"
            else:
                words = f"{value:.6f}"
                if found["error_bound"] is not None:
                    words += f"  +- {float(found['error_bound']):.0e}"
            lines.append(f"    {name:<22} {words}")
    return "\n".join(lines)

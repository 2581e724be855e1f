"""What the commands share: their options, the model they are given, and how they answer."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    import xarray as xr
    from rich.console import RenderableType

Spec = Annotated[
    str,
    typer.Argument(
        metavar="SPEC",
        help='A model, as "GLM(prior=Rademacher(), channel=Sign(), alpha=1.3)"; `solvable list` '
        "shows the names. Parameters that the command sweeps may be left out.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
Out = Annotated[
    Path | None,
    typer.Option("--out", metavar="DIR", help="Write the results to files in this folder."),
]
Seed = Annotated[
    str, typer.Option("--seed", metavar="INTEGER", help="Seed of all random numbers.")
]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress and no notes on stderr.")]
Load = Annotated[
    list[Path] | None,
    typer.Option("--load", metavar="FILE.py", help="Take priors, channels, models from a file."),
]
Progress = Callable[[str, float], None]
PATIENCE = 2.0  # seconds before a computation says that it is at work


@dataclass(frozen=True)
class Desk:
    """Where a command's answer goes, and what it was told about that."""

    json: bool = False
    out: Path | None = None
    quiet: bool = False

    def __post_init__(self) -> None:
        if self.out is not None:
            from solvable import io

            io.check_writable(self.out)

    def note(self, text: str) -> None:
        """A line on stderr, unless quiet."""
        if not self.quiet:
            sys.stderr.write(f"solvable: {text}\n")

    @contextlib.contextmanager
    def working(self, what: str) -> Iterator[Progress]:
        """Say on stderr that a long computation goes on; keep stdout for the answer.

        Gives a function that may be called with a text and the fraction that is done.
        """
        started = time.monotonic()
        with contextlib.redirect_stdout(sys.stderr):
            if self.quiet:
                yield _silent
            else:
                with _shown_when_slow(what) as tell:
                    yield tell
        elapsed = time.monotonic() - started
        if elapsed > PATIENCE and not sys.stderr.isatty():
            self.note(f"{what}: {elapsed:.1f} s.")

    def answer(
        self,
        document: Mapping[str, Any],
        tables: Callable[[int], Sequence[RenderableType]] | None = None,
    ) -> None:
        """Print the answer: the document with --json, else what `tables` makes for a width."""
        from solvable import io

        if self.json or tables is None:
            typer.echo(io.dumps(document))
            return
        from rich.console import Console
        from rich.text import Text

        # a file or a pipe has no width of its own
        console = Console(width=None if sys.stdout.isatty() else 200, highlight=False)
        with console.capture() as captured:
            for table in tables(console.width):
                console.print(table, soft_wrap=isinstance(table, Text))
        lines = (line.rstrip() for line in captured.get().splitlines())
        typer.echo("\n".join(lines))

    def save(self, dataset: xr.Dataset, name: str) -> None:
        """With --out, write a data set as NetCDF and its picture as SVG and PNG."""
        if self.out is None:
            return
        from solvable import io
        from solvable.plotting import save_figure

        paths = [io.write(dataset, self.out / f"{name}.nc")]
        with self.working("drawing"):
            paths += save_figure(dataset, self.out, name)
        self.wrote(*paths)

    def wrote(self, *paths: str | Path) -> None:
        """Say which files were written."""
        self.note("wrote " + ", ".join(str(path) for path in paths) + ".")


def whole(name: str, text: str, low: int) -> int:
    """The whole number, at least `low`, that was typed for an option."""
    digits = text.strip()
    if not (digits.isascii() and digits.isdigit() and len(digits) < 19) or int(digits) < low:
        raise ValueError(
            f"Argument `{name}` must be an integer of at least {low}, but was `{text}`."
        )
    return int(digits)


def decimal(name: str, text: str) -> float:
    """The number that was typed for an option; what it may be is the study's to say."""
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"Argument `{name}` must be a number, but was `{text}`.") from None


def damping_of(text: str) -> float | str:
    """The damping that was typed: a number, or "adaptive"."""
    return text if text == "adaptive" else decimal("damping", text)


def counted(tell: Progress) -> Callable[[int, int], None]:
    """What a study calls with how many of its steps are done and how many there are."""
    return lambda done, steps: tell(f"{done} of {steps}", done / max(steps, 1))


def _silent(text: str, fraction: float) -> None:
    pass


@contextlib.contextmanager
def _shown_when_slow(what: str) -> Iterator[Progress]:
    """A bar with the time on a terminal, one line elsewhere, once `PATIENCE` is over."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    columns = (SpinnerColumn(), TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    bar = Progress(*columns, console=Console(stderr=True), transient=True)
    task = bar.add_task(what, total=None)

    def show() -> None:
        if sys.stderr.isatty():
            bar.start()
        else:
            sys.stderr.write(f"solvable: {what} ...\n")

    def tell(text: str, fraction: float) -> None:
        bar.update(task, description=f"{what}: {text}", total=1.0, completed=fraction)

    timer = threading.Timer(PATIENCE, show)
    timer.daemon = True
    timer.start()
    try:
        yield tell
    finally:
        timer.cancel()
        timer.join()
        if bar.live.is_started:
            bar.stop()  # one that never started would still print an empty line


def prepare(load: list[Path] | None) -> None:
    """Switch the compilation cache on and read the user's files, before anything is computed."""
    from solvable import catalog
    from solvable.core.precision import enable_compilation_cache

    enable_compilation_cache()
    for path in load or []:
        catalog.load_file(path)


def model_of(spec: str, load: list[Path] | None) -> Any:
    """The model that a SPEC on the command line names; a brick alone is refused."""
    prepare(load)
    from solvable import catalog
    from solvable.core.specification import parse

    model = parse(spec)
    kind = catalog.entry(type(model).__name__).kind
    if kind != "model":
        raise ValueError(f"Argument `spec` must be a model, but was the {kind} {model!r}.")
    return model

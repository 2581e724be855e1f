"""The command line: one module a command, whose heavy imports are inside its functions."""

from __future__ import annotations

import contextlib
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from types import TracebackType
from typing import Any

import typer

from solvable.cli import (
    asymptotics,
    cite,
    curve,
    denoise,
    dynamics,
    entropy,
    experiment,
    gallery,
    infer,
    listing,
    phase,
    relaxation,
    rerun,
    thresholds,
    weak_recovery,
)

__all__ = ["app", "main"]

INTERRUPTED = 130
BAD_INPUT = 2

app = typer.Typer(
    name="solvable",
    help="Exactly solvable models of inference and learning: theory, algorithms, experiments.",
    epilog='Example: solvable thresholds "GLM(prior=Rademacher(), channel=Sign())" alpha',
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _command, _name in (
    (listing.list_, "list"),
    (curve.curve, "curve"),
    (thresholds.thresholds, "thresholds"),
    (phase.phase, "phase"),
    (experiment.experiment, "experiment"),
    (dynamics.dynamics, "dynamics"),
    (relaxation.relaxation, "relaxation"),
    (asymptotics.asymptotics, "asymptotics"),
    (weak_recovery.weak_recovery, "weak-recovery"),
    (infer.infer, "infer"),
    (denoise.denoise, "denoise"),
    (entropy.entropy, "entropy"),
    (gallery.gallery, "gallery"),
    (rerun.rerun, "rerun"),
    (cite.cite, "cite"),
):
    app.command(_name)(_command)


def _print_version(asked: bool) -> None:
    if asked:
        import importlib.metadata

        typer.echo(f"solvable {importlib.metadata.version('solvable')}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: bool = typer.Option(
        False, "--version", callback=_print_version, is_eager=True, help="Show the version."
    ),
) -> None:
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command and leave with its exit code: 0 answered, 1 partly failed, 2 bad input.

    An error is one line on stderr, never a traceback (unless SOLVABLE_DEBUG is set).
    """
    if not os.environ.get("SOLVABLE_DEBUG"):
        sys.excepthook = _last_words
    with _warnings_in_one_line():
        code = _run(None if arguments is None else list(arguments))
    if code == INTERRUPTED:
        _complain("interrupted.")
        # compiled programs may still run in threads, which a regular end would pull the rug from
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(INTERRUPTED)
    raise SystemExit(code)


def _run(arguments: list[str] | None) -> int:
    """The exit code of a command line; errors of input have been told on stderr."""
    # ClickException under every typer: BadParameter -> UsageError -> ClickException
    usage: Any = typer.BadParameter.__mro__[2]
    command = typer.main.get_command(app)
    try:
        code = command.main(args=arguments, prog_name="solvable", standalone_mode=False)
    except usage as error:
        _complain(error.format_message())
        return BAD_INPUT
    except ValueError as error:
        _complain(str(error))
        return BAD_INPUT
    except BrokenPipeError:
        # the reader has left; keep Python from complaining when it flushes at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        _complain(f"{error.strerror or error}: `{error.filename}`.")
        return BAD_INPUT
    except (KeyboardInterrupt, typer.Abort):
        return INTERRUPTED
    return code if isinstance(code, int) else 0


def _complain(message: str) -> None:
    """One line on stderr."""
    sys.stderr.write(f"solvable: {' '.join(message.split())}\n")


def _last_words(
    kind: type[BaseException], error: BaseException, trace: TracebackType | None
) -> None:
    """What is said of an error that nobody foresaw; the exit code is 1."""
    _complain(f"unexpected {kind.__name__}: {error} (SOLVABLE_DEBUG=1 shows where)")


@contextlib.contextmanager
def _warnings_in_one_line() -> Iterator[None]:
    """Show warnings without the source lines that Python adds."""
    with warnings.catch_warnings():

        def show(message: Warning | str, *_: Any, **__: Any) -> None:
            _complain(f"warning: {message}")

        warnings.showwarning = show
        yield

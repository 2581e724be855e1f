"""Pictures on disk: whole or not at all, and the same bytes for the same picture."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from solvable import io
from solvable.plotting.style import house_style

# No date and no version in the files, so that the same picture gives the same bytes.
_METADATA = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}}


def write_figure(figure: Figure, directory: str | Path, name: str) -> list[Path]:
    """Write `figure` as `name`.png and `name`.svg in `directory`, each one atomically.

    A picture is written to a temporary file beside its place and then moved there: an interruption
    leaves the old picture or the new one, never half of one.

    Args:
        figure: the picture.
        directory: folder; made if it is not there.
        name: file name without its ending.

    Returns:
        The two paths, PNG first.

    Raises:
        ValueError: the folder cannot be made or written.
    """
    folder = Path(directory)
    paths = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for kind, metadata in _METADATA.items():
            target = folder / f"{name}.{kind}"
            with io.replacing(target) as temporary, house_style():
                figure.savefig(temporary, format=kind, metadata=metadata)
            paths.append(target)
    except OSError as error:
        raise ValueError(
            f"Argument `directory` must be a folder that can be written, but was "
            f"{str(directory)!r} ({error.strerror or error})."
        ) from error
    return paths

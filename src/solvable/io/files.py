"""Files written whole or not at all.

Every file is written into a hidden file of the same folder, flushed to the disk, and then renamed
over the old one.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from solvable.io.documents import dumps

if TYPE_CHECKING:
    import xarray as xr


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """A hidden file to write to, which takes the place of `path` when the block ends well.

    An interrupted or failed block leaves the old file as it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".tmp", dir=path.parent)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        temporary.chmod(0o666 & ~_umask())
        _flush(temporary)
        temporary.replace(path)
        _flush(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    """The process's file mode mask, which can only be read by setting it."""
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _flush(path: Path) -> None:
    """Wait until a file, or a folder's list of names, is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def check_writable(directory: str | Path) -> Path:
    """Find out now, and without a trace, whether results can be written to a folder later.

    Raises:
        ValueError: one sentence that says why not.
    """
    directory = Path(directory)
    made = [folder for folder in (directory, *directory.parents) if not folder.exists()]
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=directory):
            pass
    except OSError as error:
        raise ValueError(
            f"Argument `out` must be a folder that can be written, but was `{directory}` "
            f"({error.strerror})."
        ) from None
    finally:
        for folder in made:
            with contextlib.suppress(OSError):
                folder.rmdir()
    return directory


def write(dataset: xr.Dataset, path: str | Path) -> Path:
    """Write a data set as NetCDF, whole or not at all."""
    path = Path(path)
    with replacing(path) as temporary:
        dataset.to_netcdf(temporary, engine="h5netcdf")
    return path


def read(path: str | Path) -> xr.Dataset:
    """The data set in a NetCDF file that `write` made, loaded into memory.

    Raises:
        ValueError: if the file is missing or is no NetCDF file.
    """
    import xarray as xr

    path = Path(path)
    if not path.is_file():
        raise ValueError(f"Argument `result` must be an existing file, but was `{path}`.")
    try:
        with xr.open_dataset(path, engine="h5netcdf") as dataset:
            return dataset.load()
    except OSError as error:
        reason = " ".join(str(error).split())
        raise ValueError(
            f"Argument `result` must be a NetCDF file, but `{path}` is not: {reason}."
        ) from None


def write_json(document: Mapping[str, Any], path: str | Path) -> Path:
    """Write a strict JSON document, whole or not at all."""
    path = Path(path)
    with replacing(path) as temporary:
        temporary.write_text(dumps(document, indent=1) + "\n", encoding="utf-8")
    return path


def write_arrays(path: str | Path, **arrays: Any) -> Path:
    """Write named arrays as one .npz file, whole or not at all."""
    path = Path(path)
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)
    return path

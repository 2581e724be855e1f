"""Reading the weight matrices of a network from a file."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np


def read_weights(text: str, argument: str) -> list[np.ndarray]:
    """The matrices in an .npz file, in the order of the numbers in their names.

    Raises:
        ValueError: one sentence, if the file is missing, is no .npz file or holds no matrix.
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
    if not arrays:
        raise ValueError(f"Argument `{argument}` must hold matrices, but `{text}` is empty.")

    def place(name: str) -> tuple[list[int], str]:
        return [int(digits) for digits in re.findall(r"\d+", name)], name

    return [arrays[name] for name in sorted(arrays, key=place)]

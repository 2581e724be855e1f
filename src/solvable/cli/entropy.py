"""``solvable entropy``: entropies and mutual information of a network's layers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Annotated

import typer

from solvable.cli.common import (
    Desk,
    Json,
    Load,
    Out,
    Quiet,
    Seed,
    counted,
    decimal,
    prepare,
    whole,
)

if TYPE_CHECKING:
    import numpy as np

Weights = Annotated[
    str,
    typer.Argument(
        metavar="WEIGHTS.npz",
        help="Matrices W1, W2, ... of shape (outputs, inputs), in the order of their names.",
    ),
]
Activations = Annotated[
    str,
    typer.Option(
        "--activations",
        metavar="NAME,NAME,...",
        help="One a matrix: linear, relu, sign, abs, erf, tanh, hardtanh, logistic.",
    ),
]
Delta = Annotated[
    str, typer.Option("--delta", metavar="NUMBER", help="Variance of the noise after each.")
]
PreDelta = Annotated[
    str, typer.Option("--pre-delta", metavar="NUMBER", help="Variance of the noise before each.")
]
Prior = Annotated[
    str, typer.Option("--prior", metavar="SPEC", help="Law of the input's components.")
]


def entropy(
    weights: Weights,
    activations: Activations,
    delta: Delta = "1e-5",
    pre_delta: PreDelta = "0",
    prior: Prior = "Gaussian()",
    json: Json = False,
    out: Out = None,
    seed: Seed = "0",
    quiet: Quiet = False,
    load: Load = None,
) -> int:
    """Entropy of each layer of a network, and its mutual information with the input.

    In nats per input unit, from the singular values of the weights. The noise is part of the
    question: without any, a layer of real outputs tells its input to infinitely many digits. With
    --out DIR, writes entropy.nc, entropy.svg and entropy.png.

    \b
    Example:
      solvable entropy weights.npz --activations relu,relu,linear --delta 1e-5
    """
    noise = {"delta": decimal("delta", delta), "pre_delta": decimal("pre_delta", pre_delta)}
    whole("seed", seed, low=0)  # nothing here is random, but a bad seed is bad input
    desk = Desk(json, out, quiet)
    matrices = read_weights(weights)
    prepare(load)
    import solvable as sv
    from solvable import io
    from solvable.cli import tables

    names = [name.strip() for name in activations.split(",")]
    with desk.working("entropies") as tell:
        dataset = sv.entropy(
            matrices, names, **noise, prior=sv.parse(prior), progress=counted(tell)
        )
    desk.save(dataset, "entropy")
    if dataset.attrs["note"]:
        desk.note(dataset.attrs["note"])
    desk.answer(io.document(dataset), lambda width: tables.entropy(dataset))
    return int(io.failed(dataset))


def read_weights(text: str) -> list[np.ndarray]:
    """The matrices in an .npz file, by the numbers in their names.

    Raises:
        ValueError: one sentence, if the file is missing, is no .npz file or holds no matrix.
    """
    import zipfile
    from pathlib import Path

    import numpy as np

    path = Path(text)
    if not path.is_file():
        raise ValueError(f"Argument `weights` must be an existing file, but was `{text}`.")
    try:
        with np.load(path, allow_pickle=False) as held:
            arrays = {name: held[name] for name in held.files}
    except (ValueError, OSError, AttributeError, zipfile.BadZipFile):
        raise ValueError(f"Argument `weights` must be an .npz file, but was `{text}`.") from None
    if not arrays:
        raise ValueError(f"Argument `weights` must hold matrices, but `{text}` is empty.")

    def place(name: str) -> tuple[list[int], str]:
        return [int(digits) for digits in re.findall(r"\d+", name)], name

    return [arrays[name] for name in sorted(arrays, key=place)]

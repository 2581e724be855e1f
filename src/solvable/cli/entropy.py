"""``solvable entropy``: entropies and mutual information of a network's layers."""

from __future__ import annotations

from typing import Annotated

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
from solvable.cli.weights import read_weights

Weights = Annotated[
    str,
    typer.Argument(
        metavar="WEIGHTS.npz",
        help="Matrices W1, W2, ... of shape (outputs, inputs), in the order of their names; "
        "vectors b1, b2, ... are biases.",
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
Source = Annotated[
    str,
    typer.Option(
        "--source", metavar="K", help="Whose information the layers above keep; 0 is the input."
    ),
]


def entropy(
    weights: Weights,
    activations: Activations,
    delta: Delta = "1e-5",
    pre_delta: PreDelta = "0",
    prior: Prior = "Gaussian()",
    source: Source = "0",
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
    source_layer = whole("source", source, low=0)
    whole("seed", seed, low=0)  # nothing here is random, but a bad seed is bad input
    desk = Desk(json, out, quiet)
    matrices, biases = read_weights(weights, "weights")
    prepare(load)
    import solvable as sv
    from solvable import io
    from solvable.cli import tables

    names = [name.strip() for name in activations.split(",")]
    with desk.working("entropies") as tell:
        dataset = sv.entropy(
            matrices,
            names,
            **noise,
            biases=biases,
            prior=sv.parse(prior),
            source=source_layer,
            progress=counted(tell),
        )
    desk.save(dataset, "entropy")
    if dataset.attrs["note"]:
        desk.note(dataset.attrs["note"])
    desk.answer(io.document(dataset), lambda width: tables.entropy(dataset))
    return int(io.failed(dataset))

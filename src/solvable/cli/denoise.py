"""``solvable denoise``: the spike behind the user's own matrix."""

from __future__ import annotations

from typing import Annotated

import typer

from solvable.cli.common import Desk, Json, Load, Out, Quiet, Seed, damping_of, model_of, whole
from solvable.cli.infer import FORMS, arrays_of, read_array
from solvable.cli.weights import read_weights

Matrix = Annotated[
    str, typer.Argument(metavar="MATRIX", help=f"Symmetric, or n rows by p columns: {FORMS}.")
]
Model = Annotated[
    str,
    typer.Option(
        "--model", metavar="SPEC", help="A SpikedWigner or SpikedWishart; delta may be left out."
    ),
]
Weights = Annotated[
    str | None,
    typer.Option(
        "--weights", metavar="FILE", help="An .npz file with W1, W2, ... of a generative prior."
    ),
]
WeightsU = Annotated[
    str | None,
    typer.Option("--weights-u", metavar="FILE", help="The same of the network that generates u."),
]
Raw = Annotated[bool, typer.Option("--raw", help="Do not subtract means.")]
Damping = Annotated[
    str, typer.Option("--damping", metavar="NUMBER", help="In [0, 1), or adaptive.")
]


def denoise(
    matrix: Matrix,
    model: Model,
    weights: Weights = None,
    weights_u: WeightsU = None,
    raw: Raw = False,
    damping: Damping = "adaptive",
    json: Json = False,
    out: Out = None,
    seed: Seed = "0",
    quiet: Quiet = False,
    load: Load = None,
) -> int:
    """Posterior of the spike behind your matrix, and whether theory expects one to be found.

    Without delta in the SPEC, noise and scale are estimated from the matrix, which says how. With
    --out DIR, writes denoise.npz.

    \b
    Example:
      solvable denoise Y.npy --model "SpikedWigner(prior=Rademacher())"
    """
    options = {
        "center": not raw,
        "damping": damping_of(damping),
        "seed": whole("seed", seed, low=0),
    }
    Y = read_array("matrix", matrix)
    desk = Desk(json, out, quiet)
    assumed = model_of(model, load)
    import solvable as sv
    from solvable import io
    from solvable.cli import tables

    named = {"weights": weights, "weights_u": weights_u}
    networks = {
        name: read_weights(path, name)[0] for name, path in named.items() if path is not None
    }
    with desk.working("denoising"):
        answer = sv.denoise(assumed, Y, **networks, **options)
    document = io.strict(answer.document())
    if out is not None:
        made_by = io.provenance(
            "denoise", assumed, {"matrix": matrix, **options}, seed=options["seed"]
        )
        desk.wrote(io.write_arrays(out / "denoise.npz", **arrays_of(document), provenance=made_by))
    desk.note(answer.message)
    desk.answer(document, lambda width: tables.denoise(document))
    return int(not answer.status.is_answer)

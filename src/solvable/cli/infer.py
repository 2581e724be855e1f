"""``solvable infer``: the posterior of a model on the user's own data."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from solvable.cli.common import (
    Desk,
    Json,
    Load,
    Out,
    Quiet,
    Seed,
    Spec,
    damping_of,
    model_of,
    whole,
)
from solvable.cli.weights import read_weights

if TYPE_CHECKING:
    import numpy as np

FORMS = ".npy, .npz with one array, NAME.npz:KEY or .csv"
Design = Annotated[
    str, typer.Option("--design", metavar="FILE", help=f"The design, n by p: {FORMS}.")
]
Observation = Annotated[
    str, typer.Option("--observation", metavar="FILE", help="The n observations, likewise.")
]

Center = Annotated[
    bool, typer.Option("--center", help="Subtract the means of the design's columns.")
]
Damping = Annotated[
    str,
    typer.Option(
        "--damping", metavar="NUMBER", help="In [0, 1): slower, but steadier; or adaptive."
    ),
]
Algorithm = Annotated[
    str,
    typer.Option(
        "--algorithm", metavar="NAME", help="amp; vamp for ill-conditioned designs; or auto."
    ),
]
Variances = Annotated[
    str, typer.Option("--variances", metavar="KIND", help="scalar, or vector for uneven designs.")
]


def infer(
    spec: Spec,
    design: Design,
    observation: Observation,
    center: Center = False,
    damping: Damping = "0",
    variances: Variances = "scalar",
    algorithm: Algorithm = "auto",
    json: Json = False,
    out: Out = None,
    seed: Seed = "0",
    quiet: Quiet = False,
    load: Load = None,
) -> int:
    """Posterior means and variances of the signal behind your data.

    Rows of the design are samples; entries of variance 1/p are what the theory expects. The design
    of a MultiLayer is an .npz file of its weights W1, W2, ..., input first; vectors b1, b2, ... are
    their biases. With --out DIR, writes infer.npz.

    \b
    Example:
      solvable infer "GLM(prior=Gaussian(), channel=Linear(delta=0.1))" --design X.npy --observation y.npy
    """  # noqa: E501
    y = read_array("observation", observation)
    options = {
        "center": center,
        "damping": damping_of(damping),
        "variances": variances,
        "algorithm": algorithm,
        "seed": whole("seed", seed, low=0),
    }
    desk = Desk(json, out, quiet)
    model = model_of(spec, load)
    import solvable as sv
    from solvable import io
    from solvable.cli import tables
    from solvable.core.status import Status

    is_chain = isinstance(model, sv.MultiLayer)
    X: Any
    X, biases = read_weights(design, "design") if is_chain else (read_array("design", design), [])
    with desk.working("inference"):
        biased = with_biases(model, biases) if is_chain else model
        posterior = sv.infer(biased, design=X, observation=y, **options)
    document = io.strict({**posterior.document(), "model": repr(model)})
    if out is not None:
        files = {"design": design, "observation": observation}
        made_by = io.provenance("infer", model, {**files, **options}, seed=options["seed"])
        desk.wrote(io.write_arrays(out / "infer.npz", **arrays_of(document), provenance=made_by))
    desk.note(posterior.message)
    desk.answer(document, lambda width: tables.infer(document))
    return int(not Status[document["status"]].is_answer)


def with_biases(model: Any, biases: list[np.ndarray | None]) -> Any:
    """The chain with the biases that its file of weights holds.

    Raises:
        ValueError: one sentence, if a layer has a bias of its own already.
    """
    if len(biases) != len(model.layers):
        return model  # `infer` says how many there must be
    for k, (layer, bias) in enumerate(zip(model.layers, biases, strict=True)):
        if layer.bias is not None and bias is not None:
            raise ValueError(
                f"Argument `design` must hold no bias of matrix {k + 1}, because the model's "
                f"`layers[{k}]` has one, but held {len(bias)} numbers."
            )
    layers = [
        type(layer)(
            channel=layer.channel,
            ratio=layer.ratio,
            weights=layer.weights,
            bias=layer.bias if bias is None else bias,
        )
        for layer, bias in zip(model.layers, biases, strict=True)
    ]
    return type(model)(prior=model.prior, layers=layers)


def arrays_of(document: dict[str, Any]) -> dict[str, Any]:
    """What a file keeps of the answer; null is NaN."""
    import numpy as np

    numbers = ("mean", "variance", "mean_u", "variance_u", "estimated_mse", "expected_mse")
    return {
        name: np.array(value, dtype=float) if name in numbers else np.array(value)
        for name, value in document.items()
    }


def read_array(option: str, text: str) -> np.ndarray:
    """The array in a file of numbers; a .npy file is mapped into memory, not copied.

    Raises:
        ValueError: one sentence, if the file is missing, is of no known kind or holds no numbers.
    """
    import numpy as np

    name, _, key = text.partition(".npz:")
    path = Path(name + ".npz" if key else text)
    if not path.is_file():
        raise ValueError(f"Argument `{option}` must be an existing file, but was `{path}`.")
    try:
        if path.suffix == ".npy":
            return _numbers(option, path, np.load(path, mmap_mode="r", allow_pickle=False))
        if path.suffix == ".npz":
            return _numbers(option, path, _member(option, path, key))
        if path.suffix == ".csv":
            return _numbers(option, path, _table(path))
    except (ValueError, OSError, EOFError) as error:
        if str(error).startswith("Argument"):
            raise
        reason = " ".join(str(error).split())
        raise ValueError(
            f"Argument `{option}` must be a file of numbers, but `{path}` is not: {reason}."
        ) from None
    raise ValueError(f"Argument `{option}` must be a file of kind {FORMS}, but was `{path}`.")


def _member(option: str, path: Path, key: str) -> np.ndarray:
    """The one array of an archive, or the one called `key`."""
    import zipfile

    import numpy as np

    from solvable import catalog

    try:
        with np.load(path, allow_pickle=False) as archive:
            names = list(archive.files)
            if key and key not in names:
                raise ValueError(
                    f"Argument `{option}` must name an array of `{path}`, but `{key}` is none"
                    f"{catalog.suggestion(key, names)}."
                )
            if not key and len(names) != 1:
                raise ValueError(
                    f"Argument `{option}` must say which array of `{path}` is meant, as in "
                    f"`{path}:{names[0] if names else 'KEY'}`, but it holds {len(names)}."
                )
            return archive[key or names[0]]
    except zipfile.BadZipFile as error:
        raise ValueError(str(error)) from None


def _table(path: Path) -> np.ndarray:
    """The numbers of a CSV file, whose first line may be a heading."""
    import warnings

    import numpy as np

    with path.open(encoding="utf-8") as file:
        first = file.readline()
    try:
        [float(cell) for cell in first.split(",")]
        heading = 0
    except ValueError:
        heading = 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # numpy only warns of an empty file
        try:
            table = np.loadtxt(path, delimiter=",", skiprows=heading, ndmin=2)
        except UserWarning:
            raise ValueError("it is empty") from None
    return table[:, 0] if table.shape[1] == 1 else table


def _numbers(option: str, path: Path, found: np.ndarray) -> np.ndarray:
    """The array itself, if it holds real numbers; true and false are 1 and 0."""
    if found.dtype.kind == "b":
        return found.view("int8")
    if found.dtype.kind not in "fiu":
        raise ValueError(
            f"Argument `{option}` must hold real numbers, but `{path}` holds {found.dtype}."
        )
    return found

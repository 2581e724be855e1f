"""`infer`: the posterior of a model on the user's own data.

The design is taken as it is: the model's pre-activation is z = X w with the X given, and nothing
is rescaled. Theory curves hold for entries of variance 1 / p: to compare with them, rescale design
and prior together. alpha follows from the shapes; the model's own is not used.

Where the design is far from independent entries (strong correlations, few distinct rows), the
posterior variances are not to be trusted even if the status is `converged`.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from solvable.algorithms.convergence import Outcome
from solvable.algorithms.designs import AbstractDesign, Dense, Sparse, Stack, as_design
from solvable.algorithms.problem import check_shapes
from solvable.core.arguments import array, boolean, fail, instance
from solvable.core.instance import Data
from solvable.core.precision import require_x64
from solvable.core.randomness import key_for
from solvable.core.status import Status, severity
from solvable.models.chain_instances import algorithm_for
from solvable.models.glm import GLM
from solvable.models.multi_layer import MultiLayer
from solvable.studies.curve import require_set


@dataclass(frozen=True, repr=False, eq=False)
class Inference:
    """Posterior of the signal behind observed data.

    Attributes:
        model: the model that was assumed.
        mean: posterior means, shape (p,), or (p, k) for k observation vectors.
        variance: posterior variances, of the same shape.
        estimated_mse: mean of the variances, the error per component that the model expects of its
            own estimate; right where the model is.
        status: how message passing ended; the worst of k.
        iterations: how many it took; the largest of k.
        residual: |F(x) - x| at the estimate, relative to the root of the prior's second moment.
        error_bound: distance to the fixed point if the last rate of contraction holds.
        message: one sentence on the status, and on the scale of the design.
    """

    model: Any
    mean: Float[np.ndarray, "..."]
    variance: Float[np.ndarray, "..."]
    estimated_mse: Any
    status: Status
    iterations: int
    residual: float
    error_bound: float
    message: str

    @property
    def means(self) -> tuple[np.ndarray, ...]:
        """What `model.measure` takes."""
        return (self.mean,)

    @property
    def variances(self) -> tuple[np.ndarray, ...]:
        """What `model.measure` takes."""
        return (self.variance,)

    def document(self) -> dict[str, Any]:
        """The answer as plain data: model, mean, variance, estimated_mse, status, iterations."""
        error = np.asarray(self.estimated_mse)
        return {
            "model": repr(self.model),
            "mean": self.mean.tolist(),
            "variance": self.variance.tolist(),
            "estimated_mse": error.tolist() if error.ndim else float(error),
            "status": self.status.name,
            "iterations": self.iterations,
        }

    def __repr__(self) -> str:
        error = np.asarray(self.estimated_mse)
        shown = (
            f"{float(error):.6g}" if error.ndim == 0 else f"{error.min():.6g}...{error.max():.6g}"
        )
        return (
            f"{self.model!r}\n{self.mean.shape[0]} components, estimated mse {shown}, "
            f"{self.status.name} after {self.iterations} iterations\n{self.message}"
        )


def infer(
    model: GLM | MultiLayer,
    design: Any,
    observation: Any,
    *,
    seed: int = 0,
    algorithm: str = "auto",
    variances: str = "scalar",
    center: bool = False,
    damping: float | str = 0.0,
    tolerance: float = 1e-6,
    max_steps: int = 1000,
) -> Inference:
    """Posterior means and variances of w given y ~ P(. | X w), w_i ~ prior, by message passing.

    Args:
        model: a `GLM` or a `MultiLayer`; alpha and ratios are not used and may be unset.
        design: X, shape (n, p), taken as it is: an array (a memory map is not copied), a SciPy
            sparse matrix, or an object with `shape`, `matvec` and `rmatvec`. For a `MultiLayer`
            the list of its weight matrices, input first.
        observation: y, shape (n,), or (n, k) for k signals seen through one design.
        seed: of the spectral start, which only even channels need.
        algorithm: "amp"; "vamp", vector AMP, for correlated or ill-conditioned designs, by one
            singular value decomposition of each; or "auto": "vamp" where the model's weights have
            a spectrum or are orthogonal.
        variances: "scalar", for entries of one size, or "vector".
        center: subtract the means of the design's columns and estimate the shift of z they make.
        damping: in [0, 1), try 0.3 to 0.7 if the residual oscillates; or "adaptive".
        tolerance: on the undamped residual.
        max_steps: at most so many iterations.

    Returns:
        An `Inference`. `status` is `left_domain`, with a message that says so, if the iteration
        does not settle and the design has a mean; the estimate is then the best iterate.

    Raises:
        ValueError: if the data are not finite, shapes do not fit, or the observation holds values
            that the channel cannot emit.

    Example:
        >>> import numpy as np, solvable as sv
        >>> X = np.random.default_rng(0).normal(size=(300, 200)) / np.sqrt(200)
        >>> w = np.random.default_rng(1).choice([-1.0, 1.0], 200)
        >>> model = sv.GLM(prior=sv.Rademacher(), channel=sv.Linear(delta=0.01))
        >>> answer = infer(model, design=X, observation=X @ w)
        >>> answer.status.name, bool(np.all(np.sign(answer.mean) == w))
        ('converged', True)
    """
    require_x64()
    instance("model", model, (GLM, MultiLayer), "a GLM or a MultiLayer")
    require_set(model, _scales(model))
    boolean("center", center)
    used = algorithm_for(model.chain()[1], algorithm)
    checked = _checked_chain if isinstance(model, MultiLayer) else _checked
    wrapped, y = checked(model, design, observation)
    limits = {"tolerance": tolerance, "max_steps": max_steps}
    options = {"variances": variances, "center": center, "damping": damping, **limits}
    outcome = model.solve(Data(wrapped, y), key_for(seed, "infer"), algorithm=used, **options)
    return _summary(model, outcome, _hint(outcome, used) + _scale_note(wrapped, center))


def _scales(model: GLM | MultiLayer) -> set[str]:
    """The parameters that the design's shape says."""
    if isinstance(model, GLM):
        return {"alpha"}
    return {f"layers[{k}].ratio" for k in range(len(model.layers))}


def _checked_chain(
    model: Any, weights: Any, observation: Any
) -> tuple[list[AbstractDesign], np.ndarray]:
    """Weights and observation of a chain, once they are known to fit."""
    if not isinstance(weights, list | tuple):
        raise fail("design", f"be a list of {len(model.layers)} weight matrices", weights)
    if len(weights) != len(model.layers):
        raise ValueError(
            f"Argument `design` must hold one matrix for each of {len(model.layers)} layers, "
            f"but held {len(weights)}."
        )
    wrapped = [as_design(w, f"design[{k}]") for k, w in enumerate(weights)]
    for design in wrapped:
        _check_finite(design)
    y = array("observation", observation)
    biases = [layer.bias for layer in model.layers]
    for k, (bias, design) in enumerate(zip(biases, wrapped, strict=True)):
        if bias is not None and len(bias) != design.n:
            raise ValueError(
                f"Argument `layers[{k}].bias` must have one entry for each of the {design.n} rows "
                f"of `design[{k}]`, but had {len(bias)}."
            )
    model.layers[-1].channel.check_observation(y.ravel())
    return wrapped, y


def _summary(model: GLM | MultiLayer, outcome: Outcome, note: str) -> Inference:
    """What a run found, with the worst status of all observation vectors."""
    codes = np.atleast_1d(outcome.status)
    worst = int(np.argmax(severity(codes)))
    error = outcome.variance.mean(axis=0)
    return Inference(
        model=model,
        mean=outcome.mean,
        variance=outcome.variance,
        estimated_mse=float(error) if error.ndim == 0 else error,
        status=Status(int(codes[worst])),
        iterations=int(np.max(outcome.steps)),
        residual=float(np.max(outcome.residual)),
        error_bound=float(np.max(outcome.error_bound)),
        message=outcome.messages[worst] + note,
    )


def _checked(model: Any, design: Any, observation: Any) -> tuple[AbstractDesign, np.ndarray]:
    """Design and observation, once they are known to fit the model and each other."""
    wrapped = as_design(design)
    if isinstance(wrapped, Stack):
        raise fail("design", "have 2 dimensions", design)
    _check_finite(wrapped)
    y = array("observation", observation)
    check_shapes(wrapped, y)
    model.channel.check_observation(y.ravel())
    return wrapped, y


def _check_finite(design: AbstractDesign) -> None:
    """Refuse NaN and infinities, block by block, so that no table of flags is made."""
    if isinstance(design, Sparse):
        blocks = [np.asarray(design.matrix.tocoo().data)]
    elif isinstance(design, Dense):
        blocks = design.blocks()
    else:
        return
    for block in blocks:
        finite = np.isfinite(block)
        if not finite.all():
            bad = block[~finite][0]
            raise ValueError(f"Argument `design` must hold finite numbers, but held {bad}.")


def _hint(outcome: Outcome, algorithm: str) -> str:
    """What to try where AMP did not converge."""
    if algorithm == "vamp" or np.all(outcome.status == Status.converged):
        return ""
    return ' Designs far from independent entries need vector AMP: `algorithm="vamp"`.'


def _scale_note(design: Any, center: bool) -> str:
    """A sentence if the rows are far from unit norm, which the theory's curves assume."""
    if center or not isinstance(design, AbstractDesign):
        return ""
    row = float(np.asarray(design.square_sum())) / design.n
    if 0.5 <= row <= 2:
        return ""
    return (
        f" Mean squared row norm of the design: {row:.4g}; the theory's curves are for 1, and the "
        "model was applied to the design as it is."
    )

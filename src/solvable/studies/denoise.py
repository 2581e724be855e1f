"""`denoise`: the spike behind the user's own matrix, with its uncertainty and what to expect.

A matrix M = c (u v^T / sqrt(p) + xi) has the units of the data. Where the model says no delta,
scale and noise come from the matrix: with s the largest singular value of M / sqrt(p) and sigma^2
the mean square of its entries without the spike, a spike of strength theta is seen at

    Wigner    s = theta + sigma^2 / theta,
    Wishart   s^2 = (theta^2 + sigma^2)(theta^2 + beta sigma^2) / theta^2

(Benaych-Georges & Nadakuditi 2011, 2012), and delta = (rho sigma / theta)^2, with rho and theta
those of the model's own spike at delta = 1. A spike inside the bulk leaves no such trace, and then
delta must be given.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from solvable.algorithms.convergence import Outcome
from solvable.algorithms.low_rank_spectral import (
    finite_matrix,
    not_zero,
    pca_wigner,
    pca_wishart,
    symmetric_matrix,
)
from solvable.core.arguments import UNSET, boolean, instance
from solvable.core.instance import Data
from solvable.core.precision import require_x64
from solvable.core.randomness import key_for
from solvable.core.specification import replace as with_parameters
from solvable.core.status import Status
from solvable.models.low_rank import AbstractLowRankModel, Spike, layers_of
from solvable.models.spiked_wigner import SpikedWigner
from solvable.models.spiked_wishart import SpikedWishart
from solvable.studies.curve import Progress, curve, require_set
from solvable.studies.thresholds import thresholds

_EDGE = 1.02  # a largest singular value within 2 % of the edge of the noise is not told from it
_ROUNDS = 20
_ALIKE = 0.999  # directions this near to the strongest are as strong: their mean is taken


@dataclass(frozen=True, repr=False, eq=False)
class Denoised:
    """The spike behind a matrix.

    Attributes:
        model: with the delta that was used.
        mean: posterior means of v, in the prior's units, up to a global sign where that is free.
        variance: their posterior variances.
        mean_u: of u, for rectangular matrices; else None.
        variance_u: likewise.
        scale: c: the matrix is c (u v^T / sqrt(p) + noise).
        estimated_mse: mean of the variances, what the estimate expects of its own error.
        expected_mse: what theory expects of message passing at this delta.
        verdict: one sentence: whether anything can be found, and by what.
        detectable: False if no method is expected to find the spike.
        noise: one sentence: where delta and the scale come from.
        status: how message passing ended.
        iterations: how many it took.
        message: one sentence on the status.
    """

    model: AbstractLowRankModel
    mean: Float[np.ndarray, " p"]
    variance: Float[np.ndarray, " p"]
    mean_u: Float[np.ndarray, " n"] | None
    variance_u: Float[np.ndarray, " n"] | None
    scale: float
    estimated_mse: float
    expected_mse: float
    verdict: str
    detectable: bool
    noise: str
    status: Status
    iterations: int
    message: str

    def document(self) -> dict[str, Any]:
        """The answer as plain data, as `solvable denoise --json` prints it."""
        found: dict[str, Any] = {
            "model": repr(self.model),
            "delta": float(self.model.noise()),
            "scale": self.scale,
            "mean": self.mean.tolist(),
            "variance": self.variance.tolist(),
            "estimated_mse": self.estimated_mse,
            "expected_mse": self.expected_mse,
            "detectable": self.detectable,
            "verdict": self.verdict,
            "noise": self.noise,
            "status": self.status.name,
            "iterations": self.iterations,
        }
        if self.mean_u is not None and self.variance_u is not None:
            found |= {"mean_u": self.mean_u.tolist(), "variance_u": self.variance_u.tolist()}
        return found

    def __repr__(self) -> str:
        return (
            f"{self.model!r}\n{len(self.mean)} components, estimated mse "
            f"{self.estimated_mse:.6g}, {self.status.name} after {self.iterations} iterations\n"
            f"{self.noise}\n{self.verdict}"
        )


def denoise(
    model: AbstractLowRankModel,
    matrix: Any,
    *,
    weights: Any = None,
    weights_u: Any = None,
    center: bool = True,
    seed: int = 0,
    damping: float | str = "adaptive",
    tolerance: float = 1e-6,
    max_steps: int = 1000,
    progress: Progress | None = None,
) -> Denoised:
    """Posterior of the spike behind a matrix, and whether theory expects one to be found.

    Args:
        model: a `SpikedWigner` or `SpikedWishart`. With a delta the matrix is in the model's
            units; without, scale and noise are estimated from it. With a channel it holds what
            the channel emits: a graph, counts, noise with outliers.
        matrix: symmetric, or n by p; float32 or float64; it is not changed.
        weights: of the network of a generative prior, input first; of v where there are two.
        weights_u: of the network that generates u.
        center: subtract the mean of all entries (Wigner) or of every column (Wishart), unless a
            spike has a mean or the model a channel.
        seed: of the start of message passing.
        damping: in [0, 1), or "adaptive".
        tolerance: on the undamped residual.
        max_steps: at most so many iterations.
        progress: called with (steps done, steps in all) of the search for thresholds.

    Raises:
        ValueError: if the matrix is not finite, has the wrong shape or is not symmetric, weights
            do not fit, the channel cannot emit an entry, or delta is unset and no singular value
            leaves the noise.

    Example:
        >>> import numpy as np, solvable as sv
        >>> rng = np.random.default_rng(0)
        >>> v, noise = rng.choice([-1.0, 1.0], 400), rng.normal(size=(400, 400))
        >>> Y = np.outer(v, v) / 20 + 0.5 * (noise + noise.T) / 2**0.5
        >>> answer = denoise(sv.SpikedWigner(prior=sv.Rademacher()), 3 * Y)
        >>> bool(abs(np.mean(np.sign(answer.mean) * v)) > 0.9), round(answer.scale)
        (True, 3)
    """
    require_x64()
    instance("model", model, AbstractLowRankModel, "a SpikedWigner or a SpikedWishart")
    boolean("center", center)
    Y = _checked(model, matrix)
    model = with_shape(model, Y)
    require_set(model, {"delta"} if model.channel is None else set())
    Y = _centered(model, Y, center)
    model, scale, noise = _with_noise(model, Y)
    v, u = model.spikes()
    known = _weights("weights", v, weights, Y.shape[1])
    known_u = _weights("weights_u", u, weights_u, Y.shape[0])
    data = Data(known, Y / scale if scale != 1 else Y, known_u)
    options = {"damping": damping, "tolerance": tolerance, "max_steps": max_steps}
    outcome = model.solve(data, key_for(seed, "denoise"), **options)
    return _answer(model, outcome, scale, noise, judged(model, progress))


def _with_noise(
    model: AbstractLowRankModel, Y: np.ndarray
) -> tuple[AbstractLowRankModel, float, str]:
    """The model with a delta, the scale of its units, and how they were found."""
    if model.channel is not None:
        return model, 1.0, f"delta = {model.noise():.4g} is that of {model.channel!r}."
    if model.delta is UNSET:
        return estimated(model, Y)
    return model, 1.0, f"delta = {model.delta:.4g} as given; the matrix as it is."


def _answer(
    model: AbstractLowRankModel,
    outcome: Outcome,
    scale: float,
    noise: str,
    verdict: tuple[bool, str],
) -> Denoised:
    expected = curve(model).sel(branch="amp")
    has_u = model.spikes()[1] is not None
    return Denoised(
        model=model,
        mean=outcome.mean,
        variance=outcome.variance,
        mean_u=outcome.hidden_means[0] if has_u else None,
        variance_u=outcome.hidden_variances[0] if has_u else None,
        scale=scale,
        estimated_mse=float(outcome.variance.sum() / len(outcome.mean)),
        expected_mse=float(expected[f"mse{model.subject().label}"]),
        verdict=verdict[1],
        detectable=verdict[0],
        noise=noise,
        status=Status(int(outcome.status)),
        iterations=int(outcome.steps),
        message=outcome.messages[0],
    )


def _checked(model: AbstractLowRankModel, matrix: Any) -> np.ndarray:
    if isinstance(matrix, np.ndarray) and matrix.dtype == bool and model.channel is not None:
        matrix = matrix.view(np.int8)  # the edges of a graph
    check = symmetric_matrix if isinstance(model, SpikedWigner) else finite_matrix
    checked = not_zero("matrix", check("matrix", matrix))
    model.require_rank(checked)
    return checked


def _centered(model: AbstractLowRankModel, Y: np.ndarray, center: bool) -> np.ndarray:
    """The matrix without its mean, where no spike has one and no channel knows it."""
    if not center or model.channel is not None:
        return Y
    facts = model._facts()
    other = facts.other
    dark = float(facts.dark[-1]) + (0.0 if other is None else float(other.dark[-1]))
    if not center or dark > 1e-12:
        return Y
    return Y - (Y.mean() if model.spikes()[1] is None else Y.mean(axis=0))


def with_shape(model: AbstractLowRankModel, Y: np.ndarray) -> AbstractLowRankModel:
    """The model with the ratio of the matrix, beta = n / p."""
    if model.spikes()[1] is None:
        return model
    return with_parameters(model, {"beta": Y.shape[0] / Y.shape[1]})


def _weights(name: str, spike: Spike | None, weights: Any, size: int) -> Any:
    """The weights of the network that generates a spike of a size, once they fit."""
    layers = layers_of(spike)
    given = [] if weights is None else list(weights)
    if len(given) != len(layers):
        raise ValueError(
            f"Argument `{name}` must hold one matrix for each of {len(layers)} layers of the "
            f"prior, but held {len(given)}."
        )
    checked = [finite_matrix(f"{name}[{k}]", w) for k, w in enumerate(given)]
    for k, w in enumerate(checked):
        above = checked[k + 1].shape[1] if k + 1 < len(checked) else size
        if w.shape[0] != above:
            raise ValueError(
                f"Argument `{name}[{k}]` must have {above} rows, but had shape {w.shape}."
            )
    return tuple(checked) or None


def estimated(
    model: AbstractLowRankModel, Y: np.ndarray
) -> tuple[AbstractLowRankModel, float, str]:
    """The model with delta, the scale c of the matrix, and how they were found.

    Raises:
        ValueError: if the leading singular value is that of noise.
    """
    n, p = Y.shape
    beta, units, edge = None, model.variances(), 2.0  # units: strengths of directions at c = 1
    if isinstance(model, SpikedWishart):
        beta = n / p
        units, edge = (beta * model.rho_u() * units) ** 0.5, 1 + beta**0.5
    unit, directions = float(units[0]), float(np.sum((units / units[0]) ** 2))
    alike = int(np.sum(units > _ALIKE * unit))
    tops = _leading_values(Y, alike, symmetric=beta is None)
    top = float(tops[0])
    energy = float(np.vdot(Y, Y).astype(float)) / p
    strength, sigma = 0.0, 0.0
    for _ in range(_ROUNDS):  # the spike's own energy leaves the noise's little by little
        sigma = max(energy - directions * strength**2, 0.0) ** 0.5 / n**0.5
        found = [_strength(float(x), sigma, beta) for x in tops]
        strength = float(np.mean([x for x in found if x > 0] or [0.0]))
    if top < _EDGE * edge * sigma or strength == 0:
        raise ValueError(
            f"Argument `delta` must be given, because no singular value leaves the noise: the "
            f"largest is {top / (edge * sigma):.3g} times the edge of the bulk."
        )
    delta = (unit * sigma / strength) ** 2
    scale = strength / unit
    told = (
        f"delta = {delta:.4g} and the scale {scale:.4g} of the matrix are estimated: its largest "
        f"singular value is {top / (edge * sigma):.3g} times the edge of the noise, whose entries "
        f"have the standard deviation {sigma:.4g}."
    )
    return with_parameters(model, {"delta": delta}), scale, told


def _leading_values(Y: np.ndarray, count: int, symmetric: bool) -> np.ndarray:
    """The leading singular values of M / sqrt(p), falling."""
    p = Y.shape[1]
    vectors = (pca_wigner if symmetric else pca_wishart)(Y, count).vector.reshape(p, -1)
    image = (Y @ vectors.astype(Y.dtype)).astype(float) / p**0.5
    if symmetric:
        return np.sort(np.abs(np.sum(vectors * image, axis=0)))[::-1] / p
    return np.sort(np.linalg.norm(image, axis=0))[::-1] / p**0.5


def _strength(top: float, sigma: float, beta: float | None) -> float:
    """theta, from the largest singular value of M / sqrt(p); 0 inside the bulk."""
    if beta is None:
        inside = top**2 - 4 * sigma**2
        return 0.5 * (top + inside**0.5) if inside > 0 else 0.0
    b = top**2 - (1 + beta) * sigma**2
    inside = b**2 - 4 * beta * sigma**4
    return (0.5 * (b + inside**0.5)) ** 0.5 if inside > 0 and b > 0 else 0.0


def judged(model: AbstractLowRankModel, progress: Progress | None) -> tuple[bool, str]:
    """Whether the spike can be found at the model's delta, in one sentence."""
    found = thresholds(
        with_parameters(model.equivalent(), {"delta": UNSET}), "delta", progress=progress
    )
    delta = float(model.noise())
    easy, first = found["algorithmic"].value, found["information_theoretic"].value
    if found["weak_recovery"].value is None and first is None and easy is None:
        return True, "Detectable: there is no threshold, because the prior shows its mean."
    limit = max(x for x in (easy, first, 0.0) if x is not None)
    if delta >= limit:
        return False, (
            f"Below the threshold: no method is expected to find this (delta {delta:.4g}, "
            f"threshold {limit:.4g})."
        )
    if easy is not None and delta >= easy:
        return True, (
            f"Hard: information suffices up to delta = {limit:.4g}, but message passing finds "
            f"nothing above {easy:.4g} without a good start (delta {delta:.4g})."
        )
    return True, f"Detectable: delta {delta:.4g} is below the threshold {limit:.4g}."

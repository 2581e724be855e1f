"""Spectral start for channels that are even in z, where message passing sees nothing at w = 0.

The leading eigenvector of X^T diag(T(y)) X with the preprocessing

    T(y) = 1 - 1 / m(y),      m(y) = E[z^2 | y] / rho at z ~ N(0, rho),

is the linearised message passing at w = 0 (Mondelli & Montanari 2019); among spectral methods it
has the smallest weak-recovery threshold, alpha E (m - 1)^2 = 1. m(y) follows from the channel's
own curvature at omega = 0, so any channel will do.
"""

from collections.abc import Callable
from typing import Any, Final

import equinox as eqx
import numpy as np
import scipy.optimize
from jaxtyping import Float, PRNGKeyArray

from solvable.algorithms.designs import AbstractDesign, Stack, as_design
from solvable.algorithms.eigenvectors import leading_eigenvectors
from solvable.algorithms.multilayer_amp import Start
from solvable.algorithms.programs import elementwise
from solvable.bricks.channels.base import AbstractChannel, blind_snr, output_moments
from solvable.bricks.priors.base import AbstractPrior
from solvable.core.instance import Data
from solvable.core.randomness import fold, numpy_generator
from solvable.core.specification import numeric


class SpectralEstimate(eqx.Module):
    """The leading eigenvector and what to expect of it.

    Attributes:
        vector: shape (p,), of unit norm, with a sign that means nothing.
        overlap: predicted squared cosine with the signal, 0 below weak recovery.
        preprocessing: T(y) / lambda*, shape (n,): the memory of the start's message passing.
    """

    vector: Float[np.ndarray, " p"]
    overlap: float
    preprocessing: Float[np.ndarray, " n"]


def is_blind(prior: AbstractPrior, channel: AbstractChannel) -> bool:
    """Whether w = 0 is a fixed point: a prior of mean zero seen through an even channel."""
    if abs(float(prior.first_moment())) > _BLIND:
        return False
    return float(blind_snr(numeric(channel), prior.second_moment())) < _BLIND


def estimate(
    prior: AbstractPrior, channel: AbstractChannel, data: Data, key: PRNGKeyArray
) -> SpectralEstimate:
    """Leading eigenvector of X^T diag(T(y)) X for one observation vector.

    The predicted overlap is that of i.i.d. Gaussian designs (Mondelli & Montanari 2019, Lemma 2),
    with the averages over y replaced by those over the sample at hand.

    Args:
        prior: only its second moment is used.
        channel: law of y given z.
        data: design (n, p) and observation (n,).
        key: random key of the eigensolver's first vector.

    Returns:
        The vector, its predicted overlap and the preprocessing.
    """
    design = as_design(data.design)
    row = float(design.square_sum()) / design.n
    y = np.asarray(data.observation, dtype=np.float64)
    m = _second_moments(prior, channel, y, row)
    T = 1 - 1 / np.maximum(m, _SMALLEST_MOMENT)
    edge, overlap = predicted_overlap(m, T, design.n / design.p)
    return SpectralEstimate(_leading(design, T, key), overlap, T / edge)


def start(prior: AbstractPrior, channel: AbstractChannel, data: Data, key: PRNGKeyArray) -> Start:
    """A start for message passing from the spectral estimate of every right-hand side.

    The vector is scaled to the predicted overlap q (at least `1 / sqrt(p)`, so that it can grow),
    the variance is rho - q, and the memory term is that of the linear message passing whose fixed
    point the eigenvector is, so that state evolution holds from the first iteration on (Mondelli &
    Venkataramanan 2021).

    Args:
        prior: law of the signal's components.
        channel: law of y given z.
        data: design and observation, as for `gamp.problem`.
        key: a random key.
    """
    design = as_design(data.design)
    y = np.asarray(data.observation, dtype=np.float64)
    if isinstance(design, Stack):
        problems = list(zip(design.members, y, strict=True))
    else:
        problems = [(design, column) for column in y.reshape(design.n, -1).T]
    parts = [
        _scaled(prior, channel, Data(*problem), fold(key, "spectral", number))
        for number, problem in enumerate(problems)
    ]
    if design.count:
        mean, variance, g = (np.stack(x) for x in zip(*parts, strict=True))
        return Start(mean, variance[:, None], g)
    mean, variance, g = (np.stack(x, axis=-1) for x in zip(*parts, strict=True))
    if y.ndim == 1:
        mean, g = mean[:, 0], g[:, 0]
    return Start(mean, variance, g)


def predicted_overlap(
    m: Float[np.ndarray, " n"], T: Float[np.ndarray, " n"], alpha: float
) -> tuple[float, float]:
    """The effective eigenvalue lambda* and the squared cosine of the leading eigenvector.

    With phi(l) = l E[m T / (l - T)] and psi(l) = l (1 / alpha + E[T / (l - T)]), averages over the
    sample: lambda* solves phi = psi to the right of the minimum of psi; without a solution there
    the vector is uninformative. cos^2 = (1 / alpha - E G^2) / (1 / alpha + E[(m - 1) G^2]),
    G = T / (lambda* - T).

    Args:
        m: E[z^2 | y] / rho of every sample.
        T: its preprocessing, T <= 1.
        alpha: samples over dimension.

    Returns:
        lambda* (1 if there is none) and the squared cosine (0 if there is none).
    """

    def gain(level: float) -> np.ndarray:
        return T / (level - T)

    def slope(level: float) -> float:  # of psi
        return 1 / alpha - float(np.mean(gain(level) ** 2))

    def difference(level: float) -> float:  # phi - psi, over lambda
        return float(np.mean((m - 1) * gain(level))) - 1 / alpha

    top = float(T.max())
    low, high = top + 1e-9 * max(1.0, abs(top)), top + 1e3 * max(1.0, abs(top))
    if top <= 0 or slope(low) >= 0 or slope(high) <= 0:
        return 1.0, 0.0
    bulk = _root(slope, low, high)
    if difference(bulk) <= 0 or difference(high) >= 0:
        return 1.0, 0.0
    level = _root(difference, bulk, high)
    square = gain(level) ** 2
    cosine = (1 / alpha - square.mean()) / (1 / alpha + np.mean((m - 1) * square))
    return level, float(np.clip(cosine, 0.0, 1.0))


def _root(function: Callable[[float], float], low: float, high: float) -> float:
    found: Any = scipy.optimize.brentq(function, low, high)
    return float(found)


def _scaled(
    prior: AbstractPrior, channel: AbstractChannel, data: Data, key: PRNGKeyArray
) -> tuple[np.ndarray, float, np.ndarray]:
    """Mean, variance and memory of the start of one problem."""
    design = as_design(data.design)
    found = estimate(prior, channel, Data(design, data.observation), key)
    rho = float(prior.second_moment())
    q = rho * min(max(found.overlap, design.p**-0.5), _LARGEST_OVERLAP)
    mean = found.vector * np.sqrt(design.p * q)
    V = float(design.square_sum()) / design.n * (rho - q)
    return mean, rho - q, found.preprocessing * design.matvec(mean) / V


def _second_moments(
    prior: AbstractPrior, channel: AbstractChannel, y: np.ndarray, row: float
) -> np.ndarray:
    """m(y) = E[z^2 | y] / V at omega = 0, V = r rho: 1 - V (-dg)."""
    V = row * float(prior.second_moment())
    curvature = elementwise(output_moments, channel, y, np.zeros_like(y), np.full(1, V))[1]
    return np.maximum(1 - V * curvature, 0.0)


def _leading(design: AbstractDesign, T: np.ndarray, key: PRNGKeyArray) -> np.ndarray:
    """Eigenvector of the largest (signed) eigenvalue of X^T diag(T) X.

    The tolerance is loose: the vector's distance from the signal is far larger.
    """

    def product(v: np.ndarray) -> np.ndarray:
        return np.asarray(design.rmatvec(T * np.asarray(design.matvec(v))))

    first = numpy_generator(key).standard_normal(design.p)
    return leading_eigenvectors(product, first, tolerance=1e-2).vector


_BLIND: Final = 1e-12
_SMALLEST_MOMENT: Final = 0.05  # T is bounded below by -19: outputs with z near 0 say little
_LARGEST_OVERLAP: Final = 0.99

"""I(input; layer) of a given noisy network without replicas: determinants, and bounds by sampling.

    h_l = f(W_l h_{l-1}) + sqrt(delta) xi,   h_0 ~ N(0, 1).

With phi_l the density of h_l given h_{l-1}, p(h_l) = E phi_l(h_l | h_{l-1}) over the input, and
p(h_l | h_0) the same over the noise below; I = E log p(h_l | h_0) - log p(h_l). The logarithm of a
mean over `inner` samples is too small on average (Jensen). If the sample that made h_l is one of
those averaged, it is too large (Poole et al. 2019, the bound of contrastive estimation). Joined
crosswise that brackets I: no bias is left unknown, but the bracket opens once units * I exceeds
ln(inner) nats.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from scipy.special import logsumexp

Function = Callable[[np.ndarray], np.ndarray]


def log_det(weights: list[np.ndarray], delta: float) -> Float[np.ndarray, " L"]:
    """I(h_0; h_l) per input unit of a linear network, exactly: ln det of Gaussian covariances."""
    size = weights[0].shape[1]
    signal, noise = np.eye(size), np.zeros((size, size))
    found = []
    for matrix in weights:
        signal = matrix @ signal @ matrix.T
        noise = matrix @ noise @ matrix.T + delta * np.eye(len(matrix))
        both = np.linalg.slogdet(signal + noise)[1] - np.linalg.slogdet(noise)[1]
        found.append(0.5 * both / size)
    return np.array(found)


def bounds(
    weights: list[np.ndarray],
    function: Function,
    delta: float,
    rng: np.random.Generator,
    *,
    outer: int,
    inner: int,
) -> tuple[Float[np.ndarray, " L"], Float[np.ndarray, " L"]]:
    """A lower and an upper bound on I(h_0; h_l) per input unit, up to sampling errors.

    Args:
        weights: square matrices or not, W_l of shape (n_l, n_{l-1}).
        function: f, elementwise.
        delta: variance of the noise, > 0.
        rng: of all samples.
        outer: samples of (h_0, ..., h_L), over which the logarithms are averaged.
        inner: samples of a density p(h_l); a tenth of them for each p(h_l | h_0).
    """
    size, few = weights[0].shape[1], max(inner // 10, 1)
    given = np.repeat(rng.normal(size=(outer, 1, size)), 1 + few, axis=1)
    free = rng.normal(size=(inner, size))
    lower, upper = np.zeros(len(weights)), np.zeros(len(weights))
    for k, matrix in enumerate(weights):
        # the first of `given` is the sample itself, the others share its input alone
        means, others = function(given @ matrix.T), function(free @ matrix.T)
        units = means[:, 0] + delta**0.5 * rng.normal(size=means[:, 0].shape)
        own = _log_density(units[:, None], means, delta)
        if k == 0:
            least = most = own[:, 0]
        else:
            least, most = (logsumexp(x, axis=1) - np.log(x.shape[1]) for x in (own[:, 1:], own))
        marginal = _log_mixture(units, others, delta)
        joined = np.logaddexp(marginal + np.log(inner), own[:, 0]) - np.log(inner + 1)
        lower[k], upper[k] = np.mean(least - joined), np.mean(most - marginal)
        given = means + delta**0.5 * rng.normal(size=means.shape)
        given[:, 0] = units
        free = others + delta**0.5 * rng.normal(size=others.shape)
    return lower / size, upper / size


def _log_density(h: np.ndarray, means: np.ndarray, delta: float) -> np.ndarray:
    """ln N(h; mean, delta) up to a constant that cancels."""
    return -np.sum((h - means) ** 2, axis=-1) / (2 * delta)


def _log_mixture(h: np.ndarray, means: np.ndarray, delta: float) -> np.ndarray:
    """ln of the mean of `_log_density` over all means, for every h; in blocks of h."""
    squares = np.sum(means**2, axis=1)
    found = []
    for block in np.array_split(h, max(1, h.shape[0] * means.shape[0] // 2_000_000)):
        distance = squares - 2 * block @ means.T + np.sum(block**2, axis=1, keepdims=True)
        found.append(logsumexp(-distance / (2 * delta), axis=1) - np.log(len(means)))
    return np.concatenate(found)

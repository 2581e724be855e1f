"""What rotationally invariant weights do to messages (Gabrie et al. 2018, in vector-AMP form).

A layer's input h has precision gamma = 1 / V - q_hat from its own side, its z = W h has precision
tau from its outputs, and linear regression in between joins the two: h has the covariance
(gamma + tau W^T W)^{-1}. All depends on w = tau / gamma = 1 / u only:

    s = E 1 / (1 + w lambda) = 1 - q_hat V,   theta = (1 - s) / a = A variance,
    x = A V = (1 - theta) s w,
    F_W(x) = 2 a theta + ln s + a ln(1 - theta) + E ln(1 + w lambda).

That F_W is 2 a theta + (a - 1) ln(1 - theta) + E ln[x lambda + (1 - theta)(1 - a theta)] at its
saddle, written so that for a < 1 the zero eigenvalues have cancelled. x(w) may have a maximum, so
that the messages are found from s and never from x.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from solvable.bricks.spectra.base import (
    AbstractAnalyticSpectrum,
    AbstractSpectrum,
    Mixing,
    Scalar,
)

_STEPS = 100  # of the search; it takes up to fifteen
_REACH = 250.0  # of the search, in ln w: eigenvalues down to 1e-108 of their mean
_CLOSE = 1e-9  # the search stops here; each polishing step then squares the error
_TINY = 1e-300


class Response(NamedTuple):
    """What the weights send on, given what they receive.

    Attributes:
        q_hat: signal-to-noise ratio that the layer's input sees from above.
        variance: variance of z given everything but its own output.
    """

    q_hat: Scalar
    variance: Scalar


class Saddle(NamedTuple):
    """The saddle of F_W along w.

    Attributes:
        theta: (1 - s) / a, the share of z's variance that its outputs remove.
        x: A V.
        F: F_W(x); dF_W / dx = a theta / x.
        gain: a theta / x = q_hat / A = a variance / V, which is E lambda at w = 0.
    """

    theta: Scalar
    x: Scalar
    F: Scalar
    gain: Scalar


def saddle(spectrum: AbstractSpectrum, ratio: Scalar, w: Scalar) -> Saddle:
    """The saddle of F_W at w = 1 / u >= 0."""
    rank = spectrum.rank(ratio)
    kept, flow = spectrum.resolvent(w, ratio), spectrum.weighted_resolvent(w, ratio)
    absorbed = rank * w * flow
    s = (1 - rank) + rank * kept
    share = rank / ratio
    left = (1 - share) + share * kept  # 1 - theta, which would cancel as theta -> 1
    theta = absorbed / ratio
    logs = _log_rest(absorbed, s) + ratio * _log_rest(theta, left)
    return Saddle(
        theta=theta,
        x=left * s * w,
        F=2 * absorbed + logs + spectrum.log_determinant(w, ratio),
        gain=rank * flow / (left * s),
    )


def mix(spectrum: AbstractSpectrum, ratio: Scalar, q_hat: Scalar, V: Scalar) -> Mixing:
    """Messages on the output side of the weights at a fixed point (Gabrie et al. 2018).

    Solves s(u) = 1 - q_hat V and returns A = x / V, the variance V theta / x and the coupling
    [q_hat V + a A variance - F_W(A V)] / 2. For iid Gaussian weights A = q_hat / a, variance = V
    and coupling = q_hat V / 2.

    Args:
        spectrum: law of the singular values.
        ratio: a = outputs / inputs, > 0.
        q_hat: signal-to-noise ratio that the layer's input sees from above, >= 0.
        V: posterior variance of the input, > 0.

    Returns:
        Three scalars; nan where q_hat V is not in [0, P(lambda > 0)), since no output can then
        send this q_hat. Derivatives are exact to third order. Close to the upper end the digits
        are those that q_hat V leaves of P(lambda > 0) - q_hat V.

    Example:
        >>> from solvable.bricks.spectra.orthogonal import Orthogonal
        >>> mixing = mix(Orthogonal(), 0.5, 0.625, 1 / 1.625)
        >>> [round(float(number), 6) for number in mixing]
        [0.769231, 1.0, 0.242754]
    """
    ratio, q_hat, V = (jnp.asarray(number, float) for number in (ratio, q_hat, V))
    product = q_hat * V
    allowed = (product >= 0) & (product < spectrum.rank(ratio))
    q_hat = jnp.where(allowed, q_hat, jnp.nan)
    if isinstance(spectrum, AbstractAnalyticSpectrum):
        return spectrum.analytic_mixing(ratio, q_hat, V)
    return general_mix(spectrum, ratio, q_hat, V)


def general_mix(spectrum: AbstractSpectrum, ratio: Scalar, q_hat: Scalar, V: Scalar) -> Mixing:
    """`mix` by a root whatever the law: the check on closed forms."""
    w = _solve(spectrum, ratio, q_hat * V)
    found = saddle(spectrum, ratio, w)
    # in terms of the gain nothing vanishes with q_hat, and nothing is divided by it
    return Mixing(
        snr=q_hat / found.gain,
        variance=V * found.gain / ratio,
        coupling=ratio * found.theta - 0.5 * found.F,
    )


def respond(spectrum: AbstractSpectrum, ratio: Scalar, gamma: Scalar, tau: Scalar) -> Response:
    """What the weights send to both sides: the linear step of vector AMP, unique and closed.

    q_hat = tau E lambda / (1 + w lambda) / s,   variance = (1 - s) / [a tau (1 - theta)],
    w = tau / gamma.

    Args:
        spectrum: law of the singular values.
        ratio: a = outputs / inputs, > 0.
        gamma: precision that the input has from its own side, 1 / V - q_hat > 0.
        tau: precision that z has from its outputs, A / (1 - A variance) >= 0.

    Returns:
        The new q_hat and the new variance of z. Fixed points are those of `mix`.

    Example:
        >>> from solvable.bricks.spectra.orthogonal import Orthogonal
        >>> response = respond(Orthogonal(), 0.5, 1.0, 1 / 0.3)
        >>> [round(float(number), 6) for number in response]
        [0.625, 1.0]
    """
    ratio, gamma, tau = (jnp.asarray(number, float) for number in (ratio, gamma, tau))
    rank, w = spectrum.rank(ratio), tau / gamma
    kept, flow = spectrum.resolvent(w, ratio), spectrum.weighted_resolvent(w, ratio)
    share = rank / ratio
    return Response(
        q_hat=tau * rank * flow / ((1 - rank) + rank * kept),
        variance=share * flow / (gamma * ((1 - share) + share * kept)),
    )


def _log_rest(part: Scalar, rest: Scalar) -> Scalar:
    """ln(rest) where part + rest = 1, from the smaller of the two."""
    is_small = part < 0.5
    return jnp.where(
        is_small, jnp.log1p(-jnp.minimum(part, 0.5)), jnp.log(jnp.where(is_small, 1.0, rest))
    )


def _solve(spectrum: AbstractSpectrum, ratio: Scalar, absorbed: Scalar) -> Scalar:
    """The w >= 0 at which E w lambda / (1 + w lambda) = absorbed.

    The search does not see derivatives; two Newton steps after it carry them to third order.
    """
    w = jnp.exp(_search(*jax.lax.stop_gradient((spectrum, ratio, absorbed))))

    def mismatch(w: Scalar) -> Scalar:
        # cross-multiplied odds: regular at w = 0, without cancellation as w -> infinity
        kept, flow = spectrum.resolvent(w, ratio), spectrum.weighted_resolvent(w, ratio)
        return (spectrum.rank(ratio) - absorbed) * w * flow - absorbed * kept

    for _ in range(2):
        value, slope = jax.jvp(mismatch, (w,), (jnp.ones_like(w),))
        w = w - value / slope
    return w


class _State(NamedTuple):
    """A bracketed Newton search in t = ln w: the point, its bracket, the last step."""

    t: Float[Array, ""]
    low: Float[Array, ""]
    high: Float[Array, ""]
    step: Float[Array, ""]
    count: Int[Array, ""]


def _search(spectrum: AbstractSpectrum, ratio: Scalar, absorbed: Scalar) -> Scalar:
    """ln w to about 1e-9: the log-odds of `absorbed` rise with ln w at a slope in (0, 1]."""
    rank = spectrum.rank(ratio)
    absorbed = jnp.maximum(absorbed, _TINY)
    target = jnp.log(absorbed) - jnp.log(rank - absorbed)

    def excess(t: Scalar) -> Scalar:
        w = jnp.exp(t)
        flow = spectrum.weighted_resolvent(w, ratio)
        return t + jnp.log(flow) - jnp.log(spectrum.resolvent(w, ratio)) - target

    def advance(state: _State) -> _State:
        value, slope = jax.jvp(excess, (state.t,), (jnp.ones_like(state.t),))
        low = jnp.where(value < 0, state.t, state.low)
        high = jnp.where(value < 0, state.high, state.t)
        newton = state.t - value / slope
        # a step that leaves the bracket, or is not half the last, gives way to bisection
        is_good = (newton >= low) & (newton <= high)
        is_good &= jnp.abs(newton - state.t) < 0.5 * state.step
        t = jnp.where(is_good, newton, 0.5 * (low + high))
        return _State(t, low, high, jnp.abs(t - state.t), state.count + 1)

    def is_open(state: _State) -> Bool[Array, ""]:
        return (state.step > _CLOSE) & (state.count < _STEPS)

    # Jensen: the absorbed share of eigenvalues of this mean is at most that of their mean
    first = target + jnp.log(rank) - jnp.log(spectrum.mean(ratio))
    step = jnp.full_like(first, 2 * _REACH)
    start = _State(first, first - 1.0, first + _REACH, step, jnp.asarray(0))
    return jax.lax.while_loop(is_open, advance, start).t

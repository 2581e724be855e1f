"""Where gradient-based dynamics leaves threshold states: transitions of planted spherical fields.

The energy H on the sphere |x|^2 = N is N (-Q(m) + noise), m the overlap with a planted vector and
Q(x . y / N) / N the covariance of the noise per dimension. From a random start the dynamics at
temperature T first forgets the plant and settles in threshold states, which are marginal:

    T^2 / (1 - q)^2 = Q''(q).

Message passing at this fixed q moves a small overlap by m' = (1 - q) / T Q'(m), so that the plant
is felt where (1 - q) / T Q''(0) > 1. Both together are a transition, at T = 0 that of an outlier
of the Hessian of marginal minima, Q''(0) = sqrt(Q''(1)) (Baik et al. 2005). That dynamics does
this is a conjecture that agrees with the integrated equations of the dynamics (Sarao Mannelli et
al. 2019a, 2019b, 2020). In mixed fields the energy that descent reaches is known to depend on
its start, and may be close to that of the threshold states only (Folena et al. 2020).
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from solvable.core.arguments import fail, non_negative, positive
from solvable.core.covariance import Covariance
from solvable.core.parameter_roots import ParameterRoot, parameter_roots
from solvable.core.status import Status

Family = Callable[[float], Covariance]
LOW, HIGH = 1e-3, 1e3  # noise levels between which lines are looked for
_LEVELS = 400
_OVERLAPS = 400
_ALIKE = 1e-6  # overlaps of one root, where a double one costs half the digits


class Transition(NamedTuple):
    """A parameter at which an algorithm begins to feel the plant.

    Attributes:
        value: the parameter.
        error_bound: bound on its error.
        status: converged, or marginal where two transitions merge.
        overlap: q of the states that are left; 1 at temperature 0.
        outermost: whether q is the largest marginal overlap there. States of a smaller one are no
            threshold states: the dynamics has stopped at a larger q before.
    """

    value: float
    error_bound: float
    status: Status
    overlap: float
    outermost: bool


class ThresholdState(NamedTuple):
    """The threshold states of a field without plant.

    Attributes:
        overlap: q, the overlap between two visits within one state.
        inverse_effective_temperature: X / T, X the fluctuation-dissipation ratio of slow motion.
        energy: e = H / N, what the dynamics tends to.
        multiplier: mu, the radial force -x . grad H / N plus T.
        error_bound: bound on the error of q.
        status: converged.
    """

    overlap: float
    inverse_effective_temperature: float
    energy: float
    multiplier: float
    error_bound: float
    status: Status


def langevin_transitions(
    family: Family, temperature: float, low: float = LOW, high: float = HIGH
) -> tuple[Transition, ...]:
    """Where Langevin dynamics leaves threshold states, gradient flow at temperature 0.

    1 - q = T / Q''(0) and Q''(0)^2 = Q''(q), 0 < q <= 1. For Q = x^2 / (2 D2) + x^p / (p Dp) that
    is 1 / D2^2 = (p - 1) (1 - T D2)^(p - 2) / Dp + 1 / D2, so that at T = 1
    (p - 1) D2^2 (1 - D2)^(p - 3) = Dp; there q = 0 solves the equations as well, where there are
    no threshold states, and is not returned.

    Args:
        family: the field at a value of the parameter, such as D2 -> Covariance(...).
        temperature: T >= 0, of the Gibbs measure exp(-H / T).
        low, high: 0 < low < high, between which transitions are looked for.

    Returns:
        All transitions, in rising order; none if there are none.

    Raises:
        ValueError: for a negative temperature or an empty interval.

    Source: Sarao Mannelli et al. 2020 (T = 1), 2019b (T = 0).
    """
    temperature = non_negative("temperature", temperature)
    roots = parameter_roots(
        lambda value: _departure(family(value), temperature), levels(low, high)
    )
    return tuple(_transition(family(root.value), temperature, root) for root in roots)


def amp_transitions(
    family: Family, low: float = LOW, high: float = HIGH
) -> tuple[ParameterRoot, ...]:
    """Where Bayes-optimal message passing leaves m = 0: Q''(0) = 1.

    Args:
        family: the field at a value of the parameter.
        low, high: 0 < low < high, between which transitions are looked for.

    Raises:
        ValueError: for an empty interval.

    Source: Sarao Mannelli et al. 2020.
    """
    return parameter_roots(lambda value: _log(family(value).curvature(0.0)), levels(low, high))


def ml_amp_transitions(
    family: Family, low: float = LOW, high: float = HIGH
) -> tuple[ParameterRoot, ...]:
    """Where message passing for the minimum of the energy leaves m = 0: Q''(0) = sqrt(Q'(1)).

    m' = Q'(m) / sqrt(Q'(m)^2 + Q'(1)) linearized. For Q = x^2 / (2 D2) + x^p / (p Dp) it is at
    1 / D2 = (1 + sqrt(1 + 4 / Dp)) / 2, whatever p.

    Args:
        family: the field at a value of the parameter.
        low, high: 0 < low < high, between which transitions are looked for.

    Raises:
        ValueError: for an empty interval.

    Source: Sarao Mannelli et al. 2019a.
    """

    def distance(value: float) -> float:
        field = family(value)
        return _log(field.curvature(0.0)) - 0.5 * _log(field.slope(1.0))

    return parameter_roots(distance, levels(low, high))


def marginal_overlaps(field: Covariance, temperature: float) -> tuple[ParameterRoot, ...]:
    """All q in (0, 1) with T^2 = (1 - q)^2 Q''(q), in rising order.

    Args:
        field: Q.
        temperature: T > 0.

    Raises:
        ValueError: if the temperature is not positive.

    Source: Sarao Mannelli et al. 2020; Cugliandolo and Kurchan 1993.
    """
    temperature = positive("temperature", temperature)
    # the largest root is at 1 - q = T / sqrt(Q''(q)) >= T / sqrt(Q''(1)): a grid of ln(1 - q)
    smallest = min(0.5, 0.5 * temperature / float(np.sqrt(field.curvature(1.0))))
    grid = np.sort(-np.geomspace(smallest, 1.0, _OVERLAPS))

    def distance(minus: float) -> float:
        return 1 - (-minus / temperature) ** 2 * field.curvature(1 + minus)

    roots = parameter_roots(distance, grid)
    # 1 - q is found to more digits than q can hold
    ulp = float(np.finfo(float).eps)
    moved = [ParameterRoot(1 + x.value, max(x.error_bound, ulp), x.status) for x in roots]
    return tuple(root for root in moved if root.value > root.error_bound)


def escape_factor(field: Covariance, temperature: float) -> float | None:
    """Growth of a small overlap in a step at the threshold states: (1 - q) / T Q''(0).

    Above 1 the dynamics leaves them. At T = 0 it is Q''(0) / sqrt(Q''(1)).

    Args:
        field: Q.
        temperature: T >= 0.

    Returns:
        The factor, None if there are no threshold states.

    Raises:
        ValueError: for a negative temperature.

    Source: Sarao Mannelli et al. 2020.
    """
    found = _outermost(field, non_negative("temperature", temperature))
    if found is None:
        return None
    return float(field.curvature(0.0) / np.sqrt(field.curvature(found.value)))


def threshold_state(field: Covariance, temperature: float) -> ThresholdState | None:
    """Threshold states of the field without plant, energy included.

    With chi = (1 - q) / T = 1 / sqrt(Q''(q)), which is marginality, and one value X of the
    fluctuation-dissipation ratio in all of slow motion,

        X / T = chi (Q''(q) / Q'(q) - 1 / q),
        e = -chi (Q(1) - Q(q)) / (1 - q) - X / T Q(q),
        mu = T + chi (Q'(1) - q Q'(q)) / (1 - q) + X / T q Q'(q),

    and at T = 0, q = 1: e = -[Q'(1) + (Q''(1) / Q'(1) - 1) Q(1)] / sqrt(Q''(1)),
    mu = 2 sqrt(Q''(1)). For one power p: e = -2 sqrt((p - 1) / p) sqrt(Q(1) / 2).

    A conjecture for mixed fields from random starts: it takes for granted that slow motion has a
    single ratio (it has many where 1 / sqrt(Q'') is concave, such as for powers 2 and 4 at small
    overlaps) and forgets its start, which has been found not to hold to all digits.

    Args:
        field: Q.
        temperature: T >= 0.

    Returns:
        The state with the largest marginal q; None if there is none or if its X > 1, where the
        dynamics equilibrates instead.

    Raises:
        ValueError: for a negative temperature.

    Source: Cugliandolo and Kurchan 1993; Folena et al. 2020.
    """
    temperature = non_negative("temperature", temperature)
    found = _outermost(field, temperature)
    if found is None:
        return None
    q, slope = found.value, field.slope(found.value)
    chi = 1 / float(np.sqrt(field.curvature(q)))
    ratio = chi * (field.curvature(q) / slope - 1 / q)
    if ratio * temperature > 1:
        return None
    terms = list(zip(field.coefficients, field.powers, strict=True))
    # (1 - q^k) / (1 - q), which T -> 0 leaves finite
    lost = [sum(q**j for j in range(k)) for k in field.powers]
    drop = sum(c * d for (c, _), d in zip(terms, lost, strict=True))
    force = sum(c * k * d for (c, k), d in zip(terms, lost, strict=True))
    energy = -chi * drop - ratio * field(q)
    multiplier = temperature + chi * force + ratio * q * slope
    return ThresholdState(
        q, float(ratio), float(energy), float(multiplier), found.error_bound, found.status
    )


def _departure(field: Covariance, temperature: float) -> float:
    """1 - Q''(q) / Q''(0)^2 at 1 - q = T / Q''(0), divided by q at T = 1; NaN without such q."""
    bend = float(field.curvature(0.0))
    if bend == 0 or bend < temperature:
        return np.nan
    q = 1 - temperature / bend
    if temperature != 1:
        return float(1 - field.curvature(q) / bend**2)
    # at T = 1 the numerator Q''(0)^2 - Q''(q) has the factor q, and no digits of it near q = 0
    terms = zip(field.coefficients, field.powers, strict=True)
    return float(1 - sum(c * k * (k - 1) * q ** (k - 3) for c, k in terms if k > 2) / bend**2)


def _transition(field: Covariance, temperature: float, root: ParameterRoot) -> Transition:
    q = float(1 - temperature / field.curvature(0.0))
    outermost = True
    if temperature > 0:
        largest = _outermost(field, temperature)
        outermost = largest is None or largest.value <= q + _ALIKE
    return Transition(root.value, root.error_bound, root.status, q, outermost)


def _outermost(field: Covariance, temperature: float) -> ParameterRoot | None:
    """The largest marginal overlap, 1 at temperature 0."""
    if temperature == 0:
        return ParameterRoot(1.0, 0.0, Status.converged)
    roots = marginal_overlaps(field, temperature)
    return roots[-1] if roots else None


def levels(low: float, high: float, count: int = _LEVELS) -> np.ndarray:
    """A grid of `count` noise levels from `low` to `high`, on which lines are looked for."""
    low, high = positive("low", low), positive("high", high)
    if low >= high:
        raise fail("high", f"be above `low`, {low:g}", high)
    return np.geomspace(low, high, count)


def _log(value: float) -> float:
    """ln of a value, NaN where it has none: no transition is looked for there."""
    return float(np.log(value)) if value > 0 else np.nan

"""Where planted spherical fields lose their spurious minima, by their annealed complexity.

Sigma(m) of `core.kac_rice` has hills: one about the equator m = 0, where spurious minima are most
numerous, and one at every isolated minimum, the planted one and, for odd powers, one of m < 0 that
the matrix part of the field makes. An isolated minimum solves

    m = Q'(m) / sqrt(Q'(m)^2 + Q'(1)),

and Sigma = 0 there exactly while its Hessian has a gap, (1 - m^2) Q''(1) < Q'(1). Where the gap
closes it shatters into many: Sigma > 0. Three lines follow: where complexity vanishes at m = 0
(`trivialization`), at all m of the hill about the equator (`trivialization_all_m`) and at isolated
minima as well (`trivialization_everywhere`). Without a cubic term the top of the hill is at m = 0
and the first two are one; with it the top is at m < 0. The isolated minimum of m < 0 may be the
last to be shattered: above the third line of noise there are spurious minima then, if few.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import scipy.optimize

from solvable.core.covariance import Covariance
from solvable.core.kac_rice import complexity_at_overlap, outlier_strength
from solvable.core.parameter_roots import ParameterRoot, parameter_roots
from solvable.core.status import Status
from solvable.core.thresholds import Threshold
from solvable.core.transition_lines import HIGH, LOW, Family, levels

_COUNT = 301
_CLIMB = np.linspace(-0.998, 0.998, 2 * _COUNT - 1)  # the equator is in the middle
_ZOOMS, _ZOOM_COUNT = 4, 64
_ZOOM = np.linspace(-1.0, 1.0, _ZOOM_COUNT + 1)  # holds 0, where the top is for even fields
_LEVELS = 100
_SIZES = np.linspace(0.0, 1.0, _COUNT)


class IsolatedMinimum(NamedTuple):
    """A minimum that its field has once, up to shattering.

    Attributes:
        overlap: m.
        marginality: (1 - m^2) Q''(1) / Q'(1); at 1 the gap of its Hessian closes, above 1 it is
            shattered.
    """

    overlap: float
    marginality: float


def isolated_minima(field: Covariance) -> tuple[IsolatedMinimum, ...]:
    """All m != 0 with m = Q'(m) / sqrt(Q'(m)^2 + Q'(1)) that are stable, in rising order.

    Args:
        field: Q.

    Source: Sarao Mannelli et al. 2019a.
    """
    found = [m for sign in (-1.0, 1.0) for m in _stable(field, sign)]
    ratio = field.curvature(1.0) / field.slope(1.0)
    return tuple(IsolatedMinimum(m, float((1 - m**2) * ratio)) for m in sorted(found))


def equatorial_complexity(field: Covariance) -> tuple[float, float] | None:
    """The top of the hill of Sigma(m) on which m = 0 lies.

    Args:
        field: Q.

    Returns:
        Its overlap and Sigma there; None if the ascent from m = 0 ends in an isolated minimum.

    Source: Sarao Mannelli et al. 2019a.
    """
    value = complexity_at_overlap(field, _CLIMB).complexity
    i = _COUNT - 1
    step = 1 if value[i + 1] > value[i - 1] else -1
    while 0 < i < len(value) - 1 and value[i + step] > value[i]:
        i += step
    m, width = float(_CLIMB[i]), float(_CLIMB[1] - _CLIMB[0])
    for _ in range(_ZOOMS):
        near = np.clip(m + width * _ZOOM, _CLIMB[0], _CLIMB[-1])
        m = float(near[np.argmax(complexity_at_overlap(field, near).complexity)])
        width *= 2 / _ZOOM_COUNT
    top = complexity_at_overlap(field, m)
    theta = max(1.0, float(outlier_strength(field, m)))
    if top.shift > 2 and top.shift >= theta + 1 / theta:
        return None  # nothing holds the Hessian: a single minimum with a gap
    return m, float(top.complexity)


def trivialization(
    family: Family, low: float = LOW, high: float = HIGH, rising: bool = True
) -> Threshold:
    """Below which level of noise no minima of m = 0 are expected: Sigma(0) = 0.

    Args:
        family: the field at a level of noise, such as D2 -> Covariance(...).
        low, high: 0 < low < high, between which it is looked for.
        rising: whether complexity rises with the level; else the largest root counts.

    Returns:
        The smallest root, or no_branch.

    Raises:
        ValueError: for an empty interval.

    Source: Sarao Mannelli et al. 2019a.
    """
    roots = parameter_roots(lambda value: _sigma(family(value), 0.0), levels(low, high, _LEVELS))
    return _last("trivialization", roots, rising)


def trivialization_all_m(
    family: Family, low: float = LOW, high: float = HIGH, rising: bool = True
) -> Threshold:
    """Below which level of noise Sigma < 0 on all of the hill about the equator.

    Args:
        family: the field at a level of noise.
        low, high: 0 < low < high, between which it is looked for.
        rising: whether complexity rises with the level; else the largest root counts.

    Returns:
        The smallest root, or no_branch. It is `trivialization` without a cubic term.

    Raises:
        ValueError: for an empty interval.

    Source: Sarao Mannelli et al. 2019a.
    """
    return _last("trivialization_all_m", _equator_roots(family, low, high), rising)


def trivialization_everywhere(
    family: Family, low: float = LOW, high: float = HIGH, rising: bool = True
) -> Threshold:
    """Below which level of noise Sigma <= 0 everywhere, and 0 at isolated minima only.

    The smaller of `trivialization_all_m` and of the level at which an isolated minimum, here
    one of m < 0, shatters: (1 - m^2) Q''(1) = Q'(1).

    Args:
        family: the field at a level of noise.
        low, high: 0 < low < high, between which it is looked for.
        rising: whether complexity rises with the level; else the largest root counts.

    Returns:
        The smallest root, or no_branch.

    Raises:
        ValueError: for an empty interval.

    Source: follows from the complexity of Sarao Mannelli et al. 2019a.
    """
    roots = _equator_roots(family, low, high)
    for sign in (-1.0, 1.0):
        roots += parameter_roots(_marginality(family, sign), levels(low, high, _LEVELS))
    return _last("trivialization_everywhere", tuple(sorted(roots)), rising)


def _equator_roots(family: Family, low: float, high: float) -> tuple[ParameterRoot, ...]:
    def height(value: float) -> float:
        top = equatorial_complexity(family(value))
        return np.nan if top is None else top[1]

    return parameter_roots(height, levels(low, high, _LEVELS))


def _marginality(family: Family, sign: float) -> Callable[[float], float]:
    """How shattered the isolated minima of one sign are; NaN without any."""

    def excess(value: float) -> float:
        here = [x for x in isolated_minima(family(value)) if sign * x.overlap > 0]
        return max(x.marginality for x in here) - 1 if here else np.nan

    return excess


def _sigma(field: Covariance, overlap: float) -> float:
    return float(complexity_at_overlap(field, overlap).complexity)


def _stable(field: Covariance, sign: float) -> list[float]:
    """Isolated minima of one sign: where the pull Q'(m) sqrt(1 - m^2) / m falls to sqrt(Q'(1))."""
    terms = list(zip(field.coefficients, field.powers, strict=True))

    def pull(size: float | np.ndarray) -> float | np.ndarray:
        m = sign * size
        total = sum(c * k * m ** (k - 2) for c, k in terms)
        return total * np.sqrt(1 - m**2) - np.sqrt(field.slope(1.0))

    value = np.asarray(pull(_SIZES))
    falls = np.flatnonzero((value[:-1] > 0) & (value[1:] <= 0))
    cells = [(float(_SIZES[i]), float(_SIZES[i + 1])) for i in falls]
    solve: Any = scipy.optimize.brentq
    return [sign * float(solve(pull, *cell, xtol=1e-15)) for cell in cells]


def _last(name: str, roots: tuple[ParameterRoot, ...], rising: bool) -> Threshold:
    """The root beyond which there is no complexity any more, on the side where there is less."""
    if not roots:
        return Threshold(name, None, None, Status.no_branch)
    root = roots[0 if rising else -1]
    return Threshold(name, root.value, root.error_bound, root.status)

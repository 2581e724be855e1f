"""The planted state of a spherical field at any temperature: where dynamics that escapes ends.

Within the state of the plant two visits have the overlap q, and m with the plant, at

    chi = (1 - q) / T,    m = chi Q'(m),    q = chi^2 Q'(q) + m^2,

at T = 0 with q = 1. The state is stable where chi^2 Q''(q) < 1. At T = 1 this is the fixed point
of Bayes-optimal message passing, q = m = Q'(m) / (1 + Q'(m)); at T = 0 that of maximum likelihood,
m^2 Q'(1) = (1 - m^2) Q'(m)^2 (Sarao Mannelli et al. 2019b, 2020).
"""

from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import brentq

from solvable.core.arguments import non_negative
from solvable.core.covariance import Covariance

_POINTS = 2000  # of a scan in chi


class PlantedState(NamedTuple):
    """The planted state.

    Attributes:
        overlap: m, with the plant.
        self_overlap: q, between two visits.
        stability: 1 - chi^2 Q''(q), positive where the state is stable.
    """

    overlap: float
    self_overlap: float
    stability: float


def planted_state(field: Covariance, temperature: float) -> PlantedState | None:
    """The stable planted state with the largest overlap, None if there is none.

    Args:
        field: Q.
        temperature: T >= 0, of the Gibbs measure exp(-H / T).

    Raises:
        ValueError: for a negative temperature.

    Source: Sarao Mannelli et al. 2019b, 2020.

    Example:
        >>> planted_state(Covariance((2,), (1.0,)), 1.0).overlap  # 1 - delta at delta = 1 / 2
        0.5
    """
    temperature = non_negative("temperature", temperature)

    def overlap(chi: float) -> float:
        q = 1 - temperature * chi
        return max(q - chi**2 * float(field.slope(q)), 0.0) ** 0.5

    def gain(chi: float) -> float:
        m = overlap(chi)
        return chi * float(field.slope(m)) / m - 1 if m > 0 else np.nan

    # a stable state has chi < 1 / sqrt(Q''(q)), and m falls with chi as long as it is stable
    chis = np.linspace(0.0, _highest(field, temperature), _POINTS + 1)[1:-1]
    gains = np.array([gain(chi) for chi in chis])
    above = np.flatnonzero(gains >= 0)
    if len(above) == 0:
        return None
    k = above[0]
    solve: Any = brentq
    chi = float(solve(gain, chis[k - 1] if k else 1e-12, chis[k], xtol=1e-15))
    q = 1 - temperature * chi
    stability = 1 - chi**2 * float(field.curvature(q))
    return PlantedState(overlap(chi), q, stability) if stability > 0 else None


def _highest(field: Covariance, temperature: float) -> float:
    """The chi at which q or m vanishes, beyond which there is no state."""
    top = 1 / float(np.sqrt(field.slope(1.0)))
    if temperature == 0:
        return top

    def left(chi: float) -> float:
        q = 1 - temperature * chi
        return q - chi**2 * float(field.slope(q))

    end = 1 / temperature
    chis = np.linspace(0.0, end, _POINTS + 1)[:-1]
    negative = np.flatnonzero([left(chi) < 0 for chi in chis])
    return float(chis[negative[0]]) if len(negative) else end

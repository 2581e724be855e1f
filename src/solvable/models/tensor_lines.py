"""Thresholds of dynamics and landscape of the spiked matrix-tensor model, by name."""

from collections.abc import Callable, Mapping
from dataclasses import replace

from solvable.core.covariance import Covariance
from solvable.core.thresholds import Threshold, absent
from solvable.core.transition_lines import langevin_transitions, ml_amp_transitions
from solvable.core.trivialization import (
    trivialization,
    trivialization_all_m,
    trivialization_everywhere,
)

Family = Callable[[float], Covariance]


NAMES = (
    "langevin",
    "langevin_lower",
    "langevin_upper",
    "gradient_flow",
    "ml_amp",
    "trivialization",
    "trivialization_all_m",
    "trivialization_everywhere",
)


def lines(
    family: Family, p: int, in_matrix: bool, found: Mapping[str, Threshold]
) -> dict[str, Threshold]:
    """All of them along a family of fields.

    Args:
        family: the field at a value of the parameter.
        p: order of the tensor.
        in_matrix: whether the parameter is the noise of the matrix, with which the number of
            minima rises; it falls with that of the tensor.
        found: thresholds of the replica theory in the same parameter.
    """
    own = _langevin(family, p, found["algorithmic"])
    own |= {
        "gradient_flow": _first("gradient_flow", langevin_transitions(family, 0.0), "conjecture"),
        "ml_amp": _first("ml_amp", ml_amp_transitions(family), "replica"),
    }
    for find in (trivialization, trivialization_all_m, trivialization_everywhere):
        own[find.__name__] = replace(find(family, rising=in_matrix), rigour="replica")
    return own


def _langevin(family: Family, p: int, algorithmic: Threshold) -> dict[str, Threshold]:
    """At T = 1: for even p there may be two, else the lower one counts, or that of AMP."""
    roots = langevin_transitions(family, 1.0)
    first = _first("langevin", roots, "conjecture")
    if first.value is None:
        first = replace(algorithmic, name="langevin", rigour="conjecture")
    found = {"langevin": first}
    for name, k in (("langevin_lower", 0), ("langevin_upper", 1)):
        both = p > 3 and len(roots) > 1
        found[name] = _first(name, roots[k:], "conjecture") if both else absent(name)
    return found


def _first(name: str, roots: tuple, rigour: str) -> Threshold:
    if not roots:
        return absent(name)
    value, error_bound, status = roots[0][:3]
    return Threshold(name, float(value), float(error_bound), status, rigour)

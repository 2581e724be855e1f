"""The fixed points at one scale, ordered, told stable from unstable, and named."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from solvable.core.branches import Limits, Scan
from solvable.core.roots import Roots
from solvable.core.status import Status

MAIN_BRANCHES = ("bayes", "amp", "informed", "unstable")
_MARGINAL = 1e-9


@dataclass(frozen=True)
class FixedPoint:
    """One fixed point of a scalar state evolution.

    Attributes:
        place: "trivial" (q = 0), "interior" or "recovered" (q = rho).
        stable: under state evolution.
        root: position among the interior roots; -1 for the ends.
        status: converged, or marginal on a transition.
    """

    place: Literal["trivial", "interior", "recovered"]
    stable: bool
    root: int
    status: Status


def fixed_points(table: Scan, roots: Roots, scales: np.ndarray) -> list[list[FixedPoint]]:
    """All fixed points at every scale, by rising overlap."""
    members: list[list[int]] = [[] for _ in scales]
    for position in np.argsort(roots.x, kind="stable"):
        members[int(roots.index[position])].append(int(position))
    return [
        [
            *_trivial(table, float(scale)),
            *(_interior(roots, k) for k in inner),
            *_recovered(table.limits, float(scale)),
        ]
        for scale, inner in zip(scales, members, strict=True)
    ]


def _trivial(table: Scan, scale: float) -> list[FixedPoint]:
    limits = table.limits
    if not limits.trivial:
        return []
    # between the exact threshold and where the table begins, q is too small to be told from 0
    first = table.segments[0]
    unresolved = first.stable and limits.weak_recovery < scale < np.exp(first.h[0])
    marginal = unresolved or _is_close(scale, limits.weak_recovery)
    stable = scale <= limits.weak_recovery or unresolved
    return [FixedPoint("trivial", stable, -1, _status(marginal))]


def _interior(roots: Roots, k: int) -> FixedPoint:
    marginal = abs(roots.slope[k]) < _MARGINAL
    worst = float(np.max(roots.error[k]))
    lost = not np.isfinite(worst) or worst > 1e-6
    status = Status.marginal if marginal else Status.precision_loss if lost else Status.converged
    return FixedPoint("interior", bool(roots.stable[k]), k, status)


def _recovered(limits: Limits, scale: float) -> list[FixedPoint]:
    if not limits.recovered or scale < limits.recovery * (1 - _MARGINAL):
        return []
    return [FixedPoint("recovered", True, -1, _status(_is_close(scale, limits.recovery)))]


def _is_close(scale: float, threshold: float) -> bool:
    if not 0 < threshold < np.inf:
        return False
    return bool(abs(scale - threshold) <= _MARGINAL * threshold)


def _status(marginal: bool) -> Status:
    return Status.marginal if marginal else Status.converged


def name_branches(points: list[FixedPoint], free_entropy: list[float]) -> dict[str, int]:
    """Positions of the named branches among the fixed points of one scale.

    `amp` is the limit of uninformed starts q = 0+, so the lowest stable point; `informed` the
    highest; `bayes` the stable one of largest free entropy; then `unstable`, `unstable_2`, ... and
    the other stable ones `stable_2`, ..., by rising overlap.

    Args:
        points: by rising overlap.
        free_entropy: of each.
    """
    stable = [k for k, point in enumerate(points) if point.stable]
    named: dict[str, int] = {}
    if stable:
        # where two tie, the reachable one
        best = max(stable, key=lambda k: (free_entropy[k], -k))
        named = {"bayes": best, "amp": stable[0], "informed": stable[-1]}
    unstable = [k for k, point in enumerate(points) if not point.stable]
    for rank, k in enumerate(unstable, 1):
        named["unstable" if rank == 1 else f"unstable_{rank}"] = k
    for rank, k in enumerate(stable[1:-1], 2):
        named[f"stable_{rank}"] = k
    return named

"""One enumeration of how an answer ended, for the whole package."""

from enum import IntEnum
from typing import Any

import numpy as np


class Status(IntEnum):
    """How a solve ended; `advice` says what to try.

    The codes are stable: they are stored in NetCDF files.
    """

    converged = 0
    max_steps = 1
    non_finite = 2
    left_domain = 3
    marginal = 4
    no_branch = 5
    precision_loss = 6
    unsupported = 7

    @property
    def advice(self) -> str:
        """One sentence: what the status means and what to try next."""
        return _ADVICE[self]

    @property
    def is_answer(self) -> bool:
        """True if the status is an answer (exit code 0), not a failure (exit code 1)."""
        return self in _ANSWERS


_ADVICE = {
    Status.converged: "Converged: the residual is within the tolerance.",
    Status.max_steps: "The step limit was reached: raise `max_steps`, or add damping if the "
    "residual oscillates.",
    Status.non_finite: "A number overflowed or was not defined: check the data and the parameters "
    "for extreme values.",
    Status.left_domain: "The iteration left the domain where it is defined (a negative precision, "
    "or a variance that rises): add damping, center the design, or start from a larger overlap.",
    Status.marginal: "The point sits on a transition, where the fixed point is not isolated: move "
    "the parameter away from the transition.",
    Status.no_branch: "This branch or threshold does not exist at these parameters.",
    Status.precision_loss: "Double precision does not resolve this value to the digits asked: "
    "read the error bound, or stay further from the limit.",
    Status.unsupported: "No formula for this quantity is known for this model, or its message "
    "passing has no start that knows something: give `start`, an overlap.",
}
_ANSWERS = frozenset({Status.converged, Status.no_branch, Status.marginal, Status.unsupported})


def answered(codes: Any) -> np.ndarray:
    """Where an array of codes holds answers, not failures (`Status.is_answer`)."""
    return np.isin(codes, list(_ANSWERS))


def has_value(codes: Any) -> np.ndarray:
    """Where an array of codes stands beside a number that may be shown."""
    return np.isin(codes, (Status.converged, Status.marginal))


def severity(codes: Any) -> np.ndarray:
    """A rank for an array of codes: every failure is worse than every answer."""
    codes = np.asarray(codes, dtype=int)
    return np.where(answered(codes), 0, len(Status)) + codes

"""Damping x -> (1 - damping) F(x) + damping x: a fixed one, or one that follows the residual."""

from typing import Any, Final, NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from solvable.core.arguments import fail, in_interval

Column = Float[np.ndarray, "b 1"]


class Fixed(NamedTuple):
    """The same damping throughout; what leaves its domain ends.

    Attributes:
        damping: in [0, 1).
        patient: nowhere true.
    """

    damping: float
    patient: Bool[np.ndarray, " b"]

    def after(self, residual: Float[np.ndarray, " b"], left: Bool[np.ndarray, " b"]) -> "Fixed":
        """Itself."""
        return self


class Adaptive(NamedTuple):
    """Damping of every right-hand side: none at first, more while the residual does not fall.

    At the end of every `WINDOW` steps the geometric mean of their undamped residuals is compared
    with that of the window before. If it rose, the step length 1 - damping is multiplied by
    `SHRINK`; if it fell, by `GROW`, up to 1. So an iteration that converges loses its damping
    within some windows, and one that wanders about a fixed point, whose windows rise about as
    often as they fall, gains more and more. One that leaves its domain goes back to its best
    iterate with half the step length, which it never exceeds again. No step length falls below
    `SMALLEST`; an iteration that leaves its domain with that one ends.

    Attributes:
        length: 1 - damping of the next step.
        longest: which it may not exceed.
        total: sum of ln residual over the steps of this window.
        before: that of the window before, infinite if there is none.
        steps: steps of this window.
    """

    length: Column
    longest: Column
    total: Column
    before: Column
    steps: int = 0

    @classmethod
    def first(cls, batch: int) -> "Adaptive":
        """No damping yet."""
        one = np.ones((batch, 1))
        return cls(one, one, 0 * one, np.inf * one)

    @property
    def damping(self) -> Column:
        """Of the next step."""
        return 1 - self.length

    @property
    def patient(self) -> Bool[np.ndarray, " b"]:
        """Which right-hand sides may leave their domain and try again."""
        return self.length[:, 0] > SMALLEST

    def after(self, residual: Float[np.ndarray, " b"], left: Bool[np.ndarray, " b"]) -> "Adaptive":
        """The damping after one more step.

        Args:
            residual: undamped residuals of the step.
            left: which right-hand sides have left their domain.
        """
        away = left[:, None]
        seen = np.where(np.isfinite(residual) & ~left, np.maximum(residual, _TINY), 1.0)
        total = self.total + np.log(seen)[:, None]
        length = np.where(away, np.maximum(0.5 * self.length, SMALLEST), self.length)
        longest = np.where(away, length, self.longest)
        before = np.where(away, np.inf, self.before)
        if self.steps + 1 < WINDOW:
            return Adaptive(length, longest, total, before, self.steps + 1)
        scaled = length * np.where(total < before, GROW, SHRINK)
        length = np.clip(scaled, SMALLEST, longest)
        return Adaptive(length, longest, 0 * total, total)


def damping_rule(damping: Any, batch: int) -> Fixed | Adaptive:
    """The rule that an option names: a number in [0, 1), or "adaptive".

    Args:
        damping: the option.
        batch: number of right-hand sides or stacked problems.
    """
    if isinstance(damping, str):
        if damping != "adaptive":
            raise fail("damping", "be in [0, 1) or 'adaptive'", damping)
        return Adaptive.first(batch)
    return Fixed(in_interval("damping", damping, 0, 1, closed="left"), np.zeros(batch, bool))


WINDOW: Final = 10
SHRINK: Final = 0.7
GROW: Final = 1.05
SMALLEST: Final = 0.1
_TINY: Final = 1e-300

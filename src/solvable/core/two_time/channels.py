"""The terms of a Gaussian energy on the sphere as arrays, and how they change in time."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from solvable.core.arguments import fail, non_negative_vector, vector
from solvable.core.covariance import Covariance


@dataclass(frozen=True, eq=False)
class Channels:
    """The monomials of a covariance Q(x) = sum_k c_k x^{p_k}, each with an amplitude in time.

    With a schedule a_k(t) the dynamics feels the signal as a_k(t) c_k x^{p_k} and correlates the
    noise of two times as a_k(t) a_k(s) c_k x^{p_k}.

    Args:
        powers: shape (k,), integers >= 1, one for each monomial.
        coefficients: shape (k,), c_k >= 0.
        schedule: None (a_k = 1), or a function from times of shape (n,) to amplitudes a_k(t) >= 0
            of shape (k, n).

    Raises:
        ValueError: if a power is no positive integer, a coefficient is negative or the lengths
            differ.

    Source: mannelli2020marvels (also annealing of one channel).

    Example:
        >>> Channels([2, 3], [0.5, 1 / 3]).amplitudes(np.zeros(1))[:, 0]
        array([1., 1.])
    """

    powers: Int[np.ndarray, " k"]
    coefficients: Float[np.ndarray, " k"]
    schedule: Callable[[np.ndarray], Any] | None = None

    def __post_init__(self) -> None:
        powers = vector("powers", self.powers)
        if np.any(powers != np.round(powers)) or np.any(powers < 1):
            raise fail("powers", "hold integers of at least 1", powers.tolist())
        coefficients = non_negative_vector("coefficients", self.coefficients)
        if len(coefficients) != len(powers):
            raise fail("coefficients", f"have the length of `powers`, {len(powers)}", coefficients)
        object.__setattr__(self, "powers", powers.astype(np.int64))
        object.__setattr__(self, "coefficients", coefficients)

    @classmethod
    def of(
        cls, covariance: Covariance, schedule: Callable[[np.ndarray], Any] | None = None
    ) -> "Channels":
        """The terms of Q."""
        return cls(np.array(covariance.powers), np.array(covariance.coefficients), schedule)

    def amplitudes(self, times: Float[np.ndarray, " n"]) -> Float[np.ndarray, "k n"]:
        """a_k(t) at `times`; ones without a schedule.

        Raises:
            ValueError: if the schedule answers another shape, or amplitudes that are not finite
                and non-negative.
        """
        if self.schedule is None:
            return np.ones((len(self.powers), len(times)))
        answer = np.array(self.schedule(times), dtype=np.float64)
        if answer.shape != (len(self.powers), len(times)):
            raise fail("schedule", "answer one amplitude for each monomial and time", answer)
        if not np.all(np.isfinite(answer)) or np.any(answer < 0):
            raise fail("schedule", "answer finite, non-negative amplitudes", answer)
        return answer

"""Covariances of Gaussian fields on a sphere: Q(x) = sum_c q_c x^(k_c), and its derivatives."""

from dataclasses import dataclass
from typing import Any

from solvable.core.arguments import fail


@dataclass(frozen=True)
class Covariance:
    """Q(x) = sum_c q_c x^(k_c) of overlap x: a mixed p-spin field.

    Args:
        powers: k_c, integers of at least 2.
        coefficients: q_c >= 0, as many.

    Raises:
        ValueError: if they are not as many.

    Example:
        >>> Covariance((2, 3), (0.5, 1 / 3)).slope(1.0)
        2.0
    """

    powers: tuple[int, ...]
    coefficients: tuple[float, ...]

    def __post_init__(self) -> None:
        if len(self.powers) != len(self.coefficients):
            raise fail("coefficients", "be as many as the powers", self.coefficients)

    def __call__(self, x: Any) -> Any:
        """Q(x)."""
        return sum(q * x**k for q, k in self._terms())

    def slope(self, x: Any) -> Any:
        """Q'(x)."""
        return sum(q * k * x ** (k - 1) for q, k in self._terms())

    def curvature(self, x: Any) -> Any:
        """Q''(x)."""
        return sum(q * k * (k - 1) * x ** (k - 2) for q, k in self._terms())

    def channels(self) -> tuple["Covariance", ...]:
        """Each term alone."""
        return tuple(Covariance((k,), (q,)) for q, k in self._terms())

    def _terms(self) -> list[tuple[float, int]]:
        return list(zip(self.coefficients, self.powers, strict=True))

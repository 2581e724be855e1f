"""Finite inputs: vectors drawn in blocks, and what of their law a simulation measures."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

Block = tuple[np.ndarray, np.ndarray]


class AbstractSource(ABC):
    """A law of N inputs with a fixed map, if it has one."""

    @property
    @abstractmethod
    def size(self) -> int:
        """N."""

    @property
    @abstractmethod
    def seen(self) -> int:
        """Components of what the teacher sees."""

    @abstractmethod
    def draw(self, rng: np.random.Generator, count: int, first: int = 0) -> Block:
        """Inputs (count, N), and what the teacher sees of them, in single precision.

        `first` is how many came before; laws do not ask, a bank of samples goes on from there.
        """

    @abstractmethod
    def matched(self, rng: np.random.Generator, count: int) -> Float[np.ndarray, "count N"]:
        """Gaussian vectors with the covariance of the inputs, in single precision."""

    @abstractmethod
    def covariance(self, w: Float[np.ndarray, "k N"]) -> Float[np.ndarray, "k N"]:
        """w Omega."""

    @abstractmethod
    def seen_covariance(self, w: Float[np.ndarray, "k seen"]) -> Float[np.ndarray, "k seen"]:
        """w times the covariance of what the teacher sees."""

    @abstractmethod
    def signal(self, teacher: Float[np.ndarray, "M seen"]) -> Float[np.ndarray, "M N"]:
        """phi = sqrt(N) E x nu of the teacher's fields nu = teacher . seen / sqrt(len(seen))."""

    @abstractmethod
    def is_gaussian(self) -> bool:
        """Whether fields are Gaussian at any size."""


@dataclass(frozen=True, eq=False)
class GaussianSource(AbstractSource):
    """Independent Gaussian components.

    Args:
        variances: of the components, shape (N,).
    """

    variances: Float[np.ndarray, " N"]

    @property
    def size(self) -> int:
        return len(self.variances)

    @property
    def seen(self) -> int:
        return len(self.variances)

    def draw(self, rng: np.random.Generator, count: int, first: int = 0) -> Block:
        x = rng.standard_normal((count, self.size), dtype=np.float32)
        if np.any(self.variances != 1):
            x *= np.sqrt(self.variances).astype(np.float32)
        return x, x

    def matched(self, rng: np.random.Generator, count: int) -> Float[np.ndarray, "count N"]:
        return self.draw(rng, count)[0]

    def covariance(self, w: Float[np.ndarray, "k N"]) -> Float[np.ndarray, "k N"]:
        return w * self.variances

    def seen_covariance(self, w: Float[np.ndarray, "k seen"]) -> Float[np.ndarray, "k seen"]:
        return w * self.variances

    def signal(self, teacher: Float[np.ndarray, "M seen"]) -> Float[np.ndarray, "M N"]:
        return teacher * self.variances

    def is_gaussian(self) -> bool:
        return True


@dataclass(frozen=True, eq=False)
class ManifoldSource(AbstractSource):
    """x = f(F c / sqrt(D)).

    Args:
        features: F, shape (N, D), in single precision.
        function: f, of mean 0.
        slope: E z f(z).
        rest: Var f - slope^2.
        latent: whether the teacher sees c, or x.
    """

    features: Float[np.ndarray, "N D"]
    function: Callable[[Any], Any]
    slope: float
    rest: float
    latent: bool

    @property
    def size(self) -> int:
        return self.features.shape[0]

    @property
    def seen(self) -> int:
        return self.features.shape[1] if self.latent else self.features.shape[0]

    def draw(self, rng: np.random.Generator, count: int, first: int = 0) -> Block:
        width = self.features.shape[1]
        c = rng.standard_normal((count, width), dtype=np.float32)
        x = np.asarray(self.function(c @ self.features.T / np.float32(width**0.5)))
        return x, c if self.latent else x

    def matched(self, rng: np.random.Generator, count: int) -> Float[np.ndarray, "count N"]:
        """mu_1 F c / sqrt(D) + mu_* xi."""
        width = self.features.shape[1]
        c = rng.standard_normal((count, width), dtype=np.float32)
        x = c @ self.features.T * np.float32(self.slope / width**0.5)
        rest = rng.standard_normal((count, self.size), dtype=np.float32)
        return x + np.float32(self.rest**0.5) * rest

    def covariance(self, w: Float[np.ndarray, "k N"]) -> Float[np.ndarray, "k N"]:
        """With inputs as Gaussian as their sums are."""
        F = self.features
        return self.rest * w + self.slope**2 * ((w @ F) @ F.T) / F.shape[1]

    def seen_covariance(self, w: Float[np.ndarray, "k seen"]) -> Float[np.ndarray, "k seen"]:
        return w if self.latent else self.covariance(w)

    def signal(self, teacher: Float[np.ndarray, "M seen"]) -> Float[np.ndarray, "M N"]:
        if not self.latent:
            return self.covariance(teacher)
        F = self.features
        return self.slope * (teacher @ F.T) * F.shape[0] ** 0.5 / F.shape[1]

    def is_gaussian(self) -> bool:
        return False

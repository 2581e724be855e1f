"""Inputs of a network as its learning sees them: the covariance of x, mode by mode.

With local fields lambda_k = w_k . x / sqrt(N) of the student and nu_m of the teacher, jointly
Gaussian for large N (Goldt et al. 2020), all that matters of x are the eigenvalues s of its
covariance, with eigenvectors u, and phi_m = sqrt(N) E x nu_m:

    Q_kl = E lambda_k lambda_l = mean_u s (w_k . u)(w_l . u),
    R_km = E lambda_k nu_m     = mean_u (w_k . u)(u . phi_m).
"""

from abc import abstractmethod
from typing import NamedTuple

from jaxtyping import Array, Float, PRNGKeyArray

from solvable.bricks.inputs.sources import AbstractSource
from solvable.core.specification import Specification


class Modes(NamedTuple):
    """Directions u of input space, in groups that learn alike.

    Attributes:
        share: of the N directions, in every group; sums to 1.
        variance: eigenvalue s of the covariance of x.
        signal: (u . phi_m)(u . phi_n) / T_mn, the mean over a group; T = E nu nu^T.
    """

    share: Float[Array, " groups"]
    variance: Float[Array, " groups"]
    signal: Float[Array, " groups"]


class AbstractInputs(Specification):
    """Law of input vectors."""

    @abstractmethod
    def modes(self, teacher_on: str) -> Modes:
        """The groups of directions, for a teacher on the "input" or on its "latent" vector."""

    @abstractmethod
    def source(self, key: PRNGKeyArray, size: int, teacher_on: str) -> AbstractSource:
        """Inputs with N = size components, and what such a teacher sees of them."""

"""What the learning of a two-layer network needs of its activations: averages over its fields.

The K fields of the student and the M of the teacher are Gaussian with covariance c; with signed
weights s = (v, -v_teacher) the student's error is Delta = sum_j s_j g_j(lambda_j). Since, by
partial integration, E g'(lambda_k) x Delta = sum_j E(x lambda_j) E(g'_k s_j g'_j) + E(x lambda_k)
E(g''_k Delta), all that online learning needs are (Saad & Solla 1995, Goldt et al. 2019)

    I_jl = E g_j g_l,    J_kj = E g'_k g'_j,    b_k = E g''_k Delta,    G_ik = E g'_i g'_k Delta^2.
"""

from abc import abstractmethod
from typing import NamedTuple

import equinox as eqx
from jaxtyping import Array, Float


class Averages(NamedTuple):
    """Averages over n = K + M fields, those of the student first.

    Attributes:
        products: I, shape (n, n).
        slopes: J of the student's fields with all, shape (K, n).
        bends: b, shape (K,).
        squares: G, shape (K, K).
    """

    products: Float[Array, "n n"]
    slopes: Float[Array, "K n"]
    bends: Float[Array, " K"]
    squares: Float[Array, "K K"]


class AbstractAverages(eqx.Module):
    """Averages of the activations of student and teacher."""

    @abstractmethod
    def at(self, c: Float[Array, "n n"], s: Float[Array, " n"], students: int) -> Averages:
        """The averages at a covariance and signed weights; the first fields are the student's."""

    @abstractmethod
    def products(self, c: Float[Array, "n n"], students: int) -> Float[Array, "n n"]:
        """I alone."""

    @abstractmethod
    def finest(self) -> float:
        """The tolerance of a solution below which rounding in these averages would be seen."""

    @abstractmethod
    def coarser(self) -> "AbstractAverages":
        """The same to a lower degree of an expansion; itself where there is none."""

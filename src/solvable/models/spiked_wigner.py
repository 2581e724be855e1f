"""The spiked Wigner model: a symmetric matrix of low rank in noise."""

from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Float, PRNGKeyArray

from solvable.algorithms.low_rank_amp import Problem, Start
from solvable.algorithms.low_rank_spectral import (
    Covariance,
    WignerEstimate,
    lamp_wigner,
    pca_wigner,
)
from solvable.bricks.chain import Layers
from solvable.bricks.low_rank import Wigner
from solvable.bricks.priors.base import AbstractVectorPrior, Law
from solvable.core.arguments import UNSET, parameter, positive
from solvable.core.instance import Data, Instance
from solvable.core.random_matrix import WignerLinearized, WignerPCA
from solvable.core.randomness import add_outer, fold, symmetric_noise
from solvable.core.spectral_laws import SpectralLaw
from solvable.models.chain import Subject
from solvable.models.low_rank import AbstractLowRankModel, Spike, ended, side, square_spike

CARD = dict(
    kind="model",
    name="SpikedWigner",
    summary="a symmetric matrix of low rank in noise: Y = v v^T / sqrt(p) + xi",
    parameters={
        "prior": "a prior, of the components of v, a vector prior, or `Generative`",
        "delta": "> 0, variance of the noise",
    },
    observables=[
        "overlap",
        "mse",
        "matrix_mse",
        "free_entropy",
        "mutual_information",
        "overlap_pca",
        "overlap_lamp",
    ],
    thresholds=[
        "weak_recovery",
        "information_theoretic",
        "algorithmic",
        "spinodal_uninformed",
        "spinodal_informed",
    ],
    rigour="theorem",
    references=["lelarge2019", "dia2016", "aubin2019", "lesieur2017"],
)


class SpikedWigner(AbstractLowRankModel):
    """Y = v v^T / sqrt(p) + xi, xi symmetric with N(0, delta) off the diagonal, v_i ~ prior.

    Mutual information of v and Y per component (Dia et al. 2016; Lelarge & Miolane 2019), for a
    generative prior with the potential of its chain in place of I (Aubin et al. 2019):

        i = inf_q  (rho - q)^2 / (4 delta) + I(v; v + sqrt(delta / q) xi),

    whose stationarity is state evolution, q = q_v(q / delta). `overlap` and `mse` are of v, up to
    the global sign where the prior is even; `overlap_0`, `mse_0`, ... of the layers of a
    generative prior, the latent vector first; `matrix_mse` of v v^T, rho^2 - q^2. `free_entropy`
    is rho^2 / (4 delta) - i. `overlap_pca` and, for generative priors, `overlap_lamp` are the
    squared cosines with v that spectral methods reach, the same on every branch.

    With a prior of vectors v is a p x k matrix, Y one of higher rank, and q a k x k matrix, a
    multiple of one projector: every term is that of one direction times their number (Lesieur et
    al. 2017). `overlap` is Tr q, up to a permutation of the groups, `mse` Tr (rho - q), and
    `matrix_mse` Tr (rho^2 - q^2).

    Args:
        prior: law of the components of the spike, a vector prior, or a generative prior.
        delta: variance of the noise, > 0; may be left unset where it is swept.

    Raises:
        ValueError: if the prior is none, or delta is not positive.

    Example:
        >>> import solvable as sv
        >>> SpikedWigner(prior=sv.Rademacher(), delta=0.5)
        SpikedWigner(prior=Rademacher(), delta=0.5)
    """

    prior: Spike = eqx.field(converter=lambda x: square_spike("prior", x))
    delta: Any = parameter("delta", positive, default=UNSET)

    def subject(self) -> Subject:
        prior = self.prior
        directions = prior.directions() if isinstance(prior, AbstractVectorPrior) else 1
        return Subject(len(self.chain()[1]) - 1, "", directions)

    def spikes(self) -> tuple[Spike, None]:
        return self.prior, None

    def chain(self) -> tuple[Law, Layers]:
        return ended(self.prior, Wigner(delta=self.delta))

    def sample(self, key: PRNGKeyArray, size: int) -> Instance:
        """One instance: Y (p, p), v, and the layers below v; p = size.

        With a generative prior p / k is as near to the product of the ratios as whole numbers are.
        """
        weights, (v, *latent) = self.draw_spike(self.prior, key, size)
        matrix = symmetric_noise(fold(key, "matrix"), len(v), float(self.delta) ** 0.5)
        add_outer(matrix, v, v, len(v) ** -0.5)
        return Instance(Data(weights, matrix), v, tuple(latent))

    def pca(self, deltas: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        rho = float(self._facts().rho_z)
        return np.array([WignerPCA(float(delta), rho).squared_cosine for delta in deltas])

    def linearized(self, law: SpectralLaw, delta: float) -> WignerLinearized:
        return WignerLinearized(law, delta)

    def leading(
        self, matrix: Any, covariance: Covariance | None, key: PRNGKeyArray
    ) -> WignerEstimate:
        if covariance is None:
            return pca_wigner(matrix, key=key)
        rho = float(self._facts().rho_z)
        return lamp_wigner(matrix, covariance, float(self.delta), rho, key=key)

    def spectral_start(self, problem: Problem, key: PRNGKeyArray) -> Start | None:
        """The leading eigenvector, scaled to its overlap with v.

        It is the fixed point of message passing for a Gaussian prior, which gives the start's
        variance and memory (Montanari & Venkataramanan 2021).
        """
        rho = float(self._facts().rho_z)
        cosine = WignerPCA(problem.delta, rho).squared_cosine
        if cosine == 0:
            return None
        found = self.leading(problem.matrix, None, key).vector * (rho * cosine) ** 0.5
        return Start(found, rho * (1 - cosine), before=found)

    def problem(self, data: Data) -> Problem:
        matrix = data.observation
        return Problem(matrix, float(self.delta), side(self.prior, len(matrix), data.design))

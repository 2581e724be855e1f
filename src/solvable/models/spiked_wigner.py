"""The spiked Wigner model: a symmetric matrix of low rank in noise."""

from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import PRNGKeyArray

from solvable.algorithms.low_rank_amp import Problem
from solvable.algorithms.low_rank_spectral import (
    Covariance,
    WignerEstimate,
    lamp_wigner,
    pca_wigner,
)
from solvable.bricks.chain import Layers
from solvable.bricks.low_rank import Wigner
from solvable.bricks.matrix_channels.base import AbstractMatrixChannel
from solvable.bricks.matrix_channels.matrices import draw_symmetric
from solvable.bricks.priors.base import Law
from solvable.core.arguments import UNSET, parameter, positive
from solvable.core.instance import Data, Instance
from solvable.core.random_matrix import WignerLinearized, WignerPCA
from solvable.core.randomness import add_outer, fold, symmetric_noise
from solvable.core.spectral_laws import SpectralLaw
from solvable.models.chain import Subject
from solvable.models.low_rank import (
    AbstractLowRankModel,
    Spike,
    ended,
    matrix_channel,
    side,
    spike,
)

CARD = dict(
    kind="model",
    name="SpikedWigner",
    summary="a symmetric matrix of low rank in noise: Y = v v^T / sqrt(p) + xi",
    parameters={
        "prior": "a prior, of the components of v, a vector prior, or `Generative`",
        "delta": "> 0, variance of Gaussian noise",
        "channel": "a matrix channel in place of Gaussian noise, or None",
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

    With a prior of vectors v is a p x k matrix, Y = v v^T / sqrt(p) + xi one of higher rank, and q
    a k x k matrix (Lesieur et al. 2017; `bricks/priors/vectors.py` says how it is followed):

        i = Tr (rho - q)^2 / (4 delta) + I(v; (q / delta)^(1/2) v + xi).

    `overlap` is Tr q, up to the symmetries of the prior (names of groups), `mse` Tr (rho - q),
    `matrix_mse` Tr (rho^2 - q^2), and `overlap_pca` the mean squared cosine of the directions of
    v with the leading eigenvectors.

    Args:
        prior: law of the components of the spike, a vector prior, or a generative prior.
        delta: variance of the noise, > 0; may be left unset where it is swept.
        channel: law of the entries given those of v v^T / sqrt(p), in place of Gaussian noise.
            Then delta follows from its Fisher information, and must not be given; the diagonal is
            not observed.

    Raises:
        ValueError: if the prior is none, delta is not positive, or there are delta and a channel.

    Example:
        >>> import solvable as sv
        >>> SpikedWigner(prior=sv.Rademacher(), delta=0.5)
        SpikedWigner(prior=Rademacher(), delta=0.5)
    """

    prior: Spike = eqx.field(converter=lambda x: spike("prior", x))
    delta: Any = parameter("delta", positive, default=UNSET, unless="channel")
    channel: AbstractMatrixChannel | None = eqx.field(converter=matrix_channel, default=None)

    def subject(self) -> Subject:
        return Subject(len(self.chain()[1]) - 1, "")

    def spikes(self) -> tuple[Spike, None]:
        return self.prior, None

    def chain(self) -> tuple[Law, Layers]:
        return ended(self.prior, Wigner(delta=self.noise()))

    def sample(self, key: PRNGKeyArray, size: int) -> Instance:
        """One instance: Y (p, p), v, and the layers below v; p = size.

        With a generative prior p / k is as near to the product of the ratios as whole numbers are.
        """
        weights, (v, *latent) = self.draw_spike(self.prior, key, size)
        if self.channel is not None:
            matrix = draw_symmetric(self.channel, fold(key, "matrix"), v)
            return Instance(Data(weights, matrix), v, tuple(latent))
        matrix = symmetric_noise(fold(key, "matrix"), len(v), float(self.delta) ** 0.5)
        add_outer(matrix, v, v, len(v) ** -0.5)
        return Instance(Data(weights, matrix), v, tuple(latent))

    def pca(self, delta: float, rho: float) -> WignerPCA:
        return WignerPCA(delta, rho)

    def linearized(self, law: SpectralLaw, delta: float) -> WignerLinearized:
        return WignerLinearized(law, delta)

    def leading(
        self, matrix: Any, covariance: Covariance | None, key: PRNGKeyArray, count: int = 1
    ) -> WignerEstimate:
        if covariance is None:
            return pca_wigner(matrix, count, key=key)
        rho = float(self._facts().rho_z)
        return lamp_wigner(matrix, covariance, float(self.noise()), rho, key=key)

    def memory(self, problem: Problem, mean: Any, variance: Any) -> Any:
        return mean

    def problem(self, data: Data) -> Problem:
        matrix = self.seen(data.observation)
        if self.channel is not None:
            np.fill_diagonal(matrix, 0.0)
        return Problem(matrix, float(self.noise()), side(self.prior, len(matrix), data.design))

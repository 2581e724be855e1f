"""The spiked Wishart model: a rectangular matrix of rank one in noise."""

from dataclasses import replace
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import PRNGKeyArray

from solvable.algorithms.designs import Dense
from solvable.algorithms.low_rank_amp import Problem
from solvable.algorithms.low_rank_spectral import (
    Covariance,
    WishartEstimate,
    lamp_wishart,
    pca_wishart,
)
from solvable.bricks.chain import Layers
from solvable.bricks.low_rank import Wishart
from solvable.bricks.matrix_channels.base import AbstractMatrixChannel
from solvable.bricks.matrix_channels.matrices import draw_rectangular
from solvable.bricks.priors.base import AbstractPrior, Law
from solvable.bricks.priors.gaussian import Gaussian
from solvable.bricks.priors.one_hot import OneHot
from solvable.bricks.priors.vectors import AbstractVectorPrior, IsotropicRows
from solvable.core.arguments import UNSET, fail, instance, parameter, positive
from solvable.core.instance import Data, Instance
from solvable.core.random_matrix import WishartLinearized, WishartPCA
from solvable.core.randomness import add_outer, fold, normal_matrix
from solvable.core.specification import numeric
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
    name="SpikedWishart",
    summary="a rectangular matrix of rank one in noise: Y = u v^T / sqrt(p) + xi",
    parameters={
        "prior_u": "a prior, of the components of u",
        "prior_v": "a prior, of the components of v, or `Generative`",
        "beta": "> 0, rows / columns, n / p",
        "delta": "> 0, variance of Gaussian noise",
        "channel": "a matrix channel in place of Gaussian noise, or None",
    },
    observables=[
        "overlap_v",
        "mse_v",
        "overlap_u",
        "mse_u",
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
    references=["miolane2017", "lesieur2017", "aubin2019"],
)


class SpikedWishart(AbstractLowRankModel):
    """Y = u v^T / sqrt(p) + xi, n rows and p columns, xi iid N(0, delta), n = beta p.

    Mutual information of (u, v) and Y per component of v (Miolane 2017; Aubin et al. 2019 for
    generative priors):

        i = extr  beta (rho_u - q_u)(rho_v - q_v) / (2 delta)
                + beta I_u(q_v / delta) + I_v(beta q_u / delta),

    whose stationarity is state evolution, q_u = q_u(q_v / delta), q_v = q_v(beta q_u / delta).
    `overlap_u`, `mse_u`, `overlap_v`, `mse_v`; `matrix_mse` of u v^T, rho_u rho_v - q_u q_v;
    `free_entropy` is beta rho_u rho_v / (2 delta) - i. `overlap_pca` and, for generative priors,
    `overlap_lamp` are the squared cosines with v that spectral methods reach, the same on every
    branch.

    Args:
        prior_u: law of the components of u.
        prior_v: law of the components of v, or a generative prior.
        beta: rows over columns, n / p, > 0; may be left unset where it is swept.
        delta: variance of the noise, > 0; may be left unset where it is swept.
        channel: law of the entries given those of u v^T / sqrt(p), in place of Gaussian noise.
            Then delta follows from its Fisher information, and must not be given.

    Raises:
        ValueError: if a prior is none, beta or delta is not positive, or there are delta and a
            channel.

    Example:
        >>> import solvable as sv
        >>> SpikedWishart(prior_u=sv.Gaussian(), prior_v=sv.Rademacher(), beta=1.0, delta=0.5)
        SpikedWishart(prior_u=Gaussian(), prior_v=Rademacher(), beta=1.0, delta=0.5)
    """

    prior_u: AbstractPrior = eqx.field(
        converter=lambda x: instance("prior_u", x, AbstractPrior, "a prior, as `Gaussian()`")
    )
    prior_v: Spike = eqx.field(converter=lambda x: spike("prior_v", x))
    beta: Any = parameter("beta", positive, default=UNSET)
    delta: Any = parameter("delta", positive, default=UNSET, unless="channel")
    channel: AbstractMatrixChannel | None = eqx.field(converter=matrix_channel, default=None)

    def __check_init__(self) -> None:
        if not isinstance(self.prior_v, AbstractVectorPrior):
            return
        if not isinstance(self.prior_v, OneHot):
            raise fail("prior_v", "be `OneHot` where it is a prior of vectors", self.prior_v)
        if not isinstance(self.prior_u, Gaussian) or self.prior_u.mean != 0:
            must = "be a Gaussian of mean 0 where `prior_v` is a prior of vectors"
            raise fail("prior_u", must, self.prior_u)

    def subject(self) -> Subject:
        return Subject(len(self.chain()[1]) - 1, "_v")

    def spikes(self) -> tuple[Spike, AbstractPrior]:
        return self.prior_v, self.prior_u

    def chain(self) -> tuple[Law, Layers]:
        law_u: Law = self.prior_u
        if isinstance(self.prior_v, OneHot) and isinstance(self.prior_u, Gaussian):
            law_u = IsotropicRows(self.prior_u, self.prior_v.k - 1, self.prior_v.k)
        end = Wishart(prior_u=law_u, beta=self.beta, delta=self.noise())
        return ended(self.prior_v, end)

    def sample(self, key: PRNGKeyArray, size: int) -> Instance:
        """One instance: Y (n, p), v, u and the layers below v; p = size, n = round(beta p)."""
        weights, (v, *latent) = self.draw_spike(key, size)
        p = len(v)
        n = max(1, round(float(self.beta) * p))
        shape = (n, *v.shape[1:])
        u = np.array(numeric(self.prior_u).sample(fold(key, "signal_u"), shape))
        if self.channel is not None:
            matrix = draw_rectangular(self.channel, fold(key, "matrix"), u, v)
            return Instance(Data(weights, matrix), v, (u, *latent))
        matrix = normal_matrix(fold(key, "matrix"), (n, p), float(self.delta) ** 0.5)
        add_outer(matrix, u, v, p**-0.5)
        return Instance(Data(weights, matrix), v, (u, *latent))

    def pca(self, delta: float, rho: float) -> WishartPCA:
        return WishartPCA(delta, float(self.beta), float(self.prior_u.second_moment()), rho)

    def linearized(self, law: SpectralLaw, delta: float) -> WishartLinearized:
        """With sqrt(rho_u) v in place of v, u has unit variance."""
        rho_u = float(self.prior_u.second_moment())
        scaled = SpectralLaw(rho_u * law.nodes, law.weights)
        return WishartLinearized(scaled, delta, float(self.beta))

    def leading(
        self, matrix: Any, covariance: Covariance | None, key: PRNGKeyArray, count: int = 1
    ) -> WishartEstimate:
        if covariance is None:
            return pca_wishart(matrix, count, key=key)
        # with u of unit variance
        rho_u = float(self.prior_u.second_moment())
        known = replace(covariance, scale=rho_u * covariance.scale, ridge=rho_u * covariance.ridge)
        rho = rho_u * float(self._facts().rho_z)
        return lamp_wishart(matrix, known, float(self.noise()), rho, key=key)

    def memory(self, problem: Problem, mean: Any, variance: Any) -> Any:
        """u = V_u / (1 + V_u V_v / delta) Y v / (delta sqrt p), a direction at a time."""
        p, delta = problem.matrix.shape[1], problem.delta
        rho_u, rho_v = float(self.prior_u.second_moment()), self.variances()[: np.size(variance)]
        V_u = rho_u / (1 + rho_u * (rho_v - variance) / delta)
        seen = Dense(problem.matrix).matvec(mean) / (delta * p**0.5)
        return V_u / (1 + V_u * variance / delta) * seen

    def problem(self, data: Data) -> Problem:
        matrix = self.seen(data.observation)
        n, p = matrix.shape
        v, u = side(self.prior_v, p, data.design), side((self.laws() or self.spikes())[1], n, None)
        return Problem(matrix, float(self.noise()), v, u)

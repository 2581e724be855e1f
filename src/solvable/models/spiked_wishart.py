"""The spiked Wishart model: a rectangular matrix of low rank in noise."""

from dataclasses import replace
from typing import Any

import equinox as eqx
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
from solvable.bricks.generative import Generative
from solvable.bricks.low_rank import Wigner, Wishart
from solvable.bricks.matrix_channels.base import AbstractMatrixChannel
from solvable.bricks.matrix_channels.matrices import draw_rectangular
from solvable.bricks.priors.base import AbstractPrior, Law
from solvable.bricks.priors.gaussian import Gaussian
from solvable.bricks.priors.one_hot import OneHot
from solvable.bricks.priors.pairs import Pairs
from solvable.bricks.priors.vector_gaussian_mixture import VectorGaussianMixture
from solvable.bricks.priors.vectors import AbstractVectorPrior, IsotropicRows
from solvable.core.arguments import UNSET, fail, instance, parameter, positive
from solvable.core.instance import Data, Instance
from solvable.core.random_matrix import WishartLinearized, WishartPCA
from solvable.core.randomness import add_outer, fold, normal_matrix
from solvable.core.spectral_laws import SpectralLaw
from solvable.models.chain import Subject
from solvable.models.low_rank import (
    AbstractLowRankModel,
    Spike,
    ended,
    input_of,
    layers_of,
    matrix_channel,
    side,
    spike,
)

CARD = dict(
    kind="model",
    name="SpikedWishart",
    summary="a rectangular matrix of low rank in noise: Y = u v^T / sqrt(p) + xi",
    parameters={
        "prior_u": "a prior, of the components of u, or `Generative`",
        "prior_v": "a prior, of the components of v, a vector prior, or `Generative`",
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

_NUMBERS = "a prior of numbers, as `Gaussian()` or `Generative(...)`"


class SpikedWishart(AbstractLowRankModel):
    """Y = u v^T / sqrt(p) + xi, n rows and p columns, xi iid N(0, delta), n = beta p.

    Mutual information of (u, v) and Y per component of v (Miolane 2017; Aubin et al. 2019 for
    generative priors):

        i = extr  beta (rho_u - q_u)(rho_v - q_v) / (2 delta)
                + beta I_u(q_v / delta) + I_v(beta q_u / delta),

    whose stationarity is state evolution, q_u = q_u(q_v / delta), q_v = q_v(beta q_u / delta); for
    a generative prior I is the potential of its chain. `overlap_u`, `mse_u`, `overlap_v`, `mse_v`;
    `overlap_0`, `mse_0`, ... of the layers of a generative v, the latent vector first, and
    `overlap_u_0`, `mse_u_0`, ... of u; `matrix_mse` of u v^T, rho_u rho_v - q_u q_v;
    `free_entropy` is beta rho_u rho_v / (2 delta) - i. `overlap_pca` and, for generative priors,
    `overlap_lamp` are the squared cosines with v that spectral methods reach, the same on every
    branch; with a generative u there is no formula for LAMP.

    With a prior of vectors v is a p x k matrix and u one of n x k independent Gaussian components,
    Y = u v^T / sqrt(p) + xi: clusters of the columns of Y (Lesieur et al. 2017). Overlaps are
    k x k matrices, whose traces are given; `bricks/priors/pairs.py` says how they are followed.

    Without a mean of either spike nothing is found by message passing beyond delta = sqrt(beta R_u
    R_v), R = rho^2 + sum over the layers below of what they add: (E phi^2)^2 + ratio (E z phi)^4
    for one layer phi(z).

    Args:
        prior_u: law of the components of u, or a generative prior. Its network may not be one
            whose input alone stays unknown (an even layer) or alone can be known exactly (labels
            without noise); as `prior_v` it may.
        prior_v: law of the components of v, a vector prior (prior_u is then a Gaussian of mean 0),
            or a generative prior.
        beta: rows over columns, n / p, > 0; may be left unset where it is swept.
        delta: variance of the noise, > 0; may be left unset where it is swept.
        channel: law of the entries given those of u v^T / sqrt(p), in place of Gaussian noise.
            Then delta follows from its Fisher information, and must not be given.

    Raises:
        ValueError: if a prior is none, beta or delta is not positive, there are delta and a
            channel, or beside a vector prior u is not Gaussian of mean 0.

    Example:
        >>> import solvable as sv
        >>> SpikedWishart(prior_u=sv.Gaussian(), prior_v=sv.Rademacher(), beta=1.0, delta=0.5)
        SpikedWishart(prior_u=Gaussian(), prior_v=Rademacher(), beta=1.0, delta=0.5)
    """

    prior_u: AbstractPrior | Generative = eqx.field(
        converter=lambda x: instance("prior_u", x, (AbstractPrior, Generative), _NUMBERS)
    )
    prior_v: Spike = eqx.field(converter=lambda x: spike("prior_v", x))
    beta: Any = parameter("beta", positive, default=UNSET)
    delta: Any = parameter("delta", positive, default=UNSET, unless="channel")
    channel: AbstractMatrixChannel | None = eqx.field(converter=matrix_channel, default=None)

    def __check_init__(self) -> None:
        if not isinstance(self.prior_v, AbstractVectorPrior):
            return
        if not isinstance(self.prior_u, Gaussian) or self.prior_u.mean != 0:
            must = "be a Gaussian of mean 0 where `prior_v` is a prior of vectors"
            raise fail("prior_u", must, self.prior_u)

    def subject(self) -> Subject:
        return Subject(len(self.chain()[1]) - 1, "_v")

    def spikes(self) -> tuple[Spike, Spike]:
        return self.prior_v, self.prior_u

    def chain(self) -> tuple[Law, Layers]:
        source: Law = input_of(self.prior_u)
        if isinstance(self.prior_u, Gaussian):
            if isinstance(self.prior_v, VectorGaussianMixture):
                pairs = Pairs(self.prior_v, self.prior_u, self.beta)
                return pairs, (Wigner(delta=self.noise(), beta=self.beta),)
            if isinstance(self.prior_v, OneHot):
                source = IsotropicRows(self.prior_u, self.prior_v.k - 1, self.prior_v.k)
        layers = layers_of(self.prior_u)
        end = Wishart(prior_u=source, layers_u=layers, beta=self.beta, delta=self.noise())
        return ended(self.prior_v, end)

    def rho_u(self) -> float:
        """Second moment of a component of u."""
        if isinstance(self.prior_u, AbstractPrior):
            return float(self.prior_u.second_moment())
        facts = self._facts().other
        assert facts is not None
        return float(facts.rho_z)

    def sample(self, key: PRNGKeyArray, size: int) -> Instance:
        """One instance: Y (n, p), v, u, the layers below v and those below u.

        p = size and n = round(beta p), as near as the ratios of generative priors allow.
        """
        weights, (v, *latent) = self.draw_spike(self.prior_v, key, size)
        p = len(v)
        rows = max(1, round(float(self.beta) * p))
        law_u = (self.laws() or self.spikes())[1]
        weights_u, (u, *latent_u) = self.draw_spike(law_u, fold(key, "signal_u"), rows)
        hidden = (u, *latent, *latent_u)
        if self.channel is not None:
            matrix = draw_rectangular(self.channel, fold(key, "matrix"), u, v)
            return Instance(Data(weights, matrix, weights_u), v, hidden)
        matrix = normal_matrix(fold(key, "matrix"), (len(u), p), float(self.delta) ** 0.5)
        add_outer(matrix, u, v, p**-0.5)
        return Instance(Data(weights, matrix, weights_u), v, hidden)

    def pca(self, delta: float, rho: float) -> WishartPCA:
        return WishartPCA(delta, float(self.beta), self.rho_u(), rho)

    def linearized(self, law: SpectralLaw, delta: float) -> WishartLinearized:
        """With sqrt(rho_u) v in place of v, u has unit variance."""
        rho_u = self.rho_u()
        scaled = SpectralLaw(rho_u * law.nodes, law.weights)
        return WishartLinearized(scaled, delta, float(self.beta))

    def leading(
        self, matrix: Any, covariance: Covariance | None, key: PRNGKeyArray, count: int = 1
    ) -> WishartEstimate:
        if covariance is None:
            return pca_wishart(matrix, count, key=key)
        # with u of unit variance
        rho_u = self.rho_u()
        known = replace(covariance, scale=rho_u * covariance.scale, ridge=rho_u * covariance.ridge)
        rho = rho_u * float(self._facts().rho_z)
        return lamp_wishart(matrix, known, float(self.noise()), rho, key=key)

    def memory(self, problem: Problem, mean: Any, variance: Any) -> Any:
        """u = V_u / (1 + V_u V_v / delta) Y v / (delta sqrt p), a direction at a time."""
        p, delta = problem.matrix.shape[1], problem.delta
        rho_u, rho_v = self.rho_u(), self.variances()
        V_u = rho_u / (1 + rho_u * (rho_v - variance) / delta)
        seen = Dense(problem.matrix).matvec(mean) / (delta * p**0.5)
        return V_u / (1 + V_u * variance / delta) * seen

    def problem(self, data: Data) -> Problem:
        matrix = self.seen(data.observation)
        n, p = matrix.shape
        laws = self.laws() or self.spikes()
        v = side(self.prior_v, p, data.design)
        u = side(laws[1], n, data.design_u, "weights_u")
        return Problem(matrix, float(self.noise()), v, u)

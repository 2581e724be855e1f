"""What spiked matrix models share: their theory is that of a chain which ends in a matrix.

An instance is a noisy matrix; message passing is `algorithms.low_rank_amp`, whose estimates are
measured in the order v, u, the layers below v, and those below u.
"""

import dataclasses
from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, PRNGKeyArray

from solvable.algorithms import low_rank_amp
from solvable.algorithms.convergence import Info, Outcome
from solvable.algorithms.designs import as_design
from solvable.algorithms.low_rank_amp import Problem, Side, Start, State
from solvable.algorithms.low_rank_spectral import Covariance
from solvable.algorithms.problem import Generator
from solvable.algorithms.vector_spike import State as VectorState
from solvable.algorithms.vector_start import directions, oriented
from solvable.bricks.chain import HiddenLaw, Layers
from solvable.bricks.channels.linear import Linear
from solvable.bricks.generative import Generative
from solvable.bricks.layer import Layer
from solvable.bricks.low_rank import AbstractLowRank
from solvable.bricks.matrix_channels.base import AbstractMatrixChannel, noise_variance
from solvable.bricks.matrix_channels.matrices import spiked_matrix
from solvable.bricks.priors.base import AbstractPrior, Law
from solvable.bricks.priors.vector_gaussian_mixture import VectorGaussianMixture
from solvable.bricks.priors.vectors import AbstractVectorPrior
from solvable.core.arguments import UNSET, fail
from solvable.core.arguments import instance as of_kind
from solvable.core.instance import Data, Instance
from solvable.core.random_matrix import AbstractLinearized
from solvable.core.randomness import fold, numpy_generator
from solvable.core.specification import numeric
from solvable.core.spectral_laws import SpectralLaw, feature_covariance_law
from solvable.core.status import Status
from solvable.models.base import (
    AbstractBaselineModel,
    AbstractEquivalentModel,
    AbstractInstanceModel,
    AbstractMessagePassingModel,
    Shared,
)
from solvable.models.chain import AbstractChainModel
from solvable.models.chain_instances import (
    blind_below,
    draw,
    evolve,
    informed,
    repeated_bias,
    unknown_across,
)
from solvable.models.chain_measures import (
    Overlaps,
    mean_square_error,
    overlaps,
    vector_measure,
)
from solvable.models.vector_evolution import evolve_vectors

Spike = AbstractPrior | AbstractVectorPrior | Generative
_CENTERED = 1e-12  # squared means below it are rounding
_SEED = 1e-2  # of the second moment: the size of a start that knows nothing


def spike(name: str, value: Any) -> Any:
    """The prior of a spike: of independent numbers or vectors, or generative."""
    what = "a prior, as `Gaussian()`, `OneHot(k=3)` or `Generative(...)`"
    return of_kind(name, value, (AbstractPrior, AbstractVectorPrior, Generative), what)


def matrix_channel(value: Any) -> Any:
    """A channel of a matrix's entries, or None."""
    what = "a matrix channel, as `BernoulliEdges(probability=0.5, contrast=2)`, or None"
    return of_kind("channel", value, (AbstractMatrixChannel, type(None)), what)


def layers_of(prior: Spike | None) -> tuple[Layer, ...]:
    """The layers of the network that generates a spike; none where it is separable."""
    return prior.layers if isinstance(prior, Generative) else ()


def input_of(prior: Spike) -> AbstractPrior | AbstractVectorPrior:
    """The prior of the input of that network, or of the spike itself."""
    return prior.prior if isinstance(prior, Generative) else prior


def ended(prior: Spike, end: AbstractLowRank) -> tuple[Law, Layers]:
    """The chain of a spike's prior that ends in a matrix."""
    return input_of(prior), (*layers_of(prior), end)


class AbstractLowRankModel(
    AbstractChainModel,
    AbstractEquivalentModel,
    AbstractInstanceModel,
    AbstractMessagePassingModel,
    AbstractBaselineModel,
):
    """A noisy matrix of low rank; the subject of its answers is the spike v."""

    delta: eqx.AbstractVar[Any]
    channel: eqx.AbstractVar[AbstractMatrixChannel | None]

    def __check_init__(self) -> None:
        if self.channel is not None and self.delta is not UNSET:
            raise fail("delta", "be left out beside `channel`, which it follows from", self.delta)

    def noise(self) -> Any:
        """Variance of the Gaussian noise, or the one that stands for the channel."""
        return self.delta if self.channel is None else noise_variance(self.channel)

    def seen(self, matrix: Any) -> Any:
        """The matrix with Gaussian noise: as it is, or what stands for it behind the channel.

        Raises:
            ValueError: if the matrix holds what the channel cannot emit.
        """
        return matrix if self.channel is None else spiked_matrix(self.channel, matrix)

    @abstractmethod
    def spikes(self) -> tuple[Spike, Spike | None]:
        """The priors of v, which may be of vectors, and of u; None for a symmetric matrix."""

    def laws(self) -> tuple[AbstractVectorPrior, ...]:
        """The laws of v and u as vectors; none where their units are numbers."""
        v, u = self.spikes()
        if not isinstance(v, AbstractVectorPrior):
            return ()
        return (v,) if u is None else (v, vector_rows(u, v.width))

    @abstractmethod
    def problem(self, data: Data) -> Problem:
        """The matrix with the laws of its spikes, for `low_rank_amp`."""

    @property
    def scale_parameter(self) -> str | None:
        return "delta" if self.channel is None else None

    def equivalent(self) -> "AbstractLowRankModel":
        """The model itself, or with Gaussian noise in place of a channel (Lesieur et al. 2017)."""
        if self.channel is None:
            return self
        return dataclasses.replace(self, channel=None, delta=self.noise())

    # ---- spectral methods

    @abstractmethod
    def pca(self, delta: float, rho: float) -> Any:
        """Theory of the leading eigenvector where the components of v have second moment rho."""

    def variances(self) -> Float[np.ndarray, " r"]:
        """Second moments of v along its directions, falling; one where its units are numbers."""
        v, _ = self.spikes()
        if isinstance(v, AbstractVectorPrior):
            return directions(v).variances
        return np.array([float(self._facts().rho_z)])

    def require_rank(self, matrix: Any) -> None:
        """Raise ValueError if a matrix has fewer rows or columns than its spike has directions."""
        rank, shape = rank_of(self.spikes()[0]), np.shape(matrix)
        if min(shape) < rank:
            raise ValueError(
                f"Argument `matrix` must have at least {rank} rows and columns, the rank of the "
                f"prior, but had shape {shape}."
            )

    def cosines(self, delta: float) -> Float[np.ndarray, " r"]:
        """Squared cosines of those directions with the leading eigenvectors of the matrix."""
        return np.array([self.pca(delta, float(rho)).squared_cosine for rho in self.variances()])

    @abstractmethod
    def linearized(self, law: SpectralLaw, delta: float) -> AbstractLinearized:
        """Theory of linearized message passing (LAMP) for a covariance law of v."""

    def covariance(self) -> tuple[float, float] | None:
        """kappa_1, kappa_* of K = kappa_1^2 W W^T / k + kappa_*^2 I, the covariance of v.

        None where there is no formula: for independent components, more than one layer, weights of
        a given spectrum, a generated u, or a mean of a spike, which LAMP does not expect.
        """
        facts = self._facts()
        v, u = self.spikes()
        layers = layers_of(v)
        if len(layers) != 1 or layers[0].spectrum() is not None or layers_of(u):
            return None
        if np.any(facts.both("dark") > _CENTERED):
            return None
        linear = float(facts.gain[0] * facts.rho[0])
        return linear**0.5, max(float(facts.rho[1]) - linear, 0.0) ** 0.5

    def shared_observables(self, scales: Float[np.ndarray, " n"]) -> dict[str, Shared]:
        """Squared cosines of PCA, and for generative priors of LAMP (Aubin et al. 2019)."""
        v, u = self.spikes()
        pca = np.array([np.mean(self.cosines(float(1 / scale))) for scale in scales])
        found = {"overlap_pca": Shared(pca, Status.converged, "theorem")}
        if not layers_of(v) and not layers_of(u):
            return found
        parts, lamp, status = self.covariance(), np.full(len(scales), np.nan), Status.unsupported
        if parts is not None:
            law = feature_covariance_law(float(layers_of(v)[0].ratio), *parts)
            lamp = [self.linearized(law, 1 / scale).squared_cosine for scale in scales]
            status = Status.converged
        # v^T A v = Tr A K holds for linear layers; for others finite matrices agree with it
        linear = all(isinstance(layer.channel, Linear) for layer in layers_of(v))
        rigour = "theorem" if linear else "numerical"
        return found | {"overlap_lamp": Shared(np.array(lamp), status, rigour)}

    @abstractmethod
    def leading(
        self, matrix: Any, covariance: Covariance | None, key: PRNGKeyArray, count: int = 1
    ) -> Any:
        """The spectral estimate of v: LAMP's, or `count` of PCA where no covariance is known."""

    def spectral(self, name: str, instance: Instance, key: PRNGKeyArray) -> tuple[float, Status]:
        """Squared cosine of v with the estimate of "pca" or "lamp" on an instance."""
        known, v = None, np.asarray(instance.signal)
        if name == "lamp":
            parts = self.covariance()
            assert parts is not None
            known = Covariance(instance.data.design[0], scale=parts[0] ** 2, ridge=parts[1] ** 2)
        count = len(self.variances())
        found = self.leading(self.seen(instance.data.observation), known, key, count)
        columns = (x.reshape(len(x), -1) for x in (found.vector, v))
        bases = [np.linalg.svd(x, full_matrices=False)[0][:, :count] for x in columns]
        return float(np.sum((bases[0].T @ bases[1]) ** 2)) / count, found.status

    def baselines(self) -> tuple[str, ...]:
        return ("pca",) if self.covariance() is None else ("pca", "lamp")

    def run_baseline(
        self, name: str, instance: Instance, key: PRNGKeyArray
    ) -> tuple[dict[str, float], Status]:
        """PCA and LAMP, judged by their squared cosine with v."""
        cosine, ended = self.spectral(name, instance, key)
        return {f"overlap_{name}": cosine}, ended

    # ---- instances

    def draw_spike(
        self, prior: Spike, key: PRNGKeyArray, size: int
    ) -> tuple[Any, tuple[np.ndarray, ...]]:
        """Weights of the network that generates a spike, or None, and its layers: itself first.

        The size of a generated spike is as near as the ratios allow.
        """
        if size < rank_of(prior):
            raise fail("size", f"be at least {rank_of(prior)}, the rank of the prior", size)
        layers, latent = layers_of(prior), size
        for layer in layers[::-1]:
            latent = max(1, round(latent / float(layer.ratio)))
        weights, units = draw(self, input_of(prior), layers, key, latent)
        return weights or None, (units[-1], *units[:-1])

    def measure(self, estimate: Any, instance: Instance) -> dict[str, float]:
        """Overlaps and errors of an estimate, up to the sign, or the names of groups, where free.

        Args:
            estimate: means and variances of v, u, the layers below v and those below u, or an
                array: of v alone.
            instance: the truth.

        Returns:
            `overlap` and `mse` of every part, and `matrix_mse` of the matrix without noise.
        """
        point = not hasattr(estimate, "means")
        prior = self.spikes()[0]
        if isinstance(prior, AbstractVectorPrior):
            units = [estimate] if point else estimate.means
            return vector_measure(prior, (instance.signal, *instance.hidden), units)
        means, variances = ([estimate], [0.0]) if point else (estimate.means, estimate.variances)
        found: dict[str, float] = {}
        seen: list[Overlaps] = []
        truths = (instance.signal, *instance.hidden)
        for truth, mean, variance, (name, free) in zip(
            truths, means, variances, self.parts(), strict=False
        ):
            at = overlaps(truth, mean, variance, free)
            found |= {f"overlap{name}": at.cross, f"mse{name}": mean_square_error(at)}
            seen.append(at)
        pair = (seen[0], seen[0]) if self.spikes()[1] is None else tuple(seen[:2])
        if len(pair) == 2:
            a, b = pair
            product = a.truth * b.truth - 2 * a.cross * b.cross + a.estimate * b.estimate
            found["matrix_mse"] = product
        return found

    def parts(self) -> list[tuple[str, bool]]:
        """Labels of v, u, the layers below v and those below u, and whether their sign is free."""
        labels, top = self.labels(), self.subject().layer
        blind, across = blind_below(self), unknown_across(self)
        own = [(label, k < blind) for k, label in enumerate(labels[: top + 1])]
        other = [(label, k < across) for k, label in enumerate(labels[top + 1 :])]
        return [*own[-1:], *other[-1:], *own[:-1], *other[:-1]]

    # ---- message passing

    def init(self, data: Data, key: PRNGKeyArray) -> State | VectorState:
        problem = self.problem(data)
        return low_rank_amp.init(problem, self._first(problem, key))

    def step(self, data: Data, state: Any) -> tuple[State | VectorState, Info]:
        return low_rank_amp.step(self.problem(data), state)

    def solve(
        self,
        data: Data,
        key: PRNGKeyArray,
        *,
        start: Start | None = None,
        observe: Callable[[Any], Any] | None = None,
        **options: Any,
    ) -> Outcome:
        """Message passing to convergence.

        Args:
            data: weights of the networks that generate v and u, or None, and the matrix.
            key: of the start where the prior's mean is zero: the leading eigenvector where PCA
                finds something, else a small random vector.
            start: another start, as `informed_start` makes it.
            observe: called on every state.
            options: of `low_rank_amp.run`.

        Raises:
            ValueError: if an option is out of its range.
        """
        problem = self.problem(data)
        start = start or self._first(problem, key)
        return low_rank_amp.run(problem, start=start, observe=observe, **options)

    @abstractmethod
    def memory(self, problem: Problem, mean: Any, variance: Any) -> Any:
        """The means that a spectral estimate of v was made with, as message passing would."""

    def spectral_start(self, problem: Problem, key: PRNGKeyArray) -> Start | None:
        """The leading eigenvectors, scaled to their overlap with v; None where PCA finds nothing.

        They are the fixed point of message passing for Gaussian priors, which gives the start's
        variance and memory (Montanari & Venkataramanan 2021).
        """
        rho, cosines = self.variances(), self.cosines(problem.delta)
        if not np.any(cosines > 0):
            return None
        vector = self.leading(problem.matrix, None, key, len(rho)).vector
        variance = rho * (1 - cosines)
        mean = vector.reshape(len(vector), -1) * (rho * cosines) ** 0.5
        if not problem.laws:
            mean, variance = np.ravel(mean), float(variance[0])
            return Start(mean, variance, self.memory(problem, mean, variance))
        flat = vector.reshape(mean.shape)
        turn, covariance = oriented(problem.laws[0], flat, cosines, fold(key, "turn"))
        return Start(mean @ turn, covariance, self.memory(problem, mean, variance) @ turn)

    def _first(self, problem: Problem, key: PRNGKeyArray) -> Start | None:
        """The spectral start where v has no mean, else a small random one."""
        if not blind_below(self):
            return None
        start = self.spectral_start(problem, key)
        if start is not None:
            return start
        rng = numpy_generator(fold(key, "first"))
        if problem.laws:
            small = _SEED * np.asarray(problem.laws[0].second_moments())
            mean = np.zeros(len(small))
            return Start(rng.multivariate_normal(mean, small, problem.v.size), None)
        rho = float(problem.v.second_moment)
        return Start(np.sqrt(_SEED * rho) * rng.standard_normal(problem.v.size), rho)

    def informed_start(self, instance: Instance, overlap: float, key: PRNGKeyArray) -> Start:
        """A start of a given overlap: the posterior of v given itself in Gaussian noise.

        Args:
            instance: what shall be known a little.
            overlap: of v, between (E v)^2 and E v^2, both excluded.
            key: of the noise.

        Raises:
            ValueError: if the overlap is out of its range.
        """
        facts, top = self._facts(), self.subject().layer
        low, high = float(facts.mean[top]) ** 2, float(facts.rho[top])
        v = self.spikes()[0]
        prior, layers = numeric(self.chain())
        if isinstance(v, AbstractVectorPrior):
            prior = numeric(v)
            low = float(np.sum(np.square(v.unit_moments()[0])))
            high = float(np.trace(v.second_moments()))
        if not low < overlap < high:
            raise ValueError(
                f"Argument `start` must be an overlap between {low:g} and {high:g}, "
                f"but was {overlap}."
            )
        law, shift = prior, None
        if top:
            layer = layers[top - 1]
            rho = layer.gain() * jnp.asarray(facts.rho[top - 1])
            law = HiddenLaw(layer.law(), jnp.zeros(()), rho)
            shift = repeated_bias(layer, len(instance.signal))
        found = informed(law, instance.signal, overlap, key, shift)
        return Start(np.asarray(found.mean), found.variance)

    def state_evolution(
        self, start: Mapping[str, float], iterations: int
    ) -> dict[str, Float[np.ndarray, " t"]]:
        """Observables along state evolution, each (iterations + 1,), the start first.

        An iteration finds u from the means of v that it starts with, and then v from u.
        """
        if isinstance(self.spikes()[0], AbstractVectorPrior):
            laws, beta = numeric(self.laws()), float(getattr(self, "beta", 1.0))
            return evolve_vectors(laws, beta, float(self.noise()), start, iterations)
        return evolve(self, start, iterations)


def rank_of(prior: Spike) -> int:
    """The number of directions of a spike: 1 where its units are numbers."""
    return len(directions(prior).variances) if isinstance(prior, AbstractVectorPrior) else 1


def vector_rows(prior: Any, width: int) -> VectorGaussianMixture:
    """Vectors of independent Gaussian components."""
    covariance = float(prior.second_moment()) * np.eye(width)
    return VectorGaussianMixture(
        weights=np.ones(1), means=np.zeros((1, width)), covariances=covariance[None]
    )


def side(prior: Spike, size: int, weights: Any, name: str = "weights") -> Side:
    """A spike as message passing takes it, with the weights, so called, of its network."""
    if not isinstance(prior, Generative):
        return Side(size, prior=prior)
    designs = tuple(as_design(w, f"{name}[{k}]") for k, w in enumerate(weights))
    layers: tuple[Layer, ...] = prior.layers
    biases = tuple(repeated_bias(x, w.n) for x, w in zip(layers, designs, strict=True))
    channels = tuple(layer.channel for layer in layers)
    return Side(size, network=Generator(prior.prior, channels, designs, biases))

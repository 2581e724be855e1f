"""Finite instances of a chain: drawing them, solving them by message passing, judging the answer.

`GLM` is the chain of one layer, `MultiLayer` any; what differs is only whether the data hold one
design or a tuple of weight matrices, input first.
"""

import functools
from abc import abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import scipy.optimize
from jaxtyping import Array, Float, PRNGKeyArray

from solvable.algorithms import multilayer_amp, multilayer_run, multilayer_vamp, spectral
from solvable.algorithms.convergence import Info, Outcome
from solvable.algorithms.designs import as_design
from solvable.algorithms.multilayer_amp import Start
from solvable.algorithms.problem import Problem, assemble
from solvable.algorithms.programs import bucket
from solvable.bricks import chain
from solvable.bricks.chain import ChainOrder, HiddenLaw
from solvable.bricks.chain_facts import blind_across, blind_layers, unseen_law
from solvable.bricks.channels.base import AbstractChannel, without_bias
from solvable.bricks.layer import AbstractLayer, Layer
from solvable.bricks.priors.base import (
    AbstractPrior,
    Law,
    posterior,
    prior_moments,
)
from solvable.bricks.priors.vectors import AbstractVectorPrior
from solvable.core.arguments import choice, integer
from solvable.core.instance import Data, Instance
from solvable.core.quadrature import ORDER
from solvable.core.randomness import fold, normal_matrix
from solvable.core.specification import Specification, numeric, unset
from solvable.core.status import Status
from solvable.models.base import AbstractInstanceModel, AbstractMessagePassingModel, Shared
from solvable.models.chain import INPUT, AbstractChainModel, Subject
from solvable.models.chain_measures import measure


class AbstractFiniteChain(AbstractChainModel, AbstractInstanceModel, AbstractMessagePassingModel):
    """A chain with finite instances, message passing and its state evolution."""

    @abstractmethod
    def chain(self) -> tuple[AbstractPrior, tuple[Layer, ...]]:
        """The prior of the input, and the layers, the last one's channel observed."""

    def subject(self) -> Subject:
        return INPUT

    def shared_observables(self, scales: Float[np.ndarray, " n"]) -> dict[str, Shared]:
        return {}

    def measure(self, estimate: Any, instance: Instance) -> dict[str, float]:
        """Observables of an estimate, as the theory defines them; see `chain_measures.measure`."""
        last = self.chain()[1][-1]
        channel = last.law() if last.spectrum() is None else None
        return measure(channel, estimate, (instance.signal, *instance.hidden), blind_below(self))

    def init(self, data: Data, key: PRNGKeyArray) -> Any:
        """The first state; a spectral start where a single layer shows nothing at w = 0."""
        problem = _problem(self, data)
        start = _default_start(self, problem, key)
        if algorithm_for(self.chain()[1]) == "vamp":
            return multilayer_vamp.init(problem, start)
        return multilayer_amp.init(problem, start)

    def step(self, data: Data, state: Any) -> tuple[Any, Info]:
        """One iteration of multi-layer AMP, or of vector AMP if the state is one of its own."""
        is_vamp = isinstance(state, multilayer_vamp.State)
        algorithm = multilayer_vamp if is_vamp else multilayer_amp
        return algorithm.step(_problem(self, data), state)

    def solve(
        self,
        data: Data,
        key: PRNGKeyArray,
        *,
        start: Any = None,
        observe: Callable[[Any], Any] | None = None,
        **options: Any,
    ) -> Outcome:
        """Message passing to convergence.

        A chain of several layers whose lowest ones send nothing down while nothing is known needs
        a `start`: where it stays without information its status is `unsupported`.

        Args:
            data: weights and observation; the model's ratios are not used.
            key: of the spectral start.
            start: another start, as `informed_start` makes it.
            observe: called on every state.
            options: of `run`.

        Raises:
            ValueError: if an option is out of its range.
        """
        problem = _problem(self, data)
        stuck = start is None and len(problem.designs) > 1 and blind_below(self) > 0
        if start is None:
            start = _default_start(self, problem, key)
        outcome = run(self.chain()[1], problem, start=start, observe=observe, **options)
        informed = np.mean(np.square(outcome.mean)) > _NOTHING * float(self._facts().rho[0])
        if informed or not stuck:  # rounding errors may have grown into a start
            return outcome
        status = np.full_like(outcome.status, Status.unsupported)
        messages = (Status.unsupported.advice,) * len(outcome.messages)
        return replace(outcome, status=status, messages=messages)

    def informed_start(
        self, instance: Instance, overlap: float, key: PRNGKeyArray
    ) -> tuple[Start, ...]:
        """A start of a given overlap: on every layer the posterior given h in Gaussian noise.

        It is independent of the weights and satisfies the Nishimori identities, so that state
        evolution holds from the first iteration on. Hidden layers start as far between no
        information and all as the input does.

        Args:
            instance: what shall be known a little.
            overlap: of the input, between (E w)^2 and E w^2, both excluded.
            key: of the noise.

        Raises:
            ValueError: if the overlap is out of its range.
        """
        prior, layers = numeric(self.chain())
        facts = self._facts()
        low, high = float(facts.mean[0]) ** 2, float(facts.rho[0])
        if not low < overlap < high:
            raise ValueError(
                f"Argument `start` must be an overlap between {low:g} and {high:g}, "
                f"but was {overlap}."
            )
        share = (overlap - low) / (high - low)
        wanted = facts.mean**2 + share * (facts.rho - facts.mean**2)
        found = [informed(prior, instance.signal, overlap, key)]
        for k, truth in enumerate(instance.hidden, start=1):
            law = unseen_law(layers, facts, k)
            shift = repeated_bias(layers[k - 1], len(truth))
            found.append(informed(law, truth, float(wanted[k]), fold(key, k), shift))
        return tuple(found)

    def state_evolution(
        self, start: Mapping[str, float], iterations: int
    ) -> dict[str, Float[np.ndarray, " t"]]:
        """Observables along state evolution, each (iterations + 1,), the start first.

        Args:
            start: observables at the start, of which the overlaps count; `mse` is taken as rho -
                overlap, its value on the Nishimori line.
            iterations: how many steps.
        """
        return evolve(self, start, iterations)


_NOTHING = 1e-3  # |estimate|^2 over E x^2 of what tells nothing


def algorithm_for(layers: tuple[Layer, ...], wanted: str = "auto") -> str:
    """ "amp" where all weights are iid Gaussian, "vamp" where some have a spectrum, or as wanted.

    Raises:
        ValueError: if `wanted` is none of "auto", "amp" and "vamp".
    """
    if choice("algorithm", wanted, ("auto", "amp", "vamp")) != "auto":
        return wanted
    return "amp" if all(layer.spectrum() is None for layer in layers) else "vamp"


def run(
    layers: tuple[Layer, ...], problem: Problem, *, algorithm: str = "auto", **options: Any
) -> Outcome:
    """Multi-layer AMP or vector AMP to convergence.

    Args:
        layers: the layers, whose laws of weights decide.
        problem: the chain with its data.
        algorithm: as in `algorithm_for`.
        options: `start`, `observe`, `damping`, `tolerance` and `max_steps`; for AMP also
            `variances` and `center`.

    Raises:
        ValueError: if an option is out of its range, or is none of vector AMP's.
    """
    if algorithm_for(layers, algorithm) == "amp":
        return multilayer_run.run(problem, **options)
    for name, plain in (("variances", "scalar"), ("center", False)):
        if options.pop(name, plain) != plain:
            raise ValueError(
                f"Argument `{name}` must be {plain!r} for vector AMP, which takes designs as they "
                "are."
            )
    return multilayer_vamp.run(problem, **options)


def evolve(
    model: AbstractChainModel, start: Mapping[str, float], iterations: int
) -> dict[str, Float[np.ndarray, " t"]]:
    """`state_evolution` of any chain: overlaps and errors of every layer, errors of prediction."""
    brick = numeric(model)
    _, layers = brick.chain()
    ends, facts = model.labels(), model._facts()
    # the other side of a matrix starts without data
    first = [start[f"overlap{end}"] for end in ends[: len(layers)]]
    if facts.other is not None:
        first += [
            start.get(f"overlap{end}", dark)
            for end, dark in zip(ends[len(layers) :], facts.other.dark, strict=True)
        ]
    q = jnp.asarray(first, dtype=float)
    path = [chain.start(layers, q, jnp.asarray(facts.both("rho")) - q)]
    for _ in range(iterations):
        path.append(_updated(brick, path[-1]))
    along = jax.tree.map(lambda *x: np.stack(x), *path)
    sides = [along] if along.other is None else [along, along.other]
    overlap, variance = (
        np.hstack([getattr(side, name) for side in sides]) for name in ("overlap", "variance")
    )
    found = {}
    for k, end in enumerate(ends):
        found |= {f"overlap{end}": overlap[:, k], f"mse{end}": variance[:, k]}
    if layers[-1].spectrum() is None:
        errors = _errors_along(layers[-1], jax.tree.map(jnp.asarray, along))
        found |= {name: np.asarray(column) for name, column in errors.items()}
    return found


def require_complete(model: Specification) -> None:
    """Raise ValueError if a parameter is unset."""
    for path in unset(model):
        raise ValueError(f"Argument `{path}` must be set to draw an instance, but was unset.")


def draw(
    model: Specification,
    prior: AbstractPrior | AbstractVectorPrior,
    layers: tuple[Layer, ...],
    key: PRNGKeyArray,
    size: int,
) -> tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]]:
    """Weights and units of one instance.

    Weights are iid N(0, 1 / inputs), or rotationally invariant with the layer's spectrum. The
    input, all weights and all channels have streams of their own, folded from `key` by name.

    Args:
        model: with all parameters set.
        prior: of its input.
        layers: those to be drawn.
        key: a scalar key.
        size: n_0; n_l = round(ratio n_{l-1}), at least 1.

    Returns:
        W_1, ..., W_L, and h_0, ..., h_{L-1}, y.

    Raises:
        ValueError: if a parameter is unset, or `size` is not a positive integer.
    """
    size = integer("size", size, low=1)
    require_complete(model)
    weights, units = [], [np.array(_drawn(numeric(prior), fold(key, "signal"), (size,)))]
    for k, layer in enumerate(layers):
        p = len(units[-1])
        n = max(1, round(float(layer.ratio) * p))
        weights.append(_weights(layer, _stream(key, "design", k), n, p))
        z, bias = np.zeros(bucket(n)), repeated_bias(layer, n)
        z[:n] = weights[-1] @ units[-1] + (0.0 if bias is None else bias)
        noise = _stream(key, "noise", k)
        units.append(np.array(_drawn(numeric(layer.channel), noise, jnp.asarray(z)))[:n])
    return tuple(weights), tuple(units)


def _stream(key: PRNGKeyArray, name: str, k: int) -> PRNGKeyArray:
    """The first layer's streams go by the names that they have where it is the only one."""
    return fold(key, name, k) if k else fold(key, name)


def _weights(layer: Layer, key: PRNGKeyArray, n: int, p: int) -> np.ndarray:
    spectrum = layer.spectrum()
    return normal_matrix(key, (n, p), p**-0.5) if spectrum is None else spectrum.sample(key, n, p)


def _problem(model: AbstractFiniteChain, data: Data) -> Problem:
    """The chain with its data."""
    prior, layers = model.chain()
    several = isinstance(data.design, list | tuple)
    weights = [as_design(w) for w in (data.design if several else [data.design])]
    biases = [repeated_bias(layer, w.n) for layer, w in zip(layers, weights, strict=True)]
    return assemble(prior, [layer.channel for layer in layers], weights, data.observation, biases)


def repeated_bias(layer: Layer, n: int) -> np.ndarray | None:
    """The biases of n outputs: the layer's own, over and over where there are more outputs."""
    return None if layer.bias is None else np.resize(layer.bias, n)


@functools.lru_cache(maxsize=64)
def blind_below(model: AbstractChainModel) -> int:
    """How many of the lowest layers stay unknown if nothing is known; their sign is free."""
    return blind_layers(model._bare().chain()[1], model._facts())


@functools.lru_cache(maxsize=64)
def unknown_across(model: AbstractChainModel) -> int:
    """The same of the layers on the other side of a matrix."""
    return blind_across(model._bare().chain()[1], model._facts())


def _default_start(
    model: AbstractFiniteChain, problem: Problem, key: PRNGKeyArray
) -> Start | None:
    """A spectral start for one layer that shows nothing at w = 0; none is known for several."""
    design, *others = problem.designs
    if others or not blind_below(model):
        return None
    data = Data(design, problem.observation)
    return spectral.start(problem.prior, problem.channels[0], data, key)


def snr_of(law: Any, overlap: float) -> float:
    """The signal-to-noise ratio, in all directions of a vector, that leaves units an overlap."""

    def excess(log_q_hat: float) -> float:
        return float(_overlap(law, jnp.exp(log_q_hat))) - overlap

    root: Any = scipy.optimize.brentq(excess, np.log(1e-10), np.log(1e10))
    return float(np.exp(root))


def informed(
    law: Any, truth: Any, overlap: float, key: PRNGKeyArray, shift: np.ndarray | None = None
) -> Start:
    """The posterior of units given themselves in as much noise as leaves an overlap."""
    q_hat = snr_of(law, overlap)
    truth = np.asarray(truth)
    noise = np.asarray(jax.random.normal(key, truth.shape))
    field = jnp.asarray(q_hat * truth + np.sqrt(q_hat) * noise)
    shift = np.zeros(truth.shape) if shift is None else shift
    mean, variance = _given(law, field, jnp.asarray(q_hat), jnp.asarray(shift))
    return Start(np.asarray(mean), np.asarray(variance), np.zeros(()))


@eqx.filter_jit
def _drawn(
    brick: AbstractPrior | AbstractVectorPrior | AbstractChannel, key: PRNGKeyArray, at: Any
) -> Array:
    """Units of a prior, of a shape, or of a channel, at z."""
    return brick.sample(key, at)


@eqx.filter_jit
def _overlap(law: Law, q_hat: Array) -> Array:
    if isinstance(law, AbstractVectorPrior):
        return jnp.trace(law.matrix_moments(q_hat * jnp.eye(law.width), ORDER).overlap)
    return prior_moments(law, q_hat).overlap


@eqx.filter_jit
def _given(law: Law, B: Array, A: Array, shift: Array) -> tuple[Array, Array]:
    """Posterior means and variances of units under a field and a precision.

    Of vectors their mean covariance.
    """
    if isinstance(law, HiddenLaw):
        found = without_bias(law.channel).hidden(B, A, shift, law.V)
        return found.mean, found.variance
    if isinstance(law, AbstractVectorPrior):
        found = law.unit_posterior(B, A * jnp.eye(law.width))
        return found.mean, found.covariance
    assert isinstance(law, AbstractPrior)
    return posterior(law, B, A)


@eqx.filter_jit
def _updated(model: AbstractChainModel, order: Any) -> Any:
    return model.update(order)


@eqx.filter_jit
def _errors_along(layer: AbstractLayer, order: ChainOrder) -> dict[str, Array]:
    def at(one: ChainOrder) -> dict[str, Array]:
        return layer.errors(*one.top(), other=one.across())

    return jax.lax.map(at, order)

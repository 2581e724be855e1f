"""Low-rank approximate message passing: the spikes of a noisy matrix of rank one.

    Wigner   Y = v v^T / sqrt(p) + xi,      Wishart   Y = u v^T / sqrt(p) + xi,   xi ~ N(0, Delta).

A spike sees its components through scalar Gaussian channels (Lesieur et al. 2017): with the other
spike's means w and variances (for Wigner those of v itself), and the means v- that made them,

    A = |w|^2 / (Delta p),    B = Y^T w / (Delta sqrt p) - v- sum(variance of w) / (Delta p),

and its new means and variances are those of its prior at (B, A). A generative prior answers by one
iteration of its own multi-layer AMP, where (B, A) is the message from above (Aubin et al. 2019).
An iteration reads the matrix once (Wigner) or twice (Wishart: first u, then v). A spike whose
units are vectors takes the matrix form of the same step (`vector_spike`).
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from solvable.algorithms import multilayer_amp, nodes, vector_spike
from solvable.algorithms.convergence import Info, Outcome, Snapshot, follow
from solvable.algorithms.designs import Dense, Vector, symmetric_product
from solvable.algorithms.multilayer_amp import run_node, unseen_units
from solvable.algorithms.problem import Generator, Layout, chosen_rows
from solvable.bricks.priors.base import AbstractPrior
from solvable.bricks.priors.vectors import AbstractVectorPrior

_LAYOUT = Layout("vector", 1, True)  # of a spike of numbers


@dataclass(frozen=True)
class Side:
    """A spike: its size and law.

    Attributes:
        size: number of components.
        prior: of independent components, or of independent vectors; else None.
        network: the network that generates it, else None.
    """

    size: int
    prior: AbstractPrior | AbstractVectorPrior | None = None
    network: Generator | None = None

    @property
    def law(self) -> AbstractPrior:
        """The prior of independent components."""
        assert isinstance(self.prior, AbstractPrior)
        return self.prior

    @cached_property
    def unseen(self) -> tuple[Any, Any]:
        """Mean and variance of the components before any data, numbers or of their shape."""
        if self.network is None:
            mean = float(self.law.first_moment())
            return mean, float(self.law.second_moment()) - mean**2
        last = multilayer_amp.init(self.network).layers[-1]
        top = len(self.network.designs) - 1
        return unseen_units(self.network, top, last.row * last.second_moment)[:2]

    @cached_property
    def count(self) -> Any:
        """The number of components where their rows are padded, else None, for programs."""
        padded = _LAYOUT.length(self.size) > self.size
        return jnp.asarray(self.size, dtype=float) if padded else None

    @cached_property
    def second_moment(self) -> Any:
        """E v^2 of a component before any data."""
        mean, variance = self.unseen
        return jnp.asarray(np.mean(mean**2 + variance))


@dataclass(frozen=True)
class Problem:
    """A matrix and the laws of its spikes.

    Attributes:
        matrix: Y, shape (p, p) and symmetric, or (n, p).
        delta: variance of the noise.
        v: the spike along the columns.
        u: the spike along the rows; None for a symmetric matrix.
    """

    matrix: Any
    delta: float
    v: Side
    u: Side | None = None

    @property
    def layout(self) -> Layout:
        """One vector at a time, on the host."""
        return Layout("units", 1, True) if self.laws else _LAYOUT

    @property
    def sides(self) -> tuple[Side, ...]:
        """The spikes: v, then u."""
        return (self.v,) if self.u is None else (self.v, self.u)

    def product(self, w: Vector, transposed: bool) -> Vector:
        """Y w, or Y^T w; of a symmetric matrix one triangle is read."""
        if self.u is None:
            return self._symmetric(w)
        matrix = Dense(self.matrix)
        return matrix.rmatvec(w) if transposed else matrix.matvec(w)

    @cached_property
    def _symmetric(self) -> Callable[[Vector], Vector]:
        return symmetric_product(self.matrix)

    @cached_property
    def laws(self) -> tuple[AbstractVectorPrior, ...]:
        """The laws of v and u where their units are vectors, else none."""
        priors = [side.prior for side in self.sides]
        return tuple(prior for prior in priors if isinstance(prior, AbstractVectorPrior))

    @property
    def sizes(self) -> tuple[int, ...]:
        """Of v, u, the layers below v and those below u, latent vectors first."""
        networks = [side.network for side in self.sides if side.network is not None]
        latent = [size for network in networks for size in network.sizes[:-1]]
        return (*(side.size for side in self.sides), *latent)


class SpikeState(NamedTuple):
    """What an iteration keeps of one spike; vectors in padded rows.

    Attributes:
        mean: posterior means.
        variance: posterior variances.
        average: their mean, shape (1, 1).
        precision: A of the last step, shape (1, 1).
        before: the means that those of the other spike were made with.
    """

    mean: Any
    variance: Any
    average: Any
    precision: Any
    before: Any


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class State:
    """The vectors of an iteration; it never carries the matrix.

    Attributes:
        spikes: of v, then of u.
        latent: of the networks that generate v and u, None for one without.
        sizes: of `Problem`.
        steps: iterations done.
    """

    spikes: tuple[SpikeState, ...]
    latent: tuple[multilayer_amp.State | None, ...]
    sizes: tuple[int, ...]
    steps: int = 0

    @property
    def means(self) -> tuple[np.ndarray, ...]:
        """Posterior means of v, u, the layers below v and those below u."""
        return self._vectors(0)

    @property
    def variances(self) -> tuple[np.ndarray, ...]:
        """Posterior variances of the same."""
        return self._vectors(1)

    def _vectors(self, kind: int) -> tuple[np.ndarray, ...]:
        pairs = zip(self.snapshot(), self.sizes, strict=True)
        return tuple(np.asarray(x[kind])[0, :size] for x, size in pairs)

    def snapshot(self) -> Snapshot:
        """Means and variances of v, u, the layers below v and those below u."""
        found: Snapshot = [(spike.mean, spike.variance) for spike in self.spikes]
        for latent in self.latent:
            found += [] if latent is None else latent.snapshot()
        return found

    def expected_error(self) -> np.ndarray:
        """Mean posterior variance of v."""
        return np.ravel(self.spikes[0].average)

    def restarted(self, rows: np.ndarray, snapshot: Snapshot) -> "State":
        """The state, or one at the snapshot that remembers nothing else."""
        spikes = []
        for spike, (mean, variance), size in zip(self.spikes, snapshot, self.sizes, strict=False):
            average = np.mean(np.asarray(variance)[:, :size], axis=1, keepdims=True)
            quiet = SpikeState(mean, variance, average, 0 * average, 0 * np.asarray(mean))
            spikes.append(chosen_rows(rows, spike, quiet))
        below, left = [], snapshot[len(spikes) :]
        for latent in self.latent:
            count = 0 if latent is None else len(latent.layers)
            part, left = left[:count], left[count:]
            below.append(None if latent is None else latent.restarted(rows, part))
        return replace(self, spikes=tuple(spikes), latent=tuple(below))


@dataclass(frozen=True)
class Start:
    """Where message passing begins: means and variances of v, and what made them.

    Attributes:
        mean: shape (p,), or (p, k) of units that are vectors.
        variance: a number or of the shape of the mean; of vectors their mean covariance (k, k), or
            None for the prior's.
        before: the means of v (Wigner) or of u (Wishart) that the memory term of the first step
            takes out: 0 for a start that does not depend on the matrix.
    """

    mean: np.ndarray
    variance: Any
    before: Any = 0.0


def init(problem: Problem, start: Start | None = None) -> State | vector_spike.State:
    """The state before the first iteration: nothing is known of u and of latent vectors.

    Args:
        problem: the matrix and its spikes.
        start: of v; None for its prior's moments, a fixed point where the mean is zero.
    """
    if problem.laws:
        known = () if start is None else (start.mean, start.variance, start.before)
        return vector_spike.init(problem.laws, problem.sizes, *known)
    spikes = []
    for k, side in enumerate(problem.sides):
        mean, variance = side.unseen
        if k == 0 and start is not None:
            mean, variance = start.mean, start.variance
        mean, spread = (problem.layout.spread(x, side.size) for x in (mean, variance))
        average = np.full((1, 1), float(np.mean(variance)))
        last = k == len(problem.sides) - 1
        before = start.before if start is not None and last else 0.0
        before = problem.layout.spread(before, side.size)
        spikes.append(SpikeState(mean, spread, average, np.zeros((1, 1)), before))
    networks = [side.network for side in problem.sides]
    latent = tuple(None if x is None else multilayer_amp.init(x) for x in networks)
    return State(tuple(spikes), latent, problem.sizes)


def step(problem: Problem, state: Any, *, damping: Any = 0.0) -> tuple[Any, Info]:
    """One iteration x -> (1 - damping) F(x) + damping x of all means and variances.

    Args:
        problem: the matrix and its spikes.
        state: from `init` or the step before.
        damping: in [0, 1).

    Returns:
        The next state, and what happened on the way; nothing is checked.
    """
    if problem.laws:
        return vector_spike.step(problem.matrix, problem.delta, problem.laws, state, damping)
    damping = multilayer_amp.shown_damping(damping)
    v, *others = state.spikes
    below, *rest = state.latent
    if problem.u is None:
        above = _above(problem, problem.v, v, v, v.before)
    else:
        towards = _above(problem, problem.u, others[0], v, others[0].before)
        units, latent, _ = _denoised(problem, problem.u, rest[0], towards, damping)
        others, rest = [_after(units, units.mean)], [latent]
        above = _above(problem, problem.v, v, others[0], v.mean)
    units, below, report = _denoised(problem, problem.v, below, above, damping)
    info = multilayer_amp.read_report(problem.layout, report)
    if problem.v.network is not None:  # whose variance the report tells
        info = replace(info, variance=np.asarray(units.average)[0, 0])
    spikes = (_after(units, v.mean), *others)
    return State(spikes, (below, *rest), state.sizes, state.steps + 1), info


def _after(units: nodes.Units, before: Any) -> SpikeState:
    """A spike after a step."""
    return SpikeState(units.mean, units.variance, units.average, units.precision, before)


def _above(
    problem: Problem, side: Side, own: SpikeState, other: SpikeState, before: Any
) -> nodes.Above:
    """What the matrix sends to a spike from the other's means, which `before` went into."""
    p, delta, layout = problem.v.size, problem.delta, problem.layout
    transposed = problem.u is not None and side is problem.v
    count = len(problem.matrix) if transposed else p
    w = layout.vector(other.mean, count)
    A = float(w @ w) / (delta * p)
    memory = count * float(np.asarray(other.average)[0, 0]) / (delta * p)
    field = problem.product(w, transposed) / (delta * p**0.5)
    field -= memory * layout.vector(before, side.size) + A * layout.vector(own.mean, side.size)
    # of `nodes.Numbers` A is the precision; without outputs no precision is ever kept
    numbers: Any = np.array([[A, A, np.inf, 0.0, 0.0, 0.0, 0.0, 0.0]])
    return nodes.Above(
        field=layout.rows(field),
        mean=own.mean,
        variance=own.variance,
        precision=own.precision,
        second_moment=side.second_moment,
        count=side.count,
        numbers=numbers,
        sums=None,
    )


def _denoised(
    problem: Problem,
    side: Side,
    latent: multilayer_amp.State | None,
    above: nodes.Above,
    damping: Any,
) -> tuple[nodes.Units, multilayer_amp.State | None, Any]:
    """A spike at its message, what that makes of the network below it, and the report."""
    network = side.network
    if network is None or latent is None:
        units, report = run_node(problem, nodes.input_node, side.law, above, damping)
        return units, None, report
    sweep = multilayer_amp.upward(network, latent)
    top = len(network.designs)
    units, sent = multilayer_amp.hidden_units(network, latent, sweep, top, above, damping)
    latent, report = multilayer_amp.downward(network, latent, sweep, sent, damping)
    return units, latent, report


def run(problem: Problem, *, start: Start | None = None, **options: Any) -> Outcome:
    """Iterate until F(x) is within `tolerance` of x, undamped.

    Args:
        problem: the matrix and its spikes.
        start: of v, as in `init`.
        options: `damping`, `tolerance`, `max_steps` and `observe` of `convergence.follow`.

    Returns:
        The best iterate; `hidden_means` are those of u, the layers below v and those below u.

    Raises:
        ValueError: if an option is out of its range.
    """
    settings = {"damping": 0.0, "tolerance": 1e-6, "max_steps": 1000} | options
    return follow(problem, init(problem, start), step, **settings)

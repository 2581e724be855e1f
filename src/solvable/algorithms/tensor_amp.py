"""Approximate message passing for a spike on the sphere, in a noisy matrix and a noisy tensor.

With B^t the force - dH/dx at the estimate x^t less its Onsager term,

    B^t = force(x^t) - r^t x^{t-1},
    r^t = s^t (1 / Delta_2 + (p - 1) (x^t x^{t-1} / N)^(p-2) / Delta_p) = s^t Q''(x^t x^{t-1} / N),

where s is the mean response dx_i / dB_i, the next estimate is (Sarao Mannelli et al. 2020)

    Bayes               x = B / l,  s = 1 / l:  the mean of exp(B x) on the sphere, where
                        |B|^2 / (N l^2) + 1 / l = 1, so that l = (1 + sqrt(1 + 4 |B|^2 / N)) / 2;
    maximum likelihood  x = sqrt(N) B / |B|,  s = sqrt(N) / |B|:  its limit of temperature zero.

B^t is Gaussian about Q'(m) x* with variance Q'(|x^t|^2 / N) in every component, so that overlaps
m = x x* / N follow state evolution: `next_overlap`. With |B|^2 / N = Q'^2 + Q' at |x|^2 / N = m,
l = 1 + Q'(m): in the limit the Bayes step is that of Gaussian components of variance one.
"""

from dataclasses import dataclass
from math import sqrt
from typing import Any, Final

import numpy as np
from jaxtyping import PRNGKeyArray
from threadpoolctl import threadpool_limits

from solvable.algorithms.convergence import Info, Outcome, Snapshot, follow
from solvable.algorithms.matrix_tensor import MatrixTensor, sphere_start
from solvable.algorithms.problem import Layout, chosen_rows
from solvable.core.arguments import array, choice, in_interval, instance, integer
from solvable.core.covariance import Covariance

ESTIMATORS: Final = ("bayes", "maximum_likelihood")


@dataclass(frozen=True, eq=False)
class Problem:
    """The data, and what is sought in them.

    Args:
        data: matrix and tensor.
        estimator: "bayes" or "maximum_likelihood".
        columns: number of starts that run together, as columns; None for one vector.

    Raises:
        ValueError: if an argument is out of its domain.
    """

    data: MatrixTensor
    estimator: str = "bayes"
    columns: int | None = None

    def __post_init__(self) -> None:
        instance("data", self.data, MatrixTensor, "a matrix and a tensor")
        choice("estimator", self.estimator, ESTIMATORS)
        if self.columns is not None:
            integer("columns", self.columns, low=1)

    @property
    def layout(self) -> Layout:
        """One vector or columns, on the host."""
        if self.columns is None:
            return Layout("vector", 1, True)
        return Layout("columns", self.columns, True)

    @property
    def sizes(self) -> tuple[int, ...]:
        """N."""
        return (self.data.size,)


@dataclass(frozen=True)
class State:
    """The vectors of an iteration, in rows, one for each start.

    Attributes:
        mean: estimates x^t, shape (k, N).
        variance: their responses s^t, for Bayes the posterior variance, shape (k, 1).
        before: x^{t-1}, which x^t was made of.
        steps: iterations done.
    """

    mean: np.ndarray
    variance: np.ndarray
    before: np.ndarray
    steps: int = 0

    def snapshot(self) -> Snapshot:
        """Estimates and the variances of all their components."""
        return [(self.mean, np.broadcast_to(self.variance, self.mean.shape))]

    def expected_error(self) -> np.ndarray:
        """Mean posterior variance."""
        return self.variance[:, 0]

    def restarted(self, rows: np.ndarray, snapshot: Snapshot) -> "State":
        """The state, or one at the snapshot that remembers nothing else."""
        mean, variance = snapshot[0][:2]
        quiet = State(mean, variance[:, :1], np.zeros_like(mean))
        vectors = (self.mean, self.variance, self.before)
        chosen = chosen_rows(rows, vectors, (quiet.mean, quiet.variance, quiet.before))
        return State(*chosen, steps=self.steps)


@dataclass(frozen=True)
class Start:
    """Where message passing begins.

    Attributes:
        mean: x^0, shape (N,), or (N, k) for k starts.
        variance: s^0, which counts only beside `before`.
        before: the estimate that x^0 was made of: 0 for a start independent of the data.
    """

    mean: np.ndarray
    variance: float = 0.0
    before: Any = 0.0


def informed_start(
    key: PRNGKeyArray,
    signal: np.ndarray,
    overlap: float,
    estimator: str = "bayes",
    count: int | None = None,
) -> Start:
    """A start of given overlap with the signal, from which state evolution holds at once.

    Maximum likelihood starts on the sphere, Bayes at |x|^2 = x x* as of a posterior mean.

    Args:
        key: a scalar key.
        signal: x*, shape (N,), of length sqrt(N).
        overlap: m = x x* / N, in [0, 1].
        estimator: "bayes" or "maximum_likelihood".
        count: how many starts, as columns; None for one vector.

    Raises:
        ValueError: if an argument is out of its domain.
    """
    overlap = in_interval("overlap", overlap, 0, 1)
    if choice("estimator", estimator, ESTIMATORS) == "maximum_likelihood":
        return Start(sphere_start(key, signal, overlap, count))
    root = sqrt(overlap)
    return Start(root * sphere_start(key, signal, root, count), 1 - overlap)


def init(problem: Problem, start: Start) -> State:
    """The state before the first iteration.

    Args:
        problem: the data.
        start: not zero, which is a fixed point.

    Raises:
        ValueError: if the start does not have the problem's shape.
    """
    size, layout = problem.data.size, problem.layout
    shape = (size,) if problem.columns is None else (size, problem.columns)
    mean = array("start.mean", start.mean, shape=shape)
    before = np.broadcast_to(np.asarray(start.before, dtype=float), shape)
    mean, before = ((x[None, :] if x.ndim == 1 else x.T) for x in (mean, before))
    variance = np.full((layout.batch, 1), float(start.variance))
    return State(np.array(mean), variance, np.array(before))


def step(problem: Problem, state: State, *, damping: Any = 0.0) -> tuple[State, Info]:
    """One iteration x -> (1 - damping) F(x) + damping x of means and variances.

    Args:
        problem: the data.
        state: from `init` or the step before.
        damping: in [0, 1).

    Returns:
        The next state, and what happened on the way; nothing is checked.
    """
    x, data = state.mean, problem.data
    overlap = np.sum(x * state.before, axis=1, keepdims=True) / data.size
    onsager = state.variance * data.covariance.curvature(overlap)
    # columns in Fortran's order are the rows of the state
    field = data.force(x.T).total.T - onsager * state.before
    mean, variance = _estimate(field, problem.estimator)
    change = np.mean((mean - x) ** 2, axis=1)
    residual = np.maximum(np.sqrt(change), np.abs(variance - state.variance)[:, 0])
    none = np.zeros(len(x), int)
    size = np.mean(mean**2, axis=1)
    info = Info(residual, size, variance[:, 0], variance[:, 0], none, none)
    mean, variance = (
        (1 - damping) * new + damping * old for new, old in ((mean, x), (variance, state.variance))
    )
    return State(mean, variance, x, state.steps + 1), info


def _estimate(field: np.ndarray, estimator: str) -> tuple[np.ndarray, np.ndarray]:
    """The estimates at fields B, in rows, and their mean responses."""
    square = np.mean(field**2, axis=1, keepdims=True)
    if estimator == "maximum_likelihood":
        return field / np.sqrt(square), 1 / np.sqrt(square)
    scale = (1 + np.sqrt(1 + 4 * square)) / 2
    return field / scale, 1 / scale


def run(problem: Problem, start: Start, **options: Any) -> Outcome:
    """Iterate until F(x) is within `tolerance` of x, undamped.

    Args:
        problem: the data.
        start: as in `init`.
        options: `damping`, `tolerance`, `max_steps` and `observe` of `convergence.follow`.

    Returns:
        The best iterate.

    Raises:
        ValueError: if an option is out of its range, or the start does not fit.
    """
    settings = {"damping": 0.0, "tolerance": 1e-6, "max_steps": 1000} | options
    with threadpool_limits(1):  # threads of BLAS would wait for each other at every slab
        return follow(problem, init(problem, start), step, **settings)


def next_overlap(covariance: Covariance, overlap: Any, estimator: str = "bayes") -> Any:
    """State evolution: the overlap after one more iteration.

        Bayes  m' = Q'(m) / (1 + Q'(m)),
        maximum likelihood  m' = Q'(m) / sqrt(Q'(m)^2 + Q'(1)),

    which leave m = 0 from 1 / Delta_2 = 1 and (1 + sqrt(1 + 4 / Delta_p)) / 2 on (p >= 3).

    Args:
        covariance: Q.
        overlap: m, in [0, 1].
        estimator: "bayes" or "maximum_likelihood".
    """
    slope = covariance.slope(overlap)
    if choice("estimator", estimator, ESTIMATORS) == "bayes":
        return slope / (1 + slope)
    return slope / np.sqrt(slope**2 + covariance.slope(1.0))

"""Message passing to convergence: the best iterate of every right-hand side, with its status."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

import equinox as eqx
import jax
import numpy as np

from solvable.algorithms.damping import damping_rule
from solvable.algorithms.designs import Vector
from solvable.algorithms.problem import chosen_rows
from solvable.core.arguments import integer, non_negative
from solvable.core.precision import require_x64
from solvable.core.status import Status

Snapshot = list[tuple[Any, ...]]  # rows of every layer: mean, variance, and what a restart needs


class Iterate(Protocol):
    """The state of a message-passing algorithm as a run sees it."""

    def snapshot(self) -> Snapshot:
        """What is worth keeping of the state: of every layer mean, variance, and more."""
        ...

    def restarted(self, rows: np.ndarray, snapshot: Snapshot) -> Any:
        """The state with all but these rows taken back to a snapshot."""
        ...

    def expected_error(self) -> np.ndarray:
        """Mean posterior variance of the input, one for each row."""
        ...


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Info:
    """What a step reports; one entry for each right-hand side or stacked problem.

    Attributes:
        residual: distance of F(x) from x without damping: the largest over the layers of the root
            mean squares of the means and of V g, relative to the roots of the second moments of h
            and z, and the mean of the variances, relative to rho.
        size: mean square of the means relative to rho, the largest over the layers.
        output_variance: V_L, the variance of z_L given the other samples (its mean, if vector).
        variance: mean posterior variance of h_0, the error that its estimate expects of itself.
        negative_precision: how many precisions were negative and replaced.
        kept_precision: how many precisions were kept from the step before at exact recovery.
    """

    residual: Vector
    size: Vector
    output_variance: Vector
    variance: Vector
    negative_precision: Any
    kept_precision: Any


class Outcome(eqx.Module):
    """What a run of message passing ended with; one entry for each right-hand side.

    Attributes:
        mean: posterior means of the input at the best iterate (the converged one, else that of
            least residual).
        variance: posterior variances there.
        hidden_means: posterior means of h_1, ..., h_{L-1} there; empty for one layer.
        hidden_variances: their posterior variances.
        status: codes of `Status`, an integer array.
        residual: |F(x) - x| at the best iterate, as in `Info`.
        error_bound: residual / (1 - rate), the distance to the fixed point if the last rate of
            contraction holds; infinite if the iteration does not contract.
        steps: iterations until the status was decided.
        negative_precision: negative precisions met and replaced on the way.
        kept_precision: precisions kept at exact recovery.
        messages: one sentence for each problem: what happened and what to try.
        history: what `observe` returned, one entry an iteration, the start first.
    """

    mean: np.ndarray
    variance: np.ndarray
    hidden_means: tuple[np.ndarray, ...]
    hidden_variances: tuple[np.ndarray, ...]
    status: np.ndarray
    residual: np.ndarray
    error_bound: np.ndarray
    steps: np.ndarray
    negative_precision: np.ndarray
    kept_precision: np.ndarray
    messages: tuple[str, ...] = eqx.field(static=True)
    history: list[Any]

    @property
    def means(self) -> tuple[np.ndarray, ...]:
        """Posterior means of h_0, ..., h_{L-1}."""
        return (self.mean, *self.hidden_means)

    @property
    def variances(self) -> tuple[np.ndarray, ...]:
        """Posterior variances of h_0, ..., h_{L-1}."""
        return (self.variance, *self.hidden_variances)


def follow(
    problem: Any,
    state: Any,
    step: Callable[..., tuple[Any, Info]],
    *,
    damping: float | str,
    tolerance: float,
    max_steps: int,
    observe: Callable[[Any], Any] | None = None,
    explain: Callable[[], list[str]] | None = None,
) -> Outcome:
    """Iterate until F(x) is within `tolerance` of x, undamped, for every right-hand side.

    Args:
        problem: what the algorithm is given, with the `layout` and `sizes` of its vectors.
        state: the first state, an `Iterate`.
        step: the algorithm, ``step(problem, state, damping=...)``.
        damping: in [0, 1) or "adaptive", as `damping.damping_rule` takes it.
        tolerance: on the residual of `Info`. 0 runs all steps.
        max_steps: at most so many iterations.
        observe: called on the start and on every state; its results are kept.
        explain: for runs that did not converge, a sentence for each right-hand side on what of the
            data explains that, or "": such a run has left the algorithm's domain.

    Raises:
        ValueError: if an option is out of its range.
    """
    require_x64()
    rule = damping_rule(damping, problem.layout.batch)
    non_negative("tolerance", tolerance)
    integer("max_steps", max_steps, low=1)
    watch = _Watch(problem, state, tolerance)
    history = [] if observe is None else [observe(state)]
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # watched below
        for _ in range(max_steps):
            state, info = step(problem, state, damping=rule.damping)
            state = watch.update(state, info, rule.patient)
            rule = rule.after(np.atleast_1d(info.residual), watch.left)
            if observe is not None:
                history.append(observe(state))
            if np.all(watch.done):
                break
    return watch.outcome(history, explain)


class _Watch:
    """Follows every right-hand side of a run: its best iterate, and how it ends."""

    def __init__(self, problem: Any, state: Iterate, tolerance: float):
        self.problem, self.tolerance = problem, tolerance
        self.best = state.snapshot()
        batch = problem.layout.batch
        self.residual, self.last, self.rate = (np.full(batch, np.inf) for _ in range(3))
        self.status = np.full(batch, Status.max_steps, dtype=np.int8)
        self.done, self.rising, self.left = (np.zeros(batch, bool) for _ in range(3))
        self.steps, self.negative, self.kept = (np.zeros(batch, int) for _ in range(3))
        self.expected = state.expected_error()

    def update(self, state: Any, info: Info, patient: np.ndarray) -> Any:
        """Take note of a step; right-hand sides that diverged go back to their best iterate.

        Those that are `patient` go on from there, the others end.
        """
        info = Info(*map(np.atleast_1d, vars(info).values()))
        finite = np.isfinite(info.residual) & np.isfinite(info.variance) & (info.size < _FAR)
        open_ = ~self.done
        self.steps += open_
        self.negative += open_ * info.negative_precision
        self.kept += open_ * info.kept_precision
        better = open_ & finite & (info.residual <= self.residual)
        self.best = chosen_rows(better, state.snapshot(), self.best)
        self.residual = np.where(better, info.residual, self.residual)
        self.rate = np.where(open_ & finite, info.residual / self.last, self.rate)
        self.rising = np.where(open_, ~(info.variance <= self.expected), self.rising)
        self.last, self.expected = info.residual, info.variance
        arrived = open_ & finite & (info.residual <= self.tolerance)
        self.status[arrived] = Status.converged
        self.left = ~finite
        ends = open_ & ~finite & ~patient
        self.status[ends] = Status.left_domain
        self.status[ends & np.isinf(self.residual)] = Status.non_finite
        self.done = self.done | arrived | ends
        return state if finite.all() else state.restarted(finite, self.best)

    def outcome(self, history: list[Any], explain: Callable[[], list[str]] | None) -> Outcome:
        """The best iterates with their statuses and messages."""
        layout, sizes = self.problem.layout, self.problem.sizes
        causes = [""] * layout.batch
        if explain is not None and not np.all(self.status == Status.converged):
            causes = explain()
        stuck = (self.status == Status.max_steps) & np.array([bool(cause) for cause in causes])
        self.status[stuck] = Status.left_domain
        with np.errstate(divide="ignore", invalid="ignore"):
            bound = np.where(self.rate < 1, self.residual / (1 - self.rate), np.inf)
        means, variances = (
            [np.array(layout.vector(x, n)) for x, n in zip(kind, sizes, strict=False)]
            for kind in zip(*(layer[:2] for layer in self.best), strict=True)
        )
        numbers = (self.status, self.residual, bound, self.steps, self.negative, self.kept)
        if layout.shape in ("vector", "units"):
            numbers = tuple(x.reshape(()) for x in numbers)
        return Outcome(
            means[0],
            variances[0],
            tuple(means[1:]),
            tuple(variances[1:]),
            *numbers,
            messages=tuple(
                _message(Status(int(code)), cause, bool(rising))
                for code, cause, rising in zip(self.status, causes, self.rising, strict=True)
            ),
            history=history,
        )


def _message(status: Status, cause: str, rising: bool) -> str:
    """One sentence on how a run ended."""
    if status == Status.converged:
        return status.advice
    text = cause or status.advice
    return text + (" The variance was rising at the end (variance rising)." if rising else "")


_FAR: Final = 1e8  # estimates so many times the prior's second moment have left every domain

"""Message passing to convergence: the best iterate of every right-hand side, with its status.

Do not read the variances as error bars where the rows or columns of a design are strongly
correlated: the algorithm assumes that they are not.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

import equinox as eqx
import jax
import numpy as np

from solvable.algorithms.damping import damping_rule
from solvable.algorithms.designs import mean_strength
from solvable.algorithms.multilayer_amp import Info, Start, State, init, step
from solvable.algorithms.problem import Problem
from solvable.core.arguments import integer, non_negative
from solvable.core.precision import require_x64
from solvable.core.status import Status


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


def run(
    problem: Problem,
    *,
    start: Start | Sequence[Start | None] | None = None,
    variances: str = "scalar",
    center: bool = False,
    damping: float | str = 0.0,
    tolerance: float = 1e-6,
    max_steps: int = 1000,
    observe: Callable[[State], Any] | None = None,
) -> Outcome:
    """Iterate until F(x) is within `tolerance` of x, undamped, for every right-hand side.

    Args:
        problem: a chain and its data, on the host.
        start: where to begin, as in `init`.
        variances: "scalar" or "vector".
        center: subtract the designs' column means.
        damping: in [0, 1); new = (1 - damping) F(x) + damping x. Or "adaptive": `damping.Adaptive`
            chooses it for every right-hand side from its residuals.
        tolerance: on the residual of `Info`. 0 runs all steps.
        max_steps: at most so many iterations.
        observe: called on the start and on every state; its results are kept.

    Returns:
        The best iterate, always finite. `left_domain`: diverged, or unsettled by a design's mean.

    Raises:
        ValueError: if an option is out of its range or a start does not fit.

    Example:
        >>> import numpy as np, solvable as sv
        >>> from solvable.algorithms.problem import assemble
        >>> rng = np.random.default_rng(0)
        >>> W = [rng.normal(size=(800, 400)) / 20, rng.normal(size=(600, 800)) / 800**0.5]
        >>> x = rng.normal(size=400)
        >>> y = W[1] @ np.maximum(W[0] @ x, 0)
        >>> outcome = run(assemble(sv.Gaussian(), [sv.ReLU(), sv.Linear(delta=1e-3)], W, y))
        >>> Status(int(outcome.status)).name, round(float(np.mean((outcome.mean - x) ** 2)), 2)
        ('converged', 0.03)
    """
    require_x64()
    rule = damping_rule(damping, problem.layout.batch)
    non_negative("tolerance", tolerance)
    integer("max_steps", max_steps, low=1)
    state = init(problem, start, variances=variances, center=center)
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
    return watch.outcome(history, centered=center)


class _Watch:
    """Follows every right-hand side of a run: its best iterate, and how it ends."""

    def __init__(self, problem: Problem, state: State, tolerance: float):
        self.problem, self.tolerance = problem, tolerance
        self.best = _estimates(state)
        batch = problem.layout.batch
        self.residual, self.last, self.rate = (np.full(batch, np.inf) for _ in range(3))
        self.status = np.full(batch, Status.max_steps, dtype=np.int8)
        self.done, self.rising, self.left = (np.zeros(batch, bool) for _ in range(3))
        self.steps, self.negative, self.kept = (np.zeros(batch, int) for _ in range(3))
        self.expected = np.ravel(state.layers[0].average)

    def update(self, state: State, info: Info, patient: np.ndarray) -> State:
        """Take note of a step; right-hand sides that diverged go back to their best iterate.

        Those that are `patient` go on from there, the others end.
        """
        info = jax.tree.map(np.atleast_1d, info)
        finite = np.isfinite(info.residual) & np.isfinite(info.variance) & (info.size < _FAR)
        open_ = ~self.done
        self.steps += open_
        self.negative += open_ * info.negative_precision
        self.kept += open_ * info.kept_precision
        better = open_ & finite & (info.residual <= self.residual)
        self.best = _chosen(better, _estimates(state), self.best)
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
        return state if finite.all() else self._reset(state, finite)

    def _reset(self, state: State, finite: np.ndarray) -> State:
        layers = []
        for layer, (mean, variance) in zip(state.layers, self.best, strict=True):
            average = np.mean(
                variance[:, : self.problem.sizes[len(layers)]], axis=1, keepdims=True
            )
            quiet = layer._replace(mean=mean, variance=variance, average=average)
            memory = {
                name: np.zeros(np.shape(value))
                for name in ("g", "precision", "offset")
                if (value := getattr(layer, name)) is not None
            }
            layers.append(_chosen(finite, layer, quiet._replace(**memory)))
        return replace(state, layers=tuple(layers))

    def outcome(self, history: list[Any], centered: bool) -> Outcome:
        """The best iterates with their statuses and messages."""
        layout, sizes = self.problem.layout, self.problem.sizes
        strength, where = self._strength(centered)
        stuck = (self.status == Status.max_steps) & (strength > 1)
        self.status[stuck] = Status.left_domain
        with np.errstate(divide="ignore", invalid="ignore"):
            bound = np.where(self.rate < 1, self.residual / (1 - self.rate), np.inf)
        means, variances = (
            [np.array(layout.vector(x, n)) for x, n in zip(kind, sizes, strict=False)]
            for kind in zip(*self.best, strict=True)
        )
        numbers = (self.status, self.residual, bound, self.steps, self.negative, self.kept)
        if layout.shape == "vector":
            numbers = tuple(x.reshape(()) for x in numbers)
        return Outcome(
            means[0],
            variances[0],
            tuple(means[1:]),
            tuple(variances[1:]),
            *numbers,
            messages=tuple(
                _message(Status(int(code)), float(above), name, bool(rising))
                for code, above, name, rising in zip(
                    self.status, strength, where, self.rising, strict=True
                )
            ),
            history=history,
        )

    def _strength(self, centered: bool) -> tuple[np.ndarray, list[str]]:
        """How far the mean of a design sticks out, at most, and of which one."""
        designs, batch = self.problem.designs, self.problem.layout.batch
        if centered or np.all(self.status == Status.converged):
            return np.zeros(batch), [""] * batch
        found = np.stack([np.zeros(batch) + mean_strength(design) for design in designs])
        single = len(designs) == 1
        names = ["the design" if single else f"`weights[{k}]`" for k in range(len(designs))]
        return found.max(axis=0), [names[k] for k in found.argmax(axis=0)]


def _estimates(state: State) -> list[tuple[Any, Any]]:
    return [(layer.mean, layer.variance) for layer in state.layers]


def _chosen(rows: np.ndarray, first: Any, second: Any) -> Any:
    """Some rows of the arrays of one tree, the others of another; no copies if one has all."""
    if rows.all():
        return first
    return jax.tree.map(
        lambda a, b: np.where(rows[:, None], a, b) if np.ndim(a) == 2 else a, first, second
    )


def _message(status: Status, strength: float, design: str, rising: bool) -> str:
    """One sentence on how a run ended."""
    if status == Status.converged:
        return status.advice
    text = status.advice
    if strength > 1:
        text = (
            f"The iteration diverged or did not settle because {design} has a mean: its "
            f"column means make a singular value {strength:.2g} times the edge of the others; "
            "use `center=True`, or center the design."
        )
    return text + (" The variance was rising at the end (variance rising)." if rising else "")


_FAR: Final = 1e8  # estimates so many times the prior's second moment have left every domain

"""GAMP to convergence: the best iterate of every right-hand side, with its status.

Do not read the variances as error bars where the design's rows or columns are strongly correlated:
the algorithm assumes that they are not.
"""

from collections.abc import Callable
from typing import Any, Final

import equinox as eqx
import numpy as np

from solvable.algorithms.designs import AbstractDesign, as_design, mean_strength
from solvable.algorithms.gamp import Info, Start, State, init, step
from solvable.bricks.channels.base import AbstractChannel
from solvable.bricks.priors.base import AbstractPrior
from solvable.core.arguments import in_interval, integer, non_negative
from solvable.core.instance import Data
from solvable.core.precision import require_x64
from solvable.core.specification import numeric
from solvable.core.status import Status


class Outcome(eqx.Module):
    """What a run of message passing ended with; one entry for each right-hand side.

    Attributes:
        mean: posterior means at the best iterate (the converged one, else that of least residual).
        variance: posterior variances there.
        status: codes of `Status`, an integer array.
        residual: |F(x) - x| at the best iterate, relative to sqrt(rho).
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
    status: np.ndarray
    residual: np.ndarray
    error_bound: np.ndarray
    steps: np.ndarray
    negative_precision: np.ndarray
    kept_precision: np.ndarray
    messages: tuple[str, ...] = eqx.field(static=True)
    history: list[Any]


def run(
    prior: AbstractPrior,
    channel: AbstractChannel,
    data: Data,
    *,
    start: Start | None = None,
    variances: str = "scalar",
    center: bool = False,
    damping: float = 0.0,
    tolerance: float = 1e-6,
    max_steps: int = 1000,
    observe: Callable[[State], Any] | None = None,
) -> Outcome:
    """Iterate until F(x) is within `tolerance` of x, undamped, for every right-hand side.

    Args:
        prior: law of the signal's components.
        channel: law of y given z.
        data: design and observation, as in `init`.
        start: where to begin, as in `init`.
        variances: "scalar" or "vector".
        center: subtract the design's column means.
        damping: in [0, 1); new = (1 - damping) F(x) + damping x.
        tolerance: on the residual of `Info`. 0 runs all steps.
        max_steps: at most so many iterations.
        observe: called on the start and on every state; its results are kept.

    Returns:
        The best iterate, always finite. `left_domain`: diverged, or unsettled by a design's mean.

    Raises:
        ValueError: if an option is out of its range or shapes do not fit.

    Example:
        >>> import solvable as sv
        >>> model = sv.GLM(prior=sv.Rademacher(), channel=sv.Sign(), alpha=2.0)
        >>> from solvable.core.randomness import key_for
        >>> problem = model.sample(key_for(0, "example"), 500)
        >>> outcome = run(model.prior, model.channel, problem.data)
        >>> overlap = float((outcome.mean * problem.signal).mean())
        >>> Status(int(outcome.status)).name, round(overlap, 6)
        ('converged', 1.0)
    """
    require_x64()
    _check_options(damping, tolerance, max_steps)
    prior, channel = numeric(prior), numeric(channel)
    data = Data(as_design(data.design), np.asarray(data.observation, dtype=np.float64))
    state = init(prior, channel, data, start, variances=variances, center=center)
    watch = _Watch(data.design, state, tolerance)
    history = [] if observe is None else [observe(state)]
    with np.errstate(over="ignore", invalid="ignore", divide="ignore"):  # watched below
        for _ in range(max_steps):
            state, info = step(prior, channel, data, state, damping=damping)
            state = watch.update(state, info)
            if observe is not None:
                history.append(observe(state))
            if np.all(watch.done):
                break
    return watch.outcome(history, centered=center)


def _check_options(damping: float, tolerance: float, max_steps: int) -> None:
    in_interval("damping", damping, 0, 1, closed="left")
    non_negative("tolerance", tolerance)
    integer("max_steps", max_steps, low=1)


class _Watch:
    """Follows every right-hand side of a run: its best iterate, and how it ends."""

    def __init__(self, design: AbstractDesign, state: State, tolerance: float):
        self.design, self.tolerance = design, tolerance
        self.mean, self.variance = np.array(state.mean), np.array(state.variance)
        batch = np.delete(np.array(state.mean.shape), design.axis)
        self.residual = np.full(batch, np.inf)
        self.last = np.full(batch, np.inf)
        self.rate = np.full(batch, np.inf)
        self.status = np.full(batch, Status.max_steps, dtype=np.int8)
        self.done = np.zeros(batch, bool)
        self.steps, self.negative, self.kept = (np.zeros(batch, int) for _ in range(3))
        self.expected = np.asarray(state.variance).mean(axis=design.axis)
        self.rising = np.zeros(batch, bool)

    def update(self, state: State, info: Info) -> State:
        """Take note of a step; right-hand sides that diverged go back to their best iterate."""
        axis = self.design.axis
        size = np.mean(np.square(state.mean), axis=axis) / state.second_moment
        finite = np.isfinite(info.residual) & np.isfinite(info.variance) & (size < _FAR)
        open_ = ~self.done
        self.steps += open_
        self.negative += open_ * info.negative_precision
        self.kept += open_ * info.kept_precision
        better = open_ & finite & (info.residual <= self.residual)
        spread = np.expand_dims(better, axis)
        self.mean = np.where(spread, state.mean, self.mean)
        self.variance = np.where(spread, state.variance, self.variance)
        self.residual = np.where(better, info.residual, self.residual)
        self.rate = np.where(open_ & finite, info.residual / self.last, self.rate)
        self.rising = np.where(open_, ~(info.variance <= self.expected), self.rising)
        self.last, self.expected = np.asarray(info.residual), np.asarray(info.variance)
        arrived = open_ & finite & (info.residual <= self.tolerance)
        self.status[arrived] = Status.converged
        none = open_ & ~finite & np.isinf(self.residual)
        self.status[open_ & ~finite] = Status.left_domain
        self.status[none] = Status.non_finite
        self.done = self.done | arrived | ~finite
        if np.all(finite):
            return state
        bad = np.expand_dims(~finite, axis)
        return eqx.tree_at(
            lambda s: (s.mean, s.variance, s.g, s.precision, s.offset),
            state,
            (
                np.where(bad, self.mean, state.mean),
                np.where(bad, self.variance, state.variance),
                np.where(bad, 0.0, state.g),
                np.where(bad, 0.0, state.precision),
                np.where(bad, 0.0, state.offset),
            ),
        )

    def outcome(self, history: list[Any], centered: bool) -> Outcome:
        """The best iterates with their statuses and messages."""
        strength = np.zeros(self.status.shape)
        if not centered and np.any(self.status != Status.converged):
            strength = strength + mean_strength(self.design)
            stuck = (self.status == Status.max_steps) & (strength > 1)
            self.status[stuck] = Status.left_domain
        with np.errstate(divide="ignore", invalid="ignore"):
            bound = np.where(self.rate < 1, self.residual / (1 - self.rate), np.inf)
        return Outcome(
            mean=self.mean,
            variance=self.variance,
            status=self.status,
            residual=self.residual,
            error_bound=bound,
            steps=self.steps,
            negative_precision=self.negative,
            kept_precision=self.kept,
            messages=tuple(
                _message(Status(int(code)), float(above), bool(rising))
                for code, above, rising in zip(
                    self.status.flat, strength.flat, self.rising.flat, strict=True
                )
            ),
            history=history,
        )


def _message(status: Status, strength: float, rising: bool) -> str:
    """One sentence on how a run ended."""
    if status == Status.converged:
        return status.advice
    text = status.advice
    if strength > 1:
        text = (
            "The iteration diverged or did not settle because the design has a mean: its "
            f"column means make a singular value {strength:.2g} times the edge of the others; "
            "use `center=True`, or center the design."
        )
    return text + (" The variance was rising at the end (variance rising)." if rising else "")


_FAR: Final = 1e8  # estimates so many times the prior's second moment have left every domain

"""Generalized approximate message passing (GAMP) for y ~ P(. | X w), w_i ~ prior.

The one-layer case of multi-layer message passing (Rangan 2011; Barbier et al. 2019, Algorithm 1),
with the mean squared row norm r and column norm c of the design (1 and alpha for entries
N(0, 1 / p)):

    V = r mean(variance),         omega = X mean - V g_previous,
    g = d log Z / d omega,        A = c mean(-dg / d omega),
    B = X^T g + A mean,           mean, variance = posterior(prior, B, A).

The code, and what it does about negative precisions and exact recovery, is in `multilayer_amp`.
"""

from typing import Any

from solvable.algorithms import multilayer_amp, multilayer_run
from solvable.algorithms.convergence import Info, Outcome
from solvable.algorithms.designs import as_design
from solvable.algorithms.multilayer_amp import Start, State
from solvable.algorithms.problem import Problem, assemble
from solvable.bricks.channels.base import AbstractChannel
from solvable.bricks.priors.base import AbstractPrior
from solvable.core.instance import Data


def problem(prior: AbstractPrior, channel: AbstractChannel, data: Data) -> Problem:
    """The chain of one layer.

    Args:
        prior: law of the signal's components.
        channel: law of y given z.
        data: design (n, p) and observation (n,) or (n, k); or (b, n, p) and (b, n).

    Raises:
        ValueError: if the design is none, or the observation does not fit it.
    """
    return assemble(prior, [channel], [as_design(data.design)], data.observation)


def init(
    prior: AbstractPrior,
    channel: AbstractChannel,
    data: Data,
    start: Start | None = None,
    **options: Any,
) -> State:
    """The state before the first iteration.

    Args:
        prior, channel, data: as in `problem`.
        start: where to begin; by default mean and variance of the prior, which is a fixed point
            without information where the channel is even (then use a spectral start).
        options: `variances` and `center` of `multilayer_amp.init`.
    """
    return multilayer_amp.init(problem(prior, channel, data), start, **options)


def step(
    prior: AbstractPrior, channel: AbstractChannel, data: Data, state: State, *, damping: Any = 0.0
) -> tuple[State, Info]:
    """One iteration x -> (1 - damping) F(x) + damping x of x = (mean, variance, g).

    Args:
        prior, channel, data: as in `problem`; a dense design is read twice and not copied.
        state: from `init` or the step before.
        damping: in [0, 1).
    """
    return multilayer_amp.step(problem(prior, channel, data), state, damping=damping)


def run(prior: AbstractPrior, channel: AbstractChannel, data: Data, **options: Any) -> Outcome:
    """Iterate until F(x) is within `tolerance` of x, undamped, for every right-hand side.

    Args:
        prior, channel, data: as in `problem`.
        options: of `multilayer_run.run`, among them `start`, `variances`, `center`, `damping`,
            `tolerance` and `max_steps`.

    Example:
        >>> import solvable as sv
        >>> from solvable.core.randomness import key_for
        >>> from solvable.core.status import Status
        >>> model = sv.GLM(prior=sv.Rademacher(), channel=sv.Sign(), alpha=2.0)
        >>> instance = model.sample(key_for(0, "example"), 500)
        >>> outcome = run(model.prior, model.channel, instance.data)
        >>> overlap = float((outcome.mean * instance.signal).mean())
        >>> Status(int(outcome.status)).name, round(overlap, 6)
        ('converged', 1.0)
    """
    return multilayer_run.run(problem(prior, channel, data), **options)

"""Multi-layer AMP to convergence.

Do not read the variances as error bars where the rows or columns of a design are strongly
correlated: the algorithm assumes that they are not.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from solvable.algorithms.convergence import Outcome, follow
from solvable.algorithms.designs import mean_strength
from solvable.algorithms.multilayer_amp import Start, State, init, step
from solvable.algorithms.problem import Problem


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
    return follow(
        problem,
        init(problem, start, variances=variances, center=center),
        step,
        damping=damping,
        tolerance=tolerance,
        max_steps=max_steps,
        observe=observe,
        explain=None if center else lambda: _means_that_stick_out(problem),
    )


def _means_that_stick_out(problem: Problem) -> list[str]:
    """For every right-hand side a sentence on the design of the largest mean, if that is large."""
    batch = problem.layout.batch
    found = np.stack([np.zeros(batch) + mean_strength(design) for design in problem.designs])
    single = len(found) == 1
    names = ["the design" if single else f"`weights[{k}]`" for k in range(len(found))]
    return [
        f"The iteration diverged or did not settle because {names[k]} has a mean: its "
        f"column means make a singular value {strength:.2g} times the edge of the others; "
        "use `center=True`, or center the design."
        if strength > 1
        else ""
        for k, strength in zip(found.argmax(axis=0), found.max(axis=0), strict=True)
    ]

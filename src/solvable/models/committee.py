"""The committee machine: a two-layer network of few hidden units learns from another one."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Float, PRNGKeyArray

from solvable.algorithms import committee_amp
from solvable.algorithms.committee_amp import Problem, State
from solvable.algorithms.convergence import Info, Outcome
from solvable.bricks.channels.sign import Sign
from solvable.bricks.committee.labels import AbstractLabels
from solvable.bricks.committee.messages import AbstractMessages
from solvable.bricks.committee.weights import supported
from solvable.bricks.priors.base import AbstractPrior
from solvable.core.arguments import UNSET, instance, integer, non_negative, parameter
from solvable.core.instance import Data, Instance
from solvable.core.specification import numeric
from solvable.core.thresholds import Threshold, absent
from solvable.models import committee_instances
from solvable.models.base import (
    AbstractInstanceModel,
    AbstractMessagePassingModel,
    AbstractThresholdModel,
)
from solvable.models.committee_kinds import (
    Hidden,
    Output,
    hidden_unit,
    labels_of,
    messages_of,
    output_unit,
    require_solvable,
)
from solvable.models.committee_sum import (
    SumCommittee,
    channel_of_sum,
    labels_over_channel,
    law_of_sum,
)
from solvable.models.committee_theory import DistinctCommittee
from solvable.models.equivalent import AbstractStandInModel

CARD = dict(
    kind="model",
    name="Committee",
    summary="a committee machine of few hidden units learns from another one",
    parameters={
        "k": "an integer >= 1, the number of hidden units",
        "prior": "law of the weights, of mean 0: `Gaussian()`, `Rademacher()` or `Discrete(...)`",
        "output": "`Sign(ties='zero')` (labels -1, 0, 1), `Sign(ties='random')` or `Linear(...)`",
        "hidden": "`Sign()`, `ReLU()`, `Erf()` or `Linear()`, activation of the hidden units",
        "alpha": ">= 0, n / p, samples over inputs",
    },
    observables=[
        "overlap",
        "mse",
        "overlap_diagonal",
        "overlap_off_diagonal",
        "free_entropy",
        "mutual_information",
        "generalization_error",
    ],
    thresholds=[
        "weak_recovery",
        "information_theoretic",
        "algorithmic",
        "spinodal_uninformed",
        "spinodal_informed",
        "specialization",
    ],
    rigour="theorem",
    references=["aubin2018"],
)


class Committee(
    AbstractStandInModel,
    AbstractThresholdModel,
    AbstractInstanceModel,
    AbstractMessagePassingModel,
):
    """y = output(sum_l hidden(w_l . x)), n = alpha p samples, x ~ N(0, 1 / p), K hidden units.

    The order parameter is the overlap q_0 of a unit with its teacher's and q_1 with another's;
    with the eigenvalues q_+ = q_0 + (K - 1) q_1, q_- = q_0 - q_1 of q, state evolution is q_hat =
    alpha snr(q), q = q(q_hat), whose stationary points are those of the free entropy per input
    (Aubin et al. 2018)

        f = extr { sum_a [-q_a q_hat_a / 2] + psi(q_hat) + alpha Psi(q) }.

    On the branch `symmetric`, q_- = 0, units are alike. It is left at the threshold
    `specialization`. On `specialized` they differ: from there on, or where that branch is first
    order, as of three sign units, from `spinodal_informed` below it, and best from
    `information_theoretic` on. Discrete weights are
    recovered exactly: `information_theoretic` is where that is best, `algorithmic` where message
    passing does it, which is absent where there is no such alpha, as for Gaussian weights. Theory
    of more than three units is an average over quasi-random points, whose spread is in the error
    bounds; that of three and more ends where V_- = 0.03 rho. `overlap` is q_0, `mse` rho - q_0,
    `generalization_error` E (y - E[y | data])^2.

    Where y depends on the sum of all fields alone, units are always alike: one unit, linear ones,
    and the sign of two error functions are the linear model (`GLM`) of the sum of the weights,
    whose thresholds they have. Else K >= 2 with these units:

    - `Sign` under `Sign(ties=...)` or `Linear(delta=...)`, any K;
    - `ReLU` under `Sign(ties=...)`, which tells whether any is active;
    - `ReLU` or `Erf` under `Linear(delta=...)`, delta of at least 1e-3 rho for two units and of
      1e-2 rho for more;
    - three `Erf` and more under `Sign()`.

    Args:
        k: number of hidden units, K.
        prior: of the weights, of mean 0: `Gaussian`, `Rademacher` or `Discrete`.
        output: `Sign` with `ties`, sign(0), "zero" or "random"; or `Linear`, whose delta is the
            variance of the noise. The sum is not divided by K.
        hidden: `Sign()`, `ReLU()`, `Erf()` or `Linear()`, without noise.
        alpha: n / p; may be left unset where swept.

    Raises:
        ValueError: if an argument is out of its domain, ties are not chosen, or a committee of
            such units is not solved.

    Example:
        >>> import solvable as sv
        >>> model = Committee(k=2, prior=sv.Gaussian(), output=sv.Sign(ties="zero"), alpha=2.5)
        >>> data = sv.curve(model)
        >>> round(float(data.overlap_diagonal.sel(branch="specialized")), 4)
        0.5005
    """

    k: int = eqx.field(static=True, kw_only=True, converter=lambda x: integer("k", x, low=1))
    prior: AbstractPrior = eqx.field(
        kw_only=True,
        converter=lambda x: supported("prior", instance("prior", x, AbstractPrior, "a prior")),
    )
    output: Output = eqx.field(kw_only=True, converter=output_unit)
    hidden: Hidden = eqx.field(kw_only=True, default_factory=Sign, converter=hidden_unit)
    alpha: Any = parameter("alpha", non_negative, default=UNSET)

    def __check_init__(self) -> None:
        require_solvable(self.k, self.hidden, self.output, self._rho())

    # ---- theory

    def equivalent(self) -> DistinctCommittee | SumCommittee:
        """The model of its fixed points: a linear one of the sum of all weights, if it is one."""
        channel = channel_of_sum(self.k, self.hidden, self.output)
        if channel is None:
            return DistinctCommittee(self.prior, self.labels(), self.alpha)
        scale = labels_over_channel(self.hidden, self.output)
        return SumCommittee(law_of_sum(self.prior, self.k), channel, self.k, scale, self.alpha)

    def labels(self) -> AbstractLabels:
        """The law of the labels, where they depend on more than the sum of all fields."""
        return labels_of(self.k, self.hidden, self.output, self._rho())

    def _rho(self) -> float:
        return float(self.prior.second_moment())

    def own_thresholds(
        self, parameter: str, found: Mapping[str, Threshold]
    ) -> dict[str, Threshold]:
        """`specialization`, where units that are alike are left; perfect recovery or nothing."""
        own = {"specialization": replace(found["weak_recovery"], name="specialization")}
        own["weak_recovery"] = absent("weak_recovery")
        equivalent = self.equivalent()
        if isinstance(equivalent, SumCommittee):
            return own | {"specialization": absent("specialization")}
        if not equivalent.is_discrete():
            own["algorithmic"] = absent("algorithmic")
            if self.k == 2:
                own["information_theoretic"] = absent("information_theoretic")
        return own

    # ---- instances and message passing

    def sample(self, key: PRNGKeyArray, size: int) -> Instance:
        """One instance of p = size inputs: X (n, p), y (n,) and the weights (p, K)."""
        return committee_instances.sample(key, size, *self._laws(), float(self.alpha))

    def measure(self, estimate: Any, instance: Instance) -> dict[str, float]:
        """Overlaps and errors of an estimate, its units in the order that fits best."""
        return committee_instances.measure(estimate, instance, *self._laws())

    def init(self, data: Data, key: PRNGKeyArray) -> State:
        problem = self._problem(data)
        start = committee_amp.random_start(key, self.prior, problem.design.shape[1], self.k)
        return committee_amp.init(problem, start)

    def step(self, data: Data, state: State) -> tuple[State, Info]:
        return committee_amp.step(self._problem(data), state)

    def solve(
        self,
        data: Data,
        key: PRNGKeyArray,
        *,
        start: Any = None,
        observe: Callable[[Any], Any] | None = None,
        **options: Any,
    ) -> Outcome:
        """Bayes-optimal message passing to convergence.

        Args:
            data: the examples.
            key: of the start, which knows nothing but tells the units apart a little.
            start: another start, as `informed_start` makes it.
            observe: called on every state.
            options: of `committee_amp.run`.

        Raises:
            ValueError: if an option is out of its range, or a label is impossible.
        """
        problem = self._problem(data)
        if start is None:
            start = committee_amp.random_start(key, self.prior, problem.design.shape[1], self.k)
        return committee_amp.run(problem, start, observe=observe, **options)

    def informed_start(
        self, instance: Instance, overlap: float, key: PRNGKeyArray
    ) -> Float[np.ndarray, "p K"]:
        return committee_instances.informed_start(instance, overlap, self.prior, key)

    def state_evolution(
        self, start: Mapping[str, float], iterations: int
    ) -> dict[str, Float[np.ndarray, " t"]]:
        """Observables along state evolution from measured ones, each (iterations + 1,)."""
        laws = numeric(self.prior), self.labels()
        return committee_instances.state_evolution(start, iterations, *laws, float(self.alpha))

    def _laws(self) -> tuple[AbstractPrior, AbstractMessages]:
        return self.prior, messages_of(self.k, self.hidden, self.output, self._rho())

    def _problem(self, data: Data) -> Problem:
        return Problem(np.asarray(data.design), np.asarray(data.observation), *self._laws())

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
from solvable.bricks.committee.messages import SignMessages
from solvable.bricks.committee.pairs_of_signs import PairOfSigns
from solvable.bricks.committee.weights import supported
from solvable.bricks.priors.base import AbstractPrior
from solvable.core.arguments import UNSET, fail, instance, integer, non_negative, parameter
from solvable.core.branches import Limits, level
from solvable.core.fixed_points import FixedPoint
from solvable.core.instance import Data, Instance
from solvable.core.specification import inject, numeric
from solvable.core.thresholds import Threshold, absent
from solvable.models import committee_instances, scalar
from solvable.models.base import (
    AbstractBranchNamesModel,
    AbstractInstanceModel,
    AbstractMessagePassingModel,
    AbstractThresholdModel,
)
from solvable.models.committee_theory import (
    AbstractDistinctCommittee,
    SymmetricCommittee,
    known_potential,
    specialization,
    symmetric_table,
)
from solvable.models.one_number import LogCoordinate

CARD = dict(
    kind="model",
    name="Committee",
    summary="a committee machine of two hidden units learns from another one",
    parameters={
        "k": "2, the number of hidden units",
        "prior": "law of the weights, of mean 0: `Gaussian()`, `Rademacher()` or `Discrete(...)`",
        "output": "`Sign(ties='zero')` (labels -1, 0, 1) or `Sign(ties='random')`",
        "hidden": "`Sign()`, the activation of the hidden units",
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

_UNITS = 2


class Committee(
    AbstractDistinctCommittee,
    AbstractThresholdModel,
    AbstractBranchNamesModel,
    AbstractInstanceModel,
    AbstractMessagePassingModel,
):
    """y = sign(sum_l sign(w_l . x)), n = alpha p samples, x ~ N(0, 1 / p), K = 2 hidden units.

    The order parameter is the overlap q_0 of a unit with its teacher's and q_1 with the other's;
    with the eigenvalues q_+ = q_0 + q_1, q_- = q_0 - q_1 of q, state evolution is q_hat = alpha
    snr(q), q = q(q_hat), whose stationary points are those of the free entropy per input (Aubin
    et al. 2018)

        f = extr { sum_a [-q_a q_hat_a / 2] + psi(q_hat) + alpha Psi(q) }.

    On the branch `symmetric`, q_- = 0, units are alike. It is left at the threshold
    `specialization`. On `specialized` they differ. `algorithmic` and `information_theoretic` are
    those of perfect recovery, absent where there is none at any finite alpha, as for Gaussian
    weights. `overlap` is q_0, `mse` rho - q_0, `generalization_error` E (y - E[y | data])^2.

    Args:
        k: number of hidden units; 2.
        prior: of the weights, of mean 0: `Gaussian`, `Rademacher` or `Discrete`.
        output: `Sign` with `ties`, the label of units that disagree: "zero" or "random".
        hidden: `Sign()`.
        alpha: n / p; may be left unset where swept.

    Raises:
        ValueError: if an argument is out of its domain, or ties are not chosen.

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
    output: Sign = eqx.field(
        kw_only=True, converter=lambda x: instance("output", x, Sign, "Sign(ties=...)")
    )
    hidden: Sign = eqx.field(
        kw_only=True,
        default_factory=Sign,
        converter=lambda x: instance("hidden", x, Sign, "Sign()"),
    )
    alpha: Any = parameter("alpha", non_negative, default=UNSET)

    def __check_init__(self) -> None:
        if self.k != _UNITS:
            raise fail("k", "be 2, the number of units that there is a theory for here", self.k)
        if self.output.ties is None:
            must = "say what a tie of two signs is, as Sign(ties='zero') or Sign(ties='random')"
            raise fail("output", must, self.output)
        for name, sign in (("output", self.output), ("hidden", self.hidden)):
            if not isinstance(sign.delta, float) or sign.delta != 0:
                raise fail(name, "have no noise", sign)

    def parts(self) -> tuple[AbstractPrior, PairOfSigns, Any]:
        assert self.output.ties is not None
        return self.prior, PairOfSigns(self.output.ties), self.alpha

    def symmetric(self) -> SymmetricCommittee:
        return SymmetricCommittee(*self.bare().parts())

    def bare(self) -> "Committee":
        return numeric(inject(self, {"alpha": 1.0}))

    # ---- the ends

    def limits(self) -> Limits:
        """Units alike at one end; at the other, for discrete weights, all is known."""
        x, error = specialization(self.symmetric())
        symmetric = LogCoordinate(self.symmetric())
        value = float(np.exp(level(symmetric, np.array([x]))[0]))
        discrete = self._is_discrete()
        return Limits(
            trivial=True,
            weak_recovery=value,
            weak_recovery_error=error * value,
            recovered=discrete,
            recovery=0.0 if discrete else np.nan,
            perfect=np.nan,
            highest_response=np.inf,
        )

    def _is_discrete(self) -> bool:
        return bool(np.isfinite(float(numeric(self.prior).entropy())))

    def end_free_entropy(
        self, place: str, scales: Float[np.ndarray, " n"]
    ) -> Float[np.ndarray, " n"]:
        """Of units that are alike; or minus the entropy of all weights, and of ties."""
        return self.end_observables(place, scales)["free_entropy"]

    def end_observables(
        self, place: str, scales: Float[np.ndarray, " n"]
    ) -> dict[str, Float[np.ndarray, " n"]]:
        """Observables where units are alike, or known."""
        if place == "trivial":
            alike = self.symmetric()
            return scalar.along(alike, scales, lowest=True, table=symmetric_table(alike))
        prior, labels, _ = self.bare().parts()
        entropy, rho = _UNITS * float(prior.entropy()), float(prior.second_moment())
        noise = 0.0 if labels.ties == "zero" else 0.5  # y^2 of ties is 1, and cannot be predicted
        zero = np.zeros(len(scales))
        shown = scales * known_potential(labels)
        return {
            "overlap": zero + rho,
            "mse": zero,
            "overlap_diagonal": zero + rho,
            "overlap_off_diagonal": zero,
            "free_entropy": shown - entropy,
            "mutual_information": zero + entropy,
            "generalization_error": zero + noise,
        }

    def own_thresholds(
        self, parameter: str, found: Mapping[str, Threshold]
    ) -> dict[str, Threshold]:
        """`specialization`, where units that are alike are left; perfect recovery or nothing."""
        own = {"specialization": replace(found["weak_recovery"], name="specialization")}
        own["weak_recovery"] = absent("weak_recovery")
        if not self._is_discrete():
            names = ("information_theoretic", "algorithmic")
            own |= {name: absent(name) for name in names}
        return own

    def branch_names(self, points: list[FixedPoint]) -> dict[str, int]:
        """Units that are alike, and the lowest stable point where they differ."""
        other = [k for k, x in enumerate(points) if x.stable and x.place != "trivial"]
        return {"symmetric": 0} | ({"specialized": other[0]} if other else {})

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
        laws = numeric(self.prior), self.parts()[1]
        return committee_instances.state_evolution(start, iterations, *laws, float(self.alpha))

    def _laws(self) -> tuple[AbstractPrior, SignMessages]:
        return self.prior, SignMessages(self.k, self.output.ties or "zero")

    def _problem(self, data: Data) -> Problem:
        return Problem(np.asarray(data.design), np.asarray(data.observation), *self._laws())

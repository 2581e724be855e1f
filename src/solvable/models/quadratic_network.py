"""A two-layer network of extensive width with quadratic activation, learned from examples."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from solvable.algorithms import quadratic_amp
from solvable.algorithms.convergence import Info, Outcome
from solvable.algorithms.quadratic_amp import DAMPING, Problem, State
from solvable.core.arguments import UNSET, fail, is_traced, non_negative, parameter, positive
from solvable.core.branches import Limits, level
from solvable.core.instance import Data, Instance
from solvable.core.noisy_wishart import noisy_wishart
from solvable.core.quadrature import ORDER
from solvable.core.specification import inject, numeric
from solvable.core.status import Status
from solvable.models import quadratic_instances
from solvable.models.base import (
    AbstractBaselineModel,
    AbstractInstanceModel,
    AbstractMessagePassingModel,
)
from solvable.models.one_number import (
    AbstractOneNumberModel,
    AbstractSamplesModel,
    LogCoordinate,
    ScalarOrder,
)

CARD = dict(
    kind="model",
    name="QuadraticNetwork",
    summary="a two-layer network of k = kappa d hidden units with activation z^2",
    parameters={
        "kappa": ">= 1e-8, hidden units / dimension k / d",
        "delta": ">= 0, variance of the noise of sqrt(d) y",
        "alpha": "> 0, samples / dimension^2 n / d^2",
    },
    observables=["overlap", "mse", "free_entropy", "mutual_information", "generalization_error"],
    thresholds=[
        "weak_recovery",
        "information_theoretic",
        "algorithmic",
        "spinodal_uninformed",
        "spinodal_informed",
    ],
    rigour="replica",
    references=["maillard2024", "maillard2022", "bun2016"],
)


def _width(name: str, value: Any) -> Any:
    """kappa; where it is smaller than d will ever be large, what is left of errors is rounding."""
    value = positive(name, value)
    if not is_traced(value) and value < _NARROWEST:
        raise fail(name, f"be at least {_NARROWEST:g}", value)
    return value


class QuadraticNetwork(
    AbstractOneNumberModel,
    AbstractSamplesModel,
    AbstractInstanceModel,
    AbstractMessagePassingModel,
    AbstractBaselineModel,
):
    """y = sum_j (w_j . x)^2 / (k d) + sqrt(delta / d) zeta, w_j and x iid N(0, 1), k = kappa d.

    From n = alpha d^2 examples the matrix S = sum_j w_j w_j^T / k is learned, of which they tell
    as much as Y = S + sqrt(t) Z does, Z symmetric of entries N(0, 1 / d), with (Maillard et al.
    2024; 1 / t = q_hat, and mm and I of `core.noisy_wishart`)

        q_hat = 4 alpha / (delta + 2 mm),  mm(q_hat) = lim E |S - S_hat|^2 / d.

    The free entropy per d^2 is f = -I(q_hat) - alpha / 2 ln(2 pi e (delta + 2 mm)) + q_hat mm / 4,
    of labels sqrt(d) y. `mse` is kappa mm, 1 without data, `overlap` 1 - mse, and
    `generalization_error` d E (y - y_hat)^2 = delta + 2 mm. Without noise S is known exactly from
    alpha = kappa - kappa^2 / 2 on, 1/2 for kappa >= 1.

    Args:
        kappa: hidden units over dimension, >= 1e-8.
        delta: noise, >= 0.
        alpha: samples over dimension squared, > 0; may be left unset where it is swept.

    Raises:
        ValueError: if an argument is out of its domain.

    Example:
        >>> import solvable as sv
        >>> model = sv.QuadraticNetwork(kappa=0.5, delta=0.0)
        >>> round(sv.thresholds(model, "alpha")["information_theoretic"].value, 12)
        0.375
    """

    kappa: float = parameter("kappa", _width)
    delta: float = parameter("delta", non_negative)
    alpha: float = parameter("alpha", positive, default=UNSET)

    # ---- order parameters

    def update(self, order: ScalarOrder) -> ScalarOrder:
        """One step of state evolution."""
        q_hat = 4 * self.alpha / (self.delta + 2 * order.variance / self.kappa)
        return self.order_of(jnp.asarray(q_hat), ORDER)

    def order_of(self, q_hat: Float[Array, ""], nodes: int) -> ScalarOrder:
        """What a matrix S + Z / sqrt(q_hat) tells of S: kappa |S - S_hat|^2 / d, I / d^2."""
        seen = noisy_wishart(self.kappa, 1 / q_hat, nodes or ORDER)
        variance = self.kappa * seen.error()
        overlap = jnp.where(variance > 0.5, self.kappa * seen.overlap(), 1 - variance)
        return ScalarOrder(q_hat, overlap, variance, seen.information())

    def level(self, order: ScalarOrder, nodes: int) -> Float[Array, ""]:
        """ln of alpha = q_hat (delta + 2 mm) / 4."""
        shown = self.delta + 2 * order.variance / self.kappa
        return jnp.log(order.q_hat) + jnp.log(shown) - jnp.log(4.0)

    def free_entropy(
        self, order: ScalarOrder, nodes: int = 0, copies: Any = 1.0
    ) -> Float[Array, ""]:
        """E ln P(labels) / d^2."""
        error = order.variance / self.kappa
        label = jnp.log(2 * jnp.pi * jnp.e * (self.delta + 2 * error))
        return order.q_hat * error / 4 - order.information - self.alpha / 2 * label

    def observables(self, order: ScalarOrder, copies: Any = 1.0) -> dict[str, Float[Array, ""]]:
        """Overlap, errors, free entropy and information."""
        error = order.variance / self.kappa
        shown = self.alpha / 2 * jnp.log1p(2 * error / jnp.asarray(self.delta, dtype=float))
        return {
            "overlap": order.overlap,
            "mse": order.variance,
            "free_entropy": self.free_entropy(order),
            "mutual_information": order.information + shown - order.q_hat * error / 4,
            "generalization_error": self.delta + 2 * error,
        }

    def starts(self) -> dict[str, ScalarOrder]:
        """Nothing known, and S known."""
        known = (np.inf, 1.0, 0.0, np.inf)
        return {
            "uninformed": ScalarOrder(*map(jnp.asarray, (0.0, 0.0, 1.0, 0.0))),
            "informed": ScalarOrder(*map(jnp.asarray, known)),
        }

    def coordinate(
        self, limits: Limits, scale_range: tuple[float, float]
    ) -> tuple[LogCoordinate, np.ndarray, np.ndarray]:
        """ln q_hat, from where nothing is known to where all of it is."""
        problem = LogCoordinate(numeric(inject(self, {"alpha": 1.0})))
        low = np.log(4 * scale_range[0] / (self.delta + 2 / self.kappa)) - _MARGIN
        top = _EXACT if self.delta == 0 else np.log(4 * scale_range[1] / self.delta) + _MARGIN
        low, top = np.clip([low, max(top, low + 1.0)], -_EXACT, _EXACT)
        middle = float(np.clip(_SETTLED, low, top))
        x = np.unique(np.r_[_grid(low, middle, _SPACING), _grid(middle, top, _WIDE_SPACING)])
        return problem, x, level(problem, x, problem.coarse)

    # ---- the ends

    def limits(self) -> Limits:
        """S is known without noise only, and found from `recovery_ratio` on; q = 0 never stays."""
        exact = self.delta == 0
        found = recovery_ratio(float(self.kappa)) if exact else np.nan
        return Limits(
            trivial=False,
            weak_recovery=np.nan,
            weak_recovery_error=0.0,
            recovered=exact,
            recovery=found,
            perfect=found,
            highest_response=np.inf if exact else 4 / self.delta,
        )

    def end_free_entropy(
        self, place: str, scales: Float[np.ndarray, " n"]
    ) -> Float[np.ndarray, " n"]:
        """Infinite where S is known."""
        return np.full(len(scales), np.inf)

    def end_observables(
        self, place: str, scales: Float[np.ndarray, " n"]
    ) -> dict[str, Float[np.ndarray, " n"]]:
        """No error where S is known."""
        values = {"overlap": 1.0, "mse": 0.0, "free_entropy": np.inf}
        values |= {"mutual_information": np.inf, "generalization_error": 0.0}
        return {name: np.full(len(scales), value) for name, value in values.items()}

    # ---- instances and message passing

    def sample(self, key: PRNGKeyArray, size: int) -> Instance:
        """One instance of dimension d = size: x / sqrt(d) (n, d), y (n,), and S."""
        return quadratic_instances.sample(key, size, self.kappa, self.delta, self.alpha)

    def measure(self, estimate: Any, instance: Instance) -> dict[str, float]:
        """`overlap`, `mse` and `generalization_error` of an estimate of S."""
        return quadratic_instances.measure(estimate, instance, self.kappa, self.delta)

    def init(self, data: Data, key: PRNGKeyArray) -> State:
        return quadratic_amp.init(self._problem(data))

    def step(self, data: Data, state: State) -> tuple[State, Info]:
        return quadratic_amp.step(self._problem(data), state)

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
            key: unused: it starts from the prior's mean.
            start: another start, as `informed_start` makes it.
            observe: called on every state.
            options: of `quadratic_amp.run`; "adaptive" damping is a half throughout, as without
                any the iteration leaves its fixed point in finite size.

        Raises:
            ValueError: if an option is out of its range.
        """
        if options.get("damping") == "adaptive":
            options["damping"] = DAMPING
        return quadratic_amp.run(self._problem(data), start, observe=observe, **options)

    def informed_start(
        self, instance: Instance, overlap: float, key: PRNGKeyArray
    ) -> Float[np.ndarray, "d d"]:
        return quadratic_instances.informed_start(instance, overlap, self.kappa, key)

    def state_evolution(
        self, start: Mapping[str, float], iterations: int
    ) -> dict[str, Float[np.ndarray, " t"]]:
        """Observables along state evolution without damping, each (iterations + 1,)."""
        law = (self.kappa, self.delta, self.alpha)
        return quadratic_instances.state_evolution(start, iterations, *law)

    def baselines(self) -> tuple[str, ...]:
        return quadratic_instances.BASELINES

    def run_baseline(
        self, name: str, instance: Instance, key: PRNGKeyArray
    ) -> tuple[dict[str, float], Status]:
        """Gradient descent from a random start, or the mean of some such matrices S."""
        problem = self._problem(instance.data)
        found, status = quadratic_instances.run_baseline(name, problem, key)
        return self.measure(found, instance), status

    def _problem(self, data: Data) -> Problem:
        return Problem(data.design, data.observation, self.kappa, self.delta)


def _grid(low: float, high: float, spacing: float) -> np.ndarray:
    return np.linspace(low, high, int(np.ceil((high - low) / spacing)) + 1)


def recovery_ratio(kappa: float) -> float:
    """The n / d^2 from which S is known exactly without noise: its free entries over d^2."""
    return kappa - kappa**2 / 2 if kappa < 1 else 0.5


_NARROWEST: Final = 1e-8
_SPACING, _WIDE_SPACING = 0.25, 1.0
_SETTLED: Final = 12.0  # ln q_hat from which on the level is flat, or a straight line
_MARGIN: Final = 0.5
_EXACT: Final = 69.0  # ln q_hat at which what is left of an error is rounding, for kappa = 1 too

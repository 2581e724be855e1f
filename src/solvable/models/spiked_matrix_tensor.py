"""The mixed spiked matrix-tensor model: a signal on the sphere, seen in a matrix and a tensor."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from solvable.algorithms import tensor_amp
from solvable.algorithms.convergence import Info, Outcome
from solvable.algorithms.matrix_tensor import sampled_matrix_tensor, sampled_sphere
from solvable.algorithms.tensor_amp import Problem, Start, State
from solvable.core.arguments import UNSET, integer, parameter, positive
from solvable.core.branches import TRIVIAL_LOWEST, Limits, level
from solvable.core.covariance import Covariance
from solvable.core.instance import Data, Instance
from solvable.core.kac_rice import complexity, complexity_at_overlap
from solvable.core.randomness import fold
from solvable.core.specification import inject, numeric
from solvable.core.status import Status
from solvable.core.thresholds import Threshold, absent
from solvable.models import sphere, tensor_instances, tensor_lines
from solvable.models.base import (
    AbstractBaselineModel,
    AbstractDynamicsModel,
    AbstractLandscapeModel,
    AbstractMessagePassingModel,
    AbstractThresholdModel,
    Shared,
)
from solvable.models.one_number import AbstractOneNumberModel, LogCoordinate
from solvable.models.sphere import SphereOrder

CARD = dict(
    kind="model",
    name="SpikedMatrixTensor",
    summary="a signal on the sphere in a noisy matrix and a noisy tensor of order p",
    parameters={
        "delta2": "> 0, variance of the matrix's noise, or None for no matrix",
        "deltap": "> 0, variance of the tensor's noise, or None for no tensor",
        "p": "an integer >= 3, order of the tensor",
    },
    observables=["overlap", "mse", "free_entropy", "mutual_information", "overlap_ml_amp"],
    thresholds=[
        "weak_recovery",
        "information_theoretic",
        "algorithmic",
        "spinodal_uninformed",
        "spinodal_informed",
        "langevin",
        "langevin_lower",
        "langevin_upper",
        "gradient_flow",
        "ml_amp",
        "trivialization",
        "trivialization_all_m",
        "trivialization_everywhere",
    ],
    rigour="theorem",
    references=["lesieur2017tensor", "mannelli2020marvels", "mannelli2019passed"],
)

_SPACING = 0.25
_FLOOR = 1e-7  # a scale below all that is asked for
_ROUNDING = 1e-12  # of the difference of what is asked for and what the tensor shows
_FLAT = 1e-3  # slope of that difference where two such places merge
_DENSITY = 4.5  # points in a factor e towards such a place
_MARGIN = 0.5


def _noise(name: str, value: Any) -> Any:
    return None if value is None else positive(name, value)


class SpikedMatrixTensor(
    AbstractOneNumberModel,
    AbstractThresholdModel,
    AbstractDynamicsModel,
    AbstractLandscapeModel,
    AbstractMessagePassingModel,
    AbstractBaselineModel,
):
    """Y_ij = x_i x_j / sqrt(N) + xi, T = sqrt((p-1)!) x_i1 ... x_ip / N^((p-1)/2) + xi, |x|^2 = N.

    The noise is N(0, delta2) for i < j and N(0, deltap) for i1 < ... < ip. With

        Q(m) = m^2 / (2 delta2) + m^p / (p deltap),

    the free entropy per component is max_m Phi(m), Phi = ln(1 - m) / 2 + m / 2 + Q(m) / 2, whose
    stationarity, m = Q'(m) / (1 + Q'(m)), is the fixed point of AMP's state evolution (Lesieur et
    al. 2017; Sarao Mannelli et al. 2020). `overlap` is m, up to the sign for even p, `mse` 1 - m,
    `mutual_information` Q(1) / 2 - Phi, and `overlap_ml_amp` where AMP for the maximum-likelihood
    estimator ends from a random start.

    Args:
        delta2: noise of the matrix, > 0, or None for no matrix; may be left unset where swept.
        deltap: noise of the tensor, > 0, or None for no tensor; likewise.
        p: order of the tensor, at least 3.

    Raises:
        ValueError: if a noise is not positive, p no integer of at least 3, or nothing is seen.

    Example:
        >>> import solvable as sv
        >>> model = sv.SpikedMatrixTensor(deltap=1.0, p=3)
        >>> round(sv.thresholds(model, "delta2")["algorithmic"].value, 8)
        1.0
    """

    delta2: float | None = parameter("delta2", _noise, default=UNSET)
    deltap: float | None = parameter("deltap", _noise, default=UNSET)
    p: int = eqx.field(static=True, kw_only=True, converter=lambda p: integer("p", p, low=3))

    def __check_init__(self) -> None:
        if self.delta2 is None and self.deltap is None:
            raise ValueError(
                "Argument `deltap` must be a number where there is no matrix, but was None."
            )

    @property
    def scale_parameter(self) -> str:
        return "deltap" if self.delta2 is None else "delta2"

    @property
    def scale_power(self) -> int:
        return -1

    def covariance(self) -> Covariance:
        """Q."""
        powers, coefficients = [], []
        for power, noise in ((2, self.delta2), (self.p, self.deltap)):
            if noise is not None:
                powers.append(power)
                coefficients.append(1 / (power * noise))
        return Covariance(tuple(powers), tuple(coefficients))

    def channels(self) -> tuple[str, ...]:
        """The observations that there are."""
        noises = {"matrix": self.delta2, "tensor": self.deltap}
        return tuple(name for name, noise in noises.items() if noise is not None)

    # ---- order parameters

    def update(self, order: SphereOrder) -> SphereOrder:
        """One step of state evolution, q_hat = Q'(m)."""
        return sphere.order_at(self.covariance().slope(order.overlap))

    def free_entropy(
        self, order: SphereOrder, nodes: int = 0, copies: Any = 1.0
    ) -> Float[Array, ""]:
        """Phi(m)."""
        return sphere.free_entropy(order, self.covariance())

    def observables(self, order: SphereOrder, copies: Any = 1.0) -> dict[str, Float[Array, ""]]:
        """Overlap, its error, free entropy and information."""
        free_entropy = self.free_entropy(order)
        return {
            "overlap": order.overlap,
            "mse": order.variance,
            "free_entropy": free_entropy,
            "mutual_information": self.covariance()(1.0) / 2 - free_entropy,
        }

    def starts(self) -> dict[str, SphereOrder]:
        """Next to no overlap, and full overlap."""
        uninformed = sphere.order_at(jnp.asarray(np.exp(TRIVIAL_LOWEST)))
        return {"uninformed": uninformed, "informed": self.update(_known())}

    # ---- the coordinate

    def order_of(self, q_hat: Float[Array, ""], nodes: int = 0) -> SphereOrder:
        """m at a signal-to-noise ratio; nothing is integrated."""
        return sphere.order_at(q_hat)

    def level(self, order: SphereOrder, nodes: int = 0) -> Float[Array, ""]:
        """ln of 1 / delta2, or of 1 / deltap without a matrix, at which a point is fixed.

        1 / delta2 = 1 + q_hat - m^(p-2) / deltap, negative where the tensor alone shows more. The
        logarithm then goes on falling, smoothly, below every scale: no root lies there, and what
        rises from it is a branch that exists at all of them.
        """
        m = order.overlap
        if self.delta2 is None:
            return jnp.log1p(order.q_hat) - (self.p - 2) * jnp.log(m)
        if self.deltap is None:
            return jnp.log1p(order.q_hat)
        rest = 1 + order.q_hat - m ** (self.p - 2) / self.deltap
        floor = jnp.maximum(_FLOOR, _ROUNDING * (1 + order.q_hat))
        above = jnp.log(jnp.maximum(rest, floor))
        return above - jnp.log1p(jnp.maximum(1 - rest / floor, 0.0))

    def coordinate(
        self, limits: Limits, scale_range: tuple[float, float]
    ) -> tuple[LogCoordinate, np.ndarray, np.ndarray]:
        """ln q_hat, with a table that is finer beside places that only the tensor reaches."""
        bare = numeric(inject(self, {self.scale_parameter: 1.0}))
        deltap = None if self.delta2 is None else self.deltap
        top = np.log(scale_range[1] + (0.0 if deltap is None else 1 / deltap)) + _MARGIN
        count = int(np.ceil((top - TRIVIAL_LOWEST) / _SPACING))
        x = np.linspace(TRIVIAL_LOWEST, top, max(count, 16) + 1)
        if deltap is not None:
            x = np.unique(np.concatenate([x, *self._near_edges(deltap)]))
        problem = LogCoordinate(bare)
        return problem, x, level(problem, x)

    def _near_edges(self, deltap: float) -> list[np.ndarray]:
        """Points ever closer to where the level falls below every scale, as it does there.

        The tensor alone then shows as much as is asked, m^(p-2) (1 - m) = deltap.
        """
        best = (self.p - 2) / (self.p - 1)
        if best ** (self.p - 2) * (1 - best) <= deltap:
            return []
        polynomial = np.zeros(self.p)
        polynomial[:2], polynomial[-1] = [1.0, -1.0], deltap
        roots = np.roots(polynomial)
        real = roots.real[(np.abs(roots.imag) < 1e-8) & (roots.real > 0) & (roots.real < 1)]
        found = []
        for m in real:
            q_hat = m / (1 - m)
            floor = max(_FLOOR, _ROUNDING * (1 + q_hat))
            closest = floor / max(abs(q_hat - (self.p - 2)), _FLAT)
            near = np.geomspace(_SPACING, closest, int(_DENSITY * np.log(_SPACING / closest)))
            found.append(np.log(q_hat) + np.r_[-near, near])
        return found

    def own_thresholds(
        self, parameter: str, found: Mapping[str, Threshold]
    ) -> dict[str, Threshold]:
        """Lines of the dynamics and of the landscape, and what a tensor that suffices alone moves.

        `langevin` (T = 1) and `gradient_flow` (T = 0): where dynamics from random starts leaves
        threshold states, a conjecture (Sarao Mannelli et al. 2019, 2020). `langevin` is
        `algorithmic` where there are none, else `langevin_lower`; for even p states may exist
        between `langevin_lower` and `langevin_upper` only. `ml_amp`: where message passing for
        maximum likelihood leaves m = 0. `trivialization`: where the annealed complexity of minima
        at m = 0 vanishes, `trivialization_all_m` on all of the hill about m = 0, and
        `trivialization_everywhere` at isolated minima of negative overlap too.
        """
        own = self._suffices(parameter, found)
        own |= {name: absent(name) for name in tensor_lines.NAMES}
        if parameter in ("delta2", "deltap") and None not in (self.delta2, self.deltap):
            in_matrix = parameter == "delta2"
            own |= tensor_lines.lines(self._family(parameter), self.p, in_matrix, found)
        return own

    def _family(self, parameter: str) -> Callable[[float], Covariance]:
        return lambda value: inject(self, {parameter: value}).covariance()

    def _suffices(self, parameter: str, found: Mapping[str, Threshold]) -> dict[str, Threshold]:
        """Transitions at any noise of the matrix where the tensor alone suffices."""
        if parameter != "delta2" or self.deltap is None:
            return {}
        always = {"value": np.inf, "error_bound": 0.0, "status": Status.converged}
        limits = sphere.tensor_thresholds(self.p)
        return {n: replace(found[n], **always) for n, x in limits.items() if self.deltap < x}

    # ---- the ends

    def limits(self) -> Limits:
        """m = 0 is a fixed point; m = 1 never is."""
        return Limits(
            trivial=True,
            weak_recovery=np.inf if self.delta2 is None else 1.0,
            weak_recovery_error=0.0,
            recovered=False,
            recovery=np.nan,
            perfect=np.nan,
            highest_response=1.0,
        )

    def end_free_entropy(
        self, place: str, scales: Float[np.ndarray, " n"]
    ) -> Float[np.ndarray, " n"]:
        """Phi(0) = 0."""
        return np.zeros(len(scales))

    def end_observables(
        self, place: str, scales: Float[np.ndarray, " n"]
    ) -> dict[str, Float[np.ndarray, " n"]]:
        """Nothing is known at m = 0."""
        zero = np.zeros(len(scales))
        known = [self._at(scale).covariance()(1.0) / 2 for scale in scales]
        found = {"overlap": zero, "mse": zero + 1, "free_entropy": zero}
        return found | {"mutual_information": np.array(known)}

    def noise_information(self, scales: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """There is no noise but the channels'."""
        return np.zeros(len(scales))

    def shared_observables(self, scales: Float[np.ndarray, " n"]) -> dict[str, Shared]:
        """Where AMP for the maximum-likelihood estimator ends."""
        found = [sphere.ml_amp_overlap(self._at(scale).covariance()) for scale in scales]
        return {"overlap_ml_amp": Shared(np.array(found), Status.converged, "replica")}

    def complexity(self, overlap: Any, energies: Any = None) -> Float[np.ndarray, "..."]:
        """Annealed complexity of local minima, by the Kac-Rice formula (`core.kac_rice`).

        Args:
            overlap: m in (-1, 1), any shape.
            energies: shape (..., C), H_c / N of each of the `channels`; None for the maximum.

        Raises:
            ValueError: if an argument is out of its domain.

        Source: mannelli2019passed.

        Example:
            >>> model = SpikedMatrixTensor(delta2=1.0, deltap=1.0, p=3)
            >>> round(float(model.complexity(0.0)), 6)
            0.002733
        """
        if energies is None:
            return complexity_at_overlap(self.covariance(), overlap).complexity
        return complexity(self.covariance(), overlap, energies)

    # ---- instances and message passing

    def sample(self, key: PRNGKeyArray, size: int) -> Instance:
        """One instance: matrix and tensor in single precision, and x; size = N >= p."""
        signal = sampled_sphere(fold(key, "signal"), integer("size", size, low=self.p))
        seen = sampled_matrix_tensor(
            key, size, delta2=self.delta2, order=self.p, deltap=self.deltap, signal=signal
        )
        return Instance(Data(None, seen), signal)

    def measure(self, estimate: Any, instance: Instance) -> dict[str, float]:
        """`overlap` and `mse`, up to the sign where the data do not tell it."""
        return tensor_instances.measure(estimate, instance, self.is_even())

    def is_even(self) -> bool:
        """Whether x and -x look the same."""
        return self.deltap is None or self.p % 2 == 0

    def init(self, data: Data, key: PRNGKeyArray) -> State:
        problem = Problem(data.observation)
        return tensor_amp.init(problem, tensor_instances.first_start(data.observation, key))

    def step(self, data: Data, state: State) -> tuple[State, Info]:
        return tensor_amp.step(Problem(data.observation), state)

    def solve(
        self,
        data: Data,
        key: PRNGKeyArray,
        *,
        start: Start | None = None,
        observe: Callable[[Any], Any] | None = None,
        **options: Any,
    ) -> Outcome:
        """Bayes-optimal message passing to convergence.

        Args:
            data: matrix and tensor.
            key: of the start: the leading eigenvector of the matrix where that finds something,
                else a small random vector.
            start: another start, as `informed_start` makes it.
            observe: called on every state.
            options: of `tensor_amp.run`.

        Raises:
            ValueError: if an option is out of its range.
        """
        start = start or tensor_instances.first_start(data.observation, key)
        return tensor_amp.run(Problem(data.observation), start, observe=observe, **options)

    def informed_start(self, instance: Instance, overlap: float, key: PRNGKeyArray) -> Start:
        return tensor_instances.informed_start(instance, overlap, key)

    def state_evolution(
        self, start: Mapping[str, float], iterations: int
    ) -> dict[str, Float[np.ndarray, " t"]]:
        """Overlap and error along m -> Q'(m) / (1 + Q'(m)), each (iterations + 1,)."""
        return tensor_instances.state_evolution(self.covariance(), start, iterations)

    def baselines(self) -> tuple[str, ...]:
        return ("ml_amp",)

    def run_baseline(
        self, name: str, instance: Instance, key: PRNGKeyArray
    ) -> tuple[dict[str, float], Status]:
        """Message passing for maximum likelihood."""
        even = self.is_even()
        overlap, status = tensor_instances.maximum_likelihood(instance, key, even)
        return {f"overlap_{name}": overlap}, Status(int(status))

    def _at(self, scale: float) -> "SpikedMatrixTensor":
        return inject(self, {self.scale_parameter: 1 / float(scale)})


def _known() -> SphereOrder:
    return SphereOrder(jnp.asarray(np.inf), jnp.ones(()), jnp.zeros(()))

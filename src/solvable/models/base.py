"""What one can ask of a model: the capability classes. Engines ask for them with `isinstance`."""

from abc import abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from solvable.bricks.online import Learning, OnlineOrder
from solvable.core.branches import Limits
from solvable.core.covariance import Covariance
from solvable.core.fixed_points import FixedPoint
from solvable.core.instance import Data, Instance
from solvable.core.specification import Specification
from solvable.core.status import Status
from solvable.core.thresholds import Threshold

Order = Any  # any pytree of order parameters


class Shared(NamedTuple):
    """An observable that is the same on every branch.

    Attributes:
        values: at many scales; NaN where there is no formula.
        status: converged, or unsupported for all of them.
        rigour: of its formula, where that is not the model's.
    """

    values: Float[np.ndarray, " n"]
    status: Status
    rigour: str | None = None


class AbstractReplicaModel(Specification):
    """A model with a replica free entropy, whose stationarity is state evolution.

    Order parameters may be scalars, vectors or K x K matrices: any pytree.
    """

    @abstractmethod
    def free_entropy(self, order: Order) -> Float[Array, ""]:
        """+E log Z per variable in nats at the order parameters; stationary at fixed points."""

    @abstractmethod
    def update(self, order: Order) -> Order:
        """One step of state evolution."""

    @abstractmethod
    def observables(self, order: Order) -> dict[str, Float[Array, ""]]:
        """Everything that the card names, at the order parameters."""

    @abstractmethod
    def starts(self) -> dict[str, Order]:
        """Named starts of state evolution, `uninformed` and `informed` at least."""


class AbstractScalarReplicaModel(AbstractReplicaModel):
    """A replica model all of whose fixed points lie along one coordinate.

    Its scale parameter enters state evolution as a factor. The engine in `core.branches` finds all
    branches and thresholds from the level of every point, ln of the scale at which it is a fixed
    point, and the exact limits at q = 0 and q = rho.
    """

    @property
    @abstractmethod
    def scale_parameter(self) -> str | None:
        """The name by which the scale goes; None if it counts copies of the observation, one."""

    @property
    @abstractmethod
    def scale_power(self) -> int:
        """The scale is this power of that parameter: 1, or -1 where it is a noise."""

    @abstractmethod
    def coordinate(
        self, limits: Limits, scale_range: tuple[float, float]
    ) -> tuple[Any, Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
        """A coordinate with `model`, `order_at(x, nodes)` and `level_at(x, nodes)`; its table.

        The table's x rises and holds every fixed point for scales in the range; the coordinate
        does not depend on the scale.
        """

    @abstractmethod
    def limits(self) -> Limits:
        """The two ends of the axis."""

    @abstractmethod
    def end_free_entropy(
        self, place: str, scales: Float[np.ndarray, " n"]
    ) -> Float[np.ndarray, " n"]:
        """Free entropy at "trivial" (q = 0) or "recovered" (q = rho), at many scales."""

    @abstractmethod
    def end_observables(
        self, place: str, scales: Float[np.ndarray, " n"]
    ) -> dict[str, Float[np.ndarray, " n"]]:
        """Observables there, as limits, at many scales."""

    @abstractmethod
    def noise_information(self, scales: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        """Part of `mutual_information` that is about the model's own noise, at many scales."""

    @abstractmethod
    def shared_observables(self, scales: Float[np.ndarray, " n"]) -> dict[str, Shared]:
        """Observables that are no branch's own but other methods', at many scales."""


class AbstractThresholdModel(Specification):
    """A model with thresholds of its own beside the five of its replica theory."""

    @abstractmethod
    def own_thresholds(
        self, parameter: str, found: Mapping[str, Threshold]
    ) -> dict[str, Threshold]:
        """Thresholds by name in a parameter; one of the five takes the place of what was found.

        Args:
            parameter: in which to look.
            found: the five.
        """


class AbstractBranchNamesModel(Specification):
    """A model with names of its own for some branches."""

    @abstractmethod
    def branch_names(self, points: list[FixedPoint]) -> dict[str, int]:
        """Names and the positions of what they mean among the fixed points of one scale."""


class AbstractEquivalentModel(Specification):
    """A model whose theory is that of another."""

    @abstractmethod
    def equivalent(self) -> AbstractScalarReplicaModel:
        """The model with the same fixed points and observables, whose scale is a parameter."""


class AbstractInstanceModel(Specification):
    """A model that can draw a finite problem and judge an answer to it."""

    @abstractmethod
    def sample(self, key: PRNGKeyArray, size: int) -> Instance:
        """One instance of signal dimension `size`."""

    @abstractmethod
    def measure(self, estimate: Any, instance: Instance) -> dict[str, float]:
        """Observables of an estimate, as the theory defines them; only here is the signal seen."""


class AbstractDynamicsModel(AbstractInstanceModel):
    """A model whose signal Langevin dynamics on the sphere looks for.

    The observation of its instances is a `MatrixTensor`, which exerts the force.
    """

    @abstractmethod
    def covariance(self) -> Covariance:
        """Q: N Q(x . y / N) is the covariance of the energy at x and y."""

    @abstractmethod
    def channels(self) -> tuple[str, ...]:
        """The names of its terms."""


class Simulated(NamedTuple):
    """What a simulation measured at the times that it reached.

    Attributes:
        columns: observable -> values along time.
        status: how it ended.
    """

    columns: dict[str, Float[np.ndarray, "t ..."]]
    status: Status


class AbstractOnlineModel(Specification):
    """A model that learns from one example at a time, whose order parameters obey an ODE."""

    @abstractmethod
    def learning(self) -> Learning:
        """The equations of motion: `drift`, `generalization_error`, ... of order parameters."""

    @abstractmethod
    def initial(self) -> OnlineOrder:
        """The order parameters at time 0."""

    @abstractmethod
    def random_start(self, key: PRNGKeyArray, size: int) -> "AbstractOnlineModel":
        """The same model from a random network of a finite size."""

    @abstractmethod
    def simulate(
        self,
        key: PRNGKeyArray,
        size: int,
        times: Float[np.ndarray, " t"],
        tell: Callable[[float], None] | None = None,
    ) -> Simulated:
        """One finite network; `tell` hears the fraction done."""


class AbstractMessagePassingModel(Specification):
    """A model with a message-passing algorithm and the state evolution of it."""

    @abstractmethod
    def init(self, data: Data, key: PRNGKeyArray) -> Any:
        """The first state."""

    @abstractmethod
    def step(self, data: Data, state: Any) -> tuple[Any, Any]:
        """One iteration: the next state and what happened."""

    @abstractmethod
    def solve(
        self,
        data: Data,
        key: PRNGKeyArray,
        *,
        start: Any = None,
        observe: Callable[[Any], Any] | None = None,
        **options: Any,
    ) -> Any:
        """Iterations to convergence: an outcome that can be measured, with its `status`."""

    @abstractmethod
    def informed_start(self, instance: Instance, overlap: float, key: PRNGKeyArray) -> Any:
        """A `start` of a given overlap with the signal."""

    @abstractmethod
    def state_evolution(
        self, start: Mapping[str, float], iterations: int
    ) -> dict[str, Float[np.ndarray, " t"]]:
        """Observables along state evolution, from those measured at the start, included."""


class AbstractBaselineModel(Specification):
    """A model that brings other methods for its own data, beside message passing."""

    @abstractmethod
    def baselines(self) -> tuple[str, ...]:
        """The names of the methods."""

    @abstractmethod
    def run_baseline(
        self, name: str, instance: Instance, key: PRNGKeyArray
    ) -> tuple[dict[str, float], Status]:
        """Observables that a method reaches, by name, and how it ended."""


class AbstractLandscapeModel(Specification):
    """A model whose energy has minima that can be counted."""

    @abstractmethod
    def complexity(self, overlap: Any, energies: Any = None) -> Float[np.ndarray, "..."]:
        """Annealed complexity Sigma: the mean number of minima is exp(N Sigma).

        Args:
            overlap: m with the signal, any shape.
            energies: of each channel per component, the last axis; None for the most numerous.
        """

"""What one can ask of a model: the capability classes. Engines ask for them with `isinstance`."""

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from solvable.core.branches import Limits
from solvable.core.instance import Data, Instance
from solvable.core.quadrature import ORDER
from solvable.core.specification import Specification

Order = Any  # any pytree of order parameters


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
    """A replica model with one order parameter, q_hat -> scale S(q_hat).

    The engine in `core.branches` finds all its branches and thresholds from `log_response` and
    the exact limits at q = 0 and q = rho.
    """

    scale_parameter: ClassVar[str]

    @abstractmethod
    def order_at(self, log_q_hat: Float[Array, ""], nodes: int = ORDER) -> Order:
        """The order parameters at one ln q_hat."""

    @abstractmethod
    def log_response(self, log_q_hat: Float[Array, ""], nodes: int = ORDER) -> Float[Array, ""]:
        """ln S at one ln q_hat."""

    @abstractmethod
    def limits(self) -> Limits:
        """The two ends of the axis."""

    @abstractmethod
    def scan_nodes(self) -> int:
        """Quadrature nodes a panel that are enough for a table of `log_response`."""

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


class AbstractInstanceModel(Specification):
    """A model that can draw a finite problem and judge an answer to it."""

    @abstractmethod
    def sample(self, key: PRNGKeyArray, size: int) -> Instance:
        """One instance of signal dimension `size`."""

    @abstractmethod
    def measure(self, estimate: Any, instance: Instance) -> dict[str, float]:
        """Observables of an estimate, as the theory defines them; only here is the signal seen."""


class AbstractMessagePassingModel(Specification):
    """A model with a message-passing algorithm."""

    @abstractmethod
    def init(self, data: Data, key: PRNGKeyArray) -> Any:
        """The first state."""

    @abstractmethod
    def step(self, data: Data, state: Any) -> tuple[Any, Any]:
        """One iteration: the next state and what happened."""

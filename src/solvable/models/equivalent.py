"""Models that answer every question of theory with another model."""

from typing import Any

import numpy as np
from jaxtyping import Array, Float

from solvable.core.branches import Limits
from solvable.models.base import (
    AbstractEquivalentModel,
    AbstractScalarReplicaModel,
    Shared,
)


class AbstractStandInModel(AbstractScalarReplicaModel, AbstractEquivalentModel):
    """A model with the theory, and the scale parameter, of its equivalent."""

    @property
    def scale_parameter(self) -> str | None:
        return self.equivalent().scale_parameter

    @property
    def scale_power(self) -> int:
        return self.equivalent().scale_power

    def free_entropy(self, order: Any) -> Float[Array, ""]:
        """That of the equivalent model, as all below."""
        return self.equivalent().free_entropy(order)

    def update(self, order: Any) -> Any:
        return self.equivalent().update(order)

    def observables(self, order: Any) -> dict[str, Float[Array, ""]]:
        return self.equivalent().observables(order)

    def starts(self) -> dict[str, Any]:
        return self.equivalent().starts()

    def coordinate(self, limits: Limits, scale_range: tuple[float, float]) -> Any:
        return self.equivalent().coordinate(limits, scale_range)

    def limits(self) -> Limits:
        return self.equivalent().limits()

    def end_free_entropy(
        self, place: str, scales: Float[np.ndarray, " n"]
    ) -> Float[np.ndarray, " n"]:
        return self.equivalent().end_free_entropy(place, scales)

    def end_observables(
        self, place: str, scales: Float[np.ndarray, " n"]
    ) -> dict[str, Float[np.ndarray, " n"]]:
        return self.equivalent().end_observables(place, scales)

    def noise_information(self, scales: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
        return self.equivalent().noise_information(scales)

    def shared_observables(self, scales: Float[np.ndarray, " n"]) -> dict[str, Shared]:
        return self.equivalent().shared_observables(scales)

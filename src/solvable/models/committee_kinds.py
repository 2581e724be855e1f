"""Which committees are solved, and what their labels are."""

from typing import Any, Final

import numpy as np

from solvable.bricks.channels.erf import Erf
from solvable.bricks.channels.linear import Linear
from solvable.bricks.channels.relu import ReLU
from solvable.bricks.channels.sign import Sign
from solvable.bricks.committee.counts import CountLabels
from solvable.bricks.committee.labels import AbstractLabels
from solvable.bricks.committee.messages import AbstractMessages, SignMessages
from solvable.bricks.committee.pairs_of_signs import PairOfSigns
from solvable.bricks.committee.smooth import noisy_sum
from solvable.bricks.committee.smooth_messages import SignOfSumMessages, sum_messages
from solvable.bricks.committee.sums import sum_labels
from solvable.core.arguments import fail, instance, non_negative

Hidden = Sign | ReLU | Erf | Linear
Output = Sign | Linear
LEAST_NOISE: Final = 1e-3  # of the fields' variance: below it grids would be too large
LEAST_NOISE_OF_MANY: Final = 1e-2  # the same of three units and more


def hidden_unit(value: Any) -> Hidden:
    """The activation of the hidden units, if it is one of those solved.

    Raises:
        ValueError: if it is none, or has noise.
    """
    kinds = (Sign, ReLU, Erf, Linear)
    found: Hidden = instance("hidden", value, kinds, "Sign(), ReLU(), Erf() or Linear()")
    noises = [found.delta] if isinstance(found, Sign | Linear) else [found.delta, found.pre_delta]
    if any(not isinstance(x, float) or x != 0 for x in noises):
        raise fail("hidden", "have no noise", found)
    return found


def output_unit(value: Any) -> Output:
    """What is made of the sum of the units.

    Raises:
        ValueError: if it is neither a sign without noise nor linear.
    """
    kinds = (Sign, Linear)
    found: Output = instance("output", value, kinds, "Sign(ties=...) or Linear(delta=...)")
    if isinstance(found, Sign) and (not isinstance(found.delta, float) or found.delta != 0):
        raise fail("output", "have no noise", found)
    return found


def require_solvable(units: int, hidden: Hidden, output: Output, rho: float) -> None:
    """Raise ValueError unless K such units are solved.

    Args:
        units: K.
        hidden: as `hidden_unit` lets pass.
        output: as `output_unit` lets pass.
        rho: variance of the fields.
    """
    is_sign = isinstance(output, Sign)
    tie = "a tie of two signs" if isinstance(hidden, Sign) else "the sign of zero"
    tied = isinstance(hidden, ReLU) or (isinstance(hidden, Sign) and units % 2 == 0)
    if isinstance(output, Sign) and tied and output.ties is None:
        must = f"say what {tie} is, as Sign(ties='zero') or Sign(ties='random')"
        raise fail("output", must, output)
    if units == 1 and isinstance(hidden, ReLU) and is_sign and output.ties == "random":
        raise fail("output", "be Sign(ties='zero') for one rectified unit", output)
    if units > 1 and isinstance(hidden, Erf | ReLU) and isinstance(output, Linear):
        _require_noise(units, hidden, output, rho)


def _require_noise(units: int, hidden: Erf | ReLU, output: Linear, rho: float) -> None:
    """Raise ValueError where the noise of the sum is known, and too little for grids."""
    least = (LEAST_NOISE if units == 2 else LEAST_NOISE_OF_MANY) * rho
    if isinstance(output.delta, float) and output.delta < least:
        name = type(hidden).__name__
        must = f"have noise, delta of at least {least:.3g}, for {units} {name}() units"
        raise fail("output", must, output)


def labels_of(units: int, hidden: Hidden, output: Output, rho: float) -> AbstractLabels:
    """The law of the labels, where they depend on more than the sum of all fields.

    Args:
        units: K.
        hidden: as `hidden_unit` lets pass.
        output: as `output_unit` lets pass.
        rho: variance of the fields.
    """
    if isinstance(output, Linear) and isinstance(hidden, ReLU | Erf):
        if units == 2:
            return noisy_sum(hidden, output.delta, rho)
        return sum_labels(units, hidden, output.delta, rho)
    if isinstance(hidden, Erf):
        return sum_labels(units, hidden, None, rho)
    if isinstance(output, Linear):
        return CountLabels(units, "sum", None, output.delta)
    if isinstance(hidden, ReLU):
        return CountLabels(units, "any", output.ties)
    if units == 2:
        assert output.ties is not None
        return PairOfSigns(ties=output.ties)
    return CountLabels(units, "majority", output.ties)


def messages_of(units: int, hidden: Hidden, output: Output, rho: float) -> AbstractMessages:
    """What message passing needs of the labels.

    Args:
        units: K.
        hidden: as `hidden_unit` lets pass.
        output: as `output_unit` lets pass.
        rho: variance of the fields.

    Raises:
        ValueError: if there are none for such units, or a variance has no value.
    """
    if units < 2:
        raise fail("k", "be at least 2 for instances; one unit is a `GLM`", units)
    if isinstance(output, Linear) and isinstance(hidden, Erf | ReLU):
        delta = float(non_negative("delta", output.delta))
        _require_noise(units, hidden, Linear(delta=delta), rho)
        return sum_messages(units, hidden, delta, rho)
    if isinstance(output, Sign) and isinstance(hidden, Sign | ReLU):
        kind = "majority" if isinstance(hidden, Sign) else "any"
        return SignMessages(units, output.ties or "zero", kind)  # odd numbers have no ties
    if isinstance(output, Sign) and isinstance(hidden, Erf):
        return SignOfSumMessages(units, hidden).resolved(rho * np.eye(units))
    if not isinstance(hidden, Sign):
        must = "be Sign(), ReLU() or Erf() for instances and message passing"
        raise fail("hidden", must, hidden)
    assert isinstance(output, Linear)
    return SignMessages(units, "zero", "sum", float(non_negative("delta", output.delta)))

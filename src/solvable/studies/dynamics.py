"""`dynamics`: Langevin dynamics of a planted field, or online learning of a network, in time."""

from typing import TYPE_CHECKING, Any

import numpy as np

from solvable.core.arguments import boolean, fail, integer
from solvable.core.precision import require_x64
from solvable.core.specification import unset
from solvable.models.base import AbstractDynamicsModel, AbstractOnlineModel
from solvable.studies import langevin, online
from solvable.studies.curve import require_set
from solvable.studies.progress import Progress

if TYPE_CHECKING:
    import xarray as xr


def dynamics(
    model: AbstractDynamicsModel | AbstractOnlineModel,
    times: Any,
    *,
    temperature: float | None = None,
    initial_overlap: float | None = None,
    waiting: Any = (),
    annealing: Any = None,
    tolerance: float | None = None,
    simulate: bool = False,
    size: int | None = None,
    instances: int | None = None,
    starts: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> "xr.Dataset":
    """How a model's order parameters move in time, in infinite dimension and simulated.

    Of a field (`SpikedMatrixTensor`) under Langevin dynamics at a temperature T, gradient flow at
    T = 0: dx/dt = -mu x - dH/dx + noise of variance 2 T, |x|^2 = N, from a random point of given
    overlap with the signal (`core.two_time`). Of a network (`OnlineSGD`) under one-pass stochastic
    gradient descent, in the time t = examples / N (`bricks/online.py`).

    Args:
        model, times: one of these; rising, >= 0.
        temperature: T >= 0, default 1; of a field only, as the next three.
        initial_overlap: m(0), in [-1, 1], default 1e-4, which stands for a fluctuation.
        waiting: times t' for which C, R and F(t, t') = int_t'^t R(t, s) ds are wanted at all t.
        annealing: None, or (C, tau): deltap of the dynamics is 1 + C exp(-t / tau) times too high.
        tolerance: of a field's overlap, relative, default 1e-4; of a network's steps, 1e-11.
        simulate: also run `instances` (8) of size N = `size` (500), each from its own start.
        starts: of a network only, how many solutions from random overlaps, those of networks of N
            = `size` independent components with `q0` and `r0` as their means, are added.
        size, instances, seed: of the simulation, and of random starts.
        progress: called with (parts done, parts in all).

    Returns:
        A data set (time), without times that a run did not reach, with one `status` and, where
        simulated, `<observable>_mean` and `_standard_error`. Of a field: `overlap`, `mu`,
        `energy`, `energy_matrix`, `energy_tensor`, their `error_bound`, and `correlation`,
        `response`, `integrated_response` (waiting, time); of a network `generalization_error`
        with its relative `error_bound`, `q`, `r`, `v`, with `starts` also `<observable>_starts`
        (start, time, ...) and their `start_status`; NaN at times that one did not reach.

    Raises:
        ValueError: if an argument is out of its range or not for such a model, or one is unset.

    Source: mannelli2020marvels, goldt2019.

    Example:
        >>> import solvable as sv
        >>> model = sv.SpikedMatrixTensor(delta2=0.2, deltap=1.0, p=3)
        >>> sv.dynamics(model, times=[1.0, 3.0]).overlap.values.round(5)
        array([0.00121, 0.03305])
    """
    _check(model, simulate, seed)
    common: dict[str, Any] = {"tolerance": tolerance, "seed": seed, "progress": progress}
    common |= {"simulate": simulate, "size": size, "instances": instances}
    of_fields: dict[str, Any] = {"temperature": temperature, "annealing": annealing}
    of_fields |= {"initial_overlap": initial_overlap, "waiting": waiting}
    if isinstance(model, AbstractDynamicsModel):
        _refuse(model, {"starts": starts})
        return langevin.follow(model, times, **of_fields, **common)
    _refuse(model, of_fields)
    return online.follow(model, times, starts=starts, **common)


def _refuse(model: Any, arguments: dict[str, Any]) -> None:
    """Raise ValueError if one of the arguments, none of which is this model's, is given."""
    for name, value in arguments.items():
        if value is not None and np.size(value):
            raise ValueError(f"Argument `{name}` must be left out for {type(model).__name__}.")


def _check(model: Any, simulate: Any, seed: Any) -> None:
    require_x64()
    if not isinstance(model, AbstractDynamicsModel | AbstractOnlineModel):
        raise fail("model", "be one with dynamics, as `SpikedMatrixTensor` or `OnlineSGD`", model)
    require_learnable(model)
    integer("seed", seed, low=0)
    boolean("simulate", simulate)


def require_learnable(model: Any) -> None:
    """Raise ValueError if a parameter is unset; a network's activations have no noise to set."""
    require_set(model, {path for path in unset(model, set()) if "activation." in path})

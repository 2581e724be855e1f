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

    Of a field (`SpikedMatrixTensor`): dx/dt = -mu x - dH/dx + noise of variance 2 T, |x|^2 = N,
    gradient flow at T = 0, from a random point of given overlap (`core.two_time`). Of a network
    (`OnlineSGD`): one-pass gradient descent in t = examples / N (`bricks/online.py`).

    Args:
        model, times: one of these; rising, >= 0.
        temperature, initial_overlap: T >= 0 (1), m(0) (1e-4); of fields only, as the next two.
        waiting: t' at which C, R and F(t, t') = int_t'^t R(t, s) ds are wanted.
        annealing: (C, tau): deltap of the dynamics is 1 + C exp(-t / tau) times too high.
        tolerance: of a field's overlap, relative, default 1e-4; of a network's steps, 1e-11.
        simulate, size, instances, seed: run 8 of size N = 500 too, each from its own start.
        starts: of a network only: add solutions from random overlaps at N = `size`.
        progress: called with (parts done, parts in all).

    Returns:
        A data set (time) up to where the run came, with one `status`, and `<observable>_mean`,
        `_standard_error` of simulations. Of a field `overlap`, `mu`, energies, `error_bound`, and
        `correlation`, `response`, `integrated_response` (waiting, time); of a network
        `generalization_error`, its relative `error_bound`, `q`, `r`, `v`, and of starts
        `start_status`, `<observable>_starts` (start, time, ...), NaN where not reached.

    Raises:
        ValueError: if an argument is out of its range, not for such a model, or unset.

    Source: mannelli2020marvels, goldt2019.

    Example:
        >>> import solvable as sv
        >>> model = sv.SpikedMatrixTensor(delta2=0.2, deltap=1.0, p=3)
        >>> sv.dynamics(model, times=[1.0, 3.0]).overlap.values.round(5)
        array([0.00121, 0.03305])
    """
    _check(model, simulate, seed)
    asked: dict[str, Any] = dict(tolerance=tolerance, simulate=simulate, seed=seed)
    asked |= dict(size=size, instances=instances, progress=progress)
    own: dict[str, Any] = dict(temperature=temperature, annealing=annealing, waiting=waiting)
    own |= dict(initial_overlap=initial_overlap)
    is_field = isinstance(model, AbstractDynamicsModel)
    _refuse(model, {"starts": starts} if is_field else own)
    if is_field:
        return langevin.follow(model, times, **own, **asked)
    return online.follow(model, times, starts=starts, **asked)


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

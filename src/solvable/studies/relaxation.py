"""`relaxation`: how long dynamics takes to find the signal, and at which noise that diverges.

Near threshold states a small overlap grows at a rate lambda ~ (1 / x - 1 / x_c)^2 with the noise
variance x, so that from m0 on the time to a fixed overlap is

    lambda tau = ln(1 / m0) + b ln|1 / x - 1 / x_c| + c

(Sarao Mannelli et al. 2019b, 2020). At fixed x, where signals are found from any m0, a fitted
power law therefore deviates from that of m0 -> 0 by corrections in 1 / ln(1 / m0), in which its
threshold is extrapolated linearly. The threshold of an m0 lies beyond that limit, where a signal
is found from m0 but not from less.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from scipy.interpolate import CubicSpline
from scipy.optimize import brentq

from solvable import io
from solvable.core.arguments import fail, grid, in_interval, instance, non_negative, positive
from solvable.core.covariance import Covariance as Field
from solvable.core.divergence import (
    ABSENT,
    Divergence,
    Limit,
    extrapolate_to_zero,
    fit_divergence,
)
from solvable.core.planted_state import planted_state
from solvable.core.precision import require_x64
from solvable.core.specification import get, replace, resolve
from solvable.core.status import Status
from solvable.core.transition_lines import amp_transitions, langevin_transitions
from solvable.core.two_time import Channels, TwoTimeSolution, solve
from solvable.core.two_time.ratio import fastest_rate
from solvable.models.base import AbstractDynamicsModel
from solvable.studies.curve import Progress, require_set

if TYPE_CHECKING:
    import xarray as xr

_FIRST = 20.0  # the first horizon, in units of the fastest relaxation
_GROWTH = 4.0  # of a horizon that was too short
_AHEAD = 2.0  # the horizon at a point, in units of the relaxation time at the one before
_READ = 600  # times at which the overlap is read, up to a horizon
_DECADES = 3.5  # that they cover


class _Crossing(NamedTuple):
    """A relaxation time, a bound of its error, and the status; NaN where there is none."""

    time: float
    error: float
    status: Status


def relaxation(
    model: AbstractDynamicsModel,
    over: Mapping[str, Any],
    *,
    temperature: float = 1.0,
    initial_overlaps: Any = (1e-2, 1e-3, 1e-4),
    fraction: float = 0.5,
    longest: float = 1e4,
    tolerance: float = 1e-2,
    progress: Progress | None = None,
) -> "xr.Dataset":
    """Relaxation times of Langevin dynamics or gradient flow, and thresholds measured from them.

    tau is when the overlap, m0 at first, reaches a fraction of that of the planted state. Where it
    diverges, tau = A |1 / x - 1 / x_c|^-gamma, x the noise variance, is fitted for each m0, and
    x_c extrapolated to m0 -> 0, linearly in 1 / ln(1 / m0).

    Args:
        model: such as `SpikedMatrixTensor`; the swept noise may be unset.
        over: one noise variance -> its values, best from the fastest on.
        temperature: T >= 0, 0 for gradient flow.
        initial_overlaps: m0, in (0, 1).
        fraction: of the overlap of the planted state, in (0, 1).
        longest: time after which a run is given up.
        tolerance: relative, of the times; their bounds are mostly far smaller.
        progress: called with (runs done, runs in all).

    Returns:
        A data set: `relaxation_time`, `error_bound`, `status` (initial_overlap, noise), no_branch
        where it is not reached by `longest`; `plateau` (noise) of the planted state; fits with one
        standard error, `threshold`, `exponent`, `<either>_error`, `amplitude`, `fit_status`
        (initial_overlap); `extrapolated_threshold`, `_error`, `_status`; `conjectured_threshold`.

    Raises:
        ValueError: if an argument is out of its range, or another parameter of the model unset.

    Source: mannelli2020marvels, mannelli2019passed.

    Example:
        >>> import solvable as sv
        >>> model = sv.SpikedMatrixTensor(deltap=1.0, p=3)
        >>> data = sv.relaxation(model, {"delta2": [0.2]}, initial_overlaps=[0.01])
        >>> data.relaxation_time.values.round(3)
        array([[1.676]])
    """
    require_x64()
    instance("model", model, AbstractDynamicsModel, "a model with Langevin dynamics")
    name, noises = _noise(model, over)
    require_set(model, {name})
    asked: dict[str, Any] = {
        "over": {name: noises},
        "temperature": non_negative("temperature", temperature),
        "initial_overlaps": _overlaps(initial_overlaps),
        "fraction": in_interval("fraction", fraction, 0, 1, closed="neither"),
        "longest": positive("longest", longest),
        "tolerance": positive("tolerance", tolerance),
    }
    data = _measured(model, name, asked, progress)
    data.attrs = io.attributes("relaxation", "relaxation", model, asked) | {"rigour": "numerical"}
    return data.assign_attrs({key: asked[key] for key in ("temperature", "fraction", "longest")})


def _measured(
    model: AbstractDynamicsModel, name: str, asked: dict[str, Any], progress: Progress | None
) -> "xr.Dataset":
    """All but the attributes."""
    fields = [replace(model, {name: float(value)}).covariance() for value in asked["over"][name]]
    states = [planted_state(field, asked["temperature"]) for field in fields]
    plateaus = np.array([np.nan if state is None else state.overlap for state in states])
    found = _crossings(fields, plateaus, asked, progress)
    data = _dataset(name, asked, plateaus, found)
    data = data.assign(_fits(name, data, asked["initial_overlaps"]))
    data["conjectured_threshold"] = _conjecture(model, name, asked["temperature"])
    return data


def _noise(model: AbstractDynamicsModel, over: Any) -> tuple[str, np.ndarray]:
    """The swept noise and its values, each accepted by the model."""
    if not isinstance(over, Mapping) or len(over) != 1:
        raise fail("over", "name one noise variance", over)
    name, values = next(iter(over.items()))
    resolve(model, name)
    if isinstance(get(model, name), int):
        raise fail("over", "name one noise variance", over)
    noises = grid(name, values)
    for value in noises:
        replace(model, {name: float(value)})
    return name, noises


def _overlaps(values: Any) -> np.ndarray:
    overlaps = grid("initial_overlaps", values)
    if np.any(overlaps <= 0) or np.any(overlaps >= 1):
        raise fail("initial_overlaps", "hold numbers in (0, 1)", overlaps.tolist())
    return overlaps


# -------------------------------------------------------------------------------------------------
# Times


def _crossings(
    fields: list[Field], plateaus: np.ndarray, asked: dict[str, Any], progress: Progress | None
) -> list[list[_Crossing]]:
    """One list for each initial overlap."""
    found, done = [], 0
    first = _FIRST / fastest_rate(Channels.of(fields[0]), asked["temperature"], asked["longest"])
    for overlap in asked["initial_overlaps"]:
        row, horizon = [], first
        for field, plateau in zip(fields, plateaus, strict=True):
            level = asked["fraction"] * plateau
            if level > overlap:  # never of a NaN
                one = _first_passage(field, float(overlap), level, horizon, asked)
                # after a run in vain the next one is likely to need all the time there is
                horizon = asked["longest"] if np.isnan(one.time) else _AHEAD * one.time
            else:
                one = _Crossing(np.nan, np.nan, Status.no_branch)
            row.append(one)
            done += 1
            if progress is not None:
                progress(done, len(fields) * len(asked["initial_overlaps"]))
        first = _AHEAD * row[0].time if row[0].time > 0 else first
        found.append(row)
    return found


def _first_passage(
    field: Field, overlap: float, level: float, horizon: float, asked: dict[str, Any]
) -> _Crossing:
    """When the overlap reaches a level, by runs of growing horizon."""
    longest = asked["longest"]
    horizon = min(horizon, longest)
    while True:
        times = horizon * np.geomspace(10**-_DECADES, 1.0, _READ)
        run = solve(
            Channels.of(field),
            asked["temperature"],
            overlap,
            times,
            tolerance=asked["tolerance"],
        )
        if np.any(run.overlap >= level):
            return _read(run, level, asked["tolerance"])
        if len(run.times) < len(times):
            return _Crossing(np.nan, np.nan, run.status)
        if horizon >= longest:
            missing = run.status if run.status == Status.precision_loss else Status.no_branch
            return _Crossing(np.nan, np.nan, missing)
        horizon = min(_GROWTH * horizon, longest)


def _read(run: TwoTimeSolution, level: float, tolerance: float) -> _Crossing:
    """The crossing, by a spline in ln t; its bound is that of the overlap and of the spline."""
    k = int(np.argmax(run.overlap >= level))
    if k < 4:
        return _Crossing(np.nan, np.nan, Status.unsupported)  # sooner than is read
    x, y = np.log(run.times), run.overlap / level - 1
    fine, coarse = CubicSpline(x, y), CubicSpline(x[k % 2 :: 2], y[k % 2 :: 2])
    search: Any = brentq
    place = float(search(fine, x[k - 1], x[k]))
    other = float(search(coarse, x[k - 2], x[k]))  # every other time
    relative = run.overlap_error[k - 1 : k + 1].max() / (level * float(fine(place, 1)))
    time = float(np.exp(place))
    error = time * (float(relative) + abs(place - other))
    kept = error <= tolerance * time
    return _Crossing(time, error, Status.converged if kept else Status.precision_loss)


def _dataset(
    name: str, asked: dict[str, Any], plateaus: np.ndarray, found: list[list[_Crossing]]
) -> "xr.Dataset":
    import xarray as xr

    values = np.array(found, dtype=float)
    dims = ("initial_overlap", name)
    return xr.Dataset(
        {
            "relaxation_time": (dims, values[:, :, 0]),
            "error_bound": (dims, values[:, :, 1]),
            "status": (dims, values[:, :, 2].astype(np.int8)),
            "plateau": (name, plateaus),
        },
        coords={"initial_overlap": asked["initial_overlaps"], name: asked["over"][name]},
    )


# -------------------------------------------------------------------------------------------------
# Thresholds


def _fits(name: str, data: "xr.Dataset", overlaps: np.ndarray) -> dict[str, Any]:
    """Power laws for each initial overlap, and the limit of their thresholds."""
    noises, times = data[name].values, data["relaxation_time"].values
    trusted = np.where(data["status"].values == Status.converged, times, np.nan)
    fits = [_in_noise(noises, row) for row in trusted]
    found: dict[str, Any] = {
        key: ("initial_overlap", np.array([getattr(fit, key) for fit in fits]))
        for key in ("threshold", "threshold_error", "exponent", "exponent_error", "amplitude")
    }
    found["fit_status"] = ("initial_overlap", np.array([fit.status for fit in fits], np.int8))
    limit = _limit(overlaps, fits)
    found["extrapolated_threshold"] = ((), limit.value)
    found["extrapolated_error"] = ((), limit.error)
    found["extrapolated_status"] = ((), np.int8(limit.status))
    return found


def _in_noise(noises: np.ndarray, times: np.ndarray) -> Divergence:
    """A power law in 1 / noise, its threshold as a noise."""
    there = np.isfinite(times) & (times > 0)
    if not np.any(there):
        return ABSENT
    fit = fit_divergence(1 / noises[there], times[there])
    if fit.status != Status.converged or fit.threshold <= 0:
        return ABSENT
    error = fit.threshold_error / fit.threshold**2
    return fit._replace(threshold=1 / fit.threshold, threshold_error=error)


def _limit(overlaps: np.ndarray, fits: list[Divergence]) -> Limit:
    there = [k for k, fit in enumerate(fits) if fit.status == Status.converged]
    return extrapolate_to_zero(
        1 / np.log(1 / overlaps[there]),
        np.array([fits[k].threshold for k in there]),
        np.array([fits[k].threshold_error for k in there]),
    )


def _conjecture(model: AbstractDynamicsModel, name: str, temperature: float) -> float:
    """Where threshold states are left; where there are none at T = 1, that of message passing."""

    def family(value: float) -> Field:
        return replace(model, {name: value}).covariance()

    roots = langevin_transitions(family, temperature)
    if roots:
        return float(roots[0].value)
    others = amp_transitions(family) if temperature == 1 else ()
    return float(others[0].value) if others else np.nan

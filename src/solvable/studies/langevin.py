"""Langevin dynamics and gradient flow of a planted field, in infinite dimension and simulated."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from solvable import io
from solvable.algorithms.langevin import simulate as simulate_path
from solvable.algorithms.matrix_tensor import sphere_start
from solvable.core.arguments import array, fail, integer, non_negative, positive
from solvable.core.parallel import in_threads
from solvable.core.randomness import fold, key_for
from solvable.core.two_time import Channels, TwoTimeSolution, solve
from solvable.models.base import AbstractDynamicsModel
from solvable.studies.experiment import standard_error
from solvable.studies.progress import Progress, part_of

if TYPE_CHECKING:
    import xarray as xr


def follow(
    model: AbstractDynamicsModel,
    times: Any,
    *,
    temperature: Any = None,
    initial_overlap: Any = None,
    waiting: Any = (),
    annealing: Any = None,
    tolerance: Any = None,
    simulate: bool = False,
    size: Any = None,
    instances: Any = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> "xr.Dataset":
    """Langevin dynamics at a temperature, 1, from an overlap, 1e-4; see `dynamics`."""
    if simulate and annealing is not None:
        raise fail("annealing", "be None for simulations, which keep the energy", annealing)
    asked = {
        "times": array("times", times, ndim=1),
        "initial_overlap": 1e-4 if initial_overlap is None else initial_overlap,
        "waiting": array("waiting", waiting, ndim=1, allow_empty=True),
        "annealing": _annealing(annealing),
        "simulate": simulate,
        "temperature": non_negative("temperature", 1.0 if temperature is None else temperature),
        "tolerance": positive("tolerance", 1e-4 if tolerance is None else tolerance),
        "size": integer("size", 500 if size is None else size, low=2),
        "instances": integer("instances", 8 if instances is None else instances, low=1),
    }
    parts = asked["instances"] + 1 if asked["simulate"] else 1
    found = _theory(model, asked, part_of(progress, 0, parts))
    data = _dataset(model, found, asked["waiting"])
    if asked["simulate"]:
        tell = part_of(progress, 1, parts, parts - 1)
        data = data.assign(_simulated(model, asked, seed, data["time"].values, tell))
    data.attrs = io.attributes("dynamics", "dynamics", model, asked, seed)
    data.attrs["rigour"] = "replica"  # the equations, whatever is known of the model's statics
    return data.assign_attrs({name: asked[name] for name in ("temperature", "initial_overlap")})


def _annealing(value: Any) -> tuple[float, float] | None:
    """Amplitude and time of the schedule, checked."""
    if value is None:
        return None
    both = array("annealing", value, shape=(2,))
    return non_negative("annealing", both[0]), positive("annealing", both[1])


def _theory(
    model: AbstractDynamicsModel, asked: dict[str, Any], tell: Callable[[float], None]
) -> TwoTimeSolution:
    times, waiting = asked["times"], asked["waiting"]
    if len(waiting) and (waiting.min() < 0 or waiting.max() > times[-1]):
        raise fail("waiting", f"hold times from 0 to {times[-1]:g}", waiting.tolist())
    schedule = None
    if asked["annealing"] is not None:
        schedule = _schedule(model.channels(), *asked["annealing"])
    return solve(
        Channels.of(model.covariance(), schedule),
        asked["temperature"],
        asked["initial_overlap"],
        times,
        pairs=[(t, s) for s in waiting for t in times if t >= s],
        tolerance=asked["tolerance"],
        progress=tell,
    )


def _schedule(
    channels: tuple[str, ...], height: float, time: float
) -> Callable[[np.ndarray], np.ndarray]:
    """1 / T_p(t) of the tensor, T_p = 1 + C exp(-t / tau), and one of the matrix."""

    def amplitudes(times: np.ndarray) -> np.ndarray:
        cool = 1 / (1 + height * np.exp(-times / time))
        return np.array([cool if name == "tensor" else np.ones_like(cool) for name in channels])

    return amplitudes


def _simulated(
    model: AbstractDynamicsModel,
    asked: dict[str, Any],
    seed: int,
    times: np.ndarray,
    tell: Callable[[float], None],
) -> dict[str, Any]:
    """Means and standard errors over instances, each from a start of its own."""
    done: list[int] = []

    def run(number: int) -> np.ndarray:
        key = key_for(seed, "dynamics", repr(model), asked["size"], number)
        problem = model.sample(fold(key, "instance"), asked["size"])
        signal = np.asarray(problem.signal)
        path = simulate_path(
            problem.data.observation,
            sphere_start(fold(key, "start"), signal, asked["initial_overlap"]),
            times,
            temperature=asked["temperature"],
            key=fold(key, "noise"),
            signal=signal,
        )
        done.append(number)
        tell(len(done) / asked["instances"])
        kinds = {"matrix": path.matrix_energy, "tensor": path.tensor_energy}
        energies = [kinds[name] for name in model.channels()]
        found = np.array([path.overlap, path.multiplier, path.energy, *energies])
        missing = len(times) - found.shape[1]
        return np.pad(found, ((0, 0), (0, missing)), constant_values=np.nan)

    runs = np.array(in_threads(run, range(asked["instances"])))
    names = ["overlap", "mu", "energy", *(f"energy_{name}" for name in model.channels())]
    columns: dict[str, Any] = {}
    for k, name in enumerate(names):
        columns[f"{name}_mean"] = ("time", runs[:, k].mean(axis=0))
        columns[f"{name}_standard_error"] = ("time", standard_error(runs[:, k]))
    return columns


def _dataset(
    model: AbstractDynamicsModel, found: TwoTimeSolution, waiting: np.ndarray
) -> "xr.Dataset":
    import xarray as xr

    columns: dict[str, Any] = {
        "overlap": ("time", found.overlap),
        "mu": ("time", found.mu),
        "energy": ("time", found.energy),
    }
    for name, energy in zip(model.channels(), found.channel_energies, strict=True):
        columns[f"energy_{name}"] = ("time", energy)
    columns["error_bound"] = ("time", found.error_bound)
    columns["status"] = ((), np.int8(found.status))
    coords = {"time": found.times}
    if len(waiting):
        coords["waiting"] = waiting
        place = {pair: k for k, pair in enumerate(map(tuple, found.pairs))}
        index = np.array([[place.get((t, s), -1) for t in found.times] for s in waiting])
        for name in ("correlation", "response", "integrated_response"):
            values = np.append(getattr(found, name), np.nan)
            columns[name] = (("waiting", "time"), values[index])
    return xr.Dataset(columns, coords=coords)

"""Results as tables for people; `--json` and files hold every digit and every point."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from rich import box
from rich.table import Table
from rich.text import Text

from solvable import io
from solvable.core.status import Status, answered

if TYPE_CHECKING:
    import xarray as xr

MAX_ROWS = 60
_STARTS, _QUANTILES = "generalization_error_starts", (0.1, 0.5, 0.9)


def number(value: Any) -> str:
    """Six digits; a dash where there is no number."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return "-"
    return f"{value:.6g}"


def plus_minus(value: Any, error: Any) -> str:
    """``1.2446804 ± 1.2e-06``: digits down to two of the error's, at most twelve decimals."""
    if value is None or not math.isfinite(value):
        return number(value)
    if error is None or not math.isfinite(error) or error <= 0:
        return number(value)
    exponent = math.floor(math.log10(error))
    if 0 < abs(value) < 1e-4:
        digits = math.floor(math.log10(abs(value))) - exponent + 1
        return f"{value:.{min(max(digits, 1), 12)}e} ± {error:.1e}"
    decimals = min(max(1 - exponent, 0), 12)
    spread = f"{error:.{decimals}f}" if -4 <= exponent <= 6 else f"{error:.1e}"
    return f"{value:.{decimals}f} ± {spread}"


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """A plain table; all cells but the first column's are set to the right."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for index, column in enumerate(columns):
        made.add_column(Text(column), justify="left" if index == 0 else "right", no_wrap=True)
    for row in rows:
        made.add_row(*(Text(cell) for cell in row))
    return made


def heading(dataset: xr.Dataset) -> str:
    """The model, its rigour and its references."""
    attrs = dataset.attrs
    references = ", ".join(str(attrs.get("references", "")).replace(",", " ").split())
    parts = [attrs["model"], attrs.get("rigour", ""), references]
    return "  |  ".join(str(part) for part in parts if part)


def footnote(text: str) -> Text:
    """A line below a table."""
    return Text(text, style="dim")


def _points(dataset: xr.Dataset, over: Sequence[str], lines: int) -> tuple[list[Any], list[Text]]:
    """The grid points to show, thinned so that the table stays short, with a note if it was."""
    shape = tuple(dataset.sizes[name] for name in over)
    points = list(np.ndindex(*shape))
    step = math.ceil(len(points) * lines / MAX_ROWS)
    if step <= 1:
        return points, []
    note = f"One in {step} of {len(points)} points is shown; --json and --out give all of them."
    return points[::step], [footnote(note)]


def _fitting(names: Sequence[str], first: int, rest: int, width: int) -> list[list[str]]:
    """The observables in groups that fit on a line, beside what else the first and others hold."""
    groups: list[list[str]] = []
    room = 0
    for name in names:
        needed = max(len(name), 11) + 3
        if not groups or needed > room:
            room = max(width - (rest if groups else first), needed)
            groups.append([])
        groups[-1].append(name)
        room -= needed
    return groups


def curve(dataset: xr.Dataset, width: int = 200) -> list[Any]:
    """The branches of a curve, point by point; absent branches are left out.

    Observables that do not fit on a line of `width` characters go to a table of their own.
    """
    over, names = io.swept(dataset), io.observables(dataset)
    branches = [str(name) for name in dataset["branch"].values]
    points, notes = _points(dataset, over, min(len(branches), 3))
    made: list[Any] = [Text(heading(dataset))]
    ends = ["error bound", "status"]
    for group in _fitting(names, 42 + 14 * len(over), 14 + 14 * len(over), width):
        rows = []
        for point in points:
            at = dataset.isel(dict(zip(over, point, strict=True)))
            present = [b for b in branches if int(at["status"].sel(branch=b)) != Status.no_branch]
            rows += [_branch(at, branch, over, [*group, *ends]) for branch in present]
        made.append(table(["branch", *over, *group, *ends], rows))
        ends = []
    own = [
        name for name in names if io.rigour_of(dataset, name) != io.rigour_of(dataset, "status")
    ]
    notes += [footnote(f"{name}: {io.rigour_of(dataset, name)}") for name in own]
    return [*made, *notes, *_advice(dataset, ["status"])]


def _branch(at: xr.Dataset, branch: str, over: Sequence[str], names: Sequence[str]) -> list[str]:
    """One branch at one point as a row."""
    one = at.sel(branch=branch)
    bound = float(one["error_bound"])
    special = {
        "error bound": f"{bound:.0e}" if math.isfinite(bound) else "-",
        "status": Status(int(one["status"])).name,
    }
    place = [number(float(at[name])) for name in over]
    cells = [special[n] if n in special else number(float(one[n])) for n in names]
    return [branch, *place, *cells]


def _advice(dataset: xr.Dataset, names: Sequence[str]) -> list[Text]:
    """What to try about statuses that are no answers."""
    codes = {int(code) for name in names for code in np.unique(dataset[name].values)}
    return [
        footnote(f"{Status(code).name}: {Status(code).advice}")
        for code in sorted(codes)
        if not Status(code).is_answer or code == Status.unsupported
    ]


def experiment(dataset: xr.Dataset, width: int = 200) -> list[Any]:
    """What each algorithm measured, with the theory of AMP below it."""
    over, names = io.swept(dataset), io.measured(dataset)
    algorithms = io.algorithms(dataset)
    points, notes = _points(dataset, over, len(algorithms) + 1)
    count = dataset.sizes["instance"]
    made: list[Any] = [Text(f"{heading(dataset)}  |  mean ± standard error of {count} instances")]
    taken = 32 + 14 * len(over)
    for group in _fitting([name.ljust(17) for name in names], taken, taken, width):
        kept = [name.strip() for name in group]
        rows = []
        for point in points:
            at = dataset.isel(dict(zip(over, point, strict=True)))
            place = [number(float(at[name])) for name in over]
            rows += [
                [algorithm, *place, *_measured(at, algorithm, kept)] for algorithm in algorithms
            ]
            rows.append(_theory(at, place, kept))
        made.append(table(["algorithm", *over, *kept, "status"], rows))
    return [*made, *notes, *_advice(dataset, ["status", "experiment_status"])]


def _measured(at: xr.Dataset, algorithm: str, names: Sequence[str]) -> list[str]:
    """An algorithm's observables at one point, and the worst status of its instances."""
    one = at.sel(algorithm=algorithm)
    cells = [
        plus_minus(float(one[f"{name}_mean"]), float(one[f"{name}_standard_error"]))
        for name in names
    ]
    worst = io.worst_status(np.atleast_2d(one["experiment_status"].values))[0]
    return [*cells, Status(int(worst)).name]


def _theory(at: xr.Dataset, place: list[str], names: Sequence[str]) -> list[str]:
    """The row of the branch that AMP follows, or of the first branch where there is no such."""
    branches = [str(name) for name in at["branch"].values]
    branch = "amp" if "amp" in branches else branches[0]
    one = at.sel(branch=branch)
    cells = [number(float(one[name])) if name in one else "-" for name in names]
    return [f"theory ({branch})", *place, *cells, Status(int(one["status"])).name]


def phase(dataset: xr.Dataset, width: int = 200) -> list[Any]:
    """The boundaries of a phase diagram, and how much of the map each phase takes."""
    y, x = (str(name) for name in dataset["phase"].dims)
    names = io.boundaries(dataset)
    step = max(1, math.ceil(dataset.sizes[y] / MAX_ROWS))
    shown = range(0, dataset.sizes[y], step)
    made: list[Any] = [Text(f"{heading(dataset)}  |  {x} at the boundaries")]
    for group in _fitting([name.ljust(17) for name in names], 14, 14, width):
        kept = [name.strip() for name in group]
        rows = [_crossings(dataset.isel({y: index}), y, kept) for index in shown]
        made.append(table([y, *kept], rows))
    counts = np.bincount(np.clip(dataset["phase"].values, -1, 2).ravel() + 1, minlength=4)
    shares = ", ".join(
        f"{name} {100 * count / counts.sum():.0f} %"
        for name, count in zip((*io.PHASES, "not known"), (*counts[1:], counts[0]), strict=True)
        if count
    )
    return [*made, *_critical(dataset, x, y), footnote(f"Cells of the map: {shares}.")]


def _critical(dataset: xr.Dataset, x: str, y: str) -> list[Table]:
    """Where first-order lines end; nothing where no axis is the scale."""
    rows = []
    for name in io.critical_points(dataset):
        at = dataset.sel(point=name)
        cells = [
            plus_minus(float(at[f"point_{axis}"]), float(at[f"point_{axis}_error"]))
            for axis in ("x", "y")
        ]
        rows.append([name, *cells, Status(int(at["point_status"])).name])
    return [table(["critical points", x, y, "status"], rows)] if rows else []


def _crossings(at: xr.Dataset, y: str, names: Sequence[str]) -> list[str]:
    """Where the boundaries are at one value of the vertical parameter."""
    values = ((at[f"boundary_{name}"], at[f"boundary_{name}_error"]) for name in names)
    cells = [plus_minus(float(value), float(error)) for value, error in values]
    return [number(float(at[y])), *cells]


def thresholds(document: Mapping[str, Any]) -> list[Any]:
    """The thresholds of a document, with their error bounds."""
    rows = []
    for name, found in document["thresholds"].items():
        value, bound = (_float(found[key]) for key in ("value", "error_bound"))
        rows.append([name, plus_minus(value, bound), found["status"], found.get("rigour", "")])
    title = f"{document['model']}  |  thresholds in {document['parameter']}"
    columns = ["threshold", "value", "status", "rigour"]
    if not any(row[-1] for row in rows):
        rows, columns = [row[:-1] for row in rows], columns[:-1]
    return [Text(title), table(columns, rows)]


def asymptotics(document: Mapping[str, Any]) -> list[Any]:
    """Stationary state, plateau and largest learning rate of online learning."""
    rows, notes = [], []
    for name in ("stationary", "plateau"):
        found = document[name]
        error, bound, rate = (
            _float(found[x]) for x in ("generalization_error", "error_bound", "rate")
        )
        rows.append([f"{name} error", plus_minus(error, bound), number(rate), found["status"]])
        notes += [footnote(found["note"])] if found["note"] else []
    small, limit = _float(document["small_rate"]), document["largest_learning_rate"]
    rows.insert(1, ["the same for small learning rates", number(small), "", ""])
    values = (_float(limit[x]) for x in ("value", "error_bound"))
    rows.append(["largest learning rate", plus_minus(*values), "", limit["status"]])
    plateau = document["plateau"]
    if plateau["escape_time"] is not None:
        time = (_float(plateau[x]) for x in ("escape_time", "escape_time_error"))
        rows.insert(3, ["halfway from it at time", plus_minus(*time), "", ""])
    columns = ["", "value", "growth rate", "status"]
    return [Text(document["model"]), table(columns, rows), *notes]


def weak_recovery(document: Mapping[str, Any]) -> list[Any]:
    """The directions of a link, and its exponents."""
    rows = []
    for found in document["directions"]:
        along = ", ".join(number(x) for x in found["vector"])
        alpha, bound = (_float(found[key]) for key in ("alpha", "error_bound"))
        rows.append([f"({along})", found["kind"], plus_minus(alpha, bound)])
    noise = f" + noise of deviation {document['noise']:g}" if document["noise"] else ""
    names = ("information_exponent", "leap", "generative_exponent")
    beyond = f"> {document['highest_degree']}"
    exponents = [[x.replace("_", " "), number(document[x])] for x in names]
    exponents = [[name, beyond if value == "-" else value] for name, value in exponents]
    return [
        Text(f"y = {document['link']}{noise}"),
        table(["direction", "", "learned from n / p"], rows),
        table(["exponent", ""], exponents),
        footnote(f"status: {document['status']}"),
    ]


def entropy(dataset: xr.Dataset) -> list[Any]:
    """Entropies and mutual information of a network's layers."""
    status = [Status(int(code)).name for code in dataset.status.values]
    rows = [
        [
            str(int(layer)),
            str(int(dataset.units.values[k])),
            number(float(dataset.entropy.values[k])),
            number(float(dataset.mutual_information.values[k])),
            status[k],
        ]
        for k, layer in enumerate(dataset.layer.values)
    ]
    attrs = dataset.attrs
    title = (
        f"{heading(dataset)}  |  input {attrs['prior']}, noise after each activation "
        f"{attrs['delta']:g}, before it {attrs['pre_delta']:g}; nats per input unit"
    )
    source = f"layer {attrs['source']}" if attrs["source"] else "input"
    columns = ["layer", "units", "entropy", f"I({source}; layer)", "status"]
    return [Text(title), table(columns, rows)]


def dynamics(dataset: xr.Dataset, width: int = 200) -> list[Any]:
    """Observables of a dynamics in time, and what a simulation found."""
    names = io.series(dataset)
    simulated = [x for x in names if x in io.measured(dataset) and not x.startswith("energy_")]
    step = math.ceil(dataset.sizes["time"] / MAX_ROWS)
    rows = []
    for k in range(0, dataset.sizes["time"], step):
        at = dataset.isel(time=k)
        row = [number(float(at[name])) for name in ("time", *names, "error_bound")]
        for name in simulated:
            row.append(plus_minus(*(float(at[f"{name}_{x}"]) for x in ("mean", "standard_error"))))
        if "start" in dataset.dims:
            row.append("{} .. {} .. {}".format(*map(number, _low_to_high(at[_STARTS].values))))
        rows.append(row)
    columns = ["time", *names, "error bound", *(f"{name} (simulated)" for name in simulated)]
    if "start" in dataset.dims:
        columns.append(f"{dataset.sizes['start']} random starts: 10 %, median, 90 %")
    attrs, status = dataset.attrs, Status(int(dataset["status"]))
    title = heading(dataset)
    if "temperature" in attrs:
        title += f"  |  temperature {attrs['temperature']:g}, "
        title += f"initial overlap {attrs['initial_overlap']:g}"
    notes = [footnote(f"status: {status.name}")]
    if not status.is_answer:
        notes = [footnote(f"status: {status.name}: {attrs.get('advice', status.advice)}")]
    else:
        notes += _ends_of_runs(dataset, "experiment_status", "simulation")
        notes += _ends_of_runs(dataset, "start_status", "random starts")
    if step > 1:
        notes.append(footnote(f"One in {step} times is shown; --json and --out give all of them."))
    return [Text(title), table(columns, rows), *notes]


def _low_to_high(values: Any) -> list[float]:
    """Quantiles of those that got here."""
    found = values[np.isfinite(values)]
    return np.quantile(found, _QUANTILES).tolist() if len(found) else [math.nan] * 3


def _ends_of_runs(dataset: xr.Dataset, name: str, what: str) -> list[Text]:
    """How many runs ended early, and what to do."""
    codes = dataset[name].values if name in dataset else np.zeros(0, np.int8)
    failed = codes[~answered(codes)]
    if not len(failed):
        return []
    worst = Status(int(failed.max()))
    advice = dataset.attrs.get("advice", worst.advice)
    return [footnote(f"{what}: {len(failed)} of {len(codes)} runs {worst.name}: {advice}")]


def relaxation(dataset: xr.Dataset, width: int = 200) -> list[Any]:
    """Relaxation times, one column for each initial overlap, and the thresholds fitted to them."""
    name = str(dataset["plateau"].dims[0])
    starts = [f"{overlap:g}" for overlap in dataset["initial_overlap"].values]
    rows = []
    for k in range(dataset.sizes[name]):
        at = dataset.isel({name: k})
        cells = []
        for j in range(len(starts)):
            one = at.isel(initial_overlap=j)
            status = Status(int(one["status"]))
            found = plus_minus(float(one["relaxation_time"]), float(one["error_bound"]))
            cells.append(found if status == Status.converged else status.name)
        rows.append([number(float(at[name])), number(float(at["plateau"])), *cells])
    fits = []
    for j, start in enumerate(starts):
        one = dataset.isel(initial_overlap=j)
        both = [(float(one[key]), float(one[f"{key}_error"])) for key in ("threshold", "exponent")]
        status = Status(int(one["fit_status"])).name
        fits.append([start, *(plus_minus(*value) for value in both), status])
    limit = (float(dataset["extrapolated_threshold"]), float(dataset["extrapolated_error"]))
    fits.append(["-> 0", plus_minus(*limit), "", Status(int(dataset["extrapolated_status"])).name])
    attrs = dataset.attrs
    title = (
        f"{heading(dataset)}  |  temperature {attrs['temperature']:g}, times at which the overlap "
        f"is {attrs['fraction']:g} of its plateau"
    )
    notes = [
        footnote(f"conjectured threshold: {number(float(dataset['conjectured_threshold']))}"),
        footnote(f"no_branch: not reached by time {attrs['longest']:g}, or too few for a fit."),
    ]
    return [
        Text(title),
        table([name, "plateau", *(f"time from {start}" for start in starts)], rows),
        table(["initial overlap", f"threshold in {name}", "exponent", "status"], fits),
        *notes,
        *_advice(dataset, ["status"]),
    ]


def _float(value: Any) -> float | None:
    """A number of a JSON document, where infinities are texts."""
    return None if value is None else float(value)


def infer(document: Mapping[str, Any]) -> list[Any]:
    """A summary of a posterior, of one signal or of several seen through one design."""
    mean, variance = (np.array(document[name], dtype=float) for name in ("mean", "variance"))
    errors = np.atleast_1d(np.array(document["estimated_mse"], dtype=float))
    rows = [
        ["unknowns", " x ".join(str(length) for length in mean.shape)],
        ["posterior means", _spread(mean)],
        ["posterior variances", _spread(variance)],
        ["estimated mse", _spread(errors)],
        ["iterations", str(document["iterations"])],
        ["status", str(document["status"])],
    ]
    return [Text(str(document["model"])), table(["posterior", ""], rows)]


def denoise(document: Mapping[str, Any]) -> list[Any]:
    """A summary of the spike behind a matrix."""
    mean, variance = (np.array(document[name], dtype=float) for name in ("mean", "variance"))
    rows = [["components of v", str(len(mean))]]
    if "mean_u" in document:
        rows.append(["components of u", str(len(document["mean_u"]))])
    rows += [
        ["noise variance delta", number(float(document["delta"]))],
        ["scale of the matrix", number(float(document["scale"]))],
        ["posterior means of v", _spread(mean)],
        ["posterior variances of v", _spread(variance)],
        ["estimated mse", number(float(document["estimated_mse"]))],
        ["mse that theory expects", number(float(document["expected_mse"]))],
        ["iterations", str(document["iterations"])],
        ["status", str(document["status"])],
    ]
    told = [Text(str(document[name])) for name in ("noise", "verdict")]
    return [Text(str(document["model"])), table(["spike", ""], rows), *told]


def _spread(values: np.ndarray) -> str:
    """The value of all, or the smallest and the largest."""
    low, high = number(float(values.min())), number(float(values.max()))
    return low if low == high else f"{low} to {high}"

"""Grids as they are typed: ranges, logarithmic ranges and lists of values."""

from __future__ import annotations

import math
from collections.abc import Sequence

BARE_FORMS = "start:stop:count, log:start:stop:count or v1,v2,..."
FORMS = "name=start:stop:count, name=log:start:stop:count or name=v1,v2,..."
MAX_COUNT = 1_000_000


def read_grid(option: str, text: str) -> tuple[str, list[float]]:
    """The parameter's name and its values.

    Args:
        option: the option's name, for errors.
        text: the grid as it was typed.

    Raises:
        ValueError: one sentence, if it has none of the forms, is empty, reversed or not finite.
    """
    name, equals, values = (part.strip() for part in text.partition("="))
    if not (name and equals and values):
        raise _refused(option, f"be of the form {FORMS}", text)
    return name, _values(option, values, text, FORMS)


def read_values(option: str, text: str) -> list[float]:
    """The values of a grid without a name.

    Raises:
        ValueError: as `read_grid` does.
    """
    return _values(option, text.strip(), text, BARE_FORMS)


def _values(option: str, values: str, text: str, forms: str) -> list[float]:
    if not values:
        raise _refused(option, f"be of the form {forms}", text)
    if ":" in values:
        return _range(option, values, text, forms)
    grid = [_number(option, part, text) for part in values.split(",")]
    if len(set(grid)) < len(grid):
        raise _refused(option, "not repeat a value", text)
    return grid


def read_grids(option: str, texts: Sequence[str] | None) -> dict[str, list[float]]:
    """Several grids by name, in the order of the flags."""
    grids: dict[str, list[float]] = {}
    for text in texts or []:
        name, values = read_grid(option, text)
        if name in grids:
            raise _refused(option, f"name each parameter once, but names `{name}` twice", text)
        grids[name] = values
    return grids


def _range(option: str, values: str, text: str, forms: str) -> list[float]:
    """The values of ``start:stop:count`` or ``log:start:stop:count``, both ends included."""
    parts = values.split(":")
    logarithmic = parts[0].strip() == "log"
    if logarithmic:
        parts = parts[1:]
    if len(parts) != 3:
        raise _refused(option, f"be of the form {forms}", text)
    start, stop = (_number(option, part, text) for part in parts[:2])
    count = _count(option, parts[2], text)
    if not start < stop:
        raise _refused(option, "start below its stop", text)
    if logarithmic and start <= 0:
        raise _refused(option, "start above 0 on a logarithmic grid", text)
    a, b = (math.log(start), math.log(stop)) if logarithmic else (start, stop)
    inner = [a + (b - a) * i / (count - 1) for i in range(1, count - 1)]
    return [start, *(math.exp(x) if logarithmic else x for x in inner), stop]


def _number(option: str, text: str, whole: str) -> float:
    """A finite number."""
    try:
        value = float(text)
    except ValueError:
        raise _refused(option, f"hold numbers (`{text.strip()}` is none)", whole) from None
    if not math.isfinite(value):
        raise _refused(option, f"hold finite numbers (`{text.strip()}` is not)", whole)
    return value


def _count(option: str, text: str, whole: str) -> int:
    """A number of points, at least the two ends."""
    if not text.strip().isascii() or not text.strip().isdigit():
        raise _refused(option, "have a whole number of points", whole)
    count = int(text) if len(text) < 10 else MAX_COUNT + 1
    if not 2 <= count <= MAX_COUNT:
        raise _refused(option, f"have from 2 to {MAX_COUNT:,} points", whole)
    return count


def _refused(option: str, must: str, text: str) -> ValueError:
    shown = " ".join(text.split())
    shown = shown if len(shown) <= 80 else shown[:77] + "..."
    return ValueError(f"Argument `{option}` must {must}, but was `{shown}`.")

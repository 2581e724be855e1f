"""Specifications: frozen objects whose ``repr`` is a text that `parse` reads back.

A model and its bricks inherit from `Specification`. This module prints them, compares them, reads
them, and reaches the parameters inside them by name.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from solvable.core import (
    grammar,
    precision,  # noqa: F401  (any brick computes in double precision)
)
from solvable.core.arguments import UNSET, Unset, is_traced

__all__ = [
    "UNSET",
    "Path",
    "Specification",
    "Unset",
    "class_names",
    "get",
    "inject",
    "numeric",
    "parameters",
    "parse",
    "replace",
    "resolve",
    "spell",
    "unset",
]

Path = tuple[str | int, ...]


class Specification(eqx.Module):
    """Base of models and bricks: printing, equality and hashing, written once.

    ``repr`` prints ``Name(key=value, ...)`` with plain Python numbers and leaves out fields that
    equal their default or are `UNSET`; ``==`` gives a bool.
    """

    def __repr__(self) -> str:
        shown = (
            f"{field.name}={spell(getattr(self, field.name, UNSET))}"
            for field in dataclasses.fields(self)
            if field.init and _is_printed(self, field)
        )
        return f"{type(self).__name__}({', '.join(shown)})"

    def __eq__(self, other: object) -> bool:  # pyright: ignore[reportIncompatibleMethodOverride]
        if self is other:
            return True
        return type(self) is type(other) and all(
            _equal(getattr(self, field.name, UNSET), getattr(other, field.name, UNSET))
            for field in dataclasses.fields(self)
        )

    def __hash__(self) -> int:
        return hash(repr(self))


_S = TypeVar("_S", bound=Specification)


def _default(field: dataclasses.Field[Any]) -> Any:
    """A field's default, or MISSING where it must be given."""
    if field.default_factory is not dataclasses.MISSING:
        return field.default_factory()
    return field.default


def _is_printed(owner: Specification, field: dataclasses.Field[Any]) -> bool:
    """A required field is always printed, an optional one where it differs from its default."""
    value = getattr(owner, field.name, UNSET)
    if value is UNSET:
        return False
    default = _default(field)
    return default is dataclasses.MISSING or not _equal(value, default)


def _equal(a: Any, b: Any) -> bool:
    """Equality that is always a bool: arrays by their entries, lists and tuples alike."""
    if a is b:
        return True
    if isinstance(a, Specification) or isinstance(b, Specification):
        return isinstance(a, Specification) and a == b
    if is_traced(a) or is_traced(b):
        return False
    sized = (list, tuple, np.ndarray, jax.Array)
    if isinstance(a, sized) and isinstance(b, sized) and not _is_numeric(a, b):
        if any(np.ndim(x) == 0 for x in (a, b) if not isinstance(x, list | tuple)):
            return False
        return len(a) == len(b) and all(_equal(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, sized) or isinstance(b, sized):
        return _is_numeric(a, b) and bool(np.array_equal(np.asarray(a), np.asarray(b)))
    if isinstance(a, bool) != isinstance(b, bool):
        return False
    return bool(a == b)


def _is_numeric(*values: Any) -> bool:
    """Whether each value is an array, or a number that can be one."""
    return all(isinstance(x, np.ndarray | jax.Array | np.generic | int | float) for x in values)


def spell(value: Any) -> str:
    """A field's value as a specification writes it: plain numbers, nested lists, calls.

    What no specification can hold (functions, values under a transformation) is written in angle
    brackets, which `parse` refuses.
    """
    if is_traced(value):
        return f"<traced {value.aval.str_short()}>"
    if isinstance(value, np.ndarray | np.generic | jax.Array):
        return spell(np.asarray(value).tolist())
    if isinstance(value, list | tuple):
        return f"[{', '.join(spell(item) for item in value)}]"
    if isinstance(value, float) and value == 0:
        return "0.0"  # -0.0 is the same parameter
    if callable(value) and not isinstance(value, Specification):
        return f"<function {getattr(value, '__name__', type(value).__name__)}>"
    return repr(value)


# -------------------------------------------------------------------------------------------------
# Reading


def parse(text: str) -> Any:
    """The object that a specification writes: literals and registered names only.

    ``parse(repr(model)) == model`` for every model without bare functions.

    Args:
        text: ``Name(keyword=value, ...)``; values are finite numbers, strings, True, False, None,
            calls, and rectangular lists of numbers or of calls.

    Returns:
        The model or brick, whose constructor has checked its arguments.

    Raises:
        ValueError: one sentence that names what is outside the grammar, unknown, missing or out of
            its domain, with the nearest known name for a misspelling.

    Example:
        >>> parse("GLM(prior=Rademacher(), channel=Sign())")
        GLM(prior=Rademacher(), channel=Sign())
    """
    if isinstance(text, str) and "<function" in text:
        raise ValueError(
            "Argument `spec` must name functions that are registered, but holds a bare Python "
            "function (`<function ...>`), which no text can carry."
        )
    return _build(grammar.read(text, _check_name))


def _check_name(name: str) -> None:
    """Refuse a called name that the catalogue does not have."""
    from solvable import catalog  # a leaf of the package, which the core may read

    known = catalog.names()
    if name not in known:
        raise ValueError(
            f"Argument `spec` must call registered names only, but calls `{name}`"
            f"{catalog.suggestion(name, known)}."
        )


def _build(value: Any) -> Any:
    """The object behind what was read, innermost calls first."""
    if isinstance(value, list):
        return [_build(item) for item in value]
    if not isinstance(value, grammar.Call):
        return value
    from solvable import catalog

    cls = catalog.load(value.name)
    _check_keywords(cls, value)
    arguments = {key: _build(item) for key, item in value.arguments.items()}
    try:
        return cls(**arguments)
    except TypeError as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise ValueError(
            f"Argument `spec` must give `{value.name}` values of the kinds it takes, "
            f"but it refused them: {reason}."
        ) from None


def _check_keywords(cls: type, call: grammar.Call) -> None:
    """Each keyword must be one of the constructor's, and each required one must be there."""
    from solvable import catalog

    known = inspect.signature(cls).parameters
    for key in call.arguments:
        if key not in known:
            raise ValueError(
                f"`{call.name}` has no argument `{key}`{catalog.suggestion(key, known)}."
            )
    for key, parameter in known.items():
        if parameter.default is inspect.Parameter.empty and key not in call.arguments:
            raise ValueError(f"Argument `{key}` of `{call.name}` must be given, but was left out.")


# -------------------------------------------------------------------------------------------------
# Parameters by name


def _is_parameter(owner: Specification, field: dataclasses.Field[Any], value: Any) -> bool:
    """Whether a field holds what a sweep may change: a number, or a place for one."""
    source = field.metadata.get("unless")
    if source and getattr(owner, source) is not None:
        return False
    if value is UNSET or is_traced(value):
        return True
    if value is None:
        return "float" in str(field.type)
    if isinstance(value, np.ndarray | jax.Array):
        return value.ndim == 0
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def _paths(owner: Any, path: Path = ()) -> list[Path]:
    """The paths of all parameters inside a specification, its own first."""
    found: list[Path] = []
    if isinstance(owner, Specification):
        values = [(f, getattr(owner, f.name, UNSET)) for f in dataclasses.fields(owner) if f.init]
        found += [(*path, f.name) for f, value in values if _is_parameter(owner, f, value)]
        for field, value in values:
            found += _paths(value, (*path, field.name))
    elif isinstance(owner, list | tuple):
        for index, item in enumerate(owner):
            found += _paths(item, (*path, index))
    return found


def _dotted(path: Path) -> str:
    """``prior.layers[0].channel.delta`` for a path."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text[1:]


def parameters(model: Specification) -> dict[str, Path]:
    """The names by which a model's parameters go, with the path of each.

    A model's own field goes by its name. A brick's field goes by its name if the model has none of
    that name and exactly one brick has it, else by its path, as in ``channel.delta``.
    """
    paths = _paths(model)
    own = {field.name for field in dataclasses.fields(model)}
    last = [path[-1] for path in paths if len(path) > 1]
    named: dict[str, Path] = {}
    for path in paths:
        short = str(path[-1])
        is_short = len(path) == 1 or (short not in own and last.count(short) == 1)
        named[short if is_short else _dotted(path)] = path
    return named


def resolve(model: Specification, name: str) -> Path:
    """The path of the parameter called `name`, by its short name or its full path.

    Raises:
        ValueError: listing the paths where the name is ambiguous, and the nearest name where it is
            unknown.
    """
    from solvable import catalog

    named = parameters(model)
    if name in named:
        return named[name]
    paths = {_dotted(path): path for path in named.values()}
    if name in paths:
        return paths[name]
    alike = [dotted for dotted, path in paths.items() if path[-1] == name]
    if alike:
        raise ValueError(
            f"Argument `{name}` must name one parameter, but {' and '.join(alike)} "
            "go by that name."
        )
    raise ValueError(
        f"`{type(model).__name__}` has no parameter `{name}`{catalog.suggestion(name, named)}."
    )


def class_names(value: Any) -> list[str]:
    """The names of a specification's class and of all inside it, its own first, each once."""
    found: list[str] = []
    if isinstance(value, Specification):
        found.append(type(value).__name__)
        inner = [getattr(value, field.name, None) for field in dataclasses.fields(value)]
    else:
        inner = value if isinstance(value, list | tuple) else []
    for item in inner:
        found += class_names(item)
    return list(dict.fromkeys(found))


def unset(model: Specification, but: Iterable[str] = ()) -> list[str]:
    """The full paths, as ``prior.rho``, of the parameters that are `UNSET`.

    Args:
        model: any specification.
        but: names of parameters that are left out.
    """
    left_out = {resolve(model, name) for name in but}
    paths = {_dotted(path): path for path in parameters(model).values()}
    return [
        dotted
        for dotted, path in paths.items()
        if path not in left_out and get(model, dotted) is UNSET
    ]


def get(model: Specification, name: str) -> Any:
    """The value of the parameter called `name`; `UNSET` where it has none."""
    value: Any = model
    for part in resolve(model, name):
        value = value[part] if isinstance(part, int) else getattr(value, part)
    return value


def replace(model: _S, values: Mapping[str, Any]) -> _S:
    """The model with some parameters changed, built and checked anew by its constructors."""
    for name, value in values.items():
        if isinstance(get(model, name), int) and isinstance(value, float) and value.is_integer():
            value = int(value)  # a grid holds floats, also for a whole number such as K
        model = _rebuilt(model, resolve(model, name), value)
    return model


def _rebuilt(owner: Any, path: Path, value: Any) -> Any:
    """`owner` with what lies at `path` replaced, through the constructors on the way."""
    if not path:
        return value
    head, rest = path[0], path[1:]
    if isinstance(head, int):
        return [_rebuilt(item, rest, value) if i == head else item for i, item in enumerate(owner)]
    fields = {f.name: getattr(owner, f.name) for f in dataclasses.fields(owner) if f.init}
    return type(owner)(**{**fields, head: _rebuilt(fields[head], rest, value)})


def inject(model: _S, values: Mapping[str, Any]) -> _S:
    """The model with some parameters replaced unchecked, for use under `jit` and `vmap`."""
    for name, value in values.items():
        model = _operated(model, resolve(model, name), value)
    return model


def _operated(owner: Any, path: Path, value: Any) -> Any:
    """A copy of `owner` with what lies at `path` replaced and no constructor run."""
    if not path:
        return value
    head, rest = path[0], path[1:]
    if isinstance(head, int):
        items = [
            _operated(item, rest, value) if i == head else item for i, item in enumerate(owner)
        ]
        return type(owner)(items)
    return _copied(owner, {head: _operated(getattr(owner, head), rest, value)})


def _copied(owner: _S, changes: Mapping[str, Any]) -> _S:
    """A copy with some fields set as they are: converters and checks are not run."""
    copy = object.__new__(type(owner))
    for field in dataclasses.fields(owner):
        if field.name in changes or hasattr(owner, field.name):
            value = changes[field.name] if field.name in changes else getattr(owner, field.name)
            object.__setattr__(copy, field.name, value)
    return copy


def numeric(model: Any) -> Any:
    """The same model with its floats as float64 JAX arrays, so that `jit` compiles once for all.

    Integers, texts, None and `UNSET` stay what they are, and so does an exact 0.0: a noise that is
    absent is structure (another formula, another program), not a value.
    """
    if isinstance(model, Specification):
        static = {f.name for f in dataclasses.fields(model) if f.metadata.get("static", False)}
        fields = {
            f.name: getattr(model, f.name)
            for f in dataclasses.fields(model)
            if hasattr(model, f.name)
        }
        return _copied(model, {n: v if n in static else numeric(v) for n, v in fields.items()})
    if isinstance(model, list | tuple):
        return type(model)(numeric(item) for item in model)
    if isinstance(model, float) and model == 0.0:
        return model
    is_float_array = isinstance(model, np.ndarray | np.floating) and model.dtype.kind == "f"
    if isinstance(model, float) or is_float_array:
        return jnp.asarray(model, dtype=jnp.float64)
    return model

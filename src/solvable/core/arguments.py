"""Checks of arguments, in one grammar: "Argument `x` must ..., but was ...".

Every check takes the argument's name and its value, returns the value in its canonical form
(Python numbers, float64 numpy arrays) and raises ``ValueError`` with one sentence otherwise.
Booleans are not numbers here. Values under a JAX transformation cannot be looked at and pass as
they are.
"""

from __future__ import annotations

import dataclasses
import math
import numbers
from collections.abc import Callable, Iterable
from typing import Any, Final

import equinox as eqx
import jax
import numpy as np
from jax.core import Tracer


class Unset:
    """The type of `UNSET`, which stands for "not given". None is a value; this is not."""

    _instance: Unset | None = None

    def __new__(cls) -> Unset:
        """The one object there is."""
        if cls._instance is None:
            cls._instance = super().__new__(cls)
        return cls._instance

    def __repr__(self) -> str:
        return "UNSET"

    def __reduce__(self) -> str:
        return "UNSET"  # so that copies and pickles stay the one object


UNSET: Final = Unset()


def is_traced(value: object) -> bool:
    """Whether `value` is known only symbolically, inside `jit`, `vmap` or `grad`."""
    return isinstance(value, Tracer)


def describe(value: object) -> str:
    """`value` as an error's sentence ends with it: one line, at most 80 characters."""
    if isinstance(value, np.ndarray | jax.Array) and not is_traced(value) and value.ndim > 0:
        return f"an array of shape {value.shape}"
    if isinstance(value, np.generic | np.ndarray | jax.Array) and not is_traced(value):
        value = value.item()
    text = " ".join(repr(value).split())
    return text if len(text) <= 80 else text[:77] + "..."


def fail(name: str, must: str, value: object) -> ValueError:
    """The error of the house: ``raise fail("alpha", "be positive", alpha)``."""
    return ValueError(f"Argument `{name}` must {must}, but was {describe(value)}.")


def number(name: str, value: Any) -> Any:
    """A real number as a Python float (nan and infinities pass; see `finite`)."""
    if is_traced(value):
        return value
    if isinstance(value, np.ndarray | jax.Array) and value.ndim == 0:
        value = value.item()
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Real):
        raise fail(name, "be a number", value)
    try:
        return float(value)
    except OverflowError:
        raise fail(name, "be a number of double precision", value) from None


def _bounded(must: str, holds: Callable[[float], bool]) -> Callable[[str, Any], Any]:
    """The check of a finite number that `holds` accepts."""

    def check(name: str, value: Any) -> Any:
        x = number(name, value)
        if not is_traced(x) and not (math.isfinite(x) and holds(x)):
            raise fail(name, must, value)
        return x

    check.__doc__ = f"A Python float that must {must}."
    return check


finite = _bounded("be a finite number", lambda x: True)
positive = _bounded("be positive and finite", lambda x: x > 0)
nonzero = _bounded("be finite and not 0", lambda x: x != 0)
non_negative = _bounded("be non-negative and finite", lambda x: x >= 0)
probability = _bounded("be in [0, 1]", lambda x: 0 <= x <= 1)
fraction = _bounded("be in (0, 1]", lambda x: 0 < x <= 1)


def in_interval(name: str, value: Any, low: float, high: float, closed: str = "both") -> Any:
    """A float from `low` to `high`; `closed` is "both", "left", "right" or "neither"."""
    x = number(name, value)
    if is_traced(x):
        return x
    left, right = closed in ("both", "left"), closed in ("both", "right")
    above = x >= low if left else x > low
    below = x <= high if right else x < high
    if not (above and below):
        interval = f"{'[' if left else '('}{low:g}, {high:g}{']' if right else ')'}"
        raise fail(name, f"be in {interval}", value)
    return x


def integer(name: str, value: Any, low: int | None = None, high: int | None = None) -> int:
    """A Python int, at least `low` and at most `high`; 2.0 is not an integer."""
    must = "be an integer"
    if low is not None:
        must += f" of at least {low}"
    if high is not None:
        must += f"{' and' if low is not None else ' of'} at most {high}"
    if isinstance(value, bool | np.bool_) or not isinstance(value, numbers.Integral):
        raise fail(name, must, value)
    x = int(value)
    if (low is not None and x < low) or (high is not None and x > high):
        raise fail(name, must, value)
    return x


def boolean(name: str, value: Any) -> bool:
    """True or False, nothing that merely counts as such."""
    if not isinstance(value, bool | np.bool_):
        raise fail(name, "be True or False", value)
    return bool(value)


def choice(name: str, value: Any, allowed: Iterable[Any]) -> Any:
    """One of the `allowed` values."""
    allowed = list(allowed)
    if not any(type(value) is type(item) and value == item for item in allowed):
        raise fail(name, "be one of " + ", ".join(repr(item) for item in allowed), value)
    return value


def instance(name: str, value: Any, kind: type | tuple[type, ...], what: str) -> Any:
    """An object of class `kind`, called `what` in the error: "be a prior"."""
    if not isinstance(value, kind):
        raise fail(name, f"be {what}", value)
    return value


def array(
    name: str,
    value: Any,
    ndim: int | None = None,
    shape: tuple[int | None, ...] | None = None,
    allow_empty: bool = False,
) -> Any:
    """Finite real numbers as a float64 numpy array of a number of dimensions or a shape.

    None in `shape` stands for any length. Booleans, complex numbers, text and ragged lists are
    refused.
    """
    if is_traced(value):
        return value
    x = _real_array(name, value)
    if shape is not None:
        ndim = len(shape)
    if ndim is not None and x.ndim != ndim:
        raise fail(name, f"have {ndim} dimension{'s' * (ndim != 1)}", value)
    if shape is not None and any(m not in (None, n) for m, n in zip(shape, x.shape, strict=True)):
        wanted = ", ".join("any" if m is None else str(m) for m in shape)
        raise ValueError(f"Argument `{name}` must have shape ({wanted}), but had {x.shape}.")
    if x.size == 0 and not allow_empty:
        raise fail(name, "not be empty", value)
    if not np.all(np.isfinite(x)):
        bad = x[~np.isfinite(x)][0]
        where = tuple(int(i) for i in np.argwhere(~np.isfinite(x))[0])
        raise ValueError(
            f"Argument `{name}` must hold finite numbers, but held {bad} at position {where}."
        )
    return x


def _real_array(name: str, value: Any) -> np.ndarray:
    """`value` as a float64 array, without asking whether its entries are finite."""
    if isinstance(value, list | tuple) and _holds_boolean(value):
        raise fail(name, "be an array of real numbers", value)
    try:
        x = np.asarray(value)
    except ValueError:
        raise fail(name, "be a rectangular array of numbers", value) from None
    if x.size == 0 and x.dtype.kind != "c":
        return x.astype(np.float64) if x.dtype.kind in "fiu" else np.zeros(x.shape)
    if x.dtype.kind == "O" and all(_is_real(item) for item in x.flat):
        x = x.astype(np.float64)
    if x.dtype.kind not in "fiu":
        held = "complex numbers" if x.dtype.kind == "c" else describe(value)
        raise ValueError(f"Argument `{name}` must be an array of real numbers, but was {held}.")
    return x.astype(np.float64)


def _is_real(item: object) -> bool:
    return isinstance(item, numbers.Real) and not isinstance(item, bool)


def _holds_boolean(value: list | tuple) -> bool:
    """numpy reads [True, 2] as integers, so that lists are looked into first."""
    return any(
        _holds_boolean(item)
        if isinstance(item, list | tuple)
        else isinstance(item, bool | np.bool_)
        for item in value
    )


def vector(name: str, value: Any) -> Any:
    """A non-empty vector of finite numbers."""
    return array(name, value, ndim=1)


def matrix(name: str, value: Any) -> Any:
    """A non-empty matrix of finite numbers."""
    return array(name, value, ndim=2)


def breakpoints(name: str, value: Any) -> Any:
    """A vector of finite numbers in strictly rising order; it may be empty."""
    x = array(name, value, ndim=1, allow_empty=True)
    if not is_traced(x) and np.any(np.diff(x) <= 0):
        raise fail(name, "be strictly rising", list(x.tolist()))
    return x


def probability_vector(name: str, value: Any) -> Any:
    """A vector of non-negative numbers that sum to one (to 1e-8; then divided by its sum)."""
    x = vector(name, value)
    if is_traced(x):
        return x
    if np.any(x < 0):
        raise fail(name, "hold non-negative probabilities", x.tolist())
    total = float(x.sum())
    if abs(total - 1) > 1e-8:
        raise ValueError(f"Argument `{name}` must sum to 1, but summed to {total:.10g}.")
    # a sum right to rounding is left alone, so that printing and reading again changes nothing
    return x if abs(total - 1) < 1e-12 else x / total


def non_negative_vector(name: str, value: Any) -> Any:
    """A vector of non-negative finite numbers."""
    x = vector(name, value)
    if not is_traced(x) and np.any(x < 0):
        raise fail(name, "hold non-negative numbers", x.tolist())
    return x


def grid(name: str, value: Any) -> np.ndarray:
    """The values of a swept parameter: a non-empty vector of finite numbers without repeats."""
    if isinstance(value, numbers.Real) and not isinstance(value, bool):
        value = [value]
    x = vector(name, value)
    if len(np.unique(x)) != len(x):
        raise fail(name, "not repeat a value", x.tolist())
    return x


def parameter(
    name: str,
    check: Callable[[str, Any], Any] = finite,
    *,
    default: Any = dataclasses.MISSING,
    static: bool = False,
    unless: str = "",
) -> Any:
    """A field of a brick or model that is checked when an object is built.

    ``delta: float = parameter("delta", non_negative, default=0.0)`` declares the field; `check` is
    any function ``(name, value) -> canonical value`` of this module. `UNSET` passes unchecked.
    It is no parameter of an object whose field `unless` is not None and which it follows from.
    """

    def converter(value: Any) -> Any:
        return value if value is UNSET else check(name, value)

    options: dict[str, Any] = {} if default is dataclasses.MISSING else {"default": default}
    return eqx.field(converter=converter, static=static, metadata={"unless": unless}, **options)

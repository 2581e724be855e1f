"""Compiled programs of a brick, for vectors on the host.

Programs are shared by all parameter values of a brick and, for one right-hand side, by problems of
nearby sizes, whose vectors are padded to one of a few lengths. The products of the designs stay
outside them.
"""

import functools
from collections.abc import Callable
from typing import Any, Final

import jax
import numpy as np
from jaxtyping import Array

from solvable.core.specification import numeric


def call(function: Callable[..., Any], brick: Any, *arguments: Any) -> Any:
    """``function(brick, *arguments)``, compiled once for all parameter values of the brick.

    Args:
        function: a function of a module, whose later arguments and results are trees of arrays.
        brick: a specification; its floats are arguments of the program, the rest is part of it.
        arguments: trees of numpy or JAX arrays, None included.

    Returns:
        A tree of JAX arrays.
    """
    program, varied = _prepared(function, _Identity(brick))
    return program(varied, *arguments)


def elementwise(
    function: Callable[..., tuple[Array, ...]], brick: Any, *vectors: np.ndarray
) -> list[np.ndarray]:
    """Results of an elementwise function at vectors of one length, or of length 1."""
    size = max(v.size for v in vectors)
    length = bucket(size)
    wide = (v if v.size == 1 else np.pad(v, (0, length - size), mode="edge") for v in vectors)
    return [np.asarray(out)[:size] for out in call(function, brick, *wide)]


def bucket(size: int) -> int:
    """The smallest of 2^k (4, 5, 6, 7) / 4 that holds `size`: at most a fifth is padding."""
    if size <= 32:
        return 32
    quarter = 1 << max((size - 1).bit_length() - 3, 0)
    return -(-size // quarter) * quarter


class _Identity:
    """A brick compared by identity: its own hash prints it, which costs more than a step."""

    __slots__ = ("brick",)

    def __init__(self, brick: Any):
        self.brick = brick

    def __hash__(self) -> int:
        return id(self.brick)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Identity) and self.brick is other.brick


@functools.lru_cache(maxsize=64)
def _prepared(function: Any, held: _Identity) -> tuple[Any, list[Array]]:
    """The program of a brick, the same for all parameter values, and its array leaves."""
    with jax.ensure_compile_time_eval():  # what is kept must not belong to a transformation
        leaves, structure = jax.tree.flatten(numeric(held.brick))
    varied = [leaf for leaf in leaves if isinstance(leaf, jax.Array)]
    fixed = tuple(
        _VARIED if isinstance(leaf, jax.Array) else (type(leaf), leaf) for leaf in leaves
    )
    return _program(function, structure, fixed), varied


@functools.lru_cache(maxsize=256)
def _program(function: Any, structure: Any, fixed: tuple[Any, ...]) -> Any:
    """A compiled function of a brick's array leaves; its other leaves are part of the program.

    The same as equinox's `filter_jit`, with JAX's own dispatch, which is ten times faster.
    """

    def run(varied: list[Array], *arguments: Any) -> Any:
        arrays = iter(varied)
        leaves = [next(arrays) if leaf is _VARIED else leaf[1] for leaf in fixed]
        return function(jax.tree.unflatten(structure, leaves), *arguments)

    return jax.jit(run)


_VARIED: Final = object()

"""Random keys by identity: what a stream is for decides it, never when it is drawn.

`key_for(seed, "experiment", "alpha", 0.5, 3)` is the same key in every process, in any order of
execution and on any number of workers; two different identities give independent streams.
"""

import hashlib
from collections.abc import Callable

import jax
import numpy as np
from jaxtyping import PRNGKeyArray

from solvable.core.arguments import integer

Identity = str | int | float


def key_for(seed: int, *identity: Identity) -> PRNGKeyArray:
    """The random key of one quantity: the seed's key folded with a hash of the identity.

    Args:
        seed: the user's seed, an integer of at least 0.
        identity: names and indices that say what the stream is for. Their types count: 1, 1.0 and
            "1" are three identities.

    Returns:
        A typed JAX key (scalar).

    Raises:
        ValueError: if the seed is not a non-negative integer.

    Example:
        >>> bool(jax.random.key_data(key_for(0, "design")).sum()
        ...      == jax.random.key_data(key_for(0, "signal")).sum())
        False
    """
    key = jax.random.key(integer("seed", seed, low=0, high=2**63 - 1))
    return fold(key, *identity) if identity else key


def fold(key: PRNGKeyArray, *identity: Identity) -> PRNGKeyArray:
    """The key of a part of what `key` stands for: `fold(key, "design")`, `fold(key, "signal")`."""
    text = "\x1f".join(f"{type(part).__name__}:{part!r}" for part in map(_plain, identity))
    for word in np.frombuffer(hashlib.sha256(text.encode()).digest()[:8], dtype="<u4"):
        key = jax.random.fold_in(key, word)
    return key


def _plain(part: object) -> Identity:
    """`part` as a Python scalar, so that numpy's numbers name the streams that Python's do."""
    if isinstance(part, np.generic):
        part = part.item()
    if isinstance(part, bool) or not isinstance(part, str | int | float):
        raise TypeError(f"An identity is made of names and numbers, not of {type(part).__name__}.")
    return part


def numpy_generator(key: PRNGKeyArray, *part: int) -> np.random.Generator:
    """A numpy generator for the stream of `key`, or for a numbered part of it."""
    return numpy_streams(key)(*part)


def numpy_streams(key: PRNGKeyArray) -> Callable[..., np.random.Generator]:
    """The function part -> `numpy_generator(key, part)` for many parts: the key is read once."""
    words = [int(word) for word in np.asarray(jax.random.key_data(key)).ravel()]

    def stream(*part: int) -> np.random.Generator:
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence(words, spawn_key=part)))

    return stream


def normal_matrix(
    key: PRNGKeyArray, shape: tuple[int, int], scale: float = 1.0, dtype: str = "float64"
) -> np.ndarray:
    """A matrix of independent N(0, scale^2) entries, drawn in row blocks.

    Every block of rows has its own stream, folded from `key` by its number, and numpy's generator
    writes into the result, so that the peak memory is the matrix itself. The first rows are the
    same whatever the number of rows.

    Args:
        key: a scalar key.
        shape: (rows, columns).
        scale: standard deviation of an entry.
        dtype: "float64" or "float32".

    Returns:
        A C-ordered numpy array.
    """
    rows, _ = shape
    matrix = _aligned(shape, np.dtype(dtype))
    for block, start in enumerate(range(0, rows, _BLOCK_ROWS)):
        part = matrix[start : start + _BLOCK_ROWS]
        numpy_generator(key, block).standard_normal(out=part, dtype=part.dtype)
        part *= part.dtype.type(scale)
    return matrix


def _aligned(shape: tuple[int, int], dtype: np.dtype) -> np.ndarray:
    """An uninitialised matrix at a multiple of 64 bytes, where XLA can use it without a copy."""
    size = shape[0] * shape[1] * dtype.itemsize
    buffer = np.empty(size + 64, np.uint8)
    start = -buffer.ctypes.data % 64
    return buffer[start : start + size].view(dtype).reshape(shape)


_BLOCK_ROWS = 512


def symmetric_noise(key: PRNGKeyArray, size: int, scale: float = 1.0) -> np.ndarray:
    """A symmetric Gaussian matrix: variance scale^2 off the diagonal, twice that on it.

    Args:
        key: a scalar key.
        size: rows and columns.
        scale: standard deviation of an entry off the diagonal.
    """
    matrix = normal_matrix(key, (size, size), scale / np.sqrt(2))
    for i in range(0, size, _TILE):
        for j in range(i, size, _TILE):
            upper, lower = (
                matrix[i : i + _TILE, j : j + _TILE],
                matrix[j : j + _TILE, i : i + _TILE],
            )
            total = upper + lower.T
            upper[...], lower[...] = total, total.T
    return matrix


def add_outer(matrix: np.ndarray, left: np.ndarray, right: np.ndarray, factor: float) -> None:
    """Add factor left right^T to a matrix in place, a few rows at a time; (n,) or (n, k)."""
    left, right = left.reshape(len(left), -1), right.reshape(len(right), -1)
    for start in range(0, len(matrix), _TILE):
        matrix[start : start + _TILE] += (factor * left[start : start + _TILE]) @ right.T


_TILE = 512

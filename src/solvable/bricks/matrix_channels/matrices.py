"""Matrices seen through a channel: drawn and read a few rows at a time."""

from typing import Any

import equinox as eqx
import numpy as np
from jaxtyping import Float, PRNGKeyArray

from solvable.bricks.matrix_channels.base import AbstractMatrixChannel, noise_variance
from solvable.core.randomness import fold
from solvable.core.specification import numeric

_ROWS = 256

Spike = Float[np.ndarray, "..."]


def draw_symmetric(channel: AbstractMatrixChannel, key: PRNGKeyArray, v: Spike) -> np.ndarray:
    """Y_ij ~ P(. | v_i . v_j / sqrt(p)) for i > j, symmetric, its diagonal zero.

    Args:
        channel: law of the entries.
        key: every block of rows has its own stream.
        v: shape (p,), or (p, k) of units that are vectors.

    Raises:
        ValueError: if an entry has no law.
    """
    v = v.reshape(len(v), -1)
    matrix = np.zeros(0)
    for start in range(0, len(v), _ROWS):
        rows = slice(start, min(start + _ROWS, len(v)))
        w = (v[rows] @ v[: rows.stop].T) * len(v) ** -0.5
        upper = np.arange(rows.stop) >= np.arange(rows.start, rows.stop)[:, None]
        w[upper] = 0.0
        part = channel.sample(fold(key, start), w)
        part[upper] = 0
        if start == 0:
            matrix = np.zeros((len(v), len(v)), part.dtype)
        matrix[: rows.stop, rows] = part.T
        matrix[rows, : rows.start] = part[:, : rows.start]
        matrix[rows, rows] = (block := part[:, rows]) + block.T
    return matrix


def draw_rectangular(
    channel: AbstractMatrixChannel, key: PRNGKeyArray, u: Spike, v: Spike
) -> np.ndarray:
    """Y_ij ~ P(. | u_i . v_j / sqrt(p)), shape (n, p); u and v are numbers or vectors.

    Raises:
        ValueError: if an entry has no law.
    """
    u, v = u.reshape(len(u), -1), v.reshape(len(v), -1)
    parts = []
    for start in range(0, len(u), _ROWS):
        w = (u[start : start + _ROWS] @ v.T) * len(v) ** -0.5
        parts.append(channel.sample(fold(key, start), w))
    return np.concatenate(parts)


def spiked_matrix(channel: AbstractMatrixChannel, matrix: np.ndarray) -> np.ndarray:
    """Delta S(Y), what message passing sees in place of Y, with the same shape.

    Raises:
        ValueError: if the matrix holds what the channel cannot emit.
    """
    delta = float(noise_variance(channel))
    found = np.empty(matrix.shape)
    placed = numeric(channel)
    for start in range(0, len(matrix), _ROWS):
        part = np.asarray(matrix[start : start + _ROWS])
        right = channel.emits(part)
        if not np.all(right):
            raise ValueError(
                f"Argument `matrix` must hold what {channel!r} emits, but held "
                f"{part[~right][0]:g}."
            )
        found[start : start + _ROWS] = delta * np.asarray(_scores(placed, part.astype(float)))
    return found


@eqx.filter_jit
def _scores(channel: AbstractMatrixChannel, y: Any) -> Any:
    return channel.score(y)

"""Singular value decompositions of designs, for algorithms that need no more of them.

X = U diag(s) V^T with r = min(n, p) singular values, computed once in float64. Sparse and
matrix-free designs are made dense for it, p products, so they must fit into memory that way.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from solvable.algorithms.designs import AbstractDesign, Dense, Stack, Traced

Rows = Float[np.ndarray, "rows n"]


@dataclass(frozen=True)
class Decomposition:
    """A design, or a stack of them, in its singular bases. Vectors are rows.

    Attributes:
        left: U, shape (n, r) or (b, n, r).
        values: s, shape (1, r) or (b, r), falling.
        right: V^T, shape (r, p) or (b, r, p).
    """

    left: np.ndarray
    values: Rows
    right: np.ndarray

    @property
    def eigenvalues(self) -> Rows:
        """Those of X^T X that need not vanish, s^2."""
        return self.values**2

    def of_input(self, x: Rows) -> Rows:
        """V^T x: coordinates of an input, shape (rows, r)."""
        return _product(x, np.swapaxes(self.right, -1, -2))

    def to_input(self, coordinates: Rows) -> Rows:
        """V c: the input with these coordinates."""
        return _product(coordinates, self.right)

    def of_output(self, z: Rows) -> Rows:
        """U^T z: coordinates of an output."""
        return _product(z, self.left)

    def to_output(self, coordinates: Rows) -> Rows:
        """U c: the output with these coordinates."""
        return _product(coordinates, np.swapaxes(self.left, -1, -2))


def decompose(design: AbstractDesign, name: str = "design") -> Decomposition:
    """The singular value decomposition of a design.

    Args:
        design: any design on the host.
        name: what an error calls it.

    Raises:
        ValueError: if the design is traced, or its entries are not finite.
    """
    if isinstance(design, Traced):
        raise ValueError(
            f"Argument `{name}` must be an array on the host for a singular value decomposition, "
            "but was traced."
        )
    if isinstance(design, Dense | Stack):
        matrix = np.asarray(design.array, dtype=float)
    else:
        matrix = np.asarray(design.matvec(np.eye(design.p)))
    if not np.all(np.isfinite(matrix)):
        bad = matrix[~np.isfinite(matrix)][0]
        raise ValueError(f"Argument `{name}` must hold finite numbers, but held {bad}.")
    left, values, right = np.linalg.svd(matrix, full_matrices=False)
    return Decomposition(left, np.atleast_2d(values), right)


def _product(rows: Rows, matrix: np.ndarray) -> Rows:
    """Every row times the matrix, or each row times its own."""
    if matrix.ndim == 2:
        return rows @ matrix
    return (rows[:, None, :] @ matrix)[:, 0, :]

"""Leading eigenvectors of a symmetric matrix that is known by its products only."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np
import scipy.sparse.linalg
from jaxtyping import Float
from threadpoolctl import threadpool_limits

from solvable.core.arguments import integer, positive
from solvable.core.status import Status


class Leading(NamedTuple):
    """Eigenvectors of the largest (signed) eigenvalues.

    Attributes:
        vectors: shape (size, count), orthonormal, with signs that mean nothing.
        eigenvalues: their Rayleigh quotients, falling.
        status: converged or max_steps, with the best vectors of the last basis.
        products: number of products taken.
    """

    vectors: Float[np.ndarray, "size count"]
    eigenvalues: Float[np.ndarray, " count"]
    status: Status
    products: int

    @property
    def vector(self) -> Float[np.ndarray, " size"]:
        """The first."""
        return self.vectors[:, 0]

    @property
    def eigenvalue(self) -> float:
        """The largest."""
        return float(self.eigenvalues[0])


def leading_eigenvectors(
    product: Callable[[np.ndarray], np.ndarray],
    start: Float[np.ndarray, " size"],
    count: int = 1,
    *,
    tolerance: float,
    max_steps: int = 300,
    basis: int = 40,
) -> Leading:
    """Lanczos iteration with implicit restarts (ARPACK).

    BLAS has one thread: numpy's and ARPACK's would wait for each other, and one core fills the
    memory bus.

    Args:
        product: v -> M v for the symmetric M, float64 vectors of shape (size,).
        start: first vector, not zero.
        count: how many, below the size.
        tolerance: of the residual |M x - l x|, relative to |l|.
        max_steps: restarts, each of up to `basis` products.
        basis: vectors kept; the memory is basis * size numbers.

    Raises:
        ValueError: if `tolerance` is not positive or `max_steps` no positive integer.
    """
    tolerance, max_steps = positive("tolerance", tolerance), integer("max_steps", max_steps, low=1)
    size, taken = len(start), 0

    def counted(v: np.ndarray) -> np.ndarray:
        nonlocal taken
        taken += 1
        return np.asarray(product(v.ravel()), dtype=np.float64)

    if size < _DENSE:
        values, vectors = np.linalg.eigh(np.stack([counted(v) for v in np.eye(size)]))
        return _falling(values[-count:], vectors[:, -count:], Status.converged, taken)
    linear: Any = scipy.sparse.linalg.LinearOperator  # its stubs know only the base class
    largest: Any = scipy.sparse.linalg.eigsh
    options = dict(k=count, which="LA", v0=start, ncv=min(basis, size - 1))
    operator = linear((size, size), matvec=counted, dtype=np.float64)
    status = Status.converged
    with threadpool_limits(1):
        try:
            values, vectors = largest(operator, **options, tol=tolerance, maxiter=max_steps)
        except scipy.sparse.linalg.ArpackNoConvergence:
            # ARPACK keeps its basis to itself: the same steps again, accepted as they are
            status = Status.max_steps
            values, vectors = largest(operator, **options, tol=_ANY, maxiter=max_steps)
    return _falling(values, vectors / np.linalg.norm(vectors, axis=0), status, taken)


def _falling(values: np.ndarray, vectors: np.ndarray, status: Status, taken: int) -> Leading:
    order = np.argsort(values)[::-1]
    return Leading(vectors[:, order], values[order], status, taken)


_DENSE: Final = 64
_ANY: Final = 1e300

"""The leading eigenvector of a symmetric matrix that is known by its products only."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import numpy as np
import scipy.sparse.linalg
from jaxtyping import Float
from threadpoolctl import threadpool_limits

from solvable.core.arguments import integer, positive
from solvable.core.status import Status


class Leading(NamedTuple):
    """The eigenvector of the largest (signed) eigenvalue.

    Attributes:
        vector: shape (size,), of unit norm, with a sign that means nothing.
        eigenvalue: its Rayleigh quotient.
        status: converged or max_steps, with the best vector of the last basis.
        products: number of products taken.
    """

    vector: Float[np.ndarray, " size"]
    eigenvalue: float
    status: Status
    products: int


def leading_eigenvector(
    product: Callable[[np.ndarray], np.ndarray],
    start: Float[np.ndarray, " size"],
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
        tolerance: of the residual |M x - l x|, relative to |l|.
        max_steps: restarts, each of up to `basis` products.
        basis: vectors kept; the memory is basis * size numbers.

    Raises:
        ValueError: if `tolerance` is not positive or `max_steps` no positive integer.
    """
    tolerance, max_steps = positive("tolerance", tolerance), integer("max_steps", max_steps, low=1)
    size, count = len(start), 0

    def counted(v: np.ndarray) -> np.ndarray:
        nonlocal count
        count += 1
        return np.asarray(product(v.ravel()), dtype=np.float64)

    if size < _DENSE:
        values, vectors = np.linalg.eigh(np.stack([counted(v) for v in np.eye(size)]))
        return Leading(vectors[:, -1], float(values[-1]), Status.converged, count)
    linear: Any = scipy.sparse.linalg.LinearOperator  # its stubs know only the base class
    largest: Any = scipy.sparse.linalg.eigsh
    options = dict(k=1, which="LA", v0=start, ncv=min(basis, size - 1))
    operator = linear((size, size), matvec=counted, dtype=np.float64)
    status = Status.converged
    with threadpool_limits(1):
        try:
            values, vectors = largest(operator, **options, tol=tolerance, maxiter=max_steps)
        except scipy.sparse.linalg.ArpackNoConvergence:
            # ARPACK keeps its basis to itself: the same steps again, accepted as they are
            status = Status.max_steps
            values, vectors = largest(operator, **options, tol=_ANY, maxiter=max_steps)
    return Leading(vectors[:, 0] / np.linalg.norm(vectors[:, 0]), float(values[0]), status, count)


_DENSE: Final = 64
_ANY: Final = 1e300

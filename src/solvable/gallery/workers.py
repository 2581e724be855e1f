"""Two threads for the independent parts of a figure."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor


@contextlib.contextmanager
def two_workers() -> Iterator[ThreadPoolExecutor]:
    """A pool of two threads; what has not begun when the block fails is not begun any more.

    Matrix products use one thread each meanwhile: at these sizes two threads that wait for each
    other are slower. scikit-learn's convergence warnings are off for all threads together, since
    Python's filters belong to the process; the statuses say the same.
    """
    from threadpoolctl import threadpool_limits

    from solvable.studies.baselines import quiet_solvers

    with threadpool_limits(1), quiet_solvers():
        pool = ThreadPoolExecutor(max_workers=2)
        try:
            yield pool
        finally:
            pool.shutdown(wait=True, cancel_futures=True)

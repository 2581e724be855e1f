"""Ridge regression and Lasso with the best penalty in hindsight, for linear measurements."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

RIDGE_PENALTIES = np.logspace(-4, 0, 9)
# Fractions of the penalty at which the Lasso's solution becomes zero.
LASSO_PENALTIES = (0.05, 0.01, 0.002, 0.0005)
LASSO_SWEEPS = 800


@contextlib.contextmanager
def quiet_solvers() -> Iterator[None]:
    """Silence the Lasso's warnings; `Fit.swept_out` says the same.

    To be entered once around all threads: Python's warning filters belong to the process.
    """
    from sklearn.exceptions import ConvergenceWarning

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


@dataclass(frozen=True)
class Fit:
    """An estimate of the signal.

    Args:
        estimate: shape (p,).
        penalty: the penalty among those tried with the smallest error against the truth.
        swept_out: whether the solver used all its sweeps before reaching its tolerance.
    """

    estimate: np.ndarray
    penalty: float
    swept_out: bool = False


def ridge(design: np.ndarray, observation: np.ndarray, signal: np.ndarray) -> Fit:
    """argmin |y - X w|^2 + penalty |w|^2, by one eigendecomposition for all penalties.

    Args:
        design: shape (n, p).
        observation: shape (n,).
        signal: the truth, by which the penalty is chosen, shape (p,).
    """
    values, vectors = np.linalg.eigh(design @ design.T)
    rotated = vectors.T @ observation
    dual = vectors @ (rotated[:, None] / (values[:, None] + RIDGE_PENALTIES))
    return _best(design.T @ dual, RIDGE_PENALTIES, signal, np.zeros(len(RIDGE_PENALTIES), bool))


def lasso(design: np.ndarray, observation: np.ndarray, signal: np.ndarray, positive: bool) -> Fit:
    """argmin |y - X w|^2 / 2n + penalty |w|_1, with w >= 0 if `positive`, by scikit-learn.

    The path of penalties is followed downwards, each solution the start of the next.
    """
    from sklearn.linear_model import lasso_path

    # Half the memory traffic; the estimates agree with those in float64 to four digits.
    design = np.asfortranarray(design, dtype=np.float32)
    observation = observation.astype(np.float32)
    correlation = design.T @ observation
    largest = np.max(correlation if positive else np.abs(correlation)) / len(observation)
    penalties = largest * np.asarray(LASSO_PENALTIES)
    _, estimates, _, sweeps = lasso_path(
        design,
        observation,
        alphas=penalties,
        positive=positive,
        precompute=False,
        max_iter=LASSO_SWEEPS,
        tol=1e-5,
        return_n_iter=True,
    )
    return _best(estimates, penalties, signal, np.asarray(sweeps) >= LASSO_SWEEPS)


def _best(
    estimates: np.ndarray, penalties: np.ndarray, signal: np.ndarray, swept_out: np.ndarray
) -> Fit:
    index = int(np.argmin(np.mean((estimates - signal[:, None]) ** 2, axis=0)))
    return Fit(estimates[:, index], float(penalties[index]), bool(swept_out[index]))

"""Ridge regression and Lasso with the best penalty in hindsight, for linear measurements."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy.fft
import scipy.linalg

RIDGE_PENALTIES = (1e-3, 1e-2, 1e-1)  # the error is flat below them, down to 0
# Fractions of the penalty at which the Lasso's solution becomes zero.
# The positive Lasso needs less: its constraint does most of the work.
LASSO_PENALTIES = (0.05, 0.02, 0.01, 0.002)
POSITIVE_PENALTIES = (0.02, 0.002, 0.0007, 0.0002)
COSINE_PENALTIES = (0.1, 0.05, 0.02, 0.01, 0.002, 0.0005)  # of an image's cosine coefficients
LASSO_SWEEPS = 1000


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
    """argmin |y - X w|^2 + penalty |w|^2, by its dual, which is smaller for n < p.

    Args:
        design: shape (n, p).
        observation: shape (n,).
        signal: the truth, by which the penalty is chosen, shape (p,).
    """
    gram = (design @ design.T).astype(float)
    estimates = [
        design.T
        @ scipy.linalg.solve(gram + penalty * np.eye(len(gram)), observation, assume_a="pos")
        for penalty in RIDGE_PENALTIES
    ]
    return _best(np.stack(estimates, axis=1), RIDGE_PENALTIES, signal)


def lasso(design: np.ndarray, observation: np.ndarray, signal: np.ndarray, positive: bool) -> Fit:
    """argmin |y - X w|^2 / 2n + penalty |w|_1, with w >= 0 if `positive`, by scikit-learn.

    The path of penalties is followed downwards, each solution the start of the next.
    """
    fractions = POSITIVE_PENALTIES if positive else LASSO_PENALTIES
    return _lasso(design, observation, signal, fractions, positive)


def lasso_of_cosines(
    design: np.ndarray, observation: np.ndarray, image: np.ndarray, basis: np.ndarray
) -> Fit:
    """`lasso` for the coefficients of an image in an orthonormal basis; the fit is of the image.

    Args:
        design: shape (n, pixels).
        observation: shape (n,).
        image: the truth, by which the penalty is chosen, shape (pixels,).
        basis: one element a column, as `cosine_basis` gives them.
    """
    fit = _lasso(design @ basis, observation, basis.T @ image, COSINE_PENALTIES)
    return replace(fit, estimate=basis @ fit.estimate)


def cosine_basis(height: int, width: int) -> np.ndarray:
    """The orthonormal two-dimensional cosine transform (DCT-II), shape (pixels, pixels)."""
    rows, columns = (scipy.fft.idct(np.eye(n), norm="ortho", axis=0) for n in (height, width))
    return np.kron(np.asarray(rows), np.asarray(columns))


def _lasso(
    design: np.ndarray,
    observation: np.ndarray,
    signal: np.ndarray,
    fractions: Sequence[float],
    positive: bool = False,
) -> Fit:
    from sklearn.linear_model import lasso_path

    # Half the memory traffic; the estimates agree with those in float64 to four digits.
    design = np.asfortranarray(design, dtype=np.float32)
    observation = observation.astype(np.float32)
    correlation = design.T @ observation
    largest = np.max(correlation if positive else np.abs(correlation)) / len(observation)
    penalties = largest * np.asarray(fractions)
    _, estimates, _, sweeps = lasso_path(
        design,
        observation,
        alphas=penalties,
        positive=positive,
        precompute=False,  # pyright: ignore[reportArgumentType]
        max_iter=LASSO_SWEEPS,
        tol=1e-5,
        return_n_iter=True,
    )
    return _best(estimates, list(penalties), signal, [count >= LASSO_SWEEPS for count in sweeps])


def _best(
    estimates: np.ndarray,
    penalties: Sequence[float],
    signal: np.ndarray,
    swept_out: Sequence[bool] | None = None,
) -> Fit:
    index = int(np.argmin(np.mean((estimates - signal[:, None]) ** 2, axis=0)))
    ended = bool(swept_out[index]) if swept_out is not None else False
    return Fit(estimates[:, index], float(penalties[index]), ended)

"""Two-time equations on a uniform grid: second order, one evaluation a step.

Rows C(t_n, t_j) and R(t_n, t_j) advance by Adams-Bashforth steps, integrals over memory by the
trapezoidal rule. An evaluation reads both triangles once, and nothing else takes time.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from solvable.core.two_time import uniform_kernels as kernels
from solvable.core.two_time.channels import Channels

ALONE = 700
"""Rows that one thread reads in the time that it takes to wake another."""


@dataclass(frozen=True, eq=False)
class UniformRun:
    """The solution on t_n = n h: scalars, and the lower triangles of both two-time functions.

    Args:
        times: shape (n,), uniform from 0.
        overlap: shape (n,), with the planted state.
        mu: shape (n,), the multiplier of the spherical constraint.
        energies: shape (k, n), one for each monomial.
        correlation: shape (n, n), C(t_i, t_j) for j <= i; what lies above is not defined.
        response: shape (n, n), R(t_i, t_j) likewise, 1 on the diagonal.
    """

    times: Float[np.ndarray, " n"]
    overlap: Float[np.ndarray, " n"]
    mu: Float[np.ndarray, " n"]
    energies: Float[np.ndarray, "k n"]
    correlation: Float[np.ndarray, "n n"]
    response: Float[np.ndarray, "n n"]


class _Evaluation:
    """The velocities of one row; owns the buffers and the threads that fill them."""

    def __init__(self, run: UniformRun, covariance: Channels, temperature: float) -> None:
        size = len(run.times)
        self._run = run
        self._temperature = temperature
        self._step = float(run.times[1])
        self._powers = covariance.powers
        self._coefficients = covariance.coefficients
        self._amplitudes = covariance.amplitudes(run.times)
        self._kernel = np.zeros(size)
        self._noise = np.zeros(size)
        self._sums = np.zeros((2, 3, size))  # one set for each thread
        self._pool = ThreadPoolExecutor(1) if size > ALONE else None

    def __call__(self, n: int, rates: np.ndarray) -> float:
        """Fill `rates`, shape (2, n + 1), and the scalars of row n; the overlap's velocity."""
        run, kernel, noise = self._run, self._kernel, self._noise
        scalars = kernels.weigh(
            n,
            self._step,
            self._temperature,
            self._powers,
            self._coefficients,
            self._amplitudes,
            run.overlap,
            run.correlation[n],
            run.response[n],
            kernel,
            noise,
        )
        run.energies[:, n], run.mu[n] = scalars[:-1], scalars[-1]
        sums = self._read(n)
        kernels.close_ends(n, kernel, noise, sums)
        slopes = self._coefficients * self._powers * self._amplitudes[:, n]
        pull = float(slopes @ run.overlap[n] ** (self._powers - 1.0))
        mu, rows = run.mu[n], (run.correlation[n], run.response[n])
        return kernels.velocities(n, mu, pull, run.overlap, *rows, kernel, sums, rates)

    def _read(self, n: int) -> np.ndarray:
        """The integrals of row n, by two threads if there is enough to read."""
        run, rest = self._run, (self._kernel, self._noise)
        self._sums[:, :, : n + 1] = 0.0
        mine, other = self._sums
        if self._pool is None or n < ALONE:
            kernels.read_rows(0, n + 1, run.correlation, run.response, *rest, mine)
            return mine
        half = int(n * np.sqrt(0.5))
        task = self._pool.submit(
            kernels.read_rows, 0, half, run.correlation, run.response, *rest, other
        )
        kernels.read_rows(half, n + 1, run.correlation, run.response, *rest, mine)
        task.result()
        mine[:, :half] += other[:, :half]
        return mine

    def close(self) -> None:
        """Let the thread go."""
        if self._pool is not None:
            self._pool.shutdown()


def integrate_uniform(
    covariance: Channels,
    temperature: float,
    overlap: float,
    horizon: float,
    steps: int,
    progress: Callable[[float], None] | None = None,
) -> UniformRun:
    """The two-time equations from 0 to `horizon` in `steps` >= 2 equal steps.

    d/dt C(t,t') = -mu C + Q'(m_t) m_t' + int_0^t R(t,s) Q''(C(t,s)) C(t',s) ds
    + int_0^t' R(t',s) Q'(C(t,s)) ds, with those of R, m and mu.

    The error falls as the square of the step, which must be small against 1 / mu.

    Source: mannelli2020marvels.
    """
    size = steps + 1
    run = UniformRun(
        times=np.linspace(0.0, horizon, size),
        overlap=np.zeros(size),
        mu=np.zeros(size),
        energies=np.zeros((len(covariance.powers), size)),
        correlation=np.empty((size, size)),
        response=np.empty((size, size)),
    )
    run.overlap[0] = overlap
    run.correlation[0, 0] = run.response[0, 0] = 1.0
    evaluate = _Evaluation(run, covariance, temperature)
    try:
        _march(run, evaluate, progress)
    finally:
        evaluate.close()
    return run


def _march(
    run: UniformRun, evaluate: _Evaluation, progress: Callable[[float], None] | None
) -> None:
    """Fill the rows one after the other."""
    c, r, overlap = run.correlation, run.response, run.overlap
    steps, step = len(run.times) - 1, float(run.times[1])
    rates, before = np.zeros((2, steps + 1)), np.zeros((2, steps + 1))
    drift, past = _first_step(run, evaluate, step, rates, before)
    for n in range(1, steps):
        kernels.next_row(n, step, rates, before, c[n], r[n], c[n + 1], r[n + 1])
        overlap[n + 1] = overlap[n] + step * (1.5 * drift - 0.5 * past)
        past, (rates, before) = drift, (before, rates)
        drift = evaluate(n + 1, rates)
        if progress is not None and n % 50 == 0:
            progress((n / steps) ** 3)
    if progress is not None:
        progress(1.0)


def _first_step(
    run: UniformRun,
    evaluate: _Evaluation,
    step: float,
    rates: np.ndarray,
    before: np.ndarray,
) -> tuple[float, float]:
    """Row 1 by Heun's method, as there is no past yet; the overlap's velocities at both rows."""
    c, r, overlap = run.correlation, run.response, run.overlap
    past = evaluate(0, before)
    c[1, 0], r[1, 0] = 1 + step * before[0, 0], 1 + step * before[1, 0]
    overlap[1] = overlap[0] + step * past
    c[1, 1] = r[1, 1] = 1.0
    drift = evaluate(1, rates)
    c[1, 0] = 1 + 0.5 * step * (before[0, 0] + rates[0, 0])
    r[1, 0] = 1 + 0.5 * step * (before[1, 0] + rates[1, 0])
    overlap[1] = overlap[0] + 0.5 * step * (past + drift)
    return evaluate(1, rates), past

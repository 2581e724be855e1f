"""Compiled inner loops of the uniform grid; see `uniform` for the scheme."""

from typing import Any

import numba
import numpy as np

_compile: Any = numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")


@_compile
def weigh(n, step, temperature, powers, coefficients, amplitudes, overlap, c, r, kernel, noise):
    """Weigh row n by the trapezoidal rule: R Q'' into `kernel`, Q' into `noise`, both times h.

    Returns the energies of the channels followed by mu.
    """
    scalars = np.zeros(len(powers) + 1)
    kernel[: n + 1] = 0.0
    noise[: n + 1] = 0.0
    mu = temperature
    for k in range(len(powers)):
        p = powers[k]
        now = amplitudes[k, n]
        memory = 0.0
        for s in range(n + 1):
            weight = step * (0.5 if s == 0 or s == n else 1.0) * (n > 0)
            strength = coefficients[k] * p * now * amplitudes[k, s]
            first = strength * c[s] ** (p - 1)
            noise[s] += weight * first
            memory += weight * r[s] * first
            if p > 1:
                kernel[s] += weight * r[s] * (p - 1) * strength * c[s] ** (p - 2)
        scalars[k] = -now * coefficients[k] * overlap[n] ** p - memory
        mu -= p * scalars[k]
    scalars[len(powers)] = mu
    return scalars


@_compile
def read_rows(first, last, c, r, kernel, noise, sums):
    """Add what rows `first` to `last` - 1 give to the three integrals: each row is read once.

    `sums` has the rows int K C, int K R and int R Q'. Rows are taken in fours, because the sums
    would otherwise move through the cache as often as the rows.
    """
    fours = first + (last - first) // 4 * 4
    for s in range(first, fours, 4):
        _read_four(s, c, r, kernel, noise, sums)
    for s in range(first, last):
        start = (s - first) // 4 * 4 + first if s < fours else 0  # the rest of row s
        correlated, driven = kernel[s], 0.0
        for j in range(start, s):
            correlated += kernel[j] * c[s, j]
            driven += noise[j] * r[s, j]
            sums[0, j] += kernel[s] * c[s, j]
            sums[1, j] += kernel[s] * r[s, j]
        sums[0, s] += correlated
        sums[2, s] += driven


@_compile
def _read_four(s, c, r, kernel, noise, sums):
    """Rows s to s + 3, left of column s."""
    correlated, answered = sums[0], sums[1]
    c0, c1, c2, c3 = c[s], c[s + 1], c[s + 2], c[s + 3]
    r0, r1, r2, r3 = r[s], r[s + 1], r[s + 2], r[s + 3]
    k0, k1, k2, k3 = kernel[s], kernel[s + 1], kernel[s + 2], kernel[s + 3]
    a0 = a1 = a2 = a3 = 0.0
    b0 = b1 = b2 = b3 = 0.0
    for j in range(s):
        weight, push = kernel[j], noise[j]
        x0, x1, x2, x3 = c0[j], c1[j], c2[j], c3[j]
        y0, y1, y2, y3 = r0[j], r1[j], r2[j], r3[j]
        a0, a1 = a0 + weight * x0, a1 + weight * x1
        a2, a3 = a2 + weight * x2, a3 + weight * x3
        b0, b1, b2, b3 = b0 + push * y0, b1 + push * y1, b2 + push * y2, b3 + push * y3
        correlated[j] += k0 * x0 + k1 * x1 + k2 * x2 + k3 * x3
        answered[j] += k0 * y0 + k1 * y1 + k2 * y2 + k3 * y3
    for i, a, b in ((0, a0, b0), (1, a1, b1), (2, a2, b2), (3, a3, b3)):
        sums[0, s + i] += a
        sums[2, s + i] += b


@_compile
def close_ends(n, kernel, noise, sums):
    """The half weights at the ends of integrals that start or stop at t' = t_j."""
    for j in range(1, n):
        sums[1, j] += 0.5 * kernel[j]
        sums[2, j] += 0.5 * noise[j]
    if n > 0:
        sums[1, 0] += kernel[0]
        sums[2, n] += noise[n]  # the last weight is a half already


@_compile
def velocities(n, mu, pull, overlap, c, r, kernel, sums, rates):
    """d/dt of C(t_n, t_j) and R(t_n, t_j), j <= n, into `rates`; returns that of the overlap."""
    drift = -mu * overlap[n] + pull
    for j in range(n + 1):
        rates[0, j] = -mu * c[j] + pull * overlap[j] + sums[0, j] + sums[2, j]
        rates[1, j] = -mu * r[j] + sums[1, j]
        drift += kernel[j] * overlap[j]
    return drift


@_compile
def next_row(n, step, rates, before, row_c, row_r, new_c, new_r):
    """Row n + 1 by two Adams-Bashforth steps; `before` holds the velocities of row n - 1.

    The entry beside the diagonal has no past. It takes the trapezoidal rule, with its second
    velocity extrapolated along the diagonal at equal lag.
    """
    for j in range(n):
        new_c[j] = row_c[j] + step * (1.5 * rates[0, j] - 0.5 * before[0, j])
        new_r[j] = row_r[j] + step * (1.5 * rates[1, j] - 0.5 * before[1, j])
    for i, new in ((0, new_c), (1, new_r)):
        ahead = rates[i, n - 1] if n < 2 else 2 * rates[i, n - 1] - before[i, n - 2]
        new[n] = 1.0 + 0.5 * step * (rates[i, n] + ahead)
        new[n + 1] = 1.0

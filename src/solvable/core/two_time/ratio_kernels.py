"""Compiled loops of the ratio grid: reading the past, and the equations of one row.

A row holds C(t, theta_i t) and R(t, theta_i t). Every integral is a sum over tabulated points of
what the current row says there, times what a past row says; a past row between stored ones is
interpolated in time at fixed ratio. Where the newest stored rows are part of that, the current row
is too: with the weight `share`.
"""

from typing import Any

import numba
import numpy as np

_compile: Any = numba.njit(cache=True, nogil=True, fastmath=True, error_model="numpy")


@_compile
def time_weights(times, count, gap, width, weights):
    """Lagrange weights of the time (1 - gap) t, where t = times[count - 1]; the first row's index.

    Differences of times are taken from t, because a gap may be far below the rounding of t.
    """
    now = times[count - 1]
    time = now - gap * now
    low, high = 0, count - 1
    while high - low > 1:
        middle = (low + high) // 2
        if times[middle] <= time:
            low = middle
        else:
            high = middle
    size = min(width, count)
    first = min(max(low - size // 2 + 1, 0), count - size)
    for i in range(size):
        weight = 1.0
        for k in range(size):
            if k != i:
                distance = (now - times[first + k]) - gap * now
                weight *= distance / (times[first + i] - times[first + k])
        weights[i] = weight
    return first, size


@_compile
def read_past(times, count, width, gaps, c, r, overlap, start, point_gaps, first, weights, out):
    """Fill the past parts of all products; those of the newest row are left out.

    `out` holds: C and R of row theta_j t at its own nodes, the overlap there, the share of the
    current row in them; C and R at the points between, and the share of the current row.
    """
    row_c, row_r, row_m, row_share, between_c, between_r, between_share = out
    nodes, order = len(gaps), weights.shape[1]
    lag = np.zeros(width)
    for j in range(nodes):
        f, size = time_weights(times, count, gaps[j], width, lag)
        row_c[j], row_r[j], row_m[j], row_share[j] = 0.0, 0.0, 0.0, 0.0
        for i in range(size):
            if f + i == count - 1:
                row_share[j] = lag[i]
                continue
            row_m[j] += lag[i] * overlap[f + i]
            for k in range(nodes):
                row_c[j, k] += lag[i] * c[f + i, k]
                row_r[j, k] += lag[i] * r[f + i, k]
    for q in range(start[nodes]):
        f, size = time_weights(times, count, point_gaps[q], width, lag)
        total_c, total_r, share, base = 0.0, 0.0, 0.0, first[q]
        for i in range(size):
            if f + i == count - 1:
                share = lag[i]
                continue
            for k in range(order):
                weight = lag[i] * weights[q, k]
                total_c += weight * c[f + i, base + k]
                total_r += weight * r[f + i, base + k]
        between_c[q], between_r[q], between_share[q] = total_c, total_r, share


@_compile
def slopes(powers, strengths, point, x):
    """Q', Q'' and Q''' at x; `strengths` are the coefficients times the amplitudes of a point."""
    one, two, three = 0.0, 0.0, 0.0
    for k in range(len(powers)):
        p, strength = powers[k], strengths[k, point]
        first = strength * p * x ** (p - 1)
        one += first
        if p > 1:
            two += strength * p * (p - 1) * x ** (p - 2)
        if p > 2:
            three += strength * p * (p - 1) * (p - 2) * x ** (p - 3)
    return one, two, three


@_compile
def integrals_below(t, ratios, w, powers, strengths, first, weights, past, c, r, sums, jacobian):
    """int_0^t' [R(t,s) Q''(C(t,s)) C(t',s) + R(t',s) Q'(C(t,s))] ds into `sums[0]`.

    `past` is what `read_past` says of row t'. A `jacobian` with rows gets the derivatives.
    """
    row_c, row_r, _, share = past[0], past[1], past[2], past[3]
    nodes, order = len(ratios), weights.shape[1]
    wanted = len(jacobian) > 0
    for j in range(1, nodes):
        total = 0.0
        for k in range(nodes):
            q = j * nodes + k
            base, weight = first[q], t * ratios[j] * w[k]
            here_c, here_r = 0.0, 0.0
            for i in range(order):
                here_c += weights[q, i] * c[base + i]
                here_r += weights[q, i] * r[base + i]
            one, two, three = slopes(powers, strengths, q, here_c)
            past_c, past_r = row_c[j, k] + share[j] * c[k], row_r[j, k] + share[j] * r[k]
            total += weight * (here_r * two * past_c + past_r * one)
            if wanted:
                by_c = weight * (here_r * three * past_c + past_r * two)
                by_r = weight * two * past_c
                for i in range(order):
                    jacobian[j, base + i] += weights[q, i] * by_c
                    jacobian[j, nodes + base + i] += weights[q, i] * by_r
                jacobian[j, k] += share[j] * weight * here_r * two
                jacobian[j, nodes + k] += share[j] * weight * one
        sums[0, j] += total


@_compile
def integrals_between(
    t,
    start,
    w,
    powers,
    strengths,
    first,
    weights,
    other,
    other_weights,
    past,
    c,
    r,
    sums,
    jacobian,
):
    """int_t'^t R(t,s) Q''(C(t,s)) {C, R}(s,t') ds, added to both rows of `sums`."""
    past_c, past_r, share = past[4], past[5], past[6]
    nodes, order = len(start) - 1, weights.shape[1]
    wanted = len(jacobian) > 0
    for j in range(1, nodes):
        total_c, total_r = 0.0, 0.0
        for q in range(start[j], start[j + 1]):
            base, side = first[q], other[q]
            here_c, here_r, then_c, then_r = 0.0, 0.0, 0.0, 0.0
            for i in range(order):
                here_c += weights[q, i] * c[base + i]
                here_r += weights[q, i] * r[base + i]
                then_c += other_weights[q, i] * c[side + i]
                then_r += other_weights[q, i] * r[side + i]
            then_c = past_c[q] + share[q] * then_c
            then_r = past_r[q] + share[q] * then_r
            _, two, three = slopes(powers, strengths, q, here_c)
            kernel = t * w[q] * here_r * two
            total_c += kernel * then_c
            total_r += kernel * then_r
            if wanted:
                by_c, by_r = t * w[q] * here_r * three, t * w[q] * two
                for i in range(order):
                    v = weights[q, i]
                    jacobian[j, base + i] += v * by_c * then_c
                    jacobian[j, nodes + base + i] += v * by_r * then_c
                    jacobian[nodes + j, base + i] += v * by_c * then_r
                    jacobian[nodes + j, nodes + base + i] += v * by_r * then_r
                    v = other_weights[q, i] * share[q] * kernel
                    jacobian[j, side + i] += v
                    jacobian[nodes + j, nodes + side + i] += v
        sums[0, j] += total_c
        sums[1, j] += total_r

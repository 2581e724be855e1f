"""What finite sizes say about infinite ones."""

import numpy as np
import scipy.stats


def extrapolated(means, errors, sizes):
    """Mean at infinite size and its standard error, with a bias of order 1 / N removed."""
    small, large = sizes
    weight = large / (large - small)
    limit = weight * means[1] - (weight - 1) * means[0]
    return limit, np.hypot(weight * errors[1], (weight - 1) * errors[0])


def assert_vanishes(runs, sizes, level):
    """Deviations of instances at two sizes, one array each, extrapolate to zero.

    One family-wise level holds for all comparisons, and the spread is that of a self-averaging
    quantity.
    """
    counts = [len(values) for values in runs]
    means = [values.mean(axis=0) for values in runs]
    errors = [values.std(axis=0, ddof=1) / np.sqrt(len(values)) for values in runs]
    limit, error = extrapolated(means, errors, sizes)
    bound = scipy.stats.t.ppf(1 - level / (2 * limit.size), counts[1] - 1)
    np.testing.assert_array_less(np.abs(limit) / error, bound)
    ratio = errors[0] ** 2 * counts[0] * sizes[0] / (errors[1] ** 2 * counts[1] * sizes[1])
    assert 0.2 < np.median(ratio) < 5

"""95 % intervals: bootstrap over pictures, Wilson for shares."""

import math

import numpy as np

Z = 1.959964


def wilson(hits, count):
    """Interval of a share; [0, 1] when nothing was counted."""
    if count == 0:
        return [0.0, 1.0]
    share, square = hits / count, Z * Z / count
    middle = (share + square / 2) / (1 + square)
    half = Z / (1 + square) * math.sqrt(share * (1 - share) / count + square / (4 * count))
    return [round(max(0.0, middle - half), 4), round(min(1.0, middle + half), 4)]


def draws(count, rounds, seed):
    """Indices of `rounds` resamples of `count` pictures; the same for every model of a table."""
    return np.random.default_rng(seed).integers(0, count, (rounds, count))


def percentile_interval(values):
    """The middle 95 % of resampled values."""
    values = np.asarray(values, float)
    values = values[np.isfinite(values)]
    if not len(values):
        return [None, None]
    low, high = np.percentile(values, [2.5, 97.5])
    return [round(float(low), 4), round(float(high), 4)]

"""95 % intervals: Wilson for shares, bootstrap for the rest; and differences of two models on the same pictures."""

import math

import numpy as np

Z = 1.959964
ROUNDS = 1000
SEED = 7


def wilson(hits, count):
    """Interval of a share; [0, 1] when nothing was counted."""
    if count == 0:
        return [0.0, 1.0]
    share, square = hits / count, Z * Z / count
    middle = (share + square / 2) / (1 + square)
    half = Z / (1 + square) * math.sqrt(share * (1 - share) / count + square / (4 * count))
    return [round(max(0.0, middle - half), 4), round(min(1.0, middle + half), 4)]


def draws(count, rounds=ROUNDS, seed=SEED):
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


def mean(values):
    """n, mean and its interval by bootstrap over the values, one a picture."""
    values = np.asarray(values, float)
    resampled = values[draws(len(values))].mean(1)
    return {"n": len(values), "value": _rounded(values.mean()), "interval": percentile_interval(resampled)}


def paired(left, right):
    """Mean of left minus right, of two models on the same pictures in the same order, by bootstrap over them."""
    found = mean(np.asarray(left, float) - np.asarray(right, float))
    return {"n": found["n"], "difference": found["value"], "interval": found["interval"]}


def estimate(value, resampled):
    """A value that was computed over all pictures, and its interval from its values over resamples of them."""
    return {"value": _rounded(value), "interval": percentile_interval(resampled)}


def _rounded(value):
    return round(float(value), 4) if np.isfinite(value) else None

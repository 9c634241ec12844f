"""How sure a figure is: exact binomial intervals, and the stratified bootstrap.

Everything here needs numpy alone, except the exact intervals, which need scipy's beta quantiles.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
_CHUNK_ELEMENTS = 2_000_000


def clopper_pearson(count: int, total: int, level: float = LEVEL) -> tuple[float, float]:
    """The exact two-sided interval of a proportion (Clopper and Pearson 1934).

    Args:
        count: successes, 0 to `total`.
        total: trials, at least 1.
        level: the coverage that is guaranteed, in (0, 1).

    Returns:
        Lower and upper end, in [0, 1].
    """
    from scipy.special import betaincinv

    tail = (1 - level) / 2
    low = 0.0 if count == 0 else float(betaincinv(count, total - count + 1, tail))
    high = 1.0 if count == total else float(betaincinv(count + 1, total - count, 1 - tail))
    return low, high


def upper_bound(count: int, total: int, level: float = LEVEL) -> float:
    """The exact one-sided upper bound of a proportion: `count` of `total`, both as in `clopper_pearson`.

    It is the rate at which so few successes would be seen with probability 1 - `level`. Where a threshold
    was put just above the (`count` + 1)-th highest of `total` scores, it also bounds the share of new
    scores at or above that threshold, whatever their distribution (Wilks 1941): choosing the threshold on
    the same scores costs nothing.
    """
    from scipy.special import betaincinv

    return 1.0 if count >= total else float(betaincinv(count + 1, total - count, level))


def allowed_errors(total: int, rate: float, level: float = LEVEL) -> int:
    """The greatest count of `total` whose upper bound is at most `rate`, or -1 if not even 0 is."""
    count = -1
    log_term, cumulated = total * math.log1p(-rate), 0.0
    # Binomial probabilities by their recurrence, in logarithms so that large totals do not underflow.
    for successes in range(total):
        cumulated += math.exp(log_term)
        if cumulated > 1 - level:
            break
        count = successes
        log_term += math.log((total - successes) / (successes + 1)) + math.log(rate) - math.log1p(-rate)
    return count


def needed(rate: float, level: float = LEVEL) -> int:
    """How many trials without a success show that the rate is at most `rate`, in (0, 1): 299 for 1 %."""
    return math.ceil(math.log1p(-level) / math.log1p(-rate) - 1e-9)


def resample_counts(labels: NDArray[np.int64], resamples: int, seed: int) -> Iterator[NDArray[np.float64]]:
    """Draw stratified bootstrap resamples: as many of each class as there are, with replacement.

    Args:
        labels: class of each image, shape (N,).
        resamples: how many in all.
        seed: the same seed gives the same draws.

    Yields:
        How often each image was drawn, shape (B, N); chunks bounded in memory that add up to `resamples`.
    """
    rng = np.random.default_rng(seed)
    strata = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    chunk = max(1, _CHUNK_ELEMENTS // max(1, len(labels)))
    for start in range(0, resamples, chunk):
        rows = min(chunk, resamples - start)
        counts = np.zeros((rows, len(labels)))
        for members in strata:
            size = len(members)
            drawn = rng.integers(0, size, (rows, size)) + np.arange(rows)[:, None] * size
            counts[:, members] = np.bincount(drawn.ravel(), minlength=rows * size).reshape(rows, size)
        yield counts


def percentile_interval(
    value: float, samples: NDArray[np.float64], level: float = LEVEL
) -> tuple[float, float]:
    """The percentile bootstrap interval (Efron 1979), widened where needed to hold the estimate itself.

    Figures that resampling biases (the calibration error grows with noise) could otherwise lie outside
    their own interval. Resamples in which the figure is undefined (NaN) do not count.

    Args:
        value: the figure on the data themselves.
        samples: the figure on each resample, shape (B,), B at least 1.
        level: in (0, 1).
    """
    known = samples[np.isfinite(samples)]
    if not len(known):
        return value, value
    tail = (1 - level) / 2
    low, high = np.quantile(known, [tail, 1 - tail])
    return min(float(low), value), max(float(high), value)

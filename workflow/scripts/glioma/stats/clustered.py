"""Intervals of what is counted slice by slice, where slices of one patient are not independent."""

from collections.abc import Callable

import numpy as np

from glioma.stats.statistics import (
    CONFIDENCE,
    FEWEST_FOR_BOOTSTRAP,
    LARGEST_UNDEFINED_SHARE,
    NO_INTERVAL,
    RESAMPLES,
    Interval,
    student,
)


def clustered_interval(
    counts: np.ndarray,
    statistic: Callable[[np.ndarray], np.ndarray],
    rng: np.random.Generator,
    bounds: tuple[float, float] = (-np.inf, np.inf),
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
) -> Interval:
    """Interval of a statistic of counts that are summed over clusters: bootstrap percentiles (Field and Welsh 2007).

    counts: (clusters, ...), one row a patient. statistic: from summed counts (..., resamples leading) to values
    (resamples,). Whole patients are drawn with replacement, so that the slices of one stay together. Fewer than
    `FEWEST_FOR_BOOTSTRAP` patients are left out one at a time instead: the jackknife's standard error with Student's t,
    cut at `bounds`, what the statistic can be at least and at most. There is no interval for fewer than two patients,
    nor where more than 5 % of the resamples, or one of the patients left out, leave the statistic undefined.
    """
    counts = np.asarray(counts, dtype=float)
    if len(counts) < 2:
        return NO_INTERVAL
    if len(counts) < FEWEST_FOR_BOOTSTRAP:
        return _jackknife(counts, statistic, bounds, confidence)
    drawn = rng.multinomial(len(counts), np.full(len(counts), 1 / len(counts)), size=resamples)
    values = np.asarray(statistic(np.tensordot(drawn, counts, axes=1)))
    known = values[np.isfinite(values)]
    if len(known) < (1 - LARGEST_UNDEFINED_SHARE) * resamples or np.ptp(known) == 0:
        return NO_INTERVAL
    tail = (1 - confidence) / 2
    return Interval(*np.quantile(known, [tail, 1 - tail]).tolist())


def _jackknife(
    counts: np.ndarray, statistic: Callable[[np.ndarray], np.ndarray], bounds: tuple[float, float], confidence: float
) -> Interval:
    n, total = len(counts), counts.sum(axis=0)
    value, without = float(np.asarray(statistic(total[None]))[0]), np.asarray(statistic(total - counts))
    error = np.sqrt((n - 1) / n * np.sum(np.square(without - without.mean())))
    if not (np.isfinite(value) and error > 0):
        return NO_INTERVAL
    return student(value, error, n - 1, bounds, confidence)

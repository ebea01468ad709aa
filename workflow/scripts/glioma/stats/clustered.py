"""Intervals of what is counted slice by slice, where slices of one patient are not independent."""

from collections.abc import Callable

import numpy as np

from glioma.stats.statistics import CONFIDENCE, LARGEST_UNDEFINED_SHARE, NO_INTERVAL, RESAMPLES, Interval


def cluster_bootstrap(
    counts: np.ndarray,
    statistic: Callable[[np.ndarray], np.ndarray],
    rng: np.random.Generator,
    resamples: int = RESAMPLES,
    confidence: float = CONFIDENCE,
) -> Interval:
    """Percentile interval of a statistic of counts that are summed over clusters (Field and Welsh 2007).

    counts: (clusters, ...), one row a patient. statistic: from summed counts (..., resamples leading) to values
    (resamples,). Whole patients are drawn with replacement, so that the slices of one stay together. There is no
    interval for fewer than two patients, nor where more than 5 % of the resamples leave the statistic undefined.
    """
    counts = np.asarray(counts, dtype=float)
    if len(counts) < 2:
        return NO_INTERVAL
    drawn = rng.multinomial(len(counts), np.full(len(counts), 1 / len(counts)), size=resamples)
    values = np.asarray(statistic(np.tensordot(drawn, counts, axes=1)))
    known = values[np.isfinite(values)]
    if len(known) < (1 - LARGEST_UNDEFINED_SHARE) * resamples or np.ptp(known) == 0:
        return NO_INTERVAL
    tail = (1 - confidence) / 2
    return Interval(*np.quantile(known, [tail, 1 - tail]).tolist())

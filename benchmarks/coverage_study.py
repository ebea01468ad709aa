"""How often the intervals hold the true value.

Run it as `PYTHONPATH=workflow/scripts .venv/bin/python benchmarks/coverage_study.py`.

Grades are studied over the published situations: the sensitivity and specificity of every published confusion matrix,
in the published test set (44 HGG and 11 LGG patients), all of BraTS 2020 (293 and 76), and the demo (24 and 16; 6 and 4
of them in the test set). Scores of confusion matrices are enumerated, so that their coverage is exact; everything else
is simulated. Beside each method stands BCa resampling, with what share of outcomes has no interval.
"""

import warnings
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from glioma.compare import published
from glioma.metrics import classification
from glioma.metrics.classification import Confusion
from glioma.stats import effects, statistics
from glioma.stats.statistics import Interval

TABLES = Path(__file__).parents[1] / "resources" / "published_tables.csv"
COHORTS = ((44, 11), (293, 76), (24, 16), (6, 4))
SCORES = ("balanced_accuracy", "f1", "mcc")
ROUNDING = 1e-9


def published_rates() -> list[tuple[float, float]]:
    """Sensitivity and specificity of every published confusion matrix; a rate of 0 or 1 becomes .01 or .99."""
    rates = []
    for row in published.read(TABLES):
        tp, fn, tn, fp = row.counts
        rates.append((tp / (tp + fn), tn / (tn + fp)))
    return sorted({(round(min(max(a, 0.01), 0.99), 3), round(min(max(b, 0.01), 0.99), 3)) for a, b in rates})


def resampled(metric: str, counts: Confusion, rng: np.random.Generator, resamples: int = 500) -> Interval:
    """BCa, stratified by grade: what `statistics.confusion_interval` replaced."""
    tp, fn, tn, fp = map(int, counts)

    def statistic(positive: np.ndarray, negative: np.ndarray, axis: int = -1) -> np.ndarray:
        hit, alarm = positive.sum(axis=axis), negative.sum(axis=axis)
        return classification.scores(Confusion(hit, tp + fn - hit, tn + fp - alarm, alarm))[metric]

    patients = (np.repeat([1.0, 0.0], [tp, fn]), np.repeat([1.0, 0.0], [fp, tn]))
    return bca(patients, statistic, rng, resamples)


def bca(samples: tuple[np.ndarray, ...], statistic: Callable, rng: np.random.Generator, resamples: int) -> Interval:
    """scipy's BCa; NaN where no resample differs from another, or it has none."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        found = stats.bootstrap(samples, statistic, n_resamples=resamples, method="BCa", vectorized=True, rng=rng)
    interval = Interval(*map(float, found.confidence_interval))
    return interval if interval.low < interval.high else statistics.NO_INTERVAL


def confusions(
    cohorts: Sequence[tuple[int, int]], rates: Sequence[tuple[float, float]], interval: Callable = None
) -> pd.DataFrame:
    """Exact coverage, and share of outcomes without an interval, of each score in each situation.

    `interval`: from metric and counts to an Interval; that of the workflow unless given.
    """
    interval = interval or statistics.confusion_interval
    rows = []
    for hgg, lgg in cohorts:
        cells = list(product(range(hgg + 1), range(lgg + 1)))
        for metric in SCORES:
            bounds = np.array([interval(metric, Confusion(tp, hgg - tp, lgg - fp, fp)) for tp, fp in cells])
            known = np.isfinite(bounds).all(axis=1)
            for sensitivity, specificity in rates:
                chance = stats.binom.pmf([tp for tp, _ in cells], hgg, sensitivity)
                chance = chance * stats.binom.pmf([fp for _, fp in cells], lgg, 1 - specificity)
                tp, tn = hgg * sensitivity, lgg * specificity
                true = float(classification.scores(Confusion(tp, hgg - tp, tn, lgg - tn))[metric])
                held = (bounds[:, 0] <= true + ROUNDING) & (true <= bounds[:, 1] + ROUNDING) & known
                covered = chance[held].sum() / chance[known].sum()
                rows.append((hgg, lgg, sensitivity, specificity, metric, covered, chance[~known].sum()))
    return pd.DataFrame(rows, columns=["hgg", "lgg", "sensitivity", "specificity", "metric", "coverage", "none"])


def areas(cohorts: Sequence[tuple[int, int]], true: Sequence[float], samples: int, seed: int = 0) -> pd.DataFrame:
    """Simulated coverage of the interval of an AUC, of normal scores with equal and with unequal spread."""
    rng, rows = np.random.default_rng(seed), []
    for (hgg, lgg), area, spread in product(cohorts, true, (1.0, 2.0)):
        shift = float(stats.norm.ppf(area)) * np.hypot(1, spread)
        held, lost, other = 0, 0, 0
        for _ in range(samples):
            score = (rng.normal(shift, spread, hgg), rng.normal(size=lgg))
            low, high = statistics.auc_interval(float(classification.auc(*score)), hgg, lgg)
            held += low <= area <= high
            found = bca(score, classification.auc, rng, 200)
            lost += not np.isfinite(found).all()
            other += found.low <= area <= found.high
        rows.append((hgg, lgg, area, spread, held / samples, other / max(samples - lost, 1), lost / samples))
    columns = ["hgg", "lgg", "AUC", "spread", "coverage", "BCa", "BCa none"]
    return pd.DataFrame(rows, columns=columns)


DISTRIBUTIONS = {
    "good Dice": (lambda rng, n: rng.beta(8, 2, n), 0.8),
    "middling Dice": (lambda rng, n: rng.beta(2, 2, n), 0.5),
    "poor Dice": (lambda rng, n: rng.beta(0.6, 2.4, n), 0.2),
    "good, one in ten failed": (
        lambda rng, n: np.where(rng.random(n) < 0.1, rng.beta(1, 4, n), rng.beta(18, 2, n)), 0.83
    ),
}  # fmt: skip


def means(sizes: Sequence[int], samples: int, seed: int = 0) -> pd.DataFrame:
    """Simulated coverage of the interval of a mean over n patients, beside BCa's."""
    rng, rows = np.random.default_rng(seed), []
    for n, (name, (draw, true)) in product(sizes, DISTRIBUTIONS.items()):
        held = other = 0
        for _ in range(samples):
            values = draw(rng, n)
            low, high = statistics.mean_interval(values, rng, (0, 1), resamples=500)
            held += low <= true <= high
            found = bca((values,), np.mean, rng, 500)
            other += found.low <= true <= found.high
        rows.append((n, name, held / samples, other / samples))
    return pd.DataFrame(rows, columns=["n", "scores", "coverage", "BCa"])


def differences(
    cohorts: Sequence[tuple[int, int]], rates: Sequence[tuple[float, float]], samples: int, seed: int = 0
) -> pd.DataFrame:
    """Simulated coverage of the paired difference of balanced accuracies, and how often p < .05 without one.

    Each situation once without and once with correlated answers; the second method is the first of the list's next.
    """
    rng, rows = np.random.default_rng(seed), []
    pairs = [(rate, rate) for rate in rates] + list(zip(rates, rates[1:], strict=False))
    for (hgg, lgg), (first, second), correlation in product(cohorts, pairs, (0.0, 0.4)):
        truth = np.repeat([True, False], [hgg, lgg])
        cells = [together(p, q, correlation) for p, q in zip(first, second, strict=True)]
        if any(min(cell) < 0 for cell in cells):
            continue
        true = (sum(first) - sum(second)) / 2
        held = rejected = 0
        for _ in range(samples):
            kinds = np.concatenate([rng.choice(4, n, p=cell) for n, cell in zip((hgg, lgg), cells, strict=True)])
            found = effects.balanced_accuracy_difference(truth, kinds <= 1, (kinds == 0) | (kinds == 2))
            held += found.low - ROUNDING <= true <= found.high + ROUNDING
            rejected += found.p < 0.05
        level = rejected / samples if first == second else float("nan")
        rows.append((hgg, lgg, first, second, correlation, held / samples, level))
    columns = ["hgg", "lgg", "first", "second", "correlation", "coverage", "p < .05"]
    return pd.DataFrame(rows, columns=columns)


def together(p: float, q: float, correlation: float) -> list[float]:
    """Chances that both, the first alone, the second alone and none of two methods is right."""
    both = p * q + correlation * np.sqrt(p * (1 - p) * q * (1 - q))
    return [both, p - both, q - both, 1 - p - q + both]


def main() -> None:
    rates, rng = [*published_rates(), (0.9, 0.9), (0.5, 0.5), (0.99, 0.99)], np.random.default_rng(0)
    own = confusions(COHORTS, rates)
    small = [cohort for cohort in COHORTS if sum(cohort) < 100]
    other = confusions(small, rates, lambda metric, counts: resampled(metric, counts, rng))
    keys = ["hgg", "lgg", "sensitivity", "specificity", "metric"]
    table = own.merge(other, on=keys, how="left", suffixes=("", " (BCa)"))
    with pd.option_context("display.max_rows", None, "display.width", 140, "display.float_format", "{:.3f}".format):
        print("Scores of confusion matrices, exact\n", table.to_string(index=False))
        print("\nAUC, simulated\n", areas(small, (0.5, 0.85, 0.95, 0.99), 400).to_string(index=False))
        print("\nMeans over patients, simulated\n", means((3, 5, 8, 10, 15, 20, 55), 400).to_string(index=False))
        print("\nDifferences, simulated\n", differences(small, rates[::3], 200).to_string(index=False))


if __name__ == "__main__":
    main()

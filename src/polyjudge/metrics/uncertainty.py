"""How far an agreement can be trusted: bootstrap intervals of a metric and of paired differences.

Rows of one document share its difficulty, so that documents are resampled and not rows; two judges are compared on
the same resamples, because most of the noise is theirs in common. All randomness comes from an integer seed.
Resamples without a value (a constant draw, say) are left out of an interval and counted.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from polyjudge.metrics.agreement import Metric
from polyjudge.metrics.grouping import (
    Clusters,
    Documents,
    Grouping,
    Scales,
    matrix,
    mean,
    scored_rows,
    table,
)
from polyjudge.metrics.levels import Matrix, Vector
from polyjudge.metrics.resampling import Contest, draws, statistics


@dataclass(frozen=True, slots=True)
class Interval:
    """A statistic or a difference with its percentile bootstrap interval.

    `value` is computed on the data as they are. `low` and `high` bound the central `level` of the defined
    resamples, of which `standard_error` is the standard deviation. These three are NaN where `value` is, where
    fewer than two resamples are defined, and where there are fewer than two documents to resample.
    """

    value: float
    low: float
    high: float
    level: float
    n_resamples: int
    n_undefined: int
    standard_error: float


@dataclass(frozen=True, slots=True)
class Intervals:
    """Intervals for K criteria in their order and for their unweighted mean.

    The mean is undefined in a resample where any criterion is. `n_pairs` counts the rows of each criterion that
    entered, `n_clusters` the documents (or rows) that were resampled.
    """

    per_criterion: tuple[Interval, ...]
    mean: Interval
    n_pairs: tuple[int, ...]
    n_clusters: int


def bootstrap(
    metric: Metric,
    predicted: npt.ArrayLike,
    human: npt.ArrayLike,
    *,
    levels: Scales = None,
    documents: Documents | None = None,
    grouping: Grouping = "pooled",
    n_resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Intervals:
    """Percentile intervals of a metric on (n, K) or (n,) scores, NaN = missing, by resampling documents.

    Documents are drawn with replacement and bring all their rows, the same for every criterion; without documents
    rows are drawn (Efron and Tibshirani 1993, chapter 13; Field and Welsh 2007 for clusters).

    Raises:
        ValueError: if shapes differ, the grouping cannot be meant, or `n_resamples` or `level` is out of range.
    """
    left, right = matrix(predicted, "predicted"), matrix(human, "human")
    pairs = scored_rows(left, right)
    values = table(metric, left, right, levels=levels, documents=documents, grouping=grouping).per_criterion
    clusters = Clusters.of(documents, len(right))
    statistic = statistics(metric, left, right, clusters, levels, grouping)
    replicates = np.vstack([statistic(counts) for counts in draws(clusters.count, n_resamples, seed)])
    return _intervals([each.value for each in values], replicates, level, pairs, clusters.count)


def paired_bootstrap(
    metric: Metric,
    predicted_a: npt.ArrayLike,
    predicted_b: npt.ArrayLike,
    human: npt.ArrayLike,
    *,
    levels: Scales = None,
    documents: Documents | None = None,
    grouping: Grouping = "pooled",
    n_resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Intervals:
    """Intervals of the difference A minus B of two judges of the same rows, (n, K) or (n,), NaN = missing.

    Both are evaluated on the same resampled documents and, criterion by criterion, on the rows that both scored,
    so that a judge cannot gain by leaving hard rows out. The sign is the metric's: for an error, negative favours A.

    Raises:
        ValueError: as `bootstrap`.
    """
    contest = Contest.of(predicted_a, predicted_b, human)
    values = contest.differences(metric, levels, documents, grouping)
    clusters = Clusters.of(documents, len(contest.human))
    ours = statistics(metric, contest.a, contest.human, clusters, levels, grouping)
    theirs = statistics(metric, contest.b, contest.human, clusters, levels, grouping)
    replicates = np.vstack([ours(counts) - theirs(counts) for counts in draws(clusters.count, n_resamples, seed)])
    return _intervals(values, replicates, level, ~np.isnan(contest.human), clusters.count)


def _intervals(
    values: Sequence[float], replicates: Matrix, level: float, pairs: npt.NDArray[np.bool_], n_clusters: int
) -> Intervals:
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, not be {level!r}")
    known = n_clusters > 1
    return Intervals(
        per_criterion=tuple(_interval(value, replicates[:, k], level, known) for k, value in enumerate(values)),
        mean=_interval(mean(values), replicates.mean(axis=1), level, known),
        n_pairs=tuple(int(count) for count in pairs.sum(axis=0)),
        n_clusters=n_clusters,
    )


def _interval(value: float, replicates: Vector, level: float, known: bool) -> Interval:
    defined = replicates[~np.isnan(replicates)]
    n_undefined = replicates.size - defined.size
    if not known or math.isnan(value) or defined.size < 2:
        return Interval(value, math.nan, math.nan, level, replicates.size, n_undefined, math.nan)
    low, high = np.quantile(defined, [(1 - level) / 2, (1 + level) / 2])
    error = float(defined.std(ddof=1))
    return Interval(value, float(low), float(high), level, replicates.size, n_undefined, error)

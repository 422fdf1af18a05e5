"""Biases of a judge that an agreement does not show: collapse, level, spread, and halo.

A judge may rank well and still be too kind (level), too timid (spread), or give all criteria of an item similar scores
(halo). A judge that has collapsed to one answer does well on MAE and off-by-one, so that a gate on these metrics
rewards it; the share of its commonest answer reveals it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from polyjudge.metrics.estimates import Estimate
from polyjudge.metrics.grouping import mean
from polyjudge.metrics.levels import Levels, Matrix, Vector
from polyjudge.metrics.metric import metric
from polyjudge.metrics.pairs import Pairs, column, ratio
from polyjudge.metrics.rated import Rated, RatedRows, matrix, scored_rows
from polyjudge.metrics.resampling import draws, statistics
from polyjudge.metrics.statistics import NUMBERS, spearman
from polyjudge.metrics.uncertainty import interval

# From this share of one answer on, a judge counts as collapsed.
MODAL_SHARE = 0.95


@dataclass(frozen=True, slots=True)
class Collapse:
    """Whether predictions have collapsed, with the numbers; usable as a condition.

    `collapsed` is true if one value makes up 95 % of two or more predictions, or all of them. `modal_value` and
    `modal_share` are NaN when nothing was predicted.
    """

    collapsed: bool
    modal_value: float
    modal_share: float
    n_distinct: int
    n_predicted: int

    def __bool__(self) -> bool:
        return self.collapsed


def collapsed(predicted: npt.ArrayLike) -> Collapse:
    """Whether the predictions (n,), NaN = missing, are the same value almost everywhere.

    Raises:
        ValueError: if the shape is another one or a value is infinite.
    """
    values = column(predicted, "predicted")
    values = values[~np.isnan(values)]
    if not values.size:
        return Collapse(False, math.nan, math.nan, 0, 0)
    distinct, counts = np.unique(values, return_counts=True)
    commonest = int(counts.argmax())
    share = int(counts[commonest]) / values.size
    return Collapse(
        values.size > 1 and share >= MODAL_SHARE, float(distinct[commonest]), share, distinct.size, values.size
    )


@metric(range=(-math.inf, math.inf), kinds=NUMBERS, needs_scale=True)
def level(pairs: Pairs, weights: Matrix, levels: Levels | None) -> Vector:
    """Mean of judge minus people in units of the scale; 0 is best, above 0 the judge is too kind."""
    return ratio(weights @ (pairs.predicted - pairs.human), weights.sum(axis=1))


@metric(range=(0.0, math.inf), kinds=NUMBERS, needs_scale=True)
def spread(pairs: Pairs, weights: Matrix, levels: Levels | None) -> Vector:
    """Standard deviation of the judge over that of the people; 1 is best, 0 a constant judge, NaN constant people."""
    ours, theirs = (_variance(side, weights) for side in (pairs.predicted, pairs.human))
    return np.sqrt(ratio(ours, theirs))


@dataclass(frozen=True, slots=True)
class Halo:
    """The correlation between criteria, of judge and people, on the rows that both scored completely.

    `judge` and `human` are mean Spearman correlations over all pairs of criteria, `excess` judge minus people with
    its interval: above 0, the judge's criteria are more alike than those of people. NaN if a pair is undefined.
    """

    judge: float
    human: float
    excess: Estimate
    n_rows: int


def halo(
    predicted: npt.ArrayLike,
    rows: Rated,
    *,
    n_resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Halo:
    """Inter-criterion correlation of a judge (n, K) against that of people, K >= 2, NaN = missing.

    The human side are the raters' means. A mean of R raters correlates more between criteria than a single rater does,
    since noise lowers correlations; so a judge's excess over raters' means is no artefact of the number of raters.

    Raises:
        ValueError: if the shapes differ or there are fewer than two criteria.
    """
    rated = RatedRows.of(rows)
    ours, theirs = matrix(predicted, "predicted"), rated.human
    if ours.shape[1] < 2:
        raise ValueError("a halo needs two criteria or more")
    whole = np.asarray(scored_rows(ours, theirs).all(axis=1))
    ours, theirs = (np.where(whole[:, None], side, np.nan) for side in (ours, theirs))
    pairs = list(combinations(range(ours.shape[1]), 2))
    first, second = [c for c, _ in pairs], [d for _, d in pairs]
    clusters = rated.clusters
    sides = [
        statistics(spearman, side[:, first], RatedRows.of(side[:, second], documents=rated.documents), "pooled")
        for side in (ours, theirs)
    ]
    judge, people = (mean(side(np.ones((1, clusters.count)))[0].tolist()) for side in sides)
    replicates = [
        (sides[0](counts) - sides[1](counts)).mean(axis=1) for counts in draws(clusters.count, n_resamples, seed)
    ]
    excess = interval(judge - people, np.concatenate(replicates), level, clusters.used(whole))
    return Halo(judge, people, excess, int(whole.sum()))


def _variance(values: Vector, weights: Matrix) -> Vector:
    """Weighted variance (b,), exactly 0 where only one value counts."""
    total = weights.sum(axis=1)
    centred = values - values.mean()
    means = ratio(weights @ centred, total)
    variance = ratio(weights @ (centred * centred), total) - means * means
    return np.where(variance > 1e-12 * max(1.0, float(np.square(centred).max())), variance, 0.0)

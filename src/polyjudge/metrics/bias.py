"""How a judge is off, beside how well it agrees: its level, its spread, its drift, and its halo.

A judge may rank well and still be too kind (level), too timid (spread), kinder as time goes on (drift), or give all
criteria of an item one and the same impression (halo).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from polyjudge.metrics.agreement import SPEARMAN, Metric, Range
from polyjudge.metrics.grouping import Clusters, Documents, matrix, mean, scored_rows
from polyjudge.metrics.levels import Kind, Levels, Matrix, Vector
from polyjudge.metrics.pairs import Pairs, evaluate, ratio
from polyjudge.metrics.resampling import draws, statistics
from polyjudge.metrics.uncertainty import Interval, interval

_NUMBERS: frozenset[Kind] = frozenset({"ordinal", "float"})


def _level(pairs: Pairs, weights: Matrix, levels: Levels | None) -> Vector:
    return ratio(weights @ (pairs.predicted - pairs.human), weights.sum(axis=1))


def _spread(pairs: Pairs, weights: Matrix, levels: Levels | None) -> Vector:
    ours, theirs = (_variance(side, weights) for side in (pairs.predicted, pairs.human))
    return np.sqrt(ratio(ours, theirs))


def _variance(values: Vector, weights: Matrix) -> Vector:
    """Weighted variance (b,), exactly 0 where only one value counts."""
    total = weights.sum(axis=1)
    centred = values - values.mean()
    means = ratio(weights @ centred, total)
    variance = ratio(weights @ (centred * centred), total) - means * means
    return np.where(variance > 1e-12 * max(1.0, float(np.square(centred).max())), variance, 0.0)


def level(predicted: npt.ArrayLike, human: npt.ArrayLike, levels: Levels | None = None) -> float:
    """Mean of judge minus people in units of the scale; 0 is best, above 0 the judge is too kind."""
    return evaluate(_level, predicted, human, levels)


def spread(predicted: npt.ArrayLike, human: npt.ArrayLike, levels: Levels | None = None) -> float:
    """Standard deviation of the judge over that of the people; 1 is best, 0 a constant judge, NaN constant people."""
    return evaluate(_spread, predicted, human, levels)


LEVEL = Metric("level", level, True, Range(-math.inf, math.inf), True, _NUMBERS, _level)
SPREAD = Metric("spread", spread, True, Range(0.0, math.inf), True, _NUMBERS, _spread)


@dataclass(frozen=True, slots=True)
class Halo:
    """How alike the criteria's scores are within the items, judge and people, on the rows that both scored wholly.

    `judge` and `human` are mean Spearman correlations over all pairs of criteria, `excess` judge minus people with
    its interval: above 0, criteria run together in the judge more than in people. NaN where a pair is undefined.
    """

    judge: float
    human: float
    excess: Interval
    n_rows: int


def halo(
    predicted: npt.ArrayLike,
    human: npt.ArrayLike,
    *,
    documents: Documents | None = None,
    n_resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Halo:
    """Inter-criterion correlation of a judge against that of people, both (n, K), K >= 2, NaN = missing.

    People are the raters' means. A mean of R raters correlates more between criteria than a single rater does, since
    noise lowers correlations; so an excess of a judge over raters' means is no artefact of their number.

    Raises:
        ValueError: if the shapes differ or there are fewer than two criteria.
    """
    ours, theirs = matrix(predicted, "predicted"), matrix(human, "human")
    if ours.shape[1] < 2:
        raise ValueError("a halo needs two criteria or more")
    whole = np.asarray(scored_rows(ours, theirs).all(axis=1))
    ours, theirs = (np.where(whole[:, None], side, np.nan) for side in (ours, theirs))
    pairs = list(combinations(range(ours.shape[1]), 2))
    first, second = [c for c, _ in pairs], [d for _, d in pairs]
    clusters = Clusters.of(documents, len(ours))
    sides = [
        statistics(SPEARMAN, side[:, first], side[:, second], clusters, None, "pooled") for side in (ours, theirs)
    ]
    judge, people = (mean(side(np.ones((1, clusters.count)))[0].tolist()) for side in sides)
    replicates = [
        (sides[0](counts) - sides[1](counts)).mean(axis=1) for counts in draws(clusters.count, n_resamples, seed)
    ]
    used = int(np.unique(clusters.position[whole]).size)
    excess = interval(judge - people, np.concatenate(replicates), level, used)
    return Halo(judge, people, excess, int(whole.sum()))

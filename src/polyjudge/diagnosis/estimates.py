"""Means of marks with intervals by step, and shares of successes: what the tables of a diagnosis are made of."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence

from polyjudge.diagnosis.records import Estimate
from polyjudge.metrics import ppi
from polyjudge.metrics.student import t_quantile

MARKS = (1.0, 10.0)
SHARES = (0.0, 1.0)
# Of the intervals that a verdict looks at: a rule looks at one end, which 1 in 100 passes by chance.
VERDICT_LEVEL = 0.98


def mean_of(
    marks: Sequence[float],
    clusters: Sequence[Hashable],
    predictions: Sequence[float] | None = None,
    *,
    level: float = 0.95,
    within: tuple[float, float] = (-math.inf, math.inf),
) -> Estimate:
    """The mean of marks, nan = not rated, by cluster; corrected predictions stand in for what was not rated.

    The ends lie ``within`` what a mean can be.
    """
    found = ppi.mean(ppi.Sample(marks, predictions, clusters), level=level)
    low, high = (end if math.isnan(end) else min(max(end, within[0]), within[1]) for end in (found.low, found.high))
    return Estimate(found.value, low, high, level, found.n_labelled + found.n_predicted, found.n_clusters)


def difference_of(
    first: Sequence[float],
    second: Sequence[float],
    clusters: Sequence[Hashable],
    level: float = 0.95,
) -> Estimate:
    """The mean of ``first`` minus ``second`` over places that have both."""
    return mean_of([one - other for one, other in zip(first, second, strict=True)], clusters, level=level)


def share_of(successes: int, count: int, level: float = 0.95) -> Estimate:
    """A share with Wilson's interval, each a trial of its own; nan of nothing."""
    if not count:
        return Estimate(math.nan, level=level)
    z = t_quantile((1 + level) / 2, 1e6)
    share, weight = successes / count, 1 + z * z / count
    middle = (share + z * z / (2 * count)) / weight
    reach = z * math.sqrt(share * (1 - share) / count + z * z / (4 * count * count)) / weight
    return Estimate(share, max(0.0, middle - reach), min(1.0, middle + reach), level, count, count)

"""What a choice is made by: the mean agreement over the criteria, each by its own metric."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import total_ordering

import numpy as np

from polyjudge.metrics.levels import Matrix
from polyjudge.metrics.metric import Metric
from polyjudge.metrics.rated import RatedRows

Metrics = Metric | Sequence[Metric]
"""One metric for all criteria, or one for each of K."""

# Values closer than this are equal: sums of floats differ in their last digits.
CLOSE = 1e-12


@total_ordering
@dataclass(frozen=True, slots=True, eq=False)
class Value:
    """The agreement of a judge; more defined criteria come first, then the better mean over them.

    Attributes:
        defined: on how many criteria the metric has a value.
        mean: the unweighted mean over these; NaN without any.
        utility: the mean, turned so that higher is better.
    """

    defined: int
    mean: float
    utility: float

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Value) and not self < other and not other < self

    def __hash__(self) -> int:
        return hash(self.defined)

    def __lt__(self, other: Value) -> bool:
        if self.defined != other.defined:
            return self.defined < other.defined
        return self.utility < other.utility - CLOSE


@dataclass(frozen=True, slots=True)
class Objective:
    """The mean agreement with rated rows.

    Attributes:
        rows: the human ratings of n rows on K criteria.
        metrics: (K,) of which either all or none count higher as better.
    """

    rows: RatedRows
    metrics: tuple[Metric, ...]

    @classmethod
    def of(cls, rows: RatedRows, metrics: Metrics) -> Objective:
        """Check and gather.

        Raises:
            ValueError: there is not one metric for each criterion, or their directions differ.
        """
        n_criteria = rows.human.shape[1]
        each = (metrics,) * n_criteria if isinstance(metrics, Metric) else tuple(metrics)
        if len(each) != n_criteria:
            raise ValueError(f"there are {len(each)} metrics for {n_criteria} criteria; each needs one")
        if len({metric.higher_is_better for metric in each}) > 1:
            raise ValueError("a mean over criteria needs metrics of one direction")
        return cls(rows, each)

    def value(self, scores: Matrix) -> Value:
        """The agreement of scores (n, K), NaN = unscored."""
        values = [
            metric(scores[:, k], self.rows.human[:, k], self.rows.levels[k]) for k, metric in enumerate(self.metrics)
        ]
        known = [value for value in values if not math.isnan(value)]
        mean = math.fsum(known) / len(known) if known else math.nan
        sign = 1.0 if not self.metrics or self.metrics[0].higher_is_better else -1.0
        return Value(len(known), mean, sign * mean if known else -math.inf)

    def coverage(self, scores: Matrix) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
        """The share (K,) of the rated rows that are scored; 1 where no row is rated."""
        rated = ~np.isnan(self.rows.human)
        scored = (rated & ~np.isnan(scores)).sum(axis=0)
        return np.where(rated.any(axis=0), scored / np.maximum(1, rated.sum(axis=0)), 1.0)

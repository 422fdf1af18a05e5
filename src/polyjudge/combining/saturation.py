"""What further members of a jury can add, before they are asked.

If m judges agree with people at rho each and with each other at q, their mean agrees at
rho * sqrt(m / (1 + (m - 1) q)), which approaches rho / sqrt(q) (Spearman 1910,
Brown 1910). Members that err alike add nothing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt

from polyjudge.metrics.grouping import mean
from polyjudge.metrics.rated import Rated, RatedRows, matrix
from polyjudge.metrics.statistics import spearman


def saturation(agreement: float, correlation: float, members: float) -> float:
    """The agreement of a mean of `members` judges (math.inf: of any number); NaN where it is undefined.

    Args:
        agreement: of each judge with people, a correlation.
        correlation: of the judges with each other, above 0 for a limit.
        members: 1 or more.

    Raises:
        ValueError: fewer than one member.
    """
    if members < 1:
        raise ValueError(f"a jury has at least one member, not {members!r}")
    share = correlation + (1 - correlation) / members
    return agreement / math.sqrt(share) if share > 0 else math.nan


@dataclass(frozen=True, slots=True)
class Forecast:
    """What a jury of judges like these would reach.

    Attributes:
        agreement: the mean Spearman correlation of the judges with people, over judges and criteria.
        correlation: the mean Spearman correlation of two judges, over pairs and criteria; NaN with a single judge.
    """

    agreement: float
    correlation: float

    def at(self, members: float) -> float:
        """The expected agreement of `members` such judges; NaN = unknown."""
        return self.agreement if members == 1 else saturation(self.agreement, self.correlation, members)

    @property
    def limit(self) -> float:
        """What no number of such judges passes; NaN = unknown."""
        return saturation(self.agreement, self.correlation, math.inf)


def forecast(scores: Mapping[str, npt.ArrayLike], rows: Rated) -> Forecast:
    """The forecast from the scores (n, K) of some judges, NaN = unscored, on criteria with an order.

    Criteria without a defined correlation are left out.

    Raises:
        ValueError: shapes differ.
    """
    rated = RatedRows.of(rows)
    judged = [matrix(member, "scores") for member in scores.values()]
    ordered = [k for k, levels in enumerate(rated.levels) if levels is None or not levels.nominal]
    with_people = [spearman(member[:, k], rated.human[:, k]) for member in judged for k in ordered]
    together = [spearman(a[:, k], b[:, k]) for a, b in combinations(judged, 2) for k in ordered]
    return Forecast(_defined_mean(with_people), _defined_mean(together))


def _defined_mean(values: list[float]) -> float:
    return mean([value for value in values if not np.isnan(value)])

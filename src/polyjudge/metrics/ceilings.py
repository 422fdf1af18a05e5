"""What a judge's agreement stands beside: one annotator's agreement with the others, and the constant judge's floor.

On SummEval, always answering 4 has .83 to .88 off-by-one, more than GPT-4's .80, and one expert agrees with the
others only at Spearman .58 to .79. A figure means little without both. One annotator is no upper bound: the mean of
several raters is less noisy than one of them, so that a judge compared with the mean may agree better. What bounds it
is `reliability.noise_free_limit`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from polyjudge.metrics.grouping import Grouping, grouped
from polyjudge.metrics.levels import Levels, Matrix, Vector
from polyjudge.metrics.metric import Metric
from polyjudge.metrics.pairs import column, ratio
from polyjudge.metrics.rated import Documents, matrix

# Beyond this many labels a scale is as good as continuous, and quantiles stand for its constants.
MANY = 1000


@dataclass(frozen=True, slots=True, eq=False)
class OneAnnotator:
    """How well one annotator agrees with the others.

    Attributes:
        value: mean of the defined `per_rater`, each weighted by its rows; NaN = unknown.
        per_rater: (R,) a rater against the mean (labels: majority) of the others; NaN where undefined: fewer than two
            rows in common with another rater, or a constant under a correlation.
        rows: (n,) the rows that it is computed from, on which a judge may be compared with it.
        n_ties: rows with two ratings or more that were left out, because the labels' vote is tied, or would be without
            one of the raters.
    """

    value: float
    per_rater: tuple[float, ...]
    rows: npt.NDArray[np.bool_]
    n_ties: int

    @property
    def n_rows(self) -> int:
        return int(self.rows.sum())


@dataclass(frozen=True, slots=True)
class Floor:
    """The best value that one constant answer reaches, and that `constant`.

    Both are NaN where no constant has a value, as for any correlation.
    """

    value: float
    constant: float


def one_annotator(
    metric: Metric,
    ratings: npt.ArrayLike,
    *,
    levels: Levels | None = None,
    documents: Documents | None = None,
    grouping: Grouping = "pooled",
) -> OneAnnotator:
    """Each rater against the mean of the others, averaged over raters by their rows.

    A rater of two rows says as much as two rows can: in a plain mean, some visitors would outweigh the regulars.
    `ratings` (n, R) holds one column a rater, NaN = missing. On a categorical scale the others speak by majority; a
    row counts only if there is one whoever is left out, so that all raters, and a judge beside them, are measured on
    the same rows.

    Raises:
        ValueError: if shapes differ or the grouping cannot be meant.
    """
    read = matrix(ratings, "ratings")
    shared = (~np.isnan(read)).sum(axis=1) >= 2
    nominal = levels is not None and levels.nominal
    others = [np.delete(read, rater, axis=1) for rater in range(read.shape[1])]
    consensus = [_majorities(each) if nominal else _means(each) for each in others]
    untied = shared & ~np.isnan(_majorities(read)) if nominal else shared
    for rater, each in enumerate(consensus):
        untied = untied & ~(np.isnan(each) & ~np.isnan(read[:, rater]))
    per_rater: list[float] = []
    counts: list[int] = []
    for rater, each in enumerate(consensus):
        own = np.where(untied, read[:, rater], np.nan)
        counts.append(int((~np.isnan(own) & ~np.isnan(each)).sum()))
        figure = grouped(metric, own, each, levels=levels, documents=documents, grouping=grouping)
        per_rater.append(figure.value if counts[-1] >= 2 else math.nan)
    return OneAnnotator(_weighted(per_rater, counts), tuple(per_rater), untied, int((shared & ~untied).sum()))


def constant_floor(
    metric: Metric,
    human: npt.ArrayLike,
    *,
    levels: Levels | None = None,
    documents: Documents | None = None,
    grouping: Grouping = "pooled",
) -> Floor:
    """The best that a judge reaches who gives every row (n,) the same answer; the lowest of equally good answers.

    The answers tried are the labels of the scale. On a continuous scale, or without one, they are the mean and the
    percentiles of the ratings, which include the best for MAE (the median) and RMSE (the mean).

    Raises:
        ValueError: if shapes differ, the grouping cannot be meant, or the metric needs `levels` and has none.
    """
    ratings = column(human, "human")
    best = Floor(math.nan, math.nan)
    for constant in _constants(ratings, levels):
        answers = np.full(ratings.shape, constant)
        value = grouped(metric, answers, ratings, levels=levels, documents=documents, grouping=grouping).value
        if metric.is_better(value, best.value):
            best = Floor(value, float(constant))
    return best


def _weighted(values: Sequence[float], weights: Sequence[int]) -> float:
    """The mean of the defined values by their weights; NaN if none is."""
    defined = [(value, weight) for value, weight in zip(values, weights, strict=True) if not math.isnan(value)]
    total = sum(weight for _, weight in defined)
    return math.fsum(value * weight for value, weight in defined) / total if total else math.nan


def _constants(ratings: Vector, levels: Levels | None) -> Vector:
    if levels is not None and levels.count is not None and levels.count <= MANY:
        return levels.values()
    present = ratings[~np.isnan(ratings)]
    if not present.size:
        return present
    return np.unique(np.append(np.quantile(present, np.linspace(0, 1, 101)), present.mean()))


def _means(ratings: Matrix) -> Vector:
    """Row means (n, R) -> (n,) of the present ratings; NaN where there is none."""
    present = ~np.isnan(ratings)
    counts = present.sum(axis=1)
    sums = np.where(present, ratings, 0.0).sum(axis=1)
    return ratio(sums, counts.astype(np.float64))


def _majorities(ratings: Matrix) -> Vector:
    """The most frequent label of each row (n, R) -> (n,); NaN where there is none or the vote is tied."""
    labels = np.unique(ratings[~np.isnan(ratings)])
    if not labels.size:
        return np.full(len(ratings), np.nan)
    votes = (ratings[:, :, None] == labels).sum(axis=1)
    most = votes.max(axis=1)
    decided = (most > 0) & ((votes == most[:, None]).sum(axis=1) == 1)
    return np.where(decided, labels[votes.argmax(axis=1)], np.nan)

"""Baselines for a judge's agreement: one annotator's agreement with the others, and the best constant answer.

On SummEval, always answering 4 reaches .83 to .88 off-by-one, more than GPT-4's .80, and one expert agrees with the
others only at Spearman .58 to .79. An agreement means little without both. One annotator's agreement is no upper
bound: the mean of several raters is less noisy than one of them, so that a judge compared with the mean may agree
better. The upper bound is `reliability.noise_free_limit`.
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

# A scale with more labels is treated as continuous: quantiles of the ratings replace the labels.
MANY = 1000


@dataclass(frozen=True, slots=True, eq=False)
class OneAnnotator:
    """How well one annotator agrees with the others.

    Attributes:
        value: mean of the defined `per_rater` values, weighted by their rows; NaN = unknown.
        per_rater: (R,) each rater against the mean (labels: majority) of the others; NaN where undefined: fewer than
            two rows in common with another rater, or a constant under a correlation.
        rows: (n,) mask of the rows that it is computed from; a judge may be compared with it on these.
        n_ties: rows with two or more ratings that are left out, because the vote is tied or would be without one of
            the raters.
    """

    value: float
    per_rater: tuple[float, ...]
    rows: npt.NDArray[np.bool_]
    n_ties: int

    @property
    def n_rows(self) -> int:
        return int(self.rows.sum())


@dataclass(frozen=True, slots=True)
class ConstantBaseline:
    """The best value that a constant answer reaches, and that `constant`.

    Both are NaN if the metric is undefined for every constant, as correlations are.
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

    The weights keep raters of few rows from outweighing the others. `ratings` (n, R) holds one column per rater, NaN =
    missing. On a categorical scale the others' majority is the reference. A row counts only if a majority remains
    whichever rater is left out, so that all raters, and a judge compared with them, are measured on the same rows.

    Raises:
        ValueError: if shapes differ or the grouping is invalid.
    """
    rated = matrix(ratings, "ratings")
    shared = (~np.isnan(rated)).sum(axis=1) >= 2
    nominal = levels is not None and levels.nominal
    others = [np.delete(rated, rater, axis=1) for rater in range(rated.shape[1])]
    references = [_majorities(columns) if nominal else _means(columns) for columns in others]
    untied = shared & ~np.isnan(_majorities(rated)) if nominal else shared
    for rater, reference in enumerate(references):
        untied = untied & ~(np.isnan(reference) & ~np.isnan(rated[:, rater]))
    per_rater: list[float] = []
    counts: list[int] = []
    for rater, reference in enumerate(references):
        ratings_of_one = np.where(untied, rated[:, rater], np.nan)
        counts.append(int((~np.isnan(ratings_of_one) & ~np.isnan(reference)).sum()))
        agreement = grouped(metric, ratings_of_one, reference, levels=levels, documents=documents, grouping=grouping)
        per_rater.append(agreement.value if counts[-1] >= 2 else math.nan)
    return OneAnnotator(_weighted(per_rater, counts), tuple(per_rater), untied, int((shared & ~untied).sum()))


def constant_baseline(
    metric: Metric,
    human: npt.ArrayLike,
    *,
    levels: Levels | None = None,
    documents: Documents | None = None,
    grouping: Grouping = "pooled",
) -> ConstantBaseline:
    """The best agreement of a judge that gives every row (n,) the same answer; the lowest of equally good answers.

    The candidates are the labels of the scale. On a continuous or unknown scale they are the mean and the percentiles
    of the ratings, which include the optimum for MAE (the median) and RMSE (the mean).

    Raises:
        ValueError: if shapes differ, the grouping is invalid, or the metric needs `levels` and has none.
    """
    ratings = column(human, "human")
    best = ConstantBaseline(math.nan, math.nan)
    for constant in _constants(ratings, levels):
        answers = np.full(ratings.shape, constant)
        value = grouped(metric, answers, ratings, levels=levels, documents=documents, grouping=grouping).value
        if metric.is_better(value, best.value):
            best = ConstantBaseline(value, float(constant))
    return best


def _weighted(values: Sequence[float], weights: Sequence[int]) -> float:
    """The weighted mean of the defined values; NaN if none is defined."""
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
    """The mean of each row's present ratings, (n, R) -> (n,); NaN where there is none."""
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

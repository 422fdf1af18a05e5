"""The reliability of single raters (Krippendorff's alpha) and of their mean, and the limit that it sets a judge.

A judge is compared with the mean of a row's raters, whose noise averages out: the mean of R raters of reliability r
has the reliability R r / (1 + (R - 1) r) (Spearman and Brown 1910). A judge without noise would correlate with that
mean at the square root of its reliability, and no judge can do better in the long run.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from polyjudge.metrics.estimates import Estimate, Interval
from polyjudge.metrics.levels import Levels, Matrix, Vector
from polyjudge.metrics.pairs import ratio
from polyjudge.metrics.rated import Clusters, Documents, matrix
from polyjudge.metrics.resampling import draws
from polyjudge.metrics.uncertainty import interval

_Alpha = Callable[[Matrix], Vector]


def krippendorff_alpha(
    ratings: npt.ArrayLike,
    *,
    levels: Levels | None = None,
    documents: Documents | None = None,
    n_resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Estimate:
    """Krippendorff's alpha of ratings (n, R), one column per rater, NaN = missing, with an interval over documents.

    1 is perfect agreement, 0 that of chance, below 0 worse than chance. The distance is nominal on labels, ordinal
    on an ordinal scale, and interval (squared difference) on a continuous or unknown one. Rows with fewer than two
    ratings do not count. NaN if no row has two, or all ratings are the same (Krippendorff 2004, chapter 11).

    Raises:
        ValueError: if the shapes differ.
    """
    rated = matrix(ratings, "ratings")
    counted = (~np.isnan(rated)).sum(axis=1) >= 2
    clusters = Clusters.of(documents, len(rated))
    n_documents = clusters.used(counted)
    position, rows = clusters.position[counted], rated[counted]
    if not len(rows):
        return interval(math.nan, np.full(n_resamples, math.nan), level, n_documents)
    alpha = (
        _by_table(rows, position, clusters.count, nominal=levels.nominal)
        if levels is not None and levels.step is not None
        else _by_sums(rows, position, clusters.count)
    )
    value = float(alpha(np.ones((1, clusters.count)))[0])
    replicates = np.concatenate([alpha(counts) for counts in draws(clusters.count, n_resamples, seed)])
    return interval(value, replicates, level, n_documents)


def mean_reliability(
    ratings: npt.ArrayLike,
    *,
    documents: Documents | None = None,
    n_resamples: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Estimate:
    """The reliability of the raters' mean, from numeric ratings (n, R), one column per rater, NaN = missing.

    It is the share of the variance of the rows' means that other raters would reproduce: the intraclass correlation of
    the mean of as many raters as a row has on average, with each rater's own level removed (Cronbach's alpha if all
    ratings are present). 1 is perfect, at 0 the means differ by noise alone, below 0 raters agree less than by chance.
    Rows with fewer than two ratings do not count. NaN if fewer than two rows have two, or all ratings are the same.
    The interval resamples documents.

    Raises:
        ValueError: if the shapes differ.
    """
    rated = matrix(ratings, "ratings")
    counted = (~np.isnan(rated)).sum(axis=1) >= 2
    clusters = Clusters.of(documents, len(rated))
    rows, position = rated[counted], clusters.position[counted]
    present = ~np.isnan(rows)
    if len(rows) < 2 or rows[present].min() == rows[present].max():
        return Estimate.undecided(math.nan, level, clusters.used(counted))
    raters = present.any(axis=0)
    rows, present = rows[:, raters], present[:, raters]
    rater_level = np.where(present, rows, 0.0).sum(axis=0) / present.sum(axis=0)
    centred = np.where(present, rows - rater_level, 0.0)
    m, sums, squares = present.sum(axis=1), centred.sum(axis=1), np.square(centred).sum(axis=1)
    parts = np.zeros((clusters.count, 6))
    per_row = np.column_stack([np.ones(len(m)), m, m * m, sums, sums * sums / m, squares])
    np.add.at(parts, position, per_row)
    freedom = rows.shape[1] - 1

    def reliability(weights: Matrix) -> Vector:
        n, total, square, shift, between, around = (weights @ parts).T
        within = ratio(around - between, total - n - freedom)
        across = ratio(between - shift * shift / np.maximum(total, 1), n - 1)
        typical = ratio(total - ratio(square, total), n - 1)
        rows_differ = ratio(across - within, typical)
        per_rater_mean = rows_differ + within * ratio(n, total)
        return np.asarray(ratio(rows_differ, per_rater_mean))

    value = float(reliability(np.ones((1, clusters.count)))[0])
    replicates = np.concatenate([reliability(counts) for counts in draws(clusters.count, n_resamples, seed)])
    return interval(value, replicates, level, clusters.used(counted))


def noise_free_limit(reliability: Estimate) -> Estimate:
    """The correlation of a judge without noise with the raters' mean: the square root of its reliability."""
    value, low, high = (
        math.nan if math.isnan(end) else math.sqrt(max(0.0, end))
        for end in (reliability.value, reliability.low, reliability.high)
    )
    ends = Interval(low, high, reliability.level)
    return replace(reliability, value=value, interval=ends, standard_error=math.nan)


def _by_table(rows: Matrix, position: npt.NDArray[np.intp], n_clusters: int, *, nominal: bool) -> _Alpha:
    """Alpha from each document's table of coincidences of the values that occur."""
    values = np.unique(rows[~np.isnan(rows)])
    size = values.size
    votes = (rows[:, :, None] == values).sum(axis=1).astype(np.float64)
    together = votes[:, :, None] * votes[:, None, :]
    together[:, np.arange(size), np.arange(size)] -= votes
    together /= (votes.sum(axis=1) - 1)[:, None, None]
    tables = np.zeros((n_clusters, size, size))
    np.add.at(tables, position, together)
    flat = tables.reshape(n_clusters, -1)

    def alpha(weights: Matrix) -> Vector:
        coincidences = (weights @ flat).reshape(-1, size, size)
        marginals = coincidences.sum(axis=2)
        total = marginals.sum(axis=1)
        distance = _nominal(size) if nominal else _ordinal(marginals)
        observed = (coincidences * distance).sum(axis=(1, 2))
        expected = (marginals[:, :, None] * marginals[:, None, :] * distance).sum(axis=(1, 2))
        return 1 - ratio((total - 1) * observed, expected)

    return alpha


def _nominal(size: int) -> Matrix:
    distance: Matrix = 1.0 - np.eye(size)
    return distance


def _ordinal(marginals: Matrix) -> Matrix:
    """Squared ordinal distances (b, v, v): the ratings between two values and half of those at either."""
    ranks = np.cumsum(marginals, axis=1) - marginals / 2
    distance: Matrix = np.square(ranks[:, :, None] - ranks[:, None, :])
    return distance


def _by_sums(rows: Matrix, position: npt.NDArray[np.intp], n_clusters: int) -> _Alpha:
    """Alpha of squared differences from each document's sums, however many values there are."""
    present = ~np.isnan(rows)
    shifted = np.where(present, rows - np.nanmean(rows), 0.0)
    m, sums, squares = present.sum(axis=1), shifted.sum(axis=1), np.square(shifted).sum(axis=1)
    within = 2 * (m * squares - sums * sums) / (m - 1)
    parts = np.zeros((n_clusters, 4))
    np.add.at(parts, position, np.column_stack([m, sums, squares, within]))
    constant = rows[present].min() == rows[present].max()

    def alpha(weights: Matrix) -> Vector:
        n, total, square, observed = (weights @ parts).T
        expected = 2 * (n * square - total * total)
        values = 1 - ratio((n - 1) * observed, expected)
        return np.full_like(values, np.nan) if constant else values

    return alpha

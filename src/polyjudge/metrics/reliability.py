"""Whether annotators agree enough that a judge could be aligned to them: Krippendorff's alpha with its interval.

Agreement with people is bounded by the agreement among people. Where that may be nothing, there is nothing to be
aligned to, and no prompt can help.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from polyjudge.metrics.estimates import Estimate
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
    """Krippendorff's alpha of ratings (n, R), one column a rater, NaN = missing, with an interval over documents.

    1 is perfect agreement, 0 that of chance, below 0 worse than chance. The distance is nominal on labels, ordinal
    on an ordinal scale, and interval (squared difference) on a continuous or unknown one. Rows with fewer than two
    ratings do not count. NaN where no row has two, or all ratings are the same (Krippendorff 2004, chapter 11).

    Raises:
        ValueError: if the shapes differ.
    """
    read = matrix(ratings, "ratings")
    counted = (~np.isnan(read)).sum(axis=1) >= 2
    clusters = Clusters.of(documents, len(read))
    used = int(np.unique(clusters.position[counted]).size)
    position, rows = clusters.position[counted], read[counted]
    if not len(rows):
        return interval(math.nan, np.full(n_resamples, math.nan), level, used)
    alpha = (
        _by_table(rows, position, clusters.count, nominal=levels.nominal)
        if levels is not None and levels.step is not None
        else _by_sums(rows, position, clusters.count)
    )
    value = float(alpha(np.ones((1, clusters.count)))[0])
    replicates = np.concatenate([alpha(counts) for counts in draws(clusters.count, n_resamples, seed)])
    return interval(value, replicates, level, used)


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
    """Squared ordinal distances (b, v, v): the ratings between two values, half of those at the values themselves."""
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

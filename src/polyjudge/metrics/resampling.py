"""Resampling by counts: statistics in which each document counts 0, 1, 2, ... times.

A metric is computed for all resamples at once: each document is a row of counts over the distinct pairs, and its
product with the documents' counts gives the counts of the pairs in every resample.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from polyjudge.metrics.grouping import Grouping, table
from polyjudge.metrics.levels import Indices, Levels, Matrix, Vector
from polyjudge.metrics.metric import Metric
from polyjudge.metrics.pairs import Merged, Pairs, ratio
from polyjudge.metrics.rated import Clusters, Rated, RatedRows, matrix, scored_rows

Statistic = Callable[[Matrix], Matrix]
"""A statistic as a function of how often each document counts, one resample a row."""

# Doubles per block of work, 16 MB.
BLOCK = 2_000_000


@dataclass(frozen=True, slots=True)
class Clustered:
    """The complete pairs (n,) of one criterion, the document of each among `n_clusters`, and the metric.

    `rated` (n_clusters,) is 1 for a document with a human rating, else 0.
    """

    metric: Metric
    levels: Levels | None
    pairs: Pairs
    merged: Merged
    cluster: Indices
    n_clusters: int
    rated: Vector

    @classmethod
    def of(
        cls, metric: Metric, predicted: Vector, human: Vector, clusters: Clusters, levels: Levels | None
    ) -> Clustered:
        """Take the complete pairs of two columns (n,), NaN = missing."""
        complete = scored_rows(predicted, human)
        rated = np.zeros(clusters.count)
        rated[clusters.position[~np.isnan(human)]] = 1.0
        pairs = Pairs.of(predicted, human)
        return cls(metric, levels, pairs, pairs.merged(), clusters.position[complete], clusters.count, rated)

    def pooled(self, weights: Matrix) -> Vector:
        """The statistic of all pairs under document counts (b, n_clusters): (b,), NaN where undefined."""
        if not len(self.pairs) or not self.metric.applies_to(self.levels):
            return np.full(len(weights), np.nan)
        merge = 2 * len(self.merged.distinct) <= len(self.pairs)
        pairs = self.merged.distinct if merge else self.pairs
        counts = self._counts() if merge else None
        values = np.empty(len(weights))
        step = max(1, BLOCK // len(pairs))
        for start in range(0, len(weights), step):
            block = weights[start : start + step]
            of_pairs = block[:, self.cluster] if counts is None else block @ counts
            values[start : start + step] = self.metric.weighted(pairs, of_pairs, self.levels)
        return values

    def per_document(self) -> Vector:
        """The statistic of each document alone: (n_clusters,), NaN where undefined."""
        values = np.empty(self.n_clusters)
        step = max(1, BLOCK // max(1, self.n_clusters))
        for start in range(0, self.n_clusters, step):
            size = min(step, self.n_clusters - start)
            values[start : start + size] = self.pooled(np.eye(size, self.n_clusters, start))
        return values

    def under(self, grouping: Grouping) -> Statistic:
        """The statistic as a function of document counts (b, n_clusters) -> (b,), NaN where undefined."""
        if grouping == "pooled":
            return self.pooled
        values = self.per_document()
        counted = self.rated if grouping == "document-zero" else (~np.isnan(values)).astype(np.float64)
        values = np.nan_to_num(values)
        return lambda weights: ratio(weights @ values, weights @ counted)

    def _counts(self) -> Matrix:
        """How often each document (n_clusters,) holds each distinct pair (a,)."""
        size = len(self.merged.distinct)
        cells = np.bincount(self.cluster * size + self.merged.position, minlength=self.n_clusters * size)
        return cells.reshape(self.n_clusters, size).astype(np.float64)


def statistics(metric: Metric, predicted: Matrix, rows: RatedRows, grouping: Grouping) -> Statistic:
    """The K statistics of scores (n, K) as one function of document counts: (b, n_clusters) -> (b, K)."""
    columns = [
        Clustered.of(metric, predicted[:, k], rows.human[:, k], rows.clusters, scale).under(grouping)
        for k, scale in enumerate(rows.levels)
    ]
    return lambda weights: np.column_stack([column(weights) for column in columns])


@dataclass(frozen=True, slots=True)
class Contrast:
    """A weighted sum of the agreements of several judges of the same rows, such as a difference of two.

    If one of them has no score or a row no rating, all are NaN there, so that all are measured on the same rows.
    """

    terms: tuple[tuple[float, Matrix], ...]
    rows: RatedRows
    scored: npt.NDArray[np.bool_]

    @classmethod
    def of(cls, terms: Sequence[tuple[float, npt.ArrayLike]], rows: Rated) -> Contrast:
        """Read terms of (weight, scores (n, K) or (n,)), NaN = missing.

        Raises:
            ValueError: if there is no term, shapes differ or a value is infinite.
        """
        if not terms:
            raise ValueError("a contrast needs at least one term")
        rated = RatedRows.of(rows)
        judges = [matrix(predicted, "predicted") for _, predicted in terms]
        scored = np.logical_and.reduce([scored_rows(judge, rated.human) for judge in judges])
        weights = [weight for weight, _ in terms]
        masked = [np.where(scored, judge, np.nan) for judge in judges]
        return cls(tuple(zip(weights, masked, strict=True)), rated.masked(scored), scored)

    @classmethod
    def difference(cls, predicted_a: npt.ArrayLike, predicted_b: npt.ArrayLike, rows: Rated) -> Contrast:
        """A minus B."""
        return cls.of([(1.0, predicted_a), (-1.0, predicted_b)], rows)

    def values(self, metric: Metric, grouping: Grouping) -> list[float]:
        """The sums on the rows as they are, by criterion (K,)."""
        agreements = [table(metric, judge, self.rows, grouping=grouping).per_criterion for _, judge in self.terms]
        return [
            sum(weight * values[k].value for (weight, _), values in zip(self.terms, agreements, strict=True))
            for k in range(len(self.rows.levels))
        ]

    def statistic(self, metric: Metric, grouping: Grouping) -> Statistic:
        """The sums as a function of document counts: (b, n_clusters) -> (b, K)."""
        terms = [(weight, statistics(metric, judge, self.rows, grouping)) for weight, judge in self.terms]
        return lambda counts: np.sum([weight * statistic(counts) for weight, statistic in terms], axis=0)

    def n_documents(self) -> list[int]:
        """The number of documents with a complete row of each criterion, (K,)."""
        return [self.rows.clusters.used(column) for column in self.scored.T]

    def n_pairs(self) -> tuple[int, ...]:
        """The number of complete rows of each criterion, (K,)."""
        return tuple(int(count) for count in self.scored.sum(axis=0))


def draws(n_clusters: int, n_resamples: int, seed: int) -> Iterator[Matrix]:
    """Counts of documents drawn with replacement, in blocks (b, n_clusters) of n_resamples rows in all."""
    generator = np.random.Generator(np.random.PCG64(seed))
    for size in blocks(n_clusters, n_resamples):
        drawn = generator.integers(0, n_clusters, (size, n_clusters)) if n_clusters else np.zeros((size, 0), np.int64)
        drawn += n_clusters * np.arange(size)[:, None]
        counts = np.bincount(drawn.reshape(-1), minlength=size * n_clusters)
        yield counts.reshape(size, n_clusters).astype(np.float64)


def leave_out(n_clusters: int, n_groups: int) -> Iterator[Matrix]:
    """Counts with one of `n_groups` groups of documents left out, in blocks (b, n_clusters) of n_groups rows in all.

    With as many groups as documents each is left out alone; otherwise every `n_groups`-th document is in one group.
    """
    group = np.arange(n_clusters) % max(1, n_groups)
    start = 0
    for size in blocks(n_clusters, n_groups):
        yield (group[None, :] != np.arange(start, start + size)[:, None]).astype(np.float64)
        start += size


def blocks(width: int, rows: int) -> Iterator[int]:
    """The sizes of blocks that fit in memory, of `rows` rows of `width` doubles in all.

    Raises:
        ValueError: if `rows` is below 1.
    """
    if rows < 1:
        raise ValueError(f"at least one resample or permutation is needed, not {rows!r}")
    step = max(1, BLOCK // max(1, width))
    for start in range(0, rows, step):
        yield min(step, rows - start)

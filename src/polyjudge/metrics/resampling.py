"""Resampling by counts: what a statistic becomes when its documents count 0, 1, 2, ... times.

A metric with a weighted form gets all resamples at once: each document is a row of counts over the distinct pairs,
and a matrix product with the documents' counts gives the pairs' counts of every resample. Another metric is called
once for each resample with the rows spelled out. Both ways give the same number; the first is the fast one.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from polyjudge.metrics.agreement import Metric
from polyjudge.metrics.grouping import Clusters, Documents, Grouping, Scales, matrix, scales, scored_rows, table
from polyjudge.metrics.levels import Indices, Levels, Matrix, Vector
from polyjudge.metrics.pairs import Merged, Pairs, ratio

Statistic = Callable[[Matrix], Matrix]
"""A statistic as a function of how often each document counts, one resample a row."""

# Doubles in one block of work: 16 MB.
BLOCK = 2_000_000


@dataclass(frozen=True, slots=True)
class Clustered:
    """One criterion: its complete pairs (n,), the document of each among `n_clusters`, and the statistic wanted.

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
        if self.metric.weighted is None:
            return np.array([self._spelled_out(row) for row in weights])
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

    def each(self) -> Vector:
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
        own = self.each()
        counted = self.rated if grouping == "document-zero" else (~np.isnan(own)).astype(np.float64)
        own = np.nan_to_num(own)
        return lambda weights: ratio(weights @ own, weights @ counted)

    def _counts(self) -> Matrix:
        """How often each document (n_clusters,) holds each distinct pair (a,)."""
        size = len(self.merged.distinct)
        cells = np.bincount(self.cluster * size + self.merged.position, minlength=self.n_clusters * size)
        return cells.reshape(self.n_clusters, size).astype(np.float64)

    def _spelled_out(self, weights: Vector) -> float:
        rows = np.repeat(np.arange(len(self.pairs)), weights[self.cluster].astype(np.intp))
        return self.metric(self.pairs.predicted[rows], self.pairs.human[rows], self.levels)


def statistics(
    metric: Metric, predicted: Matrix, human: Matrix, clusters: Clusters, levels: Scales, grouping: Grouping
) -> Statistic:
    """The K statistics of two matrices (n, K) as one function of document counts: (b, n_clusters) -> (b, K)."""
    columns = [
        Clustered.of(metric, predicted[:, k], human[:, k], clusters, scale).under(grouping)
        for k, scale in enumerate(scales(levels, human.shape[1]))
    ]
    return lambda weights: np.column_stack([column(weights) for column in columns])


@dataclass(frozen=True, slots=True)
class Contest:
    """Two judges of the same rows: `a`, `b` and `human`, (n, K) each.

    Wherever one of the three has no value, all are NaN, so that both judges are measured on the same rows.
    """

    a: Matrix
    b: Matrix
    human: Matrix

    @classmethod
    def of(cls, predicted_a: npt.ArrayLike, predicted_b: npt.ArrayLike, human: npt.ArrayLike) -> Contest:
        """Read three matrices (n, K) or columns (n,).

        Raises:
            ValueError: if the shapes differ or a value is infinite.
        """
        first, second = matrix(predicted_a, "predicted_a"), matrix(predicted_b, "predicted_b")
        ratings = matrix(human, "human")
        scored = scored_rows(first, ratings) & scored_rows(second, ratings)
        return cls(*(np.where(scored, each, np.nan) for each in (first, second, ratings)))

    def differences(
        self, metric: Metric, levels: Scales, documents: Documents | None, grouping: Grouping
    ) -> list[float]:
        """A minus B on the rows as they are, criterion by criterion (K,)."""
        first, second = (
            table(metric, side, self.human, levels=levels, documents=documents, grouping=grouping).per_criterion
            for side in (self.a, self.b)
        )
        return [ours.value - theirs.value for ours, theirs in zip(first, second, strict=True)]


def draws(n_clusters: int, n_resamples: int, seed: int) -> Iterator[Matrix]:
    """Counts of documents drawn with replacement, in blocks (b, n_clusters) of n_resamples rows in all."""
    generator = np.random.Generator(np.random.PCG64(seed))
    for size in blocks(n_clusters, n_resamples):
        drawn = generator.integers(0, n_clusters, (size, n_clusters)) if n_clusters else np.zeros((size, 0), np.int64)
        drawn += n_clusters * np.arange(size)[:, None]
        counts = np.bincount(drawn.reshape(-1), minlength=size * n_clusters)
        yield counts.reshape(size, n_clusters).astype(np.float64)


def coins(n_clusters: int, n_permutations: int, seed: int) -> Iterator[Matrix]:
    """Fair coins, 0 or 1, one a document, in blocks (b, n_clusters) of n_permutations rows in all."""
    generator = np.random.Generator(np.random.PCG64(seed))
    for size in blocks(n_clusters, n_permutations):
        yield generator.integers(0, 2, (size, n_clusters)).astype(np.float64)


def blocks(width: int, rows: int) -> Iterator[int]:
    """Split `rows` rows of `width` doubles into blocks that fit in memory: the rows of each.

    Raises:
        ValueError: if there is no row.
    """
    if rows < 1:
        raise ValueError(f"at least one resample or permutation is needed, not {rows!r}")
    step = max(1, BLOCK // max(1, width))
    for start in range(0, rows, step):
        yield min(step, rows - start)

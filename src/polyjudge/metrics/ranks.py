"""Rank correlations: Spearman's rho and Kendall's tau-b, as functions of counts.

The rank of a value is kept as "how many lie below minus how many lie above". That is a whole number under any ties
and weights (twice the centred mid-rank), so that all sums are exact up to some 200,000 rows and no order of
summation can change a result.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from polyjudge.metrics.levels import Indices, Levels, Matrix, Vector
from polyjudge.metrics.pairs import Pairs, ratio, sum_by

# Doubles in one block of work: 16 MB, which caches and small machines bear.
BLOCK = 2_000_000


def spearman(pairs: Pairs, weights: Matrix, levels: Levels | None) -> Vector:
    """Pearson's correlation of the mid-ranks, (b, n) weights -> (b,); NaN where a side is constant."""
    left = _below_minus_above(weights, pairs.predicted_order)
    right = _below_minus_above(weights, pairs.human_order)
    ranks, human_ranks = left.ranks[:, pairs.predicted_order], right.ranks[:, pairs.human_order]
    together = np.einsum("bn,bn,bn->b", weights, ranks, human_ranks)
    return ratio(together, np.sqrt(left.squares() * right.squares()))


def kendall(pairs: Pairs, weights: Matrix, levels: Levels | None) -> Vector:
    """Kendall's tau-b, (b, n) weights -> (b,); NaN where a side is constant (Kendall 1945)."""
    rows, columns = int(pairs.predicted_order.max()) + 1, int(pairs.human_order.max()) + 1
    narrow = min(rows, columns)
    if rows * columns * (narrow + 8) < len(pairs) ** 2:
        excess = _excess_by_table(pairs, weights)
    else:
        excess = _excess_by_pair(pairs, weights)
    untied = _untied(weights, pairs.predicted_order)
    untied_human = _untied(weights, pairs.human_order)
    return ratio(excess, np.sqrt(untied * untied_human))


@dataclass(frozen=True, slots=True)
class _Ranks:
    """Ranks (b, k) of the k distinct values, and how often each occurs (b, k)."""

    occurrences: Matrix
    ranks: Matrix

    def squares(self) -> Vector:
        sums: Vector = np.einsum("bk,bk,bk->b", self.occurrences, self.ranks, self.ranks)
        return sums


def _below_minus_above(weights: Matrix, order: Indices) -> _Ranks:
    occurrences = sum_by(weights, order, int(order.max()) + 1)
    up_to = np.cumsum(occurrences, axis=1)
    return _Ranks(occurrences, 2 * up_to - occurrences - up_to[:, -1:])


def _untied(weights: Matrix, order: Indices) -> Vector:
    """How many of the pairs of rows differ in this column."""
    occurrences = sum_by(weights, order, int(order.max()) + 1)
    untied: Vector = np.square(occurrences.sum(axis=1)) - np.square(occurrences).sum(axis=1)
    return untied / 2


def _excess_by_table(pairs: Pairs, weights: Matrix) -> Vector:
    """Concordant minus discordant pairs from the table of counts; cheap when one side has few distinct values."""
    long, short = pairs.predicted_order, pairs.human_order
    if long.max() < short.max():
        long, short = short, long
    rows, columns = int(long.max()) + 1, int(short.max()) + 1
    position = np.arange(columns)
    sign = np.sign(position[None, :] - position[:, None]).astype(np.float64)
    excess = np.empty(len(weights))
    step = max(1, BLOCK // (rows * columns))
    for start in range(0, len(weights), step):
        block = weights[start : start + step]
        table = sum_by(block, long * columns + short, rows * columns).reshape(-1, rows, columns)
        before = np.cumsum(table, axis=1) - table
        excess[start : start + step] = np.einsum("brc,brc->b", table, before @ sign)
    return excess


def _excess_by_pair(pairs: Pairs, weights: Matrix) -> Vector:
    """Concordant minus discordant pairs, one by one; O(b n^2), for two columns of many distinct values."""
    left, right = pairs.predicted_order, pairs.human_order
    excess = np.zeros(len(weights))
    step = max(1, BLOCK // len(pairs))
    for start in range(0, len(pairs), step):
        block = slice(start, start + step)
        sign = np.sign(left[:, None] - left[None, block]) * np.sign(right[:, None] - right[None, block])
        excess += np.einsum("bn,bn->b", weights @ sign.astype(np.float64), weights[:, block])
    return excess / 2

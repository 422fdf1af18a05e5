"""The built-in agreement statistics, each defined once as a function of weighted pairs.

Undefined values are NaN, never 0: any statistic of no pairs, a correlation or a kappa of fewer than two pairs, a
correlation with a constant, a kappa whose chance agreement is 1. Correlations, errors and off-by-one use the values
themselves; kappa, accuracy and macro-F1 use the nearest label, rounding half up, because raters' means and expected
scores fall between labels.

The rank of a value is stored as the number of values below minus the number above. It is a whole number under any ties
and weights (twice the centred mid-rank), so that all sums are exact up to some 200,000 rows and do not depend on the
order of summation.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from polyjudge.metrics.levels import TOLERANCE, Indices, Kind, Levels, Matrix, Vector
from polyjudge.metrics.metric import metric
from polyjudge.metrics.pairs import Pairs, ratio, sum_by

ORDERED: frozenset[Kind] = frozenset({"ordinal", "float", "binary"})
LABELS: frozenset[Kind] = frozenset({"ordinal", "binary", "categorical"})
NUMBERS: frozenset[Kind] = frozenset({"ordinal", "float"})
CORRELATION = (-1.0, 1.0)
SHARE = (0.0, 1.0)
ERROR = (math.inf, 0.0)

# Doubles per block of work, 16 MB.
BLOCK = 2_000_000


@metric(range=CORRELATION, kinds=ORDERED)
def spearman(pairs: Pairs, weights: Matrix, levels: Levels | None) -> Vector:
    """Spearman's rank correlation with mid-ranks for ties, -1 to 1; NaN where a side is constant."""
    left = _below_minus_above(weights, pairs.predicted_order)
    right = _below_minus_above(weights, pairs.human_order)
    ranks, human_ranks = left.ranks[:, pairs.predicted_order], right.ranks[:, pairs.human_order]
    together = np.einsum("bn,bn,bn->b", weights, ranks, human_ranks)
    return ratio(together, np.sqrt(left.squares() * right.squares()))


@metric(range=CORRELATION, kinds=ORDERED)
def kendall(pairs: Pairs, weights: Matrix, levels: Levels | None) -> Vector:
    """Kendall's tau-b, -1 to 1; NaN where a side is constant (Kendall 1945).

    O(n k^2) when a side has k distinct values, few against n; O(n^2) when both are continuous.
    """
    rows, columns = int(pairs.predicted_order.max()) + 1, int(pairs.human_order.max()) + 1
    narrow = min(rows, columns)
    if rows * columns * (narrow + 8) < len(pairs) ** 2:
        excess = _excess_by_table(pairs, weights)
    else:
        excess = _excess_by_pair(pairs, weights)
    untied = _untied(weights, pairs.predicted_order)
    untied_human = _untied(weights, pairs.human_order)
    return ratio(excess, np.sqrt(untied * untied_human))


@metric(range=CORRELATION, kinds=ORDERED)
def pearson(pairs: Pairs, weights: Matrix, levels: Levels | None) -> Vector:
    """Pearson's product-moment correlation, -1 to 1; NaN where a side is constant."""
    left, right = _shifted(pairs.predicted), _shifted(pairs.human)
    total, sum_left, sum_right = weights.sum(axis=1), weights @ left, weights @ right
    spread_left = total * (weights @ (left * left)) - sum_left * sum_left
    spread_right = total * (weights @ (right * right)) - sum_right * sum_right
    together = total * (weights @ (left * right)) - sum_left * sum_right
    scale = np.sqrt(np.maximum(spread_left, 0.0) * np.maximum(spread_right, 0.0))
    values = np.clip(ratio(together, scale), -1.0, 1.0)
    # A constant is detected by its distinct values: its computed spread may differ from zero in the last digit.
    constant = (_distinct(weights, pairs.predicted_order) < 2) | (_distinct(weights, pairs.human_order) < 2)
    return np.where(constant, np.nan, values)


@metric(range=CORRELATION, kinds=("ordinal", "binary"), needs_scale=True)
def qwk(pairs: Pairs, weights: Matrix, levels: Levels | None) -> Vector:
    """Kappa with squared distances between labels as weights, (b, n) weights -> (b,) (Cohen 1968).

    NaN if both sides have one and the same label only, or fewer than two pairs count.
    """
    left, right = (labels.astype(np.float64) for labels in _nearest(pairs, levels))
    sums = weights @ np.column_stack(
        [np.ones(len(pairs)), left, right, left * left, right * right, np.square(left - right)]
    )
    total, sum_left, sum_right, square_left, square_right, observed = sums.T
    expected = total * (square_left + square_right) - 2 * sum_left * sum_right
    return np.where(total < 2, np.nan, 1 - ratio(total * observed, expected))


@metric(range=CORRELATION, kinds=LABELS, needs_scale=True)
def kappa(pairs: Pairs, weights: Matrix, levels: Levels | None) -> Vector:
    """Cohen's kappa, (b, n) weights -> (b,) (Cohen 1960).

    NaN if the chance agreement is 1, or fewer than two pairs count.
    """
    left, right = _compact(pairs, levels)
    size = int(max(left.max(), right.max())) + 1
    total = weights.sum(axis=1)
    agreed = weights @ (left == right).astype(np.float64)
    chance = np.einsum("bk,bk->b", sum_by(weights, left, size), sum_by(weights, right, size))
    values = ratio(total * agreed - chance, total * total - chance)
    return np.where(total < 2, np.nan, values)


@metric(range=ERROR, kinds=NUMBERS, needs_scale=True)
def mae(pairs: Pairs, weights: Matrix, levels: Levels | None) -> Vector:
    """Mean absolute error in units of the scale, (b, n) weights -> (b,)."""
    return ratio(weights @ np.abs(pairs.predicted - pairs.human), weights.sum(axis=1))


@metric(range=ERROR, kinds=NUMBERS, needs_scale=True)
def rmse(pairs: Pairs, weights: Matrix, levels: Levels | None) -> Vector:
    """Root of the mean squared error in units of the scale, (b, n) weights -> (b,)."""
    return np.sqrt(ratio(weights @ np.square(pairs.predicted - pairs.human), weights.sum(axis=1)))


@metric(range=SHARE, kinds=("ordinal",), needs_scale=True)
def off_by_one(pairs: Pairs, weights: Matrix, levels: Levels | None) -> Vector:
    """Share of pairs no more than one step apart, (b, n) weights -> (b,).

    Raises:
        ValueError: if the scale is not given or has no step.
    """
    if levels is None or levels.step is None:
        raise ValueError("off_by_one needs the levels of a scale with a step")
    near = np.abs(pairs.predicted - pairs.human) <= levels.step * (1 + TOLERANCE)
    return ratio(weights @ near.astype(np.float64), weights.sum(axis=1))


@metric(range=SHARE, kinds=LABELS, needs_scale=True)
def accuracy(pairs: Pairs, weights: Matrix, levels: Levels | None) -> Vector:
    """Share of pairs with the same label, (b, n) weights -> (b,)."""
    left, right = _nearest(pairs, levels)
    return ratio(weights @ (left == right).astype(np.float64), weights.sum(axis=1))


@metric(range=SHARE, kinds=LABELS, needs_scale=True)
def macro_f1(pairs: Pairs, weights: Matrix, levels: Levels | None) -> Vector:
    """Unweighted mean of F1 over the labels that occur on either side, (b, n) weights -> (b,)."""
    left, right = _compact(pairs, levels)
    size = int(max(left.max(), right.max())) + 1
    occurrences = sum_by(weights, left, size) + sum_by(weights, right, size)
    hits = sum_by(weights * (left == right), left, size)
    scores = np.nan_to_num(ratio(2 * hits, occurrences), nan=0.0)
    return ratio(scores.sum(axis=1), (occurrences > 0).sum(axis=1).astype(np.float64))


@metric(range=CORRELATION, kinds=ORDERED | LABELS, needs_scale=True)
def primary(pairs: Pairs, weights: Matrix, levels: Levels | None) -> Vector:
    """Cohen's kappa on categorical levels, Spearman on others, -1 to 1: one name for criteria of both kinds.

    A mean over criteria of both kinds mixes two statistics and is comparable only with means over the same criteria.
    """
    statistic = kappa if levels is not None and levels.nominal else spearman
    return statistic.weighted(pairs, weights, levels)


@dataclass(frozen=True, slots=True)
class _Ranks:
    """The ranks (b, k) of the k distinct values, and their counts (b, k)."""

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
    """The number of pairs of rows that differ in this column, (b,)."""
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
    """Concordant minus discordant pairs, pair by pair; O(b n^2), for two columns of many distinct values."""
    left, right = pairs.predicted_order, pairs.human_order
    excess = np.zeros(len(weights))
    step = max(1, BLOCK // len(pairs))
    for start in range(0, len(pairs), step):
        block = slice(start, start + step)
        sign = np.sign(left[:, None] - left[None, block]) * np.sign(right[:, None] - right[None, block])
        excess += np.einsum("bn,bn->b", weights @ sign.astype(np.float64), weights[:, block])
    return excess / 2


def _shifted(values: Vector) -> Vector:
    """The values minus the one nearest to the mean.

    Sums of squares then lose no digits to a distant origin, and whole numbers stay whole, so that sums are exact.
    """
    origin = float(values[np.argmin(np.abs(values - values.mean()))])
    return values - origin


def _distinct(weights: Matrix, order: Indices) -> Indices:
    """The number of distinct values with a positive weight, (b,)."""
    occurs: npt.NDArray[np.bool_] = sum_by(weights, order, int(order.max()) + 1) > 0
    counts: Indices = occurs.sum(axis=1, dtype=np.intp)
    return counts


class _Labels(NamedTuple):
    predicted: Indices
    human: Indices


def _nearest(pairs: Pairs, levels: Levels | None) -> _Labels:
    if levels is None or levels.step is None:
        raise ValueError("a statistic of labels needs the levels of a scale with a step")
    return _Labels(levels.nearest(pairs.predicted), levels.nearest(pairs.human))


def _compact(pairs: Pairs, levels: Levels | None) -> _Labels:
    """The labels, renumbered by those that occur: a long scale costs no more than the labels in use."""
    left, right = _nearest(pairs, levels)
    numbers = np.unique(np.concatenate([left, right]), return_inverse=True)[1].reshape(-1)
    return _Labels(numbers[: left.size], numbers[left.size :])

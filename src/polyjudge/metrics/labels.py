"""Statistics of labels: Cohen's kappa, plain and quadratic, accuracy and macro-F1, as functions of counts.

A value that is no label (a mean of raters, an expected score) takes the nearest one, halfway rounding up.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from polyjudge.metrics.levels import Indices, Levels, Matrix, Vector
from polyjudge.metrics.pairs import Pairs, ratio, sum_by


def qwk(pairs: Pairs, weights: Matrix, levels: Levels | None) -> Vector:
    """Kappa with squared distances between labels as weights, (b, n) weights -> (b,) (Cohen 1968).

    NaN where both sides hold one and the same label, or fewer than two pairs count.
    """
    left, right = (labels.astype(np.float64) for labels in _nearest(pairs, levels))
    sums = weights @ np.column_stack(
        [np.ones(len(pairs)), left, right, left * left, right * right, np.square(left - right)]
    )
    total, sum_left, sum_right, square_left, square_right, observed = sums.T
    expected = total * (square_left + square_right) - 2 * sum_left * sum_right
    return np.where(total < 2, np.nan, 1 - ratio(total * observed, expected))


def kappa(pairs: Pairs, weights: Matrix, levels: Levels | None) -> Vector:
    """Cohen's kappa, (b, n) weights -> (b,) (Cohen 1960).

    NaN where chance alone would always agree, or fewer than two pairs count.
    """
    left, right = _compact(pairs, levels)
    size = int(max(left.max(), right.max())) + 1
    total = weights.sum(axis=1)
    agreed = weights @ (left == right).astype(np.float64)
    chance = np.einsum("bk,bk->b", sum_by(weights, left, size), sum_by(weights, right, size))
    values = ratio(total * agreed - chance, total * total - chance)
    return np.where(total < 2, np.nan, values)


def accuracy(pairs: Pairs, weights: Matrix, levels: Levels | None) -> Vector:
    """Share of pairs with the same label, (b, n) weights -> (b,)."""
    left, right = _nearest(pairs, levels)
    return ratio(weights @ (left == right).astype(np.float64), weights.sum(axis=1))


def macro_f1(pairs: Pairs, weights: Matrix, levels: Levels | None) -> Vector:
    """Unweighted mean of F1 over the labels that occur on either side, (b, n) weights -> (b,)."""
    left, right = _compact(pairs, levels)
    size = int(max(left.max(), right.max())) + 1
    occurrences = sum_by(weights, left, size) + sum_by(weights, right, size)
    hits = sum_by(weights * (left == right), left, size)
    scores = np.nan_to_num(ratio(2 * hits, occurrences), nan=0.0)
    return ratio(scores.sum(axis=1), (occurrences > 0).sum(axis=1).astype(np.float64))


class _Labels(NamedTuple):
    predicted: Indices
    human: Indices


def _nearest(pairs: Pairs, levels: Levels | None) -> _Labels:
    if levels is None or levels.step is None:
        raise ValueError("a statistic of labels needs the levels of a scale with a step")
    return _Labels(levels.nearest(pairs.predicted), levels.nearest(pairs.human))


def _compact(pairs: Pairs, levels: Levels | None) -> _Labels:
    """Renumber the labels that occur, so that a long scale costs no more than the labels in use."""
    left, right = _nearest(pairs, levels)
    numbers = np.unique(np.concatenate([left, right]), return_inverse=True)[1].reshape(-1)
    return _Labels(numbers[: left.size], numbers[left.size :])

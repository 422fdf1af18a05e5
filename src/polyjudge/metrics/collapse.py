"""Whether a judge still tells rows apart.

A judge that has collapsed to one answer does well on MAE and off-by-one, so that a gate on these rewards it. The
spread of its answers beside that of the ratings, and the share of its commonest answer, show it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from polyjudge.metrics.grouping import scored_rows
from polyjudge.metrics.levels import Vector
from polyjudge.metrics.pairs import column

# From this share of one answer on, a judge says next to nothing of the rows.
MODAL_SHARE = 0.95


@dataclass(frozen=True, slots=True)
class Spread:
    """Standard deviations of predictions and ratings on the rows that have both, and their `ratio`.

    1 is a judge as spread as the raters, 0 a constant one. NaN where there are fewer than two pairs; the ratio also
    where the ratings are constant. `modal_share` and `human_modal_share` are the shares of the commonest value.
    """

    ratio: float
    predicted_deviation: float
    human_deviation: float
    modal_share: float
    human_modal_share: float
    n_pairs: int


@dataclass(frozen=True, slots=True)
class Collapse:
    """Whether predictions have collapsed, with the numbers; usable as a condition.

    `collapsed` is true if one value makes up 95 % of two or more predictions, or all of them. `modal_value` and
    `modal_share` are NaN when nothing was predicted.
    """

    collapsed: bool
    modal_value: float
    modal_share: float
    n_distinct: int
    n_predicted: int

    def __bool__(self) -> bool:
        return self.collapsed


def spread(predicted: npt.ArrayLike, human: npt.ArrayLike) -> Spread:
    """Compare the spread of two columns (n,), NaN = missing, on their complete pairs.

    Raises:
        ValueError: if the shapes differ or a value is infinite.
    """
    left, right = column(predicted, "predicted"), column(human, "human")
    scored = scored_rows(left, right)
    left, right = left[scored], right[scored]
    if left.size < 2:
        return Spread(math.nan, math.nan, math.nan, _mode(left).share, _mode(right).share, left.size)
    ours, theirs = _deviation(left), _deviation(right)
    ratio = ours / theirs if theirs > 0 else math.nan
    return Spread(ratio, ours, theirs, _mode(left).share, _mode(right).share, left.size)


def collapsed(predicted: npt.ArrayLike) -> Collapse:
    """Whether the predictions (n,), NaN = missing, are the same value almost everywhere.

    Raises:
        ValueError: if the shape is another one or a value is infinite.
    """
    values = column(predicted, "predicted")
    values = values[~np.isnan(values)]
    mode = _mode(values)
    return Collapse(values.size > 1 and mode.share >= MODAL_SHARE, mode.value, mode.share, mode.distinct, values.size)


@dataclass(frozen=True, slots=True)
class _Mode:
    value: float
    share: float
    distinct: int


def _mode(values: Vector) -> _Mode:
    if not values.size:
        return _Mode(math.nan, math.nan, 0)
    distinct, counts = np.unique(values, return_counts=True)
    commonest = int(counts.argmax())
    return _Mode(float(distinct[commonest]), int(counts[commonest]) / values.size, distinct.size)


def _deviation(values: Vector) -> float:
    """Standard deviation (n - 1); exactly 0 for a constant, whatever its digits."""
    return float(values.std(ddof=1)) if values.min() < values.max() else 0.0

"""Scored pairs with weights: the one form in which every statistic here is computed.

A bootstrap resample is not a new sample but the old one with each row counted 0, 1, 2, ... times. So a statistic
is written once, for a matrix of counts (b, n) of b resamples of n pairs, and yields b values; the plain statistic
is the case of one row of ones. Rows that hold the same (predicted, human) pair may be merged into one with their
counts added, which leaves at most 25 pairs of a five-point scale, however many rows and resamples there are.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from polyjudge.metrics.levels import Indices, Levels, Matrix, Vector


@dataclass(frozen=True, slots=True)
class Pairs:
    """n complete pairs, without NaN.

    `predicted_order` and `human_order`, shape (n,), give the position of each value among the distinct values of
    its column, 0 for the smallest.
    """

    predicted: Vector
    human: Vector
    predicted_order: Indices
    human_order: Indices

    @classmethod
    def of(cls, predicted: npt.ArrayLike, human: npt.ArrayLike) -> Pairs:
        """Pair two columns of shape (n,), leaving out every pair of which a side is NaN.

        Raises:
            ValueError: if the shapes differ, are not (n,), or a value is infinite.
        """
        left, right = column(predicted, "predicted"), column(human, "human")
        if left.shape != right.shape:
            raise ValueError(f"predicted has {left.size} rows and human {right.size}; they must be the same rows")
        complete = ~(np.isnan(left) | np.isnan(right))
        left, right = left[complete], right[complete]
        return cls(
            left,
            right,
            np.unique(left, return_inverse=True)[1].reshape(-1),
            np.unique(right, return_inverse=True)[1].reshape(-1),
        )

    def __len__(self) -> int:
        return int(self.predicted.size)

    def merged(self) -> Merged:
        """The distinct pairs, and for each of our pairs the position of its equal among them."""
        if not len(self):
            return Merged(self, np.zeros(0, dtype=np.intp))
        cells = self.predicted_order * (int(self.human_order.max()) + 1) + self.human_order
        _, first, position = np.unique(cells, return_index=True, return_inverse=True)
        distinct = Pairs(
            self.predicted[first], self.human[first], self.predicted_order[first], self.human_order[first]
        )
        return Merged(distinct, position.reshape(-1))


@dataclass(frozen=True, slots=True)
class Merged:
    """Distinct pairs (a <= n), and the position (n,) of each original pair among them."""

    distinct: Pairs
    position: Indices


Weighted = Callable[[Pairs, Matrix, Levels | None], Vector]
"""A statistic of n > 0 pairs under whole-number weights (b, n), as (b,) values; undefined is NaN."""


def column(values: npt.ArrayLike, name: str) -> Vector:
    """Read `values` as floats of shape (n,); NaN is missing.

    Raises:
        ValueError: if the shape is another one, or a value is infinite.
    """
    vector = np.asarray(values, dtype=np.float64)
    if vector.ndim != 1:
        raise ValueError(f"{name} must have the shape (n,), not {vector.shape!r}")
    if np.isinf(vector).any():
        raise ValueError(f"{name} holds an infinite value in row {int(np.flatnonzero(np.isinf(vector))[0])!r}")
    return vector


def sum_by(weights: Matrix, group: Indices, size: int) -> Matrix:
    """Add the columns of weights (b, n) that share a group (n,) of 0..size-1, giving (b, size)."""
    if size <= 64:
        indicator = np.zeros((group.size, size))
        indicator[np.arange(group.size), group] = 1.0
        return weights @ indicator
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(group[order]) > 0])
    totals = np.zeros((len(weights), size))
    totals[:, group[order][starts]] = np.add.reduceat(weights[:, order], starts, axis=1)
    return totals


def ratio(numerator: Vector, denominator: Vector) -> Vector:
    """Divide element by element; NaN wherever the denominator is not positive."""
    defined = denominator > 0
    quotient: Vector = np.divide(numerator, denominator, out=np.full(denominator.shape, np.nan), where=defined)
    return quotient

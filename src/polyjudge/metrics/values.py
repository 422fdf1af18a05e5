"""Statistics of the values as they are: Pearson's correlation, MAE, RMSE and off-by-one, as functions of counts."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from polyjudge.metrics.levels import TOLERANCE, Indices, Levels, Matrix, Vector
from polyjudge.metrics.pairs import Pairs, ratio, sum_by


def pearson(pairs: Pairs, weights: Matrix, levels: Levels | None) -> Vector:
    """Pearson's correlation, (b, n) weights -> (b,); NaN where a side is constant."""
    left, right = _shifted(pairs.predicted), _shifted(pairs.human)
    total, sum_left, sum_right = weights.sum(axis=1), weights @ left, weights @ right
    spread_left = total * (weights @ (left * left)) - sum_left * sum_left
    spread_right = total * (weights @ (right * right)) - sum_right * sum_right
    together = total * (weights @ (left * right)) - sum_left * sum_right
    scale = np.sqrt(np.maximum(spread_left, 0.0) * np.maximum(spread_right, 0.0))
    values = np.clip(ratio(together, scale), -1.0, 1.0)
    # A constant is told by its distinct values: its computed spread may differ from zero in the last digit.
    constant = (_distinct(weights, pairs.predicted_order) < 2) | (_distinct(weights, pairs.human_order) < 2)
    return np.where(constant, np.nan, values)


def mae(pairs: Pairs, weights: Matrix, levels: Levels | None) -> Vector:
    """Mean absolute error in units of the scale, (b, n) weights -> (b,)."""
    return ratio(weights @ np.abs(pairs.predicted - pairs.human), weights.sum(axis=1))


def rmse(pairs: Pairs, weights: Matrix, levels: Levels | None) -> Vector:
    """Root of the mean squared error in units of the scale, (b, n) weights -> (b,)."""
    return np.sqrt(ratio(weights @ np.square(pairs.predicted - pairs.human), weights.sum(axis=1)))


def off_by_one(pairs: Pairs, weights: Matrix, levels: Levels | None) -> Vector:
    """Share of pairs no more than one step apart, (b, n) weights -> (b,).

    Raises:
        ValueError: if the scale is not given or has no step.
    """
    if levels is None or levels.step is None:
        raise ValueError("off_by_one needs the levels of a scale with a step")
    near = np.abs(pairs.predicted - pairs.human) <= levels.step * (1 + TOLERANCE)
    return ratio(weights @ near.astype(np.float64), weights.sum(axis=1))


def _shifted(values: Vector) -> Vector:
    """Move the origin to the value nearest to the mean.

    Sums of squares then lose no digits to a far origin, and whole numbers stay whole, so that their sums are exact.
    """
    origin = float(values[np.argmin(np.abs(values - values.mean()))])
    return values - origin


def _distinct(weights: Matrix, order: Indices) -> Indices:
    """How many distinct values count at all, (b,)."""
    occurs: npt.NDArray[np.bool_] = sum_by(weights, order, int(order.max()) + 1) > 0
    counts: Indices = occurs.sum(axis=1, dtype=np.intp)
    return counts

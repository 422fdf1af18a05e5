"""Multi-criteria comparison of prompts: the Pareto front, its hypervolume, and rules that pick one point.

Points are vectors of agreement, one per prompt, (n, K). Errors are negated, so that more is always better. A point
with a NaN dominates nothing, is on no front, adds no volume and is never picked.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from polyjudge.metrics.levels import Indices, Levels, Matrix, Vector
from polyjudge.metrics.metric import Metric


def oriented(points: npt.ArrayLike, metrics: Sequence[Metric]) -> Matrix:
    """Points (n, K) with every criterion turned so that more is better.

    Raises:
        ValueError: if there is not one metric a column, or a value is infinite.
    """
    values = np.asarray(points, dtype=np.float64).reshape(-1, len(metrics))
    if np.isinf(values).any():
        raise ValueError("a point holds an infinite value; agreement is finite, or NaN where undefined")
    turned: Matrix = values * np.array([1.0 if metric.higher_is_better else -1.0 for metric in metrics])
    return turned


def worst(metric: Metric, levels: Levels | None) -> float:
    """The reference value of a metric, oriented: the worst end of its range, for an error the span of the scale.

    It depends on the metric and the scale alone, never on the points, so that volumes of different runs are
    comparable.

    Raises:
        ValueError: if the range has no worst end and the scale is unknown.
    """
    if math.isinf(metric.range.worst):
        if levels is None:
            raise ValueError(f"the worst value of {metric.name!r} depends on the scale, which is unknown")
        return -(levels.high - levels.low)
    return metric.range.worst if metric.higher_is_better else -metric.range.worst


def non_dominated(points: npt.ArrayLike) -> Indices:
    """The positions of the points that no other dominates, in order, more being better: (m,).

    One dominates another if it is nowhere worse and somewhere better. Of equal points the first stands for all.
    """
    values = np.asarray(points, dtype=np.float64)
    front: list[int] = []
    for position, point in enumerate(values):
        if np.isnan(point).any():
            continue
        others = values[np.arange(len(values)) != position]
        as_good = (others >= point).all(axis=1)  # NaN compares false
        better = as_good & (others > point).any(axis=1)
        twin = any(np.array_equal(values[earlier], point) for earlier in front)
        if not better.any() and not twin:
            front.append(position)
    return np.array(front, dtype=np.intp)


def hypervolume(points: npt.ArrayLike, reference: npt.ArrayLike) -> float:
    """The volume that points (n, K) dominate above a reference point (K,), more being better; exact.

    0 where no point lies above the reference in every criterion. By exclusive volumes (WFG: While, Bradstreet and
    Barone 2012); quick for the dozens of prompts of a run.

    Raises:
        ValueError: if the reference has not one value a criterion.
    """
    corner = np.asarray(reference, dtype=np.float64)
    values = np.asarray(points, dtype=np.float64).reshape(-1, corner.size)
    if corner.ndim != 1 or not corner.size:
        raise ValueError("the reference point needs one value for each criterion")
    above = values[(values > corner).all(axis=1)] - corner
    return _volume(above[non_dominated(above)])


def _volume(front: Matrix) -> float:
    """The volume of mutually non-dominated points above the origin."""
    if not len(front):
        return 0.0
    if front.shape[1] == 1:
        return float(front.max())
    if front.shape[1] == 2:
        return _area(front)
    # Points that are good in the last criterion first: what they cover, the others need not.
    ordered = front[np.argsort(-front[:, -1], kind="stable")]
    return math.fsum(_exclusive(point, ordered[position + 1 :]) for position, point in enumerate(ordered))


def _exclusive(point: Vector, others: Matrix) -> float:
    """What a point covers and no other does."""
    inside = np.minimum(others, point)
    return float(point.prod()) - _volume(inside[non_dominated(inside)])


def _area(front: Matrix) -> float:
    """Of two criteria: the steps of a staircase."""
    ordered = front[np.argsort(-front[:, 0])]
    heights = np.diff(ordered[:, 1], prepend=0.0)
    return math.fsum((ordered[:, 0] * heights).tolist())


def weighted(points: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> int | None:
    """The position of the highest weighted mean, equal weights by default; of equals the first, None if none is whole.

    Raises:
        ValueError: if weights are negative, all 0, or not one a criterion.
    """
    values = np.asarray(points, dtype=np.float64)
    shares = np.ones(values.shape[1]) if weights is None else np.asarray(weights, dtype=np.float64)
    if shares.shape != (values.shape[1],) or (shares < 0).any() or not shares.sum() > 0:
        raise ValueError("weights must be one a criterion, none below 0 and one above")
    return _best(values @ (shares / shares.sum()))


def worst_criterion(points: npt.ArrayLike) -> int | None:
    """The position of the point whose worst criterion is best (max-min); of equals the one with the higher mean."""
    values = np.asarray(points, dtype=np.float64)
    lowest = values.min(axis=1)
    ties = np.where(lowest == np.nanmax(lowest, initial=-np.inf), values.mean(axis=1), np.nan)
    return _best(ties)


def knee(points: npt.ArrayLike) -> int | None:
    """The position of the knee: of the front, scaled to 0..1 in each criterion, the point nearest to the best of all.

    The best of all is the point that takes each criterion's best; where a criterion does not vary on the front it
    counts for nothing. Of equals the first.
    """
    values = np.asarray(points, dtype=np.float64)
    front = non_dominated(values)
    if not front.size:
        return None
    candidates = values[front]
    span = candidates.max(axis=0) - candidates.min(axis=0)
    scaled = (candidates.max(axis=0) - candidates) / np.where(span > 0, span, 1.0)
    return int(front[int(np.argmin((scaled**2).sum(axis=1)))])


def feasible(points: npt.ArrayLike, floor: npt.ArrayLike) -> int | None:
    """The position of the highest mean among points that are nowhere below a floor (K,); None if none is.

    With the initial prompt as the floor: the best that makes nothing worse. A NaN in the floor demands nothing.
    """
    values, least = np.asarray(points, dtype=np.float64), np.asarray(floor, dtype=np.float64)
    allowed = ((values >= least) | np.isnan(least)).all(axis=1)
    return _best(np.where(allowed, values.mean(axis=1), np.nan))


def _best(utilities: Vector) -> int | None:
    return None if np.isnan(utilities).all() else int(np.nanargmax(utilities))

"""Tests of the difference of two judges, whose p-values and intervals agree, and the correction for multiple tests.

The standard error of a difference is that of the jackknife over documents (leave one out), and the difference over its
standard error is compared with Student's t. The p-value comes from the same t: it is below 0.05 exactly where the 95 %
interval excludes 0, and it has no lower limit. Like a correlation, the test ignores the level and spread of the
scores; a permutation of raw scores does not.

The degrees of freedom depend on how unequally the documents contribute to the difference (a match of the first two
moments of the jackknife variance): if two documents decide, the interval is as wide as two documents allow. Size and
power are measured in benchmarks/contest_size_and_power.py.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from polyjudge.metrics.estimates import Estimate, Estimates, Interval
from polyjudge.metrics.grouping import Grouping, mean
from polyjudge.metrics.levels import Vector
from polyjudge.metrics.metric import Metric
from polyjudge.metrics.ppi import t_quantile, t_test
from polyjudge.metrics.rated import Rated
from polyjudge.metrics.resampling import Contrast, leave_out
from polyjudge.metrics.uncertainty import FEWEST_CLUSTERS

# More documents than these are left out in this many groups: the error of the standard error is then below 4 %.
MOST_LEFT_OUT = 400


def difference_test(
    metric: Metric,
    predicted_a: npt.ArrayLike,
    predicted_b: npt.ArrayLike,
    rows: Rated,
    *,
    grouping: Grouping = "pooled",
    level: float = 0.95,
) -> Estimates:
    """The difference A minus B of two judges of the same rows, (n, K) or (n,), with interval and p-value.

    Both are measured, criterion by criterion, on the rows that both scored, NaN = missing. The interval is not given,
    and the p-value is NaN, if fewer than FEWEST_CLUSTERS documents have a row, or if the difference is undefined when
    one of them is left out. The result is exact: no random numbers are drawn.

    Raises:
        ValueError: if shapes differ, the grouping is invalid, or `level` is not between 0 and 1.
    """
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, not be {level!r}")
    contrast = Contrast.difference(predicted_a, predicted_b, rows)
    values = contrast.values(metric, grouping)
    statistic = contrast.statistic(metric, grouping)
    n_units = contrast.rows.n_units
    groups = min(n_units, MOST_LEFT_OUT)
    without = (
        np.vstack([statistic(counts) for counts in leave_out(n_units, groups)])
        if n_units
        else np.zeros((0, len(values)))
    )
    n_documents = contrast.n_documents()
    return Estimates(
        per_criterion=tuple(_jackknife(value, without[:, k], level, n_documents[k]) for k, value in enumerate(values)),
        mean=_jackknife(mean(values), without.mean(axis=1), level, min(n_documents, default=0)),
        n_pairs=contrast.n_pairs(),
        n_clusters=n_units,
    )


@dataclass(frozen=True, slots=True)
class Family:
    """A family of tests with p-values and intervals corrected together by Holm's rule.

    `estimates` have simultaneous intervals, and `p_values` (m,) are adjusted. An adjusted p-value lies below the
    family's level exactly where its interval excludes 0. NaN p-values count as no test.
    """

    estimates: tuple[Estimate, ...]
    p_values: tuple[float, ...]


def corrected(estimates: Sequence[Estimate], alpha: float = 0.05) -> Family:
    """Correct several tests together, by Holm's step-down rule.

    The smallest of m p-values is compared with alpha / m, the next with alpha / (m - 1), until one fails, whose level
    applies to all others. Each interval is widened to the level of its test.

    Raises:
        ValueError: if a p-value is not between 0 and 1.
    """
    adjusted = holm([estimate.p_value for estimate in estimates])
    n_tests = int((~np.isnan(adjusted)).sum())
    rejected = int((adjusted < alpha).sum())
    order = np.argsort([estimate.p_value for estimate in estimates], kind="stable")
    alphas = {int(position): alpha / (n_tests - min(step, rejected)) for step, position in enumerate(order[:n_tests])}
    widened = tuple(
        at_level(estimate, 1 - alphas[position]) if position in alphas else estimate
        for position, estimate in enumerate(estimates)
    )
    return Family(widened, tuple(adjusted.tolist()))


def at_level(estimate: Estimate, level: float) -> Estimate:
    """The same estimate with its interval at another level."""
    if not estimate.interval.known:
        return replace(estimate, interval=Interval.unknown(level))
    if math.isnan(estimate.degrees):
        return replace(estimate, interval=_same_everywhere(estimate.value, estimate.p_value, level))
    return replace(estimate, interval=_ends(estimate.value, estimate.standard_error, estimate.degrees, level))


def holm(p_values: npt.ArrayLike) -> Vector:
    """The p-values (m,) of m tests, adjusted by Holm's step-down rule (Holm 1979).

    NaN stays NaN and counts as no test.

    Raises:
        ValueError: if the shape is another one, or a p-value is not between 0 and 1.
    """
    raw = np.asarray(p_values, dtype=np.float64)
    if raw.ndim != 1 or (raw < 0).any() or (raw > 1).any():
        raise ValueError("p_values must have the shape (m,) and lie between 0 and 1")
    order = np.argsort(raw, kind="stable")[: int((~np.isnan(raw)).sum())]
    steps = raw[order] * (order.size - np.arange(order.size))
    adjusted = np.full(raw.shape, np.nan)
    adjusted[order] = np.minimum(1.0, np.maximum.accumulate(steps))
    return adjusted


def _jackknife(value: float, without: Vector, level: float, n_clusters: int) -> Estimate:
    """A value with the interval and the test that follow from its leave-one-out values (g,), of n documents."""
    undefined = int(np.isnan(without).sum())
    if math.isnan(value) or n_clusters < FEWEST_CLUSTERS or undefined:
        return Estimate.undecided(value, level, n_clusters, without.size, undefined)
    groups = without.size
    influences = without - without.mean()
    total = float(np.square(influences).sum())
    fourth = float(np.power(influences, 4).sum())
    # Two documents of equal weight give two degrees of freedom, many of normal influence as many as their number.
    degrees = 2 * groups / max(groups * fourth / total**2 - 1, 1e-9) if total > 0 else math.inf
    degrees = min(n_clusters - 1.0, max(1.0, degrees))
    error = math.sqrt((groups - 1) / groups * total)
    return tested(Estimate.undecided(value, level, n_clusters, groups), error, degrees)


def tested(estimate: Estimate, error: float, degrees: float) -> Estimate:
    """An estimate with the interval and the p-value that follow from its standard error and degrees of freedom."""
    value, level = estimate.value, estimate.level
    if error <= 1e-12 * max(1.0, abs(value)):
        # No document has an influence: the judges agree equally well, or differ equally in every document.
        p_value = 1.0 if abs(value) <= 1e-12 else 0.5 ** (estimate.n_clusters - 1)
        ends = _same_everywhere(value, p_value, level)
        return replace(estimate, interval=ends, standard_error=0.0, p_value=p_value)
    ends = _ends(value, error, degrees, level)
    p_value = t_test(value / error, degrees)
    return replace(estimate, interval=ends, standard_error=error, p_value=p_value, degrees=degrees)


def _same_everywhere(value: float, p_value: float, level: float) -> Interval:
    """The interval of a difference that is the same in every document, if a sign test says that they are enough."""
    return Interval(value, value, level) if p_value == 1.0 or p_value < 1 - level else Interval.unknown(level)


def _ends(value: float, error: float, degrees: float, level: float) -> Interval:
    margin = t_quantile((1 + level) / 2, degrees) * error
    return Interval(value - margin, value + margin, level)

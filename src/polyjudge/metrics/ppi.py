"""Prediction-powered inference: the mean of rows of which a sample is labelled and all are predicted.

Labels are few and correct, predictions many and biased. The mean of the predictions is corrected by their error on the
labelled sample, so that the estimate is unbiased whatever the predictions, and more precise the better they are
(Angelopoulos et al. 2023; with the weight of PPI++, 2311.01453). Without predictions it is the mean of the labels.

Rows are clustered by document or step: variances are those of cluster totals, and intervals use Student's t. Their
coverage with few clusters is measured in docs/diagnosis.md.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from polyjudge.metrics.levels import Vector
from polyjudge.metrics.rated import Clusters

# Fewer labelled clusters do not allow a variance that can be relied on.
FEWEST_LABELLED = 3
# With fewer labelled clusters a fitted weight adds more variance than the predictions remove.
FEWEST_TO_WEIGH = 6


@dataclass(frozen=True, slots=True)
class Powered:
    """A mean, or a difference of two, with its interval.

    `low`, `high` and `standard_error` are NaN if fewer than FEWEST_LABELLED clusters have a label. `weight` is that of
    the predictions, 0 (labels alone) to 1. `n_labelled` and `n_predicted` count rows, `n_clusters` the clusters with a
    label.
    """

    value: float
    low: float
    high: float
    level: float
    standard_error: float
    weight: float
    n_labelled: int
    n_predicted: int
    n_clusters: int


@dataclass(frozen=True, slots=True)
class Sample:
    """Rows whose mean is estimated: labels (n,), NaN = not labelled; predictions and clusters, (n,) or None."""

    labels: npt.ArrayLike
    predictions: npt.ArrayLike | None = None
    clusters: Sequence[Hashable] | None = None


@dataclass(frozen=True, slots=True)
class _Parts:
    """A mean as ``labels + weight * lift``, and the contribution of each cluster to the error of both terms."""

    labels: float
    lift: float
    labels_error: Vector
    lift_error: Vector
    labelled: int
    predicted: int
    n_clusters: int


def mean(sample: Sample, *, level: float = 0.95, weight: float | None = None) -> Powered:
    """The mean of all rows, from the labels of some and the predictions of all.

    The labelled rows must be a random sample. If any row has a prediction, rows without one are left out.

    Args:
        sample: the rows.
        level: of the interval.
        weight: of the predictions, 0..1; None takes the weight of least variance, and 0 if fewer than FEWEST_TO_WEIGH
            clusters have a label.

    Raises:
        ValueError: if lengths differ, or `level` or `weight` is out of range.
    """
    return _powered([(1.0, _parts(sample, _names([sample])))], level, weight)


def difference(first: Sample, second: Sample, *, level: float = 0.95, weight: float | None = None) -> Powered:
    """The mean of `first` minus that of `second`; clusters of one name in both are the same cluster.

    Raises:
        ValueError: as `mean`.
    """
    names = _names([first, second])
    return _powered([(1.0, _parts(first, names)), (-1.0, _parts(second, names, 1))], level, weight)


def _names(samples: Sequence[Sample]) -> dict[Hashable, int]:
    """The numbered clusters of several samples; without clusters each row is its own."""
    numbers: dict[Hashable, int] = {}
    for index, sample in enumerate(samples):
        for name in _clusters(sample, index):
            numbers.setdefault(name, len(numbers))
    return numbers


def _clusters(sample: Sample, index: int) -> Sequence[Hashable]:
    size = np.asarray(sample.labels, dtype=np.float64).size
    if sample.clusters is None:
        return [("row", index, row) for row in range(size)]
    Clusters.of(sample.clusters, size)
    return sample.clusters


def _parts(sample: Sample, names: dict[Hashable, int], index: int = 0) -> _Parts:
    labels = np.asarray(sample.labels, dtype=np.float64)
    predictions = (
        np.zeros(labels.size) if sample.predictions is None else np.asarray(sample.predictions, dtype=np.float64)
    )
    if labels.ndim != 1 or predictions.shape != labels.shape:
        raise ValueError(f"labels {labels.shape} and predictions {predictions.shape} must be columns of one length")
    position = np.array([names[name] for name in _clusters(sample, index)], dtype=np.intp)
    labelled, others = ~np.isnan(labels) & ~np.isnan(predictions), np.isnan(labels) & ~np.isnan(predictions)
    if sample.predictions is None:
        others = np.zeros_like(others)

    def centred(values: Vector, rows: npt.NDArray[np.bool_]) -> tuple[float, Vector]:
        """The mean over some rows, and the contribution of each cluster to its error."""
        if not rows.any():
            return math.nan, np.zeros(len(names))
        centre = float(values[rows].mean())
        deviations = np.bincount(position[rows], values[rows] - centre, minlength=len(names))
        return centre, deviations / rows.sum()

    mean_label, labels_error = centred(labels, labelled)
    on_labelled, labelled_error = centred(predictions, labelled)
    on_others, others_error = centred(predictions, others)
    lifted = bool(others.any() and labelled.any())
    return _Parts(
        labels=mean_label,
        lift=on_others - on_labelled if lifted else 0.0,
        labels_error=labels_error,
        lift_error=others_error - labelled_error if lifted else np.zeros(len(names)),
        labelled=int(labelled.sum()),
        predicted=int(others.sum()),
        n_clusters=int(np.unique(position[labelled]).size),
    )


def _powered(terms: Sequence[tuple[float, _Parts]], level: float, weight: float | None) -> Powered:
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, not be {level!r}")
    if weight is not None and not 0 <= weight <= 1:
        raise ValueError(f"weight must lie between 0 and 1, not be {weight!r}")
    fixed = sum(sign * parts.labels_error for sign, parts in terms)
    lifted = np.asarray(sum(sign * parts.lift_error for sign, parts in terms))
    clusters = min(parts.n_clusters for _, parts in terms)
    tuned = weight is None and clusters >= FEWEST_TO_WEIGH and bool(lifted.any())
    if weight is None:
        weight = _weight(np.asarray(fixed), lifted) if tuned else 0.0
    value = math.fsum(sign * (parts.labels + weight * parts.lift) for sign, parts in terms)
    counts = (sum(parts.labelled for _, parts in terms), sum(parts.predicted for _, parts in terms))
    if clusters < FEWEST_LABELLED or math.isnan(value):
        return Powered(value, math.nan, math.nan, level, math.nan, weight, *counts, clusters)
    error = math.sqrt(float(((fixed + weight * lifted) ** 2).sum()) * clusters / (clusters - 1))
    # A weight fitted to the same clusters takes one degree of freedom.
    margin = t_quantile((1 + level) / 2, max(1, clusters - 1 - tuned)) * error
    return Powered(value, value - margin, value + margin, level, error, weight, *counts, clusters)


def _weight(fixed: Vector, lifted: Vector) -> float:
    """The weight of least variance, clipped to 0..1."""
    return float(np.clip(-(fixed @ lifted) / (lifted @ lifted), 0.0, 1.0))


def t_quantile(probability: float, freedom: float) -> float:
    """The quantile of Student's t, by bisection of its distribution; exact to 1e-10.

    Raises:
        ValueError: if the probability is not between 0 and 1, or the degrees of freedom not above 0.
    """
    if not 0 < probability < 1 or not freedom > 0:
        raise ValueError(f"no quantile of probability {probability!r} at {freedom!r} degrees of freedom")
    if probability < 0.5:
        return -t_quantile(1 - probability, freedom)
    low, high = 0.0, 1.0
    while _distribution(high, freedom) < probability:
        high *= 2
    while high - low > 1e-10 * max(1.0, high):
        middle = (low + high) / 2
        low, high = (middle, high) if _distribution(middle, freedom) < probability else (low, middle)
    return (low + high) / 2


def t_test(t: float, freedom: float) -> float:
    """The two-sided p-value of a value of Student's t; exact also far out, never below the smallest float."""
    return _beta(freedom / (freedom + t * t), freedom / 2, 0.5)


def _distribution(t: float, freedom: float) -> float:
    """The probability of a value below t, t >= 0."""
    x = freedom / (freedom + t * t)
    return 1 - _beta(x, freedom / 2, 0.5) / 2


def _beta(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function (Numerical Recipes, section 6.4)."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - _beta(1 - x, b, a)
    logarithm = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    return math.exp(logarithm) / a / _fraction(x, a, b)


def _fraction(x: float, a: float, b: float) -> float:
    """The denominator of the continued fraction of the beta function, by Lentz's method."""
    c, d, value = 1.0, 0.0, 1.0
    for step in range(1, 400):
        m = step // 2
        if step % 2:
            term = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            term = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        d = 1 / (1 + term * d)
        c = 1 + term / c
        value *= c * d
        if abs(c * d - 1) < 1e-14:
            break
    return value

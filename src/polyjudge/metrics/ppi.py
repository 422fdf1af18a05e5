"""A mean that is labelled on a sample and predicted everywhere: prediction-powered inference, by document or step.

Few labels are dear and right, many predictions cheap and biased. The mean of the predictions is corrected by what the
sample shows of their error, so that the estimate is unbiased however bad they are, and narrower the better they are
(Angelopoulos et al. 2023; with the weight of PPI++, 2311.01453). Without predictions it is the mean of the labels.

Rows of one cluster share what makes them alike, so that variances are of cluster totals, and ends are Student's t.
What the intervals cover with few clusters is measured in docs/diagnosis.md.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from polyjudge.metrics.levels import Vector
from polyjudge.metrics.rated import Clusters

# With fewer labelled clusters nothing is left to tell how far they scatter.
FEWEST_LABELLED = 3
# With fewer than this a weight fitted to them costs more than predictions give.
FEWEST_TO_WEIGH = 6


@dataclass(frozen=True, slots=True)
class Powered:
    """A mean, or a difference of two, with its interval.

    `low`, `high` and `standard_error` are NaN, undecided, where fewer than FEWEST_LABELLED clusters have a label.
    `weight` is how far the predictions were believed, 0 (labels alone) to 1. `n_labelled` and `n_predicted` count
    rows, `n_clusters` the clusters with a label.
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
    """Rows whose mean is wanted: labels (n,), NaN where not labelled; predictions (n,) or None; a cluster each."""

    labels: npt.ArrayLike
    predictions: npt.ArrayLike | None = None
    clusters: Sequence[Hashable] | None = None


@dataclass(frozen=True, slots=True)
class _Parts:
    """A mean as ``labels + weight * lift``, and what each cluster of ``names`` adds to the error of the two."""

    labels: float
    lift: float
    of_labels: Vector
    of_lift: Vector
    labelled: int
    predicted: int
    n_clusters: int


def mean(sample: Sample, *, level: float = 0.95, weight: float | None = None) -> Powered:
    """The mean of all rows, from the labels of some and the predictions of all.

    Which rows are labelled must be chance. A row that lacks a prediction is left out when others have one.

    Args:
        sample: the rows.
        level: of the interval.
        weight: how far predictions are believed, 0..1; None takes the weight of least variance, and 0 where fewer
            than FEWEST_TO_WEIGH clusters have a label.

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
    """The clusters of several samples, numbered; a row without a cluster is one of its own."""
    numbers: dict[Hashable, int] = {}
    for place, sample in enumerate(samples):
        for name in _clusters(sample, place):
            numbers.setdefault(name, len(numbers))
    return numbers


def _clusters(sample: Sample, place: int = 0) -> Sequence[Hashable]:
    size = np.asarray(sample.labels, dtype=np.float64).size
    if sample.clusters is None:
        return [("row", place, row) for row in range(size)]
    Clusters.of(sample.clusters, size)
    return sample.clusters


def _parts(sample: Sample, names: dict[Hashable, int], place: int = 0) -> _Parts:
    labels = np.asarray(sample.labels, dtype=np.float64)
    guessed = np.zeros(labels.size) if sample.predictions is None else np.asarray(sample.predictions, dtype=np.float64)
    if labels.ndim != 1 or guessed.shape != labels.shape:
        raise ValueError(f"labels {labels.shape} and predictions {guessed.shape} must be columns of one length")
    position = np.array([names[name] for name in _clusters(sample, place)], dtype=np.intp)
    labelled, others = ~np.isnan(labels) & ~np.isnan(guessed), np.isnan(labels) & ~np.isnan(guessed)
    if sample.predictions is None:
        others = np.zeros_like(others)

    def centred(values: Vector, rows: npt.NDArray[np.bool_]) -> tuple[float, Vector]:
        """The mean over some rows, and what each cluster adds to its error."""
        if not rows.any():
            return math.nan, np.zeros(len(names))
        middle = float(values[rows].mean())
        added = np.bincount(position[rows], values[rows] - middle, minlength=len(names))
        return middle, added / rows.sum()

    middle, of_labels = centred(labels, labelled)
    here, of_here = centred(guessed, labelled)
    there, of_there = centred(guessed, others)
    lifted = bool(others.any() and labelled.any())
    return _Parts(
        labels=middle,
        lift=there - here if lifted else 0.0,
        of_labels=of_labels,
        of_lift=of_there - of_here if lifted else np.zeros(len(names)),
        labelled=int(labelled.sum()),
        predicted=int(others.sum()),
        n_clusters=int(np.unique(position[labelled]).size),
    )


def _powered(terms: Sequence[tuple[float, _Parts]], level: float, weight: float | None) -> Powered:
    if not 0 < level < 1:
        raise ValueError(f"level must lie between 0 and 1, not be {level!r}")
    if weight is not None and not 0 <= weight <= 1:
        raise ValueError(f"weight must lie between 0 and 1, not be {weight!r}")
    fixed = sum(sign * parts.of_labels for sign, parts in terms)
    lifted = np.asarray(sum(sign * parts.of_lift for sign, parts in terms))
    clusters = min(parts.n_clusters for _, parts in terms)
    tuned = weight is None and clusters >= FEWEST_TO_WEIGH and bool(lifted.any())
    used = weight if weight is not None else _weight(np.asarray(fixed), lifted) if tuned else 0.0
    value = math.fsum(sign * (parts.labels + used * parts.lift) for sign, parts in terms)
    counts = (sum(parts.labelled for _, parts in terms), sum(parts.predicted for _, parts in terms))
    if clusters < FEWEST_LABELLED or math.isnan(value):
        return Powered(value, math.nan, math.nan, level, math.nan, used, *counts, clusters)
    error = math.sqrt(float(((fixed + used * lifted) ** 2).sum()) * clusters / (clusters - 1))
    # A weight that was fitted to the same clusters takes one degree of freedom.
    reach = t_quantile((1 + level) / 2, max(1, clusters - 1 - tuned)) * error
    return Powered(value, value - reach, value + reach, level, error, used, *counts, clusters)


def _weight(fixed: Vector, lifted: Vector) -> float:
    """The weight of least variance, held to 0..1."""
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
    """The regularised incomplete beta function (Numerical Presets, section 6.4)."""
    if x <= 0 or x >= 1:
        return float(x >= 1)
    if x > (a + 1) / (a + b + 2):
        return 1 - _beta(1 - x, b, a)
    logarithm = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log1p(-x)
    return math.exp(logarithm) / a / _fraction(x, a, b)


def _fraction(x: float, a: float, b: float) -> float:
    """The denominator of its continued fraction, by Lentz's method."""
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

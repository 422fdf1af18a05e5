"""Agreement with its grouping named: over all rows at once, or document by document.

The same scores average .477 pooled, .508 per document without the constant documents and .440 with these as zero
(GPT-4 on SummEval), so that a figure without its grouping says little. Here the grouping is always an argument, and
the documents that were left out, or counted as zero, come back with the value.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from polyjudge.metrics.agreement import Metric
from polyjudge.metrics.levels import Indices, Levels, Matrix
from polyjudge.metrics.pairs import column

Grouping = Literal["pooled", "document-skip", "document-zero"]
Documents = Sequence[Hashable]
Scales = Levels | Sequence[Levels | None] | None


@dataclass(frozen=True, slots=True)
class Grouped:
    """A statistic of one criterion under a named grouping.

    `value` is NaN where undefined. `coverage` is the share of the rows with a human rating that were scored, NaN if
    no row has one; `n_pairs` counts the scored ones. Of the documents with a human rating, `documents_used` entered
    the value with a number of their own, `documents_skipped` were undefined and left out, `documents_zeroed` were
    undefined and counted as 0. `pooled` uses them all; without a document column every row is its own.
    """

    value: float
    grouping: Grouping
    n_pairs: int
    coverage: float
    documents_used: int
    documents_skipped: int
    documents_zeroed: int


@dataclass(frozen=True, slots=True)
class Table:
    """One metric on K criteria: `per_criterion` in their order, and the unweighted `mean`, NaN if any of them is."""

    per_criterion: tuple[Grouped, ...]
    mean: float


@dataclass(frozen=True, slots=True)
class Clusters:
    """Rows grouped by document: `position` (n,) of each row's document among `count`, by first appearance."""

    position: Indices
    count: int

    @classmethod
    def of(cls, documents: Documents | None, n_rows: int) -> Clusters:
        """Number the documents of n rows; without documents every row is its own.

        Raises:
            ValueError: if there are not n documents, or one is None.
        """
        if documents is None:
            return cls(np.arange(n_rows, dtype=np.intp), n_rows)
        if len(documents) != n_rows:
            raise ValueError(f"there are {len(documents)} documents for {n_rows} rows; each row needs one")
        numbers: dict[Hashable, int] = {}
        for row, document in enumerate(documents):
            if document is None:
                raise ValueError(f"row {row} has no document; name one for every row, or pass documents=None")
            numbers.setdefault(document, len(numbers))
        position = np.fromiter((numbers[document] for document in documents), dtype=np.intp, count=n_rows)
        return cls(position, len(numbers))


def grouped(
    metric: Metric,
    predicted: npt.ArrayLike,
    human: npt.ArrayLike,
    *,
    levels: Levels | None = None,
    documents: Documents | None = None,
    grouping: Grouping = "pooled",
) -> Grouped:
    """Agreement of two columns (n,), NaN = missing, over all rows or as a mean over documents.

    `pooled`: all pairs together. `document-skip`: the mean of the documents' own values, undefined documents (a
    constant, one pair, nothing scored) skipped. `document-zero`: the same with 0 for an undefined document. A
    document without any human rating counts nowhere.

    Raises:
        ValueError: if shapes differ, a document grouping has no documents, or `document-zero` is asked of an error
            such as MAE, where 0 is perfect and a missing answer would win.
    """
    left, right = column(predicted, "predicted"), column(human, "human")
    scored = scored_rows(left, right)
    check_grouping(metric, grouping, documents)
    clusters = Clusters.of(documents, left.size)
    rated = ~np.isnan(right)
    n_pairs = int(scored.sum())
    coverage = n_pairs / int(rated.sum()) if rated.any() else math.nan
    if grouping == "pooled":
        n_documents = int(np.count_nonzero(np.bincount(clusters.position[rated])))
        return Grouped(metric(left, right, levels), grouping, n_pairs, coverage, n_documents, 0, 0)
    with_rating = [rows for rows in _rows_by_document(clusters) if rated[rows].any()]
    own = [metric(left[rows], right[rows], levels) for rows in with_rating]
    defined = [value for value in own if not math.isnan(value)]
    undefined = len(own) - len(defined)
    skip = grouping == "document-skip"
    divisor = len(defined) if skip else len(own)
    return Grouped(
        value=math.fsum(defined) / divisor if divisor else math.nan,
        grouping=grouping,
        n_pairs=n_pairs,
        coverage=coverage,
        documents_used=len(defined),
        documents_skipped=undefined if skip else 0,
        documents_zeroed=0 if skip else undefined,
    )


def table(
    metric: Metric,
    predicted: npt.ArrayLike,
    human: npt.ArrayLike,
    *,
    levels: Scales = None,
    documents: Documents | None = None,
    grouping: Grouping = "pooled",
) -> Table:
    """Agreement of two matrices (n, K), one column a criterion, NaN = missing.

    `levels` is one scale for all criteria or a sequence of K.

    Raises:
        ValueError: as `grouped`.
    """
    left, right = matrix(predicted, "predicted"), matrix(human, "human")
    if left.shape != right.shape:
        raise ValueError(f"predicted has the shape {left.shape!r} and human {right.shape!r}; they must be equal")
    per_criterion = tuple(
        grouped(metric, left[:, k], right[:, k], levels=scale, documents=documents, grouping=grouping)
        for k, scale in enumerate(scales(levels, left.shape[1]))
    )
    return Table(per_criterion, mean([each.value for each in per_criterion]))


def mean(values: Sequence[float]) -> float:
    """The unweighted mean; NaN if any value is, or there is none."""
    return math.fsum(values) / len(values) if values else math.nan


def matrix(values: npt.ArrayLike, name: str) -> Matrix:
    """Read `values` as floats of shape (n, K); a column (n,) becomes (n, 1).

    Raises:
        ValueError: if the shape is another one, or a value is infinite.
    """
    read = np.asarray(values, dtype=np.float64)
    read = read[:, None] if read.ndim == 1 else read
    if read.ndim != 2:
        raise ValueError(f"{name} must have the shape (n, K), not {read.shape!r}")
    if np.isinf(read).any():
        row, criterion = (int(axis[0]) for axis in np.nonzero(np.isinf(read)))
        raise ValueError(f"{name} holds an infinite value in row {row!r}, criterion {criterion!r}")
    return read


def scales(levels: Scales, n_criteria: int) -> tuple[Levels | None, ...]:
    """One scale for each of K criteria.

    Raises:
        ValueError: if a sequence of another length is given.
    """
    if levels is None or isinstance(levels, Levels):
        return (levels,) * n_criteria
    if len(levels) != n_criteria:
        raise ValueError(f"there are {len(levels)} scales for {n_criteria} criteria; each needs one")
    return tuple(levels)


def check_grouping(metric: Metric, grouping: Grouping, documents: Documents | None) -> None:
    """Refuse a grouping that cannot be meant.

    Raises:
        ValueError: if its name is unknown, it needs documents and has none, or it would reward missing answers.
    """
    if grouping not in get_args(Grouping):
        raise ValueError(f"there is no grouping {grouping!r}; choose one of {', '.join(get_args(Grouping))}")
    if grouping != "pooled" and documents is None:
        raise ValueError(f"grouping {grouping!r} needs the document of every row; pass documents or take 'pooled'")
    if grouping == "document-zero" and not metric.higher_is_better:
        raise ValueError(f"grouping 'document-zero' would count an undefined {metric.name!r} as perfect")


def scored_rows(predicted: Matrix, human: Matrix) -> npt.NDArray[np.bool_]:
    """Where both sides have a value.

    Raises:
        ValueError: if the shapes differ.
    """
    if predicted.shape != human.shape:
        raise ValueError(f"predicted has the shape {predicted.shape!r} and human {human.shape!r}; they must be equal")
    return ~(np.isnan(predicted) | np.isnan(human))


def _rows_by_document(clusters: Clusters) -> list[Indices]:
    order = np.argsort(clusters.position, kind="stable")
    ends = np.cumsum(np.bincount(clusters.position, minlength=clusters.count))
    return np.split(order, ends[:-1]) if clusters.count else []

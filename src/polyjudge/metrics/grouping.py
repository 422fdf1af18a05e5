"""Agreement with a named grouping: over all rows at once, or as a mean over documents.

The same scores average .477 pooled, .508 per document without the constant documents and .440 with these as zero
(GPT-4 on SummEval), so that an agreement without its grouping says little. Here the grouping is always an argument,
and the numbers of documents that were left out, or counted as zero, are returned with the value.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np
import numpy.typing as npt

from polyjudge.metrics.levels import Indices, Levels
from polyjudge.metrics.metric import Metric
from polyjudge.metrics.pairs import column
from polyjudge.metrics.rated import Clusters, Documents, Rated, RatedRows, matrix, scored_rows

Grouping = Literal["pooled", "document-skip", "document-zero"]


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
    values = [metric(left[rows], right[rows], levels) for rows in with_rating]
    defined = [value for value in values if not math.isnan(value)]
    undefined = len(values) - len(defined)
    skip = grouping == "document-skip"
    divisor = len(defined) if skip else len(values)
    return Grouped(
        value=math.fsum(defined) / divisor if divisor else math.nan,
        grouping=grouping,
        n_pairs=n_pairs,
        coverage=coverage,
        documents_used=len(defined),
        documents_skipped=undefined if skip else 0,
        documents_zeroed=0 if skip else undefined,
    )


def table(metric: Metric, predicted: npt.ArrayLike, rows: Rated, *, grouping: Grouping = "pooled") -> Table:
    """Agreement of scores (n, K) or (n,), NaN = missing, with rated rows, criterion by criterion.

    Raises:
        ValueError: as `grouped`.
    """
    scores, rated = matrix(predicted, "predicted"), RatedRows.of(rows)
    scored_rows(scores, rated.human)
    per_criterion = tuple(
        grouped(metric, scores[:, k], rated.human[:, k], levels=scale, documents=rated.documents, grouping=grouping)
        for k, scale in enumerate(rated.levels)
    )
    return Table(per_criterion, mean([agreement.value for agreement in per_criterion]))


def mean(values: Sequence[float]) -> float:
    """The unweighted mean; NaN if any value is, or there is none."""
    return math.fsum(values) / len(values) if values else math.nan


def check_grouping(metric: Metric, grouping: Grouping, documents: Documents | None) -> None:
    """Refuse an invalid grouping.

    Raises:
        ValueError: if its name is unknown, it needs documents and has none, or it would reward missing answers.
    """
    if grouping not in get_args(Grouping):
        raise ValueError(f"there is no grouping {grouping!r}; choose one of {', '.join(get_args(Grouping))}")
    if grouping != "pooled" and documents is None:
        raise ValueError(f"grouping {grouping!r} needs the document of every row; pass documents or take 'pooled'")
    if grouping == "document-zero" and not metric.higher_is_better:
        raise ValueError(f"grouping 'document-zero' would count an undefined {metric.name!r} as perfect")


def _rows_by_document(clusters: Clusters) -> list[Indices]:
    order = np.argsort(clusters.position, kind="stable")
    ends = np.cumsum(np.bincount(clusters.position, minlength=clusters.count))
    return np.split(order, ends[:-1]) if clusters.count else []

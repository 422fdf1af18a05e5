"""From examples and predictions to agreement: the ratings of a row set are read once, the scores as they come."""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from typing import TYPE_CHECKING

from polyjudge.datasets.table import Key, exact
from polyjudge.domain.criterion import Criterion
from polyjudge.domain.example import Example
from polyjudge.domain.records import Measured, Prediction
from polyjudge.domain.scale import NAN, Categorical, Ordinal, Scale

if TYPE_CHECKING:
    from polyjudge.metrics.levels import Levels, Matrix
    from polyjudge.metrics.metric import Metric
    from polyjudge.metrics.rated import RatedRows


def rated_rows(criteria: Sequence[Criterion], examples: Sequence[Example]) -> RatedRows:
    """The human ratings of examples on criteria, to be made once for each set of rows.

    A judge answers equal inputs alike, however often they stand there, so that copies are no evidence of their own:
    the first row of equal inputs counts, the others have no rating. If the copies carry other ratings than the first
    row, each is another rater's and the first row has them all; if all copies of the whole set carry the same ratings,
    they were pasted and add nothing. Rows of one document are one unit; so are documents that share a text.
    """
    import numpy as np

    from polyjudge.metrics.rated import RatedRows

    firsts = _firsts(examples)
    copies = sum(first != row for row, first in enumerate(firsts))
    raters = tuple(_raters(criterion, examples, firsts) for criterion in criteria)
    human = [
        [c.scale.combine(row) if row else NAN for row in m.tolist()] for c, m in zip(criteria, raters, strict=True)
    ]
    documents, unit = _units(examples, firsts)
    return RatedRows(
        np.array(human, dtype=float).reshape(len(criteria), len(examples)).T,
        tuple(levels(criterion.scale) for criterion in criteria),
        documents,
        unit,
        tuple(criterion.name for criterion in criteria),
        raters,
        copies,
    )


def _firsts(examples: Sequence[Example]) -> list[int]:
    """The row at which the inputs of each row stand for the first time; rows without inputs are their own."""
    seen: dict[Key, int] = {}
    return [
        seen.setdefault(exact(example.inputs), row) if example.inputs else row for row, example in enumerate(examples)
    ]


def _raters(criterion: Criterion, examples: Sequence[Example], firsts: Sequence[int]) -> Matrix:
    """The single ratings on one criterion (n, R), nan = none; those of copies stand with the first row."""
    import numpy as np

    given = [example.ratings.get(criterion.name, ()) for example in examples]
    rows: list[tuple[float, ...]] = [() if first != row else given[row] for row, first in enumerate(firsts)]
    repeated = [(row, first) for row, first in enumerate(firsts) if first != row]
    if any(not _same(given[row], given[first]) for row, first in repeated):
        for row, first in repeated:
            rows[first] = (*rows[first], *given[row])
    width = max(map(len, rows), default=0)
    padded = [(*row, *[math.nan] * (width - len(row))) for row in rows]
    return np.array(padded, dtype=float).reshape(len(examples), width)


def _same(one: Sequence[float], other: Sequence[float]) -> bool:
    return [*map(repr, one)] == [*map(repr, other)]


def _units(examples: Sequence[Example], firsts: Sequence[int]) -> tuple[tuple[Hashable, ...] | None, str]:
    """What counts as one piece of evidence each, and what it is called."""
    documents = [example.document for example in examples if example.document is not None]
    copied = any(first != row for row, first in enumerate(firsts))
    if examples and len(documents) == len(examples):
        return (_joined(documents, firsts) if copied else tuple(documents)), "documents"
    return (tuple(map(str, firsts)), "different texts") if copied else (None, "rows")


def _joined(documents: Sequence[str], firsts: Sequence[int]) -> tuple[str, ...]:
    """The documents, those that share a text under the name of the first of them."""
    parent = {document: document for document in documents}

    def root(document: str) -> str:
        while parent[document] != document:
            document = parent[document]
        return document

    for row, first in enumerate(firsts):
        one, other = root(documents[first]), root(documents[row])
        if one != other:
            parent[other] = one
    return tuple(root(document) for document in documents)


def scores(names: Sequence[str], predictions: Sequence[Prediction]) -> Matrix:
    """The judge's scores (n, K) on the named criteria, nan = unscored."""
    import numpy as np

    matrix = np.array([[prediction.score(name) for name in names] for prediction in predictions], dtype=float)
    return matrix.reshape(len(predictions), len(names))


def levels(scale: Scale) -> Levels:
    """A scale as the metrics know it."""
    from polyjudge.metrics.levels import Levels

    if isinstance(scale, Categorical):
        return Levels.categorical(len(scale.names))
    return Levels(scale.low, scale.high, scale.step if isinstance(scale, Ordinal) else None)


def primary_metric(criteria: Sequence[Criterion]) -> str:
    """Spearman on numbers, Cohen's kappa on labels, and "primary", each criterion's own, where both stand together."""
    names = set(map(own_metric, criteria))
    return names.pop() if len(names) == 1 else "primary"


def own_metric(criterion: Criterion) -> str:
    """Cohen's kappa for labels, Spearman for numbers."""
    return "kappa" if isinstance(criterion.scale, Categorical) else "spearman"


def measure(metric: str | Metric, predictions: Sequence[Prediction], rows: RatedRows) -> Measured:
    """Pooled agreement of predictions with the ratings of the same rows, in the same order."""
    return measure_by([metric], predictions, rows)[0]


def measure_by(
    metrics: Sequence[str | Metric], predictions: Sequence[Prediction], rows: RatedRows
) -> tuple[Measured, ...]:
    """The same by several metrics."""
    judged = scores(rows.names, predictions)
    return tuple(_measured(dict.fromkeys(rows.names, metric), judged, rows) for metric in metrics)


def measure_each(metrics: Mapping[str, str | Metric], predictions: Sequence[Prediction], rows: RatedRows) -> Measured:
    """The same by a metric of each criterion's own, by its name."""
    return _measured(metrics, scores(rows.names, predictions), rows)


def _measured(metrics: Mapping[str, str | Metric], judged: Matrix, rows: RatedRows) -> Measured:
    from polyjudge.metrics import grouping
    from polyjudge.metrics.agreement import metric_of

    used = [metric_of(metrics[name]) for name in rows.names]
    figures = [
        grouping.grouped(metric, judged[:, k], rows.human[:, k], levels=rows.levels[k])
        for k, metric in enumerate(used)
    ]
    covered = [0.0 if math.isnan(figure.coverage) else figure.coverage for figure in figures]
    return Measured(
        " and ".join(dict.fromkeys(metric.name for metric in used)),
        {name: figure.value for name, figure in zip(rows.names, figures, strict=True)},
        grouping.mean([figure.value for figure in figures]),
        dict(zip(rows.names, covered, strict=True)),
    )

"""Where judge and people part: a matrix a criterion, and the rows on which they are farthest from each other."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from polyjudge.domain.criterion import Criterion
from polyjudge.domain.scale import Categorical, Continuous, Scale, show
from polyjudge.formatting.markup import Child, Html, clipped, join, tag
from polyjudge.judge.measure import levels
from polyjudge.metrics.levels import Matrix, Vector
from polyjudge.reporting.html.chart import Chart
from polyjudge.reporting.html.figures import heat
from polyjudge.reporting.html.page import Section, folded, paragraphs
from polyjudge.reporting.report_data import ReportData
from polyjudge.results.finished import RowScores, matrix_of

# Rows shown a criterion, at most, and over all criteria.
WORST, ALL = 3, 40
LONGEST = 1500
FIFTHS = ("lowest fifth", "2nd fifth", "3rd fifth", "4th fifth", "highest fifth")
MANY = 12
"""Beyond so many labels a scale is shown in fifths."""

NO_TEXTS = (
    "Rows are shown by their ids, because the run's data were not found. polyjudge report RUN --data DATA shows texts."
)


@dataclass(frozen=True, slots=True)
class Apart:
    """A row and how far the fitted judge is from people on it, 0..1 of what is possible."""

    row: RowScores
    distance: float


def disagreements_section(run: ReportData) -> Section:
    """Confusion by criterion, and the worst rows with their texts."""
    if not run.rows:
        text = "The folder keeps no predictions.jsonl; the same optimize command writes it, answered from the cache."
        return Section("disagreements", "Where judge and people disagree", (paragraphs([text]),), "Disagreements")
    human, judged = (matrix_of(run.rows, run.initial, what) for what in ("human", "fitted"))
    charts = tuple(_confusion(run, k, criterion, human[:, k], judged[:, k]) for k, criterion in enumerate(run.initial))
    return Section(
        "disagreements",
        "Where judge and people disagree",
        (
            paragraphs([_how(run)]),
            charts,
            tag("h3", "The worst disagreements"),
            paragraphs([] if run.texts else [NO_TEXTS]),
            *_worst(run, human, judged),
        ),
        "Disagreements",
    )


def _how(run: ReportData) -> str:
    if run.on_scale:
        return (
            "Each cell counts test rows by people's rating and the fitted judge's score, both at the nearest value of "
            "the scale. Rows on the diagonal agree."
        )
    return (
        "This scoring method gives strengths and not values of the scale. The judge's scores are shown in fifths, and "
        "people's ratings should rise from left to right."
    )


def _confusion(run: ReportData, k: int, criterion: Criterion, human: Vector, judged: Vector) -> Chart:
    both = ~np.isnan(human) & ~np.isnan(judged)
    ours = _names(criterion.scale, human[both])
    theirs = _names(criterion.scale, judged[both]) if run.on_scale else _fifths(judged[both])
    counts = Counter(zip(ours, theirs, strict=True))
    rows = _order(criterion.scale, ours)
    columns = _order(criterion.scale, theirs) if run.on_scale else FIFTHS
    cells = [(row, column, float(counts[row, column])) for row in reversed(rows) for column in columns]
    return heat(
        f"confusion-{k + 1}",
        f"{criterion.name}: test rows by people's rating and the fitted judge's score.",
        cells if both.any() else [],
        ("people", "judge", "rows"),
        digits=0,
    )


def _names(scale: Scale, values: Vector) -> list[str]:
    """The label of the scale nearest to each value; a fifth of the scale where it has too many labels."""
    if isinstance(scale, Continuous) or len(scale.levels) > MANY:
        low, high = (scale.low, scale.high) if not isinstance(scale, Categorical) else (0, len(scale.names) - 1)
        fifths = np.clip(np.floor((values - low) / (high - low) * 5), 0, 4).astype(int)
        return [_part(low, high, index) for index in fifths.tolist()]
    return [scale.labels[index] for index in levels(scale).nearest(values).tolist()]


def _part(low: float, high: float, index: int) -> str:
    width = (high - low) / 5
    return f"{low + index * width:.3g} to {low + (index + 1) * width:.3g}"


def _order(scale: Scale, names: Sequence[str]) -> tuple[str, ...]:
    if isinstance(scale, Categorical):
        return scale.labels if len(scale.labels) <= MANY else tuple(dict.fromkeys(names))
    if isinstance(scale, Continuous) or len(scale.levels) > MANY:
        return tuple(_part(scale.low, scale.high, index) for index in range(5))
    return scale.labels


def _fifths(values: Vector) -> list[str]:
    """Each value's fifth by rank; equal values stand together."""
    shares = (_ranks(values) - 0.5) / max(1, len(values))
    return [FIFTHS[min(4, int(share * 5))] for share in shares.tolist()]


def _ranks(values: Vector) -> Vector:
    """Ranks from 1, equal values at their mean."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = np.cumsum(counts)
    return np.asarray((ends - (counts - 1) / 2)[places])


def _worst(run: ReportData, human: Matrix, judged: Matrix) -> Iterator[Html]:
    each = max(1, min(WORST, ALL // max(1, len(run.names))))
    for k, criterion in enumerate(run.initial):
        farthest = _farthest(run, criterion, human[:, k], judged[:, k])[:each]
        if farthest:
            yield tag("h4", criterion.name)
            yield from (_shown(run, criterion, apart) for apart in farthest)


def _farthest(run: ReportData, criterion: Criterion, human: Vector, judged: Vector) -> list[Apart]:
    both = np.flatnonzero(~np.isnan(human) & ~np.isnan(judged))
    scale = criterion.scale
    if isinstance(scale, Categorical):
        gaps = (np.round(human[both]) != np.round(judged[both])).astype(float)
    elif run.on_scale:
        gaps = np.abs(human[both] - judged[both]) / (scale.high - scale.low)
    else:
        gaps = np.abs(_ranks(human[both]) - _ranks(judged[both])) / max(1, len(both))
    order = np.argsort(-gaps, kind="stable").tolist()
    return [Apart(run.rows[both[index]], float(gaps[index])) for index in order if gaps[index] > 0]


def _shown(run: ReportData, criterion: Criterion, apart: Apart) -> Html:
    row, name, scale = apart.row, criterion.name, criterion.scale
    sides = {"people": row.human, "judge": row.fitted, **({"judge before": row.initial} if run.changed else {})}
    text = join(
        [[f"{side} ", tag("strong", _said(run, scale, side, values[name]))] for side, values in sides.items()], " · "
    )
    texts = run.texts.get(row.id)
    parts: list[Child] = []
    if texts is not None:
        parts = [_input(texts, column, label) for column, label in run.judge.rubric.inputs if column in texts]
    if row.reasons.get(name):
        parts.append(
            join(
                [tag("h4", "The judge's reason"), tag("div", clipped(row.reasons[name], LONGEST), class_="text-block")]
            )
        )
    document = f" of {row.document}" if row.document and run.outcome.unit == "documents" else ""
    if not parts:
        return tag("p", tag("code", row.id), f"{document}: ", text)
    return folded(join([tag("code", row.id), f"{document}: ", text]), *parts, class_="row")


def _said(run: ReportData, scale: Scale, side: str, value: float) -> str:
    if math.isnan(value):
        return "unscored"
    if isinstance(scale, Categorical) and (run.on_scale or side == "people"):
        return show(scale, value)
    return f"{value:.3g}"


def _input(texts: Mapping[str, str], column: str, label: str) -> Html:
    return join([tag("h4", label), tag("div", clipped(texts[column], LONGEST), class_="text-block")])

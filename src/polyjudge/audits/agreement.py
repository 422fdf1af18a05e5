"""Agreement in context: each statistic with its interval, the annotators' ceiling, the constant's floor, and power."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from polyjudge.audits.table import Judgement, ScoreTable
from polyjudge.judge.measure import primary_metric
from polyjudge.metrics import agreement, ceilings, grouping, power, uncertainty
from polyjudge.metrics.grouping import Grouping
from polyjudge.metrics.levels import Levels

# In the order of a report.
METRICS = ("spearman", "kendall", "pearson", "qwk", "kappa", "mae", "off_by_one", "accuracy")
MEAN = "mean"


@dataclass(frozen=True, slots=True)
class Agreement:
    """One statistic of one judgement on one criterion, or its mean over the criteria.

    Attributes:
        judge: whose scores.
        layout: under which layout.
        criterion: its name, or "mean".
        metric: the statistic's name.
        grouping: "pooled", "document-skip" (mean over documents, undefined ones left out) or "document-zero".
        value: nan = undefined.
        low: lower end of the 95 % interval, clustered by document; nan = not given.
        high: upper end.
        ceiling: the same statistic of one rater against the others; nan = unknown.
        floor: the best that a constant answer reaches; nan = no constant has a value.
        coverage: share of the rated items that were scored.
        rows: items with a score and a rating.
    """

    judge: str
    layout: str
    criterion: str
    metric: str
    grouping: str
    value: float
    low: float
    high: float
    ceiling: float
    floor: float
    coverage: float
    rows: int


@dataclass(frozen=True, slots=True)
class Detectable:
    """The smallest difference between two judges that these ratings can show with 80 % power.

    Attributes:
        metric: the primary one.
        criteria: criterion -> difference; nan = unknown.
        mean: of the mean over the criteria.
        assumptions: behind it, one sentence.
    """

    metric: str
    criteria: Mapping[str, float]
    mean: float
    assumptions: str


def agreements(table: ScoreTable, judgement: Judgement, seed: int = 0) -> tuple[Agreement, ...]:
    """Every statistic that has a meaning, pooled, and the primary one by document too; criteria, then their mean."""
    primary = primary_metric(table.criteria)
    found: list[Agreement] = []
    for name in METRICS:
        found += _pooled(table, judgement, agreement.metric(name), "pooled", seed)
    if table.documents is not None and primary in METRICS:
        for by_document in ("document-skip", "document-zero"):
            found += _pooled(table, judgement, agreement.metric(primary), by_document, seed)
    return tuple(found)


def detectable(table: ScoreTable) -> Detectable:
    """What a comparison on these ratings could show; it needs no judge."""
    metric = primary_metric(table.criteria)
    shown = power.smallest_detectable_difference(
        agreement.metric(metric), table.human, levels=table.levels, documents=table.documents
    )
    criteria = dict(zip(table.names, shown.per_criterion, strict=True))
    return Detectable(metric, criteria, shown.mean, shown.assumptions)


def _pooled(
    table: ScoreTable, judgement: Judgement, metric: agreement.Metric, by: Grouping, seed: int
) -> list[Agreement]:
    places = [k for k, usable in enumerate(table.usable(metric, judgement)) if usable]
    if not places:
        return []
    scales = [table.levels[k] for k in places]
    judged, human = judgement.scores[:, places], table.human[:, places]
    intervals = uncertainty.bootstrap(
        metric, judged, human, levels=scales, documents=table.documents, grouping=by, seed=seed
    )
    rows: list[Agreement] = []
    for at, k in enumerate(places):
        one = grouping.grouped(
            metric, judged[:, at], human[:, at], levels=scales[at], documents=table.documents, grouping=by
        )
        name, interval = table.names[k], intervals.per_criterion[at]
        context = (*_context(table, name, scales[at], metric, by), one.coverage, one.n_pairs)
        rows.append(_row(judgement, name, metric, by, interval, context))
    if len(places) == len(table.criteria) > 1:
        ceiling, floor, coverage = (
            grouping.mean([getattr(row, which) for row in rows]) for which in ("ceiling", "floor", "coverage")
        )
        context = (ceiling, floor, coverage, min(row.rows for row in rows))
        rows.append(_row(judgement, MEAN, metric, by, intervals.mean, context))
    return rows


def _row(
    judgement: Judgement,
    name: str,
    metric: agreement.Metric,
    by: Grouping,
    one: uncertainty.Interval,
    context: tuple[float, float, float, int],
) -> Agreement:
    key = (judgement.judge, judgement.layout, name, metric.name, by)
    return Agreement(*key, one.value, one.low, one.high, *context)


def _context(
    table: ScoreTable, name: str, scale: Levels, metric: agreement.Metric, by: Grouping
) -> tuple[float, float]:
    """Ceiling and floor of a statistic on one criterion."""
    raters = table.raters[name]
    human = table.human[:, table.names.index(name)]
    ceiling = ceilings.annotators_ceiling(metric, raters, levels=scale, documents=table.documents, grouping=by)
    # A constant has no correlation, whatever it is; the search would only find that out a hundred times.
    if not metric.needs_scale or by != "pooled" or np.isnan(human).all():
        return ceiling.value, math.nan
    return ceiling.value, ceilings.constant_floor(metric, human, levels=scale).value

"""Agreement in context: each statistic with its interval, what one annotator and a constant reach, and power."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from polyjudge.audits.table import Judgement, ScoreTable
from polyjudge.judge.measure import primary_metric
from polyjudge.metrics import agreement, ceilings, grouping, power, uncertainty
from polyjudge.metrics.estimates import Estimate
from polyjudge.metrics.grouping import Grouping
from polyjudge.metrics.metric import Metric
from polyjudge.metrics.rated import RatedRows

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
    for name in agreement.names():
        if name != "primary":
            found += _pooled(table, judgement, agreement.metric_of(name), "pooled", seed)
    if table.rows.documents is not None and primary != "primary":
        for by_document in ("document-skip", "document-zero"):
            found += _pooled(table, judgement, agreement.metric_of(primary), by_document, seed)
    return tuple(found)


def detectable(table: ScoreTable) -> Detectable:
    """What a comparison on these ratings could show; it needs no judge."""
    metric = primary_metric(table.criteria)
    shown = power.smallest_detectable_difference(agreement.metric_of(metric), table.rows)
    criteria = dict(zip(table.names, shown.per_criterion, strict=True))
    return Detectable(metric, criteria, shown.mean, shown.assumptions)


def _pooled(table: ScoreTable, judgement: Judgement, metric: Metric, by: Grouping, seed: int) -> list[Agreement]:
    usable = [k for k, fits in enumerate(table.usable(metric, judgement)) if fits]
    if not usable:
        return []
    judged, people = judgement.scores[:, usable], table.rows.select(usable)
    figures = grouping.table(metric, judged, people, grouping=by).per_criterion
    estimates = uncertainty.bootstrap(metric, judged, people, grouping=by, seed=seed)
    rows: list[Agreement] = []
    for at, name in enumerate(people.names):
        context = (*_context(people, at, metric, by), figures[at].coverage, figures[at].n_pairs)
        rows.append(_row(judgement, name, metric, by, estimates.per_criterion[at], context))
    if len(usable) == len(table.criteria) > 1:
        ceiling, floor, coverage = (
            grouping.mean([getattr(row, which) for row in rows]) for which in ("ceiling", "floor", "coverage")
        )
        context = (ceiling, floor, coverage, min(row.rows for row in rows))
        rows.append(_row(judgement, MEAN, metric, by, estimates.mean, context))
    return rows


def _row(
    judgement: Judgement,
    name: str,
    metric: Metric,
    by: Grouping,
    estimate: Estimate,
    context: tuple[float, float, float, int],
) -> Agreement:
    key = (judgement.judge, judgement.layout, name, metric.name, by)
    return Agreement(*key, estimate.value, estimate.low, estimate.high, *context)


def _context(people: RatedRows, at: int, metric: Metric, by: Grouping) -> tuple[float, float]:
    """What one annotator and a constant reach by a statistic on one criterion."""
    human, scale = people.human[:, at], people.levels[at]
    annotator = ceilings.annotators_ceiling(
        metric, people.raters[at], levels=scale, documents=people.documents, grouping=by
    )
    # A constant has no correlation, whatever it is; the search would only find that out a hundred times.
    if not metric.needs_scale or by != "pooled" or np.isnan(human).all():
        return annotator.value, math.nan
    return annotator.value, ceilings.constant_floor(metric, human, levels=scale).value

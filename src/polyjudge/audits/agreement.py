"""Agreement in context: each statistic with its interval, what one annotator and a constant reach, and power."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from polyjudge.audits.table import Judgement, ScoreTable
from polyjudge.judge.measure import primary_metric
from polyjudge.metrics import agreement, baselines, grouping, power, uncertainty
from polyjudge.metrics.estimates import Estimate
from polyjudge.metrics.grouping import Grouping
from polyjudge.metrics.levels import Vector
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
        one_annotator: the same statistic of one rater against the others; nan = unknown. No upper bound: a judge is
            compared with the mean of all raters, which is less noisy than one.
        beside_annotator: of a criterion of labels: the judge's value on the rows that ``one_annotator`` is computed
            from, without those whose vote is tied; else ``value``.
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
    one_annotator: float
    beside_annotator: float
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


def detectable(table: ScoreTable, measured: float = math.nan) -> Detectable:
    """What a comparison on these ratings could show, where no two judges' scores are at hand.

    Args:
        table: with the ratings.
        measured: the agreement of the judge at hand; nan = none.
    """
    metric = primary_metric(table.criteria)
    known = 0 < measured < 1
    shown = power.smallest_detectable_difference(
        agreement.metric_of(metric), table.rows, agreement=measured if known else power.USUAL_AGREEMENT
    )
    criteria = dict(zip(table.names, shown.per_criterion, strict=True))
    said = f"{shown.assumptions} The agreement is this judge's." if known else shown.assumptions
    return Detectable(metric, criteria, shown.mean, said)


def _pooled(table: ScoreTable, judgement: Judgement, metric: Metric, by: Grouping, seed: int) -> list[Agreement]:
    usable = [k for k, fits in enumerate(table.usable(metric, judgement)) if fits]
    if not usable:
        return []
    judged, people = judgement.scores[:, usable], table.rows.select(usable)
    figures = grouping.table(metric, judged, people, grouping=by).per_criterion
    estimates = uncertainty.bootstrap(metric, judged, people, grouping=by, seed=seed)
    rows: list[Agreement] = []
    for at, name in enumerate(people.names):
        context = (*_context(people, at, metric, by, judged[:, at]), figures[at].coverage, figures[at].n_pairs)
        rows.append(_row(judgement, name, metric, by, estimates.per_criterion[at], context))
    if len(usable) == len(table.criteria) > 1:
        annotator, beside, floor, coverage = (
            grouping.mean([getattr(row, which) for row in rows])
            for which in ("one_annotator", "beside_annotator", "floor", "coverage")
        )
        context = (annotator, beside, floor, coverage, min(row.rows for row in rows))
        rows.append(_row(judgement, MEAN, metric, by, estimates.mean, context))
    return rows


def _row(
    judgement: Judgement,
    name: str,
    metric: Metric,
    by: Grouping,
    estimate: Estimate,
    context: tuple[float, float, float, float, int],
) -> Agreement:
    key = (judgement.judge, judgement.layout, name, metric.name, by)
    return Agreement(*key, estimate.value, estimate.low, estimate.high, *context)


def _context(people: RatedRows, at: int, metric: Metric, by: Grouping, judged: Vector) -> tuple[float, float, float]:
    """What one annotator reaches by a statistic on one criterion, the judge on the same rows, and a constant."""
    human, scale = people.human[:, at], people.levels[at]
    annotator = baselines.one_annotator(
        metric, people.raters[at], levels=scale, documents=people.documents, grouping=by
    )
    nominal = scale is not None and scale.nominal and not math.isnan(annotator.value)
    on_rows = np.where(annotator.rows, judged, np.nan) if nominal else judged
    beside = grouping.grouped(metric, on_rows, human, levels=scale, documents=people.documents, grouping=by).value
    # A constant has no correlation, whatever it is; the search would only find that out a hundred times.
    if not metric.needs_scale or by != "pooled" or np.isnan(human).all():
        return annotator.value, beside, math.nan
    return annotator.value, beside, baselines.constant_baseline(metric, human, levels=scale).value

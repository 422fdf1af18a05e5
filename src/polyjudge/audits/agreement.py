"""Agreement in context: each metric with its interval, the two baselines (one annotator, a constant), and power."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
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
        one_annotator: the same statistic of one rater against the others; nan = unknown. It is no upper bound: a judge
            is compared with the mean of all raters, which is less noisy than one.
        beside_annotator: on a criterion of labels the judge's value on the rows of ``one_annotator``, which leave out
            tied votes; otherwise ``value``.
        floor: the best value of a constant answer; nan = undefined for every constant.
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


def agreements(table: ScoreTable, judgement: Judgement, seed: int, metrics: Sequence[Metric]) -> tuple[Agreement, ...]:
    """Each of the metrics that is defined, pooled, and the primary one also by document; criteria, then their mean."""
    primary = primary_metric(table.criteria)
    rows: list[Agreement] = []
    for metric in metrics:
        rows += _agreements(table, judgement, metric, "pooled", seed)
    if table.rows.documents is not None and primary != "primary":
        for by_document in ("document-skip", "document-zero"):
            rows += _agreements(table, judgement, agreement.metric_of(primary), by_document, seed)
    return tuple(rows)


def detectable(table: ScoreTable, measured: float = math.nan) -> Detectable:
    """The smallest detectable difference on these ratings, if there are no scores of two judges.

    Args:
        table: with the ratings.
        measured: the agreement of the judge at hand; nan = unknown.
    """
    metric = primary_metric(table.criteria)
    known = 0 < measured < 1
    shown = power.smallest_detectable_difference(
        agreement.metric_of(metric), table.rows, agreement=measured if known else power.USUAL_AGREEMENT
    )
    criteria = dict(zip(table.names, shown.per_criterion, strict=True))
    assumptions = f"{shown.assumptions} The agreement is this judge's." if known else shown.assumptions
    return Detectable(metric, criteria, shown.mean, assumptions)


def _agreements(table: ScoreTable, judgement: Judgement, metric: Metric, by: Grouping, seed: int) -> list[Agreement]:
    usable = [k for k, fits in enumerate(table.usable(metric, judgement)) if fits]
    if not usable:
        return []
    judged, people = judgement.scores[:, usable], table.rows.select(usable)
    figures = grouping.table(metric, judged, people, grouping=by).per_criterion
    estimates = uncertainty.bootstrap(metric, judged, people, grouping=by, seed=seed)
    rows: list[Agreement] = []
    for k, name in enumerate(people.names):
        context = (*_context(people, k, metric, by, judged[:, k]), figures[k].coverage, figures[k].n_pairs)
        rows.append(_row(judgement, name, metric, by, estimates.per_criterion[k], context))
    if len(usable) == len(table.criteria) > 1:
        annotator, beside, floor, coverage = (
            grouping.mean([getattr(row, name) for row in rows])
            for name in ("one_annotator", "beside_annotator", "floor", "coverage")
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


def _context(people: RatedRows, k: int, metric: Metric, by: Grouping, judged: Vector) -> tuple[float, float, float]:
    """The agreement of one annotator on one criterion, that of the judge on the same rows, and that of a constant."""
    human, scale = people.human[:, k], people.levels[k]
    annotator = baselines.one_annotator(
        metric, people.raters[k], levels=scale, documents=people.documents, grouping=by
    )
    nominal = scale is not None and scale.nominal and not math.isnan(annotator.value)
    on_rows = np.where(annotator.rows, judged, np.nan) if nominal else judged
    beside = grouping.grouped(metric, on_rows, human, levels=scale, documents=people.documents, grouping=by).value
    # Constants have no correlation: the search over them is skipped.
    if not metric.needs_scale or by != "pooled" or np.isnan(human).all():
        return annotator.value, beside, math.nan
    return annotator.value, beside, baselines.constant_baseline(metric, human, levels=scale).value

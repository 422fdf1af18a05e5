"""The first sections: what was reached on the test rows, in context."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from polyjudge.formatting.markup import Html, table
from polyjudge.formatting.text import interval, number, percent, signed, with_interval
from polyjudge.metrics import agreement, baselines, uncertainty
from polyjudge.metrics.estimates import Estimates
from polyjudge.metrics.levels import Matrix
from polyjudge.reporting.html.categories import intervals
from polyjudge.reporting.html.chart import NOT_GIVEN, Chart, Point
from polyjudge.reporting.html.page import Section, folded, paragraphs
from polyjudge.reporting.report_data import ReportData
from polyjudge.results.finished import matrix_of, people_of
from polyjudge.results.outcome import PRIMARY, Comparison

CONSTANT = "a constant answer"
PAIRED = "Differences are paired, on the rows that both prompts scored. "
RESAMPLES = 1000


@dataclass(frozen=True, slots=True)
class Sides:
    """Both prompts on the rows that both scored, with intervals of their own; None where no row was kept."""

    initial: Estimates
    fitted: Estimates


def agreement_section(run: ReportData) -> Section:
    """Agreement by criterion before and after, beside one annotator and a constant answer."""
    outcome = run.outcome
    sides = _sides(run)
    floors = {name: _floor(run, k, run.metric) for k, name in enumerate(run.names)}
    unit = outcome.unit if outcome.documents else "rows"
    text = (
        f"Agreement is {_metric(run)}, pooled over {outcome.counted()}, "
        f"{'read after every step' if run.paper else 'which the run read once, at its end'}. "
        f"{PAIRED if run.changed else ''}The 95 % intervals resample {unit}."
    )
    return Section(
        "agreement",
        "Agreement with people",
        (
            paragraphs([text, *(f"Of the data: {note}." for note in run.notes)]),
            _chart(run, sides, floors),
            _table(run, sides, floors),
            paragraphs([_context(run, floors)], "soft"),
            _measures(run),
        ),
        "Agreement",
    )


def _metric(run: ReportData) -> str:
    return "each criterion's own metric" if run.outcome.metric == PRIMARY else run.outcome.metric


def _chart(run: ReportData, sides: Sides | None, floors: dict[str, float]) -> Chart:
    points: list[Point] = []
    for k, row in enumerate((*run.outcome.criteria, run.outcome.mean)):
        sides_of_row = ((f"initial {run.part}", row.initial), (f"fitted {run.part}", row.fitted))
        for series, value in sides_of_row[: 1 + run.changed]:
            ends = NOT_GIVEN
            if sides is not None:
                side = sides.initial if series.startswith("initial") else sides.fitted
                ends = (side.per_criterion[k] if k < len(run.names) else side.mean).interval
            points.append(Point(row.name, series, value, ends))
    marks = [Point(row.name, "one annotator with the others", row.one_annotator) for row in run.outcome.criteria]
    marks += [Point(name, f"{CONSTANT} (floor)", floor) for name, floor in floors.items()]
    marks = [mark for mark in marks if not math.isnan(mark.value)]
    prompts = f"the initial and the fitted {run.part}" if run.changed else "the initial prompt"
    caption = f"Agreement ({_metric(run)}) of {prompts} on the test rows, with 95 % intervals."
    return intervals("agreement", caption, points, run.metric_label, marks=marks)


def _table(run: ReportData, sides: Sides | None, floors: dict[str, float]) -> Html:
    compared = ("initial", "fitted", "difference", "95 % interval") if run.changed else ("initial",)
    columns = ("criterion", *compared, "one annotator", "floor", "scored")

    def cells(k: int, row: Comparison) -> list[str]:
        mean = k == len(run.names)
        ends = [NOT_GIVEN, NOT_GIVEN]
        if sides is not None:
            both = (sides.initial, sides.fitted)
            ends = [(side.mean if mean else side.per_criterion[k]).interval for side in both]
        values = [
            with_interval(value, around.low, around.high)
            for value, around in zip((row.initial, row.fitted), ends, strict=True)
        ]
        change = (signed(row.difference), interval(row.low, row.high))
        annotator = number(row.one_annotator, "" if mean else "unknown")
        floor = "" if mean else number(floors[row.name], "none")
        compared = (*values, *change) if run.changed else values[:1]
        return [row.name, *compared, annotator, floor, percent(row.coverage)]

    rows = [cells(k, row) for k, row in enumerate((*run.outcome.criteria, run.outcome.mean))]
    return table(columns, rows, "In brackets: 95 % intervals.", whole="mean")


def _context(run: ReportData, floors: dict[str, float]) -> str:
    words = []
    if all(math.isnan(row.one_annotator) for row in run.outcome.criteria):
        words.append("One annotator's agreement with the others is unknown: it takes two raters.")
    else:
        words.append("One annotator is how well a single rater agrees with the others; it is no upper bound.")
    if all(math.isnan(floor) for floor in floors.values()):
        words.append(f"A constant judge has no {run.metric_label}, so that there is no floor. Chance gives 0.")
    else:
        words.append("The floor is the best agreement of a judge that gives every row the same answer.")
    return " ".join(words)


def _measures(run: ReportData) -> Html | None:
    """Every statistic that has a meaning here, by criterion, with the floor of a constant answer."""
    if not run.rows:
        return None
    rows = []
    people = people_of(run.rows, run.initial, run.outcome.unit)
    before, after = _both(run)
    for name in agreement.names():
        metric = agreement.metric_of(name)
        if name == run.outcome.metric or name == PRIMARY or (metric.needs_scale and not run.on_scale):
            continue
        for k, criterion in enumerate(run.names):
            if metric.applies_to(people.levels[k]):
                sides = (before, after)[: 1 + run.changed]
                values = [metric(side[:, k], people.human[:, k], people.levels[k]) for side in sides]
                direction = "higher is better" if metric.higher_is_better else "lower is better"
                floor = number(_floor(run, k, metric), "none")
                rows.append([name, criterion, *map(number, values), floor, direction])
    columns = ("statistic", "criterion", *("initial", "fitted")[: 1 + run.changed], CONSTANT, "direction")
    return folded("Other statistics", table(columns, rows, "On the same test rows.")) if rows else None


def _sides(run: ReportData) -> Sides | None:
    if not run.rows:
        return None
    people = people_of(run.rows, run.initial, run.outcome.unit)
    estimates = [uncertainty.bootstrap(run.metric, side, people, n_resamples=RESAMPLES) for side in _both(run)]
    return Sides(*estimates)


def _both(run: ReportData) -> tuple[Matrix, Matrix]:
    """The scores of both prompts, of the rows that both scored."""
    before, after = (matrix_of(run.rows, run.initial, what) for what in ("initial", "fitted"))
    return np.where(np.isnan(after), np.nan, before), np.where(np.isnan(before), np.nan, after)


def _floor(run: ReportData, k: int, metric: agreement.Metric) -> float:
    if not run.rows or (metric.needs_scale and not run.on_scale):
        return math.nan
    people = people_of(run.rows, run.initial, run.outcome.unit)
    return baselines.constant_baseline(metric, people.human[:, k], levels=people.levels[k]).value

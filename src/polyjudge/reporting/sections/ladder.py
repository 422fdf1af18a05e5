"""The first picture of a run: what each rung of the ladder reaches, what it adds, and what it costs."""

from __future__ import annotations

from polyjudge.formatting.markup import table
from polyjudge.metrics.estimates import Interval
from polyjudge.reporting.html.categories import intervals
from polyjudge.reporting.html.chart import Point
from polyjudge.reporting.html.page import Section, listed, paragraphs
from polyjudge.reporting.report_data import ReportData
from polyjudge.results.rungs import BASELINE, RUNG_COLUMNS, rung_notes, rung_rows


def ladder_section(run: ReportData) -> Section | None:
    """The rungs; None for a run that fitted words alone."""
    rungs, outcome = run.outcome.rungs, run.outcome
    if not rungs:
        return None
    reached = [Point(rung.name, "agreement", rung.agreement, Interval(rung.low, rung.high)) for rung in rungs]
    gained = [
        Point(rung.name, "gain", rung.gain, Interval(rung.gain_low, rung.gain_high))
        for rung in rungs
        if rung.name != BASELINE and rung.changed
    ]
    unit = outcome.unit if outcome.documents else "rows"
    text = (
        f"The fit climbs from the judge as it stands. Each rung is measured on {outcome.counted()}, which decided "
        f"nothing, by the mean {run.metric_label} over the criteria. Gains are over the baseline and paired; 95 % "
        f"intervals resample {unit}; p-values are corrected by Holm. Calls to climb are those of any role, from the "
        f"cache or not; the cost is what this invocation paid."
    )
    return Section(
        "ladder",
        "The ladder",
        (
            paragraphs([text]),
            intervals(
                "ladder", "Agreement after each rung, with 95 % intervals.", reached, run.metric_label, of="rung"
            ),
            intervals(
                "gains",
                "Gain of each rung over the baseline, paired, with 95 % intervals.",
                gained,
                "gain",
                of="rung",
                differences=True,
            )
            if gained
            else None,
            table(RUNG_COLUMNS, rung_rows(rungs), "In brackets: 95 % intervals."),
            listed(rung_notes(rungs)),
        ),
        "Ladder",
    )

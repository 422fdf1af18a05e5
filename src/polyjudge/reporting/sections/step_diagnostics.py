"""The two failures: diluted gradients and interfering instructions, where they were measured."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from polyjudge.diagnosis.records import MEAN, Cell, Diagnosis, Dilution, Figure, Interference
from polyjudge.formatting.markup import Html, join, table, tag
from polyjudge.formatting.text import interval, many, number, percent, signed
from polyjudge.metrics.estimates import Estimate
from polyjudge.reporting.html.categories import bars, intervals
from polyjudge.reporting.html.chart import Chart, Point
from polyjudge.reporting.html.figures import heat, lines
from polyjudge.reporting.html.page import Section, folded, listed, paragraphs
from polyjudge.reporting.report_data import Material

SPECIFICITY = {
    ("specificity", "separate"): "separate gradients",
    ("specificity", "joint"): "joint gradients",
    ("concatenation", "separate"): "control: separate ones, joined",
    ("extraction", "joint"): "control: own sentences of joint ones",
}
TOP = 10
COMPANY = {"apart": "a call each", "together": "one call for all"}
QUESTIONS = {
    "dilution": "Are gradients diluted?",
    "interference": "Do instructions interfere?",
    "optimizer obeys": "Does the optimizer obey?",
}


def meters_section(run: Material) -> Section:
    """Dilution and interference, or how they can be measured."""
    found = run.diagnosis
    remedy = "polyjudge diagnose, given this run's folder, measures dilution and interference, with their controls."
    if found is None and not run.diagnostics:
        parts: tuple[Html | Chart | None, ...] = (paragraphs([f"Not measured for this run: {remedy}"]),)
    elif found is None:
        parts = (*_stepwise(run), paragraphs([f"As the run went, without controls: {remedy}"], "soft"))
    else:
        parts = (
            _cards(found),
            *_dilution(found),
            *_interference(found),
            *_adherence(found),
            *_stepwise(run),
            listed(found.notes),
        )
    return Section("failures", "The two failure modes", parts, "Failure modes")


def _cards(found: Diagnosis) -> Html | None:
    cards = []
    for verdict in found.verdicts:
        good = "good" if verdict.question == "optimizer obeys" else "bad"
        other = "bad" if good == "good" else "good"
        tone = {"yes": good, "no": other}.get(verdict.answer, "doubt")
        title = QUESTIONS.get(verdict.question, verdict.question)
        answer = tag("span", verdict.answer, class_=f"tag {tone}")
        cards.append(tag("div", tag("h3", title, answer), tag("p", verdict.because)))
    return tag("div", cards, class_="cards") if cards else None


def _dilution(found: Diagnosis) -> Iterator[Html | Chart | None]:
    if found.dilution is None:
        return
    yield tag("h3", "Gradient dilution")
    figures = found.dilution.figures
    names = (*found.criteria, MEAN)
    points = [
        _point(one.criterion, told, one.estimate)
        for name in names
        for (what, of), told in SPECIFICITY.items()
        for one in figures
        if (one.name, one.of, one.criterion) == (what, of, name)
    ]
    caption = (
        "Specificity of the gradients to a criterion, 1 to 10, with 95 % intervals. Separate minus joined is scope; "
        "joined minus joint is dilution."
    )
    yield bars("specificity", caption, points, "specificity", top=TOP)
    yield _contrasts(found.dilution)
    blind = [
        _point(one.criterion, f"{one.of} gradients", one.estimate)
        for one in figures
        if one.name == "blind attribution"
    ]
    caption = (
        f"Blind attribution: the share of gradients that the diagnostic model gives to the right criterion, names "
        f"masked; chance is 1 in {len(found.criteria)}."
    )
    yield bars("attribution", caption, blind, "share right", top=1.0)


def _contrasts(found: Dilution) -> Html | None:
    rows = [_figure_row(one) for one in found.figures if " - " in one.of and one.criterion == MEAN]
    return (
        table(("difference", "what it is", "value", "95 % interval"), rows, "Over all criteria.", texts=(1,))
        if rows
        else None
    )


def _figure_row(one: Figure) -> list[str]:
    return [one.of, one.name, signed(one.estimate.value), interval(one.estimate.low, one.estimate.high)]


def _interference(found: Diagnosis) -> Iterator[Html | Chart | None]:
    one = found.interference
    if one is None:
        return
    yield tag("h3", "Instruction interference")
    yield paragraphs(
        [f"On {many(one.rows, 'held-out rows')} of {many(one.clusters, one.unit)}, judged in either company."]
    )
    cells = [cell for cell in one.cells if cell.criterion == MEAN]
    caption = f"Mean {one.metric} of the instructions, each criterion in a call of its own and all in one call."
    points = [_point(cell.instructions, COMPANY.get(cell.company, cell.company), cell.agreement) for cell in cells]
    yield intervals("two-by-two", caption, points, one.metric, of="instructions")
    yield _effects(one)
    yield folded("Every criterion", _cells(one.metric, one.cells)) if one.cells else None
    if one.pairs:
        caption = (
            f"What the row's criterion gains (blue) or loses (red) in {one.metric} when it shares a call with the "
            f"column's, against being judged alone."
        )
        pairs = [(pair.criterion, pair.company, pair.difference.value) for pair in one.pairs]
        yield heat("interference", caption, _square(pairs), ("criterion", "in company of", "difference"),
                   diverging=True, digits=3)  # fmt: skip
    if one.cherry_pick is not None:
        pick = one.cherry_pick
        told = f"The best instruction of each criterion, chosen on the {pick.chosen_on} rows, put into one prompt."
        yield join([tag("h4", "Cherry-picked"), tag("p", told)])
        yield _cells(pick.metric, [cell for cell in pick.cells if cell.criterion == MEAN])


def _square(pairs: Sequence[tuple[str, str, float]]) -> list[tuple[str, str, float]]:
    """Pairs in the order of their first member, so that rows and columns match."""
    names = list(dict.fromkeys(name for pair in pairs for name in pair[:2]))
    found = {pair[:2]: pair[2] for pair in pairs}
    return [(row, column, found.get((row, column), math.nan)) for row in names for column in names]


def _effects(found: Interference) -> Html | None:
    rows = [[f"{one.name}, {one.of}", signed(one.estimate.value), interval(one.estimate.low, one.estimate.high)]
            for one in found.figures if one.criterion == MEAN]  # fmt: skip
    caption = f"Differences of the mean {found.metric}, paired by row."
    return table(("difference", "value", "95 % interval"), rows, caption) if rows else None


def _cells(metric: str, cells: Sequence[Cell]) -> Html:
    columns = ("instructions", "company", "criterion", metric, "95 % interval", "scored", "words")
    rows = [
        [
            cell.instructions,
            COMPANY.get(cell.company, cell.company),
            cell.criterion,
            number(cell.agreement.value),
            interval(cell.agreement.low, cell.agreement.high),
            percent(cell.coverage),
            f"{cell.words:,}",
        ]
        for cell in cells
    ]
    return table(columns, rows, f"{metric} by instructions and company.", texts=(1, 2))


def _adherence(found: Diagnosis) -> Iterator[Html | Chart]:
    if found.adherence is None:
        return
    yield tag("h3", "Adherence to the feedback")
    points = [_point(one.criterion, "adherence", one.estimate) for one in found.adherence.figures]
    yield bars(
        "adherence", "How closely new instructions follow the gradients, 1 to 10.", points, "adherence", top=TOP
    )


def _stepwise(run: Material) -> Iterator[Html | Chart]:
    """Means of the marks that --diagnostics took, by step and criterion."""
    for what in ("specificity", "adherence"):
        marks: dict[tuple[str, int], list[float]] = {}
        for line in run.diagnostics:
            for rating in line.ratings:
                if rating.name == what and not math.isnan(rating.score):
                    marks.setdefault((rating.criterion, line.step), []).append(rating.score)
        points = [
            (name, step, math.fsum(own) / len(own))
            for name in run.names
            for (criterion, step), own in sorted(marks.items())
            if criterion == name
        ]
        told = {
            "specificity": "How specific each step's gradients are to a criterion, 1 to 10, rated with --diagnostics.",
            "adherence": "How closely each step's new instructions follow them, 1 to 10.",
        }
        if points:
            yield lines(f"diagnostic-{what}", told[what], points, what, domain=(0, TOP))


def _point(category: str, series: str, estimate: Estimate) -> Point:
    return Point(category, series, estimate.value, estimate.interval)

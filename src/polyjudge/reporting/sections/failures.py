"""The two failures: diluted gradients and interfering instructions, where they were measured."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from polyjudge.diagnosis.records import MEAN, Cell, Diagnosis, Dilution, Figure, Interference
from polyjudge.formatting.markup import Html, join, table, tag
from polyjudge.formatting.text import interval, many_of, number, percent, signed
from polyjudge.metrics.estimates import Estimate
from polyjudge.reporting.html.categories import bars, intervals
from polyjudge.reporting.html.chart import Chart, Point
from polyjudge.reporting.html.figures import heat, lines
from polyjudge.reporting.html.page import Section, folded, listed, paragraphs
from polyjudge.reporting.report_data import ReportData

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


def failures_section(run: ReportData) -> Section:
    """Dilution and interference, or how they can be measured."""
    diagnosis = run.diagnosis
    remedy = "polyjudge diagnose RUN measures dilution and interference, with their controls."
    if diagnosis is None and not run.diagnostics:
        parts: tuple[Html | Chart | None, ...] = (paragraphs([f"Not measured for this run. {remedy}"]),)
    elif diagnosis is None:
        parts = (*_stepwise(run), paragraphs([f"Measured along the run, without controls. {remedy}"], "soft"))
    else:
        parts = (
            _cards(diagnosis),
            *_dilution(diagnosis),
            *_interference(diagnosis),
            *_adherence(diagnosis),
            *_stepwise(run),
            listed(diagnosis.notes),
        )
    return Section("failures", "The two failure modes", parts, "Failure modes")


def _cards(diagnosis: Diagnosis) -> Html | None:
    cards = []
    for verdict in diagnosis.verdicts:
        good = "good" if verdict.question == "optimizer obeys" else "bad"
        other = "bad" if good == "good" else "good"
        tone = {"yes": good, "no": other}.get(verdict.answer, "doubt")
        title = QUESTIONS.get(verdict.question, verdict.question)
        answer = tag("span", verdict.answer, class_=f"tag {tone}")
        cards.append(tag("div", tag("h3", title, answer), tag("p", verdict.because)))
    return tag("div", cards, class_="cards") if cards else None


def _dilution(diagnosis: Diagnosis) -> Iterator[Html | Chart | None]:
    if diagnosis.dilution is None:
        return
    yield tag("h3", "Gradient dilution")
    figures = diagnosis.dilution.figures
    names = (*diagnosis.criteria, MEAN)
    points = [
        _point(figure.criterion, label, figure.estimate)
        for name in names
        for (what, of), label in SPECIFICITY.items()
        for figure in figures
        if (figure.name, figure.of, figure.criterion) == (what, of, name)
    ]
    caption = (
        "Specificity of the gradients to a criterion, 1 to 10, with 95 % intervals. Separate minus joined is scope; "
        "joined minus joint is dilution."
    )
    yield bars("specificity", caption, points, "specificity", top=TOP)
    yield _contrasts(diagnosis.dilution)
    blind = [
        _point(figure.criterion, f"{figure.of} gradients", figure.estimate)
        for figure in figures
        if figure.name == "blind attribution"
    ]
    caption = (
        f"Blind attribution: the share of gradients that the diagnostic model gives to the right criterion, names "
        f"masked; chance is 1 in {len(diagnosis.criteria)}."
    )
    yield bars("attribution", caption, blind, "share right", top=1.0)


def _contrasts(dilution: Dilution) -> Html | None:
    rows = [_figure_row(figure) for figure in dilution.figures if " - " in figure.of and figure.criterion == MEAN]
    return (
        table(("difference", "what it is", "value", "95 % interval"), rows, "Over all criteria.", texts=(1,))
        if rows
        else None
    )


def _figure_row(figure: Figure) -> list[str]:
    return [figure.of, figure.name, signed(figure.estimate.value), interval(figure.estimate.low, figure.estimate.high)]


def _interference(diagnosis: Diagnosis) -> Iterator[Html | Chart | None]:
    interference = diagnosis.interference
    if interference is None:
        return
    yield tag("h3", "Instruction interference")
    counted = many_of(interference.rows, "held-out rows", interference.clusters, interference.unit)
    yield paragraphs([f"On {counted}. Each row is judged with one call for each criterion and with one call for all."])
    cells = [cell for cell in interference.cells if cell.criterion == MEAN]
    caption = (
        f"Mean {interference.metric} of the instructions, each criterion in a call of its own and all in one call."
    )
    points = [_point(cell.instructions, COMPANY.get(cell.company, cell.company), cell.agreement) for cell in cells]
    yield intervals("two-by-two", caption, points, interference.metric, of="instructions")
    yield _effects(interference)
    yield folded("Every criterion", _cells(interference.metric, interference.cells)) if interference.cells else None
    if interference.pairs:
        caption = (
            f"What the row's criterion gains (blue) or loses (red) in {interference.metric} when it shares a call "
            f"with the column's, against being judged alone."
        )
        pairs = [(pair.criterion, pair.company, pair.difference.value) for pair in interference.pairs]
        yield heat("interference", caption, _square(pairs), ("criterion", "in company of", "difference"),
                   diverging=True, digits=3)  # fmt: skip
    if interference.cherry_pick is not None:
        pick = interference.cherry_pick
        text = f"The best instruction of each criterion, chosen on the {pick.chosen_on} rows, put into one prompt."
        yield join([tag("h4", "Cherry-picked"), tag("p", text)])
        yield _cells(pick.metric, [cell for cell in pick.cells if cell.criterion == MEAN])


def _square(pairs: Sequence[tuple[str, str, float]]) -> list[tuple[str, str, float]]:
    """Pairs in the order of their first member, so that rows and columns match."""
    names = list(dict.fromkeys(name for pair in pairs for name in pair[:2]))
    values = {pair[:2]: pair[2] for pair in pairs}
    return [(row, column, values.get((row, column), math.nan)) for row in names for column in names]


def _effects(interference: Interference) -> Html | None:
    means = [figure for figure in interference.figures if figure.criterion == MEAN]
    rows = [
        [f"{mean.name}, {mean.of}", signed(mean.estimate.value), interval(mean.estimate.low, mean.estimate.high)]
        for mean in means
    ]
    caption = f"Differences of the mean {interference.metric}, paired by row."
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


def _adherence(diagnosis: Diagnosis) -> Iterator[Html | Chart]:
    if diagnosis.adherence is None:
        return
    yield tag("h3", "Adherence to the feedback")
    points = [_point(figure.criterion, "adherence", figure.estimate) for figure in diagnosis.adherence.figures]
    yield bars(
        "adherence", "How closely new instructions follow the gradients, 1 to 10.", points, "adherence", top=TOP
    )


def _stepwise(run: ReportData) -> Iterator[Html | Chart]:
    """Means of the ratings that --diagnostics took, by step and criterion."""
    for what in ("specificity", "adherence"):
        scored: dict[tuple[str, int], list[float]] = {}
        for line in run.diagnostics:
            for rating in line.ratings:
                if rating.name == what and not math.isnan(rating.score):
                    scored.setdefault((rating.criterion, line.step), []).append(rating.score)
        points = [
            (name, step, math.fsum(scores) / len(scores))
            for name in run.names
            for (criterion, step), scores in sorted(scored.items())
            if criterion == name
        ]
        text = {
            "specificity": "How specific each step's gradients are to a criterion, 1 to 10, rated with --diagnostics.",
            "adherence": "How closely each step's new instructions follow them, 1 to 10.",
        }
        if points:
            yield lines(f"diagnostic-{what}", text[what], points, what, domain=(0, TOP))


def _point(category: str, series: str, estimate: Estimate) -> Point:
    return Point(category, series, estimate.value, estimate.interval)

"""diagnosis.md: verdicts first, each with its evidence, then the tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from polyjudge.diagnosis.records import MEAN, Cell, Diagnosis, Figure, Interference, Texts, Verdict
from polyjudge.formatting.text import Form, many, number, percent, signed, table_text, with_interval
from polyjudge.llm.request import SIMULATED
from polyjudge.metrics.estimates import Estimate

_TENTHS = partial(number, digits=1)
_FORMS: dict[str, Form] = {
    "blind attribution": percent,
    "edit yield": percent,
    "edit effect": signed,
    "naming others": percent,
}


def page(diagnosis: Diagnosis) -> str:
    """The file's text."""
    mark = f" ({SIMULATED})" if diagnosis.simulated else ""
    models = ", ".join(f"{role} {model}" for role, model in diagnosis.models.items())
    lines = [f"# Diagnosis of {diagnosis.run}{mark}", "", *verdict_lines(diagnosis.verdicts), ""]
    lines += [f"- {note}" for note in diagnosis.notes]
    lines += ["", f"Mode {diagnosis.mode}, gate {diagnosis.gate}; {models}.", ""]
    lines += [*_dilution(diagnosis), *_adherence(diagnosis), *_interference(diagnosis), *_texts(diagnosis)]
    return "\n".join(lines).rstrip() + "\n"


def verdict_lines(verdicts: Sequence[Verdict]) -> list[str]:
    """A line a verdict."""
    return [f"- **{verdict.question}: {verdict.answer}** - {verdict.because}." for verdict in verdicts]


def _dilution(diagnosis: Diagnosis) -> Iterator[str]:
    dilution = diagnosis.dilution
    if dilution is None:
        return
    yield from ("## Gradients", "")
    yield (
        f"Ratings from 1 to 10 of {percent(dilution.audited)} of the steps; {many(dilution.unreadable, 'answers')} "
        f"could not be read. The 95 % intervals resample steps."
    )
    yield ""
    yield from _matrix(dilution.figures, diagnosis.criteria)
    yield ""


def _adherence(diagnosis: Diagnosis) -> Iterator[str]:
    adherence = diagnosis.adherence
    if adherence is None or not adherence.figures:
        return
    yield from (
        "## Adherence",
        "",
        f"{many(len(adherence.ratings), 'ratings')}, {adherence.unreadable} unreadable.",
        "",
    )
    yield from _matrix(adherence.figures, diagnosis.criteria)
    yield ""


def _matrix(figures: Sequence[Figure], criteria: Sequence[str]) -> list[str]:
    """Rows of (name, of), a column a criterion and the mean last."""
    columns = (*criteria, MEAN)
    rows = []
    for name, of in dict.fromkeys((figure.name, figure.of) for figure in figures):
        cells = {figure.criterion: figure.estimate for figure in figures if (figure.name, figure.of) == (name, of)}
        form = _FORMS.get(name, _TENTHS)
        rows.append((f"{name}, {of}", *(_estimate(cells[c], form) if c in cells else "" for c in columns)))
    return table_text(rows, ("", *columns))


def _interference(diagnosis: Diagnosis) -> Iterator[str]:
    interference = diagnosis.interference
    if interference is None:
        return
    yield from ("## Criteria in company", "")
    rows = many(interference.rows, "held-out rows") + (
        "" if interference.unit == "rows" else f" of {many(interference.clusters, interference.unit)}"
    )
    yield f"{interference.metric} on {rows}; apart: a call each, together: one call for all."
    yield from ("", *_cells(interference.cells, diagnosis.criteria), "")
    yield from (*_differences(interference.figures, diagnosis.criteria), "")
    uncovered = [cell for cell in interference.cells if cell.coverage < 1 and cell.criterion != MEAN]
    if uncovered:
        least = min(cell.coverage for cell in uncovered)
        yield f"Some rows have no readable score; the lowest coverage of a cell is {percent(least)}. Differences are"
        yield from ("taken on the rows that all of their sides scored.", "")
    if interference.pairs:
        yield from ("Each criterion in company of another, minus alone (fitted instructions):", "")
        yield from (*_pairs(interference, diagnosis.criteria), "")
    if interference.cherry_pick is not None:
        picked = interference.cherry_pick
        where = f"chosen by {picked.metric} on the {picked.chosen_on} rows"
        yield from ("### The best of each criterion, put together", "", f"Instructions {where}.", "")
        yield from (
            *_cells(picked.cells, diagnosis.criteria),
            "",
            *_differences(picked.figures, diagnosis.criteria),
            "",
        )


def _cells(cells: Sequence[Cell], criteria: Sequence[str]) -> list[str]:
    columns = (*criteria, MEAN)
    rows = []
    for kind in dict.fromkeys((cell.instructions, cell.company) for cell in cells):
        by_criterion = {cell.criterion: cell for cell in cells if (cell.instructions, cell.company) == kind}
        values = (_estimate(by_criterion[criterion].agreement, number) for criterion in columns)
        rows.append((", ".join(kind), *values, str(by_criterion[MEAN].words)))
    return table_text(rows, ("instructions", *columns, "words"))


def _differences(figures: Sequence[Figure], criteria: Sequence[str]) -> list[str]:
    columns = (*criteria, MEAN)
    rows = []
    for name, of in dict.fromkeys((figure.name, figure.of) for figure in figures):
        alike = [figure for figure in figures if (figure.name, figure.of) == (name, of)]
        by_criterion = {figure.criterion: figure.estimate for figure in alike}
        rows.append((f"{of}: {name}", *(_estimate(by_criterion[c], signed) for c in columns)))
    return table_text(rows, ("difference", *columns))


def _pairs(interference: Interference, criteria: Sequence[str]) -> list[str]:
    values = {(pair.criterion, pair.company): pair.difference for pair in interference.pairs}
    rows = [
        (criterion, *("" if criterion == other else _estimate(values[criterion, other], signed) for other in criteria))
        for criterion in criteria
    ]
    return table_text(rows, ("criterion", *(f"with {name}" for name in criteria)))


def _texts(diagnosis: Diagnosis) -> Iterator[str]:
    texts = diagnosis.texts
    if texts is None:
        return
    yield from ("## Texts", "")
    yield from ("Words of each instruction after each step; drift and likeness are of letters, not of meaning.", "")
    yield from (*_lengths(texts, diagnosis.criteria), "")
    yield from (*_last(texts, diagnosis.criteria), "")
    if texts.similarities:
        alike = [similarity.value for similarity in texts.similarities]
        mean = number(sum(alike) / len(alike), digits=2)
        yield f"The gradients of two criteria of one step have a similarity of {mean} on average (0 to 1)."
        yield ""
    if texts.naming_others:
        yield from ("Share of the gradients' sentences that name another criterion:", "")
        yield from (*_matrix(texts.naming_others, diagnosis.criteria), "")


def _lengths(texts: Texts, criteria: Sequence[str]) -> list[str]:
    words = {(instruction.step, instruction.criterion): instruction.words for instruction in texts.instructions}
    steps = sorted({step for step, _ in words})
    return table_text([(f"step {step}", *(str(words[step, c]) for c in criteria)) for step in steps], ("", *criteria))


def _last(texts: Texts, criteria: Sequence[str]) -> list[str]:
    last = {instruction.criterion: instruction for instruction in texts.instructions}
    rows = [
        ("drift from the initial instruction", *(number(last[c].drift, digits=2) for c in criteria)),
        ("sentences that name other criteria", *(percent(last[c].naming_others) for c in criteria)),
    ]
    return table_text(rows, ("last instruction", *criteria))


def _estimate(estimate: Estimate, form: Form) -> str:
    return with_interval(estimate.value, estimate.low, estimate.high, form=form)

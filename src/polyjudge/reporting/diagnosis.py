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


def page(found: Diagnosis) -> str:
    """The file's text."""
    mark = f" ({SIMULATED})" if found.simulated else ""
    models = ", ".join(f"{role} {model}" for role, model in found.models.items())
    lines = [f"# Diagnosis of {found.run}{mark}", "", *verdict_lines(found.verdicts), ""]
    lines += [f"- {note}" for note in found.notes]
    lines += ["", f"Mode {found.mode}, gate {found.gate}; {models}.", ""]
    lines += [*_dilution(found), *_adherence(found), *_interference(found), *_texts(found)]
    return "\n".join(lines).rstrip() + "\n"


def verdict_lines(verdicts: Sequence[Verdict]) -> list[str]:
    """A line a verdict."""
    return [f"- **{one.question}: {one.answer}** - {one.because}." for one in verdicts]


def _dilution(found: Diagnosis) -> Iterator[str]:
    own = found.dilution
    if own is None:
        return
    yield from ("## Gradients", "")
    yield (
        f"Ratings from 1 to 10 of {percent(own.audited)} of the steps; {many(own.unreadable, 'answers')} could not "
        f"be read. The 95 % intervals resample steps."
    )
    yield ""
    yield from _matrix(own.figures, found.criteria)
    yield ""


def _adherence(found: Diagnosis) -> Iterator[str]:
    own = found.adherence
    if own is None or not own.figures:
        return
    yield from ("## Adherence", "", f"{many(len(own.ratings), 'marks')}, {own.unreadable} unreadable.", "")
    yield from _matrix(own.figures, found.criteria)
    yield ""


def _matrix(figures: Sequence[Figure], criteria: Sequence[str]) -> list[str]:
    """Rows of (name, of), a column a criterion and the mean last."""
    columns = (*criteria, MEAN)
    rows = []
    for name, of in dict.fromkeys((one.name, one.of) for one in figures):
        cells = {one.criterion: one.estimate for one in figures if (one.name, one.of) == (name, of)}
        form = _FORMS.get(name, _TENTHS)
        rows.append((f"{name}, {of}", *(_estimate(cells[c], form) if c in cells else "" for c in columns)))
    return table_text(rows, ("", *columns))


def _interference(found: Diagnosis) -> Iterator[str]:
    own = found.interference
    if own is None:
        return
    yield from ("## Criteria in company", "")
    rows = many(own.rows, "held-out rows") + ("" if own.unit == "rows" else f" of {many(own.clusters, own.unit)}")
    yield f"{own.metric} on {rows}; apart: a call each, together: one call for all."
    yield from ("", *_cells(own.cells, found.criteria), "")
    yield from (*_differences(own.figures, found.criteria), "")
    uncovered = [cell for cell in own.cells if cell.coverage < 1 and cell.criterion != MEAN]
    if uncovered:
        least = min(cell.coverage for cell in uncovered)
        yield f"Some rows have no readable score; the lowest coverage of a cell is {percent(least)}. Differences are"
        yield from ("taken on the rows that all of their sides scored.", "")
    if own.pairs:
        yield from ("Each criterion in company of another, minus alone (fitted instructions):", "")
        yield from (*_pairs(own, found.criteria), "")
    if own.cherry_pick is not None:
        picked = own.cherry_pick
        where = f"chosen by {picked.metric} on the {picked.chosen_on} rows"
        yield from ("### The best of each criterion, put together", "", f"Instructions {where}.", "")
        yield from (*_cells(picked.cells, found.criteria), "", *_differences(picked.figures, found.criteria), "")


def _cells(cells: Sequence[Cell], criteria: Sequence[str]) -> list[str]:
    columns = (*criteria, MEAN)
    rows = []
    for kind in dict.fromkeys((cell.instructions, cell.company) for cell in cells):
        own = {cell.criterion: cell for cell in cells if (cell.instructions, cell.company) == kind}
        values = (_estimate(own[criterion].agreement, number) for criterion in columns)
        rows.append((", ".join(kind), *values, str(own[MEAN].words)))
    return table_text(rows, ("instructions", *columns, "words"))


def _differences(figures: Sequence[Figure], criteria: Sequence[str]) -> list[str]:
    columns = (*criteria, MEAN)
    rows = []
    for name, of in dict.fromkeys((one.name, one.of) for one in figures):
        own = {one.criterion: one.estimate for one in figures if (one.name, one.of) == (name, of)}
        rows.append((f"{of}: {name}", *(_estimate(own[c], signed) for c in columns)))
    return table_text(rows, ("difference", *columns))


def _pairs(own: Interference, criteria: Sequence[str]) -> list[str]:
    values = {(pair.criterion, pair.company): pair.difference for pair in own.pairs}
    rows = [
        (one, *("" if one == other else _estimate(values[one, other], signed) for other in criteria))
        for one in criteria
    ]
    return table_text(rows, ("criterion", *(f"with {name}" for name in criteria)))


def _texts(found: Diagnosis) -> Iterator[str]:
    own = found.texts
    if own is None:
        return
    yield from ("## Texts", "")
    yield from ("Words of each instruction after each step; drift and likeness are of letters, not of meaning.", "")
    yield from (*_lengths(own, found.criteria), "")
    yield from (*_last(own, found.criteria), "")
    if own.similarities:
        alike = [one.value for one in own.similarities]
        mean = number(sum(alike) / len(alike), digits=2)
        yield f"The gradients of two criteria of one step have a similarity of {mean} on average (0 to 1)."
        yield ""
    if own.naming_others:
        yield from ("Share of the gradients' sentences that name another criterion:", "")
        yield from (*_matrix(own.naming_others, found.criteria), "")


def _lengths(own: Texts, criteria: Sequence[str]) -> list[str]:
    words = {(one.step, one.criterion): one.words for one in own.instructions}
    steps = sorted({step for step, _ in words})
    return table_text([(f"step {step}", *(str(words[step, c]) for c in criteria)) for step in steps], ("", *criteria))


def _last(own: Texts, criteria: Sequence[str]) -> list[str]:
    last = {one.criterion: one for one in own.instructions}
    rows = [
        ("drift from the initial instruction", *(number(last[c].drift, digits=2) for c in criteria)),
        ("sentences that name other criteria", *(percent(last[c].naming_others) for c in criteria)),
    ]
    return table_text(rows, ("last instruction", *criteria))


def _estimate(one: Estimate, form: Form) -> str:
    return with_interval(one.value, one.low, one.high, form=form)

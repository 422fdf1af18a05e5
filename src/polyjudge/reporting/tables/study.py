"""All tables of a study, in the order in which they are read.

The tables of a study: pure functions from its records to rows, and one renderer.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from polyjudge.reporting.tables.agreement import by_criterion, effects, honest, main
from polyjudge.reporting.tables.combined import cherrypick, combining
from polyjudge.reporting.tables.configurations import blocks
from polyjudge.reporting.tables.headlines import headlines
from polyjudge.reporting.tables.published import published
from polyjudge.reporting.tables.render import Column, Table
from polyjudge.reporting.tables.step_diagnostics import adherence, lengths, specificity
from polyjudge.results.outcome import notice
from polyjudge.results.study import StudyRecord


def all_tables(study: StudyRecord) -> Iterator[Table]:
    """Every table; one without input says so in its place."""
    pairs = [(block, published(block, simulated=bool(study.simulated))) for block in blocks(study)]
    made = (headlines, main, honest, effects, by_criterion, specificity, adherence, cherrypick, combining, lengths)
    for make in made:
        table = make(pairs, study.axes)
        yield replace(table, simulated=notice(study.simulated), notes=(*table.notes, *_failed(study)))


def _failed(study: StudyRecord) -> list[str]:
    return [f"Without a result, and in no table: {cell.name} ({cell.failure})." for cell in study.failed]


__all__ = ["Column", "Table", "all_tables"]

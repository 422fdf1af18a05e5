"""All tables of a study, in the order in which they are read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from polyjudge.experiments.simulated import notice
from polyjudge.experiments.study.records import StudyRecord
from polyjudge.experiments.tables.agreement import by_criterion, honest, main
from polyjudge.experiments.tables.axes import effects
from polyjudge.experiments.tables.cherrypick import cherrypick, combining
from polyjudge.experiments.tables.configurations import blocks
from polyjudge.experiments.tables.headlines import headlines
from polyjudge.experiments.tables.meters import adherence, specificity
from polyjudge.experiments.tables.published import published
from polyjudge.experiments.tables.table import Table
from polyjudge.experiments.tables.texts import lengths


def all_tables(study: StudyRecord) -> Iterator[Table]:
    """Every table; one without input says so in its place."""
    found = [(block, published(block, simulated=bool(study.simulated))) for block in blocks(study)]
    made = (headlines, main, honest, effects, by_criterion, specificity, adherence, cherrypick, combining, lengths)
    for make in made:
        table = make(found, study.axes)
        yield replace(table, simulated=notice(study.simulated), notes=(*table.notes, *_failed(study)))


def _failed(study: StudyRecord) -> list[str]:
    return [f"Without a result, and in no table: {cell.name} ({cell.failure})." for cell in study.failed]

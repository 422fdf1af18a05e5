"""Tables as Markdown for people and CSV for machines.

A table as data: rows of values, and columns that say how to show them.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Literal

from polyjudge.formatting.text import Form, inert, interval, number, p_value, percent, signed, table_text
from polyjudge.llm.request import SIMULATED
from polyjudge.metrics.estimates import Interval

Kind = Literal["text", "count", "number", "signed", "percent", "p", "interval"]


Value = str | int | float | Interval | None
"""None has no meaning in its place; NaN is undefined."""

_FORMS: dict[Kind, Form] = {"number": number, "signed": signed, "percent": percent, "p": p_value}


@dataclass(frozen=True, slots=True)
class Column:
    """A column.

    Attributes:
        key: in CSV; an interval makes two, ``KEY_low`` and ``KEY_high``.
        label: in Markdown.
        kind: how its values are shown.
    """

    key: str
    label: str
    kind: Kind = "text"


@dataclass(frozen=True, slots=True)
class Table:
    """One table.

    Attributes:
        name: of its files.
        title: in Markdown.
        columns: in order.
        rows: as many values as columns each.
        notes: below the table, a sentence each.
        simulated: the notice of a simulated study; "" when nothing is simulated.
        missing: why there are no rows, where there are none.
    """

    name: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Value, ...], ...]
    notes: tuple[str, ...] = ()
    simulated: str = ""
    missing: str = ""

    def column(self, key: str) -> Sequence[Value]:
        """All values of a column."""
        at = next(index for index, column in enumerate(self.columns) if column.key == key)
        return [row[at] for row in self.rows]


def markdown(table: Table) -> str:
    """The file's text."""
    return "\n".join(lines(table)) + "\n"


def lines(table: Table) -> list[str]:
    """A title, a banner where it is due, the rows, the notes."""
    shown = [f"# {table.title}" + (f" ({SIMULATED})" if table.simulated else ""), ""]
    shown += [f"**{table.simulated}**", ""] if table.simulated else []
    if table.rows:
        rows = [
            [cell(value, column.kind) for value, column in zip(row, table.columns, strict=True)] for row in table.rows
        ]
        shown += [*table_text(rows, [c.label for c in table.columns]), ""]
    else:
        shown += [table.missing, ""]
    shown += [f"- {note}" for note in table.notes]
    return shown


def csv_text(table: Table) -> str:
    """One line a row, numbers unrounded, an interval in two columns; a missing value is empty, NaN is nan."""
    out = StringIO()
    writer = csv.writer(out, lineterminator="\n")
    mark = [SIMULATED] if table.simulated else []
    writer.writerow([*(inert(name) for column in table.columns for name in _names(column)), *mark])
    for row in table.rows:
        cells = [cell for value, column in zip(row, table.columns, strict=True) for cell in _machine(value, column)]
        writer.writerow([*map(inert, cells), *(SIMULATED for _ in mark)])
    return out.getvalue()


def _names(column: Column) -> tuple[str, ...]:
    return (f"{column.key}_low", f"{column.key}_high") if column.kind == "interval" else (column.key,)


def _machine(value: Value, column: Column) -> Iterable[str]:
    if column.kind == "interval":
        low, high = (value.low, value.high) if isinstance(value, Interval) else (None, None)
        return (_number(low), _number(high))
    return (_number(value),)


def _number(value: Value) -> str:
    return "" if value is None else repr(value) if isinstance(value, float) else str(value)


def cell(value: Value, kind: Kind) -> str:
    """A value as people read it."""
    if value is None:
        return "-"
    if isinstance(value, Interval):
        return interval(value.low, value.high)
    if isinstance(value, str):
        return value
    return _FORMS[kind](value) if kind in _FORMS else f"{value:,}"

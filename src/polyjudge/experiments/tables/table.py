"""A table as data: rows of values, and columns that say how to show them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

Kind = Literal["text", "count", "figure", "signed", "share", "p", "span"]


class Span(NamedTuple):
    """An interval; nan ends = undecided."""

    low: float
    high: float


Value = str | int | float | Span | None
"""None = it has no meaning here; nan = undefined."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column.

    Attributes:
        key: in CSV; a span makes two, ``KEY_low`` and ``KEY_high``.
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
        at = next(place for place, column in enumerate(self.columns) if column.key == key)
        return [row[at] for row in self.rows]

"""Rows as read, with where each of them stands, so that a later message can name it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

Row = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Table:
    """Rows as read.

    Attributes:
        source: for messages.
        columns: in order; unique.
        rows: each maps columns to cells; a row of JSONL may lack some.
        lines: the file line on which each row begins; empty when the source has no lines.
        notes: what the reader changed.
        first: rows of the source before this table's, where it is a part of one.
    """

    source: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    lines: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    first: int = 0

    def where(self, position: int) -> str:
        """``row 3 (line 4)`` for the row at a 0-based position."""
        row = self.first + position + 1
        line = self.lines[position] if self.lines else row
        return f"row {row}" if line == row else f"row {row} (line {line})"

"""Numbers of things in words.

Figures and tables as texts say them; what is undefined is said, never shown as a number; what rounds to 0 has no
minus.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

# Four characters a token is the usual rule of thumb for English; it is an estimate and called one.
CHARACTERS_A_TOKEN = 4


def many(number: int, things: str) -> str:
    """``1 step``, ``12 steps``, ``1,600 steps``; ``things`` in the plural, which ends in s."""
    return f"{number:,} {things.removesuffix('s') if number == 1 else things}"


def many_of(number: int, things: str, groups: int, units: str) -> str:
    """``14 test rows of 7 documents``; where there are no groups ``14 test rows``."""
    return many(number, things) + (f" of {many(groups, units)}" if groups else "")


def figure(value: float, unknown: str = "undefined") -> str:
    """``0.305``."""
    return unknown if math.isnan(value) else f"{value:z.3f}"


def signed(value: float) -> str:
    """``+0.031``."""
    return "undefined" if math.isnan(value) else f"{value:+z.3f}"


def span(low: float, high: float) -> str:
    """``-0.010 to +0.183``."""
    return "undecided" if math.isnan(low) or math.isnan(high) else f"{low:+z.3f} to {high:+z.3f}"


def share(value: float) -> str:
    """``98%``."""
    return "undefined" if math.isnan(value) else f"{value:.0%}"


def duration(seconds: float) -> str:
    """``3 min 20 s``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    hours, minutes = whole // 3600, whole % 3600 // 60
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {whole % 60} s"


def table_text(rows: Sequence[Sequence[str]], columns: Sequence[str]) -> list[str]:
    """A Markdown table with aligned columns; a bar or a line break within a cell does not end it."""
    rows = [[" ".join(cell.split("\n")).replace("|", r"\|") for cell in row] for row in rows]
    widths = [max(len(row[k]) for row in (columns, *rows)) for k in range(len(columns))]

    def one(row: Sequence[str]) -> str:
        numbers = zip(row[1:], widths[1:], strict=True)
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in numbers)]
        return "| " + " | ".join(cells) + " |"

    rule = "|" + "|".join("-" * (width + 1) + (":" if k else "-") for k, width in enumerate(widths)) + "|"
    return [one(columns), rule, *(one(row) for row in rows)]

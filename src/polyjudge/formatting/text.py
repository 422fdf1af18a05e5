"""Counts, numbers, values and tables as messages and reports show them.

An undefined number is called undefined, and what rounds to 0 has no minus sign.
"""

from __future__ import annotations

import difflib
import math
import reprlib
from collections.abc import Iterable, Sequence

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


def clipped(value: object, width: int = 60) -> str:
    """``repr`` of a value, shortened in its middle; safe for nested, endless or huge values."""
    brief = reprlib.Repr()
    brief.maxstring = brief.maxother = brief.maxlong = width
    return brief.repr(value)


def listed(values: Iterable[object], most: int = 10) -> str:
    """``3, 9, 17 and 5 more``."""
    shown = [str(value) for value in values]
    more = len(shown) - most
    return ", ".join(shown[:most]) + (f" and {more} more" if more > 0 else "")


def nearest(name: object, known: Iterable[str]) -> str:
    """``; did you mean 'x'?`` when a known name is close, else nothing."""
    folded = {option.casefold(): option for option in known}
    close = difflib.get_close_matches(str(name).strip().casefold(), folded, n=1, cutoff=0.6)
    return f"; did you mean {folded[close[0]]!r}?" if close else ""


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

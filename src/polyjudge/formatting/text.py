"""Numbers, counts, durations and Markdown tables as text.

Every number that a person reads is written here. An undefined value is a word and never a number. A value that rounds
to 0 has no minus sign.
"""

from __future__ import annotations

import difflib
import math
import reprlib
from collections.abc import Callable, Iterable, Sequence

# Four characters a token is the usual rule of thumb for English; it is an estimate and called one.
CHARACTERS_A_TOKEN = 4

Form = Callable[[float], str]
"""Writes one number."""


def many(count: int, things: str) -> str:
    """``1 step``, ``12 steps``, ``1,600 steps``; ``things`` is a plural that ends in s."""
    return f"{count:,} {things.removesuffix('s') if count == 1 else things}"


def many_of(count: int, things: str, groups: int, units: str) -> str:
    """``14 test rows of 7 documents``; ``14 test rows`` without groups."""
    return many(count, things) + (f" of {many(groups, units)}" if groups else "")


def number(value: float, unknown: str = "undefined", *, digits: int = 3) -> str:
    """``0.305``; ``unknown`` for NaN."""
    return unknown if math.isnan(value) else f"{value:z.{digits}f}"


def signed(value: float, unknown: str = "undefined", *, digits: int = 3) -> str:
    """``+0.031``; ``unknown`` for NaN. A value that rounds to 0 is ``+0.000``."""
    return unknown if math.isnan(value) else f"{value:+z.{digits}f}"


def percent(value: float, unknown: str = "undefined", *, digits: int = 0) -> str:
    """``98%`` for 0.98; ``unknown`` for NaN."""
    return unknown if math.isnan(value) else f"{value:z.{digits}%}"


def signed_percent(value: float, unknown: str = "undefined", *, digits: int = 0) -> str:
    """``-21%`` for -0.21; ``unknown`` for NaN."""
    return unknown if math.isnan(value) else f"{value:+z.{digits}%}"


def interval(low: float, high: float, unknown: str = "undecided", *, form: Form = signed) -> str:
    """``-0.010 to +0.183``; ``unknown`` if an end is NaN."""
    return unknown if math.isnan(low) or math.isnan(high) else f"{form(low)} to {form(high)}"


def with_interval(
    value: float, low: float, high: float, unknown: str = "undefined", *, form: Form = number, unit: str = ""
) -> str:
    """``3.4 points [2.9, 3.9]``; the value alone if an end is NaN."""
    if math.isnan(value):
        return unknown
    return f"{form(value)}{unit}" + ("" if math.isnan(low) or math.isnan(high) else f" [{form(low)}, {form(high)}]")


def p_value(value: float) -> str:
    """``0.012``; a p-value below .001 is ``<0.001``, because none is 0."""
    return "<0.001" if value < 0.001 else number(value)


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


def excerpt(text: str, width: int = 80) -> str:
    """The beginning of a text on one line, in plain quotes, as a message shows what a model wrote."""
    line = " ".join(text[: 8 * width].split())
    return f'"{line if len(line) <= width else line[: width - 3] + "..."}"'


def listed(values: Iterable[object], most: int = 10) -> str:
    """``3, 9, 17 and 5 more``."""
    shown = [str(value) for value in values]
    more = len(shown) - most
    return ", ".join(shown[:most]) + (f" and {more} more" if more > 0 else "")


def nearest(name: object, known: Iterable[str]) -> str:
    """`` (did you mean 'x'?)``, to be put behind the wrong name, when a known name is close; else nothing."""
    folded = {option.casefold(): option for option in known}
    close = difflib.get_close_matches(str(name).strip().casefold(), folded, n=1, cutoff=0.6)
    return f" (did you mean {folded[close[0]]!r}?)" if close else ""


def table_text(rows: Sequence[Sequence[str]], columns: Sequence[str]) -> list[str]:
    """A Markdown table with aligned columns; a bar or a line break within a cell does not end it."""
    rows = [[" ".join(cell.split("\n")).replace("|", r"\|") for cell in row] for row in rows]
    widths = [max(len(row[k]) for row in (columns, *rows)) for k in range(len(columns))]

    def line(row: Sequence[str]) -> str:
        numbers = zip(row[1:], widths[1:], strict=True)
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in numbers)]
        return "| " + " | ".join(cells) + " |"

    rule = "|" + "|".join("-" * (width + 1) + (":" if k else "-") for k, width in enumerate(widths)) + "|"
    return [line(columns), rule, *map(line, rows)]


# What makes a spreadsheet read a cell as a formula.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def inert(cell: str) -> str:
    """A cell of a CSV file that no spreadsheet runs as a formula: what begins like one gets an apostrophe in front.

    Numbers stay as they are.
    """
    return f"'{cell}" if _is_formula(cell.lstrip("'")) else cell


def without_apostrophe(cell: str) -> str:
    """The text of a cell that ``inert`` wrote."""
    return cell[1:] if cell.startswith("'") and _is_formula(cell.lstrip("'")) else cell


def _is_formula(cell: str) -> bool:
    if not cell.startswith(_FORMULA):
        return False
    try:
        float(cell)
    except ValueError:
        return True
    return False

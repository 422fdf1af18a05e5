"""What a notebook shows of a result: a sentence and a table, escaped like a page, without a script."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from polyjudge.formatting.markup import Html, join, tag

# Notebooks have styles of their own; only what carries meaning is set.
_LEFT = "text-align:left"
_WORDS = "text-align:left;white-space:pre-wrap;overflow-wrap:anywhere"


def snippet(
    title: str, sentences: Iterable[str], columns: Sequence[str], rows: Iterable[Sequence[str]], *, words: bool = False
) -> str:
    """The markup.

    Args:
        title: in bold.
        told: sentences below it.
        columns: of the table.
        rows: of it.
        words: whether its cells are texts rather than figures.
    """
    style = _WORDS if words else None
    head = tag("tr", [tag("th", column, style=_LEFT) for column in columns])
    body = [
        tag("tr", tag("th", row[0], style=_LEFT), [tag("td", cell, style=style) for cell in row[1:]]) for row in rows
    ]
    parts: list[Html] = [tag("p", tag("strong", title)), *(tag("p", text) for text in sentences)]
    return tag("div", join([*parts, tag("table", tag("thead", head), tag("tbody", body))])).text

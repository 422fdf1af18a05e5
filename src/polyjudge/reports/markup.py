"""HTML that is escaped unless it was made here: a text becomes markup only through ``tag``."""

from __future__ import annotations

import html
import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

_VOID = frozenset({"br", "hr", "meta", "col", "wbr"})
# Columns of words with no longer cells stay on one line; with longer ones they get room.
SHORT, LONG = 20, 32


@dataclass(frozen=True, slots=True)
class Html:
    """Text that is markup already; nothing but this module makes it of parts that it has escaped."""

    text: str


Child = Html | str | None | Iterable["Child"]


def tag(name: str, *children: Child, **attributes: str | bool | None) -> Html:
    """An element. Children that are texts are escaped, as are the values of attributes; None is left out.

    A trailing underscore of an attribute's name is dropped (``class_``), others become dashes (``aria_label``).
    """
    shown = "".join(_attribute(key, value) for key, value in attributes.items())
    if name in _VOID:
        return Html(f"<{name}{shown}>")
    return Html(f"<{name}{shown}>{join(children).text}</{name}>")


def join(children: Iterable[Child], between: str = "") -> Html:
    """Children one after the other, texts escaped."""
    return Html(between.join(_child(child) for child in children))


def data(value: Any, **attributes: str) -> Html:
    """A value as JSON that a script can read and no text in it can leave."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    safe = text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    safe = safe.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029").encode("utf-8", "backslashreplace").decode()
    shown = "".join(_attribute(key, value) for key, value in attributes.items())
    return Html(f'<script type="application/json"{shown}>{safe}</script>')


def table(
    columns: Sequence[str],
    rows: Iterable[Sequence[Child]],
    caption: str = "",
    *,
    whole: str = "",
    texts: Collection[int] = (),
) -> Html:
    """A table whose first column heads its rows, the others figures.

    Args:
        columns: their heads.
        rows: as many cells as columns each.
        caption: above it.
        whole: the row of this name stands for all others.
        texts: the columns, from 0, that hold words.
    """
    rows = list(rows)
    kinds = [_kind([row[place] for row in rows]) if place in texts else None for place in range(len(columns))]
    heads = [tag("th", column, scope="col", class_=kind) for column, kind in zip(columns, kinds, strict=True)]
    body = []
    for row in rows:
        cells = [tag("td", cell, class_=kind) for cell, kind in zip(row[1:], kinds[1:], strict=True)]
        body.append(tag("tr", tag("th", row[0], scope="row"), cells, class_="whole" if row[0] == whole else None))
    inner = tag(
        "table",
        tag("caption", tag("span", caption)) if caption else None,
        tag("thead", tag("tr", heads)),
        tag("tbody", body),
    )
    # Wide tables scroll by themselves, also by keyboard.
    return tag("div", inner, class_="scroll", tabindex="0", role="group", aria_label=caption or "table")


def _kind(cells: Iterable[Child]) -> str:
    longest = max((len(cell) for cell in cells if isinstance(cell, str)), default=0)
    return "text short" if longest <= SHORT else "text long" if longest > LONG else "text"


def _attribute(name: str, value: str | bool | None) -> str:
    if value is None or value is False:
        return ""
    shown = name.rstrip("_").replace("_", "-")
    return f" {shown}" if value is True else f' {shown}="{_escaped(str(value))}"'


def _child(child: Child) -> str:
    if child is None:
        return ""
    if isinstance(child, Html):
        return child.text
    if isinstance(child, str):
        return _escaped(child)
    return join(child).text


def _escaped(text: str) -> str:
    # What no browser shows and some take for the end of the page; half characters cannot be written at all.
    printable = "".join(c if c in "\n\t" or ord(c) >= 32 else "\ufffd" for c in text)
    return html.escape(printable.encode("utf-8", "backslashreplace").decode(), quote=True)

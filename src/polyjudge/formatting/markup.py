"""HTML that is escaped unless it was made here: a text becomes markup only through ``tag``.

Texts for a page: two wordings of one thing side by side in one, and long ones cut where they cost too much room.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

from polyjudge.formatting.text import many

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
    kinds = [_kind([row[index] for row in rows]) if index in texts else None for index in range(len(columns))]
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


# Beyond so many words difflib's shortcut for frequent ones is taken, which is quick and a little coarser.
LONG = 1500


def changes(old: str, new: str) -> Html:
    """The new text, with what it adds in ``ins`` and what it drops in ``del``, word by word."""
    before, after = _words(old), _words(new)
    matcher = SequenceMatcher(
        None, [word.strip() for word in before], [word.strip() for word in after], max(len(before), len(after)) > LONG
    )
    return join(_pieces(matcher.get_opcodes(), before, after))


def counted(old: str, new: str) -> str:
    """How the length changes: ``4 -> 31 words``."""
    lengths = [len(text.split()) for text in (old, new)]
    return f"{lengths[0]:,} -> {many(lengths[1], 'words')}"


def clipped(text: str, longest: int) -> str:
    """A text, or its beginning and how much more there is."""
    more = len(text) - longest
    return text if more <= 0 else f"{text[:longest].rstrip()} … ({more:,} more characters)"


def _pieces(
    codes: Sequence[tuple[str, int, int, int, int]], before: Sequence[str], after: Sequence[str]
) -> Iterator[Html | str]:
    apart = True  # Whether what was written last ends in a blank.
    for kind, start, end, begin, stop in codes:
        new = "".join(after[begin:stop])
        if kind == "equal":
            yield new
        if kind != "equal" and end > start:
            old = ("" if apart else " ") + "".join(before[start:end])
            yield tag("del", old if not new or old[-1].isspace() else f"{old} ")
        if kind != "equal" and new:
            yield tag("ins", new)
        apart = new[-1].isspace() if new else apart


def _words(text: str) -> list[str]:
    """Words with the blanks behind them; blanks at the very beginning count as one."""
    return re.findall(r"\S+\s*|^\s+", text)

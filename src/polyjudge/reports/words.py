"""Texts for a page: two wordings of one thing side by side in one, and long ones cut where they cost too much room."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

from polyjudge.counting import many
from polyjudge.reports.markup import Html, join, tag

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

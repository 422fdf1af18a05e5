"""Find the text of each criterion in a prompt that nobody marked, and mark it; not a byte of what is sent changes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from polyjudge.domain.prompt_template import INSTRUCTION
from polyjudge.formatting.text import clipped

_PLACES = re.compile(rf"\{{\{{\s*(?:{INSTRUCTION}\b|#\s*fit\b)")
_LIST_ITEM = r"(?:[-*+•]|\d{1,2}[.)]|\(?[a-z]\))[ \t]+"
_NEXT_ITEM = re.compile(rf"^[ \t]*(?:{_LIST_ITEM}|#{{1,6}} |\*\*|<)|^[ \t]*$|\{{\{{", re.MULTILINE)
_HEADING = re.compile(r"^(?:#{1,6} |\*\*[^*\n]+\*\*:?\s*$|<)|\{\{", re.MULTILINE)
_LINES = re.compile(r"[^\r\n]*\S[^\r\n]*")
_PARAGRAPHS = re.compile(r"(?:[^\r\n]*\S[^\r\n]*(?:\r\n|\n|\r|\Z))+")


@dataclass(frozen=True, slots=True)
class Marked:
    """A prompt with marks.

    Attributes:
        texts: of its messages.
        found: the criteria that have a place now.
        notes: the beginning of each text that was marked.
    """

    texts: tuple[str, ...]
    found: tuple[str, ...]
    notes: tuple[str, ...]


def marked(texts: Sequence[str], criteria: Sequence[str]) -> Marked:
    """Mark the text of each criterion: its list item, the lines under its heading, or what stands between its tags.

    A single criterion without any has the paragraph that says most about it. A prompt that has marks or places for
    instructions is left as it is.
    """
    if any(_PLACES.search(text) for text in texts):
        return Marked(tuple(texts), tuple(criteria), ())
    marks: list[tuple[int, int, int, str]] = []
    for criterion in criteria:
        span = _span(texts, criterion) or (_paragraph(texts, criterion) if len(criteria) == 1 else None)
        if span is not None and not any(span[0] == at[0] and span[1] < at[2] and at[1] < span[2] for at in marks):
            marks.append((*span, criterion))
    notes = [f"what is fitted for {name!r} begins {clipped(texts[n][a:b], 50)}" for n, a, b, name in marks]
    done = list(texts)
    for number, start, end, criterion in sorted(marks, reverse=True):
        name = f" {criterion}" if len(criteria) > 1 else ""
        done[number] = _with_marks(done[number], start, end, name)
    return Marked(tuple(done), tuple(name for *_, name in marks), tuple(notes))


def stem(criterion: str) -> str:
    """The beginning of a criterion's name, by which a text that speaks of it is known: polite for politeness."""
    return " ".join(criterion.casefold().replace("_", " ").replace("-", " ").split())[:6]


def _with_marks(text: str, start: int, end: int, name: str) -> str:
    """Marks around a text; on lines of their own where it has whole lines."""
    before, behind = text[:start], text[end:]
    whole = (not before or before[-1] in "\r\n") and re.match(r"\r\n|\n|\r", behind)
    if not whole:
        return f"{before}{{{{# fit{name} }}}}{text[start:end]}{{{{/ fit }}}}{behind}"
    broken = whole[0]
    rest = behind[whole.end() :]
    return f"{before}{{{{# fit{name} }}}}{broken}{text[start:end]}{broken}{{{{/ fit }}}}{broken}{rest}"


def _span(texts: Sequence[str], criterion: str) -> tuple[int, int, int] | None:
    """Where a criterion's own text stands: message, start, end."""
    name = r"[\s_-]+".join(map(re.escape, re.split(r"[\s_-]+", criterion)))
    named = rf"(?:\*\*|__|[\"'`])?{name}\w*(?:\*\*|__|[\"'`])?"
    item = re.compile(
        rf"^[ \t]*(?:{_LIST_ITEM})?{named}(?:[ \t]*\([^()\n]*\))?[ \t]*(?::|–|—| - |=)(?:\*\*)?[ \t]*(?=\S)",
        re.MULTILINE | re.IGNORECASE,
    )
    heading = re.compile(
        rf"^(?:#{{1,6}}[ \t]+(?:\d+[.)][ \t]*)?{named}[^\n]*|{named}[ \t]*:?[ \t]*)(?:\r\n|\n|\r)+",
        re.MULTILINE | re.IGNORECASE,
    )
    tag = re.compile(rf"<{name}>[ \t]*(?:\r\n|\n|\r)?(?P<inside>[^{{}}]*?)\s*</{name}>", re.IGNORECASE)
    for number, text in enumerate(texts):
        for found in tag.finditer(text):
            if found["inside"].strip():
                return (number, *_stripped(text, *found.span("inside")))
        for found in item.finditer(text):
            if span := _until(text, found.end(), _NEXT_ITEM):
                return (number, *span)
        for found in heading.finditer(text):
            if span := _until(text, found.end(), _HEADING):
                return (number, *span)
    return None


def _until(text: str, start: int, stop: re.Pattern[str]) -> tuple[int, int] | None:
    """From a place to what ends it; None if nothing is left, or a placeholder stands in its last line."""
    first = re.compile(r"\r\n|\n|\r|\Z").search(text, start)
    ended = stop.search(text, first.end() if first else start)
    if "{{" in text[start : first.start() if first else start]:
        return None
    end = ended.start() if ended else len(text)
    if ended and ended[0] == "{{":
        end = max(text.rfind("\n", start, end), start)
    begin, end = _stripped(text, start, end)
    return (begin, end) if any(map(str.isalnum, text[begin:end])) else None


def _paragraph(texts: Sequence[str], criterion: str) -> tuple[int, int, int] | None:
    """The paragraph that says most about the one criterion, or the line where each paragraph shows an input.

    It names the criterion, speaks of values, and is not short.
    """
    for pattern, fewest in ((_PARAGRAPHS, 4), (_LINES, 3)):
        best: tuple[int, tuple[int, int, int]] | None = None
        for number, text in enumerate(texts):
            for found in pattern.finditer(text):
                inside = found[0]
                if "{" in inside or len(inside.split()) < fewest:
                    continue
                named, valued = stem(criterion) in inside.casefold(), re.search(r"\d", inside) is not None
                points = 4 * named + 2 * valued + min(len(inside), 600) // 150
                if best is None or points > best[0]:
                    best = (points, (number, *_stripped(text, *found.span())))
        if best is not None:
            return best[1]
    return None


def _stripped(text: str, start: int, end: int) -> tuple[int, int]:
    inside = text[start:end]
    begin = start + len(inside) - len(inside.lstrip())
    return begin, begin + len(inside.strip())

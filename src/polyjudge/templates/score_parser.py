"""Read the scores that a reply states, by form: what is not plainly there is missing, never guessed.

Three forms count, after the thought and one envelope or fence: one JSON object and nothing else; lines
"name: 4" that end the reply, or "Score: 4" lines anywhere, with prose that names no other value; one lone value, where
one criterion was asked for. Everything else is asked again. No list of words decides, so that any language does.

JSON is never repaired: a repairer answers 1 to ``{"fluency": 1|2|3|4|5}`` and 3 to ``{"fluency": 3 to 4}``.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Any

from polyjudge.domain.criterion import Criterion
from polyjudge.domain.scale import Categorical, Scale
from polyjudge.errors import ReplyError
from polyjudge.formatting.text import excerpt
from polyjudge.templates.reasoning_strip import Span, answer, holds_thought, unwrapped

_NUMBER = r"[-+]?\d+(?:\.\d+)?"
_MARKS = r"[\s\"'“”‘’*_`()\[\]]*+"
# A value may wear quotes, brackets, asterisks or a full stop, and name the end of its scale.
_LONE = re.compile(
    rf"{_MARKS}(?P<value>{_NUMBER}){_MARKS}(?:(?:/|(?:out\s+)?of){_MARKS}(?P<top>{_NUMBER}){_MARKS})?\.?{_MARKS}",
    re.IGNORECASE,
)
_COMMENT = re.compile(r"[ \t]*\([^()\d\n]*\)[ \t.*_]*\Z")
_BARE = " \t\r\n\"'“”‘’*_`()[]."
_SCORE_KEYS = ("score", "rating", "value", "answer", "label")
_BULLET = r"[ \t]*(?:(?:[-*+•#]+|\d{1,2}[.)])[ \t]+)?[*_`\"']*"
_BREAK = re.compile(r"\r\n?|[\n\u2028\u2029\x0b\x0c\x85]")
_SENTENCE_ENDS = ".!?。！？…"
_SEPARATORS = re.compile(r"[\s_-]+")
_LAST_WORDS = re.compile(r"[.!?][\"'”’)*_]*[ \t]+")


@dataclass(frozen=True, slots=True)
class Statement:
    """A score, and where its value stands in the reply: ``start`` to ``end``."""

    score: float
    start: int
    end: int


def read_scores(text: str, criteria: Sequence[Criterion], *, cut: bool = False) -> dict[str, float]:
    """The scores that a reply states, by criterion; those it does not state are absent.

    Args:
        text: the model's reply.
        criteria: which scores are wanted.
        cut: whether the reply ended at its token limit. Only a whole JSON object is read then.

    Raises:
        ReplyError: not one of the wanted scores can be read.
    """
    return {name: statement.score for name, statement in read_statements(text, criteria, cut=cut).items()}


def read_statements(text: str, criteria: Sequence[Criterion], *, cut: bool = False) -> dict[str, Statement]:
    """The same, with the place of each value.

    Raises:
        ReplyError: not one of the wanted scores can be read.
    """
    span = unwrapped(answer(text, unknown_tags=True))
    content = span.content
    statements: dict[str, Statement] = {}
    if (members := whole_object(span)) is not None:
        found = {c.name: _from_members(text, members, c, criteria) for c in criteria}
        statements = {name: statement for name, statement in found.items() if statement is not None}
    elif not (cut or any(mark in content for mark in ("{", "```", '"""')) or holds_thought(content)):
        statements = _from_lines(span, criteria)
    if not statements:
        raise ReplyError(f"no score can be read from the reply {excerpt(text)}")
    return statements


@lru_cache(maxsize=4096)
def fold(name: str) -> str:
    """A name as it is compared: without case, kinds of separators, or ways to compose a character."""
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
    return _SEPARATORS.sub("_", folded.strip())


# One JSON object


@dataclass(frozen=True, slots=True)
class Member:
    """A member of an object; ``folded``: its key as it is compared; ``start`` to ``end``: where its value stands."""

    key: str
    folded: str
    value: Any
    start: int
    end: int


class _Pairs(tuple[tuple[str, Any], ...]):
    """A nested object, with keys that repeat."""


_DECODER = json.JSONDecoder(object_pairs_hook=_Pairs, strict=False)


def members_of(text: str, start: int) -> tuple[list[Member], int]:
    """The members of the JSON object that begins at ``start``, and where it ends.

    Raises:
        ValueError: no JSON object stands there.
    """
    found: list[Member] = []
    try:
        at = _blank(text, start + 1)
        if text[at] == "}":
            return found, at + 1
        while True:
            if text[at] != '"':
                raise ValueError("a key must be a string")
            key, at = scanstring(text, at + 1, False)
            at = _blank(text, at)
            if text[at] != ":":
                raise ValueError("a colon must follow a key")
            at = _blank(text, at + 1)
            value, end = _DECODER.raw_decode(text, at)
            found.append(Member(key, fold(key), value, at, end))
            at = _blank(text, end)
            if text[at] == "}":
                return found, at + 1
            if text[at] != ",":
                raise ValueError("a comma must follow a member")
            at = _blank(text, at + 1)
    except (IndexError, RecursionError):
        raise ValueError("the object does not end") from None


def _blank(text: str, at: int) -> int:
    while text[at] in " \t\r\n":
        at += 1
    return at


def whole_object(span: Span) -> list[Member] | None:
    """The members of the one object that a span is, but for marks around it; None when it is more, or none."""
    start, end = span.start, span.end
    while end > start and span.text[end - 1] in "`*":
        end -= 1
    while start < end and span.text[start] in "`*":
        start += 1
    if span.text[start:end][:1] != "{":
        return None
    try:
        members, behind = members_of(span.text, start)
    except ValueError:
        return None
    return members if behind == end else None


def under(members: Sequence[Member], name: str, names: Sequence[str]) -> list[Member]:
    """The members whose key is a name, or compares as equal and is none of the other ``names`` to the letter."""
    wanted = fold(name)
    return [m for m in members if m.folded == wanted and (m.key == name or m.key not in names)]


def _from_members(
    text: str, members: Sequence[Member], criterion: Criterion, criteria: Sequence[Criterion]
) -> Statement | None:
    """The one value that an object gives a criterion; None when it gives none, several, or contradicts itself."""
    others = [fold(other.name) for other in criteria if other is not criterion]
    named = under(members, criterion.name, [one.name for one in criteria])
    if not named and not others:
        named = [member for member in members if member.folded in _SCORE_KEYS]
        if len(named) != 1:
            return None
    if not named or (len(named) > 1 and not _agree(named)):
        return None
    statement = statement_of(text, named[0], criterion.scale)
    if statement is None:
        return None
    kept = [id(member) for member in named]
    rest = [(member.folded, member.value) for member in members if id(member) not in kept]
    further = _further(rest, criterion, others, outer=True)
    return None if any(score != statement.score for score in further) else statement


def _agree(members: Sequence[Member]) -> bool:
    """Whether a key that repeats, spelt alike, has one value."""
    values = {json.dumps(member.value, default=str) for member in members}
    return len(values) == 1 and len({member.key for member in members}) == 1


def statement_of(text: str, member: Member, scale: Scale, *, nested: bool = True) -> Statement | None:
    """The score that a member's value is; None when it is none, or off the scale.

    ``nested``: whether the value may be an object with one score in it.
    """
    value = member.value
    if isinstance(value, _Pairs) and nested:
        inner = [one for one in members_of(text, member.start)[0] if one.folded in _SCORE_KEYS]
        return statement_of(text, inner[0], scale, nested=False) if len(inner) == 1 else None
    if isinstance(value, str):
        start, end = member.start, member.end
        if text[start] == '"' and text[end - 1] == '"' and end - start > len(value):
            start, end = start + 1, end - 1
        if text[start:end].strip() == value.strip():
            return _lone(text, start, end, scale)
        escaped = _lone(value, 0, len(value), scale)
        return None if escaped is None else Statement(escaped.score, start, end)
    if isinstance(scale, Categorical):
        position = scale.position(json.dumps(value)) if isinstance(value, bool | int) else None
        return None if position is None else Statement(position, member.start, member.end)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    score = _on_scale(value, scale)
    return None if score is None else Statement(score, member.start, member.end)


def _further(
    pairs: Sequence[tuple[str, Any]], criterion: Criterion, others: Sequence[str], *, outer: bool
) -> Iterator[float]:
    """What else an object gives a criterion: under keys with its name, or with "score" where it is alone.

    Args:
        pairs: folded keys and values.
        criterion: of which is asked.
        others: the folded names of the other criteria.
        outer: whether the object is the reply itself.
    """
    name = f"_{fold(criterion.name)}_"
    for key, value in pairs:
        folded = f"_{key}_"
        speaks = name in folded or (outer and not others and ("_score_" in folded or "_rating_" in folded))
        if isinstance(value, _Pairs | list):
            for inner in value if isinstance(value, list) else [value]:
                if isinstance(inner, _Pairs):
                    within = [(fold(inner_key), member) for inner_key, member in inner]
                    yield from _further(within, criterion, others, outer=False)
        elif speaks and folded.strip("_") not in others:
            score = _lone(str(value), 0, len(str(value)), criterion.scale)
            if score is not None:
                yield score.score


# Lines and lone values


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of a reply, and what it states of which criterion: "" when it is prose.

    Attributes:
        scored: whether it speaks of a score or rating, so that it counts wherever it stands.
        statement: None when the value behind the label cannot be read.
    """

    text: str
    criterion: str = ""
    scored: bool = False
    statement: Statement | None = None


def _from_lines(span: Span, criteria: Sequence[Criterion]) -> dict[str, Statement]:
    """The statements of a reply without JSON."""
    alone = len(criteria) == 1
    if alone and (lone := _lone(span.text, span.start, span.end, criteria[0].scale)):
        return {criteria[0].name: lone}
    lines = _lines(span, criteria)
    ending = len(lines)
    while ending and lines[ending - 1].criterion:
        ending -= 1
    counting = [line.criterion != "" and (number >= ending or line.scored) for number, line in enumerate(lines)]
    if not all(_finished(lines[k - 1].text) for k in range(1, len(lines)) if counting[k] and not counting[k - 1]):
        return {}
    found = {c.name: _agreed(lines, counting, c, alone=alone) for c in criteria}
    return {name: statement for name, statement in found.items() if statement is not None}


def _lines(span: Span, criteria: Sequence[Criterion]) -> list[_Line]:
    """The lines that are neither blank nor quoted; a statement in the last words of the reply is a line of its own."""
    text, alone = span.text, len(criteria) == 1
    bounds = [
        span.start,
        *(at for found in _BREAK.finditer(text, span.start, span.end) for at in found.span()),
        span.end,
    ]
    places = [(start, end) for start, end in zip(bounds[::2], bounds[1::2], strict=True) if text[start:end].strip()]
    lines = [
        _line(text, start, end, criteria, alone=alone)
        for start, end in places
        if text[start:end].strip()[0] not in ">|"
    ]
    if lines and not lines[-1].criterion:
        start, end = places[-1]
        words = max((found.end() for found in _LAST_WORDS.finditer(text, start, end)), default=end)
        last = _line(text, words, end, criteria, alone=alone)
        if last.criterion:
            lines[-1:] = [_Line(text[start:words]), last]
    return lines


def _line(text: str, start: int, end: int, criteria: Sequence[Criterion], *, alone: bool) -> _Line:
    for criterion in criteria:
        match = _label(criterion.name, alone).fullmatch(text, start, end)
        if match is not None:
            behind = _COMMENT.search(text, match.start("rest"), end)
            value = _lone(text, match.start("rest"), behind.start() if behind else end, criterion.scale)
            return _Line(text[start:end], criterion.name, match["scored"] is not None, value)
    return _Line(text[start:end])


@lru_cache(maxsize=256)
def _label(name: str, alone: bool) -> re.Pattern[str]:
    """A line that states a criterion: ``[final|overall] [name] score|rating [for name]: rest``, or ``name: rest``."""
    named = _spellings(name)
    scored = rf"{named} (?:score|rating)|(?:score|rating) (?:for|of) {named}" + ("|score|rating" if alone else "")
    bare = rf"{named}|value|answer|label" if alone else named
    return re.compile(
        rf"{_BULLET}(?:(?P<scored>(?:(?:final|overall) )?(?:{scored}))|(?:{bare}))"
        r"[*_`\"']*[ \t]*(?:[:=：]|is\b)(?P<rest>.*)",
        re.IGNORECASE,
    )


def _spellings(name: str) -> str:
    forms = dict.fromkeys((name, unicodedata.normalize("NFC", name), unicodedata.normalize("NFD", name)))
    return "(?:" + "|".join(r"[ _-]+".join(map(re.escape, re.split(r"[\s_-]+", form))) for form in forms) + ")"


def _finished(line: str) -> bool:
    """Whether a line is at its end: a sentence, a heading of one word, ``word: text``, or nothing but marks.

    One that goes on into the statement behind it may say whose it is.
    """
    words = line.strip(" \t*_`\"'#)”’-=")
    return (
        not words or words[-1] in _SENTENCE_ENDS or re.fullmatch(r"\w+(?:\s*[:：].*[^:：])?[:：]?", words) is not None
    )


def _agreed(
    lines: Sequence[_Line], counting: Sequence[bool], criterion: Criterion, *, alone: bool
) -> Statement | None:
    """The value that all statements of a criterion give and no other line disputes."""
    own = [k for k, line in enumerate(lines) if counting[k] and line.criterion == criterion.name]
    first = lines[own[0]].statement if own else None
    if first is None or any((one := lines[k].statement) is None or one.score != first.score for k in own):
        return None
    named = _spellings(criterion.name) + ("|score|rating" if alone else "")
    disputed = re.compile(rf"(?:{named})[^.!?]{{0,40}}?(?<![\w.])(?P<number>{_NUMBER})", re.IGNORECASE)
    for k, line in enumerate(lines):
        if not counting[k]:
            numbers = (
                re.findall(_NUMBER, line.text) if k > own[0] else [m["number"] for m in disputed.finditer(line.text)]
            )
            if any(float(number) != first.score for number in numbers):
                return None
    return first


def _lone(text: str, start: int, end: int, scale: Scale) -> Statement | None:
    """The value that a stretch of the text is, and nothing else; None when it is more, less, or off the scale."""
    if isinstance(scale, Categorical):
        content = text[start:end].strip()
        content = content if scale.position(content) is not None else content.strip(_BARE)
        position = scale.position(content)
        begins = text.find(content, start, end)
        return None if position is None else Statement(position, begins, begins + len(content))
    match = _LONE.fullmatch(text, start, end)
    if match is None or (match["top"] is not None and float(match["top"]) != scale.high):
        return None
    score = _on_scale(float(match["value"]), scale)
    return None if score is None else Statement(score, match.start("value"), match.end("value"))


def _on_scale(value: float, scale: Scale) -> float | None:
    """A number as a score: 0.0 for -0.0, so that equal scores are written alike."""
    try:
        return float(value) + 0.0 if scale.allows(value) else None
    except OverflowError:
        return None

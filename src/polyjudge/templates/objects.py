"""Find the JSON objects in a reply. One that is nearly JSON is read only where it leaves nothing to guess.

A general repairer answers 1 to ``{"fluency": 1|2|3|4|5}`` and 3 to ``{"fluency": 3 to 4}``. Here a broken object is
read only if it is flat and made of nothing but ``key: value`` members; what a value means is left to the reader.

No object wins by its place. "The last one counts" would read what a judge quotes, refuses or makes up for comparison
(``Not {"fluency": 4}!``), so an object only states something where it stands alone.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_QUOTE = "\"'“”‘’`"
_MEMBER = re.compile(
    rf"\s*[{_QUOTE}]?(?P<key>\w[\w -]*+)[{_QUOTE}]?\s*:\s*"
    rf"(?:\"(?P<double>[^\"\n]*+)\"|'(?P<single>[^'\n]*+)'|(?P<bare>[^,;\n{{}}\[\]{_QUOTE}]*+))"
    r"(?:\s*[,;]\s*|[ \t]*\n\s*|\Z)"
)
# Every failure to decode costs a pass over the text; a reply with more broken objects than this says nothing plainly.
_BROKEN = 50
_ANNOUNCED = re.compile(
    r"(?:\A|\n)[ \t*_#]*(?:(?:here (?:is|are) )?(?:my|your|the) |here (?:is|are) |final )?(?:final |json )?"
    r"(?:answer|output|rating|score|response|result|evaluation|json)s?[ \t*_]*:[ \t*_`]*\Z",
    re.IGNORECASE,
)


class Conflict:
    """Stands where one key was given two different values."""


@dataclass(frozen=True, slots=True)
class Found:
    """Attributes:
    members: what the object says; nothing when it is broken.
    start, end: where it stands in the text.
    alone: whether nothing else stands on its lines, but for marks and a heading such as "Answer:".
    broken: the text of an object that could not be read, else nothing.
    """

    members: Mapping[str, Any]
    start: int
    end: int
    alone: bool
    broken: str = ""


def objects(text: str, *, mend: bool) -> list[Found]:
    """The outermost objects of a text, in order; none when a brace never closes, so that the last one is unknown.

    Args:
        text: a reply.
        mend: whether a flat object with small faults (single quotes, bare keys, a surplus comma) counts too; its
            values are texts.
    """
    found: list[Found] = []
    decoder = json.JSONDecoder(object_pairs_hook=_unique, strict=False)
    position, failures = text.find("{"), 0
    while position != -1:
        broken = ""
        try:
            value, end = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            failures += 1
            end = _end(text, position) if failures <= _BROKEN else -1
            if end == -1:
                return []
            value = _mended(text[position + 1 : end - 1]) if mend else {}
            broken = "" if value else text[position:end]
        found.append(Found(value, position, end, _alone(text, position, end), broken))
        position = text.find("{", end)
    return found


def _alone(text: str, start: int, end: int) -> bool:
    while end < len(text) and text[end] in " \t`*":
        end += 1
    if end < len(text) and text[end] != "\n":
        return False
    before = start
    while before and text[before - 1] in " \t`*":
        before -= 1
    return not before or text[before - 1] == "\n" or bool(_ANNOUNCED.search(text[max(0, before - 80) : start]))


def _end(text: str, opening: int) -> int:
    """The position behind the brace that closes one, by counting braces; -1 when there is none."""
    depth = 0
    for brace in re.compile(r"[{}]").finditer(text, opening):
        depth += 1 if brace.group() == "{" else -1
        if not depth:
            return brace.end()
    return -1


def _mended(inside: str) -> Mapping[str, Any]:
    """The members between the braces of a broken object; none when anything else stands there."""
    inside = inside.rstrip()
    members: list[tuple[str, str]] = []
    position = 0
    while position < len(inside):
        member = _MEMBER.match(inside, position)
        if member is None:
            return {}
        members.append((member["key"].strip(), (member["double"] or member["single"] or member["bare"] or "").strip()))
        position = member.end()
    return _unique(members)


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for key, value in pairs:
        members[key] = Conflict() if key in members and members[key] != value else value
    return members

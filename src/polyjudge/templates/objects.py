"""Find the JSON objects in a reply. One that is nearly JSON is read only where it leaves nothing to guess.

A general repairer answers 1 to ``{"fluency": 1|2|3|4|5}`` and 3 to ``{"fluency": 3 to 4}``. Here a broken object is
read only if it is flat and made of nothing but ``key: value`` members; what a value means is left to the reader.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

_QUOTE = "\"'“”‘’`"
_MEMBER = re.compile(
    rf"\s*[{_QUOTE}]?(?P<key>\w[\w -]*+)[{_QUOTE}]?\s*:\s*"
    rf"(?:\"(?P<double>[^\"\n]*+)\"|'(?P<single>[^'\n]*+)'|(?P<bare>[^,;\n{{}}\[\]{_QUOTE}]*+))"
    r"(?:\s*[,;]\s*|[ \t]*\n\s*|\Z)"
)


class Conflict:
    """Stands where one key was given two different values."""


def objects(text: str, *, mend: bool) -> list[Mapping[str, Any]]:
    """The outermost objects of a text, in order; none when a brace never closes, so that the last one is unknown.

    Args:
        text: a reply.
        mend: whether a flat object with small faults (single quotes, bare keys, a surplus comma) counts too; its
            values are texts.
    """
    found: list[Mapping[str, Any]] = []
    decoder = json.JSONDecoder(object_pairs_hook=_unique, strict=False)
    position = text.find("{")
    while position != -1:
        try:
            value, end = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            end = _end(text, position)
            if end == -1:
                return []
            value = _mended(text[position + 1 : end - 1]) if mend else {}
        found.append(value)
        position = text.find("{", end)
    return found


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

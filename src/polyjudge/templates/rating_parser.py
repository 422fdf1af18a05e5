"""Read what a diagnostic model answers: a rating from 1 to 10, a criterion's name, criteria by sentence.

As strictly as scores are read: an answer that is not plainly there is missing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from polyjudge.errors import ReplyError
from polyjudge.formatting.text import excerpt
from polyjudge.templates.instruction_parser import read_text
from polyjudge.templates.reasoning_strip import answer, unwrapped
from polyjudge.templates.score_parser import fold, whole_object

LOWEST, HIGHEST = 1, 10

# A word and a colon may stand before the number, the end of the scale behind it.
_RATING = re.compile(
    r"(?:[^\W\d]+\s*[:：=]\s*)?(?P<rating>\d{1,3})(?:\.0)?(?:\s*(?:/|(?:out )?of)\s*10)?[.!]?", re.IGNORECASE
)
_MARKS = "*_`\"'“”‘’ \t\n"


def read_rating(text: str, cut: bool = False) -> float:
    """A whole number from 1 to 10 that stands alone, but for "Rating:" before it or "/10" behind it.

    Raises:
        ReplyError: anything else was written.
    """
    found = _RATING.fullmatch(read_text(text, cut=cut).strip(_MARKS))
    if found is None or not LOWEST <= int(found["rating"]) <= HIGHEST:
        raise ReplyError(f"no whole number from {LOWEST} to {HIGHEST} in the reply {excerpt(text)}")
    return float(found["rating"])


def read_name(text: str, names: Sequence[str], cut: bool = False) -> str:
    """One of some names that stands alone.

    Raises:
        ReplyError: anything else was written.
    """
    written = fold(read_text(text, cut=cut).strip(_MARKS).rstrip(".").strip(_MARKS))
    found = [name for name in names if fold(name) == written]
    if len(found) != 1:
        raise ReplyError(f"none of {list(names)!r} alone in the reply {excerpt(text)}")
    return found[0]


def read_served(text: str, count: int, names: Sequence[str], cut: bool = False) -> tuple[tuple[str, ...], ...]:
    """The criteria that each of ``count`` numbered sentences serves, from one object of lists; () where none.

    Raises:
        ReplyError: no such object or several, a sentence left out, or a name that is none of ``names``.
    """
    members = whole_object(unwrapped(answer(text))) or []
    served = {member.key: member.value for member in members}
    if len(served) != len(members) or set(served) != {str(number) for number in range(1, count + 1)}:
        raise ReplyError(f"no JSON object with the sentences 1 to {count} in the reply {excerpt(text)}")
    return tuple(_known(served[str(number)], names, text) for number in range(1, count + 1))


def _known(value: object, names: Sequence[str], text: str) -> tuple[str, ...]:
    given = [fold(name) if isinstance(name, str) else "" for name in value] if isinstance(value, list) else [""]
    if not set(given) <= {fold(name) for name in names}:
        raise ReplyError(f"a sentence's value is no list of the names {list(names)!r} in the reply {excerpt(text)}")
    return tuple(name for name in names if fold(name) in given)

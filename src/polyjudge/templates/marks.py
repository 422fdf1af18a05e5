"""Read what a diagnostic model answers: a mark from 1 to 10, a criterion's name, criteria by sentence. Strictly, as
scores are read: an answer that is not plainly there is missing."""

from __future__ import annotations

import re
from collections.abc import Sequence

from polyjudge.errors import ReplyError
from polyjudge.templates.objects import objects
from polyjudge.templates.replies import excerpt, read_text
from polyjudge.templates.stated import fold

LOWEST, HIGHEST = 1, 10

_MARK = re.compile(
    r"(?:(?:(?:my|the|final) )?(?:rating|score|answer|mark|specificity|adherence)\s*(?::|=|is)\s*)?"
    r"(?P<mark>\d{1,3})(?:\.0)?(?:\s*(?:/|out of)\s*10)?[.!]?",
    re.IGNORECASE,
)
_DRESS = "*_`\"'“”‘’ \t\n"


def read_mark(text: str, cut: bool = False) -> float:
    """A whole number from 1 to 10 that stands alone, but for "Rating:" before it or "/10" behind it.

    Raises:
        ReplyError: anything else was written.
    """
    spoken = _undressed(read_text(text, cut=cut))
    found = _MARK.fullmatch(spoken)
    if found is None or not LOWEST <= int(found["mark"]) <= HIGHEST:
        raise ReplyError(f"no whole number from {LOWEST} to {HIGHEST} in the reply {excerpt(text)}")
    return float(found["mark"])


def read_name(text: str, names: Sequence[str], cut: bool = False) -> str:
    """One of some names that stands alone.

    Raises:
        ReplyError: anything else was written.
    """
    spoken = fold(_undressed(read_text(text, cut=cut)).rstrip(".").strip(_DRESS))
    found = [name for name in names if fold(name) == spoken]
    if len(found) != 1:
        raise ReplyError(f"none of {list(names)!r} alone in the reply {excerpt(text)}")
    return found[0]


def read_served(text: str, count: int, names: Sequence[str], cut: bool = False) -> tuple[tuple[str, ...], ...]:
    """The criteria that each of ``count`` numbered sentences serves, from one object of lists; () where none.

    Raises:
        ReplyError: no such object or several, a sentence left out, or a name that is none of ``names``.
    """
    found = objects(read_text(text, cut=cut), mend=False)
    if len(found) != 1 or set(found[0].members) != {str(number) for number in range(1, count + 1)}:
        raise ReplyError(f"no JSON object with the sentences 1 to {count} in the reply {excerpt(text)}")
    return tuple(_known(found[0].members[str(number)], names, text) for number in range(1, count + 1))


def _known(value: object, names: Sequence[str], text: str) -> tuple[str, ...]:
    given = [fold(one) if isinstance(one, str) else "" for one in value] if isinstance(value, list) else [""]
    if not set(given) <= {fold(name) for name in names}:
        raise ReplyError(f"a sentence's value is no list of the names {list(names)!r} in the reply {excerpt(text)}")
    return tuple(name for name in names if fold(name) in given)


def _undressed(spoken: str) -> str:
    return spoken.strip(_DRESS)

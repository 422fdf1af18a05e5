"""Which columns beside a judge's scores hold people's ratings, told by their names and their values.

A column NAME.WORD or NAME_WORD may be a rater of NAME, but also a confidence, a latency, an older judge or another
criterion. Only words that say so are taken for raters; where none says so, the caller asks the user.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from polyjudge.datasets.table import is_missing, is_number

# NAME.rating, NAME_human, NAME_expert_2, NAME_a, NAME_r1, NAME_3: words and shapes that say "a person's rating".
_PERSON = (
    r"rating|ratings|rated|human|humans|people|person|gold|truth|label|reference|ground_truth|target|consensus|"
    r"annotator|annotation|rater|coder|grader|expert|crowd|worker|turker|evaluator|reviewer|student|teacher|nurse|doctor"
)
RATER = re.compile(rf"(?:(?:{_PERSON})(?:[_.-]?(?:[a-z]|\d+|mean|majority))?|[a-jr]|\d+|[arh]_?\d+)", re.IGNORECASE)
# What tools write beside a score, and versions of the judge itself.
OTHER = re.compile(
    r"(?:.*[_.-])?(?:conf|confidence|certainty|prob|probability|logprob|logprobs|p|latency|ms|sec|secs|second|seconds|"
    r"time|duration|tokens?|cost|price|usd|len|length|words|chars|characters|count|n|reason|reasoning|rationale|"
    r"explanation|justification|comment|comments|note|notes|text|raw|response|output|answer|prev|previous|prior|old|"
    r"new|last|baseline|before|after|version|v\d+|judge|model|llm|gpt\S*|claude\S*|gemini\S*|score|scores|pred|"
    r"predicted|prediction|std|sd|var|variance|se|stderr|rank|weight|id|date|timestamp|error|status|flag|seed)"
    r"(?:[_.-].*)?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Companions:
    """The columns NAME.WORD and NAME_WORD of one score column.

    Attributes:
        raters: those that hold people's ratings of it.
        unclear: those that might: their values would do and their names say nothing.
        others: those that do not.
    """

    raters: tuple[str, ...]
    unclear: tuple[str, ...]
    others: tuple[str, ...]


def companions(name: str, columns: Sequence[str], rows: Sequence[Mapping[str, object]]) -> Companions:
    """Sort the companions of a score column by what they hold.

    A column belongs to the longest other column whose name it begins with, so that ``tone_style_a`` rates
    ``tone_style`` where there is one.
    """
    beside = [column for column in columns if owner(column, columns) == name]
    scores = [row.get(name) for row in rows]
    raters: list[str] = []
    unclear: list[str] = []
    others: list[str] = []
    for column in beside:
        word, cells = column[len(name) + 1 :].strip(), [row.get(column) for row in rows]
        if RATER.fullmatch(word):
            (others if _texts(cells) else raters).append(column)
        elif OTHER.fullmatch(word) or not like(scores, cells):
            others.append(column)
        else:
            unclear.append(column)
    return Companions(tuple(raters), tuple(unclear), tuple(others))


def owner(column: str, columns: Iterable[str]) -> str | None:
    """The longest other column that this one's name begins with, and a sign; None where there is none."""
    owners = [one for one in columns if one != column and column.startswith((f"{one}.", f"{one}_"))]
    return max(owners, key=len) if owners else None


def like(scores: Iterable[object], ratings: Iterable[object]) -> bool:
    """Whether ratings may stand on the scale of scores: both numbers of one range, or both words that repeat.

    A fraction of 1 beside whole numbers up to 5 is none, and neither is a count of hundreds.
    """
    ours, theirs = ([str(cell).strip() for cell in side if not is_missing(cell)] for side in (scores, ratings))
    if not ours or not theirs:
        return bool(theirs)
    numbers = [all(map(is_number, side)) for side in (ours, theirs)]
    if not numbers[1]:
        return not _texts(theirs)
    if not numbers[0]:
        return True
    mine, values = [float(cell) for cell in ours], [float(cell) for cell in theirs]
    if not all(math.isfinite(value) for value in (*mine, *values)):
        return True
    span = max(mine) - min(mine)
    whole = all(value == int(value) for value in mine)
    if whole and span >= 2 and min(values) >= 0 and max(values) <= 1 and any(value != int(value) for value in values):
        return False
    room = max(span, 1.0)
    return min(values) >= min(mine) - room and max(values) <= max(mine) + room


def _texts(cells: Iterable[object]) -> bool:
    """Whether cells hold texts, not numbers and no words that repeat."""
    words = [str(cell).strip() for cell in cells if not is_missing(cell)]
    return not all(map(is_number, words)) and len(set(words)) > max(12, len(words) // 8)

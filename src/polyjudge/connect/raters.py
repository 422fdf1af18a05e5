"""Which columns beside a judge's scores hold people's ratings, judged by the columns' names and values.

A column NAME.WORD or NAME_WORD may be a rater of NAME, but also a confidence, a latency, an older judge or another
criterion. Only words that clearly name people make a column a rater's. About a column whose name says nothing, the
caller asks the user.
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
        unclear: those that may hold some, by their values, and whose names say nothing about it.
        others: those that hold none.
    """

    raters: tuple[str, ...]
    unclear: tuple[str, ...]
    others: tuple[str, ...]


def companions(name: str, columns: Mapping[str, Sequence[object]]) -> Companions:
    """Sort the companions of a score column by what they hold.

    A column belongs to the longest other column whose name it begins with, so that ``tone_style_a`` rates
    ``tone_style`` where there is one.

    Args:
        name: of the score column.
        columns: the values of each column; those of one item need not stand at the same position.
    """
    scores = columns.get(name, ())
    raters: list[str] = []
    unclear: list[str] = []
    others: list[str] = []
    for column, values in columns.items():
        if owner(column, columns) != name:
            continue
        word = column[len(name) + 1 :].strip()
        if RATER.fullmatch(word):
            (others if _are_texts(values) else raters).append(column)
        elif OTHER.fullmatch(word) or not may_rate(scores, values):
            others.append(column)
        else:
            unclear.append(column)
    return Companions(tuple(raters), tuple(unclear), tuple(others))


def owner(column: str, columns: Iterable[str]) -> str | None:
    """The longest other column whose name, and then ``.`` or ``_``, begins this one's; None where there is none."""
    owners = [name for name in columns if name != column and column.startswith((f"{name}.", f"{name}_"))]
    return max(owners, key=len) if owners else None


def may_rate(scores: Iterable[object], values: Iterable[object]) -> bool:
    """Whether values may be ratings on the scale of scores: both are numbers of one range, or they share labels.

    A fraction of 1 beside whole numbers up to 5 is no rating, and neither is a count of hundreds.
    """
    score_texts, texts = ([str(cell).strip() for cell in cells if not is_missing(cell)] for cells in (scores, values))
    if not score_texts or not texts:
        return bool(texts)
    if _are_texts(score_texts) or _are_texts(texts):
        return False
    if not all(map(is_number, (*score_texts, *texts))):
        return bool({text.casefold() for text in score_texts} & {text.casefold() for text in texts})
    points, numbers = [float(text) for text in score_texts], [float(text) for text in texts]
    if not all(math.isfinite(number) for number in (*points, *numbers)):
        return True
    low, high = min(points), max(points)
    on_whole_scale = high - low >= 2 and all(point == int(point) for point in points)
    are_fractions = min(numbers) >= 0 and max(numbers) <= 1 and any(number != int(number) for number in numbers)
    if on_whole_scale and are_fractions:
        return False
    margin = max(high - low, 1.0)
    return min(numbers) >= low - margin and max(numbers) <= high + margin


def _are_texts(values: Iterable[object]) -> bool:
    """Whether values are texts rather than numbers or words that repeat."""
    words = [str(value).strip() for value in values if not is_missing(value)]
    return not all(map(is_number, words)) and len(set(words)) > max(12, len(words) // 8)

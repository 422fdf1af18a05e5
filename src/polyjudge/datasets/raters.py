"""Which columns hold people's ratings, and of what, judged by the columns' names and values.

A column NAME.WORD or NAME_WORD may be a rater of NAME, but also a confidence, a latency, an older judge or another
criterion. Only words that clearly name people make a column a rater's. About a column whose name says nothing, the
caller asks the user.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from polyjudge.datasets.criteria import RESERVED
from polyjudge.datasets.table import is_missing, is_number


def words_of(text: str) -> frozenset[str]:
    """A set of words from a text, which is shorter to write and read than a list."""
    return frozenset(text.split())


# NAME.rating, NAME_human, NAME_expert_2, NAME_a, NAME_r1, NAME_3: words and shapes that say "a person's rating".
_PERSON = (
    r"rating|ratings|rated|human|humans|people|person|gold|truth|label|reference|ground_truth|target|consensus|"
    r"annotator|annotation|rater|coder|grader|expert|crowd|worker|turker|evaluator|reviewer|student|teacher|nurse|doctor"
)
_PERSON_WORD = re.compile(rf"(?:{_PERSON})(?:[_. -]?\w{{1,2}})?", re.IGNORECASE)
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

_BRACKETED = re.compile(r"(.+?)\s*[(\[]\s*([^()\[\]]+?)\s*[)\]]")
_SEPARATOR = re.compile(r"\s+-\s+|\s*[:/|]\s*|[_.-]|\s+")
# Words that stand before any number of criteria: score_tone, q_1.
_GENERIC = re.compile(
    r"(?:q|question|item|criterion|crit|aspect|dim|dimension|metric|col|column|var|answer|eval)", re.I
)
_ASPECTS = words_of(
    "fluency coherence relevance consistency helpfulness correctness accuracy factuality faithfulness "
    "groundedness tone style clarity conciseness completeness grammar quality overall safety toxicity harmfulness "
    "empathy complexity surprise engagement naturalness informativeness usefulness politeness readability "
    "verbosity honesty creativity content structure format adequacy"
)
# Common given names, by which one criterion's two columns are told from two criteria.
_GIVEN_NAMES = words_of(
    "ada adam alex ali alice amy ana andrea andrew ann anna anne ben beth bob carl carla carlos carol chen chris "
    "clara claire dan dana daniel dave david diana dora ed ella emil emily emma eric eva eve fatima felix frank "
    "fred george grace greg hana hannah harry helen henry hugo ian ida ines ivan jack james jan jane jean jim joe "
    "john jon jose judy julia kai karen kate kim lars laura lea lee lena leo li lily linda lisa liu lucas lucy "
    "luis luke maria marie mario mark marta martin mary matt max maya mei mia mike mina mohamed nina noah nora "
    "olga oliver omar otto pat paul peter petra phil priya rachel rita rob robert rosa ruth sam sara sarah sofia "
    "sophie steve sue susan tania tara tim tina tom uma vera victor wang wei will yan yuki zoe"
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


@dataclass(frozen=True, slots=True)
class Split:
    """A column's name, taken apart into what is rated and who rated."""

    column: str
    criterion: str
    rater: str


def raters_of(columns: Sequence[str], may_share_scale: Callable[[Sequence[str]], bool]) -> dict[str, list[Split]]:
    """The columns that are raters of a criterion, by their names: ``NAME_ann``, ``NAME (Ann)``, ``rater1_NAME``.

    A word names a rater if it is that of a person or a role, or if several criteria have the same ones. Columns that
    only begin alike stay separate criteria.

    Args:
        columns: names of columns that hold ratings.
        may_share_scale: whether the ratings of some columns may be on one scale.

    Returns:
        Criterion -> its raters, at least one, in the order of the columns.
    """
    splits = [split for column in columns for split in _splits(column)]
    by_criterion: dict[str, list[Split]] = {}
    for split in splits:
        by_criterion.setdefault(split.criterion, []).append(split)
    raters = {name: frozenset(split.rater.casefold() for split in group) for name, group in by_criterion.items()}
    groups: dict[str, list[Split]] = {}
    taken: set[str] = set()
    ranked = sorted(by_criterion, key=lambda name: (-_evidence(name, by_criterion[name], raters), len(name)))
    for name in ranked:
        group = [split for split in by_criterion[name] if split.column not in taken]
        if not _evidence(name, group, raters) or not may_share_scale([split.column for split in group]):
            continue
        groups[name] = group
        taken |= {split.column for split in group}
    return groups


def _splits(column: str) -> list[Split]:
    """All ways to read a name as a criterion and a rater."""
    if match := _BRACKETED.fullmatch(column.strip()):
        is_scale = not any(sign.isalpha() for sign in match[2])
        return [] if is_scale else [Split(column, match[1], match[2])]
    found = []
    for match in _SEPARATOR.finditer(column):
        before, after = column[: match.start()].strip(), column[match.end() :].strip()
        if before and after:
            found += [Split(column, before, after), Split(column, after, before)]
    return found


def _evidence(name: str, group: Sequence[Split], raters: Mapping[str, frozenset[str]]) -> int:
    """How much says that a group's words are raters of a criterion; 0 for nothing."""
    words = [split.rater for split in group]
    if not words or _GENERIC.fullmatch(name) or name.casefold() in RESERVED or name.isdigit():
        return 0
    if _is_person(name) or any(OTHER.fullmatch(word) and not _is_person(word) for word in words):
        return 0
    if any(word.casefold() in _ASPECTS for word in words):
        return 0
    alike = sum(other == raters[name] for other in raters.values()) > 1
    comes_first = all(split.column.strip().startswith(split.criterion) for split in group)
    if any(_BRACKETED.fullmatch(split.column.strip()) for split in group):
        return 6 if len(group) > 1 or alike or _is_person(words[0]) else 0
    if all(map(_is_person, words)):
        return 5 if comes_first else 4
    if not comes_first:
        return 0
    if len(group) > 1 and all(RATER.fullmatch(word) or len(word) <= 2 for word in words):
        return 3
    return 2 if len(group) > 1 and alike else 0


def _is_person(word: str) -> bool:
    """Whether a word names a person or a role by itself, unlike a letter or a number."""
    return (
        word.casefold() in _GIVEN_NAMES or re.fullmatch(rf"(?:{_PERSON})(?:[_. -]?\w{{1,2}})?", word, re.I) is not None
    )

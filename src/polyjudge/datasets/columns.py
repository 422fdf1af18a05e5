"""What a column of a table holds, judged by its name and its cells: ratings, text, an identifier, a measurement.

A column that may show the judge how people rated, or what another model said, is never taken for text.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from polyjudge.datasets.criteria import LARGEST
from polyjudge.datasets.raters import words_of
from polyjudge.datasets.table import MISSING, Table, is_missing, is_number, items_of, reads_as, with_point
from polyjudge.datasets.transcript import messages_of
from polyjudge.formatting.text import clipped, listed, many

# Labels are few, short, and each stands in several rows.
MOST_LABELS = 12
_LONGEST_LABEL = 40
# Whole numbers on more levels than these are shown to the judge as a range.
_MOST_LEVELS = 21
# Half points on a longer scale are shown as a range too.
_MOST_HALVES = 10
# Cells that differ from the rest of a column up to this share are taken for slips.
_SLIPS = 0.2
MEASURES = words_of(
    "conf confidence certainty prob probability logprob logprobs logit p latency ms sec secs second seconds time "
    "duration token tokens cost price usd eur len length words chars characters count n num version date datetime "
    "timestamp seed rank weight std sd var variance se stderr index idx row line page year age id ids uuid guid "
    "temperature epoch size width height votes bytes offset position turn turns created updated"
)
_COUNTED = frozenset({"num", "number", "count", "n", "total", "nb"})
MODELS = words_of(
    "gpt gpt4 gpt5 claude gemini llm llama judge model auto automatic bertscore bleu rouge bleurt comet meteor "
    "chrf pred predicted prediction predictions perplexity ppl similarity reward prev previous old baseline"
)
ABOUT = words_of(
    "model system source category topic domain language lang genre type dataset annotator rater worker coder "
    "gender country region group condition variant method engine provider split fold batch status flag error "
    "notice judge layout author writer user name assigned team tag tags"
)
TEXTS = words_of(
    "question prompt query answer response output input text summary reply document article context passage "
    "message messages conversation dialogue dialog transcript title content completion story note review ticket "
    "email post comment_text instruction reference translation hypothesis premise claim code body essay caption "
    "turn chat"
)
REASONS = words_of(
    "comment comments notes rationale rationales justification justifications explanation explanations reason "
    "reasons reasoning remark remarks"
)
# Words that people rate with, from worst to best; a column of some of them is ordered.
_ORDERS = (
    "terrible|very poor|poor|fair|good|very good|excellent",
    "very bad|bad|ok|good|very good",
    "bad|mediocre|okay|good|great",
    "strongly disagree|disagree|neutral|agree|strongly agree",
    "strongly disagree|disagree|neither agree nor disagree|agree|strongly agree",
    "very low|low|medium|high|very high",
    "very low|low|moderate|high|very high",
    "never|rarely|sometimes|often|always",
    "none|mild|moderate|severe",
    "not at all|slightly|moderately|very|extremely",
    "not at all|somewhat|mostly|completely",
    "unacceptable|acceptable|good|excellent",
    "incorrect|partially correct|correct",
    "very dissatisfied|dissatisfied|neutral|satisfied|very satisfied",
)
_URL = re.compile(r"\w+://\S+|www\.\S+")
_DATE = re.compile(r"\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d.*)?|\d{1,2}[./]\d{1,2}[./]\d{2,4}(?: \d\d:\d\d.*)?")
_PART = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+|[^\W\d_A-Za-z]+")


@dataclass(frozen=True, slots=True)
class Column:
    """A column with its filled cells; those of lists are taken apart.

    Attributes:
        name: in the table.
        rows: of the table.
        cells: filled ones, a list in a cell once for each item.
        lists: whether its cells hold lists.
        nested: whether it holds objects, or lists of them.
        is_conversation: whether every cell is a list of messages.
        single: the filled cells as texts, one a row.
    """

    name: str
    rows: int
    cells: tuple[object, ...]
    single: tuple[str, ...] = field(repr=False)
    lists: bool = False
    nested: bool = False
    is_conversation: bool = False

    @property
    def words(self) -> tuple[str, ...]:
        """The parts of its name, folded: ``responseLength_ms`` is response, length, ms."""
        return name_words(self.name)

    @property
    def distinct(self) -> int:
        return len(set(self.single))

    @property
    def identifies(self) -> bool:
        """Whether every row has a value of its own."""
        return len(self.single) == self.rows == self.distinct


@dataclass(frozen=True, slots=True)
class Ratings:
    """Ratings as a criteria file writes them.

    Attributes:
        scale: under the key ``scale``.
        read: under ``read``; "" for none.
        about: what was seen, for the user; "" where the scale says it all.
    """

    scale: list[int] | dict[str, Any]
    read: str = ""
    about: str = ""

    @property
    def is_labels(self) -> bool:
        return isinstance(self.scale, dict) and "labels" in self.scale


def name_words(name: str) -> tuple[str, ...]:
    return tuple(part.casefold() for part in _PART.findall(name))


def column_of(table: Table, name: str) -> Column:
    """A column of a table."""
    cells: list[object] = []
    single: list[str] = []
    lists = nested = False
    for row in table.rows:
        cell = row.get(name)
        if is_missing(cell):
            continue
        try:
            items: Sequence[object] = items_of(cell)
        except ValueError:
            items = (cell,)
        is_list = len(items) != 1 or items[0] is not cell
        lists |= is_list
        nested |= any(isinstance(item, (Mapping, list, tuple)) for item in items)
        cells += [with_point(item, table.decimal) for item in items if not is_missing(item)]
        single.append(str(cell).strip())
    talks = bool(single) and all(is_missing(row.get(name)) or messages_of(row.get(name)) for row in table.rows)
    return Column(name, len(table.rows), tuple(cells), tuple(single), lists, nested, talks)


def ratings_in(columns: Sequence[Column]) -> Ratings | None:
    """The ratings that columns hold, by their cells alone; None if these are no ratings of one scale."""
    cells = [cell for column in columns for cell in column.cells]
    if not cells or any(column.nested for column in columns):
        return None
    texts = [str(cell).strip() for cell in cells]
    if all(is_number(text) and not isinstance(cell, bool) for cell, text in zip(cells, texts, strict=True)):
        return _numbers([float(text) for text in texts])
    if sum(map(is_number, texts)) >= (1 - _SLIPS) * len(texts) or any(map(_DATE.fullmatch, texts)):
        return None
    read, numbers = reads_as(texts)
    if read and max(map(abs, numbers)) < _MOST_LEVELS and len(set(texts)) <= 2 * _MOST_LEVELS:
        tops = [float(top) for text in texts if (top := text.partition("/")[2].strip()).isdecimal()]
        high = max(tops, default=5.0 if read == "stars" else 0.0)
        scale = [min(1, math.floor(min(numbers))), int(high)] if high else whole_scale(numbers)
        return Ratings(scale, read, f"numbers are read out of cells such as {clipped(texts[0])}")
    return _labels(texts, sum(column.rows for column in columns))


def _numbers(numbers: Sequence[float]) -> Ratings | None:
    if not all(math.isfinite(number) and abs(number) < LARGEST for number in numbers):
        return None
    low, high = min(numbers), max(numbers)
    if high - low > 100:
        return None
    if all(number.is_integer() for number in numbers):
        scale = whole_scale(numbers)
        if scale[1] - scale[0] < _MOST_LEVELS:
            return Ratings(scale)
        bounds = (0, 100) if low >= 0 and high <= 100 else (math.floor(low), math.ceil(high))
        return _any_number(*bounds)
    halves = all((2 * number).is_integer() for number in numbers)
    if halves and high > 1 and high - low <= _MOST_HALVES:
        bottom, top = whole_scale(numbers)
        return Ratings({"low": bottom, "high": top, "step": 0.5})
    for raters in (3, 4, 5, 6, 7) if high > 1 and not halves else ():
        # Means of a few raters, which are rounded to two or more digits, lie on a few fractions.
        if all(abs(number * raters - round(number * raters)) < 0.011 * raters for number in numbers):
            return Ratings(whole_scale(numbers), about=f"fractions of {raters} are taken for means of raters")
    bounds = next(
        ((a, b) for a, b in ((0, 1), (-1, 1), (1, 5), (0, 5), (1, 10), (0, 10), (0, 100)) if a <= low and high <= b),
        (math.floor(low), math.ceil(high)),
    )
    return _any_number(*bounds)


def _any_number(low: float, high: float) -> Ratings:
    """Any number of a range; that of a single number begins or ends at 0."""
    low, high = (low, high) if low < high else (min(low, 0), max(high, 0))
    return Ratings({"low": low, "high": high, "step": "any"})


def whole_scale(numbers: Iterable[float]) -> list[int]:
    """The usual scale around whole numbers: 0..3 and 1..5 rather than 2..4."""
    found = list(numbers)
    low, high = min(math.floor(min(found)), 1), math.ceil(max(found))
    return [low, max(high, 5 if low == 1 else low + 1)]


def _labels(texts: Sequence[str], rows: int) -> Ratings | None:
    spellings: dict[str, Counter[str]] = {}
    for text in texts:
        spellings.setdefault(text.casefold(), Counter())[text] += 1
    few = 2 <= len(spellings) <= MOST_LABELS and len(spellings) <= max(2, len(texts) / 2)
    short = all(len(label) <= _LONGEST_LABEL and label.isprintable() for label in spellings)
    if not few or not short or rows < 2 or len(texts) <= len(spellings):
        return None
    names = {folded: counter.most_common(1)[0][0] for folded, counter in spellings.items()}
    for order in (line.split("|") for line in _ORDERS):
        if len(names) > 2 and set(names) <= set(order):
            lower = all(name == name.casefold() for name in names.values())
            ordered = [names.get(word, word if lower else word.capitalize()) for word in order]
            first, last = (order.index(word) for word in (_ends(names, order)))
            return Ratings({"ordered": ordered[first : last + 1]}, about="its words are taken as ranks, worst first")
    # "none" is a label here only if the file's reader would take it for one too.
    if any(folded in MISSING for folded in names):
        return None
    return Ratings({"labels": sorted(names.values(), key=str.casefold)})


def _ends(names: Iterable[str], order: Sequence[str]) -> tuple[str, str]:
    used = sorted(names, key=order.index)
    return used[0], used[-1]


def slips(column: Column) -> str:
    """What keeps a column of numbers from being one: its few other cells; "" if there are none, or many."""
    texts = [str(cell).strip() for cell in column.cells]
    odd = [text for text in texts if not is_number(text)]
    if not odd or len(odd) > _SLIPS * len(texts):
        return ""
    return f"{len(texts) - len(odd)} of its {many(len(texts), 'cells')} are numbers, and these are none: " + listed(
        map(clipped, dict.fromkeys(odd)), 5
    )


def why_no_rating(column: Column) -> str:
    """Why the numbers of a column are no ratings, by its name and its values; "" if they may be."""
    words = column.words
    if words and (words[-1] in MEASURES or words[0] in _COUNTED):
        return "its name is that of a measurement or an identifier"
    if MODELS & set(words):
        return "its name is that of a model's or a metric's score"
    numbers = [float(text) for text in map(str, column.cells) if is_number(text)]
    if len(numbers) < len(column.cells) or not numbers:
        return ""
    if max(numbers) - min(numbers) > 100 or max(map(abs, numbers)) > 1000:
        return f"its numbers go from {min(numbers):g} to {max(numbers):g}, which is no scale that people rate on"
    steps = {b - a for a, b in pairwise(numbers)}
    if len(numbers) == column.rows > 5 and steps in ({1.0}, {-1.0}):
        return "it numbers the rows"
    return ""


def why_no_text(column: Column) -> str:
    """Why the judge should not see a column of words; "" if it may be what is judged."""
    words = column.words
    if all(_URL.fullmatch(text) for text in column.single):
        return "it holds addresses"
    if all(_DATE.fullmatch(text) for text in column.single):
        return "it holds dates"
    if words and (words[-1] in REASONS or words[0] in REASONS):
        return "it seems to say why people rated as they did"
    if words and words[-1] in ("id", "ids", "uuid", "guid", "hash"):
        return "its name is that of an identifier"
    blank = not any(" " in text for text in column.single)
    if column.identifies and column.rows > 1 and blank and all(any(s.isdigit() for s in t) for t in column.single):
        return "it holds identifiers"
    if words and words[-1] in ABOUT and words[-1] not in TEXTS and (blank or 2 * column.distinct <= column.rows):
        return "it says what the row is about"
    return ""

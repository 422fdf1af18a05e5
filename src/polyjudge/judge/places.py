"""Where in a reply each score is written: the place at which another label would be read as the score instead.

The strict reader itself is asked, with the reply changed at one place, so that whatever it reads has a place and a
number that it overlooks (in the prose before an object, in a key, in another criterion's value) has none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from polyjudge.domain.criterion import Criterion
from polyjudge.domain.scale import Categorical, Scale, show
from polyjudge.errors import ReplyError
from polyjudge.templates.replies import read_scores

_NUMBER = re.compile(r"(?<![\w.+-])[-+]?\d+(?:\.\d+)?(?!\w)")
# A reply that repeats a value more often than this is read from the start no further.
TRIES = 32

_Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Place:
    """A score and where its value stands in the reply's text, ``start`` to ``end``."""

    score: float
    start: int
    end: int


def places(text: str, criteria: Sequence[Criterion], *, cut: bool = False) -> dict[str, Place]:
    """The scores that a reply plainly states and where it does, by criterion; those without a place are absent.

    Args:
        text: the model's reply.
        criteria: which scores are wanted; their scales have labels.
        cut: whether the reply ended at its token limit.

    Raises:
        ReplyError: not one of the wanted scores can be read.
    """
    scores = read_scores(text, criteria, cut=cut)
    found: dict[str, Place] = {}
    for criterion in criteria:
        score = scores.get(criterion.name)
        span = None if score is None else _place(text, criterion, score, criteria, cut)
        if score is not None and span is not None:
            found[criterion.name] = Place(score, *span)
    return found


def _place(text: str, criterion: Criterion, score: float, criteria: Sequence[Criterion], cut: bool) -> _Span | None:
    """The one span that decides; of a value written several times over, the first that counts."""
    spans = _candidates(text, criterion, score)
    others = [level for level in criterion.scale.levels if level != score]

    def decides(changed: Sequence[_Span]) -> bool:
        return any(
            _read(_written(text, changed, show(criterion.scale, other)), criterion, criteria, cut) == other
            for other in _stand_ins(criterion.scale, others)
        )

    for span in spans:
        if decides([span]):
            return span
    ordered = sorted(spans)
    return next((ordered[k] for k in reversed(range(len(ordered))) if decides(ordered[k:])), None)


def _candidates(text: str, criterion: Criterion, score: float) -> list[_Span]:
    """Where the value is written, those that end behind the criterion's last mention first.

    A label may itself mention the criterion, as "not toxic" does.
    """
    mention = text.rfind(criterion.name)
    found = [*_first(span for span in _spans(text, criterion.scale, score) if span[1] > mention)]
    before = _first(span for span in _spans(text, criterion.scale, score) if span[1] <= mention)
    return found + [*before][: TRIES - len(found)]


def _first(spans: Iterator[_Span]) -> Iterator[_Span]:
    return (span for span, _ in zip(spans, range(TRIES), strict=False))


def _spans(text: str, scale: Scale, score: float) -> Iterator[_Span]:
    if isinstance(scale, Categorical):
        label = re.compile(rf"(?<!\w){re.escape(show(scale, score).strip())}(?!\w)", re.IGNORECASE)
        return (match.span() for match in label.finditer(text))
    return (match.span() for match in _NUMBER.finditer(text) if float(match.group()) == score)


def _stand_ins(scale: Scale, others: Sequence[float]) -> Sequence[float]:
    """The values to try in a value's stead: any number will do; a label's spelling may not fit where another's did."""
    return others if isinstance(scale, Categorical) else others[:1]


def _written(text: str, spans: Sequence[_Span], value: str) -> str:
    for start, end in reversed(spans):
        text = text[:start] + value + text[end:]
    return text


def _read(text: str, criterion: Criterion, criteria: Sequence[Criterion], cut: bool) -> float | None:
    try:
        return read_scores(text, criteria, cut=cut).get(criterion.name)
    except ReplyError:
        return None

"""Read replies that give a reason before each score: ``{"fluency": {"reason": "...", "score": 4}}``, and nothing else.

A score counts only behind its reason, because a reason that follows a score cannot have led to it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from polyjudge.domain.criterion import Criterion
from polyjudge.errors import ReplyError
from polyjudge.formatting.text import excerpt
from polyjudge.templates.reasoning_strip import answer, unwrapped
from polyjudge.templates.score_parser import (
    Member,
    Statement,
    members_of,
    statement_of,
    under,
    whole_object,
)

REASON, SCORE = "reason", "score"
"""The keys of a criterion's object."""


@dataclass(frozen=True, slots=True)
class Reasoned:
    """A score with its place in the reply, and the reason before it; "" = an empty one."""

    statement: Statement
    reason: str


def read_reasoned(text: str, criteria: Sequence[Criterion], *, cut: bool = False) -> dict[str, Reasoned]:
    """The scores that a reply states behind a reason, by criterion; those it does not state are absent.

    Where one criterion is wanted, its object may stand alone.

    Args:
        text: the model's reply.
        criteria: which scores are wanted.
        cut: whether the reply ended at its token limit, for the message.

    Raises:
        ReplyError: not one of the wanted scores can be read.
    """
    members = whole_object(unwrapped(answer(text, unknown_tags=True)))
    found: dict[str, Reasoned] = {}
    if members is not None:
        read = {criterion.name: _of_criterion(text, members, criterion, criteria) for criterion in criteria}
        found = {name: reasoned for name, reasoned in read.items() if reasoned is not None}
    if not found:
        ended = ", which was cut off at its token limit" if cut else ""
        raise ReplyError(f"no reason with a score can be read from the reply {excerpt(text)}{ended}")
    return found


def _of_criterion(
    text: str, members: Sequence[Member], criterion: Criterion, criteria: Sequence[Criterion]
) -> Reasoned | None:
    named = under(members, criterion.name, [one.name for one in criteria])
    if not named and len(criteria) == 1:
        return _reasoned(text, members, criterion)
    if len(named) != 1 or text[named[0].start] != "{":
        return None
    return _reasoned(text, members_of(text, named[0].start)[0], criterion)


def _reasoned(text: str, members: Sequence[Member], criterion: Criterion) -> Reasoned | None:
    """What an object of one reason and one score says; None when it is anything else, or the score comes first."""
    if [member.key for member in members] != [REASON, SCORE] or not isinstance(members[0].value, str):
        return None
    statement = statement_of(text, members[1], criterion.scale, nested=False)
    return None if statement is None else Reasoned(statement, members[0].value.strip())

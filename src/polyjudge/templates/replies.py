"""Read what a model wrote, strictly: a value that is not plainly there is missing, never guessed.

A number off the scale, a cut-off object, a refusal or the last number of a rationale is not a score.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Sequence

from polyjudge.domain.criterion import Criterion
from polyjudge.domain.scale import Categorical, Continuous, Scale
from polyjudge.errors import ReplyError
from polyjudge.templates.objects import objects
from polyjudge.templates.spoken import own_words, without_thought
from polyjudge.templates.stated import UNCLEAR, fold, from_objects, from_prose, member

_FENCED = re.compile(r"```[\w-]*\n(.*)```", re.DOTALL)


def read_scores(text: str, criteria: Sequence[Criterion], *, cut: bool = False) -> dict[str, float]:
    """The scores that a reply plainly states, by criterion; those it does not state are absent.

    An object counts where it stands alone: as the whole reply, in a code fence, or on lines of its own. A line
    "name: value" counts where there is no object. Everything that states a score must agree, or there is none: which
    of two a judge means (the first, the last, the one it quotes or the one it compares with) would be a guess.

    Args:
        text: the model's reply.
        criteria: which scores are wanted.
        cut: whether the reply ended at its token limit; neither a broken object nor the last line is then read.

    Raises:
        ReplyError: not one of the wanted scores can be read.
    """
    asked_for = _as_asked(text, criteria)
    if asked_for is not None:
        return asked_for
    whole = without_thought(text).strip()
    found = objects(whole, mend=not cut)
    sole = len(found) == 1 and (found[0].start, found[0].end) == (0, len(whole))
    spoken = whole if sole else own_words(text)
    if not sole:
        found = objects(spoken, mend=not cut)
    scores: dict[str, float] = {}
    for criterion in criteria:
        others = [fold(other.name) for other in criteria if other is not criterion]
        if found:
            value = from_objects(spoken, found, criterion, others, cut=cut)
        elif "{" in spoken:
            value = None
        else:
            value = from_prose(spoken, criterion, others)
            if cut and value != from_prose(_unfinished(spoken), criterion, others):
                value = None
        if value is not None:
            scores[criterion.name] = value
    if not scores:
        raise ReplyError(f"no score can be read from the reply {excerpt(text)}")
    return scores


def _as_asked(text: str, criteria: Sequence[Criterion]) -> dict[str, float] | None:
    """The scores of a reply that is the wanted object and nothing else, which most are; None of any other.

    It says what the strict reading would say, in a hundredth of its time.
    """
    if not text.startswith("{"):
        return None
    try:
        pairs = json.loads(text, object_pairs_hook=tuple)
    except (ValueError, RecursionError):
        return None
    wanted = {criterion.name: criterion.scale for criterion in criteria}
    if len(pairs) != len(wanted) or {name for name, _ in pairs} != set(wanted):
        return None
    scores = {name: _plain(value, wanted[name]) for name, value in pairs}
    known = {name: score for name, score in scores.items() if score is not None}
    return {name: known[name] for name in wanted} if len(known) == len(wanted) else None


def _plain(value: object, scale: Scale) -> float | None:
    """A member as its scale writes it: a whole number, any number on a continuous scale, the label to the letter."""
    if isinstance(scale, Categorical):
        return float(scale.names.index(value)) if isinstance(value, str) and value in scale.names else None
    kinds = (int, float) if isinstance(scale, Continuous) else (int,)
    # A number of hundreds of digits has no float, and no place on a scale.
    if not isinstance(value, kinds) or isinstance(value, bool) or abs(value) > sys.float_info.max:
        return None
    return float(value) if scale.allows(float(value)) else None


def read_text(text: str, *, cut: bool = False) -> str:
    """A reply that is wanted as prose.

    Raises:
        ReplyError: nothing was written, or it was cut off.
    """
    spoken = without_thought(text).strip()
    if cut:
        raise ReplyError("the reply was cut off at its token limit")
    if not spoken:
        raise ReplyError("the reply is empty")
    return spoken


def read_instruction(text: str, *, cut: bool = False) -> str:
    """A new instruction written as plain text, or in one code fence or pair of quotation marks.

    Raises:
        ReplyError: nothing was written, it was cut off, or a judge file could not hold it.
    """
    spoken = read_text(text, cut=cut)
    fence = _FENCED.fullmatch(spoken)
    if fence and "```" not in fence.group(1):
        spoken = fence.group(1).strip()
    quotes = spoken[: len(spoken) - len(spoken.lstrip('"'))]
    inside = spoken.removeprefix(quotes).removesuffix(quotes)
    if quotes and spoken.endswith(quotes) and quotes not in inside:
        spoken = inside.strip()
    if not _worded(spoken):
        raise ReplyError("the reply holds no instruction")
    if not _storable(spoken):
        raise ReplyError("the instruction holds a character that cannot be sent to a model")
    return spoken


def read_instructions(text: str, names: Sequence[str], *, cut: bool = False) -> dict[str, str]:
    """New instructions written as one JSON object {criterion: instruction}.

    Raises:
        ReplyError: no such object or several that differ, a criterion without a text, a text that a judge file could
            not hold, or the reply was cut off.
    """
    spoken = read_text(text, cut=cut)
    wanted = {fold(name) for name in names}
    found = [one for one in objects(spoken, mend=False) if wanted & {fold(key) for key in one.members}]
    if not found:
        raise ReplyError(f"no JSON object with the instructions in the reply {excerpt(text)}")
    if any(one.members != found[0].members for one in found):
        raise ReplyError(f"several objects with different instructions in the reply {excerpt(text)}")
    texts = {name: member(found[0].members, name) for name in names}
    empty = [name for name, value in texts.items() if not isinstance(value, str) or not _worded(value)]
    if empty:
        raise ReplyError(f"the reply gives no instruction for {empty!r}")
    unstorable = [name for name, value in texts.items() if not _storable(value)]
    if unstorable:
        raise ReplyError(f"the instruction for {unstorable!r} holds a character that cannot be sent to a model")
    return {name: str(value).strip() for name, value in texts.items()}


def _worded(text: str) -> bool:
    """Whether there is a word in it, unlike in the dots of a form that was sent back as it came."""
    return any(character.isalnum() for character in text)


def _storable(text: str) -> bool:
    """Whether a judge file can hold the text and be read again: no NUL, no half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text


def _unfinished(text: str) -> str:
    """A cut reply with its last line made unreadable: a 1 there may have been to be a 10, a 4 to be a 4 out of 10."""
    whole, _, last = text.rpartition("\n")
    if 0 < len(last.strip()) < UNCLEAR:
        return ""
    return f"{whole}\n…" if last.strip() else text


def excerpt(text: str) -> str:
    """The beginning of a reply for a message, quoted."""
    return repr(text if len(text) <= 80 else text[:77] + "...")

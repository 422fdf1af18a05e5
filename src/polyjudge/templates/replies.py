"""Read what a model wrote, strictly: a value that is not plainly there is missing, never guessed.

A number off the scale, a cut-off object, a refusal or the last number of a rationale is not a score.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from polyjudge.domain.criterion import Criterion
from polyjudge.domain.scale import Categorical, Scale
from polyjudge.errors import ReplyError
from polyjudge.templates.objects import Conflict, objects

_OPENED = re.compile(r"\s*<think(?:ing)?>", re.IGNORECASE)
_CLOSED = re.compile(r"</think(?:ing)?>", re.IGNORECASE)
# Some endpoints swallow the opening tag; the closing one then ends its line, which a mere mention of it seldom does.
_SWALLOWED = re.compile(r"</think(?:ing)?>[ \t]*(?:\n|\Z)", re.IGNORECASE)
_FENCED = re.compile(r"```[\w-]*\n(.*)```", re.DOTALL)
_NUMBER = r"[-+]?\d+(?:\.\d+)?"
_WORN = r"[\s\"'*_`()\[\]]*+"
# A lone value may wear quotes, brackets, asterisks or a full stop, and name the end of its scale.
_LONE = re.compile(
    rf"{_WORN}(?P<value>{_NUMBER}){_WORN}(?:(?:/|out\s+of|of){_WORN}(?P<top>{_NUMBER}){_WORN})?\.?{_WORN}",
    re.IGNORECASE,
)
_SCORE_KEYS = ("score", "rating", "value", "answer", "label")


def read_scores(text: str, criteria: Sequence[Criterion], *, cut: bool = False) -> dict[str, float]:
    """The scores that a reply plainly states, by criterion; those it does not state are absent.

    Args:
        text: the model's reply.
        criteria: which scores are wanted.
        cut: whether the reply ended at its token limit; neither a broken object nor the last line is then read.

    Raises:
        ReplyError: not one of the wanted scores can be read.
    """
    spoken = _without_thought(text)
    scores: dict[str, float] = {}
    found = _last(objects(spoken, mend=not cut), [criterion.name for criterion in criteria])
    for criterion in criteria:
        if found is not None:
            value = _from_object(found, criterion, alone=len(criteria) == 1)
        elif "{" in spoken:
            value = None
        else:
            value = _from_prose(_unfinished(spoken) if cut else spoken, criterion, alone=len(criteria) == 1)
        if value is not None:
            scores[criterion.name] = value
    if not scores:
        raise ReplyError(f"no score can be read from the reply {_excerpt(text)}")
    return scores


def read_text(text: str, *, cut: bool = False) -> str:
    """A reply that is wanted as prose.

    Raises:
        ReplyError: nothing was written, or it was cut off.
    """
    spoken = _without_thought(text).strip()
    if cut:
        raise ReplyError("the reply was cut off at its token limit")
    if not spoken:
        raise ReplyError("the reply is empty")
    return spoken


def read_instruction(text: str, *, cut: bool = False) -> str:
    """A new instruction written as plain text, or in one code fence or pair of quotation marks.

    Raises:
        ReplyError: nothing was written, or it was cut off.
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
    return spoken


def read_instructions(text: str, names: Sequence[str], *, cut: bool = False) -> dict[str, str]:
    """New instructions written as one JSON object {criterion: instruction}.

    Raises:
        ReplyError: no such object, a criterion without a text, or the reply was cut off.
    """
    spoken = read_text(text, cut=cut)
    found = _last(objects(spoken, mend=False), names)
    if found is None:
        raise ReplyError(f"no JSON object with the instructions in the reply {_excerpt(text)}")
    texts = {name: _member(found, name) for name in names}
    empty = [name for name, value in texts.items() if not isinstance(value, str) or not _worded(value)]
    if empty:
        raise ReplyError(f"the reply gives no instruction for {empty!r}")
    return {name: str(value).strip() for name, value in texts.items()}


def _worded(text: str) -> bool:
    """Whether there is a word in it, unlike in the dots of a form that was sent back as it came."""
    return any(character.isalnum() for character in text)


def _without_thought(text: str) -> str:
    """What follows the thought that a reasoning model writes first; nothing when the thought does not end."""
    position = 0
    while opened := _OPENED.match(text, position):
        closed = _CLOSED.search(text, opened.end())
        if closed is None:
            return ""
        position = closed.end()
    swallowed = _SWALLOWED.search(text, position)
    if swallowed and "<think" not in text[position : swallowed.start()].lower():
        position = swallowed.end()
    return text[position:]


def _unfinished(text: str) -> str:
    """A cut reply with its last line made unreadable: a 1 there may have been to be a 10, a 4 to be a 4 out of 10."""
    whole, _, last = text.rpartition("\n")
    return f"{whole}\n…" if last.strip() else text


def _last(found: Sequence[Mapping[str, Any]], names: Sequence[str]) -> Mapping[str, Any] | None:
    """The last object that speaks of a wanted name or, for one name, the only one that gives a score without one."""
    named = [one for one in found if {_fold(key) for key in one} & {_fold(name) for name in names}]
    if named:
        return named[-1]
    scored = [one for one in found if {_fold(key) for key in one} & set(_SCORE_KEYS)]
    return scored[0] if len(scored) == len(names) == 1 else None


def _fold(name: str) -> str:
    return re.sub(r"[\s_-]+", "_", name.strip().casefold())


def _member(found: Mapping[str, Any], name: str) -> Any:
    """The value under a name, whatever its case; None when absent, spelled in two ways or given twice differently."""
    values = [value for key, value in found.items() if _fold(key) == _fold(name)]
    return values[0] if len(values) == 1 and not isinstance(values[0], Conflict) else None


def _from_object(found: Mapping[str, Any], criterion: Criterion, *, alone: bool) -> float | None:
    value = _member(found, criterion.name)
    if value is None and alone and not any(_fold(key) == _fold(criterion.name) for key in found):
        value = _only_score(found)
    if isinstance(value, dict):
        value = _only_score(value)
    if isinstance(criterion.scale, Categorical) and isinstance(value, bool | int):
        value = json.dumps(value)
    if isinstance(value, str):
        return _lone(value, criterion.scale)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return _on_scale(value, criterion.scale)


def _only_score(found: Mapping[str, Any]) -> Any:
    values = [value for key, value in found.items() if _fold(key) in _SCORE_KEYS]
    return values[0] if len(values) == 1 else None


def _from_prose(text: str, criterion: Criterion, *, alone: bool) -> float | None:
    """A score stated without JSON: a lone value or a line "name: value"; within a sentence "4/5" may be anything."""
    labels = [criterion.name, *_SCORE_KEYS] if alone else [criterion.name]
    named = "|".join(re.escape(label) for label in labels)
    line = re.compile(
        rf"^[ \t\-*_#>\"'`]*+(?:{named})[ \t*_\"'`]*+(?:[:=]|\bis\b)(?P<rest>.*)$", re.IGNORECASE | re.MULTILINE
    )
    stated = [_lone(match.group("rest"), criterion.scale) for match in line.finditer(text)]
    if stated:
        return stated[0] if all(value == stated[0] for value in stated) else None
    if not alone:
        return None
    return _lone(text, criterion.scale)


def _lone(text: str, scale: Scale) -> float | None:
    """A text that is one value and nothing else; None when it is more, less, or off the scale."""
    if isinstance(scale, Categorical):
        exact = scale.position(text)
        return scale.position(text.strip().strip("\"'*_`()[].")) if exact is None else exact
    match = _LONE.fullmatch(text)
    if match is None:
        return None
    top = match.group("top")
    if top is not None and float(top) != scale.high:
        return None
    return _on_scale(float(match.group("value")), scale)


def _on_scale(value: float, scale: Scale) -> float | None:
    """A number as a score: never of a label, and 0.0 for -0.0, so that equal scores are written alike."""
    return float(value) + 0.0 if not isinstance(scale, Categorical) and scale.allows(value) else None


def _excerpt(text: str) -> str:
    """The beginning of a reply for a message, quoted."""
    return repr(text if len(text) <= 80 else text[:77] + "...")

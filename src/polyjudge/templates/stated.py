"""What single score the objects or the lines of a reply state for a criterion; None as soon as two of them differ."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any

from polyjudge.domain.criterion import Criterion
from polyjudge.domain.scale import Categorical, Scale
from polyjudge.templates.objects import Conflict, Found
from polyjudge.templates.spoken import doubtful, goes_on

_NUMBER = r"[-+]?\d+(?:\.\d+)?"
_WORN = r"[\s\"'*_`()\[\]]*+"
# A lone value may wear quotes, brackets, asterisks or a full stop, and name the end of its scale.
_LONE = re.compile(
    rf"{_WORN}(?P<value>{_NUMBER}){_WORN}(?:(?:/|out\s+of|of){_WORN}(?P<top>{_NUMBER}){_WORN})?\.?{_WORN}",
    re.IGNORECASE,
)
_SCORE_KEYS = ("score", "rating", "value", "answer", "label")
_HARMLESS = frozenset({"confidence", "certainty", "scale", "range", "max", "maximum", "min", "minimum"})
_STATING = re.compile(
    rf"(?:(?<!\d)(?P<mark>[:=：])|\b(?:is|be|gets|deserves|(?:score|rating) of)\b){_WORN}(?P<rest>[^\n]{{1,80}})",
    re.IGNORECASE,
)
_SEPARATORS = re.compile(r"[\s_-]+")
_SIGNS = re.compile(r"[^\w ]+")
# Fewer characters than this, at the end of a cut reply, may become any word: "T" a "The" or a "To 5".
UNCLEAR = 4
_LEADING = re.compile(rf"{_NUMBER}(?![\w-])")
_CORRECTING = re.compile(
    r"\b(?:scores?|ratings?|value|answer|label|verdict|grade|mark|final|overall|view|opinion|no|wait|revised|corrected|"
    r"correction|actual|actually|real|true|own)\b",
    re.IGNORECASE,
)


def from_objects(
    text: str, found: Sequence[Found], criterion: Criterion, others: Sequence[str], *, cut: bool
) -> float | None:
    """The one value that all objects and lines give; None when they differ or the objects do not stand alone."""
    alone, name = not others, fold(criterion.name)
    keys = {name, *_SCORE_KEYS} if alone else {name}
    speaking = [one for one in found if keys & {fold(key) for key in one.members}]
    named = any(fold(key) == name for one in speaking for key in one.members)
    if not speaking or (not named and len(speaking) > 1):
        return None
    stating = [one for one in speaking if one.alone and not (cut and _at_the_end(text, one))]
    values = [_from_object(one.members, criterion, alone=alone) for one in speaking]
    value = values[0]
    if not stating or value is None or any(other != value for other in values):
        return None
    if any(name in fold(one.broken) or (alone and "score" in one.broken.casefold()) for one in found):
        return None
    if any(other != value for one in found for other in _further(one.members, criterion, others)):
        return None
    prose = "".join(
        text[before.end if before else 0 : after.start if after else len(text)]
        for before, after in zip([None, *found], [*found, None], strict=True)
    )
    if any(other != value for other, _ in _stated(prose, criterion, others, alone, every=False)):
        return None
    return None if any(doubtful(text, one.start, one.end) for one in (stating[0], stating[-1])) else value


def _at_the_end(text: str, found: Found) -> bool:
    """Whether a cut reply breaks off behind this object, with something before it: what follows may be "is wrong"."""
    behind = text[found.end :].strip(" \t\n`*")
    return bool(text[: found.start].strip()) if not behind else len(behind) < UNCLEAR


def _further(members: Mapping[str, Any], criterion: Criterion, others: Sequence[str]) -> Iterator[float | None]:
    """What an object says of a criterion besides its own member: in nested objects, as "final_fluency", ..."""
    named = f"_{fold(criterion.name)}_"
    waiting: list[tuple[bool, Any]] = [(True, members)]
    while waiting:
        outer, value = waiting.pop()
        if isinstance(value, list):
            waiting.extend((False, item) for item in value)
        if not isinstance(value, dict):
            continue
        for key, inner in value.items():
            nested = isinstance(inner, dict | list)
            if nested:
                waiting.append((False, inner))
            folded = f"_{fold(key)}_"
            itself, words = folded == named, set(folded.split("_")) if outer and not others else set()
            if (itself and outer) or (named not in folded and words.isdisjoint(("score", "rating"))):
                continue
            if folded.strip("_") in others or not _HARMLESS.isdisjoint(folded.split("_")):
                continue
            score = None if nested else _value(inner, criterion.scale)
            if itself or score is not None:
                yield score


def _stated(
    text: str, criterion: Criterion, others: Sequence[str], alone: bool, *, every: bool
) -> Iterator[tuple[float | None, int]]:
    """The values behind labels anywhere in a text, with their places; None for a number off the scale.

    Args:
        every: whether any label counts, else only one that names the criterion or speaks of a score.
    """
    name = fold(criterion.name)
    for match in _STATING.finditer(text):
        line = text[max(0, match.start() - 80) : match.start()].rpartition("\n")[2]
        sentence = re.split(r"[.!?]\s", line)[-1]
        label = f"_{fold(_SIGNS.sub(' ', sentence))}_"
        if label.strip("_").rpartition("_")[2] in _HARMLESS:
            continue
        if f"_{name}_" not in label:
            if any(f"_{other}_" in label for other in others):
                continue
            if not (every and match["mark"]) and not (alone and _CORRECTING.search(label.replace("_", " "))):
                continue
        begun = _begun(match["rest"], criterion.scale)
        if begun is not None:
            yield (begun if begun == begun else None), match.start()


def _begun(rest: str, scale: Scale) -> float | None:
    """The value that a text begins with; nan for a number off the scale, None when it begins with none."""
    if isinstance(scale, Categorical):
        folded = rest.casefold()
        for position, label in enumerate(scale.names):
            if re.match(rf"{re.escape(label.strip().casefold())}(?!\w)", folded):
                return float(position)
        return None
    number = _LEADING.match(rest)
    if number is None:
        return None
    value = _on_scale(float(number.group()), scale)
    return math.nan if value is None else value


@lru_cache(maxsize=4096)
def fold(name: str) -> str:
    if name.isalpha():
        return name.casefold()
    return _SEPARATORS.sub("_", name.strip().casefold())


def member(found: Mapping[str, Any], name: str) -> Any:
    """The value under a name, whatever its case; None when absent, spelled in two ways or given twice differently."""
    values = [value for key, value in found.items() if fold(key) == fold(name)]
    return values[0] if len(values) == 1 and not isinstance(values[0], Conflict) else None


def _from_object(found: Mapping[str, Any], criterion: Criterion, *, alone: bool) -> float | None:
    value = member(found, criterion.name)
    if value is None and alone and not any(fold(key) == fold(criterion.name) for key in found):
        value = _only_score(found)
    if isinstance(value, dict):
        value = _only_score(value)
    return _value(value, criterion.scale)


def _value(value: Any, scale: Scale) -> float | None:
    if isinstance(scale, Categorical) and isinstance(value, bool | int):
        value = json.dumps(value)
    if isinstance(value, str):
        return _lone(value, scale)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return _on_scale(value, scale)


def _only_score(found: Mapping[str, Any]) -> Any:
    values = [value for key, value in found.items() if fold(key) in _SCORE_KEYS]
    return values[0] if len(values) == 1 else None


def from_prose(text: str, criterion: Criterion, others: Sequence[str]) -> float | None:
    """A score stated without JSON: a lone value or a line "name: value"; within a sentence "4/5" may be anything."""
    alone = not others
    labels = [criterion.name, *_SCORE_KEYS] if alone else [criterion.name]
    named = "|".join(re.escape(label) for label in labels)
    line = re.compile(
        rf"^[ \t\-*_#\"'`]*+(?:{named})[ \t*_\"'`]*+(?:[:=]|\bis\b)(?P<rest>.*)$", re.IGNORECASE | re.MULTILINE
    )
    lines = list(line.finditer(text))
    if not lines:
        return _lone(text, criterion.scale) if alone else None
    value = _lone(lines[0].group("rest"), criterion.scale)
    if value is None or any(_lone(match.group("rest"), criterion.scale) != value for match in lines):
        return None
    if any(other != value for other, _ in _stated(text, criterion, others, alone, every=True)):
        return None
    if any(goes_on(text[match.end() : match.end() + 200]) for match in lines):
        return None
    return None if any(doubtful(text, match.start(), match.end()) for match in (lines[0], lines[-1])) else value


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

"""The forms in which a criteria file writes a scale."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

from polyjudge.datasets.problems import clipped, nearest
from polyjudge.domain.scale import Categorical, Continuous, Ordinal, Scale, show

FORMS = "write [1, 5], {low: 0, high: 3, step: 1}, {low: 0, high: 1, step: any} or {labels: [one, two]}"
MOST_LEVELS = 101
# Of fewer ratings it is no wonder that they lie close together.
ENOUGH_TO_TELL = 20


def scale_from(value: object) -> Scale:
    """The scale of its written form.

    Raises:
        ValueError: what is wrong with it and what to write.
    """
    if value is None:
        raise ValueError(f"is missing; {FORMS}")
    if isinstance(value, (list, tuple)):
        if len(value) != 2:
            raise ValueError(f"{clipped(value)} must be [lowest, highest]; {FORMS}")
        return _ordinal(value[0], value[1], 1)
    if not isinstance(value, Mapping):
        raise ValueError(f"{clipped(value)} is no scale; {FORMS}")
    keys = ("labels",) if "labels" in value else ("low", "high", "step")
    for key in value:
        if key not in keys:
            raise ValueError(f"unknown key {clipped(key)}{nearest(key, keys)}; {FORMS}")
    if "labels" in value:
        return _categorical(value["labels"])
    for key in ("low", "high"):
        if value.get(key) is None:
            raise ValueError(f"{key!r} is missing; {FORMS}")
    step = value.get("step", 1)
    if step == "any":
        return _continuous(value["low"], value["high"])
    return _ordinal(value["low"], value["high"], step)


def scale_to(scale: Scale) -> list[int] | dict[str, object]:
    """The shortest written form of a scale; ``scale_from`` reads it as the same scale."""
    if isinstance(scale, Categorical):
        return {"labels": list(scale.names)}
    if isinstance(scale, Continuous):
        return {"low": scale.low, "high": scale.high, "step": "any"}
    if scale.step == 1:
        return [scale.low, scale.high]
    return {"low": scale.low, "high": scale.high, "step": scale.step}


def narrow(scale: Scale, ratings: Iterable[float]) -> str:
    """What of a scale its ratings use, in words, where that is less than half of it; "" where it is more or unsure."""
    given = [rating for rating in ratings if not math.isnan(rating)]
    if isinstance(scale, Categorical) or len(given) < ENOUGH_TO_TELL:
        return ""
    low, high = min(given), max(given)
    if not 0 < high - low < (scale.high - scale.low) / 2:
        return ""
    return f"{show(scale, low)} to {show(scale, high)} of {scale.describe()}"


def _ordinal(low: object, high: object, step: object) -> Ordinal:
    whole: list[int] = []
    for bound in (low, high, step):
        if isinstance(bound, bool) or not isinstance(bound, int):
            raise ValueError(
                f"{clipped(bound)} is no whole number; a scale of any numbers is {{low: 0, high: 1, step: any}}, "
                f"one of words {{labels: [one, two]}}"
            )
        whole.append(bound)
    scale = Ordinal(*whole)
    if (scale.high - scale.low) // scale.step >= MOST_LEVELS:
        raise ValueError(f"has more than {MOST_LEVELS} levels; use {{low: {low}, high: {high}, step: any}}")
    return scale


def _continuous(low: object, high: object) -> Continuous:
    bounds: list[float] = []
    for bound in (low, high):
        if isinstance(bound, bool) or not isinstance(bound, (int, float)) or abs(bound) > 1e100:
            raise ValueError(f"{clipped(bound)} is no number; {FORMS}")
        bounds.append(float(bound))
    if any(math.isnan(bound) for bound in bounds):
        raise ValueError(f"nan is no bound; {FORMS}")
    return Continuous(*bounds)


def _categorical(value: object) -> Categorical:
    if not isinstance(value, (list, tuple)):
        raise ValueError(f"labels: {clipped(value)} is no list; {FORMS}")
    labels: list[str] = []
    for label in value:
        if isinstance(label, int) and not isinstance(label, bool):
            label = str(label)
        if not isinstance(label, str):
            raise ValueError(f"labels: {clipped(label)} is not text; put it in quotes")
        if not label.strip().isprintable():
            raise ValueError(f"labels: {clipped(label)} must be one line of plain characters")
        labels.append(label.strip())
    return Categorical(tuple(labels))

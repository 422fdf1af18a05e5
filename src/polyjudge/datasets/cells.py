"""One cell of a table, read as text or as a rating. What cannot be read is told as ``ValueError(reason)``."""

from __future__ import annotations

import math
import re
from decimal import Decimal

from polyjudge.datasets.problems import clipped
from polyjudge.domain.scale import NAN, Categorical, Scale

MISSING = frozenset({"", "na", "n/a", "#n/a", "nan", "null", "none", "<na>", "nat"})
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def is_number(text: str) -> bool:
    """Whether a text is a plain decimal number."""
    return _NUMBER.fullmatch(text.strip()) is not None


def is_missing(value: object) -> bool:
    """None, nan and the usual words for "nothing here"."""
    return str(_plain(value)).strip().casefold() in MISSING


def text_of(value: object) -> str:
    """A cell as text, untouched; a missing one is empty.

    Raises:
        ValueError: no text, or text that cannot be sent to a model.
    """
    value = _plain(value)
    if isinstance(value, str):
        return _sendable(value)
    if value is None or _is_nan(value):
        return ""
    if isinstance(value, (int, float, Decimal)) and not isinstance(value, bool):
        return _number_text(value)
    if str(value) in ("<NA>", "NaT"):
        return ""
    raise ValueError(f"holds a value of type {type(value).__name__!r} ({clipped(value)}); it must be text")


def rating_of(value: object, scale: Scale) -> float:
    """A cell as a rating on a scale: the number, or the label's position; nan when missing.

    A label that spells like a missing value ("none") is the label.

    Raises:
        ValueError: not a number, off the scale, or an unknown label.
    """
    number = score_of(value, scale)
    if math.isnan(number):
        return NAN
    if not scale.allows_rating(number):
        raise ValueError(_off(value, scale))
    return number


def score_of(value: object, scale: Scale) -> float:
    """A cell as a judge's score: as ``rating_of``, but a number may lie off the scale, as strengths do.

    Raises:
        ValueError: not a number, or an unknown label.
    """
    value = _plain(value)
    if isinstance(scale, Categorical):
        return _label(value, scale)
    if is_missing(value):
        return NAN
    number = _number(value)
    if number is None:
        decimal = isinstance(value, str) and is_number(value.replace(",", ".", 1))
        remedy = "use a decimal point" if decimal else f"write a number from {scale.describe()}"
        raise ValueError(f"{clipped(value)} is not a number; {remedy}, or leave the cell empty")
    if not math.isfinite(number):
        raise ValueError(_off(value, scale))
    return number


def _off(value: object, scale: Scale) -> str:
    return (
        f"{clipped(value)} is off the scale {scale.describe()}; correct the rating or the scale, "
        f"or leave the cell empty"
    )


def _label(value: object, scale: Categorical) -> float:
    if value is None:
        return NAN
    text = _number_text(value) if isinstance(value, (int, float)) and not _is_nan(value) else str(value)
    position = scale.position(text)
    if position is not None:
        return position
    if is_missing(value):
        return NAN
    raise ValueError(
        f"{clipped(value)} is none of the labels {', '.join(map(repr, scale.names))}; "
        f"correct it, or leave the cell empty"
    )


def _number(value: object) -> float | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, (int, float, Decimal)):
        try:
            return float(value)
        except OverflowError:
            return math.inf
    return float(value) if isinstance(value, str) and is_number(value) else None


def _number_text(value: int | float | Decimal) -> str:
    whole = isinstance(value, float) and value.is_integer()
    return str(int(value)) if whole else str(value)


def _is_nan(value: object) -> bool:
    return isinstance(value, (float, Decimal)) and math.isnan(value)


def _plain(value: object) -> object:
    """The Python value of a numpy scalar, known by its empty shape."""
    if getattr(value, "shape", None) == ():
        item = getattr(value, "item", None)
        if callable(item):
            return item()
    return value


def _sendable(text: str) -> str:
    if "\0" in text:
        raise ValueError("holds a NUL character; remove it (is the file UTF-16 or binary?)")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(
            f"holds half a character ({text[error.start]!r}, a lone surrogate), which cannot be sent; remove it"
        ) from None
    return text

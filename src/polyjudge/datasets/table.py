"""Rows as read: where each of them stands, which columns a rubric needs, what a cell means, which inputs are equal."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from polyjudge.datasets.problems import ErrorCollector, clipped, listed, nearest
from polyjudge.domain.criterion import Criterion
from polyjudge.domain.dataset import Rubric
from polyjudge.domain.scale import NAN, Categorical, Scale
from polyjudge.errors import DataError

Row = Mapping[str, object]
Key = tuple[str, ...]

ID_COLUMN = "id"
MISSING = frozenset({"", "na", "n/a", "#n/a", "nan", "null", "none", "<na>", "nat"})
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_PUNCTUATION = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class Table:
    """Rows as read.

    Attributes:
        source: for messages.
        columns: in order; unique.
        rows: each maps columns to cells; a row of JSONL may lack some.
        lines: the file line on which each row begins; empty when the source has no lines.
        notes: what the reader changed.
        first: the number of rows of the source before this table's, where the table is a batch of it.
    """

    source: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    lines: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    first: int = 0

    def where(self, position: int) -> str:
        """``row 3 (line 4)`` for the row at a 0-based position."""
        row = self.first + position + 1
        line = self.lines[position] if self.lines else row
        return f"row {row}" if line == row else f"row {row} (line {line})"


# Columns


def rating_columns(criterion: Criterion) -> tuple[str, ...]:
    """The raters' columns of a criterion; without any, one column of the criterion's name."""
    return criterion.ratings or (criterion.name,)


def columns_of(rubric: Rubric) -> frozenset[str]:
    """The columns that are read under a rubric, if the table has them."""
    named = (ID_COLUMN, rubric.document, rubric.id, rubric.split, *(column for column, _ in rubric.inputs))
    rated = (column for criterion in rubric.criteria for column in rating_columns(criterion))
    return frozenset(column for column in (*named, *rated) if column is not None)


def check_columns(table: Table, rubric: Rubric, ratings_required: bool) -> None:
    """Check that a table has the columns that a rubric names.

    Raises:
        DataError: columns are missing; each is named, with the most similar column of the table.
    """
    needed = [(column, "named under inputs") for column, _ in rubric.inputs]
    if ratings_required:
        named = [(rubric.document, "document"), (rubric.id, "id"), (rubric.split, "split")]
        needed += [(column, f"named under {key}") for column, key in named if column is not None]
        for criterion in rubric.criteria:
            columns = rating_columns(criterion)
            role = f"{'the' if columns == (criterion.name,) else 'named under'} ratings of {criterion.name!r}"
            needed += [(column, role) for column in columns]
    missing = [(column, role) for column, role in needed if column not in table.columns]
    errors = ErrorCollector(table.source, DataError)
    reason = _why_all_missing(table) if len(missing) == len(needed) else ""
    for column, role in missing:
        hint = nearest(column, table.columns) or f"; the columns are {listed(map(clipped, table.columns), 12)}"
        raters = [name for name in table.columns if name.casefold().startswith(f"{column}_".casefold())]
        if role.startswith("the ratings") and raters:
            hint = f"; name the raters' columns, such as ratings: [{listed(raters)}]"
        errors.add(f"no column {column!r} ({role}){hint}{reason}")
    errors.check()


def _why_all_missing(table: Table) -> str:
    if len(table.columns) == 1 and any(sign in table.columns[0] for sign in ";\t|"):
        return "; another separator seems to be used: save the file with commas"
    if any(is_number(column) for column in table.columns):
        return "; the first line seems to be data: add a header line with the columns' names"
    return ""


def has_spare_id_column(columns: Sequence[str], rubric: Rubric) -> bool:
    """Whether a column is called ``id`` and has no other use, while the rubric names no column of identifiers."""
    used = {rubric.document, rubric.split, *(column for column, _ in rubric.inputs)}
    used.update(column for criterion in rubric.criteria for column in rating_columns(criterion))
    return rubric.id is None and ID_COLUMN in columns and ID_COLUMN not in used


# Cells


def is_number(text: str) -> bool:
    """Whether a text is a plain decimal number."""
    return _NUMBER.fullmatch(text.strip()) is not None


def is_missing(value: object) -> bool:
    """Whether a cell is None, nan or one of the usual words for a missing value."""
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
        raise ValueError(_off_scale(value, scale))
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
        raise ValueError(_off_scale(value, scale))
    return number


def _off_scale(value: object, scale: Scale) -> str:
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


# Equality of inputs


def exact(inputs: Mapping[str, str]) -> Key:
    """Equal for inputs that differ in white space only."""
    return tuple(" ".join(text.split()) for text in inputs.values())


def loose(inputs: Mapping[str, str]) -> Key:
    """Equal for inputs that differ in white space, case and punctuation only."""
    return tuple(" ".join(_PUNCTUATION.sub(" ", text.casefold()).split()) for text in inputs.values())


def digest(inputs: Mapping[str, str]) -> str:
    """The first 16 hex digits of the sha256 over columns and texts, in order."""
    canonical = json.dumps(list(inputs.items()), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]

"""Tables: the position of each row, the columns that a rubric needs, the meaning of cells, the equality of inputs."""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Protocol, runtime_checkable

from polyjudge.datasets.error_collector import ErrorCollector
from polyjudge.datasets.transcript import messages_of, transcript
from polyjudge.domain.criterion import Criterion
from polyjudge.domain.dataset import Rubric
from polyjudge.domain.scale import NAN, Categorical, Scale
from polyjudge.errors import DataError
from polyjudge.formatting.text import clipped, listed, nearest

Row = Mapping[str, object]
Key = tuple[str, ...]

ID_COLUMN = "id"
MISSING = frozenset({"", "na", "n/a", "#n/a", "nan", "null", "none", "<na>", "nat"})
# How a criteria file may have ratings read that are no plain numbers.
READ_MODES = ("leading-number", "stars")
_LEADING = re.compile(r"([+-]?\d+(?:[.,]\d+)?)(?:\s*/\s*(\d+)|\s*(?:[-–—:.)(]|$|\s)).*", re.ASCII | re.DOTALL)
_STARS = re.compile(r"([★⭐*]+)\ufe0f?[☆\s]*")
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_PUNCTUATION = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class Table:
    """The rows of a source, or a batch of them.

    Attributes:
        source: for messages.
        columns: in order; unique.
        rows: each maps columns to cells; a row of JSONL may lack some.
        lines: the file line on which each row begins; empty when the source has no lines.
        notes: what the reader changed.
        first: how many rows of the source precede this batch.
        numbers: the row numbers in the source if they are not consecutive; else empty.
        decimal: "," if numbers written as text may have a decimal comma beside the point, else ".".
    """

    source: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    lines: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()
    first: int = 0
    decimal: str = "."
    numbers: tuple[int, ...] = ()

    def number(self, position: int) -> int:
        """The 1-based number in the source of the row at a 0-based position."""
        return self.numbers[position] if self.numbers else self.first + position + 1

    def where(self, position: int) -> str:
        """``row 3 (line 4)`` for the row at a 0-based position."""
        row = self.number(position)
        line = self.lines[position] if self.lines else row
        return f"row {row}" if line == row else f"row {row} (line {line})"


# Rows in memory


@runtime_checkable
class PandasLike(Protocol):
    """The part of a pandas data frame that is used."""

    @property
    def columns(self) -> Iterable[object]: ...

    def to_dict(self, orient: str, /) -> object: ...


@runtime_checkable
class PolarsLike(Protocol):
    """The part of a polars data frame that is used."""

    @property
    def columns(self) -> Iterable[object]: ...

    def iter_rows(self, *, named: bool) -> Iterator[Row]: ...


def table_of(data: Sequence[Row] | PandasLike | PolarsLike, source: str = "the given rows") -> Table:
    """Rows that are already in memory: a sequence of mappings, a pandas or a polars data frame.

    Raises:
        DataError: another type, a row that is no mapping, or columns of the same name.
    """
    names: list[str] = []
    records: object = data
    if isinstance(data, (PolarsLike, PandasLike)):
        names = [str(name) for name in data.columns]
        check_unique(source, names)
        records = list(data.iter_rows(named=True)) if isinstance(data, PolarsLike) else data.to_dict("records")
    if not isinstance(records, Sequence) or isinstance(records, (str, bytes)):
        raise DataError(f"{source}: a {type(data).__name__!r} is not read; give a list of mappings or a data frame")
    errors = ErrorCollector(source, DataError)
    rows: list[Row] = []
    for number, record in enumerate(records, start=1):
        if isinstance(record, Mapping):
            rows.append({str(name): cell for name, cell in record.items()})
        else:
            errors.add(f"row {number}: {clipped(record)} is no mapping from column to cell")
    errors.check()
    if not rows:
        raise DataError(f"{source}: no rows; give at least one")
    return Table(source, tuple(names) or keys_of(rows), tuple(rows))


def keys_of(rows: Sequence[Row]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for row in rows for name in row))


def check_unique(source: str, header: Sequence[str]) -> None:
    """Refuse several columns of one name."""
    errors = ErrorCollector(source, DataError)
    positions: dict[str, list[int]] = {}
    for position, name in enumerate(header, start=1):
        positions.setdefault(name, []).append(position)
    for name, repeats in positions.items():
        if len(repeats) > 1:
            errors.add(
                f"{len(repeats)} columns are called {name!r} (columns {', '.join(map(str, repeats))}); rename one"
            )
    errors.check()


# Columns


def rating_columns(criterion: Criterion) -> tuple[str, ...]:
    """The raters' columns of a criterion; without any, one column of the criterion's name."""
    return criterion.ratings or (criterion.name,)


def columns_of(rubric: Rubric) -> frozenset[str]:
    """The columns that a rubric names, whether or not a table has them."""
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
        for criterion in rubric.criteria if rubric.long is None or not rubric.long.value else ():
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
    if any(is_number(column) for column in table.columns):
        return "; the first line seems to be data: add a header line with the columns' names"
    return ""


def has_spare_id_column(columns: Sequence[str], rubric: Rubric) -> bool:
    """Whether there is a column ``id`` of no other use, and the rubric names no column of identifiers."""
    named = {rubric.document, rubric.split, *(column for column, _ in rubric.inputs)}
    named.update(column for criterion in rubric.criteria for column in rating_columns(criterion))
    return rubric.id is None and ID_COLUMN in columns and ID_COLUMN not in named


def with_paths(table: Table, names: Iterable[str]) -> Table:
    """The table with a column for each dotted name that leads into one of its columns, such as ``inputs.question``.

    A step of a path is a key of an object or a position in a list. A cell may also hold JSON text. Names that the
    table has, or whose first part it lacks, get no column.
    """
    paths: dict[str, tuple[str, list[str]]] = {}
    for name in names:
        parts = name.split(".")
        roots = (".".join(parts[:end]) for end in range(len(parts) - 1, 0, -1))
        root = next((root for root in roots if root in table.columns), None)
        if name not in table.columns and root is not None:
            paths[name] = root, name[len(root) + 1 :].split(".")
    if not paths:
        return table
    rows = tuple({**row, **_cells_at(row, paths)} for row in table.rows)
    return replace(table, columns=(*table.columns, *paths), rows=rows)


def nested_paths(table: Table, deepest: int = 3) -> dict[str, list[str]]:
    """Each column that holds objects, or their JSON -> the dotted names of what most of them hold."""
    return {
        column: paths
        for column in table.columns
        if (paths := _paths_into(column, [row.get(column) for row in table.rows], deepest))
    }


def _paths_into(name: str, cells: Sequence[object], deepest: int) -> list[str]:
    filled = [_parsed(cell) for cell in cells if not is_missing(cell)]
    if not filled or not deepest or not all(isinstance(cell, Mapping) for cell in filled):
        return []
    objects = [cell for cell in filled if isinstance(cell, Mapping)]
    paths: list[str] = []
    for key in keys_of(objects):
        if "." in key or 2 * sum(key in cell for cell in objects) < len(filled):
            continue
        path = f"{name}.{key}"
        paths += _paths_into(path, [cell.get(key) for cell in objects], deepest - 1) or [path]
    return paths


def _parsed(cell: object) -> object:
    """A cell that holds JSON of an object or a list, as that; any other as it is."""
    if isinstance(cell, str) and cell.lstrip()[:1] in ("{", "["):
        with suppress(ValueError, RecursionError):
            return json.loads(cell)
    return cell


def _cells_at(row: Row, paths: Mapping[str, tuple[str, list[str]]]) -> dict[str, object]:
    """The cells at the ends of the paths; a path that leads nowhere gives no cell."""
    cells: dict[str, object] = {}
    for name, (root, steps) in paths.items():
        cell = _parsed(row.get(root))
        for step in steps:
            if isinstance(cell, Mapping) and step in cell:
                cell = cell[step]
            elif isinstance(cell, (list, tuple)) and step.isdecimal() and int(step) < len(cell):
                cell = cell[int(step)]
            else:
                break
        else:
            cells[name] = cell
    return cells


# Cells


def is_number(text: str) -> bool:
    """Whether a text is a plain decimal number."""
    return _NUMBER.fullmatch(text.strip()) is not None


def is_missing(value: object) -> bool:
    """Whether a cell is None, nan or one of the usual words for a missing value."""
    return str(_plain(value)).strip().casefold() in MISSING


def text_of(value: object) -> str:
    """A cell as text, unchanged; a missing cell is empty.

    Raises:
        ValueError: a cell that is no text, or text that cannot be sent to a model.
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


def input_text(value: object) -> str:
    """What the judge is shown of a cell: a conversation as a transcript, anything else as ``text_of``.

    Raises:
        ValueError: a cell that is no text and no list of messages.
    """
    messages = messages_of(value)
    if messages is not None:
        return _sendable(transcript(messages))
    if isinstance(value, (list, tuple, Mapping)):
        raise ValueError(
            f"holds a {type(value).__name__!r}, {clipped(value)}; it must be text, or a list of messages such as "
            f"[{{'role': 'user', 'content': '...'}}]; a dotted path leads into objects"
        )
    return text_of(value)


def ratings_of(value: object, criterion: Criterion, decimal: str = ".") -> tuple[float, ...]:
    """A cell as the ratings of a criterion: one, or those of a list; nan for a missing one.

    Args:
        value: a number, label or word; a list of these, or its JSON.
        criterion: its scale, and how its ratings are written.
        decimal: of the table.

    Raises:
        ValueError: a rating that cannot be read, or that is off the scale.
    """
    return tuple(_rating(item, criterion, decimal) for item in items_of(value)) or (NAN,)


def items_of(value: object) -> Sequence[object]:
    """The items of a cell that holds a list or its JSON; any other cell is its only item.

    Raises:
        ValueError: text that begins like a list and is none.
    """
    value = _plain(value)
    if isinstance(value, str) and value.lstrip().startswith("["):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise ValueError(f"{clipped(value)} begins like a list, and is none; write [4, 5]") from None
    return value if isinstance(value, (list, tuple)) else (value,)


def with_point(value: object, decimal: str) -> object:
    """A number written with a decimal comma, with a point; any other cell as it is.

    Args:
        value: a cell.
        decimal: of its table; a comma is one before the fraction only where this says so.
    """
    if decimal == "," and isinstance(value, str) and is_number(pointed := value.replace(",", ".", 1)):
        return pointed
    return value


def with_points(table: Table) -> Iterator[Row]:
    """The rows of a table, numbers with a decimal point."""
    for row in table.rows:
        yield row if table.decimal == "." else {name: with_point(cell, table.decimal) for name, cell in row.items()}


def _rating(value: object, criterion: Criterion, decimal: str) -> float:
    if isinstance(value, str) and not isinstance(criterion.scale, Categorical) and not is_missing(value):
        word = " ".join(value.split()).casefold()
        for name, number in criterion.values:
            if " ".join(name.split()).casefold() == word:
                return number
        value = with_point(value, decimal)
        if isinstance(value, str) and not is_number(value):
            value = _read_out(value, criterion) if criterion.read else _refuse_word(value, criterion)
    return rating_of(value, criterion.scale)


def _read_out(text: str, criterion: Criterion) -> float:
    """The number in a text, read as the criterion's ``read`` says."""
    if criterion.read == "stars" and (match := _STARS.fullmatch(text.strip())):
        return float(len(match[1]))
    match = _LEADING.fullmatch(text.strip()) if criterion.read == "leading-number" else None
    if match is None:
        raise ValueError(f"{clipped(text)} cannot be read by read: {criterion.read}; correct it, or leave it empty")
    top = getattr(criterion.scale, "high", None)
    if match[2] is not None and float(match[2]) != top:
        raise ValueError(f"{clipped(text)} is out of {match[2]}, and the scale ends at {top}; correct one of them")
    return float(match[1].replace(",", "."))


def reads_as(texts: Sequence[str]) -> tuple[str, tuple[float, ...]]:
    """The mode of ``read`` that reads all of these short texts as numbers, and the numbers; "" if none does."""
    if any(len(text) > 40 for text in texts):
        return "", ()
    for mode, pattern in (("stars", _STARS), ("leading-number", _LEADING)):
        found = [pattern.fullmatch(text.strip()) for text in texts]
        parts = [match[1] for match in found if match is not None]
        if len(parts) == len(texts):
            return mode, tuple(float(len(p)) if mode == "stars" else float(p.replace(",", ".")) for p in parts)
    return "", ()


def _refuse_word(text: str, criterion: Criterion) -> str:
    """Refuse a rating that is no plain number, and name a way to read it if there is one.

    A text that ``rating_of`` refuses with a better message is returned as it is.
    """
    if criterion.values:
        known = ", ".join(repr(name) for name, _ in criterion.values)
        raise ValueError(f"{clipped(text)} is none of the values {known}; add it to them, or leave the cell empty")
    mode = "stars" if _STARS.fullmatch(text.strip()) else "leading-number" if _LEADING.fullmatch(text.strip()) else ""
    if mode and not is_number(text.replace(",", ".", 1)):
        raise ValueError(f"{clipped(text)} is not a number; to read it as one write read: {mode} under the criterion")
    if not any(sign.isdigit() for sign in text):
        raise ValueError(
            f"{clipped(text)} is not a number; say what words stand for with values: {{{clipped(text, 30)}: 4, ...}} "
            f"or scale: {{ordered: [worst, ..., best]}}, or leave the cell empty"
        )
    return text


def rating_of(value: object, scale: Scale) -> float:
    """A cell as a rating on a scale: the number, or the label's position; nan when missing.

    A label that is spelled like a missing value ("none") counts as the label.

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
    """The Python value of a numpy scalar, which is recognised by its empty shape."""
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
    """A key that is equal for inputs that differ in white space only."""
    return tuple(" ".join(text.split()) for text in inputs.values())


def loose(inputs: Mapping[str, str]) -> Key:
    """A key that is equal for inputs that differ in white space, case and punctuation only."""
    return tuple(" ".join(_PUNCTUATION.sub(" ", text.casefold()).split()) for text in inputs.values())


def digest(inputs: Mapping[str, str]) -> str:
    """The first 16 hex digits of the sha256 over columns and texts, in order."""
    canonical = json.dumps(list(inputs.items()), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()[:16]

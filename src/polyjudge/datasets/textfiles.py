"""Reads CSV and JSON files as rows, a batch at a time; packed files are unpacked within bounds."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import re
import zlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO

from polyjudge.datasets.error_collector import ErrorCollector
from polyjudge.datasets.table import Row, Table, check_unique, keys_of, table_of
from polyjudge.errors import DataError
from polyjudge.formatting.text import clipped, listed, many

# So many unpacked bytes are always read; beyond them a file may unpack to so many times its size.
FREE_BYTES = 100 << 20
MOST_EXPANSION = 250
MOST_BLANK_LINES = 100_000
LONGEST_LINE = 64 << 20
LARGEST_JSON = 1 << 30
_SAMPLE = 1 << 16
_SEPARATORS = MappingProxyType({",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"})
# Python puts one of these, which UTF-8 cannot hold, in the place of a byte that is not UTF-8.
_NO_UTF8 = re.compile("[\udc80-\udcff]")


def ending_of(path: Path) -> str:
    """The ending that names the format, before ``.gz`` too."""
    inner = path.with_suffix("") if path.suffix.casefold() == ".gz" else path
    return inner.suffix.casefold()


# Bytes, unpacked within bounds


@contextmanager
def open_bounded(path: Path) -> Iterator[BinaryIO]:
    """A file as bytes, unpacked where its name ends in ``.gz``.

    Raises:
        DataError: it is damaged, or unpacks to far more than a table does.
    """
    if path.suffix.casefold() != ".gz":
        with open(path, "rb") as file:
            yield file
        return
    try:
        with gzip.open(path) as packed:
            yield io.BufferedReader(_Unpacked(path, packed))
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"{path}: cannot be unpacked ({error}); is the file whole?") from None


def check_unpacked(source: object, packed: int, unpacked: int) -> None:
    """Refuse a file that unpacks to far more than a table does.

    Raises:
        DataError: more than ``FREE_BYTES``, and more than ``MOST_EXPANSION`` times what was packed.
    """
    if unpacked > max(FREE_BYTES, packed * MOST_EXPANSION):
        raise DataError(
            f"{source}: unpacks to more than {MOST_EXPANSION} times its size, as no table does; unpack it yourself "
            f"if you trust it"
        )


class _Unpacked(io.RawIOBase):
    """The unpacked bytes of a file, counted."""

    def __init__(self, path: Path, packed: gzip.GzipFile) -> None:
        self._path, self._packed = path, packed
        self._size, self._count = path.stat().st_size, 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        data = self._packed.read(len(buffer))
        self._count += len(data)
        check_unpacked(self._path, self._size, self._count)
        buffer[: len(data)] = data
        return len(data)


# Text: CSV and JSON


class _Lines:
    """The decoded lines of a file, counted.

    Raises:
        DataError: a line that is too long, or one with a byte that is not UTF-8; the line and the row are named.
    """

    def __init__(
        self, path: Path, file: BinaryIO, newline: str, encoding: str = "utf-8-sig", *, row_is_line: bool = False
    ) -> None:
        self.count = 0
        self.records = 0
        self._path = path
        self._row_is_line = row_is_line
        self._text = io.TextIOWrapper(file, encoding, "surrogateescape", newline)

    def __iter__(self) -> Iterator[str]:
        blank = 0
        try:
            for line in iter(lambda: self._text.readline(LONGEST_LINE), ""):
                self.count += 1
                blank = blank + 1 if line.isspace() else 0
                if blank > MOST_BLANK_LINES:
                    raise DataError(f"{self._path}: line {self.count}: more than {MOST_BLANK_LINES:,} blank lines")
                if len(line) == LONGEST_LINE:
                    raise DataError(f"{self._path}: line {self.count} has more than {LONGEST_LINE:,} characters")
                if not line.isascii() and (wrong := _NO_UTF8.search(line)):
                    raise DataError(
                        f"{self._path}: {self._where()}: the byte {ord(wrong[0]) - 0xDC00:#04x} is not UTF-8; save "
                        f"the file as UTF-8 (it may be Windows-1252 or Latin-1)"
                    )
                yield line
        except UnicodeError as error:
            raise DataError(f"{self._path}: cannot be decoded ({error}); save the file as UTF-8") from None

    def _where(self) -> str:
        row = self.count if self._row_is_line else self.records
        return f"row {row} (line {self.count})" if row else f"the header (line {self.count})"


class _Records(Iterator[list[str]]):
    """The records of a CSV file, without empty ones.

    Attributes:
        count: records so far, the header included.
        line: the line on which the last record begins.
        empty: records of empty cells so far.
    """

    def __init__(self, lines: _Lines, path: Path, separator: str) -> None:
        self.count = self.empty = 0
        self.line = 1
        self._lines = lines
        self._path = path
        self._separator = separator
        self._reader = csv.reader(iter(lines), strict=True, delimiter=separator)

    def __next__(self) -> list[str]:
        while True:
            self._lines.records = self.count
            line = self._lines.count + 1
            try:
                with _long_cells():
                    record = next(self._reader)
            except csv.Error as error:
                reason = "a quoted cell is never closed" if "end of data" in str(error) else str(error)
                raise DataError(
                    f"{self._path}: row {self.count} (line {line}): {reason}; quote cells that hold "
                    f"{_SEPARATORS[self._separator]}, quotes or line breaks, and double the quotes inside"
                ) from None
            if any(cell.strip() for cell in record):
                self.count += 1
                self.line = line
                return record
            self.empty += len(record) > 1


@dataclass(frozen=True, slots=True)
class _Dialect:
    """Separator and encoding of a CSV file.

    Attributes:
        separator: between cells.
        encoding: recognised by its first bytes.
        skipped: lines before the header, such as Excel's ``sep=;``.
        notes: on what is unusual.
    """

    separator: str
    encoding: str
    skipped: int
    notes: tuple[str, ...]


def _dialect(path: Path) -> _Dialect:
    """Recognise the separator by the first rows: only it gives every row as many cells as the header.

    Raises:
        DataError: several separators do.
    """
    with open_bounded(path) as file:
        start = file.read(_SAMPLE)
    encoding = "utf-16" if start[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8-sig"
    notes = ["the file is UTF-16"] if encoding == "utf-16" else []
    text = codecs.getincrementaldecoder(encoding)("replace").decode(start)
    declared = re.match(r"sep=(.)\r?\n", text)
    usual = "\t" if ending_of(path) == ".tsv" else ","
    if declared and declared[1] in _SEPARATORS:
        separator = declared[1]
    elif usual == "\t":
        separator = usual
    else:
        widths = {sign: _widths(text, sign, is_cut=len(start) == _SAMPLE) for sign in _SEPARATORS}
        fitting = [sign for sign, counts in widths.items() if len(set(counts)) == 1 and counts[0] > 1]
        if len(fitting) > 1:
            names = " or ".join(_SEPARATORS[sign] for sign in fitting)
            raise DataError(
                f"{path}: the cells may be separated by {names}; say so in a first line, such as sep={fitting[0]}"
            )
        separator = fitting[0] if fitting else max(widths, key=lambda sign: max(widths[sign][:1], default=1))
    if separator != usual:
        notes.append(f"the cells are separated by {_SEPARATORS[separator]}")
    return _Dialect(separator, encoding, 1 if declared else 0, tuple(notes))


def _widths(text: str, separator: str, *, is_cut: bool) -> list[int]:
    """The number of cells of each of the first records."""
    widths: list[int] = []
    records = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=separator)
    with suppress(csv.Error), _long_cells():
        widths.extend(len(record) for record in records if any(cell.strip() for cell in record))
    return widths[:-1] if is_cut and len(widths) > 2 else widths


def csv_batches(
    path: Path, size: int, errors: ErrorCollector, columns: Collection[str] | None = None
) -> Iterator[Table]:
    dialect = _dialect(path)
    with open_bounded(path) as file:
        lines = _Lines(path, file, "", dialect.encoding)
        for _ in range(dialect.skipped):
            next(iter(lines))
        records = _Records(lines, path, dialect.separator)
        header, notes = header_of(path, next(records, []))
        first = next(records, None)
        if first is None:
            raise DataError(f"{path}: a header but no rows; give at least one row")
        names = tuple(name for name in header if name)
        record: list[str] | None = first
        while record is not None:
            rows: list[Row] = []
            starts: list[int] = []
            done = records.count - 2
            while record is not None and len(rows) < size:
                starts.append(records.line)
                if len(record) == len(header):
                    rows.append({name: cell for name, cell in zip(header, record, strict=True) if name})
                else:
                    rows.append({})
                    errors.add(
                        f"row {records.count - 1} (line {records.line}): {many(len(record), 'cells')}, but "
                        f"the header has {len(header)}; quote cells that hold {_SEPARATORS[dialect.separator]}"
                    )
                record = next(records, None)
            notes_so_far = (*dialect.notes, *notes, *_empty_note(records.empty))
            decimal = "." if dialect.separator == "," else ","
            yield Table(str(path), names, tuple(rows), tuple(starts), notes_so_far, done, decimal)


def header_of(path: Path, cells: Sequence[str]) -> tuple[list[str], list[str]]:
    """The columns' names, and a note for each column without one.

    Raises:
        DataError: no header, or a repeated name.
    """
    header = [name.strip() for name in cells]
    if not header:
        raise DataError(f"{path}: the file is empty")
    check_unique(str(path), [name for name in header if name])
    return header, [
        f"column {number} has no name and was not read" for number, name in enumerate(header, 1) if not name
    ]


def _empty_note(rows: int) -> list[str]:
    return [f"rows of empty cells skipped: {rows}"] if rows else []


@contextmanager
def _long_cells() -> Iterator[None]:
    """Lift the limit of the csv module, which refuses cells above 128 KiB in the whole process."""
    before = csv.field_size_limit(LONGEST_LINE)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def jsonl_batches(
    path: Path, size: int, errors: ErrorCollector, columns: Collection[str] | None = None
) -> Iterator[Table]:
    """The columns of a batch are those of its own rows."""
    with open_bounded(path) as file:
        lines = _Lines(path, file, "\n", row_is_line=True)
        filled = ((lines.count, line) for line in lines if line.strip())
        done = 0
        while batch := list(islice(filled, size)):
            rows = [_object_of(line, row, number, errors) for row, (number, line) in enumerate(batch, done + 1)]
            yield Table(str(path), keys_of(rows), tuple(rows), tuple(number for number, _ in batch), (), done)
            done += len(rows)
        if not done:
            raise DataError(f"{path}: the file is empty")


def _object_of(text: str, row: int, line: int, errors: ErrorCollector) -> Row:
    where = f"row {row}" + (f" (line {line})" if line != row else "")
    try:
        record = json.loads(text, object_pairs_hook=_unique_keys)
    except (ValueError, RecursionError) as error:
        errors.add(f"{where}: not JSON ({error}); write one object a line")
        return {}
    if isinstance(record, dict):
        return record
    errors.add(f"{where}: {clipped(record)} is no object; write one object a line")
    return {}


def read_json(path: Path) -> object:
    """The content of a JSON file.

    Raises:
        DataError: not UTF-8, not JSON, or too large to be read at once.
    """
    with open_bounded(path) as file:
        data = file.read(LARGEST_JSON + 1)
    if len(data) > LARGEST_JSON:
        raise DataError(f"{path}: more than {LARGEST_JSON:,} bytes of JSON; write one object a line (.jsonl)")
    try:
        content: object = json.loads(data.decode("utf-8-sig"), object_pairs_hook=_unique_keys)
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: the byte at {error.start} is not UTF-8; save the file as UTF-8") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not JSON ({error}); is the file whole?") from None
    return content


def json_batches(
    path: Path, size: int, errors: ErrorCollector, columns: Collection[str] | None = None
) -> Iterator[Table]:
    content = read_json(path)
    notes: tuple[str, ...] = ()
    if isinstance(content, dict):
        lists = {name: value for name, value in content.items() if isinstance(value, list) and value}
        if len(lists) != 1:
            raise DataError(
                f"{path}: holds an object with {many(len(lists), 'lists')} ({listed(map(repr, lists)) or 'none'}); "
                f"a table is one list of objects: keep that one alone"
            )
        ((name, content),) = lists.items()
        notes = (f"the rows are those of {name!r}",)
    if not isinstance(content, list):
        raise DataError(f"{path}: holds {clipped(content)}; a table is a list of objects")
    table = table_of(content, str(path))
    for start in range(0, len(table.rows), size):
        yield replace(table, rows=table.rows[start : start + size], first=start, notes=notes)


def _unique_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    mapping: dict[str, object] = {}
    for name, value in pairs:
        if name in mapping:
            raise ValueError(f"the key {name!r} appears twice")
        mapping[name] = value
    return mapping

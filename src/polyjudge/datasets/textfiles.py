"""CSV and JSONL, read from front to back a number of rows at a time, so that a file may be larger than memory."""

from __future__ import annotations

import codecs
import csv
import json
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import TextIOWrapper
from itertools import islice
from pathlib import Path
from typing import BinaryIO

from polyjudge.datasets.problems import Problems, clipped
from polyjudge.datasets.table import Row, Table
from polyjudge.errors import DataError
from polyjudge.formatting.text import many

# Where a byte is no UTF-8, Python leaves one of these in the text, which no UTF-8 can hold.
_NO_UTF8 = re.compile("[\udc80-\udcff]")


def csv_tables(path: Path, size: int, problems: Problems) -> Iterator[Table]:
    """The rows of a CSV file as tables of at most ``size``; the notes of each tell of all rows so far.

    Args:
        path: of the file.
        size: rows a table.
        problems: collects rows of another number of cells than the header has; they are left out.

    Raises:
        DataError: the file is empty or not UTF-8, its header will not do, or a quote is never closed.
        OSError: it cannot be read.
    """
    with open(path, "rb") as file:
        lines = _Lines(path, file, "")
        records = _Records(lines, path)
        header = [name.strip() for name in next(records, [])]
        if not header:
            raise DataError(f"{path}: the file is empty")
        first = next(records, None)
        if first is None:
            raise DataError(f"{path}: a header but no rows; give at least one row")
        check_unique(str(path), [name for name in header if name])
        columns = tuple(name for name in header if name)
        unnamed = tuple(f"column {at} has no name and was not read" for at, name in enumerate(header, 1) if not name)
        record: list[str] | None = first
        while record is not None:
            rows: list[Row] = []
            begins: list[int] = []
            done = records.count - 2
            while record is not None and len(begins) < size:
                begins.append(records.line)
                if len(record) == len(header):
                    rows.append({name: cell for name, cell in zip(header, record, strict=True) if name})
                else:
                    rows.append({})
                    problems.add(
                        f"row {records.count - 1} (line {records.line}): {many(len(record), 'cells')}, but "
                        f"the header has {len(header)}; quote cells that hold commas"
                    )
                record = next(records, None)
            empty = (f"rows of empty cells skipped: {records.empty}",) if records.empty else ()
            yield Table(str(path), columns, tuple(rows), tuple(begins), (*unnamed, *empty), done)


def jsonl_tables(path: Path, size: int, problems: Problems) -> Iterator[Table]:
    """The rows of a JSONL file as tables of at most ``size``; the columns are those of the table's own rows.

    Args:
        path: of the file.
        size: rows a table.
        problems: collects lines that are no object; their rows are empty.

    Raises:
        DataError: the file is empty or not UTF-8.
        OSError: it cannot be read.
    """
    with open(path, "rb") as file:
        lines = _Lines(path, file, "\n", row_is_line=True)
        filled = ((lines.count, line) for line in lines if line.strip())
        done = 0
        while chunk := list(islice(filled, size)):
            rows = [_object_of(line, done + at, number, problems) for at, (number, line) in enumerate(chunk, 1)]
            columns = tuple(dict.fromkeys(name for row in rows for name in row))
            yield Table(str(path), columns, tuple(rows), tuple(number for number, _ in chunk), (), done)
            done += len(rows)
        if not done:
            raise DataError(f"{path}: the file is empty")


def check_unique(source: str, header: Sequence[str]) -> None:
    """Refuse several columns of one name.

    Raises:
        DataError: each such name with its places.
    """
    problems = Problems(source, DataError)
    places: dict[str, list[int]] = {}
    for place, name in enumerate(header, start=1):
        places.setdefault(name, []).append(place)
    for name, at in places.items():
        if len(at) > 1:
            problems.add(f"{len(at)} columns are called {name!r} (columns {', '.join(map(str, at))}); rename one")
    problems.check()


class _Lines:
    """The decoded lines of a file, counted.

    Raises:
        DataError: UTF-16, or the first line with a byte that is not UTF-8, by line and row.
    """

    def __init__(self, path: Path, file: BinaryIO, newline: str, *, row_is_line: bool = False) -> None:
        self.count = 0
        self.records = 0
        self._path = path
        self._row_is_line = row_is_line
        begins = file.read(2)
        file.seek(0)
        if begins in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            raise DataError(f"{path}: the file is UTF-16; save it as UTF-8")
        self._text = TextIOWrapper(file, "utf-8-sig", "surrogateescape", newline)

    def __iter__(self) -> Iterator[str]:
        for line in self._text:
            self.count += 1
            if not line.isascii() and (found := _NO_UTF8.search(line)):
                row = self.count if self._row_is_line else self.records
                where = f"row {row} (line {self.count})" if row else f"the header (line {self.count})"
                raise DataError(
                    f"{self._path}: {where}: the byte {ord(found[0]) - 0xDC00:#04x} is not UTF-8; save the file as "
                    f"UTF-8 (it may be Windows-1252 or Latin-1)"
                )
            yield line


class _Records(Iterator[list[str]]):
    """The records of a CSV file that are not empty.

    Attributes:
        count: records so far, the header included.
        line: on which the last one begins.
        empty: records of empty cells so far.
    """

    def __init__(self, lines: _Lines, path: Path) -> None:
        self.count = self.empty = 0
        self.line = 1
        self._lines = lines
        self._path = path
        self._reader = csv.reader(iter(lines), strict=True)

    def __next__(self) -> list[str]:
        while True:
            self._lines.records = self.count
            begins = self._reader.line_num + 1
            try:
                with _long_cells():
                    record = next(self._reader)
            except csv.Error as error:
                reason = "a quoted cell is never closed" if "end of data" in str(error) else str(error)
                raise DataError(
                    f"{self._path}: row {self.count} (line {begins}): {reason}; quote cells that hold commas, quotes "
                    f"or line breaks, and double the quotes inside"
                ) from None
            if any(cell.strip() for cell in record):
                self.count += 1
                self.line = begins
                return record
            self.empty += len(record) > 1


def _object_of(line: str, number: int, at: int, problems: Problems) -> Row:
    where = f"row {number}" + (f" (line {at})" if at != number else "")
    try:
        record = json.loads(line, object_pairs_hook=_object)
    except (ValueError, RecursionError) as error:
        problems.add(f"{where}: not JSON ({error}); write one object a line")
        return {}
    if isinstance(record, dict):
        return record
    problems.add(f"{where}: {clipped(record)} is no object; write one object a line")
    return {}


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"the key {name!r} stands twice")
        found[name] = value
    return found


@contextmanager
def _long_cells() -> Iterator[None]:
    """The csv module refuses cells above 128 KiB, by a process-wide limit; a document may be longer."""
    before = csv.field_size_limit(sys.maxsize)
    try:
        yield
    finally:
        csv.field_size_limit(before)

"""Files and data frames become rows here, a batch at a time; ``table`` says what the cells mean.

A reader records for every row where it stands, so that a later message can name it.
"""

from __future__ import annotations

import codecs
import csv
import json
import re
import sys
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from io import TextIOWrapper
from itertools import chain, islice
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO, Protocol, runtime_checkable

from polyjudge.datasets.problems import ErrorCollector, clipped, listed
from polyjudge.datasets.table import Row, Table
from polyjudge.errors import DataError, MissingExtra
from polyjudge.formatting.text import many

# Path, rows a batch, collector of malformed rows, columns whose cells are read (None: all).
Reader = Callable[[Path, int, ErrorCollector, Collection[str] | None], Iterator[Table]]

ENDINGS = (".csv", ".jsonl", ".ndjson", ".parquet")
# Where a byte is no UTF-8, Python leaves one of these in the text, which no UTF-8 can hold.
_NO_UTF8 = re.compile("[\udc80-\udcff]")
_PARQUET_BUFFER = 1 << 20


@runtime_checkable
class PandasLike(Protocol):
    """What is asked of a pandas data frame."""

    @property
    def columns(self) -> Iterable[object]: ...

    def to_dict(self, orient: str, /) -> object: ...


@runtime_checkable
class PolarsLike(Protocol):
    """What is asked of a polars data frame."""

    @property
    def columns(self) -> Iterable[object]: ...

    def iter_rows(self, *, named: bool) -> Iterator[Row]: ...


def read_table(path: Path) -> Table:
    """Read a CSV, JSONL or Parquet file as a whole.

    Raises:
        DataError: no such file, an unknown ending, or contents that cannot be read; rows are named.
        MissingExtra: Parquet without pyarrow.
    """
    errors = ErrorCollector(str(path), DataError)
    batches = list(read_batches(path, sys.maxsize, errors))
    errors.check()
    return replace(
        batches[-1],
        rows=tuple(chain.from_iterable(batch.rows for batch in batches)),
        lines=tuple(chain.from_iterable(batch.lines for batch in batches)),
        first=0,
    )


def read_batches(
    path: Path, size: int, errors: ErrorCollector, columns: Collection[str] | None = None
) -> Iterator[Table]:
    """Read a file as tables of at most ``size`` rows; the notes of each hold for all rows so far.

    Args:
        path: of the file.
        size: rows a table.
        errors: collects malformed rows; they are empty in the table.
        columns: whose cells are needed, where the file has them; a column among them that cannot be read is an
            error. None: all; one that cannot be read is left out with a note.

    Raises:
        DataError: no such file, an unknown ending, or contents that cannot be read.
        MissingExtra: Parquet without pyarrow.
    """
    reader = _reader(path)
    try:
        yield from reader(path, size, errors, columns)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); check the file's permissions") from None


def columns_in(path: Path) -> tuple[str, ...]:
    """All columns of a file. Each object of a JSONL file names its own, so that such a file is read to its end.

    Raises:
        DataError: as ``read_batches``.
    """
    errors = ErrorCollector(str(path), DataError)
    columns: dict[str, None] = {}
    for table in read_batches(path, 256, errors, ()):
        columns |= dict.fromkeys(table.columns)
        if path.suffix.casefold() not in (".jsonl", ".ndjson"):
            break
    errors.check()
    return tuple(columns)


def is_there(path: Path) -> bool:
    """Whether a path exists; a name that the system refuses does not."""
    try:
        return path.exists()
    except OSError:
        return False


def table_of(data: Sequence[Row] | PandasLike | PolarsLike, source: str = "the given rows") -> Table:
    """Rows that are already in memory: a sequence of mappings, a pandas or a polars data frame.

    Raises:
        DataError: another type, a row that is no mapping, or columns of the same name.
    """
    names: list[str] = []
    records: object = data
    if isinstance(data, (PolarsLike, PandasLike)):
        names = [str(name) for name in data.columns]
        _check_unique(source, names)
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
    return Table(source, tuple(names) or _keys(rows), tuple(rows))


def _reader(path: Path) -> Reader:
    if not is_there(path):
        raise DataError(f"{path}: no such file; check the path")
    if not path.is_file():
        raise DataError(f"{path}: not a regular file; give a {', '.join(ENDINGS)} file")
    ending = path.suffix.casefold()
    if ending in _READERS:
        return _READERS[ending]
    hint = "; write one object a line (JSONL)" if ending == ".json" else ""
    raise DataError(f"{path}: files ending in {ending!r} are not read; use {', '.join(ENDINGS)}{hint}")


def _keys(rows: Sequence[Row]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for row in rows for name in row))


def _check_unique(source: str, header: Sequence[str]) -> None:
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


# Text: CSV and JSONL


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
        start = file.read(2)
        file.seek(0)
        if start in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            raise DataError(f"{path}: the file is UTF-16; save it as UTF-8")
        self._text = TextIOWrapper(file, "utf-8-sig", "surrogateescape", newline)

    def __iter__(self) -> Iterator[str]:
        for line in self._text:
            self.count += 1
            if not line.isascii() and (wrong := _NO_UTF8.search(line)):
                row = self.count if self._row_is_line else self.records
                where = f"row {row} (line {self.count})" if row else f"the header (line {self.count})"
                raise DataError(
                    f"{self._path}: {where}: the byte {ord(wrong[0]) - 0xDC00:#04x} is not UTF-8; save the file as "
                    f"UTF-8 (it may be Windows-1252 or Latin-1)"
                )
            yield line


class _Records(Iterator[list[str]]):
    """The records of a CSV file that are not empty.

    Attributes:
        count: records so far, the header included.
        line: the line on which the last one begins.
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
            line = self._reader.line_num + 1
            try:
                with _long_cells():
                    record = next(self._reader)
            except csv.Error as error:
                reason = "a quoted cell is never closed" if "end of data" in str(error) else str(error)
                raise DataError(
                    f"{self._path}: row {self.count} (line {line}): {reason}; quote cells that hold commas, quotes "
                    f"or line breaks, and double the quotes inside"
                ) from None
            if any(cell.strip() for cell in record):
                self.count += 1
                self.line = line
                return record
            self.empty += len(record) > 1


def _csv_batches(
    path: Path, size: int, errors: ErrorCollector, columns: Collection[str] | None = None
) -> Iterator[Table]:
    with open(path, "rb") as file:
        records = _Records(_Lines(path, file, ""), path)
        header = [name.strip() for name in next(records, [])]
        if not header:
            raise DataError(f"{path}: the file is empty")
        first = next(records, None)
        if first is None:
            raise DataError(f"{path}: a header but no rows; give at least one row")
        names = tuple(name for name in header if name)
        _check_unique(str(path), names)
        unnamed = tuple(f"column {at} has no name and was not read" for at, name in enumerate(header, 1) if not name)
        record: list[str] | None = first
        while record is not None:
            rows: list[Row] = []
            lines: list[int] = []
            done = records.count - 2
            while record is not None and len(rows) < size:
                lines.append(records.line)
                if len(record) == len(header):
                    rows.append({name: cell for name, cell in zip(header, record, strict=True) if name})
                else:
                    rows.append({})
                    errors.add(
                        f"row {records.count - 1} (line {records.line}): {many(len(record), 'cells')}, but "
                        f"the header has {len(header)}; quote cells that hold commas"
                    )
                record = next(records, None)
            empty = (f"rows of empty cells skipped: {records.empty}",) if records.empty else ()
            yield Table(str(path), names, tuple(rows), tuple(lines), (*unnamed, *empty), done)


@contextmanager
def _long_cells() -> Iterator[None]:
    """The csv module refuses cells above 128 KiB, by a process-wide limit; a document may be longer."""
    before = csv.field_size_limit(sys.maxsize)
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _jsonl_batches(
    path: Path, size: int, errors: ErrorCollector, columns: Collection[str] | None = None
) -> Iterator[Table]:
    """The columns of a batch are those of its own rows."""
    with open(path, "rb") as file:
        lines = _Lines(path, file, "\n", row_is_line=True)
        filled = ((lines.count, line) for line in lines if line.strip())
        done = 0
        while batch := list(islice(filled, size)):
            rows = [_object_of(line, done + at, number, errors) for at, (number, line) in enumerate(batch, 1)]
            yield Table(str(path), _keys(rows), tuple(rows), tuple(number for number, _ in batch), (), done)
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


def _unique_keys(pairs: list[tuple[str, object]]) -> dict[str, object]:
    mapping: dict[str, object] = {}
    for name, value in pairs:
        if name in mapping:
            raise ValueError(f"the key {name!r} stands twice")
        mapping[name] = value
    return mapping


# Parquet, through pyarrow (the extra ``parquet``)


def _parquet_batches(
    path: Path, size: int, errors: ErrorCollector, columns: Collection[str] | None = None
) -> Iterator[Table]:
    pyarrow = _pyarrow()
    notes: dict[str, str] = {}
    done = 0
    # Buffered, as whole column chunks of a row group may be larger than memory.
    with (
        _parquet_errors(path),
        pyarrow.parquet.ParquetFile(path, buffer_size=_PARQUET_BUFFER, pre_buffer=False) as file,
    ):
        names = _parquet_columns(path, file)
        needed = None if columns is None else [name for name in names if name in columns]
        for batch in file.iter_batches(batch_size=min(size, 1 << 16), columns=needed, use_threads=False):
            cells: dict[str, list[object]] = {}
            for name in names if needed is None else needed:
                try:
                    cells[name] = batch[name].to_pylist()
                except UnicodeDecodeError:
                    row = done + _undecodable_row(batch[name])
                    raise DataError(
                        f"{path}: row {row}, column {name!r}: text that is not UTF-8; correct it"
                    ) from None
                except (pyarrow.ArrowException, ValueError, OverflowError) as error:
                    if columns is not None:
                        raise DataError(
                            f"{path}: column {name!r} cannot be read ({error}); write it as text"
                        ) from None
                    notes.setdefault(name, f"column {name!r} was not read ({error})")
            rows = tuple({name: column[row] for name, column in cells.items()} for row in range(batch.num_rows))
            readable = tuple(name for name in names if name not in notes)
            yield Table(str(path), readable, rows, (), tuple(notes.values()), done)
            done += len(rows)


def _pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtra("pyarrow", "parquet", "reading Parquet files") from None
    return pyarrow


@contextmanager
def _parquet_errors(path: Path) -> Iterator[None]:
    """What pyarrow cannot read, as an error that names the file."""
    try:
        yield
    except UnicodeDecodeError:
        raise DataError(f"{path}: a column's name is not UTF-8; write the file again") from None
    except (_pyarrow().ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{path}: cannot be read as Parquet ({reason}); is the file whole?") from None


def _parquet_columns(path: Path, file: Any) -> list[str]:
    """The columns of a file that has rows."""
    names: list[str] = file.schema_arrow.names
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise DataError(f"{path}: several columns are called {listed(map(repr, repeated))}; rename them")
    if not file.metadata.num_rows:
        raise DataError(f"{path}: no rows; give at least one")
    return names


def _undecodable_row(column: Any) -> int:
    for row, cell in enumerate(column, start=1):
        try:
            cell.as_py()
        except UnicodeDecodeError:
            return row
    return 0


_READERS: Mapping[str, Reader] = MappingProxyType(
    {
        ".csv": _csv_batches,
        ".jsonl": _jsonl_batches,
        ".ndjson": _jsonl_batches,
        ".parquet": _parquet_batches,
        ".pq": _parquet_batches,
    }
)

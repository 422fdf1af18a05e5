"""Files and frames become rows here; what the cells mean is decided elsewhere.

A reader keeps for every row where it stands, so that a later message can name it.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, runtime_checkable

from polyjudge.datasets.problems import Problems, clipped
from polyjudge.datasets.table import Row, Table
from polyjudge.errors import DataError

ENDINGS = (".csv", ".jsonl", ".ndjson", ".parquet")


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
    """Read a CSV, JSONL or Parquet file.

    Raises:
        DataError: no such file, an unknown ending, or contents that cannot be read; rows are named.
        MissingExtra: Parquet without pyarrow.
    """
    if not is_there(path):
        raise DataError(f"{path}: no such file; check the path")
    if not path.is_file():
        raise DataError(f"{path}: not a regular file; give a {', '.join(ENDINGS)} file")
    ending = path.suffix.casefold()
    try:
        if ending == ".csv":
            return _csv_table(str(path), _decoded(path))
        if ending in (".jsonl", ".ndjson"):
            return _jsonl_table(str(path), _decoded(path))
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); check the file's permissions") from None
    if ending in (".parquet", ".pq"):
        from polyjudge.datasets.parquet import parquet_table

        return parquet_table(path)
    hint = "; write one object a line (JSONL)" if ending == ".json" else ""
    raise DataError(f"{path}: files ending in {ending!r} are not read; use {', '.join(ENDINGS)}{hint}")


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
        _unique(source, names)
        records = list(data.iter_rows(named=True)) if isinstance(data, PolarsLike) else data.to_dict("records")
    if not isinstance(records, Sequence) or isinstance(records, (str, bytes)):
        raise DataError(f"{source}: a {type(data).__name__!r} is not read; give a list of mappings or a data frame")
    problems = Problems(source, DataError)
    rows: list[Row] = []
    for number, record in enumerate(records, start=1):
        if isinstance(record, Mapping):
            rows.append({str(name): cell for name, cell in record.items()})
        else:
            problems.add(f"row {number}: {clipped(record)} is no mapping from column to cell")
    problems.check()
    if not rows:
        raise DataError(f"{source}: no rows; give at least one")
    return Table(source, tuple(names) or _columns(rows), tuple(rows))


def _decoded(path: Path) -> str:
    blob = path.read_bytes()
    if not blob.removeprefix(codecs.BOM_UTF8).strip(b" \t\r\n,"):
        raise DataError(f"{path}: the file is empty")
    if blob.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise DataError(f"{path}: the file is UTF-16; save it as UTF-8")
    try:
        return blob.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        start = blob[: error.start + (3 if blob.startswith(codecs.BOM_UTF8) else 0)]
        line = start.count(b"\n") + 1
        row = line
        if path.suffix.casefold() == ".csv":
            with _long_cells():
                reader = csv.reader(io.StringIO(start.decode("utf-8-sig") + "?", newline=""))
                row = sum(1 for cells in reader if any(cell.strip() for cell in cells)) - 1
        where = f"row {row} (line {line})" if row else f"the header (line {line})"
        raise DataError(
            f"{path}: {where}: the byte {error.object[error.start]:#04x} is not UTF-8; save the file as UTF-8 "
            f"(it may be Windows-1252 or Latin-1)"
        ) from None


def _csv_table(source: str, text: str) -> Table:
    records: list[list[str]] = []
    lines: list[int] = []
    empty = 0
    with _long_cells():
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        begins = 1
        try:
            for record in reader:
                if any(cell.strip() for cell in record):
                    records.append(record)
                    lines.append(begins)
                else:
                    empty += len(record) > 1
                begins = reader.line_num + 1
        except csv.Error as error:
            reason = "a quoted cell is never closed" if "end of data" in str(error) else str(error)
            raise DataError(
                f"{source}: row {len(records)} (line {begins}): {reason}; quote cells that hold commas, quotes or "
                f"line breaks, and double the quotes inside"
            ) from None
    header = [name.strip() for name in records[0]]
    if len(records) == 1:
        raise DataError(f"{source}: a header but no rows; give at least one row")
    _unique(source, [name for name in header if name])
    problems = Problems(source, DataError)
    for number, (record, line) in enumerate(zip(records[1:], lines[1:], strict=True), start=1):
        if len(record) != len(header):
            problems.add(
                f"row {number} (line {line}): {_cells(len(record))}, but the header has {len(header)}; "
                f"quote cells that hold commas"
            )
    problems.check()
    unnamed = [place for place, name in enumerate(header, start=1) if not name]
    notes = [f"column {place} has no name and was not read" for place in unnamed]
    notes += [f"rows of empty cells skipped: {empty}"] if empty else []
    rows = tuple({name: cell for name, cell in zip(header, record, strict=True) if name} for record in records[1:])
    return Table(source, tuple(name for name in header if name), rows, tuple(lines[1:]), tuple(notes))


def _jsonl_table(source: str, text: str) -> Table:
    problems = Problems(source, DataError)
    rows: list[Row] = []
    lines: list[int] = []
    for line, entry in enumerate(text.split("\n"), start=1):
        if not entry.strip():
            continue
        where = f"row {len(rows) + 1}" + (f" (line {line})" if line != len(rows) + 1 else "")
        lines.append(line)
        rows.append({})
        try:
            record = json.loads(entry, object_pairs_hook=_object)
        except (ValueError, RecursionError) as error:
            problems.add(f"{where}: not JSON ({error}); write one object a line")
            continue
        if isinstance(record, dict):
            rows[-1] = record
        else:
            problems.add(f"{where}: {clipped(record)} is no object; write one object a line")
    problems.check()
    return Table(source, _columns(rows), tuple(rows), tuple(lines))


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"the key {name!r} stands twice")
        found[name] = value
    return found


def _columns(rows: Sequence[Row]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for row in rows for name in row))


def _unique(source: str, header: Sequence[str]) -> None:
    problems = Problems(source, DataError)
    places: dict[str, list[int]] = {}
    for place, name in enumerate(header, start=1):
        places.setdefault(name, []).append(place)
    for name, at in places.items():
        if len(at) > 1:
            problems.add(f"{len(at)} columns are called {name!r} (columns {', '.join(map(str, at))}); rename one")
    problems.check()


def _cells(count: int) -> str:
    return "1 cell" if count == 1 else f"{count} cells"


@contextmanager
def _long_cells() -> Iterator[None]:
    """The csv module refuses cells above 128 KiB, by a process-wide limit; a document may be longer."""
    before = csv.field_size_limit(sys.maxsize)
    try:
        yield
    finally:
        csv.field_size_limit(before)

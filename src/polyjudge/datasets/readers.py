"""Reads files as rows, a batch at a time; ``table`` defines the meaning of the cells.

A reader records the position of every row, so that later messages can name it.
"""

from __future__ import annotations

import sys
import zipfile
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain, islice, zip_longest
from pathlib import Path
from types import MappingProxyType
from typing import Any

from polyjudge.datasets.error_collector import ErrorCollector
from polyjudge.datasets.table import Table
from polyjudge.datasets.textfiles import check_unpacked, csv_batches, ending_of, header_of, json_batches, jsonl_batches
from polyjudge.errors import DataError, MissingExtra
from polyjudge.formatting.text import listed

# Path, size of a batch in rows, collector of malformed rows, columns whose cells are read (None: all).
Reader = Callable[[Path, int, ErrorCollector, Collection[str] | None], Iterator[Table]]

ENDINGS = (".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".parquet", ".xlsx")
MOST_CELLS = 200_000_000
_PARQUET_BUFFER = 1 << 20


def read_table(path: Path) -> Table:
    """Read a file as a whole.

    Raises:
        DataError: no such file, an unknown ending, or contents that cannot be read; rows are named.
        MissingExtra: Parquet without pyarrow, Excel without openpyxl.
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
        size: of a table, in rows.
        errors: collects malformed rows; they are empty in the table.
        columns: whose cells are needed, if the file has them; one that cannot be read is an error. None: all columns;
            one that cannot be read is left out with a note.

    Raises:
        DataError: no such file, an unknown ending, or contents that cannot be read.
        MissingExtra: Parquet without pyarrow, Excel without openpyxl.
    """
    reader = _reader(path)
    try:
        yield from reader(path, size, errors, columns)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}); check the file's permissions") from None


def columns_in(path: Path) -> tuple[str, ...]:
    """All columns of a file. A JSONL file is read to its end for them, because each object may have other keys.

    Raises:
        DataError: as ``read_batches``.
    """
    errors = ErrorCollector(str(path), DataError)
    columns: dict[str, None] = {}
    for table in read_batches(path, 256, errors, ()):
        columns |= dict.fromkeys(table.columns)
        if ending_of(path) not in (".jsonl", ".ndjson"):
            break
    errors.check()
    return tuple(columns)


def is_there(path: Path) -> bool:
    """Whether a path exists; a name that the system does not allow does not exist."""
    try:
        return path.exists()
    except OSError:
        return False


def _reader(path: Path) -> Reader:
    if not is_there(path):
        raise DataError(f"{path}: no such file; check the path")
    if not path.is_file():
        raise DataError(f"{path}: not a regular file; give a {', '.join(ENDINGS)} file")
    ending, is_packed = ending_of(path), path.suffix.casefold() == ".gz"
    if ending in _READERS and not (is_packed and ending in _BINARY):
        return _READERS[ending]
    raise DataError(
        f"{path}: files ending in {''.join(path.suffixes[-2:] if is_packed else path.suffixes[-1:])!r} are not read; "
        f"use {', '.join(ENDINGS)}"
    )


def is_table_file(path: Path) -> bool:
    """Whether a name has the ending of a file that can be read."""
    return ending_of(path) in _READERS


# Excel, through openpyxl (the extra ``xlsx``)


def _xlsx_batches(
    path: Path, size: int, errors: ErrorCollector, columns: Collection[str] | None = None
) -> Iterator[Table]:
    try:
        import openpyxl
    except ImportError:
        raise MissingExtra("openpyxl", "xlsx", "reading Excel files") from None
    try:
        with zipfile.ZipFile(path) as archive:
            check_unpacked(path, path.stat().st_size, sum(entry.file_size for entry in archive.infolist()))
        book = openpyxl.load_workbook(path, read_only=True, data_only=True)
        try:
            yield from _sheet_batches(path, book, size, errors)
        finally:
            book.close()
    except (DataError, OSError):
        raise
    except Exception as error:
        # openpyxl does not wrap the exceptions of its zip and XML readers.
        raise DataError(f"{path}: cannot be read as an Excel file ({error}); is the file whole?") from None


def _sheet_batches(path: Path, book: Any, size: int, errors: ErrorCollector) -> Iterator[Table]:
    sheets = {sheet.title: sheet for sheet in book.worksheets if next(_sheet_rows(sheet), None) is not None}
    if len(sheets) != 1:
        problem = f"the sheets {listed(map(repr, sheets))} hold rows" if sheets else "no sheet holds a row"
        raise DataError(f"{path}: {problem}; keep one sheet, or save the right one as CSV")
    records = _sheet_rows(next(iter(sheets.values())))
    _, cells = next(records)
    header, notes = header_of(path, ["" if cell is None else str(cell) for cell in cells])
    columns = tuple(name for name in header if name)
    done = 0
    while batch := list(islice(records, size)):
        rows = [{name: cell for name, cell in zip_longest(header, cells) if name} for _, cells in batch]
        for number, cells in batch:
            if any(cell is not None for cell in cells[len(header) :]):
                errors.add(f"line {number}: a cell lies beside the header's columns; name its column, or empty it")
        yield Table(str(path), columns, tuple(rows), tuple(number for number, _ in batch), tuple(notes), done)
        done += len(rows)
    if not done:
        raise DataError(f"{path}: a header but no rows; give at least one row")


def _sheet_rows(sheet: Any) -> Iterator[tuple[int, list[object]]]:
    """The rows of a sheet that are not empty, with their numbers; dates as ISO text."""
    # A sheet may state a wrong size.
    sheet.reset_dimensions()
    for number, cells in enumerate(sheet.iter_rows(values_only=True), 1):
        if any(cell is not None and str(cell).strip() for cell in cells):
            yield number, [cell.isoformat() if hasattr(cell, "isoformat") else cell for cell in cells]


# Parquet, through pyarrow (the extra ``parquet``)


def _parquet_batches(
    path: Path, size: int, errors: ErrorCollector, columns: Collection[str] | None = None
) -> Iterator[Table]:
    pyarrow = _pyarrow()
    notes: dict[str, str] = {}
    done = decoded = 0
    # The reading is buffered, because whole column chunks of a row group may be larger than memory.
    with (
        _parquet_errors(path),
        pyarrow.parquet.ParquetFile(path, buffer_size=_PARQUET_BUFFER, pre_buffer=False) as file,
    ):
        names = _parquet_columns(path, file)
        needed = None if columns is None else [name for name in names if name in columns]
        for batch in file.iter_batches(batch_size=min(size, 256), columns=needed, use_threads=False):
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
            decoded += sum(len(cell) for column in cells.values() for cell in column if isinstance(cell, (str, bytes)))
            if columns is None:
                check_unpacked(path, path.stat().st_size, decoded)


def _pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtra("pyarrow", "parquet", "reading Parquet files") from None
    return pyarrow


@contextmanager
def _parquet_errors(path: Path) -> Iterator[None]:
    """Turn the errors of pyarrow into errors that name the file."""
    try:
        yield
    except UnicodeDecodeError:
        raise DataError(f"{path}: a column's name is not UTF-8; write the file again") from None
    except (_pyarrow().ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{path}: cannot be read as Parquet ({reason}); is the file whole?") from None


def _parquet_columns(path: Path, file: Any) -> list[str]:
    """The columns of a file; a file without rows is refused."""
    names: list[str] = file.schema_arrow.names
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise DataError(f"{path}: several columns are called {listed(map(repr, repeated))}; rename them")
    if not file.metadata.num_rows:
        raise DataError(f"{path}: no rows; give at least one")
    if file.metadata.num_rows * len(names) > MOST_CELLS:
        raise DataError(f"{path}: more than {MOST_CELLS:,} cells; keep fewer rows or columns")
    return names


def _undecodable_row(column: Any) -> int:
    for row, cell in enumerate(column, start=1):
        try:
            cell.as_py()
        except UnicodeDecodeError:
            return row
    return 0


_BINARY = frozenset({".parquet", ".pq", ".xlsx"})
_READERS: Mapping[str, Reader] = MappingProxyType(
    {
        ".csv": csv_batches,
        ".tsv": csv_batches,
        ".json": json_batches,
        ".xlsx": _xlsx_batches,
        ".jsonl": jsonl_batches,
        ".ndjson": jsonl_batches,
        ".parquet": _parquet_batches,
        ".pq": _parquet_batches,
    }
)

"""Parquet files, through pyarrow (the extra ``parquet``)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from polyjudge.datasets.problems import listed
from polyjudge.datasets.table import Table
from polyjudge.errors import DataError, MissingExtra


def parquet_table(path: Path) -> Table:
    """Read a Parquet file.

    Columns of types that have no Python value are left out and noted.

    Raises:
        DataError: not a Parquet file, damaged, empty, columns of the same name, or text that is not UTF-8.
        MissingExtra: pyarrow is not installed.
    """
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtra("pyarrow", "parquet", "reading Parquet files") from None
    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            table = file.read()
    except (pyarrow.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{path}: cannot be read as Parquet ({reason}); is the file whole?") from None
    names: list[str] = table.column_names
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"{path}: several columns are called {listed(map(repr, twice))}; rename them")
    if not table.num_rows:
        raise DataError(f"{path}: no rows; give at least one")
    cells: dict[str, list[object]] = {}
    notes: list[str] = []
    for name in names:
        try:
            cells[name] = table[name].to_pylist()
        except UnicodeDecodeError:
            row = _undecodable(table[name])
            raise DataError(f"{path}: row {row}, column {name!r}: text that is not UTF-8; correct it") from None
        except (pyarrow.ArrowException, ValueError, OverflowError) as error:
            notes.append(f"column {name!r} was not read ({error})")
    rows = tuple({name: column[row] for name, column in cells.items()} for row in range(table.num_rows))
    return Table(str(path), tuple(cells), rows, (), tuple(notes))


def _undecodable(column: Any) -> int:
    for row, cell in enumerate(column, start=1):
        try:
            cell.as_py()
        except UnicodeDecodeError:
            return row
    return 0

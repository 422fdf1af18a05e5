"""Parquet files, through pyarrow (the extra ``parquet``)."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from polyjudge.datasets.problems import listed
from polyjudge.datasets.table import Table
from polyjudge.errors import DataError, MissingExtra

_BUFFER = 1 << 20


def parquet_table(path: Path) -> Table:
    """Read a Parquet file.

    Columns of types that have no Python value are left out and noted.

    Raises:
        DataError: not a Parquet file, damaged, empty, columns of the same name, or text that is not UTF-8.
        MissingExtra: pyarrow is not installed.
    """
    pyarrow = _pyarrow()
    with _told(path), pyarrow.parquet.ParquetFile(path) as file:
        names = _names(path, file)
        table = file.read()
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


def parquet_tables(path: Path, size: int, columns: Collection[str]) -> Iterator[Table]:
    """The rows of a Parquet file as tables of at most ``size``, with the cells of the named columns alone.

    Raises:
        DataError: as ``parquet_table``, or a named column cannot be read.
        MissingExtra: pyarrow is not installed.
    """
    pyarrow = _pyarrow()
    done = 0
    # Buffered, as whole column chunks of a row group may be larger than memory.
    with _told(path), pyarrow.parquet.ParquetFile(path, buffer_size=_BUFFER, pre_buffer=False) as file:
        names = _names(path, file)
        read = [name for name in names if name in columns]
        for batch in file.iter_batches(batch_size=size, columns=read, use_threads=False):
            cells: dict[str, list[object]] = {}
            for name in read:
                try:
                    cells[name] = batch[name].to_pylist()
                except UnicodeDecodeError:
                    row = done + _undecodable(batch[name])
                    raise DataError(
                        f"{path}: row {row}, column {name!r}: text that is not UTF-8; correct it"
                    ) from None
                except (pyarrow.ArrowException, ValueError, OverflowError) as error:
                    raise DataError(f"{path}: column {name!r} cannot be read ({error}); write it as text") from None
            rows = tuple({name: column[row] for name, column in cells.items()} for row in range(batch.num_rows))
            yield Table(str(path), tuple(names), rows, (), (), done)
            done += len(rows)


def _pyarrow() -> Any:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise MissingExtra("pyarrow", "parquet", "reading Parquet files") from None
    return pyarrow


@contextmanager
def _told(path: Path) -> Iterator[None]:
    """What pyarrow cannot read, as an error that names the file."""
    try:
        yield
    except UnicodeDecodeError:
        raise DataError(f"{path}: a column's name is not UTF-8; write the file again") from None
    except (_pyarrow().ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(f"{path}: cannot be read as Parquet ({reason}); is the file whole?") from None


def _names(path: Path, file: Any) -> list[str]:
    """The columns of a file that has rows."""
    names: list[str] = file.schema_arrow.names
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise DataError(f"{path}: several columns are called {listed(map(repr, twice))}; rename them")
    if not file.metadata.num_rows:
        raise DataError(f"{path}: no rows; give at least one")
    return names


def _undecodable(column: Any) -> int:
    for row, cell in enumerate(column, start=1):
        try:
            cell.as_py()
        except UnicodeDecodeError:
            return row
    return 0

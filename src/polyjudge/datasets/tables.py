"""Files and frames become rows here; what the cells mean is decided elsewhere.

A reader keeps for every row where it stands, so that a later message can name it.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Protocol, runtime_checkable

from polyjudge.datasets.problems import Problems, clipped
from polyjudge.datasets.table import Row, Table
from polyjudge.datasets.textfiles import check_unique, csv_tables, jsonl_tables
from polyjudge.errors import DataError

TableReader = Callable[[Path, int, Problems], Iterator[Table]]

ENDINGS = (".csv", ".jsonl", ".ndjson", ".parquet")
_READERS: Mapping[str, TableReader] = MappingProxyType(
    {".csv": csv_tables, ".jsonl": jsonl_tables, ".ndjson": jsonl_tables}
)


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
    reader = text_reader(path)
    if reader is None:
        from polyjudge.datasets.parquet import parquet_table

        return parquet_table(path)
    with readable(path):
        return _whole(reader, path)


def text_reader(path: Path) -> TableReader | None:
    """What reads a file of text, by its ending; None for Parquet.

    Raises:
        DataError: no such file, or an unknown ending.
    """
    if not is_there(path):
        raise DataError(f"{path}: no such file; check the path")
    if not path.is_file():
        raise DataError(f"{path}: not a regular file; give a {', '.join(ENDINGS)} file")
    ending = path.suffix.casefold()
    if ending in (".parquet", ".pq"):
        return None
    if ending in _READERS:
        return _READERS[ending]
    hint = "; write one object a line (JSONL)" if ending == ".json" else ""
    raise DataError(f"{path}: files ending in {ending!r} are not read; use {', '.join(ENDINGS)}{hint}")


@contextmanager
def readable(path: Path) -> Iterator[None]:
    """What the system refuses, as an error that names the file."""
    try:
        yield
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); check the file's permissions") from None


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
        check_unique(source, names)
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


def _whole(tables: TableReader, path: Path) -> Table:
    """A text file as one table."""
    problems = Problems(str(path), DataError)
    table = next(iter(tables(path, sys.maxsize, problems)))
    problems.check()
    return table


def _columns(rows: Sequence[Row]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for row in rows for name in row))

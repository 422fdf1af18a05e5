"""A file of new texts, read as often as needed and never held: checked whole first, then given row by row.

Memory is bounded by a number of rows, plus some 20 bytes a row for what identifies it.
"""

from __future__ import annotations

import hashlib
import os
from array import array
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from polyjudge.datasets.cells import is_missing, text_of
from polyjudge.datasets.columns import OWN_ID, check_columns, columns_of, may_be_ids
from polyjudge.datasets.content import exact
from polyjudge.datasets.examples import IDS_LEFT, IDS_TAKEN, all_empty, id_twice, input_notes, part_examples
from polyjudge.datasets.problems import Problems, listed
from polyjudge.datasets.table import Row, Table
from polyjudge.datasets.tables import readable, text_reader
from polyjudge.domain.dataset import Rubric
from polyjudge.domain.example import Example
from polyjudge.errors import DataError

# Rows held at a time; texts may be long.
SIZE = 256


@dataclass(frozen=True, slots=True)
class Stream:
    """The rows of a file that was found to be in order.

    Attributes:
        path: of the file.
        rubric: names the columns.
        columns: all of the file's.
        rows: how many there are.
        notes: what the reader found.
        ids: the column of identifiers; None: a digest of the inputs, numbered where it is not the first of its kind.
        repeated: digests that stand several times.
        state: by which a change of the file is noticed.
    """

    path: Path
    rubric: Rubric
    columns: tuple[str, ...]
    rows: int
    notes: tuple[str, ...]
    ids: str | None
    repeated: Collection[int]
    state: tuple[int, int]

    def examples(self) -> Iterator[Example]:
        """The rows as examples, from the first on; equal to what ``read_examples`` makes of the whole.

        Raises:
            DataError: the file has changed since it was checked.
        """
        seen: dict[int, int] = {}
        for table in _tables(self.path, self.rubric, self.columns, Problems(str(self.path), DataError)):
            if _state(self.path) != self.state:
                raise DataError(f"{self.path}: changed while it was being scored; give the same command again")
            problems = Problems(str(self.path), DataError)
            examples = part_examples(table, self.rubric, problems, self.ids)
            problems.check()
            for example in examples:
                if self.ids is None and (key := int(example.id, 16)) in self.repeated:
                    seen[key] = seen.get(key, 0) + 1
                    yield replace(example, id=f"{example.id}-{seen[key]}") if seen[key] > 1 else example
                else:
                    yield example


def open_stream(path: Path, rubric: Rubric) -> Stream:
    """Check every row of a file of new texts; rating columns are read where they are.

    Raises:
        DataError: as ``read_examples`` would raise for the whole file.
        MissingExtra: Parquet without pyarrow.
    """
    state = _state(path)
    columns = _columns(path, rubric)
    check_columns(Table(str(path), columns, ()), rubric, ratings_required=False)
    shape, cells = Problems(str(path), DataError), Problems(str(path), DataError)
    census = _Census(rubric, columns)
    for table in _tables(path, rubric, columns, shape):
        if not shape:
            census.see(table, part_examples(table, rubric, cells, census.named))
    shape.check()
    twice = census.ids_twice()
    if twice:
        census.tell(twice, _tables(path, rubric, columns, shape), cells)
    cells.check()
    for column in census.all_empty():
        cells.add(all_empty(column))
    cells.check()
    ids = census.ids()
    own = [IDS_LEFT if ids is None else IDS_TAKEN] if may_be_ids(columns, rubric) else []
    notes = (*census.notes, *own, *input_notes(census.empty, census.repeated_rows()))
    repeated = frozenset(_repeated(census.digests)) if ids is None else frozenset()
    return Stream(path, rubric, columns, census.rows, notes, ids, repeated, state)


class _Census:
    """What is known of the rows seen so far, 64 bits of a digest for each text that must not, or may, recur."""

    def __init__(self, rubric: Rubric, columns: tuple[str, ...]) -> None:
        self.rows = 0
        self.notes: tuple[str, ...] = ()
        self.empty: dict[str, array[int]] = {column: array("Q") for column, _ in rubric.inputs}
        self.named = rubric.id if rubric.id in columns else None
        self.digests = array("Q")
        self._own = may_be_ids(columns, rubric)
        self._ids = array("Q")
        self._inputs = array("Q")

    def see(self, table: Table, examples: list[Example]) -> None:
        self.rows += len(examples)
        self.notes = table.notes
        for row, example in zip(table.rows, examples, strict=True):
            for column, text in example.inputs.items():
                if not text.strip():
                    self.empty[column].append(example.row)
            self._inputs.append(_hash("\0".join(exact(example.inputs))))
            if self.named is not None:
                self._ids.append(_hash(example.id))
                continue
            self.digests.append(int(example.id, 16))
            if self._own:
                self._see_own(row)

    def _see_own(self, row: Row) -> None:
        name = _text(row, OWN_ID)
        self._own = not is_missing(name)
        self._ids.append(_hash(name))

    def ids(self) -> str | None:
        """The column that identifies the rows; None when none does."""
        if self.named is not None:
            return self.named
        return OWN_ID if self._own and not len(_repeated(self._ids)) else None

    def ids_twice(self) -> frozenset[int]:
        """Hashes of named identifiers that stand twice."""
        return frozenset(_repeated(self._ids)) if self.named is not None else frozenset()

    def tell(self, twice: Collection[int], tables: Iterator[Table], problems: Problems) -> None:
        """Name the rows that share an identifier."""
        places: dict[str, list[str]] = {}
        for table in tables:
            for position, row in enumerate(table.rows):
                name = _text(row, self.named or "")
                if not is_missing(name) and _hash(name) in twice:
                    places.setdefault(name, []).append(table.where(position))
        for name, rows in places.items():
            if len(rows) > 1:
                problems.add(id_twice(listed(rows), name, self.named))

    def all_empty(self) -> list[str]:
        return [column for column, rows in self.empty.items() if len(rows) == self.rows]

    def repeated_rows(self) -> list[int]:
        """The numbers of rows whose inputs stand in an earlier row."""
        import numpy as np

        hashes = np.frombuffer(self._inputs, dtype=np.uint64)
        order = np.argsort(hashes, kind="stable")
        again = hashes[order][1:] == hashes[order][:-1]
        return [int(position) + 1 for position in np.sort(order[1:][again])]


def _text(row: Row, column: str) -> str:
    """A cell as text; an unreadable one is empty."""
    try:
        return text_of(row.get(column)).strip()
    except ValueError:
        return ""


def _repeated(hashes: array[int]) -> list[int]:
    """The values that stand several times."""
    import numpy as np

    values, counts = np.unique(np.frombuffer(hashes, dtype=np.uint64), return_counts=True)
    found: list[int] = values[counts > 1].tolist()
    return found


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def _columns(path: Path, rubric: Rubric) -> tuple[str, ...]:
    """All columns of a file. Rows of JSONL name theirs one by one, so that file is read once for this alone."""
    problems = Problems(str(path), DataError)
    found: dict[str, None] = {}
    for table in _tables(path, rubric, None, problems):
        found |= dict.fromkeys(table.columns)
        if path.suffix.casefold() not in (".jsonl", ".ndjson"):
            break
    problems.check()
    return tuple(found)


def _tables(path: Path, rubric: Rubric, columns: tuple[str, ...] | None, problems: Problems) -> Iterator[Table]:
    reader: Any = text_reader(path)
    with readable(path):
        if reader is None:
            from polyjudge.datasets.parquet import parquet_tables

            yield from parquet_tables(path, SIZE, columns_of(rubric))
            return
        for table in reader(path, SIZE, problems):
            yield table if columns is None else replace(table, columns=columns)


def _state(path: Path) -> tuple[int, int]:
    """Size and time of the last change; of no file -1, which its reader will tell."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return -1, -1
    return found.st_size, found.st_mtime_ns

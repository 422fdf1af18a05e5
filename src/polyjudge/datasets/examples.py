"""Reads rows as examples under a rubric, a batch at a time; a table in memory is one batch.

Rows are read twice. The first pass checks all rows and remembers what identifies them, some 20 bytes a row. So a file
may be larger than memory, and all its errors are reported at once, by row and column. The second pass yields the
examples.
"""

from __future__ import annotations

import hashlib
import math
import os
from array import array
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain
from pathlib import Path

from polyjudge.datasets.criteria import narrow_span
from polyjudge.datasets.error_collector import ErrorCollector
from polyjudge.datasets.long import by_item
from polyjudge.datasets.readers import columns_in, read_batches
from polyjudge.datasets.table import (
    ID_COLUMN,
    Row,
    Table,
    check_columns,
    columns_of,
    digest,
    exact,
    has_spare_id_column,
    input_text,
    is_missing,
    rating_columns,
    ratings_of,
    text_of,
    with_paths,
    with_points,
)
from polyjudge.domain.criterion import Criterion
from polyjudge.domain.dataset import Dataset, Rubric
from polyjudge.domain.example import Example
from polyjudge.domain.scale import NAN
from polyjudge.errors import DataError
from polyjudge.formatting.text import clipped, listed, many

PARTS = ("train", "validation", "test")
# Rows of a file that are held at a time; texts may be long.
BATCH = 256
_ALSO_CALLED = {"training": "train", "valid": "validation", "val": "validation", "dev": "validation"}


def read_dataset(table: Table, rubric: Rubric, name: str, *, ratings_required: bool = True) -> Dataset:
    """Read a table in memory under a rubric.

    Args:
        table: the rows.
        rubric: names the columns.
        name: of the data set.
        ratings_required: False for new texts: only the inputs' columns are required, and the others are read if there
            are any. True leaves out rows without any rating.

    Raises:
        DataError: missing columns; else up to ten bad cells, each with its row and column.
    """
    table = with_paths(table, sorted(columns_of(rubric)))
    check_columns(table, rubric, ratings_required)
    file_rubric = rubric
    if ratings_required:
        table, rubric = by_item(table, rubric)
    errors = ErrorCollector(table.source, DataError)
    survey = _Survey(rubric, table.columns)
    examples = survey.add(table, errors)
    splits = _splits(table, rubric, errors)
    ids = survey.check([table], errors)
    examples = list(ids.assign(table, examples))
    notes = [*survey.notes, *survey.input_notes()]
    positions = list(range(len(examples)))
    if ratings_required:
        _check_rated(rubric, examples, errors)
        notes += _rating_notes(rubric, examples)
        positions = [k for k in positions if any(_is_rated(examples[k], criterion) for criterion in rubric.criteria)]
    return Dataset(
        name=name,
        source=table.source,
        rubric=file_rubric,
        examples=tuple(examples[position] for position in positions),
        splits=tuple(splits[position] for position in positions) if splits else None,
        notes=tuple(notes),
        unrated=len(examples) - len(positions),
    )


@dataclass(frozen=True, slots=True)
class ExampleFile:
    """A file of new texts whose rows were all checked; it is never held in memory as a whole.

    Attributes:
        path: of the file.
        rubric: names the columns.
        columns: all columns of the file.
        count: of the rows.
        notes: for the user.
    """

    path: Path
    rubric: Rubric
    columns: tuple[str, ...]
    count: int
    notes: tuple[str, ...]
    _ids: _Ids
    _state: tuple[int, int]
    _batch: int

    @property
    def named_by(self) -> str:
        """The column that gives the rows their identifiers; "" where digests of the inputs do."""
        return self._ids.column or ""

    def examples(self) -> Iterator[Example]:
        """The examples, from the first row on; equal to those of ``read_dataset``.

        Raises:
            DataError: the file has changed since it was checked.
        """
        return (example for example, _ in self.rows())

    def rows(self) -> Iterator[tuple[Example, Row]]:
        """Each example with its row, which has all columns of the file; raises as ``examples`` does."""
        ids = _Ids(self._ids.column, self._ids.repeated)
        malformed = ErrorCollector(str(self.path), DataError)
        paths = sorted(columns_of(self.rubric))
        for table in read_batches(self.path, self._batch, malformed):
            if _file_state(self.path) != self._state:
                raise DataError(f"{self.path}: changed while it was being scored; give the same command again")
            errors = ErrorCollector(str(self.path), DataError)
            examples = _examples(with_paths(replace(table, columns=self.columns), paths), self.rubric, errors)
            errors.check()
            yield from zip(ids.assign(table, examples), with_points(table), strict=True)


def open_examples(path: Path, rubric: Rubric, batch: int = BATCH) -> ExampleFile:
    """Check every row of a file of new texts; rating columns are read if there are any.

    Args:
        path: of the file.
        rubric: names the columns.
        batch: rows that are held at a time.

    Raises:
        DataError: as ``read_dataset`` would raise for the whole file.
        MissingExtra: a package that reads this kind of file is not installed.
    """
    state = _file_state(path)
    columns = columns_in(path)
    check_columns(with_paths(Table(str(path), columns, ()), columns_of(rubric)), rubric, ratings_required=False)
    malformed, errors = ErrorCollector(str(path), DataError), ErrorCollector(str(path), DataError)
    survey = _Survey(rubric, columns)
    for table in _batches(path, rubric, columns, batch, malformed):
        if not malformed:
            survey.add(table, errors)
    malformed.check()
    ids = survey.check(_batches(path, rubric, columns, batch, malformed), errors)
    notes = (*survey.notes, *survey.input_notes())
    return ExampleFile(path, rubric, columns, survey.rows, notes, ids, state, batch)


def _batches(
    path: Path, rubric: Rubric, columns: tuple[str, ...], batch: int, malformed: ErrorCollector
) -> Iterator[Table]:
    needed = columns_of(rubric)
    roots = {name[:end] for name in needed for end, sign in enumerate(name) if sign == "."}
    for table in read_batches(path, batch, malformed, needed | roots):
        yield with_paths(replace(table, columns=columns), sorted(needed))


def _file_state(path: Path) -> tuple[int, int]:
    """Size and time of the last change; -1 for a missing file, which the reader will report."""
    try:
        status = os.stat(path)
    except (OSError, ValueError):
        return -1, -1
    return status.st_size, status.st_mtime_ns


@dataclass(slots=True)
class _Ids:
    """Gives each row its identifier; rows must come in the order of the source.

    Attributes:
        column: the column of identifiers. None: a digest of the inputs, numbered from its second row on.
        repeated: the digests that several rows have.
    """

    column: str | None
    repeated: Collection[int]
    _seen: dict[str, int] = field(default_factory=dict)

    def assign(self, table: Table, examples: Iterable[Example]) -> Iterator[Example]:
        for row, example in zip(table.rows, examples, strict=True):
            name = self._name(row, example)
            yield example if name == example.id else replace(example, id=name)

    def _name(self, row: Row, example: Example) -> str:
        if self.column is not None:
            return _readable_text(row, self.column)
        if int(example.id, 16) not in self.repeated:
            return example.id
        number = self._seen[example.id] = self._seen.get(example.id, 0) + 1
        return example.id if number == 1 else f"{example.id}-{number}"


class _Survey:
    """What is known of the rows read so far: 64 bits of a digest for each identifier and for each row's inputs.

    Attributes:
        rows: how many were read.
        notes: of the table's reader, and on the column of identifiers.
    """

    def __init__(self, rubric: Rubric, columns: Sequence[str]) -> None:
        self.rows = 0
        self.notes: tuple[str, ...] = ()
        self._rubric = rubric
        self._empty: dict[str, array[int]] = {column: array("Q") for column, _ in rubric.inputs}
        self._named = rubric.id if rubric.id in columns else None
        self._spare = self._named is None and has_spare_id_column(columns, rubric)
        self._spare_is_full = True
        self._decimal_commas: Counter[str] = Counter()
        self._ids, self._digests, self._inputs = array("Q"), array("Q"), array("Q")

    def add(self, table: Table, errors: ErrorCollector) -> list[Example]:
        """Read a batch; the examples' ids are digests of their inputs unless the rubric names a column of ids."""
        examples = _examples(table, self._rubric, errors, self._decimal_commas)
        self.rows += len(examples)
        self.notes = table.notes
        for row, example in zip(table.rows, examples, strict=True):
            for column, text in example.inputs.items():
                if not text.strip():
                    self._empty[column].append(example.row)
            self._inputs.append(_hash("\0".join(exact(example.inputs))))
            if self._named is not None:
                self._ids.append(_hash(example.id))
                continue
            self._digests.append(int(example.id, 16))
            if self._spare:
                name = _readable_text(row, ID_COLUMN)
                self._spare_is_full &= not is_missing(name)
                self._ids.append(_hash(name))
        return examples

    def check(self, tables: Iterable[Table], errors: ErrorCollector) -> _Ids:
        """Check the rows as a whole; returns what identifies them.

        Args:
            tables: the rows again, from the first on.
            errors: the errors of single cells.

        Raises:
            DataError: bad cells, repeated identifiers, or an input column that is empty in every row.
        """
        repeated = frozenset(_repeated(self._ids))
        if self._named is not None and repeated:
            _name_repeated(tables, self._named, repeated, errors)
        errors.check()
        for column, rows in self._empty.items():
            if len(rows) == self.rows:
                errors.add(f"column {column!r} (named under inputs) is empty in every row; fill it")
        errors.check()
        if self._named is not None:
            return _Ids(self._named, ())
        if self._spare and self._spare_is_full and not repeated:
            self.notes += (f"column {ID_COLUMN!r} is taken for the rows' identifiers",)
            return _Ids(ID_COLUMN, ())
        if self._spare:
            self.notes += (
                f"column {ID_COLUMN!r} is not taken for the rows' identifiers, because it has gaps or repeats "
                f"itself; digests of the rows are. To see its errors write id: {ID_COLUMN} into the criteria file",
            )
        return _Ids(None, frozenset(_repeated(self._digests)))

    def input_notes(self) -> list[str]:
        """Notes on decimal commas, empty inputs and repeated inputs."""
        notes = [
            f"column {column!r}: {many(count, 'numbers')} with a decimal comma read"
            for column, count in self._decimal_commas.items()
        ]
        notes += [f"column {column!r} is empty in {_rows(rows)}; kept" for column, rows in self._empty.items() if rows]
        if repeats := self._repeating_rows():
            notes.append(f"the inputs of {_rows(repeats)} repeat those of an earlier row")
        return notes

    def _repeating_rows(self) -> list[int]:
        import numpy as np

        hashes = np.frombuffer(self._inputs, dtype=np.uint64)
        order = np.argsort(hashes, kind="stable")
        again = hashes[order][1:] == hashes[order][:-1]
        return [int(position) + 1 for position in np.sort(order[1:][again])]


def _name_repeated(tables: Iterable[Table], column: str, repeated: Collection[int], errors: ErrorCollector) -> None:
    """Report the rows that share an identifier."""
    rows_by_name: dict[str, list[str]] = {}
    for table in tables:
        for position, row in enumerate(table.rows):
            name = _readable_text(row, column)
            if not is_missing(name) and _hash(name) in repeated:
                rows_by_name.setdefault(name, []).append(table.where(position))
    for name, rows in rows_by_name.items():
        if len(rows) > 1:
            errors.add(f"{listed(rows)}: the id {clipped(name)} (column {column!r}) appears twice; ids must differ")


def _readable_text(row: Row, column: str) -> str:
    """A cell as text; an unreadable one is empty."""
    try:
        return text_of(row.get(column)).strip()
    except ValueError:
        return ""


def _repeated(hashes: array[int]) -> list[int]:
    """The values that occur several times."""
    import numpy as np

    values, counts = np.unique(np.frombuffer(hashes, dtype=np.uint64), return_counts=True)
    repeated: list[int] = values[counts > 1].tolist()
    return repeated


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")


def _examples(
    table: Table, rubric: Rubric, errors: ErrorCollector, decimal_commas: Counter[str] | None = None
) -> list[Example]:
    cells = _Cells(table, errors, Counter() if decimal_commas is None else decimal_commas)
    return [cells.example(position, rubric) for position in range(len(table.rows))]


def _splits(table: Table, rubric: Rubric, errors: ErrorCollector) -> list[str] | None:
    if rubric.split is None or rubric.split not in table.columns:
        return None
    cells = _Cells(table, errors)
    return [cells.split(position, rubric.split) for position in range(len(table.rows))]


@dataclass(frozen=True, slots=True)
class _Cells:
    """Reads the cells of a table; errors are collected."""

    table: Table
    errors: ErrorCollector
    decimal_commas: Counter[str] = field(default_factory=Counter)

    def example(self, position: int, rubric: Rubric) -> Example:
        inputs = {column: self._text(position, column, input_text) for column, _ in rubric.inputs}
        has_ids = rubric.id is not None and rubric.id in self.table.columns
        has_documents = rubric.document is not None and rubric.document in self.table.columns
        return Example(
            id=self._name(position, str(rubric.id)) if has_ids else digest(inputs),
            inputs=inputs,
            document=self._name(position, str(rubric.document)) if has_documents else None,
            ratings=self._ratings(position, rubric),
            row=self.table.number(position),
        )

    def split(self, position: int, column: str) -> str:
        written = self._text(position, column)
        name = written.strip().casefold()
        name = _ALSO_CALLED.get(name, name)
        if name not in PARTS:
            self._report(position, column, f"{clipped(written)} is no split; write one of {', '.join(PARTS)}")
        return name

    def _report(self, position: int, column: str, reason: object) -> None:
        self.errors.add(f"{self.table.where(position)}, column {column!r}: {reason}")

    def _text(self, position: int, column: str, read: Callable[[object], str] = text_of) -> str:
        if column not in self.table.rows[position]:
            self.errors.add(f"{self.table.where(position)}: has no {column!r}; write it")
        try:
            return read(self.table.rows[position].get(column))
        except ValueError as error:
            self._report(position, column, error)
            # With a text, an unreadable cell is not reported as empty too.
            return "?"

    def _name(self, position: int, column: str) -> str:
        name = self._text(position, column).strip()
        if is_missing(name):
            self._report(position, column, "is empty; every row needs one")
        return name

    def _ratings(self, position: int, rubric: Rubric) -> dict[str, tuple[float, ...]]:
        ratings: dict[str, tuple[float, ...]] = {}
        for criterion in rubric.criteria:
            columns = rating_columns(criterion)
            if not any(column in self.table.columns for column in columns):
                continue
            # An absent column keeps its position, so that the next rater's ratings are not taken for this one's.
            ratings[criterion.name] = tuple(
                chain.from_iterable(
                    self._ratings_of(position, name, criterion) if name in self.table.columns else (NAN,)
                    for name in columns
                )
            )
        return ratings

    def _ratings_of(self, position: int, column: str, criterion: Criterion) -> tuple[float, ...]:
        cell = self.table.rows[position].get(column)
        try:
            ratings = ratings_of(cell, criterion, self.table.decimal)
        except ValueError as error:
            self._report(position, column, error)
            return (NAN,)
        if self.table.decimal == "," and isinstance(cell, str) and "," in cell:
            self.decimal_commas[column] += 1
        return ratings


def _is_rated(example: Example, criterion: Criterion) -> bool:
    return any(not math.isnan(value) for value in example.ratings.get(criterion.name, ()))


def _check_rated(rubric: Rubric, examples: Sequence[Example], errors: ErrorCollector) -> None:
    for criterion in rubric.criteria:
        if not any(_is_rated(example, criterion) for example in examples):
            columns = listed(map(repr, rating_columns(criterion)))
            errors.add(f"no row has a rating of {criterion.name!r} (column {columns}); add ratings")
    errors.check()


def _rating_notes(rubric: Rubric, examples: Sequence[Example]) -> list[str]:
    notes: list[str] = []
    unrated = [e.row for e in examples if not any(_is_rated(e, criterion) for criterion in rubric.criteria)]
    if unrated:
        notes.append(f"{_rows(unrated)} without any rating left out")
    rated = len(examples) - len(unrated)
    partly = [
        f"{criterion.name} {missing}"
        for criterion in rubric.criteria
        if (missing := rated - sum(_is_rated(example, criterion) for example in examples))
    ]
    if partly:
        notes.append(f"rated rows that lack a rating: {', '.join(partly)}")
    notes += [
        f"the ratings of {criterion.name!r} lie within {span}; is that their scale?"
        for criterion in rubric.criteria
        if (span := narrow_span(criterion.scale, _all_ratings(criterion, examples)))
    ]
    return notes


def _all_ratings(criterion: Criterion, examples: Sequence[Example]) -> Iterator[float]:
    return chain.from_iterable(example.ratings.get(criterion.name, ()) for example in examples)


def _rows(numbers: Sequence[int]) -> str:
    count = "row" if len(numbers) == 1 else f"{len(numbers)} rows:"
    return f"{count} {listed(numbers)}"

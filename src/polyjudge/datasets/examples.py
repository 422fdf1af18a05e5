"""Rows and a rubric become examples. Everything wrong with the rows is told at once, by row and column."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain

from polyjudge.datasets.cells import is_missing, rating_of, text_of
from polyjudge.datasets.columns import OWN_ID, check_columns, may_be_ids, rating_columns
from polyjudge.datasets.content import digest, exact
from polyjudge.datasets.problems import Problems, clipped, listed
from polyjudge.datasets.scales import narrow
from polyjudge.datasets.table import Table
from polyjudge.domain.criterion import Criterion
from polyjudge.domain.dataset import Rubric
from polyjudge.domain.example import Example
from polyjudge.domain.scale import NAN
from polyjudge.errors import DataError

PARTS = ("train", "validation", "test")
IDS_TAKEN = f"column {OWN_ID!r} is taken for the rows' identifiers"
IDS_LEFT = (
    f"column {OWN_ID!r} is not taken for the rows' identifiers, for it has gaps or repeats itself; digests of the "
    f"rows are. To have its faults told write id: {OWN_ID} into the criteria file"
)
_ALSO_CALLED = {"training": "train", "valid": "validation", "val": "validation", "dev": "validation"}


@dataclass(frozen=True, slots=True)
class Reading:
    """What a table holds under a rubric.

    Attributes:
        examples: in file order; rows without any rating are left out where ratings are required.
        splits: aligned with ``examples``; None when the rubric names no split column, or the table lacks it.
        notes: what was found and left out.
    """

    examples: tuple[Example, ...]
    splits: tuple[str, ...] | None
    notes: tuple[str, ...]


def read_examples(table: Table, rubric: Rubric, *, ratings_required: bool = True) -> Reading:
    """Read a table's rows as examples.

    Args:
        table: the rows.
        rubric: names the columns.
        ratings_required: False for new texts: only the inputs' columns must be there; the others are read when
            they are.

    Raises:
        DataError: missing columns; else up to ten bad cells, each with its row and column.
    """
    check_columns(table, rubric, ratings_required)
    reader = _Reader(table, Problems(table.source, DataError))
    examples = reader.examples(rubric)
    splits = reader.splits(rubric)
    reader.check(rubric, examples, ratings_required)
    notes = [*table.notes, *reader.notes, *_input_notes(rubric, examples)]
    kept = list(range(len(examples)))
    if ratings_required:
        notes += _rating_notes(rubric, examples)
        kept = [position for position in kept if any(_rated(examples[position], c) for c in rubric.criteria)]
    return Reading(
        examples=tuple(examples[position] for position in kept),
        splits=tuple(splits[position] for position in kept) if splits else None,
        notes=tuple(notes),
    )


def part_examples(table: Table, rubric: Rubric, problems: Problems, ids: str | None) -> list[Example]:
    """The examples of a part of a source. Identifiers are as they stand there: also twice.

    Args:
        table: the part.
        rubric: names the columns.
        problems: collects bad cells.
        ids: the column of identifiers; None: a digest of the inputs.
    """
    return _Reader(table, problems).part(rubric, ids)


class _Reader:
    """Reads the cells of one table, collecting what is wrong with them."""

    def __init__(self, table: Table, problems: Problems) -> None:
        self._table = table
        self.notes: list[str] = []
        self._problems = problems

    def examples(self, rubric: Rubric) -> list[Example]:
        inputs = self._inputs(rubric)
        ids = self._ids(rubric.id) if rubric.id in self._table.columns else self._unasked(rubric) or _digests(inputs)
        return self._made(rubric, inputs, ids)

    def part(self, rubric: Rubric, ids: str | None) -> list[Example]:
        inputs = self._inputs(rubric)
        if ids is None:
            return self._made(rubric, inputs, [digest(shown) for shown in inputs])
        if ids == rubric.id:
            return self._made(rubric, inputs, [self._name(position, ids) for position in range(len(inputs))])
        return self._made(rubric, inputs, [text_of(row.get(ids)).strip() for row in self._table.rows])

    def _inputs(self, rubric: Rubric) -> list[dict[str, str]]:
        return [
            {column: self._text(position, column) for column, _ in rubric.inputs}
            for position in range(len(self._table.rows))
        ]

    def _made(self, rubric: Rubric, inputs: Sequence[dict[str, str]], ids: Sequence[str]) -> list[Example]:
        document = rubric.document if rubric.document in self._table.columns else None
        return [
            Example(
                id=ids[position],
                inputs=shown,
                document=self._name(position, document) if document else None,
                ratings=self._ratings(position, rubric),
                row=self._table.first + position + 1,
            )
            for position, shown in enumerate(inputs)
        ]

    def splits(self, rubric: Rubric) -> list[str] | None:
        if rubric.split is None or rubric.split not in self._table.columns:
            return None
        return [self._split(position, rubric.split) for position in range(len(self._table.rows))]

    def check(self, rubric: Rubric, examples: Sequence[Example], ratings_required: bool) -> None:
        """What the cells hide is told once they are all readable."""
        self._problems.check()
        for column, _ in rubric.inputs:
            if not any(example.inputs[column].strip() for example in examples):
                self._problems.add(all_empty(column))
        for criterion in rubric.criteria if ratings_required else ():
            if not any(_rated(example, criterion) for example in examples):
                columns = listed(map(repr, rating_columns(criterion)))
                self._problems.add(f"no row has a rating of {criterion.name!r} (column {columns}); add ratings")
        self._problems.check()

    def _cell(self, position: int, column: str, read: Callable[[object], str | float]) -> str | float | None:
        try:
            return read(self._table.rows[position].get(column))
        except ValueError as error:
            self._problems.add(f"{self._table.where(position)}, column {column!r}: {error}")
            return None

    def _text(self, position: int, column: str) -> str:
        if column not in self._table.rows[position]:
            self._problems.add(f"{self._table.where(position)}: has no {column!r}; write it")
        # An unreadable cell is already a problem; the blank keeps it from being reported as empty as well.
        text = self._cell(position, column, text_of)
        return "?" if text is None else str(text)

    def _name(self, position: int, column: str) -> str:
        name = self._text(position, column).strip()
        if is_missing(name):
            self._problems.add(f"{self._table.where(position)}, column {column!r}: is empty; every row needs one")
        return name

    def _ids(self, column: str | None) -> list[str]:
        places: dict[str, list[int]] = {}
        ids = [self._name(position, column or "") for position in range(len(self._table.rows))]
        for position, name in enumerate(ids):
            places.setdefault(name, []).append(position)
        for name, at in places.items():
            if len(at) > 1 and not is_missing(name):
                rows = listed(self._table.where(position) for position in at)
                self._problems.add(id_twice(rows, name, column))
        return ids

    def _unasked(self, rubric: Rubric) -> list[str] | None:
        """The cells of a column called ``id`` that nobody named, where they identify."""
        if not may_be_ids(self._table.columns, rubric):
            return None
        try:
            ids = [text_of(row.get(OWN_ID)).strip() for row in self._table.rows]
        except ValueError:
            ids = [""]
        if any(is_missing(name) for name in ids) or len(set(ids)) < len(ids):
            self.notes.append(IDS_LEFT)
            return None
        self.notes.append(IDS_TAKEN)
        return ids

    def _ratings(self, position: int, rubric: Rubric) -> dict[str, tuple[float, ...]]:
        ratings: dict[str, tuple[float, ...]] = {}
        for criterion in rubric.criteria:
            columns = rating_columns(criterion)
            reads = partial(rating_of, scale=criterion.scale)
            # An absent column keeps its place, or the next rater's ratings would pass for this one's.
            read = [
                self._cell(position, column, reads) if column in self._table.columns else NAN for column in columns
            ]
            if any(column in self._table.columns for column in columns):
                ratings[criterion.name] = tuple(NAN if value is None else float(value) for value in read)
        return ratings

    def _split(self, position: int, column: str) -> str:
        written = self._text(position, column)
        name = written.strip().casefold()
        name = _ALSO_CALLED.get(name, name)
        if name not in PARTS:
            self._problems.add(
                f"{self._table.where(position)}, column {column!r}: {clipped(written)} is no split; "
                f"write one of {', '.join(PARTS)}"
            )
        return name


def all_empty(column: str) -> str:
    """A problem, in words."""
    return f"column {column!r} (named under inputs) is empty in every row; fill it"


def id_twice(rows: str, name: str, column: str | None) -> str:
    """A problem, in words."""
    return f"{rows}: the id {clipped(name)} (column {column!r}) stands twice; ids must differ"


def _digests(inputs: Iterable[dict[str, str]]) -> list[str]:
    seen: dict[str, int] = {}
    ids: list[str] = []
    for shown in inputs:
        name = digest(shown)
        seen[name] = seen.get(name, 0) + 1
        ids.append(name if seen[name] == 1 else f"{name}-{seen[name]}")
    return ids


def _rated(example: Example, criterion: Criterion) -> bool:
    return any(not math.isnan(value) for value in example.ratings.get(criterion.name, ()))


def _input_notes(rubric: Rubric, examples: Sequence[Example]) -> list[str]:
    empty = {
        column: [example.row for example in examples if not example.inputs[column].strip()]
        for column, _ in rubric.inputs
    }
    first: set[tuple[str, ...]] = set()
    repeated: list[int] = []
    for example in examples:
        key = exact(example.inputs)
        if key in first:
            repeated.append(example.row)
        first.add(key)
    return input_notes(empty, repeated)


def input_notes(empty: Mapping[str, Sequence[int]], repeated: Sequence[int]) -> list[str]:
    """Rows with an empty input, by column, and rows that repeat the inputs of an earlier one, in words."""
    notes = [f"column {column!r} is empty in {_rows(rows)}; kept" for column, rows in empty.items() if rows]
    if repeated:
        notes.append(f"the inputs of {_rows(repeated)} repeat those of an earlier row")
    return notes


def _rating_notes(rubric: Rubric, examples: Sequence[Example]) -> list[str]:
    notes: list[str] = []
    unrated = [e.row for e in examples if not any(_rated(e, criterion) for criterion in rubric.criteria)]
    if unrated:
        notes.append(f"{_rows(unrated)} without any rating left out")
    rated = len(examples) - len(unrated)
    partly = [
        f"{criterion.name} {missing}"
        for criterion in rubric.criteria
        if (missing := rated - sum(_rated(example, criterion) for example in examples))
    ]
    if partly:
        notes.append(f"rated rows that lack a rating: {', '.join(partly)}")
    notes += [
        f"the ratings of {one.name!r} lie within {used}; is that their scale?"
        for one in rubric.criteria
        if (used := narrow(one.scale, chain.from_iterable(e.ratings.get(one.name, ()) for e in examples)))
    ]
    return notes


def _rows(numbers: Sequence[int]) -> str:
    many = "row" if len(numbers) == 1 else f"{len(numbers)} rows:"
    return f"{many} {listed(numbers)}"

"""Turns tables with a row for each rating or rater into tables with a row for each item, whose cells list ratings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from polyjudge.datasets.error_collector import ErrorCollector
from polyjudge.datasets.table import Row, Table, is_missing, rating_columns, ratings_of
from polyjudge.domain.criterion import Criterion
from polyjudge.domain.dataset import LongForm, Rubric
from polyjudge.errors import DataError
from polyjudge.formatting.text import clipped, listed, many, nearest

RATER_COLUMNS = frozenset(
    {"rater", "rater_id", "annotator", "annotator_id", "worker", "worker_id", "user", "user_id", "labeler", "coder"}
)


def by_item(table: Table, rubric: Rubric) -> tuple[Table, Rubric]:
    """The table with one row for each item, and the rubric that reads it; both unchanged if rows are items already.

    The criteria file's ``long`` says where the ratings are. Without it, a table with one row for each rater is
    recognised: each criterion has one column of ratings, at least half of the rows repeat the inputs of an earlier
    row, and some of them have other ratings.

    Raises:
        DataError: columns are missing, ratings cannot be read, or an item's rows contradict each other.
    """
    form = rubric.long or _recognised(table, rubric)
    if form is None:
        return table, rubric
    _check_form(table, form)
    ratings = _long_ratings(table, rubric, form) if form.value else _wide_ratings(table, rubric)
    if not ratings:
        raise DataError(f"{table.source}: no row is about a criterion (column {form.criterion!r})")
    items = _Items(table, rubric, form)
    for rating in ratings:
        items.add(rating)
    criteria = tuple(replace(criterion, ratings=(_list_column(criterion),)) for criterion in rubric.criteria)
    how = "one row a rating" if form.value else "one row a rater"
    note = (
        f"{many(len(table.rows), 'rows')} are read as {how}: {many(items.count, 'items')}, up to "
        f"{many(items.raters, 'ratings')} of each on a criterion"
    )
    if rubric.long is None:
        note += "; to keep the rows apart name a column that identifies them with id"
    return items.table(note), replace(rubric, criteria=criteria, long=None)


def _list_column(criterion: Criterion) -> str:
    """The new column of a criterion's lists; the criterion's name alone might be that of an input."""
    return f"ratings of {criterion.name}"


@dataclass(frozen=True, slots=True)
class _Rating:
    row: int
    criterion: Criterion
    column: str
    cell: object


def _recognised(table: Table, rubric: Rubric) -> LongForm | None:
    columns = [rating_columns(criterion) for criterion in rubric.criteria]
    if any(len(names) > 1 or names[0] not in table.columns for names in columns):
        return None
    groups: dict[object, list[int]] = {}
    for position in range(len(table.rows)):
        groups.setdefault(_item(table, position, rubric, ""), []).append(position)
    if 2 * len(groups) > len(table.rows):
        return None
    several = [group for group in groups.values() if len(group) > 1]

    def different(column: str, group: Sequence[int]) -> int:
        return len({str(table.rows[position].get(column)).strip() for position in group})

    if not any(different(names[0], group) > 1 for group in several for names in columns):
        return None
    for column in table.columns:
        is_rater = column.casefold() in RATER_COLUMNS
        if is_rater and all(different(column, group) == len(group) for group in several):
            return LongForm(rater=column)
    return LongForm()


def _item(table: Table, position: int, rubric: Rubric, column: str) -> object:
    """What identifies the item of a row."""
    row = table.rows[position]
    if column:
        return str(row.get(column)).strip()
    names = [rubric.id, rubric.document, rubric.split, *(name for name, _ in rubric.inputs)]
    return tuple(" ".join(str(row.get(name)).split()) for name in names if name is not None)


def _check_form(table: Table, form: LongForm) -> None:
    errors = ErrorCollector(table.source, DataError)
    named = {"item": form.item, "rater": form.rater, "criterion": form.criterion, "value": form.value}
    for key, column in named.items():
        if column and column not in table.columns:
            hint = nearest(column, table.columns) or f"; the columns are {listed(map(clipped, table.columns), 12)}"
            errors.add(f"no column {column!r} (named under long: {key}){hint}")
    errors.check()


def _long_ratings(table: Table, rubric: Rubric, form: LongForm) -> list[_Rating]:
    """One rating from each row; rows about anything but a criterion are ignored."""
    criteria = {
        name.strip().casefold(): criterion
        for criterion in rubric.criteria
        for name in (criterion.name, *criterion.ratings)
    }
    if not form.criterion and len(rubric.criteria) > 1:
        raise DataError(
            f"{table.source}: the ratings of column {form.value!r} are of which of {len(rubric.criteria)} criteria? "
            f"Name the column that says so with long: {{criterion: ...}}"
        )
    only = rubric.criteria[0]
    ratings: list[_Rating] = []
    for position, row in enumerate(table.rows):
        criterion = criteria.get(str(row.get(form.criterion)).strip().casefold()) if form.criterion else only
        if criterion is not None:
            ratings.append(_Rating(position, criterion, form.value, row.get(form.value)))
    return ratings


def _wide_ratings(table: Table, rubric: Rubric) -> list[_Rating]:
    """One rating of each criterion from each row."""
    return [
        _Rating(position, criterion, column, row.get(column))
        for position, row in enumerate(table.rows)
        for criterion in rubric.criteria
        for column in rating_columns(criterion)
        if column in table.columns
    ]


class _Items:
    """Collects the ratings of each item; each rater has a position."""

    def __init__(self, table: Table, rubric: Rubric, form: LongForm) -> None:
        self._table, self._rubric, self._form = table, rubric, form
        self._errors = ErrorCollector(table.source, DataError)
        self._first: dict[object, int] = {}
        self._raters: dict[object, int] = {}
        self._cells: dict[tuple[int, str], dict[int, object]] = {}
        self._rated_in: dict[tuple[int, str, int], int] = {}

    @property
    def count(self) -> int:
        return len(self._first)

    @property
    def raters(self) -> int:
        return max((max(cells) + 1 for cells in self._cells.values() if cells), default=0)

    def add(self, rating: _Rating) -> None:
        row, name = rating.row, rating.criterion.name
        first = self._first.setdefault(_item(self._table, row, self._rubric, self._form.item), row)
        self._check_same_inputs(first, row)
        try:
            ratings_of(rating.cell, rating.criterion, self._table.decimal)
        except ValueError as error:
            self._errors.add(f"{self._table.where(row)}, column {rating.column!r}: {error}")
        cells = self._cells.setdefault((first, name), {})
        rater = len(cells)
        if self._form.rater:
            label = str(self._table.rows[row].get(self._form.rater)).strip()
            rater = self._raters.setdefault(label, len(self._raters))
            before = self._rated_in.setdefault((first, name, rater), row)
            if before != row:
                self._errors.add(
                    f"{self._table.where(before)} and {self._table.where(row)}: {clipped(label)} rates {name!r} of an "
                    f"item twice; keep one"
                )
        cells[rater] = rating.cell

    def _check_same_inputs(self, first: int, row: int) -> None:
        columns = [name for name, _ in self._rubric.inputs]
        for column in columns if self._form.item and row != first else ():
            if self._table.rows[row].get(column) != self._table.rows[first].get(column):
                self._errors.add(
                    f"{self._table.where(first)} and {self._table.where(row)} are of one item, and differ in column "
                    f"{column!r}; correct it, or name another column with long: {{item: ...}}"
                )

    def table(self, note: str) -> Table:
        """The table with one row for each item, in the order of the file."""
        self._errors.check()
        rows: list[Row] = []
        for first in self._first.values():
            lists = {
                _list_column(criterion): _as_list(self._cells.get((first, criterion.name), {}))
                for criterion in self._rubric.criteria
            }
            rows.append({**self._table.rows[first], **lists})
        positions: Sequence[int] = list(self._first.values())
        names = map(_list_column, self._rubric.criteria)
        return replace(
            self._table,
            columns=tuple(dict.fromkeys((*self._table.columns, *names))),
            rows=tuple(rows),
            lines=tuple(self._table.lines[position] for position in positions) if self._table.lines else (),
            numbers=tuple(self._table.number(position) for position in positions),
            notes=(*self._table.notes, note),
        )


def _as_list(cells: Mapping[int, object]) -> list[object]:
    """The cells in the order of the raters; None for a rater who rated nothing."""
    filled = {rater: cell for rater, cell in cells.items() if not is_missing(cell)}
    return [cells.get(rater) for rater in range(max(filled, default=-1) + 1)]

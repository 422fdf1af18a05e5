"""Reads files of scores into one table: the wide form that ``score`` writes, and the long form of other tools.

Wide, one row per item, judge and layout: ``id``, ``document``, ``judge``, ``layout``, one column per criterion with
the score, and the raters' columns. Long, one row per score and rater: ``id``, ``criterion``, ``score``, ``judge``,
``layout``, ``rating``, ``rater``, ``document``. Several files are several judges, named by ``judge`` or by the file.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np

from polyjudge.audits.table import Judgement, ScoreTable
from polyjudge.datasets.criteria import RESERVED
from polyjudge.datasets.error_collector import ErrorCollector
from polyjudge.datasets.raters import companions
from polyjudge.datasets.readers import read_table
from polyjudge.datasets.table import (
    PandasLike,
    PolarsLike,
    Table,
    is_missing,
    is_number,
    items_of,
    rating_columns,
    ratings_of,
    score_of,
    table_of,
    text_of,
    with_point,
)
from polyjudge.domain.criterion import Criterion
from polyjudge.domain.dataset import Rubric
from polyjudge.domain.scale import NAN, Categorical, Continuous, Ordinal, Scale
from polyjudge.errors import DataError
from polyjudge.formatting.text import clipped, listed, many, nearest
from polyjudge.judge.measure import levels
from polyjudge.llm.request import SIMULATED
from polyjudge.metrics.levels import Matrix
from polyjudge.metrics.rated import RatedRows

T = TypeVar("T")
Rows = Sequence[Mapping[str, object]] | PandasLike | PolarsLike
LONG = ("id", "criterion", "score")
THE_JUDGE = "judge"
FRAME = RESERVED | {"split", "score", "rating", "rater"}
# More different words than these are texts, not labels.
MOST_LABELS = 12


@dataclass(frozen=True, slots=True)
class NamedTable:
    """A table and the judge that its rows belong to if no column names one."""

    judge: str
    table: Table


def judge_names(sources: Sequence[Path]) -> list[str]:
    """A judge's name for each of several files: the shortest ends of their paths that are distinct.

    Raises:
        DataError: a file is named twice.
    """
    paths = [source.absolute() for source in sources]
    twice = next((source for source, path in zip(sources, paths, strict=True) if paths.count(path) > 1), None)
    if twice is not None:
        raise DataError(f"{twice}: is named twice; name each file once")
    bare = [path.with_suffix("").parts for path in paths]
    parts = bare if len(set(bare)) == len(bare) else [path.parts for path in paths]
    names, depth = [""] * len(parts), 0
    while len(set(names)) < len(names) or not depth:
        depth += 1
        names = ["/".join(path[-depth:]) for path in parts]
    return names


def read_files(sources: Mapping[Path, str]) -> list[NamedTable]:
    """The tables of files; ``sources`` maps a path to the judge of its rows if no column names one.

    Raises:
        DataError: as ``read_table``.
        MissingExtra: Parquet without pyarrow.
    """
    return [NamedTable(judge, read_table(path)) for path, judge in sources.items()]


def rows_table(rows: Rows) -> list[NamedTable]:
    """The table of rows in memory."""
    return [NamedTable(THE_JUDGE, table_of(rows))]


def score_table(
    tables: Sequence[NamedTable],
    rubric: Rubric | None,
    along: str = "",
    *,
    rated: bool = True,
    beside: Sequence[str] = (),
) -> ScoreTable:
    """One table of all scores.

    Args:
        tables: wide or long, recognised by their columns.
        rubric: criteria, scales and the raters' columns; None: guessed from the columns.
        along: the column along which drift is measured; "" = none.
        rated: whether every criterion needs a human rating.
        beside: columns of any of the tables, whose cells are kept for each item.

    Raises:
        DataError: missing columns, or cells that cannot be used, each with its row and column.
    """
    criteria = rubric.criteria if rubric is not None else _guessed(tables)
    columns = [column for named in tables for column in named.table.columns]
    for column in beside:
        if column not in columns:
            near = nearest(column, columns) or f"; the columns are {listed(map(clipped, dict.fromkeys(columns)))}"
            raise DataError(f"{tables[0].table.source}: no column {column!r}{near}")
    collector = _Collector(criteria, along, beside)
    for named in tables:
        reader = _Reader(collector, named, rubric, several=len(tables) > 1)
        reader.long() if _is_long(named.table) else reader.wide()
    source = ", ".join(named.table.source for named in tables)
    return collector.table(source, guessed=rubric is None, rated=rated)


def _is_long(table: Table) -> bool:
    return set(LONG[1:]) <= set(table.columns)


def _guessed(tables: Sequence[NamedTable]) -> tuple[Criterion, ...]:
    criteria: dict[str, Criterion] = {}
    for named in tables:
        for criterion in guess_long(named.table) if _is_long(named.table) else guess_wide(named.table):
            criteria.setdefault(criterion.name, criterion)
    return tuple(criteria.values())


class _Reader:
    """Reads one table into a collector and collects the errors of its cells."""

    def __init__(self, collector: _Collector, named: NamedTable, rubric: Rubric | None, *, several: bool) -> None:
        self._into = collector
        self._judge = named.judge
        self._several = several
        self._table = named.table
        self._criteria = {criterion.name: criterion for criterion in collector.criteria}
        self._values = _values_of(self._table)
        self._problems = ErrorCollector(self._table.source, DataError)
        self._id = self._column(rubric.id if rubric else None, "id")
        self._document = self._column(rubric.document if rubric else None, "document")
        if collector.along and collector.along not in self._table.columns:
            near = nearest(collector.along, self._table.columns)
            self._problems.add(f"no column {collector.along!r} to look for drift along{near}")
        if any(row.get("notice") == SIMULATED for row in self._table.rows):
            collector.simulated[self._table.source] = None

    def _column(self, named: str | None, usual: str) -> str | None:
        return next((column for column in (named, usual) if column and column in self._table.columns), None)

    def wide(self) -> None:
        raters = {criterion.name: self._rating_columns(criterion) for criterion in self._into.criteria}
        missing = [name for name in raters if name not in self._table.columns]
        for name in missing:
            near = (
                nearest(name, self._table.columns) or f"; the columns are {listed(map(clipped, self._table.columns))}"
            )
            self._problems.add(f"no column {name!r} with the scores of this criterion{near}")
        if self._id is None and (self._several or {"judge", "layout"} & set(self._table.columns)):
            self._problems.add("no column 'id', without which scores of one item cannot be paired; add one")
        self._problems.check()
        self._note_columns(raters)
        positions: dict[tuple[str, tuple[str, str]], list[int]] = {}
        by_rater = self._rows_are_raters(raters)
        for position, row in enumerate(self._table.rows):
            item, key = self._item(position), self._key(position)
            earlier = positions.setdefault((item, key), [])
            if earlier and not self._same_cells(position, earlier[0], raters):
                first = self._table.where(earlier[0])
                self._problem(position, f"item {item!r} was scored in {first} already by the same judge and layout")
            for name, named in raters.items():
                self._score(position, name, row.get(name), item, key)
                for column in named:
                    rater = f"{column} ({len(earlier) + 1})" if earlier and by_rater else column
                    self._rating(position, column, name, row.get(column), item, rater)
            self._cell(position, item, key)
            earlier.append(position)
        self._problems.check()
        repeated = sum(len(rows) - 1 for rows in positions.values())
        if repeated:
            treatment = "are read as further raters of it" if by_rater else "count with it, once"
            self._into.notes.append(
                f"{self._table.source}: {many(repeated, 'rows')} with the item and the scores of an earlier row "
                f"{treatment}"
            )

    def _same_cells(self, position: int, other: int, columns: Iterable[str]) -> bool:
        """Whether two rows have equal cells in some columns."""
        a, b = self._table.rows[position], self._table.rows[other]
        return all(str(a.get(column, "")).strip() == str(b.get(column, "")).strip() for column in columns)

    def _rows_are_raters(self, raters: Mapping[str, Sequence[str]]) -> bool:
        """Whether rows of one item have different ratings, so that each is a rater; otherwise they are copies."""
        columns = [column for named in raters.values() for column in named]
        first: dict[tuple[str, tuple[str, str]], int] = {}
        return any(
            not self._same_cells(
                position, first.setdefault((self._item(position), self._key(position)), position), columns
            )
            for position in range(len(self._table.rows))
        )

    def _rating_columns(self, criterion: Criterion) -> tuple[str, ...]:
        """The raters' columns in the table; ``score`` writes one that is named like a criterion as NAME.rating."""
        criteria, columns = self._into.scales, self._table.columns
        expected = [f"{column}.rating" if column in criteria else column for column in rating_columns(criterion)]
        named = tuple(column for column in expected if column in columns)
        if named or set(criterion.ratings) - {criterion.name}:
            return named
        beside = companions(criterion.name, self._values)
        unclear = [column for column in beside.unclear if column not in criteria]
        if beside.raters and unclear:
            self._problems.add(
                f"whether {listed(map(repr, unclear))} beside {criterion.name!r} holds people's ratings is unclear; "
                f"name the raters' columns of this criterion with ratings: [...]"
            )
        return beside.raters

    def long(self) -> None:
        if self._id is None:
            self._problems.add("no column 'id'; the long form needs id, criterion, score and rating")
        self._problems.check()
        self._note_names()
        rows: dict[tuple[object, ...], int] = {}
        for position, row in enumerate(self._table.rows):
            name = self._text(position, "criterion")
            if name not in self._into.scales:
                self._problem(position, f"criterion {name!r} is none of {listed(map(repr, self._into.scales))}")
                continue
            item, key = self._item(position), self._key(position)
            rater = self._text(position, "rater") if "rater" in self._table.columns else "rating"
            first = rows.setdefault((item, name, key, rater), position)
            if first != position:
                where = self._table.where(first)
                self._problem(position, f"repeats {where}: item {item!r}, {name!r}, and the same judge and rater")
            self._score(position, name, row.get("score"), item, key, column="score")
            self._rating(position, "rating", name, row.get("rating"), item, rater)
            self._cell(position, item, key)
        self._problems.check()

    def _note_columns(self, raters: Mapping[str, Sequence[str]]) -> None:
        """Note for the user how each column was read, and which were not used."""
        frame = {
            "judge",
            "layout",
            "criterion",
            "id",
            "document",
            "error",
            "notice",
            self._into.along,
            *self._into.beside,
        }
        read = {self._id, self._document, *raters, *(column for named in raters.values() for column in named)}
        unused = [column for column in self._table.columns if column not in read and column.casefold() not in frame]
        judge = "column 'judge'" if "judge" in self._table.columns else f"the file is one, {self._judge!r}"
        scores = "; ".join(
            f"{name!r} with the ratings in {listed(map(repr, named)) or 'no column'}" for name, named in raters.items()
        )
        document = f"column {self._document!r}" if self._document else "none, rows are resampled"
        self._into.columns[self._table.source] = (
            f"Judges: {judge}. Scores: {scores}. Items: {f'column {self._id!r}' if self._id else 'a row each'}. "
            f"Documents: {document}." + (f" Not used: {listed(map(repr, unused))}." if unused else "")
        )

    def _note_names(self) -> None:
        """Note for the user which judges, criteria and raters the rows of the long form name."""
        named = {
            column: listed(
                repr(name) for name in dict.fromkeys(str(row.get(column, "")) for row in self._table.rows) if name
            )
            for column in ("judge", "criterion", "rater")
            if column in self._table.columns
        }
        document = f"column {self._document!r}" if self._document else "none, rows are resampled"
        self._into.columns[self._table.source] = (
            f"Judges: {named.get('judge') or repr(self._judge)}. Criteria: {named['criterion']}. "
            f"Raters: {named.get('rater') or 'one, column ' + repr('rating')}. Items: column {self._id!r}. "
            f"Documents: {document}."
        )

    def _item(self, position: int) -> str:
        item = self._text(position, self._id) if self._id else str(position + 1)
        if not item:
            self._problem(position, f"column {self._id!r} is empty; every item needs its id")
        document = self._text(position, self._document) or None if self._document else None
        known = self._into.documents.setdefault(item, document)
        if known is None and document is not None:
            self._into.documents[item] = document
        elif document is not None and document != known:
            self._problem(position, f"item {item!r} belongs to document {document!r} here and to {known!r} elsewhere")
        return item

    def _key(self, position: int) -> tuple[str, str]:
        judge = self._text(position, "judge") if "judge" in self._table.columns else ""
        layout = self._text(position, "layout") if "layout" in self._table.columns else ""
        return judge or self._judge, layout

    def _score(
        self, position: int, name: str, cell: object, item: str, key: tuple[str, str], column: str | None = None
    ) -> None:
        pointed = with_point(cell, self._table.decimal)
        value = self._read(position, column or name, cell, lambda: score_of(pointed, self._into.scales[name]), NAN)
        into = self._into.scores.setdefault(key, {})
        if math.isnan(value):
            return
        if into.setdefault((item, name), value) != value:
            self._problem(
                position,
                f"the score of item {item!r} on {name!r} is {value:g} here and {into[item, name]:g} elsewhere",
            )

    def _rating(self, position: int, column: str, name: str, cell: object, item: str, rater: str) -> None:
        criterion = self._criteria[name]
        missing: tuple[float, ...] = (NAN,)
        values = self._read(position, column, cell, lambda: ratings_of(cell, criterion, self._table.decimal), missing)
        for number, value in enumerate(values, 1):
            label = rater if number == 1 else f"{rater} [{number}]"
            ratings = self._into.ratings[name].setdefault(label, {})
            if not math.isnan(value) and ratings.setdefault(item, value) != value:
                self._problem(
                    position,
                    f"{label!r} rates item {item!r} on {name!r} {value:g} here and {ratings[item]:g} elsewhere",
                )

    def _cell(self, position: int, item: str, key: tuple[str, str]) -> None:
        if self._into.along:
            self._into.cells.setdefault(key, {})[item] = self._text(position, self._into.along)
        for column, cells in self._into.beside.items():
            cell = self._text(position, column)
            known = cells.setdefault(item, cell)
            if not known:
                cells[item] = cell
            elif cell and cell != known:
                self._problem(
                    position, f"column {column!r} says {clipped(cell)} of item {item!r} and {clipped(known)} elsewhere"
                )

    def _text(self, position: int, column: str | None) -> str:
        cell = self._table.rows[position].get(column or "")
        try:
            return "" if is_missing(cell) else text_of(cell).strip()
        except ValueError as error:
            self._problem(position, f"column {column!r} {error}")
            return ""

    def _read(self, position: int, column: str, cell: object, read: Callable[[], T], missing: T) -> T:
        if cell is None:
            return missing
        try:
            return read()
        except ValueError as error:
            self._problem(position, f"column {column!r}: {error}")
            return missing

    def _problem(self, position: int, text: str) -> None:
        self._problems.add(f"{self._table.where(position)}: {text}")


class _Collector:
    """Collects scores and ratings by item, in any order and form of the rows."""

    def __init__(self, criteria: Sequence[Criterion], along: str, beside: Sequence[str] = ()) -> None:
        self.criteria = tuple(criteria)
        self.beside: dict[str, dict[str, str]] = {column: {} for column in beside}
        self.scales: Mapping[str, Scale] = {criterion.name: criterion.scale for criterion in criteria}
        self.along = along
        self.documents: dict[str, str | None] = {}
        self.scores: dict[tuple[str, str], dict[tuple[str, str], float]] = {}
        self.ratings: dict[str, dict[str, dict[str, float]]] = {criterion.name: {} for criterion in criteria}
        self.cells: dict[tuple[str, str], dict[str, str]] = {}
        self.simulated: dict[str, None] = {}
        self.columns: dict[str, str] = {}
        self.notes: list[str] = []

    def table(self, source: str, *, guessed: bool, rated: bool) -> ScoreTable:
        """The table of all collected scores and ratings.

        Raises:
            DataError: a criterion has no rating or no score.
        """
        problems = ErrorCollector(source, DataError)
        for name in self.scales:
            if rated and not any(self.ratings[name].values()):
                problems.add(f"no row has a human rating of {name!r}; name the raters' columns in a criteria file")
            if not any(item[1] == name for scores in self.scores.values() for item in scores):
                problems.add(f"no row has a score of {name!r}; leave the criterion out, or check the column's name")
        problems.check()
        ids = tuple(self.documents)
        documents = tuple(name for name in (self.documents[item] for item in ids) if name is not None)
        notes = [
            f"{SIMULATED} ({source}): this tests software; it says nothing about a real judge or about people."
            for source in self.simulated
        ]
        notes += [*self.notes, *self._drop_off_scale()]
        for judge, layout in self.scores:
            if not self.scores[judge, layout]:
                notes.append(f"{Judgement.named(judge, layout)} scored nothing")
        if documents and len(documents) < len(ids):
            notes.append(f"{len(ids) - len(documents)} of {len(ids)} items have no document; intervals resample rows")
        return ScoreTable(
            source,
            ids,
            self.criteria,
            self._rows(ids, documents if len(documents) == len(ids) else None),
            tuple(self._judgement(ids, key) for key in self.scores),
            guessed,
            tuple(notes),
            tuple(note if len(self.columns) == 1 else f"{source}: {note}" for source, note in self.columns.items()),
            {column: tuple(cells.get(item, "") for item in ids) for column, cells in self.beside.items()},
        )

    def _drop_off_scale(self) -> list[str]:
        """Drop scores off the scale, with a note; if most are off the scale, they are strengths and all are kept."""
        notes = []
        for key, scores in self.scores.items():
            for name, scale in self.scales.items():
                values = {item: value for (item, criterion), value in scores.items() if criterion == name}
                off = {item: value for item, value in values.items() if not scale.allows_rating(value)}
                if not off or 2 * len(off) >= len(values):
                    continue
                for item in off:
                    del scores[item, name]
                shown = listed(f"{value:g}" for value in sorted(set(off.values())))
                notes.append(
                    f"Unscored, because off the scale {scale.describe()}: {many(len(off), 'scores')} of "
                    f"{Judgement.named(*key)} on {name!r} ({shown})"
                )
        return notes

    def _rows(self, ids: Sequence[str], documents: tuple[str, ...] | None) -> RatedRows:
        raters = tuple(self._raters(ids, name) for name in self.scales)
        human = [
            [criterion.scale.combine(row) if row else NAN for row in matrix.tolist()]
            for criterion, matrix in zip(self.criteria, raters, strict=True)
        ]
        return RatedRows(
            np.array(human, dtype=float).reshape(len(self.criteria), len(ids)).T,
            tuple(levels(criterion.scale) for criterion in self.criteria),
            documents,
            "documents" if documents else "rows",
            tuple(self.scales),
            raters,
        )

    def _raters(self, ids: Sequence[str], name: str) -> Matrix:
        raters = [ratings for ratings in self.ratings[name].values() if ratings]
        return np.array([[ratings.get(item, NAN) for ratings in raters] for item in ids]).reshape(
            len(ids), len(raters)
        )

    def _judgement(self, ids: Sequence[str], key: tuple[str, str]) -> Judgement:
        scores, cells = self.scores[key], self.cells.get(key, {})
        matrix = np.array([[scores.get((item, name), NAN) for name in self.scales] for item in ids])
        along = tuple(cells.get(item, "") for item in ids) if self.along else ()
        return Judgement(*key, matrix.reshape(len(ids), len(self.scales)), along)


def guess_wide(table: Table) -> tuple[Criterion, ...]:
    """The criteria with scores in a column NAME and ratings in NAME.rating, NAME_human, NAME_a, ...

    Raises:
        DataError: no column has a companion that holds ratings of it, or it is unclear whether one does.
    """
    values = _values_of(table)
    beside = {name: companions(name, values) for name in values}
    criteria: list[Criterion] = []
    for name, columns in beside.items():
        scale = scale_of(value for column in columns.raters for value in values[column])
        if scale is not None:
            criteria.append(Criterion(name, scale, ratings=_as_named(columns.raters, name)))
    # A column with raters of its own is a criterion, whatever its name begins with.
    names = {criterion.name for criterion in criteria}
    unclear = {
        name: [*columns.raters, *(column for column in columns.unclear if column not in names)]
        for name, columns in beside.items()
        if set(columns.unclear) - names
    }
    if unclear:
        raise DataError(_which_raters(table.source, unclear, values))
    if not criteria:
        raise DataError(
            f"{table.source}: which columns hold scores, and which human ratings? Without a criteria file a score's "
            f"column NAME needs ratings in NAME.rating, NAME_human, or NAME_a, NAME_b, ...; the columns are "
            f"{listed(map(repr, table.columns))}. Name them with --criteria FILE"
        )
    return tuple(criteria)


def _values_of(table: Table) -> dict[str, list[object]]:
    """The values of each column that may hold scores or ratings; a cell with a list gives each of its items."""
    values: dict[str, list[object]] = {column: [] for column in table.columns if column.casefold() not in FRAME}
    for row in table.rows:
        for column, items in values.items():
            cell = row.get(column)
            try:
                items += [with_point(item, table.decimal) for item in items_of(cell)]
            except ValueError:
                items.append(cell)
    return values


def _which_raters(source: str, unclear: Mapping[str, Sequence[str]], values: Mapping[str, Sequence[object]]) -> str:
    """The question which columns hold ratings, with a criteria file that would answer it."""
    question = "; ".join(f"{listed(map(repr, columns))} beside {name!r}" for name, columns in unclear.items())
    name, columns = next(iter(unclear.items()))
    scale = scale_of(value for column in columns for value in values[column])
    written = f"[{scale.low}, {scale.high}]" if isinstance(scale, Ordinal) else "..."
    return (
        f"{source}: which columns hold people's ratings is unclear: {question}. They may be raters or other "
        f"criteria; say so in a file for --criteria, such as: {{criteria: [{{name: {name}, scale: {written}, ratings: "
        f"[{', '.join(columns)}]}}]}}"
    )


def guess_long(table: Table) -> tuple[Criterion, ...]:
    """The criteria of a long file, in the order of their first row, each on the scale that its ratings show.

    Raises:
        DataError: a criterion has no usable rating, or a name that this package's tables use.
    """
    ratings_by_name: dict[str, list[object]] = {}
    for row in table.rows:
        if not is_missing(row.get("criterion")):
            rating = with_point(row.get("rating"), table.decimal)
            ratings_by_name.setdefault(str(row.get("criterion")).strip(), []).append(rating)
    criteria = []
    for name, ratings in ratings_by_name.items():
        if name.casefold() in RESERVED:
            raise DataError(
                f"{table.source}: column 'criterion': {name!r} is a reserved name in an audit; choose another name"
            )
        scale = scale_of(ratings)
        if scale is None:
            raise DataError(
                f"{table.source}: column 'rating' holds no ratings of {name!r} from which a scale could be guessed; "
                f"fill it, or name the criteria with --criteria FILE"
            )
        criteria.append(Criterion(name, scale))
    return tuple(criteria)


def scale_of(cells: Iterable[object]) -> Scale | None:
    """The scale that ratings suggest: ordinal for whole numbers, else continuous, or labels; None for free text."""
    texts = [str(cell).strip() for cell in cells if not is_missing(cell)]
    if not texts:
        return None
    if all(is_number(text) for text in texts):
        return _numbers([float(text) for text in texts])
    labels = sorted(set(texts))
    folded = {label.casefold() for label in labels}
    return Categorical(tuple(labels)) if 2 <= len(labels) <= MOST_LABELS and len(folded) == len(labels) else None


def _numbers(numbers: Sequence[float]) -> Scale | None:
    low, high = min(numbers), max(numbers)
    if not all(math.isfinite(number) for number in (low, high)):
        return None
    if any(number != int(number) for number in numbers) or high - low > 100:
        return Continuous(low, high) if low < high else None
    bottom = min(int(low), 1)
    return Ordinal(bottom, max(int(high), 5 if bottom == 1 else bottom + 1))


def _as_named(raters: Sequence[str], name: str) -> tuple[str, ...]:
    """The columns as a criteria file names them: NAME.rating is called like its criterion there."""
    return tuple(name if column == f"{name}.rating" else column for column in raters)

"""Loads a data set from whatever the user names or passes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from polyjudge import registry
from polyjudge.datasets.criteria import rubric_from
from polyjudge.datasets.error_collector import ErrorCollector
from polyjudge.datasets.examples import read_dataset
from polyjudge.datasets.hub import FORM, PREFIX, hub_name, hub_tables
from polyjudge.datasets.readers import ENDINGS, is_table_file, is_there, read_table
from polyjudge.datasets.starter import starter
from polyjudge.datasets.table import ID_COLUMN, PandasLike, PolarsLike, Row, Table, columns_of, table_of
from polyjudge.datasets.yamlfile import read_yaml
from polyjudge.domain.dataset import Dataset, Rubric
from polyjudge.domain.example import Example
from polyjudge.errors import ConfigError, CriteriaError, DataError
from polyjudge.formatting.text import clipped, listed, nearest

Data = str | Path | Dataset | Callable[[], Dataset] | Sequence[Row] | PandasLike | PolarsLike
Renderer = Callable[[object], str]
Rows = str | Path | Sequence[Row] | PandasLike | PolarsLike
Criteria = str | Path | Mapping[str, object] | Rubric

VARIABLE = "POLYJUDGE_DATA"


def load_dataset(
    data: Data,
    criteria: Criteria | None = None,
    *,
    limit: int | None = None,
    ratings_required: bool = True,
    renderers: Mapping[str, Renderer] | None = None,
) -> Dataset:
    """Load a data set.

    Args:
        data: a registered name; a CSV, JSONL or Parquet file; ``hf:OWNER/NAME@CONFIG:SPLIT``; a list of mappings; a
            pandas or polars data frame; a data set, or a function that returns one.
        criteria: a criteria file, its mapping, or a rubric. A registered name or a data set brings its own; one given
            with it must fit it, and replaces its words.
        limit: keep that many rows, the first ones; where the data names splits the first of each, in proportion and
            at least one.
        ratings_required: False for new texts, where only the inputs' columns must be there.
        renderers: column -> a function that makes the text that the judge is shown of a cell, for files and rows; a
            list of messages is shown as a transcript without one.

    Raises:
        DataError: the data cannot be used; files, rows, columns and values are named.
        CriteriaError: the criteria cannot be used, or none are given for a file.
        ConfigError: a limit below 1.
        MissingExtra: Parquet without pyarrow, the hub without its package.
    """
    if limit is not None and limit < 1:
        raise ConfigError(f"limit={limit!r}: at least one row is needed")
    dataset = _limited(_load(data, criteria, ratings_required, renderers or {}), limit)
    return replace(dataset, given=_from_anywhere(data)) if isinstance(data, (str, Path)) else dataset


def _load(data: Data, criteria: Criteria | None, ratings_required: bool, renderers: Mapping[str, Renderer]) -> Dataset:
    prepared = _prepared(data)
    if renderers and (prepared is not None or (isinstance(data, str) and data.startswith(PREFIX))):
        raise DataError("renderers make texts of the cells of files and rows; these data hold texts already")
    if prepared is not None:
        return prepared if criteria is None else _under(prepared, load_rubric(criteria))
    if isinstance(data, str) and data.startswith(PREFIX):
        return _from_hub(data, criteria, ratings_required)
    table = _rendered(table_from(data), renderers)  # type: ignore[arg-type]  # the other kinds were dealt with
    path = Path(table.source) if isinstance(data, (str, Path)) else Path("rows")
    name = path.with_suffix("").stem if path.suffix == ".gz" else path.stem
    if criteria is None:
        raise _no_criteria(table)
    return read_dataset(table, load_rubric(criteria), name, ratings_required=ratings_required)


def _rendered(table: Table, renderers: Mapping[str, Renderer]) -> Table:
    """The table with the texts of some columns made by functions."""
    errors = ErrorCollector(table.source, DataError)
    rows = [dict(row) for row in table.rows]
    for column, renderer in renderers.items():
        if column not in table.columns:
            errors.add(f"no column {column!r} to render{nearest(column, table.columns)}")
            continue
        for position, row in enumerate(rows):
            row[column] = renderer(row.get(column))
            if not isinstance(row[column], str):
                where = f"{table.where(position)}, column {column!r}"
                errors.add(f"{where}: the renderer returned {clipped(row[column])}, which is no text")
    errors.check()
    return replace(table, rows=tuple(rows)) if renderers else table


def table_from(data: Rows) -> Table:
    """The table of a file, or of rows in memory.

    Raises:
        DataError: no such file, or contents that cannot be read.
        MissingExtra: a package that reads this kind of file is not installed.
    """
    if isinstance(data, (str, Path)):
        return read_table(_path(data))
    return table_of(data)


def _prepared(data: Data) -> Dataset | None:
    """The data set behind an object or a registered name; None for data that must still be read.

    Raises:
        DataError: a function returned anything but a data set.
    """
    if isinstance(data, Dataset):
        return data
    if isinstance(data, str):
        family, slash, rest = data.partition("/")
        if data in registry.names("datasets"):
            return _made(registry.lookup("datasets", data), data)
        if slash and family in registry.names("families") and not is_table_file(Path(rest)):
            return _made(lambda: registry.lookup("families", family)(rest), data)
        return None
    is_function = callable(data) and not isinstance(data, (PandasLike, PolarsLike))
    return _made(data, getattr(data, "__name__", "the given function")) if is_function else None  # type: ignore[arg-type]


def _made(make: Callable[[], object], name: str) -> Dataset:
    dataset = make()
    if not isinstance(dataset, Dataset):
        raise DataError(f"{name}: gives a {type(dataset).__name__!r}; it must return a polyjudge Dataset")
    return dataset


def _from_anywhere(data: str | Path) -> str:
    """A name as it is; a path as an absolute one."""
    path = Path(data)
    return str(path.absolute()) if is_there(path) else str(data)


def load_rubric(criteria: Criteria) -> Rubric:
    """The rubric of a criteria file, its mapping, or itself.

    Raises:
        CriteriaError: it cannot be used; keys are named.
    """
    if isinstance(criteria, Rubric):
        return criteria
    if isinstance(criteria, (str, Path)):
        path = Path(criteria)
        return rubric_from(read_yaml(path), str(path), file=path)
    return rubric_from(criteria, "the given criteria", file=Path())


def _from_hub(data: str, criteria: Criteria | None, ratings_required: bool) -> Dataset:
    """A data set of the hub; splits called train, validation and test become the parts."""
    rubric = load_rubric(criteria) if criteria is not None else None
    tables = hub_tables(data, columns_of(rubric) if rubric else None)
    first = next(iter(tables.values()))
    if rubric is None:
        raise _no_criteria(first)
    name = hub_name(data).path.rpartition("/")[2]
    if len(tables) == 1:
        return read_dataset(first, rubric, name, ratings_required=ratings_required)
    return parts_dataset(name, tables, replace(rubric, split=None), (), ratings_required, source=data)


def _no_criteria(table: Table) -> DataError:
    return DataError(
        f"{table.source}: which columns are judged, and by which criteria? Write a criteria file and pass it with "
        f"--criteria (in Python: criteria=...). 'polyjudge init' writes one; to start from:\n\n{starter(table).text()}"
    )


def _path(data: str | Path) -> Path:
    """The file that the user means."""
    if isinstance(data, Path):
        return data
    path = Path(data)
    if data and (path.suffix or is_there(path)):
        return path
    known = registry.names("datasets")
    raise DataError(
        f"unknown data {clipped(data)}{nearest(data, known)}; give a {', '.join(ENDINGS)} file, one of the names "
        f"{', '.join(known)}, or {FORM}"
    )


def _under(dataset: Dataset, rubric: Rubric) -> Dataset:
    """A prepared data set under the user's rubric: with other texts, or fewer criteria or inputs."""
    columns = [column for column, _ in dataset.rubric.inputs]
    for column, _ in rubric.inputs:
        if column not in columns:
            raise CriteriaError(
                f"inputs: {dataset.name!r} has no column {column!r}; it has {listed(map(repr, columns))}"
            )
    scales = {criterion.name: criterion.scale for criterion in dataset.rubric.criteria}
    for criterion in rubric.criteria:
        if criterion.name not in scales:
            raise CriteriaError(
                f"criteria: {dataset.name!r} has no ratings of {criterion.name!r}; it has {listed(map(repr, scales))}"
            )
        if criterion.scale != scales[criterion.name]:
            raise CriteriaError(
                f"criteria: {dataset.name!r} rates {criterion.name!r} on the scale "
                f"{scales[criterion.name].describe()}, not {criterion.scale.describe()}; use its scale"
            )
    frame = replace(rubric, document=dataset.rubric.document, id=dataset.rubric.id, split=dataset.rubric.split)
    return replace(dataset, rubric=frame, examples=tuple(_narrowed(e, rubric) for e in dataset.examples))


def _narrowed(example: Example, rubric: Rubric) -> Example:
    inputs = {column: example.inputs[column] for column, _ in rubric.inputs}
    ratings = {name: example.ratings[name] for name in rubric.names if name in example.ratings}
    return replace(example, inputs=inputs, ratings=ratings)


def _limited(dataset: Dataset, limit: int | None) -> Dataset:
    total = len(dataset.examples)
    if limit is None or limit >= total:
        return dataset
    labels = dataset.splits or ("",) * total
    sizes = {label: labels.count(label) for label in dict.fromkeys(labels)}
    room = dict.fromkeys(sizes, 1)
    for _ in range(limit - len(sizes)):
        room[max(sizes, key=lambda label: limit * sizes[label] - total * room[label])] += 1
    positions: list[int] = []
    for position, label in enumerate(labels):
        if room[label] > 0:
            positions.append(position)
            room[label] -= 1
    return replace(
        dataset,
        examples=tuple(dataset.examples[position] for position in positions),
        splits=tuple(dataset.splits[position] for position in positions) if dataset.splits else None,
        notes=(*dataset.notes, f"limited to {len(positions)} of {total} rows"),
    )


# Data sets of several tables, and those in the folder that POLYJUDGE_DATA names


def part_tables(name: str, digests: Mapping[str, str]) -> dict[str, Table]:
    """The tables of a data set that the user keeps as NAME/train.parquet and NAME/test.parquet.

    Args:
        name: the folder under ``POLYJUDGE_DATA``.
        digests: part -> sha256 of the published file; another file is noted, not refused.

    Raises:
        DataError: the variable is unset, or a file is missing or damaged.
        MissingExtra: pyarrow is not installed.
    """
    folder = os.environ.get(VARIABLE, "").strip()
    layout = f"{name}/train.parquet and {name}/test.parquet"
    if not folder:
        raise DataError(
            f"{name!r} is read from your own copy: set {VARIABLE} in the environment to the folder that "
            f"holds {layout}, or to one where 'polyjudge data pull {name}' may put them"
        )
    tables: dict[str, Table] = {}
    for part in ("train", "test"):
        path = Path(folder).expanduser() / name / f"{part}.parquet"
        if not path.is_file():
            raise DataError(
                f"{path}: no such file; {VARIABLE} must name the folder that holds {layout}, which "
                f"'polyjudge data pull {name}' puts there"
            )
        table = read_table(path)
        if part in digests and hashlib.sha256(path.read_bytes()).hexdigest() != digests[part]:
            note = f"{part}.parquet differs from the published file (another sha256)"
            table = replace(table, notes=(*table.notes, note))
        tables[part] = table
    return tables


def parts_dataset(
    name: str,
    tables: Mapping[str, Table],
    rubric: Rubric,
    notes: tuple[str, ...],
    ratings_required: bool = True,
    *,
    source: str = "",
) -> Dataset:
    """One data set of several tables, each a split of that name; ids are PART-ROW, or PART-ID of a named column.

    Raises:
        DataError: as ``read_dataset``.
    """
    examples: list[Example] = []
    splits: list[str] = []
    all_notes = list(notes)
    for part, table in tables.items():
        # Identifiers of a file are unique in that file only; in the whole data set rows are PART-ROW.
        columns = tuple(column for column in table.columns if column != ID_COLUMN or rubric.id == ID_COLUMN)
        read = read_dataset(replace(table, columns=columns), rubric, name, ratings_required=ratings_required)
        examples += [
            replace(example, id=f"{part}-{example.id if rubric.id in columns else example.row}")
            for example in read.examples
        ]
        splits += [part] * len(read.examples)
        all_notes += [f"{part}: {note}" for note in read.notes]
    folder = str(Path(next(iter(tables.values())).source).parent)
    return Dataset(name, source or folder, rubric, tuple(examples), tuple(splits), tuple(all_notes))

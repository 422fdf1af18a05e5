"""One function that makes a data set of whatever the user names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from polyjudge import registry
from polyjudge.datasets.columns import columns_of
from polyjudge.datasets.criteria import rubric_from
from polyjudge.datasets.examples import read_examples
from polyjudge.datasets.folder import parts_dataset
from polyjudge.datasets.hub import FORM, PREFIX, hub_name, hub_tables
from polyjudge.datasets.problems import clipped, listed, nearest
from polyjudge.datasets.starter import starter
from polyjudge.datasets.table import Row, Table
from polyjudge.datasets.tables import ENDINGS, PandasLike, PolarsLike, is_there, read_table, table_of
from polyjudge.datasets.yamlfile import read_yaml
from polyjudge.domain.dataset import Dataset, Rubric
from polyjudge.domain.example import Example
from polyjudge.errors import ConfigError, CriteriaError, DataError

Data = str | Path | Sequence[Row] | PandasLike | PolarsLike
Criteria = str | Path | Mapping[str, object] | Rubric


def load(
    data: Data, criteria: Criteria | None = None, *, limit: int | None = None, ratings_required: bool = True
) -> Dataset:
    """Load a data set.

    Args:
        data: a registered name; a CSV, JSONL or Parquet file; ``hf:OWNER/NAME@CONFIG:SPLIT``; a list of mappings; a
            pandas or polars data frame.
        criteria: a criteria file, its mapping, or a rubric. A registered name brings its own; one given with it must
            fit it, and replaces its words.
        limit: keep that many rows, the first ones; where the data names splits the first of each, in proportion and
            at least one.
        ratings_required: False for new texts, where only the inputs' columns must be there.

    Raises:
        DataError: the data cannot be used; files, rows, columns and values are named.
        CriteriaError: the criteria cannot be used, or none are given for a file.
        ConfigError: a limit below 1.
        MissingExtra: Parquet without pyarrow, the hub without its package.
    """
    if limit is not None and limit < 1:
        raise ConfigError(f"limit={limit!r}: at least one row is needed")
    found = _limited(_load(data, criteria, ratings_required), limit)
    return replace(found, given=_again(data)) if isinstance(data, (str, Path)) else found


def _load(data: Data, criteria: Criteria | None, ratings_required: bool) -> Dataset:
    if isinstance(data, str) and data in registry.names("datasets"):
        dataset: Dataset = registry.lookup("datasets", data)()
        if criteria is not None:
            dataset = _under(dataset, load_rubric(criteria))
        return dataset
    if isinstance(data, str) and data.startswith(PREFIX):
        return _of_hub(data, criteria, ratings_required)
    family, slash, rest = data.partition("/") if isinstance(data, str) else ("", "", "")
    if slash and family in registry.names("families") and Path(rest).suffix not in ENDINGS:
        made: Dataset = registry.lookup("families", family)(rest)
        return made if criteria is None else _under(made, load_rubric(criteria))
    name = "rows"
    if isinstance(data, (str, Path)):
        path = _path(data)
        name, table = path.stem, read_table(path)
    else:
        table = table_of(data)
    if criteria is None:
        raise _no_criteria(table)
    return dataset_of(table, load_rubric(criteria), name, ratings_required)


def _again(data: str | Path) -> str:
    """A name as it is, and a path from wherever it is asked for again."""
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
        return rubric_from(read_yaml(path), str(path))
    return rubric_from(criteria, "the given criteria")


def dataset_of(table: Table, rubric: Rubric, name: str, ratings_required: bool = True) -> Dataset:
    """The data set of a table under a rubric.

    Raises:
        DataError: as ``read_examples``.
    """
    reading = read_examples(table, rubric, ratings_required=ratings_required)
    return Dataset(name, table.source, rubric, reading.examples, reading.splits, reading.notes)


def _of_hub(data: str, criteria: Criteria | None, ratings_required: bool) -> Dataset:
    """A data set of the hub; several splits called train, validation and test stay what they are."""
    rubric = load_rubric(criteria) if criteria is not None else None
    tables = hub_tables(data, columns_of(rubric) if rubric else None)
    first = next(iter(tables.values()))
    if rubric is None:
        raise _no_criteria(first)
    name = hub_name(data).path.rpartition("/")[2]
    if len(tables) == 1:
        return dataset_of(first, rubric, name, ratings_required)
    return parts_dataset(name, tables, replace(rubric, split=None), (), ratings_required, source=data)


def _no_criteria(table: Table) -> DataError:
    return DataError(
        f"{table.source}: which columns are judged, and by which criteria? Write a criteria file and pass it with "
        f"--criteria (in Python: criteria=...). One to start from:\n\n{starter(table)}"
    )


def _path(data: str | Path) -> Path:
    """The file that is meant."""
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
    """A registered data set under the user's rubric: other words, fewer criteria or inputs, the same columns."""
    shown = [column for column, _ in dataset.rubric.inputs]
    for column, _ in rubric.inputs:
        if column not in shown:
            raise CriteriaError(
                f"inputs: {dataset.name!r} has no column {column!r}; it has {listed(map(repr, shown))}"
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
    kept: list[int] = []
    for position, label in enumerate(labels):
        if room[label] > 0:
            kept.append(position)
            room[label] -= 1
    return replace(
        dataset,
        examples=tuple(dataset.examples[position] for position in kept),
        splits=tuple(dataset.splits[position] for position in kept) if dataset.splits else None,
        notes=(*dataset.notes, f"limited to {len(kept)} of {total} rows"),
    )

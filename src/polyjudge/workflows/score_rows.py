"""The rows that are to be scored, each with the row of the input that it stands in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from polyjudge import registry
from polyjudge.datasets.examples import open_examples, read_dataset
from polyjudge.datasets.load import Data, Rows, load_dataset, table_from
from polyjudge.datasets.readers import is_there
from polyjudge.datasets.table import PandasLike, PolarsLike, Row, with_points
from polyjudge.domain.dataset import Dataset, Rubric
from polyjudge.domain.example import Example
from polyjudge.errors import ConfigError
from polyjudge.results.score_forms import digest_of


@dataclass(frozen=True, slots=True)
class ScoredRows:
    """What is to be scored: a file that is read row by row, or rows in memory.

    Attributes:
        count: how many there are.
        notes: of the reader.
        dataset: None where the rows are streamed.
        columns: of the input; None where its rows are not at hand.
        named_by: the column that gives the rows their ids; "" for none.
        digest: of the data as a whole, without the limit.
        rows: each example with its row, which is empty where ``columns`` is None.
    """

    count: int
    notes: tuple[str, ...]
    dataset: Dataset | None
    columns: tuple[str, ...] | None
    named_by: str
    digest: str
    rows: Callable[[], Iterator[tuple[Example, Row]]]


def scored_rows(data: Data, rubric: Rubric, limit: int | None, *, stream: bool) -> ScoredRows:
    """The rows, checked; those of a file are streamed where nobody wants to have them in memory.

    Raises:
        DataError: as ``load_dataset``.
        ConfigError: a limit below 1.
    """
    if limit is not None and limit < 1:
        raise ConfigError(f"limit={limit!r}: at least one row is needed")
    path = _file(data)
    if path is not None and stream:
        return _streamed(path, rubric, limit)
    if path is not None or _in_memory(data):
        return _tabled(data, rubric, limit)  # type: ignore[arg-type]  # the other kinds are excluded
    dataset = load_dataset(data, rubric, limit=limit, ratings_required=False)
    return ScoredRows(
        len(dataset.examples),
        dataset.notes,
        dataset,
        None,
        "",
        dataset.digest,
        lambda: ((example, {}) for example in dataset.examples),
    )


def _file(data: Data) -> Path | None:
    path = Path(data) if isinstance(data, str | Path) else None
    return path if path is not None and data not in registry.names("datasets") and is_there(path) else None


def _in_memory(data: Data) -> bool:
    return isinstance(data, (list, tuple, PandasLike, PolarsLike)) and not isinstance(data, Dataset)


def _limited(limit: int | None, rows: int) -> tuple[int, tuple[str, ...]]:
    count = rows if limit is None else min(limit, rows)
    return count, (f"limited to {count} of {rows} rows",) if count < rows else ()


def _streamed(path: Path, rubric: Rubric, limit: int | None) -> ScoredRows:
    found = open_examples(path, rubric)
    count, limited = _limited(limit, found.count)
    return ScoredRows(
        count,
        (*found.notes, *limited),
        None,
        found.columns,
        found.named_by,
        digest_of(path),
        lambda: islice(found.rows(), count),
    )


def _tabled(data: Rows, rubric: Rubric, limit: int | None) -> ScoredRows:
    table = table_from(data)
    whole = read_dataset(table, rubric, _name(data), ratings_required=False)
    count, limited = _limited(limit, len(whole.examples))
    dataset = Dataset(
        whole.name, whole.source, rubric, whole.examples[:count], notes=(*whole.notes, *limited), given=_given(data)
    )
    own_ids = "id" in table.columns and all(
        str(row.get("id")).strip() == example.id for row, example in zip(table.rows, whole.examples, strict=True)
    )
    return ScoredRows(
        count,
        dataset.notes,
        dataset,
        table.columns,
        "id" if own_ids else "",
        whole.digest,
        lambda: zip(dataset.examples, with_points(table), strict=False),
    )


def _name(data: Rows) -> str:
    return Path(data).stem if isinstance(data, str | Path) else "rows"


def _given(data: Rows) -> str:
    return str(Path(data).absolute()) if isinstance(data, str | Path) else ""

"""Which columns a rubric reads of a table, and what is said where the table lacks them."""

from __future__ import annotations

from collections.abc import Sequence

from polyjudge.datasets.cells import is_number
from polyjudge.datasets.problems import Problems, clipped, listed, nearest
from polyjudge.datasets.table import Table
from polyjudge.domain.criterion import Criterion
from polyjudge.domain.dataset import Rubric
from polyjudge.errors import DataError

OWN_ID = "id"


def rating_columns(criterion: Criterion) -> tuple[str, ...]:
    """The raters' columns of a criterion; one called like it when it names none."""
    return criterion.ratings or (criterion.name,)


def columns_of(rubric: Rubric) -> frozenset[str]:
    """The columns that are read under a rubric, where there are such."""
    named = (OWN_ID, rubric.document, rubric.id, rubric.split, *(column for column, _ in rubric.inputs))
    rated = (column for criterion in rubric.criteria for column in rating_columns(criterion))
    return frozenset(column for column in (*named, *rated) if column is not None)


def check_columns(table: Table, rubric: Rubric, ratings_required: bool) -> None:
    """See that a table has the columns that a rubric names.

    Raises:
        DataError: it lacks some; each is named, with what it may be called there.
    """
    needed = [(column, "named under inputs") for column, _ in rubric.inputs]
    if ratings_required:
        named = [(rubric.document, "document"), (rubric.id, "id"), (rubric.split, "split")]
        needed += [(column, f"named under {key}") for column, key in named if column is not None]
        for criterion in rubric.criteria:
            columns = rating_columns(criterion)
            place = f"{'the' if columns == (criterion.name,) else 'named under'} ratings of {criterion.name!r}"
            needed += [(column, place) for column in columns]
    missing = [(column, key) for column, key in needed if column not in table.columns]
    problems = Problems(table.source, DataError)
    why = _why_all_missing(table) if len(missing) == len(needed) else ""
    for column, place in missing:
        hint = nearest(column, table.columns) or f"; the columns are {listed(map(clipped, table.columns), 12)}"
        raters = [one for one in table.columns if one.casefold().startswith(f"{column}_".casefold())]
        if place.startswith("the ratings") and raters:
            hint = f"; name the raters' columns, such as ratings: [{listed(raters)}]"
        problems.add(f"no column {column!r} ({place}){hint}{why}")
    problems.check()


def _why_all_missing(table: Table) -> str:
    if len(table.columns) == 1 and any(sign in table.columns[0] for sign in ";\t|"):
        return "; another separator seems to be used: save the file with commas"
    if any(is_number(column) for column in table.columns):
        return "; the first line seems to be data: add a header line with the columns' names"
    return ""


def may_be_ids(columns: Sequence[str], rubric: Rubric) -> bool:
    """Whether there is a column called ``id`` that has no other use, and the rubric names none."""
    used = {rubric.document, rubric.split, *(column for column, _ in rubric.inputs)}
    used.update(column for criterion in rubric.criteria for column in rating_columns(criterion))
    return rubric.id is None and OWN_ID in columns and OWN_ID not in used

"""Criteria and scales guessed from the columns of a file, for a first look without a criteria file."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from polyjudge.datasets.criteria import RESERVED
from polyjudge.datasets.problems import listed
from polyjudge.datasets.table import Table, is_missing, is_number
from polyjudge.domain.criterion import Criterion
from polyjudge.domain.scale import Categorical, Continuous, Ordinal, Scale
from polyjudge.errors import DataError

FRAME = RESERVED | {"split", "score", "rating", "rater"}
# More different words than these are texts, not labels.
MOST_LABELS = 12


def guess_wide(table: Table) -> tuple[Criterion, ...]:
    """The criteria whose scores stand in a column NAME and whose raters in NAME.rating, NAME_a, NAME_b, ...

    Raises:
        DataError: no column has a companion that could hold ratings of it.
    """
    free = [column for column in table.columns if column.casefold() not in FRAME]
    found = []
    for name in free:
        raters = tuple(column for column in free if _rates(column, name, free))
        cells = [row.get(column) for column in raters for row in table.rows]
        scale = scale_of(cells) if raters else None
        if scale is not None:
            found.append(Criterion(name, scale, ratings=_as_named(raters, name)))
    if not found:
        raise DataError(
            f"{table.source}: which columns hold scores, and which human ratings? Without a criteria file a score's "
            f"column NAME needs ratings in NAME.rating or NAME_a, NAME_b, ...; the columns are "
            f"{listed(map(repr, table.columns))}. Name them with --criteria FILE"
        )
    return tuple(found)


def guess_long(table: Table) -> tuple[Criterion, ...]:
    """The criteria of a long file, in the order of their first row, each on the scale that its ratings show.

    Raises:
        DataError: a criterion has no usable rating, or a name that this package's tables use.
    """
    cells: dict[str, list[object]] = {}
    for row in table.rows:
        if not is_missing(row.get("criterion")):
            cells.setdefault(str(row.get("criterion")).strip(), []).append(row.get("rating"))
    found = []
    for name, ratings in cells.items():
        if name.casefold() in RESERVED:
            raise DataError(
                f"{table.source}: column 'criterion': {name!r} is a name of our own in an audit; choose another name"
            )
        scale = scale_of(ratings)
        if scale is None:
            raise DataError(
                f"{table.source}: column 'rating' holds no ratings of {name!r} from which a scale could be guessed; "
                f"fill it, or name the criteria with --criteria FILE"
            )
        found.append(Criterion(name, scale))
    return tuple(found)


def scale_of(cells: Iterable[object]) -> Scale | None:
    """The scale that ratings show: the usual one around whole numbers, any numbers, or labels; None for texts."""
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


def _rates(column: str, name: str, columns: Sequence[str]) -> bool:
    """Whether a column holds ratings of ``name``: the longest other column's name that it begins with, and a sign."""
    owners = [one for one in columns if one != column and column.startswith((f"{one}.", f"{one}_"))]
    return bool(owners) and max(owners, key=len) == name and not column.startswith(f"{name}.p_")


def _as_named(raters: Sequence[str], name: str) -> tuple[str, ...]:
    """As a criteria file would name them, which calls a rating column like the criterion that it rates."""
    return tuple(name if column == f"{name}.rating" else column for column in raters)

"""Human ratings of rows, validated once and passed on whole."""

from __future__ import annotations

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from polyjudge.metrics.levels import Indices, Levels, Matrix

Documents = Sequence[Hashable]
Scales = Levels | Sequence[Levels | None] | None


@dataclass(frozen=True, slots=True)
class Clusters:
    """Rows grouped by document: `position` (n,) of each row's document among `count`, by first appearance."""

    position: Indices
    count: int

    @classmethod
    def of(cls, documents: Documents | None, n_rows: int) -> Clusters:
        """Number the documents of n rows; without documents every row is its own.

        Raises:
            ValueError: if there are not n documents, or one is None.
        """
        if documents is None:
            return cls(np.arange(n_rows, dtype=np.intp), n_rows)
        if len(documents) != n_rows:
            raise ValueError(f"there are {len(documents)} documents for {n_rows} rows; each row needs one")
        numbers: dict[Hashable, int] = {}
        for row, document in enumerate(documents):
            if document is None:
                raise ValueError(f"row {row} has no document; name one for every row, or pass documents=None")
            numbers.setdefault(document, len(numbers))
        position = np.fromiter((numbers[document] for document in documents), dtype=np.intp, count=n_rows)
        return cls(position, len(numbers))

    def used(self, rows: npt.NDArray[np.bool_]) -> int:
        """The number of documents with a row of the mask `rows` (n,)."""
        return int(np.unique(self.position[rows]).size)


@dataclass(frozen=True, slots=True, eq=False)
class RatedRows:
    """Human ratings of n rows on K criteria.

    Attributes:
        human: (n, K) the raters' means (labels: majority), NaN = not rated, or the row repeats an earlier one.
        levels: (K,) the scale of each criterion; None = unknown.
        documents: (n,) the independent unit that each row belongs to; None: every row is its own.
        unit: the name of these units: "documents", "different texts" or "rows".
        names: (K,) of the criteria; empty if they have none.
        raters: (K,) matrices (n, R), one column per rater, NaN = not rated; empty = unknown.
        copies: the number of rows that repeat the inputs of an earlier row and count only once.
        clusters: the rows grouped by document.
    """

    human: Matrix
    levels: tuple[Levels | None, ...]
    documents: tuple[Hashable, ...] | None = None
    unit: str = "rows"
    names: tuple[str, ...] = ()
    raters: tuple[Matrix, ...] = ()
    copies: int = 0
    clusters: Clusters = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "clusters", Clusters.of(self.documents, len(self.human)))

    @classmethod
    def of(cls, human: Rated, *, levels: Scales = None, documents: Documents | None = None) -> RatedRows:
        """Read ratings (n, K) or (n,), NaN = missing; rated rows are returned as they are.

        Args:
            human: ratings, or rated rows.
            levels: one scale for all criteria, or a sequence of K.
            documents: (n,) of the rows.

        Raises:
            ValueError: if shapes differ or a value is infinite.
        """
        if isinstance(human, RatedRows):
            return human
        ratings = matrix(human, "human")
        units = None if documents is None else tuple(documents)
        return cls(ratings, scales(levels, ratings.shape[1]), units, "rows" if documents is None else "documents")

    def __len__(self) -> int:
        return len(self.human)

    @property
    def n_units(self) -> int:
        """The number of independent units: documents, different texts, or rows."""
        return self.clusters.count

    def select(self, criteria: Sequence[str] | Sequence[int]) -> RatedRows:
        """The same rows on some criteria, given by name or by position.

        Raises:
            KeyError: if a criterion is none of `names`.
        """
        columns = [one if isinstance(one, int) else self.position(one) for one in criteria]
        if columns == list(range(self.human.shape[1])):
            return self
        return replace(
            self,
            human=self.human[:, columns],
            levels=tuple(self.levels[k] for k in columns),
            names=tuple(self.names[k] for k in columns) if self.names else (),
            raters=tuple(self.raters[k] for k in columns) if self.raters else (),
        )

    def position(self, criterion: str) -> int:
        """The position of a criterion among the K.

        Raises:
            KeyError: if it is none of `names`.
        """
        if criterion not in self.names:
            raise KeyError(f"{criterion!r} is none of the criteria {', '.join(map(repr, self.names))}")
        return self.names.index(criterion)

    def take(self, rows: npt.NDArray[np.bool_]) -> RatedRows:
        """Only the rows of a mask (n,)."""
        if rows.all():
            return self
        positions = np.flatnonzero(rows)
        return replace(
            self,
            human=self.human[positions],
            documents=None if self.documents is None else tuple(self.documents[row] for row in positions),
            raters=tuple(matrix[positions] for matrix in self.raters),
        )

    def masked(self, rows: npt.NDArray[np.bool_]) -> RatedRows:
        """The same rows, with NaN for the ratings where the mask (n, K) is False."""
        return replace(self, human=np.where(rows, self.human, np.nan))


Rated = RatedRows | npt.ArrayLike
"""Rated rows, or a matrix (n, K) or column (n,) of ratings without scale and documents."""


def matrix(values: npt.ArrayLike, name: str) -> Matrix:
    """Read `values` as floats of shape (n, K); a column (n,) becomes (n, 1).

    Raises:
        ValueError: if the shape is another one, or a value is infinite.
    """
    array = np.asarray(values, dtype=np.float64)
    array = array[:, None] if array.ndim == 1 else array
    if array.ndim != 2:
        raise ValueError(f"{name} must have the shape (n, K), not {array.shape!r}")
    if np.isinf(array).any():
        row, criterion = (int(axis[0]) for axis in np.nonzero(np.isinf(array)))
        raise ValueError(f"{name} holds an infinite value in row {row!r}, criterion {criterion!r}")
    return array


def scales(levels: Scales, n_criteria: int) -> tuple[Levels | None, ...]:
    """The scales of K criteria, from one scale for all or a sequence.

    Raises:
        ValueError: if the sequence has another length.
    """
    if levels is None or isinstance(levels, Levels):
        return (levels,) * n_criteria
    if len(levels) != n_criteria:
        raise ValueError(f"there are {len(levels)} scales for {n_criteria} criteria; each needs one")
    return tuple(levels)


def scored_rows(predicted: Matrix, human: Matrix) -> npt.NDArray[np.bool_]:
    """Mask (n, K) of the cells with both a score and a rating.

    Raises:
        ValueError: if the shapes differ.
    """
    if predicted.shape != human.shape:
        raise ValueError(f"predicted has the shape {predicted.shape!r} and human {human.shape!r}; they must be equal")
    return ~(np.isnan(predicted) | np.isnan(human))


def coverage(predicted: npt.ArrayLike, rows: Rated) -> tuple[float, ...]:
    """The share of the rated rows of each criterion that have a score, (K,) of 0..1; NaN where no row is rated.

    Raises:
        ValueError: if the shapes differ.
    """
    human = RatedRows.of(rows).human
    scored, rated = scored_rows(matrix(predicted, "predicted"), human).sum(axis=0), (~np.isnan(human)).sum(axis=0)
    return tuple(
        n_scored / n_rated if n_rated else math.nan
        for n_scored, n_rated in zip(scored.tolist(), rated.tolist(), strict=True)
    )

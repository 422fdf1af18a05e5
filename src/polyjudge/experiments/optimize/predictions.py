"""predictions.jsonl: how people and both prompts score each test row, for whoever wants to see more than a figure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from polyjudge.domain.criterion import Criterion
from polyjudge.domain.example import Example
from polyjudge.domain.records import Prediction
from polyjudge.judge.measure import Ratings, levels, ratings
from polyjudge.metrics.levels import Matrix
from polyjudge.runs.store import read_lines

FILE = "predictions.jsonl"


@dataclass(frozen=True, slots=True)
class RowScores:
    """One test row; its texts stay where the data are.

    Attributes:
        id: as in the data.
        document: the unit of the evidence it belongs to, as ``Outcome.unit`` calls it; None when it is its own.
        human: criterion -> the raters' mean (categorical: majority); nan = nobody rated it.
        initial: criterion -> the initial prompt's score; nan = unscored.
        fitted: criterion -> the fitted prompt's.
        notice: as in ``Step``.
    """

    id: str
    document: str | None
    human: Mapping[str, float]
    initial: Mapping[str, float]
    fitted: Mapping[str, float]
    notice: str = ""


def row_scores(
    criteria: Sequence[Criterion],
    examples: Sequence[Example],
    initial: Sequence[Prediction],
    fitted: Sequence[Prediction],
    notice: str = "",
) -> Iterator[RowScores]:
    """The rows in their order, with the predictions of both prompts in the same order."""
    documents = ratings(criteria, examples).documents or (None,) * len(examples)
    for example, document, before, after in zip(examples, documents, initial, fitted, strict=True):
        yield RowScores(
            example.id,
            document,
            {one.name: example.human(one) for one in criteria},
            {one.name: before.score(one.name) for one in criteria},
            {one.name: after.score(one.name) for one in criteria},
            notice,
        )


def read_row_scores(run: Path) -> tuple[RowScores, ...]:
    """The test rows of a run; none where its folder is of a version that kept none."""
    file = run / FILE
    return tuple(read_lines(file, RowScores)) if file.exists() else ()


def people_of(rows: Sequence[RowScores], criteria: Sequence[Criterion], unit: str) -> Ratings:
    """What people said of the rows, as the metrics take it."""
    documents = tuple(row.document for row in rows if row.document is not None)
    scales = tuple(levels(criterion.scale) for criterion in criteria)
    return Ratings(matrix_of(rows, criteria, "human"), scales, documents or None, unit)


def matrix_of(rows: Sequence[RowScores], criteria: Sequence[Criterion], what: str) -> Matrix:
    """``human``, ``initial`` or ``fitted`` of the rows, (n, K)."""
    cells = [[getattr(row, what)[criterion.name] for criterion in criteria] for row in rows]
    return np.array(cells, dtype=float).reshape(len(rows), len(criteria))

"""The rows of a table of scores: what was scored beside the columns of the input."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence

from polyjudge.datasets.criteria import RESERVED
from polyjudge.datasets.table import Row, rating_columns
from polyjudge.domain.criterion import Criterion
from polyjudge.domain.dataset import Rubric
from polyjudge.domain.example import Example
from polyjudge.domain.records import Prediction
from polyjudge.domain.scale import Categorical, Scale, show
from polyjudge.llm.request import SIMULATED

# A score as Python takes it: a number, a label, or None where none could be read.
Value = float | str | None


class ScoreTable:
    """The rows of a table: id, document, a column a criterion, error, and the columns of the input.

    A column of the input that is called like one of these gets a longer name: ``NAME.rating`` if it holds ratings,
    else ``NAME.input``.

    Args:
        rubric: what is scored.
        columns: of the input; None where its rows are not at hand: then inputs and ratings are carried.
        examples: by which the columns are chosen; of a file one is enough, since its rows are alike.
        reasons: whether each criterion gets a column ``CRITERION.reason``.
        named_by: the input's column that gave the rows their ids; "" for none.
        labels: (criterion, label) whose probabilities get a column ``CRITERION.p_LABEL``.
        simulated: whether every row says in a column ``notice`` that it is.
        members: of a jury, whose scores get columns ``CRITERION.judge_MEMBER``.
    """

    def __init__(
        self,
        rubric: Rubric,
        columns: Sequence[str] | None,
        examples: Sequence[Example],
        labels: Sequence[tuple[str, str]] = (),
        *,
        reasons: bool = False,
        named_by: str = "",
        simulated: bool = False,
        members: Sequence[str] = (),
    ) -> None:
        self._notice = {"notice": SIMULATED} if simulated else {}
        self._criteria = rubric.criteria
        self._labels = labels
        self._documents = any(example.document is not None for example in examples)
        self._members = members
        probabilities = [f"{name}.p_{label}" for name, label in labels]
        names = [criterion.name for criterion in self._criteria]
        seats = [f"{name}.judge_{member}" for name in names for member in members]
        self._reasons = names if reasons else []
        scored = [*names, *seats, *probabilities, *(f"{name}.reason" for name in self._reasons)]
        own = ["id", *(["document"] if self._documents else []), *scored, "error", *self._notice]
        rated = {column for criterion in rubric.criteria for column in rating_columns(criterion)}
        self._cells: dict[str, Callable[[Example, Row], object]] = {}
        if columns is None:
            self._cells = {column: _input_cell(column) for column, _ in rubric.inputs}
            for criterion, position in _carried(rubric, examples):
                self._cells[rating_columns(criterion)[position]] = _rating_cell(criterion, position)
        else:
            said = {named_by, rubric.document if self._documents else ""} & {"id", "document"}
            self._cells = {column: _row_cell(column) for column in columns if column not in said}
        self.scored = len(own)
        self.carried = _renamed(list(self._cells), own, rated)
        self.columns = (*own, *self.carried)

    def row(
        self, example: Example, prediction: Prediction, row: Row, members: Sequence[Prediction] = ()
    ) -> list[object]:
        """The cells of a row, aligned with ``columns``; None for what is missing."""
        shown = members if self._members else ()
        missing = prediction.unscored
        return [
            example.id,
            *([example.document] if self._documents else []),
            *(value(criterion.scale, prediction.score(criterion.name)) for criterion in self._criteria),
            *(value(c.scale, member.score(c.name)) for c in self._criteria for member in shown),
            *(_probability(prediction, name, label) for name, label in self._labels),
            *(prediction.reasons.get(name) for name in self._reasons),
            f"unscored: {', '.join(missing)}" if missing else None,
            *self._notice.values(),
            *(cell(example, row) for cell in self._cells.values()),
        ]

    def kinds(self, carried: Mapping[str, str]) -> dict[str, str]:
        """The kind of cells of every column, as ``score_forms`` calls them; ``carried`` has those of the input."""
        own = dict.fromkeys(self.columns[: self.scored], "text")
        own |= {c.name: "number" for c in self._criteria if not isinstance(c.scale, Categorical)}
        own |= {f"{name}.p_{label}": "number" for name, label in self._labels}
        numbers = [c.name for c in self._criteria if not isinstance(c.scale, Categorical)]
        own |= {f"{name}.judge_{member}": "number" for name in numbers for member in self._members}
        return {**own, **carried}

    def carried_cells(self, example: Example, row: Row) -> list[object]:
        """The cells of the input, aligned with ``carried``."""
        return [cell(example, row) for cell in self._cells.values()]


def value(scale: Scale, score: float) -> Value:
    """A score as Python takes it."""
    if math.isnan(score):
        return None
    return show(scale, score) if isinstance(scale, Categorical) else score


def _input_cell(column: str) -> Callable[[Example, Row], object]:
    return lambda example, row: example.inputs[column]


def _row_cell(column: str) -> Callable[[Example, Row], object]:
    return lambda example, row: row.get(column)


def _rating_cell(criterion: Criterion, position: int) -> Callable[[Example, Row], object]:
    return lambda example, row: _ratings_cell(example, criterion, position)


def _carried(rubric: Rubric, examples: Sequence[Example]) -> list[tuple[Criterion, int]]:
    """The rating columns that the rows have, each once, as a criterion and the position among its columns."""
    carried: dict[str, tuple[Criterion, int]] = {}
    for criterion in rubric.criteria:
        for position, column in enumerate(rating_columns(criterion)):
            if any(len(example.ratings.get(criterion.name, ())) > position for example in examples):
                carried.setdefault(column, (criterion, position))
    return list(carried.values())


def _renamed(columns: Sequence[str], own: Sequence[str], rated: set[str]) -> list[str]:
    """The names of carried columns, each of its own; one that ``audit`` reads otherwise is renamed too."""
    names: list[str] = []
    for column in columns:
        name = column
        reads_otherwise = column.casefold() in RESERVED | {"score"} and column not in own
        while name in (*own, *names) or (name != column and name in columns) or (name == column and reads_otherwise):
            name += ".rating" if column in rated else ".input"
        names.append(name)
    return names


def _probability(prediction: Prediction, name: str, label: str) -> float | None:
    distribution: Mapping[str, float] = prediction.distributions.get(name, {})
    return distribution.get(label)


def _ratings_cell(example: Example, criterion: Criterion, position: int) -> str:
    """The rating of one column; the last column holds a list where a row has more ratings than there are columns."""
    ratings = example.ratings.get(criterion.name, ())
    is_last = position == len(rating_columns(criterion)) - 1
    texts = [show(criterion.scale, rating) for rating in (ratings[position:] if is_last else ratings[position:][:1])]
    if len(texts) < 2:
        return "".join(texts)
    if isinstance(criterion.scale, Categorical):
        return json.dumps([text or None for text in texts], ensure_ascii=False)
    return f"[{', '.join(text or 'null' for text in texts)}]"

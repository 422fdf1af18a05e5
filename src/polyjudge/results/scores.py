"""What scoring brings: the table scores.csv, line by line, and the same rows in Python.

When too many scores are unreadable to go on: ``--fail-on-error 0|SHARE|COUNT``.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from polyjudge.datasets.table import rating_columns
from polyjudge.domain.criterion import Criterion
from polyjudge.domain.dataset import Dataset, Rubric
from polyjudge.domain.example import Example
from polyjudge.domain.records import Prediction
from polyjudge.domain.scale import Categorical, Scale, show
from polyjudge.errors import ConfigError, TooManyUnscored
from polyjudge.formatting.text import inert, without_apostrophe
from polyjudge.llm.accounts import RoleAccount
from polyjudge.llm.request import SIMULATED

# A score as Python takes it: a number, a label, or None where none could be read.
Value = float | str | None


@dataclass(frozen=True, slots=True)
class Scores:
    """Scored rows: iterate over them, each a mapping of ``id``, ``document`` (if any) and a value a criterion.

    Attributes:
        rubric: what was scored.
        rows: how many there are.
        unscored: how many single scores are missing.
        path: the file that was written; None when none was asked for.
        accounts: what was asked of whom.
        kept: the rows and their predictions, aligned; None where a file was scored into a file, which holds them.
        simulated: what of it comes from a simulated world, by name.
    """

    rubric: Rubric
    rows: int
    unscored: int
    path: Path | None
    accounts: tuple[RoleAccount, ...]
    kept: tuple[Dataset, tuple[Prediction, ...]] | None
    simulated: tuple[str, ...] = ()

    @property
    def dataset(self) -> Dataset:
        """The rows, in order.

        Raises:
            ConfigError: a file was scored into a file; nothing was kept in memory.
        """
        return self._kept()[0]

    @property
    def predictions(self) -> tuple[Prediction, ...]:
        """Aligned with the rows; raises as ``dataset`` does."""
        return self._kept()[1]

    def __len__(self) -> int:
        return self.rows

    def __iter__(self) -> Iterator[dict[str, Value]]:
        if self.kept is not None:
            for example, prediction in zip(self.dataset.examples, self.predictions, strict=True):
                document = {} if example.document is None else {"document": example.document}
                scores = {c.name: value(c.scale, prediction.score(c.name)) for c in self.rubric.criteria}
                yield {"id": example.id, **document, **scores}
        elif self.path is not None:
            with open(self.path, encoding="utf-8", newline="") as file:
                for row in csv.DictReader(file):
                    named = {name: without_apostrophe(row[name]) for name in ("id", "document") if name in row}
                    yield {**named, **{c.name: _read(c.scale, row[inert(c.name)]) for c in self.rubric.criteria}}

    def _kept(self) -> tuple[Dataset, tuple[Prediction, ...]]:
        if self.kept is None:
            raise ConfigError(
                f"the rows were streamed into {str(self.path)!r} and not kept: iterate over the scores, or give no "
                f"output to have them in memory"
            )
        return self.kept


class ScoreTable:
    """The lines of scores.csv: id, document, a column a criterion, error, and the rating columns of the input.

    Args:
        rubric: what is scored.
        examples: by which the columns are chosen; of a file one is enough, since its rows are alike.
        labels: (criterion, label) whose probabilities get a column ``CRITERION.p_LABEL``.
        simulated: whether every row says in a column ``notice`` that it is.
    """

    def __init__(
        self,
        rubric: Rubric,
        examples: Sequence[Example],
        labels: Sequence[tuple[str, str]] = (),
        *,
        simulated: bool = False,
    ) -> None:
        self._notice = {"notice": SIMULATED} if simulated else {}
        self._criteria = rubric.criteria
        self._labels = labels
        self._documents = any(example.document is not None for example in examples)
        self._rated = _carried(rubric, examples)
        self._text = io.StringIO()
        self._writer = csv.writer(self._text, lineterminator="\n")

    def header(self) -> str:
        probabilities = [f"{name}.p_{label}" for name, label in self._labels]
        names = [criterion.name for criterion in self._criteria]
        header = ["id", *(["document"] if self._documents else []), *names, *probabilities, "error", *self._notice]
        ratings = [rating_columns(criterion)[position] for criterion, position in self._rated]
        return self._line([*header, *_renamed(ratings, header)])

    def line(self, example: Example, prediction: Prediction) -> str:
        """The line of a row."""
        missing = prediction.unscored
        return self._line(
            [
                example.id,
                *([example.document or ""] if self._documents else []),
                *(show(criterion.scale, prediction.score(criterion.name)) for criterion in self._criteria),
                *(_probability(prediction, name, label) for name, label in self._labels),
                f"unscored: {', '.join(missing)}" if missing else "",
                *self._notice.values(),
                *(_ratings_cell(example, criterion, position) for criterion, position in self._rated),
            ]
        )

    def _line(self, cells: Iterable[str]) -> str:
        self._text.seek(0)
        self._text.truncate()
        self._writer.writerow(map(inert, cells))
        return self._text.getvalue()


def value(scale: Scale, score: float) -> Value:
    """A score as Python takes it."""
    if math.isnan(score):
        return None
    return show(scale, score) if isinstance(scale, Categorical) else score


def _read(scale: Scale, cell: str) -> Value:
    """A cell of scores.csv as Python takes it."""
    if not cell:
        return None
    return without_apostrophe(cell) if isinstance(scale, Categorical) else float(cell)


def _carried(rubric: Rubric, examples: Sequence[Example]) -> list[tuple[Criterion, int]]:
    """The rating columns that the rows have, each once, as a criterion and the position among its columns."""
    carried: dict[str, tuple[Criterion, int]] = {}
    for criterion in rubric.criteria:
        for position, column in enumerate(rating_columns(criterion)):
            if any(len(example.ratings.get(criterion.name, ())) > position for example in examples):
                carried.setdefault(column, (criterion, position))
    return list(carried.values())


def _renamed(columns: Sequence[str], taken: Sequence[str]) -> list[str]:
    """Column names for carried ratings: ``NAME.rating`` where a column of ours is called NAME."""
    names: list[str] = []
    for column in columns:
        name = column
        while name in (*taken, *names) or (name != column and name in columns):
            name += ".rating"
        names.append(name)
    return names


def _probability(prediction: Prediction, name: str, label: str) -> str:
    distribution: Mapping[str, float] = prediction.distributions.get(name, {})
    probability = distribution.get(label)
    return "" if probability is None else f"{probability:.6g}"


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


def check_unscored(missing: int, total: int, limit: float | None, where: str) -> None:
    """Compare unreadable scores with what the user allows: None = any, below 1 a share of all, from 1 on a count.

    Raises:
        TooManyUnscored: there are more; ``where`` names the rows.
    """
    if limit is None or not total:
        return
    allowed = limit if limit >= 1 else limit * total
    if missing > allowed:
        raise TooManyUnscored(
            f"{missing} of {total} scores of {where} are unreadable, more than --fail-on-error {limit:g} allows; "
            f"look at the replies, or try another --scoring or model"
        )

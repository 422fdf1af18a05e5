"""What scoring brings, as rows in Python.

When too many scores are unreadable to go on: ``--fail-on-error 0|SHARE|COUNT``.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from polyjudge.domain.dataset import Dataset, Rubric
from polyjudge.domain.records import Prediction
from polyjudge.domain.scale import Categorical, Scale
from polyjudge.errors import ConfigError, TooManyUnscored
from polyjudge.formatting.notebook import snippet
from polyjudge.formatting.text import inert, many, without_apostrophe
from polyjudge.llm.accounts import RoleAccount
from polyjudge.results.score_forms import ending_of_scores, read_rows
from polyjudge.results.score_table import Value, value

# Rows that a notebook shows.
SHOWN = 10


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

    def _repr_html_(self) -> str:
        total = self.rows * len(self.rubric.names)
        told = [
            f"{total - self.unscored:,} scores, {self.unscored:,} unscored",
            *([str(self.path)] if self.path else []),
        ]
        columns = ("id", *self.rubric.names)
        cells = [tuple(_shown(row.get(name)) for name in columns) for row in islice(self, SHOWN)]
        more = [f"the first {SHOWN} rows"] if self.rows > SHOWN else []
        return snippet(many(self.rows, "rows"), [*told, *more], columns, cells)

    def __len__(self) -> int:
        return self.rows

    def __iter__(self) -> Iterator[dict[str, Value]]:
        if self.kept is not None:
            for example, prediction in zip(self.dataset.examples, self.predictions, strict=True):
                document = {} if example.document is None else {"document": example.document}
                scores = {c.name: value(c.scale, prediction.score(c.name)) for c in self.rubric.criteria}
                yield {"id": example.id, **document, **scores}
        elif self.path is not None and ending_of_scores(self.path) != ".csv":
            for row in read_rows(self.path):
                names = ("id", "document", *self.rubric.names)
                yield {name: cell for name in names if name in row and isinstance(cell := row[name], Value)}
        elif self.path is not None:
            with open(self.path, encoding="utf-8", newline="") as file:
                for row in csv.DictReader(file):
                    named = {name: without_apostrophe(row[name]) for name in ("id", "document") if name in row}
                    yield {**named, **{c.name: _read(c.scale, row[inert(c.name)]) for c in self.rubric.criteria}}

    def _kept(self) -> tuple[Dataset, tuple[Prediction, ...]]:
        if self.kept is None:
            raise ConfigError(
                f"the rows were streamed into {str(self.path or 'a stream')!r} and not kept: iterate over the scores, "
                f"or give no output to have them in memory"
            )
        return self.kept


def _read(scale: Scale, cell: str) -> Value:
    """A cell of scores.csv as Python takes it."""
    if not cell:
        return None
    return without_apostrophe(cell) if isinstance(scale, Categorical) else float(cell)


def _shown(cell: Value) -> str:
    return "unscored" if cell is None else f"{cell:.4g}" if isinstance(cell, float) else str(cell)


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

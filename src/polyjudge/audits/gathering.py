"""Scores and ratings of files brought together by item, judge and rater, until they are one table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from polyjudge.audits.table import Judgement, ScoreTable
from polyjudge.datasets.problems import ErrorCollector
from polyjudge.domain.criterion import Criterion
from polyjudge.domain.scale import NAN, Scale
from polyjudge.errors import DataError
from polyjudge.llm.request import SIMULATED
from polyjudge.metrics.levels import Matrix


class Gathering:
    """Scores and ratings by item, whatever the order and form of the rows."""

    def __init__(self, criteria: Sequence[Criterion], along: str) -> None:
        self.criteria = tuple(criteria)
        self.scales: Mapping[str, Scale] = {criterion.name: criterion.scale for criterion in criteria}
        self.along = along
        self.documents: dict[str, str | None] = {}
        self.scores: dict[tuple[str, str], dict[tuple[str, str], float]] = {}
        self.ratings: dict[str, dict[str, dict[str, float]]] = {criterion.name: {} for criterion in criteria}
        self.cells: dict[tuple[str, str], dict[str, str]] = {}
        self.simulated: dict[str, None] = {}

    def table(self, source: str, *, guessed: bool) -> ScoreTable:
        """What was gathered.

        Raises:
            DataError: there is no rating, or no score, of a criterion.
        """
        problems = ErrorCollector(source, DataError)
        for name in self.scales:
            if not any(self.ratings[name].values()):
                problems.add(f"no row has a human rating of {name!r}; name the raters' columns in a criteria file")
            if not any(item[1] == name for scores in self.scores.values() for item in scores):
                problems.add(f"no row has a score of {name!r}; leave the criterion out, or check the column's name")
        problems.check()
        ids = tuple(self.documents)
        known = [self.documents[one] for one in ids]
        named = tuple(one for one in known if one is not None)
        notes = [
            f"{SIMULATED} ({source}): this tests software; it says nothing about a real judge or about people."
            for source in self.simulated
        ]
        for judge, layout in self.scores:
            if not self.scores[judge, layout]:
                notes.append(f"{Judgement.named(judge, layout)} scored nothing")
        if named and len(named) < len(ids):
            notes.append(f"{len(ids) - len(named)} of {len(ids)} items have no document; intervals resample rows")
        return ScoreTable(
            source,
            ids,
            named if len(named) == len(ids) else None,
            self.criteria,
            {name: self._raters(ids, name) for name in self.scales},
            tuple(self._judgement(ids, key) for key in self.scores),
            guessed,
            tuple(notes),
        )

    def _raters(self, ids: Sequence[str], name: str) -> Matrix:
        raters = [given for given in self.ratings[name].values() if given]
        return np.array([[given.get(one, NAN) for given in raters] for one in ids]).reshape(len(ids), len(raters))

    def _judgement(self, ids: Sequence[str], key: tuple[str, str]) -> Judgement:
        scores, cells = self.scores[key], self.cells.get(key, {})
        matrix = np.array([[scores.get((one, name), NAN) for name in self.scales] for one in ids])
        along = tuple(cells.get(one, "") for one in ids) if self.along else ()
        return Judgement(*key, matrix.reshape(len(ids), len(self.scales)), along)

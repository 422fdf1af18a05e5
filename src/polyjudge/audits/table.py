"""Scores of one or more judges beside the people's ratings of the same items, as the audit's parts take them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from polyjudge.domain.criterion import Criterion
from polyjudge.domain.scale import Categorical
from polyjudge.metrics.levels import Matrix
from polyjudge.metrics.metric import Metric
from polyjudge.metrics.rated import RatedRows


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one judge says of all items under one layout.

    Attributes:
        judge: its name.
        layout: how its criteria shared calls, as the file says; "" when it does not say.
        scores: (n, K), nan = unscored.
        along: (n,) cells of the column along which drift is looked for; empty when none was named.
    """

    judge: str
    layout: str
    scores: Matrix
    along: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.named(self.judge, self.layout)

    @staticmethod
    def named(judge: str, layout: str) -> str:
        """As a reader is told of it."""
        return f"{judge}, {layout}" if layout else judge


@dataclass(frozen=True, slots=True)
class ScoreTable:
    """n items, K criteria, and every judgement of them.

    Attributes:
        source: the files, for the reader.
        ids: (n,) of the items.
        criteria: K, with their scales.
        rows: the items as people rated them, with their documents and single raters.
        judgements: in the order of their first row.
        guessed: whether criteria and scales were guessed from the columns.
        notes: what reading found.
        columns: which columns were taken for what, a sentence a file.
    """

    source: str
    ids: tuple[str, ...]
    criteria: tuple[Criterion, ...]
    rows: RatedRows
    judgements: tuple[Judgement, ...]
    guessed: bool = False
    notes: tuple[str, ...] = field(default=())
    columns: tuple[str, ...] = field(default=())

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(criterion.name for criterion in self.criteria)

    def on_scale(self, judgement: Judgement) -> tuple[bool, ...]:
        """(K,) whether all scores of a criterion lie on its scale; strengths and z-scores do not."""
        return tuple(
            isinstance(c.scale, Categorical) or all(math.isnan(one) or c.scale.allows_rating(one) for one in column)
            for c, column in zip(self.criteria, judgement.scores.T.tolist(), strict=True)
        )

    def usable(self, metric: Metric, judgement: Judgement) -> tuple[bool, ...]:
        """(K,) where a metric has a meaning for a judgement: it scores the criterion at all, on a fitting scale."""
        scored = [not np.isnan(column).all() for column in judgement.scores.T]
        return tuple(
            some and metric.applies_to(scale) and (on or not metric.needs_scale)
            for some, scale, on in zip(scored, self.rows.levels, self.on_scale(judgement), strict=True)
        )

"""The scores of one or more judges and the human ratings of the same items."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from polyjudge.domain.criterion import Criterion
from polyjudge.domain.scale import Categorical
from polyjudge.metrics.levels import Matrix
from polyjudge.metrics.metric import Metric
from polyjudge.metrics.rated import RatedRows


@dataclass(frozen=True, slots=True)
class Judgement:
    """The scores of one judge for all items under one layout.

    Attributes:
        judge: its name.
        layout: how its criteria shared calls, as the file names it; "" if it names none.
        scores: (n, K), nan = unscored.
        along: (n,) cells of the column along which drift is measured; empty without one.
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
        """The name of a judgement in reports."""
        return f"{judge}, {layout}" if layout else judge


@dataclass(frozen=True, slots=True)
class ScoreTable:
    """n items, K criteria, and every judgement of them.

    Attributes:
        source: the files, for messages.
        ids: (n,) of the items.
        criteria: K, with their scales.
        rows: the human ratings of the items, with documents and single raters.
        judgements: in the order of their first row.
        guessed: whether criteria and scales were guessed from the columns.
        notes: what the user should know about the files.
        columns: how the columns were read, one sentence per file.
        beside: column -> its cell for each item (n,), "" where it is empty; of the columns that were asked for.
    """

    source: str
    ids: tuple[str, ...]
    criteria: tuple[Criterion, ...]
    rows: RatedRows
    judgements: tuple[Judgement, ...]
    guessed: bool = False
    notes: tuple[str, ...] = field(default=())
    columns: tuple[str, ...] = field(default=())
    beside: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(criterion.name for criterion in self.criteria)

    def on_scale(self, judgement: Judgement) -> tuple[bool, ...]:
        """(K,) whether all scores of a criterion lie on its scale, unlike strengths and z-scores."""
        return tuple(
            isinstance(c.scale, Categorical) or all(math.isnan(x) or c.scale.allows_rating(x) for x in column)
            for c, column in zip(self.criteria, judgement.scores.T.tolist(), strict=True)
        )

    def usable(self, metric: Metric, judgement: Judgement) -> tuple[bool, ...]:
        """(K,) whether a metric is defined for a judgement: the criterion has scores, on a suitable scale."""
        scored = [not np.isnan(column).all() for column in judgement.scores.T]
        return tuple(
            has_scores and metric.applies_to(scale) and (on_scale or not metric.needs_scale)
            for has_scores, scale, on_scale in zip(scored, self.rows.levels, self.on_scale(judgement), strict=True)
        )

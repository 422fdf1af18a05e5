"""Agreement by the values of a column, and of systems' means: what the pooled figure hides."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from polyjudge.audits.table import Judgement, ScoreTable
from polyjudge.domain.scale import Categorical
from polyjudge.errors import DataError
from polyjudge.formatting.text import clipped, listed
from polyjudge.judge.measure import own_metric
from polyjudge.metrics import agreement, collapse, uncertainty
from polyjudge.metrics.estimates import Estimate
from polyjudge.metrics.levels import Indices
from polyjudge.metrics.rated import coverage
from polyjudge.metrics.systems import system_level

# More values are no slices but names of rows.
MOST_SLICES = 50
FEWEST_SYSTEMS = 3


@dataclass(frozen=True, slots=True)
class Slice:
    """The agreement of one judgement on one criterion in the rows with one value of a column.

    Attributes:
        judge: whose scores.
        layout: under which layout.
        criterion: its name.
        column: by which the rows are told apart.
        value: of the column; "" for rows without one.
        metric: the criterion's own statistic.
        agreement: with its interval over the slice's documents.
        level: judge minus people; of a judge whose scores lie off the scale, or on labels, NaN.
        coverage: share of the rated rows that were scored.
        rows: with a score and a rating.
    """

    judge: str
    layout: str
    criterion: str
    column: str
    value: str
    metric: str
    agreement: Estimate
    level: Estimate
    coverage: float
    rows: int


@dataclass(frozen=True, slots=True)
class Systems:
    """System-level agreement of one judgement on one criterion.

    Attributes:
        judge: whose scores.
        layout: under which layout.
        criterion: its name.
        column: that names the systems.
        means: (system, items, judge's mean, people's mean), from the best by people.
        kendall: tau-b of the systems' means.
        pearson: of the systems' means.
    """

    judge: str
    layout: str
    criterion: str
    column: str
    means: tuple[tuple[str, int, float, float], ...]
    kendall: Estimate
    pearson: Estimate


def slices(table: ScoreTable, judgement: Judgement, column: str, seed: int = 0) -> tuple[Slice, ...]:
    """Each criterion's own statistic in the rows of each value of a column, the commonest value first.

    Raises:
        DataError: the column has too many values.
    """
    cells = np.array(table.beside[column], dtype=object)
    values = [value for value, _ in Counter(table.beside[column]).most_common()]
    if len(values) > MOST_SLICES:
        raise DataError(
            f"{table.source}: column {column!r} has {len(values)} values, more than {MOST_SLICES}, such as "
            f"{listed(map(clipped, values), 3)}; name a column whose values are groups of rows"
        )
    found: list[Slice] = []
    for k, criterion in enumerate(table.criteria):
        metric = agreement.metric_of(own_metric(criterion))
        if not table.usable(metric, judgement)[k]:
            continue
        has_level = table.usable(collapse.level, judgement)[k]
        for value in values:
            inside: npt.NDArray[np.bool_] = cells == value
            people, judged = table.rows.select([k]).take(inside), judgement.scores[inside, k]
            figure = uncertainty.bootstrap(metric, judged, people, seed=seed)
            level = uncertainty.bootstrap(collapse.level, judged, people, seed=seed) if has_level else None
            found.append(
                Slice(
                    *(judgement.judge, judgement.layout, criterion.name, column, value, metric.name),
                    figure.per_criterion[0],
                    level.per_criterion[0] if level else Estimate.undecided(np.nan, 0.95, 0),
                    coverage(judged, people)[0],
                    figure.n_pairs[0],
                )
            )
    return tuple(found)


def systems(table: ScoreTable, judgement: Judgement, column: str, seed: int = 0) -> tuple[Systems, ...]:
    """Whether a judge ranks the systems that a column names as people do; criteria of several labels have no means.

    Raises:
        DataError: there are fewer than three systems, or rows without one.
    """
    cells = table.beside[column]
    names = list(dict.fromkeys(cells))
    if "" in names:
        raise DataError(
            f"{table.source}: column {column!r} is empty for {cells.count('')} of {len(cells)} items; name the system "
            f"of each"
        )
    if len(names) < FEWEST_SYSTEMS:
        raise DataError(
            f"{table.source}: column {column!r} names {len(names)} systems ({listed(map(clipped, names))}); a "
            f"correlation over systems needs at least {FEWEST_SYSTEMS}"
        )
    places = {name: place for place, name in enumerate(names)}
    position: Indices = np.array([places[cell] for cell in cells], dtype=np.intp)
    clusters = table.rows.clusters.position
    found: list[Systems] = []
    for k, criterion in enumerate(table.criteria):
        if isinstance(criterion.scale, Categorical) and len(criterion.scale.names) > 2:
            continue
        if np.isnan(judgement.scores[:, k]).all():
            continue
        measured = system_level(judgement.scores[:, k], table.rows.human[:, k], position, clusters, seed=seed)
        means = _means(names, measured.items.tolist(), measured.judged.tolist(), measured.human.tolist())
        key = (judgement.judge, judgement.layout, criterion.name, column)
        found.append(Systems(*key, means, measured.kendall, measured.pearson))
    return tuple(found)


def _means(
    names: Sequence[str], items: Sequence[int], judged: Sequence[float], human: Sequence[float]
) -> tuple[tuple[str, int, float, float], ...]:
    rows = [row for row in zip(names, items, judged, human, strict=True) if row[1]]
    return tuple(sorted(rows, key=lambda row: -row[3]))

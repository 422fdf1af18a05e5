"""Bradley-Terry strengths of the systems behind compared texts, by a judge and by people."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from polyjudge.audits.table import Judgement, ScoreTable
from polyjudge.domain.scale import Categorical
from polyjudge.errors import DataError
from polyjudge.formatting.text import clipped, listed
from polyjudge.metrics.bradley_terry import strengths, wins_of
from polyjudge.metrics.estimates import Estimate
from polyjudge.metrics.levels import Indices, Vector
from polyjudge.metrics.resampling import draws
from polyjudge.metrics.uncertainty import interval

RESAMPLES = 500


@dataclass(frozen=True, slots=True)
class Strength:
    """How strong one system is by one judgement on one criterion.

    Attributes:
        judge: whose preferences.
        layout: under which layout.
        criterion: its name.
        system: whose texts.
        comparisons: with other systems that both the judge and people decided.
        judged: strength by the judge, log odds against an average system.
        human: strength by people.
    """

    judge: str
    layout: str
    criterion: str
    system: str
    comparisons: int
    judged: Estimate
    human: Estimate


def pair_strengths(
    table: ScoreTable, judgement: Judgement, columns: tuple[str, str], seed: int = 0
) -> tuple[Strength, ...]:
    """The strengths of the systems that two columns name, the strongest by people first, on rows that both decided.

    Raises:
        DataError: a row without a system, or no criterion of labels for the first, the second, and ties.
    """
    cells = [table.beside[column] for column in columns]
    for column, named in zip(columns, cells, strict=True):
        if "" in named:
            raise DataError(
                f"{table.source}: column {column!r} is empty for {named.count('')} items; name each system"
            )
    names = list(dict.fromkeys(cell for named in cells for cell in named))
    places = {name: place for place, name in enumerate(names)}
    first, second = (np.array([places[cell] for cell in named], dtype=np.intp) for named in cells)
    compared = [
        k for k, c in enumerate(table.criteria) if isinstance(c.scale, Categorical) and len(c.scale.names) <= 3
    ]
    if not compared:
        raise DataError(
            f"{table.source}: no criterion compares {listed(map(clipped, columns))}: it needs the labels of a "
            f"preference, such as {{labels: [A, B, tie]}}"
        )
    rows: list[Strength] = []
    for k in compared:
        judged, human = judgement.scores[:, k], table.rows.human[:, k]
        both = ~(np.isnan(judged) | np.isnan(human)) & (first != second)
        sides = [np.where(both, side, np.nan) for side in (judged, human)]
        games = np.bincount(first[both], minlength=len(names)) + np.bincount(second[both], minlength=len(names))
        figures = [_estimates(side, first, second, len(names), table.rows.clusters.position, seed) for side in sides]
        key = (judgement.judge, judgement.layout, table.names[k])
        found = [
            Strength(*key, name, int(games[place]), *(f[place] for f in figures)) for name, place in places.items()
        ]
        rows += sorted((one for one in found if one.comparisons), key=lambda one: -one.human.value)
    return tuple(rows)


def _estimates(
    outcomes: Vector, first: Indices, second: Indices, n_systems: int, clusters: Indices, seed: int
) -> Sequence[Estimate]:
    n_clusters = int(clusters.max(initial=-1)) + 1

    def of(weights: Vector) -> Vector:
        return strengths(wins_of(outcomes, first, second, n_systems, weights))

    values = of(np.ones(len(outcomes)))
    replicates = np.vstack([of(one[clusters]) for block in draws(n_clusters, RESAMPLES, seed) for one in block])
    used = int(np.unique(clusters[~np.isnan(outcomes)]).size)
    return [interval(float(values[k]), replicates[:, k], 0.95, used) for k in range(n_systems)]

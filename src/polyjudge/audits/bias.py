"""The biases of each judgement: level and spread per criterion, halo over them, and drift along a column."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from polyjudge.audits.table import Judgement, ScoreTable
from polyjudge.datasets.table import is_number
from polyjudge.metrics import collapse, statistics, uncertainty
from polyjudge.metrics.collapse import Halo, halo
from polyjudge.metrics.estimates import Estimate
from polyjudge.metrics.levels import Vector
from polyjudge.metrics.rated import RatedRows

PARTS = 4


@dataclass(frozen=True, slots=True)
class Bias:
    """The bias of one judgement on one criterion, in units of the scale.

    Attributes:
        judge: whose scores.
        layout: under which layout.
        criterion: its name.
        level: mean of judge minus people with its interval; above 0 the judge is too kind.
        spread: standard deviation of the judge over that of people; 1 is right, near 0 all scores are alike.
        modal_share: share of the judge's commonest score.
        collapsed: whether nearly all scores are the same.
    """

    judge: str
    layout: str
    criterion: str
    level: Estimate
    spread: Estimate
    modal_share: float
    collapsed: bool


@dataclass(frozen=True, slots=True)
class JudgeHalo:
    """The halo of one judgement; see ``metrics.collapse.Halo``."""

    judge: str
    layout: str
    halo: Halo


@dataclass(frozen=True, slots=True)
class Drift:
    """The trend of one criterion's errors along a column.

    Attributes:
        judge: whose scores.
        layout: under which layout.
        criterion: its name.
        column: its name.
        trend: Spearman of judge minus people with the column's order; nan if the column has none.
        parts: (name, rows, level) of the column's values, or of its quarters if it is ordered.
    """

    judge: str
    layout: str
    criterion: str
    column: str
    trend: Estimate
    parts: tuple[tuple[str, int, float], ...]


def biases(table: ScoreTable, judgement: Judgement, seed: int = 0) -> tuple[Bias, ...]:
    """Level and spread of each criterion whose scores lie on its scale."""
    columns = [k for k, usable in enumerate(table.usable(collapse.level, judgement)) if usable]
    if not columns:
        return ()
    judged, people = judgement.scores[:, columns], table.rows.select(columns)
    level, spread = (
        uncertainty.bootstrap(metric, judged, people, seed=seed) for metric in (collapse.level, collapse.spread)
    )
    rows = []
    for k, name in enumerate(people.names):
        shape = collapse.collapsed(judged[:, k])
        key = (judgement.judge, judgement.layout, name)
        rows.append(Bias(*key, level.per_criterion[k], spread.per_criterion[k], shape.modal_share, shape.collapsed))
    return tuple(rows)


def judge_halo(table: ScoreTable, judgement: Judgement, seed: int = 0) -> JudgeHalo | None:
    """The halo over the ordered criteria; None if there are fewer than two."""
    columns = [k for k, usable in enumerate(table.usable(statistics.spearman, judgement)) if usable]
    if len(columns) < 2:
        return None
    estimate = halo(judgement.scores[:, columns], table.rows.select(columns), seed=seed)
    return JudgeHalo(judgement.judge, judgement.layout, estimate)


def drifts(table: ScoreTable, judgement: Judgement, column: str, seed: int = 0) -> tuple[Drift, ...]:
    """The errors of each criterion on its scale along a column."""
    order = _order(judgement.along)
    rows = []
    for k, usable in enumerate(table.usable(collapse.level, judgement)):
        if usable:
            errors = judgement.scores[:, k] - table.rows.human[:, k]
            along = np.full(len(errors), math.nan) if order is None else order
            column_rows = RatedRows.of(along, documents=table.rows.documents)
            trend = uncertainty.bootstrap(statistics.spearman, errors, column_rows, seed=seed)
            parts = _values(judgement.along, errors) if order is None else _quarters(order, errors)
            key = (judgement.judge, judgement.layout, table.names[k], column)
            rows.append(Drift(*key, trend.per_criterion[0], parts))
    return tuple(rows)


def _order(cells: Sequence[str]) -> Vector | None:
    """The cells as numbers, or dates as seconds; None if they are names."""
    present = [cell for cell in cells if cell]
    if present and all(is_number(cell) for cell in present):
        return np.array([float(cell) if cell else math.nan for cell in cells])
    try:
        return np.array([datetime.fromisoformat(cell).timestamp() if cell else math.nan for cell in cells])
    except (ValueError, OverflowError, OSError):
        return None


def _values(cells: Sequence[str], errors: Vector) -> tuple[tuple[str, int, float], ...]:
    names = list(dict.fromkeys(cells))
    return tuple(_part(name or "(empty)", errors[[cell == name for cell in cells]]) for name in names)


def _quarters(order: Vector, errors: Vector) -> tuple[tuple[str, int, float], ...]:
    known = np.flatnonzero(~np.isnan(order) & ~np.isnan(errors))
    parts = np.array_split(known[np.argsort(order[known], kind="stable")], PARTS)
    return tuple(_part(f"quarter {number}", errors[part]) for number, part in enumerate(parts, start=1))


def _part(name: str, errors: Vector) -> tuple[str, int, float]:
    present = errors[~np.isnan(errors)]
    return name, int(present.size), float(present.mean()) if present.size else math.nan

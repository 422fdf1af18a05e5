"""Paired tests of whether one judgement agrees better than another, clustered by document and Holm-corrected."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np

from polyjudge.audits.agreement import MEAN, Detectable
from polyjudge.audits.table import Judgement, ScoreTable
from polyjudge.formatting.text import many
from polyjudge.judge.measure import own_metric
from polyjudge.metrics import agreement, significance
from polyjudge.metrics.estimates import Estimate

ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class Contest:
    """The comparison of judgements A and B on one criterion or the mean over them, on the rows that both scored.

    Attributes:
        a: the first judgement's name.
        b: the second's.
        criterion: its name, or "mean".
        metric: Spearman for numbers, Cohen's kappa for labels.
        estimate: A minus B with its interval, clustered by document; NaN = undefined or not given. The intervals of a
            table are simultaneous at 95 %.
        p_holm: the p-value corrected for all comparisons of the table; below 0.05 exactly where the interval
            excludes 0.
        rows: rows that both scored.
        verdict: "A is better", "B is better" or "undecided", by the interval and the corrected p-value alike.
    """

    a: str
    b: str
    criterion: str
    metric: str
    estimate: Estimate
    p_holm: float
    rows: int
    verdict: str

    @property
    def difference(self) -> float:
        return self.estimate.value

    @property
    def low(self) -> float:
        return self.estimate.low

    @property
    def high(self) -> float:
        return self.estimate.high

    @property
    def p_value(self) -> float:
        return self.estimate.p_value


def contests(table: ScoreTable) -> tuple[Contest, ...]:
    """Every pair of judgements on every criterion and their mean, Holm-corrected together."""
    return corrected([row for a, b in combinations(table.judgements, 2) for row in compared(table, a, b)])


def compared(table: ScoreTable, a: Judgement, b: Judgement) -> list[Contest]:
    """A against B on each criterion, by its own metric, and on the mean if all have the same; uncorrected."""
    rows: list[Contest] = []
    metrics = [own_metric(criterion) for criterion in table.criteria]
    for name in dict.fromkeys(metrics):
        metric = agreement.metric_of(name)
        both = zip(metrics, table.usable(metric, a), table.usable(metric, b), strict=True)
        usable = [k for k, (own, usable_a, usable_b) in enumerate(both) if own == name and usable_a and usable_b]
        if not usable:
            continue
        people = table.rows.select(usable)
        tests = significance.difference_test(metric, a.scores[:, usable], b.scores[:, usable], people)
        for criterion, test, pairs in zip(people.names, tests.per_criterion, tests.n_pairs, strict=True):
            rows.append(_contest(a, b, criterion, name, test, pairs))
        if len(usable) == len(metrics) > 1:
            rows.append(_contest(a, b, MEAN, name, tests.mean, min(tests.n_pairs)))
    return rows


def corrected(rows: Sequence[Contest]) -> tuple[Contest, ...]:
    """The rows with intervals and p-values corrected for multiple tests, and their verdicts."""
    family = significance.corrected([row.estimate for row in rows], ALPHA)
    return tuple(
        replace(row, estimate=estimate, p_holm=p_value, verdict=_verdict(estimate))
        for row, estimate, p_value in zip(rows, family.estimates, family.p_values, strict=True)
    )


def observed(rows: Sequence[Contest]) -> Detectable | None:
    """The smallest detectable difference, from the standard errors of measured differences; None without any.

    It is the median over the pairs: judges with similar answers are easier to tell apart than others.
    """
    known = [row for row in rows if not math.isnan(row.estimate.standard_error) and row.estimate.standard_error > 0]
    if not known:
        return None
    by = {
        criterion: [row.estimate.detectable for row in known if row.criterion == criterion]
        for criterion in dict.fromkeys(row.criterion for row in known)
    }
    medians = {criterion: float(np.median(values)) for criterion, values in by.items()}
    metrics = list(dict.fromkeys(row.metric for row in known))
    alone = len(medians) == 1 and MEAN not in medians
    every = by[MEAN] if MEAN in by else [value for values in by.values() for value in values]
    assumptions = (
        f"Measured on the scores at hand: 2.8 standard errors of the paired difference, the median of "
        f"{many(len(every), 'comparisons')} ({min(every):.3f} to {max(every):.3f}); 80 % power, 5 % two-sided."
    )
    mean = medians.pop(MEAN) if MEAN in medians else next(iter(medians.values())) if alone else math.nan
    return Detectable(" or ".join(metrics), medians, mean, assumptions)


def _contest(a: Judgement, b: Judgement, criterion: str, metric: str, test: Estimate, rows: int) -> Contest:
    return Contest(a.name, b.name, criterion, metric, test, test.p_value, rows, _verdict(test))


def _verdict(estimate: Estimate) -> str:
    if estimate.interval.above_zero:
        return "A is better"
    return "B is better" if estimate.interval.below_zero else "undecided"

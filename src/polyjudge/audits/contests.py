"""Whether one judgement truly agrees better than another: paired, by document, corrected for asking often."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations

from polyjudge.audits.agreement import MEAN
from polyjudge.audits.table import Judgement, ScoreTable
from polyjudge.judge.measure import own_metric
from polyjudge.metrics import agreement, significance, uncertainty

ALPHA = 0.05


@dataclass(frozen=True, slots=True)
class Contest:
    """Judgement A against B on one criterion, or on the mean over them, by the rows that both scored.

    Attributes:
        a: the first judgement's name.
        b: the second's.
        criterion: its name, or "mean".
        metric: Spearman for numbers, Cohen's kappa for labels.
        difference: A minus B; nan = undefined.
        low: lower end of its 95 % interval, clustered by document; nan = not given.
        high: upper end.
        p_value: of a paired permutation of documents.
        p_holm: the same corrected for all comparisons of its table.
        rows: rows that both scored.
        verdict: "A is better", "B is better" or "undecided", by the corrected p-value.
    """

    a: str
    b: str
    criterion: str
    metric: str
    difference: float
    low: float
    high: float
    p_value: float
    p_holm: float
    rows: int
    verdict: str


def contests(table: ScoreTable, seed: int = 0, permutations: int = 5000) -> tuple[Contest, ...]:
    """Every pair of judgements on every criterion and their mean, Holm-corrected together."""
    rows = [
        row
        for a, b in combinations(table.judgements, 2)
        for row in compared(table, a, b, seed=seed, permutations=permutations)
    ]
    return corrected(rows)


def compared(
    table: ScoreTable, a: Judgement, b: Judgement, *, seed: int = 0, permutations: int = 5000
) -> list[Contest]:
    """A against B on each criterion, by its own metric, and on the mean where all have the same; not yet corrected."""
    rows: list[Contest] = []
    names = [own_metric(criterion) for criterion in table.criteria]
    for name in dict.fromkeys(names):
        metric = agreement.metric(name)
        both = zip(names, table.usable(metric, a), table.usable(metric, b), strict=True)
        places = [k for k, (own, ours, theirs) in enumerate(both) if own == name and ours and theirs]
        if not places:
            continue
        sides = (a.scores[:, places], b.scores[:, places], table.human[:, places])
        scales, documents = [table.levels[k] for k in places], table.documents
        intervals = uncertainty.paired_bootstrap(metric, *sides, levels=scales, documents=documents, seed=seed)
        tests = significance.permutation_test(
            metric, *sides, levels=scales, documents=documents, n_permutations=permutations, seed=seed
        )
        for at, k in enumerate(places):
            one, test = intervals.per_criterion[at], tests.per_criterion[at]
            rows.append(_row(a, b, table.names[k], name, one, test, intervals.n_pairs[at]))
        if len(places) == len(names) > 1:
            rows.append(_row(a, b, MEAN, name, intervals.mean, tests.mean, min(intervals.n_pairs)))
    return rows


def corrected(rows: list[Contest]) -> tuple[Contest, ...]:
    """The rows with their p-values corrected for being so many, and the verdicts that follow."""
    adjusted = significance.holm([row.p_value for row in rows]).tolist()
    return tuple(_decided(row, p) for row, p in zip(rows, adjusted, strict=True))


def _row(
    a: Judgement,
    b: Judgement,
    criterion: str,
    metric: str,
    one: uncertainty.Interval,
    test: significance.Permutation,
    rows: int,
) -> Contest:
    key = (a.name, b.name, criterion, metric)
    return Contest(*key, one.value, one.low, one.high, test.p_value, test.p_value, rows, "")


def _decided(row: Contest, p: float) -> Contest:
    verdict = "undecided"
    if p < ALPHA:
        verdict = "A is better" if row.difference > 0 else "B is better"
    return replace(row, p_holm=p, verdict=verdict)

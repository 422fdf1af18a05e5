"""What a run achieved: initial against fitted prompt on the test rows, paired, with one plain sentence as verdict."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from polyjudge.counting import many_of
from polyjudge.domain.criterion import Criterion
from polyjudge.domain.example import Example
from polyjudge.domain.records import Prediction, Step
from polyjudge.experiments.score.lost import lost_lines
from polyjudge.judge.measure import rater_matrix, ratings, scores
from polyjudge.metrics import agreement, ceilings, collapse, grouping, uncertainty
from polyjudge.metrics.levels import Matrix
from polyjudge.reports.say import figure, share, signed, span

COLUMNS = ("criterion", "initial", "fitted", "difference", "95 % interval", "coverage", "ceiling")


@dataclass(frozen=True, slots=True)
class Comparison:
    """One criterion (or the mean over them) before and after, by the primary metric on the test rows.

    Attributes:
        name: the criterion, or "mean".
        initial: agreement of the initial prompt on the rows that both prompts scored; nan = undefined.
        fitted: agreement of the fitted prompt on the same rows.
        difference: fitted minus initial on the rows that both scored.
        low: lower end of its 95 % interval, clustered by document; nan = undecided.
        high: upper end.
        coverage: share of the rated test rows that the fitted prompt scored; nan = no row is rated.
        coverage_initial: the same of the initial prompt.
        ceiling: agreement of one rater with the others; nan = unknown (fewer than two raters).
        collapsed: whether the fitted prompt gives (nearly) everything the same score.
    """

    name: str
    initial: float
    fitted: float
    difference: float
    low: float
    high: float
    coverage: float
    coverage_initial: float
    ceiling: float = math.nan
    collapsed: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """The comparison on the test rows.

    Attributes:
        metric: the primary one.
        rows: test rows.
        documents: the units of the intervals among them: documents, or different texts where the data name no
            documents and texts repeat; 0 when the rows are the units.
        criteria: one comparison each.
        mean: the unweighted mean over the criteria.
        verdict: one sentence.
        unit: "documents", "different texts" or "rows".
        notes: what else a reader of the fitted prompt's scores should know, a sentence each.
        simulated: what of it comes from a simulated world, by name; empty when nothing does.
    """

    metric: str
    rows: int
    documents: int
    criteria: tuple[Comparison, ...]
    mean: Comparison
    verdict: str
    unit: str = "documents"
    notes: tuple[str, ...] = ()
    simulated: tuple[str, ...] = ()

    def counted(self, kind: str = "test") -> str:
        """``14 test rows of 7 documents``."""
        return many_of(self.rows, f"{kind} rows", self.documents, self.unit)


def compare(
    metric: str,
    criteria: Sequence[Criterion],
    examples: Sequence[Example],
    initial: Sequence[Prediction],
    fitted: Sequence[Prediction],
    *,
    changed: bool,
) -> Outcome:
    """Initial against fitted predictions of the same examples, in the same order."""
    people = ratings(criteria, examples)
    before, after = scores(criteria, initial), scores(criteria, fitted)
    answered = [share_scored(one, people.human) for one in (before, after)]
    # What stands side by side is measured on the same rows: those that both prompts scored.
    before, after = np.where(np.isnan(after), np.nan, before), np.where(np.isnan(before), np.nan, after)
    found = agreement.metric(metric)
    own = [grouping.table(found, one, people.human, levels=people.levels) for one in (before, after)]
    differences = uncertainty.paired_bootstrap(
        found, after, before, people.human, levels=people.levels, documents=people.documents
    )
    rows = [
        Comparison(
            name=criterion.name,
            initial=own[0].per_criterion[k].value,
            fitted=own[1].per_criterion[k].value,
            difference=differences.per_criterion[k].value,
            low=differences.per_criterion[k].low,
            high=differences.per_criterion[k].high,
            coverage=answered[1][k],
            coverage_initial=answered[0][k],
            ceiling=ceilings.annotators_ceiling(
                found, rater_matrix(criterion, examples), levels=people.levels[k]
            ).value,
            collapsed=collapse.collapsed(after[:, k]).collapsed,
        )
        for k, criterion in enumerate(criteria)
    ]
    interval = differences.mean
    covered = [math.fsum(shares) / len(shares) for shares in answered]
    mean = Comparison(
        "mean",
        own[0].mean,
        own[1].mean,
        interval.value,
        interval.low,
        interval.high,
        covered[1],
        covered[0],
    )
    return Outcome(
        metric=metric,
        rows=len(examples),
        documents=differences.n_clusters if people.documents else 0,
        criteria=tuple(rows),
        mean=mean,
        verdict=_verdict(found, mean, rows, changed, _doubt(found, interval, people.unit)),
        unit=people.unit,
        notes=tuple(lost_lines(fitted)),
    )


def untried(found: Outcome, steps: Sequence[Step]) -> Outcome:
    """The same, with another verdict where every step failed: then nothing was tried that could have been refused."""
    turns = [step for step in steps if step.index]
    if not turns or any(step.status != "failed" for step in turns):
        return found
    why = f"every step failed, the last with {turns[-1].reason!r}"
    return replace(found, verdict=f"No change was tried, because {why}: the initial prompt stands.")


def _doubt(metric: agreement.Metric, interval: uncertainty.Interval, unit: str) -> str:
    """Why there is no interval, where there is none."""
    fewest = uncertainty.FEWEST_CLUSTERS
    if interval.n_clusters < fewest:
        return f"too few {unit} for an interval, {interval.n_clusters} with {fewest} needed"
    share = interval.n_undefined / interval.n_resamples
    return f"{metric.name} has no value in {share:.0%} of the resamples, because too few ratings or scores differ"


def share_scored(answers: Matrix, human: Matrix) -> list[float]:
    """The share of the rated rows of each criterion that have an answer (K,); nan where no row is rated."""
    rated = ~np.isnan(human)
    counts = zip((rated & ~np.isnan(answers)).sum(axis=0).tolist(), rated.sum(axis=0).tolist(), strict=True)
    return [scored / of if of else math.nan for scored, of in counts]


def _verdict(metric: agreement.Metric, mean: Comparison, rows: Sequence[Comparison], changed: bool, doubt: str) -> str:
    if not changed:
        return "No change was accepted: the initial prompt stands."
    figures = f"mean {metric.name} {mean.initial:.3f} -> {mean.fitted:.3f}, difference {mean.difference:+z.3f}"
    undefined = [row.name for row in rows if math.isnan(row.difference)]
    if undefined:
        return f"Undecided: {metric.name} is undefined on {', '.join(undefined)}."
    if math.isnan(mean.low):
        return f"Undecided: {doubt} ({figures})."
    interval = f"95 % interval {mean.low:+.3f} to {mean.high:+.3f}"
    better, worse = (mean.low > 0, mean.high < 0) if metric.higher_is_better else (mean.high < 0, mean.low > 0)
    if better:
        return f"The fitted prompt agrees better with people ({figures}, {interval})."
    if worse:
        return f"The fitted prompt agrees less with people ({figures}, {interval}); keep the initial one."
    return f"No reliable improvement ({figures}, {interval} includes 0)."


def outcome_rows(outcome: Outcome) -> list[tuple[str, ...]]:
    """The table of an outcome, one row a criterion and the mean last; cells as ``COLUMNS`` names them."""
    return [_cells(row) for row in (*outcome.criteria, outcome.mean)]


def _cells(row: Comparison) -> tuple[str, ...]:
    interval = "undefined" if math.isnan(row.difference) else span(row.low, row.high)
    ceiling = ("" if row.name == "mean" else "unknown") if math.isnan(row.ceiling) else f"{row.ceiling:.3f}"
    return (
        row.name,
        figure(row.initial),
        figure(row.fitted),
        signed(row.difference),
        interval,
        share(row.coverage),
        ceiling,
    )

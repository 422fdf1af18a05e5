"""What a run achieved: initial against fitted prompt on the test rows, paired, with one plain sentence as verdict.

What an expected score leaves out: probability that fell on no label of its scale, in words.

The one place that says whether a result is simulated. What it returns stands in every artefact of a run.

A backend says of itself that no model answers (``Abilities.simulated``), a data set that nobody rated
(``Dataset.simulated``); everything else asks here.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from polyjudge.domain.dataset import Dataset
from polyjudge.domain.records import Prediction, Step
from polyjudge.formatting.text import interval, many_of, number, percent, signed
from polyjudge.judge.measure import scores
from polyjudge.llm.request import SIMULATED, Asker
from polyjudge.metrics import agreement, baselines, collapse, grouping, uncertainty
from polyjudge.metrics.estimates import Estimate
from polyjudge.metrics.rated import RatedRows, coverage
from polyjudge.results.rungs import Rung

# Less of it changes no score by more than reading it as an integer does.
WORTH_SAYING = 0.05


def lost_lines(predictions: Sequence[Prediction]) -> list[str]:
    """One line on the criteria that lost more than ``WORTH_SAYING`` on average; none when there is none.

    Args:
        predictions: of any scoring method; only those read from token probabilities say what was lost.
    """
    lost = Lost()
    for prediction in predictions:
        lost.add(prediction)
    return lost.lines()


class Lost:
    """What was lost so far, by criterion."""

    def __init__(self) -> None:
        self._shares: dict[str, tuple[float, int]] = {}

    def add(self, prediction: Prediction) -> None:
        for name, lost in prediction.lost.items():
            total, count = self._shares.get(name, (0.0, 0))
            self._shares[name] = total + lost, count + 1

    def lines(self) -> list[str]:
        """As ``lost_lines``."""
        means = {name: total / count for name, (total, count) in self._shares.items()}
        said = [f"{name} {percent(mean)}" for name, mean in means.items() if mean > WORTH_SAYING]
        if not said:
            return []
        return [f"Token probability that fell on no label of the scale, left out of the scores: {', '.join(said)}."]


class Positions:
    """How often the place of a text decided a preference that was asked in both orders, by criterion."""

    def __init__(self) -> None:
        self._counts: dict[str, Counter[str]] = {}

    def add(self, prediction: Prediction) -> None:
        for name, (given, exchanged) in prediction.orders.items():
            if not (math.isnan(given) or math.isnan(exchanged)):
                # The exchanged score speaks of the texts in the given order: 0 and 1 mean that the first place won.
                kind = {(0.0, 1.0): "first", (1.0, 0.0): "second"}.get((given, exchanged), "other")
                self._counts.setdefault(name, Counter())["same" if given == exchanged else kind] += 1

    def lines(self) -> list[str]:
        """One line a criterion; empty if nothing was asked in both orders."""
        lines = []
        for name, counts in self._counts.items():
            total = counts.total()
            first, second, same = (percent(counts[kind] / total) for kind in ("first", "second", "same"))
            lines.append(
                f"Position bias of {name}, of {total:,} pairs: the text in the first place won in both orders in "
                f"{first}, the one in the second place in {second}; both orders said the same in {same}."
            )
        return lines


def position_lines(predictions: Sequence[Prediction]) -> list[str]:
    """As ``Positions.lines``."""
    positions = Positions()
    for prediction in predictions:
        positions.add(prediction)
    return positions.lines()


PRIMARY = "primary"
PRIMARY_NOTE = (
    "Each criterion is measured by its own metric: Spearman's rank correlation on numbers, Cohen's kappa on labels. "
    "The mean over the criteria is a mean of both."
)


def metric_label(metric: str) -> str:
    """A metric as people read it: "agreement" for "primary", which is each criterion's own metric."""
    return "agreement" if metric == PRIMARY else metric


COLUMNS = ("criterion", "initial", "fitted", "difference", "95 % interval", "coverage", "one annotator")


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
        one_annotator: agreement of one annotator with the others; nan = unknown (fewer than two raters).
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
    one_annotator: float = math.nan
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
        rungs: the ladder, the judge as it stood first; empty where there was nothing but words to fit.
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
    rungs: tuple[Rung, ...] = ()

    def counted(self, kind: str = "test") -> str:
        """``14 test rows of 7 documents``."""
        return many_of(self.rows, f"{kind} rows", self.documents, self.unit)


def compare(
    metric: str,
    people: RatedRows,
    initial: Sequence[Prediction],
    fitted: Sequence[Prediction],
    *,
    changed: bool,
    fitted_part: str = "prompt",
) -> Outcome:
    """Initial against fitted predictions of the same rows, in the same order.

    Args:
        metric: the primary one.
        people: the rows as people rated them.
        initial: by the judge before the fit.
        fitted: by the judge after it.
        changed: whether the two differ in anything.
        fitted_part: what differs, for the verdict: "prompt" or "judge".
    """
    before, after = scores(people.names, initial), scores(people.names, fitted)
    answered = [coverage(given, people) for given in (before, after)]
    # What stands side by side is measured on the same rows: those that both prompts scored.
    before, after = np.where(np.isnan(after), np.nan, before), np.where(np.isnan(before), np.nan, after)
    found = agreement.metric_of(metric)
    own = [grouping.table(found, one, people) for one in (before, after)]
    differences = uncertainty.paired_bootstrap(found, after, before, people)
    rows = [
        Comparison(
            name=name,
            initial=own[0].per_criterion[k].value,
            fitted=own[1].per_criterion[k].value,
            difference=differences.per_criterion[k].value,
            low=differences.per_criterion[k].low,
            high=differences.per_criterion[k].high,
            coverage=answered[1][k],
            coverage_initial=answered[0][k],
            one_annotator=baselines.one_annotator(found, people.raters[k], levels=people.levels[k]).value,
            collapsed=collapse.collapsed(after[:, k]).collapsed,
        )
        for k, name in enumerate(people.names)
    ]
    change = differences.mean
    covered = [math.fsum(shares) / len(shares) for shares in answered]
    mean = Comparison(
        "mean",
        own[0].mean,
        own[1].mean,
        change.value,
        change.low,
        change.high,
        covered[1],
        covered[0],
    )
    return Outcome(
        metric=metric,
        rows=len(people),
        documents=differences.n_clusters if people.documents else 0,
        criteria=tuple(rows),
        mean=mean,
        verdict=_verdict(found, mean, rows, changed, _doubt(found, change, people.unit), fitted_part),
        unit=people.unit,
        notes=(*lost_lines(fitted), *position_lines(fitted)),
    )


def untried(found: Outcome, steps: Sequence[Step], *, changed: bool = False) -> Outcome:
    """The same, with what it says where every step failed: then nothing was tried that could have been refused.

    Args:
        found: the outcome.
        steps: of the run.
        changed: whether another rung changed the judge, so that the verdict stands and this is a note.
    """
    turns = [step for step in steps if step.index]
    if not turns or any(step.status != "failed" for step in turns):
        return found
    why = f"every step failed, the last with {turns[-1].reason!r}"
    if changed:
        return replace(found, notes=(*found.notes, f"No new instruction was tried, because {why}."))
    return replace(found, verdict=f"No change was tried, because {why}: the initial prompt stands.")


def _doubt(metric: agreement.Metric, change: Estimate, unit: str) -> str:
    """Why the change has no interval, where it has none."""
    fewest = uncertainty.FEWEST_CLUSTERS
    if change.n_clusters < fewest:
        return f"too few {unit} for an interval, {change.n_clusters} with {fewest} needed"
    undefined = percent(change.n_undefined / change.n_resamples)
    label = metric_label(metric.name)
    return f"{label} has no value in {undefined} of the resamples, because too few ratings or scores differ"


def _verdict(
    metric: agreement.Metric, mean: Comparison, rows: Sequence[Comparison], changed: bool, doubt: str, part: str
) -> str:
    if not changed:
        return "No change was accepted: the initial prompt stands."
    means = f"{number(mean.initial)} -> {number(mean.fitted)}"
    figures = f"mean {metric_label(metric.name)} {means}, difference {signed(mean.difference)}"
    undefined = [row.name for row in rows if math.isnan(row.difference)]
    if undefined:
        return f"Undecided: {metric_label(metric.name)} is undefined on {', '.join(undefined)}."
    if math.isnan(mean.low):
        return f"Undecided: {doubt} ({figures})."
    ends = f"95 % interval {interval(mean.low, mean.high)}"
    better, worse = (mean.low > 0, mean.high < 0) if metric.higher_is_better else (mean.high < 0, mean.low > 0)
    if better:
        return f"The fitted {part} agrees better with people ({figures}, {ends})."
    if worse:
        return f"The fitted {part} agrees less with people ({figures}, {ends}); keep the initial one."
    return f"No reliable improvement ({figures}, {ends} includes 0)."


def outcome_rows(outcome: Outcome) -> list[tuple[str, ...]]:
    """The table of an outcome, one row a criterion and the mean last; cells as ``COLUMNS`` names them."""
    return [_cells(row) for row in (*outcome.criteria, outcome.mean)]


def _cells(row: Comparison) -> tuple[str, ...]:
    ends = "undefined" if math.isnan(row.difference) else interval(row.low, row.high)
    annotator = number(row.one_annotator, "" if row.name == "mean" else "unknown")
    return (
        row.name,
        number(row.initial),
        number(row.fitted),
        signed(row.difference),
        ends,
        percent(row.coverage),
        annotator,
    )


def simulated(models: Iterable[str], asker: Asker, dataset: Dataset | None = None) -> tuple[str, ...]:
    """What of a run is simulated, by name, models first; empty when nothing is."""
    found = [model for model in dict.fromkeys(models) if asker.abilities(model).simulated]
    if dataset is not None and dataset.simulated:
        found.append(f"data {dataset.name}")
    return tuple(found)


def marked(outcome: Outcome, parts: tuple[str, ...], *, unrelated: bool) -> Outcome:
    """An outcome whose verdict and notes say what of it is simulated."""
    if not parts:
        return outcome
    told = notice(parts, unrelated=unrelated)
    verdict = f"{SIMULATED}: {outcome.verdict}"
    return replace(outcome, verdict=verdict, notes=(told, *outcome.notes), simulated=parts)


def notice(parts: tuple[str, ...], *, unrelated: bool = False) -> str:
    """The sentence that stands beside every simulated result; "" when nothing is simulated.

    Args:
        parts: as ``simulated`` gives them.
        unrelated: whether the rows are not those of a world, so that its judge knows nothing of their ratings.
    """
    if not parts:
        return ""
    text = (
        f"{SIMULATED} ({', '.join(parts)}): this tests software; it says nothing about a real model or about people."
    )
    if unrelated:
        text += " The simulated judge draws its scores from a digest of each text, unrelated to these ratings."
    return text

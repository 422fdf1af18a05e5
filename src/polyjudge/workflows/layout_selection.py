"""Layout ``auto``: judge the initial prompt on the validation rows in each layout, and choose the cheapest good one.

A layout is good if it is not credibly worse than the best one, neither in agreement (the mean over the criteria, on
the rows that both scored) nor in coverage. Both comparisons are paired, with intervals over resampled documents. If
there are too few documents for an interval, no layout counts as credibly worse in agreement, and coverage, which is
counted and not estimated, is compared as it is.

The cost of a layout is counted in tokens of its replies, without those that a prefix cache served. The cache keeps the
replies, so that a replay makes the same choice. Money is shown as well, but it decides nothing, because prices may
change between a run and its replay.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from polyjudge.domain.records import Prediction
from polyjudge.formatting.text import CHARACTERS_A_TOKEN
from polyjudge.gates.base import COVERAGE_SLACK
from polyjudge.judge.measure import measure, scores
from polyjudge.llm.prices import Price, Tariff, usd
from polyjudge.llm.request import Abilities, Asker, Reply, Request
from polyjudge.metrics import agreement, uncertainty
from polyjudge.metrics.levels import Levels, Matrix
from polyjudge.metrics.rated import RatedRows
from polyjudge.results.outcome import Choice, Gap, Rival, Weighed
from polyjudge.workflows.assemble import RunSetup


async def choose(run_setup: RunSetup, price: Tariff | None) -> Choice:
    """Measure the candidate layouts of a run, one after another, and choose one."""
    prompt, rows = run_setup.prompt, run_setup.split.validation
    rated = run_setup.validation_rows
    weighed: list[Weighed] = []
    scores_by_layout: list[Matrix] = []
    for layout in run_setup.layouts:
        usage = UsageCounter(run_setup.judge.asker, price)
        predictions = await replace(run_setup.judge, layout=layout, asker=usage).evaluate(prompt, rows)
        weighed.append(_weighed(str(layout), usage, run_setup.metric, predictions, rated))
        scores_by_layout.append(scores(prompt.names, predictions))
    by_tokens = sorted(range(len(weighed)), key=lambda index: weighed[index].tokens)
    weighed, scores_by_layout = (
        [weighed[index] for index in by_tokens],
        [scores_by_layout[index] for index in by_tokens],
    )
    metric = agreement.metric_of(run_setup.metric)
    rivals = _rivals(metric, weighed, scores_by_layout, rated)
    eligible = [rival for rival in rivals if not rival.worse] or [rivals[_best([rival.coverage for rival in weighed])]]
    units = rated.n_units if rated.documents else 0
    chosen = eligible[0]
    return Choice(
        layout=chosen.layout,
        reason=_reason(chosen, rivals),
        metric=run_setup.metric,
        rows=len(rows),
        documents=units,
        unit=rated.unit,
        weighed=tuple(weighed),
        rivals=tuple(rivals),
    )


class UsageCounter:
    """An asker that passes requests on, and adds up the tokens and the cost of their replies."""

    def __init__(self, asker: Asker, price: Tariff | None = None) -> None:
        self._asker = asker
        self._price = price if isinstance(price, Price) else None
        self.calls = self.prompt = self.cached = self.completion = self.picodollars = 0
        self.estimated = False

    async def ask(self, request: Request) -> Reply:
        reply = await self._asker.ask(request)
        usage = reply.usage
        self.estimated = self.estimated or usage.prompt is None or usage.completion is None
        said = sum(len(message.content) for message in request.messages)
        prompt = said // CHARACTERS_A_TOKEN if usage.prompt is None else usage.prompt
        written = len(reply.text) // CHARACTERS_A_TOKEN if usage.completion is None else usage.completion
        self.calls += 1
        self.prompt += prompt
        self.completion += written
        self.cached += usage.cached or 0
        if self._price is not None:
            self.picodollars += self._price.of(usage, prompt, written)
        return reply

    def cost(self) -> float | None:
        """USD so far; None without a price."""
        return None if self._price is None else usd(self.picodollars)

    def abilities(self, model: str) -> Abilities:
        return self._asker.abilities(model)


def _weighed(
    name: str, usage: UsageCounter, metric: str, predictions: Sequence[Prediction], rated: RatedRows
) -> Weighed:
    measured, rows = measure(metric, predictions, rated), len(predictions)
    shares, cost = list(measured.coverage.values()), usage.cost()
    return Weighed(
        layout=name,
        agreement=measured.mean,
        coverage=math.fsum(shares) / len(shares),
        calls=usage.calls / rows,
        prompt=usage.prompt / rows,
        cached=usage.cached / rows,
        completion=usage.completion / rows,
        estimated=usage.estimated,
        cost=None if cost is None else cost / rows,
    )


def _rivals(
    metric: agreement.Metric, weighed: Sequence[Weighed], scores_by_layout: Sequence[Matrix], rated: RatedRows
) -> list[Rival]:
    sign = 1 if metric.higher_is_better else -1
    best_agreement, best_coverage = (
        _best([sign * candidate.agreement for candidate in weighed]),
        _best([candidate.coverage for candidate in weighed]),
    )
    rivals = []
    for candidate, layout_scores in zip(weighed, scores_by_layout, strict=True):
        agreement_gap = _gap(metric, scores_by_layout[best_agreement], layout_scores, rated)
        coverage_gap = _gap(
            agreement.metric_of("mae"),
            _unscored(scores_by_layout[best_coverage]),
            _unscored(layout_scores),
            _all_scored(rated),
        )
        # If only the best layout has a defined agreement (constant scores have none), this one cannot be chosen.
        undefined = math.isnan(candidate.agreement) and not math.isnan(weighed[best_agreement].agreement)
        undecided = math.isnan(coverage_gap.low) and coverage_gap.value > COVERAGE_SLACK
        rivals.append(
            Rival(
                candidate.layout,
                agreement_gap,
                coverage_gap,
                undefined or undecided or agreement_gap.credible or coverage_gap.credible,
            )
        )
    return rivals


def _best(values: Sequence[float]) -> int:
    """The index of the highest value, the first among equal ones; NaN is the lowest."""
    return max(
        range(len(values)), key=lambda index: (-math.inf if math.isnan(values[index]) else values[index], -index)
    )


def _gap(metric: agreement.Metric, best: Matrix, other: Matrix, rated: RatedRows) -> Gap:
    difference = uncertainty.paired_bootstrap(metric, best, other, rated).mean
    sign = 1 if metric.higher_is_better else -1
    low, high = (
        sorted((sign * difference.low, sign * difference.high))
        if not math.isnan(difference.low)
        else (math.nan, math.nan)
    )
    # Adding 0.0 turns -0.0 into 0.0.
    return Gap(sign * difference.value + 0.0, low, high)


def _unscored(scores: Matrix) -> Matrix:
    return np.isnan(scores).astype(float)


def _all_scored(rated: RatedRows) -> RatedRows:
    """The rated rows with all ratings 0: the mean absolute error of ``_unscored`` is the share without a score."""
    zero = np.where(np.isnan(rated.human), np.nan, 0.0)
    return replace(rated, human=zero, levels=(Levels(0, 1, 1),) * zero.shape[1])


def _reason(chosen: Rival, rivals: Sequence[Rival]) -> str:
    worse = [rival for rival in rivals if rival.worse and rival is not chosen]
    if chosen.worse:
        return f"every layout is credibly worse in something, and {chosen.layout} scores the most rows"
    if _unsure(chosen):
        unsure = "these rows cannot decide whether it agrees less than the best"
        return f"{chosen.layout} is the cheapest that scores enough rows; {unsure}"
    if rivals[0] is chosen:
        return f"{chosen.layout} takes the fewest tokens and is credibly worse in neither agreement nor coverage"
    dropped = ", ".join(f"{rival.layout} is cheaper and credibly worse in {_in_what(rival)}" for rival in worse)
    return f"{chosen.layout} is the cheapest that is not worse: {dropped}"


def _unsure(chosen: Rival) -> bool:
    """Whether the layout agrees less on these rows and there is no interval to decide by."""
    return math.isnan(chosen.agreement.low) and not chosen.agreement.value <= 0


def _in_what(rival: Rival) -> str:
    coverage = rival.coverage.credible or (math.isnan(rival.coverage.low) and rival.coverage.value > COVERAGE_SLACK)
    return "coverage" if coverage else "agreement"

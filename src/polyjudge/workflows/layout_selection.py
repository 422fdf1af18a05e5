"""Layout ``auto``: the initial prompt is judged on the validation rows in each layout; the cheapest good one is taken.

Good is a layout that is credibly worse than the best neither in agreement (mean over the criteria, on the rows that
both scored) nor in coverage. Both are paired, with intervals over resampled documents. Where documents are too few for
an interval nothing is credibly worse in agreement; coverage, which is counted and not estimated, is then compared as
it stands.

What a layout takes is read from its replies, which the cache keeps, so that a replay decides the same. Tokens
decide, without those that a prefix cache served; money is shown beside them and decides nothing, because prices change
between a run and its replay.
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
from polyjudge.workflows.assemble import House


async def choose(house: House, price: Tariff | None) -> Choice:
    """Measure the layouts that a run may take, one after another, and choose one."""
    prompt, rows = house.prompt, house.split.validation
    people = house.validation_rows
    weighed: list[Weighed] = []
    given: list[Matrix] = []
    for used in house.layouts:
        usage = UsageCounter(house.judge.asker, price)
        predictions = await replace(house.judge, layout=used, asker=usage).evaluate(prompt, rows)
        weighed.append(_weighed(str(used), usage, house.metric, predictions, people))
        given.append(scores(prompt.names, predictions))
    order = sorted(range(len(weighed)), key=lambda at: weighed[at].tokens)
    weighed, given = [weighed[at] for at in order], [given[at] for at in order]
    found = agreement.metric_of(house.metric)
    rivals = _rivals(found, weighed, given, people)
    good = [one for one in rivals if not one.worse] or [rivals[_best([one.coverage for one in weighed])]]
    units = people.n_units if people.documents else 0
    chosen = good[0]
    return Choice(
        layout=chosen.layout,
        reason=_reason(chosen, rivals),
        metric=house.metric,
        rows=len(rows),
        documents=units,
        unit=people.unit,
        weighed=tuple(weighed),
        rivals=tuple(rivals),
    )


class UsageCounter:
    """An asker that passes questions on and adds up what their answers took."""

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
    name: str, usage: UsageCounter, metric: str, predictions: Sequence[Prediction], people: RatedRows
) -> Weighed:
    measured, rows = measure(metric, predictions, people), len(predictions)
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
    metric: agreement.Metric, weighed: Sequence[Weighed], given: Sequence[Matrix], people: RatedRows
) -> list[Rival]:
    sign = 1 if metric.higher_is_better else -1
    agreeing, covering = _best([sign * one.agreement for one in weighed]), _best([one.coverage for one in weighed])
    found = []
    for own, matrix in zip(weighed, given, strict=True):
        less = _gap(metric, given[agreeing], matrix, people)
        fewer = _gap(agreement.metric_of("mae"), _unscored(given[covering]), _unscored(matrix), _all_scored(people))
        # Where the best has a figure and this one none, as of constant scores, there is nothing to be said for it.
        mute = math.isnan(own.agreement) and not math.isnan(weighed[agreeing].agreement)
        undecided = math.isnan(fewer.low) and fewer.value > COVERAGE_SLACK
        found.append(Rival(own.layout, less, fewer, mute or undecided or less.credible or fewer.credible))
    return found


def _best(values: Sequence[float]) -> int:
    """The place of the highest value, the first of equals; what is undefined is the lowest."""
    return max(range(len(values)), key=lambda at: (-math.inf if math.isnan(values[at]) else values[at], -at))


def _gap(metric: agreement.Metric, best: Matrix, other: Matrix, people: RatedRows) -> Gap:
    found = uncertainty.paired_bootstrap(metric, best, other, people).mean
    sign = 1 if metric.higher_is_better else -1
    low, high = sorted((sign * found.low, sign * found.high)) if not math.isnan(found.low) else (math.nan, math.nan)
    # A difference of nothing has no sign.
    return Gap(sign * found.value + 0.0, low, high)


def _unscored(given: Matrix) -> Matrix:
    return np.isnan(given).astype(float)


def _all_scored(people: RatedRows) -> RatedRows:
    """The rated rows as 0: the mean absolute error of ``_unscored`` against it is the share that has no score."""
    zero = np.where(np.isnan(people.human), np.nan, 0.0)
    return replace(people, human=zero, levels=(Levels(0, 1, 1),) * zero.shape[1])


def _reason(chosen: Rival, rivals: Sequence[Rival]) -> str:
    worse = [one for one in rivals if one.worse and one is not chosen]
    if chosen.worse:
        return f"none is free of a credible loss, and {chosen.layout} scores most rows"
    if _unsure(chosen):
        unsure = "whether it agrees less than the best is undecided on these rows"
        return f"{chosen.layout} is the cheapest that scores enough rows; {unsure}"
    if rivals[0] is chosen:
        return f"{chosen.layout} takes the fewest tokens and is credibly worse in neither agreement nor coverage"
    told = ", ".join(f"{one.layout} is cheaper and credibly worse in {_in_what(one)}" for one in worse)
    return f"{chosen.layout} is the cheapest that is not worse: {told}"


def _unsure(chosen: Rival) -> bool:
    """Whether a layout that agrees less on these rows went unchallenged, because there is no interval."""
    return math.isnan(chosen.agreement.low) and not chosen.agreement.value <= 0


def _in_what(rival: Rival) -> str:
    coverage = rival.coverage.credible or (math.isnan(rival.coverage.low) and rival.coverage.value > COVERAGE_SLACK)
    return "coverage" if coverage else "agreement"

"""The rung ``configure``: judge a prompt on the validation rows in each configuration, and take the cheapest good one.

A configuration is a scoring method, a layout, and demonstrations or none. All are measured on a first half of the
rows, from the cheapest on. One that is worse than the best there by more than the margin and half a standard error, or
that scores credibly fewer rows, is given up; the others are measured on the rest. Taken is the cheapest whose point
loss of agreement (the mean over the criteria, on the rows that both scored) is within the margin and whose coverage is
not credibly lower. A rule that takes the cheapest that is "not credibly worse" would choose by lack of evidence: on
recorded judges it took a layout that truly loses more than .03 in 85 % of the draws of 100 rows.

The cost of a configuration is counted in tokens of its replies, without those that a prefix cache served. Costs that
differ by less than ``EQUAL_COST`` are equal, and then agreement decides. The cache keeps the replies, so that a replay
makes the same choice. Money is shown as well, but it decides nothing, because prices may change between a run and its
replay.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.records import Prediction
from polyjudge.formatting.text import CHARACTERS_A_TOKEN, number
from polyjudge.gates.base import COVERAGE_SLACK
from polyjudge.gates.early import EarlyReject
from polyjudge.judge.measure import measure, scores
from polyjudge.llm.prices import Price, Tariff, usd
from polyjudge.llm.request import Abilities, Asker, Reply, Request
from polyjudge.metrics import agreement, uncertainty
from polyjudge.metrics.estimates import Estimate
from polyjudge.metrics.levels import Levels, Matrix
from polyjudge.metrics.rated import RatedRows
from polyjudge.results.choice import Choice, Gap, Rival, Weighed
from polyjudge.workflows.assemble import Option, RunSetup

EQUAL_COST = 0.02
Mask = npt.NDArray[np.bool_]


@dataclass(slots=True)
class _Trial:
    """One configuration, and what it scored so far."""

    option: Option
    usage: UsageCounter
    predictions: list[Prediction | None]
    rival: Rival | None = None

    @property
    def judged(self) -> list[Prediction]:
        return [prediction for prediction in self.predictions if prediction is not None]


async def choose(
    run_setup: RunSetup, prompt: JudgePrompt, price: Tariff | None, *, margin: float, seed: int
) -> tuple[Option, Choice]:
    """Measure the configurations of a run with a prompt, and choose one.

    Args:
        run_setup: with the configurations, the judge as it stands first.
        prompt: that is judged.
        price: of the judge's model.
        margin: how much less than the best the cheapest may agree.
        seed: of the first half of the rows.
    """
    rated = run_setup.validation_rows
    trials = [
        _Trial(option, UsageCounter(run_setup.judge.asker, price), [None] * len(rated)) for option in run_setup.options
    ]
    by_calls = sorted(trials, key=lambda trial: len(trial.option.layout.groups))
    half = EarlyReject(seed).first_half(0, rated)
    rest = by_calls
    if len(trials) > 1 and not half.all():
        for trial in by_calls:
            await _judge(run_setup, prompt, trial, half)
        _compare(run_setup, by_calls, rated.take(half), margin, early=True)
        rest = [trial for trial in by_calls if trial.rival is None or not trial.rival.worse]
        half = ~half
    else:
        half = np.ones(len(rated), dtype=bool)
    for trial in rest:
        await _judge(run_setup, prompt, trial, half)
    _compare(run_setup, rest, rated, margin, early=False)
    weighed = {id(trial): _weighed(trial, run_setup.metric, rated) for trial in trials}
    ordered = sorted(trials, key=lambda trial: weighed[id(trial)].tokens)
    chosen = _cheapest(run_setup, ordered, weighed)
    table = tuple(weighed[id(trial)] for trial in ordered)
    rivals = tuple(trial.rival for trial in ordered if trial.rival is not None)
    position = ordered.index(chosen)
    taken = table[position]
    choice = Choice(
        layout=taken.layout,
        reason=_reason(position, table, rivals, margin),
        metric=run_setup.metric,
        rows=len(rated),
        documents=rated.n_units if rated.documents else 0,
        unit=rated.unit,
        weighed=table,
        rivals=rivals,
        scoring=taken.scoring,
        demonstrations=taken.demonstrations,
        before=ordered.index(trials[0]),
    )
    return chosen.option, choice


async def _judge(run_setup: RunSetup, prompt: JudgePrompt, trial: _Trial, rows: Mask) -> None:
    """Judge the rows of a mask in a configuration."""
    option = trial.option
    judge = replace(run_setup.judge, layout=option.layout, scoring=option.scoring, asker=trial.usage)
    examples = [example for example, inside in zip(run_setup.split.validation, rows, strict=True) if inside]
    shown = replace(prompt, demonstrations=option.demonstrations)
    found = iter(await judge.evaluate(shown, examples))
    trial.predictions = [next(found) if inside else old for old, inside in zip(trial.predictions, rows, strict=True)]


def _compare(run_setup: RunSetup, trials: Sequence[_Trial], rated: RatedRows, margin: float, *, early: bool) -> None:
    """Set each trial against the best by agreement and the best by coverage, on the rows that all have judged.

    Args:
        run_setup: of the run.
        trials: that have judged the same rows.
        rated: these rows.
        margin: of agreement.
        early: whether a trial that may still turn out to be within the margin is not called worse.
    """
    metric = agreement.metric_of(run_setup.metric)
    sign = 1 if metric.higher_is_better else -1
    matrices = [scores(rated.names, trial.judged) for trial in trials]
    measured = [measure(run_setup.metric, trial.judged, rated) for trial in trials]
    means = [sign * one.mean for one in measured]
    covered = [math.fsum(one.coverage.values()) / len(one.coverage) for one in measured]
    best, fullest = _best(means), _best(covered)
    for trial, matrix, mean in zip(trials, matrices, means, strict=True):
        gap = uncertainty.paired_bootstrap(metric, matrices[best], matrix, rated).mean
        agreement_gap = _gap(gap, sign)
        coverage_gap = _gap(
            uncertainty.paired_bootstrap(
                agreement.metric_of("mae"), _unscored(matrices[fullest]), _unscored(matrix), _all_scored(rated)
            ).mean,
            -1,
        )
        # If only the best has a defined agreement (constant scores have none), this one cannot be chosen.
        undefined = math.isnan(mean) and not math.isnan(means[best])
        undecided = math.isnan(coverage_gap.low) and coverage_gap.value > COVERAGE_SLACK
        slack = EarlyReject().errors * gap.standard_error if early else 0.0
        worse = agreement_gap.value > margin + slack
        trial.rival = Rival(
            str(trial.option.layout),
            agreement_gap,
            coverage_gap,
            undefined or undecided or worse or coverage_gap.credible,
        )


def _cheapest(run_setup: RunSetup, ordered: Sequence[_Trial], weighed: dict[int, Weighed]) -> _Trial:
    """The cheapest that is not worse, of equally cheap ones the one that agrees best; else the fullest."""
    good = [trial for trial in ordered if trial.rival is not None and not trial.rival.worse]
    if not good:
        whole = [trial for trial in ordered if len(trial.judged) == len(trial.predictions)]
        return whole[_best([weighed[id(trial)].coverage for trial in whole])]
    most = weighed[id(good[0])].tokens * (1 + EQUAL_COST)
    equals = [trial for trial in good if weighed[id(trial)].tokens <= most]
    # Where all is equal, the richer reply is taken: expected scores come with the probability of each label.
    equals.sort(key=lambda trial: not trial.option.scoring.labels(run_setup.prompt.criteria[0]))
    sign = 1 if agreement.metric_of(run_setup.metric).higher_is_better else -1
    return equals[_best([sign * weighed[id(trial)].agreement for trial in equals])]


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


def _weighed(trial: _Trial, metric: str, rated: RatedRows) -> Weighed:
    judged = np.array([prediction is not None for prediction in trial.predictions])
    rows, usage, option = int(judged.sum()), trial.usage, trial.option
    measured = measure(metric, trial.judged, rated.take(judged))
    shares, cost = list(measured.coverage.values()), usage.cost()
    return Weighed(
        layout=str(option.layout),
        agreement=measured.mean,
        coverage=math.fsum(shares) / len(shares),
        calls=usage.calls / rows,
        prompt=usage.prompt / rows,
        cached=usage.cached / rows,
        completion=usage.completion / rows,
        estimated=usage.estimated,
        cost=None if cost is None else cost / rows,
        scoring=option.scoring.name,
        demonstrations=len(option.demonstrations),
        rows=rows,
    )


def _best(values: Sequence[float]) -> int:
    """The index of the highest value, the first among equal ones; NaN is the lowest."""
    return max(
        range(len(values)), key=lambda index: (-math.inf if math.isnan(values[index]) else values[index], -index)
    )


def _gap(difference: Estimate, sign: int) -> Gap:
    """How much worse the second of two is; adding 0.0 turns -0.0 into 0.0."""
    if math.isnan(difference.low):
        return Gap(sign * difference.value + 0.0, math.nan, math.nan)
    low, high = sorted((sign * difference.low, sign * difference.high))
    return Gap(sign * difference.value + 0.0, low, high)


def _unscored(scores: Matrix) -> Matrix:
    return np.isnan(scores).astype(float)


def _all_scored(rated: RatedRows) -> RatedRows:
    """The rated rows with all ratings 0: the mean absolute error of ``_unscored`` is the share without a score."""
    zero = np.where(np.isnan(rated.human), np.nan, 0.0)
    return replace(rated, human=zero, levels=(Levels(0, 1, 1),) * zero.shape[1])


def _reason(chosen: int, weighed: Sequence[Weighed], rivals: Sequence[Rival], margin: float) -> str:
    name, rival = weighed[chosen].name, rivals[chosen]
    if rival.worse:
        return f"every configuration loses agreement or coverage, and {name} scores the most rows"
    loss = f"agrees {number(rival.agreement.value)} less than the best, within the margin of {margin:g}"
    stands = "agrees best" if not rival.agreement.value > 0 else loss
    least = weighed[chosen].tokens / (1 + EQUAL_COST)
    lost = [
        f"{one.name} is cheaper and loses {_in_what(other)}"
        for one, other in zip(weighed, rivals, strict=True)
        if other.worse and one.tokens < least
    ]
    return f"{name} {stands}; {', '.join(lost)}" if lost else f"{name} takes the fewest tokens and {stands}"


def _in_what(rival: Rival) -> str:
    if rival.coverage.credible or (math.isnan(rival.coverage.low) and rival.coverage.value > COVERAGE_SLACK):
        return "coverage"
    value = rival.agreement.value
    return "agreement, which is undefined" if math.isnan(value) else f"{number(value)} of agreement"

"""The gate ``per-criterion`` under the rule ``point`` decides on each new instruction by its own criterion.

A mean over criteria hides losses: one criterion may fall from .30 to .05 while the mean rises. Here a new instruction
passes if the agreement on its own criterion is strictly better. Those that pass are merged, and the merged prompt, in
which they are combined for the first time, must be strictly better in the mean with no criterion credibly worse.

Better is decided by the point estimate, because validation sets are too small for anything to be credibly better;
this accepts half of all changes without effect. Worse is decided by an interval, because criteria whose instruction
did not change move by noise as well.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import ClassVar

from polyjudge.domain.criterion import Criterion
from polyjudge.domain.decomposition import Group
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.records import Effect, Measured, Prediction
from polyjudge.gates.base import Decision, Evidence, Scored, Selection, Verdict, compare, unscored_more
from polyjudge.judge.measure import measure_each, own_metric, scores
from polyjudge.metrics.agreement import metric_of
from polyjudge.metrics.metric import Metric
from polyjudge.metrics.rated import RatedRows
from polyjudge.metrics.uncertainty import paired_bootstrap

# Central share of the bootstrap differences. A criterion is credibly worse when 90 % of them fall below 0. A wrong
# refusal costs one step, a wrong acceptance harms a criterion for good, so that in doubt the gate refuses.
LEVEL = 0.80

# Whether a defined effect is an improvement, and the figures behind it.
Rule = Callable[[Effect], tuple[bool, str]]


@dataclass(frozen=True, slots=True)
class PerCriterionGate:
    """Accept each new instruction by its own measured effect, then all of them by their joint effect.

    Attributes:
        metrics: criterion -> its metric or the name of it, for which higher must be better; criteria that are not
            named take Spearman on numbers and Cohen's kappa on labels.
        seed: of the run; the resamples of a turn depend on it and on the turn.
        level: of the intervals, 0..1.

    Raises:
        ValueError: a metric for which lower is better.
    """

    metrics: Mapping[str, str | Metric] = field(default_factory=dict)
    seed: int = 0
    level: float = LEVEL
    measures: ClassVar[bool] = True
    higher_is_better: ClassVar[bool] = True
    merges: ClassVar[bool] = True

    def __post_init__(self) -> None:
        metrics = map(metric_of, self.metrics.values())
        errors = [metric.name for metric in metrics if not metric.higher_is_better]
        if errors:
            raise ValueError(f"the gate per-criterion takes metrics for which higher is better, not {errors!r}")

    def metrics_for(self, criteria: Sequence[Criterion]) -> Mapping[str, Metric]:
        return {c.name: metric_of(self.metrics.get(c.name) or own_metric(c)) for c in criteria}

    def measure(self, prompt: JudgePrompt, predictions: Sequence[Prediction], rows: RatedRows) -> Measured:
        return measure_each(self.metrics_for(prompt.criteria), predictions, rows.select(prompt.names))

    def effects(self, evidence: Evidence, new: Scored) -> tuple[Effect, ...]:
        """The paired difference to the current prompt on each criterion, on the rows that both scored.

        Intervals resample documents. A difference is nan if either agreement is undefined on these rows. Its interval
        is also nan where ``uncertainty`` gives none, as with fewer than five documents: then none is credibly worse.
        """
        seed = Random(f"{self.seed}/{evidence.turn}/gate").getrandbits(63)
        metrics = self.metrics_for(new.prompt.criteria)
        effects: dict[str, Effect] = {}
        for metric in dict.fromkeys(metrics.values()):
            names = [name for name, own in metrics.items() if own == metric]
            effects.update(self._effects(metric, names, evidence, new, seed))
        return tuple(effects[name] for name in new.prompt.names)

    def _effects(
        self, metric: Metric, names: Sequence[str], evidence: Evidence, new: Scored, seed: int
    ) -> dict[str, Effect]:
        differences = paired_bootstrap(
            metric,
            scores(names, new.predictions),
            scores(names, evidence.current.predictions),
            evidence.rows.select(names),
            level=self.level,
            seed=seed,
        )
        rows = zip(names, differences.per_criterion, differences.n_pairs, strict=True)
        return {
            name: Effect(
                name, metric.name, change.value, change.low, change.high, change.level, pairs, change.standard_error
            )
            for name, change, pairs in rows
        }

    def select(self, evidence: Evidence) -> Selection:
        """The best passing instruction of each criterion; the first of equals."""
        verdicts = self._verdicts(evidence)
        instructions: dict[str, str] = {}
        for name in evidence.current.prompt.names:
            passing = [position for position, verdict in enumerate(verdicts) if name in verdict.passed]
            if passing:
                gains = [_gain(evidence, evidence.candidates[at], verdicts[at], name) for at in passing]
                best = passing[gains.index(max(gains))]
                instructions[name] = evidence.candidates[best].prompt.instructions[name]
        if instructions:
            return Selection(instructions, "", verdicts)
        reasons = "; ".join(dict.fromkeys(verdict.reason for verdict in verdicts))
        return Selection({}, f"no new instruction made its own criterion better: {reasons}", verdicts)

    def confirm(self, evidence: Evidence, merged: Scored) -> Decision:
        """Whether the merged prompt is strictly better in the mean and credibly worse on no criterion."""
        mean = compare(self, evidence, merged, higher_is_better=True, strict=True)
        effects = self.effects(evidence, merged)
        new = evidence.new(merged)
        accepted = f"new instruction kept for {', '.join(new)}" if new else "new demonstrations"
        refused = f"{accepted}, but refused{' when merged' if new else ''}"
        if not mean.accepted:
            return Decision(False, f"{refused}: {mean.reason}", effects)
        worse = [effect for effect in effects if effect.difference < 0 and effect.high < 0]
        if worse:
            losses = ", ".join(
                f"{e.criterion} ({e.difference:+.4f}, {e.level:.0%} interval {e.low:+.4f} to {e.high:+.4f})"
                for e in worse
            )
            return Decision(False, f"{refused}: credibly worse on {losses}", effects)
        return Decision(True, f"{accepted}: {mean.reason}", effects)

    def hopeless(self, evidence: Evidence, candidate: Scored, errors: float) -> Group:
        """The criteria whose new instruction stands more than so many standard errors below the current one.

        Args:
            evidence: of the part of the rows that was judged so far.
            candidate: as it scored these rows.
            errors: standard errors, 0 or more. A difference without a standard error gives nothing up.
        """
        new = evidence.new(candidate)
        effects = (effect for effect in self.effects(evidence, candidate) if effect.criterion in new)
        return tuple(effect.criterion for effect in effects if effect.difference < -errors * effect.error)

    def _verdicts(self, evidence: Evidence) -> tuple[Verdict, ...]:
        """One verdict a candidate."""
        effects = [self.effects(evidence, candidate) for candidate in evidence.candidates]
        rule = self.rule([*evidence.history, *new_effects(evidence, effects)])
        return tuple(
            _verdict(evidence, candidate, own, rule)
            for candidate, own in zip(evidence.candidates, effects, strict=True)
        )

    def rule(self, proposed: Sequence[Effect]) -> Rule:
        """The rule that decides whether a new instruction's effect on its own criterion is an improvement.

        Args:
            proposed: the effects of all new instructions of the run so far, this turn's included, each on its own
                criterion.
        """
        return _above_zero


def new_effects(evidence: Evidence, effects: Sequence[Sequence[Effect]]) -> tuple[Effect, ...]:
    """The effects of a turn's new instructions, each on its own criterion.

    Args:
        evidence: of the turn.
        effects: of each candidate, on all criteria.
    """
    return tuple(
        effect
        for candidate, own in zip(evidence.candidates, effects, strict=True)
        for effect in own
        if effect.criterion in evidence.new(candidate)
    )


def _above_zero(effect: Effect) -> tuple[bool, str]:
    return effect.difference > 0, f"{effect.difference:+.4f}"


def _verdict(evidence: Evidence, candidate: Scored, effects: tuple[Effect, ...], rule: Rule) -> Verdict:
    new = evidence.new(candidate)
    if not new:
        return Verdict((), "every instruction stayed as it was", effects)
    reasons, passed = [], []
    for effect in effects:
        if effect.criterion in new:
            better, reason = _better(effect, candidate, evidence, rule)
            reasons.append(f"{effect.criterion} {reason}")
            passed += [effect.criterion] if better else []
    return Verdict(tuple(passed), ", ".join(reasons), effects)


def _better(effect: Effect, candidate: Scored, evidence: Evidence, rule: Rule) -> tuple[bool, str]:
    """Whether a criterion is better, and why. If the current prompt has no value, any value is better."""
    name, new, current = effect.criterion, candidate.known(), evidence.current.known()
    if name in candidate.stopped:
        return False, f"{effect.difference:+.4f} on the first half of the rows, and stopped there"
    if name in unscored_more(candidate, evidence):
        return False, "leaves more rows unscored"
    if math.isnan(current.values[name]):
        value = new.values[name]
        return not math.isnan(value), "undefined" if math.isnan(value) else f"{value:.4f} after none"
    if math.isnan(effect.difference):
        return False, "undefined"
    return rule(effect)


def _gain(evidence: Evidence, candidate: Scored, verdict: Verdict, name: str) -> float:
    """What ranks passing instructions of a criterion: the difference, or the value if the current prompt has none."""
    if math.isnan(evidence.current.known().values[name]):
        return candidate.known().values[name]
    return next(effect.difference for effect in verdict.effects if effect.criterion == name)

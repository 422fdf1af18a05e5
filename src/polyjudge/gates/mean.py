"""The gates that accept a candidate as a whole: by its mean agreement, or unmeasured."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from polyjudge.domain.criterion import Criterion
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.records import Measured, Prediction
from polyjudge.domain.scale import NAN
from polyjudge.gates.base import Decision, Evidence, GateSettings, Scored, Selection, Verdict, compare
from polyjudge.judge.measure import measure
from polyjudge.metrics.agreement import metric_of
from polyjudge.metrics.metric import Metric
from polyjudge.metrics.rated import RatedRows


@dataclass(frozen=True, slots=True)
class NoGate:
    """Accept the first readable candidate, unmeasured."""

    measures: ClassVar[bool] = False
    higher_is_better: ClassVar[bool] = True
    merges: ClassVar[bool] = False

    def metrics_for(self, criteria: Sequence[Criterion]) -> Mapping[str, Metric]:
        return {}

    def measure(self, prompt: JudgePrompt, predictions: Sequence[Prediction], rows: RatedRows) -> Measured:
        return Measured("none", {}, NAN, {})

    def select(self, evidence: Evidence) -> Selection:
        verdicts = tuple(Verdict(tuple(evidence.new(candidate)), "") for candidate in evidence.candidates)
        return Selection(evidence.candidates[0].prompt.instructions, "", verdicts)

    def confirm(self, evidence: Evidence, merged: Scored) -> Decision:
        return Decision(True, "accepted without a gate")


@dataclass(frozen=True, slots=True)
class MeanGate:
    """Accept by the unweighted mean of a metric over the criteria.

    Attributes:
        metric: a metric or its name.
        strict: whether a tie is refused; the paper's protocol accepts it.
    """

    metric: str | Metric
    strict: bool = True
    measures: ClassVar[bool] = True
    merges: ClassVar[bool] = False

    @property
    def higher_is_better(self) -> bool:
        return metric_of(self.metric).higher_is_better

    def metrics_for(self, criteria: Sequence[Criterion]) -> Mapping[str, Metric]:
        return {criterion.name: metric_of(self.metric) for criterion in criteria}

    def measure(self, prompt: JudgePrompt, predictions: Sequence[Prediction], rows: RatedRows) -> Measured:
        return measure(self.metric, predictions, rows.select(prompt.names))

    def decide(self, evidence: Evidence, new: Scored) -> Decision:
        """Whether a prompt may replace the current one, by the rows that both scored."""
        return compare(self, evidence, new, higher_is_better=self.higher_is_better, strict=self.strict)

    def best(self, measured: Sequence[Measured]) -> int:
        """The position of the best mean; the first of equals, an undefined mean only if all are."""
        sign = 1 if self.higher_is_better else -1
        utilities = [-math.inf if math.isnan(each.mean) else sign * each.mean for each in measured]
        return utilities.index(max(utilities))

    def select(self, evidence: Evidence) -> Selection:
        """All instructions of the best candidate that may replace the current prompt."""
        measured = [candidate.known() for candidate in evidence.candidates]
        decisions = [self.decide(evidence, candidate) for candidate in evidence.candidates]
        verdicts = tuple(
            Verdict(tuple(evidence.new(candidate)) if decision.accepted else (), decision.reason)
            for candidate, decision in zip(evidence.candidates, decisions, strict=True)
        )
        accepted = [position for position, decision in enumerate(decisions) if decision.accepted]
        if not accepted:
            return Selection({}, decisions[self.best(measured)].reason, verdicts)
        best = accepted[self.best([measured[position] for position in accepted])]
        return Selection(evidence.candidates[best].prompt.instructions, "", verdicts)

    def confirm(self, evidence: Evidence, merged: Scored) -> Decision:
        return self.decide(evidence, merged)


def no_gate(settings: GateSettings) -> NoGate:
    """The gate ``none``: every readable proposal is accepted, unmeasured."""
    return NoGate()

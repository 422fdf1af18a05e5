"""A gate that takes a whole candidate only where its mean rises by a margin."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from polyjudge.domain.criterion import Criterion
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.records import Measured, Prediction
from polyjudge.gates import Decision, Evidence, GateSettings, MeanGate, Scored, Selection
from polyjudge.metrics import Metric, metric_of
from polyjudge.metrics.rated import RatedRows


@dataclass(frozen=True)
class Cautious:
    """Attributes:
    inner: measures and compares.
    margin: by how much the mean must rise.
    """

    inner: MeanGate
    margin: float = 0.01
    measures: bool = True
    merges: bool = False
    higher_is_better: bool = True

    def metrics_for(self, criteria: Sequence[Criterion]) -> Mapping[str, Metric]:
        return self.inner.metrics_for(criteria)

    def measure(self, prompt: JudgePrompt, predictions: Sequence[Prediction], rows: RatedRows) -> Measured:
        return self.inner.measure(prompt, predictions, rows)

    def select(self, evidence: Evidence) -> Selection:
        return self.inner.select(evidence)

    def confirm(self, evidence: Evidence, merged: Scored) -> Decision:
        gain = merged.known().mean - evidence.current.known().mean
        return Decision(gain >= self.margin, f"the guest's gate saw a gain of {gain:.3f}")


def cautious(settings: GateSettings) -> Cautious:
    return Cautious(MeanGate(metric_of("spearman"), settings.strict))

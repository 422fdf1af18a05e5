"""The seam of the gates. A gate asks no model: it selects texts, the loop measures what they make, it confirms.

A missing figure is nan and cannot win. A prompt that scores fewer rows cannot win by them either: its coverage may
not fall by more than ``COVERAGE_SLACK`` below the initial prompt's on any criterion, and two prompts are compared on
the rows that both scored.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from polyjudge.domain.criterion import Criterion
from polyjudge.domain.decomposition import Group
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.records import Effect, Measured, Prediction
from polyjudge.domain.scale import NAN
from polyjudge.metrics.metric import Metric
from polyjudge.metrics.rated import RatedRows

COVERAGE_SLACK = 0.02


@dataclass(frozen=True, slots=True)
class Scored:
    """A prompt and how it scored the validation rows.

    Attributes:
        prompt: with its instructions.
        predictions: in the order of the rows; none under a gate that measures nothing.
        measured: their agreement; None under a gate that measures nothing.
    """

    prompt: JudgePrompt
    predictions: tuple[Prediction, ...] = ()
    measured: Measured | None = None

    def known(self) -> Measured:
        """The agreement.

        Raises:
            ValueError: nothing was measured.
        """
        if self.measured is None:
            raise ValueError("the gate was asked about a prompt that was not measured")
        return self.measured


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a gate decides a turn by.

    Attributes:
        turn: 1, 2, ...
        rows: the validation rows as people rated them, on the criteria of this run.
        current: the prompt that stands.
        candidates: the readable ones, in the order they were proposed.
        initial: the prompt that the run began with; coverage is held to its. None: to the current one's.
    """

    turn: int
    rows: RatedRows
    current: Scored
    candidates: tuple[Scored, ...]
    initial: Scored | None = None

    def new(self, candidate: Scored) -> dict[str, str]:
        """Criterion -> the candidate's instruction, where it is not the current one."""
        old = self.current.prompt.instructions
        return {name: text for name, text in candidate.prompt.instructions.items() if text != old[name]}


@dataclass(frozen=True, slots=True)
class Verdict:
    """A gate's word on one candidate.

    Attributes:
        passed: the criteria whose new instruction it would let through.
        reason: in words.
        effects: one a criterion, where the gate looks at each.
    """

    passed: Group
    reason: str
    effects: tuple[Effect, ...] = ()


@dataclass(frozen=True, slots=True)
class Selection:
    """What a gate takes of a turn's candidates.

    Attributes:
        texts: criterion -> instruction to be merged into the current prompt; empty = nothing may be taken.
        reason: why nothing was taken, in one sentence; "" when something was.
        verdicts: one a candidate.
    """

    texts: Mapping[str, str]
    reason: str
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """The gate's answer on the merged prompt, and its reason in one sentence."""

    accepted: bool
    reason: str
    effects: tuple[Effect, ...] = ()


@dataclass(frozen=True, slots=True)
class GateSettings:
    """What a gate that is called by its name is made from: a factory ``(GateSettings) -> Gate`` of the registry.

    Attributes:
        criteria: that the run fits, with their scales.
        seed: the run's.
        strict: whether a tie is refused.
    """

    criteria: tuple[Criterion, ...]
    seed: int = 0
    strict: bool = True


class Gate(Protocol):
    """Decides which new instructions may stand. A pure function of what it is given."""

    @property
    def measures(self) -> bool:
        """Whether prompts are judged on the validation rows at all."""
        ...

    @property
    def higher_is_better(self) -> bool:
        """The direction of what it measures."""
        ...

    @property
    def merges(self) -> bool:
        """Whether it may take a part of a candidate, which then has to be judged once more."""
        ...

    def metrics_for(self, criteria: Sequence[Criterion]) -> Mapping[str, Metric]:
        """Criterion -> the metric that it measures by; empty when it measures nothing."""
        ...

    def measure(self, prompt: JudgePrompt, predictions: Sequence[Prediction], rows: RatedRows) -> Measured:
        """The agreement that it decides by, of predictions aligned with ``rows``, on the prompt's criteria."""
        ...

    def select(self, evidence: Evidence) -> Selection:
        """What to merge; there is at least one candidate."""
        ...

    def confirm(self, evidence: Evidence, merged: Scored) -> Decision:
        """Whether the prompt that the selected texts make may replace the current one."""
        ...


def unscored_more(new: Scored, evidence: Evidence) -> Group:
    """The criteria on which a prompt leaves more rows unscored than it may, seen from where the run began."""
    held = (evidence.initial or evidence.current).known().coverage
    return tuple(name for name, share in new.known().coverage.items() if share < held[name] - COVERAGE_SLACK)


def on_common_rows(one: Scored, other: Scored) -> tuple[Prediction, ...]:
    """The predictions of ``one`` on the rows that both scored; nan elsewhere, criterion by criterion."""
    return tuple(
        replace(mine, scores={k: NAN if math.isnan(theirs.score(k)) else score for k, score in mine.scores.items()})
        for mine, theirs in zip(one.predictions, other.predictions, strict=True)
    )


def compare(gate: Gate, evidence: Evidence, new: Scored, *, higher_is_better: bool, strict: bool) -> Decision:
    """Whether a prompt is better in the mean than the current one, on the rows that both scored."""
    lost = unscored_more(new, evidence)
    if lost:
        return Decision(False, f"it leaves more rows unscored on {', '.join(lost)}")
    ours, theirs = new.known(), evidence.current.known()
    # A prompt without a mean may share no rows with anything: whatever it lacks is then compared as it stands.
    if not math.isnan(theirs.mean):
        ours, theirs = (
            gate.measure(one.prompt, on_common_rows(one, other), evidence.rows)
            for one, other in ((new, evidence.current), (evidence.current, new))
        )
    return compare_means(ours, theirs, higher_is_better=higher_is_better, strict=strict)


def compare_means(new: Measured, current: Measured, *, higher_is_better: bool, strict: bool) -> Decision:
    """Whether the mean is better (not strict: no worse) and no figure is missing.

    Where the current prompt has no mean, any mean is better, as long as no criterion that had a figure is worse.
    """
    if math.isnan(new.mean):
        undefined = [name for name, value in new.values.items() if math.isnan(value)]
        return Decision(False, f"{new.metric} is undefined on {', '.join(undefined)}")
    figures = f"mean {new.metric} {current.mean:.4f} -> {new.mean:.4f}"
    if math.isnan(current.mean):
        sign = 1 if higher_is_better else -1
        worse = [name for name, value in current.values.items() if sign * new.values[name] < sign * value]
        if worse:
            return Decision(False, f"{figures}: worse on {', '.join(worse)}")
        return Decision(True, figures)
    gain = new.mean - current.mean if higher_is_better else current.mean - new.mean
    if gain > 0 or (gain == 0 and not strict):
        return Decision(True, figures)
    return Decision(False, f"{figures}: not better" if strict else f"{figures}: worse")

"""The protocol of the gates. A gate asks no model. It selects instructions of a turn's candidates; the loop merges
them into the current prompt and measures the result; the gate then confirms or refuses it.

A missing value is nan and cannot win. Leaving rows unscored cannot win either: a prompt's coverage may not fall more
than ``COVERAGE_SLACK`` below the initial prompt's on any criterion, and two prompts are compared on the rows that both
scored.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

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
        stopped: the criteria with a new instruction that was given up on a first half of the rows; on the others they
            are unscored.
    """

    prompt: JudgePrompt
    predictions: tuple[Prediction, ...] = ()
    measured: Measured | None = None
    stopped: Group = ()

    def known(self) -> Measured:
        """The measured agreement.

        Raises:
            ValueError: nothing was measured.
        """
        if self.measured is None:
            raise ValueError("the gate was asked about a prompt that was not measured")
        return self.measured


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a gate bases its decision about a turn on.

    Attributes:
        turn: 1, 2, ...
        rows: the validation rows as people rated them, on the criteria of this run.
        current: the current prompt.
        candidates: the readable candidates, in the order they were proposed.
        initial: the prompt that the run began with, whose coverage is the reference; None: the current prompt's is.
        history: the effects of the new instructions of earlier turns, each on its own criterion.
    """

    turn: int
    rows: RatedRows
    current: Scored
    candidates: tuple[Scored, ...]
    initial: Scored | None = None
    history: tuple[Effect, ...] = ()

    def new(self, candidate: Scored) -> dict[str, str]:
        """Criterion -> the candidate's instruction, where it differs from the current one."""
        old = self.current.prompt.instructions
        return {name: text for name, text in candidate.prompt.instructions.items() if text != old[name]}


@dataclass(frozen=True, slots=True)
class Verdict:
    """A gate's verdict on one candidate.

    Attributes:
        passed: the criteria whose new instruction it would let through.
        reason: in words.
        effects: one per criterion, if the gate measures each criterion.
    """

    passed: Group
    reason: str
    effects: tuple[Effect, ...] = ()


@dataclass(frozen=True, slots=True)
class Selection:
    """The instructions that a gate takes from a turn's candidates.

    Attributes:
        instructions: criterion -> instruction to merge into the current prompt; empty = none is taken.
        reason: why none was taken, in one sentence; "" when some were.
        verdicts: one per candidate.
    """

    instructions: Mapping[str, str]
    reason: str
    verdicts: tuple[Verdict, ...]


@dataclass(frozen=True, slots=True)
class Decision:
    """Whether the gate accepts the merged prompt, with the reason in one sentence."""

    accepted: bool
    reason: str
    effects: tuple[Effect, ...] = ()


@dataclass(frozen=True, slots=True)
class GateSettings:
    """The arguments of a registered gate factory ``(GateSettings) -> Gate``.

    Attributes:
        criteria: the criteria of the run, with their scales.
        seed: of the run.
        strict: whether a tie is refused.
        rule: of the gate ``per-criterion``: "empirical-bayes" or "point".
    """

    criteria: tuple[Criterion, ...]
    seed: int = 0
    strict: bool = True
    rule: str = "empirical-bayes"


class Gate(Protocol):
    """Decides which new instructions are accepted. It is a pure function of its arguments."""

    @property
    def measures(self) -> bool:
        """Whether candidates have to be judged on the validation rows."""
        ...

    @property
    def higher_is_better(self) -> bool:
        """The direction of the metric."""
        ...

    @property
    def merges(self) -> bool:
        """Whether it may take part of a candidate's instructions; the merged prompt is then judged again."""
        ...

    def metrics_for(self, criteria: Sequence[Criterion]) -> Mapping[str, Metric]:
        """Criterion -> its metric; empty when the gate measures nothing."""
        ...

    def measure(self, prompt: JudgePrompt, predictions: Sequence[Prediction], rows: RatedRows) -> Measured:
        """The agreement of predictions aligned with ``rows``, on the prompt's criteria."""
        ...

    def select(self, evidence: Evidence) -> Selection:
        """The instructions to merge; there is at least one candidate."""
        ...

    def confirm(self, evidence: Evidence, merged: Scored) -> Decision:
        """Whether the prompt with the selected instructions may replace the current one."""
        ...


@runtime_checkable
class StopsEarly(Protocol):
    """A gate that can give a candidate up before all rows are judged."""

    def hopeless(self, evidence: Evidence, candidate: Scored, errors: float) -> Group:
        """The criteria whose new instruction stands more than so many standard errors below the current one."""
        ...


def unscored_more(new: Scored, evidence: Evidence) -> Group:
    """The criteria on which a prompt leaves more rows unscored than ``COVERAGE_SLACK`` allows."""
    reference = (evidence.initial or evidence.current).known().coverage
    return tuple(name for name, share in new.known().coverage.items() if share < reference[name] - COVERAGE_SLACK)


def on_common_rows(prompt: Scored, other: Scored) -> tuple[Prediction, ...]:
    """The predictions of ``prompt`` on the rows that both scored; nan elsewhere, criterion by criterion."""
    return tuple(
        replace(a, scores={name: NAN if math.isnan(b.score(name)) else score for name, score in a.scores.items()})
        for a, b in zip(prompt.predictions, other.predictions, strict=True)
    )


def compare(gate: Gate, evidence: Evidence, new: Scored, *, higher_is_better: bool, strict: bool) -> Decision:
    """Whether a prompt is better in the mean than the current one, on the rows that both scored."""
    unscored = unscored_more(new, evidence)
    if unscored:
        return Decision(False, f"it leaves more rows unscored on {', '.join(unscored)}")
    current = evidence.current
    measured, reference = new.known(), current.known()
    # A current prompt without a mean may have no rows in common with the new one: both are compared on their own rows.
    if not math.isnan(reference.mean):
        measured = gate.measure(new.prompt, on_common_rows(new, current), evidence.rows)
        reference = gate.measure(current.prompt, on_common_rows(current, new), evidence.rows)
    return compare_means(measured, reference, higher_is_better=higher_is_better, strict=strict)


def compare_means(new: Measured, current: Measured, *, higher_is_better: bool, strict: bool) -> Decision:
    """Whether the mean is better (or, unless strict, no worse) and no value is missing.

    If the current prompt has no mean, any mean is better, as long as no criterion that had a value is worse.
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

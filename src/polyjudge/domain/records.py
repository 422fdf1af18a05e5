"""The records of a step's stages. Each names the group of criteria that it is about."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from polyjudge.codec import UNWRITTEN_AT_DEFAULT
from polyjudge.domain.decomposition import Group
from polyjudge.domain.example import Example
from polyjudge.domain.scale import NAN


@dataclass(frozen=True, slots=True)
class Call:
    """One judge call as it was made: its group, the prompt's text and the last reply's text."""

    group: Group
    prompt: str
    reply: str


@dataclass(frozen=True, slots=True)
class Prediction:
    """The judge's scores of one example.

    Attributes:
        example: the example's id.
        scores: criterion -> score; nan = unscored after all parse retries.
        calls: the calls behind it, one a group of the layout; of several samples those of one.
        distributions: criterion -> label -> probability (sum 1), where the scoring method gives them.
        lost: criterion -> share of the token probability that fell on no label, 0..1, where it was read from tokens.
        samples: criterion -> how many samples could be read, where several were asked for.
        reasons: criterion -> the judge's reason for its score, where the scoring method asks for one.
        orders: criterion -> of a preference its scores in the given order and in the other one, the latter as a score
            of the texts in the given order.
    """

    example: str
    scores: Mapping[str, float]
    calls: tuple[Call, ...]
    distributions: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    lost: Mapping[str, float] = field(default_factory=dict)
    samples: Mapping[str, int] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict, metadata=UNWRITTEN_AT_DEFAULT)
    orders: Mapping[str, tuple[float, float]] = field(default_factory=dict, metadata=UNWRITTEN_AT_DEFAULT)

    @property
    def unscored(self) -> tuple[str, ...]:
        return tuple(name for name, score in self.scores.items() if math.isnan(score))

    def score(self, name: str) -> float:
        return self.scores.get(name, NAN)


@dataclass(frozen=True, slots=True)
class Critique:
    """The loss LLM's critique of one prediction."""

    group: Group
    example: str
    text: str


@dataclass(frozen=True, slots=True)
class Gradient:
    """The gradient LLM's criticism of the instructions, drawn from one example."""

    group: Group
    example: str
    text: str


@dataclass(frozen=True, slots=True)
class Measured:
    """Agreement of one prompt on some rows.

    Attributes:
        metric: its name; several, when criteria have their own, are joined by "and".
        values: criterion -> agreement; nan = undefined.
        mean: unweighted mean over the criteria; nan when any of them is.
        coverage: criterion -> share of the rated rows that were scored, 0..1.
    """

    metric: str
    values: Mapping[str, float]
    mean: float
    coverage: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Effect:
    """The change in agreement on one criterion between the current and a new prompt, on the same rows.

    Attributes:
        criterion: its name.
        metric: for which higher is better.
        difference: new minus current on the rows that both scored; nan = undefined.
        low: lower end of its interval, clustered by document; nan = unknown.
        high: upper end.
        level: of the interval, 0..1.
        rows: the number of rows that both scored.
        error: standard error of the difference, clustered by document; nan = unknown.
    """

    criterion: str
    metric: str
    difference: float
    low: float
    high: float
    level: float
    rows: int
    error: float = NAN


@dataclass(frozen=True, slots=True)
class Candidate:
    """One proposed set of instructions, and the gate's verdict on it.

    Attributes:
        instructions: criterion -> new instruction; empty if the proposal failed. The other criteria keep theirs.
        failure: why some or all criteria have no new instruction; "" if all have one.
        measured: on the validation rows; None if nothing was measured.
        reason: the gate's; "" if the gate was not asked.
        passed: the criteria whose new instruction passed the gate, even if another candidate's was taken.
        effects: on each criterion; empty under a gate that uses the mean alone.
        stopped: the criteria that were given up, and measured, on a first half of the validation rows.
        demonstrations: all rated examples that the judge is to be shown; None keeps those of the current prompt.
    """

    instructions: Mapping[str, str]
    failure: str = ""
    measured: Measured | None = None
    reason: str = ""
    passed: Group = ()
    effects: tuple[Effect, ...] = ()
    stopped: Group = ()
    demonstrations: tuple[Example, ...] | None = field(default=None, metadata=UNWRITTEN_AT_DEFAULT)

    @property
    def readable(self) -> bool:
        """Whether it changes anything that can be measured."""
        return bool(self.instructions) or self.demonstrations is not None


@dataclass(frozen=True, slots=True)
class Rejected:
    """A new instruction that was tried and rejected.

    Attributes:
        turn: of the proposal.
        criterion: its name.
        text: the instruction.
        metric: of ``before`` and ``after``.
        before: agreement on the validation rows under the prompt current then; nan = undefined.
        after: with the new instruction; nan = undefined.
        together: whether it passed alone, but was refused after the merge with others.
    """

    turn: int
    criterion: str
    text: str
    metric: str
    before: float
    after: float
    together: bool = False


@dataclass(frozen=True, slots=True)
class ScoredPrompt:
    """A prompt's instructions and their agreement on the validation rows, as an aggregate; no row is shown.

    Attributes:
        turn: of the proposal; 0 for the initial prompt.
        instructions: criterion -> instruction, of all criteria.
        metric: its name.
        values: criterion -> agreement; nan = undefined.
        mean: over the criteria; nan when any of them is undefined.
        higher_is_better: the metric's direction.
        demonstrations: the ids of the rated examples that it showed.
    """

    turn: int
    instructions: Mapping[str, str]
    metric: str
    values: Mapping[str, float]
    mean: float
    higher_is_better: bool = True
    demonstrations: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """The record of one turn of the loop.

    Attributes:
        index: 0 = the initial prompt, before any turn.
        criteria: those that this run fits (one in each run of ST).
        status: "initial", "accepted", "rejected" or "failed".
        reason: why, in one sentence.
        batch: the examples' ids.
        predictions: on the batch.
        critiques: in the order of the batch.
        gradients: in the order of the batch.
        candidates: in the order they were proposed.
        chosen: position of the candidate that was accepted as a whole; None if none was.
        instructions: criterion -> instruction after the turn.
        measured: the current prompt's agreement on the validation rows after the turn; None without a gate.
        kept: the criteria whose instruction the turn changed.
        merged: the prompt with all passed instructions, unless it equals a candidate that was accepted as a whole; its
            ``instructions`` are the new ones, and none is ``passed`` if it was refused. None if nothing passed.
        notice: a warning for every reader of the record, such as "SIMULATED".
        demonstrations: those of the prompt after the turn; None while they are the initial prompt's.
    """

    index: int
    criteria: Group
    status: str
    reason: str
    batch: tuple[str, ...]
    predictions: tuple[Prediction, ...]
    critiques: tuple[Critique, ...]
    gradients: tuple[Gradient, ...]
    candidates: tuple[Candidate, ...]
    chosen: int | None
    instructions: Mapping[str, str]
    measured: Measured | None
    kept: Group = ()
    merged: Candidate | None = None
    notice: str = ""
    demonstrations: tuple[Example, ...] | None = field(default=None, metadata=UNWRITTEN_AT_DEFAULT)


@dataclass(frozen=True, slots=True)
class Reading:
    """The scores of the test rows under a step's prompt; only the paper's protocol reads them during a run.

    Attributes:
        step: the step's index.
        criteria: those that the step fits.
        measured: one entry per metric.
        scores: criterion -> scores in the order of the test rows, nan = unscored.
        notice: as in ``Step``.
    """

    step: int
    criteria: Group
    measured: tuple[Measured, ...]
    scores: Mapping[str, tuple[float, ...]]
    notice: str = ""

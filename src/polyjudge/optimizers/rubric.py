"""A rubric with level anchors for each criterion, written from rated examples that stand for the judge's errors.

One call a criterion sees examples by confusion cell: a level that people gave and a level that the judge gave. Errors
of one cell have a cause in common, and a rubric that answers all errors at once answers none (Confusion-Aware Rubric
Optimization, arXiv 2603.00451). The first rubric replaces the initial instruction; later ones refine it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, ClassVar

from polyjudge.concurrency import together
from polyjudge.domain.criterion import Criterion
from polyjudge.domain.example import Example
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.records import Candidate, Prediction
from polyjudge.domain.scale import Categorical
from polyjudge.errors import ConfigError, ReplyError
from polyjudge.optimizers import wording
from polyjudge.optimizers.asking import Stage
from polyjudge.optimizers.base import Context, Proposal, Turn, TurnPlan
from polyjudge.optimizers.estimate import bounded, imagined, planned

# Typical length of a rubric, in tokens.
RUBRIC = 300
HIGH, LOW, WRONG, UNREAD, RIGHT = (
    "Scored too high",
    "Scored too low",
    "Scored with another label",
    "Without a readable score",
    "Scored as people did",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rubric:
    """Rubrics from confusion cells. The judge scores the batch of a turn, 24 examples by default (``batch``).

    Attributes:
        model: writes the rubrics, PROVIDER/MODEL; "": the run's optimizer model, else the judge.
        candidates: rubrics a criterion per turn; None: the run's, else 1.
        show_rejected: whether the writer sees rejected rubrics with their effect; None: the preset's, else true.
        wrong: examples with an error that a criterion's prompt shows, at most.
        right: examples without one, at most.

    Raises:
        ConfigError: ``wrong`` or ``right`` is no whole number, or ``wrong`` is below 1.
    """

    model: str = ""
    candidates: int | None = None
    show_rejected: bool | None = None
    wrong: int = 6
    right: int = 2

    roles: ClassVar[tuple[str, ...]] = ("optimizer",)
    defaults: ClassVar[Mapping[str, Any]] = MappingProxyType({"batch": 24})

    def __post_init__(self) -> None:
        for name, least in (("wrong", 1), ("right", 0)):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise ConfigError(f"{name}={value!r}: a whole number from {least} on is needed")

    def build(self, context: Context) -> RubricOptimizer:
        """The optimizer over the context's criteria."""
        return RubricOptimizer(
            context.prompt,
            context.stage("optimizer"),
            self.candidates or 1,
            self.wrong,
            self.right,
            self.show_rejected is not False,
        )


@dataclass(frozen=True, slots=True)
class RubricOptimizer:
    """The optimizer of a run.

    Attributes:
        initial: the prompt that the run began with; its instructions are replaced, later ones refined.
        writer: writes rubrics.
        candidates: rubrics a criterion per turn.
        wrong: examples with an error in a prompt, at most.
        right: examples without one, at most.
        show_rejected: whether the writer sees rejected rubrics.
    """

    initial: JudgePrompt
    writer: Stage
    candidates: int
    wrong: int
    right: int
    show_rejected: bool

    async def propose(self, turn: Turn) -> Proposal:
        predictions = tuple(await together(turn.judge.predict(turn.prompt, example) for example in turn.batch))
        candidates = await together(self._candidate(turn, predictions, sample) for sample in range(self.candidates))
        return Proposal(tuple(candidates), predictions)

    def plan(self, turn: Turn) -> TurnPlan:
        predictions = [imagined(turn.judge, turn.prompt, example) for example in turn.batch]
        texts = [self._request(turn, criterion, predictions) for criterion in turn.prompt.criteria]
        length = bounded(RUBRIC, self.writer)
        calls = planned("optimizer", texts * self.candidates, [length] * (len(texts) * self.candidates))
        return TurnPlan((calls,), judged=len(turn.batch), instruction_tokens=length)

    async def _candidate(self, turn: Turn, predictions: Sequence[Prediction], sample: int) -> Candidate:
        criteria = turn.prompt.criteria
        answers = await together(self._write(turn, criterion, predictions, sample) for criterion in criteria)
        failures = [
            f"{criterion.name}: {answer.failure}"
            for criterion, answer in zip(criteria, answers, strict=True)
            if answer.failure
        ]
        texts = {name: text for answer in answers for name, text in answer.instructions.items()}
        return Candidate(texts, "; ".join(failures))

    async def _write(
        self, turn: Turn, criterion: Criterion, predictions: Sequence[Prediction], sample: int
    ) -> Candidate:
        text = self._request(turn, criterion, predictions)
        try:
            return Candidate(await self.writer.write(text, (criterion.name,), sample))
        except ReplyError as error:
            return Candidate({}, str(error))

    def _request(self, turn: Turn, criterion: Criterion, predictions: Sequence[Prediction]) -> str:
        prompt = turn.prompt.only((criterion.name,))
        judged = list(zip(turn.batch, predictions, strict=True))
        errors = errors_of(criterion, judged, on_scale=turn.judge.scoring.on_scale)
        shown = chosen(criterion, judged, errors, self.wrong, self.right)
        cells = [(title, [judged[place] for place in places]) for title, places in shown.items()]
        rejected = [edit for edit in turn.rejected if edit.criterion == criterion.name] if self.show_rejected else []
        refines = criterion.instruction != self.initial.instructions[criterion.name]
        return wording.rubric(prompt, cells, turn.judge.scoring, rejected, refines=refines, held=self.writer.held)


def errors_of(
    criterion: Criterion, judged: Sequence[tuple[Example, Prediction]], *, on_scale: bool
) -> tuple[float, ...]:
    """The judge's error on each example: score minus human rating, nan = not rated or no readable score.

    Of labels it is 0 or 1. Scores off the scale are replaced by the rating at the same rank.
    """
    scores = [prediction.score(criterion.name) for _, prediction in judged]
    people = [example.human(criterion) for example, _ in judged]
    both = [place for place in range(len(judged)) if not math.isnan(scores[place] + people[place])]
    if isinstance(criterion.scale, Categorical):
        return tuple(float(scores[at] != people[at]) if at in both else math.nan for at in range(len(judged)))
    if not on_scale:
        ratings = sorted(people[at] for at in both)
        for rank, at in enumerate(sorted(both, key=lambda at: scores[at])):
            scores[at] = ratings[rank]
    return tuple(scores[at] - people[at] for at in range(len(judged)))


def chosen(
    criterion: Criterion,
    judged: Sequence[tuple[Example, Prediction]],
    errors: Sequence[float],
    wrong: int,
    right: int,
) -> dict[str, list[int]]:
    """The examples that a prompt shows, as places in the batch under the name of their kind of error.

    Wrong ones are taken from the confusion cells in turn, the fullest cell first and in a cell the largest error
    first; right ones from the levels in turn. Examples that nobody rated are not shown.
    """
    kinds: dict[str, list[int]] = {title: [] for title in (HIGH, LOW, WRONG, UNREAD, RIGHT)}
    for place, (example, prediction) in enumerate(judged):
        human = example.human(criterion)
        if not math.isnan(human):
            kinds[_kind(criterion, prediction.score(criterion.name), errors[place])].append(place)
    faulty = [place for title in (HIGH, LOW, WRONG, UNREAD) for place in kinds[title]]
    cells = _cells(criterion, judged, errors, faulty)
    taken = {*_in_turn(cells, wrong), *_in_turn(_cells(criterion, judged, errors, kinds[RIGHT]), right)}
    shown = {title: [place for place in places if place in taken] for title, places in kinds.items()}
    return {title: places for title, places in shown.items() if places}


def _kind(criterion: Criterion, score: float, error: float) -> str:
    if math.isnan(score) or math.isnan(error):
        return UNREAD
    if isinstance(criterion.scale, Categorical):
        return WRONG if error else RIGHT
    if abs(error) <= wording.half_step(criterion.scale):
        return RIGHT
    return HIGH if error > 0 else LOW


def _cells(
    criterion: Criterion,
    judged: Sequence[tuple[Example, Prediction]],
    errors: Sequence[float],
    places: Sequence[int],
) -> list[list[int]]:
    """The confusion cells of some examples, fullest first, in each the largest error first."""
    cells: dict[tuple[float, float], list[int]] = {}
    for place in sorted(places, key=lambda place: -abs(errors[place]) if errors[place] == errors[place] else 0.0):
        human, error = judged[place][0].human(criterion), errors[place]
        cell = (round(human), round(human + error)) if not math.isnan(error) else (round(human), math.inf)
        cells.setdefault(cell, []).append(place)
    return sorted(cells.values(), key=len, reverse=True)


def _in_turn(cells: Sequence[Sequence[int]], most: int) -> Iterator[int]:
    """One of each cell, then a second of each, and so on."""
    ranked = [(rank, at, place) for at, cell in enumerate(cells) for rank, place in enumerate(cell)]
    return (place for _, _, place in sorted(ranked)[:most])

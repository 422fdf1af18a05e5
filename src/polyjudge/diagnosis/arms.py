"""Prompts judged on held-out rows, apart and together, and the paired differences between them.

Length controls: the same instructions, made equally long, to see whether length is what makes them interfere.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import cycle
from random import Random
from statistics import median

from polyjudge.diagnosis.records import MEAN, Cell, Figure
from polyjudge.domain.example import Example
from polyjudge.domain.layout import layout
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.records import Prediction
from polyjudge.judge.measure import scores
from polyjudge.judge.predict import Judge
from polyjudge.metrics import agreement, uncertainty
from polyjudge.metrics.rated import RatedRows, coverage
from polyjudge.optimizers.vocabulary import sentences
from polyjudge.templates.load import render


def words(text: str) -> int:
    return len(text.split())


def padded(prompt: JudgePrompt) -> JudgePrompt:
    """Every shorter instruction followed by neutral sentences, until it is as long as the longest, in words."""
    target = max(words(text) for text in prompt.instructions.values())
    return prompt.revise({name: _padded(text, target) for name, text in prompt.instructions.items()})


def cut(prompt: JudgePrompt) -> JudgePrompt:
    """Every longer instruction cut at a sentence's end to at most the median length; its first sentence stays."""
    target = median(words(text) for text in prompt.instructions.values())
    return prompt.revise({name: _cut(text, target) for name, text in prompt.instructions.items()})


def _padded(text: str, target: int) -> str:
    neutral = cycle(render("padding").splitlines())
    while words(text) < target:
        text = f"{text} {next(neutral)}"
    return text


def _cut(text: str, target: float) -> str:
    if words(text) <= target:
        return text
    kept: list[str] = []
    for part in sentences(text):
        if kept and words(" ".join([*kept, part])) > target:
            break
        kept.append(part)
    return " ".join(kept) or text


APART, TOGETHER = "apart", "together"
_LAYOUTS = {APART: "separate", TOGETHER: "joint"}


@dataclass(frozen=True, slots=True)
class Bench:
    """Where prompts are compared.

    Attributes:
        judge: the run's.
        rows: held-out ones.
        rated: the same as people rated them.
        metric: the primary one; higher is better.
        seed: of the resamples.
    """

    judge: Judge
    rows: tuple[Example, ...]
    rated: RatedRows
    metric: str
    seed: int

    async def judged(self, prompt: JudgePrompt, company: str) -> tuple[Prediction, ...]:
        """Every row judged, a call a criterion or one for all. Both put the criteria before the item."""
        judge = replace(self.judge, layout=layout(_LAYOUTS[company], prompt.names))
        return await judge.evaluate(prompt, self.rows)

    def cells(
        self, prompt: JudgePrompt, predictions: Sequence[Prediction], instructions: str, company: str
    ) -> Iterator[Cell]:
        """Agreement by criterion and in the mean."""
        people, judged = self.rated.select(prompt.names), scores(prompt.names, predictions)
        intervals = uncertainty.bootstrap(agreement.metric_of(self.metric), judged, people, seed=self._draws)
        covered = coverage(judged, people)
        lengths = [words(criterion.instruction) for criterion in prompt.criteria]
        for cell in zip(prompt.names, intervals.per_criterion, covered, lengths, strict=True):
            yield Cell(instructions, company, *cell)
        yield Cell(instructions, company, MEAN, intervals.mean, sum(covered) / len(covered), sum(lengths))

    def contrast(
        self,
        prompt: JudgePrompt,
        terms: Sequence[tuple[float, Sequence[Prediction]]],
        name: str,
        of: str,
        level: float = 0.95,
    ) -> Iterator[Figure]:
        """A weighted sum of agreements, by criterion and in the mean, documents resampled; paired by row."""
        change = uncertainty.contrast_bootstrap(
            agreement.metric_of(self.metric),
            [(weight, scores(prompt.names, predictions)) for weight, predictions in terms],
            self.rated.select(prompt.names),
            level=level,
            seed=self._draws,
        )
        for criterion, estimate in zip((*prompt.names, MEAN), (*change.per_criterion, change.mean), strict=True):
            yield Figure(name, of, criterion, estimate)

    @property
    def unit(self) -> tuple[str, int]:
        """What the intervals resample, and how many there are."""
        return self.rated.unit, self.rated.n_units

    @property
    def _draws(self) -> int:
        return Random(f"{self.seed}/diagnosis/resamples").getrandbits(63)

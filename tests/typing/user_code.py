"""What a user writes: every verb, and an optimizer, a gate, a metric, a scoring method and an exporter of their own.

``mypy --strict`` reads this page, and a test runs it. It asks no real model.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt

import polyjudge as pj
from polyjudge.domain.criterion import Criterion
from polyjudge.domain.example import Example
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.records import Candidate, Measured, Prediction, Step
from polyjudge.domain.scale import show
from polyjudge.errors import QualityGateFailed, ReplyError
from polyjudge.gates import Decision, Evidence, Scored, Selection
from polyjudge.judge.scoring import Question
from polyjudge.judge.scoring import Scored as ReadScores
from polyjudge.llm.request import Abilities, Backend, Message, Reply, Request, Sampling
from polyjudge.metrics.rated import RatedRows
from polyjudge.optimizers.base import Proposal, Turn, TurnPlan
from polyjudge.results.exporters import ExportedJudge
from polyjudge.workflows.events import Event

CRITERIA: Mapping[str, object] = {
    "task": "Judge the letter.",
    "inputs": {"letter": "Letter"},
    "document": "street",
    "id": "id",
    "criteria": [{"name": "clarity", "scale": [1, 5]}, {"name": "warmth", "scale": [1, 5]}],
}


def letters(count: int = 48) -> list[dict[str, str]]:
    """Rated rows; every letter holds the values that people saw in it."""
    values = [(1 + index * 7 % 5, 1 + index * 3 % 4) for index in range(count)]
    return [
        {
            "id": f"l{index}",
            "street": f"s{index // 2}",
            "letter": f"Letter {index}: clear {clarity}, warm {warmth}.",
            "clarity": str(clarity),
            "warmth": str(warmth),
        }
        for index, (clarity, warmth) in enumerate(values)
    ]


def careful(request: Request) -> str:
    """A judge that reads the last letter of the prompt once it is told to look twice, and other roles beside it."""
    if request.role != "judge":
        return "<new_instruction>Rate from 1 to 5. Look twice.</new_instruction>"
    prompt = "\n".join(message.content for message in request.messages)
    number, clarity, warmth = re.findall(r"Letter (\d+): clear (\d), warm (\d)", prompt)[-1]
    if "ook twice" not in prompt:
        clarity = warmth = str(1 + int(number) % 5)
    if "NAME = VALUE" in prompt:
        return f"clarity = {clarity}\nwarmth = {warmth}"
    return f'{{"clarity": {clarity}, "warmth": {warmth}}}'


def backends() -> Mapping[str, Backend]:
    return {"test/judge": pj.Scripted(careful)}


@dataclass(frozen=True)
class Reminder:
    """An optimizer without a model, which adds one sentence to every instruction."""

    sentence: str = "Look twice."
    candidates: int = 1

    async def propose(self, turn: Turn) -> Proposal:
        texts = {name: f"{text} {self.sentence}" for name, text in turn.prompt.instructions.items()}
        return Proposal((Candidate(texts),))

    def plan(self, turn: Turn) -> TurnPlan:
        return TurnPlan(instruction_tokens=20)


@dataclass(frozen=True)
class Cautious:
    """A gate that accepts a candidate only where its mean rises by a margin."""

    inner: pj.MeanGate
    margin: float = 0.01
    measures: bool = True
    merges: bool = False
    higher_is_better: bool = True

    def metrics_for(self, criteria: Sequence[Criterion]) -> Mapping[str, pj.Metric]:
        return self.inner.metrics_for(criteria)

    def measure(self, prompt: JudgePrompt, predictions: Sequence[Prediction], rows: RatedRows) -> Measured:
        return self.inner.measure(prompt, predictions, rows)

    def select(self, evidence: Evidence) -> Selection:
        return self.inner.select(evidence)

    def confirm(self, evidence: Evidence, merged: Scored) -> Decision:
        gain = merged.known().mean - evidence.current.known().mean
        return Decision(not gain < self.margin, f"the mean rises by {gain:.3f}")


@pj.scalar_metric(range=(0.0, 1.0), kinds=("ordinal", "float"), needs_scale=True)
def closeness(predicted: npt.NDArray[np.float64], human: npt.NDArray[np.float64]) -> float:
    """Half the closeness is lost with every step of distance."""
    return float(np.mean(0.5 ** np.abs(predicted - human)))


@dataclass(frozen=True)
class Lines:
    """A scoring method: one line ``name = value`` a criterion."""

    name: str = "lines"
    on_scale: bool = True
    reminder: str = "Write one line for each criterion."
    samples: int = 1

    @classmethod
    def of(cls, prompt: JudgePrompt, structured: bool) -> Self:
        return cls()

    def labels(self, criterion: Criterion) -> tuple[str, ...]:
        return ()

    def refusal(self, prompt: JudgePrompt, abilities: Abilities) -> str:
        return ""

    def question(
        self, prompt: JudgePrompt, example: Example, sampling: Sampling, abilities: Abilities, *, item_first: bool
    ) -> Question:
        item = "\n".join(f"{label}: {example.inputs[column]}" for column, label in prompt.inputs)
        asked = "\n".join(f"{criterion.name}: {criterion.instruction}" for criterion in prompt.criteria)
        return Question(
            (Message("user", f"{prompt.task}\n{item}\nWrite a line NAME = VALUE for:\n{asked}"),), sampling
        )

    def spoken(self, criterion: Criterion, score: float) -> str:
        return show(criterion.scale, score)

    def read(self, reply: Reply, prompt: JudgePrompt) -> ReadScores:
        values = dict(re.findall(r"^(\w+) = (\d)$", reply.text, re.MULTILINE))
        scores = {name: float(values[name]) for name in prompt.names if name in values}
        if not scores:
            raise ReplyError("no line of the form NAME = VALUE")
        return ReadScores(scores)


def names_only(judge: ExportedJudge) -> str:
    return ", ".join(judge.file.rubric.names) + "\n"


def _files(folder: Path) -> tuple[Path, Path]:
    """The letters as CSV, and their criteria as YAML, of which JSON is a part."""
    table, criteria = folder / "letters.csv", folder / "criteria.yaml"
    with table.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, letters()[0])
        writer.writeheader()
        writer.writerows(letters())
    criteria.write_text(json.dumps(CRITERIA), "utf-8")
    return table, criteria


def fit(data: pj.Dataset, store: pj.AnswerStore, output: Path, watch: Callable[[Event], None]) -> pj.Run:
    """One run with an object for every part that takes one."""
    return pj.optimize(
        data,
        model="test/judge",
        optimizer=Reminder(),
        gate=Cautious(pj.MeanGate(closeness)),
        scoring=Lines,
        layout={"groups": [["clarity", "warmth"]]},
        budget=pj.Budget(calls=5000, tokens=5_000_000),
        settings=pj.Settings(steps=2, parameters={"judge": {"max_tokens": 64}}),
        backends=backends(),
        store=store,
        observer=watch,
        output=output,
    )


def main(folder: Path) -> Mapping[str, object]:
    """Every verb once; what came of it, by verb."""
    data = pj.load_dataset(letters(), CRITERIA)
    table, criteria = _files(folder)
    store = pj.MemoryStore()
    steps: list[str] = []

    def watch(event: Event) -> None:
        if isinstance(event, Step):
            steps.append(event.status)

    plan: pj.Check = pj.check(data, model="test/judge", optimizer="opro", backends=backends())
    own = fit(data, store, folder / "own", watch)
    run = pj.optimize(
        data,
        model="test/judge",
        optimizer=pj.TextGrad(mode="SSS"),
        gate=pj.PerCriterionGate(),
        scoring="json",
        layout="joint",
        settings=pj.Settings(steps=1),
        backends=backends(),
        store=store,
        output=folder / "run",
    )
    diagnosed: pj.Diagnosed = pj.diagnose(
        own,
        data=data,
        only="interference",
        gate=Cautious(pj.MeanGate(closeness)),
        scoring=Lines,
        backends=backends(),
        store=store,
    )
    scores: pj.Scores = pj.score(
        own.judge,
        letters(),
        scoring=Lines,
        output=folder / "scores.csv",
        backends=backends(),
        store=store,
        budget=pj.Budget(calls=99),
    )
    with pj.load(run.path / "judge.yaml", backends=backends(), store=store) as judge:
        values: Mapping[str, float | str | None] = judge(letter="Letter 99: clear 2, warm 5.")
    study: pj.StudyResult = pj.study(
        {"study": {"data": [{"name": "letters", "data": str(table), "criteria": str(criteria)}]}},
        model="test/judge",
        seeds=[0, 1],
        settings=pj.Settings(steps=1, mode="SSS", layout="joint", scoring="json"),
        backends=backends(),
        store=store,
        output=folder / "study",
    )
    audit: pj.Audit = pj.audit(folder / "scores.csv", criteria=CRITERIA)
    try:
        pj.audit(folder / "scores.csv", criteria=CRITERIA, fail_under={"mae": 0.0})
        passed = True
    except QualityGateFailed as failure:
        passed = failure.audit is None
    return {
        "check": plan.calls,
        "optimize": [step.status for step in own.steps] == steps,
        "verdict": own.outcome.verdict,
        "diagnose": [verdict.question for verdict in diagnosed.verdicts],
        "score": scores.rows - scores.unscored,
        "load": values,
        "study": len(study.cells),
        "audit": (audit.items, passed),
        "export": pj.export(own, to=names_only, scoring=Lines),
        "report": pj.report(run.path).stat().st_size > 0,
    }

"""Parts that the tests of the loop share: rows, a judge who does what its instructions say, a scripted optimizer."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field

from tests.asking import NAMES, judge_of, prompt_of, rows, textgrad_of, wanted

from polyjudge.domain.example import Example
from polyjudge.domain.records import Candidate, Step
from polyjudge.engine import Setup, optimize
from polyjudge.gates import Gate, MeanGate, PerCriterionGate
from polyjudge.judge.measure import rated_rows
from polyjudge.llm.request import Request
from polyjudge.optimizers.base import Optimizer, Proposal, Turn, TurnPlan
from polyjudge.testing.asking import Answer, ScriptedAsker, said

TRAIN, VALIDATION = rows(9, prefix="train"), rows(8, prefix="validation")
RATED = rated_rows(prompt_of().criteria, VALIDATION)
SPEARMAN = MeanGate("spearman")
OWN = PerCriterionGate(dict.fromkeys(NAMES, "spearman"), seed=7)


def sampler(turn: int) -> tuple[Example, ...]:
    return tuple(TRAIN[(turn * 3 + at) % len(TRAIN)] for at in range(3))


def setup_of(asker: ScriptedAsker, optimizer: Optimizer, gate: Gate = SPEARMAN, steps: int = 4) -> Setup:
    return Setup(prompt_of(), judge_of(asker), optimizer, gate, VALIDATION, RATED, sampler, 3, steps)


def collected(setup: Setup) -> list[Step]:
    async def collect() -> list[Step]:
        return [step async for step in optimize(setup)]

    return asyncio.run(collect())


def run(asker: ScriptedAsker, mode: str = "SSS", gate: Gate = SPEARMAN, steps: int = 4) -> list[Step]:
    return collected(setup_of(asker, textgrad_of(asker, mode), gate, steps))


@dataclass(frozen=True)
class Proposer:
    """An optimizer that proposes given candidates, turn by turn."""

    turns: tuple[tuple[Candidate, ...], ...]
    candidates: int = 1
    seen: list[Turn] = field(default_factory=list)

    async def propose(self, turn: Turn) -> Proposal:
        self.seen.append(turn)
        return Proposal(self.turns[turn.index - 1])

    def plan(self, turn: Turn) -> TurnPlan:
        return TurnPlan()


def reader(request: Request) -> Answer:
    """A judge that agrees with people as well as its instructions say: well, badly or not at all."""
    text = said(request)
    example = next(e for e in (*TRAIN, *VALIDATION) if e.inputs["text"] in text)
    if "be silent" in text:
        return "..."
    scores = {}
    for criterion in prompt_of(wanted(request)).criteria:
        line = next(line for line in text.splitlines() if line.startswith(f"- {criterion.name}"))
        human = example.human(criterion)
        scores[criterion.name] = int(human if "well" in line else 6 - human if "badly" in line else 1 + human % 5)
        if "skip" in line:
            scores[criterion.name] = None
    return json.dumps(scores)


def all_of(text: str) -> Candidate:
    return Candidate(dict.fromkeys(NAMES, text))


def proposed(*turns: tuple[Candidate, ...], gate: Gate = SPEARMAN) -> list[Step]:
    return collected(setup_of(ScriptedAsker(reader), Proposer(turns), gate, len(turns)))

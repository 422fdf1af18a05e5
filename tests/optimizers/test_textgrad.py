"""Textual gradients in every decomposition: who is asked how often, who hears what, and what happens when it fails."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import replace

import pytest
from tests.asking import CALLS, NAMES, judge_of, mark, number, prompt_of, rows, speaker, textgrad_of

from polyjudge import codec
from polyjudge.domain.decomposition import MODES, Decomposition, Group
from polyjudge.domain.example import Example
from polyjudge.domain.records import Step
from polyjudge.engine import Setup, optimize
from polyjudge.gates import MeanGate
from polyjudge.judge.measure import rated_rows
from polyjudge.llm.request import Request
from polyjudge.optimizers.base import Proposal, Turn
from polyjudge.testing.asking import ScriptedAsker, said

BATCH = rows(3)


def propose(
    asker: ScriptedAsker,
    mode: str = "SSS",
    names: Group = NAMES,
    *,
    batch: tuple[Example, ...] = BATCH,
    candidates: int = 1,
    layout_name: str = "joint",
) -> Proposal:
    turn = Turn(1, prompt_of(names), batch, judge_of(asker, names, layout_name=layout_name))
    return asyncio.run(textgrad_of(asker, mode, names, candidates=candidates).propose(turn))


def run(asker: ScriptedAsker, mode: str, names: Group, steps: int = 3) -> list[Step]:
    async def collect() -> list[Step]:
        setup = Setup(
            prompt=prompt_of(names),
            judge=judge_of(asker, names),
            optimizer=textgrad_of(asker, mode, names, candidates=2),
            gate=MeanGate("mae", strict=False),
            validation=rows(6, names, prefix="validation"),
            rated=rated_rows(prompt_of(names).criteria, rows(6, names, prefix="validation")),
            sampler=lambda turn: rows(8, names)[turn : turn + 3],
            batch=3,
            steps=steps,
        )
        return [step async for step in optimize(setup)]

    return asyncio.run(collect())


def test_over_one_criterion_all_modes_ask_the_same_and_step_the_same() -> None:
    asked: dict[str, list[Request]] = {}
    lines: dict[str, list[str]] = {}
    for mode in MODES:
        asker = ScriptedAsker(speaker(("fluency",)))
        lines[mode] = [codec.line(step) for step in run(asker, mode, ("fluency",))]
        asked[mode] = asker.asked
    for mode in MODES[1:]:
        assert asked[mode] == asked["ST"]
        assert lines[mode] == lines["ST"]
    assert len(asked["ST"]) > 40
    assert {json.loads(line)["status"] for line in lines["ST"]} >= {"initial", "accepted"}


@pytest.mark.parametrize("mode", CALLS)
@pytest.mark.parametrize("candidates", [1, 3])
def test_the_calls_of_a_step_are_those_of_the_mode(mode: str, candidates: int) -> None:
    asker = ScriptedAsker(speaker())
    propose(asker, mode, candidates=candidates)
    asked = Counter(request.role for request in asker.asked)
    expected = {**CALLS[mode], "optimizer": CALLS[mode]["optimizer"] * candidates}
    assert asked.pop("judge") == 3
    assert asked == expected
    plan = textgrad_of(asker, mode, candidates=candidates).plan(Turn(1, prompt_of(), BATCH, judge_of(asker)))
    assert {one.role: one.calls for one in plan.calls} == expected


def test_each_role_is_asked_by_its_own_name_and_model() -> None:
    asker = ScriptedAsker(speaker())
    propose(asker)
    optimizer = textgrad_of(asker)
    for name in ("loss", "gradient", "optimizer"):
        role = getattr(optimizer, name).role
        assert role.name == name
        assert {request.model for request in asker.of_role(name)} == {role.model}
    assert {request.model for request in asker.of_role("judge")} == {"script/judge"}


@pytest.mark.parametrize("mode", CALLS)
@pytest.mark.parametrize("layout_name", ["joint", "separate"])
def test_nothing_is_heard_twice_and_nothing_is_lost(mode: str, layout_name: str) -> None:
    asker = ScriptedAsker(speaker())
    found = propose(asker, mode, layout_name=layout_name)
    heard_by = {"loss": "gradient", "gradient": "optimizer"}
    for speaking, listening in heard_by.items():
        prompts = [said(request) for request in asker.of_role(listening)]
        for request in asker.of_role(speaking):
            assert sum(text.count(mark(request)) for text in prompts) == 1
    assert len(found.gradients) == CALLS[mode]["gradient"]
    assert len(found.critiques) == CALLS[mode]["loss"]


@pytest.mark.parametrize("mode", ["SSS", "SSC", "SCC", "CCC"])
def test_every_result_is_headed_by_all_the_criteria_it_speaks_for(mode: str) -> None:
    asker = ScriptedAsker(speaker())
    found = propose(asker, mode)
    for results, listening in ((found.critiques, "gradient"), (found.gradients, "optimizer")):
        heard = "\n".join(said(request) for request in asker.of_role(listening))
        for result in results:
            assert f'On {", ".join(result.group)}:\n"""\n{result.text}\n"""' in heard
    groups = {critique.group for critique in found.critiques}
    assert groups == ({NAMES} if mode == "CCC" else {(name,) for name in NAMES})


def test_a_separate_stage_speaks_of_its_criterion_alone() -> None:
    asker = ScriptedAsker(speaker())
    propose(asker, "SSS", layout_name="separate")
    for role in ("loss", "gradient", "optimizer"):
        for request in asker.of_role(role):
            assert sum(name in said(request) for name in NAMES) == 1


@pytest.mark.parametrize("groups", [(("fluency", "coherence"), ("relevance", "consistency"))])
def test_any_coarser_partition_works(groups: tuple[Group, ...]) -> None:
    asker = ScriptedAsker(speaker())
    separate = tuple((name,) for name in NAMES)
    optimizer = replace(textgrad_of(asker), decomposition=Decomposition(separate, groups, groups))
    found = asyncio.run(optimizer.propose(Turn(1, prompt_of(), BATCH, judge_of(asker))))
    asked = Counter(request.role for request in asker.asked if request.role != "judge")
    assert asked == {"loss": 12, "gradient": 6, "optimizer": 2}
    assert [gradient.group for gradient in found.gradients] == list(groups) * 3
    assert set(found.candidates[0].instructions) == set(NAMES)
    assert not found.candidates[0].failure


def test_results_come_in_the_order_of_the_batch_and_the_groups() -> None:
    async def late(request: Request) -> str:
        for _ in range(number(request) % 11):
            await asyncio.sleep(0)
        return speaker()(request)

    found = propose(ScriptedAsker(late))
    assert [prediction.example for prediction in found.predictions] == [example.id for example in BATCH]
    expected = [(example.id, (name,)) for example in BATCH for name in NAMES]
    assert [(critique.example, critique.group) for critique in found.critiques] == expected
    assert [(gradient.example, gradient.group) for gradient in found.gradients] == expected
    assert found == propose(ScriptedAsker(speaker()))


def test_the_candidates_are_different_draws_of_one_question() -> None:
    asker = ScriptedAsker(speaker())
    found = propose(asker, "CCC", candidates=3)
    requests = asker.of_role("optimizer")
    assert [request.sample for request in requests] == [0, 1, 2]
    assert len({said(request) for request in requests}) == 1
    assert len(found.candidates) == 3
    assert len({candidate.instructions["fluency"] for candidate in found.candidates}) == 3


def test_a_batch_drawn_again_in_a_later_turn_is_asked_anew() -> None:
    asker = ScriptedAsker(speaker())
    judge = judge_of(asker)
    optimizer = textgrad_of(asker)
    candidates = [asyncio.run(optimizer.propose(Turn(at, prompt_of(), BATCH, judge))).candidates for at in (1, 2)]
    assert candidates[0] != candidates[1]


def test_an_examples_chain_does_not_wait_for_the_other_examples() -> None:
    asked_for_first = asyncio.Event()

    async def answer(request: Request) -> str:
        if request.role == "judge" and BATCH[1].inputs["text"] in said(request):
            await asked_for_first.wait()
        if request.role == "gradient" and BATCH[0].inputs["text"] in said(request):
            asked_for_first.set()
        return speaker()(request)

    asker = ScriptedAsker(answer)

    async def both() -> Proposal:
        turn = Turn(1, prompt_of(), BATCH, judge_of(asker))
        return await asyncio.wait_for(textgrad_of(asker).propose(turn), timeout=20)

    assert len(asyncio.run(both()).gradients) == 12


def test_a_gradient_waits_for_no_critique_but_its_own() -> None:
    asked_for_fluency = asyncio.Event()

    async def answer(request: Request) -> str:
        if request.role == "loss" and "<criterion>\ncoherence" in said(request):
            await asked_for_fluency.wait()
        if request.role == "gradient" and "<criterion>\nfluency" in said(request):
            asked_for_fluency.set()
        return speaker()(request)

    asker = ScriptedAsker(answer)

    async def both() -> Proposal:
        turn = Turn(1, prompt_of(), BATCH[:1], judge_of(asker))
        return await asyncio.wait_for(textgrad_of(asker).propose(turn), timeout=20)

    assert len(asyncio.run(both()).gradients) == 4

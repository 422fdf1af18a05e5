"""The loop: what a step becomes, that it can be replayed, and that the frame of the prompt never moves."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.asking import NAMES, number, prompt_of, speaker, textgrad_of
from tests.stepping import (
    OWN,
    SPEARMAN,
    TRAIN,
    VALIDATION,
    Proposer,
    all_of,
    collected,
    proposed,
    reader,
    run,
    sampler,
    setup_of,
)

from polyjudge import codec
from polyjudge.domain.records import Candidate, Step
from polyjudge.engine import optimize
from polyjudge.errors import BudgetSpent
from polyjudge.gates import Gate, NoGate
from polyjudge.llm.request import ROLES, Request
from polyjudge.testing.asking import Answer, ScriptedAsker, said

GATES = pytest.mark.parametrize("gate", [SPEARMAN, OWN], ids=["mean", "per-criterion"])


def test_step_0_is_the_initial_prompt_measured() -> None:
    (first,) = proposed()
    assert (first.index, first.status, first.criteria, first.chosen) == (0, "initial", NAMES, None)
    assert first.instructions == prompt_of().instructions
    assert first.measured is not None
    assert set(first.measured.values) == set(NAMES)


def test_a_better_candidate_is_accepted() -> None:
    first, step = proposed((all_of("Rate well."),))
    assert step.status == "accepted"
    assert step.chosen == 0
    assert step.instructions == dict.fromkeys(NAMES, "Rate well.")
    assert step.measured == step.candidates[0].measured
    assert step.measured.mean == pytest.approx(1.0)
    assert first.measured.mean < 0.9
    assert step.candidates[0].reason == step.reason
    assert step.batch == tuple(example.id for example in sampler(1))


def test_a_worse_or_equal_candidate_is_rejected_and_leaves_everything_as_it_was() -> None:
    first, worse, equal = proposed((all_of("Rate badly."),), (Candidate({"fluency": "Rate it from 1 to 5."}),))
    for step in (worse, equal):
        assert step.status == "rejected"
        assert step.chosen is None
        assert step.instructions == first.instructions
        assert step.measured == first.measured
        assert "not better" in step.reason
    assert worse.candidates[0].measured.mean < first.measured.mean
    assert worse.candidates[0].instructions == dict.fromkeys(NAMES, "Rate badly.")


def test_an_equal_candidate_is_accepted_by_a_gate_that_is_not_strict() -> None:
    _, equal = proposed((Candidate({"fluency": "Rate it from 1 to 5."}),), gate=replace(SPEARMAN, strict=False))
    assert equal.status == "accepted"


def test_no_readable_candidate_is_a_failed_step() -> None:
    first, step, none = proposed((Candidate({}, "it was cut off"), Candidate({}, "it was empty")), ())
    assert step.status == none.status == "failed"
    assert step.chosen is None
    assert step.instructions == none.instructions == first.instructions
    assert step.measured == first.measured
    assert step.reason == "it was cut off; it was empty"
    assert [candidate.failure for candidate in step.candidates] == ["it was cut off", "it was empty"]
    assert none.reason


def test_a_candidate_that_silences_the_judge_is_rejected() -> None:
    first, wholly, partly = proposed(
        (all_of("be silent"),), (Candidate({"fluency": "Rate well.", "coherence": "Rate well, skip."}),)
    )
    for step in (wholly, partly):
        assert step.status == "rejected"
        assert step.instructions == first.instructions
        assert math.isnan(step.candidates[0].measured.mean)
    assert "coherence" in partly.reason
    assert partly.candidates[0].measured.coverage["coherence"] == 0.0


def test_the_best_of_several_candidates_is_taken() -> None:
    half = Candidate({"fluency": "Rate well."})
    _, step = proposed((all_of("Rate badly."), half, Candidate({}, "it was empty"), all_of("Rate well.")))
    assert step.status == "accepted"
    assert step.chosen == 3
    assert [bool(candidate.reason) for candidate in step.candidates] == [True, True, False, True]
    assert step.instructions == dict.fromkeys(NAMES, "Rate well.")


def test_a_partial_draft_keeps_the_other_instructions_and_says_so() -> None:
    first, step = proposed((Candidate({"fluency": "Rate well."}, "coherence: the reply is empty"),))
    assert step.status == "accepted"
    assert step.instructions == {**first.instructions, "fluency": "Rate well."}
    assert "coherence: the reply is empty" in step.reason


def test_without_a_gate_the_first_readable_candidate_is_accepted_unmeasured() -> None:
    first, step = proposed((Candidate({}, "it was empty"), all_of("Rate badly."), all_of("Rate well.")), gate=NoGate())
    assert first.measured is None
    assert step.measured is None
    assert step.status == "accepted"
    assert step.chosen == 1
    assert step.instructions == dict.fromkeys(NAMES, "Rate badly.")


def test_steps_build_on_what_was_accepted() -> None:
    steps = proposed(
        (Candidate({"fluency": "Rate well."}),), (all_of("Rate badly."),), (Candidate({"coherence": "Well: well."}),)
    )
    assert [step.status for step in steps] == ["initial", "accepted", "rejected", "accepted"]
    assert steps[3].instructions == {
        **prompt_of().instructions,
        "fluency": "Rate well.",
        "coherence": "Well: well.",
    }


def test_an_optimizer_sees_the_current_prompt_and_the_turns_batch() -> None:
    proposer = Proposer(((Candidate({"fluency": "Rate well."}),), (all_of("Rate badly."),), ()))
    steps = collected(setup_of(ScriptedAsker(reader), proposer, steps=3))
    for turn, before, step in zip(proposer.seen, steps, steps[1:], strict=False):
        assert turn.index == step.index
        assert turn.prompt.instructions == before.instructions
        assert turn.batch == sampler(turn.index)
    assert len(proposer.seen) == 3


def jittered(salt: str) -> Callable[[Request], object]:
    async def answer(request: Request) -> Answer:
        for _ in range(number(request, salt) % 9):
            await asyncio.sleep(0)
        if number(request, "unreadable") % 7 == 0:
            return ""
        return speaker()(request)

    return answer


@GATES
@pytest.mark.parametrize("mode", ["SSS", "SSC", "SCC", "CCC"])
def test_the_same_replies_make_the_same_lines_and_the_same_calls_in_whatever_order_they_come(
    mode: str, gate: Gate
) -> None:
    runs = []
    for salt in ("a", "b", "c"):
        asker = ScriptedAsker(jittered(salt))
        lines = [codec.line(step) for step in run(asker, mode, gate, steps=5)]
        runs.append((lines, sorted(request.key("here") for request in asker.asked)))
    assert runs[1] == runs[0]
    assert runs[2] == runs[0]
    assert any(json.loads(line)["status"] != "failed" for line in runs[0][0][1:])


@GATES
def test_nothing_but_the_batch_and_the_validation_rows_is_ever_asked(gate: Gate) -> None:
    asker = ScriptedAsker(speaker())
    steps = run(asker, gate=gate, steps=4)
    drawn = {example_id for step in steps for example_id in step.batch}
    for request in asker.asked:
        shown = {e.id for e in (*TRAIN, *VALIDATION) if e.inputs["text"] in said(request)}
        assert shown
        if request.role == "judge":
            assert len(shown) == 1
            assert shown <= drawn | {example.id for example in VALIDATION}
        else:
            assert shown <= drawn
    assert {request.role for request in asker.asked} == set(ROLES) - {"diagnostic"}


def test_nothing_is_asked_before_the_first_step_is_wanted_nor_after_the_last() -> None:
    async def two_steps() -> tuple[int, int, int]:
        asker = ScriptedAsker(speaker())
        loop = optimize(setup_of(asker, textgrad_of(asker)))
        before = len(asker.asked)
        await anext(loop)
        initial = len(asker.asked)
        await loop.aclose()
        return before, initial, len(asker.asked)

    assert asyncio.run(two_steps()) == (0, len(VALIDATION), len(VALIDATION))


def test_a_stop_comes_out_as_itself_and_the_steps_before_it_stand() -> None:
    asked: list[Request] = []

    def answer(request: Request) -> Answer:
        asked.append(request)
        if len(asked) > 60:
            raise BudgetSpent("no calls are left")
        return speaker()(request)

    asker = ScriptedAsker(answer)
    steps: list[Step] = []

    async def collect() -> None:
        loop = optimize(setup_of(asker, textgrad_of(asker)))
        while True:
            steps.append(await anext(loop))

    with pytest.raises(BudgetSpent, match="no calls are left"):
        asyncio.run(collect())
    assert steps
    assert [codec.line(step) for step in steps] == [
        codec.line(step) for step in run(ScriptedAsker(speaker()))[: len(steps)]
    ]

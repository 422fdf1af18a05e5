"""The loop under the gate per-criterion: what is merged and measured again, and what is remembered of the rest."""

from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise

import pytest
from tests.asking import CALLS, NAMES, judge_of, prompt_of, speaker, textgrad_of
from tests.stepping import (
    OWN,
    RATED,
    SPEARMAN,
    TRAIN,
    VALIDATION,
    Proposer,
    all_of,
    collected,
    proposed,
    reader,
    sampler,
    setup_of,
)

from polyjudge import codec
from polyjudge.domain.records import Candidate, Step
from polyjudge.engine import Setup
from polyjudge.gates import Gate, NoGate, PerCriterionGate
from polyjudge.llm.request import Request
from polyjudge.testing.asking import Answer, ScriptedAsker, said

GATES = pytest.mark.parametrize("gate", [SPEARMAN, OWN], ids=["mean", "per-criterion"])


def test_per_criterion_keeps_what_helped_and_measures_it_again() -> None:
    asker = ScriptedAsker(reader)
    mixed = Candidate({"fluency": "Rate well.", "coherence": "Rate badly.", "relevance": "Rate well."})
    first, step = collected(setup_of(asker, Proposer(((mixed,),)), OWN, 1))
    assert step.status == "accepted"
    assert step.chosen is None
    assert step.kept == ("fluency", "relevance")
    assert step.instructions == {**first.instructions, "fluency": "Rate well.", "relevance": "Rate well."}
    assert step.merged.instructions == {"fluency": "Rate well.", "relevance": "Rate well."}
    assert step.merged.passed == step.kept
    assert step.measured == step.merged.measured
    assert step.measured.values["coherence"] == first.measured.values["coherence"]
    assert step.candidates[0].passed == step.kept
    assert step.candidates[0].measured.values["coherence"] == pytest.approx(-1)
    assert [effect.criterion for effect in step.candidates[0].effects] == list(NAMES)
    assert step.reason.startswith("new instruction kept for fluency, relevance: mean spearman ")
    assert len(asker.asked) == 3 * len(VALIDATION)
    assert codec.record(Step, codec.line(step), "here") == step


def test_per_criterion_takes_a_candidate_that_passes_whole_without_asking_again() -> None:
    asker = ScriptedAsker(reader)
    _, step = collected(setup_of(asker, Proposer(((all_of("Rate well."),),)), OWN, 1))
    assert (step.status, step.chosen, step.merged, step.kept) == ("accepted", 0, None, NAMES)
    assert len(asker.asked) == 2 * len(VALIDATION)


def test_per_criterion_merges_the_best_texts_of_several_candidates() -> None:
    some = Candidate({"fluency": "Rate well.", "coherence": "Rate badly."})
    others = Candidate({"fluency": "Rate badly.", "relevance": "Rate well, too."})
    first, step = proposed((some, Candidate({}, "it was empty"), others), gate=OWN)
    assert step.kept == ("fluency", "relevance")
    assert step.instructions == {**first.instructions, "fluency": "Rate well.", "relevance": "Rate well, too."}
    assert [candidate.passed for candidate in step.candidates] == [("fluency",), (), ("relevance",)]


def jealous(request: Request) -> Answer:
    """A judge whom one good instruction helps and two together spoil."""
    text = said(request)
    example = next(e for e in (*TRAIN, *VALIDATION) if e.inputs["text"] in text)
    well = [name for name in NAMES if f"- {name} " in text and f"Rate {name} well" in text]
    scores = {}
    for criterion in prompt_of().criteria:
        human = example.human(criterion)
        alone = human if criterion.name in well else 1 + human % 5
        scores[criterion.name] = int(6 - human if len(well) > 1 else alone)
    return json.dumps(scores)


def test_what_helped_apart_and_harms_together_is_refused_and_remembered_so() -> None:
    one, other = Candidate({"fluency": "Rate fluency well."}), Candidate({"coherence": "Rate coherence well."})
    proposer = Proposer(((one, other), ()))
    first, step, _ = collected(setup_of(ScriptedAsker(jealous), proposer, OWN, 2))
    assert [candidate.passed for candidate in step.candidates] == [("fluency",), ("coherence",)]
    assert (step.status, step.chosen, step.kept) == ("rejected", None, ())
    assert step.instructions == first.instructions
    assert step.measured == first.measured
    assert step.merged.passed == ()
    assert step.merged.measured.mean == pytest.approx(-1)
    assert "refused when merged" in step.reason
    assert [(edit.text, edit.together, edit.after) for edit in proposer.seen[1].rejected] == [
        ("Rate fluency well.", True, pytest.approx(-1)),
        ("Rate coherence well.", True, pytest.approx(-1)),
    ]


def test_under_the_layout_solo_a_merged_prompt_asks_nothing_new() -> None:
    asker = ScriptedAsker(reader)
    mixed = Candidate({"fluency": "Rate well.", "coherence": "Rate badly.", "relevance": "Rate well."})
    setup = setup_of(asker, Proposer(((mixed,),)), OWN, 1)
    _, step = collected(replace(setup, judge=judge_of(asker, layout_name="separate")))
    assert step.kept == ("fluency", "relevance")
    keys = [request.key("here") for request in asker.asked]
    assert len(keys) == 3 * len(NAMES) * len(VALIDATION)
    before = 2 * len(NAMES) * len(VALIDATION)
    assert set(keys[before:]) <= set(keys[:before])


@pytest.mark.parametrize("mode", CALLS)
@pytest.mark.parametrize("candidates", [1, 2])
def test_under_per_criterion_the_measured_mean_rises_from_step_to_accepted_step(mode: str, candidates: int) -> None:
    asker = ScriptedAsker(speaker())
    steps = collected(setup_of(asker, textgrad_of(asker, mode, candidates=candidates), OWN, 8))
    for before, step in pairwise(steps):
        if step.status == "accepted":
            assert step.measured.mean > before.measured.mean
            assert step.kept
            changed = {name for name in NAMES if step.instructions[name] != before.instructions[name]}
            assert set(step.kept) == changed
        else:
            assert step.measured == before.measured
            assert step.instructions == before.instructions
            assert step.kept == ()
    assert {step.status for step in steps} == {"initial", "accepted", "rejected"}
    assert any(step.merged for step in steps)


@pytest.mark.parametrize("mode", CALLS)
def test_no_gate_and_no_memory_changes_what_a_mode_asks_for(mode: str) -> None:
    for gate in (OWN, SPEARMAN, NoGate()):
        for remembered in (True, False):
            asker = ScriptedAsker(speaker())
            collected(setup_of(asker, replace(textgrad_of(asker, mode), show_rejected=remembered), gate, 4))
            asked = {role: len(asker.of_role(role)) for role in CALLS[mode]}
            assert asked == {role: count * 4 for role, count in CALLS[mode].items()}


def test_over_one_criterion_per_criterion_is_the_strict_mean_gate() -> None:
    asked, lines = [], []
    for gate in (SPEARMAN, PerCriterionGate({"fluency": "spearman"}, seed=7)):
        asker = ScriptedAsker(speaker(("fluency",)))
        optimizer = textgrad_of(asker, "SSS", ("fluency",), candidates=2)
        judge = judge_of(asker, ("fluency",))
        setup = Setup(
            prompt_of(("fluency",)), judge, optimizer, gate, VALIDATION, RATED.select(("fluency",)), sampler, 3, 8
        )
        steps = collected(setup)
        asked.append(asker.asked)
        lines.append([(step.status, step.chosen, step.instructions, step.measured) for step in steps])
    assert asked[0] == asked[1]
    assert lines[0] == lines[1]
    assert {line[0] for line in lines[0]} == {"initial", "accepted", "rejected"}


@GATES
@pytest.mark.parametrize("mode", CALLS)
def test_a_rejected_instruction_is_told_once_to_the_next_optimizer_and_to_nobody_else(mode: str, gate: Gate) -> None:
    asker = ScriptedAsker(speaker())
    steps = collected(setup_of(asker, textgrad_of(asker, mode), gate, 5))
    told = [said(request) for request in asker.of_role("optimizer")]
    calls = CALLS[mode]["optimizer"]
    rejected = 0
    for step in steps[1:-1]:
        following = "\n".join(told[step.index * calls : (step.index + 1) * calls])
        earlier = "\n".join(told[: step.index * calls])
        for candidate in (*step.candidates, *([step.merged] if step.merged else [])):
            for name, text in candidate.instructions.items():
                assert text not in earlier
                if name not in candidate.passed:
                    assert following.count(text) == 1
                    assert f'\n"""\n{text}\n"""' in following
                    rejected += 1
    assert rejected
    others = "\n".join(said(r) for role in ("judge", "loss", "gradient") for r in asker.of_role(role))
    assert "Earlier rewritings" not in others
    assert all("Earlier rewritings" not in text for text in told[:calls])


def test_memory_can_be_left_out() -> None:
    asker = ScriptedAsker(speaker())
    steps = collected(setup_of(asker, replace(textgrad_of(asker), show_rejected=False), OWN, 5))
    assert any(step.status == "rejected" for step in steps)
    assert not any("Earlier rewritings" in said(request) for request in asker.asked)


def test_an_optimizer_is_given_at_most_five_rejected_instructions_a_criterion_the_newest_last() -> None:
    turns = tuple((Candidate({"fluency": f"Rate badly, way {turn}."}),) for turn in range(8))
    proposer = Proposer((*turns, ()))
    collected(setup_of(ScriptedAsker(reader), proposer, steps=9))
    assert [edit.text for edit in proposer.seen[-1].rejected] == [f"Rate badly, way {turn}." for turn in range(3, 8)]
    assert all(edit.after < edit.before for edit in proposer.seen[-1].rejected)
    assert proposer.seen[0].rejected == ()

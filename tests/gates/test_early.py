"""Early rejection: halves of whole documents, and calls that are not made."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from tests.asking import judge_of, prompt_of, rows
from tests.stepping import OWN, Proposer, all_of, collected, reader, sampler

from polyjudge.domain.layout import layout
from polyjudge.domain.records import Candidate
from polyjudge.engine import Setup
from polyjudge.gates.early import EarlyReject
from polyjudge.judge.measure import rated_rows
from polyjudge.metrics.rated import RatedRows
from polyjudge.testing.asking import ScriptedAsker

ROWS = tuple(replace(row, document=f"d{index // 2}") for index, row in enumerate(rows(8, prefix="validation")))
MANY = tuple(
    replace(row, id=f"{row.id}.{copy}", document=f"{row.document}.{copy}", inputs={**row.inputs, "no": str(copy)})
    for copy in range(4)
    for row in ROWS
)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=40), st.integers(0, 5), st.integers(1, 9))
def test_a_first_half_is_of_whole_documents_and_holds_half_of_the_rows(documents, seed, turn) -> None:
    rated = RatedRows.of(np.zeros((len(documents), 1)), documents=documents)
    mask = EarlyReject(seed).first_half(turn, rated)
    assert mask.sum() >= len(documents) / 2
    inside = {document for document, taken in zip(documents, mask, strict=True) if taken}
    assert all((document in inside) == taken for document, taken in zip(documents, mask, strict=True))
    largest = max(documents.count(document) for document in documents)
    assert mask.sum() <= len(documents) / 2 + largest


def setup_of(asker: ScriptedAsker, candidates: tuple[Candidate, ...], how: str, early: EarlyReject | None) -> Setup:
    judge = replace(judge_of(asker), layout=layout(how, prompt_of().names))
    prompt = prompt_of().revise(dict.fromkeys(prompt_of().names, "Rate."))
    rated = rated_rows(prompt.criteria, MANY)
    return Setup(prompt, judge, Proposer((candidates,)), OWN, MANY, rated, sampler, 3, 1, early)


def test_a_candidate_that_does_badly_is_given_up_at_half_of_the_rows() -> None:
    asker = ScriptedAsker(reader)
    _, step = collected(setup_of(asker, (all_of("Rate badly."),), "joint", EarlyReject()))
    assert step.status == "rejected"
    assert step.candidates[0].stopped == prompt_of().names
    assert "stopped there" in step.candidates[0].reason
    half = EarlyReject().first_half(1, rated_rows(prompt_of().criteria, MANY)).sum()
    assert len(asker.asked) == len(MANY) + half
    shares = step.candidates[0].measured.coverage.values()
    assert all(share == half / len(MANY) for share in shares)


def test_in_a_call_of_its_own_each_criterion_is_given_up_alone_and_decided_as_without_it() -> None:
    mixed = Candidate({"fluency": "Rate well.", "coherence": "Rate badly.", "relevance": "Rate well."})
    early, whole = ScriptedAsker(reader), ScriptedAsker(reader)
    _, step = collected(setup_of(early, (mixed,), "separate", EarlyReject()))
    _, other = collected(setup_of(whole, (mixed,), "separate", None))
    assert step.candidates[0].stopped == ("coherence",)
    assert step.kept == other.kept == ("fluency", "relevance")
    assert step.measured == other.measured
    half = EarlyReject().first_half(1, rated_rows(prompt_of().criteria, MANY)).sum()
    assert len(whole.asked) - len(early.asked) == len(MANY) - half


def test_in_a_shared_call_one_good_instruction_keeps_the_call() -> None:
    mixed = Candidate({"fluency": "Rate well.", "coherence": "Rate badly."})
    _, step = collected(setup_of(ScriptedAsker(reader), (mixed,), "joint", EarlyReject()))
    assert step.candidates[0].stopped == ()
    assert step.kept == ("fluency",)


def test_a_proposal_that_changes_nothing_asks_nothing() -> None:
    asker = ScriptedAsker(reader)
    _, step = collected(setup_of(asker, (all_of("Rate."),), "joint", EarlyReject()))
    assert step.status == "rejected"
    assert len(asker.asked) == len(MANY)

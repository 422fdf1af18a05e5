"""Textual gradients when replies fail: what is missing is named, a stop is a stop, and no old text passes as new."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import pytest
from tests.asking import CALLS, NAMES, judge_of, mark, prompt_of, row, rows, speaker, textgrad_of

from polyjudge.domain.example import Example
from polyjudge.domain.scale import NAN
from polyjudge.errors import BudgetSpent, ProviderGone, ReplyError
from polyjudge.llm.request import Reply, Request
from polyjudge.optimizers.base import Proposal, Turn
from polyjudge.templates.instruction_parser import MANY, ONE, marked
from polyjudge.testing.asking import Answer, ScriptedAsker, said

BATCH = rows(3)


def propose(asker: ScriptedAsker, mode: str = "SSS", *, batch: tuple[Example, ...] = BATCH) -> Proposal:
    return asyncio.run(textgrad_of(asker, mode).propose(Turn(1, prompt_of(), batch, judge_of(asker))))


def unreadable(role: str, condition: Callable[[Request], bool] = lambda request: True) -> Callable[[Request], Answer]:
    def answer(request: Request) -> Answer:
        if request.role == role and condition(request):
            return ""
        return speaker()(request)

    return answer


@pytest.mark.parametrize("mode", ["SSS", "SSC", "SCC", "CCC"])
def test_an_unreadable_revision_is_a_failed_draft_and_never_the_old_text(mode: str) -> None:
    asker = ScriptedAsker(unreadable("optimizer"))
    (candidate,) = propose(asker, mode).candidates
    assert candidate.instructions == {}
    assert all(name in candidate.failure for name in NAMES)
    assert len(asker.of_role("optimizer")) == 3 * CALLS[mode]["optimizer"]
    assert sorted({request.retry for request in asker.of_role("optimizer")}) == [0, 1, 2]


def test_one_unreadable_revision_is_named_and_the_others_stand() -> None:
    asker = ScriptedAsker(unreadable("optimizer", lambda request: "<criterion>\nrelevance" in said(request)))
    (candidate,) = propose(asker).candidates
    assert set(candidate.instructions) == {"fluency", "coherence", "consistency"}
    assert "relevance" in candidate.failure
    assert "fluency" not in candidate.failure


@pytest.mark.parametrize(
    "reply", ['{"fluency": "Rate."}', "Rate from 1 to 5.", "{}", '{"fluency": "a", "coherence": "b", "relevance": ""}']
)
def test_a_combined_revision_that_lacks_a_criterion_is_unreadable(reply: str) -> None:
    asker = ScriptedAsker(lambda request: marked(reply, MANY) if request.role == "optimizer" else speaker()(request))
    (candidate,) = propose(asker, "CCC").candidates
    assert candidate.instructions == {}
    assert candidate.failure


def test_what_failed_and_what_was_asked_do_not_hang_on_which_reply_came_first() -> None:
    def slow(name: str) -> Callable[[Request], object]:
        async def answer(request: Request) -> Answer:
            if request.role == "optimizer" and f"<criterion>\n{name}" in said(request):
                for _ in range(50):
                    await asyncio.sleep(0)
            bad = request.role == "optimizer" and "<criterion>\nconsistency" not in said(request)
            return Reply(f"cut {mark(request)}", "length") if bad else speaker()(request)

        return answer

    proposals, asked = [], []
    for name in NAMES:
        asker = ScriptedAsker(slow(name))
        proposals.append(propose(asker))
        asked.append(Counter(asker.asked))
    assert proposals == [proposals[0]] * 4
    assert asked == [asked[0]] * 4


def test_a_cut_instruction_is_unreadable_but_cut_criticism_is_criticism() -> None:
    def answer(request: Request) -> Reply:
        text = str(speaker()(request))
        whole = request.role == "judge"
        return Reply(text if whole else text.removesuffix(f"</{ONE}>"), "stop" if whole else "length")

    found = propose(ScriptedAsker(answer))
    assert len(found.gradients) == 12
    assert found.candidates[0].instructions == {}


def test_an_unreadable_critique_or_gradient_leaves_its_criterion_without_one() -> None:
    for role in ("loss", "gradient"):
        asker = ScriptedAsker(unreadable(role, lambda request: "<criterion>\nrelevance" in said(request)))
        found = propose(asker)
        assert {gradient.group for gradient in found.gradients} == {(n,) for n in NAMES if n != "relevance"}
        assert set(found.candidates[0].instructions) == {"fluency", "coherence", "consistency"}
        assert "relevance" in found.candidates[0].failure
        assert len([r for r in asker.of_role(role) if "<criterion>\nrelevance" in said(r)]) == 9


@pytest.mark.parametrize("mode", ["SSS", "SSC", "SCC", "CCC"])
@pytest.mark.parametrize("role", ["loss", "gradient"])
def test_what_hindered_every_gradient_is_told(mode: str, role: str) -> None:
    """A model that reasons may use up its longest answer and write nothing."""

    def answer(request: Request) -> object:
        return Reply("", "length") if request.role == role else speaker()(request)

    found = propose(ScriptedAsker(answer), mode)
    assert f"no gradient was written ({role}: the reply was cut off at its token limit)" in found.candidates[0].failure


@pytest.mark.parametrize("mode", ["SSS", "SSC", "SCC", "CCC"])
@pytest.mark.parametrize("role", ["loss", "gradient"])
def test_without_any_gradient_nothing_is_revised(mode: str, role: str) -> None:
    asker = ScriptedAsker(unreadable(role))
    found = propose(asker, mode)
    assert found.gradients == ()
    assert found.candidates[0].instructions == {}
    assert "no gradient" in found.candidates[0].failure
    assert asker.of_role("optimizer") == []


def test_a_refused_request_counts_as_unreadable() -> None:
    def answer(request: Request) -> str:
        if request.role == "gradient":
            raise ReplyError("the prompt is too long")
        return speaker()(request)

    found = propose(ScriptedAsker(answer))
    assert len(found.critiques) == 12
    assert found.candidates[0].instructions == {}


def without(example: Example, *names: str) -> Example:
    return replace(example, ratings={**example.ratings, **dict.fromkeys(names, (NAN,))})


def test_a_criterion_that_nobody_rated_is_left_out_of_the_loss() -> None:
    batch = (without(row(0), "relevance"), row(1))
    for mode, losses in (("SSS", 7), ("CCC", 2)):
        asker = ScriptedAsker(speaker())
        found = propose(asker, mode, batch=batch)
        assert len(asker.of_role("loss")) == losses
        first = [said(r) for r in asker.of_role("loss") if batch[0].inputs["text"] in said(r)]
        assert all("relevance" not in text for text in first)
        assert set(found.candidates[0].instructions) == set(NAMES)


def test_an_unscored_criterion_is_reported_as_such() -> None:
    def answer(request: Request) -> str:
        return '{"fluency": 3}' if request.role == "judge" else speaker()(request)

    asker = ScriptedAsker(answer)
    found = propose(asker, "CCC", batch=BATCH[:1])
    assert found.predictions[0].unscored == NAMES[1:]
    (loss,) = asker.of_role("loss")
    assert "- coherence: the judge gave no readable score" in said(loss)


def test_an_example_without_any_rating_gives_no_gradient() -> None:
    asker = ScriptedAsker(speaker())
    found = propose(asker, "SCC", batch=(without(row(0), *NAMES), row(1)))
    assert {gradient.example for gradient in found.gradients} == {"row-1"}
    assert len(asker.of_role("loss")) == 4
    assert not found.candidates[0].failure


@pytest.mark.parametrize("stop", [BudgetSpent("no calls are left"), ProviderGone("gone")])
@pytest.mark.parametrize("role", ["judge", "loss", "gradient", "optimizer"])
@pytest.mark.parametrize("mode", ["SSS", "SCC"])
def test_a_stop_comes_out_as_itself(stop: Exception, role: str, mode: str) -> None:
    def answer(request: Request) -> str:
        if request.role == role:
            raise stop
        return speaker()(request)

    with pytest.raises(type(stop)) as caught:
        propose(ScriptedAsker(answer), mode)
    assert caught.value is stop


def test_nothing_goes_on_after_a_stop() -> None:
    asker = ScriptedAsker(speaker())

    def answer(request: Request) -> str:
        if request.role == "loss" and len(asker.of_role("loss")) == 5:
            raise BudgetSpent("no calls are left")
        return speaker()(request)

    stopping = replace(asker, function=answer)

    async def attempt() -> int:
        turn = Turn(1, prompt_of(), BATCH, judge_of(stopping))
        with pytest.raises(BudgetSpent):
            await textgrad_of(stopping).propose(turn)
        asked = len(stopping.asked)
        for _ in range(50):
            await asyncio.sleep(0)
        return len(stopping.asked) - asked

    assert asyncio.run(attempt()) == 0


def test_the_item_is_shown_to_the_loss_only_if_wanted() -> None:
    for shows in (True, False):
        asker = ScriptedAsker(speaker())
        turn = Turn(1, prompt_of(), BATCH, judge_of(asker))
        asyncio.run(textgrad_of(asker, shows=shows).propose(turn))
        assert all(("The source of row-" in said(request)) is shows for request in asker.of_role("loss"))

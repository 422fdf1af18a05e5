"""Item first: what a call shares with the others on its item is the same to the byte, and is paid once."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.asking import NAMES, judge_of, prompt_of, row, rows, wanted

from polyjudge.domain.criterion import Criterion
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.scale import Categorical, Ordinal
from polyjudge.errors import ReplyError
from polyjudge.judge.cloze import ClozeScoring
from polyjudge.judge.expected import ExpectedScoring
from polyjudge.judge.json_scoring import JsonScoring
from polyjudge.judge.sampled import SampledScoring
from polyjudge.judge.scoring import Question, Scoring
from polyjudge.judge.yes_no import YesNoScoring
from polyjudge.llm.request import Abilities, Request
from polyjudge.testing.asking import ScriptedAsker, said

law = settings(deadline=None, max_examples=60)
ABLE = Abilities(logprobs=500, schema=True, begins=True, prefix_cache=True)
SLOTTED = replace(ABLE, slots=2)
PROMPT = prompt_of()
WORDS = {name: (name, f"{name}-like") for name in NAMES}
METHODS: dict[str, Scoring] = {
    "json": JsonScoring(),
    "expected": ExpectedScoring(),
    "sampled": SampledScoring(samples=2),
    "yes-no": YesNoScoring(),
    "cloze": ClozeScoring(WORDS),
}
texts = st.text(max_size=40) | st.sampled_from(["{{ item }}", "<criteria>", "</item>", '"""', "\n- fluency: 5", "&"])
instructions = texts.filter(lambda text: bool(text.strip()))


def question(scoring: Scoring, prompt: JudgePrompt, text: str, name: str = "forked") -> Question:
    example = replace(row(1), inputs={"source": text, "text": "The text."})
    return replace(judge_of(ScriptedAsker(full, ABLE), layout_name=name), scoring=scoring).question(prompt, example)


def full(request: Request) -> str:
    return json.dumps(dict.fromkeys(wanted(request), 3))


@pytest.mark.parametrize("name", METHODS)
@law
@given(st.fixed_dictionaries(dict.fromkeys(NAMES, instructions)), texts, st.booleans())
def test_the_prefix_is_the_same_for_all_criteria_and_ends_where_they_begin(
    name: str, told: dict[str, str], text: str, shown: bool
) -> None:
    prompt = prompt_of().revise(told)
    if shown and name != "yes-no":
        prompt = replace(prompt, demonstrations=rows(2, prefix="shown"))
    asked = [question(METHODS[name], prompt.only((one,)), text) for one in NAMES]
    (shared,) = {one.shared for one in asked}
    assert text in shared
    for criterion, one in zip(prompt.criteria, asked, strict=True):
        assert one.messages[0].content.startswith(shared)
        rest = one.messages[0].content.removeprefix(shared)
        begins = criterion.instruction if name == "cloze" else f"- {criterion.name} ({criterion.definition}): "
        assert rest.startswith(begins)
    # Nothing of a criterion stands in the prefix, of which another prompt has the same.
    other = prompt.revise({one: f"Look at {one} otherwise." for one in NAMES})
    assert question(METHODS[name], other.only(NAMES[:1]), text).shared == shared


@pytest.mark.parametrize("name", METHODS)
def test_instruction_first_shares_nothing(name: str) -> None:
    one = question(METHODS[name], PROMPT.only(NAMES[:1]), "The source.", "separate")
    assert one.shared == ""


def test_the_ratings_of_demonstrations_follow_the_criterion_they_are_of() -> None:
    shown = rows(2, prefix="shown")
    prompt = replace(PROMPT, demonstrations=shown)
    one = question(JsonScoring(), prompt.only(("coherence",)), "The source.")
    for number, example in enumerate(shown, 1):
        assert f"Example {number} (" in one.shared
        assert example.inputs["text"] in one.shared
        rating = int(example.ratings["coherence"][0])
        assert f'\nHuman ratings of example {number}: {{"coherence": {rating}}}\n' in one.text.removeprefix(one.shared)
    assert "ratings of example" not in one.shared


def test_a_packing_goes_item_first_too() -> None:
    able = ScriptedAsker(full, ABLE)
    judge = judge_of(able, layout_name="fluency+coherence,relevance+consistency")
    found = asyncio.run(judge.predict(PROMPT, row(1)))
    assert [wanted(request) for request in able.asked] == [NAMES[:2], NAMES[2:]]
    assert len({prefix_of(request) for request in able.asked}) == 1
    assert found.scores == dict.fromkeys(NAMES, 3.0)


def prefix_of(request: Request) -> str:
    """What the calls about one item share."""
    return request.messages[0].content[: request.shared]


class Endpoint:
    """Answers after some turns of the loop, and writes down when each call came and went."""

    def __init__(self, able: Abilities) -> None:
        self.asker = ScriptedAsker(self.answer, able)
        self.under_way: set[str] = set()
        self.most: list[int] = []
        self.items: list[int] = []
        self.order: list[tuple[str, str]] = []

    async def answer(self, request: Request) -> str:
        key = request.key("here")
        self.under_way.add(key)
        self.order.append((prefix_of(request), wanted(request)[0]))
        here = [one for one in self.asker.asked if one.key("here") in self.under_way]
        self.most.append(len(here))
        self.items.append(len({prefix_of(one) for one in here}))
        await asyncio.sleep(0.001)
        self.under_way.remove(key)
        return full(request)


def evaluate(endpoint: Endpoint, layout_name: str = "forked", count: int = 5, slots: int = 0) -> None:
    async def run() -> None:
        judge = judge_of(endpoint.asker, layout_name=layout_name)
        judge = replace(judge, slots=asyncio.Semaphore(slots) if slots else None)
        await judge.evaluate(PROMPT, rows(count))

    asyncio.run(run())


def by_item(order: Sequence[tuple[str, str]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for prefix, name in order:
        found.setdefault(prefix, []).append(name)
    return found


def test_one_call_warms_the_prefix_and_the_others_follow_at_once() -> None:
    endpoint = Endpoint(ABLE)
    evaluate(endpoint, count=1)
    assert endpoint.most == [1, 1, 2, 3]
    assert [name for _, name in endpoint.order] == list(NAMES)


def test_items_do_not_wait_for_each_other_where_the_cache_is_for_all() -> None:
    endpoint = Endpoint(ABLE)
    evaluate(endpoint, count=5)
    assert max(endpoint.items) == 5
    assert all(names[0] == NAMES[0] for names in by_item(endpoint.order).values())


def test_with_a_cache_of_slots_calls_go_in_series_and_items_take_turns() -> None:
    endpoint = Endpoint(SLOTTED)
    evaluate(endpoint, count=5, slots=2)
    assert max(endpoint.most) == max(endpoint.items) == 2
    assert list(map(tuple, by_item(endpoint.order).values())) == [NAMES] * 5
    one = Endpoint(SLOTTED)
    evaluate(one, count=4, slots=1)
    assert [prefix for prefix, _ in one.order] == sorted(
        [prefix for prefix, _ in one.order], key=list(by_item(one.order)).index
    )


@pytest.mark.parametrize("able", [Abilities(), replace(ABLE, prefix_cache=False)])
def test_without_a_cache_nothing_waits(able: Abilities) -> None:
    endpoint = Endpoint(able)
    evaluate(endpoint, count=1)
    assert endpoint.most == [1, 2, 3, 4]


def test_solo_and_joint_share_no_prefix_and_do_not_wait() -> None:
    for name, most in (("separate", [1, 2, 3, 4]), ("joint", [1])):
        endpoint = Endpoint(SLOTTED)
        evaluate(endpoint, name, count=1, slots=1)
        assert endpoint.most == most
        assert {prefix_of(request) for request in endpoint.asker.asked} == {""}


def test_a_request_tells_how_long_its_prefix_is() -> None:
    asker = ScriptedAsker(full, ABLE)
    asyncio.run(judge_of(asker, layout_name="forked").predict(PROMPT, row(1)))
    (length,) = {request.shared for request in asker.asked}
    assert len({request.messages[0].content[:length] for request in asker.asked}) == 1
    assert asker.asked[0].messages[0].content[length:].startswith("- fluency")


def test_an_unreadable_first_call_keeps_no_other_from_being_asked() -> None:
    def answer(request: Request) -> str:
        if wanted(request) == ("fluency",):
            raise ReplyError("too long")
        return full(request)

    for able in (ABLE, SLOTTED):
        asker = ScriptedAsker(answer, able)
        found = asyncio.run(judge_of(asker, layout_name="forked").predict(PROMPT, row(1)))
        assert found.unscored == ("fluency",)
        # A parse retry says more at the end, so that the prefix stays.
        assert len({prefix_of(request) for request in asker.asked}) == 1
        assert all("<item>" in said(request) for request in asker.asked)


def test_samples_share_one_warm_prefix() -> None:
    endpoint = Endpoint(ABLE)

    async def run() -> None:
        judge = judge_of(endpoint.asker, layout_name="forked", temperature=1.0, scoring=SampledScoring(samples=3))
        await judge.predict(PROMPT, row(1))

    asyncio.run(run())
    assert len(endpoint.order) == 12
    assert endpoint.most[0] == 1
    assert max(endpoint.most) == 11


def test_labels_and_one_criterion_fork_like_any() -> None:
    criteria = (Criterion("tone", Categorical(("warm", "cold"))), Criterion("depth", Ordinal(0, 3)))
    prompt = JudgePrompt("Judge.", (("source", "Source"), ("text", "Text")), criteria)
    asked = [question(JsonScoring(), prompt.only((name,)), "x") for name in prompt.names]
    assert asked[0].shared == asked[1].shared
    assert asked[0].text.endswith('{"tone": "warm" | "cold"}')

"""Asking the judge: what is missing is asked for alone, what is unreadable as it was, and nothing is made up."""

from __future__ import annotations

import asyncio
import json
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.asking import NAMES, judge_of, prompt_of, rating_prompt, row, rows, wanted

from polyjudge.domain.criterion import Criterion
from polyjudge.domain.layout import Layout, layout
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.records import Prediction
from polyjudge.domain.scale import Categorical, Continuous, Ordinal, Scale
from polyjudge.errors import BudgetSpent, ProviderGone, ReplyError
from polyjudge.judge.cloze import ClozeScoring
from polyjudge.judge.json_scoring import JsonScoring
from polyjudge.judge.predict import Judge
from polyjudge.judge.scoring import with_limit
from polyjudge.llm.request import Abilities, Reply, Request, Role, Sampling
from polyjudge.testing.asking import Answer, ScriptedAsker, said

PROMPT = prompt_of()
ROW = row(1)


def full(request: Request, score: int = 3) -> str:
    return json.dumps(dict.fromkeys(wanted(request), score))


def predict(asker: ScriptedAsker, layout_name: str = "joint", **options: object) -> Prediction:
    judge = replace(judge_of(asker, layout_name=layout_name), **options)
    return asyncio.run(judge.predict(PROMPT, ROW))


def coordinates(asker: ScriptedAsker) -> list[tuple[tuple[str, ...], int]]:
    return [(wanted(request), request.retry) for request in asker.asked]


def test_joint_is_one_call_and_solo_one_a_criterion() -> None:
    for name, groups in (("joint", [NAMES]), ("separate", [(name,) for name in NAMES])):
        asker = ScriptedAsker(full)
        found = predict(asker, name)
        assert coordinates(asker) == [(group, 0) for group in groups]
        assert found.scores == dict.fromkeys(NAMES, 3.0)
        assert [call.group for call in found.calls] == groups
        assert [call.prompt for call in found.calls] == [rating_prompt(PROMPT.only(group), ROW) for group in groups]
        assert list(judge_of(asker, layout_name=name).groups(PROMPT)) == groups


def test_a_criterion_missing_from_a_joint_reply_is_asked_for_alone() -> None:
    def answer(request: Request) -> str:
        return full(request) if request.retry else '{"fluency": 4, "relevance": 2, "consistency": 1}'

    asker = ScriptedAsker(answer)
    found = predict(asker)
    assert coordinates(asker) == [(NAMES, 0), (("coherence",), 1)]
    alone = rating_prompt(PROMPT.only(("coherence",)), ROW)
    assert said(asker.asked[1]) == f"{alone}\n\n{JsonScoring().reminder}"
    assert [call.group for call in found.calls] == [NAMES, ("coherence",)]
    assert found.scores == {"fluency": 4.0, "coherence": 3.0, "relevance": 2.0, "consistency": 1.0}


def test_several_missing_criteria_are_asked_for_one_by_one() -> None:
    asker = ScriptedAsker(lambda request: full(request) if request.retry == 2 else '{"fluency": 4}')
    found = predict(asker)
    rest = [((name,), retry) for retry in (1, 2) for name in NAMES[1:]]
    assert coordinates(asker) == [(NAMES, 0), *rest]
    assert not found.unscored


def test_a_wholly_unreadable_reply_is_asked_for_again_with_a_reminder() -> None:
    asker = ScriptedAsker(lambda request: full(request, 5) if request.retry == 2 else "I would rather not.")
    found = predict(asker)
    assert coordinates(asker) == [(NAMES, 0), (NAMES, 1), (NAMES, 2)]
    first, *later = [said(request) for request in asker.asked]
    assert later == [f"{first}\n\n{JsonScoring().reminder}"] * 2
    assert len({request.key("here") for request in asker.asked}) == 3
    assert found.scores == dict.fromkeys(NAMES, 5.0)
    assert [call.reply for call in found.calls] == [full(asker.asked[2], 5)]


@pytest.mark.parametrize("parse_retries", [0, 1, 2, 5])
def test_parse_retries_are_bounded_and_then_a_criterion_is_unscored(parse_retries: int) -> None:
    asker = ScriptedAsker(lambda request: '{"fluency": 4, "coherence": 9}')
    found = predict(asker, parse_retries=parse_retries)
    assert len(asker.asked) == 1 + parse_retries * 3
    assert found.scores["fluency"] == 4.0
    assert found.unscored == NAMES[1:]
    assert all(math.isnan(found.scores[name]) for name in NAMES[1:])


def test_in_solo_only_the_unreadable_one_is_asked_again() -> None:
    def answer(request: Request) -> str:
        return "no" if wanted(request) == ("relevance",) and request.retry < 2 else full(request)

    asker = ScriptedAsker(answer)
    found = predict(asker, "separate")
    assert sorted(coordinates(asker)) == sorted(
        [((name,), 0) for name in NAMES] + [(("relevance",), 1), (("relevance",), 2)]
    )
    assert not found.unscored
    assert [call.group for call in found.calls] == [(name,) for name in NAMES]


def test_a_refused_request_is_unscored_like_an_unreadable_reply() -> None:
    def refuse(request: Request) -> Answer:
        raise ReplyError("the request is too long")

    found = predict(ScriptedAsker(refuse))
    assert found.unscored == NAMES
    assert [call.reply for call in found.calls] == [""]


def test_one_refused_criterion_leaves_the_others_alone() -> None:
    def answer(request: Request) -> str:
        if wanted(request) == ("fluency",):
            raise ReplyError("refused")
        return full(request)

    assert predict(ScriptedAsker(answer), "separate").unscored == ("fluency",)


@pytest.mark.parametrize("stop", [BudgetSpent("no calls are left"), ProviderGone("gone")])
@pytest.mark.parametrize("layout_name", ["joint", "separate"])
def test_a_stop_comes_out_as_itself(stop: Exception, layout_name: str) -> None:
    def answer(request: Request) -> str:
        raise stop

    judge = judge_of(ScriptedAsker(answer), layout_name=layout_name)
    with pytest.raises(type(stop)) as caught:
        asyncio.run(judge.evaluate(PROMPT, rows(5)))
    assert caught.value is stop


def test_a_cut_reply_is_not_trusted() -> None:
    asker = ScriptedAsker(lambda request: Reply('{"fluency": 4, "coherence": 1', "length"))
    assert predict(asker).unscored == NAMES


def test_predictions_come_in_the_order_of_the_examples_whatever_comes_first() -> None:
    examples = rows(6)

    async def answer(request: Request) -> str:
        place = next(at for at, example in enumerate(examples) if example.inputs["text"] in said(request))
        for _ in range(20 - 3 * place):
            await asyncio.sleep(0)
        return full(request, 1 + place % 5)

    for name in ("joint", "separate"):
        asker = ScriptedAsker(answer)
        found = asyncio.run(judge_of(asker, layout_name=name).evaluate(PROMPT, examples))
        assert [prediction.example for prediction in found] == [example.id for example in examples]
        assert [prediction.score("relevance") for prediction in found] == [1.0, 2.0, 3.0, 4.0, 5.0, 1.0]
        assert all(tuple(prediction.scores) == NAMES for prediction in found)


def test_a_layout_over_more_criteria_serves_a_reduced_prompt() -> None:
    for name, groups in (("joint", [("relevance",)]), ("separate", [("relevance",)])):
        asker = ScriptedAsker(full)
        found = asyncio.run(judge_of(asker, layout_name=name).predict(PROMPT.only(("relevance",)), ROW))
        assert [group for group, _ in coordinates(asker)] == groups
        assert found.scores == {"relevance": 3.0}


def test_any_packing_of_the_criteria_works() -> None:
    asker = ScriptedAsker(lambda request: full(request, len(wanted(request))))
    packing = Layout("grouped", (("consistency", "fluency"), ("coherence", "relevance")))
    found = predict(asker, layout=packing)
    assert [group for group, _ in coordinates(asker)] == [("fluency", "consistency"), ("coherence", "relevance")]
    assert found.scores == dict.fromkeys(NAMES, 2.0)


def test_replicates_and_samples_are_part_of_the_request_where_chance_decides() -> None:
    asker = ScriptedAsker(full)
    for temperature, seed in ((0.0, 0), (0.1, 7)):
        judge = judge_of(asker, temperature=temperature, seed=7)
        asyncio.run(judge.predict(PROMPT, ROW, sample=3))
        assert (asker.asked[-1].seed, asker.asked[-1].sample, asker.asked[-1].retry) == (seed, 3, 0)
    unknown = replace(judge_of(asker, seed=7).role, sampling=replace(asker.asked[0].sampling, temperature=None))
    assert unknown.request(()).seed == 7


def test_replies_are_held_to_a_schema_where_that_is_offered() -> None:
    asker = ScriptedAsker(full, Abilities(schema=True))
    predict(asker)
    schema = json.loads(asker.asked[0].schema)
    assert schema["required"] == list(NAMES)
    assert schema["properties"]["fluency"] == {"type": "integer", "enum": [1, 2, 3, 4, 5]}
    for scoring, able in ((JsonScoring(), Abilities()), (JsonScoring(structured=False), Abilities(schema=True))):
        asker = ScriptedAsker(full, able)
        predict(asker, scoring=scoring)
        assert asker.asked[0].schema == ""


def test_the_schema_allows_what_the_scales_allow() -> None:
    criteria = (Criterion("share", Continuous(0, 1)), Criterion("verdict", Categorical(("no", "ja"))))
    prompt = replace(PROMPT, criteria=criteria)
    able = Abilities(schema=True)
    question = JsonScoring.of(prompt, True).question(prompt, ROW, Sampling(), able, item_first=False)
    properties = json.loads(question.schema)["properties"]
    assert properties == {"share": {"type": "number"}, "verdict": {"type": "string", "enum": ["no", "ja"]}}


def test_a_score_is_spoken_as_people_write_it() -> None:
    assert JsonScoring().spoken(PROMPT.criteria[0], 4.0) == "4"
    assert JsonScoring().spoken(Criterion("verdict", Categorical(("no", "ja"))), 1.0) == "ja"
    assert JsonScoring().refusal(PROMPT, Abilities()) == ""
    assert JsonScoring().on_scale


def test_what_can_only_bring_the_same_answer_is_not_asked_again() -> None:
    words = dict.fromkeys(NAMES, ("word",))
    asker = ScriptedAsker(lambda request: Reply("no token probabilities"))
    role = Role("judge", "scripted/judge", Sampling(temperature=0.0))
    judge = Judge(asker, role, layout("joint", NAMES), ClozeScoring(words))
    prompt = replace(PROMPT, reply_begins="The writer feels")
    assert asyncio.run(judge.predict(prompt, ROW)).unscored == NAMES
    assert len(asker.asked) == 1


def test_rows_by_the_hundred_wait_for_a_single_one_that_others_follow() -> None:
    asker = ScriptedAsker(full)
    judge = judge_of(asker)
    asyncio.run(judge.predict(PROMPT, ROW))
    asyncio.run(judge.evaluate(PROMPT, rows(2)))
    asyncio.run(judge.behind.evaluate(PROMPT, rows(2)))
    assert [request.rank for request in asker.asked] == [0, 1, 1, 2, 2]


SCALES = st.one_of(
    st.builds(lambda low, span: Ordinal(low, low + span), st.integers(-1000, 1000), st.integers(1, 20)),
    st.just(Continuous(-1.0, 1.0)),
    st.sets(st.text(min_size=1, max_size=40), min_size=2, max_size=5)
    .map(tuple)
    .filter(lambda names: len({n.strip().casefold() for n in names} - {""}) == len(names))
    .map(Categorical),
)


@given(st.dictionaries(st.text(min_size=1, max_size=60), SCALES, min_size=1, max_size=40), st.data())
def test_the_answer_limit_holds_every_possible_answer_at_a_token_a_byte(
    scales: dict[str, Scale], data: st.DataObject
) -> None:
    prompt = JudgePrompt("Judge.", (("text", "Text"),), tuple(Criterion(n, s) for n, s in scales.items()))
    answer = {
        name: data.draw(
            st.sampled_from(scale.labels) if scale.labels else st.floats(-1, 1).map(lambda x: round(x, 15))
        )
        for name, scale in scales.items()
    }
    limit = with_limit(Sampling(max_tokens=0), prompt).max_tokens
    for escaped in (True, False):
        assert len(json.dumps(answer, indent=2, ensure_ascii=escaped).encode("utf-8", "surrogatepass")) <= limit
    assert with_limit(Sampling(max_tokens=7), prompt).max_tokens == 7


@pytest.mark.parametrize("characters", [1, 2.5])
@pytest.mark.parametrize("count", [1, 30])
def test_thirty_criteria_fit_in_one_call_of_a_model_that_is_cut_at_the_limit(count: int, characters: float) -> None:
    prompt = prompt_of([f"criterion of quality number {k}" for k in range(count)])

    def answer(request: Request) -> Reply:
        text = json.dumps(dict.fromkeys(wanted(request, prompt.names), 4), indent=2)
        room = int(request.sampling.max_tokens * characters)
        return Reply(text[:room], finish="length" if len(text) > room else "stop")

    for limit in (0, 5):
        asker = ScriptedAsker(answer)
        judge = judge_of(asker, layout_name="joint")
        judge = replace(
            judge,
            role=replace(judge.role, sampling=Sampling(0.0, limit)),
            layout=layout("joint", prompt.names),
        )
        found = asyncio.run(judge.predict(prompt, ROW))
        if limit:
            assert found.unscored, "a limit of the user wins, even where it is too short"
        else:
            assert (len(asker.asked), found.unscored) == (1, ())

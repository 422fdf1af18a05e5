"""A textual stage asks again, with the reason, a bounded number of times."""

from __future__ import annotations

import asyncio
import json

import pytest

from polyjudge.errors import BudgetSpent, ReplyError
from polyjudge.llm.request import Abilities, Reply, Request, Role, Sampling
from polyjudge.optimizers.asking import Stage
from polyjudge.templates.instruction_parser import marked
from polyjudge.testing.asking import Answer, ScriptedAsker, said


def stage(asker: ScriptedAsker, *, parse_retries: int = 2, temperature: float = 0.7) -> Stage:
    return Stage(asker, Role("loss", "script/writer", Sampling(temperature, 99), 5), parse_retries)


def whole(text: str, cut: bool) -> str:
    if cut or not text:
        raise ReplyError(f"cut: {cut}")
    return text


def test_a_readable_reply_is_asked_for_once() -> None:
    asker = ScriptedAsker(lambda request: "Fine.")
    assert asyncio.run(stage(asker).ask("How?", whole, sample=4)) == "Fine."
    (request,) = asker.asked
    assert said(request) == "How?"
    assert (request.role, request.sample, request.retry, request.seed) == ("loss", 4, 0, 5)
    assert request.sampling == Sampling(0.7, 99)


def test_an_unreadable_reply_is_asked_for_again_with_the_reason() -> None:
    asker = ScriptedAsker(lambda request: Reply("Fine.", "stop" if request.retry == 2 else "length"))
    assert asyncio.run(stage(asker).ask("How?", whole)) == "Fine."
    assert [request.retry for request in asker.asked] == [0, 1, 2]
    again = (
        "How?\n\nYour previous reply could not be used: cut: True. Reply again, in the form that is asked for above."
    )
    assert [said(request) for request in asker.asked] == ["How?", again, again]
    assert len({request.key("here") for request in asker.asked}) == 3


@pytest.mark.parametrize("parse_retries", [0, 3])
def test_parse_retries_are_bounded_and_the_last_reason_comes_out(parse_retries: int) -> None:
    def answer(request: Request) -> Answer:
        if request.retry == parse_retries:
            raise ReplyError("the last reason")
        return ""

    asker = ScriptedAsker(answer)
    with pytest.raises(ReplyError, match="the last reason"):
        asyncio.run(stage(asker, parse_retries=parse_retries).ask("How?", whole))
    assert len(asker.asked) == parse_retries + 1


def test_other_errors_are_not_asked_again() -> None:
    def answer(request: Request) -> str:
        raise BudgetSpent("no calls are left")

    asker = ScriptedAsker(answer)
    with pytest.raises(BudgetSpent):
        asyncio.run(stage(asker).ask("How?", whole))
    assert len(asker.asked) == 1


def test_without_chance_there_is_but_one_draw() -> None:
    asker = ScriptedAsker(lambda request: "Fine.")
    for sample in range(3):
        asyncio.run(stage(asker, temperature=0.0).ask("How?", whole, sample))
    assert len({request.key("here") for request in asker.asked}) == 1


HELD = Abilities(schema=True)


def test_new_instructions_are_held_to_a_schema_where_the_endpoint_is_known_to_do_that() -> None:
    asker = ScriptedAsker(lambda request: '{"instruction": "Rate it."}', HELD)
    assert asyncio.run(stage(asker).write("How?", ("fluency",))) == {"fluency": "Rate it."}
    assert json.loads(asker.asked[0].schema)["required"] == ["instruction"]
    assert "maxLength" not in asker.asked[0].schema


@pytest.mark.parametrize("able", [Abilities(), Abilities(schema=True, assumed=True)])
def test_elsewhere_they_stand_between_markers(able: Abilities) -> None:
    asker = ScriptedAsker(lambda request: marked("Rate it."), able)
    assert asyncio.run(stage(asker).write("How?", ("fluency",))) == {"fluency": "Rate it."}
    assert asker.asked[0].schema == ""


def test_a_run_without_schemas_uses_markers() -> None:
    asker = ScriptedAsker(lambda request: marked("Rate it."), HELD)
    plain = Stage(asker, Role("optimizer", "script/writer", Sampling(0.7, 99)), structured=False)
    assert asyncio.run(plain.write("How?", ("fluency",))) == {"fluency": "Rate it."}
    assert asker.asked[0].schema == ""


@pytest.mark.parametrize(("tokens", "count"), [(99, 1), (99, 5), (4096, 1), (4096, 5)])
def test_bounded_texts_fit_into_the_token_limit(tokens: int, count: int) -> None:
    names = tuple(f"criterion {number}" for number in range(count))
    texts = {"instruction": "a"} if count == 1 else dict.fromkeys(names, "a")
    asker = ScriptedAsker(lambda request: json.dumps(texts), Abilities(schema=True, bounds=True))
    writer = Stage(asker, Role("optimizer", "script/writer", Sampling(0.7, tokens)))
    asyncio.run(writer.write("How?", names))
    lengths = {text["maxLength"] for text in json.loads(asker.asked[0].schema)["properties"].values()}
    assert len(lengths) == 1
    assert 40 <= max(lengths) <= 2000
    assert count * max(lengths) <= max(3 * tokens, 40 * count)

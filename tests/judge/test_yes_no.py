"""The yes-or-no scoring method against arithmetic by hand."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace

import pytest
from tests.asking import judge_of, prompt_of, row
from tests.tokens import chosen, spelled

from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.scale import Categorical
from polyjudge.errors import ReplyError
from polyjudge.judge.yes_no import YesNoScoring
from polyjudge.llm.request import Abilities, Reply, Request, Sampling
from polyjudge.testing.asking import ScriptedAsker, said

PROMPT = prompt_of(("fluency", "relevance"))
ONE = PROMPT.only(("fluency",))
SCORING = YesNoScoring()
ABLE = Abilities(logprobs=20)


def reply(masses: dict[str, float]) -> Reply:
    return spelled([chosen(max(masses, key=masses.__getitem__), masses)], finish="length")


@pytest.mark.parametrize(
    ("masses", "score"),
    [
        ({"Yes": 0.6, "No": 0.2, "Well": 0.2}, 0.75),
        ({" yes": 0.2, "YES.": 0.0001, '"Yes"': 0.1, "no,": 0.3, "\tNo": 0.3}, 1 / 3),
        ({"Yes": 0.9}, 1.0),
        ({"N": 0.5, "Y": 0.5}, 0.5),
        ({"Not": 0.8, "No": 0.1, "Yes": 0.1}, 0.5),
    ],
)
def test_a_score_is_the_share_of_yes(masses: dict[str, float], score: float) -> None:
    found = SCORING.read(reply(masses), ONE)
    assert found.scores == {"fluency": pytest.approx(score)}
    assert found.distributions["fluency"] == {"yes": pytest.approx(score), "no": pytest.approx(1 - score)}
    assert 0 <= found.lost["fluency"] <= 1


@pytest.mark.parametrize("masses", [{"Perhaps": 1.0}, {"Yes": 0.3}, {"\n": 0.9, "Yes": 0.1}])
def test_an_answer_that_is_neither_is_not_read(masses: dict[str, float]) -> None:
    with pytest.raises(ReplyError, match="neither yes nor no"):
        SCORING.read(reply(masses), ONE)


def test_a_reply_without_probabilities_is_not_read() -> None:
    for plain in (Reply("Yes"), spelled([])):
        with pytest.raises(ReplyError, match="no token probabilities"):
            SCORING.read(plain, ONE)


def test_one_question_a_criterion_is_asked_for_one_token() -> None:
    def answer(request: Request) -> Reply:
        assert (request.sampling.max_tokens, request.top_logprobs, request.schema) == (1, 20, "")
        return reply({"Yes": 0.8, "No": 0.2} if "- fluency (" in said(request) else {"Yes": 0.3, "No": 0.7})

    asker = ScriptedAsker(answer, ABLE)
    judge = judge_of(asker, PROMPT.names, layout_name="separate", scoring=SCORING)
    found = asyncio.run(judge.predict(PROMPT, row(1)))
    assert found.scores == {"fluency": pytest.approx(0.8), "relevance": pytest.approx(0.3)}
    assert (
        SCORING.spoken(PROMPT.criteria[0], 0.8)
        == "a probability of 80% that it belongs in the upper half of the scale"
    )
    assert not SCORING.on_scale


def test_the_question_holds_instruction_and_material() -> None:
    text = SCORING.question(ONE, row(3), Sampling(0.5, 99, (("a", "1"),)), ABLE, item_first=False).text
    assert ONE.criteria[0].instruction in text
    assert ONE.task in text
    assert row(3).inputs["text"] in text
    assert text.endswith("upper half for fluency? Answer yes or no:")


@pytest.mark.parametrize(
    ("prompt", "able", "words"),
    [
        (PROMPT, ABLE, "--layout forked or separate"),
        (prompt_of(("fluency",), Categorical(("a", "b"))), ABLE, "labels are the scale of 'fluency',"),
        (replace(ONE, demonstrations=(row(1),)), ABLE, "--demonstrations"),
        (ONE, Abilities(), "no token probabilities"),
        (ONE, ABLE, "^$"),
    ],
)
def test_it_says_why_it_cannot_be_used(prompt: JudgePrompt, able: Abilities, words: str) -> None:
    assert re.search(words, SCORING.refusal(prompt, able))

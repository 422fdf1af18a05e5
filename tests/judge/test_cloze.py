"""The cloze scoring method against arithmetic by hand."""

from __future__ import annotations

import asyncio
import math
import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.asking import judge_of, prompt_of, row

from polyjudge.domain.criterion import Criterion
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.scale import Categorical, Ordinal
from polyjudge.errors import ReplyError
from polyjudge.judge.cloze import LOGPROBS, ClozeScoring
from polyjudge.llm.request import Abilities, Reply, Request, TokenChoice
from polyjudge.testing.asking import ScriptedAsker

law = settings(deadline=None, max_examples=60)

WORDS = {"anger": ("angry", "furious"), "joy": ("happy", "joyful"), "fear": ("afraid",)}
CRITERIA = tuple(Criterion(n, Ordinal(0, 3), instruction=f"How much {n}?", words=w) for n, w in WORDS.items())
PROMPT = JudgePrompt("Read the text.", prompt_of().inputs, CRITERIA, reply_begins="The writer feels")
SCORING = ClozeScoring.of(PROMPT, structured=True)
ABLE = Abilities(logprobs=LOGPROBS, begins=True)


def reply(probabilities: dict[str, float]) -> Reply:
    top = sorted(((token, math.log(p)) for token, p in probabilities.items()), key=lambda pair: -pair[1])
    return Reply(top[0][0], "length", tokens=(TokenChoice(*top[0], top=tuple(top)),))


def test_a_score_is_the_log_share_of_a_criterions_words() -> None:
    scores = SCORING.read(
        reply({" angry": 0.20, "Furious": 0.05, " happy": 0.30, " joyf": 0.10, " afraid": 0.10, " the": 0.25}), PROMPT
    ).scores
    assert scores == {
        "anger": pytest.approx(math.log(0.25 / 0.75)),
        "joy": pytest.approx(math.log(0.40 / 0.75)),
        "fear": pytest.approx(math.log(0.10 / 0.75)),
    }


def test_the_share_is_among_all_criteria_also_when_one_is_asked_alone() -> None:
    found = reply({" angry": 0.2, " happy": 0.6})
    alone = SCORING.read(found, PROMPT.only(("anger",))).scores
    assert alone == {"anger": pytest.approx(math.log(0.25))}
    assert alone["anger"] == SCORING.read(found, PROMPT).scores["anger"]


@pytest.mark.parametrize(
    ("token", "counts"),
    [
        (" angry", True),
        ("ANGRY\n", True),
        ("angr", True),
        (" furi", True),
        ("ang", False),
        (" an", False),
        ("", False),
        (" ", False),
        ("angrily", False),
        ("anger", False),
        ("xangry", False),
    ],
)
def test_a_token_counts_if_it_is_a_word_or_a_long_beginning_of_one(token: str, counts: bool) -> None:
    found = SCORING.read(reply({token: 0.3, " happy": 0.3}), PROMPT).scores
    assert ("anger" in found) is counts


def test_words_that_are_not_among_the_tokens_leave_their_criterion_unscored() -> None:
    assert set(SCORING.read(reply({" happy": 0.3, " the": 0.5}), PROMPT).scores) == {"joy"}
    with pytest.raises(ReplyError, match="no word of the criteria"):
        SCORING.read(reply({" the": 0.5}), PROMPT)
    with pytest.raises(ReplyError, match="no token probabilities"):
        SCORING.read(Reply("angry"), PROMPT)
    with pytest.raises(ReplyError, match="no token probabilities"):
        SCORING.read(Reply("angry", tokens=(TokenChoice("angry", -0.1),)), PROMPT)


@law
@given(
    st.dictionaries(st.sampled_from([w for words in WORDS.values() for w in words]), st.floats(1e-9, 1), min_size=1)
)
def test_scores_are_at_most_zero_and_their_shares_sum_to_one(probabilities: dict[str, float]) -> None:
    scores = SCORING.read(reply(probabilities), PROMPT).scores
    assert all(score <= 0 for score in scores.values())
    assert math.isclose(sum(math.exp(score) for score in scores.values()), 1, rel_tol=1e-9)


def test_the_question_begins_the_reply_and_wants_one_token() -> None:
    asker = ScriptedAsker(lambda request: reply({" angry": 0.5, " happy": 0.3, " afraid": 0.2}), ABLE)
    judge = judge_of(asker, tuple(WORDS), scoring=SCORING)
    found = asyncio.run(judge.predict(PROMPT, row(1)))
    (request,) = asker.asked
    assert [message.role for message in request.messages] == ["user", "assistant"]
    assert request.messages[1].content == "The writer feels"
    assert request.messages[0].content.startswith("Read the text.")
    assert request.messages[0].content.endswith("How much anger?\nHow much joy?\nHow much fear?")
    assert (request.sampling.max_tokens, request.top_logprobs, request.schema) == (1, LOGPROBS, "")
    assert found.scores["anger"] == pytest.approx(math.log(0.5))
    assert not SCORING.on_scale
    assert SCORING.spoken(CRITERIA[0], found.scores["anger"]) == "a strength of 50% among all the criteria"


def test_a_criterion_out_of_reach_is_unscored_after_bounded_parse_retries() -> None:
    def answer(request: Request) -> Reply:
        return reply({" angry": 0.5, " happy": 0.3})

    asker = ScriptedAsker(answer, ABLE)
    found = asyncio.run(judge_of(asker, tuple(WORDS), scoring=SCORING).predict(PROMPT, row(1)))
    assert found.unscored == ("fear",)
    assert len(asker.asked) <= 3


@pytest.mark.parametrize(
    ("prompt", "able", "words"),
    [
        (
            replace(PROMPT, criteria=(*CRITERIA, Criterion("calm", Ordinal(0, 3)))),
            ABLE,
            "no 'words' for 'calm'",
        ),
        (replace(PROMPT, reply_begins=""), ABLE, "no 'reply_begins'"),
        (
            replace(PROMPT, criteria=(replace(CRITERIA[0], scale=Categorical(("no", "yes"))),)),
            ABLE,
            "labels are the scale of 'anger',",
        ),
        (PROMPT, replace(ABLE, begins=False), "does not continue begun replies"),
        (PROMPT, replace(ABLE, logprobs=LOGPROBS - 1), f"with {LOGPROBS} token probabilities"),
        (PROMPT, ABLE, "^$"),
    ],
)
def test_it_says_why_it_cannot_be_used(prompt: JudgePrompt, able: Abilities, words: str) -> None:
    refusal = ClozeScoring.of(prompt, structured=False).refusal(prompt, able)
    assert re.search(words, refusal)


def test_what_any_criterion_lacks_is_told_at_once_also_when_each_is_asked_alone() -> None:
    bare = tuple(replace(one, words=()) for one in CRITERIA[:2])
    for criteria, told in (
        ((*bare, CRITERIA[2]), "no 'words' for 'anger', 'joy'"),
        (
            tuple(replace(one, scale=Categorical(("no", "yes"))) for one in CRITERIA),
            "labels are the scale of 'anger', 'joy', 'fear',",
        ),
    ):
        prompt = replace(PROMPT, criteria=criteria)
        scoring = ClozeScoring.of(prompt, structured=False)
        for name in prompt.names:
            assert told in scoring.refusal(prompt.only((name,)), ABLE)

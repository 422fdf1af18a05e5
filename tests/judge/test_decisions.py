"""The scoring with decisions: questions of each kind of scale, and probabilities read as they stand or not at all."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.asking import NAMES, judge_of, prompt_of, row

from polyjudge.domain.criterion import Criterion
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.scale import Categorical, Continuous, Ordinal
from polyjudge.errors import ReplyError
from polyjudge.judge.decisions import DecisionScoring
from polyjudge.llm.request import Abilities, Reply, Request, Sampling
from polyjudge.testing.asking import ScriptedAsker, said

law = settings(deadline=None, max_examples=60)
ABLE = Abilities(decisions=True)
SCORING = DecisionScoring()
STEPS = Criterion("steps", Ordinal(0, 10, 5), "How many?", "Count them.", levels=((0.0, "none"), (10.0, "many")))
VERDICT = Criterion("verdict", Categorical(("no", "yes")), instruction="Is it safe?")
PROMPT = JudgePrompt("Judge.", (("text", "Text"),), (STEPS, VERDICT))


def score(masses: dict[str, float], name: str | None = "steps") -> dict[str, Any]:
    told = [{"label": label, "value": k, "probability": mass} for k, (label, mass) in enumerate(masses.items())]
    return {"type": "score", "name": name, "score": 0.0, "confidence": 0.5, "probabilities": told}


def choice(masses: dict[str, float], name: str | None = "verdict") -> dict[str, Any]:
    told = [{"value": value, "probability": mass} for value, mass in masses.items()]
    return {"type": "choice", "name": name, "choice": "no", "confidence": 0.5, "probabilities": told}


def read(*answers: Any, prompt: JudgePrompt = PROMPT) -> Any:
    return SCORING.read(Reply(json.dumps(answers), "stop"), prompt)


GOOD = (score({"0": 0.5, "5": 0.25, "10": 0.25}), choice({"no": 0.4, "yes": 0.6}))


def test_scores_are_means_of_levels_and_the_most_probable_label() -> None:
    found = read(*GOOD)
    assert found.scores == {"steps": pytest.approx(3.75), "verdict": 1.0}
    assert found.distributions["verdict"] == {"no": pytest.approx(0.4), "yes": pytest.approx(0.6)}
    assert found.lost == {"steps": pytest.approx(0), "verdict": pytest.approx(0)}


@law
@given(st.lists(st.floats(0.001, 1), min_size=5, max_size=5))
def test_any_distribution_is_read_as_it_stands(weights: list[float]) -> None:
    masses = [weight / sum(weights) for weight in weights]
    prompt = prompt_of(("fluency",))
    answer = score(dict(zip("12345", masses, strict=True)), "fluency")
    found = read(answer, prompt=prompt)
    assert found.scores["fluency"] == pytest.approx(sum(k * mass for k, mass in enumerate(masses, 1)))
    assert 1 <= found.scores["fluency"] <= 5


def test_a_refusal_leaves_one_criterion_unscored() -> None:
    found = read({"type": "refusal", "name": "steps"}, GOOD[1])
    assert set(found.scores) == {"verdict"}


@pytest.mark.parametrize(
    "answer",
    [
        {"type": "refusal", "name": None},
        {"type": "predicate", "name": "steps", "probability": 0.5},
        {"type": "score", "name": "steps", "score": 1.0, "confidence": 1.0},
        score({"0": 0.5, "5": 0.5}),
        score({"0": 0.5, "5": 0.25, "10": 0.25, "15": 0.0}),
        score({"0": 0.5, "5": 0.5, "10": 0.5}),
        score({"0": 0.0, "5": 0.0, "10": 0.0}),
        score({"0": -0.5, "5": 0.75, "10": 0.75}),
        score({"0": float("nan"), "5": 0.5, "10": 0.5}),
        score({"0": 0.5, "5": 0.25, "10": 0.25}, "verdict"),
        choice({"0": 0.5, "5": 0.25, "10": 0.25}, "steps"),
        "steps",
        None,
    ],
)
def test_what_is_no_distribution_over_the_levels_is_unscored_and_never_guessed(answer: object) -> None:
    assert set(read(answer, GOOD[1]).scores) == {"verdict"}
    with pytest.raises(ReplyError):
        read(answer, choice({"no": 0.5}))


@pytest.mark.parametrize("text", ["", "no JSON", "{}", "[]", json.dumps([GOOD[0]]), "[" * 100_000])
def test_another_number_of_answers_is_unreadable(text: str) -> None:
    with pytest.raises(ReplyError, match="does not hold 2 answers"):
        SCORING.read(Reply(text, "stop"), PROMPT)


def test_ordered_levels_are_a_score_question_and_labels_a_choice_with_what_they_mean() -> None:
    example = replace(row(1), inputs={"text": "It is."})
    question = SCORING.question(PROMPT, example, Sampling(0.7, 99), ABLE, item_first=False)
    assert json.loads(question.questions) == [
        {
            "type": "score",
            "name": "steps",
            "instructions": "How many?\nCount them.",
            "levels": [{"label": "0", "description": "none"}, {"label": "5"}, {"label": "10", "description": "many"}],
        },
        {
            "type": "choice",
            "name": "verdict",
            "instructions": "Is it safe?",
            "choices": [{"value": "no"}, {"value": "yes"}],
        },
    ]
    assert question.text.count("It is.") == 1
    assert "Count them." in question.text
    assert "Count them." not in question.messages[0].content
    assert (question.schema, question.top_logprobs, question.sampling.temperature) == ("", 0, 0.0)


def test_the_input_is_the_same_for_every_group_of_questions() -> None:
    inputs = set()
    for group in (("steps",), ("verdict",), ("steps", "verdict")):
        example = replace(row(1), inputs={"text": "It is."})
        question = SCORING.question(PROMPT.only(group), example, Sampling(), ABLE, item_first=True)
        inputs.add(question.shared)
        assert question.shared == question.messages[0].content
    assert len(inputs) == 1


@pytest.mark.parametrize(
    ("scale", "words"),
    [
        (Ordinal(0, 10), "11 levels, and a question takes at most 10"),
        (Continuous(0, 1), "no levels"),
        (Categorical(tuple(f"label {number}" for number in range(256))), "256 levels.*at most 255"),
    ],
)
def test_scales_that_no_question_takes_are_refused(scale: Any, words: str) -> None:
    prompt = prompt_of(("fluency",), scale)
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(SCORING.refusal(prompt, ABLE))


def test_what_cannot_be_asked_is_refused() -> None:
    assert "not known to answer decision questions" in SCORING.refusal(PROMPT, Abilities())
    many = prompt_of(tuple(f"criterion {number}" for number in range(401)))
    assert "at most 400 questions, not 401" in SCORING.refusal(many, ABLE)
    assert SCORING.refusal(many.only(many.names[:400]), ABLE) == ""


@pytest.mark.parametrize(
    ("layout", "sizes"),
    [("joint", [4]), ("separate", [1] * 4), ("forked", [1] * 4), ("fluency+coherence,relevance+consistency", [2, 2])],
)
def test_a_layout_says_which_questions_share_a_request(layout: str, sizes: list[int]) -> None:
    def answer(request: Request) -> str:
        names = [one["name"] for one in json.loads(request.questions)]
        return json.dumps([score(dict.fromkeys("12345", 0.2), name) for name in names])

    asker = ScriptedAsker(answer, ABLE)
    judge = judge_of(asker, layout_name=layout, scoring=SCORING)
    prediction = asyncio.run(judge.predict(prompt_of(), row(1)))
    assert prediction.scores == dict.fromkeys(NAMES, pytest.approx(3.0))
    assert [len(json.loads(request.questions)) for request in asker.asked] == sizes
    assert len({said(request) for request in asker.asked}) == 1
    assert len({request.key("here") for request in asker.asked}) == len(sizes)

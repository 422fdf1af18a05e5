"""Laws of the simulated judge: each mechanism does what it is for, and nothing when it is off.

A thousand items of their own documents: the standard error of a Spearman correlation is near 0.03, of the difference
of two judged on the same items less. Bounds are three to four of these.
"""

from __future__ import annotations

import asyncio
import json
import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.worlds import agreements, answer, apart, asked, judged, large, people, world

from polyjudge.domain.criterion import Criterion
from polyjudge.domain.dataset import Dataset
from polyjudge.domain.example import Example
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.scale import Categorical, Continuous, Ordinal, Scale
from polyjudge.errors import CallFailed
from polyjudge.judge.expected import ExpectedScoring
from polyjudge.judge.json_scoring import JsonScoring
from polyjudge.judge.reasoned import ReasonedScoring
from polyjudge.judge.yes_no import YesNoScoring
from polyjudge.llm.request import Abilities, Request, Sampling
from polyjudge.testing.simulation.backend import ABILITIES, Simulated
from polyjudge.testing.simulation.rules import Rules
from polyjudge.testing.simulation.world import World

OFF = {"gamma": 0.0, "crowding": 0.0, "halo": 0.0, "contrast": 0.0}
WARM = Sampling(1.0, 256)


def with_rules(made: World, prompt: JudgePrompt, *, good: bool, names: tuple[str, ...]) -> JudgePrompt:
    """The prompt whose named criteria hold all their helpful, or all their harmful rules."""
    rules = Rules(made)
    texts = prompt.instructions
    return prompt.revise(
        {name: " ".join([texts[name], *(rule.text for rule in rules.of(name) if rule.good == good)]) for name in names}
    )


def test_helpful_rules_add_agreement_on_their_criterion_and_harmful_ones_take_it() -> None:
    made, data, prompt = large(rules={"harm": 0.2})
    human, name = people(prompt, data.examples), prompt.names[:1]
    prompts = (prompt, *(with_rules(made, prompt, good=good, names=name) for good in (True, False)))
    initial, helped, harmed = (agreements(apart(made, one, data.examples), human) for one in prompts)
    assert helped[0] > initial[0] + 0.1
    assert harmed[0] < initial[0] - 0.1
    assert helped[1:].tolist() == harmed[1:].tolist() == initial[1:].tolist()


def test_without_gain_and_harm_rules_change_nothing_but_noise() -> None:
    made, data, prompt = large(rules={"gain": 0.0, "harm": 0.0})
    human = people(prompt, data.examples)
    initial = agreements(apart(made, prompt, data.examples), human)
    ruled = agreements(apart(made, with_rules(made, prompt, good=True, names=prompt.names), data.examples), human)
    assert np.abs(ruled - initial).max() < 0.1
    assert abs((ruled - initial).mean()) < 0.05


def together_less_apart(made: World, prompt: JudgePrompt, data: Dataset) -> npt.NDArray[np.float64]:
    """What a shared call adds to each criterion's agreement (K,)."""
    human = people(prompt, data.examples)
    joint, alone = (agreements(how(made, prompt, data.examples), human) for how in (judged, apart))
    return joint - alone


def test_with_every_mechanism_off_sharing_a_call_changes_nothing_but_noise() -> None:
    made, data, prompt = large(interference=OFF)
    tuned = with_rules(made, prompt, good=True, names=prompt.names[:2])
    difference = together_less_apart(made, tuned, data)
    assert np.abs(difference).max() < 0.1
    assert abs(difference.mean()) < 0.04


def test_attention_goes_to_the_longer_instructions() -> None:
    made, data, prompt = large(interference=OFF | {"gamma": 0.8})
    tuned = with_rules(made, prompt, good=True, names=prompt.names[:2])
    difference = together_less_apart(made, tuned, data)
    assert np.abs(difference[:2]).max() < 0.1
    assert (difference[2:] < -0.15).all()
    equal = together_less_apart(made, prompt, data)
    assert np.abs(equal).max() < 0.1


def test_crowding_costs_every_criterion() -> None:
    made, data, prompt = large(interference=OFF | {"crowding": 0.3})
    difference = together_less_apart(made, prompt, data)
    assert (difference < -0.1).all()


def test_a_halo_draws_the_scores_of_one_call_together() -> None:
    def likeness(halo: float) -> float:
        made, data, prompt = large(interference=OFF | {"halo": halo})
        scores = judged(made, prompt, data.examples)
        return float((np.corrcoef(scores.T).sum() - 4) / 12)

    assert likeness(0.5) > likeness(0.0) + 0.2


def test_contrast_makes_joint_scoring_help() -> None:
    def gain(contrast: float) -> float:
        made, data, prompt = large(judge={"impression": 0.7}, interference=OFF | {"contrast": contrast})
        return float(together_less_apart(made, prompt, data).mean())

    assert gain(0.9) > 0.05
    assert abs(gain(0.0)) < 0.04


def test_at_temperature_0_repeats_are_one_answer_and_above_it_they_vary() -> None:
    made, data, prompt = large()
    rows = data.examples[:100]
    cold = judged(made, prompt, rows)
    assert (judged(made, prompt, rows, seed=3, sample=2, retry=1) == cold).all()
    warm = judged(made, prompt, rows, sampling=WARM)
    for other in ({"seed": 1}, {"sample": 1}, {"retry": 1}):
        assert 0.1 < (judged(made, prompt, rows, sampling=WARM, **other) != warm).mean() < 0.9
    assert (judged(made, prompt, rows, sampling=WARM) == warm).all()
    barely = judged(made, prompt, rows, sampling=Sampling(0.1, 256))
    assert (barely != cold).mean() < (warm != cold).mean() / 2


def test_the_told_probabilities_are_those_by_which_warm_answers_are_drawn() -> None:
    made, data, prompt = large()
    one, example = prompt.only(("fluency",)), data.examples[5]
    backend, scoring = Simulated(made), ExpectedScoring(JsonScoring(False))
    question = scoring.question(one, example, WARM, ABILITIES, item_first=False)
    request = asked(question.text, "judge", sampling=WARM, top_logprobs=question.top_logprobs)
    told = scoring.read(answer(backend, request), one).distributions["fluency"]
    drawn = judged(made, one, [example] * 1)  # the coldest answer is the most probable one
    assert max(told, key=lambda label: told[label]) == f"{drawn[0, 0]:g}"
    draws = [
        json.loads(answer(backend, asked(question.text, "judge", sampling=WARM, sample=k)).text)["fluency"]
        for k in range(2000)
    ]
    for label, share in told.items():
        assert abs(draws.count(int(label)) / len(draws) - share) < 4 * math.sqrt(0.25 / len(draws))


def test_scales_of_every_kind_are_answered_as_asked_and_their_order_follows_the_quality() -> None:
    made, data, _ = large()
    scales: dict[str, Scale] = {
        "fluency": Ordinal(0, 3),
        "relevance": Continuous(0, 1),
        "coherence": Categorical(("poor", "good")),
    }
    criteria = tuple(Criterion(name, scale, "", "Rate.") for name, scale in scales.items())
    prompt = JudgePrompt("Judge.", (("document", "Document"), ("summary", "Summary")), criteria)
    scores = judged(made, prompt, data.examples)
    human = np.array([[example.ratings[name][0] for name in scales] for example in data.examples])
    assert (agreements(scores, human) > 0.1).all()
    assert set(scores[:, 0]) == {0, 1, 2, 3}
    assert set(scores[:, 2]) == {0, 1}


NAMES = (
    st.text("abc xyz-_éß", min_size=1, max_size=12)
    .map(lambda name: " ".join(name.split()))
    .filter(lambda name: name and name[0].isalnum() and name[-1].isalnum())
)
SCALES = (
    st.builds(lambda low, span: Ordinal(low, low + span), st.integers(-3, 3), st.integers(1, 11))
    | st.builds(lambda low, span: Continuous(low, low + span), st.integers(-3, 3), st.sampled_from([0.5, 1, 100]))
    | st.just(Categorical(("compliance", "refusal")))
)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(NAMES, SCALES, min_size=1, max_size=4), st.sampled_from([None, 0.0, 0.7]), st.booleans())
def test_whatever_is_asked_the_strict_readers_read_every_score(
    scales: dict[str, Scale], heat: float | None, first: bool
) -> None:
    folded = {name.casefold().replace(" ", "_").replace("-", "_") for name in scales}
    if len(folded) < len(scales):
        return
    criteria = tuple(Criterion(name, scale, "Is it?", "Rate it: well.") for name, scale in scales.items())
    prompt = JudgePrompt("Judge.", (("text", "Text"),), criteria)
    example, backend, sampling = Example("e", {"text": "Some text."}), Simulated(world()), Sampling(heat, 256)
    integer = JsonScoring(False)
    question = integer.question(prompt, example, sampling, ABILITIES, item_first=first)
    request = asked(question.text, "judge", sampling=sampling)
    read = integer.read(answer(backend, request), prompt)
    assert set(read.scores) == set(scales)
    assert all(scale.allows(read.scores[name]) for name, scale in scales.items())
    expected = ExpectedScoring(integer)
    if not expected.refusal(prompt, ABILITIES):
        told = expected.read(answer(backend, with_tokens(request)), prompt)
        assert set(told.scores) == set(scales)
        assert max(told.lost.values()) < 1e-6


def with_tokens(request: Request) -> Request:
    return asked(request.messages[0].content, "judge", sampling=request.sampling, top_logprobs=20)


@pytest.mark.parametrize("first", [False, True])
def test_a_yes_or_no_question_is_answered_by_the_same_perception(first: bool) -> None:
    made, data, prompt = large()
    one, backend, scoring = prompt.only(("fluency",)), Simulated(made), YesNoScoring()
    scores = []
    for example in data.examples[:400]:
        question = scoring.question(one, example, Sampling(0.0, 8), ABILITIES, item_first=first)
        request = asked(question.text, "judge", top_logprobs=question.top_logprobs)
        scores.append([scoring.read(answer(backend, request), one).scores["fluency"]])
    assert agreements(np.array(scores), people(one, data.examples[:400]))[0] > 0.15


def test_an_item_that_stands_first_is_judged_alike() -> None:
    """The layout forked is the layout separate in another order, and this world's judge minds no order."""
    made, data, prompt = large()
    backend, scoring = Simulated(made), JsonScoring(False)
    shown = replace(prompt, demonstrations=data.examples[:2])
    for one in (prompt.only(("coherence",)), shown.only(("coherence",)), shown):
        for example in data.examples[2:40]:
            texts = [
                answer(backend, asked(scoring.question(one, example, WARM, ABILITIES, item_first=first).text, "judge"))
                for first in (False, True)
            ]
            assert texts[0].text == texts[1].text


def test_unreadable_replies_come_as_often_as_the_world_says() -> None:
    made = world(judge={"unreadable": 0.3})
    _, data, prompt = large()
    backend, scoring = Simulated(made), JsonScoring(False)
    texts = [
        scoring.question(prompt, one, Sampling(), ABILITIES, item_first=False).text for one in data.examples[:500]
    ]
    missing = sum("{" not in answer(backend, asked(text, "judge")).text for text in texts)
    assert 0.2 < missing / len(texts) < 0.4


@pytest.mark.parametrize("text", ["Say one word.", 'Judge.\n\nText:\n"""\nx\n"""', 'Output format:\n{"a": 1 | 2}'])
def test_what_is_no_judge_prompt_is_refused(text: str) -> None:
    with pytest.raises(CallFailed, match="simulated judge"):
        answer(Simulated(world()), asked(text, "judge"))


@pytest.mark.parametrize("logprobs", [0, 20])
def test_it_gives_reasons_before_scores_where_they_are_asked_for(logprobs: int) -> None:
    made, data, prompt = large()
    able = Abilities(logprobs=logprobs)
    backend = Simulated(made)
    for method in (ReasonedScoring(weighs=bool(logprobs)), ReasonedScoring(weighs=False)):
        question = method.question(prompt, data.examples[0], WARM, able, item_first=False)
        request = Request("simulated/x", question.messages, sampling=WARM, top_logprobs=question.top_logprobs)
        found = method.read(asyncio.run(backend.complete(request)), prompt)
        assert set(found.scores) == set(found.reasons) == set(prompt.names)
        assert all("SIMULATED" in reason for reason in found.reasons.values())

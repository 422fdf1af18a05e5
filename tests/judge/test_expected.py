"""The expected scoring: means by hand, places in replies of many shapes, and nothing made up."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.asking import judge_of, prompt_of, row
from tests.tokens import chosen, rated, spelled

from polyjudge.domain.criterion import Criterion
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.scale import Categorical, Continuous, Ordinal
from polyjudge.errors import ReplyError
from polyjudge.judge.expected import ALTERNATIVES, ExpectedScoring
from polyjudge.judge.json_scoring import JsonScoring
from polyjudge.judge.scoring import Scored, expectation
from polyjudge.llm.request import Abilities, Reply, Request, Sampling, TokenChoice
from polyjudge.testing.asking import ScriptedAsker

law = settings(deadline=None, max_examples=60)

TWO = prompt_of(("fluency", "relevance"))
ONE = TWO.only(("fluency",))
SCORING = ExpectedScoring()
ABLE = Abilities(logprobs=20, schema=True)
FOUR = {"4": 0.5, "3": 0.3, "5": 0.2}
TWOISH = {"2": 0.6, "1": 0.4}


def read(reply: Reply, prompt: JudgePrompt = TWO) -> Scored:
    return SCORING.read(reply, prompt)


def approximately(scores: dict[str, float]) -> dict[str, object]:
    return {name: pytest.approx(score) for name, score in scores.items()}


class TestByHand:
    def test_each_criterion_is_read_at_its_own_value(self) -> None:
        text = '{"fluency": 4, "relevance": 2}'
        found = read(rated(text, {12: FOUR, 28: TWOISH}))
        assert found.scores == approximately({"fluency": 3.9, "relevance": 1.6})
        assert found.distributions["fluency"] == approximately({"1": 0, "2": 0, "3": 0.3, "4": 0.5, "5": 0.2})
        assert found.lost == {"fluency": pytest.approx(0), "relevance": pytest.approx(0)}

    def test_lost_mass_is_kept_and_left_out_of_the_mean(self) -> None:
        found = read(rated('{"fluency": 4}', {12: {"4": 0.3, "5": 0.3, "null": 0.3}}), ONE)
        assert found.scores == approximately({"fluency": 4.5})
        assert found.lost == {"fluency": pytest.approx(0.4)}

    def test_labels_have_the_most_probable_one_even_where_another_was_written(self) -> None:
        prompt = prompt_of(("verdict",), Categorical(("compliance", "refusal")))
        reply = spelled(['{"', "verdict", '":', ' "', chosen("ref", {"ref": 0.4, "compl": 0.6}), "usal", '"}'])
        found = read(reply, prompt)
        assert found.scores == {"verdict": 0.0}
        assert found.distributions == {"verdict": approximately({"compliance": 0.6, "refusal": 0.4})}

    def test_a_scale_in_steps(self) -> None:
        prompt = prompt_of(("fluency",), Ordinal(0, 10, 5))
        tokens = ['{"fluency": ', chosen("1", {"1": 0.5, "5": 0.25, "0": 0.25}), chosen("0", {"0": 1.0}), "}"]
        assert read(spelled(tokens), prompt).scores == approximately({"fluency": 6.25})


class TestTokenisations:
    @pytest.mark.parametrize(
        "tokens",
        [
            ['{"fluency":', chosen(" 4", {" 4": 0.5, " 3": 0.3, " 5": 0.2}), "}"],
            ['{"fluency": ', chosen("4}", {"4}": 0.5, "3}": 0.2, "3": 0.1, "5": 0.2})],
            ['{"fluency": ', chosen("4,", {"4,": 0.5, "3,": 0.3, "5,": 0.2}), ' "relevance": 1}'],
            ['{"fluency', chosen('": 4', {'": 4': 0.5, '": 3': 0.3, '": 5': 0.2}), "}"],
            ['{"fluency": ', chosen('"4"', {'"4"': 0.5, '"3"': 0.3, '"5"': 0.2}), "}"],
            ['{"fluency": "', chosen("4", {"4": 0.5, "3": 0.3, "5": 0.2}), '"}'],
            ["**fluency**: ", chosen("4", FOUR), "."],
            ['{"fluency": ', chosen("4", FOUR), ".0}"],
            ["It has 4 flaws, ", "4", " in all.\nScore: ", chosen("4", FOUR), "/5"],
            ["```json\n", '{"fluency": ', chosen("4", FOUR), "}", "\n```"],
            ["<think>", "4 or 3?", "</think>", chosen("4", FOUR)],
            ["fluency: ", chosen("4", FOUR), "/", "5"],
            ['{"fluency": ', "", chosen("4", FOUR), "", "}"],
        ],
    )
    def test_a_value_is_found_however_it_is_cut(self, tokens: list[str | TokenChoice]) -> None:
        assert read(spelled(tokens), ONE).scores == approximately({"fluency": 3.9})

    def test_split_digits(self) -> None:
        prompt = prompt_of(("fluency",), Ordinal(1, 10))
        tokens = ['{"fluency": ', chosen("1", {"1": 0.8, "9": 0.2}), chosen("0", {"0": 0.75, "}": 0.25}), "}"]
        assert read(spelled(tokens), prompt).scores == approximately({"fluency": 0.6 * 10 + 0.2 * 1 + 0.2 * 9})

    def test_a_key_that_repeats_with_one_value_is_read_where_it_was_first_decided(self) -> None:
        reply = spelled(['{"fluency": ', chosen("4", FOUR), ', "fluency": ', "4", "}"])
        assert read(reply, ONE).scores == approximately({"fluency": 3.9})

    def test_a_key_that_repeats_with_two_values_is_not_read(self) -> None:
        with pytest.raises(ReplyError):
            read(spelled(['{"fluency": ', chosen("4", FOUR), ', "fluency": ', "3", "}"]), ONE)

    @pytest.mark.parametrize(
        ("before", "after"), [(["```json\n"], []), (["<think>hm</think>\n"], []), ([], ["<|end|>"]), (["\ufffd"], [])]
    )
    def test_a_text_that_lacks_some_of_its_tokens(self, before: list[str], after: list[str]) -> None:
        reply = spelled([*before, '{"fluency": ', chosen("4", FOUR), "}", *after], text='{"fluency": 4}')
        assert read(reply, ONE).scores == approximately({"fluency": 3.9})

    def test_half_characters_around_a_score_do_no_harm(self) -> None:
        reply = spelled(["\ufffd", "\ufffd", ".\nScore: ", chosen("4", FOUR)], text="🙂.\nScore: 4")
        assert read(reply, ONE).scores == approximately({"fluency": 3.9})
        behind = spelled(["fluency: ", chosen("4", FOUR), " (\ufffd", "\ufffd", ")"], text="fluency: 4 (🙂)")
        assert read(behind, ONE).scores == approximately({"fluency": 3.9})

    @pytest.mark.parametrize("name", ["流畅", "clart\u00e9", "clarte\u0301", "ясность"])
    @pytest.mark.parametrize("form", ["{}", "\ufffd", "\\x{:02x}", "byte: \\x{:02x}"])
    def test_names_in_any_script_cost_no_call(self, name: str, form: str) -> None:
        """Servers spell the bytes of a character one by one, in forms of their own."""
        prompt = prompt_of((name, "relevance"))
        prompt = replace(prompt, criteria=(prompt.criteria[1], prompt.criteria[0]))
        written = [name] if form == "{}" else [form.format(byte) for byte in name.encode() if byte > 127]
        kept = [] if form == "{}" else [character for character in name if ord(character) < 128]
        before = ["".join(kept)] if kept else []
        text = f'{{"relevance": 2, "{name}": 4}}'
        reply = spelled(
            ['{"relevance": ', chosen("2", TWOISH), ', "', *before, *written, '": ', chosen("4", FOUR), "}"], text=text
        )
        assert read(reply, prompt).scores == approximately({"relevance": 1.6, name: 3.9})

    def test_tokens_that_spell_something_else_are_not_believed(self) -> None:
        with pytest.raises(ReplyError, match="too little"):
            read(spelled(['{"relevance": ', chosen("4", FOUR), " }"], text='{"fluency": 4}'), ONE)


class TestWhatIsNotRead:
    def test_no_probabilities(self) -> None:
        for tokens in ((), (TokenChoice('{"fluency": 4}', -0.1),)):
            with pytest.raises(ReplyError, match="no token probabilities"):
                read(Reply('{"fluency": 4}', "stop", tokens=tokens), ONE)

    def test_a_refusal_or_a_cut_object(self) -> None:
        for text, finish in (("I cannot rate 4 texts.", "stop"), ('{"fluency": 4', "length"), ("", "stop")):
            with pytest.raises(ReplyError):
                read(rated(text + " ", {12: FOUR}, finish=finish), ONE)

    def test_a_value_off_the_scale_however_probable_its_alternatives(self) -> None:
        with pytest.raises(ReplyError):
            read(rated('{"fluency": 9}', {12: {"9": 0.1, "4": 0.9}}), ONE)

    def test_a_criterion_with_more_mass_hidden_than_told_while_the_other_is_read(self) -> None:
        text = '{"fluency": 4, "relevance": 2}'
        found = read(rated(text, {12: {"4": 0.2, "3": 0.2}, 28: TWOISH}))
        assert set(found.scores) == set(found.distributions) == set(found.lost) == {"relevance"}

    def test_a_lost_mass_that_is_known_to_be_no_label_leaves_the_shares_as_they_are(self) -> None:
        found = read(rated('{"fluency": 4}', {12: {"4": 0.06, "3": 0.04, "null": 0.9}}), ONE)
        assert found.scores == approximately({"fluency": 3.6})
        assert found.lost == {"fluency": pytest.approx(0.9)}


class TestWhenItIsRefused:
    def test_a_scale_without_steps(self) -> None:
        assert "scales of 'share' have" in SCORING.refusal(prompt_of(("share",), Continuous(0, 1)), ABLE)

    @pytest.mark.parametrize(("logprobs", "refused"), [(0, True), (4, True), (5, False), (500, False)])
    def test_fewer_alternatives_than_labels(self, logprobs: int, refused: bool) -> None:
        assert bool(SCORING.refusal(TWO, Abilities(logprobs=logprobs))) is refused

    @pytest.mark.parametrize(
        ("scale", "able", "wanted"),
        [
            (Ordinal(1, 5), 500, ALTERNATIVES),
            (Ordinal(1, 5), 5, 5),
            (Ordinal(0, 100), 500, 202),
            (Ordinal(0, 100), 150, 150),
        ],
    )
    def test_it_asks_for_alternatives_enough(self, scale: Ordinal, able: int, wanted: int) -> None:
        abilities = Abilities(logprobs=able, schema=True)
        prompt = prompt_of(("fluency",), scale)
        question = SCORING.question(prompt, row(1), Sampling(), abilities, item_first=False)
        assert question.top_logprobs == wanted
        plain = JsonScoring().question(prompt, row(1), Sampling(), abilities, item_first=False)
        assert (question.messages, question.schema) == (plain.messages, plain.schema)


def test_a_score_is_spoken_to_a_tenth() -> None:
    fluency = ONE.criteria[0]
    assert [SCORING.spoken(fluency, score) for score in (3.4321, 4.0, 3.96)] == ["3.4", "4", "4"]
    assert SCORING.spoken(Criterion("verdict", Categorical(("no", "ja"))), 1.0) == "ja"
    assert SCORING.on_scale


def test_the_judge_keeps_what_each_call_of_a_group_gave() -> None:
    def answer(request: Request) -> Reply:
        assert request.top_logprobs == 20
        assert request.schema
        if request.retry:
            return rated('{"relevance": 2}', {14: TWOISH})
        return rated('{"fluency": 4, "relevance": 2}', {12: FOUR, 28: {"2": 0.1}})

    asker = ScriptedAsker(answer, ABLE)
    found = asyncio.run(judge_of(asker, TWO.names, scoring=SCORING).predict(TWO, row(1)))
    assert [request.retry for request in asker.asked] == [0, 1]
    assert found.scores == approximately({"fluency": 3.9, "relevance": 1.6})
    assert set(found.distributions) == set(found.lost) == set(TWO.names)
    assert not found.unscored
    assert found.samples == {}


weights = st.lists(st.floats(0, 1), min_size=5, max_size=5).filter(lambda found: sum(found) > 1e-6)


@law
@given(weights, st.floats(0, 0.9), st.integers(1, 5), st.integers(1, 5))
def test_a_score_lies_on_its_scale_and_is_the_mean(
    found: list[float], other: float, written: int, second: int
) -> None:
    total = sum(found)
    masses = {str(k + 1): (1 - other) * weight / total + 1e-12 for k, weight in enumerate(found)} | {
        "null": other + 1e-12
    }
    text = json.dumps({"fluency": written, "relevance": second})
    scored = read(rated(text, {12: masses}))
    mean = sum((k + 1) * weight for k, weight in enumerate(found)) / total
    assert 1 <= scored.scores["fluency"] <= 5
    assert scored.scores["fluency"] == pytest.approx(mean, abs=1e-6)
    assert scored.scores["relevance"] == second
    assert 0 <= scored.lost["fluency"] <= 1


@law
@given(weights)
def test_an_expectation_is_a_mean_or_a_label(found: list[float]) -> None:
    total = sum(found)
    shares = {str(k + 1): weight / total for k, weight in enumerate(found)}
    assert 1 <= expectation(Ordinal(1, 5), shares) <= 5
    named = dict(zip("abcde", shares.values(), strict=True))
    best = expectation(Categorical(tuple("abcde")), named)
    assert named["abcde"[int(best)]] == max(named.values())


odd = st.lists(
    st.sampled_from(
        ['{"fluency": ', "4", "3", ",", "}", ' "relevance": ', '"', " ", "\n", "```", "fluency", "", "�", "x"]
    ),
    max_size=14,
)


@law
@given(odd, st.text(max_size=3), st.sampled_from(["stop", "length", ""]))
def test_no_reply_however_odd_does_more_than_give_scores_or_none(tokens: list[str], more: str, finish: str) -> None:
    spread = [chosen(token, {token or "4": 0.5, "4": 0.2, "1": 0.1, " ": 0.1}) for token in tokens]
    for text in ("".join(tokens), "".join(tokens) + more, more):
        try:
            found = read(spelled(spread, text=text, finish=finish))
        except ReplyError:
            continue
        written = JsonScoring().read(Reply(text, finish), TWO).scores
        assert set(found.scores) <= set(written)
        assert all(1 <= score <= 5 for score in found.scores.values())

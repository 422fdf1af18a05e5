"""The scoring with reasons: what is asked, what is read behind a reason, and where probabilities are weighed."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.asking import NAMES, judge_of, prompt_of, row
from tests.tokens import rated

from polyjudge.domain.criterion import Criterion
from polyjudge.domain.scale import Categorical, Continuous
from polyjudge.errors import ReplyError
from polyjudge.judge.json_scoring import JsonScoring
from polyjudge.judge.reasoned import LONGEST, ReasonedJsonScoring, ReasonedScoring
from polyjudge.judge.sampled import SampledScoring
from polyjudge.judge.scoring import prose_of, with_limit
from polyjudge.llm.request import Abilities, Reply, Request, Sampling
from polyjudge.testing.asking import ScriptedAsker, said

law = settings(deadline=None, max_examples=80)

TWO = prompt_of(("fluency", "relevance"))
ONE = TWO.only(("fluency",))
SCORING = ReasonedScoring()
ABLE = Abilities(logprobs=20, schema=True)
TEXT = '{"fluency": {"reason": "It has 5 slips.", "score": 4}, "relevance": {"reason": "On topic.", "score": 2}}'
MASSES = {TEXT.index("4}"): {"4": 0.5, "3": 0.3, "5": 0.2}, TEXT.index("2}"): {"2": 0.6, "1": 0.4}}
REASONS = {"fluency": "It has 5 slips.", "relevance": "On topic."}


def reply_of(reasons: dict[str, str], scores: dict[str, int]) -> str:
    return json.dumps({name: {"reason": reasons[name], "score": scores[name]} for name in scores}, ensure_ascii=False)


class TestReading:
    def test_a_score_is_expected_at_its_place_behind_the_reason(self) -> None:
        found = SCORING.read(rated(TEXT, MASSES), TWO)
        assert found.scores == {"fluency": pytest.approx(3.9), "relevance": pytest.approx(1.6)}
        assert found.distributions["relevance"]["1"] == pytest.approx(0.4)
        assert found.reasons == REASONS

    def test_without_probabilities_or_by_its_other_name_it_is_read_as_written(self) -> None:
        for scoring, reply in ((SCORING, Reply(TEXT, "stop")), (ReasonedJsonScoring(), rated(TEXT, MASSES))):
            found = scoring.read(reply, TWO)
            assert (found.scores, found.distributions) == ({"fluency": 4, "relevance": 2}, {})
            assert found.reasons == REASONS

    @law
    @given(st.text(max_size=60), st.text(max_size=60), st.integers(1, 5), st.integers(1, 5))
    def test_no_reason_changes_a_score(self, first: str, second: str, fluency: int, relevance: int) -> None:
        reasons, scores = {"fluency": first, "relevance": second}, {"fluency": fluency, "relevance": relevance}
        found = SCORING.read(Reply(reply_of(reasons, scores), "stop"), TWO)
        assert found.scores == scores
        assert found.reasons == {name: reason.strip() for name, reason in reasons.items() if reason.strip()}

    @pytest.mark.parametrize(
        "text",
        [
            '{"fluency": {"score": 4, "reason": "First the score."}}',
            '{"fluency": 4}',
            '{"fluency": {"score": 4}}',
            '{"fluency": {"reason": "Off the scale.", "score": 9}}',
            '{"fluency": {"reason": 3, "score": 4}}',
            '{"fluency": {"reason": "It is cut',
            "It reads well. Score: 4",
            '{"fluency": {"reason": "a", "score": 4}, "fluency": {"reason": "a", "score": 5}}',
        ],
    )
    def test_what_is_no_reason_with_a_score_is_unreadable(self, text: str) -> None:
        with pytest.raises(ReplyError, match="no reason with a score"):
            SCORING.read(Reply(text, "stop"), TWO)

    def test_one_criterion_needs_no_name(self) -> None:
        found = SCORING.read(Reply('{"reason": "Good.", "score": 4}', "stop"), ONE)
        assert (found.scores, found.reasons) == ({"fluency": 4}, {"fluency": "Good."})

    def test_criteria_may_be_called_like_the_keys(self) -> None:
        prompt = prompt_of(("score", "reason"))
        found = SCORING.read(Reply(reply_of({"score": "a", "reason": "b"}, {"score": 2, "reason": 5}), "stop"), prompt)
        assert found.scores == {"score": 2, "reason": 5}

    def test_labels_are_weighed_and_numbers_without_steps_are_taken_as_written(self) -> None:
        criteria = (Criterion("verdict", Categorical(("no", "yes"))), Criterion("share", Continuous(0, 1)))
        prompt = replace(TWO, criteria=criteria)
        text = '{"verdict": {"reason": "r", "score": "no"}, "share": {"reason": "s", "score": 0.25}}'
        found = SCORING.read(rated(text, {text.index('no"'): {"no": 0.3, "yes": 0.7}}, r"no|\d|[^\dn]+|n"), prompt)
        assert found.scores == {"verdict": 1.0, "share": 0.25}
        assert list(found.distributions) == ["verdict"]


class TestAsking:
    def ask(self, able: Abilities, scoring: ReasonedScoring = SCORING, layout: str = "joint") -> list[Request]:
        def answer(request: Request) -> str:
            names = [name for name in ("fluency", "relevance") if f'"{name}": {{"reason"' in said(request)]
            return reply_of(dict.fromkeys(names, "Because."), dict.fromkeys(names, 3))

        asker = ScriptedAsker(answer, able)
        judge = judge_of(asker, TWO.names, layout_name=layout, scoring=scoring)
        judge = replace(judge, role=replace(judge.role, sampling=Sampling(0.0, 0)))
        prediction = asyncio.run(judge.predict(TWO, row(1, TWO.names)))
        assert prediction.scores == {"fluency": 3, "relevance": 3}
        assert prediction.reasons == {"fluency": "Because.", "relevance": "Because."}
        return asker.asked

    @pytest.mark.parametrize("layout", ["joint", "separate", "forked"])
    def test_the_form_names_a_reason_before_each_score_in_every_layout(self, layout: str) -> None:
        for request in self.ask(ABLE, layout=layout):
            assert '{"reason": "...", "score": 1 | 2 | 3 | 4 | 5}' in said(request)
            assert "first write a reason" in said(request)
            for member in json.loads(request.schema)["properties"].values():
                assert list(member["properties"]) == member["required"] == ["reason", "score"]

    def test_probabilities_are_asked_for_where_they_are_known(self) -> None:
        assert self.ask(ABLE)[0].top_logprobs == 20
        for able in (Abilities(), Abilities(logprobs=20, assumed=True), Abilities(logprobs=3)):
            assert self.ask(able)[0].top_logprobs == 0
        assert self.ask(ABLE, ReasonedJsonScoring())[0].top_logprobs == 0

    def test_reasons_are_bounded_where_the_engine_bounds_texts(self) -> None:
        for bounds in (True, False):
            schema = json.loads(self.ask(replace(ABLE, bounds=bounds))[0].schema)
            reason = schema["properties"]["fluency"]["properties"]["reason"]
            assert reason.get("maxLength") == (LONGEST if bounds else None)

    def test_the_answer_limit_counts_the_reasons(self) -> None:
        limits = [self.ask(ABLE)[0].sampling.max_tokens, with_limit(Sampling(0.0, 0), TWO).max_tokens]
        assert limits[0] == limits[1] + 2 * prose_of(SCORING) > limits[1]
        assert prose_of(JsonScoring()) == 0
        assert with_limit(Sampling(0.0, 77), TWO, 200).max_tokens == 77

    def test_thirty_criteria_fit(self) -> None:
        names = tuple(f"criterion {number}" for number in range(30))
        text = reply_of(dict.fromkeys(names, "x" * LONGEST), dict.fromkeys(names, 5))
        # Three characters a token, as plain English has at least.
        assert with_limit(Sampling(0.0, 0), prompt_of(names), prose_of(SCORING)).max_tokens > len(text) / 3


def test_samples_are_pooled_with_the_reasons_of_one() -> None:
    asker = ScriptedAsker(
        lambda request: reply_of({"fluency": f"Draw {request.sample}."}, {"fluency": 2 + request.sample})
    )
    scoring = SampledScoring(3, ReasonedJsonScoring(), name="reasoned")
    found = asyncio.run(judge_of(asker, ("fluency",), scoring=scoring, temperature=1.0).predict(ONE, row(1, NAMES)))
    assert found.scores == {"fluency": 3.0}
    assert found.reasons == {"fluency": "Draw 0."}
    assert found.samples == {"fluency": 3}

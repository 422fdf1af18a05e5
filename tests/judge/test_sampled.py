"""Several samples as one score: what could be read is averaged, what could not is neither guessed nor hidden."""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.asking import judge_of, prompt_of, row

from polyjudge.domain.records import Call, Prediction
from polyjudge.domain.scale import Categorical, Continuous, Ordinal
from polyjudge.judge.pooling import pooled
from polyjudge.judge.sampled import SampledScoring
from polyjudge.llm.request import Abilities, Request
from polyjudge.testing.asking import ScriptedAsker

TWO = prompt_of(("fluency", "relevance"))
ONE = TWO.only(("fluency",))
LABELS = prompt_of(("fluency",), Categorical(("no", "maybe", "yes")))


def samples(scores: Sequence[float]) -> list[Prediction]:
    return [Prediction("x", {"fluency": s}, (Call(("fluency",), "?", f"{s}"),)) for s in scores]


def test_a_score_is_the_mean_and_a_distribution_the_shares() -> None:
    found = pooled(ONE, samples([4, 4, 3, math.nan]))
    assert found.scores == {"fluency": pytest.approx(11 / 3)}
    assert found.distributions == {
        "fluency": {"1": 0, "2": 0, "3": pytest.approx(1 / 3), "4": pytest.approx(2 / 3), "5": 0}
    }
    assert found.samples == {"fluency": 3}
    assert found.lost == {}


def test_it_is_unscored_when_no_sample_could_be_read() -> None:
    found = pooled(ONE, samples([math.nan, math.nan]))
    assert found.unscored == ("fluency",)
    assert (found.samples, found.distributions) == ({"fluency": 0}, {})


@pytest.mark.parametrize(
    ("given_labels", "chosen"), [([0, 2, 2], 2), ([1, 1, 0], 1), ([2, 0, 0, 2], 2), ([0, 2, 2, 0], 0)]
)
def test_labels_are_voted_on_and_a_tie_goes_to_the_first(given_labels: list[float], chosen: float) -> None:
    assert pooled(LABELS, samples(given_labels)).scores == {"fluency": chosen}


def test_a_scale_without_steps_has_a_mean_and_no_distribution() -> None:
    found = pooled(prompt_of(("fluency",), Continuous(0, 1)), samples([0.25, 0.75]))
    assert found.scores == {"fluency": 0.5}
    assert found.distributions == {}


def test_the_calls_shown_are_those_of_a_sample_that_could_be_read() -> None:
    assert pooled(ONE, samples([math.nan, 2, 3])).calls[0].reply == "2"


@given(st.lists(st.sampled_from([1.0, 2.0, 5.0, math.nan]), min_size=1, max_size=9))
def test_shares_sum_to_one_and_a_score_lies_between_its_samples(scores: list[float]) -> None:
    found = pooled(ONE, samples(scores))
    read = [score for score in scores if not math.isnan(score)]
    assert found.samples["fluency"] == len(read)
    if read:
        assert min(read) <= found.scores["fluency"] <= max(read)
        assert math.fsum(found.distributions["fluency"].values()) == pytest.approx(1)


def test_the_judge_asks_for_samples_of_their_own() -> None:
    def answer(request: Request) -> str:
        if request.sample == 2:
            return "no"
        return json.dumps({"fluency": 1 + request.sample, "relevance": 3})

    asker = ScriptedAsker(answer, Abilities())
    judge = judge_of(asker, TWO.names, scoring=SampledScoring(samples=4), temperature=1.0, seed=7)
    found = asyncio.run(judge.predict(TWO, row(1)))
    first = [(request.sample, request.retry) for request in asker.asked if not request.retry]
    assert sorted(first) == [(0, 0), (1, 0), (2, 0), (3, 0)]
    assert {request.sample for request in asker.asked if request.retry} == {2}
    assert {request.seed for request in asker.asked} == {7}
    assert len({request.key("here") for request in asker.asked}) == len(asker.asked)
    assert not any(request.top_logprobs for request in asker.asked)
    assert found.scores == {"fluency": pytest.approx((1 + 2 + 4) / 3), "relevance": 3.0}
    assert found.samples == {"fluency": 3, "relevance": 3}
    asyncio.run(judge.predict(TWO, row(1), sample=1))
    assert {request.sample for request in asker.asked} == set(range(8))


def test_it_speaks_and_is_known_as_the_expected_scoring() -> None:
    scoring = SampledScoring.of(ONE, structured=True)
    assert (scoring.name, scoring.on_scale) == ("expected", True)
    assert scoring.spoken(ONE.criteria[0], 11 / 3) == "3.7"
    assert scoring.labels(ONE.criteria[0]) == ("1", "2", "3", "4", "5")
    assert scoring.refusal(prompt_of(("fluency",), Ordinal(0, 100)), Abilities()) == ""

"""Rubrics from confusion cells: which examples are shown, and a run that ends in a better judge."""

from __future__ import annotations

import asyncio
import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.asking import FIVE, NAMES, judge_of, prompt_of, rows, speaker

from polyjudge.domain.criterion import Criterion
from polyjudge.domain.example import Example
from polyjudge.domain.records import Prediction
from polyjudge.domain.scale import Categorical
from polyjudge.errors import ConfigError
from polyjudge.llm.request import Role, Sampling
from polyjudge.optimizers.base import Context, Turn
from polyjudge.optimizers.rubric import HIGH, LOW, RIGHT, UNREAD, WRONG, Rubric, chosen, errors_of
from polyjudge.testing.asking import ScriptedAsker, said

NAN = math.nan
ONE = Criterion("a", FIVE)
LABELS = Criterion("a", Categorical(("yes", "no")))
ratings = st.sampled_from([NAN, 1.0, 2.0, 3.0, 3.5, 4.0, 5.0])


def judged(pairs: list[tuple[float, float]]) -> list[tuple[Example, Prediction]]:
    """(score, human rating) as examples with predictions."""
    return [
        (Example(f"e{at}", {}, ratings={"a": (human,)}), Prediction(f"e{at}", {"a": score}, ()))
        for at, (score, human) in enumerate(pairs)
    ]


@given(st.lists(st.tuples(ratings, ratings), max_size=30), st.integers(1, 8), st.integers(0, 4))
def test_the_shown_examples_are_rated_different_and_no_more_than_wanted(
    pairs: list[tuple[float, float]], wrong: int, right: int
) -> None:
    rows_ = judged(pairs)
    errors = errors_of(ONE, rows_, on_scale=True)
    shown = chosen(ONE, rows_, errors, wrong, right)
    places = [place for taken in shown.values() for place in taken]
    assert len(set(places)) == len(places)
    assert all(not math.isnan(pairs[place][1]) for place in places)
    assert len(shown.get(RIGHT, [])) <= right
    faulty = [at for at, (s, h) in enumerate(pairs) if not math.isnan(h) and not abs(s - h) <= 0.5]
    assert len(places) - len(shown.get(RIGHT, [])) == min(wrong, len(faulty))
    assert all(pairs[at][0] > pairs[at][1] for at in shown.get(HIGH, []))
    assert all(pairs[at][0] < pairs[at][1] for at in shown.get(LOW, []))
    assert all(math.isnan(pairs[at][0]) for at in shown.get(UNREAD, []))


def test_each_confusion_cell_has_its_turn_before_one_has_a_second() -> None:
    rows_ = judged([(5.0, 1.0)] * 6 + [(1.0, 5.0)] + [(3.0, 2.0)] * 2)
    shown = chosen(ONE, rows_, errors_of(ONE, rows_, on_scale=True), 3, 0)
    assert shown == {HIGH: [0, 7], LOW: [6]}


def test_labels_are_wrong_or_right_and_scores_off_the_scale_are_compared_by_rank() -> None:
    rows_ = judged([(0.0, 1.0), (1.0, 1.0)])
    assert chosen(LABELS, rows_, errors_of(LABELS, rows_, on_scale=True), 5, 5) == {WRONG: [0], RIGHT: [1]}
    assert errors_of(ONE, judged([(-7.2, 1.0), (-0.1, 5.0), (-3.0, 3.0), (NAN, 2.0)]), on_scale=False)[:3] == (0, 0, 0)


def test_the_first_rubric_is_written_and_later_ones_are_refined() -> None:
    asker = ScriptedAsker(speaker())
    optimizer = Rubric().build(
        Context(prompt_of(), asker, {"optimizer": Role("optimizer", "s/w", Sampling(0.7, 900))})
    )
    first = Turn(1, prompt_of(), rows(6), judge_of(asker))
    asyncio.run(optimizer.propose(first))
    asyncio.run(optimizer.propose(replace(first, prompt=prompt_of().revise({NAMES[0]: "Five means best."}))))
    begun = [said(request).split(" the rubric")[0] for request in asker.of_role("optimizer")]
    assert begun == ["You write"] * 4 + ["You refine"] + ["You write"] * 3


@pytest.mark.parametrize("wrong", [{"wrong": 0}, {"right": -1}, {"wrong": True}, {"right": 1.5}])
def test_counts_that_are_none_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ConfigError, match="a whole number"):
        Rubric(**wrong)

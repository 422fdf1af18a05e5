"""Which columns beside a score are people's ratings, and which are not."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyjudge.datasets.raters import companions

SCORES = [1, 2, 3, 4, 5, 4, 3, 2, 1, 5]


def sort(**columns: list[object]):
    return companions("tone", {"tone": list(SCORES), **columns})


RATINGS: list[object] = [2, 2, 3, 5, 5, 4, 2, 2, 1, 4]


@pytest.mark.parametrize(
    "word",
    ["a", "b", "1", "2", "r1", "A2", "rating", "human", "human_mean", "expert_2", "annotator1", "gold", "rater_b"],
)
def test_words_that_say_so_are_raters(word: str) -> None:
    assert sort(**{f"tone_{word}": RATINGS}).raters == (f"tone_{word}",)


@pytest.mark.parametrize(
    "word",
    ["confidence", "latency_ms", "tokens", "n_tokens", "cost", "prev", "v2", "old", "model", "p_1", "reason", "time_s",
     "baseline", "gpt4", "error", "logprob", "length", "date"],
)  # fmt: skip
def test_what_tools_write_is_no_rater_whatever_its_values(word: str) -> None:
    beside = sort(**{f"tone_{word}": RATINGS, "tone_a": RATINGS})
    assert beside.raters == ("tone_a",)
    assert beside.others == (f"tone_{word}",)


def test_another_word_is_unclear_if_its_values_would_do_and_else_no_rater() -> None:
    shares: list[object] = [0.25, 0.5, 0.75, 0.1, 0.9, 0.3, 0.2, 0.6, 0.8, 0.4]
    counts: list[object] = [value * 400 for value in SCORES]
    beside = sort(tone_ann=RATINGS, tone_bob=RATINGS, tone_certain=shares, tone_size=counts)
    assert beside.unclear == ("tone_ann", "tone_bob")
    assert beside.others == ("tone_certain", "tone_size")


def test_texts_are_no_ratings_whatever_their_name() -> None:
    long = {"tone": SCORES * 4, "tone_human": [f"Because of {n}." for n in range(40)]}
    assert companions("tone", long).raters == ()


def test_a_column_belongs_to_the_longest_name_that_it_begins_with() -> None:
    beside = sort(tone_style=RATINGS, tone_style_a=RATINGS, tone_a=RATINGS)
    assert beside.raters == ("tone_a",)
    assert "tone_style_a" not in (*beside.raters, *beside.unclear, *beside.others)


@given(st.text(st.characters(codec="utf-8"), max_size=12))
def test_every_companion_has_one_place(word: str) -> None:
    beside = sort(**{f"tone_{word}": RATINGS})
    assert len([*beside.raters, *beside.unclear, *beside.others]) == 1

"""Where scores are written: only where another label would be read instead, whatever else the reply says."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyjudge.domain.criterion import Criterion
from polyjudge.domain.scale import Categorical, Ordinal
from polyjudge.errors import ReplyError
from polyjudge.judge.places import TRIES, places
from polyjudge.templates.replies import read_scores

law = settings(deadline=None, max_examples=100)

FIVE = Ordinal(1, 5)
TWO = (Criterion("fluency", FIVE), Criterion("relevance", FIVE))
ALONE = TWO[:1]
TOXIC = (Criterion("toxic", Categorical(("toxic", "not toxic"))),)
VERDICT = (Criterion("verdict", Categorical(("compliance", "refusal"))),)


@pytest.mark.parametrize(
    ("reply", "criteria", "marked"),
    [
        ('{"fluency": 4, "relevance": 2}', TWO, '{"fluency": <4>, "relevance": [2]}'),
        ('{"fluency": 4, "relevance": 4}', TWO, '{"fluency": <4>, "relevance": [4]}'),
        ('{"relevance": 4, "fluency": 4}', TWO, '{"relevance": [4], "fluency": <4>}'),
        ('{"fluency": "4", "relevance": 4.0}', TWO, '{"fluency": "<4>", "relevance": [4.0]}'),
        ('{"fluency": {"score": 4, "of": 4}}', TWO, '{"fluency": {"score": <4>, "of": 4}}'),
        ("{'fluency': 4, relevance: 3,}", TWO, "{'fluency': <4>, relevance: [3],}"),
        ('I give 4 and 4:\n{"fluency": 4}\nSo 4.', TWO, 'I give 4 and 4:\n{"fluency": <4>}\nSo 4.'),
        ('{"fluency": 4}\n{"fluency": 4}', ALONE, '{"fluency": <4>}\n{"fluency": 4}'),
        ('{"fluency": 4, "fluency": 4}', ALONE, '{"fluency": <4>, "fluency": 4}'),
        ('{"why": "not \\"fluency\\": 4", "fluency": 4}', ALONE, '{"why": "not \\"fluency\\": 4", "fluency": <4>}'),
        ('{"fluency": 4, "why": "fluency: 4"}', ALONE, '{"fluency": <4>, "why": "fluency: 4"}'),
        ('{"toxic": "not toxic"}', TOXIC, '{"toxic": "<not toxic>"}'),
        ('{"toxic": "toxic"}', TOXIC, '{"toxic": "<toxic>"}'),
        ("4", ALONE, "<4>"),
        ("**4**/5.", ALONE, "**<4>**/5."),
        ("fluency: 4\nrelevance: 4", TWO, "fluency: <4>\nrelevance: [4]"),
        ("<think>4? 4!</think>4", ALONE, "<think>4? 4!</think><4>"),
        ('{"verdict": "Refusal"}', VERDICT, '{"verdict": "<Refusal>"}'),
        ("The verdict is\nverdict: refusal", VERDICT, "The verdict is\nverdict: <refusal>"),
    ],
)
def test_a_value_is_found_where_it_counts(reply: str, criteria: tuple[Criterion, ...], marked: str) -> None:
    found = places(reply, criteria)
    assert {name: place.score for name, place in found.items()} == read_scores(reply, criteria)
    inserted = [
        (at, sign)
        for name, signs in (("fluency", "<>"), ("verdict", "<>"), ("toxic", "<>"), ("relevance", "[]"))
        if name in found
        for at, sign in zip((found[name].start, found[name].end), signs, strict=True)
    ]
    for at, sign in sorted(inserted, reverse=True):
        reply = reply[:at] + sign + reply[at:]
    assert reply == marked


def test_a_number_in_a_criterions_name_is_not_its_value() -> None:
    (found,) = places('{"part 4": 4}', [Criterion("part 4", FIVE)]).values()
    assert (found.start, found.end) == (11, 12)


@pytest.mark.parametrize("reply", ["", "no", '{"fluency": 9}', '{"fluency": 4, "fluency": 3}', '{"fluency": 4'])
def test_what_cannot_be_read_has_no_place(reply: str) -> None:
    with pytest.raises(ReplyError):
        places(reply, TWO)


def test_a_cut_reply_is_read_as_strictly_as_ever() -> None:
    with pytest.raises(ReplyError):
        places("fluency: 1", ALONE, cut=True)
    assert places('{"fluency": 1}', ALONE, cut=True)["fluency"].start == 12


def test_a_reply_that_says_the_same_number_for_ever_is_given_up_in_bounded_time() -> None:
    endless = "4 " * (50 * TRIES) + '"fluency" 4 ' * (50 * TRIES)
    assert places(endless + '\n{"fluency": 4}\n' + endless, ALONE) == {}
    assert places(endless + '\n{"fluency": 4}', ALONE)["fluency"].end == len(endless) + 14


@law
@given(
    st.text(alphabet='{}": 45,\nfluency', max_size=30),
    st.text(alphabet=' 45,.\n"', max_size=20),
    st.tuples(st.integers(1, 5), st.integers(1, 5)),
)
def test_the_text_at_a_place_is_the_score_that_the_reader_reads(
    before: str, after: str, pair: tuple[int, int]
) -> None:
    reply = before + json.dumps({"fluency": pair[0], "relevance": pair[1]}) + after
    try:
        read = read_scores(reply, TWO)
    except ReplyError:
        return
    found = places(reply, TWO)
    assert set(found) <= set(read)
    for name, place in found.items():
        assert float(reply[place.start : place.end]) == place.score == read[name]
    if "{" not in before:
        assert set(found) == set(read)

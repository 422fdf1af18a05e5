"""Readers of the diagnostic model's answers: what is plainly there is read, all else is missing."""

import json
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polyjudge.errors import ReplyError
from polyjudge.templates.rating_parser import read_name, read_rating, read_served

NAMES = ("fluency", "joy of reading", "consistency")


@pytest.mark.parametrize("number", range(1, 11))
@pytest.mark.parametrize(
    "form", ["{}", " {}\n", "**{}**", "{}.", "{}/10", "{} out of 10", "Rating: {}", "评分：{}", "{}.0", '"{}"']
)
def test_a_rating_that_stands_alone_is_read(number, form):
    assert read_rating(form.format(number)) == number


@pytest.mark.parametrize(
    "reply",
    ["", "0", "11", "100", "-3", "7.5", "7 or 8", "between 3 and 4", "7, because it is vague", "seven", "7/5", "1-10"],
)
def test_a_rating_is_never_guessed(reply):
    with pytest.raises(ReplyError):
        read_rating(reply)


def test_a_cut_rating_is_no_rating():
    with pytest.raises(ReplyError):
        read_rating("1", cut=True)


def test_a_thought_before_the_rating_does_not_count():
    assert read_rating("<think>It might be a 3 or a 4.</think>\n9") == 9


@given(st.text(max_size=40))
def test_a_rating_lies_on_the_scale_or_is_missing(reply):
    with suppress(ReplyError):
        assert read_rating(reply) in range(1, 11)


@pytest.mark.parametrize("reply", ["fluency", "Fluency.", "**fluency**", '"Fluency"', "FLUENCY\n"])
def test_a_name_that_stands_alone_is_read(reply):
    assert read_name(reply, NAMES) == "fluency"


def test_a_name_of_several_words_is_read():
    assert read_name("Joy of reading", NAMES) == read_name("joy_of_reading", NAMES) == "joy of reading"


@pytest.mark.parametrize("reply", ["", "none", "fluency or consistency", "It is fluency", "flue", "relevance"])
def test_a_name_is_never_guessed(reply):
    with pytest.raises(ReplyError):
        read_name(reply, NAMES)


def test_criteria_by_sentence_are_read():
    reply = json.dumps({"1": ["Fluency"], "2": [], "3": ["consistency", "fluency"]})
    expected = (("fluency",), (), ("fluency", "consistency"))
    assert read_served(reply, 3, NAMES) == read_served(f"```json\n{reply}\n```", 3, NAMES) == expected


@pytest.mark.parametrize(
    "value",
    [
        {"1": ["fluency"]},
        {"1": [], "2": [], "3": []},
        {"1": "fluency", "2": []},
        {"1": ["speed"], "2": []},
        {"1": [3], "2": []},
        {"1": None, "2": []},
    ],
)
def test_a_sentence_left_out_or_a_strange_name_makes_the_whole_unreadable(value):
    with pytest.raises(ReplyError):
        read_served(json.dumps(value), 2, NAMES)


def test_several_objects_say_nothing():
    with pytest.raises(ReplyError):
        read_served('{"1": []} {"1": ["fluency"]}', 1, NAMES)

"""Replies for several criteria, cut replies, huge ones and random ones."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyjudge.domain.criterion import Criterion
from polyjudge.domain.scale import Categorical, Continuous, Ordinal, Scale
from polyjudge.errors import ReplyError
from polyjudge.templates.score_parser import read_scores

law = settings(deadline=None, max_examples=150)

FIVE, TEN, SIGNED, TENS = Ordinal(1, 5), Ordinal(1, 10), Ordinal(-2, 2), Ordinal(0, 100, 10)
SHARE, VERDICT, DIGITS = Continuous(0, 1), Categorical(("Refusal", "compliance")), Categorical(("0", "1"))
TRUTH, PLACES = Categorical(("true", "false")), Categorical(("U.S.", "(none)"))
MISSING = None


def one(text: str, scale: Scale, *, cut: bool = False) -> float | None:
    """The score of a single criterion ``fluency``; None when the reader refuses."""
    try:
        return read_scores(text, [Criterion("fluency", scale)], cut=cut)["fluency"]
    except ReplyError:
        return MISSING


def two(text: str, *, cut: bool = False) -> dict[str, float]:
    try:
        return read_scores(text, [Criterion("fluency", FIVE), Criterion("coherence", FIVE)], cut=cut)
    except ReplyError:
        return {}


@pytest.mark.parametrize(
    ("text", "scores"),
    [
        ('{"fluency": 4, "coherence": 3}', {"fluency": 4, "coherence": 3}),
        ('{"coherence": 3, "fluency": 4, "style": 1}', {"fluency": 4, "coherence": 3}),
        ('{"fluency": {"score": 4}, "coherence": "3/5"}', {"fluency": 4, "coherence": 3}),
        ("Fluency: 4\nCoherence: 3", {"fluency": 4, "coherence": 3}),
        ("* **Fluency** is 4\n* **Coherence** is 3.", {"fluency": 4, "coherence": 3}),
        ("{'fluency': 4, 'coherence': 3,}", {}),
        ("1. Fluency: 4/5\n2. Coherence: 3/5 (it wanders)", {"fluency": 4, "coherence": 3}),
        ("Fluency score: 4\nScore for coherence: 3", {"fluency": 4, "coherence": 3}),
        # what is missing or unusable leaves the others alone
        ('{"fluency": 4}', {"fluency": 4}),
        ('{"fluency": 4, "coherence": null}', {"fluency": 4}),
        ('{"fluency": 4, "coherence": 7}', {"fluency": 4}),
        ('{"fluency": 4, "coherence": 3, "coherence": 2}', {"fluency": 4}),
        ('{"fluency": 4, "coherence": 1|2|3|4|5}', {}),
        ("Fluency: 4\nCoherence: good", {"fluency": 4}),
        # of several objects none is the one
        ('{"fluency": 1}\n{"fluency": 4, "coherence": 3}', {}),
        ('{"fluency": 4}\n{"coherence": 3}', {}),
        ('{"fluency": 4, "coherence": 3}\n{"fluency": 2}', {}),
        # nothing says which number belongs to which criterion
        ("4, 3", {}),
        ("4", {}),
        ("[4, 3]", {}),
        ('{"score": 4}', {}),
        ("Score: 4", {}),
        ('{"fluency": 1 | 2 | 3 | 4 | 5, "coherence": 1 | 2 | 3 | 4 | 5}', {}),
    ],
)
def test_two_scores(text: str, scores: dict[str, float]) -> None:
    assert two(text) == scores


@pytest.mark.parametrize(
    ("text", "score"),
    [
        ('{"fluency": 4}', 4),
        ('```json\n{"fluency": 4}\n```', 4),
        ('{"fluency": 4}\nThe reason is that the te', MISSING),
        ("Rating: 4\n\nThe reason is th", MISSING),
        ("4\n\n\n", MISSING),
        ("1", MISSING),
        ("4 out", MISSING),
        ("4 ", MISSING),
        ("4\nof the sentences are wr", MISSING),
        ("Fluency: 1", MISSING),
        ("I would rate this 1/1", MISSING),
        ('{"fluency": 1', MISSING),
        ('{"fluency": 1, "coh', MISSING),
        ("{'fluency': 1, 'coherence': 2}", MISSING),
        ('{"parts": {"score": 2}, "fluency": ', MISSING),
        ('{"fluency": 4} No, rather {"fluency": 1', MISSING),
    ],
)
def test_a_cut_reply_is_read_only_if_the_whole_object_stands(text: str, score: float | None) -> None:
    assert one(text, TEN, cut=True) == score


@pytest.mark.parametrize("text", ['{"fluency": 1', '{"a": {"score": 2}, "fluency": 1', '{"fluency": 4} {"fluency": 1'])
def test_an_object_that_never_closes_is_not_read_even_if_nobody_says_that_it_was_cut(text: str) -> None:
    assert one(text, TEN) is MISSING


@pytest.mark.parametrize(
    "text",
    [
        '{"a":' * 30_000,
        '{"a":' * 30_000 + "4" + "}" * 30_000,
        "[" * 30_000 + "{" * 30_000 + "}",
        '{"fluency":' + "[" * 30_000 + "]" * 30_000 + "}",
        '{"fluency":' + "[" * 800 + "]" * 800 + ', "Fluency":' + "[" * 800 + "]" * 800 + "}",
        "{" * 60_000 + "}" * 60_000,
        "{}" * 30_000,
        "\n" * 60_000 + "x",
        "4" + " " * 60_000 + "x",
        "4" + "(" * 60_000 + "x",
        '"' * 60_000,
        "4 " * 30_000,
        "a" * 60_000 + " ",
        "<think>" * 10_000,
        "</think>" * 10_000,
        "Fluency" * 10_000,
        "1/" * 30_000,
        "9" * 60_000,
        '{"x": "' + "fluency: 4, " * 5_000,
        "{fluency" * 5_000 + "}" * 5_000,
        "{a}" * 60_000 + "{",
        "<b>" * 30_000 + "</b>",
        "Fluency is " * 10_000,
        "[THINK]" * 10_000,
        ": " * 30_000,
    ],
    ids=range(25),
)
def test_a_huge_or_deep_reply_is_refused_like_any_other(text: str) -> None:
    for cut in (False, True):
        with pytest.raises(ReplyError):
            read_scores(text, [Criterion("fluency", FIVE)], cut=cut)


def test_the_message_shows_the_beginning_of_the_reply_only() -> None:
    with pytest.raises(ReplyError, match='no score can be read from the reply "No') as caught:
        read_scores("No. " * 10_000, [Criterion("fluency", FIVE)])
    assert len(str(caught.value)) < 200


pieces = st.sampled_from(
    [
        *"{}[]():,.\"'`*/|-+_# \n\t0123456789",
        "fluency",
        "coherence",
        "score",
        "Fluency: ",
        '"fluency": ',
        '"coherence": 3',
        "4/5",
        " out of ",
        "```json\n",
        "```",
        "<think>",
        "</think>",
        "</think>\n",
        "null",
        "true",
        "NaN",
        "Infinity",
        "1e999",
        "\\u0000",
        "\\",
        "\u2028",
        "\ud83d",
        "é",
        "refusal",
    ]
)
replies = st.lists(pieces, max_size=40).map("".join) | st.text(max_size=60)
scales = st.sampled_from([FIVE, TEN, SIGNED, TENS, SHARE, VERDICT, DIGITS, TRUTH, PLACES])


@law
@given(replies, scales, scales, st.booleans(), st.booleans())
def test_whatever_is_written_a_score_lies_on_its_scale_or_the_reply_is_refused(
    text: str, first: Scale, second: Scale, both: bool, cut: bool
) -> None:
    criteria = [Criterion("fluency", first), Criterion("coherence", second)][: 1 + both]
    try:
        scores = read_scores(text, criteria, cut=cut)
    except ReplyError:
        return
    assert scores
    for criterion in criteria:
        score = scores.get(criterion.name, criterion.scale.levels[0] if criterion.scale.levels else 0.0)
        assert isinstance(score, float)
        assert criterion.scale.allows(score)
        assert math.copysign(1, score) == 1 or score < 0
    assert set(scores) <= {criterion.name for criterion in criteria}


@law
@given(
    st.dictionaries(st.sampled_from(["fluency", "coherence"]), st.integers(1, 5), min_size=1),
    st.dictionaries(st.sampled_from(["note", "why"]), st.text(max_size=20)),
    st.sampled_from(["{}", "```\n{}", "```json\n{}\n```", "<think>{{</think>{}", "<answer>{}</answer>", "`{}`"]),
)
def test_what_is_written_as_json_is_read_back(scores: dict[str, int], notes: dict[str, str], around: str) -> None:
    reply = around.format(json.dumps({**notes, **scores}, ensure_ascii=False))
    assert two(reply) == scores


@law
@given(st.lists(st.integers(-3, 12), min_size=2, max_size=6), st.sampled_from([" ", ", ", " or ", "|", "\n", "-"]))
def test_several_numbers_without_names_are_never_a_score(numbers: list[int], between: str) -> None:
    assert one(between.join(map(str, numbers)), FIVE) is MISSING

"""The reader of scores is strict: what is not plainly stated is missing, and nothing is ever made up."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyjudge.domain.criterion import Criterion
from polyjudge.domain.scale import Categorical, Continuous, Ordinal, Scale
from polyjudge.errors import ReplyError
from polyjudge.templates.replies import read_scores

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


SINGLE = [
    # a lone value, in all it wears
    ("4", FIVE, 4),
    (" 4\n", FIVE, 4),
    ("4.", FIVE, 4),
    ("+4", FIVE, 4),
    ("(1)", FIVE, 1),
    ("[4]", FIVE, 4),
    ("**4**", FIVE, 4),
    ('"4"', FIVE, 4),
    ("`4`", FIVE, 4),
    ("4.0", FIVE, 4),
    ("４", FIVE, 4),
    ("4/5", FIVE, 4),
    ("4 / 5", FIVE, 4),
    ("**4**/5", FIVE, 4),
    ("4 out of 5", FIVE, 4),
    ("4 out of 5.", FIVE, 4),
    ("4 of 5", FIVE, 4),
    ("4 OUT OF 5", FIVE, 4),
    ("10", TEN, 10),
    ("-2", SIGNED, -2),
    ("-1/2", SIGNED, -1),
    ("70", TENS, 70),
    ("0.35", SHARE, 0.35),
    ("0", SHARE, 0),
    # not a value of this scale
    ("4/10", FIVE, MISSING),
    ("4 out of 10", FIVE, MISSING),
    ("8/10", FIVE, MISSING),
    ("4/5", TEN, MISSING),
    ("6", FIVE, MISSING),
    ("0", FIVE, MISSING),
    ("-4", FIVE, MISSING),
    ("4.5", FIVE, MISSING),
    ("75", TENS, MISSING),
    ("-3", SIGNED, MISSING),
    ("1.01", SHARE, MISSING),
    ("-0.1", SHARE, MISSING),
    ("9" * 400, FIVE, MISSING),
    ("1e0", FIVE, MISSING),
    ("NaN", SHARE, MISSING),
    ("inf", SHARE, MISSING),
    # more than one value, or none
    ("3-4", FIVE, MISSING),
    ("3 or 4", FIVE, MISSING),
    ("4 5", FIVE, MISSING),
    ("4,5", FIVE, MISSING),
    ("1 | 2 | 3 | 4 | 5", FIVE, MISSING),
    ("12/4/5", FIVE, MISSING),
    ("four", FIVE, MISSING),
    ("", FIVE, MISSING),
    (" \n\t ", FIVE, MISSING),
    ("I cannot rate this text.", FIVE, MISSING),
    ("I'm sorry, but I can't assist with that.", FIVE, MISSING),
    ("As an AI model with 5 years of training I will not judge people.", FIVE, MISSING),
    ("The text has 3 errors and 2 good ideas.", FIVE, MISSING),
    ("Grammar is weak. 1. Typos. 2. Word order. 3", FIVE, MISSING),
    ("It could be 3/5, or even 4/5.", FIVE, MISSING),
    # named in prose
    ("Fluency: 4", FIVE, 4),
    ("fluency = 4", FIVE, 4),
    ("- **Fluency**: 4/5", FIVE, 4),
    ("Score: 4", FIVE, 4),
    ("The text is clear.\n\nRating: 4", FIVE, 4),
    ("I would rate this 4 out of 5.", FIVE, 4),
    ("Score: 4\nConfidence: 5", FIVE, 4),
    ("Fluency: 4\nFluency: 4", FIVE, 4),
    ("Fluency: 4\nFluency: 2", FIVE, MISSING),
    ("Score: 4 because it reads well", FIVE, MISSING),
    ("Fluency: 4\nScore: 2", FIVE, MISSING),
    ("Coherence: 4", FIVE, MISSING),
    ("流畅度：4", FIVE, MISSING),
    ("Оценка: 4", FIVE, MISSING),
    ("评分：4", FIVE, MISSING),
    # JSON
    ('{"fluency": 4}', FIVE, 4),
    ('{"Fluency": 4}', FIVE, 4),
    ('{"fluency": 4.0}', FIVE, 4),
    ('{"fluency": "4"}', FIVE, 4),
    ('{"fluency": "4/5"}', FIVE, 4),
    ('{"fluency": "(4)"}', FIVE, 4),
    ('{"fluency": {"score": 4}}', FIVE, 4),
    ('{"fluency": {"score": 4, "reason": "2 typos"}}', FIVE, 4),
    ('{"score": 4}', FIVE, 4),
    ('{"rating": "4 out of 5", "reason": "3 slips"}', FIVE, 4),
    ('```json\n{"fluency": 4}\n```', FIVE, 4),
    ('Here is my rating:\n{"fluency": 4}\nI hope it helps 5 people.', FIVE, 4),
    ('The set {a, b} is odd. {"fluency": 4}', FIVE, 4),
    ('{"fluency": 2} On reflection: {"fluency": 4}', FIVE, 4),
    ('{"fluency": 4, "fluency": 4}', FIVE, 4),
    ('{"fluency": -0.0}', SIGNED, 0),
    ('{"fluency": 0.5}', SHARE, 0.5),
    ('{"fluency": 1}', SHARE, 1),
    ('{"fluency": 4, "fluency": 2}', FIVE, MISSING),
    ('{"fluency": 4, "Fluency": 2}', FIVE, MISSING),
    ('{"score": 4, "rating": 2}', FIVE, MISSING),
    ('{"fluency": null, "score": 4}', FIVE, MISSING),
    ('{"fluency": 9, "score": 4}', FIVE, MISSING),
    ('{"fluency": true}', FIVE, MISSING),
    ('{"fluency": [4]}', FIVE, MISSING),
    ('{"fluency": [4, 3]}', FIVE, MISSING),
    ('{"fluency": {"low": 3, "high": 4}}', FIVE, MISSING),
    ('{"fluency": {"score": 4, "value": 2}}', FIVE, MISSING),
    ('{"fluency": {"score": {"score": 4}}}', FIVE, MISSING),
    ('{"fluency": 4.5}', FIVE, MISSING),
    ('{"fluency": 6}', FIVE, MISSING),
    ('{"fluency": 1' + "0" * 400 + "}", FIVE, MISSING),
    ('{"fluency": 1' + "0" * 5000 + "}", FIVE, MISSING),
    ('{"fluency": 1e999}', SHARE, MISSING),
    ('{"fluency": NaN}', SHARE, MISSING),
    ('{"fluency": "good"}', FIVE, MISSING),
    ('{"fluency": ""}', FIVE, MISSING),
    ('{"coherence": 4}', FIVE, MISSING),
    ("{}", FIVE, MISSING),
    ("[4]{}", FIVE, MISSING),
    ("} 4", FIVE, MISSING),
    ("4 }", FIVE, MISSING),
    ("{4}", FIVE, MISSING),
    ("\\boxed{4}", FIVE, MISSING),
    # nearly JSON, where nothing has to be guessed
    ("{fluency: 4}", FIVE, 4),
    ("{'fluency': 4}", FIVE, 4),
    ("{'fluency': '4'}", FIVE, 4),
    ('{"fluency": 4,}', FIVE, 4),
    ('{"fluency": 4/5}', FIVE, 4),
    ("{“fluency”: 4}", FIVE, 4),
    ('{\n  "fluency": 4\n  "note": "fine"\n}', FIVE, 4),
    # nearly JSON, where a repairer would make a score up
    ('{"fluency": 1|2|3|4|5}', FIVE, MISSING),
    ('{"fluency": 1 | 2 | 3 | 4 | 5}', FIVE, MISSING),
    ('{"fluency": 4 or 5}', FIVE, MISSING),
    ('{"fluency": 3 to 4}', FIVE, MISSING),
    ('{"fluency": 3-4}', FIVE, MISSING),
    ('{"fluency": 5 - 1}', FIVE, MISSING),
    ('{"fluency": >3}', FIVE, MISSING),
    ('{"fluency": ~4}', FIVE, MISSING),
    ('{"fluency": 4,5}', FIVE, MISSING),
    ('{"fluency": 4 5}', FIVE, MISSING),
    ('{"fluency": 1_0}', TEN, MISSING),
    ('{"fluency": 40%}', SHARE, MISSING),
    ('{"fluency": "4" or "5"}', FIVE, MISSING),
    ("{'fluency': 4, 'fluency': 2}", FIVE, MISSING),
    ('{"fluency" 4}', FIVE, MISSING),
    ('{"note": {"score": 2}, fluency: 4}', FIVE, MISSING),
    ('{"part": {"score": 2}, "fluency": ...}', FIVE, MISSING),
    # labels
    ("refusal", VERDICT, 0),
    ("Compliance.", VERDICT, 1),
    ("**Refusal**", VERDICT, 0),
    ("Label: refusal", VERDICT, 0),
    ('{"fluency": "COMPLIANCE"}', VERDICT, 1),
    ('{"fluency": {"label": "refusal"}}', VERDICT, 0),
    ('{"fluency": 0}', DIGITS, 0),
    ("1", DIGITS, 1),
    ('{"fluency": true}', TRUTH, 0),
    ('{"fluency": "U.S."}', PLACES, 0),
    ("(none)", PLACES, 1),
    ("I refuse", VERDICT, MISSING),
    ("refusal or compliance", VERDICT, MISSING),
    ("not refusal", VERDICT, MISSING),
    ('{"fluency": "partial refusal"}', VERDICT, MISSING),
    ('{"fluency": 1}', VERDICT, MISSING),
    ("1", VERDICT, MISSING),
    ('{"fluency": 2}', DIGITS, MISSING),
    ('{"fluency": ["refusal"]}', VERDICT, MISSING),
    # thoughts
    ('<think>{"fluency": 1}</think>{"fluency": 4}', FIVE, 4),
    ("<think>Perhaps 3, or 2?</think>\n\n4", FIVE, 4),
    ("<THINKING>\nFluency: 1\n</THINKING>\nFluency: 4", FIVE, 4),
    ("<think></think><think>2</think>4", FIVE, 4),
    ('I think of {"fluency": 1}.\n</think>\n\nFluency: 4', FIVE, 4),
    ('<think>{"fluency": 4}', FIVE, MISSING),
    ("<think>4", FIVE, MISSING),
    ("<think>4</think>", FIVE, MISSING),
]


@pytest.mark.parametrize(("text", "scale", "score"), SINGLE, ids=[f"{at}" for at in range(len(SINGLE))])
def test_one_score(text: str, scale: Scale, score: float | None) -> None:
    assert one(text, scale) == score


def test_the_table_is_long_enough_to_be_a_contract() -> None:
    assert len(SINGLE) >= 60
    assert len({(text, scale) for text, scale, _ in SINGLE}) == len(SINGLE)


@pytest.mark.parametrize(
    ("text", "scores"),
    [
        ('{"fluency": 4, "coherence": 3}', {"fluency": 4, "coherence": 3}),
        ('{"coherence": 3, "fluency": 4, "style": 1}', {"fluency": 4, "coherence": 3}),
        ('{"fluency": {"score": 4}, "coherence": "3/5"}', {"fluency": 4, "coherence": 3}),
        ("Fluency: 4\nCoherence: 3", {"fluency": 4, "coherence": 3}),
        ("* **Fluency** is 4\n* **Coherence** is 3.", {"fluency": 4, "coherence": 3}),
        ("{'fluency': 4, 'coherence': 3,}", {"fluency": 4, "coherence": 3}),
        ('{"fluency": 1}\n{"fluency": 4, "coherence": 3}', {"fluency": 4, "coherence": 3}),
        # what is missing or unusable leaves the others alone
        ('{"fluency": 4}', {"fluency": 4}),
        ('{"fluency": 4, "coherence": null}', {"fluency": 4}),
        ('{"fluency": 4, "coherence": 7}', {"fluency": 4}),
        ('{"fluency": 4, "coherence": 3, "coherence": 2}', {"fluency": 4}),
        ('{"fluency": 4, "coherence": 1|2|3|4|5}', {"fluency": 4}),
        ("Fluency: 4\nCoherence: good", {"fluency": 4}),
        ('{"fluency": 4, "coherence": 3}\n{"fluency": 2}', {"fluency": 2}),
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
        ('{"fluency": 4}\nThe reason is that the te', 4),
        ("Rating: 4\n\nThe reason is th", 4),
        ("4\n\n\n", 4),
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
def test_a_cut_reply_is_read_up_to_where_it_is_whole(text: str, score: float | None) -> None:
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
    ],
    ids=range(20),
)
def test_a_huge_or_deep_reply_is_refused_like_any_other(text: str) -> None:
    for cut in (False, True):
        with pytest.raises(ReplyError):
            read_scores(text, [Criterion("fluency", FIVE)], cut=cut)


def test_the_message_shows_the_beginning_of_the_reply_only() -> None:
    with pytest.raises(ReplyError, match="no score can be read from the reply 'No") as caught:
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
    st.sampled_from(["{}", "Here: {}", "```json\n{}\n```", "<think>{{</think>{}", "{}\nDone.", "{{a}} {}"]),
)
def test_what_is_written_as_json_is_read_back(scores: dict[str, int], notes: dict[str, str], around: str) -> None:
    reply = around.format(json.dumps({**notes, **scores}, ensure_ascii=False))
    assert two(reply) == scores


@law
@given(st.lists(st.integers(-3, 12), min_size=2, max_size=6), st.sampled_from([" ", ", ", " or ", "|", "\n", "-"]))
def test_several_numbers_without_names_are_never_a_score(numbers: list[int], between: str) -> None:
    assert one(between.join(map(str, numbers)), FIVE) is MISSING

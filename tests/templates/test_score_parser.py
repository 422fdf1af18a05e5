"""The reader of scores is strict: what has none of its forms is missing, and nothing is ever made up."""

from __future__ import annotations

import pytest

from polyjudge.domain.criterion import Criterion
from polyjudge.domain.scale import Categorical, Continuous, Ordinal, Scale
from polyjudge.errors import ReplyError
from polyjudge.templates.score_parser import read_scores, read_statements

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
    ("The summary says that 4/5 of the voters agreed, which is wrong.", FIVE, MISSING),
    ("It does not deserve 5/5.", FIVE, MISSING),
    ("A 1 out of 5 would be too harsh.", FIVE, MISSING),
    ("I would rate this 4 out of 5.", FIVE, MISSING),
    # named in prose
    ("Fluency: 4", FIVE, 4),
    ("fluency = 4", FIVE, 4),
    ("- **Fluency**: 4/5", FIVE, 4),
    ("Score: 4", FIVE, 4),
    ("The text is clear.\n\nRating: 4", FIVE, 4),
    ("Score: 4\nConfidence: 5", FIVE, MISSING),
    # the forms of a statement
    ("Final score: 4", FIVE, 4),
    ("Overall fluency rating: 4/5.", FIVE, 4),
    ("**Fluency score:** 4 out of 5", FIVE, 4),
    ("Score for fluency: 4 (it reads well)", FIVE, 4),
    ("It reads well. Final rating: 4/5.", FIVE, 4),
    ("Rating: 4\n\nIt reads well, in all.", FIVE, 4),
    ("It reads well.\n\nRating: 4\n\nNobody could mistake it.", FIVE, 4),
    ("1. Fluency: 4", FIVE, 4),
    ("Scores:\n- Fluency: 4", FIVE, 4),
    ("Rating: 4\n\nIt has 2 slips.", FIVE, MISSING),
    ("The fluency is a 3 at best.\nFluency: 4", FIVE, MISSING),
    ("Score: 4 (or 5)", FIVE, MISSING),
    ("Fluency: 4\n\nIt reads well.", FIVE, MISSING),
    ("The answer that it asks for\nFluency: 4", FIVE, MISSING),
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
    ('{"fluency": 4}\n{"score": 2, "of": "coherence"}', FIVE, MISSING),
    ('{"fluency": 4}\n{"fluency": 4}', FIVE, MISSING),
    ('The set {a, b} is odd.\n{"fluency": 4}', FIVE, MISSING),
    ('[{"criterion": "fluency", "score": 4}, {"criterion": "coherence", "score": 2}]', FIVE, MISSING),
    ('{"score": 2} On reflection: {"score": 4}', FIVE, MISSING),
    ('```json\n{"fluency": 4}\n```', FIVE, 4),
    ('Here is my rating:\n{"fluency": 4}\nI hope it helps 5 people.', FIVE, MISSING),
    ('The set {a, b} is odd. {"fluency": 4}', FIVE, MISSING),
    ('{"fluency": 2} On reflection: {"fluency": 4}', FIVE, MISSING),
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
    ('Fluency: 4\n{"fluency": 2', FIVE, MISSING),
    ("Fluency: 4 {unsure}", FIVE, MISSING),
    ("Fluency: 4\n{unsure}", FIVE, MISSING),
    ("4 }", FIVE, MISSING),
    ("{4}", FIVE, MISSING),
    ("\\boxed{4}", FIVE, MISSING),
    # nearly JSON is asked again
    ("{fluency: 4}", FIVE, MISSING),
    ("{'fluency': 4}", FIVE, MISSING),
    ("{'fluency': '4'}", FIVE, MISSING),
    ('{"fluency": 4,}', FIVE, MISSING),
    ('{"fluency": 4/5}', FIVE, MISSING),
    ("{“fluency”: 4}", FIVE, MISSING),
    ('{\n  "fluency": 4\n  "note": "fine"\n}', FIVE, MISSING),
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


def test_zero_has_no_sign() -> None:
    for text in ('{"fluency": -0.0}', '{"fluency": -0}', "-0", "Score: -0.0"):
        assert str(one(text, SIGNED)) == "0.0"


def test_names_are_the_same_in_any_case_separator_or_composition() -> None:
    for name, written in (
        ("joy of reading", "Joy_of-reading"),
        ("Klarheit", "KLARHEIT"),
        ("clart\u00e9", "clarte\u0301"),
    ):
        criteria = [Criterion(name, FIVE)]
        assert read_scores(f'{{"{written}": 4}}', criteria) == {name: 4}
        assert read_scores(f"{written}: 4", criteria) == {name: 4}
    assert read_scores("流畅度：4", [Criterion("流畅度", FIVE)]) == {"流畅度": 4}


def test_names_that_compare_as_equal_are_told_apart_to_the_letter() -> None:
    criteria = [Criterion("c- y", VERDICT), Criterion("c_y", FIVE)]
    assert read_scores('{"c- y": "refusal", "c_y": 1}', criteria) == {"c- y": 0, "c_y": 1}


VALUES_AT = [
    ('{"fluency": 4, "relevance": 2}', '{"fluency": <4>, "relevance": [2]}'),
    ('{"relevance": 4, "fluency": 4}', '{"relevance": [4], "fluency": <4>}'),
    ('{"fluency": "4", "relevance": 4.0}', '{"fluency": "<4>", "relevance": [4.0]}'),
    ('{"fluency": {"of": 4, "score": 4}}', '{"fluency": {"of": 4, "score": <4>}}'),
    (
        '<think>{"fluency": 4}</think>\n```json\n{"fluency": 4}\n```',
        '<think>{"fluency": 4}</think>\n```json\n{"fluency": <4>}\n```',
    ),
    ('{"why": "not \\"fluency\\": 4", "fluency": 4}', '{"why": "not \\"fluency\\": 4", "fluency": <4>}'),
    ("fluency: 4\nrelevance: 4/5", "fluency: <4>\nrelevance: [4]/5"),
]


@pytest.mark.parametrize(("reply", "marked"), VALUES_AT, ids=range(len(VALUES_AT)))
def test_a_statement_knows_where_its_value_stands(reply: str, marked: str) -> None:
    found = read_statements(reply, [Criterion("fluency", FIVE), Criterion("relevance", FIVE)])
    signs = {"fluency": "<>", "relevance": "[]"}
    inserted = [
        (at, sign) for name, one in found.items() for at, sign in zip((one.start, one.end), signs[name], strict=True)
    ]
    for at, sign in sorted(inserted, reverse=True):
        reply = reply[:at] + sign + reply[at:]
    assert reply == marked


@pytest.mark.parametrize(
    ("reply", "scale", "value"),
    [
        ('{"fluency": "Refusal"}', VERDICT, "Refusal"),
        ("Label: refusal", VERDICT, "refusal"),
        ("<think>4?</think>**4**/5.", FIVE, "4"),
    ],
)
def test_a_label_or_a_lone_value_has_a_place_too(reply: str, scale: Scale, value: str) -> None:
    (found,) = read_statements(reply, [Criterion("fluency", scale)]).values()
    assert reply[found.start : found.end] == value


DRAFTS = [
    "Okay, let me look at the summary.\nfluency: 2\nrelevance: 2\nThe note says that the ferry was late. Let me",
    "First impressions.\n\nfluency: 2\nrelevance: 2\n\nLooking closer, the second sentence keeps the point, which",
    "Let me think step by step.\n- fluency: 2\n- relevance: 3\n\nNow the details. The summary names the town, so it",
    'I could answer like this:\n{"fluency": 2, "relevance": 2}\nLet me check each sentence again. The first one',
    'Starting point:\n\n{"fluency": 2, "relevance": 2}\n\nSentence one is well formed. The',
    'Draft:\n```json\n{"fluency": 2, "relevance": 2}\n```\nSentence one is well formed. Therefore the',
    'The output format is {"fluency": 1 | 2 | 3 | 4 | 5, "relevance": 1 | 2 | 3 | 4 | 5}.\nfluency: 4\nThe note says',
    "fluency: 2\nrelevance: 2",
    "Score: 2",
    "2",
]


@pytest.mark.parametrize("text", DRAFTS, ids=range(len(DRAFTS)))
def test_a_draft_in_a_cut_reply_is_no_score(text: str) -> None:
    """A server may swallow the mark that opens a thought, and the limit cuts the one that closes it."""
    criteria = [Criterion("fluency", FIVE), Criterion("relevance", FIVE)]
    for asked in (criteria, criteria[:1]):
        with pytest.raises(ReplyError):
            read_scores(text, asked, cut=True)
    if text.count("\n") > 1:
        with pytest.raises(ReplyError):
            read_scores(text, criteria)

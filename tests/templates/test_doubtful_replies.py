"""Replies that hold a score which is not the judge's: quoted, refused, compared with, taken back or unfinished."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyjudge.domain.criterion import Criterion
from polyjudge.domain.scale import Categorical, Continuous, Ordinal, Scale
from polyjudge.errors import ReplyError
from polyjudge.templates.score_parser import read_scores

law = settings(deadline=None, max_examples=150)

FIVE, TEN, REAL = Ordinal(1, 5), Ordinal(1, 10), Continuous(0, 10)
VERDICT = Categorical(("refusal", "compliance"))


def scored(text: str, scale: Scale = FIVE, *, cut: bool = False) -> float | None:
    """The score of a single criterion ``fluency``; None when the reader refuses."""
    try:
        return read_scores(text, [Criterion("fluency", scale)], cut=cut)["fluency"]
    except ReplyError:
        return None


DOUBTFUL = [
    # an object within a sentence
    'The text tells me to answer {"fluency": 5}, but I will not follow it. Fluency: 2',
    'I cannot rate this: the text demands {"fluency": 5} and that is manipulation.',
    'I can\'t decide between {"fluency": 3} and {"fluency": 4}.',
    'Not {"fluency": 4}!',
    'Template: {"score": 1} Answer: 4',
    'It is far from {"fluency": 5}',
    'A summary like this gets {"fluency": 5} elsewhere.',
    '{"fluency": 5} is what the text wants.',
    '({"fluency": 5})',
    '"{"fluency": 5}"',
    '- {"fluency": 5}',
    '> {"fluency": 5}',
    '> {\n> "fluency": 5\n> }',
    # objects that differ
    '{"fluency": 2}\n\nFor comparison, a perfect summary would get {"fluency": 5}.',
    '[{"fluency": 2}, {"fluency": 5}]',
    '[\n{"fluency": 2},\n{"fluency": 5}\n]',
    '[\n{"fluency": 2}\n,\n{"fluency": 5}\n]',
    '[\n{"criterion": "fluency", "score": 4},\n{"criterion": "style", "score": 2}\n]',
    '{"fluency": 2}\n{"fluency": 5}',
    '{"fluency": 5}{"fluency": 2}',
    '```json\n{"fluency": 2}\n```\n```json\n{"fluency": 5}\n```',
    '{"fluency": 5}\n{"score": 2}',
    '{"fluency": 5}\n{"fluency" 2}',
    '{"fluency": 5}\n{"fluency": 1|2}',
    '{"fluency": 5}\n{"fluency": null}',
    '{"fluency": 5}\n{"ratings": {"fluency": 2}}',
    '{"fluency": 5}\n[{"fluency": 2}]',
    # one object that says two things
    '{"fluency": 5, "score": 2}',
    '{"fluency": 5, "final_fluency": 2}',
    '{"fluency": 5, "final_score": 2}',
    '{"fluency": 5, "revised": {"fluency": 2}}',
    '{"fluency": 5, "all": [{"fluency": 2}]}',
    '{"score": 5, "final score": "2"}',
    # an object and what is said around it
    'The text says:\n{"fluency": 5}\nI refuse.',
    'The text says:\n{"fluency": 5}',
    'I was told to write\n{"fluency": 5}',
    'A perfect text would get\n{"fluency": 5}',
    'An example:\n```json\n{"fluency": 5}\n```',
    'The output must not be\n\n{"fluency": 5}',
    'I cannot rate this text. Somebody put this into it.\n{"fluency": 5}',
    '{"fluency": 5}\nis what the text demands.',
    '{"fluency": 5}\n\nThat would be too high.',
    '{"fluency": 5}\nNo, 2.',
    '{"fluency": 5}\nWait. It is a 2.',
    '{"fluency": 5}\nI do not agree with this.',
    '{"fluency": 5}\nThe line above is quoted.',
    '{"fluency": 5}\nMy rating: 2',
    '{"fluency": 5}\nFinal score: 2',
    '{"fluency": 5}\nI think the fluency is 2.',
    'Fluency: 2\n{"fluency": 5}',
    'My fluency score: 2\n{"fluency": 5}',
    # prose
    "Score: 2\nFinal score: 4",
    "Rating: 5\nWait, no: 3.",
    "Rating: 5\nNo, 3.",
    "Rating: 5\nI mean 3.",
    "Rating: 5\nFluency rating of 3 at best",
    "Score: 1\nto 5",
    "Score: 1\n\nto 5",
    "Score: 1\nTo 5",
    "Score: 1\n- 5",
    "Score: 4\n/10",
    "Score: 1\n.5",
    "Score: 1\n**out of** 5, or more",
    "> Fluency: 5\n\nThe line above is quoted... My view: 2",
    "> 5",
    "> Fluency: 5",
    "| Fluency: 5",
    "Fluency: 5\nMy view: 2",
    "The text demands:\nFluency: 5",
    "The text reads\nFluency: 5\nI refuse to go along.",
    "Fluency: 5\n\nThis is what the text wants.",
    "Fluency: 5\r\nFinal: 2",
    "Fluency: 5\u2028Final: 2",
    # quotations
    '"""\n{"fluency": 5}\n"""\nThat is all of it.',
    '"""\nFluency: 5\n"""\nThat is all of it.',
    '"""\nFluency: 5\nThat is all of it.',
    '<summary>\n{"fluency": 5}\n</summary>\nThat is all of it.',
    "<quote>Good.\nFluency: 5\n</quote>",
    "1<b>0</b>",
    # thoughts that do not end, or are not where thoughts are
    '[THINK]{"fluency": 5}',
    '<reasoning>\n{"fluency": 5}',
    'Hm.\n<think>\n{"fluency": 5}',
    "◁think▷\nFluency: 5",
    '<|channel|>analysis<|message|>\n{"fluency": 5}\n',
    "<|channel|>final<|message|>5<|channel|>final<|message|>2",
    'Fine.\n<|channel|>analysis<|message|>\n{"fluency": 5}\n',
]


@pytest.mark.parametrize("text", DOUBTFUL, ids=range(len(DOUBTFUL)))
def test_a_doubtful_score_is_none(text: str) -> None:
    assert scored(text) is None


@pytest.mark.parametrize(
    "text",
    [
        '`{"fluency": 4}`',
        '```json\n{\n  "fluency": 4\n}\n```',
        '```{"fluency": 4}```',
        '```json\n{"fluency": 4}',
        '{"fluency": 4, "confidence": 5}',
        '{"reason": "It says {\\"fluency\\": 5}, which I ignore.", "fluency": 4}',
        '{"reason": "Wait, <think>no</think>.\\n> Fluency: 5", "fluency": 4}',
        "> Fluency: 5\n\nFluency: 4",
        '"""\n{"fluency": 4}\n"""',
        '<answer>\n{"fluency": 4}\n</answer>',
        "Scale: 1-5\nScore: 4",
        "Score: 4\nIt reads well.",
        '[THINK]maybe {"fluency": 1}[/THINK]4',
        '<reasoning>{"fluency": 1}</reasoning>\n{"fluency": 4}',
        "◁think▷1◁/think▷4",
        "First a thought. <think>3?</think>\nFluency: 4",
        "<|channel|>analysis<|message|>1?<|end|><|start|>assistant<|channel|>final<|message|>4<|return|>",
    ],
)
def test_a_plain_score_is_read(text: str) -> None:
    assert scored(text) == 4


COMPANY = [
    'Answer: {"fluency": 4}',
    'The text reads well, although it has 2 slips.\n\n{"fluency": 4}',
    'Here is my rating in the requested format:\n\n```json\n{\n  "fluency": 4\n}\n```',
    '```json\n{"fluency": 4}\n```\nThe text has 2 slips.',
    '{"fluency": 4}\n\nThe summary is not perfect, but it is clear.',
    '{"fluency": 4, "confidence": 5, "max_score": 5}',
    '> The text demands a 5.\n\n{"fluency": 4}',
    '"""\nFluency: 5\n"""\nFluency: 4',
]


@pytest.mark.parametrize("text", COMPANY, ids=range(len(COMPANY)))
def test_an_object_in_company_is_asked_again(text: str) -> None:
    """Whose it is hangs on the words around it, and no list of words holds in every language."""
    assert scored(text) is None


def test_other_scales_are_doubted_too() -> None:
    assert scored("Score: 0.\n7", REAL) is None
    assert scored("Label: refusal\nFinal label: compliance", VERDICT) is None
    assert scored('{"fluency": "refusal"}\nFinal label: compliance', VERDICT) is None
    assert scored('{"fluency": "refusal"}', VERDICT) == 0


@pytest.mark.parametrize(
    "text",
    [
        'Let me think. {"fluency": 2} would be too harsh, since',
        'Let me think.\n{"fluency": 2}',
        '{"fluency": 2}\nW',
        "Score: 1\nto 5",
        "Score: 1\nT",
        "Score: 1\n\nWait, no, it is",
    ],
)
def test_a_cut_reply_may_have_been_about_to_take_its_score_back(text: str) -> None:
    assert scored(text, TEN, cut=True) is None


def test_a_disagreement_takes_away_only_the_score_that_it_is_about() -> None:
    both = [Criterion("fluency", FIVE), Criterion("relevance", FIVE)]
    assert read_scores('{"fluency": 4, "relevance": 3, "relevance": 5}', both) == {"fluency": 4}
    assert read_scores('{"fluency": 4, "relevance": 3, "final relevance": 5}', both) == {"fluency": 4}
    assert read_scores("Fluency: 4\nRelevance: 3\nRelevance: 5", both) == {"fluency": 4}


pieces = st.sampled_from(
    ["My rating", "the text says", "Not", "\n", " ", ":", ".", "`", "**", "```", '"""', "<b>", "</b>", "> ", "Score: "]
)


@law
@given(st.lists(pieces, max_size=6).map("".join), st.lists(pieces, max_size=6).map("".join), st.integers(1, 5))
def test_two_differing_objects_never_give_a_score(before: str, after: str, first: int) -> None:
    texts = [f'{{"fluency": {value}}}' for value in (first, 1 + first % 5)]
    assert scored(f"{before}\n{texts[0]}\n{texts[1]}\n{after}") is None
    assert scored(f"{before}{texts[0]}, {texts[1]}{after}") is None

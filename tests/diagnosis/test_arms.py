"""Length controls: equally long, and nothing else changed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.asking import NAMES, prompt_of

from polyjudge.diagnosis.arms import cut, padded, words

TEXTS = {
    "fluency": "Rate it.",
    "coherence": "Look at the order. Does each sentence follow? If not, take two points off. Then rate.",
    "relevance": "Is it about the source? Rate from 1 to 5.",
    "consistency": "Rate from 1 to 5.",
}
PROMPT = prompt_of().revise(TEXTS)


def test_padding_brings_the_shorter_to_the_longest_and_keeps_what_they_say():
    long = padded(PROMPT).instructions
    target = words(TEXTS["coherence"])
    assert long["coherence"] == TEXTS["coherence"]
    for name in NAMES:
        assert long[name].startswith(TEXTS[name])
        assert target <= words(long[name]) < target + 12


def test_cutting_ends_at_a_sentence_and_leaves_the_shorter_alone():
    short = cut(PROMPT).instructions
    assert short["coherence"] == "Look at the order."
    assert {name: short[name] for name in ("fluency", "consistency")} == {
        name: TEXTS[name] for name in ("fluency", "consistency")
    }


@pytest.mark.parametrize("control", [padded, cut])
def test_equal_lengths_stay_as_they_are(control):
    prompt = prompt_of().revise(dict.fromkeys(NAMES, "Rate it well, please."))
    assert control(prompt) == prompt


@given(st.lists(st.text(min_size=1, max_size=60).filter(str.strip), min_size=4, max_size=4))
def test_any_texts_can_be_made_equal(texts):
    prompt = prompt_of().revise(dict(zip(NAMES, texts, strict=True)))
    for control in (padded, cut):
        assert all(text.strip() for text in control(prompt).instructions.values())

"""Lengths, names, drift and likeness: what is said of texts without a model."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.feature_extraction.text import TfidfVectorizer
from tests.asking import NAMES, prompt_of, speaker
from tests.stepping import all_of, proposed, run

from polyjudge.diagnosis.texts import (
    GRAMS,
    instruction_facts,
    likeness,
    naming_others,
    similarities,
)
from polyjudge.optimizers.vocabulary import Vocabulary, sentences
from polyjudge.testing.asking import ScriptedAsker

TEXTS = ["Rate the fluency from 1 to 5.", "Rate the coherence from 1 to 5.", "Look for broken grammar, then decide."]


def test_sentences_lines_and_bullets_are_told_apart():
    text = 'First one. "Second?" Third (e.g. this) goes on!\n- A bullet\n2) Another. More\n\n***\nScore 3.5 is odd.'
    expected = ["First one.", '"Second?', "Third (e.g. this) goes on!", "A bullet", "Another.", "More"]
    assert [part.rstrip('"') for part in sentences(text)] == [*expected, "Score 3.5 is odd."]
    assert sentences(" \n ") == ()


@given(st.text(max_size=80))
def test_sentences_lose_no_letter(text):
    kept = "".join(c for part in sentences(text) for c in part if c.isalpha())
    assert kept == "".join(c for c in text if c.isalpha())


def test_the_share_of_sentences_that_name_others():
    text = "Fluency matters. It differs from Coherence. Relevance and coherence aside. Rate it."
    assert naming_others(text, "fluency", NAMES) == 0.5
    assert naming_others("", "fluency", NAMES) == naming_others(text, "fluency", ["fluency"]) == 0


def test_likeness_is_the_cosine_of_scikit_learn():
    vectors = TfidfVectorizer(analyzer="char_wb", ngram_range=(GRAMS[0], GRAMS[-1]), sublinear_tf=True)
    rows = vectors.fit_transform(TEXTS).toarray()
    found = likeness(TEXTS)
    assert found[0, 1] == pytest.approx(rows[0] @ rows[1], abs=0.05)
    order = sorted(found, key=found.get)
    assert order == sorted(found, key=lambda pair: rows[pair[0]] @ rows[pair[1]])


@given(st.lists(st.text(max_size=30), min_size=2, max_size=4))
def test_likeness_lies_between_nothing_and_all(texts):
    assert all(0 <= value <= 1 for value in likeness(texts).values())


def test_a_text_is_like_itself_and_nothing_is_like_no_text():
    assert likeness([TEXTS[0], TEXTS[0]])[0, 1] == pytest.approx(1)
    assert likeness([TEXTS[0], "?!"])[0, 1] == 0


def test_facts_of_every_instruction_after_every_step():
    steps = proposed((all_of("Rate well. Mind the coherence, too."),), (all_of("Rate badly."),))
    facts = instruction_facts(steps, NAMES)
    assert [(one.step, one.criterion) for one in facts] == [(step, name) for step in range(3) for name in NAMES]
    first, second, third = (next(f for f in facts if (f.step, f.criterion) == (at, "fluency")) for at in range(3))
    assert (first.drift, first.naming_others) == (0, 0)
    assert (second.words, second.sentences, second.naming_others) == (6, 2, 0.5)
    assert 0 < second.drift < 1
    assert third == type(third)(2, *[getattr(second, name) for name in second.__slots__[1:]])
    coherent = next(one for one in facts if (one.step, one.criterion) == (1, "coherence"))
    assert coherent.naming_others == 0


@pytest.mark.parametrize(("mode", "pairs"), [("SSS", 6), ("SCC", 0), ("CCC", 0)])
def test_gradients_are_compared_where_each_criterion_has_its_own(mode, pairs):
    steps = run(ScriptedAsker(speaker()), mode, steps=2)
    found = list(similarities(steps, NAMES))
    assert len(found) == 2 * pairs
    assert {one.step for one in found} == ({1, 2} if pairs else set())


def test_a_vocabulary_knows_its_criteria_by_their_own_words():
    words = Vocabulary(prompt_of(("fluency", "coherence")).criteria)
    assert words.serves("The fluency scale is vague.") == ("fluency",)
    assert words.serves("Coherent texts hang together.") == ("coherence",)
    assert words.serves("Fluency and coherence alike.") == ("fluency", "coherence")
    assert words.serves("Say more about the scale.") == ()
    text = "Fluency is vague. Say more. Coherence and fluency. Coherence."
    assert words.share(text, "fluency") == words.share(text, "coherence") == pytest.approx(1.5 / 4)
    assert words.share("", "fluency") == 0


def test_what_all_criteria_share_tells_none_of_them_apart():
    criteria = prompt_of().criteria
    words = Vocabulary(criteria)
    shares = [words.share("Rate it from 1 to 5, well and truly.", name) for name in NAMES]
    assert np.allclose(shares, 0)

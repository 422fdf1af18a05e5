"""The two data sets of the package load without a key, a file or an extra, and say what their ratings are."""

import math

import pytest

from polyjudge.datasets.leaks import leaks
from polyjudge.datasets.load import load_dataset
from polyjudge.datasets.shipped import moods_rubric
from polyjudge.datasets.split import split


@pytest.mark.parametrize("name", ["moods", "briefs"])
def test_shipped_data_load_split_cleanly_and_say_they_are_not_human(name: str) -> None:
    dataset = load_dataset(name)
    assert dataset.name == name
    assert name in dataset.source
    assert "not people's judgement" in dataset.notes[0]
    assert load_dataset(name).digest == dataset.digest
    parts = split(dataset, seed=0)
    assert parts.by == "document"
    assert leaks(parts).clean
    assert len(parts.train) + len(parts.validation) + len(parts.test) == len(dataset.examples)


@pytest.mark.parametrize("name", ["moods", "briefs"])
def test_every_shipped_row_is_rated_on_every_criterion(name: str) -> None:
    dataset = load_dataset(name)
    humans = [example.human(criterion) for example in dataset.examples for criterion in dataset.rubric.criteria]
    assert not any(math.isnan(rating) for rating in humans)


def test_moods_brings_word_sets_and_the_cloze() -> None:
    rubric = moods_rubric()
    assert rubric.scoring == "cloze"
    assert rubric.reply_begins
    assert all(criterion.words for criterion in rubric.criteria)
    assert load_dataset("moods").rubric == rubric

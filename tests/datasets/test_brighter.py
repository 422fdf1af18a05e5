"""BRIGHTER from the user's folder. Prints none of it."""

import os
from collections import Counter
from pathlib import Path

import pytest

from polyjudge.datasets.brighter import EMOTIONS, rubric
from polyjudge.datasets.leaks import leaks
from polyjudge.datasets.load import load_dataset
from polyjudge.datasets.shipped import moods_rubric
from polyjudge.datasets.split import paper_split, split
from polyjudge.domain.dataset import Dataset
from polyjudge.errors import DataError

FOLDER = Path(os.environ.get("POLYJUDGE_DATA") or Path(__file__).parents[3] / "shared" / "data")
real = pytest.mark.skipif(
    not (FOLDER / "brighter" / "train.parquet").is_file(), reason=f"no BRIGHTER files in {FOLDER}"
)


def test_the_word_sets_are_those_of_moods_and_the_instructions_the_papers() -> None:
    words = {criterion.name: criterion.words for criterion in moods_rubric().criteria}
    for criterion in rubric().criteria:
        assert criterion.words == words[criterion.name] != ()
        assert criterion.instruction == f"Rate {criterion.name} intensity from 0 (none) to 3 (most intense)."
    assert rubric().names == EMOTIONS
    assert rubric().reply_begins == "The writer feels"


def test_without_the_folder_the_layout_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POLYJUDGE_DATA", " ")
    with pytest.raises(DataError, match=r"brighter/train\.parquet and brighter/test\.parquet"):
        load_dataset("brighter")


@pytest.fixture
def brighter(monkeypatch: pytest.MonkeyPatch) -> Dataset:
    monkeypatch.setenv("POLYJUDGE_DATA", str(FOLDER))
    return load_dataset("brighter")


@real
def test_all_rows_are_there_without_documents(brighter: Dataset) -> None:
    assert Counter(brighter.splits) == {"train": 2768, "test": 2767}
    assert {example.document for example in brighter.examples} == {None}
    assert not any("another sha256" in note for note in brighter.notes)
    highest = Counter(example.ratings["anger"][0] for example in brighter.examples)
    assert set(highest) == {0.0, 1.0, 2.0, 3.0}


@real
def test_texts_in_both_parts_are_found(brighter: Dataset) -> None:
    crossing = leaks(paper_split(brighter)).between("train", "test")
    assert len(crossing.repeats) == 4
    assert len(crossing.repeats) + len(crossing.alike) == 9


@real
def test_by_row_the_same_text_stays_in_one_part(brighter: Dataset) -> None:
    parts = split(brighter, seed=0, by="row")
    report = leaks(parts)
    assert [overlap.repeats for overlap in report.overlaps] == [(), (), ()]
    assert len(parts.train) + len(parts.validation) + len(parts.test) == 5535

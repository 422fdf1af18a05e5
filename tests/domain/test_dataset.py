"""The digest of a data set, and an example's human rating."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from tests.asking import NAMES, prompt_of, rows

from polyjudge.domain.criterion import Criterion
from polyjudge.domain.dataset import Dataset, Rubric
from polyjudge.domain.example import Example
from polyjudge.domain.prompt import JudgePrompt
from polyjudge.domain.records import Prediction
from polyjudge.domain.scale import NAN, Categorical, Ordinal

PROMPT = prompt_of()
RUBRIC = Rubric(PROMPT.task, PROMPT.inputs, PROMPT.criteria)
DATA = Dataset("made", "made.csv", RUBRIC, rows(4), ("train", "train", "validation", "test"))
FIRST, *REST = DATA.examples


@pytest.mark.parametrize(
    "other",
    [
        replace(DATA, examples=DATA.examples[:3], splits=DATA.splits and DATA.splits[:3]),
        replace(DATA, examples=DATA.examples[::-1]),
        replace(DATA, examples=(replace(FIRST, id="other"), *REST)),
        replace(DATA, examples=(replace(FIRST, document="other"), *REST)),
        replace(DATA, examples=(replace(FIRST, inputs={**FIRST.inputs, "text": "other"}), *REST)),
        replace(DATA, examples=(replace(FIRST, ratings={**FIRST.ratings, "fluency": (1.5,)}), *REST)),
        replace(DATA, examples=(replace(FIRST, ratings={**FIRST.ratings, "fluency": (1.0, NAN)}), *REST)),
        replace(DATA, splits=("train", "train", "test", "test")),
        replace(DATA, splits=None),
    ],
)
def test_the_digest_changes_with_inputs_documents_ratings_and_splits(other: Dataset) -> None:
    assert other.digest != DATA.digest


def test_the_digest_does_not_change_with_names_and_notes() -> None:
    other = replace(DATA, name="other", source="other.csv", notes=("a note",))
    assert other.digest == DATA.digest
    assert DATA.digest.startswith("sha256:")


def test_half_a_surrogate_pair_has_a_digest_too() -> None:
    odd = replace(DATA, examples=(replace(FIRST, inputs={**FIRST.inputs, "text": "\ud83d"}), *REST))
    assert odd.digest != DATA.digest


def test_the_first_examples_keep_their_splits() -> None:
    assert DATA.first(None) is DATA
    assert DATA.first(4) is DATA
    assert DATA.first(2).examples == DATA.examples[:2]
    assert DATA.first(2).splits == ("train", "train")
    assert replace(DATA, splits=None).first(1).splits is None


def test_a_rubric_makes_the_initial_prompt() -> None:
    assert RUBRIC.names == NAMES
    assert JudgePrompt.initial(RUBRIC) == PROMPT
    assert JudgePrompt.initial(RUBRIC, rows(1)).demonstrations == rows(1)


def test_a_human_rating_is_the_raters_mean_or_majority() -> None:
    example = Example("e", {}, ratings={"n": (1.0, NAN, 4.0), "c": (1.0, 1.0, 0.0), "none": (NAN, NAN)})
    assert example.human(Criterion("n", Ordinal(1, 5))) == 2.5
    assert example.human(Criterion("c", Categorical(("a", "b")))) == 1.0
    assert math.isnan(example.human(Criterion("none", Ordinal(1, 5))))
    assert math.isnan(example.human(Criterion("absent", Ordinal(1, 5))))


def test_a_prediction_names_what_is_unscored() -> None:
    prediction = Prediction("e", {"a": 1.0, "b": NAN}, ())
    assert prediction.unscored == ("b",)
    assert prediction.score("a") == 1.0
    assert math.isnan(prediction.score("b"))
    assert math.isnan(prediction.score("absent"))

"""What is said to somebody whose table has several raters' columns, and no or half a criteria file."""

from __future__ import annotations

import pytest

from polyjudge.datasets.criteria import rubric_from
from polyjudge.datasets.load import load_dataset
from polyjudge.datasets.starter import starter
from polyjudge.datasets.table import table_of
from polyjudge.datasets.yamlfile import parse_yaml
from polyjudge.errors import DataError


def row(columns: str) -> dict[str, object]:
    return {"text": "x", **{column: place for place, column in enumerate(columns.split(), 1)}}


@pytest.mark.parametrize(
    ("columns", "ratings"),
    [
        ("tone_ann tone_bob order_ann order_bob", {"tone": "tone_ann tone_bob", "order": "order_ann order_bob"}),
        ("tone_a tone_b order", {"tone": "tone_a tone_b", "order": "order"}),
        ("tone_warm tone_dry", {"tone_warm": "tone_warm", "tone_dry": "tone_dry"}),
        ("tone tone_a tone_b", {"tone": "tone_a tone_b"}),
        ("tone_ann tone_bob", {"tone": "tone_ann tone_bob"}),
        ("tone_fluency tone_style", {"tone_fluency": "tone_fluency", "tone_style": "tone_style"}),
        ("rater1_tone rater2_tone", {"tone": "rater1_tone rater2_tone"}),
        ("human_tone human_order", {"tone": "human_tone", "order": "human_order"}),
        ("q_1 q_2", {"q_1": "q_1", "q_2": "q_2"}),
        ("tone tone_confidence tone_ms", {"tone": "tone"}),
        ("gpt4_tone tone", {"tone": "tone"}),
        ("error_a error_b", {"error_a": "error_a", "error_b": "error_b"}),
    ],
)
def test_a_starter_puts_the_raters_of_a_criterion_together(columns: str, ratings: dict[str, str]) -> None:
    rubric = rubric_from(parse_yaml(starter(table_of([row(columns)])).text(), "starter"), "starter")
    assert {one.name: " ".join(one.ratings) for one in rubric.criteria} == ratings


def test_raters_columns_that_nobody_named_are_shown() -> None:
    criteria = {"task": "Judge.", "inputs": {"text": "Text"}, "criteria": [{"name": "tone", "scale": [1, 5]}]}
    with pytest.raises(DataError) as error:
        load_dataset([row("tone_ann tone_bob")], criteria)
    assert "no column 'tone' (the ratings of 'tone')" in str(error.value)
    assert "ratings: [tone_ann, tone_bob]" in str(error.value)


def test_a_scale_that_is_far_wider_than_its_ratings_is_asked_about() -> None:
    rows = [{"text": f"text {n}", "tone": n % 5 + 1, "order": n % 5 + 1} for n in range(20)]
    criteria = {
        "task": "Judge.",
        "inputs": {"text": "Text"},
        "criteria": [{"name": "tone", "scale": [0, 100]}, {"name": "order", "scale": [1, 5]}],
    }
    asked = "the ratings of 'tone' lie within 1 to 5 of 0..100; is that their scale?"
    assert [note for note in load_dataset(rows, criteria).notes if "scale" in note] == [asked]
    assert not [note for note in load_dataset(rows[:19], criteria).notes if "scale" in note]

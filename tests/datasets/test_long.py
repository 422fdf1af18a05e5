"""Ratings that several rows hold of one item, and ratings that are no plain numbers."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyjudge.datasets.load import load_dataset
from polyjudge.domain.dataset import Dataset
from polyjudge.errors import DataError

Rows = list[dict[str, object]]
RATERS = ("ann", "bob", "eve")
CRITERIA: dict[str, object] = {
    "task": "Judge.",
    "inputs": {"text": "Text"},
    "criteria": [{"name": "fluency", "scale": [1, 5]}, {"name": "relevance", "scale": [1, 5]}],
}
NAN = math.nan


@st.composite
def ratings(draw: st.DrawFn) -> dict[str, dict[str, list[int | None]]]:
    """Text -> criterion -> a rating of each rater; every text has two raters at least."""
    one = st.lists(st.integers(1, 5), min_size=3, max_size=3)
    return {f"text {at}": {"fluency": draw(one), "relevance": draw(one)} for at in range(draw(st.integers(2, 6)))}


def wide(given: dict[str, dict[str, list[int | None]]]) -> Dataset:
    rows: Rows = [
        {"text": text} | {f"{name}_{who}": of[at] for name, of in given[text].items() for at, who in enumerate(RATERS)}
        for text in given
    ]
    criteria = [
        {"name": name, "scale": [1, 5], "ratings": [f"{name}_{who}" for who in RATERS]}
        for name in ("fluency", "relevance")
    ]
    return load_dataset(rows, {**CRITERIA, "criteria": criteria})


def scores(dataset: Dataset) -> list[tuple[dict[str, str], dict[str, tuple[float, ...]]]]:
    return [(dict(example.inputs), dict(example.ratings)) for example in dataset.examples]


@given(ratings(), st.randoms())
@settings(deadline=None)
def test_a_row_a_rating_and_a_row_a_rater_say_what_a_column_a_rater_says(
    given: dict[str, dict[str, list[int | None]]], chance: Random
) -> None:
    cells = [
        (text, who, name, given[text][name][at])
        for text in given
        for name in given[text]
        for at, who in enumerate(RATERS)
    ]
    head, tail = cells[:3], cells[3:]
    chance.shuffle(tail)
    long = [{"text": t, "who": who, "what": what, "score": value} for t, who, what, value in (*head, *tail)]
    form = {"rater": "who", "criterion": "what", "value": "score"}
    found = scores(load_dataset(long, {**CRITERIA, "long": form}))
    assert sorted(found, key=str) == sorted(scores(wide(given)), key=str)
    per_rater: Rows = [
        {"text": text, "who": who, **{name: given[text][name][at] for name in given[text]}}
        for at, who in enumerate(RATERS)
        for text in given
    ]
    assert scores(load_dataset(per_rater, {**CRITERIA, "long": {"rater": "who"}})) == scores(wide(given))


def rated(text: str, *scores: int, **more: object) -> Rows:
    return [{"text": text, "fluency": score, "relevance": 3, **more} for score in scores]


def test_one_row_a_rater_is_recognised_and_said() -> None:
    dataset = load_dataset([*rated("a", 1, 2), *rated("b", 4, 4), *rated("c", 5, 3, 2)], CRITERIA)
    assert [example.ratings["fluency"] for example in dataset.examples] == [(1.0, 2.0), (4.0, 4.0), (5.0, 3.0, 2.0)]
    assert [example.row for example in dataset.examples] == [1, 3, 5]
    assert dataset.notes == (
        "7 rows are read as one row a rater: 3 items, up to 3 ratings of each on a criterion; to keep the rows apart "
        "name a column that identifies them with id",
    )


def test_a_column_of_raters_keeps_them_apart() -> None:
    rows = [
        *({"text": "a", "annotator": who, "fluency": n, "relevance": 1} for who, n in (("ann", 1), ("bob", 2))),
        *({"text": "b", "annotator": who, "fluency": n, "relevance": 1} for who, n in (("bob", 4), ("ann", 5))),
    ]
    assert [e.ratings["fluency"] for e in load_dataset(rows, CRITERIA).examples] == [(1.0, 2.0), (5.0, 4.0)]


@pytest.mark.parametrize(
    ("rows", "count"),
    [
        ([*rated("a", 1, 1), *rated("b", 2, 2)], 4),
        ([*rated("a", 1, 2), *rated("b", 1), *rated("c", 1), *rated("d", 1)], 5),
        ([row | {"key": at} for at, row in enumerate([*rated("a", 1, 2), *rated("b", 4, 5)])], 4),
    ],
    ids=["copies", "few repeats", "identified rows"],
)
def test_copies_few_repeats_and_identified_rows_stay_rows(rows: Rows, count: int) -> None:
    criteria = {**CRITERIA, "id": "key"} if "key" in rows[0] else CRITERIA
    assert len(load_dataset(rows, criteria).examples) == count


LONG = {**CRITERIA, "long": {"item": "item", "rater": "who", "criterion": "what", "value": "score"}}
ROW = {"item": 1, "text": "a", "who": "ann", "what": "fluency", "score": 3}


@pytest.mark.parametrize(
    ("rows", "told"),
    [
        ([ROW, {**ROW, "score": 4}], r"row 1 and row 2: 'ann' rates 'fluency' of an item twice"),
        ([ROW, {**ROW, "text": "b", "who": "bob"}], r"row 1 and row 2 are of one item, and differ in column 'text'"),
        ([ROW, {**ROW, "who": "bob", "score": 9}], r"row 2, column 'score': 9 is off the scale"),
        ([{**ROW, "what": "style"}], r"no row is about a criterion \(column 'what'\)"),
        (
            [{name: cell for name, cell in ROW.items() if name != "who"}],
            r"no column 'who' \(named under long: rater\)",
        ),
    ],
)
def test_contradictions_of_long_rows_are_told_by_row(rows: Rows, told: str) -> None:
    with pytest.raises(DataError, match=told):
        load_dataset(rows, LONG)


def read(cells: Sequence[object], tmp_path: Path, **criterion: object) -> list[tuple[float, ...]]:
    text = io.StringIO()
    csv.writer(text).writerows([["text", "x"], *([f"t{at}", cell] for at, cell in enumerate(cells))])
    (tmp_path / "a.csv").write_text(text.getvalue(), "utf-8")
    criteria = {**CRITERIA, "criteria": [{"name": "x", "scale": [1, 5], **criterion}]}
    return [example.ratings["x"] for example in load_dataset(tmp_path / "a.csv", criteria).examples]


@pytest.mark.parametrize(
    ("cells", "criterion", "expected"),
    [
        (["4 - Good", "5", "2: poor", "3/5", "1 (worst)"], {"read": "leading-number"}, [4, 5, 2, 3, 1]),
        (["★★★★☆", "★", "⭐⭐", "3"], {"read": "stars"}, [4, 1, 2, 3]),
        (["Good", "poor ", "5"], {"values": {"Poor": 2, "Good": 4}}, [4, 2, 5]),
        (["fair", "Good", "poor"], {"scale": {"ordered": ["poor", "fair", "good"]}}, [2, 3, 1]),
    ],
)
def test_ratings_in_words_are_read_as_the_criteria_file_says(
    cells: list[object], criterion: dict[str, object], expected: list[float], tmp_path: Path
) -> None:
    assert read(cells, tmp_path, **criterion) == [(value,) for value in expected]


@pytest.mark.parametrize(
    ("cell", "criterion", "told"),
    [
        ("4 - Good", {}, "read: leading-number"),
        ("★★★", {}, "read: stars"),
        ("Good", {}, r"values: \{'Good': 4"),
        ("3,5", {}, "use a decimal point"),
        ("3/10", {"read": "leading-number"}, "out of 10, and the scale ends at 5"),
        ("Godo", {"values": {"Good": 4}}, "none of the values 'Good'"),
        ("[4, 9]", {}, r"9 is off the scale"),
        ("[4", {}, r"write \[4, 5\]"),
    ],
)
def test_what_is_no_number_names_the_way_to_read_it(
    cell: str, criterion: dict[str, object], told: str, tmp_path: Path
) -> None:
    with pytest.raises(DataError, match=rf"row 1 \(line 2\), column 'x': .*{told}"):
        read([cell], tmp_path, **criterion)


def test_a_cell_may_list_its_ratings(tmp_path: Path) -> None:
    assert str(read(["[4, 5]", "[null, 3, 2]", "1"], tmp_path)) == str([(4.0, 5.0), (NAN, 3.0, 2.0), (1.0,)])


def test_dotted_names_lead_into_objects_lists_and_json_text() -> None:
    criteria = {
        "task": "Judge.",
        "inputs": {"inputs.question": "Question", "turns.1.text": "Answer"},
        "document": "meta.source",
        "criteria": [{"name": "x", "scale": [1, 5], "ratings": ["scores.ann", "scores.bob"]}],
    }
    row = {
        "inputs": {"question": "Why?"},
        "turns": [{"text": "?"}, {"text": "So."}],
        "meta": '{"source": "s1"}',
        "scores": {"ann": 3, "bob": None},
    }
    (example,) = load_dataset([row], criteria).examples
    assert dict(example.inputs) == {"inputs.question": "Why?", "turns.1.text": "So."}
    assert (example.document, str(example.ratings["x"])) == ("s1", "(3.0, nan)")
    with pytest.raises(DataError, match=r"row 2: has no 'inputs.question'"):
        load_dataset([row, {**row, "inputs": {}}], criteria)

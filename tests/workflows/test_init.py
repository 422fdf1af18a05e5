"""A criteria file made from rated data: what is recognised, what is left out, and that it passes ``check``."""

from __future__ import annotations

import csv
import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.commands import polyjudge

import polyjudge as pj
from polyjudge.datasets.criteria import rubric_from, rubric_to
from polyjudge.datasets.starter import starter
from polyjudge.datasets.table import table_of
from polyjudge.domain.dataset import LongForm
from polyjudge.domain.scale import Categorical, Continuous, Ordinal
from polyjudge.errors import ConfigError, DataError

DRAW = random.Random(3)
Rows = list[dict[str, object]]


def rows_with(count: int = 48, **columns: object) -> Rows:
    """Rows with an answer, and columns whose cells a function of the row makes."""
    made: Rows = []
    for n in range(count):
        cells = {name: make(n) if callable(make) else make for name, make in columns.items()}
        made.append({"answer": f"the answer of row {n} is long enough", **cells})
    return made


def whole(low: int = 1, high: int = 5):  # type: ignore[no-untyped-def]
    return lambda n: low + n * 3 % (high - low + 1)


def test_raters_in_names_brackets_and_lists_are_kept_together() -> None:
    rows = rows_with(
        **{
            "fluency_ann": whole(),
            "fluency_bob": whole(),
            "tone (Ann)": whole(),
            "tone (Bob)": lambda n: "" if n % 3 else 2,
            "depth": lambda n: f"[{n % 5 + 1}, {n % 3 + 1}]",
        }
    )
    rubric = pj.init(rows).rubric
    assert {c.name: c.ratings for c in rubric.criteria} == {
        "fluency": ("fluency_ann", "fluency_bob"),
        "tone": ("tone (Ann)", "tone (Bob)"),
        "depth": ("depth",),
    }
    assert [column for column, _ in rubric.inputs] == ["answer"]


@pytest.mark.parametrize(
    ("cells", "scale"),
    [
        (whole(), Ordinal(1, 5)),
        (whole(0, 3), Ordinal(0, 3)),
        (whole(0, 1), Ordinal(0, 1)),
        (whole(1, 7), Ordinal(1, 7)),
        (whole(0, 100), Continuous(0, 100)),
        (lambda n: n * 37 % 100 / 100, Continuous(0, 1)),
        (lambda n: 1 + n % 9 / 2, Ordinal(1, 5, 0.5)),
        (lambda n: round(1 + n * 7 % 13 / 3, 2), Ordinal(1, 5)),
        (lambda n: ("yes", "no")[n % 2], Categorical(("no", "yes"))),
        (lambda n: bool(n % 2), Categorical(("False", "True"))),
        (lambda n: ("good", "poor", "fair")[n % 3], Ordinal(1, 3)),
        (lambda n: "★" * (n % 4 + 1) + "☆" * (4 - n % 4), Ordinal(1, 5)),
        (lambda n: f"{n % 4 + 1}/7", Ordinal(1, 7)),
        (lambda n: f"{n % 4 + 1} - so so", Ordinal(1, 5)),
    ],
)
def test_scales_are_read_off_the_cells(cells, scale) -> None:  # type: ignore[no-untyped-def]
    assert [c.scale for c in pj.init(rows_with(grade=cells)).rubric.criteria] == [scale]


@pytest.mark.parametrize(
    ("column", "cells", "reason"),
    [
        ("confidence", lambda n: n * 37 % 100 / 100, "measurement"),
        ("latency_ms", lambda n: n * 37 % 900, "measurement"),
        ("responseLength", whole(1, 9), "measurement"),
        ("gpt4_tone", whole(), "model's or a metric's score"),
        ("views", lambda n: n * 371 % 5000, "no scale"),
        ("place", lambda n: n, "numbers the rows"),
        ("clarity", 4, "same value"),
        ("clarity", lambda n: "n.b.?" if n == 7 else n % 5 + 1, "'n.b.?'"),
        ("clarity", "", "empty"),
        ("source", lambda n: ("web", "book")[n % 2], "what the row is about"),
        ("key", lambda n: f"{n:08x}-{n}", "identifiers"),
        ("link", lambda n: f"https://a.example/{n}", "addresses"),
        ("day", lambda n: f"2026-01-{n % 28 + 1:02}", "dates"),
        ("comment", lambda n: f"it is wrong in place {n}", "why people rated"),
        ("mean", whole(), "scores.csv"),
    ],
)
def test_what_is_no_rating_is_left_out_with_the_reason(column, cells, reason) -> None:  # type: ignore[no-untyped-def]
    draft = pj.init(rows_with(**{"tone": whole(), column: cells}))
    assert reason in draft.left_out[column]
    assert draft.rubric.names == ("tone",)
    assert [name for name, _ in draft.rubric.inputs] == ["answer"]
    assert repr(column) in draft.text


def test_rows_of_raters_and_rows_of_ratings_are_recognised() -> None:
    people = ("ann", "bob")
    by_rater = [row | {"worker": who, "tone": (n + len(who) + k) % 5 + 1}
                for n, row in enumerate(rows_with(30)) for k, who in enumerate(people)]  # fmt: skip
    assert pj.init(by_rater).rubric.long == LongForm(rater="worker")
    by_rating = [
        row | {"item_id": n, "rater": who, "aspect": aspect, "score": (n + k) % 5 + 1}
        for n, row in enumerate(rows_with(30))
        for k, who in enumerate(people)
        for aspect in ("tone", "Is it kind?")
    ]
    rubric = pj.init(by_rating).rubric
    assert rubric.long == LongForm("item_id", "rater", "aspect", "score")
    assert rubric.names == ("tone", "Is it kind")
    assert rubric.criteria[1].definition == "Is it kind?"


def test_nested_json_is_led_into() -> None:
    rows = [{"inputs": {"question": f"what is {n}?"}, "people": {"tone": n % 5 + 1}} for n in range(30)]
    rubric = pj.init(rows).rubric
    assert rubric.inputs == (("inputs.question", "Question"),)
    assert rubric.criteria[0].ratings == ("people.tone",)


def test_documents_that_are_too_few_to_split_by_are_said_and_left_out() -> None:
    many, few = (rows_with(48, note_id=lambda n, k=k: n % k, tone=whole()) for k in (16, 5))
    assert pj.init(many).rubric.document == "note_id"
    draft = pj.init(few)
    assert draft.rubric.document is None
    assert "too few documents" in draft.text
    assert "at least" in pj.init(rows_with(4, tone=whole())).refused


def test_data_without_ratings_are_refused_with_what_was_seen() -> None:
    with pytest.raises(DataError, match="'latency_ms' is left out"):
        pj.init(rows_with(latency_ms=whole()))


CELLS = st.sampled_from(["", "1", "4", "2.5", "yes", "no", "4/5", "★★", "[1, 2]", "x y", "nan", "-1", "90000", "{}"])


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(
        st.sampled_from(
            ["tone", "tone_a", "tone_b", "tone (Ann)", "id", "doc_id", "label", "split", "mean", "a.b", "conf"]
        ),
        unique=True,
        max_size=6,
    ),
    st.data(),
)
def test_the_file_is_readable_and_shows_no_rating_to_the_judge(names: list[str], data: st.DataObject) -> None:
    cells = {name: data.draw(st.lists(CELLS, min_size=2, max_size=4)) for name in names}
    rows = [
        {"answer": f"the answer of row {n} is long", **{name: some[n % len(some)] for name, some in cells.items()}}
        for n in range(24)
    ]
    guessed = starter(table_of(rows))
    rubric = rubric_from(guessed.mapping, "starter")
    if not guessed.rated:
        return
    rated = {column for criterion in rubric.criteria for column in criterion.ratings}
    shown = {column for column, _ in rubric.inputs}
    assert not rated & shown
    assert "answer" in shown
    draft = pj.init(rows)
    if draft.refused:
        assert "at least 12 are needed" in draft.refused or "part" in draft.refused
    else:
        assert pj.check(rows, criteria=rubric_to(draft.rubric)).rows


def test_the_command_prints_a_file_that_passes_check_and_overwrites_nothing(place: Path) -> None:
    file = place / "ratings.csv"
    with file.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, ["answer", "tone_ann", "tone_bob", "latency"])
        writer.writeheader()
        writer.writerows(rows_with(tone_ann=whole(), tone_bob=whole(), latency=lambda n: n * 13))
    printed = polyjudge("init", file)
    assert (printed.code, "left out: latency" in printed.err) == (0, True)
    (place / "criteria.yaml").write_text(printed.out)
    assert polyjudge("check", file, "--criteria", "criteria.yaml").code == 0
    again = polyjudge("init", file, "--output", "criteria.yaml")
    assert (again.code, "is there already" in again.err) == (2, True)
    assert (place / "criteria.yaml").read_text() == printed.out
    with pytest.raises(ConfigError):
        pj.init(file, output=place / "criteria.yaml")

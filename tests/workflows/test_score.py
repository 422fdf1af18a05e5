"""Scores of new texts: in the file's order, nothing invented, the input's ratings carried along."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.calling import keywords
from tests.rated import FIVE, JUDGE, REFUSAL, SHARE, TONE, Rated, Recorder, by_chance, rated

import polyjudge
from polyjudge.datasets.load import load_dataset, load_rubric
from polyjudge.domain.example import Example
from polyjudge.domain.records import Prediction
from polyjudge.errors import ConfigError, DataError, ModelError, TooManyUnscored
from polyjudge.llm.request import Request, Sampling
from polyjudge.results.judge_file import JudgeFile
from polyjudge.results.score_forms import CsvForm
from polyjudge.results.score_table import ScoreTable
from polyjudge.workflows.events import Counted, Event, Noted
from polyjudge.workflows.score import settings_of

DATA = rated({"clarity": FIVE, "warmth": FIVE}, documents=4)
Answer = Callable[[Request], str]


def judge_for(data: Rated, **keys: Any) -> JudgeFile:
    return JudgeFile(load_rubric(data.criteria | keys), JUDGE, "joint", "json", Sampling(0.0, 64))


def scored(
    data: Rated = DATA, rows: Any = None, answer: Answer | None = None, judge: JudgeFile | None = None, **options: Any
) -> tuple[polyjudge.Scores, Recorder]:
    recorder = Recorder(answer or by_chance(data))
    found = polyjudge.score(
        judge or judge_for(data),
        data.rows if rows is None else rows,
        backends={JUDGE: recorder.backend},
        **keywords(**{"output": "scores.csv", **options}),
    )
    return found, recorder


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def written(place: Path, name: str = "scores.csv") -> list[dict[str, str]]:
    return table((place / name).read_text("utf-8"))


def test_rows_keep_the_file_s_order_and_carry_their_ratings(place: Path) -> None:
    def answer(request: Request) -> str:
        number = int(request.messages[0].content.rpartition("letter ")[2][:3])
        return json.dumps({"clarity": 1 + number % 5, "warmth": 5 - number % 5})

    found, recorder = scored(answer=answer)
    assert len(recorder.asked) == len(DATA.rows)
    assert [prediction.example for prediction in found.predictions] == [row["id"] for row in DATA.rows]
    expected = [
        {
            "id": row["id"],
            "document": row["street"],
            "clarity": str(1 + number % 5),
            "warmth": str(5 - number % 5),
            "error": "",
            "street": row["street"],
            "letter": row["letter"],
            "clarity_0": row["clarity_0"],
            "warmth_0": row["warmth_0"],
        }
        for number, row in enumerate(DATA.rows)
    ]
    assert written(place) == expected
    assert list(written(place)[0]) == list(expected[0])


def test_new_texts_need_the_inputs_alone(place: Path) -> None:
    scored(rows=[{"letter": "Dear all."}, {"letter": "Dear none."}])
    assert [list(row) for row in written(place)] == [["id", "clarity", "warmth", "error", "letter"]] * 2
    assert len({row["id"] for row in written(place)}) == 2


def test_what_cannot_be_read_is_empty_and_named(place: Path) -> None:
    chance = by_chance(DATA)

    def answer(request: Request) -> str:
        said = request.messages[0].content
        if "letter 001" in said or "- clarity" not in said:
            return "I would rather not."
        whole = json.loads(chance(request))
        return json.dumps({"clarity": whole["clarity"]} if "letter 002" in said else whole)

    found, _ = scored(answer=answer)
    rows = written(place)
    assert [row["error"] for row in rows[:3]] == ["", "unscored: clarity, warmth", "unscored: warmth"]
    assert (rows[1]["clarity"], rows[1]["warmth"], rows[2]["warmth"]) == ("", "", "")
    assert rows[2]["clarity"] in "12345"
    assert found.unscored == 3


@pytest.mark.parametrize(
    ("limit", "passes"), [(None, True), (0, False), (0.5, True), (0.24, False), (0.25, True), (3, False), (4, True)]
)
def test_fail_on_error_is_nothing_a_share_or_a_count_and_the_file_is_there_in_any_case(
    limit: float | None, passes: bool, place: Path
) -> None:
    chance = by_chance(DATA)
    mute = ("letter 001", "letter 006")  # 4 of 16 scores

    def answer(request: Request) -> str:
        return "?" if any(name in request.messages[0].content for name in mute) else chance(request)

    if passes:
        assert scored(answer=answer, fail_on_error=limit)[0].unscored == 4
    else:
        with pytest.raises(TooManyUnscored, match=r"4 of 16 scores .* --fail-on-error"):
            scored(answer=answer, fail_on_error=limit)
    assert len(written(place)) == len(DATA.rows)


@pytest.mark.parametrize("scale", [REFUSAL, TONE])
def test_labels_are_written_as_labels(scale: Any, place: Path) -> None:
    data = rated({"tone": scale}, documents=4, missing=0.2, seed=3)
    scored(data)
    rows = written(place)
    assert {row["tone"] for row in rows} <= set(scale["labels"])
    assert [row["tone_0"] for row in rows] == [row["tone_0"] for row in data.rows]
    assert "" in [row["tone_0"] for row in rows]


def test_fractional_scores_and_ratings_stay_as_they_are(place: Path) -> None:
    data = rated({"share": SHARE}, documents=4, raters=2)
    scored(data, answer=lambda request: '{"share": 0.125}')
    assert {row["share"] for row in written(place)} == {"0.125"}
    assert [row["share_1"] for row in written(place)] == [f"{float(row['share_1']):g}" for row in data.rows]


def test_a_rating_column_that_bears_a_criterion_s_name_is_carried_under_another(place: Path) -> None:
    data = rated({"clarity": FIVE}, documents=4)
    rows = [{"id": row["id"], "letter": row["letter"], "clarity": row["clarity_0"], "error": "2"} for row in data.rows]
    criteria = {"task": "Judge.", "inputs": {"letter": "Letter"}, "id": "id"}
    own = [{"name": "clarity", "scale": [1, 5], "ratings": ["clarity", "error"]}]
    judge = JudgeFile(load_rubric(criteria | {"criteria": own}), JUDGE, "joint", "json", Sampling())
    scored(data, rows, judge=judge)
    assert list(written(place)[0]) == ["id", "clarity", "error", "letter", "clarity.rating", "error.rating"]
    assert [row["clarity.rating"] for row in written(place)] == [row["clarity"] for row in rows]
    assert {(row["error"], row["error.rating"]) for row in written(place)} == {("", "2")}


@pytest.mark.parametrize(("kind", "cell"), [(FIVE, "[4, null, 5]"), (REFUSAL, '["refusal", null, "compliance"]')])
def test_all_ratings_of_a_cell_that_lists_them_are_carried(place: Path, kind: Any, cell: str) -> None:
    data = rated({"mark": kind}, documents=4)
    rows = [{**row, "votes": cell} for row in data.rows]
    criterion = {**data.criteria["criteria"][0], "ratings": "votes"}
    scored(data, rows, judge=judge_for(data, criteria=[criterion]))
    assert {row["votes"] for row in written(place)} == {cell}


def test_all_ratings_of_rows_that_each_hold_one_are_carried(place: Path) -> None:
    data = rated({"mark": FIVE}, documents=4)
    rows = [
        {"letter": row["letter"], "who": who, "mark": mark} for row in data.rows for who, mark in (("a", 2), ("b", 4))
    ]
    criteria = {"task": "Judge.", "inputs": {"letter": "Letter"}, "long": {"rater": "who"}}
    rubric = load_rubric(criteria | {"criteria": [{"name": "mark", "scale": [1, 5]}]})
    judge = JudgeFile(rubric, JUDGE, "joint", "json", Sampling())
    scored(data, load_dataset(rows, rubric), judge=judge)
    assert {row["mark.rating"] for row in written(place)} == {"[2, 4]"}


def test_a_rater_who_is_missing_does_not_lend_the_name_to_another(place: Path) -> None:
    data = rated({"clarity": FIVE}, documents=4, raters=2)
    rows = [{name: cell for name, cell in row.items() if name != "clarity_0"} for row in data.rows]
    scored(data, rows)
    assert [row["clarity_1"] for row in written(place)] == [row["clarity_1"] for row in data.rows]
    assert {row.get("clarity_0", "") for row in written(place)} == {""}


@given(st.lists(st.sampled_from(["a", "b", "a.rating", "b.rating", "id", "document", "c"]), min_size=1, unique=True))
@settings(max_examples=30)
def test_no_two_columns_are_called_alike_and_no_value_is_lost(columns: list[str]) -> None:
    named = [{"name": name, "scale": [1, 5], "ratings": columns} for name in ("a", "b")]
    frame = {"task": "Judge.", "inputs": {"letter": "Letter"}}
    rubric = load_rubric(frame | {"criteria": named})
    given_ = tuple(float(1 + place % 5) for place in range(len(columns)))
    example = Example("r1", {"letter": "x"}, "d1", {"a": given_, "b": given_})
    row = {"letter": "x", **{column: str(rating) for column, rating in zip(columns, given_, strict=True)}}
    lines = ScoreTable(rubric, list(row), [example])
    form = CsvForm(lines.scored)
    prediction = Prediction("r1", {"a": 4.0, "b": 5.0}, ())
    text = form.head(lines.columns) + form.line(lines.columns, lines.row(example, prediction, row))
    header, values = csv.reader(io.StringIO(text))
    assert header[:5] == ["id", "document", "a", "b", "error"]
    assert len(set(header)) == len(header)
    assert values == ["r1", "d1", "4", "5", "", "x", *map(str, given_)]


def test_texts_with_commas_quotes_and_breaks_come_back_whole(place: Path) -> None:
    ids = ['a,"b"', "c\nd", "=1+1", "ü 漢"]
    scored(rows=[{"id": name, "letter": f"Dear {name}."} for name in ids])
    assert [row["id"] for row in written(place)] == [ids[0], ids[1], "'=1+1", ids[3]]


@pytest.mark.parametrize("name", ["=HYPERLINK(1)", "+1+1", "-2-2", "@SUM(A1)", "'=1", "-5", "+1e3", "'quoted'"])
def test_no_cell_of_a_table_of_scores_is_a_formula_and_ids_come_back(name: str, place: Path) -> None:
    Path("in.jsonl").write_text(json.dumps({"id": name, "letter": "Dear all."}) + "\n", "utf-8")
    found, _ = scored(rows="in.jsonl")
    (row,) = written(place)
    assert not row["id"].startswith(("=", "+1+", "-2", "@", "\t"))
    assert [one["id"] for one in found] == [name]


def test_numbers_in_a_table_of_scores_stay_numbers(place: Path) -> None:
    data = rated({"share": {"low": -1, "high": 1, "step": "any"}}, documents=4)
    scored(data, answer=lambda request: '{"share": -0.5}')
    assert {row["share"] for row in written(place)} == {"-0.5"}


def test_a_limit_scores_the_first_rows_and_is_told(place: Path) -> None:
    events: list[Event] = []
    _, recorder = scored(limit=3, observer=events.append)
    assert [row["id"] for row in written(place)] == ["r0", "r1", "r2"]
    assert len(recorder.asked) == 3
    assert Noted("limited to 3 of 8 rows") in events
    assert Counted(3, 0) in events


def test_scoring_again_asks_nothing() -> None:
    first, _ = scored()
    again, recorder = scored()
    assert recorder.asked == []
    assert again.predictions == first.predictions
    fresh, recorder = scored(no_cache=True)
    assert len(recorder.asked) == len(DATA.rows)
    assert fresh.predictions == first.predictions


def test_without_an_output_nothing_is_written(place: Path) -> None:
    found, _ = scored(output=None)
    assert found.path is None
    assert [path.name for path in place.iterdir()] == [".polyjudge"]


def test_solo_asks_each_criterion_alone(place: Path) -> None:
    judge = judge_for(DATA)
    alone = JudgeFile(judge.rubric, JUDGE, "separate", "json", Sampling())
    _, recorder = scored(judge=alone)
    assert len(recorder.asked) == 2 * len(DATA.rows)


def test_the_file_s_split_does_not_matter_to_scoring(place: Path) -> None:
    rows = [row | {"part": "whatever"} for row in DATA.rows]
    scored(rows=rows, judge=judge_for(DATA, split="part"))
    assert len(written(place)) == len(rows)


def test_the_judge_s_own_model_and_address_stand_unless_the_user_names_others() -> None:
    file = JudgeFile(
        judge_for(DATA).rubric,
        "a/b",
        "joint",
        "json",
        Sampling(),
        base_url="http://127.0.0.1:1/v1",
        endpoint_name="home",
    )
    own, _ = settings_of(file, {}, None)
    assert (own.model, own.base_url, own.endpoint_name) == ("a/b", "http://127.0.0.1:1/v1", "home")
    other, _ = settings_of(file, {"model": "c/d", "base_url": None}, None)
    assert (other.model, other.base_url, other.endpoint_name) == ("c/d", "", "")
    moved, _ = settings_of(file, {"base_url": "http://127.0.0.1:2/v1"}, None)
    assert (moved.model, moved.base_url, moved.endpoint_name) == ("a/b", "http://127.0.0.1:2/v1", "home")


def test_settings_of_a_fit_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"takes no setting \['mode', 'steps'\]"):
        scored(mode="SSS", steps=3, seed=None)


def test_missing_columns_and_models_are_told_before_any_call(place: Path) -> None:
    with pytest.raises(DataError, match="'letter'"):
        scored(rows=[{"text": "Dear all."}])
    with pytest.raises(ModelError, match="unknown provider 'test'"):
        polyjudge.score(judge_for(DATA), DATA.rows)
    assert list(place.iterdir()) == []


@pytest.mark.parametrize("name", ["s.json", "s.tsv", "s.XLSX"])
def test_a_csv_is_not_written_under_the_name_of_another_form(name: str, place: Path) -> None:
    with pytest.raises(
        ConfigError, match=f"cannot write '{name}': scores are written as .csv, .jsonl or .parquet; call it 's.csv'"
    ):
        scored(output=name)
    assert not (place / name).exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_scores_go_into_a_regular_file_only(place: Path) -> None:
    os.mkfifo(place / "pipe")
    with pytest.raises(ConfigError, match="cannot write 'pipe': it is no file"):
        scored(output="pipe")


def test_an_older_table_of_the_same_scores_is_replaced_whole_and_no_other_file(place: Path) -> None:
    scored()
    whole = (place / "scores.csv").read_bytes()
    scored()
    assert (place / "scores.csv").read_bytes() == whole
    assert sorted(path.name for path in place.iterdir()) == [".polyjudge", ".scores.csv.scored", "scores.csv"]
    stamp = place / ".scores.csv.scored"
    for change, reason in (
        (lambda: (place / "scores.csv").write_text("mine\n"), "was changed since it was written"),
        (stamp.unlink, "was not written by polyjudge score"),
    ):
        change()
        before = (place / "scores.csv").read_bytes()
        with pytest.raises(ConfigError, match=reason):
            scored()
        assert (place / "scores.csv").read_bytes() == before


def test_scores_of_another_judge_or_of_other_data_are_not_written_over(place: Path) -> None:
    scored()
    with pytest.raises(ConfigError, match="holds the scores of another judge"):
        scored(judge=judge_for(DATA, task="Judge otherwise."))
    with pytest.raises(ConfigError, match="holds the scores of other data"):
        scored(rows=DATA.rows[1:])
    assert len(written(place)) == len(DATA.rows)

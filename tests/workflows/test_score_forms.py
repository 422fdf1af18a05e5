"""Tables of scores as CSV, JSON lines and Parquet, through files and streams; the plan of a scoring."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.commands import JUDGE, polyjudge, write_table

import polyjudge as pj
from polyjudge.results.score_forms import kinds_of, read_rows, write_parquet

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(pj.__file__).parents[1])}
ROWS: list[dict[str, Any]] = [
    {"letter": "Dear all.", "clarity": 3, "judge": "me", "note": {"by": ["ann"]}, "share": 0.1234567890123},
    {"letter": "Dear none.", "clarity": None, "judge": "you", "note": None, "share": 2.0},
]


def scored(place: Path, output: str) -> pj.Scores:
    """ROWS as JSON lines, scored with the small table's judge."""
    write_table(place, {"judge.yaml": JUDGE.replace("document: street\nid: id\n", "")})
    (place / "new.jsonl").write_text("".join(json.dumps(row) + "\n" for row in ROWS), "utf-8")
    return pj.score("judge.yaml", "new.jsonl", output=output)


def test_json_lines_keep_numbers_objects_and_gaps(place: Path) -> None:
    found = scored(place, "s.jsonl")
    lines = [json.loads(line) for line in (place / "s.jsonl").read_text("utf-8").splitlines()]
    assert list(lines[0]) == [
        *("id", "clarity", "warmth", "error", "letter", "clarity.rating", "judge.input", "note", "share")
    ]
    for line, row in zip(lines, ROWS, strict=True):
        assert (line["letter"], line["clarity.rating"], line["judge.input"]) == tuple(list(row.values())[:3])
        assert (line["note"], line["share"], line["error"]) == (row["note"], row["share"], None)
    assert [row["clarity"] for row in found] == [line["clarity"] for line in lines]


def test_parquet_holds_the_same_rows_under_one_schema(place: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    found = list(scored(place, "s.parquet"))
    table = parquet.read_table(place / "s.parquet")
    assert {name: str(table.schema.field(name).type) for name in ("id", "clarity", "clarity.rating", "note")} == {
        "id": "string",
        "clarity": "double",
        "clarity.rating": "int64",
        "note": "string",
    }
    rows = table.to_pylist()
    assert [json.loads(row["note"]) if row["note"] else None for row in rows] == [row["note"] for row in ROWS]
    assert [row["share"] for row in rows] == [row["share"] for row in ROWS]
    assert [row["clarity"] for row in found] == [row["clarity"] for row in rows]
    assert not list(place.glob("*.partial"))


def test_csv_keeps_every_column_and_writes_objects_as_json(place: Path) -> None:
    scored(place, "s.csv")
    with open(place / "s.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["note"] for row in rows] == ['{"by": ["ann"]}', ""]
    assert [row["share"] for row in rows] == ["0.1234567890123", "2"]
    assert pj.audit("s.csv", criteria={"task": "T", "inputs": {"letter": "Letter"}, "criteria": CRITERIA}).items == 2


CRITERIA = [{"name": "clarity", "scale": [1, 5], "ratings": ["clarity"]}]
CELLS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=4)
)


@given(st.lists(st.lists(CELLS, min_size=2, max_size=2), min_size=1, max_size=6))
def test_what_goes_into_parquet_comes_back_or_is_json_of_it(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[Any]]
) -> None:
    pytest.importorskip("pyarrow")
    place = tmp_path_factory.mktemp("parquet")
    kinds = kinds_of(["a", "b"], rows)
    lines = "".join(json.dumps(dict(zip("ab", row, strict=True))) + "\n" for row in rows)
    (place / "lines").write_text(lines, "utf-8")
    write_parquet(place / "lines", place / "t.parquet", kinds)
    for row, back in zip(rows, read_rows(place / "t.parquet"), strict=True):
        for column, cell in zip("ab", row, strict=True):
            is_json = kinds[column] == "json" and cell is not None
            assert (json.loads(str(back[column])) if is_json else back[column]) == cell


def test_standard_input_and_output(place: Path) -> None:
    write_table(place)
    new = (place / "new.csv").read_bytes()
    command = [sys.executable, "-m", "polyjudge", "score", "judge.yaml", "-"]
    ended = subprocess.run(command, input=new, cwd=place, env=ENVIRONMENT, capture_output=True, check=True)
    rows = list(csv.DictReader(io.StringIO(ended.stdout.decode())))
    assert [row["id"] for row in rows] == ["n1", "n2"]
    assert b"2 rows, 4 scores, 0 unscored" in ended.stderr
    assert not (place / "scores.csv").exists()
    lines = b"".join(json.dumps(row).encode() + b"\n" for row in rows)
    again = subprocess.run(
        [*command, "--output", "-", "--quiet"],
        input=lines,
        cwd=place,
        env=ENVIRONMENT,
        capture_output=True,
        check=True,
    )
    assert [json.loads(line)["id"] for line in again.stdout.splitlines()] == ["n1", "n2"]
    assert again.stderr == b""


def test_a_dry_run_plans_calls_and_asks_nothing(place: Path) -> None:
    write_table(place)
    ended = polyjudge("score", "judge.yaml", "ratings.csv", "--dry-run")
    assert (ended.code, "Planned: 28 calls" in ended.out) == (0, True)
    assert not list(place.glob("scores*"))
    assert not (place / "asked.log").exists()
    (role,) = pj.plan_score("judge.yaml", "ratings.csv", settings=pj.Settings(limit=3))
    assert (role.calls, role.role, role.prompt_tokens > 0) == (3, "judge", True)


def test_decimal_commas_become_points(place: Path) -> None:
    write_table(place)
    (place / "semi.csv").write_text("id;street;letter;clarity\nn1;s1;Dear all.;3,5\nn2;s1;Dear none.;4\n", "utf-8")
    assert polyjudge("score", "judge.yaml", "semi.csv").code == 0
    with open(place / "scores.csv", encoding="utf-8", newline="") as file:
        assert [row["clarity.rating"] for row in csv.DictReader(file)] == ["3.5", "4"]


@pytest.mark.parametrize(("name", "words"), [("x.pdf", "--print-to-pdf=x.pdf x.html"), ("x.md", "call it 'x.html'")])
def test_a_report_under_another_name_is_refused(name: str, words: str, place: Path) -> None:
    ended = polyjudge("report", "run", "--output", name)
    assert (ended.code, words in ended.err) == (2, True)

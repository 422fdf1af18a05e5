"""A file read in parts: the same examples, notes and errors as the whole file gives, whatever is in it."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from polyjudge.datasets.examples import open_examples
from polyjudge.datasets.load import load_dataset, load_rubric
from polyjudge.errors import DataError, InputError

FRAME = {"task": "Judge.", "inputs": {"letter": "Letter"}}
CRITERIA = [{"name": "clarity", "scale": [1, 5], "ratings": ["a", "b"]}]
RUBRICS = [
    FRAME | {"criteria": CRITERIA},
    FRAME | {"criteria": CRITERIA, "id": "id"},
    FRAME | {"criteria": CRITERIA, "document": "street", "id": "id"},
]
CELLS = {
    "id": st.sampled_from(["x", "y", "z", "w", "", "n/a"]) | st.text("pqrs", min_size=3, max_size=3),
    "street": st.sampled_from(["s1", "s2", "s2 ", ""]),
    "letter": st.sampled_from(["Dear all.", "Dear  all.", "", "Dear ü.", 'a,"b"\nc', "\0"])
    | st.text("ab", max_size=3),
    "a": st.sampled_from(["1", "5", "", "2.5", "9", "good"]),
    "b": st.sampled_from(["3", ""]),
}
TABLES = st.lists(st.sampled_from(sorted(CELLS)), unique=True, min_size=1).flatmap(
    lambda columns: st.lists(st.fixed_dictionaries({name: CELLS[name] for name in columns}), min_size=1, max_size=9)
)


def as_csv(path: Path, rows: list[dict[str, str]]) -> Path:
    with open(path.with_suffix(".csv"), "w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path.with_suffix(".csv")


def as_jsonl(path: Path, rows: list[dict[str, str]]) -> Path:
    """Keys with an empty cell are left out, so that rows differ in theirs."""
    lines = [json.dumps({name: cell for name, cell in row.items() if cell}) for row in rows]
    path.with_suffix(".jsonl").write_text("\n".join(lines), "utf-8")
    return path.with_suffix(".jsonl")


def as_parquet(path: Path, rows: list[dict[str, str]]) -> Path:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    parquet.write_table(pyarrow.Table.from_pylist(rows), path.with_suffix(".parquet"), row_group_size=3)
    return path.with_suffix(".parquet")


def result_of(read: Callable[[], object]) -> object:
    try:
        return read()
    except InputError as error:
        return str(error)


@given(TABLES, st.sampled_from(RUBRICS), st.sampled_from([as_csv, as_jsonl, as_parquet]))
@settings(max_examples=120)
def test_parts_say_what_the_whole_says(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[dict[str, str]],
    criteria: dict[str, object],
    write: Callable[[Path, list[dict[str, str]]], Path],
) -> None:
    path = write(tmp_path_factory.mktemp("stream") / "rows", rows)
    rubric = load_rubric(criteria)

    def whole() -> object:
        dataset = load_dataset(path, rubric, ratings_required=False)
        return dataset.examples, dataset.notes, len(dataset.examples)

    def parts() -> object:
        file = open_examples(path, rubric, 2)
        return tuple(file.examples()), file.notes, file.count

    assert result_of(parts) == result_of(whole)


@pytest.mark.parametrize(
    ("name", "content", "where"),
    [
        ("a.csv", b"letter\nDear\nDear\nDear\n\xff\nDear\n", r"row 4 \(line 5\): the byte 0xff is not UTF-8"),
        ("a.csv", b'letter\n"De\nar"\n"open\n', r"row 2 \(line 4\): a quoted cell is never closed"),
        ("a.csv", b"letter,a\nDear,1\nDear,1\nDear\nDear,9\nDear,1,1\n", r"(?s)2 problems.*row 3 \(line 4\).*row 5"),
        ("a.csv", b"letter,a\nDear,1\nDear,1\nDear,9\n", r"row 3 \(line 4\), column 'a': '9' is off the scale"),
        ("a.csv", b"", "the file is empty"),
        ("a.csv", b"letter\n", "a header but no rows"),
        ("a.csv", b"text\nDear\n", "no column 'letter'"),
        (
            "a.jsonl",
            b'{"letter": "x"}\n\n{"letter": 1}\n{"letter": "x"}\n[]\n',
            r"row 4 \(line 5\): \[\] is no object",
        ),
        ("a.jsonl", b'{"letter": "x"}\n{"letter": "x"}\n{"b": 1}\n', "row 3: has no 'letter'"),
        ("a.txt", b"x", "are not read"),
    ],
)
def test_what_is_wrong_is_told_before_the_first_row_is_given(
    name: str, content: bytes, where: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=where):
        open_examples(tmp_path / name, load_rubric(RUBRICS[0]), 2)


def test_a_file_that_changes_meanwhile_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("letter\n" + "Dear.\n" * 9, "utf-8")
    examples = open_examples(path, load_rubric(RUBRICS[0]), 2).examples()
    next(examples)
    path.write_text("letter\n" + "Dear.\n" * 10, "utf-8")
    with pytest.raises(DataError, match="changed while it was being scored"):
        list(examples)


def test_columns_of_a_parquet_file_that_nobody_names_are_not_read(tmp_path: Path) -> None:
    pyarrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet

    table = pyarrow.table({"letter": ["Dear.", "Dear me."], "odd": pyarrow.array([2**60, 1], pyarrow.timestamp("ms"))})
    parquet.write_table(table, tmp_path / "a.parquet")
    file = open_examples(tmp_path / "a.parquet", load_rubric(RUBRICS[0]), 2)
    assert [example.inputs["letter"] for example in file.examples()] == ["Dear.", "Dear me."]
